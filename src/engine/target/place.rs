//! Objects under a temporary name, and how they get to their own.
//!
//! Everything is made under a temporary name in its final directory and moved in one
//! step, so that nobody ever meets half an object under a real name.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::error::TargetError;
use super::options::Existing;
use super::present::{Presence, presence};
use crate::volume::member::FileTime;

/// An object that exists under a temporary name; removed again unless placed.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Arc<OwnedFd>,
    temporary: Vec<u8>,
    /// The whole name it will get, relative to the target.
    name: Vec<u8>,
    placed: bool,
}

/// Other restores, and leftovers of killed ones, may have names in use.
const NAME_ATTEMPTS: usize = 1000;

/// Makes temporary names for one restore.
#[derive(Debug)]
pub(super) struct Temporaries {
    /// What all of them begin with.
    prefix: String,
    next: u64,
}

impl Temporaries {
    /// Of a restore that is told by `mark`.
    pub(super) fn of(mark: impl Display) -> Self {
        Self {
            prefix: format!(".tapewright-{mark}-"),
            next: 0,
        }
    }

    /// Removes from a directory what an earlier run of this restore left there half done.
    pub(super) fn clear(&self, directory: &OwnedFd) -> Result<(), Errno> {
        let readable = openat(
            directory,
            ".",
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut left = Vec::new();
        for entry in Dir::read_from(&readable)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name.starts_with(self.prefix.as_bytes()) {
                left.push(name);
            }
        }
        left.iter()
            .try_for_each(|name| unlinkat(directory, name.as_slice(), AtFlags::empty()))
    }

    /// Calls `make` with names until one is free, and takes charge of what it made.
    /// `make` fails with `EEXIST` for a name in use.
    pub(super) fn create<T>(
        &mut self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        action: &str,
        mut make: impl FnMut(&OwnedFd, &[u8]) -> Result<T, Errno>,
    ) -> Result<(Temporary, T), TargetError> {
        for _ in 0..NAME_ATTEMPTS {
            let temporary = format!("{}{}", self.prefix, self.next).into_bytes();
            self.next += 1;
            match make(directory, &temporary) {
                Ok(made) => {
                    let (directory, name) = (Arc::clone(directory), name.to_vec());
                    return Ok((
                        Temporary {
                            directory,
                            temporary,
                            name,
                            placed: false,
                        },
                        made,
                    ));
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(TargetError::system(name, action, errno)),
            }
        }
        Err(TargetError::system(name, action, Errno::EXIST))
    }
}

impl Temporary {
    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub(super) fn temporary(&self) -> &[u8] {
        &self.temporary
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn extend_name(&mut self, suffix: &[u8]) {
        self.name.extend_from_slice(suffix);
    }

    /// Moves the object, last modified at `mtime`, to its name; gives the name that it got
    /// instead, if it was to be renamed.
    pub(super) fn place(
        mut self,
        existing: Existing,
        mtime: FileTime,
    ) -> Result<Option<Vec<u8>>, TargetError> {
        // Something may have come there while the object arrived.
        check_free(&self.directory, &self.name, existing, mtime)?;
        let replaces = matches!(existing, Existing::Newer | Existing::Overwrite);
        let from = self.temporary.as_slice();
        let result = match existing {
            Existing::Refuse => move_new(&self.directory, from, last(&self.name)).map(|()| None),
            Existing::Rename => self.move_aside(),
            Existing::Newer | Existing::Overwrite => {
                renameat(&self.directory, from, &self.directory, last(&self.name)).map(|()| None)
            }
        };
        match result {
            Ok(instead) => {
                // Renaming one name of a file to another of its names does nothing and
                // leaves both, so that the temporary one is still to be removed.
                self.placed = !replaces;
                Ok(instead)
            }
            Err(Errno::EXIST) if !replaces => Err(TargetError::exists(&self.name)),
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                let what = "a directory is in its place".to_owned();
                Err(TargetError::in_the_way(&self.name, what))
            }
            Err(errno) => Err(TargetError::system(
                &self.name,
                "moving it to its place",
                errno,
            )),
        }
    }

    /// Moves the object to its name, or to the first one behind it that is free.
    fn move_aside(&self) -> Result<Option<Vec<u8>>, Errno> {
        let mut result = move_new(&self.directory, &self.temporary, last(&self.name));
        let mut instead = None;
        for number in 1..=NAME_ATTEMPTS {
            if result != Err(Errno::EXIST) {
                break;
            }
            let name = [&self.name, format!(".restored-{number}").as_bytes()].concat();
            result = move_new(&self.directory, &self.temporary, last(&name));
            instead = Some(name);
        }
        result.map(|()| instead)
    }
}

/// Refuses if something is in the place of `name` that is not replaced by an object that was
/// modified at `mtime`.
pub(super) fn check_free(
    directory: &OwnedFd,
    name: &[u8],
    existing: Existing,
    mtime: FileTime,
) -> Result<(), TargetError> {
    if matches!(existing, Existing::Rename | Existing::Overwrite) {
        return Ok(());
    }
    let there = presence(directory, last(name))
        .map_err(|errno| TargetError::system(name, "looking at its place", errno))?;
    match (existing, there) {
        (_, Presence::Free) => Ok(()),
        (Existing::Newer, Presence::Other { mtime: there, .. }) if mtime > there => Ok(()),
        (Existing::Newer, Presence::Other { .. }) => Err(TargetError::as_new(name)),
        _ => Err(TargetError::exists(name)),
    }
}

/// The last component of a name.
fn last(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing can be done about a failure; the name says what it is and whose.
            let _ = unlinkat(&self.directory, self.temporary.as_slice(), AtFlags::empty());
        }
    }
}

/// Renames unless the new name exists.
fn move_new(directory: &OwnedFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    match renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => link_new(directory, from, to),
        result => result,
    }
}

/// The same for file systems that cannot (some network ones): a link never replaces.
fn link_new(directory: &OwnedFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    linkat(directory, from, directory, to, AtFlags::empty())?;
    unlinkat(directory, from, AtFlags::empty())
}
