//! The walk: roots, directories, entries, in order, with bounded descriptors.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::Remark;
use super::again::Rereader;
use super::directory::Names;
use super::exclude::Excludes;
use super::inode::Inode;
use super::known::Known;
use super::list::ListedRoots;
use super::look::{Leaves, Looked, Looker, Settled};
use super::roots::{self, Root};
use super::visit::{Brought, Object, Place, Visited, Visitor};
use crate::engine::EngineError;

/// Descriptors kept at each end of a deep path. Directories between are closed and found
/// again through `..`, so that a tree may be deeper than descriptors are allowed.
const OPEN_AT_EACH_END: usize = 32;

/// Leaves that come at a time: enough that handing them over costs little beside looking at
/// them, few enough that a directory keeps several threads busy.
const LEAVES_MAX: usize = 16;

/// What a walk comes to.
#[derive(Debug)]
pub enum Step {
    /// An object, looked at.
    Object(Box<Object>),
    /// Names of one directory, next to each other, to be looked at.
    Leaves(Leaves),
}

/// A directory under way.
#[derive(Debug)]
struct Frame {
    /// `None` while it is closed to save descriptors.
    directory: Option<Arc<OwnedFd>>,
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
    /// What is passed over, since it is archived already.
    pub known: Option<Arc<dyn Known>>,
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
            known,
        } = selection;
        let mut roots = roots::resolve(sources, never, *one_file_system)?;
        roots.reverse();
        Ok(Self {
            roots: Roots::Given(roots),
            frames: Vec::new(),
            path: Vec::new(),
            visitor: visitor(Excludes::new(excludes)?, never, known),
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
            visitor: visitor(
                Excludes::new(&selection.excludes)?,
                &selection.never,
                &selection.known,
            ),
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

    /// Opens again what this walk will bring; before the first call of [`next`](Self::next).
    #[must_use]
    pub fn rereader(&self) -> Rereader {
        let mut rereader = Rereader::default();
        self.add_to(&mut rereader);
        rereader
    }

    /// As [`rereader`](Self::rereader), beside what other walks bring.
    pub(super) fn add_to(&self, rereader: &mut Rereader) {
        match &self.roots {
            Roots::Given(roots) => rereader.roots.extend_from_slice(roots),
            Roots::Listed(_) => rereader.listed = true,
        }
        rereader.visitor.never.extend(&self.visitor.never);
    }

    /// The next object; `None` at the end. What could not be archived on the way there,
    /// and what is missing from the object, is added to `remarks`.
    pub fn next(&mut self, remarks: &mut Vec<Remark>) -> Option<Object> {
        self.bring(remarks)
    }

    /// As [`next`](Self::next), looking as closely as `T` does.
    pub(super) fn bring<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<T> {
        loop {
            if let Some(brought) = self.one(remarks)? {
                return Some(brought);
            }
        }
    }

    /// True unless a list brought the object before.
    fn is_new(&self, path: &[u8]) -> bool {
        match &self.roots {
            Roots::Given(_) => true,
            Roots::Listed(roots) => roots.seen.insert(path),
        }
    }

    /// As [`next`](Self::next), but what holds no others by its listing comes unlooked at,
    /// several at a time: a [`Looker`] looks at it, on any thread, and
    /// [`settle`](Self::settle) has the last word on it, in the order of the walk.
    pub fn step(&mut self, remarks: &mut Vec<Remark>) -> Option<Step> {
        loop {
            if let Some(leaves) = self.leaves() {
                return Some(Step::Leaves(leaves));
            }
            if let Some(object) = self.one(remarks)? {
                return Some(Step::Object(Box::new(object)));
            }
        }
    }

    fn leaves(&mut self) -> Option<Leaves> {
        // What is known is passed over by its state, before it is opened; a looker opens first.
        if self.visitor.known.is_some() {
            return None;
        }
        let frame = self.frames.last_mut()?;
        let names = frame.names.take_leaves(LEAVES_MAX);
        if names.is_empty() {
            return None;
        }
        let directory = frame.directory.as_ref().expect("the last frame is open");
        Some(Leaves {
            directory: Arc::clone(directory),
            path: self.path[..frame.path_bytes].to_vec(),
            names,
        })
    }

    /// Who looks at leaves of this walk; before the first step.
    #[must_use]
    pub fn looker(&self) -> Looker {
        self.visitor.looker()
    }

    /// Decides what a leaf is that was looked at ahead: itself, or a further name of an
    /// object before it; nothing if a list brought it before.
    pub fn settle(&mut self, looked: Looked, remarks: &mut Vec<Remark>) -> Settled {
        let settled = self.visitor.settle(looked, remarks);
        match &settled {
            Settled::AsLooked(object) | Settled::Instead(object)
                if !self.is_new(&object.member.path) =>
            {
                Settled::Skipped
            }
            _ => settled,
        }
    }

    /// Goes one name further: `None` at the end, `Some(None)` if that brought nothing.
    fn one<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<Option<T>> {
        let visited = match self.frames.last_mut() {
            Some(frame) => {
                let directory = frame.directory.as_ref().expect("the last frame is open");
                let Some(name) = frame.names.next() else {
                    self.leave(remarks);
                    return Some(None);
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
            None => self.next_root(remarks)?,
        };
        Some(match visited {
            Visited::Skipped => None,
            Visited::Leaf(brought) => self.is_new(&self.path).then_some(brought),
            Visited::Directory(brought, listing) => {
                let known = self.visitor.is_known(&self.path, &listing.inode);
                self.enter(Frame {
                    directory: Some(Arc::new(listing.directory)),
                    id: listing.inode.id(),
                    names: listing.names,
                    path_bytes: self.path.len(),
                });
                // The file system's root has no name, so there is no member for it.
                let wanted = !self.path.is_empty() && !known && self.is_new(&self.path);
                wanted.then_some(brought)
            }
        })
    }

    fn next_root<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<Visited<T>> {
        let never = &self.visitor.never;
        let root = match &mut self.roots {
            Roots::Given(roots) => roots.pop(),
            Roots::Listed(roots) => roots.next(never, remarks),
        };
        let visited = self.visit_root(&root?, remarks);
        if let (Roots::Listed(roots), Visited::Skipped) = (&mut self.roots, &visited) {
            roots.skip_below();
        }
        Some(visited)
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
            .filter(|found| fstat(found).is_ok_and(|stat| Inode::from(stat).id() == above.id))
            .map(Arc::new);
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

fn visitor(excludes: Excludes, never: &[PathBuf], known: &Option<Arc<dyn Known>>) -> Visitor {
    let mut visitor = Visitor::new(Arc::new(excludes), roots::ids(never));
    visitor.known.clone_from(known);
    visitor
}
