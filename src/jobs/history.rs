//! The jobs that there were: archives, with what is kept of them and how long, and restores.
//!
//! All of it is in the catalog: nothing here touches a tape.

mod restores;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use catalogs::model::event::{CommandEnded, DigestAlgorithm, Held};
pub use catalogs::model::event::{Lost, Phase, Phases};
use catalogs::{Catalog, Job, Kept, Retained};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

pub use restores::{NextStep, RestoreDetail, RestoredTape, RunDetail};
use restores::{Restores, Volumes};

use super::retention::{self, HoldInfo};
use super::{
    ByteText, Failure, JobError, Level, Outcome, Problems, Site, WhichError, catalog, interrupted,
    which,
};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// It writes files to tape. Copies made later belong to it.
    Archive,
    /// It brings files back.
    Restore,
}

/// Which jobs are listed.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Those of this kind.
    pub kind: Option<JobKind>,
    /// Those that were for this pool, or have something on its tapes.
    pub pool: Option<String>,
    /// Those that began at this moment or later.
    pub since: Option<Timestamp>,
    /// Those with this in their name.
    pub name: Option<String>,
}

/// How long a job is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JobKept {
    /// Until when; `None`: for ever, or it is expired.
    pub until: Option<Timestamp>,
    /// It is expired.
    pub expired: bool,
    /// A hold is on it, or on a volume that has a segment of it.
    pub held: bool,
}

/// A job at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct JobInfo {
    /// Its identity.
    pub job: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// Its name; of a restore, what was asked for first.
    pub name: String,
    /// What of its trees it archives.
    pub level: Option<Level>,
    /// When it began; of a restore, its first run.
    pub started_at: Timestamp,
    /// When it ended, the last time; `None` while it runs, or if it was killed.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs. A job that was killed is interrupted.
    pub outcome: Option<Outcome>,
    /// It is a restore whose last run never told of an end, and no process carries it out.
    pub cut_off: bool,
    /// How often it began or was gone on with; `None` of an archive.
    pub run_count: Option<u64>,
    /// Whether `restore --resume` can go on with it; `None` of an archive.
    pub can_resume: Option<bool>,
    /// The pools whose tapes have something of it, or gave something for it; of an archive that
    /// has nothing on tape, the one that it was for.
    pub pools: Vec<String>,
    /// The pool that is to hold a second copy, if one was wanted.
    pub copy_pool: Option<String>,
    /// Objects on tape, of one copy, a file in parts being one; of a restore, those that its runs
    /// brought, as far as they told.
    pub objects: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
    /// How long it is kept; `None` of a restore.
    pub kept: Option<JobKept>,
}

/// What a job has on a tape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobTape {
    /// Barcode of the tape.
    pub barcode: String,
    /// Its pool.
    pub pool: String,
    /// Segments of the job on it; a copy of the catalog is none.
    pub segments: u64,
    /// Objects in them; a file in parts is counted where its last part is.
    pub objects: u64,
    /// Bytes of the files among them.
    pub file_bytes: u64,
}

/// An archive job in detail.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveDetail {
    /// At a glance.
    #[serde(flatten)]
    pub info: JobInfo,
    /// Host whose files it archives.
    pub host: String,
    /// Name and version of the software.
    pub software: String,
    /// What it covers: paths, and the places of streams.
    pub roots: Vec<ByteText>,
    /// What it leaves out.
    pub excludes: Vec<String>,
    /// Lists or commands were among its sources.
    pub more_sources: bool,
    /// The job that it is measured against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Uuid>,
    /// How the digests of its files are made.
    pub digest_algorithm: DigestAlgorithm,
    /// Tapes that have something of it, in the order of writing.
    pub tapes: Vec<JobTape>,
    /// Holds in force on it, or on those tapes.
    pub holds: Vec<HoldInfo>,
    /// How the commands ended whose output it archived.
    pub commands: Vec<CommandEnded>,
    /// What went wrong.
    pub problems: Problems,
}

