//! Copies of the catalog on a volume, the newest first, read back.
//!
//! Each part is compared with its digest before any of it is handed on. Memory: one index for each
//! segment of a copy, and one part.

use std::io::{self, Read};

use jiff::Timestamp;

use crate::drive::SequentialDevice;
use crate::engine::MountedVolume;
use crate::engine::content::ContentDigest;
use crate::engine::unread::Unread;
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::volume::VolumeError;
use crate::volume::backwards::Backwards;
use crate::volume::index::{Content, FileLine, Index};
use crate::volume::member::Condition;
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;
use crate::volume::tar::{Event, MemberParser};

/// A part is held in memory: longer ones than are written are none of ours.
const PART_BYTES_MAX: u64 = 64 << 20;

/// A copy that is whole by its indexes.
#[derive(Debug)]
pub struct CatalogCopy {
    /// Its segments, in tape order.
    indexes: Vec<Index>,
}

impl CatalogCopy {
    /// When its last segment was closed.
    #[must_use]
    pub fn written_at(&self) -> Timestamp {
        self.indexes[self.indexes.len() - 1].info.written_at
    }

    /// Number of its first segment on the volume.
    #[must_use]
    pub fn segment_number(&self) -> u64 {
        self.indexes[0].info.number
    }

    fn path(&self) -> &[u8] {
        &self.indexes[0].files[0].path
    }

    fn parts(&self) -> impl Iterator<Item = (&Index, &FileLine)> {
        (self.indexes.iter()).flat_map(|index| index.files.iter().map(move |line| (index, line)))
    }

    /// Whether its parts are all there, each behind the one before.
    fn is_whole(&self) -> bool {
        let mut next = (1, 0);
        let mut ended = false;
        for (_, line) in self.parts() {
            let (number, offset_bytes, last) = line.part.map_or((1, 0, true), |part| {
                (part.number, part.offset_bytes, part.last)
            });
            let follows = !ended && (number, offset_bytes) == next;
            if !follows || line.path != self.path() || line.condition != Condition::Whole {
                return false;
            }
            let end_bytes = offset_bytes.saturating_add(line.covered_bytes());
            next = (number.saturating_add(1), end_bytes);
            ended = last;
        }
        ended
    }
}

/// The copies on a volume, from its end backwards.
#[derive(Debug, Default)]
pub struct CatalogCopies {
    backwards: Backwards,
    /// The last segment of the copy before, met already.
    met: Option<Index>,
}

impl CatalogCopies {
    /// The next older copy that is whole; `None` if there is none before.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub fn next_copy(
        &mut self,
        mounted: &mut MountedVolume,
        monitor: &dyn Monitor,
    ) -> Result<Option<CatalogCopy>, VolumeError> {
        let label = mounted.label.clone();
        let mut device = ResumingReader::new(mounted.device.as_mut(), &label, monitor);
        loop {
            let mut indexes: Vec<Index> = self.met.take().into_iter().collect();
            let mut ended = false;
            while let Some(index) = self.backwards.next_index(&mut device, &label)? {
                let is_copy = index.info.content == Content::Catalog && !index.files.is_empty();
                match (is_copy, indexes.first()) {
                    (true, None) => indexes.push(index),
                    (true, Some(later)) if later.files[0].path == index.files[0].path => {
                        indexes.insert(0, index);
                    }
                    (true, Some(_)) => {
                        self.met = Some(index);
                        ended = true;
                    }
                    (false, Some(_)) => ended = true,
                    (false, None) => {}
                }
                if ended {
                    break;
                }
                if is_copy && begins(&indexes) {
                    break;
                }
            }
            if indexes.is_empty() {
                return Ok(None);
            }
            let copy = CatalogCopy { indexes };
            if copy.is_whole() {
                return Ok(Some(copy));
            }
            tracing::info!("a copy of the catalog that is not whole is passed over");
        }
    }
}

/// Whether the first part is there.
fn begins(indexes: &[Index]) -> bool {
    let first = indexes.first().and_then(|index| index.files.first());
    first.is_some_and(|line| line.part.is_none_or(|part| part.number == 1))
}

/// A copy as a stream of bytes. What is wrong with the tape is an error of that stream.
pub struct CatalogCopyReader<'a> {
    device: ResumingReader<'a>,
    parts: Box<dyn Iterator<Item = (&'a Index, &'a FileLine)> + 'a>,
    part: Vec<u8>,
    at: usize,
    /// Of the drive, which says nothing of the tape.
    failure: Option<VolumeError>,
}

impl<'a> CatalogCopyReader<'a> {
    /// Reads `copy` from the volume on which it was found.
    pub fn new(
        mounted: &'a mut MountedVolume,
        copy: &'a CatalogCopy,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            device: ResumingReader::new(mounted.device.as_mut(), &mounted.label, monitor),
            parts: Box::new(copy.parts()),
            part: Vec::new(),
            at: 0,
            failure: None,
        }
    }

    /// What the drive failed with, if that ended the stream.
    pub fn take_failure(&mut self) -> Option<VolumeError> {
        self.failure.take()
    }
}

impl Read for CatalogCopyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.part.len() {
            let Some((index, line)) = self.parts.next() else {
                return Ok(0);
            };
            self.at = 0;
            self.part.clear();
            let read = read_part(&mut self.device, index, line, &mut self.part);
            if let Err(unread) = read {
                // Whoever reads on gets nothing that was not compared, and nothing behind it.
                self.part.clear();
                self.parts = Box::new(std::iter::empty());
                return Err(match unread {
                    Unread::Bad(what) => {
                        io::Error::other(format!("segment {}: {what}", index.info.number))
                    }
                    Unread::NotMedium(error) => {
                        let what = with_causes(&error);
                        self.failure = Some(error);
                        io::Error::other(what)
                    }
                });
            }
        }
        let left = &self.part[self.at..];
        let taken = left.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&left[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

fn read_part(
    device: &mut dyn SequentialDevice,
    index: &Index,
    line: &FileLine,
    part: &mut Vec<u8>,
) -> Result<(), Unread> {
    if line.covered_bytes() > PART_BYTES_MAX {
        return Err("a part of the copy is longer than one may be".into());
    }
    let mut reader = RecordReader::new(device, index.info.block_bytes);
    reader.check_against(index);
    reader.open_member(&line.place);
    let mut parser = MemberParser::new();
    let mut begun = false;
    let mut ended = false;
    loop {
        let chunk = reader.chunk()?;
        let Some(mut chunk) = chunk else { break };
        loop {
            let event = parser.next(&mut chunk);
            match event.map_err(|error| Unread::Bad(error.to_string()))? {
                None => break,
                Some(Event::Member { mut member, .. }) => {
                    // Which inode it was only the index knows.
                    member.inode = line.inode;
                    let found = FileLine::new(&member, line.place, line.digest, line.condition);
                    if begun || found != *line || member.extents.is_some() {
                        return Err("its header is not what the index says of it".into());
                    }
                    begun = true;
                }
                Some(Event::Data { bytes, .. }) if begun => part.extend_from_slice(bytes),
                Some(Event::MemberEnd) if begun => ended = true,
                Some(Event::Refused { why, .. }) => return Err(Unread::Bad(why)),
                Some(_) => return Err("no member is at its place".into()),
            }
        }
    }
    let mut digest = ContentDigest::new(index.info.job.digest);
    digest.update(part);
    match ended && line.digest == Some(digest.finish()) {
        true => Ok(()),
        false => Err("its content has not the digest that the index says".into()),
    }
}
