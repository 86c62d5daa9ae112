//! What can be wrong with an entry file.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::EntryFault;

/// An entry file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// The operating system failed: mend the cause (space, permissions, disk) and try again.
    /// If the file is missing, commit its segment again from the index on its tape.
    #[error("{path}: {}", what_failed(.source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The file is not as it was written. Commit its segment again from the index on its tape:
    /// that replaces the file.
    #[error("{path}, byte {at}: the entry file is damaged: {fault}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Offset of the damaged structure in bytes.
        at: u64,
        /// What is wrong.
        #[source]
        fault: Fault,
    },
    /// Written by later software: use that, or a newer version of this.
    #[error(
        "{path}: entry file format {found}, this software knows up to {}",
        super::FORMAT_VERSION
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Format version found.
        found: u16,
    },
    /// An entry breaks a rule of the model. Report it as a problem of the job and leave it out.
    #[error("entry {} cannot be stored", String::from_utf8_lossy(.path))]
    Invalid {
        /// The entry's archive name.
        path: Vec<u8>,
        /// Which rule.
        #[source]
        fault: EntryFault,
    },
    /// More entries than one receipt may hold: close segments earlier.
    #[error(
        "{found} entries in one receipt, at most {} are kept",
        super::ENTRIES_MAX
    )]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// What the system did not do.
fn what_failed(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "the entry file is missing",
        _ => "the entry file cannot be read or written",
    }
}

impl EntriesError {
    /// The file that is missing, damaged, or cannot be read: its segments, committed again, replace
    /// it. `None` if that does not help.
    #[must_use]
    pub fn unread_file(&self) -> Option<&Path> {
        match self {
            EntriesError::Io { path, .. } | EntriesError::Damaged { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The same for who else has to hear of it.
    pub(crate) fn again(&self) -> EntriesError {
        match self {
            EntriesError::Io { path, source } => EntriesError::Io {
                path: path.clone(),
                source: match source.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(source.kind(), source.to_string()),
                },
            },
            EntriesError::Damaged { path, at, fault } => EntriesError::Damaged {
                path: path.clone(),
                at: *at,
                fault: *fault,
            },
            EntriesError::NewerFormat { path, found } => EntriesError::NewerFormat {
                path: path.clone(),
                found: *found,
            },
            EntriesError::Invalid { path, fault } => EntriesError::Invalid {
                path: path.clone(),
                fault: fault.clone(),
            },
            EntriesError::TooMany { found } => EntriesError::TooMany { found: *found },
        }
    }
}

/// How a part of an entry file deviates from the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Ends before it should.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// Does not start as it should.
    #[error("{0} is not where it should be")]
    Magic(&'static str),
    /// Fails its CRC.
    #[error("{0} fails its CRC")]
    Crc(&'static str),
    /// States a length or count above its bound.
    #[error("{0} exceeds its bound")]
    Bound(&'static str),
    /// Has a value that no writer produces.
    #[error("{0} has an impossible value")]
    Value(&'static str),
    /// Does not decompress to its stated length.
    #[error("{0} does not decompress")]
    Zstd(&'static str),
    /// Differs from what the ledger says.
    #[error("{0} is not what the ledger says")]
    Ledger(&'static str),
}
