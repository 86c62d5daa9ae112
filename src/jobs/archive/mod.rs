//! The archive job: what a [`JobDescription`] says, onto volumes of a pool.

mod base;
pub mod buffer;
mod compress;
mod description;
mod hooks;
mod job_file;
mod lists;
mod preview;
mod resume;
mod streams;
mod summary;

use std::path::PathBuf;

use catalogs::model::event::{Event, JobStarted};
use catalogs::{Catalog, Job};
use uuid::Uuid;

use super::catalog_copy::{self, Behind, CatalogCopy, Keeping};
use super::engine_error::from_writing;
use super::lock::Lock;
use super::mount::Mounter;
use super::source::{CatalogSink, LibrarySource};
use super::who::host_name;
use super::{JobError, Outcome, SOFTWARE, Site, catalog, compact, convert};
use super::{interrupted, library, retention};
use crate::engine::archive::{self as engine, ArchivePlan};
use crate::engine::source::{self, Base};
use crate::volume::index::{JobHeader, JobPolicy, KeepUntil, Level, SegmentInfo};
use crate::volume::segment::DEFAULT_SEGMENT_BYTES;
use base::Basis;
use hooks::HookRun;

pub use crate::engine::source::{CommandSource, FileList, Source};
pub use crate::volume::index::DigestAlgorithm;
pub use base::BaseJob;
pub use compress::Compress;
pub use description::{Hooks, JobDescription};
pub use job_file::read as read_job_file;
pub use preview::{ArchivePreview, Previewed, preview};
pub use summary::{
    ArchiveSummary, ArchiveTimings, BottleneckSummary, Changes, CommandEnded, CopySummary,
    FailedWrite, StageSeconds, WrittenSegment,
};
use summary::{copied, ended, outcome_of, summarise};
pub(super) use summary::{failed, problems, written};

/// Archives the sources of a job to volumes of a pool.
///
/// What the summary counts is on its medium and in the catalog. Problems with single files
/// make the outcome partial and stop nothing.
///
/// # Errors
///
/// The description makes no sense, a path does not exist or the hook before the job fails (no
/// tape was touched), no tape of the pool can be written, or the job failed before its first
/// segment was confirmed. A failure after that is in [`ArchiveSummary::failure`]. A second copy
/// is refused where the library has one drive; where the second drive is not free or its tapes
/// fail, the job goes on without it, and [`ArchiveSummary::copy`] says so.
pub fn archive(site: Site<'_>, job: &JobDescription) -> Result<ArchiveSummary, JobError> {
    let never = never(site)?;
    site.state.check_room()?;
    let catalog = catalog::open_to_write_tapes(site)?;
    interrupted::settle(site, &catalog)?;
    let before = match &job.resume {
        Some(name) => Some(resume::job(site, &catalog, name, job)?),
        None => None,
    };
    let job = &match &before {
        Some(before) => resume::description(job, before),
        None => job.clone(),
    };
    check_pool(&catalog, &job.pool)?;

    let id = match &before {
        Some(before) => before.start.what.job,
        None => site.clock.new_id(),
    };
    let hooks = HookRun::new(site, job, id);
    let begun = hooks
        .before()
        .and_then(|()| begin(site, &catalog, job, (id, before.as_ref()), never));
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let mut result = Err(error);
            hooks.after(&mut result);
            return result;
        }
    };
    let mut end = RecordedEnd {
        site,
        catalog: &catalog,
        job: id,
        before: before.as_ref(),
        recorded: None,
    };
    let (mut result, owner) = run(site, &catalog, begun, job, &mut end);
    hooks.after(&mut result);
    end.record(&result)?;
    owner.retire();
    compact::after_job(site, &catalog);
    result
}

/// The end of a job in the catalog: recorded before a copy of the catalog is written, and again
/// if something was wrong behind it.
struct RecordedEnd<'a> {
    site: Site<'a>,
    catalog: &'a Catalog,
    job: Uuid,
    before: Option<&'a Job>,
    /// Outcome and number of problems.
    recorded: Option<(Outcome, u64)>,
}

impl RecordedEnd<'_> {
    fn record(&mut self, result: &Result<ArchiveSummary, JobError>) -> Result<(), JobError> {
        let outcome = result
            .as_ref()
            .map_or_else(outcome_of, |summary| summary.outcome);
        let mut ended = ended(result);
        let end = Some((outcome, ended.problems.total));
        if self.recorded == end {
            return Ok(());
        }
        if let Some(before) = self.before {
            streams::keep_commands(&mut ended.commands, before);
        }
        interrupted::finish(self.site, self.catalog, self.job, outcome, ended)?;
        self.recorded = end;
        Ok(())
    }
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

