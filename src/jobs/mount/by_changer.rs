//! Mounting where a changer moves the tapes.

use std::time::{Duration, Instant};

use super::elsewhere::Wanted;
use super::plan::{Route, route, route_of_unread};
use super::{Bay, Mounter, NOTICES_WITHIN, drive_error, not_cleared, wait_ready};
use crate::changer::{ChangerError, ChangerErrorKind, ElementAddress};
use crate::drive::{Drive, DriveError, DriveErrorKind};
use crate::jobs::JobError;
use crate::jobs::library::{LostTape, Place, Snapshot, forget_found, lost_tapes, note_lost};
use crate::jobs::lock::{CHANGER_LOCK, Lock, NotLocked};
use crate::jobs::whereabouts::said;
use crate::monitor::Problem;

/// Moving a tape takes a minute or two; another process may be at it twice in a row.
const CHANGER_PATIENCE: Duration = Duration::from_secs(300);
/// So often the wish to stop is looked for meanwhile.
const STOP_INTERVAL: Duration = Duration::from_millis(500);
/// How often the library is looked at where others use it in the same moment.
const LOOKS: u32 = 3;

/// What ends a wait for the changer that is in other hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Only its deadline: a tape that is in a drive is brought home all the same.
    On,
    /// The wish to stop, too: for who only begins.
    OrStop,
}

