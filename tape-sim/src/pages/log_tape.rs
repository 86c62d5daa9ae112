//! The drive's log pages (SSC-4 §8.3, SPC-4 §7.3): parameters in ascending order, made from a
//! [`DriveLog`].

use super::log::{DeviceStatus, DriveLog, Parameter, VolumeView};
use crate::generation::format_by_density;

/// A log page.
pub(super) struct LogPage {
    /// Page code.
    pub code: u8,
    /// Makes its parameters, ascending by code.
    pub parameters: fn(&DriveLog) -> Vec<Parameter>,
}

/// Page whose flags are cleared by reading it.
pub(super) const TAPE_ALERT: u8 = 0x2E;

/// All pages except 00h, ascending.
pub(super) static PAGES: &[LogPage] = &[
    LogPage {
        code: 0x0C,
        parameters: sequential_access,
    },
    LogPage {
        code: 0x11,
        parameters: device_status,
    },
    LogPage {
        code: 0x12,
        parameters: alert_response,
    },
    LogPage {
        code: 0x14,
        parameters: device_statistics,
    },
    LogPage {
        code: 0x17,
        parameters: volume_statistics,
    },
    LogPage {
        code: TAPE_ALERT,
        parameters: tape_alert,
    },
    LogPage {
        code: 0x31,
        parameters: tape_capacity,
    },
];

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
const UNKNOWN: u64 = u64::MAX;
/// How often a library should poll the drive's status, in milliseconds.
const STATUS_POLL_MS: u64 = 500;
const TAPE_ALERT_FLAGS: u16 = 64;
const CLEANING_NEEDED: u16 = 0x0100;

/// Page 0Ch, sequential access device. Parameter 6 and 7 are FFFFFFFFh when unknown.
fn sequential_access(log: &DriveLog) -> Vec<Parameter> {
    let bytes = |code, value| Parameter::counter(code, 8, value);
    let mb = |code, value: Option<u64>| {
        Parameter::counter(code, 4, value.map_or(UNKNOWN, |bytes| bytes / MB))
    };
    let volume = log.volume.as_ref();
    let first = volume.and_then(|volume| volume.partitions.first());
    vec![
        bytes(0x0000, log.host_written_bytes),
        bytes(0x0001, log.medium_written_bytes),
        bytes(0x0002, log.medium_read_bytes),
        bytes(0x0003, log.host_read_bytes),
        mb(0x0004, first.and_then(|partition| partition.used_bytes)),
        mb(0x0005, first.map(|partition| partition.capacity_bytes)),
        mb(0x0006, volume.map(|volume| volume.early_warning_zone_bytes)),
        mb(0x0007, volume.and_then(|volume| volume.position_bytes)),
        mb(0x0008, Some(log.buffer_bytes)),
        bytes(CLEANING_NEEDED, u64::from(log.cleaning_needed)),
    ]
}

/// Page 11h, DT device status: very high frequency data and how often to poll it.
fn device_status(log: &DriveLog) -> Vec<Parameter> {
    let flags = very_high_frequency(&log.status).to_vec();
    vec![
        Parameter::binary(0x0000, flags),
        Parameter::number(0x0001, 2, STATUS_POLL_MS),
    ]
}

/// Very high frequency data (ADC-3 §6.1.2.2).
fn very_high_frequency(status: &DeviceStatus) -> [u8; 4] {
    const DEVICE_INITIALIZED: u8 = 0x01;
    let bits = |pairs: &[(bool, u8)]| {
        pairs
            .iter()
            .filter(|(set, _)| *set)
            .fold(0, |byte, (_, mask)| byte | mask)
    };
    let first = bits(&[
        (status.removal_prevented, 0x80),
        (status.present, 0x20),
        (status.compression, 0x10),
        (status.write_protected, 0x08),
        (status.cleaning_requested, 0x04),
    ]);
    let second = bits(&[
        (status.in_transition, 0x80),
        (status.present, 0x10 | 0x04),
        (status.threaded, 0x02 | 0x01),
    ]);
    let alerts = bits(&[(status.alerts_changed, 0x01)]);
    [
        first | DEVICE_INITIALIZED,
        second,
        status.activity as u8,
        alerts,
    ]
}

