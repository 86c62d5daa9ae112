//! What of a source needs no archiving, since the run has it on tape already in the state that it
//! has. What earlier runs have is the [base](super::Base)'s.

use crate::volume::member::{FileTime, Kind, Member};

/// By what it is decided that an object is the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileState {
    /// Size of a regular file; 0 of anything else, and of further names (hard links).
    pub size_bytes: u64,
    /// Last modification of the data.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
}

impl FileState {
    /// The state of an object as it was found.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        Self {
            size_bytes: match member.kind {
                Kind::File => member.size_bytes,
                _ => 0,
            },
            mtime: member.mtime,
            ctime: member.ctime,
        }
    }
}

/// Tells a walk what it passes over. It is asked before an object is opened; directories are
/// entered all the same.
pub trait Known: std::fmt::Debug + Send + Sync {
    /// True if the object at this archive path needs no archiving.
    fn is_known(&self, path: &[u8], state: &FileState) -> bool;

    /// True if it is recorded that this archive path is gone.
    fn is_gone(&self, path: &[u8]) -> bool;
}
