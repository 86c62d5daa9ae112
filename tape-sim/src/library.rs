//! A library directory: made from a specification, opened by any number of processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cartridge::{self, Cartridge, Medium};
use crate::clock::{Clock, SystemClock};
use crate::error::SimError;
use crate::fault::{self, FaultScript, Rule};
use crate::files::{FORMAT_VERSION, adopt_format, read_json, write_json};
use crate::generation::Generation;
use crate::inventory::{self, FIRST_DRIVE_ADDRESS, Label, Layout};
use crate::smc::{ChangerConfig, ChangerTarget};
use crate::ssc::{DriveConfig, DriveTarget};
use crate::timeline::Timing;

/// NAA 5 with an OUI that is locally administered: no manufacturer's.
const NAA: u64 = 0x5 << 60 | 0x02_5453 << 36;
/// Units of one library and their ports: the low bits of its NAA identifiers.
const UNIT_BITS: u32 = 12;
/// Bits of the seed above them.
const SEED_MASK: u32 = 0x00FF_FFFF;

/// What a new library shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibrarySpec {
    /// Drives, at least 1.
    pub drives: u16,
    /// Storage slots.
    pub slots: u16,
    /// Mail slots (import/export elements).
    pub mail_slots: u16,
    /// Generation of drives and cartridges.
    pub generation: Generation,
    /// Capacity of each cartridge up to early warning, in bytes; `None`: the format's.
    pub capacity_bytes: Option<u64>,
    /// Blank cartridges; `None`: five slots in six. A free last slot gets a cleaning cartridge.
    pub cartridges: Option<u16>,
    /// Write buffer of each drive in bytes; `None`: the model's, or an eighth of a smaller
    /// cartridge.
    pub buffer_bytes: Option<u64>,
    /// Number that serial numbers are made from; `None`: made from the directory's path.
    pub seed: Option<u32>,
    /// Whether devices really take the time that they say.
    pub timing: Timing,
    /// LTO-9 cartridges come as from the factory: their first load takes 20 minutes to 2 hours.
    pub factory_new: bool,
    /// What becomes of the bytes of blocks.
    pub medium: Medium,
}

impl Default for LibrarySpec {
    fn default() -> Self {
        LibrarySpec {
            drives: 2,
            slots: 24,
            mail_slots: 2,
            generation: Generation::Lto9,
            capacity_bytes: None,
            cartridges: None,
            buffer_bytes: None,
            seed: None,
            timing: Timing::Virtual,
            factory_new: false,
            medium: Medium::Store,
        }
    }
}

/// `library.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LibraryInfo {
    format: u32,
    drives: u16,
    generation: Generation,
    capacity_bytes: Option<u64>,
    buffer_bytes: Option<u64>,
    seed: u32,
    #[serde(default)]
    timing: Timing,
    #[serde(default)]
    factory_new: bool,
    #[serde(default, skip_serializing_if = "Medium::stores")]
    medium: Medium,
}

/// A library on disk.
#[derive(Debug, Clone)]
pub struct Library {
    dir: PathBuf,
    info: LibraryInfo,
}

impl Library {
    /// Makes a library in `dir`, which is absent or empty.
    ///
    /// # Errors
    ///
    /// `Exists` if `dir` holds anything; `Spec`; `Io`.
    pub fn create(dir: &Path, spec: &LibrarySpec) -> Result<Self, SimError> {
        fs::create_dir_all(dir).map_err(SimError::io(dir))?;
        let mut entries = fs::read_dir(dir).map_err(SimError::io(dir))?;
        if entries.next().is_some() {
            return Err(SimError::Exists {
                path: dir.to_path_buf(),
            });
        }
        let dir = dir.canonicalize().map_err(SimError::io(dir))?;
        let blanks = spec
            .cartridges
            .unwrap_or((u32::from(spec.slots) * 5).div_ceil(6) as u16);
        if spec.drives == 0 || blanks > spec.slots {
            return Err(SimError::Spec {
                reason: format!(
                    "{} drives, {blanks} cartridges for {} slots",
                    spec.drives, spec.slots
                ),
            });
        }
        let media_id = spec.generation.format().media_id;
        let mut barcodes: Vec<Option<String>> = (1..=blanks)
            .map(|number| Some(format!("SIM{number:03}{media_id}")))
            .collect();
        barcodes.resize(usize::from(spec.slots), None);
        if let Some(last @ None) = barcodes.last_mut() {
            *last = Some("CLNU01CU".to_string());
        }
        for barcode in barcodes.iter().flatten() {
            cartridge::create(&dir, barcode, spec.capacity_bytes)?;
            if spec.factory_new {
                cartridge::make_factory_new(&dir, barcode)?;
            }
            if !spec.medium.stores() {
                cartridge::set_medium(&dir, barcode, spec.medium)?;
            }
        }
        let layout = Layout {
            drives: spec.drives,
            slots: spec.slots,
            mail_slots: spec.mail_slots,
        };
        inventory::create(&dir, layout, &barcodes)?;
        let info = LibraryInfo {
            format: FORMAT_VERSION,
            drives: spec.drives,
            generation: spec.generation,
            capacity_bytes: spec.capacity_bytes,
            buffer_bytes: spec.buffer_bytes,
            seed: spec
                .seed
                .unwrap_or(fnv(dir.as_os_str().as_encoded_bytes()) as u32),
            timing: spec.timing,
            factory_new: spec.factory_new,
            medium: spec.medium,
        };
        // Last: a directory is a library once this file is there.
        write_json(&dir.join("library.json"), &info)?;
        Ok(Library { dir, info })
    }

