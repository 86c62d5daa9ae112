//! The catalog: opens, appends, commits, and keeps the index up with the ledger.
//!
//! Invariants: a receipt is acknowledged only when its entry file and its ledger line are
//! durable, in this order; the index is never needed to append, and any doubt about it ends in a
//! rebuild, not in an error.

mod ask;
mod check;
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
pub use housekeeping::Notice;
pub(crate) use reading::Reading;
pub use records::{Job, Volume};
pub(crate) use records::{read_job, read_receipt, read_volume};

use crate::FORMAT_VERSION;
use crate::disk::sync_directory;
use crate::entries::{self, DRAFT_EXTENSION, ENTRIES_DIRECTORY, EXTENSION, EntriesError};
use crate::error::CatalogError;
use crate::index::Index;
use crate::ledger::{Home, LEDGER_FILE, Ledger, LedgerError, Placed};
use crate::model::Entry;
use crate::model::event::{CatalogCreated, EntryFileRef, Event, Receipt, ReceiptRecord};
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
            index_wait: Duration::from_secs(5),
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

    /// Records a receipt with its entries, in any order. On return both are durable.
    ///
    /// A receipt already known (same volume and segment) is not written again, unless the file
    /// with its entries is missing or damaged: then this heals it; or they have left the catalog.
    /// Memory: the entries and nothing of note.
    ///
    /// # Errors
    ///
    /// An entry breaks a rule of [`Entry`], the receipt names an unknown job or volume, another
    /// process is appending for too long, or a file cannot be written. Nothing was recorded.
    pub fn commit(
        &self,
        time: Timestamp,
        receipt: Receipt,
        entries: Vec<Entry>,
    ) -> Result<Appended, CatalogError> {
        let mut ledger = self.ledger();
        let right = ledger.begin(self.options.append_wait)?;
        if let Some(placed) = ledger.known().receipt(&receipt) {
            match self.is_whole(placed) {
                Ok(false) => {}
                Ok(true) => {
                    return Ok(Appended {
                        seq: placed.line,
                        known: true,
                    });
                }
                Err(error) => tracing::warn!(%error, "entry file is written anew"),
            }
        }
        let seq = ledger.tip().seq + 1;
        let name = entry_file_name(seq, &receipt.segment);
        let placeholder = EntryFileRef {
            name,
            digest: String::new(),
            entries: 0,
            bytes: 0,
        };
        let mut record = ReceiptRecord {
            receipt,
            entry_file: placeholder,
        };
        ledger.check_references(&Event::Receipt(record.clone()))?;
        self.seal(&mut record, entries)?;
        let seq = ledger.append(&right, time, &Event::Receipt(record))?;
        Ok(Appended { seq, known: false })
    }

    /// Whether the catalog has the entries of a receipt; an error if it should have them. A merged
    /// file is read once, since it is asked for by each of its receipts.
    fn is_whole(&self, placed: &Placed) -> Result<bool, EntriesError> {
        let merged = match &placed.home {
            Home::Dropped => return Ok(false),
            Home::Own => None,
            Home::Merged(merged, _) => Some(merged.line),
        };
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if merged.is_some_and(|line| whole.contains(&line)) {
            return Ok(true);
        }
        if let Some(file) = placed.in_file() {
            entries::matches(&self.entry_path(&file.name), file)?;
        }
        whole.extend(merged);
        Ok(true)
    }

    /// Writes the entry file under its final name, durably.
    fn seal(&self, record: &mut ReceiptRecord, entries: Vec<Entry>) -> Result<(), EntriesError> {
        let path = self.entry_path(&record.entry_file.name);
        let draft = path.with_extension(DRAFT_EXTENSION);
        let io = |source| EntriesError::Io {
            path: path.clone(),
            source,
        };
        let directory = self.directory.join(ENTRIES_DIRECTORY);
        std::fs::create_dir_all(&directory).map_err(io)?;
        let receipt = &record.receipt;
        let sealed = entries::write(&draft, receipt.segment, receipt.record_bytes, &entries)?;
        std::fs::rename(&draft, &path).map_err(io)?;
        sync_directory(&directory).map_err(io)?;
        record.entry_file.digest = sealed.digest.to_hex().to_string();
        record.entry_file.entries = sealed.entries;
        record.entry_file.bytes = sealed.bytes;
        Ok(())
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

/// Name of the entry file of a receipt.
pub(crate) fn entry_file_name(seq: u64, segment: &Uuid) -> String {
    format!("{seq:010}-{segment}.{EXTENSION}")
}