/// A job in detail.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum JobDetail {
    /// An archive.
    Archive(Box<ArchiveDetail>),
    /// A restore.
    Restore(Box<RestoreDetail>),
}

/// What was found, and what kept the catalog from being asked for more.
#[derive(Debug)]
pub struct Found<T> {
    /// What was found.
    pub what: T,
    /// Why the catalog cannot be read; only records that it did not take were looked at then.
    pub failure: Option<Failure>,
}

/// The jobs, the oldest first; where there is no catalog yet, or it cannot be read, the restores
/// that it did not take. A restore that was gone on with is one job.
///
/// # Errors
///
/// There is no such pool, or the catalog cannot be read, and nothing is known beside it.
pub fn list(site: Site<'_>, filter: &JobFilter) -> Result<Found<Vec<JobInfo>>, JobError> {
    let failure = match list_all(site, filter) {
        Ok(what) => {
            let failure = None;
            return Ok(Found { what, failure });
        }
        Err(failure @ JobError::Catalog(_)) if filter.pool.is_none() => failure,
        Err(error) => return Err(error),
    };
    let volumes = Volumes::default();
    let restores = Restores::of(site, None, &volumes)?;
    let is_asked_for = |job: &JobInfo| filter.kind != Some(JobKind::Archive) && filter.takes(job);
    let what: Vec<JobInfo> = restores.infos().filter(is_asked_for).collect();
    match what.is_empty() {
        true => Err(failure),
        false => Ok(Found {
            what,
            failure: Some(Failure::from(&failure)),
        }),
    }
}

fn list_all(site: Site<'_>, filter: &JobFilter) -> Result<Vec<JobInfo>, JobError> {
    let mut jobs = Vec::new();
    let catalog = match catalog::exists(site) {
        true => Some(catalog::open(site)?),
        false => None,
    };
    let mut volumes = Volumes::default();
    match &catalog {
        None => filter.check_pool(BTreeSet::new())?,
        Some(catalog) => {
            let known = Known::of(catalog)?;
            let archives = catalog.jobs()?;
            filter.check_pool(known.pools(&archives))?;
            if filter.kind != Some(JobKind::Restore) {
                for job in &archives {
                    jobs.push(known.archive(site, job)?);
                }
            }
            volumes = known.volumes;
        }
    }
    if filter.kind != Some(JobKind::Archive) {
        let restores = Restores::of(site, catalog.as_deref(), &volumes)?;
        jobs.extend(restores.infos());
    }
    jobs.retain(|job| filter.takes(job));
    jobs.sort_by_key(|job| job.started_at);
    Ok(jobs)
}

impl JobFilter {
    /// A pool that was never heard of is none without jobs.
    fn check_pool(&self, known: BTreeSet<String>) -> Result<(), JobError> {
        match &self.pool {
            Some(pool) if !known.contains(pool) => Err(JobError::NoSuchPool {
                pool: pool.clone(),
                pools: known.into_iter().collect(),
            }),
            _ => Ok(()),
        }
    }

    fn takes(&self, job: &JobInfo) -> bool {
        let of_pool =
            |pool: &String| job.pools.contains(pool) || job.copy_pool.as_ref() == Some(pool);
        self.pool.as_ref().is_none_or(of_pool)
            && self.since.is_none_or(|since| job.started_at >= since)
            && self
                .name
                .as_ref()
                .is_none_or(|name| job.name.contains(name))
    }
}

/// The job of this name or identity, or of the beginning of one; of several jobs of a name the
/// newest, which is said.
///
/// # Errors
///
/// There is none, or several identities begin so; or the catalog cannot be read, and no restore
/// that it did not take is meant.
pub fn show(site: Site<'_>, name: &str) -> Result<Found<JobDetail>, JobError> {
    let failure = match show_one(site, name) {
        Ok(what) => {
            let failure = None;
            return Ok(Found { what, failure });
        }
        Err(failure @ JobError::Catalog(_)) => failure,
        Err(error) => return Err(error),
    };
    let volumes = Volumes::default();
    let restores = Restores::of(site, None, &volumes)?;
    match which::beginning_with(name, restores.ids())[..] {
        [restore] => Ok(Found {
            what: restores.detail(restore),
            failure: Some(Failure::from(&failure)),
        }),
        _ => Err(failure),
    }
}

