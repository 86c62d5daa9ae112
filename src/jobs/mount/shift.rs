//! Bringing a tape to another place of the library, for people and not for use: by the rules of
//! mounting, one mover at a time and each move behind a fresh look.

use super::by_changer::Wait;
use super::{Bay, Mounter};
use crate::changer::ElementAddress;
use crate::jobs::JobError;
use crate::jobs::library::Snapshot;
use crate::jobs::whereabouts::TapePlace;

/// A place of a library, for the changer and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) address: ElementAddress,
    pub(crate) place: TapePlace,
}

/// A move that was chosen, or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shift {
    /// The tape's barcode; its place in brackets where that cannot be read.
    pub(crate) name: String,
    pub(crate) from: Spot,
    /// The same as `from` if the tape is where it should be.
    pub(crate) to: Spot,
}

impl Mounter<'_> {
    /// What is where, even if the robot stands still. Moves nothing.
    ///
    /// # Errors
    ///
    /// [`JobError::Request`] without a changer.
    pub(crate) fn look(&mut self) -> Result<Snapshot, JobError> {
        self.devices.look(self.site.monitor)?.ok_or_else(|| {
            let what = "this library has no changer: its tapes are moved by hand".to_owned();
            JobError::Request { what }
        })
    }

    /// Makes the move that `choose` names for what is where at that moment. A tape in a drive is
    /// unloaded first.
    ///
    /// # Errors
    ///
    /// What `choose` says; [`JobError::TapeBusy`] if another process has the drive; the
    /// changer's and the drive's failures.
    pub(crate) fn shift(
        &mut self,
        choose: &dyn Fn(&Snapshot) -> Result<Shift, JobError>,
    ) -> Result<Shift, JobError> {
        let _moving = self.lock_changer(Wait::OrStop)?;
        self.with_fresh_looks(|mounter| mounter.shift_once(choose))
    }

    fn shift_once(
        &mut self,
        choose: &dyn Fn(&Snapshot) -> Result<Shift, JobError>,
    ) -> Result<Shift, JobError> {
        let snapshot = self.ready_to_move()?;
        let shift = choose(&snapshot).map_err(|error| self.with_whereabouts(error))?;
        let Shift { name, from, to } = &shift;
        if from == to {
            return Ok(shift);
        }
        let in_drive = snapshot.drives.iter().find(|p| p.address == from.address);
        // The drive stays ours until the tape is out of it.
        let _unloaded: Option<Bay> = match in_drive {
            Some(place) => {
                let mut bay = self.claim_loaded(place, name)?;
                self.phase(&format!("unloading {name}"));
                self.unload(&mut bay)?;
                Some(bay)
            }
            None => None,
        };
        let target = self.devices.element_name(to.address);
        self.phase(&format!("moving {name} into {target}"));
        self.move_tape(name, from.address, to.address)?;
        Ok(shift)
    }
}
