//! Failures of a medium changer, by what can be done about them.

use std::error::Error;
use std::fmt;

use super::ElementAddress;
use crate::transport::TransportError;

/// What callers branch on. The text of the error is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangerErrorKind {
    /// Nothing lies in the source element; nothing was moved.
    SourceEmpty,
    /// Something lies in the destination element; nothing was moved.
    DestinationFull,
    /// The library has no such element; nothing was moved.
    NoSuchElement,
    /// The drive has not let go of the cartridge: unload it first. Nothing was moved.
    DriveHoldsMedium,
    /// Removal is prevented by a host; nothing was moved.
    RemovalPrevented,
    /// A door, mail slot or magazine is open or missing.
    Unreachable,
    /// The library did not become ready in the time allowed.
    NotReady,
    /// Somebody used the library, or it was reset: take a new inventory. The command
    /// was not executed.
    InventoryChanged,
    /// Robot or library failed; where the cartridge is, only a new inventory tells.
    Hardware,
    /// Another host holds a reservation.
    Reserved,
    /// The library does not know or refuses the command.
    Unsupported,
    /// The path or the library gave the command up; harmless commands were tried again.
    Interrupted,
    /// The reply makes no sense.
    Malformed,
    /// No answer came; see the source. A move may have been made.
    Transport,
    /// The caller asked to stop waiting.
    Cancelled,
}

/// A command that failed, on a named changer.
#[derive(Debug)]
pub struct ChangerError {
    /// The changer, as people name it.
    pub changer: String,
    /// What was being done, such as "moving a cartridge from slot 3 to drive 0".
    pub action: String,
    /// What callers branch on.
    pub kind: ChangerErrorKind,
    /// The two ends of a move, if it was one.
    pub elements: Option<(ElementAddress, ElementAddress)>,
    /// What happened, for people; with key, ASC and ASCQ where sense came back.
    pub what: String,
    /// The transport's error, where there was no answer; `what` says all but its cause.
    pub source: Option<Box<TransportError>>,
}

impl fmt::Display for ChangerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            changer,
            action,
            what,
            ..
        } = self;
        write!(f, "{changer}: {action}: {what}")
    }
}

impl Error for ChangerError {
    /// What is behind the transport's error: that itself is quoted already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.source()
    }
}
