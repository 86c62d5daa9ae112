//! Mounting where a person puts the tapes into the only drive.

use std::time::Duration;

use super::{Bay, Mounter, NOTICES_WITHIN, Purpose, drive_error, not_cleared, wait_ready};
use crate::drive::{DriveErrorKind, SequentialDevice as _};
use crate::jobs::append_check::{too_long, volume_error};
use crate::jobs::operator::{Reply, TapeRequest};
use crate::jobs::whereabouts::said;
use crate::jobs::{JobError, label};
use crate::volume::VolumeError;
use crate::volume::label::{Identity, identify};

/// What the tape in the drive says it is.
enum Claim {
    /// This barcode, by label or cartridge memory.
    Barcode(String),
    /// Nothing: in these words.
    Nothing(String),
}

impl Mounter<'_> {
    /// The tape that is in the only drive, whichever it is: its label will tell.
    pub(crate) fn mount_loaded(&mut self) -> Result<Bay, JobError> {
        let drive = self.devices.open_only_drive()?;
        let name = format!("in {}", drive.name());
        let mut bay = Bay::new(drive, &name, None);
        bay.unread = true;
        wait_ready(self.site, &mut bay.drive, NOTICES_WITHIN)
            .and_then(|()| self.prepare(&mut bay))
            .map_err(|error| drive_error(&name, error))?;
        Ok(bay)
    }

    pub(super) fn mount_by_hand(
        &mut self,
        barcode: &str,
        purpose: Purpose,
    ) -> Result<Bay, JobError> {
        let drive = self.devices.open_only_drive()?;
        let mut bay = Bay::new(drive, barcode, None);
        // An empty drive is asked for a tape at once; one that was just filled gets time.
        let mut notices_within = Duration::ZERO;
        loop {
            let found = match wait_ready(self.site, &mut bay.drive, notices_within) {
                Ok(()) => match (claim(&mut bay)?, purpose) {
                    (Claim::Barcode(claimed), _) if claimed == barcode => return Ok(bay),
                    (Claim::Nothing(_), Purpose::Labelling) => return Ok(bay),
                    (Claim::Barcode(text) | Claim::Nothing(text), _) => Some(text),
                },
                Err(error) if error.kind == DriveErrorKind::NoMedium => None,
                // Whose tape that is nobody knows, so none is judged by it.
                Err(error) if error.kind == DriveErrorKind::Medium => {
                    Some(format!("a tape that cannot be loaded ({})", error.what))
                }
                Err(error) => return Err(drive_error(barcode, error)),
            };
            if let Some(found) = &found {
                bay.drive
                    .prevent_removal(false)
                    .and_then(|()| bay.drive.unload())
                    .map_err(|error| not_cleared(found.clone(), error))?;
            }
            let drive = bay.drive.name().to_owned();
            let request = TapeRequest {
                barcode: barcode.to_owned(),
                outside: said(self.site, barcode).map(|(_, place)| place),
                drive,
                found,
            };
            let begun = self.watch.now();
            if self.site.operator.request(&request) == Reply::Declined {
                let TapeRequest {
                    barcode,
                    outside,
                    found,
                    ..
                } = request;
                return Err(JobError::Declined {
                    barcode,
                    found,
                    outside,
                });
            }
            self.watch.moved(begun);
            self.watch.seated();
            notices_within = NOTICES_WITHIN;
        }
    }
}

/// Asks label and cartridge memory. Where they disagree the label counts here: the checks
/// before a write compare both.
fn claim(bay: &mut Bay) -> Result<Claim, JobError> {
    let memory = label::memory_barcode_if_readable(&mut bay.drive, &bay.barcode)?;
    let identity = identify(&mut bay.drive);
    let beyond_bytes = identity.as_ref().err().and_then(too_long);
    let identity = match identity {
        // The chip may still tell.
        Err(VolumeError::Drive { source, .. }) if source.kind == DriveErrorKind::Medium => {
            Identity::Foreign("a tape whose beginning cannot be read".to_owned())
        }
        Err(VolumeError::Drive { source, .. }) if source.kind == DriveErrorKind::Encrypted => {
            Identity::Foreign("encrypted data, for which the drive has no key".to_owned())
        }
        result => match beyond_bytes {
            Some(bytes) => Identity::Foreign(format!(
                "blocks of {bytes} bytes, longer than {} and the path to it carry",
                bay.drive.name()
            )),
            None => {
                result.map_err(|source| volume_error(&bay.barcode, &bay.drive, source, true))?
            }
        },
    };
    Ok(match (identity, memory) {
        (Identity::Ours(label), _) => Claim::Barcode(label.barcode),
        (_, Some(barcode)) => Claim::Barcode(barcode),
        (Identity::Blank, None) => Claim::Nothing("a blank tape".to_owned()),
        (Identity::TooNew { format }, None) => {
            Claim::Nothing(format!("a volume of format {format}"))
        }
        (Identity::Foreign(what), None) => Claim::Nothing(what),
    })
}
