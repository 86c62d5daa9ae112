//! Reads the whole catalog and compares it with itself.

use uuid::Uuid;

use super::Catalog;
use crate::entries::{EntriesError, Fault, Stretch, matches};
use crate::error::CatalogError;
use crate::model::event::EntryFileRef;
use crate::model::path::compare;

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
    pub damaged: Vec<EntriesError>,
}

/// An entry file that is not as it was sealed: commit its segment again from tape.
#[derive(Debug)]
pub struct DamagedFile {
    /// The volume that its segment is on.
    pub volume: Uuid,
    /// What is wrong with the file.
    pub error: EntriesError,
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

    /// Reads everything: the ledger's chain, each entry file's digest and every entry.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read. Damaged entry files are in the report.
    pub fn check(&self) -> Result<CheckReport, CatalogError> {
        let (ledger, _) = crate::ledger::Ledger::open(self.directory())?;
        let mut report = CheckReport {
            lines: ledger.tip().seq,
            ..CheckReport::default()
        };
        for (_, segment, file) in ledger.known().receipts() {
            report.receipts += 1;
            match self.check_entry_file(segment, file) {
                Ok(entries) => report.entries += entries,
                Err(error) => report.damaged.push(error),
            }
        }
        Ok(report)
    }

    fn check_entry_file(&self, segment: Uuid, file: &EntryFileRef) -> Result<u64, EntriesError> {
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
                return Err(damaged(Fault::Value("order of entries")));
            }
            last = entry.path;
            entries += 1;
        }
        if entries != file.entries {
            return Err(damaged(Fault::Ledger("count of entries")));
        }
        Ok(entries)
    }
}
