//! Claiming a drive: of those that are free the one that least speaks against.

use super::sick::{Doubt, Failure};
use super::{Bay, Mounter};
use crate::changer::ElementAddress;
use crate::drive::{Drive, SequentialDevice as _};
use crate::error_text::with_causes;
use crate::jobs::JobError;
use crate::jobs::library::{Place, Snapshot};
use crate::monitor::Problem;
use crate::scsi::tape_alert::{TapeAlert, TapeAlerts};
use crate::transport::TransportErrorKind;

/// A drive that is ours, and what it says of itself.
struct Claimed {
    index: usize,
    drive: Drive,
    alerts: TapeAlerts,
    doubt: Doubt,
}

/// Drives that are not to be had, for people.
#[derive(Default)]
struct Unavailable {
    busy: Vec<String>,
    broken: Vec<String>,
    /// Those of the broken ones that the library should have, and that were not told yet.
    lost: Vec<String>,
}

impl Mounter<'_> {
    /// The drive that the tape is in.
    pub(super) fn claim_loaded(&mut self, place: &Place, barcode: &str) -> Result<Bay, JobError> {
        let busy = |user| JobError::TapeBusy {
            barcode: barcode.to_owned(),
            user,
        };
        if self.sick.was_tried(place.address) {
            let drives = vec![format!("drive {} keeps {barcode}", place.number)];
            self.tell(barcode, format!("the tape stays in drive {}", place.number));
            return Err(JobError::DriveMissing { drives });
        }
        match self.devices.open_drive_at(place) {
            Ok(drive) => Ok(Bay::new(drive, barcode, Some(place.address))),
            Err(JobError::Transport(error)) if error.kind == TransportErrorKind::Busy => {
                Err(busy(error.to_string()))
            }
            Err(JobError::DriveBusy { drives }) => Err(busy(drives.join(", "))),
            Err(error) => Err(error),
        }
    }

    /// Takes the tape out of a drive that something speaks against, if another may be better;
    /// then there is no bay any more, and the tape is in a slot.
    pub(super) fn doubt_loaded(
        &mut self,
        snapshot: &Snapshot,
        mut bay: Bay,
    ) -> Result<Option<Bay>, JobError> {
        let Some(element) = bay.element else {
            return Ok(Some(bay));
        };
        bay.seen = alerts_of(&mut bay.drive);
        let doubt = self.sick.doubt(element, bay.seen);
        let better = |place: &&Place| {
            place.address != element
                && !self.sick.has_failed(place.address)
                && self.devices.drive_name(place).is_some()
        };
        if doubt == Doubt::None || !snapshot.drives.iter().any(|place| better(&place)) {
            return Ok(Some(bay));
        }
        self.phase(&format!(
            "taking {} out of {}",
            bay.barcode,
            bay.drive.name()
        ));
        if let Err(error) = self.unload(&mut bay) {
            // A drive that keeps its tape may read and write it all the same.
            let (drive, why) = (bay.drive.name(), with_causes(&error));
            let what = format!("{drive} does not let it go ({why}), so it is used there");
            tracing::warn!(barcode = bay.barcode, "{what}");
            let path = bay.barcode.clone();
            self.site.monitor.notice(&Problem { path, what });
            return Ok(Some(bay));
        }
        self.bring_home(&bay, element)
            .map_err(|error| self.not_usable(&bay, error))?;
        Ok(None)
    }

    /// The drive failed before the tape was in it: another one may do.
    pub(super) fn not_usable(&mut self, bay: &Bay, error: JobError) -> JobError {
        let is_drives = matches!(error, JobError::NotCleared { .. })
            || error
                .drive_failure()
                .is_some_and(|failure| failure.calls_for_other_drive());
        if let (Some(element), true) = (bay.element, is_drives) {
            let (drive, what) = (bay.drive_name(), with_causes(&error));
            let or_tape = false;
            let failure = Failure {
                drive,
                what,
                or_tape,
            };
            self.sick.fail(element, failure);
        }
        error
    }

    /// Opens drives in this order until one is free that nothing speaks against; else takes the
    /// first of those that least speaks against. Those that were tried in this mount are not
    /// tried again.
    pub(super) fn claim_best<'s>(
        &mut self,
        snapshot: &'s Snapshot,
        drives: &[usize],
        barcode: &str,
    ) -> Result<(&'s Place, Bay), JobError> {
        let mut unavailable = Unavailable::default();
        let mut doubtful: Vec<Claimed> = Vec::new();
        let mut best = None;
        for &index in drives {
            let place = &snapshot.drives[index];
            if self.sick.was_tried(place.address) {
                continue;
            }
            let Some(claimed) = self.claim(place, index, &mut unavailable) else {
                continue;
            };
            match claimed.doubt {
                Doubt::None => {
                    best = Some(claimed);
                    break;
                }
                _ => doubtful.push(claimed),
            }
        }
        if best.is_none() {
            let least = (0..doubtful.len()).min_by_key(|&at| doubtful[at].doubt);
            best = least.map(|at| doubtful.remove(at));
        }
        let Some(best) = best else {
            let Unavailable { busy, broken, .. } = unavailable;
            return Err(match busy.is_empty() {
                true => JobError::DriveMissing { drives: broken },
                false => JobError::DriveBusy { drives: busy },
            });
        };
        for lost in unavailable.lost {
            self.tell(barcode, lost);
        }
        self.tell_passed_over(snapshot, barcode, &doubtful, &best);
        let place = &snapshot.drives[best.index];
        let mut bay = Bay::new(best.drive, barcode, Some(place.address));
        // What was said of a tape was said of the one before.
        bay.seen = best.alerts.only(TapeAlert::is_about_drive);
        Ok((place, bay))
    }

    fn claim(
        &mut self,
        place: &Place,
        index: usize,
        unavailable: &mut Unavailable,
    ) -> Option<Claimed> {
        match self.devices.open_drive_at(place) {
            Ok(mut drive) => {
                let alerts = alerts_of(&mut drive);
                let doubt = self.sick.doubt(place.address, alerts);
                return Some(Claimed {
                    index,
                    drive,
                    alerts,
                    doubt,
                });
            }
            Err(JobError::Transport(error)) if error.kind == TransportErrorKind::Busy => {
                unavailable.busy.push(error.to_string());
            }
            Err(JobError::DriveBusy { drives }) => unavailable.busy.extend(drives),
            Err(error) => {
                tracing::warn!(drive = index, %error, "drive passed over");
                let what = match error {
                    // One of the drives: that no other can be used is not known yet.
                    JobError::DriveMissing { drives } => drives.join("; "),
                    error => with_causes(&error),
                };
                let name = self.devices.drive_name(place);
                if let Some(name) = name.filter(|_| !self.sick.has_failed(place.address)) {
                    self.sick.avoid(place.address);
                    unavailable
                        .lost
                        .push(format!("{name} is passed over: {what}"));
                }
                unavailable.broken.push(what);
            }
        }
        None
    }

    /// Says why the tape does not go into the drives that come before the chosen one.
    fn tell_passed_over(
        &mut self,
        snapshot: &Snapshot,
        barcode: &str,
        passed_over: &[Claimed],
        chosen: &Claimed,
    ) {
        let name = chosen.drive.name();
        if let Some(failure) = self.sick.take_untold() {
            let Failure { drive, what, .. } = &failure;
            let what = match failure.or_tape {
                false => format!(
                    "{drive} failed: {what}. The tape goes into {name}, and {drive} is used again \
                     only where no other is free: have it seen to."
                ),
                true => format!(
                    "{drive} does not read it: {what}. The tape goes into {name}, which may. If \
                     it does, clean {drive}; if not, the tape is at fault."
                ),
            };
            self.tell(barcode, what);
        }
        for other in passed_over {
            if other.doubt <= chosen.doubt {
                continue;
            }
            let element = snapshot.drives[other.index].address;
            let against = other.alerts.only(TapeAlert::speaks_against_drive);
            for flag in self.sick.news(Some(element), against).iter() {
                let drive = other.drive.name();
                let what = format!(
                    "{drive} reports TapeAlert {:02X}h: {}; the tape goes into {name}. {}",
                    flag.number,
                    flag.name,
                    flag.advice()
                );
                self.tell(barcode, what);
            }
        }
    }

    /// Whether the library has a drive beside this one that was not tried in this mount, and
    /// that is free at this moment, if it has to be.
    pub(super) fn has_other_drive(&mut self, element: ElementAddress, free: bool) -> bool {
        let snapshot = self.devices.look(self.site.monitor);
        snapshot.ok().flatten().is_some_and(|snapshot| {
            snapshot.drives.iter().any(|place| {
                place.address != element
                    && !self.sick.was_tried(place.address)
                    && self.devices.drive_name(place).is_some()
                    && (!free || self.devices.open_drive_at(place).is_ok())
            })
        })
    }

    pub(super) fn tell(&self, barcode: &str, what: String) {
        tracing::warn!(barcode, "{what}");
        let path = barcode.to_owned();
        self.site.monitor.problem(&Problem { path, what });
    }
}

/// The flags of a drive; none if it does not answer, which shows elsewhere.
fn alerts_of(drive: &mut Drive) -> TapeAlerts {
    drive.tape_alerts().unwrap_or_else(|error| {
        tracing::debug!(drive = drive.name(), %error, "no TapeAlert flags");
        TapeAlerts::default()
    })
}
