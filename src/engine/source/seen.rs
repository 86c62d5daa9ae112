//! Which names a run has brought already, where a source may bring one twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names remembered, 16 bytes each; what comes behind them is taken for new.
const NAMES_MAX: usize = 4 << 20;

/// The names brought by lists and streams so far; shared by the sources of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashSet<[u8; 16]>>>);

impl Seen {
    /// Remembers `path`; false if it was there.
    pub(super) fn insert(&self, path: &[u8]) -> bool {
        let mut names = self.lock();
        match names.len() < NAMES_MAX {
            true => names.insert(key(path)),
            false => !names.contains(&key(path)),
        }
    }

    /// True if `path` was brought; `None` if it may have been, among too many.
    pub(super) fn contains(&self, path: &[u8]) -> Option<bool> {
        let names = self.lock();
        let found = names.contains(&key(path));
        (found || names.len() < NAMES_MAX).then_some(found)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest that nobody can make collide, for what brings the names may be hostile.
fn key(path: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(path).as_bytes()[..16]);
    key
}
