//! Footer and trailer: where the blocks are and with which path each begins.

use zstd::zstd_safe::find_frame_compressed_size;

use super::block::take_shared;
use super::encode::{Packed, put_shared};
use super::error::Fault;
use super::filter::FilterPlace;
use super::members::{self, Member};
use super::varint::{Input, put};
use super::{
    BLOCK_ENTRIES_MAX, BLOCK_HEADER_BYTES, ENTRIES_MAX, FOOTER_MAGIC, FOOTER_PLAIN_MAX,
    HEADER_BYTES, TRAILER_BLOCKS, TRAILER_BYTES, TRAILER_CRC, TRAILER_ENTRIES, TRAILER_FOOTER_AT,
    TRAILER_FOOTER_CRC, TRAILER_FOOTER_PLAIN, TRAILER_MAGIC, TRAILER_MAGIC_AT, ZSTD_LEVEL, u32_at,
    u64_at,
};
use crate::model::path::shared_bytes;

const NAME: &str = "footer";
/// Longest footer as stored: what the frame takes when it does not compress at all. A filter that
/// does not fit is left out.
const STORED_MAX: usize = FOOTER_PLAIN_MAX + FOOTER_PLAIN_MAX / 128;

/// Collects a footer while blocks are written.
#[derive(Debug, Default)]
pub(super) struct FooterWriter {
    plain: Vec<u8>,
    blocks: u32,
    entries: u64,
    first_path: Vec<u8>,
}

impl FooterWriter {
    fn put_path(&mut self, path: &[u8]) {
        let shared = shared_bytes(&self.first_path, path);
        put_shared(&mut self.plain, shared, path);
    }

    pub(super) fn push(&mut self, block: &Packed<'_>) {
        put(&mut self.plain, block.bytes as u64);
        put(&mut self.plain, u64::from(block.entries));
        self.put_path(block.first_path);
        self.first_path.clear();
        self.first_path.extend_from_slice(block.first_path);
        self.blocks += 1;
        self.entries += u64::from(block.entries);
    }

    /// Whether it is longer than a footer may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.plain.len() > FOOTER_PLAIN_MAX
    }

    /// Footer with the filter of names, and trailer, for a file whose blocks end at `footer_at`;
    /// `None` if it is too long.
    pub(super) fn finish(
        mut self,
        footer_at: u64,
        last_path: &[u8],
        filter: &[u8],
    ) -> std::io::Result<Option<Vec<u8>>> {
        if self.blocks > 0 {
            self.put_path(last_path);
        }
        if self.is_too_long() {
            return Ok(None);
        }
        let mut out = FOOTER_MAGIC.to_vec();
        out.extend_from_slice(&zstd::bulk::compress(&self.plain, ZSTD_LEVEL)?);
        if out.len() + filter.len() <= STORED_MAX {
            out.extend_from_slice(filter);
        }
        let footer_crc = crc32fast::hash(&out);
        let trailer = out.len();
        out.extend_from_slice(&footer_at.to_le_bytes());
        out.extend_from_slice(&(self.plain.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&footer_crc.to_le_bytes());
        let crc = crc32fast::hash(&out[trailer..]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&TRAILER_MAGIC);
        Ok(Some(out))
    }
}

/// The last bytes of an entry file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trailer {
    pub(super) footer_at: u64,
    pub(super) entries: u64,
    footer_plain: usize,
    footer_crc: u32,
    blocks: u32,
}

impl Trailer {
    /// Checks a trailer against itself and the length of its file.
    pub(super) fn decode(bytes: &[u8; TRAILER_BYTES], file_bytes: u64) -> Result<Trailer, Fault> {
        if bytes[TRAILER_MAGIC_AT..] != TRAILER_MAGIC {
            return Err(Fault::Magic("trailer"));
        }
        if crc32fast::hash(&bytes[..TRAILER_CRC]) != u32_at(bytes, TRAILER_CRC) {
            return Err(Fault::Crc("trailer"));
        }
        let trailer = Trailer {
            footer_at: u64_at(bytes, TRAILER_FOOTER_AT),
            footer_plain: u32_at(bytes, TRAILER_FOOTER_PLAIN) as usize,
            blocks: u32_at(bytes, TRAILER_BLOCKS),
            entries: u64_at(bytes, TRAILER_ENTRIES),
            footer_crc: u32_at(bytes, TRAILER_FOOTER_CRC),
        };
        let footer_end = file_bytes - TRAILER_BYTES as u64;
        let inside = HEADER_BYTES as u64..=footer_end;
        if !inside.contains(&trailer.footer_at)
            || footer_end - trailer.footer_at > STORED_MAX as u64
            || trailer.footer_plain > FOOTER_PLAIN_MAX
            || trailer.entries > ENTRIES_MAX as u64
        {
            return Err(Fault::Bound("trailer"));
        }
        Ok(trailer)
    }

    /// Reads the footer. `footer` is what lies between the blocks and the trailer.
    pub(super) fn read_footer(&self, footer: &[u8]) -> Result<Outline, Fault> {
        let (frame, after) = self.parts(footer)?;
        let (_, after) = members::split(after);
        let after_at = self.footer_at + (footer.len() - after.len()) as u64;
        let place = FramePlace {
            at: self.footer_at + FOOTER_MAGIC.len() as u64,
            // All within the footer, which is bounded.
            stored: frame.len() as u32,
            crc: crc32fast::hash(frame),
            plain: self.footer_plain as u32,
            blocks: self.blocks,
            entries: self.entries,
        };
        let mut first_path = Vec::new();
        let last_path = place.read(frame, |block| {
            if block.number == 0 {
                first_path = block.first_path.to_vec();
            }
        })?;
        Ok(Outline {
            first_path,
            last_path,
            frame: place,
            filter: FilterPlace::find(after, after_at),
        })
    }
}

