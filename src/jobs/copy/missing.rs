//! What of a job needs its second copy: decided from the catalog alone.
//!
//! An object has its copy in a pool if volumes of it hold all of it, in the same state (size,
//! times, condition): as one member, or as parts without a gap. A name that is gone has to be in an
//! index there as well. Memory: 32 bytes for each of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use catalogs::Catalog;
use catalogs::model::event::ReceiptRecord;
use catalogs::model::{Condition, Entry, Kind};

use crate::engine::archive::CopySegment;
use crate::jobs::known::{StateKey, state_key};
use crate::jobs::{JobError, catalog};
use crate::units::BlockAddress;

/// What the volumes of a pool hold of a job.
#[derive(Default)]
pub(super) struct Held {
    whole: HashSet<StateKey>,
    parts: HashMap<StateKey, Parts>,
}

#[derive(Default)]
struct Parts {
    numbers: BTreeSet<u32>,
    last: Option<u32>,
}

/// What is to be copied.
#[derive(Default)]
pub(super) struct Missing {
    pub(super) segments: Vec<CopySegment>,
    /// Objects, and names that are gone.
    pub(super) files: u64,
    /// Bytes of their files.
    pub(super) bytes: u64,
}

impl Held {
    pub(super) fn of(catalog: &Catalog, receipts: &[ReceiptRecord]) -> Result<Held, JobError> {
        let mut held = Held::default();
        for receipt in receipts {
            for entry in catalog.entries_in_tape_order(receipt)? {
                held.add(&entry);
            }
        }
        Ok(held)
    }

    fn add(&mut self, entry: &Entry) {
        if entry.kind == Kind::Gone {
            self.whole.insert(gone_key(entry));
            return;
        }
        let Some(part) = entry.part else {
            self.whole.insert(key(entry, entry.condition));
            return;
        };
        // What could not be read is in no state to be joined with other parts.
        if entry.condition != Condition::Unreadable {
            let parts = self.parts.entry(part_key(entry)).or_default();
            parts.numbers.insert(part.number);
            if part.last {
                parts.last = Some(part.number);
            }
        }
    }

    fn has(&self, entry: &Entry) -> bool {
        if entry.kind == Kind::Gone {
            return self.whole.contains(&gone_key(entry));
        }
        let parts = self.parts.get(&part_key(entry));
        let joined = parts.is_some_and(|parts| {
            let all = |last| (1..=last).all(|number| parts.numbers.contains(&number));
            parts.last.is_some_and(all)
        });
        joined || entry.part.is_none() && self.whole.contains(&key(entry, entry.condition))
    }
}

/// What `first` holds in these receipts, and `second` does not.
pub(super) fn missing(
    catalog: &Catalog,
    receipts: &[ReceiptRecord],
    first: &Held,
    second: &Held,
) -> Result<Missing, JobError> {
    let mut missing = Missing::default();
    for record in receipts {
        let entries = catalog.entries_in_tape_order(record)?;
        let all = entries.len();
        let wanted = entries.into_iter();
        let wanted = wanted.filter(|entry| first.has(entry) && !second.has(entry));
        let wanted: Vec<Entry> = wanted.collect();
        if wanted.is_empty() {
            continue;
        }
        let complete = wanted
            .iter()
            .filter(|e| e.part.is_none_or(|part| part.last));
        for entry in complete {
            missing.files += 1;
            missing.bytes += entry.size_bytes;
        }
        let receipt = &record.receipt;
        let partly = wanted.len() < all;
        let volume = catalog::volume(catalog, receipt.volume)?;
        missing.segments.push(CopySegment {
            volume: receipt.volume,
            barcode: volume.label.what.barcode,
            segment: receipt.segment,
            index_block: BlockAddress(receipt.index_block),
            wanted: partly.then(|| wanted.into_iter().map(|entry| entry.path).collect()),
        });
    }
    Ok(missing)
}

/// Unlike any state of an object.
fn gone_key(entry: &Entry) -> StateKey {
    state_key(u8::MAX, &entry.path, 0, [(0, 0); 2])
}

/// The same for all parts of a file. The parts of what was a stream differ in size, which was not
/// known before its end; what changed has another ctime.
fn part_key(entry: &Entry) -> StateKey {
    let times = [entry.mtime, entry.ctime].map(|time| (time.seconds, time.nanoseconds));
    state_key(Condition::Whole as u8, &entry.path, 0, times)
}

fn key(entry: &Entry, condition: Condition) -> StateKey {
    let times = [entry.mtime, entry.ctime].map(|time| (time.seconds, time.nanoseconds));
    state_key(condition as u8, &entry.path, entry.size_bytes, times)
}
