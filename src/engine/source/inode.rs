//! What the inode says: the part of an object's metadata that one stat call brings.

use rustix::fs::{FileType, Stat};

use crate::volume::member::FileTime;

/// Metadata of one object at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
    pub(super) file_type: FileType,
    /// Permission bits: 0 to 0o7777.
    pub(super) mode: u32,
    pub(super) links: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size_bytes: u64,
    /// Storage taken, in units of 512 bytes.
    pub(super) sectors: u64,
    pub(super) mtime: FileTime,
    pub(super) ctime: FileTime,
    /// Which device a device node stands for.
    pub(super) node: u64,
}

impl Inode {
    /// Device and inode number: the same object, as long as it lives.
    pub(super) fn id(&self) -> (u64, u64) {
        (self.device, self.number)
    }
}

impl From<Stat> for Inode {
    // The widths of the fields differ from one architecture to the next.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    fn from(stat: Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            number: stat.st_ino as u64,
            file_type: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode as u32 & 0o7777,
            links: stat.st_nlink as u64,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            sectors: u64::try_from(stat.st_blocks).unwrap_or(0),
            mtime: FileTime {
                seconds: stat.st_mtime as i64,
                nanoseconds: stat.st_mtime_nsec as u32,
            },
            ctime: FileTime {
                seconds: stat.st_ctime as i64,
                nanoseconds: stat.st_ctime_nsec as u32,
            },
            node: stat.st_rdev as u64,
        }
    }
}
