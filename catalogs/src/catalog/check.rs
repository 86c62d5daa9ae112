//! Reads the whole catalog and compares it with itself.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Catalog;
use crate::entries::{EntriesError, Fault, Stretch, matches};
use crate::error::CatalogError;
use crate::model::event::{EntryFileRef, Receipt};
use crate::model::path::compare;
use crate::model::{Entry, Kind};

/// What [`Catalog::check`] found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Ledger lines, all in order.
    pub lines: u64,
    /// Receipts that count.
    pub receipts: u64,
    /// Entries read from sound entry files.
    pub entries: u64,
    /// Entry files that are missing or damaged: commit their segments again from tape.
    pub damaged: Vec<DamagedFile>,
    /// Receipts that contradict each other or their entries. No software of ours writes such:
    /// rebuild the catalog from the tapes.
    pub inconsistent: Vec<Inconsistency>,
}

/// An entry file that is not as it was sealed: commit its segment again from tape.
#[derive(Debug)]
pub struct DamagedFile {
    /// The volume that its segment is on.
    pub volume: Uuid,
    /// What is wrong with the file.
    pub error: EntriesError,
}

/// A receipt that contradicts others of its volume, or its own entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment_number}: {what}")]
pub struct Inconsistency {
    /// The volume.
    pub volume: Uuid,
    /// Number of the segment on it.
    pub segment_number: u32,
    /// What is wrong, as a sentence.
    pub what: &'static str,
}

impl Catalog {
    /// Compares length and digest of each entry file with the ledger, at the speed of reading
    /// them: what is inside is not decoded. Returns the number of files and those that differ.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read.
    pub fn check_files(&self) -> Result<(u64, Vec<DamagedFile>), CatalogError> {
        let (ledger, _) = crate::ledger::Ledger::open(self.directory())?;
        let mut files = 0;
        let mut damaged = Vec::new();
        for (volume, _, file) in ledger.known().receipts() {
            files += 1;
            if let Err(error) = matches(&self.entry_path(&file.name), file) {
                damaged.push(DamagedFile { volume, error });
            }
        }
        Ok((files, damaged))
    }

    /// Reads everything: the ledger's chain, the index, each entry file's digest and every entry,
    /// and whether the receipts of each volume, and the entries of each receipt, lie where they
    /// can.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read, or the caller asked to stop
    /// ([`Catalog::stop_by`]). What else is wrong is in the report.
    pub fn check(&self) -> Result<CheckReport, CatalogError> {
        let (ledger, _) = crate::ledger::Ledger::open(self.directory())?;
        let mut report = CheckReport {
            lines: ledger.tip().seq,
            ..CheckReport::default()
        };
        let mut volumes: BTreeMap<Uuid, BTreeMap<Uuid, &EntryFileRef>> = BTreeMap::new();
        for (volume, segment, file) in ledger.known().receipts() {
            volumes.entry(volume).or_default().insert(segment, file);
        }
        for (volume, files) in volumes {
            // The index answers this: receipts that it lacks are missed, too.
            let recorded = self.receipts_of_volume(&volume)?;
            let indexed = recorded.iter().map(|record| &record.what.receipt);
            let indexed: BTreeMap<Uuid, &Receipt> =
                indexed.map(|receipt| (receipt.segment, receipt)).collect();
            check_order(indexed.values().copied(), &mut report);
            for (segment, file) in files {
                report.receipts += 1;
                let receipt = indexed.get(&segment).copied();
                self.check_segment(volume, segment, file, receipt, &mut report)?;
            }
        }
        Ok(report)
    }

    fn check_segment(
        &self,
        volume: Uuid,
        segment: Uuid,
        file: &EntryFileRef,
        receipt: Option<&Receipt>,
        report: &mut CheckReport,
    ) -> Result<(), CatalogError> {
        let Some(receipt) = receipt else {
            let what = "the index does not have it";
            report.inconsistent.push(Inconsistency {
                volume,
                segment_number: 0,
                what,
            });
            return Ok(());
        };
        let mut outside = false;
        let inside = receipt.first_block..receipt.index_block;
        let each = |entry: &Entry| {
            outside |= entry.kind != Kind::Gone && !inside.contains(&entry.block);
        };
        match self.check_entry_file(segment, file, each) {
            Ok(entries) => report.entries += entries,
            Err(CatalogError::Entries(error)) => {
                report.damaged.push(DamagedFile { volume, error });
            }
            Err(error) => return Err(error),
        }
        if outside {
            report.inconsistent.push(Inconsistency {
                volume,
                segment_number: receipt.segment_number,
                what: "an entry begins outside of it",
            });
        }
        Ok(())
    }

    fn check_entry_file(
        &self,
        segment: Uuid,
        file: &EntryFileRef,
        mut each: impl FnMut(&Entry),
    ) -> Result<u64, CatalogError> {
        let path = self.entry_path(&file.name);
        matches(&path, file)?;
        let damaged = |fault| EntriesError::Damaged {
            path: path.clone(),
            at: 0,
            fault,
        };
        let mut entries = 0;
        let mut stretch = Stretch::whole(path.clone(), segment);
        let mut last = Vec::new();
        while let Some(entry) = stretch.next_entry()? {
            if entries > 0 && compare(&last, &entry.path).is_gt() {
                return Err(damaged(Fault::Value("order of entries")).into());
            }
            if self.is_to_stop() {
                return Err(CatalogError::Stopped);
            }
            each(&entry);
            last = entry.path;
            entries += 1;
        }
        if entries != file.entries {
            return Err(damaged(Fault::Ledger("count of entries")).into());
        }
        Ok(entries)
    }
}

/// The receipts of a volume lie one behind the other, each within its own bounds.
fn check_order<'a>(receipts: impl Iterator<Item = &'a Receipt>, report: &mut CheckReport) {
    let mut receipts: Vec<&Receipt> = receipts.collect();
    receipts.sort_by_key(|receipt| (receipt.first_block, receipt.segment_number));
    let mut before: Option<&Receipt> = None;
    for receipt in receipts {
        let mut wrong = |what| {
            report.inconsistent.push(Inconsistency {
                volume: receipt.volume,
                segment_number: receipt.segment_number,
                what,
            });
        };
        let Receipt {
            first_block,
            index_block,
            end_block,
            ..
        } = receipt;
        if !(first_block < index_block && index_block < end_block) {
            wrong("its blocks are in no order");
        }
        if let Some(before) = before {
            if before.end_block > receipt.first_block {
                wrong("it begins before the segment before it ends");
            }
            if before.segment_number >= receipt.segment_number {
                wrong("its number is not above that of the segment before it");
            }
        }
        before = Some(receipt);
    }
}
