//! What a rescue saved, and what it could not save.

use uuid::Uuid;

use super::order::Doubt;
use crate::engine::EngineError;
use crate::engine::target::NotSet;
use crate::units::{BlockAddress, TapeFile};

/// Lost files, and gaps, listed by name; further ones are only counted.
pub const LISTED_MOST: usize = 100_000;
/// What the name of a file ends with that is not whole.
pub const PARTIAL_SUFFIX: &[u8] = b".tapewright-partial";
/// What the name of a file ends with that came to its end, and not as it was archived.
pub const DAMAGED_SUFFIX: &[u8] = b".tapewright-damaged";
/// Other names of one tape file that are listed: a tree may have any number of them, and the record
/// has all.
pub(super) const OTHER_NAMES_MOST: usize = 1_000;
/// Pieces of a lost file that are listed.
pub(super) const PIECES_MOST: usize = 1_000;

/// How a rescue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RescueEnd {
    /// At the end of what is on the tape.
    #[default]
    EndOfData,
    /// Where nothing more is recorded, though no mark says that it ends there: the last session
    /// on the tape was cut off.
    NoEndOfData,
    /// Too many blocks in a row could not be read, and no filemark was found behind them.
    GaveUp,
    /// No room is left in the target.
    TargetFull,
    /// The user asked to stop.
    Stopped,
    /// The drive, or the target, failed.
    Failed,
}

/// A place of a tape file that did not come, or made no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The tape file.
    pub file: TapeFile,
    /// Where.
    pub block: BlockAddress,
    /// How many blocks; 0 where they could be read.
    pub blocks: u64,
    /// They are encrypted, and the drive has no key for them: nothing is wrong with the tape.
    pub encrypted: bool,
    /// What is wrong with it.
    pub what: String,
    /// Bytes behind it that were passed over until a member began. What it was part of has no
    /// name, unless it is the lost file before.
    pub passed_bytes: u64,
}

/// In which way an object is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Some of its data did not come.
    Cut,
    /// All of it came, and its content has another digest than the index says.
    WrongDigest,
    /// Its header did not come: the index names it.
    Header,
    /// It came, and was not saved: its name, or the target, does not allow it.
    NotSaved,
}

/// A file or other object that was not saved whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFile {
    /// The tape file.
    pub file: TapeFile,
    /// Its path in the archive.
    pub path: Vec<u8>,
    /// Where on tape its header was read.
    pub block: BlockAddress,
    /// Size of the file.
    pub size_bytes: u64,
    /// Bytes of its data that came.
    pub had_bytes: u64,
    /// Pieces of it that did not come: from and to, in bytes.
    pub missing: Vec<(u64, u64)>,
    /// In which way.
    pub loss: Loss,
    /// Why.
    pub why: String,
    /// Name of what was kept of it.
    pub kept_as: Option<Vec<u8>>,
}

/// An object that could not be saved under the name that it has on tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherName {
    /// The tape file.
    pub file: TapeFile,
    /// Its name on tape.
    pub path: Vec<u8>,
    /// The one that it has in the directory of the tape file.
    pub name: Vec<u8>,
    /// Why.
    pub why: String,
}

/// What came of one tape file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeFileReport {
    /// Its number.
    pub file: TapeFile,
    /// Its first block.
    pub first_block: BlockAddress,
    /// Blocks that were read.
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Blocks that could not be read.
    pub blocks_lost: u64,
    /// Blocks that are encrypted, and for which the drive has no key.
    pub blocks_encrypted: u64,
    /// Objects saved.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// Files among them whose content was proven by a digest; of the others it is known that each
    /// of their bytes was read without an error.
    pub verified: u64,
    /// Objects that are not whole.
    pub lost: u64,
}

impl TapeFileReport {
    pub(super) fn new(file: TapeFile, first_block: BlockAddress) -> Self {
        Self {
            file,
            first_block,
            blocks: 0,
            bytes: 0,
            blocks_lost: 0,
            blocks_encrypted: 0,
            objects: 0,
            files: 0,
            file_bytes: 0,
            verified: 0,
            lost: 0,
        }
    }
}

