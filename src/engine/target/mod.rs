//! The directory that a restore writes into, safe against what the tape says.
//!
//! Invariants: no name, link or member on a tape leads outside the target; a name
//! appears in its place only with whole content and its metadata, in one step; what was
//! there before is replaced only if the options say so.
//!
//! Why it holds: names are checked ([`Name`]), directories are opened without following
//! any symbolic link ([`Resolver`]), everything is made under a temporary name with
//! exclusive creation, and metadata is set through descriptors or without following.
//!
//! Knows nothing of tapes; whether content is right is decided by the caller, before it
//! finishes a file.

mod alike;
mod beneath;
mod directories;
mod error;
mod file;
mod metadata;
mod name;
mod node;
mod notset;
mod options;
mod owners;
mod place;
mod present;
mod room;
mod saved;
mod taken_up;

pub use alike::{Likeness, PartDigest, is_about};
pub use beneath::Resolver;
pub(crate) use error::shown;
pub use error::{TargetError, TargetErrorKind};
pub use file::{DataWriter, FileWriter};
pub use name::{MAX_COMPONENT_BYTES, MAX_NAME_BYTES, Name, cut, with_suffix};
pub use notset::{NOT_SET_LISTED, NotSet, NotSetItem};
pub use options::{Existing, Owners, TargetOptions};
pub use present::{Presence, Present};
pub use room::free_bytes;
pub use saved::SavedFiles;
pub use taken_up::FoundDirectory;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, fchmod, openat};
use rustix::process::geteuid;

use crate::volume::member::{FileTime, Member};
use directories::Directories;
use metadata::Object;
use owners::OwnerTable;
use place::{Temporaries, Temporary, check_free};

/// Mode of directories above what was archived, `rwxr-xr-x`: as if made by hand.
const IMPLIED_MODE: Mode = Mode::RWXU
    .union(Mode::RGRP)
    .union(Mode::XGRP)
    .union(Mode::ROTH)
    .union(Mode::XOTH);

