//! Mounting: a tape, named by its barcode, into a drive that is ours, and back.
//!
//! Invariants: a drive is opened, and so claimed, before a tape is moved into it or out of
//! it; one process at a time moves tapes of a library; removal is prevented while a tape is
//! mounted and allowed again whatever happens. What is on the tape is not looked at here,
//! save where there is no changer and the label is the only witness.

mod by_changer;
mod by_hand;
mod claim;
mod elsewhere;
mod loan;
mod plan;
mod shift;
mod sick;
mod stopwatch;

use std::ops::ControlFlow;
use std::time::Duration;

pub(crate) use loan::{Loan, Return, lend};
pub(crate) use shift::{Shift, Spot};
pub(crate) use stopwatch::Stopwatch;

use sick::Sick;

use super::library::{Cartridge, CartridgeKind, Devices, Place};
use super::whereabouts::{Places, TapePlace};
use super::{JobError, Site};
use crate::changer::ElementAddress;
use crate::drive::{
    Drive, DriveError, DriveErrorKind, DriveMode, ModeInEffect, ReadyWait, SequentialDevice as _,
    Waiting,
};
use crate::monitor::Problem;
use crate::scsi::tape_alert::{Severity, TapeAlert, TapeAlerts};

/// Drives do not compress unless a job asks for it: segments are stored as they are, or were
/// compressed before. What the drive says is left is native capacity, and that is what
/// segments are bounded by: where it compresses, more may fit, which is never counted on. The
/// programmable early warning stays off: each segment is bounded by what the drive says is
/// left before it is begun, and the drive's own warning leaves room enough to close the
/// short segments of one that does not say.
const MODE: DriveMode = DriveMode {
    compression: false,
    early_warning_mb: 0,
    block_protection: false,
};

/// Some drives take a while to see that the robot or a person put something in.
const NOTICES_WITHIN: Duration = Duration::from_secs(60);

/// A drive of ours with a tape that is ready.
pub(crate) struct Bay {
    pub(crate) drive: Drive,
    /// The tape's barcode; where that cannot be read its place, until its label tells.
    pub(crate) barcode: String,
    /// The barcode cannot be read.
    unread: bool,
    /// The drive's element; `None` without a changer.
    pub(crate) element: Option<ElementAddress>,
    /// The TapeAlert flags that were read before the tape came: some drives forget them then.
    seen: TapeAlerts,
    /// Those about the tape that were told in this mount.
    told: TapeAlerts,
    /// The drive failed in a way that speaks against it.
    failed: bool,
    /// How the drive is to be set.
    mode: DriveMode,
}

impl Bay {
    /// A drive in which the tape is, or is to be, of which nothing was told yet.
    fn new(drive: Drive, barcode: &str, element: Option<ElementAddress>) -> Bay {
        Bay {
            drive,
            barcode: barcode.to_owned(),
            unread: false,
            element,
            seen: TapeAlerts::default(),
            told: TapeAlerts::default(),
            failed: false,
            mode: MODE,
        }
    }

    fn drive_name(&self) -> String {
        self.drive.name().to_owned()
    }

    /// Whether a tape that says this barcode of itself may be the one in the drive.
    pub(crate) fn may_be(&self, says: &str) -> bool {
        self.unread || self.barcode == says
    }
}

/// A data cartridge of the library.
pub(crate) struct Listed {
    /// Its barcode; its place in brackets where that cannot be read, such as `(slot 7)`,
    /// which no barcode looks like.
    pub(crate) name: String,
    /// Where it is, if its barcode cannot be read.
    pub(crate) unread: Option<Unread>,
}

/// The place of a cartridge whose barcode cannot be read.
pub(crate) struct Unread {
    /// For people.
    pub(crate) place: TapePlace,
    element: ElementAddress,
}

impl Listed {
    fn of(place: &Place, at: TapePlace) -> Option<Listed> {
        let Cartridge { barcode, kind, .. } = place.cartridge.as_ref()?;
        if *kind != CartridgeKind::Data {
            return None;
        }
        if let Some(barcode) = barcode {
            return Some(Listed {
                name: barcode.clone(),
                unread: None,
            });
        }
        let name = match at {
            TapePlace::Drive(number) => format!("(drive {number})"),
            _ => format!("(slot {})", place.number),
        };
        let element = place.address;
        Some(Listed {
            name,
            unread: Some(Unread { place: at, element }),
        })
    }
}

impl Drop for Bay {
    fn drop(&mut self) {
        self.drive.unfix_blocks();
        if let Err(error) = self.drive.prevent_removal(false) {
            tracing::warn!(barcode = self.barcode, %error, "removal stays prevented");
        }
    }
}

