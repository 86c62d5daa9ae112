//! Layer 1: a CDB goes down; data, status and sense come back.
//!
//! A transport moves bytes and knows no meaning: it neither retries nor interprets
//! sense. Real hardware (`sg`), the simulator (`sim`) and the trace (`record`) meet
//! here and nowhere above.

pub mod attached;
pub mod brief;
mod error;
pub mod fault;
pub mod holders;
pub mod record;
pub mod sg;
mod sg_failure;
mod sg_node;
#[cfg(feature = "sim")]
pub mod sim;
pub mod tap;
pub mod wait;

pub use error::{TransportError, TransportErrorKind};

use std::io::IoSlice;
use std::thread;
use std::time::Duration;

/// The data phase of a command, seen from the host.
#[derive(Debug)]
pub enum Data<'a> {
    /// No data phase.
    None,
    /// From the device into this buffer; the transfer may fill less of it.
    In(&'a mut [u8]),
    /// From this buffer to the device.
    Out(&'a [u8]),
    /// From these buffers to the device, one behind the other, as if they were one.
    Gather(&'a [IoSlice<'a>]),
}

impl Data<'_> {
    /// Length of the data phase asked for, in bytes.
    #[must_use]
    pub fn length_bytes(&self) -> usize {
        match self {
            Data::None => 0,
            Data::In(buffer) => buffer.len(),
            Data::Out(bytes) => bytes.len(),
            Data::Gather(parts) => parts.iter().map(|part| part.len()).sum(),
        }
    }

    /// The same data phase for one command, to be had again afterwards.
    pub fn reborrow(&mut self) -> Data<'_> {
        match self {
            Data::None => Data::None,
            Data::In(buffer) => Data::In(buffer),
            Data::Out(bytes) => Data::Out(bytes),
            Data::Gather(parts) => Data::Gather(parts),
        }
    }
}

/// What [`Data::Gather`] sends, in one piece: for paths that take nothing else.
#[must_use]
pub fn join(parts: &[IoSlice<'_>]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(Data::Gather(parts).length_bytes());
    for part in parts {
        joined.extend_from_slice(part);
    }
    joined
}

/// SCSI status byte (SAM-5 5.3; scsi-tape facts 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// The command succeeded.
    pub const GOOD: Status = Status(0x00);
    /// Sense data says what happened.
    pub const CHECK_CONDITION: Status = Status(0x02);
    /// The device is busy; the command was not taken.
    pub const BUSY: Status = Status(0x08);
    /// Another initiator holds a reservation.
    pub const RESERVATION_CONFLICT: Status = Status(0x18);
    /// The device has too many commands waiting; the command was not taken.
    pub const TASK_SET_FULL: Status = Status(0x28);
}

/// What came back for a command that the device answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// SCSI status.
    pub status: Status,
    /// Sense bytes as received; empty if there were none.
    pub sense: Vec<u8>,
    /// Bytes moved in the data phase, as far as the transport can tell.
    pub transferred_bytes: usize,
}

/// Carries commands to one logical unit.
///
/// One owner at a time. A command is sent once: repeating it is layer 3's decision,
/// since only that layer knows whether a repeat is harmless.
pub trait Transport: Send {
    /// Sends `cdb` with its data phase and waits at most `timeout` for the answer.
    ///
    /// A CHECK CONDITION is a completion, not an error.
    ///
    /// # Errors
    ///
    /// [`TransportError`] where no answer came; unless its kind says otherwise it is
    /// unknown whether the device executed the command.
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError>;

    /// Returns once `duration` has passed, for somebody who then asks the device again. Where a
    /// test plays the device it decides how time passes.
    fn pause(&mut self, duration: Duration) {
        thread::sleep(duration);
    }

    /// How people name this device: a path, or `drive 0 of simulated library DIR`.
    fn name(&self) -> &str;

    /// The longest data phase this path carries, in bytes.
    fn max_transfer_bytes(&self) -> usize;
}
