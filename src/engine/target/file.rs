//! A regular file while its data arrives.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, SeekFrom, ftruncate, openat, seek};
use rustix::io::Errno;

use super::Target;
use super::error::TargetError;
use super::metadata::{self, Object};
use super::name::Name;
use super::place::Temporary;
use crate::volume::member::Member;

/// A file being restored under a temporary name. Dropped unfinished, it is removed, unless it is
/// [kept](Target::begin_kept).
#[derive(Debug)]
pub struct FileWriter {
    temporary: Temporary,
    file: Arc<File>,
    was_there: bool,
}

/// Writes data into a file being restored, also while others do. What is written once the file was
/// given up goes nowhere.
#[derive(Debug)]
pub struct DataWriter {
    name: Vec<u8>,
    file: Arc<File>,
}

impl Target {
    /// Begins the regular file `name` that `member` describes. Its content is zeros, all hole,
    /// until something is written.
    ///
    /// # Errors
    ///
    /// As [`Target::directory`]; also if something exists there and is to be refused, and
    /// if the file system has no room for a file of this size.
    pub fn begin_file(
        &mut self,
        name: Name<'_>,
        member: &Member,
    ) -> Result<FileWriter, TargetError> {
        let directory = self.free_place(name, member.mtime)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = |directory: &_, temporary: &[u8]| {
            openat(directory, temporary, flags, Mode::RUSR | Mode::WUSR)
        };
        let (temporary, file) =
            self.temporaries
                .create(&directory, name.bytes(), "creating the file", make)?;
        ftruncate(&file, member.size_bytes)
            .map_err(|errno| TargetError::system(name.bytes(), "making room for it", errno))?;
        Ok(FileWriter {
            temporary,
            file: Arc::new(File::from(file)),
            was_there: false,
        })
    }

    /// As [`begin_file`](Self::begin_file) for a file of which a later run of this restore can use
    /// what has come: it stays when the writer is dropped, unless that was told to
    /// [discard](FileWriter::discard) it, and is found again by `key`. It ends where data end,
    /// until it is told its [size](FileWriter::set_size).
    ///
    /// # Errors
    ///
    /// As [`begin_file`](Self::begin_file).
    pub fn begin_kept(
        &mut self,
        name: Name<'_>,
        member: &Member,
        key: &str,
    ) -> Result<FileWriter, TargetError> {
        let directory = self.free_place(name, member.mtime)?;
        let kept = self.temporaries.keep(&directory, name.bytes(), key);
        let (temporary, file, was_there) =
            kept.map_err(|errno| TargetError::system(name.bytes(), "creating the file", errno))?;
        Ok(FileWriter {
            temporary,
            file: Arc::new(File::from(file)),
            was_there,
        })
    }

    /// Gives the file the metadata of `member` and its name.
    ///
    /// # Errors
    ///
    /// If the name is taken and not to be replaced. The file is removed then.
    pub fn finish_file(&mut self, writer: FileWriter, member: &Member) -> Result<(), TargetError> {
        let object = Object::Open(writer.file.as_fd());
        let name = writer.temporary.name();
        metadata::apply(object, name, member, &mut self.owners, &mut self.not_set);
        self.settle(writer.temporary, member.mtime)
    }

    /// As [`finish_file`](Self::finish_file) for a file that is not whole: it gets a name with
    /// `suffix` behind it.
    ///
    /// # Errors
    ///
    /// As [`finish_file`](Self::finish_file).
    pub fn finish_partial(
        &mut self,
        mut writer: FileWriter,
        member: &Member,
        suffix: &[u8],
    ) -> Result<(), TargetError> {
        writer.temporary.extend_name(suffix);
        self.finish_file(writer, member)
    }
}

impl FileWriter {
    /// True if an earlier run of the restore began the file.
    #[must_use]
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// True if it stays when it is dropped.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.temporary.is_kept()
    }

    /// Removes the file, also if it was to be kept: it is not what it should be.
    pub fn discard(mut self) {
        self.temporary.keep_no_longer();
    }

    /// Forgets all data.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn clear(&self) -> Result<(), TargetError> {
        self.set_size(0)
    }

    /// Makes the file end at `size_bytes`: a part behind the first may have brought its end.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn set_size(&self, size_bytes: u64) -> Result<(), TargetError> {
        ftruncate(&self.file, size_bytes).map_err(|errno| {
            TargetError::system(self.temporary.name(), "making room for it", errno)
        })
    }

    /// What writes into the file.
    #[must_use]
    pub fn data_writer(&self) -> DataWriter {
        DataWriter {
            name: self.temporary.name().to_vec(),
            file: Arc::clone(&self.file),
        }
    }

    /// Writes `data` at `offset_bytes`.
    ///
    /// # Errors
    ///
    /// [`super::TargetErrorKind::Full`] where no room is left; errors of the system.
    pub fn write_at(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), TargetError> {
        write_at(&self.file, self.temporary.name(), offset_bytes, data)
    }
}

impl DataWriter {
    /// Where, from `offset_bytes` on, data end that are there without a hole. A file system that
    /// does not tell has them up to the end of the file.
    #[must_use]
    pub fn data_end(&self, offset_bytes: u64) -> u64 {
        // Nothing is there behind the end of the file.
        seek(&*self.file, SeekFrom::Hole(offset_bytes)).unwrap_or(offset_bytes)
    }

    /// Reads what is at `offset_bytes`.
    ///
    /// # Errors
    ///
    /// Errors of the system, also if the file ends before `data` is full.
    pub fn read_at(&self, offset_bytes: u64, data: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(data, offset_bytes)
    }

    /// As [`FileWriter::write_at`].
    ///
    /// # Errors
    ///
    /// As [`FileWriter::write_at`].
    pub fn write_at(&self, offset_bytes: u64, data: &[u8]) -> Result<(), TargetError> {
        write_at(&self.file, &self.name, offset_bytes, data)
    }
}

fn write_at(file: &File, name: &[u8], offset_bytes: u64, data: &[u8]) -> Result<(), TargetError> {
    file.write_all_at(data, offset_bytes).map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        TargetError::system(name, "writing", errno)
    })
}
