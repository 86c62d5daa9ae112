//! Directories: what is in one, and how much lies below each.
//!
//! One pass over entry files that are in directory order: children come by name, and what lies
//! below them in the order of their names, too, so that both can be read side by side. Memory does
//! not grow with what is counted.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::ControlFlow;

use super::group::Groups;
use super::{Hit, View};
use crate::error::CatalogError;
use crate::model::path::{KeyRange, split};
use crate::model::{FileTime, Kind};
use crate::pattern::{Pattern, is_at_or_below};

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files, links, devices: all but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Bytes of regular files.
    pub bytes: u64,
    /// The latest modification of any but directories.
    pub newest: Option<FileTime>,
}

impl Totals {
    /// Counts what one path holds.
    fn count(&mut self, held: &[Hit]) {
        let Some(Hit { entry, .. }) = held.first() else {
            return;
        };
        match entry.kind {
            Kind::Directory => self.directories += 1,
            kind => {
                self.files += 1;
                self.newest = self.newest.max(Some(entry.mtime));
                if kind == Kind::File {
                    self.bytes = self.bytes.saturating_add(size_bytes(held));
                }
            }
        }
    }

    fn add(&mut self, other: &Totals) {
        self.files += other.files;
        self.directories += other.directories;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.newest = self.newest.max(other.newest);
    }
}

/// Size of a file, of which these are the entries: the first parts of what was a stream say only
/// as much as was known by then.
fn size_bytes(held: &[Hit]) -> u64 {
    let sizes = held.iter().map(|hit| hit.entry.size_bytes);
    sizes.max().unwrap_or_default()
}

/// What is directly in a directory.
#[derive(Debug, Clone)]
pub struct Child {
    /// Archive name.
    pub path: Vec<u8>,
    /// What the catalog holds of it: several entries where it is in parts or has copies. None
    /// of a directory that only what lies below it tells of.
    pub held: Vec<Hit>,
    /// What lies below it.
    pub below: Totals,
}

impl Child {
    /// What lies below it is not counted.
    fn alone(path: Vec<u8>, held: Vec<Hit>) -> Child {
        Child {
            path,
            held,
            below: Totals::default(),
        }
    }

    /// Size of a file, in bytes.
    pub fn size_bytes(&self) -> u64 {
        size_bytes(&self.held)
    }

    /// Whether it is a directory, as far as the catalog knows.
    pub fn is_directory(&self) -> bool {
        match self.held.first() {
            Some(hit) => hit.entry.kind == Kind::Directory,
            None => true,
        }
    }
}

/// A directory and all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Archive name; empty: everything.
    pub path: Vec<u8>,
    /// What lies below it; of a file itself.
    pub below: Totals,
}

