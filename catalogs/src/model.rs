//! Plain records: what an archive job tells the catalog about each member it wrote.
//!
//! Invariants: an [`Entry`] that passed [`Entry::validate`] can be stored and is found again
//! under its path, byte for byte. This module does no I/O and knows neither tape nor files.

pub mod event;
pub mod merged;
pub mod path;
pub mod phases;
pub mod problem;
pub mod restoring;
pub mod retention;
pub mod text;

use std::sync::Arc;

use crate::model::path::{PathFault, check_path_from};

/// Longest archive name or link target in bytes.
pub const MAX_PATH_BYTES: usize = 65_535;
/// Longest user or group name in bytes.
pub const MAX_OWNER_BYTES: usize = 1_024;

/// What a tar member is, or that there is none.
/// The numbers are those of the entry file and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file, sparse or not.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; its text is in [`Entry::link_target`].
    Symlink,
    /// A further name of a file; [`Entry::link_target`] is the archive name of the first.
    Hardlink,
    /// A character device, numbers in [`Entry::device`].
    CharDevice,
    /// A block device, numbers in [`Entry::device`].
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// No member: the name was there before and was not any more when the run looked.
    Gone,
}

impl Kind {
    /// All kinds, in the order of their numbers in an entry file.
    pub const ALL: [Kind; 9] = [
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::Hardlink,
        Kind::CharDevice,
        Kind::BlockDevice,
        Kind::Fifo,
        Kind::Socket,
        Kind::Gone,
    ];
}

/// How faithfully the member's data matches the file that was read.
/// The numbers are those of the entry file and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Condition {
    /// Read to the end, unchanged meanwhile.
    #[default]
    Whole,
    /// Same size, but modified while it was read.
    Changed,
    /// Became shorter while it was read; the member is filled up with zeros.
    Shrank,
    /// Became longer while it was read; the member holds the size first seen.
    Grew,
    /// Could not be read to its end; the member is filled up with zeros.
    Unreadable,
}

impl Condition {
    /// All conditions, in the order of their numbers in an entry file.
    pub const ALL: [Condition; 5] = [
        Condition::Whole,
        Condition::Changed,
        Condition::Shrank,
        Condition::Grew,
        Condition::Unreadable,
    ];
}

/// A file's time: seconds since 1970-01-01 UTC and nanoseconds within that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime {
    /// Whole seconds since the epoch, negative before it.
    pub seconds: i64,
    /// Nanoseconds past `seconds`, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// Which piece of a file that was cut over volumes or segments an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// Counts from 1.
    pub number: u32,
    /// Where this part's first byte lies in the whole file, in bytes.
    pub offset_bytes: u64,
    /// Whether the file ends with this part.
    pub last: bool,
}

/// One tar member on tape. A file cut into parts is several entries, perhaps in several receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Archive name: bytes, `/` between components, no leading or trailing slash, none of the
    /// components empty, `.` or `..`, no NUL, 1 to [`MAX_PATH_BYTES`] long.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Size of the whole file in bytes, also when this entry is one part of it.
    pub size_bytes: u64,
    /// Permission and set-id bits, `st_mode & 0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name, empty when unknown. Many entries share one.
    pub user: Arc<str>,
    /// Group's name, empty when unknown.
    pub group: Arc<str>,
    /// Last modification of the content.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
    /// Text of a symbolic link, archive name for a hard link, else empty.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Digest of the data in this member, by the algorithm that the receipt names.
    pub digest: Option<[u8; 32]>,
    /// Absolute logical block address of the record in which the member's first header starts.
    pub block: u64,
    /// Where in that record the header starts, in bytes.
    pub offset_bytes: u32,
    /// Headers, data and padding of the member in the tar stream, in bytes.
    pub member_bytes: u64,
    /// In a compressed segment, and only there: block and offset are those of the frame in
    /// which the first header starts, and so many bytes of its content come before.
    pub skip_bytes: Option<u32>,
    /// Present if the file was cut.
    pub part: Option<Part>,
    /// How faithful the data is.
    pub condition: Condition,
    /// Inode number on the source, where it was recorded.
    pub inode: Option<u64>,
}

impl Entry {
    /// Checks the invariants stated on the fields.
    ///
    /// # Errors
    ///
    /// The first fault found. The entry cannot be stored: the caller made it from something
    /// that is no archive member; report the path as a problem of the job.
    pub fn validate(&self) -> Result<(), EntryFault> {
        self.validate_from(0)
    }

    /// The same for an entry whose path shares its first `checked` bytes with one that was found
    /// valid.
    pub(crate) fn validate_from(&self, checked: usize) -> Result<(), EntryFault> {
        check_path_from(&self.path, checked)?;
        if self.link_target.len() > MAX_PATH_BYTES {
            return Err(EntryFault::LinkTooLong(self.link_target.len()));
        }
        if self.user.len() > MAX_OWNER_BYTES || self.group.len() > MAX_OWNER_BYTES {
            return Err(EntryFault::OwnerTooLong);
        }
        let nanoseconds = self.mtime.nanoseconds.max(self.ctime.nanoseconds);
        if nanoseconds > 999_999_999 {
            return Err(EntryFault::Nanoseconds(nanoseconds));
        }
        if self.part.is_some_and(|part| part.number == 0) {
            return Err(EntryFault::PartZero);
        }
        Ok(())
    }
}

/// Why an [`Entry`] cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// The archive name breaks a rule.
    #[error("archive name: {0}")]
    Path(#[from] PathFault),
    /// The link target is longer than [`MAX_PATH_BYTES`].
    #[error("link target of {0} bytes, at most {MAX_PATH_BYTES} are kept")]
    LinkTooLong(usize),
    /// User or group name is longer than [`MAX_OWNER_BYTES`].
    #[error("user or group name longer than {MAX_OWNER_BYTES} bytes")]
    OwnerTooLong,
    /// A time's nanoseconds reach a full second.
    #[error("{0} nanoseconds in a second")]
    Nanoseconds(u32),
    /// Parts count from 1.
    #[error("part number 0, parts count from 1")]
    PartZero,
    /// A receipt is of a compressed segment or not: all of its entries have a skip, or none.
    #[error("its place in the frame is missing or too much: the receipt's other entries differ")]
    Skip,
    /// Block and offset do not fit the receipt's record size.
    #[error("offset {offset_bytes} of block {block} lies outside records of {record_bytes} bytes")]
    Position {
        /// The entry's block.
        block: u64,
        /// The entry's offset in the record, in bytes.
        offset_bytes: u32,
        /// The receipt's record size in bytes.
        record_bytes: u32,
    },
}
