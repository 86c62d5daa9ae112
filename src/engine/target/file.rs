//! A regular file while its data arrives.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom, fallocate, ftruncate, openat, seek};
use rustix::io::Errno;

use super::Target;
use super::error::TargetError;
use super::metadata::{self, Object};
use super::name::Name;
use super::place::Temporary;
use crate::volume::member::Member;

/// Bytes that are looked through at once where no hole can be made.
const LOOKED_THROUGH_BYTES: u64 = 1 << 20;

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

    /// Where the file ends.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn size_bytes(&self) -> Result<u64, TargetError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| system(&self.name, "looking at it", &error))?;
        Ok(metadata.len())
    }

    /// Makes a range zeros that does not reach behind the end of the file; a hole, where the file
    /// system can.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn zero(&self, range: Range<u64>) -> Result<(), TargetError> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let bytes = range.end.saturating_sub(range.start);
        match fallocate(&*self.file, flags, range.start, bytes) {
            Ok(()) => Ok(()),
            Err(_) => self.overwrite(range),
        }
    }

    /// Zeros by hand. What is a hole stays one.
    fn overwrite(&self, range: Range<u64>) -> Result<(), TargetError> {
        let mut buffer = vec![0; LOOKED_THROUGH_BYTES as usize];
        let mut at = range.start;
        while at < range.end {
            let bytes = (range.end - at).min(LOOKED_THROUGH_BYTES);
            let there = &mut buffer[..bytes as usize];
            self.read_at(at, there)
                .map_err(|error| system(&self.name, "reading what was there", &error))?;
            if there.iter().any(|&byte| byte != 0) {
                there.fill(0);
                self.write_at(at, there)?;
            }
            at += bytes;
        }
        Ok(())
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
    file.write_all_at(data, offset_bytes)
        .map_err(|error| system(name, "writing", &error))
}

fn system(name: &[u8], action: &str, error: &io::Error) -> TargetError {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    TargetError::system(name, action, errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_becomes_zeros_with_and_without_holes() {
        for by_hand in [false, true] {
            let file = tempfile::tempfile().unwrap();
            let content = vec![7; 3 << 20];
            file.write_all_at(&content, 0).unwrap();
            let file = Arc::new(file);
            let name = b"f".to_vec();
            let data = DataWriter { name, file };
            let range = 5000..(2 << 20) + 1;
            match by_hand {
                true => data.overwrite(range.clone()).unwrap(),
                false => data.zero(range.clone()).unwrap(),
            }
            assert_eq!(data.size_bytes().unwrap(), 3 << 20);
            let mut there = vec![1; 3 << 20];
            data.read_at(0, &mut there).unwrap();
            let is_right = |(at, &byte): (usize, &u8)| {
                byte == if range.contains(&(at as u64)) { 0 } else { 7 }
            };
            assert!(there.iter().enumerate().all(is_right), "{by_hand}");
        }
    }
}
