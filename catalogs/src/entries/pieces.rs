//! Encodes entries in order, piece by piece, on several threads.
//!
//! Where pieces begin does not depend on how many threads there are, and neither do the blocks.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use super::BLOCK_ENTRIES_MAX;
use super::columns::Packer;
use super::encode::{BlockEncoder, Packed};
use super::filter::{Probe, Probes};
use crate::model::{Entry, EntryFault};

/// Enough to be worth a thread, some megabytes at most.
const PIECE_ENTRIES: usize = 64 * BLOCK_ENTRIES_MAX as usize;
const THREADS_MAX: usize = 8;
/// What an entry usually takes, and a little more.
const USUAL_BYTES: usize = 64;

/// Entries of one file, in directory order by their places.
#[derive(Clone, Copy)]
pub(super) struct Ordered<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) order: &'a [u32],
    pub(super) record_bytes: u32,
    /// Of a compressed segment.
    pub(super) framed: bool,
}

impl<'a> Ordered<'a> {
    fn entry(&self, place: usize) -> &'a Entry {
        &self.entries[self.order[place] as usize]
    }

    fn pieces(&self) -> usize {
        self.order.len().div_ceil(PIECE_ENTRIES)
    }
}

/// Entries of one file that follow one another, encoded.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// Blocks one behind the other.
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<Packed<'a>>,
    /// What of it goes into the filter.
    pub(super) probes: Vec<Probe>,
}

/// Why a piece was not encoded.
#[derive(Debug)]
pub(super) enum Failure<'a> {
    /// The entry breaks a rule.
    Entry(&'a Entry, EntryFault),
    /// No memory for the compressor.
    Compressor(std::io::Error),
}

impl From<std::io::Error> for Failure<'_> {
    fn from(error: std::io::Error) -> Self {
        Failure::Compressor(error)
    }
}

type Encoded<'a> = Result<Piece<'a>, Failure<'a>>;

/// The pieces of a file, in order.
pub(super) struct Pieces<'a> {
    left: std::ops::Range<usize>,
    from: Vec<Receiver<Encoded<'a>>>,
    /// A file of one piece is not worth a thread.
    alone: Option<Ordered<'a>>,
}

impl<'a> Pieces<'a> {
    /// Begins to encode. Each thread is at most two pieces ahead.
    pub(super) fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        ordered: Ordered<'a>,
    ) -> Pieces<'a>
    where
        'a: 'scope,
    {
        let left = 0..ordered.pieces();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(THREADS_MAX).min(left.end);
        let begin = |thread: usize| {
            let (to, from) = sync_channel(1);
            scope.spawn(move || {
                let mut encoder = Encoder::new(ordered);
                for piece in (thread..ordered.pieces()).step_by(threads) {
                    // Whoever asked has failed meanwhile.
                    if to.send(encoder.piece(piece)).is_err() {
                        return;
                    }
                }
            });
            from
        };
        let alone = (left.end <= 1).then_some(ordered);
        let from = match alone {
            Some(_) => Vec::new(),
            None => (0..threads).map(begin).collect(),
        };
        Pieces { left, from, alone }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Encoded<'a>;

    fn next(&mut self) -> Option<Encoded<'a>> {
        let number = self.left.next()?;
        match self.alone {
            Some(ordered) => Some(Encoder::new(ordered).piece(number)),
            // A thread that ended before its time has panicked, and so does the scope.
            None => self.from[number % self.from.len()].recv().ok(),
        }
    }
}

struct Encoder<'a> {
    ordered: Ordered<'a>,
    block: BlockEncoder<'a>,
    packer: Option<Packer>,
}

impl<'a> Encoder<'a> {
    fn new(ordered: Ordered<'a>) -> Encoder<'a> {
        Encoder {
            ordered,
            block: BlockEncoder::new(ordered.record_bytes, ordered.framed),
            packer: None,
        }
    }

    fn piece(&mut self, number: usize) -> Encoded<'a> {
        let packer = match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(Packer::new()?),
        };
        let begin = number * PIECE_ENTRIES;
        let end = self.ordered.order.len().min(begin + PIECE_ENTRIES);
        let mut bytes = Vec::with_capacity((end - begin) * USUAL_BYTES);
        let mut blocks = Vec::new();
        let last = begin.checked_sub(1);
        let last: &[u8] = last.map_or(&[], |place| &self.ordered.entry(place).path);
        let mut probes = Probes::after(last, end - begin);
        for place in begin..end {
            if self.block.is_full() {
                blocks.extend(self.block.finish(packer, &mut bytes)?);
            }
            let entry = self.ordered.entry(place);
            let pushed = self.block.push(entry);
            pushed.map_err(|fault| Failure::Entry(entry, fault))?;
            probes.push(&entry.path);
        }
        blocks.extend(self.block.finish(packer, &mut bytes)?);
        Ok(Piece {
            bytes,
            blocks,
            probes: probes.finish(),
        })
    }
}
