//! Figures of drives, by generation. `docs/sim-physics.md` says which are published.

use std::time::Duration;

use crate::generation::Generation;

/// A cleaning cartridge at work; an estimate.
pub const CLEANING: Duration = Duration::from_secs(150);

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
        Generation::Lto5 | Generation::Lto6 => (12, 17, 0),
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
