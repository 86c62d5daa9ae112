//! What became of an archive run.

use std::time::Duration;

use uuid::Uuid;

use super::pending::WrittenMember;
use super::stage::StageTime;
use crate::engine::source::{CommandEnd, Compared, Remark};
use crate::engine::{EngineError, VolumeEnd};
use crate::volume::label::Label;

/// Problems and notes kept word for word; further ones are only counted (the monitor
/// has heard them all).
pub const REMARKS_KEPT: usize = 1000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything asked for is confirmed on tape, unchanged while it was read.
    Complete,
    /// The run came to its end or to a failure, and something is missing or changed
    /// while it was read: see problems, failure and unconfirmed.
    Partial,
    /// Stopped on request. What the report counts is confirmed and committed.
    Interrupted,
}

/// What a run did. Counts are of confirmed and committed segments alone.
#[derive(Debug)]
pub struct ArchiveReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Members on tape: files, directories, links and so on; a file in parts counts once.
    pub files: u64,
    /// Bytes of their files on tape, holes included.
    pub bytes: u64,
    /// The volumes written, in order.
    pub volumes: Vec<VolumeShare>,
    /// What could not be archived as it is, and how often.
    pub problems: Remarks,
    /// What was left out on purpose and might surprise: sockets, other file systems.
    pub notes: Remarks,
    /// Objects left out by a pattern; what lies below an excluded directory is not counted.
    pub excluded: u64,
    /// How the commands of the sources ended that were begun.
    pub commands: Vec<CommandEnd>,
    /// How the source compares with what the run was measured against; all 0 for a full one.
    /// Of a run that did not reach its end, as far as it looked.
    pub compared: Compared,
    /// What ended the run before its end, or the failure to give back the last volume.
    /// After a failure the source was not read to its end.
    pub failure: Option<EngineError>,
    /// Volumes that failed while they were written, in order. What they left unconfirmed was
    /// written again, unless the run ended first.
    pub failed_volumes: Vec<FailedVolume>,
    /// The second destination, if the run had two; the fields beside are of the first.
    pub copy: Option<DestinationReport>,
    /// Members that were to be written again and could not be had: they are among the
    /// problems, and on no tape.
    pub lost: u64,
    /// What was written but is not committed, after a failure: not proven to be on tape,
    /// or (if the failure is [`EngineError::Commit`]) on tape but not recorded.
    pub unconfirmed: Unconfirmed,
    /// Where the time went.
    pub timings: Timings,
}

/// A volume's share of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeShare {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// Numbers of the segments this run committed on it, ascending.
    pub segments: Vec<u64>,
    /// Members in them; a file in parts counts where its last part is.
    pub files: u64,
    /// Bytes of their files, holes included; of files in parts, what lies here.
    pub bytes: u64,
}

impl VolumeShare {
    /// Nothing yet.
    pub(super) fn new(label: &Label) -> Self {
        let (volume, barcode) = (label.volume, label.barcode.clone());
        Self {
            volume,
            barcode,
            segments: Vec::new(),
            files: 0,
            bytes: 0,
        }
    }
}

/// A volume that failed while it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedVolume {
    /// The volume.
    pub volume: Uuid,
    /// Its barcode.
    pub barcode: String,
    /// How it was given back.
    pub end: VolumeEnd,
    /// What it failed with, for people.
    pub what: String,
}

/// What became of one destination. Counts are of confirmed and committed segments alone.
#[derive(Debug)]
pub struct DestinationReport {
    /// Members on tape, as in [`ArchiveReport::files`].
    pub files: u64,
    /// Bytes of their files, holes included.
    pub bytes: u64,
    /// The volumes written, in order.
    pub volumes: Vec<VolumeShare>,
    /// Volumes that failed while they were written.
    pub failed_volumes: Vec<FailedVolume>,
    /// What ended it before the run's end. What came behind is not here.
    pub failure: Option<EngineError>,
    /// What was written and is not committed.
    pub unconfirmed: Unconfirmed,
}

/// Where a destination's time went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// Framing waited for the drive.
    pub(super) blocked: Duration,
    /// The drive thread.
    pub(super) drive: StageTime,
    /// Mounting and releasing volumes.
    pub(super) mount: Duration,
    /// How often the source was too slow for a drive.
    pub(super) pauses: u64,
    /// Data of files that went into segments, in bytes.
    pub(super) framed: u64,
}

/// A bounded list with its true length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// The first [`REMARKS_KEPT`].
    pub first: Vec<Remark>,
    /// How many there were.
    pub total: u64,
}

impl Remarks {
    /// Counts `remark` and keeps it if there is room.
    pub(super) fn push(&mut self, remark: Remark) {
        self.total += 1;
        if self.first.len() < REMARKS_KEPT {
            self.first.push(remark);
        }
    }
}

/// What a failure left uncommitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Members concerned; a part counts as one.
    pub files: u64,
    /// Bytes of their files, holes included.
    pub bytes: u64,
    /// Archive paths of the first [`REMARKS_KEPT`] of them.
    pub first_paths: Vec<Vec<u8>>,
}

impl Unconfirmed {
    /// Adds a member.
    pub(super) fn add(&mut self, written: &WrittenMember) {
        self.files += 1;
        self.bytes += written.bytes;
        if self.first_paths.len() < REMARKS_KEPT {
            self.first_paths.push(written.path.clone());
        }
    }
}

/// Which stage was the bottleneck: the one that neither starved nor was blocked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Walking and reading the source.
    pub scan: StageTime,
    /// Tar framing, digests and record CRCs.
    pub frame: StageTime,
    /// Writing to the drive; with two destinations, the one that took longer.
    pub drive: StageTime,
    /// Mounting and releasing volumes.
    pub mount: Duration,
    /// How often the drive was given nothing more until the buffer had filled again, since
    /// the source was slower than the tape.
    pub pauses: u64,
}
