//! A file handed on in open parts (`docs/tape-format.md`), since how much of it there is nobody
//! knows before its end.
//!
//! Invariant: what a header declares has come; at most the data of one part are held.

use std::collections::VecDeque;

use super::ReadEnd;
use super::pour::{Pour, Unwanted};
use crate::engine::process::OUTPUT_CHUNK_BYTES;
use crate::volume::member::{Condition, Extent, Member, Part};

/// The most that is held before a header is written, and so the data of a part.
const PART_BYTES: u64 = 32 << 20;

/// How many bytes of data a part has: several parts fit into a segment, whatever its bound.
pub(in crate::engine) fn part_bytes(segment_limit_bytes: u64) -> u64 {
    let chunk_bytes = OUTPUT_CHUNK_BYTES as u64;
    let chunks = PART_BYTES.min(segment_limit_bytes / 4) / chunk_bytes;
    chunks.max(1) * chunk_bytes
}

/// A file on its way.
pub(in crate::engine) struct Growing {
    /// Its size is where the last part ended that was handed on; its pieces are apart.
    file: Member,
    /// Of a sparse file the pieces that were not handed on.
    pieces: Option<VecDeque<Extent>>,
    parts: u32,
    part_bytes: u64,
    held: Vec<Vec<u8>>,
    held_bytes: u64,
}

impl Growing {
    /// A file of which nothing has come. What `file` says of its size counts for nothing.
    pub(in crate::engine) fn new(mut file: Member, part_bytes: u64) -> Self {
        file.size_bytes = 0;
        Self {
            pieces: file.extents.take().map(VecDeque::from),
            file,
            parts: 0,
            part_bytes,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Its archive path.
    pub(super) fn path(&self) -> &[u8] {
        &self.file.path
    }

    /// True if no data have come.
    pub(super) fn is_empty(&self) -> bool {
        self.parts == 0 && self.held.is_empty()
    }

    /// Takes data behind those that came before, holes left out. A part is handed on once data
    /// come behind it, so that the last one is known as such.
    pub(in crate::engine) fn chunk(
        &mut self,
        chunk: Vec<u8>,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        if self.held_bytes + chunk.len() as u64 > self.part_bytes {
            self.hand_on(None, false, ReadEnd::whole(), sink)?;
        }
        self.held_bytes += chunk.len() as u64;
        self.held.push(chunk);
        Ok(())
    }

    /// The file ends: at `size_bytes`, or with its data.
    pub(in crate::engine) fn end(
        mut self,
        size_bytes: Option<u64>,
        end: ReadEnd,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        self.hand_on(size_bytes, true, end, sink)
    }

    /// Hands on what is held: a part, or the file if this is all of it.
    fn hand_on(
        &mut self,
        size_bytes: Option<u64>,
        last: bool,
        end: ReadEnd,
        sink: &mut dyn Pour,
    ) -> Result<(), Unwanted> {
        let offset_bytes = self.file.size_bytes;
        let held_bytes = std::mem::take(&mut self.held_bytes);
        let pieces = self.pieces.as_mut();
        let mut extents = pieces.map(|pieces| take_pieces(pieces, held_bytes));
        let data_end = match &extents {
            None => offset_bytes + held_bytes,
            Some(extents) => end_of(extents).unwrap_or(offset_bytes),
        };
        self.file.size_bytes = size_bytes.unwrap_or(data_end);
        for extent in extents.iter_mut().flatten() {
            extent.offset_bytes -= offset_bytes;
        }
        let mut member = Member {
            extents,
            ..self.file.clone()
        };
        if self.parts > 0 || !last {
            self.parts += 1;
            member.part = Some(Part {
                number: self.parts,
                offset_bytes,
                length_bytes: self.file.size_bytes - offset_bytes,
                last,
                open: true,
            });
        }
        sink.begin(member)?;
        for chunk in self.held.drain(..) {
            sink.chunk(chunk, Condition::Whole)?;
        }
        sink.end(end)
    }
}

/// Makes `file` end with the first `data_bytes` of its data.
pub(super) fn end_early(file: &mut Member, data_bytes: u64) {
    file.size_bytes = match &mut file.extents {
        None => data_bytes,
        Some(extents) => {
            *extents = take_pieces(&mut VecDeque::from(std::mem::take(extents)), data_bytes);
            end_of(extents).unwrap_or(0)
        }
    };
}

/// The first pieces, with so many bytes of data.
fn take_pieces(pieces: &mut VecDeque<Extent>, mut data_bytes: u64) -> Vec<Extent> {
    let mut taken = Vec::new();
    while let Some(piece) = pieces.front_mut().filter(|_| data_bytes > 0) {
        let length_bytes = piece.length_bytes.min(data_bytes);
        taken.push(Extent {
            offset_bytes: piece.offset_bytes,
            length_bytes,
        });
        piece.offset_bytes += length_bytes;
        piece.length_bytes -= length_bytes;
        data_bytes -= length_bytes;
        if piece.length_bytes == 0 {
            pieces.pop_front();
        }
    }
    taken
}

fn end_of(extents: &[Extent]) -> Option<u64> {
    let last = extents.last()?;
    Some(last.offset_bytes + last.length_bytes)
}
