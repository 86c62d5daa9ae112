//! A line of `files.jsonl`: one member, where it is, and the digest of its data.

use super::Digest;
use crate::units::BlockAddress;
use crate::volume::member::{Condition, FileTime, Kind, Member, Part};

/// Where a member is, with everything from its first header to the end of its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The record in which its first header block lies; in a compressed segment, the one in
    /// which the frame begins that has it.
    pub block: BlockAddress,
    /// Where in that record.
    pub offset_bytes: u32,
    /// How long the member is, over as many records as it takes; before compression.
    pub length_bytes: u64,
    /// In a compressed segment, and only there: bytes of the frame's content before the member.
    pub skip_bytes: Option<u32>,
}

impl Place {
    /// How many records of `block_bytes` hold bytes of the member. Of one in a compressed
    /// segment only the first is known.
    #[must_use]
    pub fn records(&self, block_bytes: u32) -> u64 {
        if self.skip_bytes.is_some() {
            return 1;
        }
        let end = u64::from(self.offset_bytes).saturating_add(self.length_bytes);
        end.div_ceil(u64::from(block_bytes))
    }
}

/// What an index says of one member. About 350 bytes and the names in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// Archive path; for a part, the whole file's.
    pub path: Vec<u8>,
    /// The kind of object.
    pub kind: Kind,
    /// Logical size of the whole file in bytes; 0 for others.
    pub size_bytes: u64,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name; empty if it had none.
    pub user: String,
    /// Group's name; empty if it had none.
    pub group: String,
    /// Last modification of the data.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
    /// Digest of what the member covers of the file's logical content. Files only; absent
    /// where the line was rebuilt from headers.
    pub digest: Option<Digest>,
    /// Where the member is.
    pub place: Place,
    /// Which part of a cut file this is.
    pub part: Option<Part>,
    /// What happened to the file while it was read.
    pub condition: Condition,
    /// Inode number on the source, where it was recorded.
    pub inode: Option<u64>,
}

impl FileLine {
    /// The line for `member` at `place`.
    #[must_use]
    pub fn new(
        member: &Member,
        place: Place,
        digest: Option<Digest>,
        condition: Condition,
    ) -> FileLine {
        FileLine {
            path: member.path.clone(),
            kind: member.kind.clone(),
            size_bytes: member.size_bytes,
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            user: member.user.clone(),
            group: member.group.clone(),
            mtime: member.mtime,
            ctime: member.ctime,
            digest,
            place,
            part: member.part,
            condition,
            inode: member.inode,
        }
    }

    /// Bytes of the file that the member covers, holes included; 0 for everything but files.
    #[must_use]
    pub fn covered_bytes(&self) -> u64 {
        self.part.map_or(self.size_bytes, |part| part.length_bytes)
    }
}
