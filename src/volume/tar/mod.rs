//! Tar as the tape format uses it: ustar headers, pax records, GNU sparse 1.0 maps.
//!
//! Pure codecs with limits; nothing here reads or writes anything. [`encode_member`]
//! gives the header bytes of a member, [`MemberParser`] turns bytes into members: those of
//! this format strictly, and those of other programs ([`MemberParser::foreign`]).

mod acl;
mod decode;
mod encode;
mod find;
mod foreign;
mod header;
mod parse;
mod pax;
mod pieces;
mod sparse;

pub(crate) use encode::put_member;
pub use encode::{END, encode_global, encode_member, encode_plain};
pub use find::{find_foreign_member, find_member};
pub use parse::{Event, Limits, MemberParser};

use std::borrow::Cow;

use super::member::Part;

/// Headers and the data behind them come in blocks of this many bytes.
pub const BLOCK: usize = 512;
/// Longest extended header. libarchive refuses longer ones.
pub const MAX_EXTENDED_BYTES: u64 = 1 << 20;
/// Longest archive path or link target: what the catalog takes.
pub const MAX_NAME_BYTES: u64 = 65_535;
/// Longest name of a user or group: what the catalog takes.
pub const MAX_OWNER_BYTES: usize = 1_024;
/// Most pieces of a sparse file in one member.
pub const MAX_EXTENTS: u64 = 1 << 20;

/// A member that cannot be written as tar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The archive path, or that of a hard link's first name, is empty, absolute, too long,
    /// or has empty, `.` or `..` components; or a link has no target.
    #[error("not an archive path")]
    Path,
    /// The name of the user or group is longer than [`MAX_OWNER_BYTES`].
    #[error("the name of its user or group is longer than {MAX_OWNER_BYTES} bytes")]
    Owner,
    /// Metadata exceed what readers accept: names, ACLs and extended attributes together.
    #[error("the metadata take {actual_bytes} bytes, more than {limit_bytes}")]
    TooMuchMetadata {
        /// What they take.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// A number that its field does not take.
    #[error("{field} {value} does not fit in a tar header")]
    Number {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// Extents that are empty, overlap, are out of order or out of the file, of no whole
    /// blocks, or too many.
    #[error("the map of data and holes is not usable")]
    Extents,
    /// A part that is of no file, or not within it.
    #[error("the part is not within the file")]
    Part,
}

/// What is the matter with an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarErrorKind {
    /// It is damaged, or no tar archive.
    Malformed,
    /// Something in it is larger than a reader takes.
    TooLarge,
    /// It is tar, but in a way that this format does not use.
    Unsupported,
}

/// Why bytes are no archive that the format allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} of the archive: {what}")]
pub struct TarError {
    /// Where in the archive, counted from the first byte that was parsed.
    pub offset: u64,
    /// What callers branch on.
    pub kind: TarErrorKind,
    /// What is wrong, for people.
    pub what: String,
}

/// `bytes` rounded up to whole blocks. For numbers known to be far from `u64::MAX`.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes + padding(bytes)
}

/// Zero bytes that follow `bytes` of data.
fn padding(bytes: u64) -> u64 {
    bytes.wrapping_neg() % BLOCK as u64
}

/// True for an archive path: neither empty nor absolute, without empty, `.` or `..`
/// components, without NUL.
pub(crate) fn is_archive_path(path: &[u8]) -> bool {
    let component = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.len() as u64 <= MAX_NAME_BYTES && path.split(|&b| b == b'/').all(component)
}

/// Whether the names of user and group are of a length that the format takes.
pub(crate) fn owners_fit(user: &str, group: &str) -> bool {
    user.len().max(group.len()) <= MAX_OWNER_BYTES
}

/// The name that a member has on tape: a part's is the file's with a suffix.
pub(crate) fn tape_name(path: &[u8], part: Option<Part>) -> Cow<'_, [u8]> {
    match part {
        None => path.into(),
        Some(part) => [path, part_suffix(part.number, part.open).as_bytes()]
            .concat()
            .into(),
    }
}

/// What a part's name has behind the file's. Open parts may become many, and sort by name.
fn part_suffix(number: u32, open: bool) -> String {
    let digits = if open { 8 } else { 4 };
    format!(".tapewright-part-{number:0digits$}")
}
