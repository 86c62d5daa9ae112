//! The index: rows derived from ledger lines and entry files' footers, a few for each line.
//!
//! Invariants: rows and watermark change together, so that whatever a kill leaves is the state
//! after some line; the checksum in the watermark covers every other row. All of it can be made
//! again, so every doubt is answered by [`IndexError`], and the catalog rebuilds.

mod error;
mod questions;
pub(crate) mod rows;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::Uuid;

use crate::entries::{ENTRIES_DIRECTORY, EntriesError, EntryFile};
use crate::ledger::error::LedgerError;
use crate::ledger::line::Parsed;
use crate::ledger::scan::{self, Scanner, Step, Tip};
use crate::model::event::{Event, ReceiptRecord};
use crate::store::{Batch, Store};
pub use error::IndexError;
pub(crate) use error::{Answer, Trouble};
use rows::{JobRow, ReceiptRow, RowOutline, VolumeRow, Watermark};

/// Rows that are collected before they are handed to the store.
const BATCH_ROWS: usize = 1_000;

/// An open index.
pub(crate) struct Index {
    store: Box<dyn Store>,
    ledger: PathBuf,
    entries: PathBuf,
    tip: Tip,
    checksum: u64,
    pending: Batch,
}

impl Index {
    /// Takes over a store: empty, or as an index left it.
    pub(crate) fn open(store: Box<dyn Store>, directory: &Path, ledger: &Path) -> Answer<Index> {
        let mut index = Index {
            store,
            ledger: ledger.to_owned(),
            entries: directory.join(ENTRIES_DIRECTORY),
            tip: Tip::START,
            checksum: 0,
            pending: Batch::default(),
        };
        let checksum = index.sum_of_rows()?;
        match index.store.get(rows::WATERMARK)? {
            Some(value) => {
                let watermark = Watermark::decode(&value).ok_or(IndexError::Row { table: b'm' })?;
                index.tip = watermark.tip;
                index.checksum = watermark.checksum;
            }
            None => index.checksum = 0,
        }
        if checksum != index.checksum {
            return Err(IndexError::Checksum.into());
        }
        if !scan::holds(&index.ledger, &index.tip)? {
            return Err(Trouble::Foreign(index.tip));
        }
        Ok(index)
    }

    /// The last line that was taken in.
    pub(crate) fn tip(&self) -> Tip {
        self.tip
    }

    fn sum_of_rows(&self) -> Answer<u64> {
        let mut sum = 0u64;
        for row in self.store.range(&[], rows::END) {
            let (key, value) = row?;
            if key != rows::WATERMARK {
                sum = sum.wrapping_add(rows::row_sum(&key, &value));
            }
        }
        Ok(sum)
    }

    /// Takes in the ledger's lines since the last time.
    pub(crate) fn refresh(&mut self) -> Answer<()> {
        let length = std::fs::metadata(&self.ledger).map(|meta| meta.len());
        let length = length.map_err(|source| LedgerError::Io {
            path: self.ledger.clone(),
            at: 0,
            source,
        })?;
        if length == self.tip.end {
            return Ok(());
        }
        if length < self.tip.end {
            return Err(Trouble::Foreign(self.tip));
        }
        let before = self.tip;
        let mut scanner = Scanner::open(&self.ledger, self.tip)?;
        // A torn end is either being written or is cut off by whoever appends next.
        while let Step::Line(at, recorded) = scanner.step()? {
            if let Parsed::Event(event) = &recorded.what {
                self.take_in(recorded.seq, at, event)?;
            }
            self.tip = scanner.tip();
        }
        if self.tip != before {
            self.write_pending()?;
            self.store.flush()?;
        }
        Ok(())
    }

    fn take_in(&mut self, seq: u64, at: u64, event: &Event) -> Answer<()> {
        match event {
            Event::VolumeLabelled(labelled) => {
                self.change_volume(&labelled.volume, |row| row.label = Some(at))?;
                let mut key = rows::barcode_prefix(&labelled.barcode);
                key.extend_from_slice(&seq.to_be_bytes());
                self.put(key, labelled.volume.as_bytes().to_vec())?;
                if let Some(replaced) = &labelled.replaces
                    && self.get(&VolumeRow::key(replaced))?.is_some()
                {
                    self.change_volume(replaced, |row| row.retirement = Some(at))?;
                }
            }
            Event::VolumeRetired(retired) => {
                self.change_volume(&retired.volume, |row| row.retirement = Some(at))?;
            }
            Event::VolumeReinstated(found) => {
                self.change_volume(&found.volume, |row| row.retirement = None)?;
            }
            Event::VolumeState(changed) => {
                self.change_volume(&changed.volume, |row| row.state = Some(at))?;
            }
            Event::VolumeMoved(moved) => {
                self.change_volume(&moved.volume, |row| row.location = Some(at))?;
            }
            Event::Verified(verified) => {
                self.change_volume(&verified.volume, |row| row.verification = Some(at))?;
            }
            Event::JobStarted(started) => {
                let row = JobRow {
                    seq,
                    start: at,
                    finish: None,
                };
                self.put(JobRow::key(&started.job), row.encode())?;
            }
            Event::JobFinished(finished) => {
                let key = JobRow::key(&finished.job);
                if let Some(value) = self.get(&key)? {
                    let row = JobRow::decode(&value).ok_or(IndexError::Row { table: b'j' })?;
                    self.put(
                        key,
                        JobRow {
                            finish: Some(at),
                            ..row
                        }
                        .encode(),
                    )?;
                }
            }
            Event::Receipt(record) => self.take_in_receipt(seq, at, record)?,
            Event::EntriesMerged(merged) => {
                if let Some(outline) = self.outline(seq, &merged.entry_file.name, &merged.id) {
                    let mut value = Vec::new();
                    outline.encode(&mut value);
                    self.put(RowOutline::key_of_merged(seq), value)?;
                }
            }
            Event::CatalogCreated(_) | Event::CatalogRebuilt(_) => {}
            // These are known from the ledger alone.
            Event::RestoreStarted(_)
            | Event::Restored(_)
            | Event::RetentionSet(_)
            | Event::HoldPlaced(_)
            | Event::HoldReleased(_)
            | Event::JobExpired(_)
            | Event::EntriesDropped(_) => {}
        }
        Ok(())
    }

