//! LOG SENSE and LOG SELECT (SPC-4 §6.7, §6.8): finding the page, the parameter pointer, the
//! parameter framing. The pages themselves are in `log_tape` and `log_usage`, what they show in
//! `log_view`.

use super::log_tape::{PAGES, page};
pub(crate) use super::log_usage::LOADS_OF_A_LIFE;
pub use super::log_view::{
    Activity, DeviceStatus, Diagnostic, DriveLife, DriveLog, ErrorCounters, PartitionView, Usage,
    VolumeView,
};
use crate::sense::{self, Sense};
use crate::target::be16;

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

/// Reply to LOG SENSE. There are no thresholds and the values are the same whatever page control
/// asks for: programs read pages 2Eh and 31h with PC 0 and expect the flags and capacities.
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
            Some(listed) => (listed.parameters)(log),
        },
    };
    // A page may be empty (no hard error yet); then only the pointer 0 is in range.
    if parameters.last().map_or(0, |last| last.code) < pointer {
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
        clears_alerts: code == page::TAPE_ALERT,
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

/// What LOG SELECT is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogChanges {
    /// Codes of the pages to be set to zero.
    pub reset_pages: Vec<u8>,
    /// Error counters to be set: page code, parameter code, value.
    pub counters: Vec<(u8, u16, u64)>,
}

/// LOG SELECT byte 1.
const RESET: u8 = 0x02;
const PAGE_CONTROL_SHIFT: u32 = 6;
/// Page control: cumulative values, and their defaults.
const CUMULATIVE: u8 = 1;
const DEFAULT_CUMULATIVE: u8 = 3;
/// Header of a page and of a parameter.
const HEADER_BYTES: usize = 4;

/// Takes LOG SELECT with parameter list `list` apart. Without a list, PCR or page control 3
/// resets a page, or all that can be reset; a list sets counters of pages 02h, 03h and 06h.
///
/// # Errors
///
/// 05/24/00 for PCR with a list, an unknown page, or thresholds, which the drive does not keep;
/// 05/1A/00 for a cut list; 05/26/00 for a parameter that no host can set, or of another length.
pub fn select(log: &DriveLog, cdb: &[u8], list: &[u8]) -> Result<LogChanges, Sense> {
    let [flags, selector] = be16(cdb, 1).to_be_bytes();
    let (control, code) = (selector >> PAGE_CONTROL_SHIFT, selector & PAGE_CODE);
    let reset = flags & RESET != 0;
    if list.is_empty() {
        if code != SUPPORTED_PAGES && !PAGES.iter().any(|page| page.code == code) {
            return Err(Sense::invalid_cdb_field(2, Some(5)));
        }
        let mut changes = LogChanges::default();
        if reset || control == DEFAULT_CUMULATIVE {
            let chosen = |page: u8| code == SUPPORTED_PAGES || page == code;
            let pages = PAGES.iter().filter(|page| page.resettable);
            changes.reset_pages = pages.map(|page| page.code).filter(|p| chosen(*p)).collect();
        }
        return Ok(changes);
    }
    if reset {
        return Err(Sense::invalid_cdb_field(1, Some(1)));
    }
    if control != CUMULATIVE {
        return Err(Sense::invalid_cdb_field(2, Some(7)));
    }
    if code != SUPPORTED_PAGES {
        return Err(Sense::invalid_cdb_field(2, Some(5)));
    }
    parse_counters(log, list)
}

fn parse_counters(log: &DriveLog, list: &[u8]) -> Result<LogChanges, Sense> {
    let cut = Sense::illegal(sense::PARAMETER_LIST_LENGTH);
    let mut changes = LogChanges::default();
    let mut at = 0;
    while at < list.len() {
        let header = list.get(at..at + HEADER_BYTES).ok_or(cut)?;
        let code = header[0] & PAGE_CODE;
        let settable = [
            page::WRITE_ERRORS,
            page::READ_ERRORS,
            page::NON_MEDIUM_ERRORS,
        ];
        let known = PAGES.iter().find(|page| page.code == code);
        let known = known.filter(|page| settable.contains(&page.code) && header[1] == 0);
        let known = known.ok_or(Sense::invalid_parameter(at, Some(5)))?;
        let parameters = (known.parameters)(log);
        let end = at + HEADER_BYTES + usize::from(be16(header, 2));
        at += HEADER_BYTES;
        let body_end = list.get(..end).ok_or(cut)?.len();
        while at < body_end {
            let head = list[..body_end].get(at..at + HEADER_BYTES).ok_or(cut)?;
            let value_at = at + HEADER_BYTES;
            let value = list[..body_end].get(value_at..value_at + usize::from(head[3]));
            let value = value.ok_or(cut)?;
            let wanted = be16(head, 0);
            let found = parameters.iter().find(|own| own.code == wanted);
            let found = found.ok_or(Sense::invalid_parameter(at, None))?;
            if found.value.len() != value.len() {
                return Err(Sense::invalid_parameter(at + 3, None));
            }
            let number = value.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
            changes.counters.push((code, wanted, number));
            at = value_at + value.len();
        }
    }
    Ok(changes)
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
