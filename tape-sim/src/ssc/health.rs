//! How well drive and medium are: error counters, TapeAlert flags, hard errors remembered, when
//! cleaning is due.
//!
//! What a command did is seen from outside, by its outcome and by the bytes it moved, so that no
//! command has to keep these books. Does not know why an error happened; faults put in from
//! outside come in by [`DriveTarget::raise_alert`], [`DriveTarget::want_cleaning`] and
//! [`DriveTarget::count_corrected`].

use serde::{Deserialize, Serialize};

use super::DriveTarget;
use super::state::Traffic;
use crate::pages::alert;
use crate::pages::log::{Diagnostic, ErrorCounters, LOADS_OF_A_LIFE, Usage};
use crate::sense::{Sense, key};
use crate::target::{Refusal, Reply};

/// Bytes moved after which a drive asks for its periodic cleaning: 100 hours at 280 MB/s.
const CLEANING_AFTER_BYTES: u64 = 100_000_000_000_000;
/// Hard errors since the last cleaning after which a drive insists on one.
const CLEANING_AFTER_ERRORS: u32 = 3;
/// Retries in one load that are worth a warning about the medium.
const RETRIES_OF_A_BAD_MEDIUM: u64 = 1000;
/// Hard errors that page 16h remembers.
const DIAGNOSTICS_KEPT: usize = 8;
/// Percent of a cartridge's life after which its end is said to be near.
const NEARING_LIFE_PERCENT: u64 = 95;

/// ASC of failures to write or to read the medium.
const ASC_WRITE_ERROR: u8 = 0x0C;
const ASC_READ_ERROR: u8 = 0x11;

/// Which way data went when an error was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the medium.
    Read,
    /// To the medium.
    Write,
}

/// Error counters since power on or LOG SELECT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Errors {
    /// In writing, page 02h.
    pub write: ErrorCounters,
    /// In reading, page 03h.
    pub read: ErrorCounters,
    /// Without a medium's part, page 06h.
    pub non_medium: u64,
}

/// How much the drive wants to be cleaned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CleaningWish {
    /// Not at all.
    #[default]
    None,
    /// At the next opportunity (TapeAlert 15h).
    Periodic,
    /// Before anything else (TapeAlert 14h).
    Now,
}

/// What counts towards the next cleaning. Outlives power cycles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cleanliness {
    /// What the drive asks for.
    pub wish: CleaningWish,
    /// Bytes moved over the head since the last cleaning.
    pub moved_bytes: u64,
    /// Hard errors since the last cleaning.
    pub hard_errors: u32,
}

impl DriveTarget {
    /// Sets TapeAlert flag `number`, 1 to 64: see [`alert::ALERTS`].
    pub fn raise_alert(&mut self, number: u8) {
        self.state.raise(number);
    }

    /// The TapeAlert flags that are set; the most significant bit is flag 1.
    #[must_use]
    pub fn alerts(&self) -> u64 {
        self.state.alerts
    }

    /// Makes the drive ask for cleaning, with the flag that belongs to it. Only a cleaning
    /// cartridge ends that; a lesser wish than the one it has is ignored.
    pub fn want_cleaning(&mut self, wish: CleaningWish) {
        if wish <= self.state.cleanliness.wish {
            return;
        }
        self.state.cleanliness.wish = wish;
        self.state.raise(match wish {
            CleaningWish::Now => alert::CLEAN_NOW,
            _ => alert::CLEAN_PERIODIC,
        });
    }

    /// Counts an error that the drive corrected after `retries` repetitions, 0 if the error
    /// correcting code did without.
    pub fn count_corrected(&mut self, direction: Direction, retries: u32) {
        let retries = u64::from(retries);
        let (counters, usage, warning) = match direction {
            Direction::Read => {
                let usage = Usage {
                    read_retries: retries,
                    ..Usage::default()
                };
                (&mut self.state.errors.read, usage, alert::READ_WARNING)
            }
            Direction::Write => {
                let usage = Usage {
                    write_retries: retries,
                    ..Usage::default()
                };
                (&mut self.state.errors.write, usage, alert::WRITE_WARNING)
            }
        };
        counters.corrected += 1;
        counters.algorithm_runs += 1;
        if retries == 0 {
            counters.corrected_at_once += 1;
        } else {
            counters.corrected_later += 1;
            counters.retries += retries;
        }
        self.use_medium(&usage);
        let Some(tape) = &self.tape else { return };
        let mount = tape.cartridge.mam.history.current();
        let of_mount = match direction {
            Direction::Read => mount.read_retries,
            Direction::Write => mount.write_retries,
        };
        if of_mount >= RETRIES_OF_A_BAD_MEDIUM {
            self.state.raise(warning);
        }
    }

