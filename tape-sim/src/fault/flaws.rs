//! What is wrong with a cartridge wherever it goes: `cartridges/B/flaws.json`.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::Path;

use crate::error::SimError;
use crate::files::{FORMAT_VERSION, adopt_format, read_json_opt, write_json};

const FILE_NAME: &str = "flaws.json";

/// A stretch of tape that cannot be read, whatever is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// Partition.
    #[serde(default)]
    pub partition: u8,
    /// First and last object number.
    pub objects: [u64; 2],
}

/// `flaws.json`. A cartridge without the file has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flaws {
    format: u32,
    /// The chip does not answer.
    #[serde(default)]
    pub chip_failed: bool,
    /// Stretches that cannot be read.
    #[serde(default)]
    pub unreadable: Vec<Spot>,
}

impl Default for Flaws {
    fn default() -> Self {
        Flaws {
            format: FORMAT_VERSION,
            chip_failed: false,
            unreadable: Vec::new(),
        }
    }
}

impl Flaws {
    /// True if `object` of `partition` cannot be read.
    #[must_use]
    pub fn hit(&self, partition: u8, object: u64) -> bool {
        let hit = |spot: &Spot| {
            let [first, last] = spot.objects;
            spot.partition == partition && RangeInclusive::new(first, last).contains(&object)
        };
        self.unreadable.iter().any(hit)
    }
}

/// Reads the flaws of the cartridge in `folder`.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub fn read_flaws(folder: &Path) -> Result<Flaws, SimError> {
    let path = folder.join(FILE_NAME);
    let mut flaws = read_json_opt::<Flaws>(&path)?.unwrap_or_default();
    adopt_format(&path, &mut flaws.format)?;
    Ok(flaws)
}

/// Replaces the flaws of the cartridge in `folder`. A drive sees them when it loads.
///
/// # Errors
///
/// `Io`.
pub fn write_flaws(folder: &Path, flaws: &Flaws) -> Result<(), SimError> {
    write_json(&folder.join(FILE_NAME), flaws)
}
