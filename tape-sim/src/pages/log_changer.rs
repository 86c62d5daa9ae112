//! Log pages of the changer (SPC-4 §7.3, SMC-3 §7.2): which there are, and TapeAlert.

use super::log::{Parameter, framed};
use crate::sense::Sense;
use crate::target::be16;

const PAGE_CODE: u8 = 0x3F;
const SUPPORTED_PAGES: u8 = 0x00;
/// Page whose flags are cleared by reading it.
pub const TAPE_ALERT: u8 = 0x2E;
const TAPE_ALERT_FLAGS: u16 = 64;

/// TapeAlert flags that the library raises (SMC-3 annex A).
pub mod alert {
    /// Library hardware A: the robot has failed and may need a reset.
    pub const HARDWARE_A: u8 = 0x01;
    /// The front door is open.
    pub const DOOR: u8 = 0x10;
    /// The mail slot is open or has failed.
    pub const MAIL_SLOT: u8 = 0x11;
    /// A magazine is missing.
    pub const MAGAZINE: u8 = 0x12;
}

/// Reply to LOG SENSE; `alerts` has flag 1 as its most significant bit.
///
/// # Errors
///
/// 05/24/00 for an unknown page or subpage, or a parameter pointer beyond the page's last
/// parameter.
pub fn reply(alerts: u64, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    let [selector, subpage] = be16(cdb, 2).to_be_bytes();
    let (code, pointer) = (selector & PAGE_CODE, be16(cdb, 5));
    let (last, body) = match code {
        SUPPORTED_PAGES => (0, vec![SUPPORTED_PAGES, TAPE_ALERT]),
        TAPE_ALERT => (TAPE_ALERT_FLAGS, tape_alert(alerts, pointer)),
        _ => return Err(Sense::invalid_cdb_field(2, Some(5))),
    };
    if subpage != 0 {
        return Err(Sense::invalid_cdb_field(3, None));
    }
    if pointer > last {
        return Err(Sense::invalid_cdb_field(5, None));
    }
    Ok(framed(code, 0, body))
}

/// Page 2Eh: one parameter per flag, from `pointer` on.
fn tape_alert(alerts: u64, pointer: u16) -> Vec<u8> {
    let mut body = Vec::new();
    for number in pointer.max(1)..=TAPE_ALERT_FLAGS {
        let flag = alerts >> (TAPE_ALERT_FLAGS - number) & 1;
        Parameter::fixed(number, 1, flag).push_to(&mut body);
    }
    body
}