/// Page 12h, TapeAlert response: all flags in one number; reading does not clear them.
fn alert_response(log: &DriveLog) -> Vec<Parameter> {
    vec![Parameter::number(0x0000, 8, log.alerts)]
}

/// Page 14h, device statistics.
fn device_statistics(log: &DriveLog) -> Vec<Parameter> {
    let life = &log.life;
    let count = |code, value| Parameter::counter(code, 4, value);
    vec![
        count(0x0000, life.loads),
        count(0x0001, life.cleanings),
        count(0x0002, life.power_on_hours.into()),
        count(0x0003, life.motion_hours.into()),
        count(0x0004, life.metres),
        count(0x000C, life.power_cycles.into()),
        count(0x000D, life.loads_since_reset.into()),
        count(0x000E, life.hard_write_errors.into()),
        count(0x000F, life.hard_read_errors.into()),
        Parameter::text(0x0040, 10, &log.serial),
        Parameter::text(0x0041, 10, &log.serial),
        Parameter::number(0x0080, 1, u64::from(log.status.removal_prevented)),
    ]
}

/// Page 17h, volume statistics. Without a volume only parameter 0: not valid.
fn volume_statistics(log: &DriveLog) -> Vec<Parameter> {
    let valid = Parameter::number(0x0000, 1, u64::from(log.volume.is_some()));
    let mut parameters = vec![valid];
    if let Some(volume) = &log.volume {
        parameters.extend(volume_parameters(volume));
    }
    parameters
}

fn volume_parameters(volume: &VolumeView) -> Vec<Parameter> {
    let mb = |bytes: u64| bytes / MB;
    let capacity: u64 = volume
        .partitions
        .iter()
        .map(|part| part.capacity_bytes)
        .sum();
    let used: Option<u64> = volume.partitions.iter().map(|part| part.used_bytes).sum();
    let personality = format_by_density(volume.density).map_or("", |format| format.personality);
    let number = Parameter::number;
    vec![
        Parameter::counter(0x0001, 4, volume.load_count),
        number(0x000E, 4, mb(volume.mount_written_bytes)),
        number(0x000F, 4, mb(volume.mount_read_bytes)),
        number(0x0010, 8, mb(volume.lifetime_written_bytes)),
        number(0x0011, 8, mb(volume.lifetime_read_bytes)),
        number(0x0016, 4, mb(capacity)),
        number(0x0017, 4, used.map_or(UNKNOWN, mb)),
        Parameter::text(0x0040, 32, &volume.serial),
        Parameter::text(0x0042, 32, &volume.barcode),
        Parameter::text(0x0043, 8, &volume.manufacturer),
        Parameter::text(0x0045, 9, personality),
        number(0x0080, 1, u64::from(volume.write_protected)),
        number(0x0081, 1, u64::from(volume.worm)),
        partition_records(0x0202, volume, |capacity, _| Some(capacity)),
        partition_records(0x0203, volume, |_, used| used),
        partition_records(0x0204, volume, |capacity, used| {
            Some(capacity.saturating_sub(used?))
        }),
    ]
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

/// Page 2Eh, TapeAlert: one parameter per flag.
fn tape_alert(log: &DriveLog) -> Vec<Parameter> {
    let flag = |number: u16| log.alerts >> (TAPE_ALERT_FLAGS - number) & 1;
    (1..=TAPE_ALERT_FLAGS)
        .map(|number| Parameter::fixed(number, 1, flag(number)))
        .collect()
}

/// Page 31h, tape capacity in MiB: remaining and maximum, partition 0 and 1.
fn tape_capacity(log: &DriveLog) -> Vec<Parameter> {
    let partition = |index: usize| {
        let found = log
            .volume
            .as_ref()
            .and_then(|volume| volume.partitions.get(index));
        found.copied().unwrap_or_default()
    };
    let (main, alternate) = (partition(0), partition(1));
    let remaining = |part: super::log::PartitionView| {
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
