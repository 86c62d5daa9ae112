//! What a job of a level below full is measured against.
//!
//! The *series* of a job: those of the same pool, sources, excludes and host, and of the same name
//! where one was given. On the tapes of its series alone a job builds. Its *base* is the last of
//! the series that was complete or done in part.

use std::collections::HashSet;

use catalogs::model::event::Outcome;
use catalogs::model::{FileTime, Kind};
use catalogs::{Building, Catalog, Job, Standing};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::JobDescription;
use crate::engine::BoxedError;
use crate::engine::source::{Base, KnownKind, KnownName, KnownVersion, Listing};
use crate::jobs::{BaseError, JobError, Level, WhichError, convert, retention, which};
use crate::monitor::Problem as Notice;
use crate::volume::index::JobHeader;
use crate::volume::member;

/// The job that another one is measured against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseJob {
    /// Its identity.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// What it archived.
    pub level: Level,
    /// When it began.
    pub started_at: Timestamp,
}

/// What a job is measured against.
pub(super) enum Basis {
    /// Nothing: it archives everything.
    Full {
        /// Less was asked for, and there is no job to measure against.
        for_want_of_base: bool,
    },
    /// What is on tape.
    Changes {
        level: Level,
        base: Box<BaseJob>,
        series: HashSet<Uuid>,
        /// The last job whose versions count; `None`: all of the series.
        until: Option<Uuid>,
        /// Of a resumed job, the last moment before it began: nothing later counts at all.
        as_of: Option<Timestamp>,
        /// Jobs of the series behind the base that did not come to their end, the last one first:
        /// not all that they have on tape may be known.
        cut_off: Vec<Uuid>,
        /// The pool whose tapes count.
        pool: String,
    },
}

impl Basis {
    pub(super) fn level(&self) -> Level {
        match self {
            Basis::Full { .. } => Level::Full,
            Basis::Changes { level, .. } => *level,
        }
    }

    pub(super) fn job(&self) -> Option<BaseJob> {
        match self {
            Basis::Full { .. } => None,
            Basis::Changes { base, .. } => Some(BaseJob::clone(base)),
        }
    }

    /// What is to be said of it before the job begins.
    pub(super) fn announcement(&self) -> Option<Notice> {
        let (path, what) = match self {
            Basis::Full {
                for_want_of_base: false,
            } => return None,
            Basis::Full {
                for_want_of_base: true,
            } => (
                "level",
                "no earlier job of this pool archived these paths with these excludes from this \
                 host, so there is nothing to measure against: this becomes a full archive"
                    .to_owned(),
            ),
            Basis::Changes { level, base, .. } => (
                level_words(*level),
                format!(
                    "measured against job {} ({}) of {}",
                    base.name,
                    level_words(base.level),
                    base.started_at.strftime("%Y-%m-%d %H:%M:%S UTC")
                ),
            ),
        };
        let path = path.to_owned();
        Some(Notice { path, what })
    }

    /// Jobs whose unconfirmed end has to be looked for before this one is measured.
    pub(super) fn cut_off(&self) -> &[Uuid] {
        match self {
            Basis::Full { .. } => &[],
            Basis::Changes { cut_off, .. } => cut_off,
        }
    }

    /// The base as the catalog lists it; `None` for a full job.
    pub(super) fn listed<'a>(&'a self, catalog: &'a Catalog) -> Option<CatalogBase<'a>> {
        match self {
            Basis::Full { .. } => None,
            Basis::Changes {
                series,
                until,
                as_of,
                pool,
                ..
            } => Some(CatalogBase {
                catalog,
                building: Building {
                    series,
                    pool,
                    until: until.as_ref(),
                    as_of: *as_of,
                },
            }),
        }
    }
}

fn level_words(level: Level) -> &'static str {
    match level {
        Level::Full => "full",
        Level::Differential => "differential",
        Level::Incremental => "incremental",
    }
}

