//! The commands each device knows, in one table: which bits of the CDB are used, and how long
//! the command may take. It answers REPORT SUPPORTED OPERATION CODES (SPC-4 §6.35) and decides
//! whether a CDB is acceptable at all, so that the two cannot disagree.

mod tables;

use crate::generation::Timeouts;
use crate::sense::{self, Sense};
use crate::target::{be16, check_reserved};

pub use tables::{CHANGER, DRIVE};

/// One supported command.
#[derive(Debug)]
pub struct Command {
    /// The command's name in the standard.
    pub name: &'static str,
    /// CDB usage map: the opcode, then for each byte the bits that the device evaluates, those
    /// of the service action included. As long as the CDB.
    pub usage: &'static [u8],
    /// Service action (byte 1, bits 4 to 0), if the opcode has them.
    pub service_action: Option<u8>,
    /// Recommended timeout in seconds.
    pub timeout_s: fn(&Timeouts) -> u32,
}

impl Command {
    /// Operation code.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        self.usage[0]
    }
}

impl Command {
    /// A drive of these timeouts has the command: for one that it lacks the timeout is 0.
    fn is_in(&self, timeouts: &Timeouts) -> bool {
        (self.timeout_s)(timeouts) > 0
    }
}

const SERVICE_ACTION: u8 = 0x1F;

/// As [`check`], for a drive that lacks the commands with a timeout of 0.
///
/// # Errors
///
/// As [`check`].
pub fn check_for(
    table: &'static [Command],
    timeouts: &Timeouts,
    cdb: &[u8],
) -> Result<&'static Command, Sense> {
    let command = check(table, cdb)?;
    if command.is_in(timeouts) {
        return Ok(command);
    }
    let same = |other: &&Command| other.opcode() == command.opcode() && other.is_in(timeouts);
    if table.iter().any(|other| same(&other)) {
        return Err(Sense::invalid_cdb_field(1, Some(4)));
    }
    Err(Sense::illegal(sense::INVALID_OPCODE))
}

