//! The script: rules, and the file they are in.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::engine::STATE_FILE;
use crate::error::SimError;
use crate::files::{FORMAT_VERSION, adopt_format, read_json_opt, write_json};
use crate::pages::opcodes::{self, Command};

pub(super) const SCRIPT_FILE: &str = "faults.json";

/// `faults.json`: what goes wrong in a library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScript {
    #[serde(default = "current_format")]
    format: u32,
    /// Number that chance is made from.
    #[serde(default)]
    pub seed: u64,
    /// Longest transfer that the host's adapter carries, in bytes; `None`: the path's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_transfer_bytes: Option<u32>,
    /// Rules; each has its effect when its occasion comes.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

fn current_format() -> u32 {
    FORMAT_VERSION
}

impl FaultScript {
    /// A script of these rules.
    #[must_use]
    pub fn new(seed: u64, rules: Vec<Rule>) -> Self {
        FaultScript {
            format: FORMAT_VERSION,
            seed,
            max_transfer_bytes: None,
            rules,
        }
    }
}

impl Default for FaultScript {
    fn default() -> Self {
        FaultScript::new(0, Vec::new())
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name under which its past is kept; empty: its number in the script, from 1.
    #[serde(default)]
    pub id: String,
    /// Where.
    #[serde(default)]
    pub device: Device,
    /// On which occasions.
    #[serde(default)]
    pub when: When,
    /// What happens.
    pub effect: Effect,
    /// How often in all; `None`: on every occasion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl Rule {
    /// A rule without conditions: on any device, on every occasion that the effect knows.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Rule {
            id: String::new(),
            device: Device::Any,
            when: When::default(),
            effect,
            times: None,
        }
    }
}

/// Which device a rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Drives and changer.
    #[default]
    Any,
    /// The changer.
    Changer,
    /// Each drive.
    Drives,
    /// The drive of this number, from 0.
    Drive(u16),
}

/// Occasions of a rule: all conditions that are given have to hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Name of the command without its length, or the opcode as two hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Name of the cartridge: in the drive, or at the source of the changer's move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Partition of the tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u8>,
    /// First and last object number on the tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<[u64; 2]>,
    /// First and last byte of tape from the beginning of the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<[u64; 2]>,
    /// First occasion that counts, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// How likely it is on each occasion, 0 to 1. For blocks chance is a matter of the place, so
    /// a block that cannot be read is not readable the next time either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The command is not executed and ends with this sense.
    Sense {
        /// Sense key.
        key: u8,
        /// Additional sense code.
        asc: u8,
        /// Its qualifier.
        ascq: u8,
    },
    /// The device fails: 04/44/00 of a drive, 04/15/01 of the changer.
    HardwareError,
    /// A block cannot be read: 03/11/00, the position stays before it.
    ReadError {
        /// The tape is damaged there: noted in the cartridge's `flaws.json`.
        #[serde(default)]
        stays: bool,
    },
    /// The object that is being written, or the oldest in the buffer, cannot be written. Told by
    /// the command that waits for it, else as a deferred error; what was behind it in the buffer
    /// is lost.
    WriteError,
    /// What was in the buffer is lost, and the next command is told of it: 03/0C/00, deferred.
    DeferredError,
    /// Corrected errors are counted, and TapeAlert warns of them.
    CorrectedErrors {
        /// How many the first time.
        count: u64,
        /// By how many percent more each time.
        #[serde(default)]
        growth_percent: u32,
    },
    /// The power fails: the buffer is lost, the tape at BOP, 06/29/01.
    PowerCut,
    /// The device is reset: the buffer is lost, the tape at BOP, 06/29/00.
    Reset {
        /// In the middle of the command, which has then been executed, rather than before it.
        #[serde(default)]
        after: bool,
    },
    /// No answer comes.
    NoAnswer {
        /// The command is executed nevertheless.
        #[serde(default)]
        executed: bool,
    },
    /// A LOCATE that ends with GOOD has gone elsewhere.
    WrongPosition {
        /// Object number that the tape is at.
        object: u64,
        /// READ POSITION reports where the tape should be.
        #[serde(default)]
        lie: bool,
    },
    /// The drive takes its time: 02/04/01.
    BecomingReady,
    /// The drive wants to be cleaned, and says so until it is.
    CleaningWanted,
    /// The cartridge's chip fails for good: 03/04/10, noted in its `flaws.json`.
    ChipFailed,
    /// A TapeAlert flag is raised.
    Alert {
        /// Its number, 1 to 64.
        flag: u8,
    },
    /// Another host has reserved the device: RESERVATION CONFLICT.
    Reserved,
    /// The reader cannot read the label of the cartridge to be moved until the next scan.
    LabelUnreadable,
    /// The robot drops what it should move: 04/15/01.
    RobotDrop {
        /// It has fallen out of the robot's hand and lies where nobody sees it.
        #[serde(default)]
        lost: bool,
    },
    /// Somebody fills all mail slots with new cartridges.
    MailSlotsFull,
    /// Somebody opens a door and leaves it open.
    DoorOpen {
        /// The one to the mail slots, not the front door.
        #[serde(default)]
        mail_slots: bool,
    },
    /// Another host moves a cartridge first.
    OtherHostMoves {
        /// Source element.
        from: u16,
        /// Destination element.
        to: u16,
    },
}

