//! The commit of a receipt. `docs/catalog.md`, "Commit protocol".
//!
//! Invariant: a receipt is in the ledger only when its entries are durable under the name that
//! the line has. Entries are encoded without the right to append, so that several segments may be
//! at a time: of what is new nobody waits for more than a rename and a line. Only of a receipt that
//! is known already the file is read meanwhile, to tell whether it is whole.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Appended, Catalog};
use crate::disk::{remove_if_present, sync_directory};
use crate::entries::{self, DRAFT_EXTENSION, ENTRIES_DIRECTORY, EXTENSION, EntriesError, Sealed};
use crate::error::CatalogError;
use crate::ledger::{Home, Known, LedgerError, Placed};
use crate::model::Entry;
use crate::model::event::{EntryFileRef, Event, Receipt, ReceiptRecord};

impl Catalog {
    /// Records a receipt with its entries, in any order. On return both are durable.
    ///
    /// A receipt already known (same volume and segment) is not written again, unless the file
    /// with its entries is missing or damaged: then this heals it; or they have left the catalog.
    /// Threads and processes commit side by side: they take turns for the ledger's line alone.
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
        let mut record = ReceiptRecord {
            receipt,
            entry_file: EntryFileRef {
                name: String::new(),
                digest: String::new(),
                entries: 0,
                bytes: 0,
            },
        };
        {
            let mut ledger = self.ledger();
            let _right = ledger.begin(self.options.append_wait)?;
            if let Some(appended) = self.already(ledger.known(), &record.receipt) {
                return Ok(appended);
            }
            ledger.check_references(&Event::Receipt(record.clone()))?;
        }
        // Whoever removes drafts has this lock alone.
        let _drafting = self.begin_drafting().map_err(LedgerError::from)?;
        let (draft, sealed) = self.draft(&record.receipt, &entries)?;
        drop(entries);
        let mut ledger = self.ledger();
        let right = ledger.begin(self.options.append_wait)?;
        if let Some(appended) = self.already(ledger.known(), &record.receipt) {
            return Ok(appended);
        }
        let seq = ledger.tip().seq + 1;
        record.entry_file = EntryFileRef {
            name: entry_file_name(seq, &record.receipt.segment),
            digest: sealed.digest.to_hex().to_string(),
            entries: sealed.entries,
            bytes: sealed.bytes,
        };
        draft.name(&self.entry_path(&record.entry_file.name))?;
        let seq = ledger.append(&right, time, &Event::Receipt(record))?;
        Ok(Appended { seq, known: false })
    }

    /// What to answer if a receipt is in the ledger, and its entries are where they should be.
    fn already(&self, known: &Known, receipt: &Receipt) -> Option<Appended> {
        let placed = known.receipt(receipt)?;
        match self.is_whole(placed) {
            Ok(false) => None,
            Ok(true) => Some(Appended {
                seq: placed.line,
                known: true,
            }),
            Err(error) => {
                tracing::warn!(%error, "entry file is written anew");
                None
            }
        }
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

    /// Writes the entry file, durably, under a name of its own.
    fn draft(&self, receipt: &Receipt, entries: &[Entry]) -> Result<(Draft, Sealed), EntriesError> {
        let directory = self.directory.join(ENTRIES_DIRECTORY);
        std::fs::create_dir_all(&directory).map_err(|source| EntriesError::Io {
            path: directory.clone(),
            source,
        })?;
        let name = format!("{}-{}.{DRAFT_EXTENSION}", receipt.segment, Uuid::new_v4());
        let draft = Draft {
            path: directory.join(name),
        };
        let sealed = entries::write(&draft.path, receipt.segment, receipt.record_bytes, entries)?;
        Ok((draft, sealed))
    }
}

/// An entry file without its final name; removed, unless it gets one.
struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Gives it its final name, durably.
    fn name(self, path: &Path) -> Result<(), EntriesError> {
        let rename = || {
            std::fs::rename(&self.path, path)?;
            path.parent().map_or(Ok(()), sync_directory)
        };
        rename().map_err(|source| EntriesError::Io {
            path: path.to_owned(),
            source,
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed now is removed by who opens the catalog next.
        let _ = remove_if_present(&self.path);
    }
}

/// Name of the entry file of a receipt.
pub(crate) fn entry_file_name(seq: u64, segment: &Uuid) -> String {
    format!("{seq:010}-{segment}.{EXTENSION}")
}
