//! Restore: reads members from volumes and puts them beneath a target directory.
//!
//! A [`RestorePlan`] names places on volumes; [`RestoreReport`] says what came of them.
//! Each volume is read once, in the plan's order; a bad record costs only the
//! members in it, and not even these where the plan has another copy of them. Hard links are
//! made when all volumes are done, then the metadata of directories is set, deepest first.
//!
//! Memory: the plan itself; one record and one member's headers; one byte per read, and a
//! pointer for each that has another copy; the names of hard links; the metadata of directories.
//! Knows neither the catalog that made the plan nor how volumes are mounted.

mod copies;
mod incoming;
mod links;
mod parts;
mod pass;
mod plan;
mod pour;
mod read;
mod report;
mod resume;
mod run;
mod tar_out;
mod tar_stream;

pub use plan::{MemberRead, RestorePlan, Turn, VolumeReads};
pub use pour::{PourReport, pour};
pub use report::{PROBLEMS_LISTED, RestoreOutcome, RestoreReport, VolumeFailure};
pub use resume::{FirstName, Resume};

pub use tar_out::HELD_BYTES;
pub use tar_stream::{CutFile, TarPlan, write_tar};

use crate::engine::target::Target;
use crate::engine::{EngineError, VolumeSource};
use crate::monitor::Monitor;

/// Carries out `plan`.
///
/// Problems with single objects and with single volumes do not end it: they are in the
/// report, and the rest is restored. Nothing unverified is ever left in place where the
/// plan has a digest.
///
/// # Errors
///
/// [`EngineError::Target`] if the target cannot be created or opened. No volume was
/// touched.
pub fn restore(
    plan: &RestorePlan,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, EngineError> {
    let mut target =
        Target::open(&plan.target, plan.options).map_err(|source| EngineError::Target {
            path: plan.target.clone(),
            source,
        })?;
    if let Some(restore) = plan.resume.restore {
        target.take_up(restore, &plan.resume.directories, monitor);
    }
    Ok(restore_into(target, plan, volumes, monitor))
}

/// As [`restore`], into a target that is open already.
pub fn restore_into(
    target: Target,
    plan: &RestorePlan,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
) -> RestoreReport {
    let files = read::Files::new(target, plan, monitor);
    let mut run = run::Run::new(files, plan, monitor);
    run.volumes(volumes);
    let (mut files, mut report) = run.finish(&[]);
    report.renamed = files.target.take_renamed();
    report.metadata_not_set = files.target.finish();
    report.settled()
}