/// Finds the command of `cdb` in `table` and checks length and reserved bits, the control byte
/// included.
///
/// # Errors
///
/// 05/20/00 for an opcode the device does not have or a CDB of the wrong length, 05/24/00 for
/// an unknown service action or a reserved bit (pointing at the leftmost).
pub fn check(table: &'static [Command], cdb: &[u8]) -> Result<&'static Command, Sense> {
    let opcode = cdb.first().ok_or(Sense::illegal(sense::INVALID_OPCODE))?;
    let mut known = table
        .iter()
        .filter(|command| command.opcode() == *opcode)
        .peekable();
    if known.peek().is_none() {
        return Err(Sense::illegal(sense::INVALID_OPCODE));
    }
    let asked = cdb.get(1).map_or(0, |byte| byte & SERVICE_ACTION);
    let command = known
        .find(|command| command.service_action.is_none_or(|action| action == asked))
        .ok_or(Sense::invalid_cdb_field(1, Some(4)))?;
    check_reserved(cdb, command.usage)?;
    Ok(command)
}

/// Reporting options of byte 2, bits 2 to 0.
mod option {
    pub const ALL: u8 = 0;
    pub const ONE: u8 = 1;
    pub const WITH_SERVICE_ACTION: u8 = 2;
    pub const EITHER: u8 = 3;
}

const RETURN_TIMEOUTS: u8 = 0x80;
const NOT_SUPPORTED: u8 = 0x01;
const SUPPORTED: u8 = 0x03;
const SERVICE_ACTION_VALID: u8 = 0x01;
/// CTDP in a descriptor of the full list.
const TIMEOUTS_FOLLOW: u8 = 0x02;
/// CTDP in the reply for one command.
const ONE_TIMEOUTS_FOLLOW: u8 = 0x80;

/// Reply to REPORT SUPPORTED OPERATION CODES.
///
/// # Errors
///
/// 05/24/00 for reserved reporting options, for a service action asked of an opcode that has
/// none, and the reverse.
pub fn reply(table: &[Command], timeouts: &Timeouts, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    let [options, opcode] = be16(cdb, 2).to_be_bytes();
    let with_timeouts = options & RETURN_TIMEOUTS != 0;
    let asked = be16(cdb, 4);
    let same_opcode = || {
        table
            .iter()
            .filter(move |command| command.opcode() == opcode && command.is_in(timeouts))
    };
    let exact =
        || same_opcode().find(|command| command.service_action.map(u16::from) == Some(asked));
    let has_actions = same_opcode().any(|command| command.service_action.is_some());
    let command = match options & 0x07 {
        option::ALL => return Ok(all(table, timeouts, with_timeouts)),
        option::ONE if has_actions => return Err(Sense::invalid_cdb_field(2, Some(2))),
        option::ONE => same_opcode().next(),
        option::WITH_SERVICE_ACTION if !has_actions && same_opcode().next().is_some() => {
            return Err(Sense::invalid_cdb_field(2, Some(2)));
        }
        option::WITH_SERVICE_ACTION => exact(),
        option::EITHER if has_actions => exact(),
        option::EITHER => same_opcode().next().filter(|_| asked == 0),
        _ => return Err(Sense::invalid_cdb_field(2, Some(2))),
    };
    Ok(match command {
        Some(command) => one(command, timeouts, with_timeouts),
        None => vec![0, NOT_SUPPORTED, 0, 0],
    })
}

/// The list of all commands (SPC-4 table 251).
fn all(table: &[Command], timeouts: &Timeouts, with_timeouts: bool) -> Vec<u8> {
    let mut data = vec![0; 4];
    for command in table.iter().filter(|command| command.is_in(timeouts)) {
        let flags = command.service_action.map_or(0, |_| SERVICE_ACTION_VALID)
            | if with_timeouts { TIMEOUTS_FOLLOW } else { 0 };
        let action = command.service_action.unwrap_or(0);
        data.extend_from_slice(&[command.opcode(), 0, 0, action, 0, flags]);
        data.extend_from_slice(&(command.usage.len() as u16).to_be_bytes());
        if with_timeouts {
            push_timeouts(&mut data, command, timeouts);
        }
    }
    let len = (data.len() - 4) as u32;
    data[..4].copy_from_slice(&len.to_be_bytes());
    data
}

/// The reply for one command (SPC-4 table 254): the usage map holds the service action's value.
fn one(command: &Command, timeouts: &Timeouts, with_timeouts: bool) -> Vec<u8> {
    let follow = if with_timeouts {
        ONE_TIMEOUTS_FOLLOW
    } else {
        0
    };
    let mut data = vec![0, follow | SUPPORTED];
    data.extend_from_slice(&(command.usage.len() as u16).to_be_bytes());
    let usage_at = data.len();
    data.extend_from_slice(command.usage);
    if let Some(action) = command.service_action {
        data[usage_at + 1] = data[usage_at + 1] & !SERVICE_ACTION | action;
    }
    if with_timeouts {
        push_timeouts(&mut data, command, timeouts);
    }
    data
}

/// Command timeouts descriptor, 12 bytes (SPC-4 table 256). No nominal time is given.
fn push_timeouts(out: &mut Vec<u8>, command: &Command, timeouts: &Timeouts) {
    out.extend_from_slice(&[0x00, 0x0A, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&(command.timeout_s)(timeouts).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_ascend_and_service_actions_are_in_the_usage_map() {
        for table in [DRIVE, CHANGER] {
            assert!(table.is_sorted_by_key(|command| (command.opcode(), command.service_action)));
            for command in table {
                if command.service_action.is_some() {
                    assert_eq!(command.usage[1] & SERVICE_ACTION, SERVICE_ACTION);
                }
            }
        }
    }

    #[test]
    fn a_cdb_is_refused_at_its_leftmost_reserved_bit() {
        let refused = |cdb: &[u8]| check(DRIVE, cdb).map(|command| command.name);
        assert_eq!(
            refused(&[0x34, 0x06, 0, 0, 0, 0, 0, 0, 0, 0]),
            Ok("READ POSITION (long form)")
        );
        assert_eq!(
            refused(&[0x34, 0x02, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(Sense::invalid_cdb_field(1, Some(4)))
        );
        assert_eq!(
            refused(&[0x34, 0x00, 0, 0, 0, 0, 0, 0, 20, 0]),
            Err(Sense::invalid_cdb_field(8, Some(4)))
        );
        assert_eq!(
            refused(&[0x00, 0, 0, 0, 0, 4]),
            Err(Sense::invalid_cdb_field(5, Some(2)))
        );
        for cdb in [&[][..], &[0xFF, 0, 0, 0, 0, 0], &[0x00, 0, 0]] {
            assert_eq!(
                refused(cdb),
                Err(Sense::illegal(sense::INVALID_OPCODE)),
                "{cdb:02X?}"
            );
        }
    }
}