fn show_one(site: Site<'_>, name: &str) -> Result<JobDetail, JobError> {
    if !catalog::exists(site) {
        let volumes = Volumes::default();
        let restores = Restores::of(site, None, &volumes)?;
        let meant = which::beginning_with(name, restores.ids());
        return match meant[..] {
            [restore] => Ok(restores.detail(restore)),
            [] if restores.ids().next().is_some() => Err(which::no_such(name)),
            // That there is no catalog is what has to be said.
            [] => catalog::open(site).and_then(|_| Err(which::no_such(name))),
            [..] => Err(several(name, meant)),
        };
    }
    let catalog = catalog::open(site)?;
    let known = Known::of(&catalog)?;
    let restores = Restores::of(site, Some(&catalog), &known.volumes)?;
    let meant = which::beginning_with(name, restores.ids());
    let found = which::newest_job(&catalog, name)?;
    match (found, &meant[..]) {
        (None, [restore]) => Ok(restores.detail(*restore)),
        (None, [_, _, ..]) => Err(several(name, meant)),
        (Some((job, _)), [_, ..]) if which::is_by_beginning(name, &job) => {
            let archive = std::iter::once(job.start.what.job);
            Err(several(name, archive.chain(meant)))
        }
        (found, _) => {
            let job = which::told(site, name, found)?;
            let detail = known.archive_detail(site, &catalog, job)?;
            Ok(JobDetail::Archive(Box::new(detail)))
        }
    }
}

fn several(name: &str, found: impl IntoIterator<Item = Uuid>) -> JobError {
    WhichError::SeveralJobs {
        name: name.to_owned(),
        found: found.into_iter().map(|id| id.to_string()).collect(),
    }
    .into()
}

/// What a job has in a pool.
#[derive(Default)]
struct Share {
    objects: u64,
    file_bytes: u64,
}

/// What all jobs are told with.
struct Known {
    volumes: Volumes,
    /// What is on volumes that are not retired, by job and pool.
    on_tape: HashMap<Uuid, BTreeMap<String, Share>>,
    /// The jobs that have something on a volume with a hold, or are held themselves.
    held: HashSet<Uuid>,
    retained: Retained,
}

impl Known {
    fn of(catalog: &Catalog) -> Result<Known, JobError> {
        let retained = catalog.retained()?;
        let holds = retained.holds().into_iter();
        let in_force = holds.filter(|hold| hold.released.is_none());
        let (mut held, mut held_volumes) = (HashSet::new(), HashSet::new());
        for hold in in_force {
            match hold.placed.on {
                Held::Job { job } => held.insert(job),
                Held::Volume { volume } => held_volumes.insert(volume),
            };
        }
        let mut on_tape: HashMap<Uuid, BTreeMap<String, Share>> = HashMap::new();
        let mut volumes = Volumes::new();
        for volume in catalog.volumes()? {
            let label = volume.label.what;
            if volume.retired.is_none() {
                for receipt in catalog::receipts_of_volume(catalog, label.volume)? {
                    let pools = on_tape.entry(receipt.job).or_default();
                    let share = pools.entry(label.pool.clone()).or_default();
                    share.objects += receipt.objects();
                    share.file_bytes += receipt.file_bytes;
                    if held_volumes.contains(&label.volume) {
                        held.insert(receipt.job);
                    }
                }
            }
            volumes.insert(label.volume, (label.barcode, label.pool));
        }
        Ok(Known {
            volumes,
            on_tape,
            held,
            retained,
        })
    }

