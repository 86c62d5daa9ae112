//! What a drive counts of itself and of its volume, in values with units: log pages 02, 03,
//! 0C, 14, 16, 17, 1B and 32 (SPC-4 7.3, SSC-4 8.3; scsi-tape facts 3.8).
//!
//! Every value is optional: drives leave parameters out, and a counter that is all ones is one
//! that the drive does not know. Knows nothing of thresholds.

use serde::Serialize;

use super::bytes::{array_at, number, text, u16_at, u32_at};
use super::log::LogPage;

/// Log page with errors in writing.
pub const PAGE_WRITE_ERRORS: u8 = 0x02;
/// Log page with errors in reading.
pub const PAGE_READ_ERRORS: u8 = 0x03;
/// Log page with the bytes moved and the wish for cleaning.
pub const PAGE_TRAFFIC: u8 = 0x0C;
/// Log page with the life of the drive.
pub const PAGE_DEVICE_STATISTICS: u8 = 0x14;
/// Log page with the latest hard errors.
pub const PAGE_DIAGNOSTICS: u8 = 0x16;
/// Log page with compression.
pub const PAGE_COMPRESSION: u8 = 0x1B;
/// Log page with compression of drives that have no page 1B.
pub const PAGE_COMPRESSION_VENDOR: u8 = 0x32;

const ONE: u64 = 1;
const MB: u64 = 1_000_000;

macro_rules! counters {
    ($name:ident, $about:literal, {
        $($field:ident = $code:literal in $unit:ident, $words:literal;)*
    }) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        pub struct $name {
            $(#[doc = $words] pub $field: Option<u64>,)*
        }

        impl $name {
            /// The values that `page` has.
            #[must_use]
            pub fn of(page: &LogPage) -> $name {
                $name { $($field: counter(page, $code, $unit),)* }
            }
        }
    };
}

counters!(ErrorCounters, "Errors in one direction, from page 02 or 03 (SPC-4 7.3.5).", {
    corrected_at_once = 0x0000 in ONE, "Corrected without delay.";
    corrected_later = 0x0001 in ONE, "Corrected with delay.";
    retries = 0x0002 in ONE, "Rewrites or rereads.";
    corrected = 0x0003 in ONE, "Corrected in all.";
    processed_bytes = 0x0005 in ONE, "Bytes processed.";
    uncorrected = 0x0006 in ONE, "Not corrected: hard errors.";
});

counters!(Traffic, "Bytes moved since the counters were reset, from page 0C (SSC-4 8.3.3).", {
    host_written_bytes = 0x0000 in ONE, "Bytes that hosts sent to be written.";
    medium_written_bytes = 0x0001 in ONE, "Bytes written to the medium, after compression.";
    medium_read_bytes = 0x0002 in ONE, "Bytes read from the medium, before decompression.";
    host_read_bytes = 0x0003 in ONE, "Bytes sent to hosts.";
    used_bytes = 0x0004 in MB, "Native bytes from the beginning to the end of data.";
    capacity_bytes = 0x0005 in MB, "Native bytes from the beginning to early warning.";
    position_bytes = 0x0007 in MB, "Native bytes from the beginning to the position.";
    cleaning_wish = 0x0100 in ONE, "Not 0: the drive wants to be cleaned.";
});

counters!(DeviceStatistics, "The life of a drive, from page 14 (SSC-4 8.3.4).", {
    loads = 0x0000 in ONE, "Volumes loaded.";
    cleanings = 0x0001 in ONE, "Cleaning cartridges loaded.";
    power_on_hours = 0x0002 in ONE, "Hours with power.";
    motion_hours = 0x0003 in ONE, "Hours of tape motion.";
    metres = 0x0004 in ONE, "Metres of tape moved.";
    motion_hours_since_cleaning = 0x0008 in ONE, "Hours of tape motion since the last cleaning.";
    power_cycles = 0x000C in ONE, "How often power was switched on.";
    hard_write_errors = 0x000E in ONE, "Writes that failed for good.";
    hard_read_errors = 0x000F in ONE, "Reads that failed for good.";
});

