//! Bookkeeping of the parser: how much is left, and where it belongs.

use crate::volume::member::Extent;

/// The extents of a member that are still to come, the present one shortened by what came.
#[derive(Debug)]
pub(super) struct Pieces(std::vec::IntoIter<Extent>, Extent);

impl Pieces {
    pub fn new(extents: Vec<Extent>) -> Self {
        Pieces(
            extents.into_iter(),
            Extent {
                offset_bytes: 0,
                length_bytes: 0,
            },
        )
    }

    /// The place of the next byte, and how many follow there.
    pub fn next(&mut self) -> Extent {
        while self.1.length_bytes == 0 {
            let Some(piece) = self.0.next() else { break };
            self.1 = piece;
        }
        self.1
    }

    pub fn advance(&mut self, bytes: u64) {
        self.1.offset_bytes += bytes;
        self.1.length_bytes -= bytes;
    }
}

/// Splits at most `left` bytes off the front of `input` and counts them off.
pub(super) fn split<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let length = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    let (front, back) = input.split_at(length);
    *input = back;
    *left -= length as u64;
    front
}