    fn change_volume(&mut self, volume: &Uuid, change: impl FnOnce(&mut VolumeRow)) -> Answer<()> {
        let key = VolumeRow::key(volume);
        let mut row = match self.get(&key)? {
            Some(value) => VolumeRow::decode(&value).ok_or(IndexError::Row { table: b'v' })?,
            None => VolumeRow::default(),
        };
        change(&mut row);
        self.put(key, row.encode())
    }

    fn take_in_receipt(&mut self, seq: u64, at: u64, record: &ReceiptRecord) -> Answer<()> {
        let receipt = &record.receipt;
        let segment_key = ReceiptRow::segment_key(&receipt.volume, &receipt.segment);
        if let Some(value) = self.get(&segment_key)? {
            let replaced = value.try_into().map(u64::from_be_bytes);
            self.forget_receipt(replaced.map_err(|_| IndexError::Row { table: b's' })?)?;
        }
        let outline = self.outline(seq, &record.entry_file.name, &receipt.segment);
        let row = ReceiptRow {
            seq,
            line: at,
            segment: receipt.segment,
            segment_number: receipt.segment_number,
            job: receipt.job,
            volume: receipt.volume,
            outline,
        };
        self.put(segment_key, seq.to_be_bytes().to_vec())?;
        self.put(row.volume_key(), Vec::new())?;
        self.put(ReceiptRow::key(seq), row.encode())
    }

    /// What an entry file says in short; `None` if it cannot be read, or is there no more since
    /// a later line put its entries elsewhere.
    fn outline(&self, seq: u64, name: &str, id: &Uuid) -> Option<RowOutline> {
        let path = self.entries.join(name);
        match EntryFile::open(&path, id).and_then(|file| file.outline()) {
            Ok(outline) => Some(RowOutline::new(&outline)),
            Err(EntriesError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                tracing::debug!(name, line = seq, "entry file is not there");
                None
            }
            Err(error) => {
                tracing::warn!(%error, line = seq, "entry file cannot be read");
                None
            }
        }
    }

    fn forget_receipt(&mut self, seq: u64) -> Answer<()> {
        self.write_pending()?;
        let key = ReceiptRow::key(seq);
        let Some(value) = self.store.get(&key)? else {
            return Ok(());
        };
        let row = ReceiptRow::decode(&key, &value).ok_or(IndexError::Row { table: b'r' })?;
        self.remove(row.volume_key())?;
        // Last: without it the other would no longer be found after a kill in between.
        self.remove(key)
    }

    fn get(&self, key: &[u8]) -> Answer<Option<Vec<u8>>> {
        match self.pending.get(key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => Ok(self.store.get(key)?),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        self.uncount(&key)?;
        self.checksum = self.checksum.wrapping_add(rows::row_sum(&key, &value));
        self.pending.put(key, value);
        self.write_if_many()
    }

    fn remove(&mut self, key: Vec<u8>) -> Answer<()> {
        self.uncount(&key)?;
        self.pending.remove(key);
        self.write_if_many()
    }

    fn uncount(&mut self, key: &[u8]) -> Answer<()> {
        if let Some(value) = self.get(key)? {
            self.checksum = self.checksum.wrapping_sub(rows::row_sum(key, &value));
        }
        Ok(())
    }

    fn write_if_many(&mut self) -> Answer<()> {
        if self.pending.len() < BATCH_ROWS {
            Ok(())
        } else {
            self.write_pending()
        }
    }

    /// Hands the pending rows to the store together with a watermark for them. Amid the rows of
    /// a line that watermark names the line before; after a kill the line is taken in again.
    fn write_pending(&mut self) -> Answer<()> {
        let watermark = Watermark {
            tip: self.tip,
            checksum: self.checksum,
        };
        self.pending
            .put(rows::WATERMARK.to_vec(), watermark.encode());
        self.store.apply(&self.pending)?;
        self.pending = Batch::default();
        Ok(())
    }
}

/// When a job started, then its line: the order in which versions replace one another.
pub(crate) type JobOrder = (Timestamp, u64);
