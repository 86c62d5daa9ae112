//! A log of what a drive was asked, in the drive's own time: for whoever measures a host.
//!
//! A drive keeps one where the file is there when the drive is taken (`docs/sim-format.md`). It
//! has no data of any block in it.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SimError;
use crate::target::Completion;

/// One command and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The drive's time when it came, in nanoseconds.
    pub begin_ns: u64,
    /// The drive's time when it was answered, in nanoseconds.
    pub end_ns: u64,
    /// Its bytes in hexadecimal.
    pub cdb: String,
    /// SCSI status; absent if no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// Bytes moved in the data phase.
    pub moved_bytes: usize,
    /// Where the tape is now, as an object number; absent without a tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<u64>,
}

/// Has drive `drive` of the library in `dir` keep a log from the next time on that it is taken.
/// What was in it is gone.
///
/// # Errors
///
/// `Io`.
pub fn begin(dir: &Path, drive: u16) -> Result<(), SimError> {
    let path = path(dir, drive);
    File::create(&path).map(drop).map_err(SimError::io(&path))
}

/// What is in the log of drive `drive` of the library in `dir`, oldest first.
///
/// # Errors
///
/// `Io` if there is none, `Format` for a line that is no command.
pub fn read(dir: &Path, drive: u16) -> Result<Vec<Command>, SimError> {
    let path = path(dir, drive);
    let text = fs::read_to_string(&path).map_err(SimError::io(&path))?;
    let parsed = |line| {
        serde_json::from_str(line).map_err(|wrong| SimError::Format {
            path: path.clone(),
            detail: wrong.to_string(),
        })
    };
    text.lines().map(parsed).collect()
}

fn path(dir: &Path, drive: u16) -> PathBuf {
    let home = dir.join("drives").join(drive.to_string());
    home.join("commands.jsonl")
}

/// The log of an open drive, if it keeps one.
pub(crate) struct CommandLog(Option<File>);

impl CommandLog {
    /// That of drive `drive`.
    pub(crate) fn open(dir: &Path, drive: u16) -> Result<Self, SimError> {
        let path = path(dir, drive);
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) => Ok(CommandLog(Some(file))),
            Err(none) if none.kind() == ErrorKind::NotFound => Ok(CommandLog(None)),
            Err(other) => Err(SimError::io(&path)(other)),
        }
    }

    /// Adds a command that came at `begin_ns` and was answered at `end_ns`, with the tape at
    /// `object`.
    pub(crate) fn note(
        &mut self,
        (begin_ns, end_ns): (u64, u64),
        cdb: &[u8],
        completion: &Completion,
        object: Option<u64>,
    ) {
        let Some(file) = &mut self.0 else { return };
        let command = Command {
            begin_ns,
            end_ns,
            cdb: hex(cdb),
            status: completion.answered.then_some(completion.status),
            moved_bytes: completion.transferred_bytes,
            object,
        };
        let line = serde_json::to_string(&command).expect("numbers and text are JSON");
        // The command itself went well: a log that cannot be written ends, and the drive goes on.
        if file.write_all((line + "\n").as_bytes()).is_err() {
            self.0 = None;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
