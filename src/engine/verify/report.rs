//! What a verification found, per segment, with damage pinned to file names.

use uuid::Uuid;

use crate::engine::EngineError;
use crate::units::BlockAddress;

use super::VolumeSegments;

/// Bad records and bad files listed per segment; further ones are only counted.
pub const BAD_LISTED: usize = 1_000;

/// The judgement on one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentVerdict {
    /// Every record, the index and every file are as they were written.
    Good,
    /// Something on the medium is damaged; see the lists.
    Bad,
    /// Nothing can be said: drive or transport failed, or the volume could not be
    /// mounted. The text says what happened; the medium may be in order.
    Inconclusive(String),
}

/// A record that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Its block address.
    pub block: BlockAddress,
    /// What is wrong, as one sentence for people.
    pub what: String,
}

/// A file that cannot be restored from this segment as it was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile {
    /// Its archive path, for people.
    pub path: String,
    /// What is wrong, as one sentence for people.
    pub what: String,
}

/// What was found in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// The segment's number on the volume.
    pub number: u64,
    /// The judgement.
    pub verdict: SegmentVerdict,
    /// Records read and compared with their CRC.
    pub records: u64,
    /// Files whose digest was recomputed and agreed.
    pub files_verified: u64,
    /// Damaged or unreadable records, at most [`BAD_LISTED`].
    pub bad_records: Vec<BadRecord>,
    /// All of them.
    pub bad_record_count: u64,
    /// Files that are lost here, at most [`BAD_LISTED`].
    pub bad_files: Vec<BadFile>,
    /// All of them.
    pub bad_file_count: u64,
    /// Damage of the index, if any: the files may be in order nevertheless.
    pub index_damage: Option<String>,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// One report per segment of the plan, in the order in which they were read.
    pub segments: Vec<SegmentReport>,
    /// What ended the reading of volumes that were mounted, by barcode; what speaks against a
    /// medium is in its segments.
    pub failures: Vec<(String, EngineError)>,
    /// True if the user asked to stop before all were read; the others are missing.
    pub stopped: bool,
}

impl VerifyReport {
    /// True if every segment of the plan was read and is good.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.stopped
            && self
                .segments
                .iter()
                .all(|segment| segment.verdict == SegmentVerdict::Good)
    }
}

impl SegmentReport {
    /// Nothing found yet, so nothing bad.
    pub(super) fn new(volume: &VolumeSegments, number: u64) -> Self {
        Self {
            volume: volume.volume,
            barcode: volume.barcode.clone(),
            number,
            verdict: SegmentVerdict::Good,
            records: 0,
            files_verified: 0,
            bad_records: Vec::new(),
            bad_record_count: 0,
            bad_files: Vec::new(),
            bad_file_count: 0,
            index_damage: None,
        }
    }

    /// Nothing can be said of this segment, for the reason given; unless damage was found
    /// before, which stays found.
    pub(super) fn inconclusive(mut self, why: String) -> Self {
        if self.verdict == SegmentVerdict::Good {
            self.verdict = SegmentVerdict::Inconclusive(why);
        }
        self
    }
}
