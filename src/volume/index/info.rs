//! `segment.json`: identity, counts and place of a segment, and the run that wrote it.

use jiff::Timestamp;
use uuid::Uuid;

use super::DigestAlgorithm;
use crate::units::BlockAddress;
use crate::volume::{FORMAT, FORMAT_OF_FRAME_LISTS, FORMAT_OF_FRAMES};

/// What a run archives of all that lies below its roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Everything.
    #[default]
    Full,
    /// What changed since the last full run.
    Differential,
    /// What changed since the last run of any level.
    Incremental,
}

impl Level {
    /// Its name in `segment.json`, and from format 4 on in the segment's first header; `None`
    /// where neither says anything.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Level::Full => None,
            Level::Differential => Some("differential"),
            Level::Incremental => Some("incremental"),
        }
    }

    /// The level of that name.
    pub(in crate::volume) fn of(name: &str) -> Option<Level> {
        let mut known = [Level::Differential, Level::Incremental].into_iter();
        known.find(|level| level.name() == Some(name))
    }
}

/// Until when a run is kept. The longest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeepUntil {
    /// Until then.
    Moment(Timestamp),
    /// It was said that it is kept for ever.
    Forever,
}

/// What was said of a run that is in no other place on tape, as it was when a segment was begun.
/// What is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPolicy {
    /// The pool that it writes to; a second copy's volumes are of another.
    pub pool: Option<String>,
    /// The pool that is to hold a second copy.
    pub copy_pool: Option<String>,
    /// How long it is kept.
    pub keep: Option<KeepUntil>,
}

/// The run that writes a segment. The same in all segments of the run, but for its policy, which
/// may change before it is gone on with or copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHeader {
    /// Identity of the run.
    pub id: Uuid,
    /// Its name, as the operator gave it.
    pub name: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The machine that it ran on.
    pub host: String,
    /// What wrote it: name and version.
    pub software: String,
    /// The archive paths that it was asked to archive.
    pub roots: Vec<Vec<u8>>,
    /// The patterns of what it left out.
    pub excludes: Vec<String>,
    /// What it archives of the rest.
    pub level: Level,
    /// The run that it is measured against, if it is not full.
    pub base: Option<Uuid>,
    /// How the digests of what it archives are made.
    pub digest: DigestAlgorithm,
    /// Where it is to be, and for how long.
    pub policy: JobPolicy,
}

/// How the archive of a segment is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// As it is.
    #[default]
    Plain,
    /// In zstd frames.
    Zstd,
}

impl Codec {
    /// The lowest format version of segments with this codec.
    #[must_use]
    pub fn least_format(self) -> u32 {
        match self {
            Codec::Plain => FORMAT,
            Codec::Zstd => FORMAT_OF_FRAMES,
        }
    }

    /// Its name in `segment.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::Plain => "none",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec of that name in a segment of that format.
    pub(super) fn of(format: u32, name: &str) -> Option<Codec> {
        let known = [Codec::Plain, Codec::Zstd].into_iter();
        known
            .filter(|codec| format >= codec.least_format())
            .find(|codec| codec.name() == name)
    }
}

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// What its run archives.
    #[default]
    Files,
    /// A copy of the catalog, as one file, and nothing of the run.
    Catalog,
}

impl Content {
    /// Its name in `segment.json` and in the segment's first header; `None` where neither says
    /// anything.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Content::Files => None,
            Content::Catalog => Some("catalog"),
        }
    }

    /// The content of that name.
    pub(in crate::volume) fn of(name: Option<&str>) -> Option<Content> {
        let mut known = [Content::Files, Content::Catalog].into_iter();
        known.find(|content| content.name() == name)
    }
}

/// Everything that `segment.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The version that a reader has to know to make sense of the segment.
    pub format: u32,
    /// Identity of the volume.
    pub volume: Uuid,
    /// Barcode of the volume.
    pub barcode: String,
    /// Pool of the volume.
    pub pool: String,
    /// Block size of the volume in bytes.
    pub block_bytes: u32,
    /// Identity of the segment.
    pub segment: Uuid,
    /// 1 for the first on its volume.
    pub number: u64,
    /// The run that wrote it.
    pub job: JobHeader,
    /// When it was closed.
    pub written_at: Timestamp,
    /// Where the segment starts.
    pub first_block: BlockAddress,
    /// Where its index starts.
    pub index_block: BlockAddress,
    /// How it is stored.
    pub codec: Codec,
    /// Records of the segment on tape, without the filemark.
    pub records: u64,
    /// Bytes of the archive, up to and including its two zero blocks; before compression.
    pub tar_bytes: u64,
    /// Members.
    pub files: u64,
    /// Sum of what the members cover of their files, in bytes, holes included.
    pub file_bytes: u64,
    /// Names that were there before the run and are not any more, listed in this index.
    pub gone: u64,
    /// Addresses of the indexes before this one, nearest first, at most 64.
    pub previous_indexes: Vec<BlockAddress>,
    /// What it holds.
    pub content: Content,
    /// True if it holds a copy of the catalog to its end.
    pub content_ends: bool,
    /// 1 for the first segment of the run, counted over volumes; 0 if it holds none of its files.
    pub job_segment: u64,
    /// True if the run ends with this segment, having reached its end.
    pub job_ends: bool,
    /// Problems that the run had, if it ends with this segment; `None` if it does not, or did
    /// not say.
    pub job_problems: Option<u64>,
}

impl SegmentInfo {
    /// Whether its index tells where each frame is.
    #[must_use]
    pub fn lists_frames(&self) -> bool {
        self.codec == Codec::Zstd && self.format >= FORMAT_OF_FRAME_LISTS
    }

    /// Bytes of its records.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.records.saturating_mul(u64::from(self.block_bytes))
    }
}