/// Finds what the job is measured against, and notes it in its header.
///
/// # Errors
///
/// The base that was named is not known or does not suit, the clock is behind an earlier job's,
/// or the catalog cannot be read.
pub(super) fn find(
    catalog: &Catalog,
    options: &JobDescription,
    job: &mut JobHeader,
) -> Result<Basis, JobError> {
    let level = options.level;
    if level.is_full() {
        if options.base.is_some() {
            let what = "a full archive is measured against nothing; name a base with \
                        `--level differential` or `--level incremental`";
            return Err(JobError::Request {
                what: what.to_owned(),
            });
        }
        return Ok(Basis::Full {
            for_want_of_base: false,
        });
    }
    let jobs = retention::kept_jobs(catalog)?;
    if let Some(later) = jobs
        .iter()
        .rev()
        .find(|other| other.start.time > job.started_at)
    {
        return Err(JobError::Base(BaseError::ClockBehind {
            name: later.start.what.name.clone(),
            started_at: later.start.time,
        }));
    }
    let series = Series {
        pooled: pooled(catalog, &jobs, &options.pool, job)?,
        jobs: &jobs,
        options,
        name: options.name.as_ref(),
    };
    let named = options.base.as_ref();
    let named = named.map(|name| series.named_base(catalog, job, name));
    let Some((base, basis)) = series.measured(job, named.transpose()?) else {
        return Ok(Basis::Full {
            for_want_of_base: true,
        });
    };
    note(job, level, base);
    Ok(basis)
}

/// Finds again what a job that goes on was measured against when it began, and notes it in its
/// header.
///
/// # Errors
///
/// That base does not serve any more, or the catalog cannot be read.
pub(super) fn of_resumed(
    catalog: &Catalog,
    options: &JobDescription,
    job: &mut JobHeader,
    before: &Job,
) -> Result<Basis, JobError> {
    let start = &before.start.what;
    let Some(base) = start.base.filter(|_| !start.level.is_full()) else {
        return Ok(Basis::Full {
            for_want_of_base: false,
        });
    };
    let mut jobs = retention::kept_jobs(catalog)?;
    jobs.retain(|other| other.start.time < before.start.time);
    // A name with the date in it was not given, and nobody looked at names then.
    let made = options.default_name(&job.roots, before.start.time);
    let series = Series {
        pooled: pooled(catalog, &jobs, &options.pool, job)?,
        jobs: &jobs,
        options,
        name: Some(&start.name).filter(|name| **name != made),
    };
    let found = series
        .measured(job, None)
        .filter(|(found, _)| *found == base);
    let (_, mut basis) = match found {
        Some(found) => found,
        None => {
            let named = series.named_base(catalog, job, &base.to_string())?;
            let measured = series.measured(job, Some(named));
            measured.expect("a base that is named serves")
        }
    };
    if let Basis::Changes { as_of, .. } = &mut basis {
        *as_of = Some(before.start.time - SignedDuration::from_nanos(1));
    }
    note(job, start.level, base);
    Ok(basis)
}

fn note(job: &mut JobHeader, level: Level, base: Uuid) {
    job.level = convert::volume_level(level);
    job.base = Some(base);
}

/// The jobs among which a base is looked for.
struct Series<'a> {
    /// The oldest first.
    jobs: &'a [Job],
    /// Those of the pool.
    pooled: HashSet<Uuid>,
    options: &'a JobDescription,
    /// The name that they have to have, unless a base is named.
    name: Option<&'a String>,
}

impl Series<'_> {
    /// What the job is measured against, and the base by itself; `None` if nothing suits.
    fn measured(&self, job: &JobHeader, named: Option<Job>) -> Option<(Uuid, Basis)> {
        let level = self.options.level;
        let host = named
            .as_ref()
            .map_or(&job.host, |base| &base.start.what.host);
        let wanted = self.name.filter(|_| named.is_none());
        let in_series = |other: &&Job| {
            self.difference(other, job).is_none()
                && other.start.what.host == *host
                && wanted.is_none_or(|name| *name == other.start.what.name)
        };
        let members: Vec<&Job> = self.jobs.iter().filter(in_series).collect();
        let suits = |other: &&&Job| {
            let wanted = level == Level::Incremental || other.start.what.level.is_full();
            wanted && ended_well(other)
        };
        let all_later = named.is_none() && level == Level::Incremental;
        let base = named.or_else(|| members.iter().rev().find(suits).map(|job| (*job).clone()))?;
        let behind = members
            .iter()
            .rev()
            .take_while(|other| id(other) != id(&base));
        let cut_off = behind.filter(|other| !ended_well(other));
        let basis = Basis::Changes {
            level,
            series: members.iter().map(|job| id(job)).collect(),
            until: (!all_later).then(|| id(&base)),
            as_of: None,
            cut_off: cut_off.map(|other| id(other)).collect(),
            pool: self.options.pool.clone(),
            base: Box::new(BaseJob {
                job: id(&base),
                name: base.start.what.name.clone(),
                level: base.start.what.level,
                started_at: base.start.time,
            }),
        };
        Some((id(&base), basis))
    }
}

