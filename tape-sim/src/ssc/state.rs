//! What a drive keeps between processes: `drives/N/state.json`.
//!
//! Written when the drive is taken, when a cartridge comes or goes, each minute of the drive's
//! time and when the drive is given back, never per block. The library reads `threaded`,
//! `prevented`, `time_ns` and `busy` from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::busy::Busy;
use super::health::{Cleanliness, Errors};
use super::maintenance::Timestamp;
use crate::error::SimError;
use crate::files::{FORMAT_VERSION, adopt_format, read_json_opt, write_json};
use crate::mam::{Mam, id};
use crate::pages::alert;
use crate::pages::log::Diagnostic;
use crate::pages::mode_tape::TapeModes;
use crate::physics::deck::MotionCounters;
use crate::reservation::Reservations;
use crate::sense;
use crate::spc::Attentions;
use crate::target::Nexus;

/// Where the cartridge in the drive is on its way from the robot to ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No cartridge.
    Empty,
    /// Threading, and measuring if the cartridge is new; [`DriveState::busy`] says until when.
    Loading {
        /// The host did not ask for the load: it is told with 06/28/00.
        attention: bool,
    },
    /// Threaded, at some position.
    Ready,
    /// Seated but not threaded: unloaded, or never loaded.
    Seated,
    /// A cleaning cartridge at work; [`DriveState::busy`] says until when.
    Cleaning {},
    /// A cleaning cartridge that has no uses left.
    Expired,
    /// A medium this drive cannot use.
    Incompatible,
    /// A medium whose recording cannot be made out.
    Unreadable,
}

/// Counters of the drive's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Cartridges loaded.
    pub loads: u64,
    /// Cleanings.
    pub cleanings: u64,
    /// Times the power came on.
    pub power_cycles: u32,
    /// Cartridges loaded since the last power on or reset.
    #[serde(default)]
    pub loads_since_reset: u32,
    /// Unrecovered write errors.
    pub hard_write_errors: u32,
    /// Unrecovered read errors.
    pub hard_read_errors: u32,
    /// Tape moved.
    #[serde(default)]
    pub motion: MotionCounters,
}

/// Bytes moved since power on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Taken from the host by WRITEs.
    pub written_bytes: u64,
    /// Given to the host by READs.
    pub read_bytes: u64,
}

/// What has been done to the mounted volume since it was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Bytes written since the load.
    pub written_bytes: u64,
    /// Bytes read since the load.
    pub read_bytes: u64,
    /// MB written in the medium's life before the load.
    pub written_before_mb: u64,
    /// MB read in the medium's life before the load.
    pub read_before_mb: u64,
    /// The contents have changed, and with them the volume change reference.
    pub changed: bool,
}

