//! A mount with all its drives: where one fails in a way that speaks against the drive, the
//! tape is tried once in each other that is free.
//!
//! What is done with a tape first, such as reading its label, belongs to it: a drive whose
//! failure shows only then has not mounted the tape. Nothing that is done here writes.

use super::sick::Failure;
use super::{Bay, Mounter, Purpose, Unread, drive_error};
use crate::drive::DriveError;
use crate::error_text::with_causes;
use crate::jobs::JobError;
use crate::volume::resume::OtherDrive;

/// A tape that is to be mounted.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Its barcode; its place in brackets where that cannot be read.
    pub(super) barcode: &'a str,
    /// Where it is, if its barcode cannot be read.
    pub(super) unread: Option<&'a Unread>,
    pub(super) purpose: Purpose,
}

impl Mounter<'_> {
    /// Brings the tape `barcode` into a drive, ready and in the modes of the tape format, and
    /// does `work` with it, which must not write. After an interruption it is done once more.
    pub(crate) fn mount_then<T>(
        &mut self,
        barcode: &str,
        purpose: Purpose,
        mut work: impl FnMut(&mut Bay) -> Result<T, JobError>,
    ) -> Result<(Bay, T), JobError> {
        self.sick.begin_mount();
        let unread = None;
        let wanted = Wanted {
            barcode,
            unread,
            purpose,
        };
        self.in_any_drive(wanted, &mut work)
    }

    /// The same with a cartridge whose barcode cannot be read. Until its label tells, it has the
    /// name of its place.
    pub(crate) fn mount_unread_then<T>(
        &mut self,
        name: &str,
        unread: &Unread,
        mut work: impl FnMut(&mut Bay) -> Result<T, JobError>,
    ) -> Result<(Bay, T), JobError> {
        self.sick.begin_mount();
        let wanted = Wanted {
            barcode: name,
            unread: Some(unread),
            purpose: Purpose::Volume,
        };
        self.in_any_drive(wanted, &mut work)
    }

    /// Takes the tape out of a drive that failed with `error` while it was read, and mounts it in
    /// another. What is on it has to be proved again. The bay is as it was where there is no
    /// other drive, and there is none where the tape is in no drive of ours any more. A drive that
    /// failed to read a few blocks takes the tape back where no other can be used.
    pub(crate) fn change_drive(
        &mut self,
        bay: Bay,
        error: &DriveError,
    ) -> (Option<Bay>, OtherDrive) {
        let or_tape = !error.calls_for_other_drive() && !error.is_interruption();
        let other = |element: &_| self.has_other_drive(*element, or_tape);
        let Some(element) = bay.element.filter(other) else {
            return (Some(bay), OtherDrive::None);
        };
        let (barcode, drive) = (bay.barcode.clone(), error.drive.clone());
        let failure = Failure {
            drive,
            what: with_causes(error),
            or_tape,
        };
        self.sick.fail(element, failure);
        self.take_out(bay);
        let wanted = Wanted {
            barcode: &barcode,
            unread: None,
            purpose: Purpose::Volume,
        };
        let mut mounted = self.in_any_drive(wanted, &mut |_| Ok(()));
        if let (Err(error), true) = (&mounted, or_tape) {
            let why = with_causes(error);
            self.tell(
                &barcode,
                format!("no other drive takes it: {why}; it goes back"),
            );
            self.sick.forgive(element);
            mounted = self.in_any_drive(wanted, &mut |_| Ok(()));
        }
        match mounted {
            Ok((bay, ())) => {
                self.phase(&format!("reading {barcode} on in {}", bay.drive_name()));
                (Some(bay), OtherDrive::Ready)
            }
            Err(error) => {
                let what = format!("no other drive reads it on: {}", with_causes(&error));
                self.tell(&barcode, what);
                (None, OtherDrive::Lost)
            }
        }
    }

    /// Ends with a mounted tape, with a failure that no other drive cures, or behind the last
    /// drive that is free.
    fn in_any_drive<T>(
        &mut self,
        wanted: Wanted<'_>,
        work: &mut dyn FnMut(&mut Bay) -> Result<T, JobError>,
    ) -> Result<(Bay, T), JobError> {
        let mut failed: Option<JobError> = None;
        loop {
            let tries = self.sick.tries();
            let error = match self.in_one_drive(wanted, work) {
                Ok(mounted) => return Ok(mounted),
                Err(error) => error,
            };
            // None is left: the last failure is the news.
            if found_no_drive(&error) {
                return Err(failed.unwrap_or(error));
            }
            if self.sick.tries() == tries {
                return Err(error);
            }
            failed = Some(error);
        }
    }

    fn in_one_drive<T>(
        &mut self,
        wanted: Wanted<'_>,
        work: &mut dyn FnMut(&mut Bay) -> Result<T, JobError>,
    ) -> Result<(Bay, T), JobError> {
        let mut bay = match self.devices.has_changer() {
            true => self.mount_by_changer(wanted)?,
            false => self.mount_by_hand(wanted.barcode, wanted.purpose)?,
        };
        bay.unread = wanted.unread.is_some();
        self.watch.is_in(&bay.drive.identity().product);
        let mut done = self
            .prepare(&mut bay)
            .map_err(|error| drive_error(wanted.barcode, error))
            .and_then(|()| work(&mut bay));
        let failure = done.as_ref().err().and_then(JobError::drive_failure);
        if let Some(interruption) = failure.filter(|failure| failure.is_interruption()) {
            done = self
                .make_ready(&mut bay, interruption)
                .and_then(|()| work(&mut bay));
        }
        match done {
            Ok(done) => Ok((bay, done)),
            Err(error) => Err(self.fail(bay, error)),
        }
    }

    /// Gives a tape up that could not be mounted. Where that speaks against the drive, it is
    /// not tried again in this mount.
    pub(super) fn fail(&mut self, bay: Bay, error: JobError) -> JobError {
        let failure = error.drive_failure();
        if let (Some(element), Some(failure)) = (bay.element, failure)
            && failure.calls_for_other_drive()
        {
            let failure = Failure {
                drive: bay.drive_name(),
                what: with_causes(&error),
                or_tape: false,
            };
            self.sick.fail(element, failure);
        }
        self.take_out(bay);
        error
    }

    /// Takes a tape out of a drive that failed, if the drive lets go of it.
    fn take_out(&mut self, bay: Bay) {
        let (barcode, drive) = (bay.barcode.clone(), bay.drive_name());
        if let Err(error) = self.unmount(bay) {
            tracing::warn!(barcode, drive, %error, "the tape stays in the drive");
        }
    }
}

/// Whether no drive was there to be tried.
fn found_no_drive(error: &JobError) -> bool {
    matches!(
        error,
        JobError::DriveMissing { .. } | JobError::DriveBusy { .. } | JobError::TapeBusy { .. }
    )
}
