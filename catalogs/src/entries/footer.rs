//! Footer and trailer: where the blocks are and with which path each begins.

use zstd::zstd_safe::find_frame_compressed_size;

use super::block::take_shared;
use super::encode::{Packed, put_shared};
use super::error::Fault;
use super::filter::FilterPlace;
use super::varint::{Input, put};
use super::{
    BLOCK_ENTRIES_MAX, BLOCK_HEADER_BYTES, ENTRIES_MAX, FOOTER_MAGIC, FOOTER_PLAIN_MAX,
    HEADER_BYTES, TRAILER_BLOCKS, TRAILER_BYTES, TRAILER_CRC, TRAILER_ENTRIES, TRAILER_FOOTER_AT,
    TRAILER_FOOTER_CRC, TRAILER_FOOTER_PLAIN, TRAILER_MAGIC, TRAILER_MAGIC_AT, ZSTD_LEVEL, u32_at,
    u64_at,
};

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
    pub(super) fn push(&mut self, block: &Packed<'_>) {
        put(&mut self.plain, block.bytes as u64);
        put(&mut self.plain, u64::from(block.entries));
        put_shared(&mut self.plain, &self.first_path, block.first_path);
        self.first_path.clear();
        self.first_path.extend_from_slice(block.first_path);
        self.blocks += 1;
        self.entries += u64::from(block.entries);
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
            put_shared(&mut self.plain, &self.first_path, last_path);
        }
        if self.plain.len() > FOOTER_PLAIN_MAX {
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

    /// Reads the footer: calls `visit` with each block in order, returns what else it says.
    /// `footer` is what lies between the blocks and the trailer.
    pub(super) fn read_footer(
        &self,
        footer: &[u8],
        mut visit: impl FnMut(BlockAt<'_>),
    ) -> Result<Outline, Fault> {
        if crc32fast::hash(footer) != self.footer_crc {
            return Err(Fault::Crc(NAME));
        }
        let stored = footer
            .strip_prefix(&FOOTER_MAGIC)
            .ok_or(Fault::Magic(NAME))?;
        let frame_bytes = find_frame_compressed_size(stored).map_err(|_| Fault::Zstd(NAME))?;
        let (frame, after) = stored
            .split_at_checked(frame_bytes)
            .ok_or(Fault::Truncated(NAME))?;
        let after_at = self.footer_at + (footer.len() - after.len()) as u64;
        let plain =
            zstd::bulk::decompress(frame, self.footer_plain).map_err(|_| Fault::Zstd(NAME))?;
        let mut input = Input::new(NAME, plain);
        let mut at = HEADER_BYTES as u64;
        let mut entries = 0;
        let mut path = Vec::new();
        for number in 0..self.blocks {
            let bytes = input.u32()?;
            let count = input.length(usize::from(BLOCK_ENTRIES_MAX))?;
            take_shared(&mut input, &mut path)?;
            let ends_inside = at
                .checked_add(u64::from(bytes))
                .filter(|&end| end <= self.footer_at);
            let end = ends_inside.ok_or(Fault::Bound("blocks of the footer"))?;
            if bytes as usize <= BLOCK_HEADER_BYTES || count == 0 {
                return Err(Fault::Value("block of the footer"));
            }
            visit(BlockAt {
                number,
                at,
                bytes,
                first_path: &path,
            });
            at = end;
            entries += count as u64;
        }
        if self.blocks > 0 {
            take_shared(&mut input, &mut path)?;
        }
        let whole = at == self.footer_at && entries == self.entries && input.at_end();
        if !whole {
            return Err(Fault::Value(NAME));
        }
        Ok(Outline {
            last_path: path,
            filter: FilterPlace::find(after, after_at),
        })
    }
}

/// What a footer says besides the blocks.
#[derive(Debug)]
pub(crate) struct Outline {
    /// The last path of the file; empty if it has no entries.
    pub(crate) last_path: Vec<u8>,
    /// Where the filter of names is, if the file has one.
    pub(crate) filter: Option<FilterPlace>,
}

/// A block as the footer names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockAt<'a> {
    /// Counts from 0.
    pub(crate) number: u32,
    /// Offset in the file, in bytes.
    pub(crate) at: u64,
    /// Length with header, in bytes.
    pub(crate) bytes: u32,
    /// Archive name of its first entry.
    pub(crate) first_path: &'a [u8],
}
