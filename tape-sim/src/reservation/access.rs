//! What each command asks of a reservation (SPC-4 table 66, SSC-4 table 17, SMC-3 table 12).
//!
//! What only tells of the unit passes every reservation. What moves no data onto the medium and
//! changes nothing for others passes those that leave reading to all.

/// What a command asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Free,
    /// To read, or to move the tape for it.
    Reading,
    /// To change something.
    Writing,
    /// RESERVE.
    Reserve,
    /// RELEASE.
    Release,
    /// PERSISTENT RESERVE IN or OUT, which has rules of its own.
    Persistent,
}

const PREVENT: u8 = 0x03;
/// READ ELEMENT STATUS byte 6: what is known will do, nothing need move.
const CURRENT_DATA: u8 = 0x02;

/// What drive and changer have in common; `None` for commands that they do not.
fn common(cdb: &[u8]) -> Option<Access> {
    let byte = |at: usize| cdb.get(at).copied().unwrap_or(0);
    Some(match byte(0) {
        0x03 | 0x12 | 0x4D | 0xA0 | 0xA3 => Access::Free,
        0x1E if byte(4) & PREVENT == 0 => Access::Free,
        0x00 | 0x1A | 0x5A | 0x8C => Access::Reading,
        0x16 | 0x56 => Access::Reserve,
        0x17 | 0x57 => Access::Release,
        0x5E | 0x5F => Access::Persistent,
        _ => return None,
    })
}

/// What a command asks of the drive.
pub fn of_drive(cdb: &[u8]) -> Access {
    common(cdb).unwrap_or(match cdb.first() {
        // READ BLOCK LIMITS, REPORT DENSITY SUPPORT.
        Some(0x05 | 0x44) => Access::Free,
        // REWIND, READ, SPACE, VERIFY, LOCATE, READ POSITION, SECURITY PROTOCOL IN.
        Some(0x01 | 0x08 | 0x11 | 0x13 | 0x2B | 0x34) => Access::Reading,
        Some(0x88 | 0x8F | 0x91 | 0x92 | 0xA2) => Access::Reading,
        _ => Access::Writing,
    })
}

/// What a command asks of the changer.
pub fn of_changer(cdb: &[u8]) -> Access {
    common(cdb).unwrap_or(match cdb.first() {
        Some(0xB8) if cdb.get(6).is_some_and(|flags| flags & CURRENT_DATA != 0) => Access::Free,
        // READ ELEMENT STATUS, REQUEST VOLUME ELEMENT ADDRESS.
        Some(0xB8 | 0xB5) => Access::Reading,
        _ => Access::Writing,
    })
}
