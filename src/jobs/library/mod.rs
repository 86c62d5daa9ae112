//! The library: which devices there are, and what is in them.
//!
//! A library is a simulated one, a changer with drives, or one drive served by hand.
//! [`status()`] reads the changer's inventory and moves nothing.

mod create;
mod devices;
mod lookup;
mod lost;
mod scan;
mod snapshot;
mod status;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use create::{SimulatedSpec, create_hardware, create_simulated, use_simulated};
pub use lookup::Misplaced;
pub use lost::LostTape;
pub use scan::{DriveElement, FoundChanger, FoundDevice, FoundDrive, LibraryScan, scan};
pub use status::{
    CartridgeKind, CartridgeStatus, DriveStatus, KnownVolume, LibraryStatus, SlotStatus, status,
};

pub(crate) use create::device_alone;
pub use devices::trace_to;
pub(crate) use devices::{Devices, open_exclusive};
pub(crate) use lost::{forget_found, lost_tapes, note_lost};
pub(crate) use snapshot::{Cartridge, Place, Snapshot};

/// Where the devices of a library are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LibraryConfig {
    /// A directory that plays drives, changer and cartridges.
    Simulated {
        /// The directory, absolute.
        dir: PathBuf,
    },
    /// Drive 0 of a simulated library, loaded by hand: its changer is not used.
    SimulatedDrive {
        /// The directory, absolute.
        dir: PathBuf,
    },
    /// A changer and its drives.
    Changer {
        /// Device node of the changer when it was configured.
        changer: PathBuf,
        /// Its unit serial number, by which it is found again; empty if it tells none.
        #[serde(default)]
        serial: String,
        /// Its drives, each with the changer's drive element it sits in.
        drives: Vec<ConfiguredDrive>,
    },
    /// One drive, loaded by hand.
    SingleDrive {
        /// Device node of the drive when it was configured.
        drive: PathBuf,
        /// Its unit serial number, by which it is found again; empty if it tells none.
        #[serde(default)]
        serial: String,
    },
}

/// A drive of a changer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredDrive {
    /// Device node of the drive when it was configured.
    pub device: PathBuf,
    /// Unit serial number, by which it is found again on the host and in the changer's
    /// inventory.
    pub serial: String,
}

/// The directory that a simulated library itself occupies: never to be archived, since it
/// would grow while it is read.
pub(crate) fn own_directory(config: &LibraryConfig) -> Option<PathBuf> {
    match config {
        LibraryConfig::Simulated { dir } | LibraryConfig::SimulatedDrive { dir } => {
            Some(dir.clone())
        }
        LibraryConfig::Changer { .. } | LibraryConfig::SingleDrive { .. } => None,
    }
}
