//! Failures of a drive, by what can be done about them.

use std::error::Error;
use std::fmt;

use crate::scsi::Reaction;
use crate::transport::{TransportError, TransportErrorKind};

/// What callers branch on. The text of the error is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriveErrorKind {
    /// No tape in the drive.
    NoMedium,
    /// The drive did not become ready in the time allowed.
    NotReady,
    /// Tape or mode forbids writing; nothing was written.
    WriteProtected,
    /// The tape's generation or format does not suit this drive.
    IncompatibleMedium,
    /// A cleaning cartridge is in the drive.
    CleaningCartridge,
    /// The tape ends before the place asked for. Position: end of data.
    EndOfData,
    /// No end-of-data mark was found: the tape is blank, or was cut off by a power loss.
    /// Never taken for a blank tape by itself.
    EndOfDataMissing,
    /// Spacing backward met the beginning of the partition. Position: there.
    BeginningOfPartition,
    /// No room before the end of the partition for what was to be written or was still
    /// in the buffer.
    EndOfPartition,
    /// A block is longer than the buffer given, or than what drive and path carry. Position:
    /// after the block.
    BlockTooLong {
        /// Length of the block, in bytes.
        actual_bytes: u64,
    },
    /// A block was damaged between host and drive, as its check shows; it was not written,
    /// or not delivered.
    BlockCheck,
    /// The medium could not be read or written here.
    Medium,
    /// The drive itself failed.
    Hardware,
    /// A reset, power-on or change of medium came in between: position and mode are lost.
    Reset,
    /// Another host holds a reservation.
    Reserved,
    /// The drive was to be reserved, and another host holds it. Nothing was changed.
    HeldBy {
        /// The key that host registered.
        key: u64,
    },
    /// After a motion the drive is not where it was sent.
    WrongPosition,
    /// Behind an interruption there is another tape in the drive than before.
    OtherTape,
    /// The position is not known, since the session has just begun or a command failed:
    /// ask for it or move to a block first. Nothing was written.
    PositionLost,
    /// The drive does not know its position, or what it says does not follow its own
    /// motions and writes: nothing may be archived with it.
    UntrustedPosition,
    /// The data is encrypted and no fitting key is set.
    Encrypted,
    /// The cartridge may not be removed.
    RemovalPrevented,
    /// The path or the device gave the command up; harmless commands were tried again.
    Interrupted,
    /// A block of a length that drive, adapter or command cannot carry; nothing was sent.
    BlockLength,
    /// The caller asked to stop waiting, or walking over the tape.
    Cancelled,
    /// The drive does not know or refuses the command.
    Unsupported,
    /// The reply makes no sense.
    Malformed,
    /// No answer came; see the source.
    Transport,
}

/// A command that failed, on a named drive.
#[derive(Debug)]
pub struct DriveError {
    /// The drive, as people name it.
    pub drive: String,
    /// What was being done, such as "writing block 4711".
    pub action: String,
    /// What callers branch on.
    pub kind: DriveErrorKind,
    /// What happened, for people; with key, ASC and ASCQ where sense came back.
    pub what: String,
    /// What helps, where the drive said what happened by sense data.
    pub reaction: Option<Reaction>,
    /// The transport's error, where there was no answer; `what` says all but its cause.
    pub source: Option<Box<TransportError>>,
}

impl DriveError {
    /// Whether the drive or the way to it gave up a command that may well succeed anew. It
    /// says nothing of the tape.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        use DriveErrorKind as K;
        match self.kind {
            K::Reset | K::Interrupted | K::WrongPosition | K::NotReady => true,
            K::Transport => self.source.as_ref().is_some_and(|source| {
                matches!(
                    source.kind,
                    TransportErrorKind::TimedOut | TransportErrorKind::Failed
                )
            }),
            _ => false,
        }
    }
}

impl DriveError {
    /// Whether another drive may well do what this one did not: it failed, cannot be relied
    /// on, or the way to it is broken. It says nothing of the tape.
    #[must_use]
    pub fn calls_for_other_drive(&self) -> bool {
        use DriveErrorKind as K;
        match (self.reaction, self.kind) {
            (Some(Reaction::OtherDrive), _) | (_, K::UntrustedPosition) => true,
            (_, K::WrongPosition) => true,
            (None, K::Hardware) | (_, K::Interrupted) => true,
            (_, K::Transport) => self.source.as_ref().is_some_and(|source| {
                use TransportErrorKind as T;
                matches!(source.kind, T::TimedOut | T::Failed | T::NotFound)
            }),
            _ => false,
        }
    }
}

impl fmt::Display for DriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            drive,
            action,
            what,
            ..
        } = self;
        write!(f, "{drive}: {action}: {what}")
    }
}

impl Error for DriveError {
    /// What is behind the transport's error: that itself is quoted already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.source()
    }
}
