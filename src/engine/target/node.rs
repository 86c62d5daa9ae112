//! Everything that has no data: symbolic links, devices, FIFOs, hard links.

use rustix::fs::{AtFlags, FileType, Mode, linkat, makedev, mknodat, statat, symlinkat};
use rustix::io::Errno;

use super::Target;
use super::error::TargetError;
use super::metadata::{self, Object};
use super::name::Name;
use super::present::mtime;
use crate::volume::member::{Kind, Member};

/// Nodes are private until their own mode is set.
const NEW_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Target {
    /// Makes the symbolic link, device or FIFO that `member` describes.
    ///
    /// The target of a symbolic link is stored as it is, wherever it leads: it is never
    /// followed by a restore.
    ///
    /// # Errors
    ///
    /// As [`Target::begin_file`]; also where the user may not make devices.
    ///
    /// # Panics
    ///
    /// If `member` is of a kind with a method of its own: a file, directory or hard link.
    pub fn node(&mut self, name: Name<'_>, member: &Member) -> Result<(), TargetError> {
        let directory = self.free_place(name, member.mtime)?;
        let (temporary, ()) = self.temporaries.create(
            &directory,
            name.bytes(),
            "creating it",
            |directory, last| match &member.kind {
                Kind::Symlink(text) => symlinkat(text.as_slice(), directory, last),
                Kind::CharDevice(major, minor) => {
                    let device = makedev(*major, *minor);
                    mknodat(directory, last, FileType::CharacterDevice, NEW_MODE, device)
                }
                Kind::BlockDevice(major, minor) => {
                    let device = makedev(*major, *minor);
                    mknodat(directory, last, FileType::BlockDevice, NEW_MODE, device)
                }
                Kind::Fifo => mknodat(directory, last, FileType::Fifo, NEW_MODE, 0),
                Kind::File | Kind::Directory | Kind::Hardlink(_) => Err(Errno::INVAL),
            },
        )?;
        let directory = std::os::fd::AsFd::as_fd(temporary.directory());
        let object = Object::Named(directory, temporary.temporary());
        metadata::apply(
            object,
            name.bytes(),
            member,
            &mut self.owners,
            &mut self.not_set,
        );
        self.settle(temporary, member.mtime)
    }

    /// Makes `name` a further name of the file restored as `first`.
    ///
    /// The caller makes sure that `first` was restored in this run: anything else that
    /// may lie there is not the tape's to link to.
    ///
    /// # Errors
    ///
    /// As [`Target::begin_file`].
    pub fn hard_link(&mut self, first: Name<'_>, name: Name<'_>) -> Result<(), TargetError> {
        let renamed = self.renamed.get(first.bytes()).cloned();
        let first = Name::new(renamed.as_deref().unwrap_or(first.bytes()))?;
        let (first_parent, first_last) = first.split();
        let first_directory = self.directories.open(first_parent)?;
        let stat = statat(&first_directory, first_last, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|errno| {
            TargetError::system(name.bytes(), "looking at its first name", errno)
        })?;
        let mtime = mtime(&stat);
        let directory = self.free_place(name, mtime)?;
        let (temporary, ()) = self.temporaries.create(
            &directory,
            name.bytes(),
            "linking it to its first name",
            |directory, last| {
                linkat(
                    &first_directory,
                    first_last,
                    directory,
                    last,
                    AtFlags::empty(),
                )
            },
        )?;
        self.settle(temporary, mtime)
    }
}
