//! Whether the target has room for what is restored.

use std::path::Path;

use serde::Serialize;

use super::choose::Choice;
use crate::engine::target;
use crate::jobs::error::RestoreError;

/// What a restore takes in the target, and what is there for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Bytes that the restored files take: of a file with holes what is on tape. What they
    /// replace is taken off.
    pub needed_bytes: u64,
    /// Bytes that can still be written in the target's file system; `None` if it does not tell.
    pub free_bytes: Option<u64>,
}

impl Room {
    pub(super) fn of(choice: &Choice, target: &Path) -> Room {
        Room {
            needed_bytes: choice
                .write_bytes
                .saturating_sub(choice.found.replaced_bytes),
            free_bytes: target::free_bytes(target),
        }
    }

    /// Refuses if there is too little room below `target`.
    pub(super) fn check(&self, target: &Path) -> Result<(), RestoreError> {
        let needed_bytes = self.needed_bytes;
        match self.free_bytes {
            Some(free_bytes) if free_bytes < needed_bytes => Err(RestoreError::NoRoom {
                target: target.to_owned(),
                free_bytes,
                needed_bytes,
            }),
            _ => Ok(()),
        }
    }
}
