//! Where a file has data and where holes.

use rustix::fd::BorrowedFd;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::inode::Inode;
use crate::volume::member::{Extent, whole_blocks};

/// The most pieces kept apart; behind them the rest of a file counts as one piece.
/// Bounds the memory a file can claim, to 2 MiB.
pub(super) const EXTENTS_MAX: usize = 128 << 10;

/// Bytes in a unit of [`Inode::sectors`].
const SECTOR_BYTES: u64 = 512;

/// The pieces of the open file that hold data; `None` if it has no holes, or if the file
/// system cannot tell.
pub(super) fn extents(file: BorrowedFd<'_>, inode: &Inode) -> Option<Vec<Extent>> {
    if inode.sectors.saturating_mul(SECTOR_BYTES) >= inode.size_bytes {
        return None;
    }
    pieces(inode.size_bytes, |from| seek(file, from))
}

/// The pieces that `seek` finds in a file of `size_bytes`, widened to the blocks that a
/// member is made of: a file system may keep pieces of any length.
fn pieces(size_bytes: u64, seek: impl Fn(SeekFrom) -> Result<u64, Errno>) -> Option<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size_bytes {
        let start = match seek(SeekFrom::Data(at)) {
            Ok(start) => start,
            // No data from here to the end.
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        if start >= size_bytes {
            break;
        }
        let end = match seek(SeekFrom::Hole(start)) {
            _ if extents.len() + 1 == EXTENTS_MAX => size_bytes,
            Ok(end) => end.min(size_bytes),
            // Cut off meanwhile; reading will find out.
            Err(Errno::NXIO) => size_bytes,
            Err(_) => return None,
        };
        extents.push(Extent {
            offset_bytes: start,
            length_bytes: end - start,
        });
        at = end;
    }
    let extents = whole_blocks(&extents, size_bytes);
    let whole = matches!(extents[..], [one] if one.length_bytes == size_bytes);
    (!whole).then_some(extents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system that keeps these pieces, as (offset, length).
    fn found(kept: &[(u64, u64)], size_bytes: u64) -> Option<Vec<(u64, u64)>> {
        let seek = |from| match from {
            SeekFrom::Data(at) => {
                let piece = kept.iter().find(|(start, length)| at < start + length);
                piece.map(|(start, _)| at.max(*start)).ok_or(Errno::NXIO)
            }
            SeekFrom::Hole(at) => {
                let within = |(start, length): &&(u64, u64)| (*start..start + length).contains(&at);
                Ok(kept
                    .iter()
                    .find(within)
                    .map_or(at, |(start, length)| start + length))
            }
            _ => Err(Errno::INVAL),
        };
        let extents = pieces(size_bytes, seek)?;
        Some(
            extents
                .iter()
                .map(|extent| (extent.offset_bytes, extent.length_bytes))
                .collect(),
        )
    }

    #[test]
    fn pieces_of_any_length_become_whole_blocks() {
        assert_eq!(found(&[], 5000), Some(vec![]));
        assert_eq!(
            found(&[(0, 4096), (8192, 1000)], 9192),
            Some(vec![(0, 4096), (8192, 1000)])
        );
        assert_eq!(
            found(&[(700, 13), (2000, 100), (2100, 1), (8000, 1)], 9192),
            Some(vec![(512, 512), (1536, 1024), (7680, 512)])
        );
        assert_eq!(
            found(&[(0, 900), (1000, 24)], 1024),
            None,
            "no hole is left"
        );
    }
}
