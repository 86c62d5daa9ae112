//! How and when a job ended, by what its segments tell: those that were just met on a tape, and
//! all that the catalog has.
//!
//! Records nothing, and does not know whether a job still runs.

use std::collections::BTreeMap;

use catalogs::model::event::Outcome;
use catalogs::model::{Entry, Kind};
use catalogs::{Catalog, CatalogError};
use jiff::Timestamp;
use uuid::Uuid;

use super::{JobError, catalog};

/// How a job ended and when, by what tapes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobEnd {
    pub(crate) outcome: Outcome,
    pub(crate) at: Timestamp,
}

/// What the segments of a job tell, by the pools that have a copy of it.
pub(crate) type Copies = BTreeMap<String, JobSeen>;

/// What the segments of one copy of a job tell.
#[derive(Clone, Default)]
pub(crate) struct JobSeen {
    /// Numbers of its segments that were found, and when each was closed.
    pub(crate) segments: BTreeMap<u64, Timestamp>,
    /// Number of the segment with which it reached its end, the last time, and the problems that
    /// it had then, if it said so.
    last: Option<(u64, Option<u64>)>,
    /// Some member is missing, not whole, known from headers alone, or not known at all.
    pub(crate) blemished: bool,
}

impl JobSeen {
    pub(crate) fn end(&mut self, number: u64, problems: Option<u64>) {
        self.last = self.last.max(Some((number, problems)));
    }

    /// Complete only if every segment was found: else what lies on a missing tape would
    /// count as gone from the source.
    fn outcome(&self) -> Outcome {
        match self.last {
            None => Outcome::Interrupted,
            Some((last, None | Some(0)))
                if self.segments.len() as u64 == last && !self.blemished =>
            {
                Outcome::Complete
            }
            Some(_) => Outcome::Partial,
        }
    }
}

/// How a job ended of which these segments were met, by all that the catalog has of it by now:
/// other segments may have come earlier.
pub(crate) fn end_of(
    known: &Catalog,
    job: Uuid,
    mut copies: Copies,
) -> Result<Option<JobEnd>, JobError> {
    for receipt in known.receipts_of_job(&job)? {
        let record = &receipt.what;
        let Some(number) = record.receipt.job_segment else {
            continue;
        };
        let volume = catalog::volume(known, record.receipt.volume)?;
        let seen = copies.entry(volume.label.what.pool).or_default();
        if seen.segments.contains_key(&number) {
            continue;
        }
        seen.segments.insert(number, receipt.time);
        if record.receipt.job_ends {
            seen.end(number, record.receipt.job_problems);
        }
        seen.blemished |= match known.entries_in_tape_order(record) {
            Ok(entries) => !entries.iter().all(is_whole),
            // A rebuild of its tape heals it. Whoever asks goes on meanwhile.
            Err(CatalogError::Entries(error)) => {
                tracing::warn!(%job, %error, "what a segment of the job holds is not known");
                true
            }
            Err(error) => return Err(error.into()),
        };
    }
    let start = known.job(&job.to_string())?.map(|job| job.start.what);
    let own = |pool: &String| start.as_ref().is_some_and(|start| start.pool == *pool);
    // One copy that is whole is enough. The first tells best when the job ended: a second
    // one may be made years later.
    let found = copies.iter().filter_map(|(pool, seen)| {
        let (_, at) = seen.segments.last_key_value()?;
        let (outcome, at) = (seen.outcome(), *at);
        Some(((rank(outcome), !own(pool), at), JobEnd { outcome, at }))
    });
    let best = found.min_by_key(|(order, _)| *order);
    Ok(best.map(|(_, end)| end))
}

/// How a job ended by the segments that the catalog has; nothing if none says that it did.
pub(crate) fn end_by_receipts(known: &Catalog, job: Uuid) -> Result<Option<JobEnd>, JobError> {
    let receipts = known.receipts_of_job(&job)?;
    let ends = receipts.iter().any(|receipt| {
        let receipt = &receipt.what.receipt;
        receipt.job_segment.is_some() && receipt.job_ends
    });
    match ends {
        true => end_of(known, job, Copies::new()),
        false => Ok(None),
    }
}

/// A file without digest is known from its headers alone.
fn is_whole(entry: &Entry) -> bool {
    let read = entry.kind != Kind::File || entry.digest.is_some();
    read && entry.condition == catalogs::model::Condition::Whole
}

/// The best is the least.
pub(crate) fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Partial => 1,
        Outcome::Failed | Outcome::Interrupted => 2,
    }
}
