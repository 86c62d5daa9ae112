//! The way back into a damaged archive.

use super::BLOCK;
use super::header::{Header, looks_like_header};

/// Where in `bytes`, in steps of a block, a member as this format writes them begins: at an
/// extended header. To find the way back into a damaged archive; an archive that
/// was itself archived may be mistaken for it if this format wrote it.
#[must_use]
pub fn find_member(bytes: &[u8]) -> Option<usize> {
    find(bytes, |block| {
        looks_like_header(block)
            && Header::decode(block)
                .is_ok_and(|h| h.typeflag == b'x' && h.name.starts_with(b"PaxHeaders/"))
    })
}

/// The same for the archives of any program: where a block is a header by its checksum. Any
/// archive that was itself archived may be mistaken for it.
#[must_use]
pub fn find_foreign_member(bytes: &[u8]) -> Option<usize> {
    find(bytes, |block| Header::decode_foreign(block).is_ok())
}

fn find(bytes: &[u8], is_start: impl Fn(&[u8; BLOCK]) -> bool) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    blocks.iter().position(is_start).map(|index| index * BLOCK)
}
