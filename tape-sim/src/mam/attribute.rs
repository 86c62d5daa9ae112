//! The table of attributes and the form of one attribute on the wire (SPC-4 §7.4.1, §7.4.2).

use crate::sense::{self, Sense};
use crate::target::be16;

/// Identifiers of attributes that the drive knows by name.
pub mod id {
    /// Remaining capacity, MB, per partition.
    pub const REMAINING_CAPACITY: u16 = 0x0000;
    /// Maximum capacity, MB, per partition.
    pub const MAXIMUM_CAPACITY: u16 = 0x0001;
    /// TapeAlert flags of the previous load.
    pub const TAPE_ALERT: u16 = 0x0002;
    /// Loads in the cartridge's life.
    pub const LOAD_COUNT: u16 = 0x0003;
    /// Bytes left in the chip; made up when read.
    pub const MAM_SPACE_REMAINING: u16 = 0x0004;
    /// Assigning organization of the format.
    pub const ASSIGNING_ORGANIZATION: u16 = 0x0005;
    /// Density code of the recording.
    pub const FORMATTED_DENSITY: u16 = 0x0006;
    /// Times the volume was formatted.
    pub const INITIALIZATION_COUNT: u16 = 0x0007;
    /// Changes whenever the contents change, per partition.
    pub const VOLUME_CHANGE_REFERENCE: u16 = 0x0009;
    /// Vendor and serial number of the last drive; three older ones follow.
    pub const DRIVE_AT_LAST_LOAD: u16 = 0x020A;
    /// MB written in the medium's life.
    pub const TOTAL_MB_WRITTEN: u16 = 0x0220;
    /// MB read in the medium's life.
    pub const TOTAL_MB_READ: u16 = 0x0221;
    /// MB written in the current or last load.
    pub const LOAD_MB_WRITTEN: u16 = 0x0222;
    /// MB read in the current or last load.
    pub const LOAD_MB_READ: u16 = 0x0223;
    /// First encrypted block, per partition.
    pub const FIRST_ENCRYPTED: u16 = 0x0224;
    /// First plain block after the encrypted one, per partition.
    pub const FIRST_PLAIN_AFTER_ENCRYPTED: u16 = 0x0225;
    /// Use of the medium: this load, the one before, all; and counts.
    pub const MEDIUM_USAGE: u16 = 0x0340;
    /// The same of a partition.
    pub const PARTITION_USAGE: u16 = 0x0341;
    /// Manufacturer of the medium.
    pub const MEDIUM_MANUFACTURER: u16 = 0x0400;
    /// Serial number of the medium.
    pub const MEDIUM_SERIAL: u16 = 0x0401;
    /// Tape length in metres.
    pub const MEDIUM_LENGTH: u16 = 0x0402;
    /// Tape width in tenths of a millimetre.
    pub const MEDIUM_WIDTH: u16 = 0x0403;
    /// Assigning organization of the medium.
    pub const MEDIUM_ORGANIZATION: u16 = 0x0404;
    /// Density code of the medium.
    pub const MEDIUM_DENSITY: u16 = 0x0405;
    /// Date of manufacture, YYYYMMDD.
    pub const MANUFACTURE_DATE: u16 = 0x0406;
    /// Size of the chip in bytes.
    pub const MAM_CAPACITY: u16 = 0x0407;
    /// Data, WORM or cleaning.
    pub const MEDIUM_TYPE: u16 = 0x0408;
    /// For cleaning cartridges: number of cycles.
    pub const MEDIUM_TYPE_INFORMATION: u16 = 0x0409;
    /// Barcode as the host wrote it.
    pub const BARCODE: u16 = 0x0806;
}

/// How a value is written (byte 2, bits 1 and 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Numbers and bytes.
    Binary = 0,
    /// ASCII, padded with spaces.
    Ascii = 1,
    /// Text in the character set of attribute 0805h.
    Text = 2,
}

/// One attribute of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Identifier.
    pub id: u16,
    /// Length of the value in bytes; for variable ones the greatest.
    pub len: u16,
    /// How the value is written.
    pub encoding: Encoding,
    /// Hosts cannot set it.
    pub read_only: bool,
    /// It has a value in each partition.
    pub per_partition: bool,
    /// Values may be shorter than `len`.
    pub variable: bool,
}

const fn device(id: u16, len: u16, encoding: Encoding) -> Attribute {
    let (read_only, per_partition, variable) = (true, false, false);
    Attribute {
        id,
        len,
        encoding,
        read_only,
        per_partition,
        variable,
    }
}

const fn partition(id: u16, len: u16) -> Attribute {
    Attribute {
        per_partition: true,
        ..device(id, len, Encoding::Binary)
    }
}

const fn host(id: u16, len: u16, encoding: Encoding) -> Attribute {
    Attribute {
        read_only: false,
        ..device(id, len, encoding)
    }
}

