//! A cartridge on disk: one folder with `cartridge.json`, the chip's `mam.json` and, per
//! partition, a map and a data file. `docs/sim-format.md` has the bytes.

pub mod layout;
pub mod partition;
pub mod record;
pub mod seal;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::SimError;
use crate::files::{FORMAT_VERSION, adopt_format, read_json, read_json_opt, write_json};
use crate::generation::{CartridgeKind, Format, format_by_density, identify_barcode};
use crate::inventory::Label;
use crate::mam::{Birth, Mam, id};
use crate::physics::medium;
use partition::Partition;

/// Largest partition: tape positions are 48 bits wide, and early warning needs room behind.
pub const MAX_CAPACITY_BYTES: u64 = 1 << 47;
/// Smallest partition: one largest block fits before early warning.
pub const MIN_CAPACITY_BYTES: u64 = 1 << 20;
/// Early warning leaves at least this, or a sixteenth of a smaller partition.
const MIN_EARLY_WARNING_ZONE_BYTES: u64 = 8 << 20;
/// Uses of a new cleaning cartridge.
const CLEANINGS: u16 = 50;
/// Bytes in the megabyte of SCSI's capacity fields.
pub const MB: u64 = 1_000_000;
/// Density code of the format whose cartridges are measured on their first load: LTO-9.
const OPTIMIZED_DENSITY: u8 = 0x60;
/// Manufacturer in the chip of every simulated cartridge.
pub const MANUFACTURER: &str = "TAPESIM";
/// Date of manufacture of every simulated cartridge.
const BIRTH_DATE: &str = "20250101";

/// What `cartridge.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeInfo {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// Barcode, which is also the folder's name.
    pub barcode: String,
    /// Serial number of the medium.
    pub serial: String,
    /// Data, WORM or cleaning.
    pub kind: Kind,
    /// Density code of the recording; `None` for a cleaning cartridge.
    pub density: Option<u8>,
    /// Write-protect tab is set.
    pub write_protected: bool,
    /// What stands on its label.
    #[serde(default)]
    pub label: Label,
    /// Tape from BOP to early warning per partition, in bytes; empty for a cleaning cartridge.
    pub partitions_bytes: Vec<u64>,
    /// Cleanings left; 0 for other cartridges.
    pub cleanings_left: u16,
    /// WORM medium whose recording does not agree with its chip: it is only read.
    #[serde(default)]
    pub worm_suspect: bool,
    /// What the tape holds as one partition at full length, in bytes; 0: what its partitions
    /// hold together.
    #[serde(default)]
    pub tape_bytes: u64,
    /// SET CAPACITY: the part of the tape in use, in 65535ths.
    #[serde(default = "full_length")]
    pub proportion: u16,
    /// What is left of the measuring of a new LTO-9 cartridge, in milliseconds; 0: it is done.
    #[serde(default)]
    pub optimization_ms: u64,
    /// What becomes of the bytes of its blocks.
    #[serde(default, skip_serializing_if = "Medium::stores")]
    pub medium: Medium,
}

/// What becomes of the bytes that are written to a cartridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// They are kept, as on tape.
    #[default]
    Store,
    /// Of each tape file the first [`KEPT_BYTES`] are kept; what follows is thrown away, and
    /// reads as zeros. For measuring a host: its drive costs no disk.
    Discard,
}

impl Medium {
    /// True for a medium that keeps all.
    #[must_use]
    pub fn stores(&self) -> bool {
        *self == Self::Store
    }
}

/// What a discarding medium keeps behind each filemark, and where writing begins, in bytes.
pub const KEPT_BYTES: u64 = 16 << 20;

/// Kinds of cartridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rewritable.
    Data,
    /// Written once.
    Worm,
    /// Cleans the drive.
    Cleaning,
}

/// A cartridge's folder and what its small files say.
#[derive(Debug)]
pub struct Cartridge {
    /// The folder.
    pub folder: PathBuf,
    /// `cartridge.json`.
    pub info: CartridgeInfo,
    /// The chip.
    pub mam: Mam,
}

/// Folder of `barcode` in the library at `library_dir`.
pub fn folder(library_dir: &Path, barcode: &str) -> PathBuf {
    library_dir.join("cartridges").join(barcode)
}

