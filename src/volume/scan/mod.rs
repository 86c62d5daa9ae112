//! Walks a volume and emits a receipt for each segment on it.
//!
//! Damaged indexes are replaced by what the segment's own headers say. What is damaged is
//! a finding and never hides what lies behind it; only a segment that the tape ends within
//! is incomplete: it is named, never adopted.

mod head;
mod salvage;

use std::ops::ControlFlow;

use super::VolumeError;
use super::append::AppendPoint;
use super::check::{FaultKind, RecordFault, check_records};
use super::failure::{ReadFailure, judge};
use super::index::{Index, SegmentInfo, read_index};
use super::label::Label;
use super::receipt::SegmentReceipt;
use crate::drive::{DriveError, DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::error_text::with_causes;
use crate::units::BlockAddress;
pub use head::{SegmentHead, read_head};
use salvage::Beside;
pub use salvage::Headers;

/// How many segments behind a salvaged one are asked for what they know of its run.
const LOOK_BEHIND: usize = 16;

/// What a scan finds, in tape order.
#[derive(Debug)]
pub enum Finding {
    /// A complete segment.
    Segment(Box<SegmentReceipt>),
    /// A place where something is wrong; the scan goes on.
    Damage {
        /// Where.
        block: BlockAddress,
        /// What, for people.
        what: String,
    },
    /// A segment that was cut off: the tape ends before its last filemark, so nothing lies
    /// behind it, and the next append overwrites it. The scan ends here.
    Incomplete {
        /// Where it starts.
        first_block: BlockAddress,
        /// What is missing, for people.
        what: String,
    },
}

/// How thoroughly to scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Indexes only. A segment with a damaged index is rebuilt from its headers.
    Indexes,
    /// As `Indexes`, and each record of each segment is read and compared with its CRC; one
    /// that differs is damage. For what lies behind the last confirmed index.
    Records,
}

/// Walks the volume from `from` (use [`AppendPoint::first`] for all of it) to the end of
/// data, or until `each` breaks. Returns where the next segment may be appended: behind
/// the last segment that was emitted.
///
/// # Errors
///
/// [`VolumeError::WrongVolume`] if the segments are another volume's; drive errors that
/// keep the scan from going on.
pub fn scan_volume(
    device: &mut dyn SequentialDevice,
    label: &Label,
    from: &AppendPoint,
    depth: Depth,
    each: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<AppendPoint, VolumeError> {
    let mut scan = Scan {
        device,
        label,
        depth,
        point: from.clone(),
        last: None,
    };
    loop {
        let findings = scan.segment()?;
        let ends = !matches!(findings.last(), Some(Finding::Segment(_)));
        for finding in findings {
            if each(finding).is_break() {
                return Ok(scan.point);
            }
        }
        if ends {
            return Ok(scan.point);
        }
    }
}

struct Scan<'a> {
    device: &'a mut dyn SequentialDevice,
    label: &'a Label,
    depth: Depth,
    point: AppendPoint,
    /// The segment before: a salvaged one may be of its run.
    last: Option<SegmentInfo>,
}

/// Where a segment ends.
enum End {
    /// Its index starts here.
    Index(BlockAddress),
    /// The tape ends before the segment does.
    Missing,
    /// Nothing was ever written here.
    NoSegment,
}

