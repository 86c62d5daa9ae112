//! The walk: roots, directories, entries, in order, with bounded descriptors.

use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::Remark;
use super::directory::Names;
use super::exclude::Excludes;
use super::inode::Inode;
use super::links::Links;
use super::list::ListedRoots;
use super::owners::Owners;
use super::roots::{self, Root};
use super::visit::{Brought, Object, Place, Visited, Visitor};
use super::xattrs::XattrReader;
use crate::engine::EngineError;

/// Descriptors kept at each end of a deep path. Directories between are closed and found
/// again through `..`, so that a tree may be deeper than descriptors are allowed.
const OPEN_AT_EACH_END: usize = 32;

/// A directory under way.
#[derive(Debug)]
struct Frame {
    /// `None` while it is closed to save descriptors.
    directory: Option<OwnedFd>,
    id: (u64, u64),
    names: Names,
    /// Length of its archive path.
    path_bytes: usize,
}

/// What to walk, as a caller asks for it.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Files and directories, absolute or relative to the working directory.
    pub sources: Vec<PathBuf>,
    /// Patterns of what is left out; see [`Excludes`].
    pub excludes: Vec<String>,
    /// Do not enter directories on other file systems than their root's.
    pub one_file_system: bool,
    /// What is never archived, compared by device and inode.
    pub never: Vec<PathBuf>,
}

/// Walks a selection. Memory grows with the depth of the tree, the entries of the
/// directories under way, and the hard links not met yet; not with the number of objects.
#[derive(Debug)]
pub struct Walk {
    roots: Roots,
    frames: Vec<Frame>,
    /// Archive path of the object last looked at.
    path: Vec<u8>,
    visitor: Visitor,
    one_file_system: bool,
    /// Device of the root under way, if only that is entered.
    device: Option<u64>,
}

/// Where the roots come from.
#[derive(Debug)]
enum Roots {
    /// They were given; the next one last.
    Given(Vec<Root>),
    /// A list names them, one after the other, with the directories above.
    Listed(Box<ListedRoots>),
}

impl Walk {
    /// Checks the selection; nothing is read yet.
    ///
    /// # Errors
    ///
    /// A source that does not exist or must not be archived, no source at all, or a
    /// malformed pattern: see [`EngineError::Root`], [`EngineError::Plan`],
    /// [`EngineError::Nothing`].
    pub fn new(selection: &Selection) -> Result<Self, EngineError> {
        let Selection {
            sources,
            excludes,
            one_file_system,
            never,
        } = selection;
        let mut roots = roots::resolve(sources, never, *one_file_system)?;
        roots.reverse();
        Ok(Self {
            roots: Roots::Given(roots),
            frames: Vec::new(),
            path: Vec::new(),
            visitor: visitor(Excludes::new(excludes)?, never),
            one_file_system: *one_file_system,
            device: None,
        })
    }

    /// Walks what a list names; `selection` says the rest, its sources are not looked at.
    ///
    /// # Errors
    ///
    /// A malformed pattern: [`EngineError::Plan`].
    pub(super) fn of_list(roots: ListedRoots, selection: &Selection) -> Result<Self, EngineError> {
        Ok(Self {
            roots: Roots::Listed(Box::new(roots)),
            frames: Vec::new(),
            path: Vec::new(),
            visitor: visitor(Excludes::new(&selection.excludes)?, &selection.never),
            one_file_system: selection.one_file_system,
            device: None,
        })
    }

    /// Archive paths of the roots, ascending; before the first call of
    /// [`next`](Self::next).
    #[must_use]
    pub fn roots(&self) -> Vec<Vec<u8>> {
        match &self.roots {
            Roots::Given(roots) => {
                let paths = roots.iter().rev().map(Root::archive_path);
                paths.map(<[u8]>::to_vec).collect()
            }
            Roots::Listed(_) => Vec::new(),
        }
    }

    /// The next object; `None` at the end. What could not be archived on the way there,
    /// and what is missing from the object, is added to `remarks`.
    pub fn next(&mut self, remarks: &mut Vec<Remark>) -> Option<Object> {
        self.bring(remarks)
    }

