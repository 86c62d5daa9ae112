//! Which job, hold or restore somebody means: one rule for all commands (`docs/commands.md`,
//! "Names of jobs").

use catalogs::{Catalog, Job};
use uuid::Uuid;

use super::{JobError, Site, WhichError};
use crate::monitor::Problem;

/// So much of an identity has to be typed, that no slip of a finger means another.
const LEAST_TYPED: usize = 4;
/// So many of several are named.
const NAMED: usize = 5;

/// Those of these identities that begin as typed, with or without dashes, in either case.
pub(crate) fn beginning_with(typed: &str, ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let plain = typed.replace('-', "").to_ascii_lowercase();
    if plain.len() < LEAST_TYPED {
        return Vec::new();
    }
    let begins = |id: &Uuid| id.simple().to_string().starts_with(&plain);
    ids.into_iter().filter(begins).collect()
}

/// Whether this may be the beginning of an identity, and is too short for one.
pub(crate) fn is_too_short(typed: &str) -> bool {
    let plain = typed.replace('-', "");
    let digits = plain.chars().all(|c| c.is_ascii_hexdigit());
    digits && !plain.is_empty() && plain.len() < LEAST_TYPED
}

/// Jobs with dates, as many as are worth a line.
pub(crate) fn with_dates(jobs: &[(Uuid, jiff::Timestamp)]) -> Vec<String> {
    let named = jobs.iter().take(NAMED);
    let mut told: Vec<String> = named
        .map(|(job, started_at)| format!("{job} of {started_at:.0}"))
        .collect();
    if let Some(more @ 1..) = jobs.len().checked_sub(NAMED) {
        told.push(format!("{more} more"));
    }
    told
}

/// The job of this identity, or the newest of this name with the others of it, or the one whose
/// identity begins so; `None` if there is none.
///
/// # Errors
///
/// Several identities begin so, or the catalog cannot be read.
pub(crate) fn newest_job(
    catalog: &Catalog,
    name: &str,
) -> Result<Option<(Job, Vec<Job>)>, JobError> {
    if let Ok(id) = Uuid::parse_str(name)
        && let Some(job) = catalog.job(name)?.filter(|job| job.start.what.job == id)
    {
        return Ok(Some((job, Vec::new())));
    }
    let (named, others): (Vec<Job>, Vec<Job>) = catalog
        .jobs()?
        .into_iter()
        .rev()
        .partition(|job| job.start.what.name == name);
    let mut named = named.into_iter();
    if let Some(newest) = named.next() {
        return Ok(Some((newest, named.collect())));
    }
    let ids = beginning_with(name, others.iter().map(|job| job.start.what.job));
    let mut meant = others
        .into_iter()
        .filter(|job| ids.contains(&job.start.what.job));
    match (meant.next(), meant.next()) {
        (Some(job), None) => Ok(Some((job, Vec::new()))),
        (None, _) => Ok(None),
        (Some(one), Some(other)) => {
            let meant: Vec<Job> = [one, other].into_iter().chain(meant).collect();
            Err(several(name, &meant))
        }
    }
}

/// Whether this job is meant by the beginning of its identity alone, not by its name.
pub(crate) fn is_by_beginning(name: &str, job: &Job) -> bool {
    job.start.what.name != name && !beginning_with(name, [job.start.what.job]).is_empty()
}

/// As [`newest_job`], of which that is said.
///
/// # Errors
///
/// As [`newest_job`], and there is none.
pub(crate) fn newest_job_told(
    site: Site<'_>,
    catalog: &Catalog,
    name: &str,
) -> Result<Job, JobError> {
    told(site, name, newest_job(catalog, name)?)
}

/// The job that [`newest_job`] found by this name, which is said if there are others.
///
/// # Errors
///
/// There is none.
pub(crate) fn told(
    site: Site<'_>,
    name: &str,
    found: Option<(Job, Vec<Job>)>,
) -> Result<Job, JobError> {
    let (job, others) = found.ok_or_else(|| no_such(name))?;
    if !others.is_empty() {
        let what = format!(
            "the newest of {} jobs of this name is meant, {} of {:.0}; another is named by its \
             identity, which `job list --name NAME` shows",
            others.len() + 1,
            job.start.what.job,
            job.start.time
        );
        let path = name.to_owned();
        site.monitor.notice(&Problem { path, what });
    }
    Ok(job)
}

/// The one job that is meant, where the wrong one would be kept or given up.
///
/// # Errors
///
/// There is none, or there are several; or the catalog cannot be read.
pub(crate) fn one_job(catalog: &Catalog, name: &str) -> Result<Job, JobError> {
    let (job, others) = newest_job(catalog, name)?.ok_or_else(|| no_such(name))?;
    if others.is_empty() {
        return Ok(job);
    }
    let meant: Vec<Job> = std::iter::once(job).chain(others).collect();
    Err(several(name, &meant))
}

/// Nothing is meant by this name.
pub(crate) fn no_such(name: &str) -> JobError {
    let name = name.to_owned();
    WhichError::NoSuchJob { name }.into()
}

fn several(name: &str, meant: &[Job]) -> JobError {
    let meant: Vec<_> = meant
        .iter()
        .map(|job| (job.start.what.job, job.start.time))
        .collect();
    WhichError::SeveralJobs {
        name: name.to_owned(),
        found: with_dates(&meant),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_of_an_identity_are_enough_and_fewer_are_not() {
        let ids = [0xabcd_1234_u32, 0xabce_0000, 0x1111_2222].map(|begin| {
            let bytes = [begin.to_be_bytes(), [0; 4], [0; 4], [0; 4]].concat();
            Uuid::from_slice(&bytes).unwrap()
        });
        for (typed, found) in [
            ("", 0),
            ("1", 0),
            ("111", 0),
            ("1111", 1),
            ("ABCD", 1),
            ("abc", 0),
            ("abce0000-0000", 1),
            ("abce00000000", 1),
            ("abcd12340", 1),
            ("abcf", 0),
            ("nightly", 0),
        ] {
            assert_eq!(beginning_with(typed, ids).len(), found, "{typed}");
        }
        for (typed, short) in [
            ("abc", true),
            ("A-b", true),
            ("abcd", false),
            ("job", false),
        ] {
            assert_eq!(is_too_short(typed), short, "{typed}");
        }
    }
}
