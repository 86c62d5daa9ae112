//! What the drive's log pages show: plain values, from which the pages are made.

use serde::{Deserialize, Serialize};

/// Capacity and use of one partition in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Native capacity from BOP to early warning.
    pub capacity_bytes: u64,
    /// From BOP to EOD; `None` when EOD is missing.
    pub used_bytes: Option<u64>,
}

/// The mounted volume, for pages 0Ch, 17h, 30h and 31h.
#[derive(Debug, Clone, Default)]
pub struct VolumeView {
    /// Partitions in order, at least one.
    pub partitions: Vec<PartitionView>,
    /// Distance from early warning to the end of the partition in bytes.
    pub early_warning_zone_bytes: u64,
    /// Distance of the current position from BOP in bytes, if known.
    pub position_bytes: Option<u64>,
    /// Serial number of the medium.
    pub serial: String,
    /// Manufacturer of the medium.
    pub manufacturer: String,
    /// Barcode as the library handed it over.
    pub barcode: String,
    /// Density code of the recording, which names the volume's personality.
    pub density: u8,
    /// WORM medium.
    pub worm: bool,
    /// Write-protected by tab or mode.
    pub write_protected: bool,
    /// Loads in the medium's life.
    pub load_count: u64,
    /// Use in the medium's life, this load included.
    pub lifetime: Usage,
    /// Use since the medium was loaded.
    pub mount: Usage,
    /// Loads in which the medium was written.
    pub write_mounts: u64,
    /// First encrypted object of each partition, and first plain one after it (page 17h 0200h
    /// and 0201h); all ones if there is none.
    pub encryption_bounds: Vec<[u64; 2]>,
    /// Vendor (8) and serial number (32) of the last drives, latest first (page 17h 0300h).
    pub drives: Vec<Vec<u8>>,
}

/// What was done with a medium over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes repeated elsewhere on the tape.
    pub write_retries: u64,
    /// Reads repeated.
    pub read_retries: u64,
    /// Writes that failed for good.
    pub unrecovered_writes: u64,
    /// Reads that failed for good.
    pub unrecovered_reads: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            written_bytes: self.written_bytes.saturating_add(other.written_bytes),
            read_bytes: self.read_bytes.saturating_add(other.read_bytes),
            write_retries: self.write_retries.saturating_add(other.write_retries),
            read_retries: self.read_retries.saturating_add(other.read_retries),
            unrecovered_writes: self
                .unrecovered_writes
                .saturating_add(other.unrecovered_writes),
            unrecovered_reads: self
                .unrecovered_reads
                .saturating_add(other.unrecovered_reads),
        }
    }
}

/// Error counters of one direction since power on or the last LOG SELECT (pages 02h and 03h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorCounters {
    /// Corrected by the error correcting code, without delay.
    pub corrected_at_once: u64,
    /// Corrected by repeating, which cost time.
    pub corrected_later: u64,
    /// Rewrites or rereads.
    pub retries: u64,
    /// Corrected one way or the other.
    pub corrected: u64,
    /// Times the correction algorithm ran.
    pub algorithm_runs: u64,
    /// Bytes processed.
    pub processed_bytes: u64,
    /// Not corrected.
    pub uncorrected: u64,
}

/// One hard error as page 16h remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Diagnostic {
    /// Density code of the medium, 0 without one.
    pub density: u8,
    /// Medium type, 0 without a medium.
    pub medium_type: u8,
    /// Hours of tape motion in the drive's life.
    pub motion_hours: u32,
    /// Sense key, ASC and ASCQ.
    pub sense: [u8; 3],
    /// The same condition had been recorded just before.
    pub repeated: bool,
    /// Hours of tape motion since the last cleaning.
    pub hours_since_cleaning: u32,
    /// Operation code and service action of the command that failed.
    pub command: [u8; 2],
    /// Serial number of the medium.
    pub medium_serial: String,
    /// Time in milliseconds, of the origin that REPORT TIMESTAMP names.
    pub timestamp_ms: u64,
    /// That origin: 0 power on, 2 set by a host.
    pub timestamp_origin: u8,
}

