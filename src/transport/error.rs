//! Why no answer came back for a command.

use std::io;

/// What kept a command from being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// Another process uses the device. The command was not sent.
    Busy,
    /// The device node or library does not exist. Nothing was sent.
    NotFound,
    /// This user may not use the device. Nothing was sent.
    Denied,
    /// The transfer is longer than adapter or driver carry. Nothing was sent.
    TooLong,
    /// No answer within the time allowed. The command may have been executed.
    TimedOut,
    /// The connection failed. The command may have been executed.
    Failed,
}

/// A command that got no answer, on a named device.
#[derive(Debug, thiserror::Error)]
#[error("{device}: {what}")]
pub struct TransportError {
    /// The device, as people name it.
    pub device: String,
    /// What callers branch on.
    pub kind: TransportErrorKind,
    /// What happened, for people.
    pub what: String,
    /// The operating system's error, if there was one.
    #[source]
    pub source: Option<io::Error>,
}
