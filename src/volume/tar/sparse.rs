//! The map of a sparse file, GNU format 1.0: in front of the data, decimal numbers with a
//! newline each: how many pieces, then offset and length of each; zero bytes to 512.

use super::decode::Fault;
use super::{BLOCK, MAX_EXTENTS, TarErrorKind, padded};
use crate::volume::member::Extent;

/// The map block(s). A hole at the end is shown by an empty piece at the file's end, as
/// GNU tar does: without it, the extracted file would be too short.
pub(super) fn encode(extents: &[Extent], real_bytes: u64) -> Vec<u8> {
    let last_end = extents
        .last()
        .map_or(0, |e| e.offset_bytes + e.length_bytes);
    let end = (last_end < real_bytes).then_some(Extent {
        offset_bytes: real_bytes,
        length_bytes: 0,
    });
    let pieces = extents.iter().chain(&end);
    let mut map = format!("{}\n", extents.len() + usize::from(end.is_some())).into_bytes();
    for piece in pieces {
        map.extend_from_slice(
            format!("{}\n{}\n", piece.offset_bytes, piece.length_bytes).as_bytes(),
        );
    }
    map.resize(padded(map.len() as u64) as usize, 0);
    map
}

/// True if the extents are what a map may say: ascending, none empty, none overlapping, all
/// but the last of whole blocks, all within the file, and not too many.
///
/// Whole blocks, since readers disagree about others: GNU tar begins each piece at a block,
/// libarchive where the one before ended.
pub(super) fn valid(extents: &[Extent], real_bytes: u64) -> bool {
    let mut free_from = 0;
    extents.len() as u64 <= MAX_EXTENTS
        && extents.iter().enumerate().all(|(index, extent)| {
            let end = extent.offset_bytes.checked_add(extent.length_bytes);
            let last = index + 1 == extents.len();
            let fits = extent.length_bytes > 0
                && extent.offset_bytes >= free_from
                && end.is_some_and(|end| end <= real_bytes)
                && (last || extent.length_bytes.is_multiple_of(BLOCK as u64));
            free_from = end.unwrap_or(u64::MAX);
            fits
        })
}

/// Reads a map block by block, since only its text says how long it is.
#[derive(Debug)]
pub(super) struct MapReader {
    /// Most pieces to accept.
    limit: u64,
    /// The number being read, once it has a digit.
    number: Option<u64>,
    pieces: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
    read: u64,
}

impl MapReader {
    /// A reader of maps of at most `limit` pieces.
    pub fn new(limit: u64) -> Self {
        // A hole at the end adds an empty piece.
        let limit = limit.saturating_add(1);
        Self {
            limit,
            number: None,
            pieces: None,
            offset: None,
            extents: Vec::new(),
            read: 0,
        }
    }

    /// Takes the next block of the map; gives the extents once it is complete.
    pub fn block(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Extent>>, Fault> {
        let wrong = || Fault::from("a sparse file's map that makes no sense".to_owned());
        for &byte in block {
            match byte {
                b'0'..=b'9' => {
                    let tens = self.number.unwrap_or(0).checked_mul(10);
                    let number = tens.and_then(|t| t.checked_add(u64::from(byte - b'0')));
                    self.number = Some(number.ok_or_else(wrong)?);
                }
                b'\n' => {
                    let number = self.number.take().ok_or_else(wrong)?;
                    if self.line(number)? {
                        return Ok(Some(std::mem::take(&mut self.extents)));
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(None)
    }

    /// Takes a line; true if it was the last.
    fn line(&mut self, number: u64) -> Result<bool, Fault> {
        match (self.pieces, self.offset) {
            (None, _) if number > self.limit => {
                let what = format!("a sparse file's map of {number} pieces");
                return Err(Fault {
                    kind: TarErrorKind::TooLarge,
                    what,
                });
            }
            (None, _) => self.pieces = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset_bytes)) => {
                self.offset = None;
                self.read += 1;
                if number > 0 {
                    self.extents.push(Extent {
                        offset_bytes,
                        length_bytes: number,
                    });
                }
            }
        }
        Ok(self.pieces == Some(self.read))
    }
}