impl Effect {
    /// Opcodes that are an occasion when the rule names none; empty: all but those that identify
    /// the device.
    pub(super) fn opcodes(&self) -> &'static [u8] {
        match self {
            Effect::ReadError { .. } => &[0x08, 0x88, 0x13, 0x8F],
            Effect::WriteError | Effect::DeferredError => &[0x0A, 0x8A, 0x10, 0x80],
            Effect::CorrectedErrors { .. } => &[0x08, 0x88, 0x0A, 0x8A],
            Effect::WrongPosition { .. } => &[0x2B, 0x92],
            Effect::BecomingReady => &[
                0x00, 0x01, 0x08, 0x0A, 0x10, 0x11, 0x13, 0x19, 0x2B, 0x34, 0x80, 0x88, 0x8A, 0x8F,
                0x91, 0x92, 0x93,
            ],
            Effect::LabelUnreadable | Effect::RobotDrop { .. } => &[0xA5, 0xA6],
            _ => &[],
        }
    }

    /// Which devices can suffer it: drives, changer.
    fn devices(&self) -> (bool, bool) {
        match self {
            Effect::ReadError { .. }
            | Effect::WriteError
            | Effect::DeferredError
            | Effect::CorrectedErrors { .. }
            | Effect::WrongPosition { .. }
            | Effect::BecomingReady
            | Effect::CleaningWanted
            | Effect::ChipFailed => (true, false),
            Effect::LabelUnreadable
            | Effect::RobotDrop { .. }
            | Effect::MailSlotsFull
            | Effect::DoorOpen { .. }
            | Effect::OtherHostMoves { .. } => (false, true),
            _ => (true, true),
        }
    }
}

impl FaultScript {
    /// Gives nameless rules their numbers and checks that each can ever have its effect.
    ///
    /// # Errors
    ///
    /// `Fault` naming the rule.
    pub(super) fn settle(&mut self) -> Result<(), SimError> {
        for (number, rule) in (1..).zip(&mut self.rules) {
            if rule.id.is_empty() {
                rule.id = format!("{number}");
            }
        }
        let mut ids: Vec<_> = self.rules.iter().map(|rule| &rule.id).collect();
        ids.sort();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SimError::Fault {
                rule: twice[0].clone(),
                reason: "there are two of this id".to_owned(),
            });
        }
        self.rules.iter().try_for_each(Rule::check)
    }
}

impl Rule {
    fn check(&self) -> Result<(), SimError> {
        let refused = |reason: &str| {
            Err(SimError::Fault {
                rule: self.id.clone(),
                reason: reason.to_owned(),
            })
        };
        let (drives, changer) = self.effect.devices();
        let possible = match self.device {
            Device::Any => true,
            Device::Changer => changer,
            Device::Drives | Device::Drive(_) => drives,
        };
        if !possible {
            return refused("this device cannot suffer this effect");
        }
        if self.when.command.is_some() && self.opcodes().is_empty() {
            return refused("no device has this command");
        }
        let chance = self.when.probability.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&chance) {
            return refused("a probability is between 0 and 1");
        }
        let backwards = |range: Option<[u64; 2]>| range.is_some_and(|[first, last]| first > last);
        if backwards(self.when.objects) || backwards(self.when.bytes) {
            return refused("a range begins behind its end");
        }
        match self.effect {
            Effect::Sense { key, .. } if key > 0x0F => refused("a sense key has four bits"),
            Effect::Alert { flag } if !(1..=64).contains(&flag) => refused("flags are 1 to 64"),
            _ => Ok(()),
        }
    }

    /// Opcodes of the commands that are an occasion; empty: all but those that identify.
    pub(super) fn opcodes(&self) -> Vec<u8> {
        let Some(name) = &self.when.command else {
            return self.effect.opcodes().to_vec();
        };
        if let (2, Ok(opcode)) = (name.len(), u8::from_str_radix(name, 16)) {
            return vec![opcode];
        }
        let same = |command: &&Command| {
            let plain = command.name.split(['(']).next().unwrap_or_default();
            plain.trim_end().eq_ignore_ascii_case(name) || command.name.eq_ignore_ascii_case(name)
        };
        let known = opcodes::DRIVE.iter().chain(opcodes::CHANGER);
        known.filter(same).map(Command::opcode).collect()
    }
}

/// Reads the script of the library at `dir`; none is an empty one.
///
/// # Errors
///
/// `Io`, `Format`, `Version`; `Fault` for a rule that makes no sense.
pub(crate) fn read(dir: &Path) -> Result<FaultScript, SimError> {
    let path = dir.join(SCRIPT_FILE);
    let mut script = read_json_opt::<FaultScript>(&path)?.unwrap_or_default();
    adopt_format(&path, &mut script.format)?;
    script.settle()?;
    Ok(script)
}

/// Replaces the script of the library at `dir`. `forget` what its rules have done so far.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn write(dir: &Path, script: &FaultScript, forget: bool) -> Result<(), SimError> {
    let mut script = script.clone();
    script.settle()?;
    if forget {
        remove(&dir.join(STATE_FILE))?;
    }
    write_json(&dir.join(SCRIPT_FILE), &script)
}

/// Removes the script of the library at `dir` and its past.
///
/// # Errors
///
/// `Io`.
pub(crate) fn clear(dir: &Path) -> Result<(), SimError> {
    remove(&dir.join(SCRIPT_FILE))?;
    remove(&dir.join(STATE_FILE))
}

fn remove(path: &Path) -> Result<(), SimError> {
    match fs::remove_file(path) {
        Err(failed) if failed.kind() != ErrorKind::NotFound => Err(SimError::io(path)(failed)),
        _ => Ok(()),
    }
}
