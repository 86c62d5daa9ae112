//! The archive job: what a [`JobDescription`] says, onto volumes of a pool.

mod base;
pub mod buffer;
mod compress;
mod description;
mod hooks;
mod job_file;
mod preview;
mod summary;

use std::path::PathBuf;

use catalogs::Catalog;
use catalogs::model::event::Event;
use uuid::Uuid;

use super::lock::Lock;
use super::mount::Mounter;
use super::source::{CatalogSink, LibrarySource, from_writing};
use super::{JobError, SOFTWARE, Site, catalog, convert, interrupted, library};
use crate::engine::archive::{self as engine, ArchivePlan};
use crate::engine::source::{self, Base};
use crate::volume::index::{JobHeader, Level, SegmentInfo};
use crate::volume::segment::DEFAULT_SEGMENT_BYTES;
use base::Basis;
use hooks::HookRun;

pub use crate::engine::source::{CommandSource, FileList, Source};
pub use base::BaseJob;
pub use compress::Compress;
pub use description::{Hooks, JobDescription};
pub use job_file::read as read_job_file;
pub use preview::{ArchivePreview, Previewed, preview};
pub use summary::{
    ArchiveSummary, ArchiveTimings, BottleneckSummary, Changes, CommandEnded, StageSeconds,
    WrittenSegment,
};
use summary::{ended, outcome_of, summarise, written};

/// Archives the sources of a job to volumes of a pool.
///
/// What the summary counts is on its medium and in the catalog. Problems with single files
/// make the outcome partial and stop nothing.
///
/// # Errors
///
/// The description makes no sense, a path does not exist or the hook before the job fails (no
/// tape was touched), no tape of the pool can be written, or the job failed before its first
/// segment was confirmed. A failure after that is in [`ArchiveSummary::failure`].
pub fn archive(site: Site<'_>, job: &JobDescription) -> Result<ArchiveSummary, JobError> {
    let never = never(site)?;
    let catalog = catalog::open(site)?;
    interrupted::settle(site, &catalog)?;
    check_pool(&catalog, &job.pool)?;

    let id = site.clock.new_id();
    let hooks = HookRun::new(site, job, id);
    let begun = hooks
        .before()
        .and_then(|()| begin(site, &catalog, job, id, never));
    let (mut result, begun) = match begun {
        Ok(begun) => {
            let Begun {
                plan,
                basis,
                mounter,
                owner,
            } = begun;
            let result = run(site, &catalog, mounter, &plan, &job.pool, &basis);
            (result, Some(owner))
        }
        Err(error) => (Err(error), None),
    };
    hooks.after(&mut result);
    if let Some(owner) = begun {
        let outcome = result
            .as_ref()
            .map_or_else(outcome_of, |summary| summary.outcome);
        interrupted::finish(site, &catalog, id, outcome, ended(&result))?;
        owner.retire();
    }
    result
}

/// What is never archived: the state, and a simulated library.
fn never(site: Site<'_>) -> Result<Vec<PathBuf>, JobError> {
    let config = site.state.library()?;
    let mut never = vec![site.state.root().to_owned()];
    never.extend(library::own_directory(&config));
    Ok(never)
}

/// A job that is recorded, and has not touched a tape.
struct Begun<'a> {
    plan: ArchivePlan,
    basis: Basis,
    mounter: Mounter<'a>,
    owner: Lock,
}

/// Looks at everything that can be looked at before a tape moves, and records the job.
fn begin<'a>(
    site: Site<'a>,
    catalog: &Catalog,
    job: &JobDescription,
    id: Uuid,
    never: Vec<PathBuf>,
) -> Result<Begun<'a>, JobError> {
    let mut plan = plan(site, job, id, never)?;
    let basis = base::find(catalog, job, &mut plan.job)?;
    let by_drive = job.compress == Some(Compress::Drive);
    let mounter = Mounter::open(site)?.compressing(by_drive);
    if let Some(notice) = basis.announcement() {
        site.monitor.notice(&notice);
    }
    let owner = interrupted::own(site, id)?;
    let started = convert::job_started(&plan.job, job.pool.clone());
    catalog.append(plan.job.started_at, &Event::JobStarted(started))?;
    Ok(Begun {
        plan,
        basis,
        mounter,
        owner,
    })
}

fn check_pool(catalog: &Catalog, pool: &str) -> Result<(), JobError> {
    let volumes = catalog::live_volumes(catalog)?;
    let mut pools: Vec<String> = volumes
        .into_iter()
        .map(|volume| volume.label.what.pool)
        .collect();
    pools.sort();
    pools.dedup();
    match pools.iter().any(|known| known == pool) {
        true => Ok(()),
        false => Err(JobError::NoSuchPool {
            pool: pool.to_owned(),
            pools,
        }),
    }
}

fn plan(
    site: Site<'_>,
    job: &JobDescription,
    id: Uuid,
    never: Vec<PathBuf>,
) -> Result<ArchivePlan, JobError> {
    let limit = job.segment_limit;
    let mut plan = ArchivePlan {
        job: JobHeader {
            id,
            name: String::new(),
            started_at: site.clock.now(),
            host: host_name(),
            software: SOFTWARE.to_owned(),
            roots: Vec::new(),
            excludes: job.excludes.clone(),
            level: Level::Full,
            base: None,
        },
        sources: job.sources.clone(),
        excludes: job.excludes.clone(),
        one_file_system: job.one_file_system,
        never,
        segment_limit_bytes: limit.map_or(DEFAULT_SEGMENT_BYTES, |limit| limit.0),
        memory: buffer::memory(job)?,
        compression: job.compression(),
    };
    // Looks at every path, list, place and pattern before any tape is touched.
    let roots = source::check(&plan.sources, &plan.rules()).map_err(JobError::Engine)?;
    plan.job.name = match &job.name {
        Some(name) => name.clone(),
        None => job.default_name(&roots, plan.job.started_at),
    };
    plan.job.roots = roots;
    Ok(plan)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn run(
    site: Site<'_>,
    catalog: &Catalog,
    mounter: Mounter<'_>,
    plan: &ArchivePlan,
    pool: &str,
    basis: &Basis,
) -> Result<ArchiveSummary, JobError> {
    let mut segments = Vec::new();
    let mut volumes = LibrarySource::new(site, catalog, mounter, Some(pool.to_owned()));
    let mut sink = CatalogSink {
        site,
        catalog,
        committed: |info: &SegmentInfo, end_block| segments.push(written(info, end_block)),
    };
    let against = basis.listed(catalog);
    let against = against.as_ref().map(|base| base as &dyn Base);
    let (clock, monitor) = (site.clock, site.monitor);
    let mut report = engine::archive(plan, against, &mut volumes, &mut sink, clock, monitor)
        .map_err(|error| from_writing(catalog, error))?;
    let adopted_segments = volumes.adopted_segments();
    drop(volumes);
    let failure = report.failure.take();
    let failure = failure.map(|error| from_writing(catalog, error));
    let mut summary = summarise(plan, pool, report, failure, segments, adopted_segments)?;
    (summary.level, summary.base) = (basis.level(), basis.job());
    Ok(summary)
}
