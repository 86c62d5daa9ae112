//! What a job says of itself at its end.

use catalogs::Catalog;
use serde::Serialize;
use uuid::Uuid;

pub use catalogs::model::event::CommandEnded;

use super::base::BaseJob;
use crate::engine::VolumeEnd;
use crate::engine::archive::{self as engine, ArchivePlan, ArchiveReport, Remarks};
use crate::engine::archive::{DestinationReport, FailedVolume, StageTime, Timings};
use crate::engine::source::{CommandEnd, Compared};
use crate::error_text::with_causes;
use crate::jobs::catalog_copy::CopiedCatalog;
use crate::jobs::engine_error::from_writing;
use crate::jobs::error::Failure;
use crate::jobs::interrupted::Ended;
use crate::jobs::{ByteText, JobError, JobErrorKind, Level, Outcome, Problem, Problems};
use crate::monitor::Pace;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::index::Level as volume_level;
use crate::volume::index::SegmentInfo;

/// A segment that this job wrote.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenSegment {
    /// Barcode of the tape it is on.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Counts the segments of the volume from 1.
    pub number: u64,
    /// Tape file with the data.
    pub tape_file: TapeFile,
    /// Its first block.
    pub first_block: BlockAddress,
    /// The block after its index's filemark.
    pub end_block: BlockAddress,
    /// Members in it.
    pub files: u64,
    /// Bytes of files in it.
    pub file_bytes: u64,
    /// How it is stored: `none` as it is, `zstd` compressed.
    pub codec: &'static str,
    /// Bytes of its tar archive, before compression.
    pub tar_bytes: u64,
    /// Bytes of its records on tape, before compression by the drive.
    pub stored_bytes: u64,
}

/// How a job went.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveSummary {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// The pool it wrote to.
    pub pool: String,
    /// What of the trees it archived.
    pub level: Level,
    /// What it was measured against, if it was not full.
    pub base: Option<BaseJob>,
    /// How the trees compare with that; `None` if it was full.
    pub changes: Option<Changes>,
    /// How it ended.
    pub outcome: Outcome,
    /// Members on tape.
    pub files: u64,
    /// Bytes of files on tape.
    pub file_bytes: u64,
    /// Bytes of the tar archives of all segments, before compression.
    pub tar_bytes: u64,
    /// Bytes of their records on tape, before compression by the drive.
    pub stored_bytes: u64,
    /// How many bytes of archive are in one byte of records: above 1 where it was compressed.
    pub ratio: f64,
    /// What it wrote, in order; each is on its medium and in the catalog.
    pub segments: Vec<WrittenSegment>,
    /// Segments with files that were complete on a tape and not in the catalog, which has them now:
    /// of cut-off jobs, or of jobs that an older copy of the catalog does not know.
    pub adopted_segments: u64,
    /// Files that are missing or not whole.
    pub problems: Problems,
    /// What was left out on purpose and might surprise: sockets, other file systems.
    pub notes: Problems,
    /// Objects left out by a pattern, not counting what lies below excluded directories.
    pub excluded: u64,
    /// How the commands ended whose output it archived.
    pub commands: Vec<CommandEnded>,
    /// What ended the job before its end, if anything did.
    pub failure: Option<Failure>,
    /// Members that were read, but are not proven to be on tape after a failure.
    pub unconfirmed_files: u64,
    /// Bytes of files among those members.
    pub unconfirmed_bytes: u64,
    /// Tapes that failed while they were written. What was not confirmed on them was written
    /// again on others, unless the job failed.
    pub failed_tapes: Vec<FailedWrite>,
    /// Members that were to be written again and could not be read again; among the problems.
    pub lost_files: u64,
    /// The second copy, if one was wanted.
    pub copy: Option<CopySummary>,
    /// What became of a copy of the catalog on the tapes that it wrote last.
    pub catalog_copies: Vec<CopiedCatalog>,
    /// Where the time went.
    pub timings: ArchiveTimings,
}

/// A tape that failed while it was written.
#[derive(Debug, Clone, Serialize)]
pub struct FailedWrite {
    /// Its barcode.
    pub barcode: String,
    /// It was marked suspect: nothing more is written to it.
    pub suspect: bool,
    /// What it failed with, for people.
    pub what: String,
}

/// How the second copy went.
#[derive(Debug, Clone, Serialize)]
pub struct CopySummary {
    /// The pool it went to.
    pub pool: String,
    /// Members on its tapes.
    pub files: u64,
    /// Bytes of files on them.
    pub file_bytes: u64,
    /// What ended it before the job's end, if anything did. The first copy went on.
    pub failure: Option<Failure>,
    /// Members that are on tapes of the job's pool and not on those of this one.
    pub missing_files: u64,
    /// Tapes that failed while they were written.
    pub failed_tapes: Vec<FailedWrite>,
}