impl Mounter<'_> {
    /// Brings a tape into the best drive that was not tried in this mount, and waits for it.
    pub(super) fn mount_by_changer(&mut self, wanted: Wanted<'_>) -> Result<Bay, JobError> {
        let barcode = wanted.barcode;
        let moving = self.lock_changer(Wait::OrStop)?;
        let mut bay = self.with_fresh_looks(|mounter| mounter.bring(wanted))?;
        drop(moving);
        self.phase(&format!("loading {barcode}"));
        match wait_ready(self.site, &mut bay.drive, NOTICES_WITHIN) {
            Ok(()) => Ok(bay),
            Err(error) => {
                let error = not_loaded(barcode, error);
                Err(self.fail(bay, error))
            }
        }
    }

    /// Brings the tape into a drive, which is claimed first.
    fn bring(&mut self, wanted: Wanted<'_>) -> Result<Bay, JobError> {
        let barcode = wanted.barcode;
        let snapshot = self.ready_to_move()?;
        let route = match wanted.unread {
            None => route(&snapshot, barcode, &self.wanted)
                .map_err(|error| self.with_whereabouts(error))?,
            Some(unread) => route_of_unread(&snapshot, barcode, unread.element)?,
        };
        match route {
            Route::Loaded { drive } => {
                let bay = self.claim_loaded(&snapshot.drives[drive], barcode)?;
                match self.doubt_loaded(&snapshot, bay)? {
                    Some(bay) => Ok(bay),
                    None => self.bring(wanted),
                }
            }
            Route::Stored { from, drives } => {
                let (place, mut bay) = self.claim_best(&snapshot, &drives, barcode)?;
                self.clear(&snapshot, place, &mut bay)
                    .map_err(|error| self.not_usable(&bay, error))?;
                self.phase(&format!("moving {barcode} into drive {}", place.number));
                self.move_tape(barcode, from, place.address)?;
                self.watch.seated();
                Ok(bay)
            }
        }
    }

    /// People and other hosts may use the library between a look and a move, or it may not be
    /// ready. Then nothing was moved, and `attempt`, which begins with a look, is made again.
    pub(super) fn with_fresh_looks<T>(
        &mut self,
        attempt: impl Fn(&mut Self) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        use ChangerErrorKind as C;
        for _ in 1..LOOKS {
            match attempt(self) {
                Err(JobError::Move { source, .. })
                    if matches!(
                        source.kind,
                        C::SourceEmpty | C::DestinationFull | C::InventoryChanged
                    ) =>
                {
                    tracing::warn!(%source, "somebody else used the library: looking again");
                }
                // A door that is open stays so, and the move's failure says more of it.
                Err(error) if is_not_ready(&error) => {
                    if self.devices.snapshot(self.site.monitor).is_err() {
                        return Err(error);
                    }
                    tracing::warn!(%error, "the library was not ready: looking again");
                }
                result => return result,
            }
        }
        attempt(self)
    }

    pub(super) fn unmount_by_changer(
        &mut self,
        mut bay: Bay,
        element: ElementAddress,
    ) -> Result<(), JobError> {
        self.phase(&format!("unloading {}", bay.barcode));
        let kept = match self.unload(&mut bay) {
            // Some libraries have a drive eject that does not do so for its host.
            Err(error) if calls_for_other_drive(&error) => {
                tracing::warn!(barcode = bay.barcode, %error, "the robot tries to take it out");
                Some(error)
            }
            unloaded => unloaded.map(|()| None)?,
        };
        let _moving = self.lock_changer(Wait::On)?;
        let moved = self.with_fresh_looks(|mounter| mounter.bring_home(&bay, element));
        match (moved, kept) {
            (Err(_), Some(kept)) => Err(kept),
            (moved, _) => moved,
        }
    }

    /// Brings an unloaded tape into a slot.
    pub(super) fn bring_home(
        &mut self,
        bay: &Bay,
        element: ElementAddress,
    ) -> Result<(), JobError> {
        let snapshot = self.ready_to_move()?;
        let Some(place) = snapshot
            .drives
            .iter()
            .find(|place| place.address == element)
        else {
            let missing = JobError::TapeMissing {
                barcode: bay.barcode.clone(),
                nameless: snapshot.nameless(),
                lost: None,
                outside: None,
            };
            return Err(self.with_whereabouts(missing));
        };
        let home = home(&snapshot, place, &bay.drive)?;
        self.move_tape(&bay.barcode, element, home)
    }

    /// Empties the drive for another tape: the one in it goes home.
    fn clear(&mut self, snapshot: &Snapshot, place: &Place, bay: &mut Bay) -> Result<(), JobError> {
        if place.cartridge.is_none() {
            return Ok(());
        }
        let other = place.barcode_text();
        let home = home(snapshot, place, &bay.drive)?;
        self.phase(&format!("returning {other} to its slot"));
        bay.drive
            .prevent_removal(false)
            .and_then(|()| bay.drive.unload())
            .map_err(|error| not_cleared(other.clone(), error))?;
        self.move_tape(&other, place.address, home)
    }

    /// Moves a tape. After a failure that leaves its place open, the library is asked for it.
    pub(super) fn move_tape(
        &mut self,
        barcode: &str,
        from: ElementAddress,
        to: ElementAddress,
    ) -> Result<(), JobError> {
        let begun = self.watch.now();
        let Err(source) = self.devices.move_medium(from, to) else {
            self.watch.moved(begun);
            return Ok(());
        };
        use ChangerErrorKind as C;
        let now = match source.kind {
            C::Hardware | C::Interrupted | C::Transport => self.whereabouts(barcode, &source),
            _ => None,
        };
        let barcode = barcode.to_owned();
        Err(JobError::Move {
            barcode,
            now,
            source,
        })
    }

    /// The place in words of a tape whose move failed with `error`; `None` if the library does
    /// not tell. One that is nowhere is remembered: later it would only be missing.
    fn whereabouts(&mut self, barcode: &str, error: &ChangerError) -> Option<String> {
        let snapshot = self.devices.look(self.site.monitor).ok().flatten()?;
        if let Some(place) = snapshot.places().find(|place| place.holds(barcode)) {
            return Some(self.devices.element_name(place.address));
        }
        let (from, to) = error.elements?;
        // What has no barcode is called by its place, in words.
        if barcode.contains([' ', '(']) {
            return None;
        }
        let name = |element| self.devices.element_name(element);
        let lost = LostTape {
            barcode: barcode.to_owned(),
            at: self.site.clock.now(),
            from: name(from),
            to: name(to),
            what: error.what.clone(),
        };
        note_lost(self.site.state, lost);
        Some("no place that the library sees".to_owned())
    }

    /// Says of a tape that is missing what is known of where it may be: which move lost it, or
    /// where somebody said that it is, whichever is newer.
    pub(super) fn with_whereabouts(&self, error: JobError) -> JobError {
        let JobError::TapeMissing {
            barcode, nameless, ..
        } = error
        else {
            return error;
        };
        let mut known = lost_tapes(self.site.state).into_iter();
        let mut lost = known.find(|lost| lost.barcode == barcode);
        let mut said = said(self.site, &barcode);
        if let (Some(move_of_it), Some((time, _))) = (&lost, &said) {
            match move_of_it.at > *time {
                true => said = None,
                false => lost = None,
            }
        }
        JobError::TapeMissing {
            barcode,
            nameless,
            lost: lost.map(|lost| lost.words()),
            outside: said.map(|(_, place)| place),
        }
    }

    fn inventory(&mut self) -> Result<Snapshot, JobError> {
        Ok(self
            .devices
            .snapshot(self.site.monitor)?
            .expect("a library with a changer has an inventory"))
    }

    /// What is where, once nothing is in the robot's hand: a cartridge that a failed move left
    /// there is in the way of every other move, and goes to its slot first.
    pub(super) fn ready_to_move(&mut self) -> Result<Snapshot, JobError> {
        let mut snapshot = self.inventory()?;
        forget_found(self.site.state, &snapshot);
        for _ in 0..snapshot.robots.len() {
            let Some(hand) = snapshot.full_hand() else {
                break;
            };
            let (barcode, address) = (hand.barcode_text(), hand.address);
            let in_hand = self.devices.element_name(address);
            let Some(slot) = snapshot.home_for(hand) else {
                let drive = in_hand;
                return Err(JobError::LibraryFull { barcode, drive });
            };
            let to = self.devices.element_name(slot);
            self.phase(&format!("moving {barcode} from {in_hand} to {to}"));
            self.move_tape(&barcode, address, slot)?;
            let what = format!("it was left in {in_hand} by a failed move, and is in {to} now");
            tracing::warn!(barcode, "{what}");
            let path = barcode;
            self.site.monitor.problem(&Problem { path, what });
            snapshot = self.inventory()?;
        }
        Ok(snapshot)
    }

    /// Takes the changer. Other drives of this very job have their turn before, however long that
    /// takes; another process is waited for as long as moving its tapes may take.
    pub(super) fn lock_changer(&self, wait: Wait) -> Result<Lock, JobError> {
        let dir = self.site.state.lock_dir();
        let own = Some(std::process::id());
        let mut deadline = Instant::now() + CHANGER_PATIENCE;
        let mut told = "";
        loop {
            let holder = match Lock::take(&dir, CHANGER_LOCK, STOP_INTERVAL) {
                Err(NotLocked::Held(holder)) => holder,
                taken => return taken.map_err(JobError::from),
            };
            if wait == Wait::OrStop && self.site.monitor.stop_requested() {
                return Err(JobError::Stopped);
            }
            let what = if holder == own {
                deadline = Instant::now() + CHANGER_PATIENCE;
                "waiting until another tape was moved"
            } else {
                "waiting for another process to move its tape"
            };
            if Instant::now() >= deadline {
                return Err(JobError::LibraryBusy { pid: holder });
            }
            if std::mem::replace(&mut told, what) != what {
                self.phase(what);
            }
        }
    }

    pub(super) fn phase(&self, what: &str) {
        tracing::info!("{what}");
        self.site.monitor.phase(what);
    }
}

fn is_not_ready(error: &JobError) -> bool {
    matches!(
        error,
        JobError::Move { source, .. } if source.kind == ChangerErrorKind::NotReady
    )
}

fn calls_for_other_drive(error: &JobError) -> bool {
    error
        .drive_failure()
        .is_some_and(DriveError::calls_for_other_drive)
}

/// The error of a tape that does not become ready in the drive it was brought into. Only this
/// one says of a tape that the drive tried it and failed.
fn not_loaded(barcode: &str, source: DriveError) -> JobError {
    match source.kind {
        DriveErrorKind::Medium | DriveErrorKind::EndOfDataMissing => JobError::NotLoaded {
            barcode: barcode.to_owned(),
            source,
        },
        _ => drive_error(barcode, source),
    }
}

fn home(snapshot: &Snapshot, place: &Place, drive: &Drive) -> Result<ElementAddress, JobError> {
    use crate::drive::SequentialDevice as _;
    snapshot
        .home_for(place)
        .ok_or_else(|| JobError::LibraryFull {
            barcode: place.barcode_text(),
            drive: drive.name().to_owned(),
        })
}
