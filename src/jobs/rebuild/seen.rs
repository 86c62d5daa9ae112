//! How the jobs ended of which a rebuild, or who adopts what is behind the known end of a tape,
//! meets segments: by what the tapes tell, and all that the catalog has of them already.
//!
//! Does not know the library, or which tape a segment was on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use catalogs::Catalog;
use catalogs::model::{Entry, Kind};
use uuid::Uuid;

use crate::engine::{BoxedError, ReceiptSink};
use crate::jobs::{JobError, Outcome, Site, catalog, convert, interrupted};
use crate::volume::index::Content;
use crate::volume::member::Condition;
use crate::volume::receipt::SegmentReceipt;

/// The jobs of the segments that were met, by the pools that have a copy of them.
#[derive(Default)]
pub(crate) struct SeenJobs(HashMap<Uuid, BTreeMap<String, JobSeen>>);

impl SeenJobs {
    /// Notes a segment. A copy of the catalog is none of its job's own.
    fn see(&mut self, receipt: &SegmentReceipt) {
        if receipt.info.content != Content::Files {
            return;
        }
        let pools = self.0.entry(receipt.info.job.id).or_default();
        let seen = pools.entry(receipt.info.pool.clone()).or_default();
        seen.segments.insert(receipt.info.job_segment);
        if receipt.info.job_ends {
            seen.end(receipt.info.job_segment, receipt.info.job_problems);
        }
        let whole = receipt
            .files
            .iter()
            .all(|line| line.condition == Condition::Whole);
        seen.blemished |= receipt.salvaged || !whole;
    }

    /// Records how the jobs ended of which a segment was met, and what became of those that ended
    /// nowhere. One that runs ends by itself.
    pub(crate) fn settle(self, site: Site<'_>, known: &Catalog) -> Result<(), JobError> {
        let outcomes = self.outcomes(known)?;
        interrupted::settle_as(site, known, &|job| {
            let told = outcomes.get(&job).copied();
            told.unwrap_or(Outcome::Interrupted)
        })?;
        for (job, outcome) in outcomes {
            correct(site, known, job, outcome)?;
        }
        Ok(())
    }

    /// How the jobs ended of which a segment was met, by all that the catalog has of
    /// them by now: other segments may have come with an earlier rebuild.
    fn outcomes(self, known: &Catalog) -> Result<BTreeMap<Uuid, Outcome>, JobError> {
        let mut outcomes = BTreeMap::new();
        for (job, mut pools) in self.0 {
            for receipt in known.receipts_of_job(&job)? {
                let record = receipt.what;
                let Some(number) = record.receipt.job_segment else {
                    continue;
                };
                let volume = catalog::volume(known, record.receipt.volume)?;
                let seen = pools.entry(volume.label.what.pool).or_default();
                if !seen.segments.insert(number) {
                    continue;
                }
                if record.receipt.job_ends {
                    seen.end(number, record.receipt.job_problems);
                }
                let entries = known.entries_in_tape_order(&record)?;
                seen.blemished |= !entries.iter().all(is_whole);
            }
            // One copy that is whole is enough.
            let found = pools.values().map(JobSeen::outcome);
            let best = found.min_by_key(|outcome| match outcome {
                Outcome::Complete => 0,
                Outcome::Partial => 1,
                Outcome::Failed | Outcome::Interrupted => 2,
            });
            outcomes.extend(best.map(|best| (job, best)));
        }
        Ok(outcomes)
    }
}

/// What the tapes tell of a job.
#[derive(Default)]
struct JobSeen {
    /// Numbers of its segments that were found.
    segments: BTreeSet<u64>,
    /// Number of the segment with which it reached its end, the last time, and the problems that
    /// it had then, if it said so.
    last: Option<(u64, Option<u64>)>,
    /// Some member is missing, not whole, or known from headers alone.
    blemished: bool,
}

impl JobSeen {
    fn end(&mut self, number: u64, problems: Option<u64>) {
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

/// A file without digest is known from its headers alone.
fn is_whole(entry: &Entry) -> bool {
    let read = entry.kind != Kind::File || entry.digest.is_some();
    read && entry.condition == catalogs::model::Condition::Whole
}

/// Corrects what an earlier rebuild made of a job while some of its tapes were elsewhere. What
/// the job said itself stays: it lists its problems, which no tape tells.
fn correct(site: Site<'_>, known: &Catalog, job: Uuid, outcome: Outcome) -> Result<(), JobError> {
    let before = known.job(&job.to_string())?.and_then(|job| job.finish);
    let Some(said) = before.map(|finish| finish.what) else {
        return Ok(());
    };
    let from_tapes = said.problems.total == 0 && said.outcome != Outcome::Failed;
    let better = match outcome {
        Outcome::Complete => said.outcome != Outcome::Complete,
        Outcome::Partial => said.outcome == Outcome::Interrupted,
        Outcome::Failed | Outcome::Interrupted => false,
    };
    if from_tapes && better && !interrupted::is_owned(site, job)? {
        interrupted::finish(site, known, job, outcome, interrupted::Ended::default())?;
    }
    Ok(())
}

/// Segments into the catalog, each noted for its job.
pub(crate) struct NotingSink<'a> {
    pub(crate) site: Site<'a>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) jobs: &'a mut SeenJobs,
    /// Segments of files that the catalog did not know before.
    pub(crate) new_segments: u64,
}

impl ReceiptSink for NotingSink<'_> {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        self.jobs.see(&receipt);
        let is_files = receipt.info.content == Content::Files;
        let new = convert::commit(self.catalog, self.site.clock, receipt)?;
        self.new_segments += u64::from(new && is_files);
        Ok(())
    }
}
