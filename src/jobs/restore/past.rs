//! What was deleted: left out of a tree that is still there, and restored as it was last where it
//! was asked for by its own name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use catalogs::Catalog;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::jobs::{ByteText, JobError};
use crate::monitor::{Monitor, Problem};

/// So many moments are named in one sentence.
const TOLD: usize = 3;

/// Objects that match and are left out, since they were deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// How many they are.
    pub objects: u64,
    /// The moments that bring them, the latest first. Each object is counted with the last moment
    /// at which it was there.
    pub moments: Vec<Moment>,
}

/// A moment at which there was more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// What `--as-of` takes.
    pub as_of: Timestamp,
    /// Objects that are there as of then, and were deleted by the next job.
    pub objects: u64,
}

/// A path that was asked for by its name, and is gone: it is restored as it was last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsItWas {
    /// The path.
    pub path: ByteText,
    /// The moment as of which it is restored.
    pub as_of: Timestamp,
    /// When the first job began that did not find it any more.
    pub gone_since: Timestamp,
}

/// Objects that are gone, counted by the beginning of the first job that did not find them.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeMap<Timestamp, u64>);

impl Gone {
    /// Counts one more.
    pub(super) fn add(&mut self, since: Timestamp) {
        *self.0.entry(since).or_default() += 1;
    }

    pub(super) fn extend(&mut self, other: Gone) {
        for (since, objects) in other.0 {
            *self.0.entry(since).or_default() += objects;
        }
    }

    /// When the last of them was found to be gone.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.0.last_key_value().map(|(since, _)| *since)
    }

    /// The same with the moments that bring them.
    pub(super) fn told(&self, catalog: &Catalog) -> Result<Deleted, JobError> {
        let mut deleted = Deleted::default();
        if self.0.is_empty() {
            return Ok(deleted);
        }
        let begun = begun(catalog)?;
        for (&since, &objects) in &self.0 {
            deleted.objects += objects;
            if let Some(as_of) = moment_before(&begun, since) {
                deleted.moments.push(Moment { as_of, objects });
            }
        }
        deleted.moments.sort_by_key(|moment| Reverse(moment.as_of));
        Ok(deleted)
    }
}

/// The last moment before a job that began at `since`, as far as other jobs tell of it.
pub(super) fn before(catalog: &Catalog, since: Timestamp) -> Result<Option<Timestamp>, JobError> {
    Ok(moment_before(&begun(catalog)?, since))
}

fn begun(catalog: &Catalog) -> Result<Vec<Timestamp>, JobError> {
    let jobs = catalog.jobs()?;
    Ok(jobs.iter().map(|job| job.start.time).collect())
}

/// The beginning of the job that began last before `since`; by whole seconds, where that means the
/// same, since people may have to type it.
fn moment_before(begun: &[Timestamp], since: Timestamp) -> Option<Timestamp> {
    let last = begun.iter().filter(|at| **at < since).max()?;
    let whole = match last.subsec_nanosecond() {
        0 => Some(*last),
        part => {
            let rest = SignedDuration::from_nanos(1_000_000_000 - i64::from(part));
            last.checked_add(rest).ok()
        }
    };
    Some(whole.filter(|whole| *whole < since).unwrap_or(*last))
}

/// Who asks for a directory may miss what was deleted in it.
pub(super) fn tell_deleted(monitor: &dyn Monitor, deleted: &Deleted) {
    let objects = match deleted.objects {
        0 => return,
        1 => "1 object that was deleted since is".to_owned(),
        count => format!("{count} objects that were deleted since are"),
    };
    let moments = match &deleted.moments[..] {
        [] => "`find --all-versions PATH` names them".to_owned(),
        [one] if one.objects == deleted.objects => {
            let brings = "brings the tree as it was then";
            format!("`--as-of {}` {brings}", one.as_of)
        }
        moments => {
            let told = moments.iter().take(TOLD);
            let told = told.map(|one| format!("`--as-of {}` brings {}", one.as_of, one.objects));
            let told: Vec<String> = told.collect();
            let more = match moments.len() > TOLD {
                true => "; --json has all moments",
                false => "",
            };
            format!("{} of them{more}", told.join(", "))
        }
    };
    monitor.notice(&Problem {
        path: "what was asked for".to_owned(),
        what: format!("{objects} left out; {moments}"),
    });
}

/// Who asks for something that is gone is told of which time it is.
pub(super) fn tell_as_it_was(monitor: &dyn Monitor, was: &AsItWas) {
    monitor.notice(&Problem {
        path: was.path.to_string(),
        what: format!(
            "it was deleted: a job that began at {} did not find it any more; it is restored as \
             of {}, when it was there last",
            was.gone_since, was.as_of
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_before_a_job_is_one_that_can_be_typed_where_there_is_such() {
        let time = |text: &str| -> Timestamp { format!("2026-11-30T12:{text}Z").parse().unwrap() };
        let begun = ["00:00", "10:00.5", "10:00.7", "20:00.25"].map(time);
        for (since, expected) in [
            ("00:00", None),
            ("10:00.5", Some("00:00")),
            ("10:00.7", Some("10:00.5")),
            ("20:00.25", Some("10:01")),
            ("30:00", Some("20:01")),
        ] {
            assert_eq!(
                moment_before(&begun, time(since)),
                expected.map(time),
                "{since}"
            );
        }
    }
}
