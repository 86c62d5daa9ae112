//! How long jobs are kept: retention times, holds, and what is expired. `docs/retention.md`.
//!
//! Nothing here touches a tape. What is said goes into the ledger, and what follows is
//! worked out from it each time.

mod expire;
mod from_tape;
mod hold;
mod overwrite;
mod plan;
mod span;

use catalogs::model::event::{Event, RetentionSet};
use catalogs::{Catalog, Job};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

pub use expire::{ExpireOptions, ExpireSummary, JobFate, KeptBy, TapeFate, expire};
pub(crate) use from_tape::{said_of, take_from_tape};
pub use hold::{HoldInfo, HoldOn, Release, hold, holds, release};
pub(crate) use overwrite::{check_overwrite, is_free, is_held};
pub use span::{KeepFor, KeepUnit, NotAKeepFor};

use super::who::user_name;
use super::{JobError, RetentionError, Site, catalog, which};

/// Until when jobs are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For some time from their start.
    For(KeepFor),
    /// Until this moment.
    Until(Timestamp),
}

/// A job whose time was set.
#[derive(Debug, Clone, Serialize)]
pub struct KeptJob {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Until when it is kept; `None`: for ever.
    pub until: Option<Timestamp>,
    /// It was expired, and is offered again.
    pub was_expired: bool,
    /// A tape has something of it. If none has, there is nothing to be kept.
    pub on_tape: bool,
}

/// Sets the time of jobs, by name or identity. Expiries before are taken back, also of what the
/// jobs build on: that is then kept as long.
///
/// # Errors
///
/// A job is not known, its name is that of several, or its time would be past: then none was
/// changed; or the catalog cannot be used.
pub fn keep(site: Site<'_>, names: &[String], keep: Keep) -> Result<Vec<KeptJob>, JobError> {
    let catalog = catalog::open(site)?;
    let jobs = names.iter().map(|name| which::one_job(&catalog, name));
    let jobs = jobs.collect::<Result<Vec<Job>, JobError>>()?;
    for job in &jobs {
        check_ahead(site, &job.start.what.name, keep.until(job))?;
    }
    let mut kept = Vec::new();
    for job in jobs {
        kept.extend(revive_base(site, &catalog, &job, keep)?);
        kept.push(keep_one(site, &catalog, &job, keep.until(&job))?);
    }
    Ok(kept)
}

impl Keep {
    fn until(self, job: &Job) -> Option<Timestamp> {
        match self {
            Keep::For(span) => span.until(job.start.time),
            Keep::Until(until) => Some(until),
        }
    }
}

fn keep_one(
    site: Site<'_>,
    catalog: &Catalog,
    job: &Job,
    until: Option<Timestamp>,
) -> Result<KeptJob, JobError> {
    let id = job.start.what.job;
    let was_expired = catalog.retained()?.is_expired(&id);
    set(site, catalog, id, until)?;
    Ok(KeptJob {
        job: id,
        name: job.start.what.name.clone(),
        started_at: job.start.time,
        until,
        was_expired,
        on_tape: is_on_tape(catalog, id)?,
    })
}

/// Whether a volume that is not given up has something of the job.
fn is_on_tape(catalog: &Catalog, job: Uuid) -> Result<bool, JobError> {
    for receipt in catalog::receipts_of_job(catalog, job)? {
        if catalog::volume(catalog, receipt.volume)?.retired.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes back the expiries of what `job` builds on, the oldest first: as long as it is kept, it
/// keeps them anyway.
fn revive_base(
    site: Site<'_>,
    catalog: &Catalog,
    job: &Job,
    keep: Keep,
) -> Result<Vec<KeptJob>, JobError> {
    let retained = catalog.retained()?;
    let jobs = catalog.jobs()?;
    let plan = expire::plan(site, catalog, &jobs, &retained)?;
    let this = jobs
        .iter()
        .position(|known| plan::id(known) == plan::id(job));
    let chain = this.into_iter().flat_map(|this| plan.chain(this));
    let expired = chain
        .map(|at| &jobs[at])
        .filter(|base| plan::id(base) != plan::id(job) && retained.is_expired(&plan::id(base)));
    expired
        .map(|base| keep_one(site, catalog, base, keep.until(job)))
        .collect()
}

/// Refuses a time that is over: it would give the job up while somebody meant to keep it.
///
/// # Errors
///
/// [`RetentionError::Past`].
pub(crate) fn check_ahead(
    site: Site<'_>,
    job: &str,
    until: Option<Timestamp>,
) -> Result<(), JobError> {
    match until.filter(|until| *until <= site.clock.now()) {
        None => Ok(()),
        Some(until) => {
            let job = job.to_owned();
            Err(RetentionError::Past { job, until }.into())
        }
    }
}

/// Records the time of a job.
pub(crate) fn set(
    site: Site<'_>,
    catalog: &Catalog,
    job: Uuid,
    until: Option<Timestamp>,
) -> Result<(), JobError> {
    let event = RetentionSet {
        job,
        until,
        by: user_name(),
        from_tape: false,
    };
    catalog.append(site.clock.now(), &Event::RetentionSet(event))?;
    Ok(())
}

/// All jobs that are not expired, the oldest first.
pub(crate) fn kept_jobs(catalog: &Catalog) -> Result<Vec<Job>, JobError> {
    let retained = catalog.retained()?;
    let mut jobs = catalog.jobs()?;
    jobs.retain(|job| !retained.is_expired(&job.start.what.job));
    Ok(jobs)
}
