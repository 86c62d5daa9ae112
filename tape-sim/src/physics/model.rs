//! Figures of drives, by generation. `docs/sim-physics.md` says which are published.

use std::time::Duration;

use crate::generation::{Format, Generation};

/// A cleaning cartridge at work; an estimate.
pub const CLEANING: Duration = Duration::from_secs(150);
/// Writing the partition table of FORMAT MEDIUM and SET CAPACITY; an estimate.
pub const FORMATTING: Duration = Duration::from_secs(120);
/// Writing an end of data, as a short ERASE does; an estimate.
pub const SHORT_ERASE: Duration = Duration::from_secs(3);

/// The mechanics of a drive model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriveMechanics {
    /// From the cartridge in the bay to ready.
    pub load: Duration,
    /// From BOP to the cartridge in the robot's reach.
    pub unload: Duration,
    /// What LTO-9 adds to an unload for each third of the tape that has been written.
    pub unthread_extra: Duration,
}

/// The mechanics of `generation`'s full-height drive.
#[must_use]
pub fn drive_mechanics(generation: Generation) -> DriveMechanics {
    let (load_s, unload_s, unthread_s) = match generation {
        Generation::Lto5 => (12, 17, 0),
        Generation::Lto6 => (12, 17, 0),
        Generation::Lto7 => (15, 20, 0),
        Generation::Lto8 => (15, 24, 0),
        Generation::Lto9 => (17, 30, 55),
        Generation::Lto10 => (12, 27, 0),
    };
    DriveMechanics {
        load: Duration::from_secs(load_s),
        unload: Duration::from_secs(unload_s),
        unthread_extra: Duration::from_secs(unthread_s),
    }
}

/// How a drive moves a tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TapeMechanics {
    /// Native speed in bytes per second.
    pub native_bytes_s: u64,
    /// Slowest speed at which it streams, in bytes per second.
    pub slowest_bytes_s: u64,
    /// What a locate over the whole length takes beyond what the places cost, in seconds.
    pub locate_span_s: f64,
    /// What a rewind over the whole length takes beyond the start, in seconds.
    pub rewind_span_s: f64,
}

impl TapeMechanics {
    /// How long `bytes` of tape take at the native speed, as a long ERASE goes over them.
    #[must_use]
    pub fn over(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64((bytes as f64 / self.native_bytes_s as f64).round())
    }
}

/// Of a format: density code, native and slowest MB/s, spans of locate and rewind in seconds.
const TAPES: [(u8, u64, u64, f64, f64); 10] = [
    (0x44, 80, 40, 94.0, 96.0),
    (0x46, 120, 40, 94.0, 96.0),
    (0x58, 140, 47, 94.0, 96.0),
    (0x5A, 160, 54, 98.0, 101.0),
    (0x5C, 300, 101, 86.0, 112.0),
    (0x5D, 300, 101, 92.0, 110.0),
    (0x5E, 360, 112, 92.0, 110.0),
    (0x60, 400, 177, 64.0, 102.0),
    (0x62, 400, 157, 104.0, 116.0),
    (0x63, 400, 162, 120.0, 142.0),
];

/// How a drive moves a tape of `format`: as the drive of that format's own generation does.
#[must_use]
pub fn tape_mechanics(format: &Format) -> TapeMechanics {
    let found = TAPES.iter().find(|tape| tape.0 == format.density);
    let (_, native, slowest, locate_span_s, rewind_span_s) =
        *found.expect("each format has its mechanics");
    TapeMechanics {
        native_bytes_s: native * BYTES_PER_MB,
        slowest_bytes_s: slowest * BYTES_PER_MB,
        locate_span_s,
        rewind_span_s,
    }
}

const BYTES_PER_MB: u64 = 1_000_000;
