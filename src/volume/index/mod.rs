//! The index of a segment: encode, decode, read from tape.
//!
//! A decoded index has passed its own digests (`B3SUMS`), and agrees with itself.

mod archive;
mod digest;
mod frame_list;
mod info;
mod json;
mod line;
mod lines;

pub use archive::decode;
pub(crate) use archive::{LinesBytes, Texts, bound_bytes, encode, segment_json};
pub use digest::{Digest, DigestAlgorithm, Hasher, NoDigestAlgorithm, NotADigest};
pub(crate) use frame_list::frames_of;
pub use frame_list::{FrameList, FramePlaces, MAX_FRAMES};
pub use info::{Codec, Content, JobHeader, JobPolicy, KeepUntil, Level, SegmentInfo};
pub use line::{FileLine, Place};
pub(crate) use lines::{Lines, gone_bytes, line_bytes};

use super::VolumeError;
use super::frames::MAX_STORED_BYTES;
use super::read::{Found, RecordReader};
use super::receipt::SegmentReceipt;
use super::tar::TarError;
use crate::drive::SequentialDevice;
use crate::error_text::with_causes;
use crate::units::BlockAddress;

/// Most members of a segment, and so lines of an index.
pub const MAX_MEMBERS: u64 = 1_000_000;

/// Most bytes of text in `files.jsonl`.
pub const MAX_LINES_BYTES: u64 = 256 << 20;
/// Most records of a segment.
pub const MAX_RECORDS: u64 = 1 << 24;
/// Most addresses in `previous_indexes`.
pub const MAX_PREVIOUS_INDEXES: usize = 64;
/// More than any index takes: with lines that do not shrink, all records and all frames.
pub const MAX_INDEX_BYTES: u64 = 416 << 20;

/// A decoded index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Identity, counts and place of the segment.
    pub info: SegmentInfo,
    /// The members, in tape order.
    pub files: Vec<FileLine>,
    /// Archive paths that were there before the run and are not any more.
    pub gone: Vec<Vec<u8>>,
    /// CRC-32 of each record of the segment, in order.
    pub crcs: Vec<u32>,
    /// The frames of a compressed segment; `None` where the index is of a version without.
    pub frames: Option<FrameList>,
}

impl Index {
    /// The members that have bytes in the record at `block`; in a compressed segment, that
    /// may have.
    pub fn files_in(&self, block: BlockAddress) -> impl Iterator<Item = &FileLine> {
        let members = self.files.iter().enumerate();
        let hurt = members.filter(move |(number, file)| {
            let first = file.place.block.0;
            let end = match self.info.codec {
                Codec::Plain => first.saturating_add(file.place.records(self.info.block_bytes)),
                Codec::Zstd => self.frames_end(*number),
            };
            (first..end).contains(&block.0)
        });
        hurt.map(|(_, file)| file)
    }

    /// The record behind the last in which frames of this member may have bytes: the member
    /// ends in the frame in which the next one begins, at the latest.
    fn frames_end(&self, number: usize) -> u64 {
        let block_bytes = u64::from(self.info.block_bytes);
        let segment_end = self.info.first_block.0.saturating_add(self.info.records);
        let begin = |file: &FileLine| (file.place.block.0, file.place.offset_bytes);
        let Some(next) = self.files.get(number + 1).map(begin) else {
            return segment_end;
        };
        let later = self.files[number + 1..]
            .iter()
            .map(begin)
            .find(|at| *at > next);
        let known = later.map_or(segment_end, |(block, offset)| block + u64::from(offset > 0));
        let longest = u64::from(next.1) + MAX_STORED_BYTES as u64;
        known.min(next.0.saturating_add(longest.div_ceil(block_bytes)))
    }

    /// What is known of the segment, with where its index ends.
    #[must_use]
    pub fn into_receipt(self, end_block: BlockAddress) -> SegmentReceipt {
        SegmentReceipt {
            info: self.info,
            end_block,
            files: self.files,
            gone: self.gone,
            salvaged: false,
        }
    }
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// It is no archive.
    #[error("its archive cannot be read")]
    Tar(#[from] TarError),
    /// A member is not the one that belongs there.
    #[error("`{expected}` is missing")]
    Missing {
        /// The member's file name.
        expected: &'static str,
    },
    /// A member does not have the digest in `B3SUMS`.
    #[error("`{member}` is damaged: its digest is not the one in B3SUMS")]
    WrongDigest {
        /// The member's file name.
        member: &'static str,
    },
    /// A member is larger than a reader takes.
    #[error("`{member}` is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The member's file name.
        member: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// Text that is not what it should be.
    #[error("`{member}`, line {line}: {what}")]
    Malformed {
        /// The member's file name.
        member: &'static str,
        /// Line, from 1.
        line: u64,
        /// What is wrong, for people.
        what: String,
    },
    /// The segment's format is newer than this program.
    #[error(
        "format {format} is newer than this program, which reads up to {}",
        super::LATEST_SEGMENT_FORMAT
    )]
    TooNew {
        /// The version found.
        format: u32,
    },
    /// The parts contradict each other, or the place where the index is.
    #[error("{what}")]
    Contradiction {
        /// What contradicts what, for people.
        what: String,
    },
}

/// Reads the index that starts at `at`, and stops behind its filemark. One that is not whole, or
/// not the one of that place, is read again, if the device thinks it worth that.
///
/// # Errors
///
/// [`VolumeError::Index`] if it is damaged; drive errors.
pub fn read_index(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    at: BlockAddress,
) -> Result<Index, VolumeError> {
    let mut doubted = false;
    loop {
        match read_index_once(device, block_bytes, at) {
            Err(error) if is_doubtful(&error) => {
                let asked = device.is_doubted(at, &with_causes(&error));
                doubted = asked.map_err(VolumeError::drive("reading an index again", at))?;
                if !doubted {
                    return Err(error);
                }
            }
            read => {
                if doubted && read.is_ok() {
                    device.is_as_written(at);
                }
                return read;
            }
        }
    }
}

/// Whether something else was read than an index of this place.
fn is_doubtful(error: &VolumeError) -> bool {
    matches!(
        error,
        VolumeError::Index { source, .. } if !matches!(source, IndexError::TooNew { .. })
    )
}

fn read_index_once(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    at: BlockAddress,
) -> Result<Index, VolumeError> {
    let mut reader = RecordReader::new(device, block_bytes);
    reader.seek(at)?;
    let mut archive = Vec::new();
    let wrong = |source| VolumeError::Index { block: at, source };
    loop {
        match reader.next_object()? {
            Found::Record { bytes, .. } => archive.extend_from_slice(bytes),
            Found::Filemark { .. } => break,
            Found::EndOfData { block } => return Err(VolumeError::UnexpectedEndOfData { block }),
        }
        if archive.len() as u64 > MAX_INDEX_BYTES {
            let limit_bytes = MAX_INDEX_BYTES;
            return Err(wrong(IndexError::TooLarge {
                member: "the index",
                limit_bytes,
            }));
        }
    }
    let index = decode(&archive).map_err(wrong)?;
    let info = &index.info;
    if info.index_block != at || info.block_bytes != block_bytes {
        return Err(wrong(IndexError::Contradiction {
            what: format!(
                "it is of another place: block {}, {} bytes a block",
                info.index_block, info.block_bytes
            ),
        }));
    }
    Ok(index)
}
