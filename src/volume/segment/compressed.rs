//! The archive of a compressed segment on its way into frames, and where its members are:
//! known only once the frame in which one begins was compressed.

use std::collections::VecDeque;
use std::fmt;

use crate::volume::frames::{self, Effort, FRAME_BYTES, FrameEncoder};
use crate::volume::index::MAX_FRAMES;

/// A frame as it goes to tape.
#[derive(Debug, Default)]
pub struct Compressed {
    /// What was compressed; the buffer can be used again.
    pub content: Vec<u8>,
    /// The frame.
    pub stored: Vec<u8>,
}

/// Compresses frames, and gives them back in the order in which they came.
pub trait FrameCompressor: fmt::Debug + Send {
    /// Takes the content of the next frame, with a buffer for what it becomes.
    fn put(&mut self, frame: Compressed);

    /// The next frame in order, if it is ready, or if no more can be put before it was taken.
    fn take_ready(&mut self) -> Option<Compressed>;

    /// The next frame in order; waits for it. `None` if all were taken.
    fn take(&mut self) -> Option<Compressed>;
}

/// Compresses each frame at once, on the thread that brings it.
#[derive(Debug)]
pub struct InPlace {
    encoder: FrameEncoder,
    ready: VecDeque<Compressed>,
}

impl InPlace {
    /// With this effort.
    #[must_use]
    pub fn new(effort: Effort) -> Self {
        Self {
            encoder: FrameEncoder::new(effort),
            ready: VecDeque::new(),
        }
    }
}

impl FrameCompressor for InPlace {
    fn put(&mut self, mut frame: Compressed) {
        self.encoder.encode(&frame.content, &mut frame.stored);
        self.ready.push_back(frame);
    }

    fn take_ready(&mut self) -> Option<Compressed> {
        self.ready.pop_front()
    }

    fn take(&mut self) -> Option<Compressed> {
        self.ready.pop_front()
    }
}

/// The frames of one segment.
#[derive(Debug)]
pub(super) struct Frames {
    compressor: Box<dyn FrameCompressor>,
    /// The content of the frame being filled.
    content: Vec<u8>,
    /// Buffers for the next frames.
    spare: Vec<Compressed>,
    /// Frames put, and how many of them were taken.
    put: u64,
    taken: u64,
    /// Bytes of the archive so far.
    archive_bytes: u64,
    /// Bytes of it in frames that were taken.
    taken_bytes: u64,
    /// Members whose frame was not taken yet: their number, and that of the frame.
    unplaced: VecDeque<(usize, u64)>,
    /// How long the frames are on tape that were taken.
    lengths: Vec<u32>,
}

impl Frames {
    pub(super) fn new(compressor: Box<dyn FrameCompressor>) -> Self {
        Self {
            compressor,
            content: Vec::with_capacity(FRAME_BYTES),
            spare: Vec::new(),
            put: 0,
            taken: 0,
            archive_bytes: 0,
            taken_bytes: 0,
            unplaced: VecDeque::new(),
            lengths: Vec::new(),
        }
    }

    /// Bytes of the archive so far.
    pub(super) fn archive_bytes(&self) -> u64 {
        self.archive_bytes
    }

    /// Bytes of the archive that are not in records yet.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.archive_bytes - self.taken_bytes
    }

    /// A member begins here: `member` counts those of the segment. How much of its frame's
    /// content comes before it.
    pub(super) fn begin(&mut self, member: usize) -> u32 {
        self.unplaced.push_back((member, self.put));
        u32::try_from(self.content.len()).expect("a frame is shorter than 4 GiB")
    }

    /// Takes from the front of `bytes` what goes into the present frame; true once it is full.
    pub(super) fn fill(&mut self, bytes: &mut &[u8]) -> bool {
        let length = bytes.len().min(FRAME_BYTES - self.content.len());
        let (now, later) = bytes.split_at(length);
        self.content.extend_from_slice(now);
        self.archive_bytes += length as u64;
        *bytes = later;
        self.content.len() == FRAME_BYTES
    }

    /// Has the present frame compressed, if there is anything in it.
    pub(super) fn put(&mut self) {
        if self.content.is_empty() {
            return;
        }
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.content.clear();
        std::mem::swap(&mut frame.content, &mut self.content);
        self.compressor.put(frame);
        self.put += 1;
    }

    /// The next frame that is ready; with `all`, the next whether ready or not.
    pub(super) fn take(&mut self, all: bool) -> Option<Compressed> {
        let frame = match all {
            true => self.compressor.take(),
            false => self.compressor.take_ready(),
        }?;
        self.taken += 1;
        self.taken_bytes += frame.content.len() as u64;
        let length = u32::try_from(frame.stored.len()).expect("a frame is shorter than 4 GiB");
        self.lengths.push(length);
        Some(frame)
    }

    /// The members that begin in the frame taken last.
    pub(super) fn members(&mut self) -> impl Iterator<Item = usize> {
        let taken = self.taken;
        let begun = self.unplaced.partition_point(|(_, frame)| *frame < taken);
        self.unplaced.drain(..begun).map(|(member, _)| member)
    }

    /// True if the places of all members before this one are known.
    pub(super) fn placed(&self, member: usize) -> bool {
        self.unplaced
            .front()
            .is_none_or(|(first, _)| member < *first)
    }

    /// So much more of an archive may come before there are more frames than an index lists.
    pub(super) fn listed_room_bytes(&self) -> u64 {
        (MAX_FRAMES * FRAME_BYTES as u64).saturating_sub(self.archive_bytes)
    }

    /// How long each frame is on tape, once all were taken.
    pub(super) fn into_lengths(self) -> Vec<u32> {
        self.lengths
    }

    /// Takes back the buffers of a frame that was written.
    pub(super) fn recycle(&mut self, frame: Compressed) {
        self.spare.push(frame);
    }
}

/// The longest archive that fits into `stored_bytes`, with the skippable frame behind it.
pub(super) fn plain_room(stored_bytes: u64) -> u64 {
    frames::plain_room(stored_bytes.saturating_sub(FILLER_BYTES))
}

/// So much room spares the last record a skippable frame that goes on over one more.
const FILLER_BYTES: u64 = 8;
