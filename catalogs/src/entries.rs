//! Entry files: the sealed entries of one receipt. `docs/catalog.md`, "Entry file".
//!
//! Invariants: a file is complete before it gets its name and never changes after; every byte is
//! under a CRC; no length read from a file is trusted before it is compared with its bound.
//! Knows neither ledger nor index.

mod block;
mod blocks;
mod columns;
mod encode;
mod error;
mod filter;
mod footer;
mod members;
mod merged;
mod names;
mod order;
mod pieces;
mod reader;
mod scan;
mod varint;
mod writer;

pub(crate) use blocks::{BlockMap, Start, short_from, short_key};
pub use error::{EntriesError, Fault};
pub(crate) use filter::{FilterPlace, Probe};
pub(crate) use footer::{FramePlace, Outline};
pub(crate) use members::{Member, id_of};
pub(crate) use merged::{Composition, MergedWriter};
pub(crate) use names::Wanted;
pub(crate) use reader::{EntryFile, Stretch, matches};
pub(crate) use scan::{Scanned, Scanner};
pub(crate) use writer::{Sealed, write};

/// Directory of the entry files in the catalog's directory.
pub const ENTRIES_DIRECTORY: &str = "entries";
/// Ending of an entry file's name.
pub(crate) const EXTENSION: &str = "entries";
/// Ending of the name of an entry file being written.
pub(crate) const DRAFT_EXTENSION: &str = "tmp";
/// Ending of a merged file's name: software that does not know them leaves them alone.
pub(crate) const MERGED_EXTENSION: &str = "merged";
/// Ending of the name of a merged file being written.
pub(crate) const MERGING_EXTENSION: &str = "merging";

/// Most entries of one receipt, and of one file.
pub const ENTRIES_MAX: usize = 1 << 24;

/// The newest version that is read.
const FORMAT_VERSION: u16 = FORMAT_MERGED;
/// The version of a file of a plain segment.
const FORMAT_PLAIN: u16 = 1;
/// The version of a file of a compressed segment.
const FORMAT_FRAMED: u16 = 2;
/// The version of a file with names that are gone, of a plain or a compressed segment.
const FORMAT_WITH_GONE: u16 = 3;
/// The version of a file with the entries of several receipts.
const FORMAT_MERGED: u16 = 4;
const BLOCK_ENTRIES_MAX: u16 = 256;
/// A block's body, and its columns when decompressed.
const BLOCK_BYTES_MAX: usize = 1024 * 1024;

const HEADER_MAGIC: [u8; 8] = *b"TWENTRY\x1a";
const HEADER_BYTES: usize = 40;
const HEADER_VERSION: usize = 8;
const HEADER_RECORD_BYTES: usize = 12;
/// Of a merged file: its own identity.
const HEADER_SEGMENT: usize = 16;
const HEADER_CRC: usize = 36;

const BLOCK_MAGIC: [u8; 4] = *b"TWBK";
const BLOCK_HEADER_BYTES: usize = 16;
const BLOCK_BODY_BYTES: usize = 4;
const BLOCK_ENTRIES: usize = 8;
const BLOCK_CRC: usize = 12;

const FOOTER_MAGIC: [u8; 4] = *b"TWFT";
const FOOTER_PLAIN_MAX: usize = 64 * 1024 * 1024;

const TRAILER_MAGIC: [u8; 8] = *b"TWEND\r\n\x1a";
const TRAILER_BYTES: usize = 40;
const TRAILER_FOOTER_AT: usize = 0;
const TRAILER_FOOTER_PLAIN: usize = 8;
const TRAILER_BLOCKS: usize = 12;
const TRAILER_ENTRIES: usize = 16;
const TRAILER_FOOTER_CRC: usize = 24;
const TRAILER_CRC: usize = 28;
const TRAILER_MAGIC_AT: usize = 32;

const ZSTD_LEVEL: i32 = 3;

/// Length of a tar header and of the unit that tar data is padded to.
const TAR_UNIT_BYTES: u64 = 512;

/// What a member of `size_bytes` usually occupies; only a guess that deviations are stored from.
fn usual_member_bytes(size_bytes: u64) -> u64 {
    let units = size_bytes.div_ceil(TAR_UNIT_BYTES);
    units
        .wrapping_mul(TAR_UNIT_BYTES)
        .wrapping_add(TAR_UNIT_BYTES)
}

/// Where the next member is expected: behind this one, or in the same frame.
fn next_position(position: u64, member_bytes: u64, framed: bool) -> u64 {
    match framed {
        true => position,
        false => position.wrapping_add(member_bytes),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
