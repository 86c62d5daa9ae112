//! The segments of a volume from its end backwards: what was written last is found without reading
//! what lies before it.

use std::collections::VecDeque;

use super::VolumeError;
use super::failure::{ReadFailure, judge};
use super::index::{Index, read_index};
use super::label::Label;
use super::scan::{SegmentHead, read_head};
use crate::drive::{DriveError, DriveErrorKind, SequentialDevice};
use crate::error_text::with_causes;
use crate::units::{BlockAddress, TapeFile};

/// So many segments in a row may lack an index that can be read, before no more is looked for.
const IN_VAIN: u32 = 16;

/// What is known of a segment.
#[derive(Debug)]
pub enum Step {
    /// All of it.
    Index(Box<Index>),
    /// Its index is damaged, or was never written.
    Bare(Bare),
    /// No way leads on, and more lies before.
    GaveUp {
        /// The last of the segments that were not looked at. Counts from 1.
        number: u64,
        /// Why, as a sentence without a full stop.
        why: String,
    },
}

/// A segment without an index that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    /// Counts from 1.
    pub number: u64,
    /// Why its index cannot be used, as a sentence without a full stop.
    pub why: String,
    /// What its first record says; or why that cannot be told, either.
    pub head: Result<SegmentHead, String>,
}

/// A way through the segments of one volume, the last one first.
#[derive(Debug, Default)]
pub struct Backwards {
    next: Next,
    /// Segments without index since the last one that has one.
    in_vain: u32,
}

/// Where the way goes on.
#[derive(Debug, Default)]
enum Next {
    /// At the end of the data.
    #[default]
    End,
    /// Before the segment of this number, which begins here.
    Before(BlockAddress, u64),
    /// Before the segment of this number, at the first of these indexes.
    Indexes(VecDeque<BlockAddress>, u64),
    /// Before the segment of this number, for which this says why no way leads there.
    Lost(String, u64),
    Nowhere,
}

impl Next {
    /// The segment before which the way goes on, if any lies before it.
    fn before(&self) -> Option<u64> {
        match self {
            Self::Before(_, number) | Self::Indexes(_, number) | Self::Lost(_, number) => {
                Some(*number).filter(|number| *number > 1)
            }
            Self::End | Self::Nowhere => None,
        }
    }
}

impl Backwards {
    /// The next segment towards the beginning; `None` behind the first, and once it gave up.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub fn step(
        &mut self,
        device: &mut dyn SequentialDevice,
        label: &Label,
    ) -> Result<Option<Step>, VolumeError> {
        let next = std::mem::replace(&mut self.next, Next::Nowhere);
        let before = next.before();
        if self.in_vain == IN_VAIN {
            let why = || format!("the indexes of {IN_VAIN} segments in a row cannot be used");
            return Ok(before.map(|before| gave_up(before, why())));
        }
        let mut known = VecDeque::new();
        let found = match next {
            Next::Nowhere => return Ok(None),
            Next::End => match last_file(device)? {
                None => return Ok(None),
                Some((segment, TapeFile(file))) if file % 2 == 1 => {
                    let why = "the tape ends behind it, before an index".to_owned();
                    return self.bare(device, label, file.div_ceil(2), why, Ok(segment));
                }
                Some((index, TapeFile(file))) => Ok((index, file / 2)),
            },
            Next::Lost(why, _) => Err(why),
            Next::Before(segment, number) => {
                let index = file_before(device, segment)?;
                index.map(|index| (index, number - 1))
            }
            Next::Indexes(mut indexes, number) => {
                let index = indexes.pop_front();
                known = indexes;
                let nothing = || "no address in an index leads there".to_owned();
                let found = index.map(|index| (index, number.saturating_sub(1)));
                found.ok_or_else(nothing)
            }
        };
        let (at, number) = match found {
            Ok(found) => found,
            Err(why) => return Ok(before.map(|before| gave_up(before, why))),
        };
        let why = match or_damage(read_index(device, label.block_bytes, at))? {
            // What lies before another volume's segment is none of this one's.
            Ok(index) if index.info.volume != label.volume => {
                let other = index.info.volume;
                let why = format!("the index at block {at} is of another volume, {other}");
                return Ok(Some(gave_up(number.saturating_add(1), why)));
            }
            Ok(index) => {
                self.in_vain = 0;
                let before = index.info.previous_indexes.iter().copied();
                self.next = Next::Indexes(nearer(before, at), index.info.number);
                return Ok(Some(Step::Index(Box::new(index))));
            }
            Err(why) => why,
        };
        let segment = file_before(device, at)?;
        let step = self.bare(device, label, number, why, segment)?;
        let known = nearer(known, at);
        if !known.is_empty() {
            self.next = Next::Indexes(known, number);
        }
        Ok(step)
    }

    /// The segment of this number, which begins there; or why nobody knows where.
    fn bare(
        &mut self,
        device: &mut dyn SequentialDevice,
        label: &Label,
        number: u64,
        why: String,
        segment: Result<BlockAddress, String>,
    ) -> Result<Option<Step>, VolumeError> {
        self.in_vain += 1;
        let (head, next) = match segment {
            Err(why) => (Err(why.clone()), Next::Lost(why, number)),
            Ok(at) => {
                let head = or_damage(read_head(device, label.block_bytes, at))?;
                (head, Next::Before(at, number))
            }
        };
        if number > 1 {
            self.next = next;
        }
        let nothing = || "no segment begins where it should".to_owned();
        let head = head.and_then(|head| head.ok_or_else(nothing));
        Ok(Some(Step::Bare(Bare { number, why, head })))
    }
}