counters!(VolumeCounters, "The numbers of page 17 (SSC-4 8.3.7).", {
    mounts = 0x0001 in ONE, "How often the volume was threaded, ever.";
    data_sets_written = 0x0002 in ONE, "Data sets written, ever.";
    write_retries = 0x0003 in ONE, "Writes repeated, ever.";
    unrecovered_writes = 0x0004 in ONE, "Writes that failed for good, ever.";
    suspended_writes = 0x0005 in ONE, "Writes suspended, ever.";
    fatal_suspended_writes = 0x0006 in ONE, "Writes suspended for good, ever.";
    data_sets_read = 0x0007 in ONE, "Data sets read, ever.";
    read_retries = 0x0008 in ONE, "Reads repeated, ever.";
    unrecovered_reads = 0x0009 in ONE, "Reads that failed for good, ever.";
    mount_unrecovered_writes = 0x000C in ONE, "Failed writes of the last mount.";
    mount_unrecovered_reads = 0x000D in ONE, "Failed reads of the last mount.";
    mount_written_bytes = 0x000E in MB, "Bytes written in the last mount.";
    mount_read_bytes = 0x000F in MB, "Bytes read in the last mount.";
    written_bytes = 0x0010 in MB, "Bytes written, ever.";
    read_bytes = 0x0011 in MB, "Bytes read, ever.";
    write_compression_percent = 0x0012 in ONE, "Compression of the last writes, in hundredths.";
    read_compression_percent = 0x0013 in ONE, "Compression of the last reads, in hundredths.";
    capacity_bytes = 0x0016 in MB, "Native capacity.";
    used_bytes = 0x0017 in MB, "Native capacity in use.";
    remaining_life_percent = 0x0019 in ONE, "What is left of the volume's life, in percent.";
    write_mounts = 0x0100 in ONE, "Mounts in which the volume was written.";
    beginning_passes = 0x0101 in ONE, "Passes over the beginning of the medium.";
    middle_passes = 0x0102 in ONE, "Passes over the middle of the medium.";
});

impl ErrorCounters {
    /// Corrected errors for each megabyte processed; `None` before anything was.
    #[must_use]
    pub fn corrected_per_mb(&self) -> Option<f64> {
        per_mb(self.corrected, self.processed_bytes)
    }

    /// Uncorrected errors for each megabyte processed; `None` before anything was.
    #[must_use]
    pub fn uncorrected_per_mb(&self) -> Option<f64> {
        per_mb(self.uncorrected, self.processed_bytes)
    }
}

impl Traffic {
    /// Whether the drive wants to be cleaned; `None` if it does not tell.
    #[must_use]
    pub fn cleaning_wanted(&self) -> Option<bool> {
        self.cleaning_wish.map(|wish| wish != 0)
    }
}

/// What a drive knows of the volume in it, from page 17 (SSC-4 8.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VolumeStatistics {
    /// The numbers.
    pub counters: VolumeCounters,
    /// The cartridge's own serial number.
    pub serial: Option<String>,
    /// The barcode as the chip has it.
    pub barcode: Option<String>,
    /// Manufacturer of the cartridge.
    pub manufacturer: Option<String>,
    /// Format and kind of the volume in the manufacturer's words.
    pub personality: Option<String>,
    /// Writing is forbidden by cartridge or drive.
    pub write_protected: Option<bool>,
    /// A write-once cartridge.
    pub worm: Option<bool>,
    /// What is known of each partition.
    pub partitions: Vec<PartitionStatistics>,
}

/// A partition of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PartitionStatistics {
    /// Partition number.
    pub number: u16,
    /// Native capacity, in bytes.
    pub capacity_bytes: Option<u64>,
    /// Native bytes in use; `None` also where the end of data is missing.
    pub used_bytes: Option<u64>,
    /// Native bytes left.
    pub remaining_bytes: Option<u64>,
    /// First encrypted object; `None` if no object is.
    pub first_encrypted: Option<u64>,
}

impl VolumeStatistics {
    /// The values of page 17; `None` if the drive says that they are not valid, as it does
    /// without a volume.
    #[must_use]
    pub fn of(page: &LogPage) -> Option<VolumeStatistics> {
        const VALID: u16 = 0x0000;
        if counter(page, VALID, ONE) == Some(0) {
            return None;
        }
        let flag = |code| counter(page, code, ONE).map(|value| value != 0);
        let name = |code| page.value(code).map(text).filter(|name| !name.is_empty());
        Some(VolumeStatistics {
            counters: VolumeCounters::of(page),
            serial: name(0x0040),
            barcode: name(0x0042),
            manufacturer: name(0x0043),
            personality: name(0x0045),
            write_protected: flag(0x0080),
            worm: flag(0x0081),
            partitions: partitions(page),
        })
    }
}