    /// Keeps the books after a command: `before` is what had been moved until then.
    pub(super) fn note_outcome(&mut self, cdb: &[u8], before: Traffic, reply: &Reply) {
        let now = self.state.traffic;
        let usage = Usage {
            // LOG SELECT sets the counters back: nothing was moved then.
            written_bytes: now.written_bytes.saturating_sub(before.written_bytes),
            read_bytes: now.read_bytes.saturating_sub(before.read_bytes),
            ..Usage::default()
        };
        if usage != Usage::default() {
            self.state.errors.write.processed_bytes += usage.written_bytes;
            self.state.errors.read.processed_bytes += usage.read_bytes;
            self.use_medium(&usage);
            self.state.cleanliness.moved_bytes += usage.written_bytes + usage.read_bytes;
            if self.state.cleanliness.moved_bytes >= CLEANING_AFTER_BYTES {
                self.want_cleaning(CleaningWish::Periodic);
            }
        }
        if let Err(Refusal::Check { sense, .. }) = reply {
            self.note_failure(cdb, sense);
        }
    }

    fn note_failure(&mut self, cdb: &[u8], sense: &Sense) {
        match (sense.key, sense.code.asc) {
            (key::MEDIUM_ERROR, ASC_WRITE_ERROR) => {
                self.note_hard_error(cdb, sense, Direction::Write)
            }
            (key::MEDIUM_ERROR, ASC_READ_ERROR) => {
                self.note_hard_error(cdb, sense, Direction::Read)
            }
            (key::HARDWARE_ERROR, _) => {
                self.state.errors.non_medium += 1;
                self.state.raise(alert::HARDWARE_A);
                self.remember(cdb, sense);
            }
            _ => {}
        }
    }

    fn note_hard_error(&mut self, cdb: &[u8], sense: &Sense, direction: Direction) {
        let mut usage = Usage::default();
        self.state.raise(alert::HARD_ERROR);
        match direction {
            Direction::Write => {
                usage.unrecovered_writes = 1;
                self.state.errors.write.uncorrected += 1;
                self.state.life.hard_write_errors += 1;
                self.state.raise(alert::WRITE_FAILURE);
            }
            Direction::Read => {
                usage.unrecovered_reads = 1;
                self.state.errors.read.uncorrected += 1;
                self.state.life.hard_read_errors += 1;
                self.state.raise(alert::READ_FAILURE);
            }
        }
        self.use_medium(&usage);
        self.remember(cdb, sense);
        self.state.cleanliness.hard_errors += 1;
        if self.state.cleanliness.hard_errors >= CLEANING_AFTER_ERRORS {
            self.want_cleaning(CleaningWish::Now);
        }
    }

    /// Puts a hard error on page 16h.
    fn remember(&mut self, cdb: &[u8], sense: &Sense) {
        let byte = |at: usize| cdb.get(at).copied().unwrap_or(0);
        let mounted = self.mounted_medium();
        let serial = self
            .tape
            .as_ref()
            .map(|tape| tape.cartridge.info.serial.clone());
        let (timestamp_origin, timestamp_ms) = self.timestamp();
        let mut diagnostic = Diagnostic {
            timestamp_origin,
            timestamp_ms,
            density: mounted.density,
            medium_type: mounted.medium_type,
            motion_hours: self.state.life.motion.hours(),
            sense: [sense.key, sense.code.asc, sense.code.ascq],
            command: [byte(0), byte(1) & 0x1F],
            medium_serial: serial.unwrap_or_default(),
            ..Diagnostic::default()
        };
        let last = self.state.diagnostics.first();
        diagnostic.repeated = last.is_some_and(|last| {
            (last.sense, last.command) == (diagnostic.sense, diagnostic.command)
        });
        self.state.diagnostics.insert(0, diagnostic);
        self.state.diagnostics.truncate(DIAGNOSTICS_KEPT);
    }

    /// Adds to the usage of the mounted medium's current partition.
    fn use_medium(&mut self, usage: &Usage) {
        if let Some(tape) = &mut self.tape {
            let partition = tape.partition();
            tape.cartridge.mam.history.add(partition, usage);
        }
    }

    /// What the number of its loads says of the cartridge that has just been loaded.
    pub(super) fn judge_wear(&mut self, loads: u64) {
        if loads >= LOADS_OF_A_LIFE {
            self.state.raise(alert::MEDIA_LIFE);
        } else if loads >= LOADS_OF_A_LIFE * NEARING_LIFE_PERCENT / 100 {
            self.state.raise(alert::NEARING_MEDIA_LIFE);
        }
    }

    /// A cleaning cartridge has done its work.
    pub(super) fn cleaned(&mut self) {
        self.state.cleanliness = Cleanliness::default();
        self.state.alerts &= !(alert::bit(alert::CLEAN_NOW) | alert::bit(alert::CLEAN_PERIODIC));
    }
}
