//! Log pages about the mounted volume and its use: 17h, 1Bh, 30h, 31h and 32h.
//!
//! The drive does not compress: its data compression pages say 1.00 to 1, so that capacity can be
//! foretold. Page 0Fh and 10h of the mode parameters keep what a host has chosen.

use super::log::{DriveLog, Parameter, PartitionView, Usage, VolumeView};
use crate::generation::format_by_density;

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
const UNKNOWN: u64 = u64::MAX;
/// What a drive writes at a time. Near that of LTO-5 and LTO-6; the simulated tape has none.
const DATA_SET_BYTES: u64 = 2_500_000;
/// Loads that a cartridge is made for.
pub(crate) const LOADS_OF_A_LIFE: u64 = 20_000;
/// A ratio of 1.00 in hundredths.
const RATIO_ONE: u64 = 100;

/// Page 17h, volume statistics. Without a volume only parameter 0: not valid.
pub(super) fn volume_statistics(log: &DriveLog) -> Vec<Parameter> {
    let valid = Parameter::number(0x0000, 1, u64::from(log.volume.is_some()));
    let mut parameters = vec![valid];
    if let Some(volume) = &log.volume {
        parameters.extend(volume_parameters(volume));
    }
    parameters
}

fn volume_parameters(volume: &VolumeView) -> Vec<Parameter> {
    let capacity: u64 = volume
        .partitions
        .iter()
        .map(|part| part.capacity_bytes)
        .sum();
    let used: Option<u64> = volume.partitions.iter().map(|part| part.used_bytes).sum();
    let personality = format_by_density(volume.density).map_or("", |format| format.personality);
    let worn = volume.load_count.min(LOADS_OF_A_LIFE) * 100 / LOADS_OF_A_LIFE;
    let number = Parameter::number;
    let mut parameters = counters(volume);
    parameters.extend([
        number(0x0012, 2, RATIO_ONE),
        number(0x0013, 2, RATIO_ONE),
        number(0x0016, 4, capacity / MB),
        number(0x0017, 4, used.map_or(UNKNOWN, |bytes| bytes / MB)),
        number(0x0018, 4, capacity / MB),
        number(0x0019, 1, 100 - worn),
        Parameter::text(0x0040, 32, &volume.serial),
        Parameter::text(0x0042, 32, &volume.barcode),
        Parameter::text(0x0043, 8, &volume.manufacturer),
        Parameter::text(0x0045, 9, personality),
        number(0x0080, 1, u64::from(volume.write_protected)),
        number(0x0081, 1, u64::from(volume.worm)),
        number(0x0082, 1, 0),
        number(0x0100, 4, volume.write_mounts),
    ]);
    for (code, which) in [(0x0200, 0), (0x0201, 1)] {
        parameters.push(object_records(code, volume, which));
    }
    parameters.extend([
        partition_records(0x0202, volume, |capacity, _| Some(capacity)),
        partition_records(0x0203, volume, |_, used| used),
        partition_records(0x0204, volume, |capacity, used| {
            Some(capacity.saturating_sub(used?))
        }),
        mount_history(volume),
    ]);
    parameters
}

/// The counters 0001h to 0011h. Writes are never suspended here, nor reads.
fn counters(volume: &VolumeView) -> Vec<Parameter> {
    let (life, mount) = (&volume.lifetime, &volume.mount);
    let number = Parameter::number;
    vec![
        Parameter::counter(0x0001, 4, volume.load_count),
        number(0x0002, 8, data_sets(life.written_bytes)),
        number(0x0003, 4, life.write_retries),
        number(0x0004, 2, life.unrecovered_writes),
        number(0x0005, 2, 0),
        number(0x0006, 2, 0),
        number(0x0007, 8, data_sets(life.read_bytes)),
        number(0x0008, 4, life.read_retries),
        number(0x0009, 2, life.unrecovered_reads),
        number(0x000C, 2, mount.unrecovered_writes),
        number(0x000D, 2, mount.unrecovered_reads),
        number(0x000E, 4, mount.written_bytes / MB),
        number(0x000F, 4, mount.read_bytes / MB),
        number(0x0010, 8, life.written_bytes / MB),
        number(0x0011, 8, life.read_bytes / MB),
    ]
}

fn data_sets(bytes: u64) -> u64 {
    bytes.div_ceil(DATA_SET_BYTES)
}

/// One 10-byte record per partition: length after itself, reserved, partition, object number.
fn object_records(code: u16, volume: &VolumeView, which: usize) -> Parameter {
    const RECORD_LENGTH: u8 = 0x09;
    let mut records = Vec::new();
    for (partition, bounds) in (0u16..).zip(&volume.encryption_bounds) {
        records.extend_from_slice(&[RECORD_LENGTH, 0]);
        records.extend_from_slice(&partition.to_be_bytes());
        records.extend_from_slice(&bounds[which].to_be_bytes()[2..]);
    }
    Parameter::binary(code, records)
}