/// How the source compares with what is on tape, in objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// On tape in the present state: not archived again.
    pub unchanged: u64,
    /// Bytes of the files among these.
    pub unchanged_bytes: u64,
    /// There before, in another state, or not whole on tape: archived again.
    pub changed: u64,
    /// Not there before.
    pub new: u64,
    /// There before, and not any more.
    pub deleted: u64,
    /// Of the unchanged those that were recognised without an inode number, since the job that
    /// archived them did not record it.
    pub without_inode: u64,
}

impl Changes {
    pub(super) fn new(compared: Compared) -> Self {
        Self {
            unchanged: compared.unchanged,
            unchanged_bytes: compared.unchanged_bytes,
            changed: compared.changed,
            new: compared.new,
            deleted: compared.gone,
            without_inode: compared.without_inode,
        }
    }
}

/// Seconds that one stage of a job spent.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StageSeconds {
    /// What went through it: bytes of files; at the drive, of records.
    pub bytes: u64,
    /// Working.
    pub busy: f64,
    /// Waiting for the stage before it.
    pub starved: f64,
    /// Waiting for the stage behind it.
    pub blocked: f64,
}

/// Where the time of a job went.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ArchiveTimings {
    /// Walking and reading the source.
    pub scan: StageSeconds,
    /// Tar framing, digests and CRCs.
    pub frame: StageSeconds,
    /// Writing to the drive.
    pub drive: StageSeconds,
    /// Mounting and releasing tapes, in seconds.
    pub mount: f64,
    /// How often the drive got nothing more until the buffer had filled again, since the
    /// source was slower than the tape.
    pub pauses: u64,
    /// What set the pace; absent of a job that wrote nothing.
    pub bottleneck: Option<BottleneckSummary>,
}

/// What set the pace of a job.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BottleneckSummary {
    /// `source`, `host` (digests and check sums) or `drive`.
    pub stage: &'static str,
    /// Share of the time that the drive waited, or with the stage `drive` what is before it.
    pub waited_percent: u8,
}

/// What the summary says of a committed segment.
pub(in crate::jobs) fn written(info: &SegmentInfo, end_block: BlockAddress) -> WrittenSegment {
    WrittenSegment {
        barcode: info.barcode.clone(),
        volume: info.volume,
        number: info.number,
        tape_file: TapeFile(info.number * 2 - 1),
        first_block: info.first_block,
        end_block,
        files: info.files,
        file_bytes: info.file_bytes,
        codec: info.codec.name(),
        tar_bytes: info.tar_bytes,
        stored_bytes: info.stored_bytes(),
    }
}

/// Turns the engine's report into the job's summary; or `failure`, which ended the run before its
/// end, into the error if it left nothing.
pub(super) fn summarise(
    plan: &ArchivePlan,
    pool: &str,
    report: ArchiveReport,
    failure: Option<JobError>,
    segments: Vec<WrittenSegment>,
    (adopted_segments, copy): (u64, Option<CopySummary>),
) -> Result<ArchiveSummary, JobError> {
    let outcome = match (&failure, report.outcome) {
        (Some(error), _) => outcome_of(error),
        (None, engine::Outcome::Complete) => Outcome::Complete,
        (None, engine::Outcome::Partial) => Outcome::Partial,
        (None, engine::Outcome::Interrupted) => Outcome::Interrupted,
    };
    let failure = match failure {
        Some(error) if segments.is_empty() => return Err(error),
        failure => failure.as_ref().map(Failure::from),
    };
    let tar_bytes = segments.iter().map(|segment| segment.tar_bytes).sum();
    let stored_bytes = segments.iter().map(|segment| segment.stored_bytes).sum();
    Ok(ArchiveSummary {
        job: plan.job.id,
        name: plan.job.name.clone(),
        pool: pool.to_owned(),
        level: Level::Full,
        base: None,
        changes: (plan.job.level != volume_level::Full).then(|| Changes::new(report.compared)),
        outcome,
        files: report.files,
        file_bytes: report.bytes,
        tar_bytes,
        stored_bytes,
        ratio: ratio(tar_bytes, stored_bytes),
        segments,
        adopted_segments,
        problems: problems(report.problems),
        notes: problems(report.notes),
        excluded: report.excluded,
        commands: commands(report.commands),
        failure,
        unconfirmed_files: report.unconfirmed.files,
        unconfirmed_bytes: report.unconfirmed.bytes,
        failed_tapes: failed(report.failed_volumes),
        lost_files: report.lost,
        copy,
        catalog_copies: Vec::new(),
        timings: timings(report.timings),
    })
}