    /// As [`next`](Self::next), looking as closely as `T` does.
    pub(super) fn bring<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<T> {
        loop {
            let visited = match self.frames.last_mut() {
                Some(frame) => {
                    let directory = frame.directory.as_ref().expect("the last frame is open");
                    let Some(name) = frame.names.next() else {
                        self.leave(remarks);
                        continue;
                    };
                    self.path.truncate(frame.path_bytes);
                    if !self.path.is_empty() {
                        self.path.push(b'/');
                    }
                    self.path.extend_from_slice(name.to_bytes());
                    let (parent, path) = (directory.as_fd(), self.path.as_slice());
                    let place = Place {
                        parent,
                        name,
                        path,
                        device: self.device,
                        descend: true,
                    };
                    self.visitor.visit(place, remarks)
                }
                None => {
                    let never = &self.visitor.never;
                    let root = match &mut self.roots {
                        Roots::Given(roots) => roots.pop(),
                        Roots::Listed(roots) => roots.next(never, remarks),
                    };
                    let root = root?;
                    let visited = self.visit_root(&root, remarks);
                    if let (Roots::Listed(roots), Visited::Skipped) = (&mut self.roots, &visited) {
                        roots.skip_below();
                    }
                    visited
                }
            };
            match visited {
                Visited::Skipped => {}
                Visited::Leaf(brought) if self.is_new() => return Some(brought),
                Visited::Leaf(_) => {}
                Visited::Directory(brought, listing) => {
                    self.enter(Frame {
                        directory: Some(listing.directory),
                        id: listing.inode.id(),
                        names: listing.names,
                        path_bytes: self.path.len(),
                    });
                    // The file system's root has no name, so there is no member for it.
                    if !self.path.is_empty() && self.is_new() {
                        return Some(brought);
                    }
                }
            }
        }
    }

    /// True unless a list brought the object before.
    fn is_new(&self) -> bool {
        match &self.roots {
            Roots::Given(_) => true,
            Roots::Listed(roots) => roots.seen.insert(&self.path),
        }
    }

    /// Objects left out by a pattern so far.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.visitor.excluded
    }

    fn visit_root<T: Brought>(&mut self, root: &Root, remarks: &mut Vec<Remark>) -> Visited<T> {
        self.path.clear();
        self.path.extend_from_slice(root.archive_path());
        self.device = None;
        let (parent, name) = root.parent_and_name();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = match openat(CWD, parent, flags, Mode::empty()) {
            Ok(parent) => parent,
            Err(errno) => {
                let what = format!("the directory it lies in cannot be opened: {errno}");
                remarks.push(Remark::problem(&self.path, what));
                return Visited::Skipped;
            }
        };
        let (parent, path) = (parent.as_fd(), self.path.as_slice());
        let place = Place {
            parent,
            name: &name,
            path,
            device: None,
            descend: root.descend,
        };
        let visited = self.visitor.visit(place, remarks);
        if let Visited::Directory(_, listing) = &visited {
            self.device = self.one_file_system.then_some(listing.inode.device);
        }
        visited
    }

    fn enter(&mut self, frame: Frame) {
        self.frames.push(frame);
        let spare = self.frames.len().checked_sub(OPEN_AT_EACH_END + 1);
        if let Some(spare) = spare.filter(|&spare| spare >= OPEN_AT_EACH_END) {
            self.frames[spare].directory = None;
        }
    }

    /// Leaves the last directory; opens the one above again if it was closed.
    fn leave(&mut self, remarks: &mut Vec<Remark>) {
        let below = self.frames.pop().and_then(|frame| frame.directory);
        let Some(above) = self
            .frames
            .last_mut()
            .filter(|frame| frame.directory.is_none())
        else {
            return;
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        above.directory = below
            .and_then(|below| openat(&below, c"..", flags, Mode::empty()).ok())
            .filter(|found| fstat(found).is_ok_and(|stat| Inode::from(stat).id() == above.id));
        if above.directory.is_some() {
            return;
        }
        // Moved elsewhere meanwhile: go on where a directory is still open.
        while let Some(lost) = self.frames.pop_if(|frame| frame.directory.is_none()) {
            let left = lost.names.left();
            if left > 0 {
                let what =
                    format!("it was moved while it was being archived; {left} entries are missing");
                remarks.push(Remark::problem(&self.path[..lost.path_bytes], what));
            }
        }
    }
}

fn visitor(excludes: Excludes, never: &[PathBuf]) -> Visitor {
    Visitor {
        excludes,
        never: roots::ids(never),
        excluded: 0,
        links: Links::default(),
        owners: Owners::default(),
        xattrs: XattrReader::new(),
        listing_buffer: Vec::new(),
    }
}
