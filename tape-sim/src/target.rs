//! The seam where commands enter: CDB and data go down, status and sense come back.
//!
//! Also holds what every command set needs to take a CDB apart: big-endian fields
//! and the check of length and reserved bits. Knows no command.

use crate::sense::{self, Sense};
use serde::{Deserialize, Serialize};

/// Data phase of one command, in the host's terms.
#[derive(Debug)]
pub enum Data<'a> {
    /// No data phase.
    None,
    /// The device sends; the slice is the host's buffer.
    In(&'a mut [u8]),
    /// The host sends.
    Out(&'a [u8]),
    /// From the initiator to the device, in pieces, best of one block each: WRITE alone takes
    /// them.
    Blocks(&'a [std::io::IoSlice<'a>]),
}

/// SCSI status bytes that the simulator returns (SAM-5 §5.3).
pub mod status {
    /// The command completed; no sense data.
    pub const GOOD: u8 = 0x00;
    /// Sense data says what happened.
    pub const CHECK_CONDITION: u8 = 0x02;
    /// Another nexus holds a reservation.
    pub const RESERVATION_CONFLICT: u8 = 0x18;
    /// The command ended without an answer of its own.
    pub const TASK_ABORTED: u8 = 0x40;
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Status byte, see [`status`].
    pub status: u8,
    /// Autosense: empty unless the status is CHECK CONDITION.
    pub sense: Vec<u8>,
    /// Bytes moved in the data phase, in either direction.
    pub transferred_bytes: usize,
    /// False: no answer comes. The host's path waits until its time is up; whether the command
    /// was executed it cannot know. A path that waits no longer ends it with the status here,
    /// which is TASK ABORTED.
    pub answered: bool,
}

impl Completion {
    /// The device does not answer.
    #[must_use]
    pub fn no_answer() -> Self {
        Completion {
            status: status::TASK_ABORTED,
            sense: Vec::new(),
            transferred_bytes: 0,
            answered: false,
        }
    }
}

/// An I_T nexus: one initiator as the unit sees it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nexus(pub u8);

impl Nexus {
    /// The host whose commands come by [`Target::execute`].
    pub const HOST: Nexus = Nexus(0);
}

/// A logical unit: executes one command at a time.
pub trait Target: Send {
    /// Executes `cdb`. Never panics, whatever the bytes; a failure is a status with sense.
    fn execute(&mut self, cdb: &[u8], data: Data<'_>) -> Completion;
}

/// Why a command did not end with GOOD, together with the bytes it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// CHECK CONDITION. Data may have been moved (a short block, early warning).
    Check {
        /// What the sense data will say.
        sense: Sense,
        /// Bytes moved before or in spite of the condition.
        transferred_bytes: usize,
    },
    /// RESERVATION CONFLICT.
    ReservationConflict,
}

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Refusal::Check {
            sense,
            transferred_bytes: 0,
        }
    }
}

/// What a command handler returns: the bytes moved, or why not GOOD.
pub type Reply = Result<usize, Refusal>;

/// Turns a handler's reply into a completion; `descriptor_sense` is D_SENSE of mode page 0A.
pub fn complete(reply: Reply, descriptor_sense: bool) -> Completion {
    match reply {
        Ok(transferred_bytes) => Completion {
            status: status::GOOD,
            sense: Vec::new(),
            transferred_bytes,
            answered: true,
        },
        Err(Refusal::ReservationConflict) => Completion {
            status: status::RESERVATION_CONFLICT,
            sense: Vec::new(),
            transferred_bytes: 0,
            answered: true,
        },
        Err(Refusal::Check {
            sense,
            transferred_bytes,
        }) => Completion {
            status: status::CHECK_CONDITION,
            sense: sense.to_bytes(descriptor_sense),
            transferred_bytes,
            answered: true,
        },
    }
}