/// All attributes, ascending.
pub static TABLE: &[Attribute] = &[
    partition(id::REMAINING_CAPACITY, 8),
    partition(id::MAXIMUM_CAPACITY, 8),
    device(id::TAPE_ALERT, 8, Encoding::Binary),
    device(id::LOAD_COUNT, 8, Encoding::Binary),
    device(id::MAM_SPACE_REMAINING, 8, Encoding::Binary),
    device(id::ASSIGNING_ORGANIZATION, 8, Encoding::Ascii),
    device(id::FORMATTED_DENSITY, 1, Encoding::Binary),
    device(id::INITIALIZATION_COUNT, 2, Encoding::Binary),
    partition(id::VOLUME_CHANGE_REFERENCE, 4),
    device(id::DRIVE_AT_LAST_LOAD, 40, Encoding::Ascii),
    device(0x020B, 40, Encoding::Ascii),
    device(0x020C, 40, Encoding::Ascii),
    device(0x020D, 40, Encoding::Ascii),
    device(id::TOTAL_MB_WRITTEN, 8, Encoding::Binary),
    device(id::TOTAL_MB_READ, 8, Encoding::Binary),
    device(id::LOAD_MB_WRITTEN, 8, Encoding::Binary),
    device(id::LOAD_MB_READ, 8, Encoding::Binary),
    partition(id::FIRST_ENCRYPTED, 8),
    partition(id::FIRST_PLAIN_AFTER_ENCRYPTED, 8),
    device(id::MEDIUM_USAGE, 90, Encoding::Binary),
    partition(id::PARTITION_USAGE, 60),
    device(id::MEDIUM_MANUFACTURER, 8, Encoding::Ascii),
    device(id::MEDIUM_SERIAL, 32, Encoding::Ascii),
    device(id::MEDIUM_LENGTH, 4, Encoding::Binary),
    device(id::MEDIUM_WIDTH, 4, Encoding::Binary),
    device(id::MEDIUM_ORGANIZATION, 8, Encoding::Ascii),
    device(id::MEDIUM_DENSITY, 1, Encoding::Binary),
    device(id::MANUFACTURE_DATE, 8, Encoding::Ascii),
    device(id::MAM_CAPACITY, 8, Encoding::Binary),
    device(id::MEDIUM_TYPE, 1, Encoding::Binary),
    device(id::MEDIUM_TYPE_INFORMATION, 2, Encoding::Binary),
    host(0x0800, 8, Encoding::Ascii),
    host(0x0801, 32, Encoding::Ascii),
    host(0x0802, 8, Encoding::Ascii),
    host(0x0803, 160, Encoding::Text),
    host(0x0804, 12, Encoding::Ascii),
    host(0x0805, 1, Encoding::Binary),
    host(id::BARCODE, 32, Encoding::Ascii),
    host(0x0807, 80, Encoding::Text),
    host(0x0808, 160, Encoding::Text),
    host(0x080B, 16, Encoding::Ascii),
    // Volume coherency information: its length depends on the application's part.
    Attribute {
        per_partition: true,
        variable: true,
        ..host(0x080C, 512, Encoding::Binary)
    },
    host(0x0820, 36, Encoding::Binary),
    host(0x0821, 36, Encoding::Binary),
    // Host vendor range: the volume lock of LTFS.
    host(0x1623, 1, Encoding::Binary),
];

/// Identifier, flags and length in front of each value.
pub(super) const HEADER_BYTES: usize = 5;
const READ_ONLY: u8 = 0x80;
const ENCODING: u8 = 0x03;

/// The attribute with this identifier.
#[must_use]
pub fn find(id: u16) -> Option<&'static Attribute> {
    let at = TABLE
        .binary_search_by_key(&id, |attribute| attribute.id)
        .ok()?;
    TABLE.get(at)
}

impl Attribute {
    /// Partition under which the value for `partition` is kept.
    pub(super) fn home(&self, partition: u8) -> u8 {
        if self.per_partition { partition } else { 0 }
    }

    /// A value may have `len` bytes.
    pub(super) fn takes(&self, len: usize) -> bool {
        let full = usize::from(self.len);
        len == full || self.variable && (1..full).contains(&len)
    }

    pub(super) fn push_to(&self, out: &mut Vec<u8>, value: &[u8]) {
        let read_only = if self.read_only { READ_ONLY } else { 0 };
        out.extend_from_slice(&self.id.to_be_bytes());
        out.push(read_only | self.encoding as u8);
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }

    /// Hosts disagree whether some attributes are ASCII or text: either is taken.
    fn takes_encoding(&self, sent: u8) -> bool {
        let own = self.encoding as u8;
        sent == own || self.encoding != Encoding::Binary && matches!(sent, 1 | 2)
    }
}

/// Takes the attribute at `at` of a WRITE ATTRIBUTE list apart and checks it. An empty value
/// means deletion.
///
/// # Errors
///
/// 05/26/00 pointing at the wrong byte, 05/1A/00 if the list ends within the attribute.
pub(super) fn parse_written(list: &[u8], at: usize) -> Result<(&'static Attribute, &[u8]), Sense> {
    let cut = Sense::illegal(sense::PARAMETER_LIST_LENGTH);
    let value_at = at + HEADER_BYTES;
    if list.len() < value_at {
        return Err(cut);
    }
    let attribute = find(be16(list, at))
        .filter(|attribute| !attribute.read_only)
        .ok_or(Sense::invalid_parameter(at, None))?;
    if !attribute.takes_encoding(list[at + 2] & ENCODING) {
        return Err(Sense::invalid_parameter(at + 2, Some(1)));
    }
    let len = usize::from(be16(list, at + 3));
    if len != 0 && !attribute.takes(len) {
        return Err(Sense::invalid_parameter(at + 3, None));
    }
    let value = list.get(value_at..value_at + len).ok_or(cut)?;
    Ok((attribute, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ascends_and_its_ids_are_in_the_range_of_their_kind() {
        assert!(TABLE.is_sorted_by_key(|attribute| attribute.id));
        for attribute in TABLE {
            let host_range = matches!(attribute.id, 0x0800..=0x0BFF | 0x1400..=0x17FF);
            assert_eq!(attribute.read_only, !host_range, "{:04X}", attribute.id);
        }
    }
}