/// What the drive is doing (page 11h parameter 0, byte 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Activity {
    #[default]
    Idle = 0x00,
    Cleaning = 0x01,
    Loading = 0x02,
    Unloading = 0x03,
    Other = 0x04,
    Reading = 0x05,
    Writing = 0x06,
    Locating = 0x07,
    Rewinding = 0x08,
    Erasing = 0x09,
    Formatting = 0x0A,
    Calibrating = 0x0B,
}

/// Very high frequency data of the drive (page 11h parameter 0).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceStatus {
    /// PAMR: removal is prevented by a host.
    pub removal_prevented: bool,
    /// A cartridge is in the drive, seated (MPRSNT, MSTD, MACC).
    pub present: bool,
    /// The tape is threaded (MTHRD, MOUNTED).
    pub threaded: bool,
    /// WRTP: the medium is write-protected.
    pub write_protected: bool,
    /// CMPR: writes are compressed.
    pub compression: bool,
    /// CRQST: cleaning is asked for.
    pub cleaning_requested: bool,
    /// CRQRD: the drive can no longer do without cleaning.
    pub cleaning_required: bool,
    /// RAA: the robot may reach in, to bring a cartridge or to take one.
    pub robot_may_reach_in: bool,
    /// INXTN: the cartridge is moving in or out.
    pub in_transition: bool,
    /// What the drive is doing.
    pub activity: Activity,
    /// TAFC: TapeAlert flags changed since they were read.
    pub alerts_changed: bool,
}

/// What the drive has done in its life (page 14h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriveLife {
    /// Cartridges loaded.
    pub loads: u64,
    /// Cleanings.
    pub cleanings: u64,
    /// Hours powered.
    pub power_on_hours: u32,
    /// Hours in which tape moved.
    pub motion_hours: u32,
    /// Metres of tape moved.
    pub metres: u64,
    /// Times the power came on.
    pub power_cycles: u32,
    /// Hours of motion when a cartridge was last loaded that the drive cannot use.
    pub motion_hours_at_incompatible: u32,
    /// Hours of motion since the last cleaning, the one before it, and the one before that.
    pub motion_hours_since_cleanings: [u32; 3],
    /// Cartridges loaded since the last reset.
    pub loads_since_reset: u32,
    /// Unrecovered write errors.
    pub hard_write_errors: u32,
    /// Unrecovered read errors.
    pub hard_read_errors: u32,
}

/// Everything that the drive's log pages show.
#[derive(Debug, Clone, Default)]
pub struct DriveLog {
    /// Bytes taken from hosts by WRITEs since power on.
    pub host_written_bytes: u64,
    /// Bytes put on media since power on.
    pub medium_written_bytes: u64,
    /// Bytes taken from media since power on.
    pub medium_read_bytes: u64,
    /// Bytes given to hosts by READs since power on.
    pub host_read_bytes: u64,
    /// Size of the data buffer.
    pub buffer_bytes: u64,
    /// Cleaning needed (0Ch parameter 0100h).
    pub cleaning_needed: bool,
    /// Errors in writing (page 02h).
    pub write_errors: ErrorCounters,
    /// Errors in reading (page 03h).
    pub read_errors: ErrorCounters,
    /// Errors that had nothing to do with a medium (page 06h).
    pub non_medium_errors: u64,
    /// Hard errors, latest first (page 16h).
    pub diagnostics: Vec<Diagnostic>,
    /// Device status.
    pub status: DeviceStatus,
    /// TapeAlert flags, the most significant bit is flag 1.
    pub alerts: u64,
    /// Life counters.
    pub life: DriveLife,
    /// Serial number of the drive.
    pub serial: String,
    /// The mounted volume.
    pub volume: Option<VolumeView>,
}
