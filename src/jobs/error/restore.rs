//! What keeps a restore from beginning.

use std::path::PathBuf;

use super::JobErrorKind;
use crate::units::ByteSize;

/// A restore was refused before a tape was moved, and nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The target's file system cannot hold it.
    #[error(
        "{} has room for {}, and {} are to be restored; no tape was moved",
        target.display(), ByteSize(*free_bytes), ByteSize(*needed_bytes)
    )]
    NoRoom {
        /// The directory to restore below.
        target: PathBuf,
        /// Bytes that can still be written there.
        free_bytes: u64,
        /// Bytes that the restored files will take.
        needed_bytes: u64,
    },
}

impl RestoreError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            RestoreError::NoRoom { .. } => JobErrorKind::Host,
        }
    }

    pub(super) fn advice(&self) -> &'static str {
        match self {
            RestoreError::NoRoom { .. } => {
                "Make room there, restore below another directory with --to, or restore less at a \
                 time. If the file system compresses and may hold it all the same: --ignore-room."
            }
        }
    }
}