/// A directory being restored into. Holds at most 65 directories open, and in memory
/// one [`Member`] for each directory restored.
#[derive(Debug)]
pub struct Target {
    directories: Directories,
    options: TargetOptions,
    temporaries: Temporaries,
    owners: OwnerTable,
    not_set: NotSet,
    /// Metadata of directories, for when nothing is put into them any more.
    pending: Vec<(Vec<u8>, Member)>,
    /// Names that were taken, and the ones that the restored objects have instead.
    renamed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Target {
    /// Opens `path`, creating it and what is above it where missing. Symbolic links in
    /// `path` itself are followed: it comes from the user, not from a tape.
    ///
    /// # Errors
    ///
    /// It cannot be created or opened.
    pub fn open(path: &Path, options: TargetOptions) -> io::Result<Self> {
        Self::with_resolver(path, options, Resolver::detect())
    }

    /// As [`open`](Self::open), with a given way of opening directories beneath it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_resolver(
        path: &Path,
        options: TargetOptions,
        resolver: Resolver,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty())?;
        Ok(Self {
            directories: Directories::new(root, resolver),
            options,
            temporaries: Temporaries::of(std::process::id()),
            owners: OwnerTable::new(options.owners, geteuid().is_root()),
            not_set: NotSet::default(),
            pending: Vec::new(),
            renamed: BTreeMap::new(),
        })
    }

    /// Makes the directory that `member` describes, or uses the one that is there. Its
    /// metadata is set by [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// A symbolic link or a file is in the way, no room is left, or the system refuses.
    pub fn directory(&mut self, name: Name<'_>, member: &Member) -> Result<(), TargetError> {
        let open = self.directories.open(name.bytes())?;
        self.directories.described(name.bytes());
        if self.options.existing == Existing::Overwrite || self.directories.is_new(&open) {
            // The path is kept as the name; the member's own would only repeat it.
            let member = Member {
                path: Vec::new(),
                ..member.clone()
            };
            self.pending.push((name.bytes().to_vec(), member));
        } else {
            let what = "owner, mode, attributes and times".to_owned();
            self.not_set
                .add(name.bytes(), what, "the directory was there before");
        }
        Ok(())
    }

    /// Makes the directory in which `name` goes, or that one itself if it `is_directory`, so that
    /// it is known whether anything is in the way.
    ///
    /// # Errors
    ///
    /// As [`directory`](Self::directory).
    pub fn make_way(&mut self, name: Name<'_>, is_directory: bool) -> Result<(), TargetError> {
        let directory = match is_directory {
            true => name.bytes(),
            false => name.split().0,
        };
        self.directories.open(directory).map(|_| ())
    }

    /// The name that the object has which came last under this one.
    #[must_use]
    pub fn name_of<'n>(&'n self, name: &'n [u8]) -> &'n [u8] {
        self.renamed.get(name).map_or(name, Vec::as_slice)
    }

    /// Notes that a directory that was made for what is in it is one of which `member` is known,
    /// and not what it `lacks`. Its metadata is set by [`finish`](Self::finish). False if there is
    /// none, or it keeps what it has.
    pub fn known_directory(
        &mut self,
        name: &[u8],
        member: &Member,
        lacks: &str,
        why: String,
    ) -> bool {
        let open = self.directories.open_existing(name);
        let is_ours = |open: &OwnedFd| {
            self.options.existing == Existing::Overwrite || self.directories.is_new(open)
        };
        if !open.as_ref().is_ok_and(is_ours) {
            return false;
        }
        self.directories.described(name);
        let member = Member {
            path: Vec::new(),
            ..member.clone()
        };
        self.pending.push((name.to_vec(), member));
        self.not_set.add(name, lacks.to_owned(), why);
        true
    }

    /// Notes what is not known of an object that was restored.
    pub(crate) fn lacks(&mut self, name: &[u8], lacks: &str, why: String) {
        self.not_set.add(name, lacks.to_owned(), why);
    }

    /// Names that were taken, and those of the restored objects instead.
    pub fn take_renamed(&mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        std::mem::take(&mut self.renamed)
    }

    /// Sets the metadata of all directories, deepest first, and says what could not be
    /// set on any object.
    #[must_use]
    pub fn finish(mut self) -> NotSet {
        let mut pending = std::mem::take(&mut self.pending);
        // Stable, so that of several members of one name the last one on tape counts.
        pending.sort_by(|(a, _), (b, _)| b.cmp(a));
        for (name, member) in &pending {
            match self.directories.open_existing(name) {
                Ok(open) => {
                    let object = Object::Open(open.as_fd());
                    metadata::apply(object, name, member, &mut self.owners, &mut self.not_set);
                }
                Err(error) => {
                    let what = "owner, mode, attributes and times".to_owned();
                    self.not_set.add(name, what, error.what);
                }
            }
        }
        self.open_implied();
        self.not_set
    }

    /// Directories above what was archived were made for this restore alone: nobody but
    /// the owner could pass through them to what lies below.
    fn open_implied(&mut self) {
        for name in self.directories.take_implied() {
            let opened = self.directories.open_existing(&name);
            let set = opened
                .map_err(|error| error.what)
                .and_then(|open| fchmod(&open, IMPLIED_MODE).map_err(|errno| errno.to_string()));
            if let Err(why) = set {
                self.not_set.add(&name, "mode".to_owned(), why);
            }
        }
    }

    /// Opens the directory in which `name` goes, and sees whether something is there that
    /// an object of this `mtime` does not replace: early, so that nothing is read in vain.
    fn free_place(&mut self, name: Name<'_>, mtime: FileTime) -> Result<Arc<OwnedFd>, TargetError> {
        let (parent, _) = name.split();
        let directory = self.directories.open(parent)?;
        check_free(&directory, name.bytes(), self.options.existing, mtime)?;
        Ok(directory)
    }

    /// Moves a whole object to its name, or to the one that it gets instead.
    fn settle(&mut self, temporary: Temporary, mtime: FileTime) -> Result<(), TargetError> {
        let name = temporary.name().to_vec();
        if let Some(instead) = temporary.place(self.options.existing, mtime)? {
            self.renamed.insert(name, instead);
        }
        Ok(())
    }
}
