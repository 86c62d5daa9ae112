//! The restore job: what the catalog knows, back into a directory.

mod choose;
mod chosen;
mod links;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use choose::Choice;

use super::engine_error::from_engine;
use super::mount::{Mounter, Places};
use super::source::LibrarySource;
use super::{ByteText, FailedTape, JobError, Outcome, Problem, Problems, Site, catalog};
use crate::engine::restore::{self as engine, RestoreReport, VolumeReads};
use crate::engine::target::NotSet;
pub use crate::engine::target::{Existing, Owners, TargetOptions};

/// What to restore, and where to.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Paths (a directory means all below it) or globs with `**`, as bytes.
    pub patterns: Vec<Vec<u8>>,
    /// The directory to restore below; made if it is not there.
    pub target: PathBuf,
    /// As things were at this time; `None` is now.
    pub as_of: Option<Timestamp>,
    /// What to do with paths that exist, and by what owners are given.
    pub target_options: TargetOptions,
}

/// Where a tape is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "place", content = "number", rename_all = "snake_case")]
pub enum TapePlace {
    /// In this drive, counted from 0.
    Drive(u16),
    /// In this slot, counted from 1.
    Slot(u16),
    /// In this mail slot, counted from 1.
    MailSlot(u16),
    /// In the robot's hand, where a failed move left it. The next mount brings it into a slot.
    Robot,
    /// Loaded by hand on request.
    Operator,
    /// Not in the library.
    Missing,
}

/// A tape that a restore needs.
#[derive(Debug, Clone, Serialize)]
pub struct TapeNeed {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Where it is.
    pub place: TapePlace,
    /// Members to read from it.
    pub members: u64,
    /// Bytes to read from it.
    pub bytes: u64,
}

/// What a restore will do.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreOutlook {
    /// Objects to restore, of any kind.
    pub objects: u64,
    /// Bytes of the regular files among them.
    pub file_bytes: u64,
    /// The tapes, in the order in which they will be read.
    pub tapes: Vec<TapeNeed>,
    /// Objects that will not be what their names promise: files that were not whole when they
    /// were archived, and older versions in place of newer ones that a job left cut off.
    pub remarks: Problems,
}

/// How a restore went.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreSummary {
    /// How it ended.
    pub outcome: Outcome,
    /// Objects restored, of any kind.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Files whose content was compared with its digest.
    pub verified_files: u64,
    /// The tapes that were needed.
    pub tapes: Vec<TapeNeed>,
    /// Barcodes of tapes that someone has to bring.
    pub missing_tapes: Vec<String>,
    /// Tapes that are there and could not be read, or not to their end.
    pub failed_tapes: Vec<FailedTape>,
    /// All objects that were not restored because of these or of missing tapes.
    pub lost_with_tapes: Vec<LostWithTape>,
    /// Objects that are not what their names promise, see [`RestoreOutlook::remarks`].
    pub remarks: Problems,
    /// Objects that were not restored for a reason of their own.
    pub problems: Problems,
    /// Metadata that could not be set, for lack of privilege for example.
    pub metadata_not_set: Problems,
}

/// What was not restored because of one tape.
#[derive(Debug, Clone, Serialize)]
pub struct LostWithTape {
    /// Its barcode.
    pub barcode: String,
    /// What happened to it, as a sentence without a final full stop.
    pub why: String,
    /// The names of the objects, in the order of the tape; a file in parts once.
    pub objects: Vec<ByteText>,
}

/// Says what a restore would do. Moves no tape and writes nothing.
///
/// # Errors
///
/// Nothing matches, or catalog or library cannot be asked.
pub fn plan(site: Site<'_>, options: &RestoreOptions) -> Result<RestoreOutlook, JobError> {
    let catalog = catalog::open(site)?;
    let places = Mounter::open(site)?.places()?;
    let choice = choose::plan(&catalog, &places, options)?;
    Ok(outlook(&choice, &places))
}