/// True for 1 to 32 letters and digits: what a barcode may be, and a folder's name.
pub fn is_barcode(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The label of a cartridge; one that has no folder is taken for well labelled.
///
/// # Errors
///
/// `Io`, `Format`.
pub fn label(library_dir: &Path, barcode: &str) -> Result<Label, SimError> {
    let path = folder(library_dir, barcode).join("cartridge.json");
    let info = read_json_opt::<CartridgeInfo>(&path)?;
    Ok(info.map_or(Label::Readable, |info| info.label))
}

/// Makes a blank cartridge of the kind its barcode names, holding `capacity_bytes` up to early
/// warning, or the format's native capacity.
///
/// # Errors
///
/// `Spec` for a barcode that names no medium or a capacity out of range; `Exists`; `Io`.
pub fn create(
    library_dir: &Path,
    barcode: &str,
    capacity_bytes: Option<u64>,
) -> Result<(), SimError> {
    let kind = identify_barcode(barcode).filter(|_| is_barcode(barcode));
    let kind = kind.ok_or_else(|| SimError::Spec {
        reason: format!("barcode {barcode:?} names no known medium"),
    })?;
    let (kind, format) = match kind {
        CartridgeKind::Data(format) => (Kind::Data, Some(format)),
        CartridgeKind::Worm(format) => (Kind::Worm, Some(format)),
        CartridgeKind::Cleaning => (Kind::Cleaning, None),
    };
    let partitions_bytes = match format {
        Some(format) => vec![checked_capacity(format, capacity_bytes)?],
        None => Vec::new(),
    };
    let folder = folder(library_dir, barcode);
    if folder.exists() {
        return Err(SimError::Exists { path: folder });
    }
    fs::create_dir_all(&folder).map_err(SimError::io(&folder))?;
    for number in 0..partitions_bytes.len() {
        partition::create(&folder, number as u8)?;
    }
    let info = CartridgeInfo {
        format: FORMAT_VERSION,
        barcode: barcode.to_string(),
        serial: serial(barcode),
        kind,
        density: format.map(|format| format.density),
        write_protected: false,
        label: Label::Readable,
        partitions_bytes,
        cleanings_left: if kind == Kind::Cleaning { CLEANINGS } else { 0 },
        worm_suspect: false,
        tape_bytes: 0,
        proportion: full_length(),
        optimization_ms: 0,
        medium: Medium::Store,
    };
    Mam::new(&Birth {
        density: info.density,
        worm: kind == Kind::Worm,
        serial: &info.serial,
        manufacturer: MANUFACTURER,
        date: BIRTH_DATE,
        capacity_mb: (info.partitions_bytes.iter().sum::<u64>() / MB) as u32,
    })
    .save(&folder)?;
    // Last, since a folder counts as a cartridge once this file is there.
    write_json(&folder.join("cartridge.json"), &info)
}

/// The whole tape, in 65535ths.
const fn full_length() -> u16 {
    u16::MAX
}

/// Makes the cartridge of `barcode` one that no drive has loaded yet: if it is of a format that
/// is measured on the first load, that is still to be done.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub fn make_factory_new(library_dir: &Path, barcode: &str) -> Result<(), SimError> {
    let mut cartridge = Cartridge::open(&folder(library_dir, barcode))?;
    if !cartridge.optimization().is_zero() {
        cartridge.info.optimization_ms = cartridge.optimization().as_millis() as u64;
        cartridge.save_info()?;
    }
    Ok(())
}

/// Makes the cartridge of `barcode` of this `medium`.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub fn set_medium(library_dir: &Path, barcode: &str, medium: Medium) -> Result<(), SimError> {
    let mut cartridge = Cartridge::open(&folder(library_dir, barcode))?;
    cartridge.info.medium = medium;
    cartridge.save_info()
}

fn checked_capacity(format: &Format, asked: Option<u64>) -> Result<u64, SimError> {
    let capacity = asked.unwrap_or(u64::from(format.native_mb) * MB);
    if (MIN_CAPACITY_BYTES..=MAX_CAPACITY_BYTES).contains(&capacity) {
        return Ok(capacity);
    }
    Err(SimError::Spec {
        reason: format!(
            "capacity {capacity} is not within {MIN_CAPACITY_BYTES} to {MAX_CAPACITY_BYTES} bytes"
        ),
    })
}

/// Serial number of the medium: a digest of the barcode, so that it differs from it.
fn serial(barcode: &str) -> String {
    format!(
        "{:010}",
        crate::library::fnv(barcode.as_bytes()) % 10_000_000_000
    )
}

impl Cartridge {
    /// Opens a cartridge's small files.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`.
    pub fn open(folder: &Path) -> Result<Self, SimError> {
        let path = folder.join("cartridge.json");
        let mut info: CartridgeInfo = read_json(&path)?;
        adopt_format(&path, &mut info.format)?;
        let capacities = MIN_CAPACITY_BYTES..=MAX_CAPACITY_BYTES;
        let sound = match info.kind {
            Kind::Cleaning => true,
            Kind::Data | Kind::Worm => {
                info.density.and_then(format_by_density).is_some()
                    && (1..=4).contains(&info.partitions_bytes.len())
                    && info
                        .partitions_bytes
                        .iter()
                        .all(|bytes| capacities.contains(bytes))
            }
        };
        if !sound {
            return Err(SimError::Format {
                path,
                detail: "no known density, or capacities out of range".to_string(),
            });
        }
        Ok(Cartridge {
            folder: folder.to_path_buf(),
            info,
            mam: Mam::load(folder)?,
        })
    }

