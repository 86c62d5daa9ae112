//! MAINTENANCE IN and OUT: operation codes, identifying information, task management functions,
//! and the drive's time.

use serde::{Deserialize, Serialize};

use super::DriveTarget;
use crate::pages::{maintenance, opcodes};
use crate::sense::{self, Sense};
use crate::target::{Data, Reply, be32, receive, send};

/// Service actions.
mod action {
    pub const IDENTIFYING: u8 = 0x05;
    pub const SET_IDENTIFYING: u8 = 0x06;
    pub const OPCODES: u8 = 0x0C;
    pub const TASK_MANAGEMENT: u8 = 0x0D;
    pub const TIMESTAMP: u8 = 0x0F;
}

/// Origin of a timestamp that a host has set.
const SET_BY_HOST: u8 = 2;

/// The drive's time: it goes on while a process has the drive, and begins at zero when the power
/// comes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timestamp {
    /// 0 power on, 2 set by a host.
    origin: u8,
    /// Milliseconds since the origin, when the clock showed `clock_ms`.
    at_ms: u64,
    /// Clocks of different processes have nothing in common.
    #[serde(skip)]
    clock_ms: u64,
}

impl Timestamp {
    /// Origin, and milliseconds since then.
    pub(super) fn read(&self, clock_ms: u64) -> (u8, u64) {
        let passed_ms = clock_ms.saturating_sub(self.clock_ms);
        (self.origin, self.at_ms.saturating_add(passed_ms))
    }

    /// Goes on from here with a clock that shows `clock_ms`.
    pub(super) fn resume(&mut self, clock_ms: u64) {
        self.clock_ms = clock_ms;
    }

    /// Keeps the time at which the drive is given back.
    pub(super) fn keep(&mut self, clock_ms: u64) {
        self.at_ms = self.read(clock_ms).1;
        self.clock_ms = clock_ms;
    }
}

impl DriveTarget {
    /// MAINTENANCE IN (SPC-4 §6.9).
    pub(super) fn maintenance_in(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let reply = match cdb[1] & 0x1F {
            action::IDENTIFYING => {
                maintenance::identifying_information(&self.state.identifying, cdb)?
            }
            action::OPCODES => {
                let timeouts = &self.generation.model().timeouts;
                opcodes::reply(opcodes::DRIVE, timeouts, cdb)?
            }
            action::TASK_MANAGEMENT => maintenance::task_management(cdb),
            action::TIMESTAMP => {
                let (origin, ms) = self.timestamp();
                maintenance::timestamp(origin, ms)
            }
            _ => return Err(Sense::invalid_cdb_field(1, Some(4)).into()),
        };
        send(data, &reply, be32(cdb, 6) as usize)
    }

    /// MAINTENANCE OUT (SPC-4 §6.10).
    pub(super) fn maintenance_out(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let len = be32(cdb, 6) as usize;
        match cdb[1] & 0x1F {
            action::SET_IDENTIFYING => {
                maintenance::check_identifying(cdb, len)?;
                self.state.identifying = receive(data, len)?.to_vec();
            }
            action::TIMESTAMP if len == 0 => return Ok(0),
            action::TIMESTAMP => {
                self.state.timestamp = Timestamp {
                    origin: SET_BY_HOST,
                    at_ms: maintenance::parse_timestamp(receive(data, len)?)?,
                    clock_ms: self.time.now_ms(),
                };
                self.state
                    .queue_for_others(self.nexus, sense::TIMESTAMP_CHANGED);
            }
            _ => return Err(Sense::invalid_cdb_field(1, Some(4)).into()),
        }
        self.save_state()
            .map_err(|error| self.host_failure(error))?;
        Ok(len)
    }

    /// Origin of the drive's time, and milliseconds since then.
    pub(super) fn timestamp(&self) -> (u8, u64) {
        self.state.timestamp.read(self.time.now_ms())
    }
}
