//! The zstd frames of a compressed segment: made one by one, and found in bytes from tape.
//!
//! Pure: bytes in, bytes out. Memory of a reader: one frame as it is on tape, what was fed
//! behind it, and its content; each is bounded before anything is allocated for it.

use std::fmt;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Bytes of the archive in a frame; the last of a segment has what is left.
pub const FRAME_BYTES: usize = 1 << 20;
/// More than any frame takes on tape.
pub const MAX_STORED_BYTES: usize = FRAME_BYTES + (FRAME_BYTES >> 8) + FRAME_OVERHEAD_BYTES;
/// Levels of zstd that may be asked for. Higher ones want windows that a frame does not have.
pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;
/// The level where none is asked for: fast enough for a drive, and seldom worth leaving.
pub const DEFAULT_LEVEL: i32 = 3;

/// What a frame takes beside its content at most: what does not shrink grows by a 256th, and
/// this.
const FRAME_OVERHEAD_BYTES: usize = 64;
/// A frame's window is its content.
const WINDOW_LOG: u32 = FRAME_BYTES.trailing_zeros();
/// Gives up at once: the frame gets raw blocks where nothing repeats.
const STORE_LEVEL: i32 = -100;
/// Looking whether a frame shrinks: so many pieces, so long, at the fastest level.
const PROBE_PIECES: usize = 16;
const PROBE_PIECE_BYTES: usize = 4 << 10;
const PROBE_LEVEL: i32 = 1;
/// Less than one of so many saved is not worth the time.
const PROBE_SHARE: usize = 32;

const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
const SKIPPABLE_MAGIC: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
/// Magic and length of a skippable frame.
const SKIPPABLE_HEADER_BYTES: usize = 8;
const BLOCK_HEADER_BYTES: usize = 3;
const MAX_BLOCK_BYTES: usize = 128 << 10;
const CHECKSUM_BYTES: usize = 4;

/// In memory and into room enough, compressing takes whatever comes.
const IN_MEMORY: &str = "compressing into memory does not fail";

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The level of zstd, of [`LEVELS`].
    pub level: i32,
    /// Look first whether a frame shrinks at all, and store it if not.
    pub probe: bool,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            level: DEFAULT_LEVEL,
            probe: true,
        }
    }
}

/// So much of an archive fits into `stored_bytes` of frames, whatever is in it.
pub(crate) fn plain_room(stored_bytes: u64) -> u64 {
    let plain = u128::from(stored_bytes.saturating_sub(FRAME_OVERHEAD_BYTES as u64));
    let plain = plain * FRAME_BYTES as u128 / MAX_STORED_BYTES as u128;
    u64::try_from(plain).expect("the content is shorter than its bound")
}

/// Fills up the `left_bytes` of a record behind the last frame.
pub(crate) fn filler(left_bytes: usize, block_bytes: usize) -> Vec<u8> {
    let fits = left_bytes == 0 || left_bytes >= SKIPPABLE_HEADER_BYTES;
    let bytes = if fits {
        left_bytes
    } else {
        left_bytes + block_bytes
    };
    let mut frame = vec![0; bytes];
    if let Some(content) = bytes.checked_sub(SKIPPABLE_HEADER_BYTES) {
        let length = u32::try_from(content).expect("records are far shorter");
        frame[..4].copy_from_slice(&SKIPPABLE_MAGIC);
        frame[4..SKIPPABLE_HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    }
    frame
}

/// Makes frames. One for each thread.
pub struct FrameEncoder {
    effort: Effort,
    compressor: Compressor<'static>,
    sample: Vec<u8>,
}

impl FrameEncoder {
    /// An encoder of that effort.
    #[must_use]
    pub fn new(effort: Effort) -> Self {
        let mut compressor = Compressor::new(effort.level).expect(IN_MEMORY);
        compressor.include_checksum(true).expect(IN_MEMORY);
        compressor.include_contentsize(true).expect(IN_MEMORY);
        let window = CParameter::WindowLog(WINDOW_LOG);
        compressor.set_parameter(window).expect(IN_MEMORY);
        Self {
            effort,
            compressor,
            sample: Vec::new(),
        }
    }

    /// Puts the frame with `content`, 1 to [`FRAME_BYTES`] bytes, into `stored`.
    ///
    /// # Panics
    ///
    /// If the content is longer.
    pub fn encode(&mut self, content: &[u8], stored: &mut Vec<u8>) {
        assert!(content.len() <= FRAME_BYTES, "a frame's content is bounded");
        let shrinks = !self.effort.probe || self.shrinks(content, stored);
        let level = if shrinks {
            self.effort.level
        } else {
            STORE_LEVEL
        };
        self.compress(level, content, stored);
    }

    /// Looks at pieces of the content, with `scratch` for what they become.
    fn shrinks(&mut self, content: &[u8], scratch: &mut Vec<u8>) -> bool {
        let distance = content.len() / PROBE_PIECES;
        if distance <= PROBE_PIECE_BYTES {
            return true;
        }
        let mut sample = std::mem::take(&mut self.sample);
        sample.clear();
        for piece in content.chunks_exact(distance) {
            sample.extend_from_slice(&piece[..PROBE_PIECE_BYTES]);
        }
        self.compress(PROBE_LEVEL, &sample, scratch);
        let shrinks = scratch.len() + sample.len() / PROBE_SHARE < sample.len();
        self.sample = sample;
        shrinks
    }

    fn compress(&mut self, level: i32, content: &[u8], stored: &mut Vec<u8>) {
        let level = CParameter::CompressionLevel(level);
        self.compressor.set_parameter(level).expect(IN_MEMORY);
        stored.clear();
        stored.reserve(zstd::zstd_safe::compress_bound(content.len()));
        let bytes = self.compressor.compress_to_buffer(content, stored);
        bytes.expect(IN_MEMORY);
    }
}

impl fmt::Debug for FrameEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameEncoder")
            .field("effort", &self.effort)
            .finish_non_exhaustive()
    }
}

