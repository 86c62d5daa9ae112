//! Sending one command to a drive, and what its end means.
//!
//! Here alone sense becomes [`DriveError`], and here alone commands are repeated: those
//! that [`cdb::harmless_to_repeat`] names after a failure of the path, and any command
//! that the drive did not execute for a reason that changed nothing (BUSY, a harmless
//! unit attention, the report of an error that was recovered).

use std::fmt::Arguments;
use std::time::Duration;

use super::proof::Place;
use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::answer::Answer;
use crate::scsi::cdb;
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{BadReply, Meaning, Reaction};
use crate::transport::{Data, TransportError};

/// How often a command is sent at most for one call.
const MAX_ATTEMPTS: u32 = 10;
/// How often one of them is sent after a failure of the path.
const MAX_REPEATS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// How a command that was answered ended.
pub(super) struct Ended {
    /// Bytes moved in the data phase.
    pub(super) transferred_bytes: usize,
    /// What the drive added; `None` after plain success.
    pub(super) sense: Option<Sense>,
}

/// What to do with an answer.
pub(super) enum Next {
    Ended(Ended),
    /// The drive did not execute the command, and nothing is wrong.
    SendAgain,
    Failed(DriveError),
}

impl Drive {
    /// Sends a command until it was executed once, and returns how it ended. Sense of
    /// any key is the caller's to judge. A drive that is not ready for a while is waited for.
    pub(super) fn exchange(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        mut data: Data<'_>,
    ) -> Result<Ended, DriveError> {
        for attempt in 1..=MAX_ATTEMPTS {
            match self.attempt(action, cdb, data.reborrow(), attempt) {
                Next::Ended(ended)
                    if self.is_unready(cdb, &ended)
                        && self.wait_in_place(action, cdb, &ended)? => {}
                Next::Ended(ended) => return Ok(ended),
                Next::Failed(error) => return Err(error),
                Next::SendAgain => {}
            }
        }
        let what = "the drive did not take the command in ten attempts".to_owned();
        Err(self.error(action, DriveErrorKind::Interrupted, what))
    }

    pub(super) fn attempt(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        data: Data<'_>,
        attempt: u32,
    ) -> Next {
        let timeout = self.timeouts.of(cdb);
        let completion = match self.transport.execute(cdb, data, timeout) {
            Ok(completion) => completion,
            Err(source) => return Next::Failed(self.unanswered(action, source)),
        };
        let transferred_bytes = completion.transferred_bytes;
        let sense = match Answer::of(&completion) {
            Answer::Good => {
                self.capabilities.commands.learn(cdb, None);
                return Next::Ended(Ended {
                    transferred_bytes,
                    sense: None,
                });
            }
            Answer::NotTaken => {
                self.transport.pause(PAUSE * attempt);
                return Next::SendAgain;
            }
            Answer::Reserved => {
                let what = "another host has reserved the drive".to_owned();
                return Next::Failed(self.error(action, DriveErrorKind::Reserved, what));
            }
            Answer::Unexplained(status) => {
                let what = format!("status {:02X}h without sense data", status.0);
                return Next::Failed(self.error(action, DriveErrorKind::Malformed, what));
            }
            Answer::Checked(sense) => sense,
        };
        self.learn(cdb, &sense);
        self.asked_for_cleaning |= sense.is_success() && sense.reaction() == Reaction::Clean;
        let attention = sense.key == SenseKey::UnitAttention && self.swallow_attentions;
        let interrupted = sense.meaning() == Meaning::Transient
            && cdb::harmless_to_repeat(cdb)
            && attempt < MAX_REPEATS;
        if sense.key == SenseKey::UnitAttention && !sense.is_not_executed() {
            self.protection.forget();
            self.fixed.forget();
        }
        if attention || interrupted || sense.is_not_executed() {
            tracing::debug!(drive = %self.name, %action, %sense, "sending the command again");
            return Next::SendAgain;
        }
        Next::Ended(Ended {
            transferred_bytes,
            sense: Some(sense),
        })
    }

    /// Keeps what a check condition shows of the drive's commands. While the drive is opened
    /// not all was asked: what it lacks is said at the end of that.
    fn learn(&mut self, cdb: &[u8], sense: &Sense) {
        self.capabilities.commands.learn(cdb, Some(sense));
        if sense.key == SenseKey::IllegalRequest && !self.swallow_attentions {
            self.notice_lacks();
        }
    }

