//! Receipts that are searched, and the files that have their entries: whether one can have what
//! is looked for, and where it begins.
//!
//! What is asked of an entry file's filter and footer is kept in memory as long as there is room.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use crate::catalog::Volume;
use crate::entries::{BlockMap, FilterPlace, Probe, Start};
use crate::index::rows::RowOutline;
use crate::model::path::{Common, KeyRange};

/// Filters, and maps of blocks, that are kept for the searches of one moment have so many bytes
/// together.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A filter is kept from this question on; before, a line of it is read.
const KEPT_FROM: u32 = 3;

/// A receipt that is searched.
#[derive(Debug)]
pub(crate) struct Source {
    /// Offset of its ledger line.
    pub(super) line: u64,
    /// Place of its job among the jobs, the oldest first.
    pub(super) rank: usize,
    pub(super) volume: Arc<Volume>,
    /// Whether its entries are hits; else they only prove that a path was there.
    pub(super) offered: bool,
}

/// An entry file that is searched.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(super) path: PathBuf,
    /// What its header names.
    pub(super) id: Uuid,
    /// `None` if the index does not tell: it is searched from its first block on.
    pub(super) outline: Option<RowOutline>,
    pub(super) tenants: Tenants,
    /// The highest rank among its sources.
    pub(super) newest: usize,
    pub(super) kept: Kept,
}

/// Whose entries a file has: numbers of sources.
#[derive(Debug, Clone)]
pub(super) enum Tenants {
    One(usize),
    /// By their numbers in a merged file. Entries of others do not count.
    Several(Arc<HashMap<u32, usize>>),
}

impl Tenants {
    /// All of them.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        let (one, several) = match self {
            Tenants::One(source) => (Some(*source), None),
            Tenants::Several(sources) => (None, Some(sources.values().copied())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// The source of an entry that says this number.
    pub(super) fn source(&self, number: u32) -> Option<usize> {
        match self {
            Tenants::One(source) => Some(*source),
            Tenants::Several(sources) => sources.get(&number).copied(),
        }
    }
}

/// What is kept of an entry file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    asked: AtomicU32,
    filter: OnceLock<Option<Vec<u8>>>,
    map: OnceLock<BlockMap>,
}

/// Room for what is kept.
#[derive(Debug)]
pub(super) struct Room {
    filters: AtomicUsize,
    maps: AtomicUsize,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            filters: AtomicUsize::new(KEPT_BYTES_MAX),
            maps: AtomicUsize::new(KEPT_BYTES_MAX),
        }
    }
}

fn take(room: &AtomicUsize, bytes: usize) -> bool {
    let take = |left: usize| left.checked_sub(bytes);
    let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
    room.fetch_update(set, get, take).is_ok()
}

/// A range of names to be looked for in many files.
#[derive(Debug)]
pub(super) struct Sought<'a> {
    range: &'a KeyRange,
    /// What filters are asked; `None` if they cannot tell.
    probe: Option<Probe>,
}

impl<'a> Sought<'a> {
    pub(super) fn new(range: &'a KeyRange) -> Sought<'a> {
        let probe = match range.common() {
            Common::Name(path) => Some(Probe::name(&path)),
            Common::Directory(directory) => Probe::below(&directory),
        };
        Sought { range, probe }
    }
}

impl SourceFile {
    /// Where its names in the range begin; `None` if it has none there.
    pub(super) fn start(&self, sought: &Sought<'_>, room: &Room) -> Option<Start> {
        let range = sought.range;
        let Some(outline) = &self.outline else {
            return Some(Start::whole(range));
        };
        if !outline.reaches(range) {
            return None;
        }
        if let (Some(probe), Some(filter)) = (&sought.probe, &outline.filter) {
            let table = self.filter(filter, room);
            if !filter.may_have(probe, table, &self.path, &self.id) {
                return None;
            }
        }
        if let Some(map) = self.kept.map.get() {
            return map.start(range);
        }
        // Damaged since the index was made: it costs speed alone.
        let Some(map) = BlockMap::read(&self.path, &outline.frame) else {
            return Some(Start::whole(range));
        };
        let start = map.start(range);
        if take(&room.maps, map.bytes()) {
            // Another thread may have been faster.
            let _ = self.kept.map.set(map);
        }
        start
    }

    fn filter(&self, filter: &FilterPlace, room: &Room) -> Option<&[u8]> {
        let kept = &self.kept;
        if kept.filter.get().is_none() {
            let asked = kept.asked.fetch_add(1, Ordering::Relaxed) + 1;
            if asked < KEPT_FROM {
                return None;
            }
        }
        let read = || {
            let fits = take(&room.filters, filter.bytes());
            fits.then(|| filter.read_all(&self.path)).flatten()
        };
        kept.filter.get_or_init(read).as_deref()
    }
}
