//! Second copies made later: from tapes of one pool to tapes of another, without the source.

mod missing;

use catalogs::model::event::ReceiptRecord;
use catalogs::{Catalog, Job};
use serde::Serialize;
use uuid::Uuid;

use self::missing::{Held, Missing, missing};
use super::archive::{FailedWrite, WrittenSegment, check_pool, failed, problems, written};
use super::catalog_copy::{self, Behind, CatalogCopy, CopiedCatalog, Keeping};
use super::engine_error::from_writing;
use super::error::Failure;
use super::mount::Mounter;
use super::source::{CatalogSink, LibrarySource};
use super::{JobError, Outcome, Problems, Site};
use super::{catalog, compact, convert, interrupted, retention, which};
use crate::engine::archive::{self as engine, Compression, CopyPlan, Memory};
use crate::volume::frames::Effort;
use crate::volume::index::{JobHeader, JobPolicy, KeepUntil, SegmentInfo};
use crate::volume::segment::DEFAULT_SEGMENT_BYTES;

/// What to copy.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// A job's name or identity; `None` for all jobs that want a second copy and lack it.
    pub job: Option<String>,
    /// The pool that gets the copy; `None` for the one that the job named when it began.
    pub pool: Option<String>,
    /// When a copy of the catalog is written behind the copies of a job.
    pub catalog_copy: CatalogCopy,
    /// Only say what is missing.
    pub dry_run: bool,
}

/// How copying went.
#[derive(Debug, Clone, Serialize)]
pub struct CopySummary {
    /// Complete if nothing is missing any more; of a dry run, if nothing is missing.
    pub outcome: Outcome,
    /// The jobs that were looked at and lacked something.
    pub jobs: Vec<CopiedJob>,
    /// What was written, in order; each is on its medium and in the catalog.
    pub segments: Vec<WrittenSegment>,
    /// What became of a copy of the catalog on the tapes that were written last.
    pub catalog_copies: Vec<CopiedCatalog>,
    /// What could not be read from a tape, or not as it was written.
    pub problems: Problems,
    /// Tapes that failed while they were written.
    pub failed_tapes: Vec<FailedWrite>,
    /// What ended the copying before its end, if anything did.
    pub failure: Option<Failure>,
}

/// A job that lacked a second copy of something.
#[derive(Debug, Clone, Serialize)]
pub struct CopiedJob {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// The pool that gets the copy.
    pub pool: String,
    /// Tapes that hold what is missing there, in the order of reading.
    pub tapes: Vec<String>,
    /// Objects that were missing, and names that are gone and were not noted there.
    pub missing_files: u64,
    /// Bytes of files among them.
    pub missing_bytes: u64,
    /// The same, missing now.
    pub still_missing_files: u64,
}

/// Copies what jobs have on tapes of one pool and not on those of another.
///
/// Each member is checked with its digest while it is read. Takes two drives. What the summary
/// names is on its medium and in the catalog, whatever ended the copying.
///
/// # Errors
///
/// No such job or pool, the job names no pool for its copy, the library has one drive, or the
/// catalog cannot be asked. What went wrong at the tapes is in [`CopySummary::failure`].
pub fn copy(site: Site<'_>, options: &CopyOptions) -> Result<CopySummary, JobError> {
    let catalog = match options.dry_run {
        true => catalog::open(site)?,
        false => catalog::open_to_write_tapes(site)?,
    };
    interrupted::settle(site, &catalog)?;
    let mut needs = Vec::new();
    for job in jobs(site, &catalog, options)? {
        for pool in wanted_pools(&job, options)? {
            needs.push(Need::of(&catalog, job.clone(), &pool)?);
        }
    }
    needs.retain(|need| need.missing.files > 0);
    let mut summary = CopySummary {
        outcome: Outcome::Complete,
        jobs: needs.iter().map(Need::told).collect(),
        segments: Vec::new(),
        catalog_copies: Vec::new(),
        problems: Problems::default(),
        failed_tapes: Vec::new(),
        failure: None,
    };
    if needs.is_empty() {
        return Ok(summary);
    }
    if options.dry_run {
        summary.outcome = Outcome::Partial;
        return Ok(summary);
    }
    site.state.check_room()?;
    Mounter::open(site)?.expect_drives(2)?;
    for (at, need) in needs.into_iter().enumerate() {
        check_pool(&catalog, &need.pool)?;
        let goes_on = need.carry_out(site, &catalog, options.catalog_copy, &mut summary)?;
        let left = Need::of(&catalog, need.job, &need.pool)?;
        summary.jobs[at].still_missing_files = left.missing.files;
        if !goes_on {
            break;
        }
    }
    let lacking = summary.jobs.iter().any(|job| job.still_missing_files > 0);
    if summary.outcome == Outcome::Complete && (lacking || summary.problems.total > 0) {
        summary.outcome = Outcome::Partial;
    }
    compact::after_job(site, &catalog);
    Ok(summary)
}