    /// Pools that have a volume, had one, or were to get something of a job.
    fn pools(&self, jobs: &[Job]) -> BTreeSet<String> {
        let labelled = self.volumes.values().map(|(_, pool)| pool);
        let wanted = jobs.iter().flat_map(|job| {
            let start = &job.start.what;
            std::iter::once(&start.pool).chain(&start.copy_pool)
        });
        labelled.chain(wanted).cloned().collect()
    }

    fn archive(&self, site: Site<'_>, job: &Job) -> Result<JobInfo, JobError> {
        let start = &job.start.what;
        let pools = self.on_tape.get(&start.job);
        let most = pools.and_then(|pools| pools.values().max_by_key(|share| share.objects));
        let mut names: Vec<String> = pools.into_iter().flat_map(|p| p.keys().cloned()).collect();
        if names.is_empty() {
            names.push(start.pool.clone());
        }
        // As it began comes before what was copied later.
        names.sort_by_key(|pool| *pool != start.pool);
        let outcome = match &job.finish {
            Some(finish) => Some(finish.what.outcome),
            None if interrupted::is_owned(site, start.job)? => None,
            None => Some(Outcome::Interrupted),
        };
        let until = match self.retained.job(&start.job) {
            Some(Kept::Set(set)) => set.until,
            Some(Kept::Expired(_)) | None => None,
        };
        Ok(JobInfo {
            job: start.job,
            kind: JobKind::Archive,
            name: start.name.clone(),
            level: Some(start.level),
            started_at: job.start.time,
            ended_at: job.finish.as_ref().map(|finish| finish.time),
            outcome,
            cut_off: false,
            run_count: None,
            can_resume: None,
            pools: names,
            copy_pool: start.copy_pool.clone(),
            objects: most.map_or(0, |share| share.objects),
            file_bytes: most.map_or(0, |share| share.file_bytes),
            kept: Some(JobKept {
                until,
                expired: self.retained.is_expired(&start.job),
                held: self.held.contains(&start.job),
            }),
        })
    }

    fn archive_detail(
        &self,
        site: Site<'_>,
        catalog: &Catalog,
        job: Job,
    ) -> Result<ArchiveDetail, JobError> {
        let info = self.archive(site, &job)?;
        let mut tapes: Vec<JobTape> = Vec::new();
        let mut volumes = HashSet::new();
        for receipt in catalog::receipts_of_job(catalog, info.job)? {
            let volume = catalog::volume(catalog, receipt.volume)?;
            if volume.retired.is_some() {
                continue;
            }
            volumes.insert(receipt.volume);
            let barcode = volume.label.what.barcode;
            let at = tapes.iter().position(|tape| tape.barcode == barcode);
            let at = at.unwrap_or_else(|| {
                let pool = volume.label.what.pool;
                tapes.push(JobTape {
                    barcode,
                    pool,
                    segments: 0,
                    objects: 0,
                    file_bytes: 0,
                });
                tapes.len() - 1
            });
            tapes[at].segments += u64::from(!receipt.is_catalog_copy());
            tapes[at].objects += receipt.objects();
            tapes[at].file_bytes += receipt.file_bytes;
        }
        let mut holds = retention::holds(site, false)?;
        holds.retain(|hold| {
            let on_tape = hold.volume.is_some_and(|volume| volumes.contains(&volume));
            hold.job == Some(info.job) || on_tape
        });
        let start = job.start.what;
        let finish = job.finish.map(|finish| finish.what);
        let (problems, commands) = finish
            .map(|finish| (finish.problems, finish.commands))
            .unwrap_or_default();
        Ok(ArchiveDetail {
            info,
            host: start.host,
            software: start.software,
            roots: start.roots,
            excludes: start.excludes,
            more_sources: start.more_sources,
            base: start.base,
            digest_algorithm: start.digest_algorithm,
            tapes,
            holds,
            commands,
            problems,
        })
    }
}