/// True if a tape file that begins so is compressed; false if it is not, or too short to tell.
#[must_use]
pub fn begins_with_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Why bytes are no frame that the format allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Neither a frame nor a skippable one begins here.
    #[error("no zstd frame begins here")]
    NoFrame,
    /// A header with other features than the format's.
    #[error("a zstd frame of a kind that the format does not use")]
    Unsupported,
    /// More content than a frame may have, or more bytes on tape.
    #[error("a zstd frame larger than the format allows")]
    TooLarge,
    /// Less content than the index says.
    #[error("a zstd frame shorter than the index says")]
    TooShort,
    /// Its blocks make no sense, or its content is not what was compressed.
    #[error("a zstd frame that is damaged")]
    Damaged,
}

/// A frame that passed all checks.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it begins: a position as told to [`FrameReader::restart`].
    pub at: u64,
    /// How long it is on tape.
    pub stored_bytes: u64,
    /// What was compressed.
    pub content: &'a [u8],
}

/// Takes frames out of bytes as they come from tape.
pub struct FrameReader {
    /// What was fed; `stored[taken..]` is not used up.
    stored: Vec<u8>,
    taken: usize,
    /// Where `stored[taken]` lies.
    position: u64,
    /// Bytes of a skippable frame that are still to come.
    skip_bytes: u64,
    content: Vec<u8>,
    decompressor: Decompressor<'static>,
}

impl FrameReader {
    /// A reader whose first byte lies at `position`.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self {
            stored: Vec::new(),
            taken: 0,
            position,
            skip_bytes: 0,
            content: Vec::new(),
            decompressor: Decompressor::new().expect("a decompressor takes little memory"),
        }
    }

    /// Forgets what was fed; the next byte fed lies at `position`, where a frame begins.
    pub fn restart(&mut self, position: u64) {
        self.stored.clear();
        self.taken = 0;
        self.skip_bytes = 0;
        self.position = position;
    }

    /// Goes on at `position`, where a frame begins; false if what was fed does not reach so far.
    pub fn go_to(&mut self, position: u64) -> bool {
        let ahead = position.checked_sub(self.position);
        let Some(ahead) = ahead.filter(|ahead| *ahead < self.rest().len() as u64) else {
            return false;
        };
        self.skip_bytes = 0;
        self.take(ahead as usize);
        true
    }

    /// Where the next frame begins, or the one that is not complete yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the next byte lies that is fed.
    #[must_use]
    pub fn fed_to(&self) -> u64 {
        self.position + self.rest().len() as u64
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.stored.drain(..self.taken);
        self.taken = 0;
        self.stored.extend_from_slice(bytes);
    }

    /// The next frame; `None` if more bytes are needed for it.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; the reader stays at the bytes that are no frame: [`find`](Self::find)
    /// finds the next, or [`restart`](Self::restart) goes where one is known to be.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        loop {
            let skipped = self.skip_bytes.min(self.rest().len() as u64);
            self.skip_bytes -= skipped;
            self.take(skipped as usize);
            let Some(extent) = extent(self.rest())? else {
                return Ok(None);
            };
            match extent {
                Extent::Skippable { bytes } => self.skip_bytes = bytes,
                Extent::Frame { bytes, content } => {
                    return self.decompress(bytes, content).map(Some);
                }
            }
        }
    }

    /// The next frame behind or among bytes that are none; `None` if more bytes are needed,
    /// or with `last`, where none will come, if there is no further one.
    pub fn find(&mut self, last: bool) -> Option<Frame<'_>> {
        self.skip_bytes = 0;
        loop {
            let rest = self.rest();
            let Some(at) = rest.windows(MAGIC.len()).position(|four| four == MAGIC) else {
                let seen = rest.len().saturating_sub(MAGIC.len() - 1);
                self.take(seen);
                return None;
            };
            self.take(at);
            match extent(self.rest()) {
                Ok(Some(Extent::Frame { bytes, content })) if self.fill(bytes, content).is_ok() => {
                    return Some(self.taken_frame(bytes));
                }
                Ok(None) if !last => return None,
                _ => {}
            }
            self.take(1);
        }
    }

    fn rest(&self) -> &[u8] {
        &self.stored[self.taken..]
    }

    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.position += bytes as u64;
    }

    fn decompress(&mut self, bytes: usize, content: usize) -> Result<Frame<'_>, FrameError> {
        self.fill(bytes, content)?;
        Ok(self.taken_frame(bytes))
    }

    fn taken_frame(&mut self, bytes: usize) -> Frame<'_> {
        let at = self.position;
        self.take(bytes);
        Frame {
            at,
            stored_bytes: bytes as u64,
            content: &self.content,
        }
    }

    /// Decompresses the frame that the rest begins with.
    fn fill(&mut self, bytes: usize, content: usize) -> Result<(), FrameError> {
        self.content.clear();
        self.content.reserve(content);
        let frame = &self.stored[self.taken..self.taken + bytes];
        let filled = self
            .decompressor
            .decompress_to_buffer(frame, &mut self.content);
        match filled {
            Ok(filled) if filled == content => Ok(()),
            _ => Err(FrameError::Damaged),
        }
    }
}

impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// What begins at a place, and how long it is there.
#[derive(Debug, PartialEq, Eq)]
enum Extent {
    Frame { bytes: usize, content: usize },
    Skippable { bytes: u64 },
}

/// Measures the frame at the beginning of `bytes` by its headers (RFC 8878, section 3.1);
/// `None` if it does not end there.
fn extent(bytes: &[u8]) -> Result<Option<Extent>, FrameError> {
    let Some((magic, header)) = bytes.split_at_checked(MAGIC.len()) else {
        return Ok(None);
    };
    if magic[0] & 0xf0 == SKIPPABLE_MAGIC[0] && magic[1..] == SKIPPABLE_MAGIC[1..] {
        let length = header.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
        return Ok(length.map(|length| Extent::Skippable {
            bytes: SKIPPABLE_HEADER_BYTES as u64 + u64::from(length),
        }));
    }
    if magic != MAGIC {
        return Err(FrameError::NoFrame);
    }
    let Some((content, mut at)) = content_size(header)? else {
        return Ok(None);
    };
    at += MAGIC.len();
    loop {
        let Some(block) = bytes.get(at..at + BLOCK_HEADER_BYTES) else {
            return Ok(None);
        };
        let block = u32::from_le_bytes([block[0], block[1], block[2], 0]);
        let size = (block >> 3) as usize;
        let stored = match block >> 1 & 3 {
            // Raw, and compressed.
            0 | 2 => size,
            // One byte, repeated.
            1 => 1,
            _ => return Err(FrameError::Damaged),
        };
        at += BLOCK_HEADER_BYTES + stored;
        if size > MAX_BLOCK_BYTES || at + CHECKSUM_BYTES > MAX_STORED_BYTES {
            return Err(FrameError::TooLarge);
        }
        if block & 1 == 1 {
            break;
        }
    }
    let bytes_on_tape = at + CHECKSUM_BYTES;
    Ok((bytes.len() >= bytes_on_tape).then_some(Extent::Frame {
        bytes: bytes_on_tape,
        content,
    }))
}

/// The size of a frame's content and the length of its header without magic, from what
/// follows that.
fn content_size(header: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    const SINGLE_SEGMENT: u8 = 0x20;
    const RESERVED: u8 = 0x08;
    const CHECKSUM: u8 = 0x04;
    const DICTIONARY: u8 = 0x03;
    let Some(&descriptor) = header.first() else {
        return Ok(None);
    };
    let features = descriptor & (SINGLE_SEGMENT | RESERVED | CHECKSUM | DICTIONARY);
    if features != SINGLE_SEGMENT | CHECKSUM {
        return Err(FrameError::Unsupported);
    }
    let length = 1_usize << (descriptor >> 6);
    let Some(field) = header.get(1..=length) else {
        return Ok(None);
    };
    let mut size = [0; 8];
    size[..length].copy_from_slice(field);
    // Of two bytes, the field counts from 256.
    let size = u64::from_le_bytes(size).saturating_add(if length == 2 { 256 } else { 0 });
    match usize::try_from(size) {
        Ok(size) if (1..=FRAME_BYTES).contains(&size) => Ok(Some((size, 1 + length))),
        _ => Err(FrameError::TooLarge),
    }
}