/// Looks at everything that can be looked at before a tape moves, and records the job. It goes
/// on with `before`, if that is given.
fn begin<'a>(
    site: Site<'a>,
    catalog: &Catalog,
    job: &JobDescription,
    (id, before): (Uuid, Option<&Job>),
    never: Vec<PathBuf>,
) -> Result<Begun<'a>, JobError> {
    let mut plan = plan(site, job, id, never)?;
    let lists = lists::noted(&job.sources)?;
    let basis = match before {
        Some(before) => {
            plan.job.started_at = before.start.time;
            streams::check_sources(before, &plan.job.roots)?;
            lists::check(site, before, &lists, job.changed_lists)?;
            base::of_resumed(catalog, job, &mut plan.job, before)?
        }
        None => base::find(catalog, job, &mut plan.job)?,
    };
    let keep_until = job.keep.map(|keep| keep.until(plan.job.started_at));
    retention::check_ahead(site, &plan.job.name, keep_until.flatten())?;
    plan.job.policy = JobPolicy {
        pool: Some(job.pool.clone()),
        copy_pool: job.copy_pool.clone(),
        keep: match keep_until {
            Some(until) => Some(until.map_or(KeepUntil::Forever, KeepUntil::Moment)),
            None => retention::said_of(catalog, id)?,
        },
    };
    let mut mounter = mounter(site, job)?;
    if let Some(copy_pool) = &job.copy_pool {
        check_copy(catalog, &mut mounter, &job.pool, copy_pool)?;
    }
    if let Some(notice) = basis.announcement() {
        site.monitor.notice(&notice);
    }
    let owner = interrupted::own(site, id)?;
    let started = JobStarted {
        one_file_system: job.one_file_system,
        more_sources: !job.has_only_paths(),
        lists,
        ..convert::job_started(&plan.job, job.pool.clone())
    };
    catalog.append(plan.job.started_at, &Event::JobStarted(started))?;
    if let Some(until) = keep_until {
        retention::set(site, catalog, id, until)?;
    }
    Ok(Begun {
        plan,
        basis,
        mounter,
        owner,
    })
}

fn mounter<'a>(site: Site<'a>, job: &JobDescription) -> Result<Mounter<'a>, JobError> {
    let by_drive = job.compress == Some(Compress::Drive);
    Ok(Mounter::open(site)?.compressing(by_drive))
}

