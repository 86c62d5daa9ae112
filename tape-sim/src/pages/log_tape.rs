//! The drive's log pages (SSC-4 §8.3, SPC-4 §7.3): parameters in ascending order, made from a
//! [`DriveLog`]. Pages about the volume and its use are in `log_usage`.

use super::log::{DeviceStatus, Diagnostic, DriveLog, ErrorCounters, Parameter};
use super::log_usage;

/// A log page.
pub(super) struct LogPage {
    /// Page code.
    pub code: u8,
    /// Makes its parameters, ascending by code.
    pub parameters: fn(&DriveLog) -> Vec<Parameter>,
    /// LOG SELECT may reset it: what it counts is not the life of drive or medium.
    pub resettable: bool,
}

/// Page codes that others need to know.
pub(super) mod page {
    pub const WRITE_ERRORS: u8 = 0x02;
    pub const READ_ERRORS: u8 = 0x03;
    pub const NON_MEDIUM_ERRORS: u8 = 0x06;
    /// Page whose flags are cleared by reading it.
    pub const TAPE_ALERT: u8 = 0x2E;
}

const fn life(code: u8, parameters: fn(&DriveLog) -> Vec<Parameter>) -> LogPage {
    LogPage {
        code,
        parameters,
        resettable: false,
    }
}

const fn resettable(code: u8, parameters: fn(&DriveLog) -> Vec<Parameter>) -> LogPage {
    LogPage {
        code,
        parameters,
        resettable: true,
    }
}

/// All pages except 00h, ascending.
pub(super) static PAGES: &[LogPage] = &[
    resettable(page::WRITE_ERRORS, write_errors),
    resettable(page::READ_ERRORS, read_errors),
    resettable(page::NON_MEDIUM_ERRORS, non_medium_errors),
    resettable(0x0C, sequential_access),
    life(0x11, device_status),
    life(0x12, alert_response),
    life(0x14, device_statistics),
    life(0x16, diagnostics),
    life(0x17, log_usage::volume_statistics),
    resettable(0x1B, log_usage::data_compression),
    resettable(page::TAPE_ALERT, tape_alert),
    life(0x30, log_usage::tape_usage),
    life(0x31, log_usage::tape_capacity),
    resettable(0x32, log_usage::compression_totals),
];

const MB: u64 = 1_000_000;
const UNKNOWN: u64 = u64::MAX;
/// How often a library should poll the drive's status, in milliseconds.
const STATUS_POLL_MS: u64 = 500;
const TAPE_ALERT_FLAGS: u16 = 64;
const CLEANING_NEEDED: u16 = 0x0100;

/// Page 02h, errors in writing.
fn write_errors(log: &DriveLog) -> Vec<Parameter> {
    let mut parameters = error_counters(&log.write_errors);
    // Two counters of unpublished meaning that follow on real drives, zero in their captures.
    parameters.push(Parameter::counter(0x8000, 8, 0));
    parameters.push(Parameter::counter(0x8001, 4, 0));
    parameters
}

/// Page 03h, errors in reading.
fn read_errors(log: &DriveLog) -> Vec<Parameter> {
    error_counters(&log.read_errors)
}

/// Error counters (SPC-4 §7.3.5); bytes processed take six bytes, as captured.
fn error_counters(errors: &ErrorCounters) -> Vec<Parameter> {
    let count = |code, value| Parameter::counter(code, 4, value);
    vec![
        count(0x0000, errors.corrected_at_once),
        count(0x0001, errors.corrected_later),
        count(0x0002, errors.retries),
        count(0x0003, errors.corrected),
        count(0x0004, errors.algorithm_runs),
        Parameter::counter(0x0005, 6, errors.processed_bytes),
        count(0x0006, errors.uncorrected),
    ]
}

/// Page 06h, errors that no medium was part of.
fn non_medium_errors(log: &DriveLog) -> Vec<Parameter> {
    vec![Parameter::counter(0x0000, 4, log.non_medium_errors)]
}

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
        (status.cleaning_required, 0x02),
    ]);
    let second = bits(&[
        (status.in_transition, 0x80),
        (status.robot_may_reach_in, 0x20),
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
        count(0x0005, life.motion_hours_at_incompatible.into()),
        count(0x0008, life.motion_hours_since_cleanings[0].into()),
        count(0x0009, life.motion_hours_since_cleanings[1].into()),
        count(0x000A, life.motion_hours_since_cleanings[2].into()),
        count(0x000C, life.power_cycles.into()),
        count(0x000D, life.loads_since_reset.into()),
        count(0x000E, life.hard_write_errors.into()),
        count(0x000F, life.hard_read_errors.into()),
        Parameter::text(0x0040, 10, &log.serial),
        Parameter::text(0x0041, 10, &log.serial),
        Parameter::number(0x0080, 1, u64::from(log.status.removal_prevented)),
        Parameter::number(0x0081, 1, 0),
    ]
}

/// Page 16h, tape diagnostic data (SSC-4 §8.3.6): the latest hard errors, the newest first.
fn diagnostics(log: &DriveLog) -> Vec<Parameter> {
    let numbered = (0u16..).zip(&log.diagnostics);
    numbered
        .map(|(code, diagnostic)| Parameter::binary(code, diagnostic_data(diagnostic)))
        .collect()
}

/// One error; offsets count from the end of the parameter's four-byte head.
fn diagnostic_data(diagnostic: &Diagnostic) -> Vec<u8> {
    const DENSITY_AT: usize = 2;
    const MOTION_HOURS_AT: usize = 4;
    const SENSE_AT: usize = 9;
    const REPEAT: u8 = 0x80;
    const HOURS_SINCE_CLEANING_AT: usize = 20;
    const COMMAND_AT: usize = 24;
    const MEDIUM_AT: usize = 28;
    const MEDIUM_BYTES: usize = 32;
    const ORIGIN_AT: usize = 60;
    const TIMESTAMP_AT: usize = 62;
    const BYTES: usize = 68;
    let mut data = vec![0; BYTES];
    let mut put = |at: usize, bytes: &[u8]| data[at..at + bytes.len()].copy_from_slice(bytes);
    put(DENSITY_AT, &[diagnostic.density, diagnostic.medium_type]);
    put(MOTION_HOURS_AT, &diagnostic.motion_hours.to_be_bytes());
    put(SENSE_AT, &diagnostic.sense);
    if diagnostic.repeated {
        put(SENSE_AT, &[diagnostic.sense[0] | REPEAT]);
    }
    let since_cleaning = diagnostic.hours_since_cleaning.to_be_bytes();
    put(HOURS_SINCE_CLEANING_AT, &since_cleaning);
    put(COMMAND_AT, &diagnostic.command);
    let mut medium = Vec::new();
    super::push_padded(&mut medium, &diagnostic.medium_serial, MEDIUM_BYTES);
    put(MEDIUM_AT, &medium);
    put(ORIGIN_AT, &[diagnostic.timestamp_origin & 0x07]);
    put(TIMESTAMP_AT, &diagnostic.timestamp_ms.to_be_bytes()[2..]);
    data
}

/// Page 2Eh, TapeAlert: one parameter per flag.
fn tape_alert(log: &DriveLog) -> Vec<Parameter> {
    let flag = |number: u16| log.alerts >> (TAPE_ALERT_FLAGS - number) & 1;
    (1..=TAPE_ALERT_FLAGS)
        .map(|number| Parameter::fixed(number, 1, flag(number)))
        .collect()
}
