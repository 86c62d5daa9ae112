//! The catalog: opens, appends, commits, and keeps the index up with the ledger.
//!
//! Invariants: a receipt is acknowledged only when its entry file and its ledger line are
//! durable, in this order; the index is never needed to append, and any doubt about it ends in a
//! rebuild, not in an error.

mod ask;
mod check;
mod commit;
mod housekeeping;
mod memory;
mod opener;
mod reading;
mod records;
mod restores;
mod retention;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

pub(crate) use check::tell_damage;
pub use check::{CheckReport, DamagedFile, Inconsistency};
pub(crate) use commit::entry_file_name;
pub use housekeeping::Notice;
pub(crate) use reading::Reading;
pub use records::{Job, Volume};
pub(crate) use records::{read_job, read_receipt, read_volume};
pub use restores::RestoreRun;

use crate::FORMAT_VERSION;
use crate::disk::sync_directory;
use crate::entries::ENTRIES_DIRECTORY;
use crate::error::CatalogError;
use crate::index::Index;
use crate::ledger::{LEDGER_FILE, Ledger, LedgerError};
use crate::model::event::{CatalogCreated, Event, ReceiptRecord};
use crate::query::Kept;
use housekeeping::Notices;
use opener::IndexOpener;

/// How long to wait for other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// For the index; then questions are answered from memory.
    pub index_wait: Duration,
    /// For the right to append; then appending fails.
    pub append_wait: Duration,
    /// Never use the index on disk, as where the directory is not to be written to.
    pub memory_index: bool,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            // As long as it takes to make the index of a large catalog in memory.
            index_wait: Duration::from_millis(200),
            append_wait: Duration::from_secs(60),
            memory_index: false,
        }
    }
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of the ledger line that says it.
    pub seq: u64,
    /// Whether an earlier line already said it, so that nothing was written.
    pub known: bool,
}

/// An open catalog. Threads may share it; questions take turns, and so do appends.
pub struct Catalog {
    directory: PathBuf,
    ledger_path: PathBuf,
    options: OpenOptions,
    ledger: Mutex<Ledger>,
    index: Mutex<Option<Index>>,
    opener: IndexOpener,
    kept: Kept,
    /// Lines of merged files that were found to be as the ledger says.
    whole: Mutex<HashSet<u64>>,
    notices: Notices,
    stop: OnceLock<Arc<AtomicBool>>,
}

impl Catalog {
    /// Makes a new catalog in `directory`, which may exist, and opens it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Exists`] if there is one already: open it. [`LedgerError::Gone`] if there
    /// was one.
    /// Otherwise the directory cannot be used.
    pub fn create(
        directory: &Path,
        time: Timestamp,
        catalog: Uuid,
        software: &str,
        options: OpenOptions,
    ) -> Result<Catalog, CatalogError> {
        if memory::is_gone(directory) {
            let path = directory.join(LEDGER_FILE);
            return Err(LedgerError::Gone { path }.into());
        }
        Catalog::make(directory, time, catalog, software, options)
    }

    /// Writes line 1 and opens what it begins.
    fn make(
        directory: &Path,
        time: Timestamp,
        catalog: Uuid,
        software: &str,
        options: OpenOptions,
    ) -> Result<Catalog, CatalogError> {
        let make = || {
            std::fs::create_dir_all(directory.join(ENTRIES_DIRECTORY))?;
            directory
                .parent()
                .filter(|up| up.is_dir())
                .map_or(Ok(()), sync_directory)
        };
        make().map_err(|source| CatalogError::Directory {
            path: directory.to_owned(),
            source,
        })?;
        let format = FORMAT_VERSION;
        let created = CatalogCreated {
            format,
            catalog,
            software: software.to_owned(),
        };
        Ledger::create(directory, time, created)?;
        Catalog::open(directory, options)
    }

    /// Opens the catalog in `directory`: checks the whole ledger, cuts off a torn end, removes
    /// entry files that were never committed. The index is opened by the first question.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Missing`] if there is none: create one. [`LedgerError::Gone`] if there was.
    /// Otherwise the ledger is altered, newer than this software, or unreadable.
    pub fn open(directory: &Path, options: OpenOptions) -> Result<Catalog, CatalogError> {
        let (ledger, cut) = match Ledger::open(directory) {
            Err(LedgerError::Missing { path }) if memory::is_gone(directory) => {
                return Err(LedgerError::Gone { path }.into());
            }
            opened => opened?,
        };
        let catalog = Catalog {
            directory: directory.to_owned(),
            ledger_path: ledger.path().to_owned(),
            options,
            opener: IndexOpener::new(directory, ledger.path(), options),
            ledger: Mutex::new(ledger),
            index: Mutex::new(None),
            kept: Kept::default(),
            whole: Mutex::default(),
            notices: Notices::default(),
            stop: OnceLock::new(),
        };
        if let Some(cut) = cut {
            catalog.notices.push(Notice::TornLineCut {
                line: cut.line,
                bytes: cut.bytes,
            });
        }
        catalog.remove_strays()?;
        catalog.notice_lost_lines();
        catalog.notice_unknown_events();
        Ok(catalog)
    }

    /// From now on, searches end with [`CatalogError::Stopped`] once `flag` is up. The first flag
    /// counts.
    pub fn stop_by(&self, flag: Arc<AtomicBool>) {
        let _ = self.stop.set(flag);
    }

    pub(crate) fn is_to_stop(&self) -> bool {
        let raised = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        self.stop.get().is_some_and(raised)
    }

    pub(crate) fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        self.stop.get().cloned()
    }

    /// The catalog's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes what was found and mended since the last call.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Records an event and makes it durable. An event that introduces a job or volume already
    /// introduced is not written again.
    ///
    /// # Errors
    ///
    /// The event names an unknown job or volume, another process is appending for too long, or
    /// the ledger cannot be written. Nothing was recorded.
    pub fn append(&self, time: Timestamp, event: &Event) -> Result<Appended, CatalogError> {
        if event.needs_files() {
            return Err(CatalogError::NotAppendable);
        }
        self.append_any(time, event)
    }

    /// The same for events that only make sense together with entry files.
    pub(crate) fn append_any(
        &self,
        time: Timestamp,
        event: &Event,
    ) -> Result<Appended, CatalogError> {
        let mut ledger = self.ledger();
        let right = ledger.begin(self.options.append_wait)?;
        if let Some(seq) = ledger.known().already(event) {
            return Ok(Appended { seq, known: true });
        }
        ledger.check_references(event)?;
        let seq = ledger.append(&right, time, event)?;
        Ok(Appended { seq, known: false })
    }

    /// Whether the receipt in line `seq` counts: none after it has the same identity.
    pub(crate) fn counts(&self, seq: u64, record: &ReceiptRecord) -> bool {
        let ledger = self.ledger();
        let counting = ledger.known().receipt(&record.receipt);
        counting.is_none_or(|placed| placed.line == seq)
    }

    /// Entries of all receipts that count.
    pub(crate) fn entries_at_most(&self) -> u64 {
        let ledger = self.ledger();
        let receipts = ledger.known().receipts();
        receipts.map(|(_, placed)| placed.file.entries).sum()
    }

    pub(crate) fn append_wait(&self) -> Duration {
        self.options.append_wait
    }

    pub(crate) fn entry_path(&self, name: &str) -> PathBuf {
        self.directory.join(ENTRIES_DIRECTORY).join(name)
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) fn ledger_path(&self) -> &Path {
        &self.ledger_path
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic while it was locked leaves it before or after a whole append.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