    /// Opens the library in `dir`.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`.
    pub fn open(dir: &Path) -> Result<Self, SimError> {
        let path = dir.join("library.json");
        let mut info: LibraryInfo = read_json(&path)?;
        adopt_format(&path, &mut info.format)?;
        let dir = dir.canonicalize().map_err(SimError::io(dir))?;
        Ok(Library { dir, info })
    }

    /// The library's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of drives.
    pub fn drive_count(&self) -> u16 {
        self.info.drives
    }

    /// Unit serial number of drive `index`, ten characters.
    pub fn drive_serial(&self, index: u16) -> String {
        format!("{:08X}{:02}", self.info.seed, index)
    }

    /// Unit serial number of the changer.
    pub fn changer_serial(&self) -> String {
        format!("{:08X}_LL01", self.info.seed)
    }

    /// NAA identifier of unit `unit`: the changer is 0, drive n is n + 1. Each takes two, since
    /// its port has the next one.
    fn naa(&self, unit: u16) -> u64 {
        NAA | u64::from(self.info.seed & SEED_MASK) << UNIT_BITS | u64::from(unit) << 1
    }

    /// Takes drive `index`, from 0.
    ///
    /// # Errors
    ///
    /// `NoSuchDrive`; `DriveBusy` if another handle, in this process or another, has it; `Io`,
    /// `Format`, `Version` for its files.
    pub fn drive(&self, index: u16) -> Result<DriveTarget, SimError> {
        self.drive_with_clock(index, Arc::new(SystemClock::default()))
    }

    /// Takes drive `index` and gives it its clock, which only [`Timing::Real`] looks at.
    ///
    /// # Errors
    ///
    /// As [`Library::drive`].
    pub fn drive_with_clock(
        &self,
        index: u16,
        clock: Arc<dyn Clock>,
    ) -> Result<DriveTarget, SimError> {
        if index >= self.info.drives {
            return Err(SimError::NoSuchDrive { drive: index });
        }
        let config = DriveConfig {
            library_dir: self.dir.clone(),
            index,
            generation: self.info.generation,
            serial: self.drive_serial(index),
            naa: self.naa(index + 1),
            library_serial: self.changer_serial(),
            element_address: FIRST_DRIVE_ADDRESS + index,
            buffer_bytes: self.info.buffer_bytes,
            timing: self.info.timing,
        };
        DriveTarget::open(config, clock)
    }

    /// Opens the changer; handles of several processes may be open at a time.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version` for the inventory.
    pub fn changer(&self) -> Result<ChangerTarget, SimError> {
        self.changer_with_clock(Arc::new(SystemClock::default()))
    }

    /// Opens the changer and gives it its clock, which only [`Timing::Real`] looks at.
    ///
    /// # Errors
    ///
    /// As [`Library::changer`].
    pub fn changer_with_clock(&self, clock: Arc<dyn Clock>) -> Result<ChangerTarget, SimError> {
        let config = ChangerConfig {
            library_dir: self.dir.clone(),
            serial: self.changer_serial(),
            naa: self.naa(0),
            generation: self.info.generation,
            drive_serials: (0..self.info.drives)
                .map(|index| self.drive_serial(index))
                .collect(),
            timing: self.info.timing,
        };
        ChangerTarget::open(config, clock)
    }

