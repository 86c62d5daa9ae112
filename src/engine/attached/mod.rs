//! Copies of the catalog on a volume, the newest first, found and read back.
//!
//! A copy is known by its indexes or, where one of them is lost, by what the segment says of itself
//! at its beginning. Memory: one index while it is read, 64 MiB of those of one copy, and one part.

mod read;

pub use read::CatalogCopyReader;

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::engine::MountedVolume;
use crate::monitor::Monitor;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::VolumeError;
use crate::volume::backwards::{Backwards, Bare, Step};
use crate::volume::failure::{ReadFailure, judge};
use crate::volume::index::{Content, FileLine, Index, line_bytes};
use crate::volume::member::{Condition, FileTime, Part};
use crate::volume::read::{Found, RecordReader};
use crate::volume::resume::ResumingReader;

/// So many bad blocks of a copy are looked for: each takes a drive minutes.
const BAD_LISTED: usize = 16;
/// The indexes of a copy that are kept have no more text and sums: those of a copy of a terabyte
/// have about 20 MB at the usual block size.
const INDEXES_BYTES_MOST: u64 = 64 << 20;
/// What is counted of a segment at least.
const SEGMENT_BYTES: u64 = 1 << 10;

/// What is found on a volume.
#[derive(Debug)]
pub enum FoundCopy {
    /// A copy. Whether it is whole, reading it tells.
    Copy(CatalogCopy),
    /// A segment that may be of a copy: neither its index nor its beginning can be read.
    Unknown {
        /// Its tape file.
        file: TapeFile,
        /// Why nothing can be said of it, as a sentence without a full stop.
        why: String,
    },
    /// What lies before was not looked at; there may be older copies.
    GaveUp {
        /// The last tape file with a segment that was not looked at.
        file: TapeFile,
        /// Why, as a sentence without a full stop.
        why: String,
    },
}

/// A copy of the catalog.
#[derive(Debug)]
pub struct CatalogCopy {
    /// Its segments, in tape order.
    segments: VecDeque<Segment>,
}

/// A segment with a copy, or with some of one.
#[derive(Debug)]
struct Segment {
    number: u64,
    first_block: BlockAddress,
    known: Known,
}

/// By what a segment is known.
#[derive(Debug)]
enum Known {
    Index(Box<Index>),
    /// Its index cannot be used, for this reason. Its first member, if that is known.
    Head {
        why: String,
        first: Option<First>,
    },
}

/// What the first member of a segment says of the copy.
#[derive(Debug)]
struct First {
    path: Vec<u8>,
    part: Option<Part>,
    /// When the copy was begun.
    begun: FileTime,
}

impl Segment {
    /// The segment, if it is of a copy.
    fn of_index(mut index: Box<Index>) -> Option<Self> {
        // None of a copy's business.
        index.gone = Vec::new();
        let is_copy = index.info.content == Content::Catalog && !index.files.is_empty();
        is_copy.then_some(Self {
            number: index.info.number,
            first_block: index.info.first_block,
            known: Known::Index(index),
        })
    }

    fn path(&self) -> &[u8] {
        match &self.known {
            Known::Index(index) => &index.files[0].path,
            Known::Head { first, .. } => first.as_ref().map_or(&[], |first| &first.path),
        }
    }

    /// Whether the first part of the copy is in it.
    fn begins(&self) -> bool {
        let part = match &self.known {
            Known::Index(index) => index.files[0].part,
            Known::Head { first, .. } => first.as_ref().and_then(|first| first.part),
        };
        part.is_none_or(|part| part.number == 1)
    }

    fn tape_file(&self) -> TapeFile {
        file_of(self.number)
    }

    /// What is kept of it, by its text and its sums.
    fn kept_bytes(&self) -> u64 {
        let kept = match &self.known {
            Known::Index(index) => {
                let lines = index.files.iter().map(line_bytes);
                lines.sum::<u64>() + 4 * index.crcs.len() as u64
            }
            Known::Head { first, .. } => first.as_ref().map_or(0, |first| first.path.len() as u64),
        };
        SEGMENT_BYTES + kept
    }
}

/// The tape file of the segment of this number.
fn file_of(number: u64) -> TapeFile {
    TapeFile(number.saturating_mul(2).saturating_sub(1))
}

impl CatalogCopy {
    fn first(&self) -> &Segment {
        &self.segments[0]
    }

    /// When it was written: its last segment closed or, where that one's index is lost, the copy
    /// begun. `None` if nothing tells.
    #[must_use]
    pub fn written_at(&self) -> Option<Timestamp> {
        match &self.segments[self.segments.len() - 1].known {
            Known::Index(index) => Some(index.info.written_at),
            Known::Head { first, .. } => {
                let begun = first.as_ref()?.begun;
                Timestamp::from_second(begun.seconds).ok()
            }
        }
    }

    /// The tape file that it begins in.
    #[must_use]
    pub fn tape_file(&self) -> TapeFile {
        self.first().tape_file()
    }