/// The last drives: length after itself, reserved, index, vendor and serial number.
fn mount_history(volume: &VolumeView) -> Parameter {
    let mut records = Vec::new();
    for (index, drive) in (0u16..).zip(&volume.drives) {
        records.extend_from_slice(&[(drive.len() + 3) as u8, 0]);
        records.extend_from_slice(&index.to_be_bytes());
        records.extend_from_slice(drive);
    }
    Parameter::binary(0x0300, records)
}

/// One 8-byte record per partition: length after itself, reserved, partition, MB.
fn partition_records(
    code: u16,
    volume: &VolumeView,
    value: fn(u64, Option<u64>) -> Option<u64>,
) -> Parameter {
    const RECORD_LENGTH: u8 = 0x07;
    let mut records = Vec::new();
    for (number, part) in (0u16..).zip(&volume.partitions) {
        let bytes = value(part.capacity_bytes, part.used_bytes);
        let mb = bytes.map_or(u32::MAX, |bytes| {
            u32::try_from(bytes / MB).unwrap_or(u32::MAX)
        });
        records.extend_from_slice(&[RECORD_LENGTH, 0]);
        records.extend_from_slice(&number.to_be_bytes());
        records.extend_from_slice(&mb.to_be_bytes());
    }
    Parameter::binary(code, records)
}

/// Page 30h, tape usage: counters of the mounted volume's life, zero without one.
pub(super) fn tape_usage(log: &DriveLog) -> Vec<Parameter> {
    let (loads, life) = log.volume.as_ref().map_or((0, Usage::default()), |volume| {
        (volume.load_count, volume.lifetime)
    });
    let count = Parameter::fixed;
    vec![
        count(0x0001, 4, loads),
        count(0x0002, 8, data_sets(life.written_bytes)),
        count(0x0003, 4, life.write_retries),
        count(0x0004, 2, life.unrecovered_writes),
        count(0x0005, 2, 0),
        count(0x0006, 2, 0),
        count(0x0007, 8, data_sets(life.read_bytes)),
        count(0x0008, 4, life.read_retries),
        count(0x0009, 2, life.unrecovered_reads),
        count(0x000A, 2, 0),
        count(0x000B, 2, 0),
    ]
}

/// Page 31h, tape capacity in MiB: remaining and maximum, partition 0 and 1.
pub(super) fn tape_capacity(log: &DriveLog) -> Vec<Parameter> {
    let partition = |index: usize| {
        let found = log
            .volume
            .as_ref()
            .and_then(|volume| volume.partitions.get(index));
        found.copied().unwrap_or_default()
    };
    let (main, alternate) = (partition(0), partition(1));
    let remaining = |part: PartitionView| {
        part.capacity_bytes
            .saturating_sub(part.used_bytes.unwrap_or(0))
            / MIB
    };
    vec![
        Parameter::fixed(0x0001, 4, remaining(main)),
        Parameter::fixed(0x0002, 4, remaining(alternate)),
        Parameter::fixed(0x0003, 4, main.capacity_bytes / MIB),
        Parameter::fixed(0x0004, 4, alternate.capacity_bytes / MIB),
    ]
}

/// Page 1Bh, data compression.
pub(super) fn data_compression(log: &DriveLog) -> Vec<Parameter> {
    const COMPRESSION_ENABLED: u16 = 0x0100;
    let mut parameters = compression_totals(log);
    let enabled = u64::from(log.status.compression);
    parameters.push(Parameter::counter(COMPRESSION_ENABLED, 1, enabled));
    parameters
}

/// Page 32h: the same without the switch.
pub(super) fn compression_totals(log: &DriveLog) -> Vec<Parameter> {
    let mut parameters = vec![
        Parameter::counter(0x0000, 2, RATIO_ONE),
        Parameter::counter(0x0001, 2, RATIO_ONE),
    ];
    let totals = [
        (0x0002, log.host_read_bytes),
        (0x0004, log.medium_read_bytes),
        (0x0006, log.host_written_bytes),
        (0x0008, log.medium_written_bytes),
    ];
    for (code, bytes) in totals {
        let (mb, rest) = megabytes_and_rest(bytes);
        parameters.push(Parameter::counter(code, 4, mb));
        parameters.push(Parameter::counter(code + 1, 4, rest.into()));
    }
    parameters
}

/// The nearest number of megabytes, and what is to be added to it: a signed number.
fn megabytes_and_rest(bytes: u64) -> (u64, u32) {
    let mb = bytes.saturating_add(MB / 2) / MB;
    let rest = i128::from(bytes) - i128::from(mb) * i128::from(MB);
    // Half a megabyte at most.
    (mb, (rest as i32).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_split_as_a_drive_was_seen_to() {
        let cases = [
            (57_578_618_880, (57_579, 0xFFFA_2F40)),
            (0, (0, 0)),
            (499_999, (0, 499_999)),
            (500_000, (1, (-500_000i32).cast_unsigned())),
        ];
        for (bytes, expected) in cases {
            assert_eq!(megabytes_and_rest(bytes), expected, "{bytes}");
        }
    }
}
