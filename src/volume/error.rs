//! What can go wrong with a volume, with the place on tape where it did.

use uuid::Uuid;

use super::frames::FrameError;
use super::index::IndexError;
use super::label::LabelError;
use super::tar::TarError;
use crate::drive::DriveError;
use crate::units::BlockAddress;

/// A failure while reading or writing a volume. Callers branch on the variant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The drive reported an error.
    #[error("{doing} at block {block}")]
    Drive {
        /// What was being done, such as "writing a record".
        doing: &'static str,
        /// Where the tape was, or was to go.
        block: BlockAddress,
        /// The drive's error.
        #[source]
        source: Box<DriveError>,
    },
    /// A record is not as long as the volume's block size.
    #[error("block {block} has {actual_bytes} bytes instead of {expected_bytes}")]
    WrongSize {
        /// The record's address.
        block: BlockAddress,
        /// The volume's block size.
        expected_bytes: u64,
        /// The length found.
        actual_bytes: u64,
    },
    /// A record is not the one that was written there.
    #[error("block {block} is damaged: CRC-32 {actual:08x} instead of {expected:08x}")]
    WrongCrc {
        /// The record's address.
        block: BlockAddress,
        /// The checksum in the index.
        expected: u32,
        /// The checksum of what was read.
        actual: u32,
    },
    /// The tape file ends where more of it was expected.
    #[error("a filemark at block {block}, where data was expected")]
    UnexpectedFilemark {
        /// The filemark's address.
        block: BlockAddress,
    },
    /// The tape ends where more was expected.
    #[error("the tape ends at block {block}, where more was expected")]
    UnexpectedEndOfData {
        /// The address of the end of data.
        block: BlockAddress,
    },
    /// The volume's format is newer than this program.
    #[error(
        "format {format} of this volume is newer than this program, which reads {}",
        super::FORMAT
    )]
    TooNew {
        /// The version found.
        format: u32,
    },
    /// A label cannot be written as asked.
    #[error("cannot write the label")]
    Label(#[from] LabelError),
    /// The index of a segment cannot be used.
    #[error("the index at block {block} cannot be used")]
    Index {
        /// Where the index starts.
        block: BlockAddress,
        /// What is wrong with it.
        #[source]
        source: IndexError,
    },
    /// The archive in a segment cannot be understood.
    #[error("the archive at block {block} cannot be read")]
    Tar {
        /// The record with the header that is wrong.
        block: BlockAddress,
        /// What is wrong with it.
        #[source]
        source: TarError,
    },
    /// A compressed segment has something else where a frame should be.
    #[error("the compressed data at block {block} cannot be read")]
    Frame {
        /// The record in which it begins.
        block: BlockAddress,
        /// What is wrong with it.
        #[source]
        source: FrameError,
    },
    /// Another volume than expected is in the drive.
    #[error("volume {expected} was expected, but the tape holds {actual}")]
    WrongVolume {
        /// The volume that should be in the drive.
        expected: Uuid,
        /// What is on the tape, for people.
        actual: String,
    },
    /// The tape does not look as the append point says. Nothing was written.
    #[error("the tape cannot be appended to: {what}")]
    NotAtAppendPoint {
        /// What disagrees, for people.
        what: String,
    },
    /// After a write the drive is not where it should be: something was lost or doubled.
    #[error("after writing, the drive is at block {actual} instead of {expected}")]
    PositionLost {
        /// Where the drive should be.
        expected: BlockAddress,
        /// Where it says it is.
        actual: BlockAddress,
    },
    /// The end of the partition was reached; the object was not written.
    #[error("the tape ended before block {block} could be written")]
    VolumeEnded {
        /// The address the object would have had.
        block: BlockAddress,
    },
}

impl VolumeError {
    /// Wraps a drive's error: `.map_err(VolumeError::drive("reading", block))`.
    pub(crate) fn drive(
        doing: &'static str,
        block: BlockAddress,
    ) -> impl FnOnce(DriveError) -> VolumeError {
        move |error| VolumeError::Drive {
            doing,
            block,
            source: Box::new(error),
        }
    }
}
