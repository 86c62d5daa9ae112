//! Files that came to their place before, and are gone back to: to be read, joined, or named anew.
//!
//! No symbolic link below the directory is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::beneath::Resolver;
use super::error::TargetError;
use super::name::Name;
use super::place::move_to_free;

/// See the module.
#[derive(Debug)]
pub struct SavedFiles {
    root: OwnedFd,
    resolver: Resolver,
}

impl SavedFiles {
    /// Those below `directory`.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn below(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: openat(CWD, directory, flags, Mode::empty())?,
            resolver: Resolver::detect(),
        })
    }

    /// Opens a regular file for reading, and for writing if it is to `change`.
    ///
    /// # Errors
    ///
    /// There is none of this name, or the system refuses.
    pub fn open(&self, name: Name<'_>, change: bool) -> Result<File, TargetError> {
        let access = match change {
            true => OFlags::RDWR,
            false => OFlags::RDONLY,
        };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = self.parent(name).and_then(|parent| {
            let file = openat(&parent, name.split().1, flags, Mode::empty())?;
            match FileType::from_raw_mode(fstat(&file)?.st_mode).is_file() {
                true => Ok(File::from(file)),
                false => Err(Errno::INVAL),
            }
        });
        opened.map_err(|errno| TargetError::system(name.bytes(), "opening it", errno))
    }

    /// Gives `from` the name `to` in the same directory, or one behind it that is free: that.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn rename(&self, from: Name<'_>, to: Name<'_>) -> Result<Vec<u8>, TargetError> {
        let parent = self.parent(from);
        let moved = parent.and_then(|parent| move_to_free(&parent, from.split().1, to.bytes()));
        match moved {
            Ok(instead) => Ok(instead.unwrap_or_else(|| to.bytes().to_vec())),
            Err(errno) => Err(TargetError::system(from.bytes(), "renaming it", errno)),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn remove(&self, name: Name<'_>) -> Result<(), TargetError> {
        let parent = self.parent(name);
        let removed = parent.and_then(|parent| unlinkat(&parent, name.split().1, AtFlags::empty()));
        removed.map_err(|errno| TargetError::system(name.bytes(), "removing it", errno))
    }

    fn parent(&self, name: Name<'_>) -> Result<OwnedFd, Errno> {
        match name.split().0 {
            b"" => self
                .root
                .try_clone()
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            parent => self.resolver.open(self.root.as_fd(), parent, OFlags::PATH),
        }
    }
}
