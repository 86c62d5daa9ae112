//! How a command ends: exit codes, and the words of a failure.
//!
//! The only place that knows exit codes. `docs/commands.md` lists them for users.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use tapewright::error_text::{is_caused_by, with_causes};
use tapewright::jobs::{FailedTape, JobError, JobErrorKind, Outcome};

use crate::output::plain;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All that was asked for is done, and durable.
    Done = 0,
    /// It failed for a reason of this machine or the catalog.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Someone has to load, insert, label or remove a tape.
    NeedsOperator = 3,
    /// The tape is not the one it should be, and nothing was written to it.
    WrongTape = 4,
    /// The medium is bad.
    BadMedium = 5,
    /// Drive, changer or the way to them failed.
    BadDevice = 6,
    /// Done in part: some files are missing or not whole; they were listed.
    Partial = 7,
    /// Another process has what is needed.
    Busy = 8,
    /// Nothing matches.
    NotFound = 9,
    /// The user stopped it; what was confirmed is safe.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Complete => Exit::Done,
            Outcome::Partial => Exit::Partial,
            Outcome::Failed => Exit::Failed,
            Outcome::Interrupted => Exit::Interrupted,
        }
    }
}

impl From<JobErrorKind> for Exit {
    fn from(kind: JobErrorKind) -> Exit {
        match kind {
            JobErrorKind::Request => Exit::Usage,
            JobErrorKind::NotFound => Exit::NotFound,
            JobErrorKind::NeedsOperator => Exit::NeedsOperator,
            JobErrorKind::WrongTape => Exit::WrongTape,
            JobErrorKind::BadMedium => Exit::BadMedium,
            JobErrorKind::BadDevice => Exit::BadDevice,
            JobErrorKind::Busy => Exit::Busy,
            JobErrorKind::Catalog | JobErrorKind::Host => Exit::Failed,
            JobErrorKind::Interrupted => Exit::Interrupted,
        }
    }
}

impl Exit {
    /// What most needs to be known where several tapes failed; `None` if none did. A bad or
    /// wrong tape needs a decision; what is only elsewhere or busy, another attempt.
    pub fn of_failed(tapes: &[FailedTape]) -> Option<Exit> {
        const GRAVEST_FIRST: [JobErrorKind; 5] = [
            JobErrorKind::BadMedium,
            JobErrorKind::WrongTape,
            JobErrorKind::BadDevice,
            JobErrorKind::NeedsOperator,
            JobErrorKind::Busy,
        ];
        let kinds = || tapes.iter().map(|tape| tape.failure.kind);
        let gravest = GRAVEST_FIRST
            .into_iter()
            .find(|kind| kinds().any(|found| found == *kind));
        gravest.or_else(|| kinds().next()).map(Exit::from)
    }
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// The job failed.
    Job(JobError),
    /// Nobody reads our output any more; not worth a word.
    OutputClosed,
    /// Writing the output failed otherwise, or another file of the front end.
    Io(String, io::Error),
    /// The arguments make no sense together.
    Usage(String),
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        if reader_left(&error) {
            Failure::OutputClosed
        } else {
            Failure::Job(error)
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Io("writing the output".to_owned(), error),
        }
    }
}

/// `exit`, which the work has earned, once its summary is printed. Who closed the pipe has
/// read enough of the summary, which changes nothing of how the work went.
pub fn after_printing(exit: Exit, printed: io::Result<()>) -> Result<Exit, Failure> {
    match printed.map_err(Failure::from) {
        Ok(()) | Err(Failure::OutputClosed) => Ok(exit),
        Err(failure) => Err(failure),
    }
}

impl Failure {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::OutputClosed => Exit::Done,
            Failure::Io(..) => Exit::Failed,
            Failure::Usage(_) => Exit::Usage,
            Failure::Job(error) => Exit::from(error.kind()),
        }
    }

    /// What happened, down to the cause, and in a line of its own what to do next: fit for a
    /// terminal, whatever names are in it. `writes`: the command was to write
    /// to tapes.
    pub fn words(&self, writes: bool) -> Option<String> {
        match self {
            Failure::OutputClosed => None,
            Failure::Io(action, error) => Some(plain(&format!("{action}: {error}")).into()),
            Failure::Usage(what) => Some(plain(what).into()),
            Failure::Job(error) => {
                let mut words = plain(&with_causes(error)).into_owned();
                if writes && error.is_before_writing() {
                    words.push_str("; nothing was written to it");
                }
                if let Some(advice) = error.advice() {
                    words.push_str("\n  ");
                    words.push_str(&plain(&advice));
                }
                Some(words)
            }
        }
    }
}

/// True if the job failed only because whoever read our output had enough, as `tar` does
/// once it has seen the end of an archive.
fn reader_left(error: &(dyn Error + 'static)) -> bool {
    is_caused_by(error, io::ErrorKind::BrokenPipe)
}