impl Trailer {
    /// The footer's frame, and what is behind it.
    fn parts<'a>(&self, footer: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Fault> {
        if crc32fast::hash(footer) != self.footer_crc {
            return Err(Fault::Crc(NAME));
        }
        let stored = footer
            .strip_prefix(&FOOTER_MAGIC)
            .ok_or(Fault::Magic(NAME))?;
        let frame_bytes = find_frame_compressed_size(stored).map_err(|_| Fault::Zstd(NAME))?;
        stored
            .split_at_checked(frame_bytes)
            .ok_or(Fault::Truncated(NAME))
    }

    /// The receipts that the footer of a merged file lists.
    pub(super) fn read_members(&self, footer: &[u8]) -> Result<Vec<Member>, Fault> {
        let (_, after) = self.parts(footer)?;
        let (table, _) = members::split(after);
        members::decode(table.ok_or(Fault::Magic("list of receipts"))?)
    }
}

/// What a file's footer says in short.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The first and the last path of the file; empty if it has no entries.
    pub(crate) first_path: Vec<u8>,
    pub(crate) last_path: Vec<u8>,
    /// Where the blocks are told.
    pub(crate) frame: FramePlace,
    /// Where the filter of names is, if the file has one.
    pub(crate) filter: Option<FilterPlace>,
}

/// Where the frame of a footer is, and all that is needed to read it without the rest of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FramePlace {
    at: u64,
    stored: u32,
    crc: u32,
    plain: u32,
    blocks: u32,
    entries: u64,
}

impl FramePlace {
    /// Length of [`FramePlace::encode`].
    pub(crate) const BYTES: usize = 32;

    /// As the index keeps it.
    pub(crate) fn encode(&self) -> [u8; FramePlace::BYTES] {
        let mut out = [0; FramePlace::BYTES];
        out[..8].copy_from_slice(&self.at.to_be_bytes());
        let numbers = [self.stored, self.crc, self.plain, self.blocks];
        for (out, number) in out[8..24].chunks_exact_mut(4).zip(numbers) {
            out.copy_from_slice(&number.to_be_bytes());
        }
        out[24..].copy_from_slice(&self.entries.to_be_bytes());
        out
    }

    /// Undoes [`FramePlace::encode`]; `None` if a length is above its bound.
    pub(crate) fn decode(bytes: [u8; FramePlace::BYTES]) -> Option<FramePlace> {
        let u32_at = |at: usize| Some(u32::from_be_bytes(*bytes[at..].first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_be_bytes(*bytes[at..].first_chunk()?));
        let place = FramePlace {
            at: u64_at(0)?,
            stored: u32_at(8)?,
            crc: u32_at(12)?,
            plain: u32_at(16)?,
            blocks: u32_at(20)?,
            entries: u64_at(24)?,
        };
        let bounded = place.stored_bytes() <= STORED_MAX
            && place.plain as usize <= FOOTER_PLAIN_MAX
            && place.at >= HEADER_BYTES as u64;
        bounded.then_some(place)
    }

    /// Offset of the frame in bytes.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Length of the frame in bytes.
    pub(super) fn stored_bytes(&self) -> usize {
        self.stored as usize
    }

    /// Reads the frame: calls `visit` with each block in order, returns the file's last path
    /// (empty if it has no entries).
    pub(super) fn read(
        &self,
        frame: &[u8],
        mut visit: impl FnMut(BlockAt<'_>),
    ) -> Result<Vec<u8>, Fault> {
        if crc32fast::hash(frame) != self.crc {
            return Err(Fault::Crc(NAME));
        }
        let plain = zstd::bulk::decompress(frame, self.plain as usize);
        let mut input = Input::new(NAME, plain.map_err(|_| Fault::Zstd(NAME))?);
        let blocks_end = self.at.saturating_sub(FOOTER_MAGIC.len() as u64);
        let mut at = HEADER_BYTES as u64;
        let mut entries = 0;
        let mut path = Vec::new();
        for number in 0..self.blocks {
            let bytes = input.u32()?;
            let count = input.length(usize::from(BLOCK_ENTRIES_MAX))?;
            take_shared(&mut input, &mut path)?;
            let ends_inside = at
                .checked_add(u64::from(bytes))
                .filter(|&end| end <= blocks_end);
            let end = ends_inside.ok_or(Fault::Bound("blocks of the footer"))?;
            if bytes as usize <= BLOCK_HEADER_BYTES || count == 0 {
                return Err(Fault::Value("block of the footer"));
            }
            visit(BlockAt {
                number,
                at,
                first_path: &path,
            });
            at = end;
            entries += count as u64;
        }
        if self.blocks > 0 {
            take_shared(&mut input, &mut path)?;
        }
        let whole = at == blocks_end && entries == self.entries && input.at_end();
        match whole {
            true => Ok(path),
            false => Err(Fault::Value(NAME)),
        }
    }
}

/// A block as the footer names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockAt<'a> {
    /// Counts from 0.
    pub(super) number: u32,
    /// Offset in the file, in bytes.
    pub(super) at: u64,
    /// Archive name of its first entry.
    pub(super) first_path: &'a [u8],
}
