//! Jobs that were killed: who owns a running job, and what becomes of one without owner.
//!
//! A job's owner holds a lock named after it. A job in the catalog that is not finished,
//! and whose lock can be had, was cut off: it is finished as its segments tell, if one of them says
//! that it came to its end, else as interrupted.

use std::collections::BTreeMap;

use catalogs::Catalog;
use catalogs::model::event::{CommandEnded, Event, JobFinished, Outcome, Recorded};
use uuid::Uuid;

use super::ends::{JobEnd, end_by_receipts};
use super::lock::{Lock, NotLocked};
use super::{JobError, Problems, Site, catalog};

/// Becomes the owner of the new job `job`.
pub(crate) fn own(site: Site<'_>, job: Uuid) -> Result<Lock, JobError> {
    Ok(Lock::try_take(&site.state.lock_dir(), &name(job))?)
}

/// Whether a process is the owner of `job`: it runs, or is gone on with.
pub(crate) fn is_owned(site: Site<'_>, job: Uuid) -> Result<bool, JobError> {
    match Lock::try_take(&site.state.lock_dir(), &name(job)) {
        Ok(lock) => {
            lock.retire();
            Ok(false)
        }
        Err(NotLocked::Held(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Finishes jobs whose owner is gone. Every job that writes calls this first.
pub(crate) fn settle(site: Site<'_>, catalog: &Catalog) -> Result<(), JobError> {
    settle_as(site, catalog, &|_| None)
}

impl JobEnd {
    /// Records it, unless that is what was recorded last.
    pub(crate) fn record(self, catalog: &Catalog, job: Uuid) -> Result<(), JobError> {
        let mut finished = finished(catalog, job, self.outcome, Ended::default())?;
        finished.from_tapes = true;
        let before = catalog.job(&job.to_string())?.and_then(|job| job.finish);
        let is_said =
            |before: &Recorded<JobFinished>| (before.time, &before.what) == (self.at, &finished);
        if !before.as_ref().is_some_and(is_said) {
            catalog.append(self.at, &Event::JobFinished(finished))?;
        }
        Ok(())
    }
}

/// As [`settle`], for whoever knows better how some jobs ended.
pub(crate) fn settle_as(
    site: Site<'_>,
    catalog: &Catalog,
    known_end: &dyn Fn(Uuid) -> Option<JobEnd>,
) -> Result<(), JobError> {
    for job in catalog
        .jobs()?
        .into_iter()
        .filter(|job| job.finish.is_none())
    {
        let id = job.start.what.job;
        let lock = match Lock::try_take(&site.state.lock_dir(), &name(id)) {
            Ok(lock) => lock,
            Err(NotLocked::Held(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        // Its owner may have finished it between our look and our lock.
        if catalog
            .job(&id.to_string())?
            .is_some_and(|job| job.finish.is_none())
        {
            let end = match known_end(id) {
                None => end_by_receipts(catalog, id)?,
                known => known,
            };
            match end {
                Some(end) => end.record(catalog, id)?,
                None => finish(site, catalog, id, Outcome::Interrupted, Ended::default())?,
            }
            tracing::info!(job = %id, name = job.start.what.name, "a job without owner was closed");
        }
        lock.retire();
    }
    Ok(())
}

/// What a job has to say at its end.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) problems: Problems,
    pub(crate) commands: Vec<CommandEnded>,
}

/// Records that a job ends now.
pub(crate) fn finish(
    site: Site<'_>,
    catalog: &Catalog,
    job: Uuid,
    outcome: Outcome,
    ended: Ended,
) -> Result<(), JobError> {
    let finished = finished(catalog, job, outcome, ended)?;
    catalog.append(site.clock.now(), &Event::JobFinished(finished))?;
    Ok(())
}

/// The end of a job, with the counts of what the catalog has of it: of one copy, the one
/// that has most.
fn finished(
    catalog: &Catalog,
    job: Uuid,
    outcome: Outcome,
    ended: Ended,
) -> Result<JobFinished, JobError> {
    let mut pools: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for receipt in catalog::receipts_of_job(catalog, job)? {
        let pool = catalog::volume(catalog, receipt.volume)?.label.what.pool;
        let (files, bytes) = pools.entry(pool).or_default();
        *files += receipt.files;
        *bytes += receipt.file_bytes;
    }
    let (files, file_bytes) = pools.into_values().max().unwrap_or_default();
    Ok(JobFinished {
        job,
        outcome,
        files,
        file_bytes,
        problems: ended.problems,
        commands: ended.commands,
        from_tapes: false,
    })
}

fn name(job: Uuid) -> String {
    format!("job-{job}")
}