fn partitions(page: &LogPage) -> Vec<PartitionStatistics> {
    const FIRST_ENCRYPTED: u16 = 0x0200;
    const CAPACITY: u16 = 0x0202;
    const USED: u16 = 0x0203;
    const REMAINING: u16 = 0x0204;
    let bytes = |code, partition| record(page, code, partition)?.checked_mul(MB);
    records(page, CAPACITY)
        .map(|(number, _)| PartitionStatistics {
            number,
            capacity_bytes: bytes(CAPACITY, number),
            used_bytes: bytes(USED, number),
            remaining_bytes: bytes(REMAINING, number),
            first_encrypted: record(page, FIRST_ENCRYPTED, number),
        })
        .collect()
}

/// Partition records of {length after this byte, reserved, partition, value}, each with its
/// partition, up to the first that is cut off.
fn records(page: &LogPage, code: u16) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = page.value(code).unwrap_or(&[]);
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?);
        let record = rest.get(1..=length)?;
        let partition = u16_at(record, 1)?;
        rest = &rest[1 + length..];
        Some((partition, record.get(3..)?))
    })
}

fn record(page: &LogPage, code: u16, partition: u16) -> Option<u64> {
    let (_, value) = records(page, code).find(|(number, _)| *number == partition)?;
    known(value)
}

/// Compression as the drive measured it, from page 1B or 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CompressionStatistics {
    /// Ratio of what was read, in hundredths.
    pub read_percent: Option<u64>,
    /// Ratio of what was written, in hundredths.
    pub write_percent: Option<u64>,
    /// Bytes sent to hosts.
    pub host_read_bytes: Option<u64>,
    /// Bytes read from the medium.
    pub medium_read_bytes: Option<u64>,
    /// Bytes that hosts sent to be written.
    pub host_written_bytes: Option<u64>,
    /// Bytes written to the medium.
    pub medium_written_bytes: Option<u64>,
}

impl CompressionStatistics {
    /// The values that `page` has. Totals come in two parameters: megabytes, and a number of
    /// bytes that may be negative.
    #[must_use]
    pub fn of(page: &LogPage) -> CompressionStatistics {
        let total = |code: u16| {
            let mb = counter(page, code, MB)?;
            let rest = i32::from_be_bytes(array_at(page.value(code + 1)?, 0)?);
            mb.checked_add_signed(rest.into())
        };
        CompressionStatistics {
            read_percent: counter(page, 0x0000, ONE),
            write_percent: counter(page, 0x0001, ONE),
            host_read_bytes: total(0x0002),
            medium_read_bytes: total(0x0004),
            host_written_bytes: total(0x0006),
            medium_written_bytes: total(0x0008),
        }
    }
}

/// A read or write that failed for good, from page 16 (SSC-4 8.3.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HardError {
    /// Density code of the volume.
    pub density: u8,
    /// Hours of tape motion when it happened.
    pub motion_hours: u32,
    /// It happened again at the same place.
    pub repeated: bool,
    /// Sense key, additional sense code and its qualifier.
    pub sense: [u8; 3],
    /// Hours of tape motion since the last cleaning.
    pub hours_since_cleaning: u32,
    /// Operation code of the command.
    pub command: u8,
    /// Serial number of the medium.
    pub medium: String,
}

/// The hard errors of page 16, the newest first; those that are cut off are left out.
#[must_use]
pub fn hard_errors(page: &LogPage) -> Vec<HardError> {
    // Offsets from the end of the parameter's four-byte head.
    const DENSITY_AT: usize = 2;
    const MOTION_HOURS_AT: usize = 4;
    const SENSE_AT: usize = 9;
    const HOURS_SINCE_CLEANING_AT: usize = 20;
    const COMMAND_AT: usize = 24;
    const MEDIUM_AT: usize = 28;
    const MEDIUM_BYTES: usize = 32;
    let decode = |data: &[u8]| {
        let [key, asc, ascq] = array_at(data, SENSE_AT)?;
        Some(HardError {
            density: *data.get(DENSITY_AT)?,
            motion_hours: u32_at(data, MOTION_HOURS_AT)?,
            repeated: key & 0x80 != 0,
            sense: [key & 0x0F, asc, ascq],
            hours_since_cleaning: u32_at(data, HOURS_SINCE_CLEANING_AT)?,
            command: *data.get(COMMAND_AT)?,
            medium: text(&array_at::<MEDIUM_BYTES>(data, MEDIUM_AT)?),
        })
    };
    page.values().filter_map(|(_, data)| decode(data)).collect()
}

fn counter(page: &LogPage, code: u16, unit: u64) -> Option<u64> {
    known(page.value(code)?)?.checked_mul(unit)
}

/// A number that is not all ones. One byte and two bytes have no such value.
fn known(value: &[u8]) -> Option<u64> {
    let unknown = value.len() > 2 && value.iter().all(|byte| *byte == 0xFF);
    number(value).filter(|_| !unknown)
}