    /// Sends a command for which sense other than success is a failure; returns the
    /// bytes moved.
    pub(super) fn command(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        data: Data<'_>,
    ) -> Result<usize, DriveError> {
        let ended = self.exchange(action, cdb, data)?;
        match ended.sense {
            Some(sense) if !sense.is_success() => Err(self.failure(action, &sense)),
            _ => Ok(ended.transferred_bytes),
        }
    }

    /// As [`command`](Self::command), but `None` where the drive does not know it.
    pub(super) fn command_if_known(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        data: Data<'_>,
    ) -> Result<Option<usize>, DriveError> {
        match self.command(action, cdb, data) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == DriveErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of a write went over the path, as far as anybody tells.
    pub(super) fn carried(
        &mut self,
        action: Arguments<'_>,
        ended: &Ended,
        bytes: usize,
    ) -> Result<(), DriveError> {
        if ended.transferred_bytes == bytes {
            return Ok(());
        }
        let what = format!(
            "the path carried {} of {bytes} bytes, and nobody objected",
            ended.transferred_bytes
        );
        Err(self.error(action, DriveErrorKind::Malformed, what))
    }

    /// The error for a condition that is no success. The position is lost with it, except
    /// by a command that the drive refused before doing anything.
    pub(super) fn failure(&mut self, action: Arguments<'_>, sense: &Sense) -> DriveError {
        let place = self.place;
        if sense.key == SenseKey::UnitAttention {
            self.position_proven = false;
        }
        let mut error = self.error(action, kind_of(sense), sense.to_string());
        error.reaction = Some(sense.reaction());
        if sense.key == SenseKey::IllegalRequest && !sense.deferred {
            self.place = place;
        }
        let goes_on = matches!(
            error.kind,
            DriveErrorKind::Medium | DriveErrorKind::Hardware | DriveErrorKind::EndOfPartition
        );
        if goes_on && place != Place::Lost {
            self.place = Place::Failed;
        }
        error
    }

    fn unanswered(&mut self, action: Arguments<'_>, source: TransportError) -> DriveError {
        let mut error = self.error(action, DriveErrorKind::Transport, source.what.clone());
        error.source = Some(Box::new(source));
        error
    }

    /// An error of this drive. The position is lost with it, unless the caller knows better.
    pub(super) fn error(
        &mut self,
        action: Arguments<'_>,
        kind: DriveErrorKind,
        what: String,
    ) -> DriveError {
        self.place = Place::Lost;
        self.rewound = false;
        DriveError {
            drive: self.name.clone(),
            action: action.to_string(),
            kind,
            what,
            reaction: None,
            source: None,
        }
    }

    /// Turns a reply that makes no sense into an error of this drive.
    pub(super) fn decoded<T>(
        &mut self,
        action: Arguments<'_>,
        reply: Result<T, BadReply>,
    ) -> Result<T, DriveError> {
        reply.map_err(|bad| self.error(action, DriveErrorKind::Malformed, bad.to_string()))
    }
}

fn kind_of(sense: &Sense) -> DriveErrorKind {
    use DriveErrorKind as Kind;
    if (sense.asc, sense.ascq) == Sense::BLOCK_CHECK {
        return Kind::BlockCheck;
    }
    match sense.meaning() {
        Meaning::EndOfData => Kind::EndOfData,
        Meaning::EndOfDataMissing => Kind::EndOfDataMissing,
        Meaning::BeginningOfPartition => Kind::BeginningOfPartition,
        Meaning::EndOfPartition => Kind::EndOfPartition,
        Meaning::BecomingReady | Meaning::NeedsLoad | Meaning::NotReady => Kind::NotReady,
        Meaning::NoMedium | Meaning::Unreachable => Kind::NoMedium,
        Meaning::CleaningCartridge => Kind::CleaningCartridge,
        Meaning::IncompatibleMedium => Kind::IncompatibleMedium,
        Meaning::WriteProtected => Kind::WriteProtected,
        Meaning::Encrypted => Kind::Encrypted,
        Meaning::Medium => Kind::Medium,
        Meaning::Hardware | Meaning::DriveHoldsMedium => Kind::Hardware,
        Meaning::Transient => Kind::Interrupted,
        Meaning::Changed | Meaning::Notice => Kind::Reset,
        Meaning::Reserved => Kind::Reserved,
        Meaning::RemovalPrevented => Kind::RemovalPrevented,
        Meaning::Unsupported
        | Meaning::SourceEmpty
        | Meaning::DestinationFull
        | Meaning::NoSuchElement => Kind::Unsupported,
        // Success with flags that the caller did not expect.
        Meaning::Information => Kind::Malformed,
    }
}