/// What a tape is wanted for: where no changer reads barcodes, that decides what is proof
/// enough that the tape in the drive is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Its volume: the label must name the barcode.
    Volume,
    /// To be labelled: any tape will do that does not claim another barcode.
    Labelling,
}

/// Mounts tapes of the current library.
pub(crate) struct Mounter<'a> {
    site: Site<'a>,
    devices: Devices,
    sick: Sick,
    mode: DriveMode,
    watch: Stopwatch,
    /// Tapes that the job wants: they make room for others last.
    wanted: Vec<String>,
}

impl<'a> Mounter<'a> {
    /// Opens the current library. Moves nothing and claims no drive.
    pub(crate) fn open(site: Site<'a>) -> Result<Mounter<'a>, JobError> {
        let devices = Devices::open(&site.state.library()?, site.trace)?;
        let sick = Sick::default();
        Ok(Mounter {
            site,
            devices,
            sick,
            mode: MODE,
            watch: Stopwatch::new(site.clock.hand()),
            wanted: Vec::new(),
        })
    }

    /// One more for the same job, for a drive beside the one that this has: a drive that fails in
    /// the hands of one is known to both.
    pub(crate) fn beside<'b>(&self, site: Site<'b>) -> Result<Mounter<'b>, JobError> {
        Ok(Mounter {
            site,
            devices: Devices::open(&site.state.library()?, site.trace)?,
            sick: self.sick.beside(),
            mode: self.mode,
            watch: Stopwatch::new(site.clock.hand()),
            wanted: self.wanted.clone(),
        })
    }

    /// What notes how long the steps of this mounter take.
    pub(crate) fn watch(&self) -> Stopwatch {
        self.watch.clone()
    }

    /// Has drives compress what they write from now on, or not.
    pub(crate) fn compressing(mut self, compression: bool) -> Self {
        self.mode.compression = compression;
        self
    }

    /// Leaves these tapes in the drives that they lie in, as long as another drive can be had.
    pub(crate) fn wants(&mut self, barcodes: impl Iterator<Item = String>) {
        self.wanted.extend(barcodes);
    }

    /// Refuses work that takes more drives at once than the library has.
    pub(crate) fn expect_drives(&mut self, needed: usize) -> Result<(), JobError> {
        let snapshot = self.devices.look(self.site.monitor)?;
        let drives = snapshot.map_or(1, |snapshot| {
            let named = |place: &&Place| self.devices.drive_name(place).is_some();
            snapshot.drives.iter().filter(named).count()
        });
        match drives < needed {
            true => Err(JobError::TooFewDrives { needed, drives }),
            false => Ok(()),
        }
    }

    /// Takes this drive from now on only where no other is free: writing failed in it.
    pub(crate) fn shun(&mut self, drive: Option<ElementAddress>) {
        if let Some(drive) = drive {
            self.sick.avoid(drive);
        }
    }

    /// Where the tapes are, as far as the library can tell.
    pub(crate) fn places(&mut self) -> Result<Places, JobError> {
        let snapshot = self.devices.look(self.site.monitor)?;
        let is_ours = |place: &Place| self.devices.drive_name(place).is_some();
        Ok(Places::new(snapshot, is_ours))
    }

    /// All data cartridges but those in mail slots, in the order of places.
    ///
    /// # Errors
    ///
    /// Without a changer nobody knows: the tapes have to be named.
    pub(crate) fn cartridges(&mut self) -> Result<Vec<Listed>, JobError> {
        let Some(snapshot) = self.devices.snapshot(self.site.monitor)? else {
            let what = "without a changer, name the tapes by their barcodes".to_owned();
            return Err(JobError::Request { what });
        };
        let drives = snapshot.drives.iter();
        let drives = drives.map(|place| (place, TapePlace::Drive(place.number)));
        let slots = snapshot.slots.iter();
        let slots = slots.map(|place| (place, TapePlace::Slot(place.number)));
        // In the robot's hand nothing stays: there a tape is found by its barcode alone.
        let named = |place: &&Place| {
            place
                .cartridge
                .as_ref()
                .is_some_and(|c| c.barcode.is_some())
        };
        let robots = snapshot.robots.iter().filter(named);
        let robots = robots.map(|place| (place, TapePlace::Robot));
        Ok(drives
            .chain(slots)
            .chain(robots)
            .filter_map(|(place, at)| Listed::of(place, at))
            .collect())
    }

    /// Brings the tape `barcode` into a drive, ready and in the modes of the tape format.
    pub(crate) fn mount(&mut self, barcode: &str, purpose: Purpose) -> Result<Bay, JobError> {
        let (bay, ()) = self.mount_then(barcode, purpose, |_| Ok(()))?;
        Ok(bay)
    }

    /// Readies a tape that is loaded. The mode is set behind all questions whose failure would
    /// be passed over: a reset that is noticed later is noticed by whoever uses the tape.
    fn prepare(&mut self, bay: &mut Bay) -> Result<(), DriveError> {
        if let Some(flag) = self.site.monitor.stop_flag() {
            bay.drive.stop_walks_on(flag);
        }
        self.tell_alerts(bay);
        bay.mode = self.mode;
        let in_effect = set_up(&mut bay.drive, &bay.mode)?;
        self.tell_compression(bay, in_effect);
        Ok(())
    }

    /// Warns where the drive does not compress, though it should.
    fn tell_compression(&self, bay: &Bay, in_effect: ModeInEffect) {
        if bay.mode.compression && in_effect.compression != Some(true) {
            self.site.monitor.problem(&Problem {
                path: format!("volume {}", bay.barcode),
                what: "the drive does not compress; the data are written as they are".to_owned(),
            });
        }
    }

    /// Makes a mounted tape ready again after `error`, which lost the drive's state.
    pub(crate) fn make_ready(&self, bay: &mut Bay, error: &DriveError) -> Result<(), JobError> {
        let what = format!(
            "the drive was interrupted: {}; it is made ready again",
            error.what
        );
        tracing::warn!(barcode = bay.barcode, %error, "{what}");
        let path = format!("volume {}", bay.barcode);
        self.site.monitor.problem(&Problem { path, what });
        wait_ready(self.site, &mut bay.drive, Duration::ZERO)
            .and_then(|()| set_up(&mut bay.drive, &bay.mode).map(drop))
            .map_err(|error| drive_error(&bay.barcode, error))
    }

    /// TapeAlert flags of the drive that has this tape in it; `None` if none has, or if that
    /// drive is not free. Moves nothing.
    pub(crate) fn alerts_of_loaded(
        &mut self,
        barcode: &str,
    ) -> Result<Option<Vec<String>>, JobError> {
        let Some(snapshot) = self.devices.snapshot(self.site.monitor)? else {
            return Ok(None);
        };
        let Some(place) = snapshot.drives.iter().find(|place| place.holds(barcode)) else {
            return Ok(None);
        };
        let Ok(mut drive) = self.devices.open_drive_at(place) else {
            return Ok(None);
        };
        let alerts = drive
            .tape_alerts()
            .map_err(|error| drive_error(barcode, error))?;
        Ok(Some(
            alerts
                .iter()
                .map(|alert| format!("{}: {}", alert.number, alert.name))
                .collect(),
        ))
    }

    /// Unloads the tape and, with a changer, brings it back to its slot.
    pub(crate) fn unmount(&mut self, mut bay: Bay) -> Result<(), JobError> {
        self.tell_alerts(&mut bay);
        self.tell_unready(&mut bay);
        match bay.element {
            Some(element) => {
                if bay.failed {
                    self.sick.avoid(element);
                }
                self.unmount_by_changer(bay, element)
            }
            None => self.unload(&mut bay),
        }
    }

    /// Lets go of the tape: what is buffered goes to the medium first. The drive stays ours until
    /// the tape is moved.
    fn unload(&self, bay: &mut Bay) -> Result<(), JobError> {
        let begun = self.watch.now();
        bay.drive
            .prevent_removal(false)
            .and_then(|()| bay.drive.unload())
            .map_err(|error| drive_error(&bay.barcode, error))?;
        self.watch.unloaded(begun);
        Ok(())
    }

    /// Tells the onlookers of TapeAlert flags that matter: those about the tape once in a mount,
    /// those about the drive once in a job. A drive that does not answer shows that elsewhere.
    fn tell_alerts(&mut self, bay: &mut Bay) {
        let barcode = &bay.barcode;
        let mut alerts = bay.seen;
        match bay.drive.tape_alerts() {
            Ok(set) => alerts.0 |= set.0,
            Err(error) => tracing::debug!(barcode, %error, "no TapeAlert flags"),
        }
        let alerts = alerts.only(TapeAlert::matters);
        let of_drive = alerts.only(TapeAlert::is_about_drive);
        let news = self.sick.news(bay.element, of_drive);
        let of_tape = TapeAlerts(alerts.0 & !of_drive.0 & !bay.told.0);
        bay.told.0 |= of_tape.0;
        for flag in TapeAlerts(news.0 | of_tape.0).iter() {
            self.tell_alert(bay, flag);
        }
        let asks = alerts.iter().any(|flag| flag.asks_for_cleaning());
        if bay.drive.asked_for_cleaning() && !asks && self.sick.asks_for_cleaning(bay.element) {
            let drive = bay.drive.name();
            let what = format!("{drive} asks to be cleaned. Let it have its cleaning cartridge.");
            tracing::warn!(barcode = bay.barcode, "{what}");
            let path = bay.barcode.clone();
            self.site.monitor.notice(&Problem { path, what });
        }
    }

    /// Tells that the drive was waited for in the middle of its work.
    fn tell_unready(&self, bay: &mut Bay) {
        let Some(unready) = bay.drive.take_unready() else {
            return;
        };
        let (drive, what, seconds) = (bay.drive.name(), &unready.what, unready.waited.as_secs());
        let times = match unready.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let what = format!(
            "{drive} was not ready {times} in the middle of its work ({what}), and was waited for, \
             {seconds} s in all. It stood where it was, and nothing is lost. If it happens again, \
             have the drive looked at."
        );
        tracing::warn!(barcode = bay.barcode, "{what}");
        let path = bay.barcode.clone();
        self.site.monitor.notice(&Problem { path, what });
    }

    fn tell_alert(&self, bay: &Bay, flag: TapeAlert) {
        let (drive, number, name, advice) =
            (bay.drive.name(), flag.number, flag.name, flag.advice());
        let what = format!("{drive} reports TapeAlert {number:02X}h: {name}. {advice}");
        tracing::warn!(barcode = bay.barcode, "{what}");
        let path = bay.barcode.clone();
        let problem = Problem { path, what };
        match flag.severity {
            Severity::Critical => self.site.monitor.problem(&problem),
            _ => self.site.monitor.notice(&problem),
        }
    }

    /// Unmounts at the end of an operation. A failure of the operation stays the news.
    pub(crate) fn close<T>(
        &mut self,
        bay: Bay,
        result: Result<T, JobError>,
    ) -> Result<T, JobError> {
        match result {
            Ok(value) => self.unmount(bay).map(|()| value),
            Err(error) => Err(self.give_up(bay, error)),
        }
    }

    /// Unmounts after a failure; the failure stays the news.
    pub(crate) fn give_up(&mut self, bay: Bay, error: JobError) -> JobError {
        let barcode = bay.barcode.clone();
        if let Err(second) = self.unmount(bay) {
            tracing::warn!(barcode, error = %second, "the tape stays in the drive");
        }
        error
    }
}

