//! Files that came to their place before, and are gone back to: to be read, joined, or named anew.
//!
//! No symbolic link below the directory is followed. What has the mode that it was archived with
//! may forbid that to its owner: for as long as it takes, the owner is given the rights.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, chmod, fstat,
    openat, statat, unlinkat, utimensat,
};
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
        let opened = self.within(name, |parent, last| {
            let open = || openat(parent, last, flags, Mode::empty());
            let file = match open() {
                Err(Errno::ACCESS) => {
                    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let held = openat(parent, last, flags, Mode::empty())?;
                    match is_file(&fstat(&held)?) {
                        true => as_owner(&held, Mode::RUSR | Mode::WUSR, open)?,
                        false => return Err(Errno::INVAL),
                    }
                }
                opened => opened?,
            };
            match is_file(&fstat(&file)?) {
                true => Ok(File::from(file)),
                false => Err(Errno::INVAL),
            }
        });
        opened.map_err(|errno| TargetError::system(name.bytes(), "opening it", errno))
    }

    /// The length of a regular file; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// Nobody can say: the system refuses.
    pub fn length_bytes(&self, name: Name<'_>) -> Result<Option<u64>, TargetError> {
        let found = self.within(name, |parent, last| {
            statat(parent, last, AtFlags::SYMLINK_NOFOLLOW)
        });
        match found {
            Ok(stat) => Ok(is_file(&stat).then_some(stat.st_size as u64)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(TargetError::system(name.bytes(), "looking at it", errno)),
        }
    }

    /// Gives `from` the name `to` in the same directory, or one behind it that is free: that.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn rename(&self, from: Name<'_>, to: Name<'_>) -> Result<Vec<u8>, TargetError> {
        let moved = self.within(from, |parent, last| move_to_free(parent, last, to.bytes()));
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
        let removed = self.within(name, |parent, last| {
            unlinkat(parent, last, AtFlags::empty())
        });
        removed.map_err(|errno| TargetError::system(name.bytes(), "removing it", errno))
    }

    /// Does `work` in the directory that has `name`, whose mode and time stay as they are.
    fn within<T>(
        &self,
        name: Name<'_>,
        work: impl Fn(&OwnedFd, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let parent = self.parent(name)?;
        let before = fstat(&parent)?;
        let work = || {
            let done = work(&parent, name.split().1)?;
            // Done is done, even where the time is not this user's to set.
            let _ = keep_time(&parent, &before);
            Ok(done)
        };
        match work() {
            Err(Errno::ACCESS) => as_owner(&parent, Mode::RWXU, work),
            done => done,
        }
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

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

/// A path to what is held open, be it by its path alone.
fn held_path(held: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}

/// Does `work` while the owner of what is held has these rights, too.
fn as_owner<T>(
    held: &OwnedFd,
    rights: Mode,
    work: impl Fn() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mode = Mode::from_raw_mode(fstat(held)?.st_mode);
    // Who does not own it has no more to try.
    chmod(held_path(held), mode | rights).map_err(|_| Errno::ACCESS)?;
    let done = work();
    chmod(held_path(held), mode)?;
    done
}

/// Gives a directory in which names have changed its time again.
fn keep_time(directory: &OwnedFd, before: &Stat) -> Result<(), Errno> {
    let now = fstat(directory)?;
    if (now.st_mtime, now.st_mtime_nsec) == (before.st_mtime, before.st_mtime_nsec) {
        return Ok(());
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: before.st_mtime,
            tv_nsec: before.st_mtime_nsec as i64,
        },
    };
    utimensat(CWD, held_path(directory), &times, AtFlags::empty())
}
