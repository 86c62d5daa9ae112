//! What a completion says, before anybody asks what it means.

use super::sense::Sense;
use crate::transport::{Completion, Status};

/// The answer of a device to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// GOOD.
    Good,
    /// BUSY or TASK SET FULL: the command was not taken, and may be sent again.
    NotTaken,
    /// RESERVATION CONFLICT: another host has the device.
    Reserved,
    /// CHECK CONDITION, or another status, with sense data.
    Checked(Sense),
    /// Another status than these, without sense data that can be read.
    Unexplained(Status),
}

impl Answer {
    /// Reads a completion.
    #[must_use]
    pub fn of(completion: &Completion) -> Answer {
        match completion.status {
            Status::GOOD => Answer::Good,
            Status::BUSY | Status::TASK_SET_FULL => Answer::NotTaken,
            Status::RESERVATION_CONFLICT => Answer::Reserved,
            status => {
                Sense::parse(&completion.sense).map_or(Answer::Unexplained(status), Answer::Checked)
            }
        }
    }
}
