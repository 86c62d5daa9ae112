//! Reading entry files while others remove those that do not count any more.
//!
//! Invariant: who begins to read, and only then learns which files there are, finds them all to
//! the end.

use std::time::Duration;

use super::Catalog;
use crate::entries::Stretch;
use crate::ledger::{Home, LedgerError};
use crate::lock::{FileLock, LockError, SharedLock};
use crate::model::event::ReceiptRecord;

/// Shared by those who read entry files or write one; whoever removes one has it alone.
const LOCK_FILE: &str = "entries.lock";
/// Longer than anybody takes to remove files.
const WAIT: Duration = Duration::from_secs(5);

/// As long as it is kept, no entry file is removed.
#[derive(Debug)]
pub(crate) struct Reading {
    _lock: Option<SharedLock>,
}

impl Catalog {
    /// To be called before it is asked which files there are.
    pub(crate) fn begin_reading(&self) -> Reading {
        match SharedLock::acquire(&self.directory.join(LOCK_FILE), WAIT) {
            Ok(lock) => Reading { _lock: Some(lock) },
            // Where a directory is only to be read, a file that is removed meanwhile is an error
            // of this one reading.
            Err(error) => {
                tracing::debug!(%error, "reading without the lock");
                Reading { _lock: None }
            }
        }
    }

    /// As long as it is kept, no draft of an entry file is removed.
    pub(super) fn begin_drafting(&self) -> Result<SharedLock, LockError> {
        SharedLock::acquire(&self.directory.join(LOCK_FILE), self.options.append_wait)
    }

    /// The right to remove entry files, unless somebody reads.
    pub(super) fn nobody_reads(&self) -> Option<FileLock> {
        FileLock::acquire(&self.directory.join(LOCK_FILE), Duration::ZERO).ok()
    }

    /// The entries of a receipt, as of now; `None` if they have left the catalog.
    pub(crate) fn entries_of(
        &self,
        record: &ReceiptRecord,
    ) -> Result<Option<Stretch>, LedgerError> {
        let mut ledger = self.ledger();
        ledger.look_again()?;
        let segment = record.receipt.segment;
        let placed = ledger.known().receipt(&record.receipt);
        let own = placed.map_or(&record.entry_file, |placed| &placed.file);
        Ok(match placed.map(|placed| &placed.home) {
            None | Some(Home::Own) => Some(Stretch::whole(self.entry_path(&own.name), segment)),
            Some(Home::Merged(merged, number)) => {
                let path = self.entry_path(&merged.file.name);
                Some(Stretch::whole(path, merged.id).of_receipt(*number))
            }
            Some(Home::Dropped) => None,
        })
    }
}
