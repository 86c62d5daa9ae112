//! What speaks against the drives of a library, as long as a job runs.
//!
//! A drive that failed, or says of itself that it should not be used, comes behind the others
//! wherever several are free; it is used all the same where no other is. Within one mount no
//! drive is tried twice. Knows neither how drives are claimed nor how tapes are moved.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::changer::ElementAddress;
use crate::scsi::tape_alert::{TapeAlert, TapeAlerts};

/// The drives of a library that failed or complained.
#[derive(Default)]
pub(super) struct Sick {
    /// All mounters of a job know it.
    known: Arc<Mutex<Known>>,
    /// Drives that failed in the present mount, in this order.
    tried: Vec<ElementAddress>,
    /// What the last of these failed with, until another drive is found.
    untold: Option<Failure>,
}

/// What is known of drives since the job began.
#[derive(Default)]
struct Known {
    /// Those that failed.
    failed: HashSet<ElementAddress>,
    /// What each drive said of itself, as far as it was told. The key of a drive without a
    /// changer is `None`.
    told: HashMap<Option<ElementAddress>, TapeAlerts>,
    /// Drives that asked to be cleaned by other means than a flag.
    unclean: HashSet<Option<ElementAddress>>,
}

/// How a drive failed, for people.
pub(super) struct Failure {
    /// The drive's name.
    pub(super) drive: String,
    /// What happened.
    pub(super) what: String,
    /// The tape may as well be at fault.
    pub(super) or_tape: bool,
}

/// How much speaks against a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Nothing.
    None,
    /// It reports a failure of its own.
    Reports,
    /// It failed in this job.
    Failed,
}

impl Sick {
    /// The same for another mounter of the job.
    pub(super) fn beside(&self) -> Sick {
        Sick {
            known: Arc::clone(&self.known),
            ..Sick::default()
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tape is wanted: all drives may be tried.
    pub(super) fn begin_mount(&mut self) {
        self.tried.clear();
        self.untold = None;
    }

    /// The drive failed in the present mount. Where the tape may be at fault, it is as good as
    /// others for the next one.
    pub(super) fn fail(&mut self, drive: ElementAddress, failure: Failure) {
        if !failure.or_tape {
            self.avoid(drive);
        }
        self.tried.push(drive);
        self.untold = Some(failure);
    }

    /// The drive may be tried in the present mount once more.
    pub(super) fn forgive(&mut self, drive: ElementAddress) {
        self.tried.retain(|tried| *tried != drive);
        self.untold = None;
    }

    /// The drive failed; that was told.
    pub(super) fn avoid(&mut self, drive: ElementAddress) {
        self.known().failed.insert(drive);
    }

    /// How many drives failed in the present mount.
    pub(super) fn tries(&self) -> usize {
        self.tried.len()
    }

    /// Whether the present mount has tried this drive.
    pub(super) fn was_tried(&self, drive: ElementAddress) -> bool {
        self.tried.contains(&drive)
    }

    /// Whether it failed in this job.
    pub(super) fn has_failed(&self, drive: ElementAddress) -> bool {
        self.known().failed.contains(&drive)
    }

    /// The failure that is to be told now that there is another drive.
    pub(super) fn take_untold(&mut self) -> Option<Failure> {
        self.untold.take()
    }

    /// How much speaks against a drive that has these flags set, which others of its flags may
    /// have been read before, and gone with that.
    pub(super) fn doubt(&self, drive: ElementAddress, alerts: TapeAlerts) -> Doubt {
        let told = self.known().told.get(&Some(drive)).copied();
        let told = told.unwrap_or_default();
        let against = TapeAlerts(alerts.0 | told.0).only(TapeAlert::speaks_against_drive);
        match (self.has_failed(drive), against.is_empty()) {
            (true, _) => Doubt::Failed,
            (false, false) => Doubt::Reports,
            (false, true) => Doubt::None,
        }
    }

    /// Those of the flags that were not told of this drive yet; now they are.
    pub(super) fn news(&mut self, drive: Option<ElementAddress>, alerts: TapeAlerts) -> TapeAlerts {
        let mut known = self.known();
        let told = known.told.entry(drive).or_default();
        let news = TapeAlerts(alerts.0 & !told.0);
        told.0 |= news.0;
        news
    }

    /// True the first time that a drive asks to be cleaned.
    pub(super) fn asks_for_cleaning(&mut self, drive: Option<ElementAddress>) -> bool {
        self.known().unclean.insert(drive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVE: ElementAddress = ElementAddress(1);
    const OTHER: ElementAddress = ElementAddress(2);
    const HARDWARE_A: TapeAlerts = TapeAlerts(1 << (64 - 0x1E));
    const FAN: TapeAlerts = TapeAlerts(1 << (64 - 0x1A));

    #[test]
    fn a_failure_outweighs_a_report_and_a_warning_weighs_nothing() {
        let mut sick = Sick::default();
        assert_eq!(sick.doubt(DRIVE, FAN), Doubt::None);
        assert_eq!(sick.doubt(DRIVE, HARDWARE_A), Doubt::Reports);
        sick.avoid(DRIVE);
        assert_eq!(sick.doubt(DRIVE, HARDWARE_A), Doubt::Failed);
        assert_eq!(sick.doubt(OTHER, TapeAlerts::default()), Doubt::None);
    }

    #[test]
    fn a_flag_that_was_cleared_by_reading_it_still_counts() {
        let mut sick = Sick::default();
        assert_eq!(sick.news(Some(DRIVE), HARDWARE_A), HARDWARE_A);
        assert!(sick.news(Some(DRIVE), HARDWARE_A).is_empty());
        let now = TapeAlerts::default();
        assert_eq!(sick.doubt(DRIVE, now), Doubt::Reports);
    }

    #[test]
    fn a_drive_that_failed_may_be_tried_in_the_next_mount() {
        let mut sick = Sick::default();
        let failure = Failure {
            drive: "drive 0".to_owned(),
            what: "it failed".to_owned(),
            or_tape: false,
        };
        sick.fail(DRIVE, failure);
        assert!(sick.was_tried(DRIVE));
        assert!(sick.take_untold().is_some() && sick.take_untold().is_none());
        sick.begin_mount();
        assert!(!sick.was_tried(DRIVE) && sick.has_failed(DRIVE));
    }

    #[test]
    fn a_drive_whose_tape_may_be_at_fault_is_tried_no_more_in_this_mount_alone() {
        let mut sick = Sick::default();
        let failure = Failure {
            drive: "drive 0".to_owned(),
            what: "a block cannot be read".to_owned(),
            or_tape: true,
        };
        sick.fail(DRIVE, failure);
        assert!(sick.was_tried(DRIVE) && !sick.has_failed(DRIVE));
        sick.forgive(DRIVE);
        assert!(!sick.was_tried(DRIVE) && sick.take_untold().is_none());
    }
}
