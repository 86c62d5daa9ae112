//! Hard links: which objects of the run are further names of one met before.
//!
//! Measured against a base, the names of an object are archived all or none, so that a run's
//! links never lead to data of another run.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::base::{KnownKind, KnownVersion};
use super::inode::Inode;

/// Remembers the first name of each object that has several, until all were met.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<(u64, u64), First>,
    claims: Arc<Claims>,
    passed_over: HashMap<(u64, u64), PassedOver>,
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

/// An object whose names so far are on tape in the present state.
#[derive(Debug)]
struct PassedOver {
    names: Vec<Vec<u8>>,
    state: Inode,
    runs: (usize, usize),
}

/// How a name compares with what is on tape.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It need not be archived.
    Unchanged,
    /// It has to be, and these names of the same object after it.
    Changed(Vec<Vec<u8>>),
}

#[derive(Debug)]
struct First {
    path: Vec<u8>,
    /// Told apart by it: an inode number that was freed and given to another object.
    state: Inode,
    names_left: u64,
}

impl First {
    fn is_of(&self, inode: &Inode) -> bool {
        let state = &self.state;
        (state.size_bytes, state.mtime) == (inode.size_bytes, inode.mtime)
    }
}

impl Links {
    /// For those who look ahead.
    pub(super) fn claims(&self) -> Arc<Claims> {
        Arc::clone(&self.claims)
    }

    /// True if [`first_name`](Self::first_name) knows one.
    pub(super) fn is_further(&self, inode: &Inode) -> bool {
        let first = self.first.get(&inode.id());
        inode.links > 1 && first.is_some_and(|first| first.is_of(inode))
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
        if !first.is_of(inode) {
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

    /// Compares a name with its version on tape, if that is of the present state.
    ///
    /// A further name is unchanged only if the first one is, and the same run archived both:
    /// its member on tape leads to that.
    pub(super) fn meet(
        &mut self,
        inode: &Inode,
        path: &[u8],
        current: Option<&KnownVersion>,
    ) -> Met {
        if inode.links < 2 {
            return match current {
                Some(_) => Met::Unchanged,
                None => Met::Changed(Vec::new()),
            };
        }
        if self.first.contains_key(&inode.id()) {
            return Met::Changed(Vec::new());
        }
        let Some(before) = self.passed_over.get_mut(&inode.id()) else {
            let first = current.filter(|version| !matches!(version.kind, KnownKind::Hardlink(_)));
            let Some(version) = first else {
                return Met::Changed(Vec::new());
            };
            let passed_over = PassedOver {
                names: vec![path.to_vec()],
                state: *inode,
                runs: version.runs,
            };
            self.passed_over.insert(inode.id(), passed_over);
            return Met::Unchanged;
        };
        let follows = current.is_some_and(|version| {
            version.kind == KnownKind::Hardlink(before.names[0].clone())
                && version.runs == before.runs
        });
        if follows {
            before.names.push(path.to_vec());
            if before.names.len() as u64 == inode.links {
                self.passed_over.remove(&inode.id());
            }
            return Met::Unchanged;
        }
        let before = self.passed_over.remove(&inode.id());
        // An object that changed since its first name was met counts as another one.
        let names = before.filter(|before| before.state == *inode);
        Met::Changed(names.map(|before| before.names).unwrap_or_default())
    }

    /// Counts names of the object remembered last that were met before it was.
    pub(super) fn count_met(&mut self, inode: &Inode, names: usize) {
        let id = inode.id();
        if let Some(first) = self.first.get_mut(&id) {
            first.names_left = first.names_left.saturating_sub(names as u64);
            if first.names_left == 0 {
                self.first.remove(&id);
            }
        }
    }
}
