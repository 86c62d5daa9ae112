//! The columns of a block as bytes: which there are, and their compression.

use super::error::Fault;
use super::varint::Input;
use super::{BLOCK_BYTES_MAX, ZSTD_LEVEL, u32_at};

/// The columns, in the order of their ids; the id is the place plus 1.
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
}

pub(super) const COLUMNS: usize = 11;
/// So many of them are in files of plain segments.
const PLAIN_COLUMNS: usize = 10;

/// The columns of a file of a compressed segment, or of a plain one.
fn columns(framed: bool) -> usize {
    match framed {
        true => COLUMNS,
        false => PLAIN_COLUMNS,
    }
}

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
];

/// Ids from here on may be skipped by a reader that does not know them.
const SKIPPABLE_FROM: u8 = 128;
const CODEC_STORED: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// Id, codec, stored length, plain length.
const HEAD_BYTES: usize = 10;
const HEAD_STORED: usize = 2;
const HEAD_PLAIN: usize = 6;

/// Appends the columns as a block's body.
pub(super) fn pack(
    plain: &[Vec<u8>; COLUMNS],
    framed: bool,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    for (id, column) in (1u8..).zip(&plain[..columns(framed)]) {
        let incompressible = id == Column::Digests as u8 + 1;
        let packed = if incompressible {
            None
        } else {
            Some(compressor.compress(column)?)
        };
        let packed = packed.filter(|packed| packed.len() < column.len());
        let (codec, stored) = match &packed {
            Some(packed) => (CODEC_ZSTD, packed),
            None => (CODEC_STORED, column),
        };
        body.extend_from_slice(&[id, codec]);
        body.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        body.extend_from_slice(&(column.len() as u32).to_le_bytes());
        body.extend_from_slice(stored);
    }
    Ok(())
}

/// Takes a block's body apart.
pub(super) fn unpack(mut body: &[u8], framed: bool) -> Result<[Input; COLUMNS], Fault> {
    let expected = columns(framed);
    let mut columns: [Input; COLUMNS] = Default::default();
    let mut next = 0;
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
        if id >= SKIPPABLE_FROM {
            continue;
        }
        if usize::from(id) != next + 1 || next == expected {
            return Err(Fault::Value("column id"));
        }
        room = room
            .checked_sub(plain_bytes)
            .ok_or(Fault::Bound("columns of a block"))?;
        columns[next] = Input::new(
            NAMES[next],
            plain(head[1], stored, plain_bytes, NAMES[next])?,
        );
        next += 1;
    }
    if next == expected {
        Ok(columns)
    } else {
        Err(Fault::Truncated("block"))
    }
}

fn plain(
    codec: u8,
    stored: &[u8],
    plain_bytes: usize,
    name: &'static str,
) -> Result<Vec<u8>, Fault> {
    let plain = match codec {
        CODEC_STORED => stored.to_vec(),
        CODEC_ZSTD => zstd::bulk::decompress(stored, plain_bytes).map_err(|_| Fault::Zstd(name))?,
        _ => return Err(Fault::Value("column codec")),
    };
    if plain.len() == plain_bytes {
        Ok(plain)
    } else {
        Err(Fault::Zstd(name))
    }
}
