//! Layer 2: pure codecs of SCSI commands and replies. No I/O, no state.
//!
//! [`cdb`] builds commands; the other modules take replies apart. Every decoder is
//! bounded by the bytes it is given: a hostile or broken reply yields an error or less
//! information, never a panic. Operation codes appear nowhere outside this module.

pub mod access_order;
pub mod answer;
pub mod block_limits;
mod bytes;
pub mod cdb;
pub mod command_set;
pub mod density;
pub mod elements;
pub mod encryption;
pub mod inquiry;
pub mod log;
pub mod mam;
pub mod mode;
pub mod opcode;
pub mod opcodes;
pub mod position;
mod reaction;
pub mod reservation;
pub mod sense;
mod sense_table;
pub mod statistics;
pub mod tape_alert;
pub mod timeouts;
pub mod wraps;

pub use reaction::Reaction;
pub use sense_table::Meaning;

/// A reply that does not have the shape its standard demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reply}: {problem}")]
pub struct BadReply {
    /// What was being decoded, such as "READ POSITION data".
    pub reply: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl BadReply {
    /// A reply with fewer bytes than its fixed part has.
    pub(crate) fn short(reply: &'static str) -> Self {
        Self {
            reply,
            problem: "fewer bytes than the format has",
        }
    }
}
