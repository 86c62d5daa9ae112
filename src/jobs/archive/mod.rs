//! The archive job: files and directories onto volumes of a pool.

mod summary;

use std::path::PathBuf;

use catalogs::Catalog;
use catalogs::model::event::Event;

use super::mount::Mounter;
use super::source::{CatalogSink, LibrarySource, from_writing};
use super::{JobError, SOFTWARE, Site, catalog, convert, interrupted, library};
use crate::engine::archive::{self as engine, ArchivePlan, Memory};
use crate::engine::source::{Selection, Walk};
use crate::units::ByteSize;
use crate::volume::index::{JobHeader, SegmentInfo};
use crate::volume::segment::DEFAULT_SEGMENT_BYTES;
pub use summary::{ArchiveSummary, ArchiveTimings, StageSeconds, WrittenSegment};
use summary::{one_problem, outcome_of, summarise, written};

/// What to archive, and where to.
#[derive(Debug, Clone, Default)]
pub struct ArchiveOptions {
    /// Files and directories, absolute or relative to the working directory.
    pub paths: Vec<PathBuf>,
    /// The pool whose volumes are written.
    pub pool: String,
    /// The job's name; `None` makes one of the first path's name and the date.
    pub name: Option<String>,
    /// What to leave out: globs; without a slash they match any name.
    pub excludes: Vec<String>,
    /// Do not cross into other file systems.
    pub one_file_system: bool,
    /// Bound of a segment; `None` is the default of the tape format, 32 GiB.
    pub segment_limit: Option<ByteSize>,
}

/// Archives files and directories to volumes of a pool.
///
/// What the summary counts is on its medium and in the catalog. Problems with single files
/// make the outcome partial and stop nothing.
///
/// # Errors
///
/// The options make no sense or a path does not exist (no tape was touched), no tape of the
/// pool can be written, or the job failed before its first segment was confirmed. A failure
/// after that is in [`ArchiveSummary::failure`].
pub fn archive(site: Site<'_>, options: &ArchiveOptions) -> Result<ArchiveSummary, JobError> {
    let config = site.state.library()?;
    let mut never = vec![site.state.root().to_owned()];
    never.extend(library::own_directory(&config));
    let catalog = catalog::open(site)?;
    interrupted::settle(site, &catalog)?;
    check_pool(&catalog, &options.pool)?;
    let plan = plan(site, options, never)?;
    let mounter = Mounter::open(site)?;

    let owner = interrupted::own(site, plan.job.id)?;
    let started = convert::job_started(&plan.job, options.pool.clone(), options.excludes.clone());
    catalog.append(plan.job.started_at, &Event::JobStarted(started))?;
    let result = run(site, &catalog, mounter, &plan, &options.pool);
    let (outcome, problems) = match &result {
        Ok(summary) => (summary.outcome, summary.problems.clone()),
        Err(error) => (outcome_of(error), one_problem(error)),
    };
    interrupted::finish(site, &catalog, plan.job.id, outcome, problems)?;
    owner.retire();
    result
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
    options: &ArchiveOptions,
    never: Vec<PathBuf>,
) -> Result<ArchivePlan, JobError> {
    let selection = Selection {
        sources: options.paths.clone(),
        excludes: options.excludes.clone(),
        one_file_system: options.one_file_system,
        never: never.clone(),
    };
    // Looks at every path and pattern before any tape is touched.
    let roots = Walk::new(&selection).map_err(JobError::Engine)?.roots();
    let started_at = site.clock.now();
    let name = match &options.name {
        Some(name) => name.clone(),
        None => default_name(&roots[0], started_at),
    };
    let limit = options
        .segment_limit
        .map_or(DEFAULT_SEGMENT_BYTES, |limit| limit.0);
    Ok(ArchivePlan {
        job: JobHeader {
            id: site.clock.new_id(),
            name,
            started_at,
            host: host_name(),
            software: SOFTWARE.to_owned(),
            roots,
        },
        sources: options.paths.clone(),
        excludes: options.excludes.clone(),
        one_file_system: options.one_file_system,
        never,
        segment_limit_bytes: limit,
        memory: Memory::default(),
    })
}

/// The first root's last component and the date, such as `photos 2026-01-31`.
fn default_name(root: &[u8], started_at: jiff::Timestamp) -> String {
    let base = root.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let base = if base.is_empty() {
        "root".into()
    } else {
        String::from_utf8_lossy(base)
    };
    format!("{base} {}", started_at.strftime("%Y-%m-%d"))
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
) -> Result<ArchiveSummary, JobError> {
    let mut segments = Vec::new();
    let mut volumes = LibrarySource::new(site, catalog, mounter, Some(pool.to_owned()));
    let mut sink = CatalogSink {
        site,
        catalog,
        committed: |info: &SegmentInfo, end_block| segments.push(written(info, end_block)),
    };
    let mut report = engine::archive(plan, &mut volumes, &mut sink, site.clock, site.monitor)
        .map_err(|error| from_writing(catalog, error))?;
    let adopted_segments = volumes.adopted_segments();
    drop(volumes);
    let failure = report.failure.take();
    let failure = failure.map(|error| from_writing(catalog, error));
    summarise(plan, pool, report, failure, segments, adopted_segments)
}
