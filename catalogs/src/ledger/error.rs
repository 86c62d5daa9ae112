//! What can go wrong with the ledger.

use std::path::PathBuf;

use super::line::LineFault;
use crate::lock::LockError;

/// The ledger cannot be read or appended to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is no ledger: create a catalog there, or correct the directory. If there was one,
    /// create a new catalog and rebuild it from the tapes.
    #[error("{path}: there is no catalog")]
    Missing {
        /// The ledger's path.
        path: PathBuf,
    },
    /// There is no ledger, or an empty one, where a catalog was: what lies beside it tells. Put
    /// back a copy of it, or make it anew and read the tapes.
    #[error("{path} is gone or empty, but there was a catalog: its other files are there")]
    Gone {
        /// The ledger's path.
        path: PathBuf,
    },
    /// The ledger was cut off or exchanged since this process read it. Nothing was written. Open
    /// the catalog again: what it lost is then told.
    #[error("{path} no longer has line {line}, which it had when it was opened")]
    Shrunk {
        /// The ledger's path.
        path: PathBuf,
        /// The last line that was read.
        line: u64,
    },
    /// There is a ledger already: open it instead.
    #[error("{path}: there is a catalog already")]
    Exists {
        /// The ledger's path.
        path: PathBuf,
    },
    /// The operating system failed: mend the cause (space, permissions, disk) and try again.
    #[error("{path}, byte {at}: cannot read or write the ledger")]
    Io {
        /// The ledger's path.
        path: PathBuf,
        /// Offset in bytes.
        at: u64,
        /// Cause.
        source: std::io::Error,
    },
    /// A line is not as it was written. Put back the copy of the ledger that was last written to
    /// tape, or move the catalog aside, create a new one and rebuild it from the tapes.
    #[error("{path}, line {line} (byte {at}): the ledger was altered")]
    Altered {
        /// The ledger's path.
        path: PathBuf,
        /// Number of the line, the first is 1.
        line: u64,
        /// Offset of the line in bytes.
        at: u64,
        /// What is wrong with it.
        #[source]
        fault: LineFault,
    },
    /// The index points at no line of this ledger, or the ledger was altered since it was
    /// opened. Open the catalog again: either is then found out and told or mended.
    #[error("{path}, byte {at}: no sound ledger line where the index expects one")]
    Misplaced {
        /// The ledger's path.
        path: PathBuf,
        /// Offset in bytes.
        at: u64,
        /// What is wrong there.
        #[source]
        fault: LineFault,
    },
    /// Written by later software: use that, or a newer version of this.
    #[error(
        "{path}, line 1: catalog format {found}, this software knows up to {}",
        crate::FORMAT_VERSION
    )]
    NewerFormat {
        /// The ledger's path.
        path: PathBuf,
        /// Format version found.
        found: u32,
    },
    /// Another process has been appending for too long: look what it does, then try again.
    #[error("cannot append to the ledger now")]
    Lock(#[from] LockError),
    /// The event cannot be written as a line. Record the job or volume it refers to first, or
    /// shorten its lists and texts.
    #[error("{path}: event after line {after} cannot be recorded")]
    Unwritable {
        /// The ledger's path.
        path: PathBuf,
        /// Number of the last line.
        after: u64,
        /// Why.
        #[source]
        fault: LineFault,
    },
    /// An earlier append could not be made durable. Mend the cause (see that error), then open
    /// the catalog again; nothing that was acknowledged is lost.
    #[error("{path}: not appended after line {after}, because an earlier write failed")]
    Poisoned {
        /// The ledger's path.
        path: PathBuf,
        /// Number of the last line known to be durable.
        after: u64,
    },
}
