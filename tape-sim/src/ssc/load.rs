//! Cartridges coming and going: the bay, loading, cleaning, LOAD UNLOAD and PREVENT ALLOW.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::DriveTarget;
use super::busy::{Busy, Operation};
use super::state::{Phase, Session};
use super::tape::Tape;
use crate::cartridge::{self, Cartridge, Kind};
use crate::error::SimError;
use crate::files::lock;
use crate::generation::Access;
use crate::inventory::{bay_path, read_bay};
use crate::mam::id;
use crate::pages::alert::{self, Subject};
use crate::pages::block_protection::BlockProtection;
use crate::physics::model::{CLEANING, drive_mechanics};
use crate::sense::{self, Sense, key};
use crate::target::{Refusal, Reply};

/// LOAD UNLOAD byte 4.
const LOAD: u8 = 0x01;
const EOT: u8 = 0x04;
const HOLD: u8 = 0x08;
const IMMED: u8 = 0x01;

/// Identifies one version of `bay.json` without reading it.
pub(super) type BayStamp = (u64, i64, i64);

impl DriveTarget {
    /// Notices that the robot has brought or taken a cartridge. Costs one `stat` when it has not.
    pub(super) fn watch_bay(&mut self) -> Result<(), SimError> {
        let path = bay_path(&self.library_dir, self.index);
        let stamp = match fs::metadata(&path) {
            Ok(meta) => Some((meta.ino(), meta.mtime(), meta.mtime_nsec())),
            Err(none) if none.kind() == io::ErrorKind::NotFound => None,
            Err(other) => return Err(SimError::io(&path)(other)),
        };
        if stamp == self.bay_stamp {
            return Ok(());
        }
        // The robot must not take the cartridge while the drive begins to thread it.
        let _robot_waits = lock(&self.library_dir.join("library.lock"))?;
        let bay = read_bay(&self.library_dir, self.index)?;
        self.bay_stamp = stamp;
        if bay.moves == self.state.moves {
            return Ok(());
        }
        self.tape = None;
        self.time.join(bay.time_ns);
        self.state.busy = None;
        self.state.moves = bay.moves;
        self.state.barcode = bay.barcode;
        let phase = match self.state.barcode {
            Some(_) => self.begin_load(true)?,
            None => Phase::Empty,
        };
        self.state.enter(phase);
        self.save_state()
    }

    /// What becomes of the cartridge that has been seated.
    fn begin_load(&mut self, attention: bool) -> Result<Phase, SimError> {
        let Some(barcode) = &self.state.barcode else {
            return Ok(Phase::Empty);
        };
        // Flags that spoke of the medium before are stale.
        self.state.alerts &= alert::flags_of(Subject::Drive);
        let folder = cartridge::folder(&self.library_dir, barcode);
        let Ok(mut cartridge) = Cartridge::open(&folder) else {
            self.state.raise(alert::LOADING_FAILURE);
            return Ok(Phase::Unreadable);
        };
        if cartridge.info.kind == Kind::Cleaning {
            return self.begin_cleaning(&mut cartridge);
        }
        if self.access(&cartridge) == Access::None {
            self.state.raise(alert::UNSUPPORTED_FORMAT);
            return Ok(Phase::Incompatible);
        }
        let mechanics = drive_mechanics(self.generation);
        self.begin_operation(Operation::Loading, mechanics.load, None);
        Ok(Phase::Loading { attention })
    }

    fn begin_cleaning(&mut self, cartridge: &mut Cartridge) -> Result<Phase, SimError> {
        self.state.raise(alert::CLEANING_MEDIA);
        let Some(left) = cartridge.info.cleanings_left.checked_sub(1) else {
            self.state.raise(alert::EXPIRED_CLEANING_MEDIA);
            return Ok(Phase::Expired);
        };
        cartridge.info.cleanings_left = left;
        cartridge.save_info()?;
        self.state.life.cleanings += 1;
        self.begin_operation(Operation::Cleaning, CLEANING, None);
        Ok(Phase::Cleaning {})
    }

    /// What this drive can do with `cartridge`.
    pub(super) fn access(&self, cartridge: &Cartridge) -> Access {
        let density = cartridge.info.density;
        density.map_or(Access::None, |density| self.generation.access(density))
    }

