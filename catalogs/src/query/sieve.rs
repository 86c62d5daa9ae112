//! Which receipts a search may leave alone, by the filters of names in their entry files.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::Source;
use crate::entries::{FilterPlace, Probe};
use crate::model::path::{Common, KeyRange};

/// Filters kept in memory by one base of searches have so many bytes together.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A filter is kept from this question on; before, a line of it is read.
const KEPT_FROM: u32 = 3;

/// What is asked of each filter for a range of names; `None` if they cannot tell.
pub(super) fn probe_of(range: &KeyRange) -> Option<Probe> {
    match range.common() {
        Common::Name(path) => Some(Probe::name(&path)),
        Common::Directory(directory) => Probe::below(&directory),
    }
}

/// Room for filters that are kept.
#[derive(Debug)]
pub(super) struct Room(AtomicUsize);

impl Default for Room {
    fn default() -> Room {
        Room(AtomicUsize::new(KEPT_BYTES_MAX))
    }
}

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, get, take).is_ok()
    }
}

/// The filter of one source as a search uses it.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    asked: AtomicU32,
    kept: OnceLock<Option<Vec<u8>>>,
}

impl Source {
    /// Whether the source may hold names in the range that the probe is for.
    pub(super) fn may_hold(&self, range: &KeyRange, probe: Option<&Probe>, room: &Room) -> bool {
        if !self.row.reaches(range) {
            return false;
        }
        let filter = self.row.outline.as_ref().and_then(|outline| outline.filter);
        let (Some(probe), Some(filter)) = (probe, filter) else {
            return true;
        };
        let table = self.kept_filter(&filter, room);
        filter.may_have(probe, table, &self.path, &self.row.segment)
    }

    fn kept_filter(&self, filter: &FilterPlace, room: &Room) -> Option<&[u8]> {
        let sieve = &self.sieve;
        if sieve.kept.get().is_none() {
            let asked = sieve.asked.fetch_add(1, Ordering::Relaxed) + 1;
            if asked < KEPT_FROM {
                return None;
            }
        }
        let read = || {
            let fits = room.take(filter.bytes());
            fits.then(|| filter.read_all(&self.path)).flatten()
        };
        sieve.kept.get_or_init(read).as_deref()
    }
}
