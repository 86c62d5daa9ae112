//! Which rules are due on an occasion, and the memory of what they have done.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::script::{self, Device, Effect, Rule, SCRIPT_FILE, When};
use crate::error::SimError;
use crate::files::{lock, read_json_opt, write_json};
use crate::library::fnv;
use crate::spc;

/// File with the past of the rules, and the one whose `flock` guards it.
pub(super) const STATE_FILE: &str = "faults-state.json";
const LOCK_FILE: &str = "faults.lock";

/// WRITE(6) and WRITE(16).
pub(crate) const WRITE_COMMANDS: [u8; 2] = [0x0A, 0x8A];

/// Where on the tape an occasion is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) partition: u8,
    /// First object and how many.
    pub(crate) object: u64,
    pub(crate) objects: u64,
    /// Tape before the first of them, in bytes.
    pub(crate) position_bytes: u64,
}

/// A command, or a block that one command of several wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) opcode: u8,
    /// A block leaves the medium, rather than: a command comes.
    pub(crate) block: bool,
    pub(crate) barcode: Option<&'a str>,
    pub(crate) place: Option<Place>,
}

/// An effect that is due, and how often its rule has had it before.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) effect: Effect,
    pub(crate) before: u64,
}

/// The past of one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Past {
    /// Occasions.
    seen: u64,
    /// Times it had its effect.
    fired: u64,
}

/// Identifies one version of `faults.json` without reading it.
type Stamp = (u64, i64, i64);

/// The rules of one device.
#[derive(Debug)]
pub(crate) struct Faults {
    dir: PathBuf,
    /// Drive number; `None`: the changer.
    drive: Option<u16>,
    stamp: Option<Stamp>,
    seed: u64,
    /// With the opcodes that are an occasion.
    rules: Vec<(Rule, Vec<u8>)>,
}

impl Faults {
    /// The rules for drive `drive`, or for the changer, of the library at `dir`. They are read
    /// on the first occasion.
    pub(crate) fn new(dir: &Path, drive: Option<u16>) -> Self {
        Faults {
            dir: dir.to_path_buf(),
            drive,
            stamp: None,
            seed: 0,
            rules: Vec::new(),
        }
    }

    /// Reads the script again if it has changed. Costs one `stat` when it has not. True if there
    /// are rules.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`, `Fault`.
    pub(crate) fn watch(&mut self) -> Result<bool, SimError> {
        let path = self.dir.join(SCRIPT_FILE);
        let stamp = match fs::metadata(&path) {
            Ok(meta) => Some((meta.ino(), meta.mtime(), meta.mtime_nsec())),
            Err(none) if none.kind() == io::ErrorKind::NotFound => None,
            Err(other) => return Err(SimError::io(&path)(other)),
        };
        if stamp != self.stamp {
            let script = script::read(&self.dir)?;
            self.seed = script.seed;
            let mine = script.rules.into_iter().filter(|rule| match rule.device {
                Device::Any => true,
                Device::Changer => self.drive.is_none(),
                Device::Drives => self.drive.is_some(),
                Device::Drive(number) => self.drive == Some(number),
            });
            let with_opcodes = |rule: Rule| {
                let opcodes = rule.opcodes();
                (rule, opcodes)
            };
            self.rules = mine.map(with_opcodes).collect();
            self.stamp = stamp;
        }
        Ok(!self.rules.is_empty())
    }

    /// True if a rule is about blocks.
    pub(crate) fn about_blocks(&self) -> bool {
        let mut effects = self.rules.iter().map(|(rule, _)| &rule.effect);
        effects.any(|effect| matches!(effect, Effect::ReadError { .. } | Effect::WriteError))
    }

    /// The effects that are due, in the order of the script. They count as having happened.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`.
    pub(crate) fn due(&self, occasion: &Occasion<'_>) -> Result<Vec<Due>, SimError> {
        let fits = |(rule, opcodes): &&(Rule, Vec<u8>)| {
            is_about_blocks(&rule.effect, occasion.opcode) == occasion.block
                && is_command(occasion.opcode, opcodes)
                && is_place(&rule.when, occasion)
                && (!occasion.block || self.chance(rule, place_key(occasion)))
        };
        let candidates: Vec<&Rule> = self
            .rules
            .iter()
            .filter(fits)
            .map(|(rule, _)| rule)
            .collect();
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let _guard = lock(&self.dir.join(LOCK_FILE))?;
        let path = self.dir.join(STATE_FILE);
        let mut past: BTreeMap<String, Past> = read_json_opt(&path)?.unwrap_or_default();
        let before = past.clone();
        let mut due = Vec::new();
        for rule in candidates {
            let known = past.entry(rule.id.clone()).or_default();
            if rule.times.is_some_and(|times| known.fired >= times) {
                continue;
            }
            known.seen += 1;
            if known.seen < rule.when.nth.unwrap_or(1)
                || (!occasion.block && !self.chance(rule, known.seen))
            {
                continue;
            }
            due.push(Due {
                effect: rule.effect.clone(),
                before: known.fired,
            });
            known.fired += 1;
        }
        if past != before {
            write_json(&path, &past)?;
        }
        Ok(due)
    }

    /// Whether chance is for it: always the same for the same seed, rule and `key`.
    fn chance(&self, rule: &Rule, key: u64) -> bool {
        let Some(probability) = rule.when.probability else {
            return true;
        };
        let mut bytes = self.seed.to_le_bytes().to_vec();
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(rule.id.as_bytes());
        // FNV leaves the high bits of similar keys alike; one multiply-xorshift round spreads
        // them. 53 bits make a fraction exactly.
        let mixed = fnv(&bytes);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = mixed ^ mixed >> 29;
        ((mixed >> 11) as f64) < probability * (1u64 << 53) as f64
    }
}

/// Whether an occasion is a block: WRITE FILEMARKS meets what waits for it as a whole.
fn is_about_blocks(effect: &Effect, opcode: u8) -> bool {
    match effect {
        Effect::ReadError { .. } => true,
        Effect::WriteError => WRITE_COMMANDS.contains(&opcode),
        _ => false,
    }
}

fn is_command(opcode: u8, opcodes: &[u8]) -> bool {
    match opcodes {
        [] => !spc::passes_attention(opcode),
        some => some.contains(&opcode),
    }
}

/// Whether cartridge and place are those of the rule.
fn is_place(when: &When, occasion: &Occasion<'_>) -> bool {
    if when.barcode.is_some() && when.barcode.as_deref() != occasion.barcode {
        return false;
    }
    if when.partition.is_none() && when.objects.is_none() && when.bytes.is_none() {
        return true;
    }
    let Some(place) = occasion.place else {
        return false;
    };
    let last = place.object + place.objects.saturating_sub(1);
    when.partition
        .is_none_or(|wanted| wanted == place.partition)
        && when
            .objects
            .is_none_or(|[from, to]| from <= last && place.object <= to)
        && when
            .bytes
            .is_none_or(|[from, to]| (from..=to).contains(&place.position_bytes))
}

/// A number of the place on its cartridge.
fn place_key(occasion: &Occasion<'_>) -> u64 {
    let cartridge = fnv(occasion.barcode.unwrap_or_default().as_bytes());
    let place = occasion
        .place
        .map_or((0, 0), |place| (place.partition, place.object));
    cartridge ^ u64::from(place.0) << 56 ^ place.1
}
