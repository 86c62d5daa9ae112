//! Medium auxiliary memory: the attributes in a cartridge's chip (SPC-4 §7.4), kept in a
//! versioned file `mam.json` in the cartridge's folder.
//!
//! All values live here, those that only the drive may set included. Hosts reach them through
//! READ ATTRIBUTE and WRITE ATTRIBUTE; the drive through [`Mam::set`] and [`Mam::set_number`].
//! An attribute is kept per partition or once for the volume; the table in [`attribute`] says
//! which. Does not know what any value means.

pub mod attribute;
mod history;
mod store;

use crate::generation::format_by_density;
use crate::sense::{self, Sense};
use crate::target::{be16, be32};
pub use attribute::id;
use attribute::{Attribute, Encoding};
pub use history::History;
use std::collections::BTreeMap;

/// Bytes of a chip that belongs to no data format, that is a cleaning cartridge's.
const CLEANING_MAM_BYTES: u32 = 4096;
/// Uses of a cleaning cartridge (attribute 0409h).
const CLEANING_CYCLES: u64 = 50;
/// Medium types of attribute 0408h.
const TYPE_DATA: u64 = 0x00;
const TYPE_CLEANING: u64 = 0x01;
const TYPE_WORM: u64 = 0x80;
const ORGANIZATION: &[u8] = b"LTO-CVE ";
/// No encrypted block (0224h) and no plain one after it (0225h).
const NO_BLOCK: u64 = u64::MAX;
/// Attributes 020Ah to 020Dh: the last four drives, latest first.
pub(crate) const DRIVES_REMEMBERED: u16 = 4;

/// What the factory writes into the chip.
#[derive(Debug, Clone, Copy)]
pub struct Birth<'a> {
    /// Density code of the medium; `None` for a cleaning cartridge.
    pub density: Option<u8>,
    /// WORM medium.
    pub worm: bool,
    /// Serial number of the medium, up to 32 characters.
    pub serial: &'a str,
    /// Manufacturer, up to 8 characters.
    pub manufacturer: &'a str,
    /// Date of manufacture, YYYYMMDD.
    pub date: &'a str,
    /// Capacity in MB.
    pub capacity_mb: u32,
}

/// A cartridge's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mam {
    partitions: u8,
    /// Values by identifier and partition; volume attributes are in partition 0.
    values: BTreeMap<(u16, u8), Vec<u8>>,
    /// How the medium was used.
    pub history: History,
}

impl Mam {
    /// A new chip: one partition, nothing from hosts.
    #[must_use]
    pub fn new(birth: &Birth<'_>) -> Self {
        let mut mam = Self {
            partitions: 1,
            values: BTreeMap::new(),
            history: History::default(),
        };
        for attribute in attribute::TABLE {
            if attribute.read_only {
                mam.set_number(0, attribute.id, 0);
            }
        }
        let format = birth.density.and_then(format_by_density);
        let medium_type = match (format, birth.worm) {
            (None, _) => TYPE_CLEANING,
            (Some(_), true) => TYPE_WORM,
            (Some(_), false) => TYPE_DATA,
        };
        let density = birth.density.unwrap_or(0).into();
        let capacity_mb = birth.capacity_mb.into();
        let numbers = [
            (id::REMAINING_CAPACITY, capacity_mb),
            (id::MAXIMUM_CAPACITY, capacity_mb),
            (id::FORMATTED_DENSITY, density),
            (id::FIRST_ENCRYPTED, NO_BLOCK),
            (id::FIRST_PLAIN_AFTER_ENCRYPTED, NO_BLOCK),
            (
                id::MEDIUM_LENGTH,
                format.map_or(0, |format| format.length_m.into()),
            ),
            (
                id::MEDIUM_WIDTH,
                crate::generation::MEDIUM_WIDTH_TENTH_MM.into(),
            ),
            (id::MEDIUM_DENSITY, density),
            (
                id::MAM_CAPACITY,
                format
                    .map_or(CLEANING_MAM_BYTES, |format| format.mam_bytes)
                    .into(),
            ),
            (id::MEDIUM_TYPE, medium_type),
            (
                id::MEDIUM_TYPE_INFORMATION,
                if format.is_none() { CLEANING_CYCLES } else { 0 },
            ),
        ];
        for (id, value) in numbers {
            mam.set_number(0, id, value);
        }
        let texts = [
            (id::ASSIGNING_ORGANIZATION, ORGANIZATION),
            (id::MEDIUM_ORGANIZATION, ORGANIZATION),
            (id::MEDIUM_MANUFACTURER, birth.manufacturer.as_bytes()),
            (id::MEDIUM_SERIAL, birth.serial.as_bytes()),
            (id::MANUFACTURE_DATE, birth.date.as_bytes()),
        ];
        for (id, value) in texts {
            mam.set(0, id, value);
        }
        for age in 0..DRIVES_REMEMBERED {
            mam.set(0, id::DRIVE_AT_LAST_LOAD + age, b"");
        }
        mam
    }

