//! The walk: roots, directories, entries, in order, with bounded descriptors.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::Remark;
use super::again::Rereader;
use super::base::{Base, Compared, Fate, KnownName, Listing, Merge, component_below};
use super::directory::Names;
use super::exclude::Excludes;
use super::inode::Inode;
use super::known::Known;
use super::list::ListedRoots;
use super::look::{Leaves, Looked, Looker, Settled};
use super::roots::{self, Root};
use super::visit::{Brought, Object, Place, Visited, Visitor};
use crate::engine::{BoxedError, EngineError};

/// Descriptors kept at each end of a deep path. Directories between are closed and found
/// again through `..`, so that a tree may be deeper than descriptors are allowed.
const OPEN_AT_EACH_END: usize = 32;

/// Leaves that come at a time: enough that handing them over costs little beside looking at
/// them, few enough that a directory keeps several threads busy.
pub const LEAVES_MAX: usize = 64;

/// What a walk comes to.
#[derive(Debug)]
pub enum Step {
    /// An object, looked at.
    Object(Box<Object>),
    /// Names of one directory, next to each other, to be looked at.
    Leaves(Leaves),
    /// A name of the base that is not there any more.
    Gone(Vec<u8>),
}

/// A directory under way.
#[derive(Debug)]
struct Frame {
    /// `None` while it is closed to save descriptors.
    directory: Option<Arc<OwnedFd>>,
    id: (u64, u64),
    names: Names,
    /// All its names are there.
    whole: bool,
    /// Length of its archive path.
    path_bytes: usize,
    /// What the base has in it of names not taken yet; `None` before the base was asked.
    children: Option<VecDeque<KnownName>>,
}

impl Frame {
    /// Whether the base's name below `directory`, which is this one's path, is gone. Of what
    /// was not looked into nothing is known.
    fn lacks(&self, known: &KnownName, directory: &[u8]) -> bool {
        let component = component_below(&known.path, directory);
        component.is_some_and(|name| match self.names.fate(name) {
            None => self.whole,
            Some(fate) => fate == Fate::Leaf,
        })
    }
}