    /// Replaces `cartridge.json`.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn save_info(&self) -> Result<(), SimError> {
        write_json(&self.folder.join("cartridge.json"), &self.info)
    }

    /// Replaces the chip's file.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn save_mam(&self) -> Result<(), SimError> {
        self.mam.save(&self.folder)
    }

    /// Opens the partitions.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`.
    pub fn open_partitions(&self) -> Result<Vec<Partition>, SimError> {
        let capacities = self.info.partitions_bytes.iter().zip(0u8..);
        capacities
            .map(|(capacity, number)| Partition::open(&self.folder, number, *capacity))
            .collect()
    }

    /// What the tape holds in one partition at full length, in bytes.
    pub fn tape_bytes(&self) -> u64 {
        match self.info.tape_bytes {
            0 => self.info.partitions_bytes.iter().sum(),
            bytes => bytes,
        }
    }

    /// What the tape holds in one partition as SET CAPACITY has scaled it, in bytes.
    pub fn usable_bytes(&self) -> u64 {
        let scaled = u128::from(self.tape_bytes()) * u128::from(self.info.proportion);
        (scaled / u128::from(u16::MAX)).max(u128::from(MIN_CAPACITY_BYTES)) as u64
    }

    /// Makes the cartridge blank, with partitions of `partitions_bytes` on the part of the tape
    /// that `proportion` says. The chip loses what hosts have written into it. Killed on the
    /// way, it leaves a blank tape of the old or the new division.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn reformat(
        &mut self,
        partitions_bytes: Vec<u64>,
        proportion: u16,
    ) -> Result<(), SimError> {
        let before = self.info.partitions_bytes.len();
        let after = partitions_bytes.len();
        for number in 0..before.max(after) {
            partition::create(&self.folder, number as u8)?;
        }
        self.info.tape_bytes = self.tape_bytes();
        self.info.partitions_bytes = partitions_bytes;
        self.info.proportion = proportion;
        self.save_info()?;
        for number in after..before {
            let (map, data) = partition::file_names(&self.folder, number as u8);
            for path in [map, data] {
                fs::remove_file(&path).map_err(SimError::io(&path))?;
            }
        }
        self.mam.reformat(after as u8);
        let changes = self.mam.number(0, id::VOLUME_CHANGE_REFERENCE);
        for (bytes, number) in self.info.partitions_bytes.iter().zip(0u8..) {
            self.mam
                .set_number(number, id::MAXIMUM_CAPACITY, bytes / MB);
            self.mam
                .set_number(number, id::REMAINING_CAPACITY, bytes / MB);
            self.mam
                .set_number(number, id::VOLUME_CHANGE_REFERENCE, changes);
        }
        self.save_mam()
    }

    /// The recording format; `None` for a cleaning cartridge.
    pub fn format(&self) -> Option<&'static Format> {
        self.info.density.and_then(format_by_density)
    }

    /// How long a drive measures this cartridge; nothing if its format is not measured.
    pub fn optimization(&self) -> Duration {
        if self.info.density != Some(OPTIMIZED_DENSITY) {
            return Duration::ZERO;
        }
        medium::optimization(self.seed())
    }

    /// What the cartridge's peculiarities follow from.
    pub fn seed(&self) -> u64 {
        crate::library::fnv(self.info.serial.as_bytes())
    }

    /// True for write-once media.
    pub fn is_worm(&self) -> bool {
        self.info.kind == Kind::Worm
    }
}

/// Tape between early warning and the end of a partition of `partition_bytes`: the same in each
/// partition of a tape of `tape_bytes`, unless that were more than a sixteenth.
pub fn partition_warning_zone_bytes(format: &Format, tape_bytes: u64, partition_bytes: u64) -> u64 {
    early_warning_zone_bytes(format, tape_bytes).min(partition_bytes / 16)
}

/// Tape between early warning and the end of a tape: in proportion to the format's, but
/// never so little that a few large blocks do not fit.
pub fn early_warning_zone_bytes(format: &Format, capacity_bytes: u64) -> u64 {
    let scaled = u128::from(capacity_bytes) * u128::from(format.early_warning_mb)
        / u128::from(format.native_mb);
    let least = MIN_EARLY_WARNING_ZONE_BYTES.min(capacity_bytes / 16);
    least.max(scaled as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Generation;

    #[test]
    fn early_warning_scales_but_leaves_room() {
        let format = Generation::Lto9.format();
        let cases = [
            (18_000_000 * MB, 49 * MB),
            (64 << 20, 4 << 20),
            (1 << 30, 8 << 20),
        ];
        for (capacity, zone) in cases {
            assert_eq!(
                early_warning_zone_bytes(format, capacity),
                zone,
                "{capacity}"
            );
        }
    }
}
