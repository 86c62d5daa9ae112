//! Where the entries of receipts are, as the ledger has it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Known;
use crate::model::event::EntryFileRef;

/// A receipt that counts.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Its line.
    pub(crate) line: u64,
    pub(crate) job: Uuid,
    pub(crate) is_catalog_copy: bool,
    /// The file that was written with it. How many entries it has stays true wherever they are.
    pub(crate) file: EntryFileRef,
    pub(crate) home: Home,
}

impl Placed {
    /// The file that has its entries; `None` if they have left the catalog.
    pub(crate) fn in_file(&self) -> Option<&EntryFileRef> {
        match &self.home {
            Home::Own => Some(&self.file),
            Home::Merged(merged, _) => Some(&merged.file),
            Home::Dropped => None,
        }
    }
}

/// Where the entries of a receipt are.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    /// In the file that was written with it.
    Own,
    /// In a merged file, under this number.
    Merged(Arc<MergedFile>, u32),
    /// They have left the catalog.
    Dropped,
}

/// A file with the entries of several receipts.
#[derive(Debug)]
pub(crate) struct MergedFile {
    /// The line that says so.
    pub(crate) line: u64,
    pub(crate) id: Uuid,
    pub(crate) file: EntryFileRef,
}

/// The homes of all receipts as of one moment.
#[derive(Debug)]
pub(crate) struct Homes {
    /// By the receipts' lines.
    pub(crate) of: HashMap<u64, Home>,
    /// Jobs of which entries have left the catalog.
    pub(crate) dropped: HashSet<Uuid>,
}

/// A file that has entries which count.
#[derive(Debug, Clone)]
pub(crate) struct FileInUse {
    /// What its header names: the segment, or its own identity if it is merged.
    pub(crate) id: Uuid,
    pub(crate) file: EntryFileRef,
    /// The line that names it.
    pub(crate) line: u64,
    pub(crate) is_merged: bool,
    /// The receipts whose entries in it count.
    pub(crate) tenants: Vec<Tenant>,
}

/// A receipt in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// Its number in the file.
    pub(crate) number: u32,
    pub(crate) volume: Uuid,
    pub(crate) segment: Uuid,
    pub(crate) job: Uuid,
    /// Its line.
    pub(crate) line: u64,
    pub(crate) entries: u64,
}

impl FileInUse {
    /// Its entries that count.
    pub(crate) fn live_entries(&self) -> u64 {
        self.tenants.iter().map(|tenant| tenant.entries).sum()
    }
}

impl Known {
    /// The homes of all receipts.
    pub(crate) fn homes(&self) -> Homes {
        let placed = || self.receipts().map(|(_, placed)| placed);
        let left = placed().filter(|placed| matches!(placed.home, Home::Dropped));
        Homes {
            dropped: left.map(|placed| placed.job).collect(),
            of: placed()
                .map(|placed| (placed.line, placed.home.clone()))
                .collect(),
        }
    }

    /// The files that have entries which count, in the order of the first of their receipts by
    /// volume and segment.
    pub(crate) fn files(&self) -> Vec<FileInUse> {
        let mut files = Vec::new();
        let mut merged: BTreeMap<u64, FileInUse> = BTreeMap::new();
        for ((volume, segment), placed) in self.receipts() {
            let mut tenant = Tenant {
                number: 0,
                volume,
                segment,
                job: placed.job,
                line: placed.line,
                entries: placed.file.entries,
            };
            match &placed.home {
                Home::Dropped => {}
                Home::Own => files.push(FileInUse {
                    id: segment,
                    file: placed.file.clone(),
                    line: placed.line,
                    is_merged: false,
                    tenants: vec![tenant],
                }),
                Home::Merged(file, number) => {
                    tenant.number = *number;
                    let file = merged.entry(file.line).or_insert_with(|| FileInUse {
                        id: file.id,
                        file: file.file.clone(),
                        line: file.line,
                        is_merged: true,
                        tenants: Vec::new(),
                    });
                    file.tenants.push(tenant);
                }
            }
        }
        for mut file in merged.into_values() {
            file.tenants
                .sort_by_key(|tenant| (tenant.volume, tenant.segment));
            files.push(file);
        }
        files.sort_by_key(|file| (file.tenants[0].volume, file.tenants[0].segment));
        files
    }
}