/// Holds the tape, and sets the modes of the tape format.
fn set_up(drive: &mut Drive, mode: &DriveMode) -> Result<ModeInEffect, DriveError> {
    drive.prevent_removal(true)?;
    drive.set_mode(mode)
}

/// Names the tape and the sort of trouble in a drive's error.
pub(crate) fn drive_error(barcode: &str, source: DriveError) -> JobError {
    let barcode = barcode.to_owned();
    let drive = source.drive.clone();
    match source.kind {
        DriveErrorKind::CleaningCartridge => JobError::CleaningCartridge { barcode },
        DriveErrorKind::IncompatibleMedium => JobError::IncompatibleTape {
            barcode,
            drive,
            source,
        },
        DriveErrorKind::Cancelled => JobError::Stopped,
        DriveErrorKind::WriteProtected => JobError::WriteProtected { barcode },
        DriveErrorKind::NoMedium | DriveErrorKind::NotReady => JobError::NotReady {
            barcode,
            drive,
            source,
        },
        _ => JobError::Drive { barcode, source },
    }
}

/// The error where what lies in the drive is in the way and stays: `found` says what it is. It
/// speaks against no tape that was asked for.
fn not_cleared(found: String, source: DriveError) -> JobError {
    match source.kind {
        DriveErrorKind::Medium | DriveErrorKind::Hardware => JobError::NotCleared {
            drive: source.drive.clone(),
            found,
            source,
        },
        _ => drive_error(&found, source),
    }
}

/// Waits until the tape in the drive is ready, telling the onlookers what the drive does.
fn wait_ready(
    site: Site<'_>,
    drive: &mut Drive,
    notices_within: Duration,
) -> Result<(), DriveError> {
    let wait = ReadyWait {
        notices_within,
        ..ReadyWait::default()
    };
    let name = drive.name().to_owned();
    drive.wait_ready(&wait, &mut |waiting| {
        let what = format!("waiting for {name}: {}", progress_of(waiting));
        site.monitor.waiting(&what, waiting.elapsed);
        match site.monitor.stop_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
}

/// What the drive is doing, how far it is and how long that will take.
fn progress_of(waiting: &Waiting) -> String {
    let percent = waiting.progress_percent;
    let done = percent.map_or_else(String::new, |percent| format!(": {percent} %"));
    let minutes = waiting.remaining.map(|left| left.as_secs().div_ceil(60));
    let left = minutes.map_or_else(String::new, |minutes| format!(", about {minutes} min left"));
    format!("{}{done}{left}", waiting.what)
}