impl Scan<'_> {
    /// What lies at the point. The last finding is a segment if the scan can go on; then
    /// the point is behind it.
    fn segment(&mut self) -> Result<Vec<Finding>, VolumeError> {
        let first_block = self.point.next_block;
        let number = self.point.next_number;
        let incomplete = |what: &str| {
            vec![Finding::Incomplete {
                first_block,
                what: format!("segment {number} {what}"),
            }]
        };
        let index_block = match self.end_of_segment()? {
            End::NoSegment => return Ok(Vec::new()),
            End::Missing => return Ok(incomplete("has no end")),
            End::Index(block) => block,
        };
        match self.index(index_block) {
            Ok(index) => {
                let end_block = self.position()?;
                let mut findings = match self.depth {
                    Depth::Indexes => Vec::new(),
                    Depth::Records => self.damaged_records(&index)?,
                };
                findings.push(self.emit(index.into_receipt(end_block)));
                Ok(findings)
            }
            Err(VolumeError::UnexpectedEndOfData { .. }) => Ok(incomplete("has no complete index")),
            Err(error) if is_damage(&error) => self.salvage(index_block, &error),
            Err(error) => Err(error),
        }
    }

    /// The records that are not as the index has them.
    fn damaged_records(&mut self, index: &Index) -> Result<Vec<Finding>, VolumeError> {
        let damage = |fault: RecordFault| Finding::Damage {
            block: fault.block,
            what: what_happened(fault.kind),
        };
        let faults = check_records(self.device, index)?;
        Ok(faults.into_iter().map(damage).collect())
    }

    /// The index at a block, if it is that of the point's segment.
    fn index(&mut self, at: BlockAddress) -> Result<Index, VolumeError> {
        let index = read_index(self.device, self.label.block_bytes, at)?;
        let info = &index.info;
        if info.volume != self.label.volume {
            let expected = self.label.volume;
            let actual = format!("a segment of volume {}", info.volume);
            return Err(VolumeError::WrongVolume { expected, actual });
        }
        let expected = (self.point.next_number, self.point.next_block);
        if (info.number, info.first_block) != expected {
            let what = format!(
                "it is of segment {} at block {}",
                info.number, info.first_block
            );
            let source = super::index::IndexError::Contradiction { what };
            return Err(VolumeError::Index { block: at, source });
        }
        Ok(index)
    }

    fn emit(&mut self, receipt: SegmentReceipt) -> Finding {
        self.point = AppendPoint::behind(&receipt);
        self.last = Some(receipt.info.clone());
        Finding::Segment(Box::new(receipt))
    }

    /// Replaces a damaged index by what the segment's headers say.
    fn salvage(
        &mut self,
        index_block: BlockAddress,
        error: &VolumeError,
    ) -> Result<Vec<Finding>, VolumeError> {
        let first_block = self.point.next_block;
        self.locate(index_block)?;
        if !self.behind_filemark(index_block)? {
            let what = format!("segment {} has no complete index", self.point.next_number);
            return Ok(vec![Finding::Incomplete { first_block, what }]);
        }
        let end_block = self.position()?;
        let behind = self.info_behind(end_block)?;
        let beside = Beside {
            before: self.last.as_ref(),
            behind: behind.as_ref(),
        };
        let (device, label) = (&mut *self.device, self.label);
        let salvaged = salvage::salvage(device, label, &self.point, index_block, beside)?;
        let mut what = format!("{}; read the segment itself instead", with_causes(error));
        if let Some(nameless) = salvaged.nameless {
            what = format!("{what}; {nameless}");
        }
        let mut findings = vec![Finding::Damage {
            block: index_block,
            what,
        }];
        let damage = salvaged.damage.into_iter();
        findings.extend(damage.map(|(block, what)| Finding::Damage { block, what }));
        let (info, files) = (salvaged.info, salvaged.files);
        let receipt = SegmentReceipt {
            info,
            end_block,
            files,
            gone: Vec::new(),
            salvaged: true,
        };
        findings.push(self.emit(receipt));
        Ok(findings)
    }

    /// What the first index says that can be read, of the segments from this block on.
    fn info_behind(&mut self, block: BlockAddress) -> Result<Option<SegmentInfo>, VolumeError> {
        match self.device.locate(block) {
            Err(error) if is_end(&error) => return Ok(None),
            located => located.map_err(VolumeError::drive("moving to a segment", block))?,
        }
        for _ in 0..LOOK_BEHIND {
            match self.behind_filemark(block) {
                Ok(true) => {}
                Err(error) if !is_damage(&error) => return Err(error),
                Ok(false) | Err(_) => return Ok(None),
            }
            let at = self.position()?;
            match read_index(self.device, self.label.block_bytes, at) {
                Ok(index) => {
                    let own = index.info.volume == self.label.volume;
                    return Ok(own.then_some(index.info));
                }
                Err(VolumeError::UnexpectedEndOfData { .. }) => return Ok(None),
                Err(error) if !is_damage(&error) => return Err(error),
                Err(_) => self.locate(at)?,
            }
            match self.behind_filemark(at) {
                Ok(true) => {}
                Err(error) if !is_damage(&error) => return Err(error),
                Ok(false) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Finds the index of the segment at the point: behind the next filemark, or if the
    /// medium is bad before it, where the later indexes say.
    fn end_of_segment(&mut self) -> Result<End, VolumeError> {
        let first_block = self.point.next_block;
        match self.device.locate(first_block) {
            Err(error) if is_end(&error) => return Ok(End::NoSegment),
            other => other.map_err(VolumeError::drive("moving to a segment", first_block))?,
        }
        let mut record = vec![0; self.label.block_bytes as usize];
        match self.device.read_block(&mut record) {
            Ok(ReadOutcome::EndOfData) => return Ok(End::NoSegment),
            Err(error) if is_end(&error) => return Ok(End::NoSegment),
            Ok(ReadOutcome::Filemark) => return self.position().map(End::Index),
            // Whatever is wrong with the record: here it only matters that there is one.
            Ok(ReadOutcome::Block { .. }) | Err(_) => {}
        }
        match self.behind_filemark(first_block) {
            Ok(true) => self.position().map(End::Index),
            Ok(false) => Ok(End::Missing),
            Err(error) if is_damage(&error) => {
                self.index_by_later_ones()?.map(End::Index).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The address of the index of the point's segment, according to the indexes behind it.
    fn index_by_later_ones(&mut self) -> Result<Option<BlockAddress>, VolumeError> {
        let near = self.point.next_block;
        let moving = "moving to the last index";
        self.device
            .locate_end_of_data()
            .map_err(VolumeError::drive(moving, near))?;
        self.device
            .space_filemarks(-2)
            .map_err(VolumeError::drive(moving, near))?;
        self.device
            .space_filemarks(1)
            .map_err(VolumeError::drive(moving, near))?;
        let mut at = self.position()?;
        while at > near {
            let info = read_index(self.device, self.label.block_bytes, at)?.info;
            let Some(back) = info.number.checked_sub(self.point.next_number) else {
                break;
            };
            if back == 0 {
                return Ok(Some(at));
            }
            let earlier = info.previous_indexes.get(back as usize - 1);
            match earlier.or(info.previous_indexes.last()) {
                Some(&next) if next < at => at = next,
                _ => break,
            }
        }
        Ok(None)
    }

    /// Moves behind the next filemark; false if there is none.
    fn behind_filemark(&mut self, near: BlockAddress) -> Result<bool, VolumeError> {
        match self.device.space_filemarks(1) {
            Ok(()) => Ok(true),
            Err(error) if is_end(&error) => Ok(false),
            Err(error) => Err(VolumeError::drive("moving behind a filemark", near)(error)),
        }
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), VolumeError> {
        self.device
            .locate(block)
            .map_err(VolumeError::drive("moving to a block", block))
    }

    fn position(&mut self) -> Result<BlockAddress, VolumeError> {
        let near = self.point.next_block;
        let position = self.device.position();
        Ok(position
            .map_err(VolumeError::drive("asking the position", near))?
            .block)
    }
}

fn what_happened(kind: FaultKind) -> String {
    match kind {
        FaultKind::Damaged => "the record is not as it was written".to_owned(),
        FaultKind::Unreadable => "the record cannot be read".to_owned(),
        FaultKind::Lost => "the record is missing".to_owned(),
        FaultKind::Doubled => "there is a record too many before it".to_owned(),
        FaultKind::Exchanged { with } => format!("the record is in the place of block {with}"),
    }
}

/// True where the tape ends, be it without the mark that a loss of power kept the drive
/// from writing.
fn is_end(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::EndOfData | DriveErrorKind::EndOfDataMissing
    )
}

/// True for what is wrong with the tape, not with the drive or the way to it.
fn is_damage(error: &VolumeError) -> bool {
    matches!(judge(error), ReadFailure::Record(_))
}
