//! The device side of writing: proves that the tape is at the append point, writes
//! records and filemarks, and says what the drive has confirmed.
//!
//! Invariant: nothing is written in a mount before [`VolumeAppender::open`] has read the label
//! and the last index and found both as expected, and the position behind it.

mod point;

pub use point::AppendPoint;

use uuid::Uuid;

use super::VolumeError;
use super::index::read_index;
use super::label::{Identity, Label, identify};
use super::segment::{FinishedSegment, minimum_segment_bytes};
use crate::drive::{
    DriveError, DriveErrorKind, FilemarkReturns, SequentialDevice, Written, WrittenBlocks,
};
use crate::units::{BlockAddress, TapeFile};

/// Records kept free at the end of the volume at the least, and the share of what is left
/// (one of so many) if that is more: drives estimate what is left, and rewrite bad spots.
const RESERVE_RECORDS: u64 = 4;
const RESERVE_SHARE: u64 = 64;

/// Whether the end of the volume is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Room {
    /// Not near.
    Ample,
    /// In the (programmable) early-warning zone: close the segment now.
    Low,
}

/// Whether no further segment fits on a volume of which the drive says that so much is left.
#[must_use]
pub fn is_full(left_bytes: u64, block_bytes: u32) -> bool {
    let reserve = reserve_bytes(left_bytes, u64::from(block_bytes));
    left_bytes.saturating_sub(reserve) < minimum_segment_bytes(block_bytes)
}

fn reserve_bytes(left_bytes: u64, block_bytes: u64) -> u64 {
    (RESERVE_RECORDS * block_bytes).max(left_bytes / RESERVE_SHARE)
}

/// Writes to a volume behind its last segment.
pub struct VolumeAppender<'a> {
    device: &'a mut dyn SequentialDevice,
    block_bytes: u32,
    next: BlockAddress,
    warned: bool,
}

impl<'a> VolumeAppender<'a> {
    /// Proves that `device` holds the volume `label`, that its last index is the one that
    /// `point` names, and moves behind it. Nothing is written.
    ///
    /// # Errors
    ///
    /// [`VolumeError::WrongVolume`], [`VolumeError::NotAtAppendPoint`], or what reading gave.
    pub fn open(
        device: &'a mut dyn SequentialDevice,
        label: &Label,
        point: &AppendPoint,
    ) -> Result<Self, VolumeError> {
        expect_label(device, label)?;
        match (point.previous_indexes.first(), point.last_segment) {
            (Some(&at), Some(segment)) => expect_index(device, label, point, at, segment)?,
            (None, None) => {
                let first = point.next_block;
                device
                    .locate(first)
                    .map_err(VolumeError::drive("moving behind the label", first))?;
            }
            _ => {
                return Err(refused(
                    "the append point names an index without its identity",
                ));
            }
        }
        Self::go_on(device, label, point)
    }

    /// Goes on behind what was written in this mount, which proved all that [`open`](Self::open)
    /// does: the tape has to stand at `point` as it was left. Nothing is moved or written.
    ///
    /// # Errors
    ///
    /// [`VolumeError::NotAtAppendPoint`], drive errors.
    pub fn go_on(
        device: &'a mut dyn SequentialDevice,
        label: &Label,
        point: &AppendPoint,
    ) -> Result<Self, VolumeError> {
        let position = position(device, point.next_block)?;
        if position != (point.next_block, point.next_file()) {
            let (block, file) = position;
            return Err(refused(&format!(
                "its last index ends at block {block}, tape file {file}, instead of block {}, \
                 tape file {}",
                point.next_block,
                point.next_file()
            )));
        }
        Ok(Self {
            device,
            block_bytes: label.block_bytes,
            next: point.next_block,
            warned: false,
        })
    }

    /// How many records are best handed to [`write_records`](Self::write_records) at once,
    /// if they are there; none is worth waiting for.
    #[must_use]
    pub fn records_at_once(&self) -> usize {
        self.device.blocks_at_once(self.block_bytes as usize)
    }

    /// Writes records of exactly the block size, in order.
    ///
    /// # Errors
    ///
    /// [`VolumeError::VolumeEnded`] if there was no room; otherwise drive errors. After any,
    /// nothing more may be written: what was not confirmed is lost.
    ///
    /// # Panics
    ///
    /// If a record has another length.
    pub fn write_records(&mut self, records: &[&[u8]]) -> Result<Room, VolumeError> {
        let block_bytes = self.block_bytes as usize;
        assert!(
            records.iter().all(|record| record.len() == block_bytes),
            "records are of the block size"
        );
        let mut room = Room::Ample;
        let mut rest = records;
        while !rest.is_empty() {
            let WrittenBlocks { blocks, written } = self
                .device
                .write_blocks(rest)
                .map_err(failed_write("writing records", self.next))?;
            self.next = self.next.plus(blocks as u64);
            rest = &rest[blocks..];
            if self.room_after(written)? == Room::Low {
                room = Room::Low;
            }
        }
        Ok(room)
    }