impl View<'_> {
    /// What is directly in `directory` (empty: the top), by name, each with what lies below.
    /// What is gone does not count.
    pub fn children(&self, directory: &[u8]) -> Children {
        let groups = |range| {
            let hits = self.search(&Pattern::everything(), &[range]);
            Groups::new(hits).peekable()
        };
        Children {
            directory: directory.to_vec(),
            own: groups(KeyRange::children(directory)),
            deep: groups(KeyRange::deeper(directory)),
            failed: VecDeque::new(),
        }
    }

    /// Tells what is directly in `directory` (empty: the top), without what lies below it: this
    /// costs as much as is in it, however much lies below. What is gone does not count. By name;
    /// after all others those directories that only what lies below them tells of.
    ///
    /// # Errors
    ///
    /// An entry file cannot be read. What cannot be read of others is told as an error.
    pub fn names(
        &self,
        directory: &[u8],
        each: &mut dyn FnMut(Result<Child, CatalogError>) -> ControlFlow<()>,
    ) -> Result<(), CatalogError> {
        let own = KeyRange::children(directory);
        let mut directories = Vec::new();
        for held in Groups::new(self.search(&Pattern::everything(), &[own])) {
            let child = match held {
                Ok(held) if held.iter().all(|hit| hit.gone) => continue,
                Ok(held) => Ok(Child::alone(held[0].entry.path.clone(), held)),
                Err(error) => Err(error),
            };
            if let Ok(child) = &child
                && child.is_directory()
            {
                directories.push(child.path.clone());
            }
            if each(child).is_break() {
                return Ok(());
            }
        }
        let KeyRange { mut from, to: end } = KeyRange::deeper(directory);
        for known in directories {
            let known = KeyRange::below(&known);
            let gap = KeyRange {
                from,
                to: Some(known.from),
            };
            if self.names_in_gap(directory, gap, each)?.is_break() {
                return Ok(());
            }
            from = known.to.expect("what is below a name ends somewhere");
        }
        let gap = KeyRange { from, to: end };
        self.names_in_gap(directory, gap, each).map(|_| ())
    }

    /// The children of `directory` that only names in `gap` tell of: all below one is skipped
    /// once its first name is read.
    fn names_in_gap(
        &self,
        directory: &[u8],
        mut gap: KeyRange,
        each: &mut dyn FnMut(Result<Child, CatalogError>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, CatalogError> {
        while gap.to.as_ref().is_none_or(|to| gap.from < *to) {
            let hits = self.search(&Pattern::everything(), std::slice::from_ref(&gap));
            let mut first = None;
            for held in Groups::new(hits) {
                match held {
                    Ok(held) if held.iter().all(|hit| hit.gone) => {}
                    Ok(held) => {
                        first = Some(child_of(directory, &held[0].entry.path));
                        break;
                    }
                    Err(error) => {
                        if each(Err(error)).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
            }
            let Some(path) = first else {
                break;
            };
            let below = KeyRange::below(&path).to;
            gap.from = below.expect("what is below a name ends somewhere");
            // A file, below which there was something at another time.
            if self.entry(&path)?.is_some() {
                continue;
            }
            if each(Ok(Child::alone(path, Vec::new()))).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What the catalog holds of the one path, unless it is gone.
    ///
    /// # Errors
    ///
    /// The ledger or an entry file cannot be read.
    pub fn entry(&self, path: &[u8]) -> Result<Option<Vec<Hit>>, CatalogError> {
        let Ok(pattern) = Pattern::tree(path) else {
            return Ok(None);
        };
        let hits = self.search(&pattern, &[KeyRange::exact(path)]);
        let held = Groups::new(hits).next().transpose()?;
        Ok(held.filter(|held| held.iter().any(|hit| !hit.gone)))
    }

    /// How much lies below each directory at or below `path`, a directory after what is below it.
    /// Directories with nothing in them are counted in others, and not listed.
    pub fn usage(&self, path: &[u8]) -> Usages {
        let mut ranges = vec![KeyRange::below(path)];
        if !path.is_empty() {
            ranges.insert(0, KeyRange::exact(path));
        }
        let hits = self.search(&Pattern::everything(), &ranges);
        Usages {
            root: path.to_vec(),
            groups: Groups::new(hits),
            open: Vec::new(),
            closing: false,
            next: None,
        }
    }
}

/// The child of `directory` that `path` lies in or is.
fn child_of(directory: &[u8], path: &[u8]) -> Vec<u8> {
    let start = match directory.len() {
        0 => 0,
        length => length + 1,
    };
    let name = path[start..].iter().position(|&byte| byte == b'/');
    path[..name.map_or(path.len(), |end| start + end)].to_vec()
}

/// See [`View::children`].
#[derive(Debug)]
pub struct Children {
    directory: Vec<u8>,
    own: Peekable<Groups>,
    deep: Peekable<Groups>,
    /// What was met while a child was counted.
    failed: VecDeque<CatalogError>,
}

impl Children {
    /// Drops what is gone; `Err` is an error that comes first.
    fn settle(groups: &mut Peekable<Groups>) -> Result<(), CatalogError> {
        while let Some(next) = groups.next_if(|next| match next {
            Ok(held) => held.iter().all(|hit| hit.gone),
            Err(_) => true,
        }) {
            next?;
        }
        Ok(())
    }

    fn peek(groups: &mut Peekable<Groups>) -> Option<Vec<u8>> {
        match groups.peek() {
            Some(Ok(held)) => held.first().map(|hit| hit.entry.path.clone()),
            _ => None,
        }
    }

    fn try_next(&mut self) -> Result<Option<Child>, CatalogError> {
        if let Some(error) = self.failed.pop_front() {
            return Err(error);
        }
        Children::settle(&mut self.own)?;
        Children::settle(&mut self.deep)?;
        let own = Children::peek(&mut self.own);
        let deep = Children::peek(&mut self.deep).map(|path| child_of(&self.directory, &path));
        let Some(path) = own.iter().chain(&deep).min().cloned() else {
            return Ok(None);
        };
        let mut child = Child::alone(path, Vec::new());
        if own.as_ref() == Some(&child.path)
            && let Some(Ok(held)) = self.own.next()
        {
            child.held = held;
        }
        let below = |group: &Result<Vec<Hit>, CatalogError>| {
            group.as_ref().map_or(true, |held| {
                let first = held.first();
                first.is_some_and(|hit| is_at_or_below(&hit.entry.path, &child.path))
            })
        };
        let mut totals = Totals::default();
        while let Some(group) = self.deep.next_if(below) {
            match group {
                Ok(held) if held.iter().all(|hit| hit.gone) => {}
                Ok(held) => totals.count(&held),
                Err(error) => self.failed.push_back(error),
            }
        }
        child.below = totals;
        Ok(Some(child))
    }
}

impl Iterator for Children {
    type Item = Result<Child, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.try_next().transpose()
    }
}

/// See [`View::usage`].
#[derive(Debug)]
pub struct Usages {
    root: Vec<u8>,
    groups: Groups,
    /// Directories that are being counted, each in the one before.
    open: Vec<Usage>,
    /// All is read; what is open is done.
    closing: bool,
    /// A path that was read and waits for directories before it to be told.
    next: Option<Vec<Hit>>,
}

impl Usages {
    /// The innermost open directory is done.
    fn close(&mut self) -> Option<Usage> {
        let done = self.open.pop()?;
        if let Some(outer) = self.open.last_mut() {
            outer.below.add(&done.below);
        }
        Some(done)
    }

    /// Opens the directories from the innermost open one down to `parent`.
    fn open_down_to(&mut self, parent: &[u8]) {
        if self.open.is_empty() {
            self.push(self.root.clone());
        }
        loop {
            let inner = self.open.last().map_or(0, |usage| usage.path.len());
            if inner >= parent.len() {
                return;
            }
            let start = if inner == 0 { 0 } else { inner + 1 };
            let end = parent[start..].iter().position(|&byte| byte == b'/');
            self.push(parent[..end.map_or(parent.len(), |end| start + end)].to_vec());
        }
    }

    fn push(&mut self, path: Vec<u8>) {
        self.open.push(Usage {
            path,
            below: Totals::default(),
        });
    }
}

impl Iterator for Usages {
    type Item = Result<Usage, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.closing {
                return self.close().map(Ok);
            }
            let held = match self.next.take() {
                Some(held) => held,
                None => match self.groups.next() {
                    None => {
                        self.closing = true;
                        continue;
                    }
                    Some(Err(error)) => return Some(Err(error)),
                    Some(Ok(held)) => held,
                },
            };
            let Some(first) = held.first().filter(|_| !held.iter().all(|hit| hit.gone)) else {
                continue;
            };
            let path = &first.entry.path;
            if *path == self.root {
                // A directory asked for is counted by what is in it, a file by itself.
                if first.entry.kind != Kind::Directory {
                    self.push(path.clone());
                    if let Some(usage) = self.open.last_mut() {
                        usage.below.count(&held);
                    }
                }
                continue;
            }
            let (parent, _) = split(path);
            let inside = |usage: &Usage| is_at_or_below(parent, &usage.path);
            if self.open.last().is_some_and(|usage| !inside(usage)) {
                self.next = Some(held);
                return self.close().map(Ok);
            }
            let parent = parent.to_vec();
            self.open_down_to(&parent);
            if let Some(usage) = self.open.last_mut() {
                usage.below.count(&held);
            }
        }
    }
}
