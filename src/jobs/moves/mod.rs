//! Tapes in and out of the library through its mail slots, and from slot to slot.
//!
//! One tape after another; what is done stays done. Moves of volumes that the catalog knows are
//! recorded in it.

mod choose;

use catalogs::model::event::{Event, Location, VolumeMoved};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::choose::element;
use self::choose::{Goal, apply, choose, in_mail_slots};
use super::catalog::Opened;
use super::library::{LibraryConfig, Snapshot};
use super::lock::Lock;
use super::mount::{Mounter, Shift};
use super::operator::{MailRequest, Reply};
use super::source::lock_volume;
use super::whereabouts::TapePlace;
use super::{FailedTape, Failure, JobError, JobErrorKind, MailSlotError, Outcome, Site, catalog};
use crate::changer::ChangerErrorKind;

/// A tape that was moved, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovedTape {
    /// Its barcode; its place before in brackets where that cannot be read, as `(slot 7)`.
    pub barcode: String,
    /// The volume that the catalog knows under this barcode.
    pub volume: Option<Uuid>,
    /// Where it was.
    pub from: TapePlace,
    /// Where it is; the same if it was there already.
    pub to: TapePlace,
}

/// How moving tapes went.
#[derive(Debug, Clone, Serialize)]
pub struct MoveSummary {
    /// Complete if each tape is where it should be; partial if some are not; failed or
    /// interrupted if it did not come to its end.
    pub outcome: Outcome,
    /// Nothing was moved: this is the plan.
    pub dry_run: bool,
    /// The tapes that are where they should be, in this order.
    pub moved: Vec<MovedTape>,
    /// Tapes that could not be moved.
    pub failed_tapes: Vec<FailedTape>,
    /// Tapes that were not come to, as they were named.
    pub left: Vec<String>,
    /// What ended it before the last tape, if anything did.
    pub failure: Option<Failure>,
}

/// Brings cartridges from mail slots into free slots: these, by barcode or number of the mail
/// slot, or all.
///
/// # Errors
///
/// [`MailSlotError::Empty`]; library or catalog cannot be used; the one tape that was to be
/// moved cannot be. What goes wrong behind that is in the summary.
pub fn import(site: Site<'_>, named: &[String], dry_run: bool) -> Result<MoveSummary, JobError> {
    let mut mover = Mover::open(site, Goal::Inside, dry_run)?;
    let names = match named {
        [] => in_mail_slots(&mover.mounter.look()?),
        named => named.to_vec(),
    };
    if names.is_empty() {
        return Err(MailSlotError::Empty.into());
    }
    mover.each(&names)
}

/// Puts tapes into mail slots: these, by barcode, or by number of the slot where the barcode
/// cannot be read. Where the mail slots are full, the operator is asked to empty them.
///
/// # Errors
///
/// As [`import`]; [`MailSlotError::Full`] if no tape could be put out.
pub fn export(site: Site<'_>, named: &[String], dry_run: bool) -> Result<MoveSummary, JobError> {
    Mover::open(site, Goal::MailSlot, dry_run)?.each(named)
}

/// Moves a tape, named as for [`export`], to an empty slot.
///
/// # Errors
///
/// It cannot be moved there.
pub fn move_to_slot(
    site: Site<'_>,
    named: &str,
    slot: u16,
    dry_run: bool,
) -> Result<MoveSummary, JobError> {
    Mover::open(site, Goal::Slot(slot), dry_run)?.each(&[named.to_owned()])
}

/// Moves tapes to one sort of place.
struct Mover<'a> {
    site: Site<'a>,
    mounter: Mounter<'a>,
    catalog: Option<Opened<'a>>,
    goal: Goal,
    /// Where everything would be by now, if nothing is to be moved.
    planned: Option<Snapshot>,
}

