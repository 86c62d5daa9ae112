//! What a failed read says of the medium: the one distinction that restore, verify and
//! scan all make.

use super::VolumeError;
use super::index::IndexError;
use crate::drive::DriveErrorKind;
use crate::units::BlockAddress;

/// What a failed read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// The record at this address, or what should be there, is not as it was written. The
    /// rest of the volume may be in order.
    Record(BlockAddress),
    /// Drive or transport failed, or the volume is beyond this program: nothing is said of
    /// the medium, and going on is vain.
    NotMedium,
}

/// Judges an error met while reading.
pub(crate) fn judge(error: &VolumeError) -> ReadFailure {
    match error {
        VolumeError::Drive { block, source, .. } => match source.kind {
            DriveErrorKind::Medium
            | DriveErrorKind::EndOfData
            | DriveErrorKind::BlockTooLong { .. } => ReadFailure::Record(*block),
            _ => ReadFailure::NotMedium,
        },
        VolumeError::Index {
            source: IndexError::TooNew { .. },
            ..
        } => ReadFailure::NotMedium,
        VolumeError::WrongSize { block, .. }
        | VolumeError::WrongCrc { block, .. }
        | VolumeError::UnexpectedFilemark { block }
        | VolumeError::UnexpectedEndOfData { block }
        | VolumeError::Index { block, .. }
        | VolumeError::Frame { block, .. }
        | VolumeError::Tar { block, .. } => ReadFailure::Record(*block),
        _ => ReadFailure::NotMedium,
    }
}

/// True if the drive itself could not read the medium, which speaks against the tape;
/// a record that was read but is another than written may have other causes.
pub(crate) fn is_medium(error: &VolumeError) -> bool {
    matches!(error, VolumeError::Drive { source, .. } if source.kind == DriveErrorKind::Medium)
}

/// True if the user ended it while the drive was on its way.
pub(crate) fn is_cancelled(error: &VolumeError) -> bool {
    matches!(error, VolumeError::Drive { source, .. } if source.kind == DriveErrorKind::Cancelled)
}

/// True if the drive or the way to it failed, so that another drive may read on.
pub(crate) fn is_of_drive(error: &VolumeError) -> bool {
    matches!(
        error,
        VolumeError::Drive { source, .. }
            if source.calls_for_other_drive()
                || source.is_interruption()
                || source.kind == DriveErrorKind::NoMedium
    )
}
