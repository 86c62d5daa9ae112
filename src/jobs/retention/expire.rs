//! What would go, when, and what keeps it; and records what is due.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use catalogs::model::event::{Event, JobExpired};
use catalogs::{Catalog, Job, Retained};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::plan::{Fate, Keeper, Plan, id};
use crate::jobs::who::user_name;
use crate::jobs::{JobError, Site, catalog, interrupted};

/// What to expire.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpireOptions {
    /// Only say what would go, and when; write nothing.
    pub dry_run: bool,
    /// With `dry_run`: only jobs whose time is over by then; `None`: all that have a time.
    pub as_of: Option<Timestamp>,
}

/// What keeps a job beyond its own time.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum KeptBy {
    /// It runs.
    Running,
    /// A hold.
    Hold {
        /// The hold.
        hold: Uuid,
        /// Why it was placed.
        reason: String,
    },
    /// A later job that builds on it, and is kept for longer.
    Job {
        /// That job.
        job: Uuid,
        /// Its name.
        name: String,
    },
}

/// A job that has a time.
#[derive(Debug, Clone, Serialize)]
pub struct JobFate {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Its own time.
    pub until: Timestamp,
    /// When it goes, as things are; `None` while nobody can say.
    pub due: Option<Timestamp>,
    /// What keeps it beyond its own time.
    pub kept_by: Vec<KeptBy>,
    /// It was recorded as expired now.
    pub expired: bool,
}

/// A tape with a segment of such a job.
#[derive(Debug, Clone, Serialize)]
pub struct TapeFate {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// Its pool.
    pub pool: String,
    /// When its last job goes; `None` while one is kept for ever, or nobody can say.
    pub due: Option<Timestamp>,
    /// All jobs on it are expired, and no hold is on it.
    pub free: bool,
}

/// What goes.
#[derive(Debug, Clone, Serialize)]
pub struct ExpireSummary {
    /// Nothing was written.
    pub dry_run: bool,
    /// When this was worked out.
    pub at: Timestamp,
    /// With `dry_run` the jobs that have a time, else those that are expired now; what goes first
    /// comes first.
    pub jobs: Vec<JobFate>,
    /// The tapes that they have segments on.
    pub tapes: Vec<TapeFate>,
}

/// Records as expired what is due now; or says what would go, and when. Touches no tape.
///
/// # Errors
///
/// The catalog cannot be used. What was recorded by then stays.
pub fn expire(site: Site<'_>, options: ExpireOptions) -> Result<ExpireSummary, JobError> {
    let catalog = match options.dry_run {
        true => catalog::open(site)?,
        // What was lost may have been a hold.
        false => catalog::open_to_write_tapes(site)?,
    };
    let at = site.clock.now();
    let retained = catalog.retained()?;
    let jobs = catalog.jobs()?;
    let plan = plan(site, &catalog, &jobs, &retained)?;
    let fates = plan.fates();
    let mut told = Vec::new();
    // The newest first: broken off between two, none is left without what it builds on.
    for (job, fate) in jobs.iter().zip(&fates).rev() {
        let Some(until) = fate.until.filter(|_| !fate.expired) else {
            continue;
        };
        let goes = match (options.dry_run, options.as_of) {
            (false, _) => fate.due.is_some_and(|due| due <= at),
            (true, Some(by)) => until <= by,
            (true, None) => true,
        };
        if !goes {
            continue;
        }
        if !options.dry_run {
            let event = JobExpired {
                job: id(job),
                by: user_name(),
            };
            catalog.append(site.clock.now(), &Event::JobExpired(event))?;
        }
        told.push(JobFate {
            job: id(job),
            name: job.start.what.name.clone(),
            pool: job.start.what.pool.clone(),
            started_at: job.start.time,
            until,
            due: fate.due,
            kept_by: kept_by(&retained, &jobs, fate),
            expired: !options.dry_run,
        });
    }
    told.sort_by_key(|job| (job.due.is_none(), job.due, job.until));
    let tapes = tapes(&catalog, &plan, &fates, &told)?;
    Ok(ExpireSummary {
        dry_run: options.dry_run,
        at,
        jobs: told,
        tapes,
    })
}

/// What is known now of jobs, holds and who works.
pub(super) fn plan<'a>(
    site: Site<'_>,
    catalog: &Catalog,
    jobs: &'a [Job],
    retained: &'a Retained,
) -> Result<Plan<'a>, JobError> {
    let mut owned = HashSet::new();
    for job in jobs.iter().map(id) {
        if retained.job(&job).is_some() && interrupted::is_owned(site, job)? {
            owned.insert(job);
        }
    }
    Ok(Plan {
        jobs,
        retained,
        on_volumes: jobs_on_volumes(catalog)?,
        owned,
    })
}

fn jobs_on_volumes(catalog: &Catalog) -> Result<BTreeMap<Uuid, BTreeSet<Uuid>>, JobError> {
    let mut on_volumes = BTreeMap::new();
    for volume in catalog::live_volumes(catalog)? {
        let volume = volume.label.what.volume;
        let receipts = catalog::receipts_of_volume(catalog, volume)?;
        let jobs = receipts.into_iter().map(|receipt| receipt.job);
        on_volumes.insert(volume, jobs.collect());
    }
    Ok(on_volumes)
}

fn kept_by(retained: &Retained, jobs: &[Job], fate: &Fate) -> Vec<KeptBy> {
    let holds = retained.holds();
    let words = |keeper: &Keeper| match keeper {
        Keeper::Running => KeptBy::Running,
        Keeper::Hold(hold) => {
            let known = holds.iter().find(|known| known.placed.hold == *hold);
            KeptBy::Hold {
                hold: *hold,
                reason: known.map_or_else(String::new, |known| known.placed.reason.clone()),
            }
        }
        Keeper::Job(at) => KeptBy::Job {
            job: id(&jobs[*at]),
            name: jobs[*at].start.what.name.clone(),
        },
    };
    fate.keepers.iter().map(words).collect()
}

/// The tapes with segments of the jobs that were told.
fn tapes(
    catalog: &Catalog,
    plan: &Plan<'_>,
    fates: &[Fate],
    told: &[JobFate],
) -> Result<Vec<TapeFate>, JobError> {
    let told_jobs: BTreeSet<Uuid> = told.iter().map(|job| job.job).collect();
    let retained = catalog.retained()?;
    let mut tapes = Vec::new();
    for volume in catalog::live_volumes(catalog)? {
        let label = volume.label.what;
        let there = plan.on_volumes.get(&label.volume);
        if there.is_none_or(|jobs| jobs.is_disjoint(&told_jobs)) {
            continue;
        }
        let receipts = catalog::receipts_of_volume(catalog, label.volume)?;
        tapes.push(TapeFate {
            due: plan.volume(&label.volume, fates),
            free: super::is_free(&retained, label.volume, &receipts),
            barcode: label.barcode,
            volume: label.volume,
            pool: label.pool,
        });
    }
    tapes.sort_by(|a, b| {
        (a.due.is_none(), a.due, &a.barcode).cmp(&(b.due.is_none(), b.due, &b.barcode))
    });
    Ok(tapes)
}