/// What a rescue did.
#[derive(Debug, Default)]
pub struct RescueReport {
    /// How it ended.
    pub end: RescueEnd,
    /// Why, if it failed.
    pub failure: Option<EngineError>,
    /// The tape files, in order.
    pub tape_files: Vec<TapeFileReport>,
    /// What was not saved whole, at most [`LISTED_MOST`].
    pub lost: Vec<LostFile>,
    /// All of it.
    pub lost_count: u64,
    /// What of the tape did not come, at most [`LISTED_MOST`] places.
    pub gaps: Vec<Gap>,
    /// All of them.
    pub gap_count: u64,
    /// What of this format the tape lacks, so that whether all came is not sure; at most
    /// [`LISTED_MOST`].
    pub doubts: Vec<Doubt>,
    /// Where the first encrypted block is, if there are such.
    pub encrypted_from: Option<BlockAddress>,
    /// More may be encrypted than were counted: nobody can say where they end.
    pub encrypted_at_least: bool,
    /// Names that came twice in one tape file, and those of the later ones instead.
    pub renamed: Vec<(Vec<u8>, Vec<u8>)>,
    /// What could not have its own name: at most a thousand of each tape file.
    pub other_names: Vec<OtherName>,
    /// All of them.
    pub other_name_count: u64,
    /// Saved objects that could not be given all of their metadata.
    pub metadata_not_set: Vec<NotSet>,
}

/// What the first header of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Where it was read.
    pub(super) block: BlockAddress,
    pub(super) volume: Uuid,
    pub(super) segment: Uuid,
    pub(super) number: u64,
    pub(super) job: Uuid,
}

impl Head {
    pub(super) fn read(comment: &[u8], block: BlockAddress) -> Option<Self> {
        let text = std::str::from_utf8(comment).ok()?;
        let words = text.strip_prefix("tapewright-segment ")?.split(' ');
        let value = |key| words.clone().find_map(|word| word.strip_prefix(key));
        let id = |key| value(key)?.parse().ok();
        Some(Self {
            block,
            volume: id("volume=")?,
            segment: id("segment=")?,
            number: value("number=")?.parse().ok()?,
            job: id("job=")?,
        })
    }
}

/// What of one tape file goes into the report.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) lost: Vec<LostFile>,
    pub(super) lost_count: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) gap_count: u64,
    pub(super) heads: Vec<Head>,
    pub(super) renamed: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) other_names: Vec<OtherName>,
    pub(super) other_name_count: u64,
    pub(super) not_set: NotSet,
}

impl RescueReport {
    /// Adds what came of a tape file, but for what was saved.
    pub(super) fn add(&mut self, found: Found, file: TapeFileReport) {
        let room = |len: usize| LISTED_MOST.saturating_sub(len);
        let lost_room = room(self.lost.len());
        self.lost.extend(found.lost.into_iter().take(lost_room));
        self.lost_count += found.lost_count;
        let gap_room = room(self.gaps.len());
        self.gaps.extend(found.gaps.into_iter().take(gap_room));
        self.gap_count += found.gap_count;
        let renamed_room = room(self.renamed.len());
        self.renamed
            .extend(found.renamed.into_iter().take(renamed_room));
        let other_room = room(self.other_names.len());
        self.other_names
            .extend(found.other_names.into_iter().take(other_room));
        self.other_name_count += found.other_name_count;
        if found.not_set.count > 0 {
            self.metadata_not_set.push(found.not_set);
        }
        if self.tape_files.len() < LISTED_MOST {
            self.tape_files.push(file);
        }
    }

    /// Adds what is not whole.
    pub(super) fn lose(&mut self, lost: LostFile) {
        self.lost_count += 1;
        if self.lost.len() < LISTED_MOST {
            self.lost.push(lost);
        }
    }

    /// Adds what is not sure.
    pub(super) fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < LISTED_MOST {
            self.doubts.push(doubt);
        }
    }

    /// Objects saved.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.tape_files.iter().map(|file| file.objects).sum()
    }

    /// True if all that is on the tape came, and whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_complete = self.lost_count == 0 && self.gap_count == 0;
        self.end == RescueEnd::EndOfData && is_complete && self.doubts.is_empty()
    }
}
