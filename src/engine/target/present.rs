//! What is in a target already, seen without making or changing anything.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use uuid::Uuid;

use super::beneath::Resolver;
use super::error::TargetError;
use super::name::Name;
use super::place::Temporaries;
use crate::volume::member::FileTime;

/// What is in the place of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Free,
    /// A directory.
    Directory,
    /// Anything else; symbolic links count as what they are.
    Other {
        /// Last modification of its content.
        mtime: FileTime,
        /// Bytes that are free once it is gone.
        stored_bytes: u64,
    },
    /// A symbolic link or a file is where a directory above it is needed.
    Blocked,
}

/// A target that is looked at. Quick where names come in the order of directories.
#[derive(Debug)]
pub struct Present {
    /// `None` if it is not there.
    root: Option<OwnedFd>,
    resolver: Resolver,
    /// The directory of the name before.
    parent: Option<(Vec<u8>, Result<OwnedFd, Errno>)>,
}

impl Present {
    /// A target of which it is not known whether it is there. One that cannot be opened
    /// has nothing in it: whoever writes to it will hear why.
    #[must_use]
    pub fn of(target: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self {
            root: openat(CWD, target, flags, Mode::empty()).ok(),
            resolver: Resolver::detect(),
            parent: None,
        }
    }

    /// What is in the place of `name`.
    ///
    /// # Errors
    ///
    /// The system refuses to say.
    pub fn look(&mut self, name: Name<'_>) -> Result<Presence, TargetError> {
        match self.place(name) {
            Ok(None) => Ok(Presence::Free),
            Ok(Some((directory, last))) => presence(directory, last),
            Err(Errno::NOENT) => Ok(Presence::Free),
            Err(Errno::NOTDIR) => Ok(Presence::Blocked),
            Err(errno) => Err(errno),
        }
        .map_err(|errno| TargetError::system(name.bytes(), "looking at its place", errno))
    }

    /// The first symbolic link that is met on the way to `name`, itself included: a restore follows
    /// none. `None` if there is none, or the system refuses to say.
    #[must_use]
    pub fn first_link<'n>(&self, name: Name<'n>) -> Option<&'n [u8]> {
        first_link(self.root.as_ref()?.as_fd(), name)
    }

    /// Does something to the object `name`; `None` if it is not there.
    pub(super) fn at<T>(
        &mut self,
        name: Name<'_>,
        act: impl FnOnce(&OwnedFd, &[u8]) -> Result<T, Errno>,
    ) -> Result<Option<T>, TargetError> {
        let done = match self.place(name) {
            Ok(None) => return Ok(None),
            Ok(Some((directory, last))) => act(directory, last),
            Err(errno) => Err(errno),
        };
        match done {
            Ok(done) => Ok(Some(done)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(TargetError::system(
                name.bytes(),
                "looking at its place",
                errno,
            )),
        }
    }

    /// The open directory that `name` is in, and its last component; `None` without a target.
    fn place<'n>(&mut self, name: Name<'n>) -> Result<Option<(&OwnedFd, &'n [u8])>, Errno> {
        let Some(root) = &self.root else {
            return Ok(None);
        };
        let (parent, last) = name.split();
        if parent.is_empty() {
            return Ok(Some((root, last)));
        }
        if self.parent.as_ref().is_none_or(|(path, _)| path != parent) {
            let open = self.resolver.open(root.as_fd(), parent, OFlags::PATH);
            self.parent = Some((parent.to_vec(), open));
        }
        let opened = self.parent.as_ref().map(|(_, opened)| opened);
        match opened.expect("it was set above") {
            Ok(directory) => Ok(Some((directory, last))),
            Err(errno) => Err(*errno),
        }
    }
}

impl Present {
    /// Bytes that a restore has left half done in the directory `name`, empty for the target.
    #[must_use]
    pub fn half_done_bytes(&self, name: &[u8], restore: Uuid) -> u64 {
        let Some(root) = &self.root else { return 0 };
        let name = if name.is_empty() {
            b".".as_slice()
        } else {
            name
        };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = self.resolver.open(root.as_fd(), name, flags);
        // What cannot be seen takes up no room that is known.
        opened.map_or(0, |open| {
            Temporaries::of(restore.simple()).stored_bytes(&open)
        })
    }
}

/// As [`Present::first_link`], from an open directory on.
pub(super) fn first_link<'n>(root: BorrowedFd<'_>, name: Name<'n>) -> Option<&'n [u8]> {
    let whole = name.bytes();
    let mut open = root.try_clone_to_owned().ok()?;
    let mut from = 0;
    loop {
        let slash = whole[from..].iter().position(|&byte| byte == b'/');
        let end = slash.map_or(whole.len(), |slash| from + slash);
        let component = &whole[from..end];
        let stat = statat(&open, component, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            return Some(&whole[..end]);
        }
        slash?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        open = openat(&open, component, flags, Mode::empty()).ok()?;
        from = end + 1;
    }
}

/// What `last` is in an open directory.
pub(super) fn presence(directory: &OwnedFd, last: &[u8]) -> Result<Presence, Errno> {
    match statat(directory, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => Ok(Presence::Directory),
        Ok(stat) => Ok(Presence::Other {
            mtime: mtime(&stat),
            stored_bytes: match stat.st_nlink {
                1 => (stat.st_blocks as u64).saturating_mul(512),
                _ => 0,
            },
        }),
        Err(Errno::NOENT) => Ok(Presence::Free),
        Err(errno) => Err(errno),
    }
}

pub(super) fn mtime(stat: &Stat) -> FileTime {
    FileTime {
        seconds: stat.st_mtime,
        nanoseconds: stat.st_mtime_nsec as u32,
    }
}
