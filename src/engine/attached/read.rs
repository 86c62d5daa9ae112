//! A copy as a stream of bytes.
//!
//! Of a segment with an index each part is compared with its digest before any of it is handed on.
//! Of one without, its archive is handed on as it comes: whether that is all, and right, only the
//! end mark of the copy tells.

use std::io::{self, Read};

use super::{CatalogCopy, Known, Segment};
use crate::drive::SequentialDevice;
use crate::engine::MountedVolume;
use crate::engine::content::ContentDigest;
use crate::engine::listed::{Came, read_listed};
use crate::engine::unread::Unread;
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::index::{FileLine, Index};
use crate::volume::read::{Found, RecordReader};
use crate::volume::resume::ResumingReader;
use crate::volume::tar::{Event, MemberParser};

/// A part is held in memory: longer ones than are written are none of ours.
const PART_BYTES_MAX: u64 = 64 << 20;
/// So much of a segment without index is read before it is handed on.
const STRETCH_BYTES: usize = 32 << 20;

/// A copy as a stream of bytes. What is wrong with the tape is an error of that stream.
pub struct CatalogCopyReader<'a> {
    device: ResumingReader<'a>,
    block_bytes: u32,
    copy: &'a CatalogCopy,
    /// The segment that is read.
    segment: usize,
    at: Within,
    ready: Vec<u8>,
    taken: usize,
    /// Of the drive, which says nothing of the tape.
    failure: Option<VolumeError>,
    /// What was read is not as it was written, or could not be read.
    is_damaged: bool,
}

/// How far the reader has come in a segment.
enum Within {
    /// So many parts by the index.
    Parts(usize),
    /// So far in the archive.
    Archive(Box<MemberParser>, BlockAddress),
}

impl Within {
    fn beginning(segment: &Segment) -> Self {
        match &segment.known {
            Known::Index(_) => Self::Parts(0),
            Known::Head { .. } => Self::Archive(Box::default(), segment.first_block),
        }
    }
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
            block_bytes: mounted.label.block_bytes,
            copy,
            segment: 0,
            at: Within::beginning(copy.first()),
            ready: Vec::new(),
            taken: 0,
            failure: None,
            is_damaged: false,
        }
    }

    /// What the drive failed with, if that ended the stream.
    pub fn take_failure(&mut self) -> Option<VolumeError> {
        self.failure.take()
    }

    /// True if the tape ended the stream: some of the copy is not on it as it was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Makes more ready; false behind the end.
    fn more(&mut self) -> Result<bool, Unread> {
        loop {
            let Some(segment) = self.copy.segments.get(self.segment) else {
                return Ok(false);
            };
            let (device, ready) = (&mut self.device, &mut self.ready);
            let more = match (&segment.known, &mut self.at) {
                (Known::Index(index), Within::Parts(next)) => {
                    let line = index.files.get(*next);
                    *next += 1;
                    let read = line.map(|line| read_part(device, index, line, ready));
                    read.transpose()?.is_some()
                }
                (_, Within::Archive(parser, next)) if !parser.ended() => {
                    let mut reader = RecordReader::new(device, self.block_bytes);
                    read_archive(&mut reader, segment.path(), parser, next, ready)?;
                    true
                }
                _ => false,
            };
            if more {
                return Ok(true);
            }
            self.segment += 1;
            if let Some(segment) = self.copy.segments.get(self.segment) {
                self.at = Within::beginning(segment);
            }
        }
    }
}

impl Read for CatalogCopyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            self.taken = 0;
            self.ready.clear();
            match self.more() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(unread) => {
                    // Whoever reads on gets nothing that was not compared, and nothing behind it.
                    self.ready.clear();
                    let segment = self.copy.segments.get(self.segment);
                    let number = segment.map_or(0, |segment| segment.number);
                    self.segment = self.copy.segments.len();
                    return Err(match unread {
                        Unread::Bad(what) => {
                            self.is_damaged = true;
                            io::Error::other(format!("segment {number}: {what}"))
                        }
                        Unread::NotMedium(error) => {
                            let what = with_causes(&error);
                            self.failure = Some(error);
                            io::Error::other(what)
                        }
                    });
                }
            }
        }
        let left = &self.ready[self.taken..];
        let taken = left.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&left[..taken]);
        self.taken += taken;
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
    let ended = read_listed(&mut reader, line, &mut |came| {
        match came {
            Came::Header(member) if member.extents.is_some() => {
                return Err("its header is not what the index says of it".into());
            }
            Came::Header(_) => {}
            Came::Data { bytes, .. } => part.extend_from_slice(bytes),
        }
        Ok(())
    })?;
    let mut digest = ContentDigest::new(index.info.job.digest);
    digest.update(part);
    match ended && line.digest == Some(digest.finish()) {
        true => Ok(()),
        false => Err("its content has not the digest that the index says".into()),
    }
}

/// Reads on in the archive of a segment, up to its end or for a while.
fn read_archive(
    reader: &mut RecordReader<'_>,
    path: &[u8],
    parser: &mut MemberParser,
    next: &mut BlockAddress,
    ready: &mut Vec<u8>,
) -> Result<(), Unread> {
    while !parser.ended() && ready.len() < STRETCH_BYTES {
        reader.seek(*next)?;
        let Found::Record { bytes, .. } = reader.next_object()? else {
            return Err("its archive ends before its end".into());
        };
        *next = next.plus(1);
        let mut rest = bytes;
        loop {
            let event = parser.next(&mut rest);
            match event.map_err(|error| Unread::Bad(error.to_string()))? {
                None => break,
                Some(Event::Member { member, .. }) if member.path != path => {
                    return Err("something else is in it".into());
                }
                Some(Event::Refused { why, .. }) => return Err(Unread::Bad(why)),
                Some(Event::Data { bytes, .. }) => ready.extend_from_slice(bytes),
                Some(Event::Member { .. } | Event::Global(_) | Event::MemberEnd | Event::End) => {}
            }
        }
    }
    Ok(())
}