/// What a walk that looks by itself comes to.
#[derive(Debug)]
pub enum Found<T = Object> {
    /// An object to archive.
    Object(T),
    /// A name of the base that is not there any more.
    Gone(Vec<u8>),
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
///
/// Measured against a base, it passes over what is on tape in its present state, and comes to
/// names that are gone. The names of objects with hard links are kept until all were met.
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
    /// The base's listings of the roots still to come, the next one last; empty without base.
    listings: Vec<Listing>,
    /// That of the root under way.
    merge: Option<Merge>,
    /// What became of the root under way itself.
    root_fate: Fate,
    /// Why the base could not be read further.
    failure: Option<BoxedError>,
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
        let visitor = visitor(Excludes::new(excludes)?, never, known);
        Ok(Self::of(Roots::Given(roots), visitor, *one_file_system))
    }

    /// Walks what a list names; `selection` says the rest, its sources are not looked at.
    ///
    /// # Errors
    ///
    /// A malformed pattern: [`EngineError::Plan`].
    pub(super) fn of_list(roots: ListedRoots, selection: &Selection) -> Result<Self, EngineError> {
        let visitor = visitor(
            Excludes::new(&selection.excludes)?,
            &selection.never,
            &selection.known,
        );
        let roots = Roots::Listed(Box::new(roots));
        Ok(Self::of(roots, visitor, selection.one_file_system))
    }

    fn of(roots: Roots, visitor: Visitor, one_file_system: bool) -> Self {
        Self {
            roots,
            frames: Vec::new(),
            path: Vec::new(),
            visitor,
            one_file_system,
            device: None,
            listings: Vec::new(),
            merge: None,
            root_fate: Fate::Unseen,
            failure: None,
        }
    }

    /// Measures the walk, which has not begun, against `base`. What a list names is not measured.
    ///
    /// # Errors
    ///
    /// [`EngineError::Base`].
    pub fn measure_against(&mut self, base: &dyn Base) -> Result<(), EngineError> {
        let Roots::Given(roots) = &self.roots else {
            return Ok(());
        };
        for root in roots {
            let listing = base.listing(root.archive_path());
            let listing = listing.map_err(|source| EngineError::Base { source })?;
            self.listings.push(listing);
        }
        Ok(())
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

    /// The next object, or name that is gone; `None` at the end, and where the base failed: ask
    /// [`failure`](Self::failure). What could not be archived on the way there, and what is
    /// missing from the object, is added to `remarks`.
    pub fn next(&mut self, remarks: &mut Vec<Remark>) -> Option<Found> {
        self.bring(remarks)
    }

    /// As [`next`](Self::next), looking as closely as `T` does.
    pub(super) fn bring<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<Found<T>> {
        loop {
            if let Some(found) = self.one(remarks)? {
                return Some(found);
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
    /// several at a time unless there is a base: a [`Looker`] looks at it, on any thread, and
    /// [`settle`](Self::settle) has the last word on it, in the order of the walk.
    pub fn step(&mut self, remarks: &mut Vec<Remark>) -> Option<Step> {
        loop {
            if let Some(leaves) = self.leaves() {
                return Some(Step::Leaves(leaves));
            }
            match self.one(remarks)? {
                Some(Found::Object(object)) => return Some(Step::Object(Box::new(object))),
                Some(Found::Gone(path)) => return Some(Step::Gone(path)),
                None => {}
            }
        }
    }

    fn leaves(&mut self) -> Option<Leaves> {
        // What the run has on tape is passed over by its state, before it is opened; a looker
        // opens first. Measured against a base, the walk has to know what a name is before it
        // goes on: by that it tells what is gone, and most names are on tape as they are.
        if self.visitor.done.is_some() || self.visitor.compares {
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
            at: 0,
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
    fn one<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<Option<Found<T>>> {
        if self.failure.is_some() {
            return None;
        }
        if let Some(further) = self.visitor.further.pop_front() {
            let brought = T::further(&mut self.visitor, further);
            return Some(Some(Found::Object(brought)));
        }
        match self.next_gone() {
            Ok(Some(path)) => return Some(self.gone(path)),
            Ok(None) => {}
            Err(error) => {
                self.failure = Some(error);
                return None;
            }
        }
        let (visited, known) = match self.frames.last() {
            Some(frame) if frame.names.left() == 0 => {
                self.leave(remarks);
                return Some(None);
            }
            Some(_) => self.visit_name(remarks),
            None => self.next_root(remarks)?,
        };
        Some(self.found(visited, known))
    }

    /// What the walk comes to with the object last looked at, which the base has if `known`.
    fn found<T>(&mut self, visited: Visited<T>, known: bool) -> Option<Found<T>> {
        let brought = match visited {
            Visited::Leaf(brought, fate) => {
                self.set_fate(fate);
                Some(brought)
            }
            Visited::Directory(brought, listing) => {
                self.set_fate(Fate::Entered);
                self.enter(Frame {
                    directory: Some(Arc::new(listing.directory)),
                    id: listing.inode.id(),
                    names: listing.names,
                    whole: listing.whole,
                    path_bytes: self.path.len(),
                    children: None,
                });
                // The file system's root has no name, so there is no member for it.
                brought.filter(|_| !self.path.is_empty())
            }
            Visited::Unchanged(fate) => {
                self.set_fate(fate);
                None
            }
            Visited::Skipped(fate) => {
                self.set_fate(fate);
                // It is there, as something that is never archived.
                if fate == Fate::Leaf && known {
                    let path = self.path.clone();
                    return self.gone(path);
                }
                None
            }
        };
        brought
            .filter(|_| self.is_new(&self.path))
            .map(Found::Object)
    }

    fn next_root<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> Option<(Visited<T>, bool)> {
        let never = &self.visitor.never;
        let root = match &mut self.roots {
            Roots::Given(roots) => roots.pop(),
            Roots::Listed(roots) => roots.next(never, remarks),
        };
        let visited = self.visit_root(&root?, remarks);
        if let (Roots::Listed(roots), Visited::Skipped(_)) = (&mut self.roots, &visited.0) {
            roots.skip_below();
        }
        Some(visited)
    }

    /// How walk and base compare so far; all 0 without a base.
    #[must_use]
    pub fn compared(&self) -> Compared {
        self.visitor.compared
    }

    /// Why the base could not be read, if that ended the walk.
    pub fn failure(&mut self) -> Option<EngineError> {
        let source = self.failure.take()?;
        Some(EngineError::Base { source })
    }

    /// Objects left out by a pattern so far.
    #[must_use]
    pub fn excluded(&self) -> u64 {
        self.visitor.excluded
    }

    /// Looks at the next name of the last directory. Also says whether the base has it.
    fn visit_name<T: Brought>(&mut self, remarks: &mut Vec<Remark>) -> (Visited<T>, bool) {
        let frame = self.frames.last_mut().expect("a directory is under way");
        let directory = frame.directory.as_ref().expect("the last frame is open");
        let name = frame.names.next().expect("a name is left");
        self.path.truncate(frame.path_bytes);
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.to_bytes());
        let children = frame.children.as_mut();
        let is_this = |known: &KnownName| known.path == self.path;
        let known = children
            .filter(|children| children.front().is_some_and(is_this))
            .and_then(VecDeque::pop_front);
        let place = Place {
            parent: directory.as_fd(),
            name,
            path: &self.path,
            device: self.device,
            descend: true,
            known: known.as_ref(),
        };
        (self.visitor.visit(place, remarks), known.is_some())
    }

    fn visit_root<T: Brought>(
        &mut self,
        root: &Root,
        remarks: &mut Vec<Remark>,
    ) -> (Visited<T>, bool) {
        self.path.clear();
        self.path.extend_from_slice(root.archive_path());
        self.device = None;
        self.root_fate = Fate::Unseen;
        let known = match self.base_of_root() {
            Ok(known) => known,
            Err(error) => {
                self.failure = Some(error);
                return (Visited::Skipped(Fate::Unseen), false);
            }
        };
        let (parent, name) = root.parent_and_name();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = match openat(CWD, parent, flags, Mode::empty()) {
            Ok(parent) => parent,
            Err(errno) => {
                let what = format!("the directory it lies in cannot be opened: {errno}");
                remarks.push(Remark::problem(&self.path, what));
                return (Visited::Skipped(Fate::Unseen), false);
            }
        };
        let place = Place {
            parent: parent.as_fd(),
            name: &name,
            path: &self.path,
            device: None,
            descend: root.descend,
            known: known.as_ref(),
        };
        let visited = self.visitor.visit(place, remarks);
        if let Visited::Directory(_, listing) = &visited {
            self.device = self.one_file_system.then_some(listing.inode.device);
        }
        (visited, known.is_some())
    }

    /// Begins with the base's listing of the root at `path`: what it has of the root itself.
    fn base_of_root(&mut self) -> Result<Option<KnownName>, BoxedError> {
        let Some(listing) = self.listings.pop() else {
            return Ok(None);
        };
        self.visitor.compares = true;
        self.merge.insert(Merge::new(listing)?).root(&self.path)
    }

    fn set_fate(&mut self, fate: Fate) {
        match (&self.merge, self.frames.last_mut()) {
            (None, _) => {}
            (Some(_), Some(frame)) => frame.names.set_fate(fate),
            (Some(_), None) => self.root_fate = fate,
        }
    }

    /// `None` if the run has it on tape already.
    fn gone<T>(&mut self, path: Vec<u8>) -> Option<Found<T>> {
        let done = self.visitor.done.as_ref();
        if done.is_some_and(|done| done.is_gone(&path)) {
            return None;
        }
        self.visitor.compared.gone += 1;
        Some(Found::Gone(path))
    }

    /// The next name of the base that is gone and comes before what the walk looks at next.
    fn next_gone(&mut self) -> Result<Option<Vec<u8>>, BoxedError> {
        let Some(merge) = &mut self.merge else {
            return Ok(None);
        };
        let Some((top, above)) = self.frames.split_last_mut() else {
            // The root was looked at, and left if it was entered.
            while let Some(known) = merge.below(b"")? {
                if self.root_fate == Fate::Leaf {
                    return Ok(Some(known.path));
                }
            }
            self.merge = None;
            return Ok(None);
        };
        let path = &self.path[..top.path_bytes];
        let children = match &mut top.children {
            Some(children) => children,
            None => {
                // Directories between the last one entered and this one.
                while let Some(known) = merge.before(path)? {
                    let above = above.last();
                    let lacks = above.is_some_and(|a| a.lacks(&known, &self.path[..a.path_bytes]));
                    if lacks {
                        return Ok(Some(known.path));
                    }
                }
                top.children.insert(merge.children(path)?)
            }
        };
        let due = top.names.peek();
        let is_passed = |known: &KnownName| {
            let name = component_below(&known.path, path).unwrap_or_default();
            due.is_none_or(|due| name < due.to_bytes())
        };
        while children.front().is_some_and(is_passed) {
            let known = children.pop_front();
            if let Some(known) = known.filter(|_| top.whole) {
                return Ok(Some(known.path));
            }
        }
        if due.is_none() {
            while let Some(known) = merge.below(path)? {
                if top.lacks(&known, path) {
                    return Ok(Some(known.path));
                }
            }
        }
        Ok(None)
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
    visitor.done.clone_from(known);
    visitor
}
