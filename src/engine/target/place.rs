//! Objects under a temporary name, and how they get to their own.
//!
//! Everything is made under a temporary name in its final directory and moved in one
//! step, so that nobody ever meets half an object under a real name.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, RenameFlags, linkat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::error::TargetError;
use super::options::Existing;

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
    process: u32,
    next: u64,
}

impl Temporaries {
    pub(super) fn new() -> Self {
        Self {
            process: std::process::id(),
            next: 0,
        }
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
            let temporary = format!(".tapewright-{}-{}", self.process, self.next).into_bytes();
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

    /// Moves the object to its name.
    pub(super) fn place(mut self, existing: Existing) -> Result<(), TargetError> {
        let last = self
            .name
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or(&self.name);
        let (from, to) = (self.temporary.as_slice(), last);
        let result = match existing {
            Existing::Refuse => move_new(&self.directory, from, to),
            Existing::Overwrite => renameat(&self.directory, from, &self.directory, to),
        };
        match result {
            Ok(()) => {
                // Renaming one name of a file to another of its names does nothing and
                // leaves both, so that the temporary one is still to be removed.
                self.placed = existing == Existing::Refuse;
                Ok(())
            }
            Err(Errno::EXIST) if existing == Existing::Refuse => {
                Err(TargetError::exists(&self.name))
            }
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