    /// The end of threading or measuring: the tape is ready, or is to be measured first.
    fn finish_load(&mut self) -> Result<(), SimError> {
        let opened = self.open_tape();
        let mut tape = match opened {
            Ok(tape) => tape,
            Err(_) => {
                self.state.raise(alert::LOADING_FAILURE);
                self.state.enter(Phase::Unreadable);
                return self.save_state();
            }
        };
        if self.measure(&mut tape.cartridge)? {
            return self.save_state();
        }
        tape.cartridge.mam.record_load(super::VENDOR, &self.serial);
        tape.cartridge.save_mam()?;
        self.state.session = Session::new(&tape.cartridge.mam);
        self.judge_wear(tape.cartridge.mam.number(0, id::LOAD_COUNT));
        self.tape = Some(tape);
        self.state.modes.block_length_bytes = 0;
        self.state.modes.partition_plan = None;
        self.forget_session();
        self.state.modes.protection = BlockProtection::default();
        self.state.life.loads += 1;
        self.state.life.loads_since_reset += 1;
        self.state
            .queue_for_others(self.nexus, sense::MEDIUM_MAY_HAVE_CHANGED);
        self.state.enter(Phase::Ready);
        self.save_state()
    }

    /// Lets a new cartridge be measured after it was threaded; true while that is to be waited
    /// for. What is done when the power fails need not be done again.
    fn measure(&mut self, cartridge: &mut Cartridge) -> Result<bool, SimError> {
        let Some(busy) = self.state.busy else {
            return Ok(false);
        };
        let left = Duration::from_millis(cartridge.info.optimization_ms);
        if left.is_zero() {
            return Ok(false);
        }
        if busy.operation != Operation::Optimizing {
            self.begin_operation(Operation::Optimizing, left, Some(busy.end_ns));
        }
        if self.busy().is_some() {
            return Ok(true);
        }
        cartridge.info.optimization_ms = 0;
        cartridge.save_info()?;
        Ok(false)
    }

    /// Opens the tape of the cartridge in the drive, at BOP.
    pub(super) fn open_tape(&self) -> Result<Tape, SimError> {
        let barcode = self.state.barcode.as_deref().unwrap_or_default();
        let folder = cartridge::folder(&self.library_dir, barcode);
        let cartridge = Cartridge::open(&folder)?;
        Tape::open(cartridge, self.generation, self.buffer_bytes)
    }

    /// Lets a load or cleaning go on, since a command asks for the medium.
    ///
    /// # Errors
    ///
    /// The NOT READY (or other) condition that the command ends with.
    pub(super) fn require_medium(&mut self) -> Result<(), Refusal> {
        let not_ready = |code| Err(Sense::not_ready(code).into());
        if let Some(busy) = self.busy() {
            return Err(busy.sense(self.time.now_ns()).into());
        }
        match self.state.phase {
            Phase::Ready => Ok(()),
            Phase::Empty => not_ready(sense::MEDIUM_NOT_PRESENT),
            Phase::Seated => not_ready(sense::INITIALIZING_REQUIRED),
            Phase::Loading { attention } => {
                self.finish_load()
                    .map_err(|error| self.host_failure(error))?;
                if attention && self.state.phase == Phase::Ready {
                    return Err(Sense::attention(sense::MEDIUM_MAY_HAVE_CHANGED).into());
                }
                self.require_medium()
            }
            Phase::Cleaning {} => {
                self.cleaned();
                self.state.enter(Phase::Seated);
                self.save_state()
                    .map_err(|error| self.host_failure(error))?;
                not_ready(sense::INITIALIZING_REQUIRED)
            }
            Phase::Expired => not_ready(sense::CLEANING_FAILURE),
            Phase::Incompatible => {
                Err(Sense::new(key::MEDIUM_ERROR, sense::INCOMPATIBLE_MEDIUM).into())
            }
            Phase::Unreadable => Err(Sense::new(key::MEDIUM_ERROR, sense::FORMAT_CORRUPTED).into()),
        }
    }

    /// LOAD UNLOAD (SSC-4 §7.3).
    pub(super) fn load_unload(&mut self, cdb: &[u8]) -> Reply {
        if cdb[4] & EOT != 0 {
            return Err(Sense::invalid_cdb_field(4, Some(2)).into());
        }
        if self.state.phase == Phase::Empty {
            return Err(Sense::not_ready(sense::MEDIUM_NOT_PRESENT).into());
        }
        if cdb[4] & LOAD != 0 && cdb[4] & HOLD == 0 {
            return self.load(cdb[1] & IMMED != 0);
        }
        self.refuse_while_indivisible()?;
        if self.state.prevented {
            self.state.raise(alert::NO_REMOVAL);
            return Err(Sense::illegal(sense::REMOVAL_PREVENTED).into());
        }
        self.unload(cdb[1] & IMMED != 0)
    }