/// The jobs with the same paths that were for this pool, or have segments on tapes of it: copies
/// do, and after a rebuild a job with two copies is of the pool that was read first.
fn pooled(
    catalog: &Catalog,
    jobs: &[Job],
    pool: &str,
    job: &JobHeader,
) -> Result<HashSet<Uuid>, JobError> {
    let volumes = catalog.volumes()?.into_iter();
    let of_pool = volumes.filter(|volume| volume.label.what.pool == pool);
    let of_pool: HashSet<Uuid> = of_pool.map(|volume| volume.label.what.volume).collect();
    let mut pooled = HashSet::new();
    for other in jobs.iter().filter(|other| has_roots(other, job)) {
        let mut is_of_pool = other.start.what.pool == pool;
        if !is_of_pool {
            let receipts = catalog.receipts_of_job(&id(other))?;
            let mut volumes = receipts.iter().map(|one| one.what.receipt.volume);
            is_of_pool = volumes.any(|volume| of_pool.contains(&volume));
        }
        if is_of_pool {
            pooled.insert(id(other));
        }
    }
    Ok(pooled)
}

fn has_roots(other: &Job, job: &JobHeader) -> bool {
    let roots = other.start.what.roots.iter();
    let roots = roots.map(|root| root.0.as_slice());
    roots.eq(job.roots.iter().map(Vec::as_slice))
}

impl Series<'_> {
    /// The job that the operator named, if it can serve.
    fn named_base(&self, catalog: &Catalog, job: &JobHeader, name: &str) -> Result<Job, JobError> {
        let found = which::newest_job(catalog, name)?;
        let (base, _) = found.ok_or_else(|| WhichError::NoSuchJob {
            name: name.to_owned(),
        })?;
        let is_expired = catalog.retained()?.is_expired(&id(&base));
        let unfit = match self.difference(&base, job) {
            _ if is_expired => "it is expired: `keep JOB --forever` or the like offers it again",
            Some(what) => what,
            None if !self.jobs.iter().any(|kept| id(kept) == id(&base)) => "it came later",
            None if !ended_well(&base) => "it was not done, or is not done yet",
            None => return Ok(base),
        };
        Err(JobError::Request {
            what: format!("job `{name}` cannot be the base: {unfit}"),
        })
    }

    /// In what a job differs from those of the series, if it does.
    fn difference(&self, other: &Job, job: &JobHeader) -> Option<&'static str> {
        if !has_roots(other, job) {
            Some("it archived other paths")
        } else if !self.pooled.contains(&id(other)) {
            Some("it is of another pool")
        } else if other.start.what.excludes != self.options.excludes {
            Some("it had other excludes")
        } else {
            None
        }
    }
}

fn ended_well(job: &Job) -> bool {
    let outcome = job.finish.as_ref().map(|finish| finish.what.outcome);
    matches!(outcome, Some(Outcome::Complete | Outcome::Partial))
}

fn id(job: &Job) -> Uuid {
    job.start.what.job
}

/// The catalog, as the engine asks it.
pub(super) struct CatalogBase<'a> {
    catalog: &'a Catalog,
    building: Building<'a>,
}

impl Base for CatalogBase<'_> {
    fn listing(&self, root: &[u8]) -> Result<Listing, BoxedError> {
        let standings = self.catalog.standing(root, &self.building)?;
        let names = standings.map(|standing| Ok(known(standing?)));
        Ok(Listing::new(names))
    }
}

fn known(standing: Standing) -> KnownName {
    let version = standing.version.and_then(|version| {
        let entry = version.entry;
        let kind = match entry.kind {
            Kind::File => KnownKind::File,
            Kind::Directory => KnownKind::Directory,
            Kind::Hardlink => KnownKind::Hardlink(entry.link_target),
            Kind::Symlink => KnownKind::Symlink,
            Kind::CharDevice => KnownKind::CharDevice,
            Kind::BlockDevice => KnownKind::BlockDevice,
            Kind::Fifo => KnownKind::Fifo,
            // Never archived.
            Kind::Socket | Kind::Gone => return None,
        };
        Some(KnownVersion {
            kind,
            size_bytes: entry.size_bytes,
            mtime: time(entry.mtime),
            ctime: time(entry.ctime),
            inode: entry.inode,
            runs: version.jobs,
        })
    });
    let path = standing.path;
    KnownName { path, version }
}

fn time(time: FileTime) -> member::FileTime {
    member::FileTime {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    }
}
