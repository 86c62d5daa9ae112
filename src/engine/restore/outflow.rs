//! The output of one file while it is poured out, and the member that is under way: another copy
//! goes on in its middle.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;

use super::gaps;
use super::incoming::{Lost, check_header, hash_hole};
use super::pass::{Pass, Piece, Unreadable};
use super::plan::MemberRead;
use crate::engine::content::{ContentDigest, ZEROS};
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::volume::failure::is_cancelled;
use crate::volume::index::{Digest, Place};
use crate::volume::member::{Kind, Member};
use crate::volume::tar::{Event, MemberParser, TarError};

/// So many bad places of a member are named.
const NAMED: usize = 16;

/// Why a copy was not read on.
pub(super) enum Ended {
    Lost(String),
    /// The same, of bytes that are not what was archived.
    Doubt(String),
    Output(io::Error),
    Stopped,
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Content(what) => Ended::Lost(what),
            Lost::Doubt(what) => Ended::Doubt(what),
            Lost::Target(error) => Ended::Lost(error.what),
            Lost::Stopped => Ended::Stopped,
        }
    }
}

impl From<Unreadable> for Ended {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Member(what) => Ended::Lost(what),
            Unreadable::Volume(error) if is_cancelled(&error) => Ended::Stopped,
            Unreadable::Volume(error) => Ended::Lost(with_causes(&error)),
        }
    }
}

/// What takes the content of a file, in order.
pub(super) trait Spout {
    /// The header of the first member has come, with the metadata that are wanted.
    fn begin(&mut self, first: &Member, read: &MemberRead) -> Result<(), Ended> {
        let _ = (first, read);
        Ok(())
    }

    /// Takes the next bytes.
    fn put(&mut self, data: &[u8]) -> Result<(), Ended>;

    /// All came.
    fn flush(&mut self) -> Result<(), Ended> {
        Ok(())
    }
}

impl Spout for &mut dyn Write {
    fn put(&mut self, data: &[u8]) -> Result<(), Ended> {
        self.write_all(data).map_err(Ended::Output)
    }

    fn flush(&mut self) -> Result<(), Ended> {
        Write::flush(self).map_err(Ended::Output)
    }
}

/// The output, and how far the file was given out.
pub(super) struct Out<'a> {
    spout: &'a mut dyn Spout,
    monitor: &'a dyn Monitor,
    has_begun: bool,
    /// Of the file, from its beginning on.
    bytes: u64,
    /// How much of that is in members that came to their end.
    settled_bytes: u64,
    /// Those of them that have a digest agree; `None` where one has none.
    agrees: Option<bool>,
    doubts: Vec<String>,
    under_way: Option<UnderWay>,
}

/// A member that was given out in part.
struct UnderWay {
    read: MemberRead,
    member: Box<Member>,
    /// Of what was given out of it; `None` where that is not all of it.
    digest: Option<ContentDigest>,
    /// Where its data belong that have not come yet, in bytes of what it covers.
    missing: VecDeque<Range<u64>>,
    /// Bytes of data that came.
    came: u64,
}

impl UnderWay {
    /// True if `read` brings the same bytes in the same way.
    fn is_of(&self, read: &MemberRead) -> bool {
        let piece = |read: &MemberRead| read.part.map(|part| (part.number, part.offset_bytes));
        piece(&self.read) == piece(read)
            && self.read.digest.is_some()
            && (self.read.digest, self.read.digest_algorithm)
                == (read.digest, read.digest_algorithm)
            // Else its header is another, and may have another map of holes.
            && self.read.length_bytes == read.length_bytes
    }

    fn base(&self) -> u64 {
        self.member.part.map_or(0, |part| part.offset_bytes)
    }

    /// So many bytes of data came, or were passed over: where they belong, one after the other.
    fn advance(&mut self, bytes: u64) -> Vec<Range<u64>> {
        self.came += bytes;
        let (mut left, mut ranges) = (bytes, Vec::new());
        while let Some(range) = self.missing.front_mut().filter(|_| left > 0) {
            let end = range.start + left.min(range.end - range.start);
            ranges.push(range.start..end);
            left -= end - range.start;
            range.start = end;
            if range.is_empty() {
                self.missing.pop_front();
            }
        }
        ranges
    }
}

impl<'a> Out<'a> {
    pub(super) fn new(spout: &'a mut dyn Spout, monitor: &'a dyn Monitor) -> Self {
        Self {
            spout,
            monitor,
            has_begun: false,
            bytes: 0,
            settled_bytes: 0,
            agrees: Some(true),
            doubts: Vec::new(),
            under_way: None,
        }
    }