pub(super) fn check_pool(catalog: &Catalog, pool: &str) -> Result<(), JobError> {
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

/// Whether a second copy can be made beside the first at all.
fn check_copy(
    catalog: &Catalog,
    mounter: &mut Mounter<'_>,
    pool: &str,
    copy_pool: &str,
) -> Result<(), JobError> {
    check_pool(catalog, copy_pool)?;
    if pool == copy_pool {
        let what = format!("a second copy in the same pool {pool} would not be safer than one");
        return Err(JobError::Request { what });
    }
    mounter.expect_drives(2)
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
            digest: job.digest,
            policy: JobPolicy::default(),
        },
        sources: job.sources.clone(),
        excludes: job.excludes.clone(),
        one_file_system: job.one_file_system,
        never,
        segment_limit_bytes: limit.map_or(DEFAULT_SEGMENT_BYTES, |limit| limit.0),
        resume: None,
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

/// Also gives back the lock of the job, which is over.
fn run(
    site: Site<'_>,
    catalog: &Catalog,
    begun: Begun<'_>,
    job: &JobDescription,
    end: &mut RecordedEnd<'_>,
) -> (Result<ArchiveSummary, JobError>, Lock) {
    let Begun {
        mut plan,
        basis,
        mounter,
        owner,
    } = begun;
    let result = carry_out(site, catalog, mounter, &mut plan, &basis, job, end);
    (result, owner)
}

fn carry_out(
    site: Site<'_>,
    catalog: &Catalog,
    mounter: Mounter<'_>,
    plan: &mut ArchivePlan,
    basis: &Basis,
    job: &JobDescription,
    end: &mut RecordedEnd<'_>,
) -> Result<ArchiveSummary, JobError> {
    let pool = &job.pool;
    let mut segments = Vec::new();
    let keeps = job.catalog_copy != CatalogCopy::Never;
    let source = |mounter, pool: &str| {
        let source = LibrarySource::new(site, catalog, mounter, Some(pool.to_owned()));
        Keeping::new(source, keeps)
    };
    let mut volumes = source(mounter, pool);
    let mut copies = match &job.copy_pool {
        Some(pool) => Some(source(self::mounter(site, job)?, pool)),
        None => None,
    };
    let copies_source = copies.as_mut().map(|copies| &mut copies.source);
    adopt(
        catalog,
        plan,
        basis,
        job,
        &mut volumes.source,
        copies_source,
    )?;
    let plan = &*plan;
    let mut sink = CatalogSink {
        catalog,
        committed: |info: &SegmentInfo, end_block| segments.push(written(info, end_block)),
    };
    let base = basis.listed(catalog);
    let base = base.as_ref().map(|base| base as &dyn Base);
    let (clock, monitor) = (site.clock, site.monitor);
    let report = match &mut copies {
        None => engine::archive(plan, base, &mut volumes, &mut sink, clock, monitor),
        Some(copies) => {
            engine::archive_twice(plan, base, &mut volumes, copies, &mut sink, clock, monitor)
        }
    };
    let mut report = report.map_err(|error| from_writing(catalog, error))?;
    let adopted = [Some(&volumes), copies.as_ref()];
    let adopted_segments = adopted.into_iter().flatten();
    let adopted_segments = adopted_segments.map(|one| one.source.adopted_segments());
    let adopted_segments = adopted_segments.sum();
    let failure = report.failure.take();
    let failure = failure.map(|error| from_writing(catalog, error));
    let copy = report.copy.take().zip(job.copy_pool.clone());
    let copy = copy.map(|(copy, pool)| copied(catalog, pool, copy, report.files));
    let mut summary = summarise(
        plan,
        pool,
        report,
        failure,
        segments,
        (adopted_segments, copy),
    )?;
    (summary.level, summary.base) = (basis.level(), basis.job());
    let tapes = [Some(volumes), copies].into_iter().flatten().collect();
    copy_catalog(plan, job, summary, tapes, end)
}

/// Writes a copy of the catalog behind the job, where one is due, and gives the tapes back. All
/// that the job did is recorded by then.
fn copy_catalog(
    plan: &ArchivePlan,
    job: &JobDescription,
    summary: ArchiveSummary,
    mut tapes: Vec<Keeping<'_>>,
    end: &mut RecordedEnd<'_>,
) -> Result<ArchiveSummary, JobError> {
    let (site, catalog) = (end.site, end.catalog);
    let came_to_end = matches!(summary.outcome, Outcome::Complete | Outcome::Partial);
    let wanted = job.catalog_copy != CatalogCopy::Never && !summary.segments.is_empty();
    if !wanted || !came_to_end || summary.failure.is_some() || site.monitor.stop_requested() {
        return Ok(summary);
    }
    let result = Ok(summary);
    end.record(&result)?;
    let mut summary = result?;
    let behind = Behind {
        job: &plan.job,
        memory: plan.memory,
        when: job.catalog_copy,
        segments: &summary.segments,
    };
    summary.catalog_copies =
        catalog_copy::write(site, catalog, &behind, tapes.iter_mut().collect());
    Ok(summary)
}

/// Mounts first, where what a cut-off job has whole on tape behind its last commit has to be
/// known: it is adopted then, and so neither archived again nor missed where it is gone.
fn adopt(
    catalog: &Catalog,
    plan: &mut ArchivePlan,
    basis: &Basis,
    job: &JobDescription,
    volumes: &mut LibrarySource<'_>,
    copies: Option<&mut LibrarySource<'_>>,
) -> Result<(), JobError> {
    let id = plan.job.id;
    let cut_off = match &job.resume {
        Some(_) => std::slice::from_ref(&id),
        None => basis.cut_off(),
    };
    if cut_off.is_empty() {
        return Ok(());
    }
    let pool = &job.pool;
    volumes.prepare(resume::last_volume(catalog, cut_off, pool)?)?;
    let mut pools = vec![pool.as_str()];
    if let (Some(copies), Some(pool)) = (copies, &job.copy_pool) {
        let prepared = copies.prepare(resume::last_volume(catalog, cut_off, pool)?);
        tracing::debug!(?prepared, "mounted for the second copy");
        pools.push(pool);
    }
    if job.resume.is_some() {
        plan.resume = Some(resume::state(catalog, plan, &pools)?);
    }
    Ok(())
}
