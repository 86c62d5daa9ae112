//! One archived object as the tape format sees it: what a tar member and its index line say.
//!
//! Knows neither where the object came from nor where it will be restored to.

/// Seconds and nanoseconds since 1970-01-01 UTC; seconds may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime {
    /// Whole seconds, rounded towards the past.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// What kind of object a member is, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file. Its data follows the header.
    File,
    /// A directory.
    Directory,
    /// A symbolic link with its target text.
    Symlink(Vec<u8>),
    /// A further name of the file archived under this archive path in the same run.
    Hardlink(Vec<u8>),
    /// A character device, major and minor number.
    CharDevice(u32, u32),
    /// A block device, major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// A piece of a sparse file that holds data; everything between pieces is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Where the piece starts in the file.
    pub offset_bytes: u64,
    /// How long it is.
    pub length_bytes: u64,
}

/// Which piece of a file this member holds, when a file was cut to fit segment or volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// 1, 2, …
    pub number: u32,
    /// Where this part starts in the file.
    pub offset_bytes: u64,
    /// How much of the file it covers, holes included.
    pub length_bytes: u64,
    /// True for the part that ends the file.
    pub last: bool,
    /// True if nobody knew how long the whole would become: the size of its member is where
    /// this part ends. Such parts are of segment format 2.
    pub open: bool,
}

/// What is known of the state of a file's data when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Unchanged from open to end.
    #[default]
    Whole,
    /// Size or times changed while it was read; the data is a mixture.
    Changed,
    /// It became shorter; the missing end is zeros on tape.
    Shrank,
    /// It became longer; the tape has its first `size_bytes` bytes.
    Grew,
    /// Reading failed part-way; from there on the tape has zeros, or nothing of what a command
    /// was to write.
    Unreadable,
}

/// Everything the archive keeps of one object, its data apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Archive path: bytes without leading slash, empty, `.` or `..` components. For a
    /// part, the whole file's path; the tar member name adds the part's suffix.
    pub path: Vec<u8>,
    /// The kind of object.
    pub kind: Kind,
    /// Logical size of the file in bytes (of the whole file, for a part); 0 for others.
    pub size_bytes: u64,
    /// Permission bits including set-user-id, set-group-id and sticky: 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Owner's name on the source system; empty if it had none.
    pub user: String,
    /// Group's name on the source system; empty if it had none.
    pub group: String,
    /// Last modification of the data.
    pub mtime: FileTime,
    /// Last change of the inode; kept for the record, cannot be restored.
    pub ctime: FileTime,
    /// Extended attributes, by name, in the order of names. POSIX ACLs are among them
    /// as `system.posix_acl_access` and `system.posix_acl_default` in the kernel's form.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The pieces that hold data, ascending, none empty, without overlap, if the file has
    /// holes; all but the last multiples of 512 bytes long: see [`whole_blocks`]. For a
    /// part, offsets count from the start of the part, as they do on tape.
    pub extents: Option<Vec<Extent>>,
    /// Which part of a cut file this is.
    pub part: Option<Part>,
    /// Inode number on the source, if it is known. Only the index keeps it.
    pub inode: Option<u64>,
}

impl Member {
    /// Bytes of the file that this member covers, holes included: the part's length for a
    /// part, else the file's size.
    #[must_use]
    pub fn covered_bytes(&self) -> u64 {
        self.part.map_or(self.size_bytes, |part| part.length_bytes)
    }

    /// Bytes of file data that follow the member's headers: what is covered, less the
    /// holes; 0 for everything but files.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        match (&self.kind, &self.extents) {
            (Kind::File, None) => self.covered_bytes(),
            (Kind::File, Some(extents)) => extents.iter().map(|e| e.length_bytes).sum(),
            _ => 0,
        }
    }
}

/// Widens pieces of a file of `file_bytes` to multiples of 512 bytes, and joins those that
/// meet: what a sparse member can hold. The pieces are ascending and within the file.
#[must_use]
pub fn whole_blocks(pieces: &[Extent], file_bytes: u64) -> Vec<Extent> {
    const BLOCK_BYTES: u64 = 512;
    let mut wide: Vec<Extent> = Vec::with_capacity(pieces.len());
    for piece in pieces.iter().filter(|piece| piece.length_bytes > 0) {
        let start = piece.offset_bytes - piece.offset_bytes % BLOCK_BYTES;
        let end = piece
            .offset_bytes
            .saturating_add(piece.length_bytes)
            .min(file_bytes);
        let end = end.next_multiple_of(BLOCK_BYTES).min(file_bytes);
        match wide.last_mut() {
            Some(last) if start <= last.offset_bytes + last.length_bytes => {
                last.length_bytes = end - last.offset_bytes;
            }
            _ => wide.push(Extent {
                offset_bytes: start,
                length_bytes: end - start,
            }),
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_widened_to_blocks_and_joined() {
        type Pieces = &'static [(u64, u64)];
        let table: [(Pieces, u64, Pieces); 5] = [
            (&[], 1000, &[]),
            (&[(0, 4096), (8192, 1000)], 9192, &[(0, 4096), (8192, 1000)]),
            (
                &[(1, 1), (1000, 0), (5000, 24)],
                9000,
                &[(0, 512), (4608, 512)],
            ),
            (&[(0, 600), (700, 10), (1024, 1)], 9000, &[(0, 1536)]),
            (&[(600, 1)], 601, &[(512, 89)]),
        ];
        for (pieces, file_bytes, wide) in table {
            let extents = |pieces: Pieces| -> Vec<Extent> {
                let extent = |&(offset_bytes, length_bytes)| Extent {
                    offset_bytes,
                    length_bytes,
                };
                pieces.iter().map(extent).collect()
            };
            assert_eq!(whole_blocks(&extents(pieces), file_bytes), extents(wide));
        }
    }
}
