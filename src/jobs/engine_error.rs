//! What an operation of the engine failed with, as the error of the job that ran it.

use catalogs::Catalog;

use super::{JobError, VolumeState, catalog};
use crate::engine::EngineError;
use crate::volume::VolumeError;
use crate::volume::failure::is_cancelled;

/// The error of a job that wrote: where a tape failed, with what became of that tape.
pub(crate) fn from_writing(catalog: &Catalog, error: EngineError) -> JobError {
    let Some(barcode) = badly_written(&error) else {
        return from_engine(error);
    };
    let known = catalog::live_volume(catalog, barcode);
    let Ok(Some(volume)) = known else {
        return from_engine(error);
    };
    match catalog::receipts_of_volume(catalog, volume.label.what.volume) {
        Ok(receipts) => JobError::WriteFailed {
            barcode: barcode.to_owned(),
            suspect: volume.state == VolumeState::Suspect,
            segments: receipts.len() as u64,
            source: error,
        },
        Err(_) => from_engine(error),
    }
}

/// The tape whose writing failed; `None` where the user stopped the drive on its way, or nothing
/// was begun.
fn badly_written(error: &EngineError) -> Option<&str> {
    match error {
        EngineError::Volume { source, .. } if is_cancelled(source) => None,
        EngineError::Volume {
            source: VolumeError::WrongVolume { .. } | VolumeError::NotAtAppendPoint { .. },
            ..
        } => None,
        EngineError::Volume { barcode, .. } | EngineError::NotConfirmed { barcode, .. } => {
            Some(barcode)
        }
        _ => None,
    }
}

/// Gives back the job's own error where the engine only carried it.
pub(crate) fn from_engine(error: EngineError) -> JobError {
    match error {
        EngineError::Volume { source, .. } if is_cancelled(&source) => JobError::Stopped,
        EngineError::Mount { volume, source } => match source.downcast::<JobError>() {
            Ok(own) => *own,
            Err(source) => JobError::Engine(EngineError::Mount { volume, source }),
        },
        EngineError::Commit {
            barcode,
            number,
            source,
        } => match source.downcast::<JobError>() {
            Ok(own) => *own,
            Err(source) => JobError::Engine(EngineError::Commit {
                barcode,
                number,
                source,
            }),
        },
        other => JobError::Engine(other),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::drive::{DriveError, DriveErrorKind};
    use crate::units::BlockAddress;

    #[test]
    fn only_a_tape_that_was_written_is_said_to_have_failed_in_writing() {
        let drive = |kind| {
            VolumeError::drive("locating", BlockAddress(7))(DriveError {
                drive: "drive 0".to_owned(),
                action: "locating".to_owned(),
                kind,
                what: "it ended".to_owned(),
                reaction: None,
                source: None,
            })
        };
        let cases = [
            (drive(DriveErrorKind::Cancelled), None),
            (
                VolumeError::WrongVolume {
                    expected: Uuid::nil(),
                    actual: "another".to_owned(),
                },
                None,
            ),
            (
                VolumeError::NotAtAppendPoint {
                    what: "block 8".to_owned(),
                },
                None,
            ),
            (drive(DriveErrorKind::Medium), Some("A00001L9")),
        ];
        for (source, expected) in cases {
            let error = EngineError::Volume {
                barcode: "A00001L9".to_owned(),
                source,
            };
            assert_eq!(badly_written(&error), expected, "{error:?}");
        }
    }
}
