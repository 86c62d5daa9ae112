//! From the records of a compressed segment to the contents of its frames, as they are checked.
//!
//! Behind a bad record reading goes on at the next frame in which a member begins, as the index
//! has it: the frames before that hold nothing but a member that is bad already.

use std::collections::BTreeSet;

use super::check::{BadMember, MemberCheck, Piece, Taken};
use crate::volume::frames::FrameReader;
use crate::volume::index::{FrameList, Index};

/// Takes the frames out of the records of a segment.
pub(super) struct Unpacked<'a> {
    frames: FrameReader,
    /// What the index says of them, if it does.
    list: Option<&'a FrameList>,
    /// The first byte of the segment.
    begin: u64,
    /// Where a frame is that the list has not.
    unlisted: Option<u64>,
    block_bytes: u64,
    /// The next record.
    block: u64,
    /// The frames broke off: where the next one may begin.
    broken_at: Option<(u64, u32)>,
    /// Records whose CRC is not the one in the index.
    doubtful: BTreeSet<u64>,
}

impl<'a> Unpacked<'a> {
    /// For the segment that `index` describes.
    pub(super) fn new(index: &'a Index) -> Self {
        let first_block = index.info.first_block.0;
        let block_bytes = u64::from(index.info.block_bytes);
        let begin = first_block.saturating_mul(block_bytes);
        Self {
            frames: FrameReader::new(begin),
            list: index.frames.as_ref(),
            begin,
            unlisted: None,
            block_bytes,
            block: first_block,
            broken_at: None,
            doubtful: BTreeSet::new(),
        }
    }

    /// What is wrong with the list of frames in the index, if anything is.
    pub(super) fn wrong_list(&self) -> Option<String> {
        let block = self.unlisted? / self.block_bytes;
        Some(format!(
            "`frames.lengths` does not have the frame at block {block} as it is on tape"
        ))
    }

    /// Takes the next record, and gives `check` the frames that are complete with it.
    pub(super) fn record(
        &mut self,
        record: Taken<'_>,
        check: &mut MemberCheck<'_>,
        report: &mut dyn FnMut(BadMember),
    ) {
        let block = self.block;
        self.block += 1;
        let bytes = match record {
            Taken::Good(bytes) => bytes,
            Taken::Doubtful(bytes, block) => {
                self.doubtful.insert(block);
                bytes
            }
            Taken::Lost(block) => {
                if self.broken_at.is_none() {
                    self.lost_frame(block, check, report);
                }
                check.lost(block);
                self.broken_at = Some((self.block, 0));
                return;
            }
        };
        match self.broken_at {
            None => self.frames.feed(bytes),
            Some((at, offset)) => match check.frame_from(at, offset) {
                Some((next, offset)) if next == block => {
                    self.broken_at = None;
                    self.frames.restart(self.position(next, offset));
                    self.frames.feed(&bytes[offset as usize..]);
                }
                _ => return,
            },
        }
        self.take_frames(check, report);
    }

    fn take_frames(&mut self, check: &mut MemberCheck<'_>, report: &mut dyn FnMut(BadMember)) {
        while self.broken_at.is_none() {
            let block_bytes = self.block_bytes;
            match self.frames.next_frame() {
                Ok(Some(frame)) => {
                    let end = frame.at + frame.stored_bytes - 1;
                    let records = frame.at / block_bytes..=end / block_bytes;
                    let from = frame.at - self.begin;
                    let is_listed = self.list.is_none_or(|list| {
                        let listed = list.beginning_at(from).and_then(|one| list.extent(one));
                        listed == Some(from..from + frame.stored_bytes)
                    });
                    if !is_listed {
                        self.unlisted.get_or_insert(frame.at);
                    }
                    let taken = match self.doubtful.range(records).next() {
                        None => Taken::Good(frame.content),
                        Some(&block) => Taken::Doubtful(frame.content, block),
                    };
                    let piece = Piece {
                        block: frame.at / block_bytes,
                        offset_bytes: (frame.at % block_bytes) as u32,
                        taken,
                    };
                    check.piece(&piece, report);
                }
                Ok(None) => return,
                Err(_) => {
                    let at = self.frames.position();
                    let (block, offset) = (at / block_bytes, (at % block_bytes) as u32);
                    let doubtful = self.doubtful.range(block..).next();
                    let blamed = doubtful.copied().unwrap_or(block);
                    self.lost_frame(blamed, check, report);
                    let next = check.frame_from(block, offset + 1);
                    let next = next.map(|(block, offset)| self.position(block, offset));
                    if !next.is_some_and(|next| self.frames.go_to(next)) {
                        self.broken_at = Some((self.block, 0));
                    }
                }
            }
        }
    }

    /// The frame that comes next cannot be had, for the sake of a record.
    fn lost_frame(
        &mut self,
        block: u64,
        check: &mut MemberCheck<'_>,
        report: &mut dyn FnMut(BadMember),
    ) {
        let at = self.frames.position();
        let piece = Piece {
            block: at / self.block_bytes,
            offset_bytes: (at % self.block_bytes) as u32,
            taken: Taken::Lost(block),
        };
        check.piece(&piece, report);
    }

    fn position(&self, block: u64, offset_bytes: u32) -> u64 {
        let position = block.saturating_mul(self.block_bytes);
        position.saturating_add(u64::from(offset_bytes))
    }
}
