//! Restore: reads members from volumes and puts them beneath a target directory.
//!
//! A [`RestorePlan`] names places on volumes; [`RestoreReport`] says what came of them.
//! Each volume is read once, in the plan's order, in one drive or in several at once; a bad
//! record costs only the members in it, and not even these where the plan has another copy of
//! them. Hard links are made when all volumes are done, then the metadata of directories is set,
//! deepest first.
//!
//! Memory: the plan itself; for each drive one record and one member's headers; one byte per read,
//! and a pointer for each that has another copy; the names of hard links; the metadata of
//! directories. Once something is bad, the index of its segment while that is read, and then four
//! bytes for each record and eight for each frame of the last few segments.
//! Knows neither the catalog that made the plan nor how volumes are mounted.

mod copies;
mod crew;
mod files;
mod gaps;
mod incoming;
mod links;
mod mend;
mod outflow;
mod parts;
mod pass;
mod patches;
mod plan;
mod pour;
mod read;
mod report;
mod resume;
mod run;
mod segments;
mod tar_out;
mod tar_stream;

pub use plan::{KnownDirectory, MemberRead, OtherVersion, RestorePlan, Turn, VolumeReads};
pub use pour::{PourFailure, PourReport, pour};
pub use report::{FallenBack, PROBLEMS_LISTED, RestoreOutcome, RestoreReport, VolumeFailure};
pub use resume::{FirstName, Resume};

pub use tar_out::HELD_BYTES;
pub use tar_stream::{CutFile, TarPlan, write_tar};

use std::thread::Builder;

use crate::engine::target::Target;
use crate::engine::{EngineError, VolumeSource};
use crate::monitor::Monitor;
use crew::Crew;
use files::Directory;
use run::{Reader, Run};

/// A drive that a restore uses.
pub struct RestoreDrive<'s> {
    /// Mounts volumes in it.
    pub volumes: &'s mut dyn VolumeSource,
    /// Hears what is done in it.
    pub monitor: &'s dyn Monitor,
}

/// Carries out `plan` in one drive.
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
    restore_in(plan, &mut [RestoreDrive { volumes, monitor }], monitor)
}

/// As [`restore`], in several drives at once. Each takes the next volume of the plan as soon as it
/// has nothing to do; one that fails leaves what it has to the others. `monitor` hears of the
/// whole.
///
/// # Errors
///
/// As [`restore`].
pub fn restore_in(
    plan: &RestorePlan,
    drives: &mut [RestoreDrive<'_>],
    monitor: &dyn Monitor,
) -> Result<RestoreReport, EngineError> {
    let mut target =
        Target::open(&plan.target, plan.options).map_err(|source| EngineError::Target {
            path: plan.target.clone(),
            source,
        })?;
    if let Some(restore) = plan.resume.restore {
        target.take_up(restore, &plan.resume.directories, &plan.keys(), monitor);
    }
    Ok(carry_out(target, plan, drives, monitor))
}

/// As [`restore`], into a target that is open already.
pub fn restore_into(
    target: Target,
    plan: &RestorePlan,
    volumes: &mut dyn VolumeSource,
    monitor: &dyn Monitor,
) -> RestoreReport {
    carry_out(
        target,
        plan,
        &mut [RestoreDrive { volumes, monitor }],
        monitor,
    )
}

fn carry_out(
    target: Target,
    plan: &RestorePlan,
    drives: &mut [RestoreDrive<'_>],
    monitor: &dyn Monitor,
) -> RestoreReport {
    let run = Run::new(plan, monitor);
    let directory = Directory::new(target, plan);
    let crew = run.volumes(drives.len());
    all_drives(drives, &crew, &run, &directory);
    let crew = run.spares(drives.len(), &mut directory.files(monitor));
    all_drives(drives, &crew, &run, &directory);
    let crew = run.volumes_again(drives.len());
    all_drives(drives, &crew, &run, &directory);
    let mut report = run.finish(&mut directory.files(monitor), &[]);
    let mut target = directory.into_target();
    let mut known_objects = 0;
    for known in &plan.known {
        let (lacks, why) = (KnownDirectory::LACKS, known.why());
        if target.known_directory(&known.name, &known.member, lacks, why) {
            report.count(None, false, monitor);
            known_objects += 1;
        }
    }
    report.renamed = target.take_renamed();
    report.metadata_not_set = target.finish();
    report.settled(plan.objects() + known_objects)
}

/// Has all drives read what is there to be read: each has a thread, the first this one.
fn all_drives<'a>(
    drives: &mut [RestoreDrive<'_>],
    crew: &Crew,
    run: &Run<'a>,
    directory: &Directory<'a>,
) {
    let is_alone = drives.len() == 1;
    let work = |drive: &mut RestoreDrive<'_>| {
        let monitor = drive.monitor;
        let destination = &mut directory.files(monitor);
        let mut reader = Reader {
            run,
            destination,
            monitor,
        };
        reader.work(crew, drive.volumes);
        if !is_alone {
            // While others are at work nothing more is to be said of this one.
            monitor.phase("");
        }
    };
    let Some((first, others)) = drives.split_first_mut() else {
        return;
    };
    std::thread::scope(|scope| {
        for other in others {
            let thread = Builder::new().name("restore".to_owned());
            if let Err(error) = thread.spawn_scoped(scope, || work(other)) {
                tracing::warn!(%error, "a drive less: no thread for it");
                crew.leave();
            }
        }
        work(first);
    });
}
