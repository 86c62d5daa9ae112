//! The columns of a block as bytes: which there are, and their compression.
//!
//! An optional column has an id that old readers skip; a block that lacks it has it empty.
//! Making a context of zstd costs more than a column does, so contexts are kept.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

use super::error::Fault;
use super::varint::Input;
use super::{BLOCK_BYTES_MAX, ZSTD_LEVEL, u32_at};

/// The columns, in the order of their ids; see [`IDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Paths,
    Kinds,
    Sizes,
    Owners,
    Mtimes,
    MtimeNanoseconds,
    Ctimes,
    Positions,
    Extras,
    Digests,
    /// In files of compressed segments alone.
    Skips,
    Inodes,
    /// In merged files alone.
    Receipts,
}

pub(super) const COLUMNS: usize = 13;

/// Ids of the columns. Those below [`SKIPPABLE_FROM`] are in every block, but [`SKIPS`].
const IDS: [u8; COLUMNS] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, SKIPS, 128, 129];
/// In every block of a compressed segment, in none of a plain one.
const SKIPS: u8 = MANDATORY as u8;

/// So many columns are in every block of a compressed segment; one less in those of a plain one.
const MANDATORY: usize = 11;
const PLAIN: usize = MANDATORY - 1;

const NAMES: [&str; COLUMNS] = [
    "column of paths",
    "column of kinds",
    "column of sizes",
    "column of owners",
    "column of mtimes",
    "column of mtime nanoseconds",
    "column of ctimes",
    "column of positions",
    "column of extras",
    "column of digests",
    "column of skips",
    "column of inodes",
    "column of receipts",
];

/// Ids from here on may be skipped by a reader that does not know them.
const SKIPPABLE_FROM: u8 = 128;
const CODEC_STORED: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// Id, codec, stored length, plain length.
const HEAD_BYTES: usize = 10;
const HEAD_STORED: usize = 2;
const HEAD_PLAIN: usize = 6;

/// Compresses columns, one after another in the same memory.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> std::io::Result<Packer> {
        Ok(Packer {
            compressor: Compressor::new(ZSTD_LEVEL)?,
            packed: Vec::new(),
        })
    }

    /// The column compressed, if that makes it shorter.
    fn compress(&mut self, column: &[u8]) -> std::io::Result<Option<&[u8]>> {
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(column.len()));
        self.compressor
            .compress_to_buffer(column, &mut self.packed)?;
        let shorter = self.packed.len() < column.len();
        Ok(shorter.then_some(&self.packed))
    }
}

/// Appends the columns as a block's body.
pub(super) fn pack(
    plain: &[Vec<u8>; COLUMNS],
    framed: bool,
    packer: &mut Packer,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    for (id, column) in IDS.into_iter().zip(plain) {
        let left_out = match id {
            SKIPS => !framed,
            _ => id >= SKIPPABLE_FROM && column.is_empty(),
        };
        if left_out {
            continue;
        }
        let incompressible = id == IDS[Column::Digests as usize];
        let packed = match incompressible {
            true => None,
            false => packer.compress(column)?,
        };
        let (codec, stored) = match packed {
            Some(packed) => (CODEC_ZSTD, packed),
            None => (CODEC_STORED, column.as_slice()),
        };
        body.extend_from_slice(&[id, codec]);
        body.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        body.extend_from_slice(&(column.len() as u32).to_le_bytes());
        body.extend_from_slice(stored);
    }
    Ok(())
}

/// A block's body taken apart, its columns still compressed.
#[derive(Debug, Default)]
pub(super) struct Packed<'a> {
    /// Codec, stored bytes, plain length; a column that is left out has none.
    columns: [Option<(u8, &'a [u8], usize)>; COLUMNS],
    /// Whether it is of a compressed segment.
    pub(super) framed: bool,
}

impl Packed<'_> {
    /// A column as it was.
    pub(super) fn column(&self, column: usize) -> Result<Input, Fault> {
        let name = NAMES[column];
        let Some((codec, stored, plain_bytes)) = self.columns[column] else {
            return Ok(Input::default());
        };
        Ok(Input::new(name, plain(codec, stored, plain_bytes, name)?))
    }

    /// The column of paths as it was, in memory that is used again.
    pub(super) fn paths_into(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let name = NAMES[Column::Paths as usize];
        out.clear();
        let Some((codec, stored, plain_bytes)) = self.columns[Column::Paths as usize] else {
            return Ok(());
        };
        plain_into(codec, stored, plain_bytes, name, out)
    }
}

/// Takes a block's body apart. `framed` is whether it is of a compressed segment, if the file's
/// version tells.
pub(super) fn unpack(mut body: &[u8], framed: Option<bool>) -> Result<Packed<'_>, Fault> {
    let mut packed = Packed::default();
    // The mandatory columns come first: as many were seen.
    let mut seen = 0;
    let mut room = BLOCK_BYTES_MAX;
    let mut last_id = 0;
    while !body.is_empty() {
        let (head, rest) = body
            .split_at_checked(HEAD_BYTES)
            .ok_or(Fault::Truncated("block"))?;
        let stored_bytes = u32_at(head, HEAD_STORED) as usize;
        let plain_bytes = u32_at(head, HEAD_PLAIN) as usize;
        let split = rest
            .split_at_checked(stored_bytes)
            .ok_or(Fault::Truncated("column"))?;
        let (stored, rest) = split;
        body = rest;
        let id = head[0];
        if id <= last_id {
            return Err(Fault::Value("order of columns"));
        }
        last_id = id;
        let Some(column) = IDS.iter().position(|known| *known == id) else {
            if id >= SKIPPABLE_FROM {
                continue;
            }
            return Err(Fault::Value("column id"));
        };
        if id < SKIPPABLE_FROM {
            if column != seen || (id == SKIPS && framed == Some(false)) {
                return Err(Fault::Value("column id"));
            }
            seen += 1;
        }
        room = room
            .checked_sub(plain_bytes)
            .ok_or(Fault::Bound("columns of a block"))?;
        packed.columns[column] = Some((head[1], stored, plain_bytes));
    }
    packed.framed = match (seen, framed) {
        (MANDATORY, _) => true,
        (PLAIN, None | Some(false)) => false,
        _ => return Err(Fault::Truncated("block")),
    };
    Ok(packed)
}

fn plain(
    codec: u8,
    stored: &[u8],
    plain_bytes: usize,
    name: &'static str,
) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    plain_into(codec, stored, plain_bytes, name, &mut plain)?;
    Ok(plain)
}

/// Puts a column of `plain_bytes`, which are within their bound, into `out`, which is empty.
fn plain_into(
    codec: u8,
    stored: &[u8],
    plain_bytes: usize,
    name: &'static str,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match codec {
        CODEC_STORED => out.extend_from_slice(stored),
        CODEC_ZSTD => {
            out.reserve(plain_bytes);
            decompress(stored, out).map_err(|_| Fault::Zstd(name))?;
        }
        _ => return Err(Fault::Value("column codec")),
    }
    match out.len() == plain_bytes {
        true => Ok(()),
        false => Err(Fault::Zstd(name)),
    }
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses into the room that `out` has.
fn decompress(stored: &[u8], out: &mut Vec<u8>) -> std::io::Result<usize> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(stored, out)
    })
}