    /// How many segments it has.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments.len() as u64
    }

    /// Why it is not whole, as a sentence without a full stop, if that is known before it is read.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if !self.first().begins() {
            return Some("its beginning is missing".to_owned());
        }
        let indexes = self.segments.iter().map(|segment| match &segment.known {
            Known::Index(index) => Some(&**index),
            Known::Head { .. } => None,
        });
        // What has no index its own end mark vouches for.
        let indexes: Vec<&Index> = indexes.collect::<Option<_>>()?;
        let parts = indexes.into_iter().flat_map(|index| &index.files);
        (!is_whole(parts, self.first().path())).then(|| "it was cut off".to_owned())
    }

    /// What is wrong with the indexes of its segments, a sentence without a full stop each.
    pub fn lost_indexes(&self) -> impl Iterator<Item = String> {
        self.segments.iter().filter_map(|segment| {
            let Known::Head { why, .. } = &segment.known else {
                return None;
            };
            let file = segment.tape_file();
            Some(format!(
                "the index behind tape file {file} cannot be used: {why}"
            ))
        })
    }

    /// Those of its blocks that cannot be read or, by an index, are not as they were written; no
    /// more than 16.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub fn bad_blocks(
        &self,
        mounted: &mut MountedVolume,
        monitor: &dyn Monitor,
    ) -> Result<Vec<BlockAddress>, VolumeError> {
        let block_bytes = mounted.label.block_bytes;
        let mut device = ResumingReader::new(mounted.device.as_mut(), &mounted.label, monitor);
        let mut bad = Vec::new();
        for segment in &self.segments {
            let mut reader = RecordReader::new(&mut device, block_bytes);
            if let Known::Index(index) = &segment.known {
                reader.check_against(index);
            }
            let mut block = segment.first_block;
            while bad.len() < BAD_LISTED && !monitor.stop_requested() {
                let read = reader.seek(block).and_then(|()| reader.next_object());
                match read {
                    Ok(Found::Record { .. }) => {}
                    Ok(Found::Filemark { .. } | Found::EndOfData { .. })
                    | Err(VolumeError::UnexpectedEndOfData { .. }) => break,
                    Err(error) => match judge(&error) {
                        ReadFailure::Record(_) => bad.push(block),
                        ReadFailure::NotMedium => return Err(error),
                    },
                }
                block = block.plus(1);
            }
        }
        Ok(bad)
    }
}

/// Whether the parts are all there, each behind the one before.
fn is_whole<'a>(parts: impl Iterator<Item = &'a FileLine>, path: &[u8]) -> bool {
    let mut next = (1, 0);
    let mut ended = false;
    for line in parts {
        let (number, offset_bytes, last) = line.part.map_or((1, 0, true), |part| {
            (part.number, part.offset_bytes, part.last)
        });
        let follows = !ended && (number, offset_bytes) == next;
        if !follows || line.path != path || line.condition != Condition::Whole {
            return false;
        }
        let end_bytes = offset_bytes.saturating_add(line.covered_bytes());
        next = (number.saturating_add(1), end_bytes);
        ended = last;
    }
    ended
}

/// The copies on a volume, from its end backwards.
#[derive(Debug, Default)]
pub struct CatalogCopies {
    backwards: Backwards,
    /// What was met behind the end of the copy before.
    met: Option<Met>,
}

/// A segment, as it matters here.
#[derive(Debug)]
enum Met {
    OfCopy(Segment),
    Files,
    Unknown { file: TapeFile, why: String },
    GaveUp { file: TapeFile, why: String },
}

impl Met {
    fn new(step: Step) -> Self {
        let Bare { number, why, head } = match step {
            Step::GaveUp { number, why } => {
                let file = file_of(number);
                return Self::GaveUp { file, why };
            }
            Step::Index(index) => {
                return Segment::of_index(index).map_or(Self::Files, Self::OfCopy);
            }
            Step::Bare(bare) => bare,
        };
        match head {
            Ok(head) if head.content == Content::Catalog => Self::OfCopy(Segment {
                number,
                first_block: head.first_block,
                known: Known::Head {
                    why,
                    first: head.first.map(|member| First {
                        path: member.path,
                        part: member.part,
                        begun: member.mtime,
                    }),
                },
            }),
            Ok(_) => Self::Files,
            Err(head) => Self::Unknown {
                file: file_of(number),
                why: format!(
                    "its index cannot be used ({why}), and its beginning tells nothing ({head}): \
                     nobody knows what it holds"
                ),
            },
        }
    }
}

impl CatalogCopies {
    /// The next older copy; `None` if there is none before.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub fn next_copy(
        &mut self,
        mounted: &mut MountedVolume,
        monitor: &dyn Monitor,
    ) -> Result<Option<FoundCopy>, VolumeError> {
        let label = mounted.label.clone();
        let mut device = ResumingReader::new(mounted.device.as_mut(), &label, monitor);
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let mut kept_bytes = 0;
        loop {
            let met = match self.met.take() {
                Some(met) => Some(met),
                None => self.backwards.step(&mut device, &label)?.map(Met::new),
            };
            let is_next = |segment: &Segment| {
                let later = segments.front();
                later.is_none_or(|later| later.path() == segment.path())
            };
            match met {
                Some(Met::OfCopy(segment)) if is_next(&segment) => {
                    let begins = segment.begins();
                    kept_bytes += segment.kept_bytes();
                    if kept_bytes > INDEXES_BYTES_MOST {
                        let file = segment.tape_file();
                        let why = "what may be a copy that ends behind it has longer indexes than \
                                   any copy"
                            .to_owned();
                        return Ok(Some(FoundCopy::Unknown { file, why }));
                    }
                    segments.push_front(segment);
                    if begins {
                        break;
                    }
                }
                Some(Met::Unknown { file, why }) if segments.is_empty() => {
                    return Ok(Some(FoundCopy::Unknown { file, why }));
                }
                Some(Met::GaveUp { file, why }) if segments.is_empty() => {
                    return Ok(Some(FoundCopy::GaveUp { file, why }));
                }
                Some(Met::Files) if segments.is_empty() => {}
                other => {
                    self.met = other;
                    break;
                }
            }
        }
        Ok((!segments.is_empty()).then_some(FoundCopy::Copy(CatalogCopy { segments })))
    }
}