fn per_mb(count: Option<u64>, bytes: Option<u64>) -> Option<f64> {
    let bytes = bytes.filter(|bytes| *bytes > 0)?;
    Some(count? as f64 * MB as f64 / bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::log::PAGE_VOLUME_STATISTICS;
    use proptest::prelude::*;

    fn page(code: u8, parameters: &[(u16, &[u8])]) -> LogPage {
        let mut body = Vec::new();
        for (parameter, value) in parameters {
            body.extend(parameter.to_be_bytes());
            body.extend([0x40, value.len() as u8]);
            body.extend(*value);
        }
        let mut data = vec![code, 0];
        data.extend((body.len() as u16).to_be_bytes());
        data.extend(body);
        LogPage::parse(&data, code).unwrap()
    }

    #[test]
    fn captured_counters_have_their_units() {
        let errors = page(
            PAGE_WRITE_ERRORS,
            &[
                (3, &[0, 0, 0, 9]),
                (5, &[0, 0, 0x03, 0x59, 0xFD, 0]),
                (6, &[0, 0, 0, 0]),
            ],
        );
        let errors = ErrorCounters::of(&errors);
        assert_eq!(errors.processed_bytes, Some(0x0359_FD00));
        assert_eq!(errors.uncorrected_per_mb(), Some(0.0));
        let rate = errors.corrected_per_mb().unwrap();
        assert!((rate - 9.0 / 56.229_12).abs() < 1e-6, "{rate}");
        assert_eq!(errors.retries, None);

        let traffic = page(
            PAGE_TRAFFIC,
            &[
                (4, &[0x00, 0x6C, 0xF7, 0x16]),
                (5, &[0x01, 0x12, 0xA8, 0x80]),
                (7, &[0xFF; 4]),
                (0x0100, &[0; 8]),
            ],
        );
        let traffic = Traffic::of(&traffic);
        assert_eq!(traffic.used_bytes, Some(7_141_142_000_000));
        assert_eq!(traffic.capacity_bytes, Some(18_000_000_000_000));
        assert_eq!(traffic.position_bytes, None);
        assert_eq!(traffic.cleaning_wanted(), Some(false));
    }

    #[test]
    fn compression_totals_have_a_signed_rest() {
        let totals = page(
            PAGE_COMPRESSION_VENDOR,
            &[
                (6, &[0x00, 0x00, 0xE0, 0xEB]),
                (7, &[0xFF, 0xFA, 0x2F, 0x40]),
            ],
        );
        let totals = CompressionStatistics::of(&totals);
        assert_eq!(totals.host_written_bytes, Some(57_578_618_880));
        assert_eq!(totals.medium_written_bytes, None);
    }

    #[test]
    fn captured_volume_statistics_tell_of_each_partition() {
        let volume = page(
            PAGE_VOLUME_STATISTICS,
            &[
                (0, &[1]),
                (0x0016, &[0x01, 0x12, 0xA8, 0x80]),
                (0x0045, b"LTOL9G9  "),
                (0x0202, &[7, 0, 0, 0, 0x01, 0x12, 0xA8, 0x80]),
                (0x0203, &[7, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
                (0x0204, &[7, 0, 0, 0, 0x00, 0xA5, 0xFF, 0x93]),
            ],
        );
        let volume = VolumeStatistics::of(&volume).unwrap();
        assert_eq!(volume.personality.as_deref(), Some("LTOL9G9"));
        let partition = PartitionStatistics {
            number: 0,
            capacity_bytes: Some(18_000_000_000_000),
            used_bytes: None,
            remaining_bytes: Some(10_878_867_000_000),
            first_encrypted: None,
        };
        assert_eq!(volume.partitions, [partition]);
        let invalid = page(PAGE_VOLUME_STATISTICS, &[(0, &[0])]);
        assert_eq!(VolumeStatistics::of(&invalid), None);
    }

    proptest! {
        #[test]
        fn no_parameters_make_it_panic(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..12),
        ) {
            for first in [0u16, 6, 0x40, 0x100, 0x200] {
                let numbered: Vec<_> = (first..).zip(values.iter().map(Vec::as_slice)).collect();
                let page = page(PAGE_VOLUME_STATISTICS, &numbered);
                let errors = ErrorCounters::of(&page);
                let _ = (errors.corrected_per_mb(), errors.uncorrected_per_mb());
                let _ = (Traffic::of(&page), DeviceStatistics::of(&page));
                let _ = (VolumeStatistics::of(&page), CompressionStatistics::of(&page));
                let _ = hard_errors(&page);
            }
        }
    }
}
