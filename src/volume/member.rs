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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// True for the part that ends the file.
    pub last: bool,
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
    /// Reading failed part-way; from there on the tape has zeros.
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
    /// The pieces that hold data, ascending, without overlap, if the file has holes.
    pub extents: Option<Vec<Extent>>,
    /// Which part of a cut file this is.
    pub part: Option<Part>,
}