/// Sends `reply` cut to the allocation length and the host's buffer: a short one is no error.
///
/// # Errors
///
/// 0B/4B/00 when the command came without a data-in phase although it asked for bytes.
pub fn send(data: Data<'_>, reply: &[u8], allocation_bytes: usize) -> Reply {
    let wanted = reply.len().min(allocation_bytes);
    match data {
        Data::In(buffer) => {
            let len = wanted.min(buffer.len());
            buffer[..len].copy_from_slice(&reply[..len]);
            Ok(len)
        }
        _ if wanted == 0 => Ok(0),
        _ => Err(Sense::new(sense::key::ABORTED_COMMAND, sense::DATA_PHASE_ERROR).into()),
    }
}

/// The host's data of a command whose CDB announces `len` bytes.
///
/// # Errors
///
/// 0B/4B/00 when fewer bytes came than the CDB says.
pub fn receive(data: Data<'_>, len: usize) -> Result<&[u8], Refusal> {
    match data {
        _ if len == 0 => Ok(&[]),
        Data::Out(bytes) if bytes.len() >= len => Ok(&bytes[..len]),
        _ => Err(Sense::new(sense::key::ABORTED_COMMAND, sense::DATA_PHASE_ERROR).into()),
    }
}

/// Refuses bits that `usage` does not allow: `usage` is the CDB usage map that
/// REPORT SUPPORTED OPERATION CODES returns, byte 0 being the opcode.
///
/// # Errors
///
/// 05/24/00 whose field pointer names the first offending byte and its highest bad bit;
/// 05/20/00 when `cdb` is not as long as `usage`.
pub fn check_reserved(cdb: &[u8], usage: &[u8]) -> Result<(), Sense> {
    if cdb.len() != usage.len() {
        return Err(Sense::illegal(sense::INVALID_OPCODE));
    }
    for (at, (byte, allowed)) in cdb.iter().zip(usage).enumerate().skip(1) {
        let bad = byte & !allowed;
        if bad != 0 {
            // `bad` is not zero, so its highest set bit exists and fits u8.
            let bit = 7 - bad.leading_zeros() as u8;
            return Err(Sense::invalid_cdb_field(at, Some(bit)));
        }
    }
    Ok(())
}

/// Big-endian u16 at `at`; bytes beyond the end read as zero.
pub fn be16(bytes: &[u8], at: usize) -> u16 {
    be(bytes, at, 2) as u16
}

/// Big-endian u24 at `at`; bytes beyond the end read as zero.
pub fn be24(bytes: &[u8], at: usize) -> u32 {
    be(bytes, at, 3) as u32
}

/// Big-endian u32 at `at`; bytes beyond the end read as zero.
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    be(bytes, at, 4) as u32
}

/// Big-endian u64 at `at`; bytes beyond the end read as zero.
pub fn be64(bytes: &[u8], at: usize) -> u64 {
    be(bytes, at, 8)
}

fn be(bytes: &[u8], at: usize, len: usize) -> u64 {
    (at..at + len).fold(0, |value, i| {
        value << 8 | u64::from(bytes.get(i).copied().unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_bits_name_byte_and_highest_bit() {
        let usage = [0x12, 0x01, 0xFF, 0xFF, 0xFF, 0x00];
        let refused = check_reserved(&[0x12, 0x13, 0, 0, 36, 0], &usage);
        assert_eq!(refused, Err(Sense::invalid_cdb_field(1, Some(4))));
        assert_eq!(
            check_reserved(&[0x12, 0x01, 0x80, 0, 36, 0], &usage),
            Ok(())
        );
        assert_eq!(
            check_reserved(&[0x12, 0], &usage),
            Err(Sense::illegal(sense::INVALID_OPCODE))
        );
    }

    #[test]
    fn fields_are_big_endian_and_end_in_zeros() {
        let bytes = [0x01, 0x02, 0x03, 0x04];
        assert_eq!(be16(&bytes, 1), 0x0203);
        assert_eq!(be24(&bytes, 1), 0x02_0304);
        assert_eq!(be32(&bytes, 2), 0x0304_0000);
        assert_eq!(be64(&bytes, 0), 0x0102_0304_0000_0000);
    }
}
