//! The directories beneath the target: opened safely, created where missing, the recent
//! ones kept open.
//!
//! Holds at most [`OPEN_LIMIT`] directories open, and 16 bytes for each one it created.

use std::collections::{BTreeSet, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, mkdirat};
use rustix::io::Errno;

use super::IMPLIED_MODE;
use super::beneath::Resolver;
use super::error::{TargetError, shown};
use super::name::Name;
use super::present::first_link;

/// Directories kept open at once. Restored trees are walked in order, so few suffice.
const OPEN_LIMIT: usize = 64;

/// Created directories are private until their own metadata is set at the end.
const NEW_MODE: Mode = Mode::RWXU;

/// Of directories with longer names it is not remembered that no member described them: a tape
/// can name tens of thousands with one path. They are made with the mode that they get otherwise.
const REMEMBERED_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Directories {
    root: Arc<OwnedFd>,
    resolver: Resolver,
    /// The most recently used last.
    recent: Vec<(Vec<u8>, Arc<OwnedFd>)>,
    /// Device and inode number of every directory created here.
    created: HashSet<(u64, u64)>,
    /// Those of them that no member has described yet: what lies above the archived roots.
    implied: BTreeSet<Vec<u8>>,
}

impl Directories {
    pub(super) fn new(root: OwnedFd, resolver: Resolver) -> Self {
        let (recent, created) = (Vec::with_capacity(OPEN_LIMIT), HashSet::new());
        let implied = BTreeSet::new();
        Self {
            root: Arc::new(root),
            resolver,
            recent,
            created,
            implied,
        }
    }

    /// Opens the directory `path` (empty: the target itself) for going through, and
    /// creates whatever of it is missing.
    pub(super) fn open(&mut self, path: &[u8]) -> Result<Arc<OwnedFd>, TargetError> {
        let (known, from) = self.nearest(path);
        if known == path.len() {
            return Ok(from);
        }
        let rest = if known == 0 { path } else { &path[known + 1..] };
        let open = match self.resolver.open(from.as_fd(), rest, OFlags::PATH) {
            Ok(open) => Arc::new(open),
            Err(Errno::NOENT) => self.create(from, path, path.len() - rest.len())?,
            Err(errno) => return Err(self.explain(path, errno)),
        };
        self.keep(path, &open);
        Ok(open)
    }

    /// Opens an existing directory for reading, as setting its metadata needs.
    pub(super) fn open_existing(&mut self, path: &[u8]) -> Result<OwnedFd, TargetError> {
        let (known, from) = self.nearest(path);
        let rest = match known {
            0 => path,
            _ if known == path.len() => b".".as_slice(),
            _ => &path[known + 1..],
        };
        self.resolver
            .open(from.as_fd(), rest, OFlags::empty())
            .map_err(|errno| self.explain(path, errno))
    }

    /// A member describes this directory: its mode comes from there.
    pub(super) fn described(&mut self, path: &[u8]) {
        self.implied.remove(path);
    }

    /// The directories created on the way that no member described, deepest first.
    pub(super) fn take_implied(&mut self) -> impl Iterator<Item = Vec<u8>> + use<> {
        std::mem::take(&mut self.implied).into_iter().rev()
    }

    /// True if this restore created the open directory.
    pub(super) fn is_new(&self, directory: &OwnedFd) -> bool {
        fstat(directory).is_ok_and(|stat| self.created.contains(&(stat.st_dev, stat.st_ino)))
    }

    /// Takes the directory `path`, which is there, for one that this restore made: an earlier run
    /// of it did.
    pub(super) fn adopt(&mut self, path: &[u8]) -> Result<Arc<OwnedFd>, TargetError> {
        let open = self.open(path)?;
        let stat = fstat(&open).map_err(|errno| self.explain(path, errno))?;
        self.created.insert((stat.st_dev, stat.st_ino));
        if stat.st_mode & 0o7777 == NEW_MODE.as_raw_mode() {
            self.implied.insert(path.to_vec());
        }
        Ok(open)
    }

    /// Length of the longest beginning of `path` that is open, and that directory.
    fn nearest(&mut self, path: &[u8]) -> (usize, Arc<OwnedFd>) {
        let mut end = path.len();
        while end > 0 {
            let found = self
                .recent
                .iter()
                .rposition(|(recent, _)| *recent == path[..end]);
            if let Some(found) = found {
                let hit = self.recent.remove(found);
                let open = Arc::clone(&hit.1);
                self.recent.push(hit);
                return (end, open);
            }
            end = path[..end]
                .iter()
                .rposition(|&byte| byte == b'/')
                .unwrap_or(0);
        }
        (0, Arc::clone(&self.root))
    }

    fn keep(&mut self, path: &[u8], open: &Arc<OwnedFd>) {
        if self.recent.len() == OPEN_LIMIT {
            self.recent.remove(0);
        }
        self.recent.push((path.to_vec(), Arc::clone(open)));
    }

    /// Goes down from `from`, which is `path` up to byte `start`, one component at a
    /// time, creating what is missing.
    fn create(
        &mut self,
        from: Arc<OwnedFd>,
        path: &[u8],
        start: usize,
    ) -> Result<Arc<OwnedFd>, TargetError> {
        let mut open = from;
        let mut end = start;
        for component in path[start..].split(|&byte| byte == b'/') {
            end += component.len();
            let fail = |errno| TargetError::system(&path[..end], "creating the directory", errno);
            let is_remembered = end <= REMEMBERED_BYTES;
            let mode = match is_remembered {
                true => NEW_MODE,
                false => IMPLIED_MODE,
            };
            let new = match mkdirat(&open, component, mode) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(errno) => return Err(fail(errno)),
            };
            let next = self
                .resolver
                .open(open.as_fd(), component, OFlags::PATH)
                .map_err(|errno| self.explain(&path[..end], errno))?;
            if new {
                let stat = fstat(&next).map_err(fail)?;
                self.created.insert((stat.st_dev, stat.st_ino));
                if is_remembered {
                    self.implied.insert(path[..end].to_vec());
                }
            }
            open = Arc::new(next);
            end += 1;
        }
        Ok(open)
    }

    fn explain(&self, path: &[u8], errno: Errno) -> TargetError {
        match errno {
            Errno::NOTDIR => {
                let name = Name::new(path).ok();
                let link = name.and_then(|name| first_link(self.root.as_fd(), name));
                let what = match link {
                    Some(link) => format!(
                        "/{} in the target is a symbolic link, which is not followed",
                        shown(link)
                    ),
                    None => "a file is where a directory is needed".to_owned(),
                };
                TargetError::in_the_way(path, what)
            }
            errno => TargetError::system(path, "opening the directory", errno),
        }
    }
}