/// The job that was named, or all that want a copy. One that runs is not looked at.
fn jobs(site: Site<'_>, catalog: &Catalog, options: &CopyOptions) -> Result<Vec<Job>, JobError> {
    let Some(name) = &options.job else {
        let mut jobs = retention::kept_jobs(catalog)?;
        jobs.retain(|job| job.start.what.copy_pool.is_some() && job.finish.is_some());
        return Ok(jobs);
    };
    let job = which::newest_job_told(site, catalog, name)?;
    if job.finish.is_none() {
        let what = format!("job {name} still runs: copy it once it has ended");
        return Err(JobError::Request { what });
    }
    Ok(vec![job])
}

/// The pools that are to have all of a job: the one that was named, else both of its own.
fn wanted_pools(job: &Job, options: &CopyOptions) -> Result<Vec<String>, JobError> {
    let start = &job.start.what;
    match (&options.pool, &start.copy_pool) {
        (Some(pool), _) => Ok(vec![pool.clone()]),
        (None, Some(second)) => Ok(vec![second.clone(), start.pool.clone()]),
        (None, None) if options.job.is_none() => Ok(Vec::new()),
        (None, None) => {
            let name = &start.name;
            let what = format!("job {name} names no pool for its second copy: give --pool");
            Err(JobError::Request { what })
        }
    }
}

/// What one job lacks in one pool.
struct Need {
    job: Job,
    pool: String,
    missing: Missing,
    /// Segments of the job that the pool has.
    before: u64,
    /// The last segment to copy is the job's last.
    ends: bool,
    /// Problems that the job had, if it said so.
    problems: Option<u64>,
    /// How long the job is kept, if that was said.
    keep: Option<KeepUntil>,
    /// Bytes of the largest segment to copy, compressed or not.
    largest_bytes: u64,
    /// Segments to copy are compressed, and so the copy is.
    compressed: bool,
}

impl Need {
    fn of(catalog: &Catalog, job: Job, pool: &str) -> Result<Need, JobError> {
        let start = &job.start.what;
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for recorded in catalog.receipts_of_job(&start.job)? {
            let record: ReceiptRecord = recorded.what;
            let volume = catalog::volume(catalog, record.receipt.volume)?;
            match volume.retired.is_none() {
                true if volume.label.what.pool == pool => there.push(record),
                true => here.push(record),
                false => {}
            }
        }
        here.sort_by_key(|record| record.receipt.job_segment);
        let (first, second) = (Held::of(catalog, &here)?, Held::of(catalog, &there)?);
        let missing = missing(catalog, &here, &first, &second)?;
        let number = |record: &ReceiptRecord| record.receipt.job_segment.unwrap_or(0);
        let bytes = |record: &ReceiptRecord| {
            let blocks = record.receipt.end_block - record.receipt.first_block;
            let stored_bytes = blocks * u64::from(record.receipt.record_bytes);
            // A part that was cut to a compressed segment is as long as its room, not as its
            // records.
            stored_bytes.max(record.receipt.tar_bytes)
        };
        let last = here.last().map(|record| &record.receipt);
        let copied = missing.segments.last().map(|segment| segment.segment);
        Ok(Need {
            pool: pool.to_owned(),
            before: there.iter().map(number).max().unwrap_or(0),
            ends: last.is_some_and(|last| last.job_ends && Some(last.segment) == copied),
            problems: last.and_then(|last| last.job_problems),
            keep: retention::said_of(catalog, start.job)?,
            largest_bytes: here.iter().map(bytes).max().unwrap_or(0),
            compressed: here.iter().any(|record| record.receipt.codec.is_some()),
            missing,
            job,
        })
    }

