//! Whether what is in a target is what was archived.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::error::TargetError;
use super::name::Name;
use super::present::{Present, mtime};
use crate::volume::index::{Digest, DigestAlgorithm};
use crate::volume::member::FileTime;

/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What is to be known of the content of a file, or of one part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartDigest {
    /// How much of the file it covers, holes included.
    pub length_bytes: u64,
    /// How the digest was made.
    pub algorithm: DigestAlgorithm,
    /// The digest.
    pub digest: [u8; 32],
}

/// An archived object, as far as a target shows it.
#[derive(Debug, Clone, Copy)]
pub enum Likeness<'a> {
    /// A regular file.
    File {
        /// Its size.
        size_bytes: u64,
        /// Last modification of its content.
        mtime: FileTime,
        /// Its content, part by part from the beginning to the end; nothing where no digest of it
        /// is known.
        parts: &'a [PartDigest],
    },
    /// A symbolic link with this text.
    Symlink(&'a [u8]),
    /// A device or named pipe, told by when it was modified.
    Node(FileTime),
    /// A further name of the regular file that has this one.
    SameAs(Name<'a>),
}

impl Present {
    /// Whether the object in the place of `name` is the archived one. The content of a file is
    /// read only if all else agrees; a file that cannot be read is not known to be the one.
    /// Where `stops` says so, nothing more is read, and the answer is no.
    ///
    /// # Errors
    ///
    /// The system refuses to say what is there.
    pub fn is(
        &mut self,
        name: Name<'_>,
        like: Likeness<'_>,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let Some(stat) = self.stat(name)? else {
            return Ok(false);
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        match like {
            Likeness::File {
                size_bytes,
                mtime: archived,
                parts,
            } => {
                let is_it = kind.is_file()
                    && u64::try_from(stat.st_size) == Ok(size_bytes)
                    && is_about(mtime(&stat), archived);
                let opened = match is_it {
                    true => self.at(name, open)?,
                    false => None,
                };
                let read = opened.map(|file| has_content(File::from(file), parts, stops));
                Ok(read.is_some_and(|read| read.unwrap_or(false)))
            }
            Likeness::Symlink(text) => {
                let read = |directory: &OwnedFd, last: &[u8]| {
                    readlinkat(directory, last, Vec::new()).map(std::ffi::CString::into_bytes)
                };
                let there = match kind.is_symlink() {
                    true => self.at(name, read)?,
                    false => None,
                };
                Ok(there.is_some_and(|there| there == text))
            }
            Likeness::Node(archived) => {
                let has_none = kind.is_file() || kind.is_dir() || kind.is_symlink();
                Ok(!has_none && is_about(mtime(&stat), archived))
            }
            Likeness::SameAs(other) => {
                let other = self.stat(other)?;
                let id = |stat: &Stat| (stat.st_dev, stat.st_ino);
                Ok(kind.is_file() && other.is_some_and(|other| id(&other) == id(&stat)))
            }
        }
    }

    /// When the directory `name` was modified, if one is there.
    ///
    /// # Errors
    ///
    /// The system refuses to say.
    pub fn directory(&mut self, name: Name<'_>) -> Result<Option<FileTime>, TargetError> {
        let stat = self.stat(name)?;
        let stat = stat.filter(|stat| FileType::from_raw_mode(stat.st_mode).is_dir());
        Ok(stat.map(|stat| mtime(&stat)))
    }

    fn stat(&mut self, name: Name<'_>) -> Result<Option<Stat>, TargetError> {
        self.at(name, |directory, last| {
            statat(directory, last, AtFlags::SYMLINK_NOFOLLOW)
        })
    }
}

/// What file systems count times by, in nanoseconds: those of NTFS, some network ones, exFAT, old
/// ones and FAT.
const GRAINS: [i128; 6] = [
    100,
    1_000,
    1_000_000,
    10_000_000,
    1_000_000_000,
    2_000_000_000,
];

/// Whether a time that a file system shows is the one that was set, as far as it keeps that.
#[must_use]
pub fn is_about(shown: FileTime, set: FileTime) -> bool {
    let nanoseconds =
        |time: FileTime| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let (shown, set) = (nanoseconds(shown), nanoseconds(set));
    let is_rounded = |grain: &i128| shown % grain == 0 && (shown - set).abs() < *grain;
    shown == set || GRAINS.iter().any(is_rounded)
}

/// Opens a file without waiting for whatever might have taken its place.
fn open(directory: &OwnedFd, last: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(directory, last, flags, Mode::empty()) {
        Err(Errno::ACCESS | Errno::LOOP) => Err(Errno::NOENT),
        opened => opened,
    }
}

fn has_content(mut file: File, parts: &[PartDigest], stops: &dyn Fn() -> bool) -> io::Result<bool> {
    let mut buffer = vec![0; PIECE_BYTES];
    for part in parts {
        let mut hasher = part.algorithm.hasher();
        let mut left = part.length_bytes;
        while left > 0 {
            let most = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let got = file.read(&mut buffer[..most])?;
            if got == 0 || stops() {
                return Ok(false);
            }
            hasher.update(&buffer[..got]);
            left -= got as u64;
        }
        if hasher.finish() != Digest(part.digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_time_is_the_one_that_was_set() {
        let time = |seconds, nanoseconds| FileTime {
            seconds,
            nanoseconds,
        };
        for (shown, is_it) in [
            (time(1001, 999_999_999), true),
            (time(1001, 0), true),
            (time(1000, 0), true),
            (time(1002, 0), true),
            (time(999, 0), false),
            (time(1004, 0), false),
            (time(1001, 999_999_900), true),
            (time(1001, 999_000_000), true),
            // No file system rounds so.
            (time(1001, 999_999_998), false),
            (time(1001, 500_000_000), false),
        ] {
            assert_eq!(is_about(shown, time(1001, 999_999_999)), is_it, "{shown:?}");
        }
    }
}
