//! Hard links: which objects of the run are further names of one met before.

use std::collections::HashMap;

use super::inode::Inode;

/// Remembers the first name of each object that has several, until all were met.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<(u64, u64), First>,
}

#[derive(Debug)]
struct First {
    path: Vec<u8>,
    /// Told apart by it: an inode number that was freed and given to another object.
    state: Inode,
    names_left: u64,
}

impl Links {
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
