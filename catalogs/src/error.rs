//! What a catalog's operations fail with.

use std::path::PathBuf;

use crate::entries::EntriesError;
use crate::index::{IndexError, Trouble};
use crate::ledger::{LedgerError, LostLines};
use crate::lock::LockError;

/// A catalog's operation failed. Each variant's cause says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The ledger cannot be read or appended to: see [`LedgerError`].
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An entry file cannot be read or written: see [`EntriesError`].
    #[error(transparent)]
    Entries(#[from] EntriesError),
    /// The index could neither be used nor rebuilt: see [`IndexError`].
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The catalog's directory cannot be used: check path, permissions and space.
    #[error("{path}: cannot use the catalog's directory")]
    Directory {
        /// The directory or file concerned.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The ledger lacks lines that it had. What is on the tapes is safe. Put back the copy that
    /// has them, or read the tapes anew and accept the ledger as it is.
    #[error("{0}")]
    LinesLost(LostLines),
    /// The caller asked a search or a check to stop.
    #[error("stopped")]
    Stopped,
    /// Another process merges entry files: wait for it.
    #[error("entry files are being merged")]
    Merging(#[source] LockError),
    /// Receipts are recorded by `commit`, the creation by `create`, and what becomes of entry
    /// files by `compact`: use those.
    #[error("an event of this type is not appended by itself")]
    NotAppendable,
}

impl From<Trouble> for CatalogError {
    fn from(trouble: Trouble) -> CatalogError {
        match trouble {
            Trouble::Index(error) => error.into(),
            Trouble::Foreign(tip) => IndexError::Foreign { line: tip.seq }.into(),
            Trouble::Ledger(error) => error.into(),
        }
    }
}
