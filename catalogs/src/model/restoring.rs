//! What the ledger records of restores. It changes nothing of what the catalog holds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{Outcome, Phases};
use super::phases::phases_if_they_are;
use super::problem::Problems;
use super::text::ByteText;

/// A run of a restore: who wants what from which volumes, and where to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restoring {
    /// Identity of the restore, the same of each of its runs.
    pub restore: Uuid,
    /// Identity of the run; absent in lines from before a run told that it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// Name of the user who restores, or the number of one without.
    pub user: String,
    /// Host on which the files are written.
    pub host: String,
    /// Name and version of the software.
    pub software: String,
    /// The first of the patterns that were asked for.
    pub asked: Vec<ByteText>,
    /// How many patterns there were.
    pub asked_total: u64,
    /// As things were at this time; absent where it was the newest state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// The directory that is restored below, or the file that a tar archive goes to; `-` is
    /// standard output.
    pub target: ByteText,
    /// What the target gets, where it is not files in their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<RestoredTo>,
    /// The catalog was not asked: what the volumes say of themselves was all that was known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_tapes: bool,
    /// When it began.
    pub started: Timestamp,
    /// Objects that were there from runs before, as they were archived; absent of a first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<u64>,
    /// Bytes of the files among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_bytes: Option<u64>,
    /// The first of the volumes that are needed, in the order of the plan; behind them, once it
    /// ended, those that were turned to.
    pub volumes: Vec<RestoredFrom>,
    /// How many there are.
    pub volumes_total: u64,
    /// Seconds that it is to take.
    pub planned_s: u64,
    /// Name of the library whose tapes are read, as in
    /// [`Location::Library`](super::event::Location::Library).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
}

/// What a restore writes in place of files below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoredTo {
    /// One tar archive.
    Tar,
    /// The content of one file.
    File,
}

/// A restore begins, or goes on: what it is to bring. Nothing of it is in the target yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreStarted {
    /// Who, what, where to.
    #[serde(flatten)]
    pub of: Restoring,
    /// Objects to restore, of any kind.
    pub objects: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
}

/// A run of a restore came to its end, whole or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Who, what, where to; with what the volumes took.
    #[serde(flatten)]
    pub of: Restoring,
    /// How it ended.
    pub outcome: Outcome,
    /// Objects restored, of any kind.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Files whose content agreed with its digest.
    pub verified: u64,
    /// Objects that are not in their place; absent in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// Seconds that it took.
    pub real_s: u64,
    /// The same in milliseconds; absent in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_ms: Option<u64>,
    /// What was not restored because of a volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// What was not restored, or not as it should be, for a reason of its own; counts all that
    /// is not there.
    #[serde(default)]
    pub problems: Problems,
    /// What came and is not what its name promises, and what its jobs had not archived; the first
    /// ones.
    #[serde(default, skip_serializing_if = "Problems::is_empty")]
    pub remarks: Problems,
    /// Metadata of what came that could not be set; the first ones.
    #[serde(default, skip_serializing_if = "Problems::is_empty")]
    pub metadata_not_set: Problems,
}

/// What one volume did not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Its barcode.
    pub barcode: String,
    /// What happened to it.
    pub why: String,
    /// How many objects did not come.
    pub objects: u64,
    /// The first of their names.
    pub first: Vec<ByteText>,
}

/// A volume that a restore needed, or turned to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredFrom {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode; absent in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Seconds that it was to take, from the robot's first move to its last; 0 of one that was not
    /// planned.
    pub planned_s: u64,
    /// It was not planned: what could not be read of others has another copy on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare: bool,
    /// How often it was mounted; absent as long as it runs, and in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<u64>,
    /// Seconds that it took; absent where the restore did not come to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_s: Option<u64>,
    /// The same in milliseconds; absent in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_ms: Option<u64>,
    /// Product name of the drive that read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// What its steps took; absent of one that the restore did not come to, and beyond the
    /// first of many.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "phases_if_they_are"
    )]
    pub phases: Option<Box<Phases>>,
    /// What could not be read of it and has another copy, which was turned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Box<Unread>>,
}

/// What a volume did not give, and another was turned to for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// So many objects.
    pub objects: u64,
    /// Why the first of them could not be read.
    pub why: String,
}