    fn told(&self) -> CopiedJob {
        let tapes = self.missing.segments.iter();
        let mut tapes: Vec<String> = tapes.map(|segment| segment.barcode.clone()).collect();
        tapes.dedup();
        CopiedJob {
            job: self.job.start.what.job,
            name: self.job.start.what.name.clone(),
            pool: self.pool.clone(),
            tapes,
            missing_files: self.missing.files,
            missing_bytes: self.missing.bytes,
            still_missing_files: self.missing.files,
        }
    }

    fn plan(&self) -> CopyPlan {
        let start = &self.job.start.what;
        CopyPlan {
            job: JobHeader {
                id: start.job,
                name: start.name.clone(),
                started_at: self.job.start.time,
                host: start.host.clone(),
                software: start.software.clone(),
                roots: start.roots.iter().map(|root| root.0.clone()).collect(),
                excludes: start.excludes.clone(),
                level: convert::volume_level(start.level),
                base: start.base,
                digest: convert::digest_algorithm(start.digest_algorithm),
                policy: JobPolicy {
                    pool: Some(start.pool.clone()),
                    copy_pool: start.copy_pool.clone(),
                    keep: self.keep,
                },
            },
            segments: self.missing.segments.clone(),
            segments_before: self.before,
            job_ends: self.ends,
            job_problems: self.problems,
            segment_limit_bytes: DEFAULT_SEGMENT_BYTES.max(self.largest_bytes),
            memory: Memory::default(),
            compression: self
                .compressed
                .then(|| Compression::on_all_processors(Effort::default())),
        }
    }

    /// Copies, and adds what came of it to `summary`. False if the next job would fare no better.
    fn carry_out(
        &self,
        site: Site<'_>,
        catalog: &Catalog,
        when: CatalogCopy,
        summary: &mut CopySummary,
    ) -> Result<bool, JobError> {
        let owner = interrupted::own(site, self.job.start.what.job)?;
        let mut from = LibrarySource::new(site, catalog, Mounter::open(site)?, None);
        let pool = Some(self.pool.clone());
        let to = LibrarySource::new(site, catalog, Mounter::open(site)?, pool);
        let mut to = Keeping::new(to, when != CatalogCopy::Never);
        let plan = self.plan();
        let before = summary.segments.len();
        let segments = &mut summary.segments;
        let mut sink = CatalogSink {
            catalog,
            committed: |info: &SegmentInfo, end_block| segments.push(written(info, end_block)),
        };
        let (clock, monitor) = (site.clock, site.monitor);
        let report = engine::copy(&plan, &mut from, &mut to, &mut sink, clock, monitor);
        drop(from);
        let ended_well = report.failure.is_none() && report.written.failure.is_none();
        if when != CatalogCopy::Never && ended_well && !report.stopped {
            let behind = Behind {
                job: &plan.job,
                memory: plan.memory,
                when,
                segments: &summary.segments[before..],
            };
            let copied = catalog_copy::write(site, catalog, &behind, vec![&mut to]);
            summary.catalog_copies.extend(copied);
        }
        drop(to);
        owner.retire();
        let listed = problems(report.problems);
        let total = summary.problems.total + listed.total;
        listed
            .listed
            .into_iter()
            .for_each(|one| summary.problems.push(one));
        summary.problems.total = total;
        summary
            .failed_tapes
            .extend(failed(report.written.failed_volumes));
        if report.stopped {
            summary.outcome = Outcome::Interrupted;
        }
        let failure = report.failure.or(report.written.failure);
        if let Some(error) = failure.map(|error| from_writing(catalog, error)) {
            summary.outcome = Outcome::Failed;
            summary.failure = Some(Failure::from(&error));
        }
        Ok(summary.outcome == Outcome::Complete)
    }
}