impl<'a> Mover<'a> {
    fn open(site: Site<'a>, goal: Goal, dry_run: bool) -> Result<Mover<'a>, JobError> {
        let mut mounter = Mounter::open(site)?;
        // It also refuses a library without changer.
        let snapshot = mounter.look()?;
        let catalog = match catalog::exists(site) {
            true => Some(catalog::open(site)?),
            false => None,
        };
        Ok(Mover {
            site,
            mounter,
            catalog,
            goal,
            planned: dry_run.then_some(snapshot),
        })
    }

    fn each(&mut self, names: &[String]) -> Result<MoveSummary, JobError> {
        let mut summary = MoveSummary {
            outcome: Outcome::Complete,
            dry_run: self.planned.is_some(),
            moved: Vec::new(),
            failed_tapes: Vec::new(),
            left: Vec::new(),
            failure: None,
        };
        for (index, name) in names.iter().enumerate() {
            let moved = match self.site.monitor.stop_requested() {
                true => Err(JobError::Stopped),
                false => self.one(name, &names[index..]),
            };
            match moved {
                Ok(moved) => {
                    let recorded = self.record(&moved);
                    summary.moved.push(moved);
                    if let Err(error) = recorded {
                        return summary.broken_off(error, &names[index + 1..]);
                    }
                }
                Err(error) if is_about_all_tapes(&error) => {
                    return summary.broken_off(error, &names[index..]);
                }
                Err(error) if names.len() == 1 => return Err(error),
                Err(error) => {
                    summary.outcome = Outcome::Partial;
                    let failed = FailedTape::new(name.clone(), &error);
                    summary.failed_tapes.push(failed);
                }
            }
        }
        Ok(summary)
    }

    /// Moves the tape `name`; `left` begins with it.
    fn one(&mut self, name: &str, left: &[String]) -> Result<MovedTape, JobError> {
        let volume = self.volume(name)?;
        let _writer = self.keep_writers_away(name, volume)?;
        loop {
            let shift = match self.shift(name) {
                Err(JobError::MailSlots(MailSlotError::Full { .. })) => {
                    let left = left.to_vec();
                    let request = MailRequest { left: left.clone() };
                    let planned = self.planned.is_some();
                    if planned || self.site.operator.empty_mail_slots(&request) == Reply::Declined {
                        return Err(MailSlotError::Full { left }.into());
                    }
                    continue;
                }
                shift => shift?,
            };
            // A number was typed, and the barcode can be read.
            let volume = match volume {
                None => self.volume(&shift.name)?,
                known => known,
            };
            return Ok(MovedTape {
                barcode: shift.name,
                volume,
                from: shift.from.place,
                to: shift.to.place,
            });
        }
    }

    fn shift(&mut self, name: &str) -> Result<Shift, JobError> {
        let goal = self.goal;
        match &mut self.planned {
            None => self.mounter.shift(&|snapshot| choose(snapshot, name, goal)),
            Some(snapshot) => {
                let shift = choose(snapshot, name, goal)?;
                apply(snapshot, &shift);
                Ok(shift)
            }
        }
    }

    fn volume(&self, barcode: &str) -> Result<Option<Uuid>, JobError> {
        let Some(catalog) = &self.catalog else {
            return Ok(None);
        };
        let known = catalog::live_volume(catalog, barcode)?;
        Ok(known.map(|known| known.label.what.volume))
    }

    /// A job that writes a volume has it to itself, also before its tape is in a drive.
    fn keep_writers_away(
        &self,
        barcode: &str,
        volume: Option<Uuid>,
    ) -> Result<Option<Lock>, JobError> {
        match volume {
            Some(volume) => lock_volume(self.site, volume, barcode).map(Some),
            None => Ok(None),
        }
    }

    fn record(&self, moved: &MovedTape) -> Result<(), JobError> {
        let (Some(catalog), Some(volume)) = (&self.catalog, moved.volume) else {
            return Ok(());
        };
        if self.planned.is_some() || moved.from == moved.to {
            return Ok(());
        }
        let location = Location::Library {
            library: library_name(&self.site.state.library()?),
            element: element(&moved.to),
        };
        let event = Event::VolumeMoved(VolumeMoved { volume, location });
        catalog.append(self.site.clock.now(), &event)?;
        Ok(())
    }
}

impl MoveSummary {
    /// The summary of what was done before `error`; or that, if it left nothing.
    fn broken_off(mut self, error: JobError, left: &[String]) -> Result<MoveSummary, JobError> {
        if self.moved.is_empty() && self.failed_tapes.is_empty() {
            return Err(error);
        }
        self.left = left.to_vec();
        self.outcome = match error {
            JobError::Stopped => Outcome::Interrupted,
            _ => Outcome::Failed,
        };
        self.failure = Some(Failure::from(&error));
        Ok(self)
    }
}

/// How the ledger names the library: by what stays when nodes change.
pub(crate) fn library_name(config: &LibraryConfig) -> String {
    match config {
        LibraryConfig::Changer {
            serial, changer, ..
        } => match serial.is_empty() {
            true => changer.display().to_string(),
            false => serial.clone(),
        },
        LibraryConfig::Simulated { dir } | LibraryConfig::SimulatedDrive { dir } => {
            dir.display().to_string()
        }
        LibraryConfig::SingleDrive { drive, .. } => drive.display().to_string(),
    }
}

/// Whether the next tape would meet the same.
fn is_about_all_tapes(error: &JobError) -> bool {
    use ChangerErrorKind as C;
    match error {
        JobError::MailSlots(MailSlotError::Full { .. } | MailSlotError::Shut { .. })
        | JobError::LibraryFull { .. }
        | JobError::LibraryBusy { .. }
        | JobError::Changer(_)
        | JobError::Stopped => true,
        JobError::Move { source, .. } => !matches!(
            source.kind,
            C::SourceEmpty | C::DestinationFull | C::RemovalPrevented | C::DriveHoldsMedium
        ),
        error => matches!(error.kind(), JobErrorKind::Catalog | JobErrorKind::Host),
    }
}