    /// Sets an attribute on the drive's behalf, read-only ones too. `value` is cut or padded to
    /// the attribute's size: text with spaces, others with zeros. Ids without an attribute and
    /// partitions that the medium does not have are ignored.
    pub fn set(&mut self, partition: u8, id: u16, value: &[u8]) {
        let Some(attribute) = attribute::find(id) else {
            return;
        };
        if partition < self.partitions {
            let padding = if attribute.encoding == Encoding::Binary {
                0
            } else {
                b' '
            };
            let mut value = value.to_vec();
            value.resize(attribute.len.into(), padding);
            self.values.insert((id, attribute.home(partition)), value);
        }
    }

    /// Sets a numeric attribute, big-endian in the attribute's size.
    pub fn set_number(&mut self, partition: u8, id: u16, value: u64) {
        let Some(attribute) = attribute::find(id) else {
            return;
        };
        let bytes = value.to_be_bytes();
        let len = usize::from(attribute.len).min(bytes.len());
        self.set(partition, id, &bytes[bytes.len() - len..]);
    }

    /// A numeric attribute of at most 8 bytes; 0 if absent.
    #[must_use]
    pub fn number(&self, partition: u8, id: u16) -> u64 {
        let value = self.get(partition, id).unwrap_or_default();
        value
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// The bytes of an attribute, if it has a value.
    #[must_use]
    pub fn get(&self, partition: u8, id: u16) -> Option<&[u8]> {
        let home = attribute::find(id)?.home(partition);
        self.values.get(&(id, home)).map(Vec::as_slice)
    }

    /// Notes a load in a drive: counts it, shifts the list of the last four drives, and begins
    /// the counters of this load at zero.
    pub fn record_load(&mut self, vendor: &str, drive_serial: &str) {
        let loads = self.number(0, id::LOAD_COUNT);
        self.set_number(0, id::LOAD_COUNT, loads.saturating_add(1));
        for age in (1..DRIVES_REMEMBERED).rev() {
            let younger = self
                .get(0, id::DRIVE_AT_LAST_LOAD + age - 1)
                .unwrap_or_default()
                .to_vec();
            self.set(0, id::DRIVE_AT_LAST_LOAD + age, &younger);
        }
        let drive = format!("{vendor:8.8}{drive_serial:32.32}");
        self.set(0, id::DRIVE_AT_LAST_LOAD, drive.as_bytes());
        self.set_number(0, id::LOAD_MB_WRITTEN, 0);
        self.set_number(0, id::LOAD_MB_READ, 0);
        self.history.next_load();
    }

    /// Brings the usage histories (0340h, 0341h) up to date.
    pub fn record_usage(&mut self) {
        let loads = self.number(0, id::LOAD_COUNT);
        let formats = self.number(0, id::INITIALIZATION_COUNT);
        let medium = self.history.medium_attribute(loads, formats);
        self.set(0, id::MEDIUM_USAGE, &medium);
        for partition in 0..self.partitions {
            let usage = self.history.partition_attribute(partition, loads, formats);
            self.set(partition, id::PARTITION_USAGE, &usage);
        }
    }

    /// Gives the medium `partitions` partitions (at least one): values of vanished ones are
    /// dropped, new ones begin with zeros.
    pub fn set_partitions(&mut self, partitions: u8) {
        self.history.set_partitions(partitions.max(1));
        let before = self.partitions;
        self.partitions = partitions.max(1);
        self.values
            .retain(|&(_, partition), _| partition < partitions.max(1));
        for partition in before..self.partitions {
            for attribute in attribute::TABLE {
                if attribute.read_only && attribute.per_partition {
                    self.set_number(partition, attribute.id, 0);
                }
            }
        }
    }

    /// What FORMAT MEDIUM does to the chip: hosts' attributes are gone, and there are
    /// `partitions` partitions now.
    pub fn reformat(&mut self, partitions: u8) {
        self.values
            .retain(|&(id, _), _| attribute::find(id).is_some_and(|found| found.read_only));
        self.set_partitions(partitions);
    }

    /// Attributes with a value in `partition`, ascending from `first`.
    fn present(&self, partition: u8, first: u16) -> Vec<(&'static Attribute, &[u8])> {
        attribute::TABLE
            .iter()
            .filter(|attribute| attribute.id >= first)
            .filter_map(|attribute| Some((attribute, self.get(partition, attribute.id)?)))
            .collect()
    }

    /// Bytes left for host attributes (0004h): what they take is their value and header.
    fn space_remaining(&self) -> u64 {
        let capacity = self.number(0, id::MAM_CAPACITY);
        capacity.saturating_sub(taken_bytes(&self.values))
    }

    /// Reply to READ ATTRIBUTE.
    ///
    /// # Errors
    ///
    /// 05/24/00 for a service action, volume or partition that does not exist, and when no
    /// attribute at or after the first wanted one has a value.
    pub fn read_attribute(&self, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
        let partition = self.addressed_partition(cdb)?;
        let first = be16(cdb, 8);
        match cdb.get(1).copied().unwrap_or(0) & 0x1F {
            action::VALUES => self.values_reply(partition, first),
            action::LIST => {
                let present = self.present(partition, first);
                Ok(id_list(present.iter().map(|(attribute, _)| attribute.id)))
            }
            action::VOLUMES => Ok(vec![0, 2, 0, 1]),
            action::PARTITIONS => Ok(vec![0, 2, 0, self.partitions]),
            action::SUPPORTED => {
                let ids = attribute::TABLE.iter().map(|attribute| attribute.id);
                Ok(id_list(ids.filter(|id| *id >= first)))
            }
            _ => Err(Sense::invalid_cdb_field(1, Some(4))),
        }
    }

    fn values_reply(&self, partition: u8, first: u16) -> Result<Vec<u8>, Sense> {
        let space = self.space_remaining().to_be_bytes();
        let mut data = vec![0; 4];
        for (attribute, value) in self.present(partition, first) {
            let value = if attribute.id == id::MAM_SPACE_REMAINING {
                &space
            } else {
                value
            };
            attribute.push_to(&mut data, value);
        }
        if data.len() == 4 {
            return Err(Sense::invalid_cdb_field(8, None));
        }
        let len = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&len.to_be_bytes());
        Ok(data)
    }

