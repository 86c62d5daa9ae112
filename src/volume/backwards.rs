//! The indexes of a volume from its end backwards: what was written last is found without reading
//! what lies before it.

use std::collections::VecDeque;

use super::VolumeError;
use super::failure::{ReadFailure, judge};
use super::index::{Index, read_index};
use super::label::Label;
use crate::drive::{DriveError, DriveErrorKind, SequentialDevice};
use crate::units::BlockAddress;

/// Tape files at the end of the volume in which its last index is looked for: a run that was cut
/// off leaves two without, and some may be damaged.
const FILES_TRIED: i64 = 8;

/// A way through the indexes of one volume, the last one first.
#[derive(Debug, Default)]
pub struct Backwards {
    /// Where the indexes before the last one that was read are; `None` before the first.
    before: Option<VecDeque<BlockAddress>>,
}

impl Backwards {
    /// The next index towards the beginning; `None` behind the first, or where no way leads on.
    /// One that is damaged is passed over.
    ///
    /// # Errors
    ///
    /// Failures of the drive.
    pub fn next_index(
        &mut self,
        device: &mut dyn SequentialDevice,
        label: &Label,
    ) -> Result<Option<Index>, VolumeError> {
        let mut at = BlockAddress(u64::MAX);
        let found = match &mut self.before {
            None => last_index(device, label)?,
            Some(before) => loop {
                // Addresses that lead forward again would never end.
                let next = before.pop_front().filter(|next| *next < at);
                let Some(next) = next else { break None };
                at = next;
                match read_index(device, label.block_bytes, at) {
                    Ok(index) => break Some(index),
                    Err(error) => pass_over(error)?,
                }
            },
        };
        let index = found.filter(|index| index.info.volume == label.volume);
        let before = index.iter().flat_map(|index| {
            let own = index.info.index_block;
            let before = index.info.previous_indexes.iter().copied();
            before.filter(move |block| *block < own)
        });
        self.before = Some(before.collect());
        Ok(index)
    }
}

/// The last index that can be read, if it is near the end of the data.
fn last_index(
    device: &mut dyn SequentialDevice,
    label: &Label,
) -> Result<Option<Index>, VolumeError> {
    let first = BlockAddress(0);
    let failed = |doing| VolumeError::drive(doing, first);
    for files in 1..=FILES_TRIED {
        let end = device.locate_end_of_data();
        end.map_err(failed("moving to the end of data"))?;
        match device.space_filemarks(-files - 1) {
            Err(error) if is_beginning(&error) => return Ok(None),
            moved => moved.map_err(failed("moving to the last index"))?,
        }
        let moved = device.space_filemarks(1);
        moved.map_err(failed("moving to the last index"))?;
        let position = device.position();
        let at = position.map_err(failed("asking the position"))?.block;
        match read_index(device, label.block_bytes, at) {
            Ok(index) => return Ok(Some(index)),
            Err(error) => pass_over(error)?,
        }
    }
    Ok(None)
}

/// True where the tape has no such tape file: it begins before.
fn is_beginning(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::BeginningOfPartition | DriveErrorKind::EndOfData
    )
}

fn pass_over(error: VolumeError) -> Result<(), VolumeError> {
    match judge(&error) {
        ReadFailure::Record(block) => {
            tracing::info!(%block, %error, "no index is there, or none that can be read");
            Ok(())
        }
        ReadFailure::NotMedium => Err(error),
    }
}
