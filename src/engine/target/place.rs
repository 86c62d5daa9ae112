//! Objects under a temporary name, and how they get to their own.
//!
//! Everything is made under a temporary name in its final directory and moved in one
//! step, so that nobody ever meets half an object under a real name.

use std::collections::HashSet;
use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fstat, linkat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::TargetError;
use super::name::with_suffix;
use super::options::Existing;
use super::present::{Presence, presence};
use crate::volume::member::FileTime;

/// An object that exists under a temporary name; removed again unless placed or kept.
#[derive(Debug)]
pub(super) struct Temporary {
    directory: Arc<OwnedFd>,
    temporary: Vec<u8>,
    /// The whole name it will get, relative to the target.
    name: Vec<u8>,
    placed: bool,
    /// It stays for a later run of the restore.
    keeps: bool,
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

    /// The temporary name of a file that is kept.
    pub(super) fn kept_name(&self, key: &str) -> Vec<u8> {
        format!("{}keep-{key}", self.prefix).into_bytes()
    }

    /// The kept file of this key, and whether it was there. What is there and is no file of ours
    /// alone makes way.
    pub(super) fn keep(
        &self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        key: &str,
    ) -> Result<(Temporary, OwnedFd, bool), Errno> {
        let temporary = self.kept_name(key);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let there = match openat(directory, temporary.as_slice(), flags, Mode::empty()) {
            Ok(file) if is_ours(&fstat(&file)?) => Some(file),
            Err(Errno::NOENT) => None,
            opened => {
                // Ours may be opened another time.
                let there = statat(directory, temporary.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
                if let Some(errno) = opened.err().filter(|_| is_ours(&there)) {
                    return Err(errno);
                }
                unlinkat(directory, temporary.as_slice(), AtFlags::empty())?;
                None
            }
        };
        let was_there = there.is_some();
        let file = match there {
            Some(file) => file,
            None => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                let mode = Mode::RUSR | Mode::WUSR;
                openat(directory, temporary.as_slice(), flags, mode)?
            }
        };
        let made = Temporary {
            directory: Arc::clone(directory),
            temporary,
            name: name.to_vec(),
            placed: false,
            keeps: true,
        };
        Ok((made, file, was_there))
    }

    /// Bytes that objects under such names take in a directory that is open for reading.
    pub(super) fn stored_bytes(&self, directory: &OwnedFd) -> u64 {
        let Ok(entries) = Dir::read_from(directory) else {
            return 0;
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned()));
        let ours = names.filter(|name| name.to_bytes().starts_with(self.prefix.as_bytes()));
        let bytes = ours.map(|name| match presence(directory, name.to_bytes()) {
            Ok(Presence::Other { stored_bytes, .. }) => stored_bytes,
            _ => 0,
        });
        bytes.sum()
    }

    /// Removes from a directory what an earlier run of this restore left there half done, but for
    /// those that are kept.
    pub(super) fn clear(&self, directory: &OwnedFd, kept: &HashSet<Vec<u8>>) -> Result<(), Errno> {
        let readable = openat(
            directory,
            ".",
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut left = Vec::new();
        for entry in Dir::read_from(&readable)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name.starts_with(self.prefix.as_bytes()) && !kept.contains(&name) {
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
                            keeps: false,
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
    pub(super) fn is_kept(&self) -> bool {
        self.keeps
    }

    /// It is removed when it is dropped.
    pub(super) fn keep_no_longer(&mut self) {
        self.keeps = false;
    }

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
        self.name = with_suffix(&self.name, suffix);
    }

    /// Moves the object, last modified at `mtime`, to its name; gives the name that it got
    /// instead, if it was to be renamed.
    pub(super) fn place(
        mut self,
        existing: Existing,
        mtime: FileTime,
    ) -> Result<Option<Vec<u8>>, TargetError> {
        self.keeps = false;
        // Something may have come there while the object arrived.
        check_free(&self.directory, &self.name, existing, mtime)?;
        let replaces = matches!(existing, Existing::Newer | Existing::Overwrite);
        let from = self.temporary.as_slice();
        let result = match existing {
            Existing::Refuse => move_new(&self.directory, from, last(&self.name)).map(|()| None),
            Existing::Rename => move_to_free(&self.directory, from, &self.name),
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
}

/// Moves the object `from` in a directory to its `name`, or to the first one behind it that is
/// free: that, then.
pub(super) fn move_to_free(
    directory: &OwnedFd,
    from: &[u8],
    name: &[u8],
) -> Result<Option<Vec<u8>>, Errno> {
    let mut result = move_new(directory, from, last(name));
    let mut instead = None;
    for number in 1..=NAME_ATTEMPTS {
        if result != Err(Errno::EXIST) {
            break;
        }
        let other = with_suffix(name, format!(".restored-{number}").as_bytes());
        result = move_new(directory, from, last(&other));
        instead = Some(other);
    }
    result.map(|()| instead)
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

/// True for a regular file of this user's that has no other name.
fn is_ours(stat: &Stat) -> bool {
    let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
    is_file && stat.st_nlink == 1 && stat.st_uid == geteuid().as_raw()
}

/// The last component of a name.
fn last(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b'/').next().unwrap_or(name)
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed && !self.keeps {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::*;

    fn keep(dir: &Path) -> Result<bool, Errno> {
        let temporaries = Temporaries::of("mark");
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = Arc::new(rustix::fs::open(dir, flags, Mode::empty()).unwrap());
        let kept = temporaries.keep(&directory, b"f", "key");
        kept.map(|(_, _, was_there)| was_there)
    }

    #[test]
    fn only_what_is_not_ours_makes_way_for_a_kept_file() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join(".tapewright-mark-keep-key");
        symlink("elsewhere", &kept).unwrap();
        assert_eq!(keep(dir.path()), Ok(false));
        std::fs::write(&kept, "what has come").unwrap();
        assert_eq!(keep(dir.path()), Ok(true));
        // One that cannot be opened now stays. Root opens all.
        std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o0)).unwrap();
        if !geteuid().is_root() {
            assert_eq!(keep(dir.path()), Err(Errno::ACCESS));
        }
        std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "what has come");
        std::fs::hard_link(&kept, dir.path().join("twin")).unwrap();
        assert_eq!(keep(dir.path()), Ok(false));
    }
}