    pub(super) fn monitor(&self) -> &'a dyn Monitor {
        self.monitor
    }

    /// Bytes of the file that were given out.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// True if all members agreed with their digests; `None` where one has none.
    pub(super) fn agrees(&self) -> Option<bool> {
        self.agrees
    }

    /// What is to be said of those that did not.
    pub(super) fn into_doubts(self) -> Vec<String> {
        self.doubts
    }

    /// All came.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        self.spout.flush()
    }

    /// True if all of a part was given out.
    pub(super) fn has_settled(&self, read: &MemberRead) -> bool {
        read.part.is_some_and(|part| {
            let end = part.offset_bytes.saturating_add(part.length_bytes);
            part.length_bytes > 0 && end <= self.settled_bytes
        })
    }

    /// Gives out data that lie at `offset` of the file, and the hole before them, as far as they
    /// were not given out yet.
    fn put(&mut self, offset: u64, data: &[u8]) -> Result<(), Ended> {
        self.zeros(offset)?;
        let known = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX);
        if let Some(new) = data.get(known..) {
            self.spout.put(new)?;
            self.bytes += new.len() as u64;
        }
        Ok(())
    }

    fn zeros(&mut self, to: u64) -> Result<(), Ended> {
        while self.bytes < to {
            if self.monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            let piece = (to - self.bytes).min(ZEROS.len() as u64);
            self.spout.put(&ZEROS[..piece as usize])?;
            self.bytes += piece;
        }
        Ok(())
    }

    /// Gives out one member of the volume in the drive, or what is missing of it.
    pub(super) fn member(
        &mut self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        barcode: &str,
    ) -> Result<(), Ended> {
        let place = read.place();
        pass.turn_to(read);
        pass.may_read_on(read.read_on_records);
        let poured = match self.go_on(pass, read, &place)? {
            true => Ok(()),
            false => self.member_anew(pass, read, &place),
        };
        match poured {
            Err(Ended::Doubt(what)) if pass.pins(&place)? => {
                let again = self.member_anew(pass, read, &place);
                again.map_err(|ended| match ended {
                    Ended::Lost(pinned) => Ended::Lost(format!("{what}: {pinned}")),
                    other => other,
                })?;
            }
            poured => poured?,
        }
        self.settle(pass, read, &place, barcode)
    }

    /// Goes on in the middle of the member that is under way. False if that is another, or nobody
    /// knows where its middle is.
    fn go_on(
        &mut self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        place: &Place,
    ) -> Result<bool, Ended> {
        let Some(under_way) = self.under_way.as_ref().filter(|one| one.is_of(read)) else {
            return Ok(false);
        };
        let (member, came) = (&under_way.member, under_way.came);
        let left = member.payload_bytes().saturating_sub(came);
        let Some(middle) = pass.place_of(member, place, came, left)? else {
            return Ok(false);
        };
        pass.open(&middle)?;
        while let Some(bytes) = pass.chunk()? {
            if self.monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            self.monitor.advance(0, bytes.len() as u64);
            self.data(bytes)?;
        }
        Ok(true)
    }

    /// Gives out a member from its beginning on. What was given out already need not be read well.
    fn member_anew(
        &mut self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        place: &Place,
    ) -> Result<(), Ended> {
        self.under_way = None;
        let base = read.part.map_or(0, |part| part.offset_bytes);
        match self.bytes > base {
            true => pass.open_with_gaps(place)?,
            false => pass.open(place)?,
        }
        let mut parser = MemberParser::new();
        let mut ended = false;
        loop {
            if self.monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            let mut bytes = match pass.piece()? {
                Piece::End => break,
                Piece::Bytes(bytes) => bytes,
                Piece::Gap(bytes, why) => {
                    if !self.passes_over(bytes) || !parser.lost(bytes) {
                        return Err(Ended::Lost(why));
                    }
                    continue;
                }
            };
            self.monitor.advance(0, bytes.len() as u64);
            let malformed = |error: TarError| Ended::Doubt(error.to_string());
            while let Some(event) = parser.next(&mut bytes).map_err(malformed)? {
                match event {
                    Event::Member { member, .. } if self.under_way.is_none() => {
                        self.begin(read, member)?;
                    }
                    Event::Data { bytes, .. } if self.under_way.is_some() => self.data(bytes)?,
                    Event::MemberEnd if self.under_way.is_some() => ended = true,
                    Event::Refused { why, .. } => {
                        return Err(Ended::Lost(format!("refused: {why}")));
                    }
                    _ => return Err(Ended::Doubt("another member is at its place".to_owned())),
                }
            }
        }
        match ended {
            true => Ok(()),
            false => Err(Ended::Doubt("it is not complete at its place".to_owned())),
        }
    }

    /// Takes the header of a member.
    fn begin(&mut self, read: &MemberRead, mut member: Box<Member>) -> Result<(), Ended> {
        check_header(&member, read)?;
        read.adjust(&mut member);
        if member.kind != Kind::File {
            return Err(Ended::Lost("it is no file, and has no content".to_owned()));
        }
        if !self.has_begun {
            self.has_begun = true;
            self.spout.begin(&member, read)?;
        }
        self.under_way = Some(UnderWay {
            read: read.clone(),
            digest: Some(ContentDigest::new(read.digest_algorithm)),
            missing: gaps::of_payload(&member, 0..member.payload_bytes()).into(),
            came: 0,
            member,
        });
        Ok(())
    }

    /// Gives out the next data of the member that is under way.
    fn data(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        let monitor = self.monitor;
        let Some(under_way) = &mut self.under_way else {
            return Ok(());
        };
        let base = under_way.base();
        for range in under_way.advance(bytes.len() as u64) {
            let (now, later) = bytes.split_at((range.end - range.start) as usize);
            bytes = later;
            let Some(under_way) = &mut self.under_way else {
                return Ok(());
            };
            if let Some(digest) = &mut under_way.digest {
                hash_hole(digest, range.start, monitor)?;
                digest.update(now);
            }
            self.put(base.saturating_add(range.start), now)?;
        }
        Ok(())
    }

    /// True if so many bytes that cannot be read are data, and were all given out before.
    fn passes_over(&mut self, bytes: u64) -> bool {
        let given = self.bytes;
        let Some(under_way) = &mut self.under_way else {
            return false;
        };
        let payload = under_way.came..under_way.came.saturating_add(bytes);
        let base = under_way.base();
        let belong = gaps::of_payload(&under_way.member, payload);
        let is_given = |range: &Range<u64>| base.saturating_add(range.end) <= given;
        let passes = belong.iter().all(is_given);
        if passes {
            let data = belong.iter().map(|range| range.end - range.start);
            let data = data.sum();
            under_way.advance(data);
            under_way.digest = None;
        }
        passes
    }

    /// All data of a member came: do they agree with its digest?
    fn settle(
        &mut self,
        pass: &mut Pass<'_>,
        read: &MemberRead,
        place: &Place,
        barcode: &str,
    ) -> Result<(), Ended> {
        let Some(under_way) = self.under_way.take() else {
            return Err(Ended::Lost("it is not complete at its place".to_owned()));
        };
        let covered_bytes = under_way.member.covered_bytes();
        let end = under_way.base().saturating_add(covered_bytes);
        let agreed = match (under_way.digest, read.digest.map(Digest)) {
            (Some(mut digest), Some(expected)) => {
                hash_hole(&mut digest, covered_bytes, self.monitor)?;
                let actual = digest.finish();
                if actual != expected {
                    let what = what_is_wrong(pass, place)?;
                    self.doubts.push(format!(
                        "its content has the digest {actual} instead of {expected}; on {barcode}: \
                         {what}"
                    ));
                }
                Some(actual == expected)
            }
            (None, Some(_)) => {
                self.doubts.push(format!(
                    "not all of it could be compared with its digest: what cannot be read on \
                     {barcode} came from a copy that was cut elsewhere"
                ));
                Some(false)
            }
            (_, None) => None,
        };
        self.zeros(end)?;
        self.settled_bytes = end;
        self.agrees = self.agrees.zip(agreed).map(|(all, one)| all && one);
        Ok(())
    }
}

/// Which records of a member are not what was written.
fn what_is_wrong(pass: &mut Pass<'_>, place: &Place) -> Result<String, Ended> {
    let mut wrong = Vec::new();
    if pass.is_comparing() || pass.pins(place)? {
        pass.open_with_gaps(place)?;
        while wrong.len() < NAMED {
            match pass.piece()? {
                Piece::End => break,
                Piece::Bytes(_) => {}
                Piece::Gap(_, why) => wrong.push(why),
            }
        }
    }
    Ok(match wrong.is_empty() {
        true => "nothing is known to be wrong".to_owned(),
        false => wrong.join(", "),
    })
}
