//! A file that is there in part: what is missing of it is read, and all of it compared with its
//! digest.
//!
//! What is there need not be believed: it was left by a run that was broken off, or came from
//! another copy. It is read once more, in its turn, for the digest.

use std::collections::VecDeque;
use std::ops::Range;

use super::gaps::{self, Torn};
use super::incoming::{Lost, hash_hole};
use super::pass::{Pass, Piece};
use super::plan::MemberRead;
use super::read::{Failed, unreadable};
use crate::engine::content::ContentDigest;
use crate::engine::target::DataWriter;
use crate::monitor::Monitor;
use crate::volume::index::{Digest, Place};
use crate::volume::member::Member;

/// Bytes of a file that are read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A file's data, or those of one part of it, on their way to being whole.
pub(super) struct Mending<'m> {
    read: &'m MemberRead,
    member: &'m Member,
    data: &'m DataWriter,
    monitor: &'m dyn Monitor,
    /// `None` once there is a gap.
    digest: Option<ContentDigest>,
    /// What is to be read yet.
    left: VecDeque<Range<u64>>,
    /// What could not be read.
    bad: Vec<Range<u64>>,
    /// Why, of the first.
    why: Option<String>,
}

impl<'m> Mending<'m> {
    /// `missing`: in bytes of what the member covers.
    pub(super) fn new(
        read: &'m MemberRead,
        member: &'m Member,
        missing: &[Range<u64>],
        data: &'m DataWriter,
        monitor: &'m dyn Monitor,
    ) -> Self {
        let left = gaps::torn(member, missing);
        Self {
            read,
            member,
            data,
            monitor,
            digest: Some(ContentDigest::new(read.digest_algorithm)),
            left: left.into_iter().flat_map(|torn| torn.missing).collect(),
            bad: Vec::new(),
            why: None,
        }
    }

    /// What is missing still.
    pub(super) fn into_missing(self) -> Vec<Range<u64>> {
        let mut missing = self.bad;
        missing.extend(self.left);
        missing
    }

    /// Reads what is missing from the member at `place`.
    ///
    /// # Errors
    ///
    /// [`Lost::Content`] where some of it cannot be read; [`Lost::Doubt`] where all is there and
    /// has another digest; the target's and the volume's failures.
    pub(super) fn all(&mut self, pass: &mut Pass<'_>, place: &Place) -> Result<(), Failed> {
        // What the plan would read through on its way here is not on the way any more.
        pass.may_read_on(0);
        let missing: Vec<Range<u64>> = self.left.iter().cloned().collect();
        let bytes: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let there = self.member.payload_bytes().saturating_sub(bytes);
        self.monitor.advance(0, there);
        for torn in gaps::torn(self.member, &missing) {
            self.piece(pass, place, torn)?;
        }
        let Some(mut digest) = self.digest.take() else {
            let why = self.why.clone().unwrap_or_default();
            return Err(Lost::Content(why).into());
        };
        hash_hole(&mut digest, self.member.covered_bytes(), self.monitor)?;
        let actual = digest.finish();
        match self.read.digest.map(Digest) {
            Some(expected) if expected == actual => Ok(()),
            _ => {
                let what = format!("its content, mended, has the digest {actual}");
                Err(Lost::Doubt(what).into())
            }
        }
    }

    fn piece(&mut self, pass: &mut Pass<'_>, place: &Place, torn: Torn) -> Result<(), Failed> {
        let mut at = torn.piece.start;
        for range in torn.missing {
            self.there(at..range.start)?;
            at = range.end;
            let behind = torn.before + (range.start - torn.piece.start);
            self.fetch(pass, place, range, behind)?;
        }
        Ok(self.there(at..torn.piece.end)?)
    }

    /// Digests what is there.
    fn there(&mut self, range: Range<u64>) -> Result<(), Lost> {
        let Some(digest) = &mut self.digest else {
            return Ok(());
        };
        hash_hole(digest, range.start, self.monitor)?;
        let mut at = range.start;
        let mut buffer = vec![0; PIECE_BYTES.min(range.end - at) as usize];
        while at < range.end {
            if self.monitor.stop_requested() {
                return Err(Lost::Stopped);
            }
            let bytes = (range.end - at).min(PIECE_BYTES);
            let buffer = &mut buffer[..bytes as usize];
            let base_bytes = self.member.part.map_or(0, |part| part.offset_bytes);
            if let Err(error) = self.data.read_at(base_bytes + at, buffer) {
                let what = format!("what was there of it cannot be read: {error}");
                return Err(Lost::Doubt(what));
            }
            digest.update(buffer);
            at += bytes;
        }
        Ok(())
    }

    /// Reads one range, in front of which lie so many bytes of data of the member.
    fn fetch(
        &mut self,
        pass: &mut Pass<'_>,
        place: &Place,
        range: Range<u64>,
        behind: u64,
    ) -> Result<(), Failed> {
        let bytes = range.end - range.start;
        let found = pass.place_of(self.member, place, behind, bytes);
        let found = found
            .map_err(unreadable)?
            .ok_or_else(|| Lost::content("its data are not where they should be"))?;
        pass.open_with_gaps(&found).map_err(unreadable)?;
        let base_bytes = self.member.part.map_or(0, |part| part.offset_bytes);
        let mut at = range.start;
        loop {
            if self.monitor.stop_requested() {
                return Err(Lost::Stopped.into());
            }
            match pass.piece().map_err(unreadable)? {
                Piece::End => break,
                Piece::Bytes(data) => {
                    if let Some(digest) = &mut self.digest {
                        hash_hole(digest, at, self.monitor)?;
                        digest.update(data);
                    }
                    self.data
                        .write_at(base_bytes + at, data)
                        .map_err(Lost::from)?;
                    at += data.len() as u64;
                    self.monitor.advance(0, data.len() as u64);
                }
                Piece::Gap(bytes, why) => {
                    self.digest = None;
                    self.bad.push(at..at + bytes);
                    self.why.get_or_insert(why);
                    at += bytes;
                }
            }
            if let Some(left) = self.left.front_mut() {
                left.start = at;
            }
        }
        self.left.pop_front();
        Ok(())
    }
}
