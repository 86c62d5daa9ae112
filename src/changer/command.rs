//! Sending one command to a changer, and what its end means.
//!
//! Here alone sense becomes [`ChangerError`], and here alone commands are repeated: what
//! only looks is sent again after a unit attention or a failure of the path, a move never
//! is, unless the library did not take it for a reason that changed nothing. A library that is
//! not ready for a moment is asked again; for longer [`Changer::wait_ready`] waits.

use std::fmt::Arguments;
use std::time::Duration;

use super::{Changer, ChangerError, ChangerErrorKind};
use crate::scsi::answer::Answer;
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{BadReply, Meaning, cdb};
use crate::transport::{Data, TransportError};

/// How often a command is sent at most for one call.
const MAX_ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What to do with an answer.
enum Next {
    Done(usize),
    SendAgain,
    Refused(Sense),
    Failed(ChangerError),
}

impl Changer {
    /// Sends a command until it was executed once; returns the bytes moved, or the sense
    /// of a refusal.
    pub(super) fn exchange(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        mut data: Data<'_>,
    ) -> Result<Result<usize, Sense>, ChangerError> {
        for attempt in 1..=MAX_ATTEMPTS {
            match self.attempt(action, cdb, data.reborrow(), attempt) {
                Next::Done(bytes) => return Ok(Ok(bytes)),
                Next::Refused(sense) => return Ok(Err(sense)),
                Next::Failed(error) => return Err(error),
                Next::SendAgain => {}
            }
        }
        let what = "the library did not take the command in ten attempts".to_owned();
        Err(self.error(action, ChangerErrorKind::Interrupted, what))
    }

    fn attempt(&mut self, action: Arguments<'_>, cdb: &[u8], data: Data<'_>, attempt: u32) -> Next {
        let completion = match self.transport.execute(cdb, data, self.timeouts.of(cdb)) {
            Ok(completion) => completion,
            Err(source) => return Next::Failed(self.unanswered(action, source)),
        };
        let sense = match Answer::of(&completion) {
            Answer::Good => return Next::Done(completion.transferred_bytes),
            Answer::NotTaken => {
                self.transport.pause(PAUSE * attempt);
                return Next::SendAgain;
            }
            Answer::Reserved => {
                let what = "another host has reserved the library".to_owned();
                return Next::Failed(self.error(action, ChangerErrorKind::Reserved, what));
            }
            Answer::Unexplained(status) => {
                let what = format!("status {:02X}h without sense data", status.0);
                return Next::Failed(self.error(action, ChangerErrorKind::Malformed, what));
            }
            Answer::Checked(sense) => sense,
        };
        if sense.is_success() {
            return Next::Done(completion.transferred_bytes);
        }
        let harmless = cdb::harmless_to_repeat(cdb);
        let repeatable = harmless
            && (sense.key == SenseKey::UnitAttention || sense.meaning() == Meaning::Transient);
        // Who asks whether it is ready wants to know; for a question a moment is waited.
        let question = harmless && cdb != cdb::test_unit_ready();
        if question && sense.meaning() == Meaning::BecomingReady && attempt < MAX_ATTEMPTS {
            self.transport.pause(PAUSE * attempt);
            return Next::SendAgain;
        }
        if sense.is_not_executed() || (repeatable && attempt < MAX_ATTEMPTS) {
            tracing::debug!(changer = %self.name, %action, %sense, "sending the command again");
            return Next::SendAgain;
        }
        Next::Refused(sense)
    }

    /// Sends a command for which every refusal is a failure; returns the bytes moved.
    pub(super) fn command(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        data: Data<'_>,
    ) -> Result<usize, ChangerError> {
        self.exchange(action, cdb, data)?
            .map_err(|sense| self.refusal(action, &sense))
    }

    /// As [`command`](Self::command), but `None` where the library does not know it.
    pub(super) fn command_if_known(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        data: Data<'_>,
    ) -> Result<Option<usize>, ChangerError> {
        match self.exchange(action, cdb, data)? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(sense) if sense.meaning() == Meaning::Unsupported => Ok(None),
            Err(sense) => Err(self.refusal(action, &sense)),
        }
    }

    pub(super) fn refusal(&self, action: Arguments<'_>, sense: &Sense) -> ChangerError {
        self.error(action, kind_of(sense), sense.to_string())
    }

    fn unanswered(&self, action: Arguments<'_>, source: TransportError) -> ChangerError {
        let mut error = self.error(action, ChangerErrorKind::Transport, source.what.clone());
        error.source = Some(Box::new(source));
        error
    }

    pub(super) fn error(
        &self,
        action: Arguments<'_>,
        kind: ChangerErrorKind,
        what: String,
    ) -> ChangerError {
        ChangerError {
            changer: self.name.clone(),
            action: action.to_string(),
            kind,
            elements: None,
            what,
            source: None,
        }
    }

    /// Turns a reply that makes no sense into an error of this changer.
    pub(super) fn decoded<T>(
        &self,
        action: Arguments<'_>,
        reply: Result<T, BadReply>,
    ) -> Result<T, ChangerError> {
        reply.map_err(|bad| self.error(action, ChangerErrorKind::Malformed, bad.to_string()))
    }
}

fn kind_of(sense: &Sense) -> ChangerErrorKind {
    use ChangerErrorKind as Kind;
    match sense.meaning() {
        Meaning::SourceEmpty => Kind::SourceEmpty,
        Meaning::DestinationFull => Kind::DestinationFull,
        Meaning::NoSuchElement => Kind::NoSuchElement,
        // Some libraries say "no medium" where a drive has not presented its cartridge.
        Meaning::DriveHoldsMedium | Meaning::NoMedium => Kind::DriveHoldsMedium,
        Meaning::RemovalPrevented => Kind::RemovalPrevented,
        Meaning::Unreachable => Kind::Unreachable,
        Meaning::BecomingReady | Meaning::NeedsLoad | Meaning::NotReady => Kind::NotReady,
        Meaning::Changed | Meaning::Notice => Kind::InventoryChanged,
        Meaning::Reserved => Kind::Reserved,
        Meaning::Transient => Kind::Interrupted,
        Meaning::Unsupported | Meaning::WriteProtected | Meaning::Encrypted => Kind::Unsupported,
        Meaning::Information => Kind::Malformed,
        Meaning::Hardware
        | Meaning::Medium
        | Meaning::CleaningCartridge
        | Meaning::IncompatibleMedium
        | Meaning::EndOfData
        | Meaning::EndOfDataMissing
        | Meaning::BeginningOfPartition
        | Meaning::EndOfPartition => Kind::Hardware,
    }
}
