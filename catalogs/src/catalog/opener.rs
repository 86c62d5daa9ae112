//! Opens the index: on disk if it can be had, else in memory.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::OpenOptions;
use super::housekeeping::{Notice, Notices};
use crate::index::{Answer, Index, Trouble};
use crate::ledger::scan::Tip;
use crate::lock::LockError;
use crate::store::{MemoryStore, SledStore, Store, StoreLock};

/// The index's directory in the catalog's directory.
pub(crate) const INDEX_DIRECTORY: &str = "index";

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Use what is there; rebuild what does not open.
    Use,
    /// Delete what is there.
    Rebuild,
    /// Leave the disk alone.
    Memory,
}

pub(super) struct IndexOpener {
    catalog: PathBuf,
    ledger: PathBuf,
    options: OpenOptions,
    /// How far an index had come that is not of this ledger.
    foreign: Mutex<Option<Tip>>,
}

impl IndexOpener {
    pub(super) fn new(catalog: &Path, ledger: &Path, options: OpenOptions) -> IndexOpener {
        IndexOpener {
            catalog: catalog.to_owned(),
            ledger: ledger.to_owned(),
            options,
            foreign: Mutex::new(None),
        }
    }

    /// How far the index had come that was found not to be of this ledger, if one was.
    pub(super) fn take_foreign(&self) -> Option<Tip> {
        self.foreign_slot().take()
    }

    fn foreign_slot(&self) -> MutexGuard<'_, Option<Tip>> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index, not necessarily up with the ledger. Fails only on account of the ledger.
    pub(super) fn open(&self, attempt: Attempt, notices: &Notices) -> Answer<Index> {
        if self.options.memory_index || attempt == Attempt::Memory {
            return self.over(Box::new(MemoryStore::default()));
        }
        let directory = self.catalog.join(INDEX_DIRECTORY);
        let lock = match StoreLock::acquire(&directory, self.options.index_wait) {
            Ok(lock) => lock,
            Err(LockError::Busy { pid, .. }) => {
                notices.push(Notice::IndexBusy { pid });
                return self.over(Box::new(MemoryStore::default()));
            }
            Err(error) => return self.in_memory(&error, notices),
        };
        if attempt == Attempt::Use {
            match self.on_disk(&lock) {
                Err(Trouble::Index(error)) => {
                    notices.push(Notice::IndexRebuilt {
                        reason: with_causes(&error),
                    });
                }
                Err(trouble @ Trouble::Foreign(tip)) => {
                    notices.push(Notice::IndexRebuilt {
                        reason: trouble.to_string(),
                    });
                    *self.foreign_slot() = Some(tip);
                }
                opened => return opened,
            }
        }
        let anew = lock
            .delete()
            .map_err(Trouble::from)
            .and_then(|()| self.on_disk(&lock));
        match anew {
            Err(Trouble::Index(error)) => self.in_memory(&error, notices),
            opened => opened,
        }
    }

    fn on_disk(&self, lock: &StoreLock) -> Answer<Index> {
        self.over(Box::new(SledStore::open(lock.clone())?))
    }

    fn in_memory(&self, error: &dyn std::error::Error, notices: &Notices) -> Answer<Index> {
        notices.push(Notice::IndexUnusable {
            reason: with_causes(error),
        });
        self.over(Box::new(MemoryStore::default()))
    }

    fn over(&self, store: Box<dyn Store>) -> Answer<Index> {
        Index::open(store, &self.catalog, &self.ledger)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