    /// How far the time of the library has come: that of its latest device, as its files say. A
    /// drive in use writes its time when a cartridge comes or goes, and each minute of it.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`.
    pub fn elapsed(&self) -> Result<Duration, SimError> {
        let mut latest_ns = inventory::read(&self.dir)?.robot().time_ns;
        for drive in 0..self.info.drives {
            latest_ns = latest_ns.max(inventory::read_hold(&self.dir, drive)?.time_ns);
        }
        Ok(Duration::from_nanos(latest_ns))
    }

    /// Puts a cartridge into mail slot `mail_slot`, from 0. One that the directory does not hold is
    /// made: blank, of the kind and generation that the barcode's suffix says, holding
    /// `capacity_bytes`, or what the library was made with. One that has been taken out comes back
    /// as it was.
    ///
    /// # Errors
    ///
    /// `Spec` for a barcode that names no medium, `Element` for a full or absent slot or a
    /// barcode that is in the library, `Io`, `Format`, `Version`.
    pub fn insert(
        &self,
        mail_slot: u16,
        barcode: &str,
        capacity_bytes: Option<u64>,
    ) -> Result<(), SimError> {
        if !cartridge::is_barcode(barcode) || !cartridge::folder(&self.dir, barcode).exists() {
            let capacity_bytes = capacity_bytes.or(self.info.capacity_bytes);
            cartridge::create(&self.dir, barcode, capacity_bytes)?;
            if self.info.factory_new {
                cartridge::make_factory_new(&self.dir, barcode)?;
            }
            if !self.info.medium.stores() {
                cartridge::set_medium(&self.dir, barcode, self.info.medium)?;
            }
        }
        inventory::insert(&self.dir, mail_slot, barcode)
    }

    /// Takes the cartridge out of mail slot `mail_slot`, from 0, and returns its barcode. Its
    /// folder stays: the cartridge is on a shelf now.
    ///
    /// # Errors
    ///
    /// `Element` for an empty or absent slot, `Io`, `Format`, `Version`.
    pub fn remove(&self, mail_slot: u16) -> Result<String, SimError> {
        inventory::remove(&self.dir, mail_slot)
    }

    /// Sets or clears the write-protect tab of a cartridge. A drive looks at it when it loads.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`; `Spec` for what is no barcode.
    pub fn set_write_protected(&self, barcode: &str, protected: bool) -> Result<(), SimError> {
        let mut cartridge = self.cartridge(barcode)?;
        cartridge.info.write_protected = protected;
        cartridge.save_info()
    }

    /// What goes wrong in this library.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`; `Fault` for a rule that makes no sense.
    pub fn faults(&self) -> Result<FaultScript, SimError> {
        fault::read(&self.dir)
    }

    /// Replaces the fault script; its rules begin anew. Devices notice with their next command.
    ///
    /// # Errors
    ///
    /// `Fault` for a rule that makes no sense, `Io`.
    pub fn set_faults(&self, script: &FaultScript) -> Result<(), SimError> {
        fault::write(&self.dir, script, true)
    }

    /// Adds a rule to the fault script; the others go on where they were.
    ///
    /// # Errors
    ///
    /// As [`Library::set_faults`].
    pub fn add_fault(&self, rule: Rule) -> Result<(), SimError> {
        let mut script = self.faults()?;
        script.rules.push(rule);
        fault::write(&self.dir, &script, false)
    }

    /// Removes the fault script. What it has done to cartridges and doors stays done.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn clear_faults(&self) -> Result<(), SimError> {
        fault::clear(&self.dir)
    }

    /// Sticks another label on a cartridge. Hosts are told with 28/00 if it is in the library.
    ///
    /// # Errors
    ///
    /// `Spec` for what is no barcode, as name or on the label; `Io`, `Format`, `Version`.
    pub fn set_label(&self, barcode: &str, label: Label) -> Result<(), SimError> {
        if let Label::Shows(text) = &label
            && !cartridge::is_barcode(text)
        {
            return Err(SimError::Spec {
                reason: format!("{text:?} is no barcode"),
            });
        }
        let mut cartridge = self.cartridge(barcode)?;
        cartridge.info.label = label;
        cartridge.save_info()?;
        inventory::relabel(&self.dir, barcode, &cartridge.info.label)
    }

    /// Opens the small files of a cartridge.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version`; `Spec` for what is no barcode.
    pub fn cartridge(&self, barcode: &str) -> Result<Cartridge, SimError> {
        if !cartridge::is_barcode(barcode) {
            return Err(SimError::Spec {
                reason: format!("{barcode:?} is no barcode"),
            });
        }
        Cartridge::open(&cartridge::folder(&self.dir, barcode))
    }
}

/// FNV-1a, 64 bits: numbers that look unrelated from names that are alike.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
