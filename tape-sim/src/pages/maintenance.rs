//! Replies and parameter lists of the maintenance commands (SPC-4 §6.31, §6.36, §6.37, §6.41,
//! §6.42): identifying information, task management functions, timestamp.

use crate::sense::{self, Sense};
use crate::target::be64;

/// Most bytes that hosts may keep in the drive by SET IDENTIFYING INFORMATION.
pub const IDENTIFYING_BYTES: usize = 64;

/// Information types of byte 10, bits 7 to 1.
mod information {
    pub const PERIPHERAL: u8 = 0x00;
    pub const SUPPORTED: u8 = 0x7F;
}

/// The information type that `cdb` names.
fn information_type(cdb: &[u8]) -> u8 {
    cdb.get(10).copied().unwrap_or(0) >> 1
}

/// Reply to REPORT IDENTIFYING INFORMATION, `kept` being what a host has set.
///
/// # Errors
///
/// 05/24/00 for a type of information that the drive does not keep.
pub fn identifying_information(kept: &[u8], cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    let body = match information_type(cdb) {
        information::PERIPHERAL => kept.to_vec(),
        information::SUPPORTED => {
            let [high, low] = (IDENTIFYING_BYTES as u16).to_be_bytes();
            vec![information::PERIPHERAL << 1, 0, high, low]
        }
        _ => return Err(Sense::invalid_cdb_field(10, Some(7))),
    };
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut data = vec![0, 0];
    data.extend_from_slice(&len.to_be_bytes());
    data.extend_from_slice(&body);
    Ok(data)
}

/// Checks SET IDENTIFYING INFORMATION with a list of `len` bytes, before the list is taken.
///
/// # Errors
///
/// 05/24/00 for another type than the peripheral's, 05/1A/00 for too long a list.
pub fn check_identifying(cdb: &[u8], len: usize) -> Result<(), Sense> {
    if information_type(cdb) != information::PERIPHERAL {
        Err(Sense::invalid_cdb_field(10, Some(7)))
    } else if len > IDENTIFYING_BYTES {
        Err(Sense::illegal(sense::PARAMETER_LIST_LENGTH))
    } else {
        Ok(())
    }
}

/// Reply to REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: ABORT TASK, ABORT TASK SET, LOGICAL UNIT
/// RESET and I_T NEXUS RESET; with REPD an extended part without time limits.
#[must_use]
pub fn task_management(cdb: &[u8]) -> Vec<u8> {
    const EXTENDED: u8 = 0x80;
    const EXTENDED_BYTES: u8 = 12;
    const ABORTS_AND_UNIT_RESET: u8 = 0x80 | 0x40 | 0x08;
    const NEXUS_RESET: u8 = 0x01;
    let mut data = vec![ABORTS_AND_UNIT_RESET, NEXUS_RESET, 0, 0];
    if cdb.get(2).copied().unwrap_or(0) & EXTENDED != 0 {
        data[3] = EXTENDED_BYTES;
        data.resize(4 + usize::from(EXTENDED_BYTES), 0);
    }
    data
}

/// Bytes of a timestamp's parameter data, in either direction.
const TIMESTAMP_BYTES: usize = 12;
/// Where the six bytes of the timestamp begin.
const TIMESTAMP_AT: usize = 4;

/// Reply to REPORT TIMESTAMP: `ms` since the origin, 0 power on or 2 what a host has set.
#[must_use]
pub fn timestamp(origin: u8, ms: u64) -> Vec<u8> {
    let mut data = vec![0; TIMESTAMP_BYTES];
    data[1] = (TIMESTAMP_BYTES - 2) as u8;
    data[2] = origin & 0x07;
    data[TIMESTAMP_AT..TIMESTAMP_AT + 6].copy_from_slice(&ms.to_be_bytes()[2..]);
    data
}

/// The time in milliseconds that a SET TIMESTAMP list holds.
///
/// # Errors
///
/// 05/1A/00 for a list of another length than 12.
pub fn parse_timestamp(list: &[u8]) -> Result<u64, Sense> {
    if list.len() != TIMESTAMP_BYTES {
        return Err(Sense::illegal(sense::PARAMETER_LIST_LENGTH));
    }
    Ok(be64(list, TIMESTAMP_AT) >> 16)
}