    /// Ends a segment whose records have all been written: filemark, index, filemark,
    /// none waited for; checks the position the drive reports after each mark.
    ///
    /// # Errors
    ///
    /// As [`write_records`](Self::write_records), and [`VolumeError::PositionLost`].
    ///
    /// # Panics
    ///
    /// If records of the segment were not written, or others were.
    pub fn close_segment(&mut self, segment: &FinishedSegment) -> Result<Room, VolumeError> {
        let info = &segment.receipt.info;
        let expected = info.first_block.plus(info.records);
        assert!(
            self.next == expected,
            "the segment's records were written, and nothing else"
        );
        let block_bytes = self.block_bytes as usize;
        let index: Vec<_> = segment.index_records.chunks(block_bytes).collect();
        let rooms = [
            self.filemark()?,
            self.write_records(&index)?,
            self.filemark()?,
        ];
        Ok(if rooms.contains(&Room::Low) {
            Room::Low
        } else {
            Room::Ample
        })
    }

    /// The first object not known to be on the medium: a segment is confirmed once its
    /// receipt's `end_block` is not behind this.
    ///
    /// # Errors
    ///
    /// Drive errors.
    pub fn confirmed(&mut self) -> Result<BlockAddress, VolumeError> {
        self.device.first_unconfirmed().map_err(VolumeError::drive(
            "asking what is on the medium",
            self.next,
        ))
    }

    /// Waits until everything written is on the medium.
    ///
    /// # Errors
    ///
    /// Drive errors: what was not confirmed is lost.
    pub fn synchronize(&mut self) -> Result<(), VolumeError> {
        self.device
            .synchronize()
            .map_err(failed_write("waiting for the medium", self.next))?;
        self.check_position()
    }

    /// Bytes that may still be written before early warning: what the drive says is left,
    /// less what it may not have counted yet and a reserve. `None` if the drive does not tell.
    ///
    /// # Errors
    ///
    /// Drive errors.
    pub fn room_bytes(&mut self) -> Result<Option<u64>, VolumeError> {
        let left = self.device.remaining_bytes().map_err(VolumeError::drive(
            "asking for the capacity left",
            self.next,
        ))?;
        let Some(left) = left else { return Ok(None) };
        let block_bytes = u64::from(self.block_bytes);
        let buffered = self.next.0.saturating_sub(self.confirmed()?.0) * block_bytes;
        let reserve = reserve_bytes(left, block_bytes);
        Ok(Some(left.saturating_sub(buffered).saturating_sub(reserve)))
    }

    /// True once the drive has warned of the end of the tape, whatever came of it.
    #[must_use]
    pub fn was_warned(&self) -> bool {
        self.warned
    }

    /// Address of the next object to be written.
    #[must_use]
    pub fn next_block(&self) -> BlockAddress {
        self.next
    }

    fn filemark(&mut self) -> Result<Room, VolumeError> {
        let written = self
            .device
            .write_filemark(FilemarkReturns::Immediate)
            .map_err(failed_write("writing a filemark", self.next))?;
        let room = self.room_after(written)?;
        self.next = self.next.plus(1);
        self.check_position()?;
        Ok(room)
    }

    fn room_after(&mut self, written: Written) -> Result<Room, VolumeError> {
        match written {
            Written::Normal => Ok(Room::Ample),
            Written::ProgrammableEarlyWarning | Written::EarlyWarning => {
                self.warned = true;
                Ok(Room::Low)
            }
            Written::EndOfPartition => Err(VolumeError::VolumeEnded { block: self.next }),
        }
    }

    fn check_position(&mut self) -> Result<(), VolumeError> {
        let (actual, _) = position(self.device, self.next)?;
        if actual != self.next {
            return Err(VolumeError::PositionLost {
                expected: self.next,
                actual,
            });
        }
        Ok(())
    }
}

fn failed_write(
    doing: &'static str,
    block: BlockAddress,
) -> impl FnOnce(DriveError) -> VolumeError {
    move |error| match error.kind {
        DriveErrorKind::EndOfPartition => VolumeError::VolumeEnded { block },
        _ => VolumeError::drive(doing, block)(error),
    }
}

fn refused(what: &str) -> VolumeError {
    VolumeError::NotAtAppendPoint {
        what: what.to_owned(),
    }
}

fn position(
    device: &mut dyn SequentialDevice,
    near: BlockAddress,
) -> Result<(BlockAddress, TapeFile), VolumeError> {
    let position = device
        .position()
        .map_err(VolumeError::drive("asking the position", near))?;
    Ok((position.block, position.file))
}

/// Proves that the tape has this very label.
fn expect_label(device: &mut dyn SequentialDevice, label: &Label) -> Result<(), VolumeError> {
    let identity = identify(device)?;
    let Identity::Ours(found) = &identity else {
        let expected = label.volume;
        return Err(VolumeError::WrongVolume {
            expected,
            actual: identity.to_string(),
        });
    };
    if found.volume != label.volume {
        let expected = label.volume;
        return Err(VolumeError::WrongVolume {
            expected,
            actual: identity.to_string(),
        });
    }
    if found != label {
        return Err(refused("its label is not as the catalog has it"));
    }
    Ok(())
}

/// Proves that the index at `at` is the last one of the point; the tape is behind it then.
fn expect_index(
    device: &mut dyn SequentialDevice,
    label: &Label,
    point: &AppendPoint,
    at: BlockAddress,
    segment: Uuid,
) -> Result<(), VolumeError> {
    let info = read_index(device, label.block_bytes, at)?.info;
    let number = point.next_number - 1;
    if (info.volume, info.segment, info.number) != (label.volume, segment, number) {
        return Err(refused(&format!(
            "the index at block {at} is of segment {} ({}), not of {number} ({segment})",
            info.number, info.segment
        )));
    }
    Ok(())
}
