//! What streams of both kinds have in common: a command, and a place on tape.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Remark;
use super::exclude::Excludes;
use super::pour::{CommandEnd, Pour, Unwanted};
use super::seen::Seen;
use super::{command, tar_stream};
use crate::engine::process::{Ended, ShellCommand};

/// What a command's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One file.
    File,
    /// A tar archive, to be archived member by member.
    Tar,
}

/// A stream, its place checked.
#[derive(Clone)]
pub(super) struct StreamSource {
    pub(super) form: Form,
    pub(super) command: String,
    pub(super) place: Vec<u8>,
    pub(super) timeout: Option<Duration>,
}

impl std::fmt::Debug for StreamSource {
    /// Without the command: it may hold what is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = String::from_utf8_lossy(&self.place);
        f.debug_struct("StreamSource")
            .field("place", &place)
            .finish_non_exhaustive()
    }
}

/// What the streams of a run share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) excludes: Excludes,
    pub(super) seen: Seen,
    pub(super) segment_limit_bytes: u64,
    /// Each of them ends the command.
    pub(super) stops: Vec<Arc<AtomicBool>>,
}

/// What a stream brought.
#[derive(Debug)]
pub(super) struct StreamEnd {
    pub(super) excluded: u64,
    pub(super) command: CommandEnd,
}

impl StreamSource {
    pub(super) fn pour(
        &self,
        context: &Context,
        sink: &mut dyn Pour,
    ) -> Result<StreamEnd, Unwanted> {
        match self.form {
            Form::Tar => tar_stream::pour(self, context, sink),
            Form::File => Ok(StreamEnd {
                excluded: 0,
                command: command::pour(self, context, sink)?,
            }),
        }
    }

    pub(super) fn shell(&self, context: &Context) -> ShellCommand {
        ShellCommand {
            text: self.command.clone(),
            environment: Vec::new(),
            timeout: self.timeout,
            stops: context.stops.clone(),
        }
    }

    /// The command could not even be started.
    pub(super) fn not_started(
        &self,
        error: &io::Error,
        sink: &mut dyn Pour,
    ) -> Result<CommandEnd, Unwanted> {
        let ending = format!("could not be started: {error}");
        let what = format!("its command {ending}");
        sink.remark(Remark::problem(&self.place, what))?;
        Ok(CommandEnd {
            place: self.place.clone(),
            ending,
            stderr: Vec::new(),
            is_whole: false,
        })
    }

    pub(super) fn ended(&self, ended: &Ended) -> CommandEnd {
        CommandEnd {
            place: self.place.clone(),
            ending: ended.ending.to_string(),
            stderr: ended.stderr.clone(),
            is_whole: ended.ending.is_success(),
        }
    }
}
