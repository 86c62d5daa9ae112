//! What the drive's log pages show, and LOG SENSE (SPC-4 §6.8): finding the page, the parameter
//! pointer, the parameter framing. The pages themselves are in `log_tape`.

use super::log_tape::{self, PAGES};
use crate::sense::Sense;
use crate::target::be16;

/// Capacity and use of one partition in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Native capacity from BOP to early warning.
    pub capacity_bytes: u64,
    /// From BOP to EOD; `None` when EOD is missing.
    pub used_bytes: Option<u64>,
}

/// The mounted volume, for pages 0Ch, 17h and 31h.
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
    /// Bytes written to the medium in its life.
    pub lifetime_written_bytes: u64,
    /// Bytes read from the medium in its life.
    pub lifetime_read_bytes: u64,
    /// Bytes written to the medium since it was loaded.
    pub mount_written_bytes: u64,
    /// Bytes read from the medium since it was loaded.
    pub mount_read_bytes: u64,
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

/// A LOG SENSE reply, before truncation to the allocation length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReply {
    /// The page.
    pub data: Vec<u8>,
    /// The page was 2Eh: its flags are cleared by reading them.
    pub clears_alerts: bool,
}

const PAGE_CODE: u8 = 0x3F;
const SUBPAGE_FORMAT: u8 = 0x40;
/// Subpage that lists subpages (page 00h) or stands for all of them.
const ALL_SUBPAGES: u8 = 0xFF;
const SUPPORTED_PAGES: u8 = 0x00;

/// Reply to LOG SENSE. Threshold, cumulative and default values are the same.
///
/// # Errors
///
/// 05/24/00 for an unknown page or subpage, or a parameter pointer beyond the page's last
/// parameter.
pub fn reply(log: &DriveLog, cdb: &[u8]) -> Result<LogReply, Sense> {
    let [selector, subpage] = be16(cdb, 2).to_be_bytes();
    let code = selector & PAGE_CODE;
    let pointer = be16(cdb, 5);
    let listed = PAGES.iter().find(|page| page.code == code);
    let parameters = match (code, subpage) {
        (SUPPORTED_PAGES, 0) => return supported(pointer, false),
        (SUPPORTED_PAGES, ALL_SUBPAGES) => return supported(pointer, true),
        (SUPPORTED_PAGES, _) => return Err(Sense::invalid_cdb_field(3, None)),
        _ => match listed {
            None => return Err(Sense::invalid_cdb_field(2, Some(5))),
            Some(_) if subpage != 0 => return Err(Sense::invalid_cdb_field(3, None)),
            Some(page) => (page.parameters)(log),
        },
    };
    if parameters.last().is_none_or(|last| last.code < pointer) {
        return Err(Sense::invalid_cdb_field(5, None));
    }
    let mut body = Vec::new();
    for parameter in parameters
        .iter()
        .filter(|parameter| parameter.code >= pointer)
    {
        parameter.push_to(&mut body);
    }
    Ok(LogReply {
        data: framed(code, 0, body),
        clears_alerts: code == log_tape::TAPE_ALERT,
    })
}

/// Page 00h: the codes of all pages; with subpages as pairs of page and subpage code.
fn supported(pointer: u16, subpages: bool) -> Result<LogReply, Sense> {
    if pointer != 0 {
        return Err(Sense::invalid_cdb_field(5, None));
    }
    let codes = PAGES.iter().map(|page| page.code);
    let data = if subpages {
        let body = [0x00, 0x00, 0x00, ALL_SUBPAGES].into_iter();
        let body = body.chain(codes.flat_map(|code| [code, 0])).collect();
        framed(SUPPORTED_PAGES | SUBPAGE_FORMAT, ALL_SUBPAGES, body)
    } else {
        framed(
            SUPPORTED_PAGES,
            0,
            [SUPPORTED_PAGES].into_iter().chain(codes).collect(),
        )
    };
    Ok(LogReply {
        data,
        clears_alerts: false,
    })
}

pub(super) fn framed(code: u8, subpage: u8, mut body: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("no page comes near 64 KiB");
    let mut data = vec![code, subpage];
    data.extend_from_slice(&len.to_be_bytes());
    data.append(&mut body);
    data
}

/// A log parameter (SPC-4 §7.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Parameter code.
    pub code: u16,
    control: u8,
    value: Vec<u8>,
}

impl Parameter {
    /// A counter of `width` bytes, saturating.
    pub fn counter(code: u16, width: usize, value: u64) -> Self {
        Self {
            code,
            control: 0x40,
            value: saturated(value, width),
        }
    }

    /// A number in binary format, not a counter, of `width` bytes, saturating.
    pub fn number(code: u16, width: usize, value: u64) -> Self {
        Self {
            code,
            control: 0x43,
            value: saturated(value, width),
        }
    }

    /// Bytes in binary format.
    pub fn binary(code: u16, value: Vec<u8>) -> Self {
        Self {
            code,
            control: 0x43,
            value,
        }
    }

    /// Text padded with spaces to `width` characters.
    pub fn text(code: u16, width: usize, text: &str) -> Self {
        let mut value = Vec::new();
        super::push_padded(&mut value, text, width);
        Self {
            code,
            control: 0x41,
            value,
        }
    }

    /// The same, with the update of the parameter by the host disabled (DU): pages 2Eh and 31h.
    pub fn fixed(code: u16, width: usize, value: u64) -> Self {
        Self {
            code,
            control: 0xC0,
            value: saturated(value, width),
        }
    }

    pub(super) fn push_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.to_be_bytes());
        out.extend_from_slice(&[self.control, self.value.len() as u8]);
        out.extend_from_slice(&self.value);
    }
}

/// The last `width` bytes (at most 8) of `value`; all ones if it needs more.
fn saturated(value: u64, width: usize) -> Vec<u8> {
    let fits = width >= 8 || value >> (8 * width) == 0;
    let value = if fits { value } else { u64::MAX };
    value.to_be_bytes()[8 - width.min(8)..].to_vec()
}