/// 1 where nothing was stored.
fn ratio(tar_bytes: u64, stored_bytes: u64) -> f64 {
    match stored_bytes {
        0 => 1.0,
        stored_bytes => tar_bytes as f64 / stored_bytes as f64,
    }
}

/// What became of the second copy, where the first has `files` members.
pub(super) fn copied(
    catalog: &Catalog,
    pool: String,
    report: DestinationReport,
    files: u64,
) -> CopySummary {
    let failure = report.failure.map(|error| from_writing(catalog, error));
    CopySummary {
        pool,
        files: report.files,
        file_bytes: report.bytes,
        failure: failure.as_ref().map(Failure::from),
        missing_files: files.saturating_sub(report.files),
        failed_tapes: failed(report.failed_volumes),
    }
}

/// Tapes that failed while they were written.
pub(in crate::jobs) fn failed(volumes: Vec<FailedVolume>) -> Vec<FailedWrite> {
    let failed = volumes.into_iter().map(|volume| FailedWrite {
        suspect: matches!(volume.end, VolumeEnd::Suspect(_)),
        barcode: volume.barcode,
        what: volume.what,
    });
    failed.collect()
}

fn timings(timings: Timings) -> ArchiveTimings {
    let stage = |time: StageTime| StageSeconds {
        bytes: time.bytes,
        busy: time.busy.as_secs_f64(),
        starved: time.starved.as_secs_f64(),
        blocked: time.blocked.as_secs_f64(),
    };
    ArchiveTimings {
        scan: stage(timings.scan),
        frame: stage(timings.frame),
        drive: stage(timings.drive),
        mount: timings.mount.as_secs_f64(),
        pauses: timings.pauses,
        bottleneck: timings.bottleneck().map(|found| BottleneckSummary {
            stage: match found.pace {
                Pace::Source => "source",
                Pace::Host => "host",
                Pace::Drive => "drive",
            },
            waited_percent: found.waited_percent,
        }),
    }
}

/// An engine's remarks in the words of jobs.
pub(in crate::jobs) fn problems(remarks: Remarks) -> Problems {
    let mut problems = Problems::default();
    for remark in remarks.first {
        problems.push(Problem {
            path: ByteText(remark.path),
            what: remark.what,
        });
    }
    problems.total = remarks.total;
    problems
}

/// How a job ended that this error ended.
pub(super) fn outcome_of(error: &JobError) -> Outcome {
    match error.kind() {
        JobErrorKind::Interrupted => Outcome::Interrupted,
        _ => Outcome::Failed,
    }
}

/// What is recorded of a job at its end. If it did not come to its first segment, the reason
/// stands for its problems.
pub(super) fn ended(result: &Result<ArchiveSummary, JobError>) -> Ended {
    match result {
        Ok(summary) => Ended {
            problems: summary.problems.clone(),
            commands: summary.commands.clone(),
        },
        Err(error) => {
            let mut problems = Problems::default();
            problems.push(Problem {
                path: ByteText::default(),
                what: with_causes(error),
            });
            Ended {
                problems,
                ..Ended::default()
            }
        }
    }
}

/// Commands that are recorded, and bytes of all that they said: a line of the ledger is bounded.
pub(super) const COMMANDS_MAX: usize = 64;
const STDERR_BYTES_MAX: usize = 128 << 10;

fn commands(ends: Vec<CommandEnd>) -> Vec<CommandEnded> {
    let share_bytes = STDERR_BYTES_MAX / ends.len().clamp(1, COMMANDS_MAX);
    let recorded = ends.into_iter().take(COMMANDS_MAX).map(|end| CommandEnded {
        place: ByteText(end.place),
        ending: end.ending,
        stderr: tail(&end.stderr, share_bytes),
        complete: end.is_whole,
    });
    recorded.collect()
}

/// The end of a text, without what takes six bytes in JSON.
fn tail(bytes: &[u8], most_bytes: usize) -> String {
    let text = String::from_utf8_lossy(bytes).replace(|c: char| c.is_control() && c != '\n', " ");
    let from = text.len().saturating_sub(most_bytes);
    let from = (from..=text.len()).find(|&at| text.is_char_boundary(at));
    text[from.unwrap_or_default()..].to_owned()
}