impl Session {
    /// The session of a volume that has just been loaded.
    pub fn new(mam: &Mam) -> Self {
        Session {
            written_before_mb: mam.number(0, id::TOTAL_MB_WRITTEN),
            read_before_mb: mam.number(0, id::TOTAL_MB_READ),
            ..Session::default()
        }
    }
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveState {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// A process has the drive. Found set when the lock is free: that process was killed.
    pub in_use: bool,
    /// The robot cannot take the cartridge.
    pub threaded: bool,
    /// A host has prevented removal.
    pub prevented: bool,
    /// The initiators that have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub preventing: BTreeSet<Nexus>,
    /// Who has the drive to itself.
    #[serde(default, skip_serializing_if = "Reservations::is_free")]
    pub reservations: Reservations,
    /// Cartridge in the drive.
    pub barcode: Option<String>,
    /// Arrivals and departures seen so far.
    pub moves: u64,
    /// State of that cartridge.
    pub phase: Phase,
    /// Current partition when the drive was given back.
    pub partition: u8,
    /// Position when the drive was given back, object number.
    pub object: u64,
    /// Mode parameters.
    pub modes: TapeModes,
    /// Unit attentions the host has not heard of.
    pub attentions: Attentions,
    /// Those of other initiators, once they have sent a command.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_attentions: BTreeMap<Nexus, Attentions>,
    /// TapeAlert flags, the most significant bit is flag 1.
    pub alerts: u64,
    /// Counters.
    pub life: Life,
    /// Bytes moved since power on.
    pub traffic: Traffic,
    /// The mounted volume's session.
    pub session: Session,
    /// Error counters since power on or LOG SELECT.
    #[serde(default)]
    pub errors: Errors,
    /// Hard errors, latest first.
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
    /// How soon the drive wants to be cleaned.
    #[serde(default)]
    pub cleanliness: Cleanliness,
    /// What a host has stored by SET IDENTIFYING INFORMATION.
    #[serde(default)]
    pub identifying: Vec<u8>,
    /// The drive's time.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// The drive's time since it was made, in nanoseconds.
    #[serde(default)]
    pub time_ns: u64,
    /// What the drive is about, or was about last.
    #[serde(default)]
    pub busy: Option<Busy>,
    /// Commands in a row that have done nothing but ask.
    #[serde(default)]
    pub polls: u32,
}

impl DriveState {
    /// A drive from the factory: empty, never powered.
    pub fn new() -> Self {
        DriveState {
            format: FORMAT_VERSION,
            in_use: false,
            threaded: false,
            prevented: false,
            preventing: BTreeSet::new(),
            reservations: Reservations::default(),
            barcode: None,
            moves: 0,
            phase: Phase::Empty,
            partition: 0,
            object: 0,
            modes: TapeModes::default(),
            attentions: Attentions::default(),
            other_attentions: BTreeMap::new(),
            alerts: 0,
            life: Life::default(),
            traffic: Traffic::default(),
            session: Session::default(),
            errors: Errors::default(),
            diagnostics: Vec::new(),
            cleanliness: Cleanliness::default(),
            identifying: Vec::new(),
            timestamp: Timestamp::default(),
            time_ns: 0,
            busy: None,
            polls: 0,
        }
    }

    /// Reads `path`; a drive without one has its first power-on.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`.
    pub fn load(path: &Path) -> Result<Self, SimError> {
        let Some(mut state) = read_json_opt::<DriveState>(path)? else {
            let mut state = DriveState::new();
            state.reset(sense::POWER_ON);
            return Ok(state);
        };
        adopt_format(path, &mut state.format)?;
        if state.prevented && state.preventing.is_empty() {
            // Format 1 knew one initiator.
            state.preventing.insert(Nexus::HOST);
        }
        Ok(state)
    }

    /// Replaces `path`.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn save(&self, path: &Path) -> Result<(), SimError> {
        write_json(path, self)
    }

    /// What power on and reset do: all that a host has set is gone, the tape is at BOP.
    pub fn reset(&mut self, attention: sense::Code) {
        self.prevented = false;
        self.preventing.clear();
        self.reservations.reset();
        self.partition = 0;
        self.object = 0;
        self.modes = TapeModes::default();
        if self.phase == Phase::Ready {
            // Loading and cleaning go on where they were; a motion does not.
            self.busy = None;
        }
        self.alerts = 0;
        self.traffic = Traffic::default();
        self.errors = Errors::default();
        self.timestamp = Timestamp::default();
        self.life.loads_since_reset = 0;
        self.attentions = Attentions::default();
        self.attentions.queue(attention);
        // Whoever comes later is told of the power-on.
        self.other_attentions.clear();
        self.life.power_cycles += u32::from(attention == sense::POWER_ON);
    }

    /// Unit attentions waiting for `nexus`. A new initiator is told that the power came on.
    pub fn attentions(&mut self, nexus: Nexus) -> &mut Attentions {
        if nexus == Nexus::HOST {
            return &mut self.attentions;
        }
        self.other_attentions.entry(nexus).or_insert_with(|| {
            let mut attentions = Attentions::default();
            attentions.queue(sense::POWER_ON);
            attentions
        })
    }

    /// Queues `code` for all initiators that are known but `nexus`.
    pub fn queue_for_others(&mut self, nexus: Nexus, code: sense::Code) {
        if nexus != Nexus::HOST {
            self.attentions.queue(code);
        }
        for (other, attentions) in &mut self.other_attentions {
            if *other != nexus {
                attentions.queue(code);
            }
        }
    }

    /// Enters `phase`, which says whether the tape is threaded.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.threaded = matches!(
            phase,
            Phase::Loading { .. } | Phase::Ready | Phase::Cleaning {}
        );
    }

    /// Sets TapeAlert flag `number` (1 to 64).
    pub fn raise(&mut self, number: u8) {
        self.alerts |= alert::bit(number);
    }
}