/// What lies before the segment of this number is not looked at.
fn gave_up(before: u64, why: String) -> Step {
    let number = before.saturating_sub(1);
    Step::GaveUp { number, why }
}

/// Those of the indexes that lie before `at`, up to the first that does not: addresses that lead
/// forward again would never end.
fn nearer(
    indexes: impl IntoIterator<Item = BlockAddress>,
    at: BlockAddress,
) -> VecDeque<BlockAddress> {
    let before = indexes.into_iter().take_while(|index| *index < at);
    before.collect()
}

/// Where the last tape file begins that ends with a filemark; `None` if that is the label.
fn last_file(
    device: &mut dyn SequentialDevice,
) -> Result<Option<(BlockAddress, TapeFile)>, VolumeError> {
    let end = device.locate_end_of_data();
    let moving = VolumeError::drive("moving to the end of data", BlockAddress(0));
    let TapeFile(marks) = end.map_err(moving)?.file;
    if marks < 2 {
        return Ok(None);
    }
    let begins = begin_of_file_before(device, "moving to the last index")?;
    Ok(begins.map(|at| (at, TapeFile(marks - 1))))
}

/// Where the tape file before the one begins that begins at `at`; or why that is not to be found.
fn file_before(
    device: &mut dyn SequentialDevice,
    at: BlockAddress,
) -> Result<Result<BlockAddress, String>, VolumeError> {
    let moving = "moving to a tape file";
    let located = device.locate(at).map_err(VolumeError::drive(moving, at));
    let begins = located.and_then(|()| begin_of_file_before(device, moving));
    let nothing = || format!("no tape file ends before block {at}");
    Ok(or_damage(begins)?.and_then(|begins| begins.ok_or_else(nothing)))
}

/// The beginning of the tape file before the filemark that lies next before the position.
fn begin_of_file_before(
    device: &mut dyn SequentialDevice,
    moving: &'static str,
) -> Result<Option<BlockAddress>, VolumeError> {
    let failed = |doing| VolumeError::drive(doing, BlockAddress(0));
    match device.space_filemarks(-2) {
        Err(error) if is_beginning(&error) => return Ok(None),
        moved => moved.map_err(failed(moving))?,
    }
    device.space_filemarks(1).map_err(failed(moving))?;
    let position = device.position();
    Ok(Some(position.map_err(failed("asking the position"))?.block))
}

/// True where the tape has no such tape file: it begins before.
fn is_beginning(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::BeginningOfPartition | DriveErrorKind::EndOfData
    )
}

/// What was read, or what is wrong with the tape there, in words.
fn or_damage<T>(read: Result<T, VolumeError>) -> Result<Result<T, String>, VolumeError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) => match judge(&error) {
            ReadFailure::Record(block) => {
                tracing::info!(%block, %error, "looking for segments from the end backwards");
                Ok(Err(with_causes(&error)))
            }
            ReadFailure::NotMedium => Err(error),
        },
    }
}