    /// The first measuring of a cartridge must not be broken off, nor what a command has begun
    /// with IMMED.
    fn refuse_while_indivisible(&self) -> Result<(), Refusal> {
        let indivisible = |busy: &Busy| {
            !matches!(
                busy.operation,
                Operation::Loading
                    | Operation::Cleaning
                    | Operation::Unloading
                    | Operation::Rewinding
                    | Operation::Locating
            )
        };
        match self.busy().filter(indivisible) {
            Some(busy) => Err(busy.sense(self.time.now_ns()).into()),
            None => Ok(()),
        }
    }

    fn load(&mut self, immediate: bool) -> Reply {
        if self.tape.is_some() {
            self.refuse_while_indivisible()?;
            self.wait_until_idle();
        }
        if let Some(tape) = &mut self.tape {
            tape.deck.catch_up(self.time.now_ns());
            let moved = tape.travel(|tape| tape.locate_object(0, 0));
            moved.map_err(|error| self.write_failure(error))?;
            let took = self.take_motion_time();
            self.operate(Operation::Rewinding, took, immediate);
            return Ok(0);
        }
        if !matches!(self.state.phase, Phase::Loading { .. } | Phase::Cleaning {}) {
            self.wait_until_idle();
            self.thread().map_err(|error| self.host_failure(error))?;
        }
        if immediate {
            return Ok(0);
        }
        while matches!(self.state.phase, Phase::Loading { .. }) {
            self.wait_until_idle();
            self.finish_load()
                .map_err(|error| self.host_failure(error))?;
        }
        match self.state.phase {
            Phase::Ready | Phase::Cleaning {} => Ok(0),
            _ => self.require_medium().map(|()| 0),
        }
    }

    /// Begins to thread the seated cartridge, unless the robot has just taken it.
    fn thread(&mut self) -> Result<(), SimError> {
        let robot_waits = lock(&self.library_dir.join("library.lock"))?;
        if read_bay(&self.library_dir, self.index)?.moves != self.state.moves {
            drop(robot_waits);
            self.bay_stamp = None;
            return self.watch_bay();
        }
        let phase = self.begin_load(false)?;
        self.state.enter(phase);
        self.save_state()
    }

    fn unload(&mut self, immediate: bool) -> Reply {
        let unthread = self.wind_back()?;
        if let Some(mut tape) = self.tape.take() {
            self.update_mam(&mut tape);
            let saved = tape.cartridge.save_mam();
            saved.map_err(|error| self.host_failure(error))?;
        }
        self.demount_keys();
        if matches!(
            self.state.phase,
            Phase::Ready | Phase::Loading { .. } | Phase::Cleaning {}
        ) {
            self.state.enter(Phase::Seated);
            self.state.busy = None;
            self.operate(Operation::Unloading, unthread, immediate);
        }
        self.save_state()
            .map_err(|error| self.host_failure(error))?;
        Ok(0)
    }

    /// Lets the buffer reach the tape and rewinds; returns what it takes from there on until the
    /// robot can have the cartridge.
    fn wind_back(&mut self) -> Result<Duration, Refusal> {
        let mechanics = drive_mechanics(self.generation);
        let Some(tape) = &mut self.tape else {
            return Ok(mechanics.unload);
        };
        // A motion that was begun with IMMED ends first.
        let busy = self.state.busy.map_or(0, |busy| busy.end_ns);
        self.time.meet(busy);
        tape.deck.catch_up(self.time.now_ns());
        let flushed = tape.flush();
        flushed.map_err(|error| self.write_failure(error))?;
        self.collect();
        let tape = self.tape()?;
        let moved = tape.travel(|tape| tape.locate_object(0, 0));
        moved.map_err(|error| self.write_failure(error))?;
        let tape = self.tape()?;
        let thirds = tape.written_thirds();
        let took = self.take_motion_time();
        self.collect();
        Ok(took + mechanics.unload + mechanics.unthread_extra * thirds)
    }

    /// PREVENT ALLOW MEDIUM REMOVAL (SPC-4 §6.15), each initiator for itself.
    pub(super) fn prevent_allow(&mut self, cdb: &[u8]) -> Reply {
        match cdb[4] & 0x03 {
            0 => self.state.preventing.remove(&self.nexus),
            1 => self.state.preventing.insert(self.nexus),
            _ => return Err(Sense::invalid_cdb_field(4, Some(1)).into()),
        };
        self.state.prevented = !self.state.preventing.is_empty();
        self.save_state()
            .map_err(|error| self.host_failure(error))?;
        Ok(0)
    }
}
