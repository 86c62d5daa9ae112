//! What a volume says of itself where its label is lost: its indexes repeat all of it.
//!
//! For reading alone: nothing is ever written to a volume without its label.

use super::{FORMAT, Label, MAX_BLOCK_BYTES, is_block_size};
use crate::drive::{DriveError, DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::index::{SegmentInfo, read_index};

/// Where the first segment begins.
const FIRST_SEGMENT: BlockAddress = BlockAddress(2);
/// Records of it that are tried for the block size.
const RECORDS_TRIED: u64 = 8;

/// A way to an index.
type Motion = fn(&mut dyn SequentialDevice) -> Result<(), DriveError>;

/// The label according to the first segment's index, or the last one's; `None` if the tape
/// has neither. `labelled_at` and `software` are those of the segment.
///
/// # Errors
///
/// Failures of the drive; what is wrong with the tape only leads to `None`.
pub fn recover_label(device: &mut dyn SequentialDevice) -> Result<Option<Label>, VolumeError> {
    let Some(block_bytes) = block_size(device)? else {
        return Ok(None);
    };
    let places: [Motion; 2] = [
        |device| {
            device.locate(FIRST_SEGMENT)?;
            device.space_filemarks(1)
        },
        |device| {
            device.locate_end_of_data()?;
            device.space_filemarks(-2)?;
            device.space_filemarks(1)
        },
    ];
    for go in places {
        let index = match go(device).and_then(|()| device.position()) {
            Ok(position) => read_index(device, block_bytes, position.block),
            Err(error) => Err(VolumeError::drive("looking for an index", FIRST_SEGMENT)(
                error,
            )),
        };
        match index {
            Ok(index) => return Ok(Some(label_of(index.info))),
            Err(VolumeError::Drive { source, .. }) if !is_tape(&source) => {
                let failed = VolumeError::drive("looking for an index", FIRST_SEGMENT);
                return Err(failed(*source));
            }
            Err(error) => tracing::debug!(%error, "an index does not tell the label"),
        }
    }
    Ok(None)
}

/// The length of the first records that can be read. Where they are too long for that, the
/// error says so.
fn block_size(device: &mut dyn SequentialDevice) -> Result<Option<u32>, VolumeError> {
    let mut record = vec![0; MAX_BLOCK_BYTES as usize];
    for block in (0..RECORDS_TRIED).map(|record| FIRST_SEGMENT.plus(record)) {
        match device
            .locate(block)
            .and_then(|()| device.read_block(&mut record))
        {
            Ok(ReadOutcome::Block { bytes }) => {
                let bytes = u32::try_from(bytes).ok();
                return Ok(bytes.filter(|bytes| is_block_size(*bytes)));
            }
            Ok(ReadOutcome::Filemark) => {}
            Ok(ReadOutcome::EndOfData) => return Ok(None),
            Err(error) if error.kind == DriveErrorKind::Medium => {}
            Err(error) if is_too_long_for_path(&error) => {
                return Err(VolumeError::drive("reading a segment", block)(error));
            }
            Err(error) if is_tape(&error) => return Ok(None),
            Err(error) => return Err(VolumeError::drive("reading a segment", block)(error)),
        }
    }
    Ok(None)
}

/// True for a record that may be a volume's.
fn is_too_long_for_path(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::BlockTooLong { actual_bytes } if actual_bytes <= u64::from(MAX_BLOCK_BYTES)
    )
}

/// True for what is the tape's fault, or its end.
fn is_tape(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::Medium
            | DriveErrorKind::EndOfData
            | DriveErrorKind::EndOfDataMissing
            | DriveErrorKind::BeginningOfPartition
            | DriveErrorKind::BlockTooLong { .. }
    )
}

fn label_of(info: SegmentInfo) -> Label {
    Label {
        format: FORMAT,
        volume: info.volume,
        barcode: info.barcode,
        pool: info.pool,
        block_bytes: info.block_bytes,
        labelled_at: info.written_at,
        software: info.job.software,
    }
}