/// Restores what matches. A tape that cannot be had is named, and the rest is restored.
///
/// # Errors
///
/// Nothing matches, catalog or library cannot be asked, or the target cannot be used.
/// What went wrong with single objects or tapes is in the summary.
pub fn restore(site: Site<'_>, options: &RestoreOptions) -> Result<RestoreSummary, JobError> {
    let catalog = catalog::open(site)?;
    let mut mounter = Mounter::open(site)?;
    let places = mounter.places()?;
    let choice = choose::plan(&catalog, &places, options)?;
    let outlook = outlook(&choice, &places);
    let plan = choice.plan;
    let mut volumes = LibrarySource::new(site, &catalog, mounter, None);
    let report = engine::restore(&plan, &mut volumes, site.monitor).map_err(from_engine)?;
    let refused = volumes.finish();
    Ok(summarise(report, outlook, refused))
}

fn outlook(choice: &Choice, places: &Places) -> RestoreOutlook {
    let plan = &choice.plan;
    let need = |volume: &VolumeReads| TapeNeed {
        barcode: volume.barcode.clone(),
        volume: volume.volume,
        place: places.of(&volume.barcode),
        members: volume.reads.len() as u64,
        bytes: volume.reads.iter().map(|read| read.length_bytes).sum(),
    };
    let tapes: Vec<TapeNeed> = plan.volumes.iter().map(need).collect();
    // A cut file has one name and several members, each part but one is no further object.
    let further =
        |read: &&crate::engine::restore::MemberRead| read.part.is_some_and(|part| part.number > 1);
    let reads = plan.volumes.iter().flat_map(|volume| &volume.reads);
    let objects = plan.totals().0 - reads.filter(further).count() as u64;
    RestoreOutlook {
        objects,
        file_bytes: choice.file_bytes,
        tapes,
        remarks: choice.remarks.clone(),
    }
}

fn summarise(
    report: RestoreReport,
    outlook: RestoreOutlook,
    mut tapes: Vec<FailedTape>,
) -> RestoreSummary {
    let mut problems = Problems::default();
    for problem in report.problems {
        problems.push(Problem {
            path: problem.path.as_str().into(),
            what: problem.what,
        });
    }
    problems.total = report.problem_count;
    let mut lost_with_tapes = Vec::new();
    for failure in report.volumes_failed {
        if !failure.lost.is_empty() {
            lost_with_tapes.push(LostWithTape {
                barcode: failure.barcode.clone(),
                why: failure.what,
                objects: failure.lost.into_iter().map(ByteText).collect(),
            });
        }
        // Of a tape that could not be mounted or given back the source has the reason.
        if let Some(error) = failure.error {
            tapes.push(FailedTape::new(failure.barcode, &JobError::Engine(error)));
        }
    }
    let (missing_tapes, failed_tapes) = FailedTape::sort(tapes);
    let outcome = match report.outcome {
        engine::RestoreOutcome::Complete if outlook.remarks.total > 0 => Outcome::Partial,
        engine::RestoreOutcome::Complete => Outcome::Complete,
        engine::RestoreOutcome::Incomplete => Outcome::Partial,
        engine::RestoreOutcome::TargetFull => Outcome::Failed,
        engine::RestoreOutcome::Stopped => Outcome::Interrupted,
    };
    RestoreSummary {
        outcome,
        objects: report.objects,
        files: report.files,
        file_bytes: report.bytes,
        verified_files: report.verified,
        tapes: outlook.tapes,
        missing_tapes,
        failed_tapes,
        lost_with_tapes,
        remarks: outlook.remarks,
        problems,
        metadata_not_set: not_set(report.metadata_not_set),
    }
}

fn not_set(not_set: NotSet) -> Problems {
    let mut problems = Problems::default();
    for item in not_set.items {
        let what = format!("{}: {}", item.what, item.why);
        problems.push(Problem {
            path: item.path.as_str().into(),
            what,
        });
    }
    problems.total = not_set.count;
    problems
}
