//! Errors of the simulator's own files, as opposed to SCSI conditions, which are sense data.

use std::io;
use std::path::{Path, PathBuf};

/// Why a library, drive or cartridge on disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what its format says.
    #[error("{}: {detail}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file of a format version that this build does not read.
    #[error("{}: format version {found}, this build reads {supported}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Newest version that is read.
        supported: u32,
    },
    /// Another handle or process uses the drive.
    #[error("drive {drive} is in use{}", by_process(*pid))]
    DriveBusy {
        /// Drive number from 0.
        drive: u16,
        /// The process, if it left its number.
        pid: Option<u32>,
    },
    /// The library has no such drive.
    #[error("the library has no drive {drive}")]
    NoSuchDrive {
        /// Drive number asked for, from 0.
        drive: u16,
    },
    /// A library cannot be created where something else already is.
    #[error("{}: exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// An operator's action at an element of the library that is not possible.
    #[error("element {address}: {reason}")]
    Element {
        /// Element address.
        address: u16,
        /// What stands in the way.
        reason: String,
    },
    /// An operator's action at a door that is not possible.
    #[error("the door {reason}")]
    Door {
        /// What stands in the way.
        reason: String,
    },
    /// An operator's action with a magazine that is not possible.
    #[error("magazine {magazine} {reason}")]
    Magazine {
        /// Magazine number from 0.
        magazine: u16,
        /// What stands in the way.
        reason: String,
    },
    /// A rule of a fault script that makes no sense.
    #[error("fault {rule:?}: {reason}")]
    Fault {
        /// Its id.
        rule: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A specification that makes no library.
    #[error("bad library specification: {reason}")]
    Spec {
        /// What is wrong.
        reason: String,
    },
}

fn by_process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

impl SimError {
    /// Wraps an I/O error with the path it happened on: for `map_err`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> SimError + '_ {
        move |source| SimError::Io {
            path: path.to_path_buf(),
            source,
        }
    }
}
