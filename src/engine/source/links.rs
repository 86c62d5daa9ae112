//! Hard links: which objects of the run are further names of one met before.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inode::Inode;

/// Remembers the first name of each object that has several, until all were met.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<(u64, u64), First>,
    claims: Arc<Claims>,
}

/// Objects of several names that somebody reads or has read: of those who look ahead of the
/// order, one alone reads each. Which name is the first is decided in order, by [`Links`].
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashSet<(u64, u64)>>);

impl Claims {
    /// True if nobody has claimed this object before.
    pub(super) fn claim(&self, inode: &Inode) -> bool {
        self.lock().insert(inode.id())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(u64, u64)>> {
        // Each change is a single call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct First {
    path: Vec<u8>,
    /// Told apart by it: an inode number that was freed and given to another object.
    state: Inode,
    names_left: u64,
}

impl Links {
    /// For those who look ahead.
    pub(super) fn claims(&self) -> Arc<Claims> {
        Arc::clone(&self.claims)
    }

    /// The archive path under which this object was met before in the run.
    ///
    /// An object that changed since then counts as another one: its data is archived
    /// again rather than lost.
    pub(super) fn first_name(&mut self, inode: &Inode) -> Option<Vec<u8>> {
        if inode.links < 2 {
            return None;
        }
        let first = self.first.get_mut(&inode.id())?;
        if first.state.size_bytes != inode.size_bytes || first.state.mtime != inode.mtime {
            return None;
        }
        first.names_left -= 1;
        if first.names_left > 0 {
            return Some(first.path.clone());
        }
        self.claims.lock().remove(&inode.id());
        self.first.remove(&inode.id()).map(|first| first.path)
    }

    /// Remembers `path` as the first name of an object that has more.
    pub(super) fn remember(&mut self, inode: &Inode, path: &[u8]) {
        if inode.links >= 2 {
            let first = First {
                path: path.to_vec(),
                state: *inode,
                names_left: inode.links - 1,
            };
            self.first.insert(inode.id(), first);
        }
    }
}
