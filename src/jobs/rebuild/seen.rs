//! How the jobs ended of which a rebuild meets segments: by what the tapes tell, and all that
//! the catalog has of them already.
//!
//! Does not know the library, or which tape a segment was on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use catalogs::Catalog;
use catalogs::model::{Entry, Kind};
use uuid::Uuid;

use crate::jobs::{JobError, Outcome, Site, interrupted};
use crate::volume::member::Condition;
use crate::volume::receipt::SegmentReceipt;

/// The jobs of the segments that a rebuild met.
#[derive(Default)]
pub(super) struct SeenJobs(HashMap<Uuid, JobSeen>);

impl SeenJobs {
    /// Notes a segment.
    pub(super) fn see(&mut self, receipt: &SegmentReceipt) {
        let seen = self.0.entry(receipt.info.job.id).or_default();
        seen.segments.insert(receipt.info.job_segment);
        if receipt.info.job_ends {
            seen.last = Some(receipt.info.job_segment);
        }
        let whole = receipt
            .files
            .iter()
            .all(|line| line.condition == Condition::Whole);
        seen.blemished |= receipt.salvaged || !whole || had_problems(receipt.info.job_problems);
    }

    /// Records how the jobs ended of which this rebuild met a segment, and what became of
    /// those that ended nowhere.
    pub(super) fn settle(self, site: Site<'_>, catalog: &Catalog) -> Result<(), JobError> {
        let outcomes = self.outcomes(catalog)?;
        interrupted::settle_as(site, catalog, &|job| {
            let known = outcomes.get(&job).copied();
            known.unwrap_or(Outcome::Interrupted)
        })?;
        for (job, outcome) in outcomes {
            correct(site, catalog, job, outcome)?;
        }
        Ok(())
    }

    /// How the jobs ended of which this rebuild met a segment, by all that the catalog has of
    /// them by now: other segments may have come with an earlier rebuild.
    fn outcomes(self, catalog: &Catalog) -> Result<BTreeMap<Uuid, Outcome>, JobError> {
        let mut outcomes = BTreeMap::new();
        for (job, mut seen) in self.0 {
            for receipt in catalog.receipts_of_job(&job)? {
                let record = receipt.what;
                let Some(number) = record.receipt.job_segment else {
                    continue;
                };
                if !seen.segments.insert(number) {
                    continue;
                }
                if record.receipt.job_ends {
                    seen.last = Some(number);
                }
                let entries = catalog.entries_in_tape_order(&record)?;
                let whole = entries.iter().all(is_whole);
                seen.blemished |= !whole || had_problems(record.receipt.job_problems);
            }
            outcomes.insert(job, seen.outcome());
        }
        Ok(outcomes)
    }
}

/// What the tapes tell of a job.
#[derive(Default)]
struct JobSeen {
    /// Numbers of its segments that were found.
    segments: BTreeSet<u64>,
    /// Number of the segment with which it reached its end.
    last: Option<u64>,
    /// Some member is missing, not whole, or known from headers alone.
    blemished: bool,
}

impl JobSeen {
    /// Complete only if every segment was found: else what lies on a missing tape would
    /// count as gone from the source.
    fn outcome(&self) -> Outcome {
        match self.last {
            None => Outcome::Interrupted,
            Some(last) if self.segments.len() as u64 == last && !self.blemished => {
                Outcome::Complete
            }
            Some(_) => Outcome::Partial,
        }
    }
}

/// Whether the run that ended said that something was missing from it.
fn had_problems(job_problems: Option<u64>) -> bool {
    job_problems.is_some_and(|problems| problems > 0)
}

/// A file without digest is known from its headers alone.
fn is_whole(entry: &Entry) -> bool {
    let read = entry.kind != Kind::File || entry.digest.is_some();
    read && entry.condition == catalogs::model::Condition::Whole
}

/// Corrects what an earlier rebuild made of a job while some of its tapes were elsewhere. What
/// the job said itself stays: it lists its problems, which no tape tells.
fn correct(site: Site<'_>, catalog: &Catalog, job: Uuid, outcome: Outcome) -> Result<(), JobError> {
    let known = catalog.job(&job.to_string())?.and_then(|job| job.finish);
    let Some(said) = known.map(|finish| finish.what) else {
        return Ok(());
    };
    let from_tapes = said.problems.total == 0 && said.outcome != Outcome::Failed;
    let better = match outcome {
        Outcome::Complete => said.outcome != Outcome::Complete,
        Outcome::Partial => said.outcome == Outcome::Interrupted,
        Outcome::Failed | Outcome::Interrupted => false,
    };
    if from_tapes && better {
        interrupted::finish(site, catalog, job, outcome, interrupted::Ended::default())?;
    }
    Ok(())
}