    /// Carries out WRITE ATTRIBUTE with parameter list `list`; all or nothing. An attribute of
    /// length 0 is deleted. The list's length may or may not count its own four bytes.
    ///
    /// # Errors
    ///
    /// 05/55/06 if the chip has no room left;
    /// 05/26/00 for an unknown or read-only attribute, or a wrong format or length; 05/1A/00 for
    /// a cut list; 05/24/00 for a volume or partition that does not exist.
    pub fn write_attribute(&mut self, cdb: &[u8], list: &[u8]) -> Result<(), Sense> {
        let cut = Sense::illegal(sense::PARAMETER_LIST_LENGTH);
        let partition = self.addressed_partition(cdb)?;
        if list.is_empty() {
            return Ok(());
        }
        let announced = usize::try_from(be32(list, 0)).map_err(|_| cut)?;
        if list.len() < 4 || (announced != list.len() - 4 && announced != list.len()) {
            return Err(cut);
        }
        let mut new = self.values.clone();
        let mut at = 4;
        while at < list.len() {
            let (attribute, value) = attribute::parse_written(list, at)?;
            let key = (attribute.id, attribute.home(partition));
            at += attribute::HEADER_BYTES + value.len();
            if value.is_empty() {
                new.remove(&key);
            } else {
                new.insert(key, value.to_vec());
            }
        }
        let grows = taken_bytes(&new) > taken_bytes(&self.values);
        if grows && taken_bytes(&new) > self.number(0, id::MAM_CAPACITY) {
            return Err(Sense::illegal(sense::CHIP_FULL));
        }
        self.values = new;
        Ok(())
    }

    /// Logical volume (byte 5, only 0) and partition (byte 7) of either CDB.
    fn addressed_partition(&self, cdb: &[u8]) -> Result<u8, Sense> {
        let byte = |at: usize| cdb.get(at).copied().unwrap_or(0);
        if byte(5) != 0 {
            return Err(Sense::invalid_cdb_field(5, None));
        }
        if byte(7) >= self.partitions {
            return Err(Sense::invalid_cdb_field(7, None));
        }
        Ok(byte(7))
    }
}

/// What these values take in the chip: each with its header.
fn taken_bytes(values: &BTreeMap<(u16, u8), Vec<u8>>) -> u64 {
    let sizes = values
        .values()
        .map(|value| value.len() + attribute::HEADER_BYTES);
    sizes.sum::<usize>() as u64
}

/// Service actions of READ ATTRIBUTE.
mod action {
    pub const VALUES: u8 = 0x00;
    pub const LIST: u8 = 0x01;
    pub const VOLUMES: u8 = 0x02;
    pub const PARTITIONS: u8 = 0x03;
    pub const SUPPORTED: u8 = 0x05;
}

fn id_list(ids: impl Iterator<Item = u16>) -> Vec<u8> {
    let ids: Vec<u8> = ids.flat_map(u16::to_be_bytes).collect();
    let mut data = (ids.len() as u32).to_be_bytes().to_vec();
    data.extend_from_slice(&ids);
    data
}
