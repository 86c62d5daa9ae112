//! From the records of a segment to pieces of its archive, where no index tells whether it is
//! compressed.

use super::Salvage;
use crate::units::BlockAddress;
use crate::volume::frames::{FrameReader, begins_with_frame};
use crate::volume::index::Codec;
use crate::volume::tar::find_member;

/// What the segment is, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Not one record was seen.
    Nothing,
    /// The first record tells nothing: whatever shows a member first decides.
    Undecided,
    Plain,
    Frames,
}

/// Takes records, and gives pieces of the archive to [`Salvage`].
pub(super) struct Unpack {
    known: Known,
    block_bytes: u64,
    frames: FrameReader,
    /// The next frame is to be found by its magic.
    searching: bool,
}

impl Unpack {
    pub(super) fn new(block_bytes: u32) -> Self {
        Self {
            known: Known::Nothing,
            block_bytes: u64::from(block_bytes),
            frames: FrameReader::new(0),
            searching: false,
        }
    }

    pub(super) fn codec(&self) -> Codec {
        match self.known {
            Known::Frames => Codec::Zstd,
            _ => Codec::Plain,
        }
    }

    /// Takes a record.
    pub(super) fn record(&mut self, block: BlockAddress, record: &[u8], salvage: &mut Salvage) {
        let first = self.known == Known::Nothing;
        if first && begins_with_frame(record) {
            self.known = Known::Frames;
            salvage.framed = true;
        }
        if first {
            self.frames.restart(self.position(block));
        }
        if self.known != Known::Frames {
            salvage.feed(block, 0, record);
            match salvage.is_archive() {
                true => self.known = Known::Plain,
                false => self.known = Known::Undecided,
            }
        }
        match self.known {
            Known::Frames => {
                self.frames.feed(record);
                self.take_frames(false, salvage);
            }
            Known::Undecided => {
                self.searching = true;
                self.frames.feed(record);
                self.decide(false, salvage);
            }
            Known::Nothing | Known::Plain => {}
        }
    }

    /// Takes note of a record that cannot be had.
    pub(super) fn lost(&mut self, block: BlockAddress, what: &str, salvage: &mut Salvage) {
        if self.known == Known::Undecided {
            self.decide(true, salvage);
        }
        match self.known {
            Known::Frames => {
                if self.searching {
                    self.take_frames(true, salvage);
                }
                salvage.lose_frames(block, what.to_owned());
            }
            Known::Nothing => {
                salvage.lose(block, what);
                self.known = Known::Undecided;
            }
            Known::Plain | Known::Undecided => salvage.lose(block, what),
        }
        self.frames.restart(self.position(block.plus(1)));
        self.searching = true;
    }

    /// Looks for a frame in which a member begins. `last`: the frames break off here.
    fn decide(&mut self, last: bool, salvage: &mut Salvage) {
        while let Some(frame) = self.frames.find(last) {
            if find_member(frame.content).is_some() {
                self.known = Known::Frames;
                self.searching = false;
                salvage.framed = true;
                salvage.look_for_member();
                let (block, offset_bytes) = place(frame.at, self.block_bytes);
                salvage.feed(block, offset_bytes, frame.content);
                return self.take_frames(last, salvage);
            }
        }
    }

    /// Takes the frames that are complete.
    fn take_frames(&mut self, last: bool, salvage: &mut Salvage) {
        loop {
            let (at, frame) = match self.searching {
                true => (0, Ok(self.frames.find(last))),
                false => (self.frames.position(), self.frames.next_frame()),
            };
            match frame {
                Ok(Some(frame)) => {
                    let (block, offset_bytes) = place(frame.at, self.block_bytes);
                    salvage.feed(block, offset_bytes, frame.content);
                    self.searching = false;
                }
                Ok(None) => return,
                Err(error) => {
                    let (block, _) = place(at, self.block_bytes);
                    salvage.lose_frames(block, error.to_string());
                    self.searching = true;
                }
            }
        }
    }

    fn position(&self, block: BlockAddress) -> u64 {
        block.0.saturating_mul(self.block_bytes)
    }
}

/// Block and offset of a position on tape.
fn place(position: u64, block_bytes: u64) -> (BlockAddress, u32) {
    let offset = (position % block_bytes) as u32;
    (BlockAddress(position / block_bytes), offset)
}
