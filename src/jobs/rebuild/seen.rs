//! How and when the jobs ended of which a rebuild, or who adopts what is behind the known end of a
//! tape, meets segments, and how long they are kept: by what the tapes tell, and all that the
//! catalog has of them already.
//!
//! Does not know the library, or which tape a segment was on.

use std::collections::{BTreeMap, HashMap};

use catalogs::Catalog;
use catalogs::model::{Entry, Kind};
use jiff::Timestamp;
use uuid::Uuid;

use crate::engine::{BoxedError, ReceiptSink};
use crate::jobs::interrupted::{self, JobEnd};
use crate::jobs::{JobError, Outcome, Site, catalog, convert, retention};
use crate::volume::index::{Content, KeepUntil};
use crate::volume::member::Condition;
use crate::volume::receipt::SegmentReceipt;

/// The jobs of the segments that were met.
#[derive(Default)]
pub(crate) struct SeenJobs {
    /// By the pools that have a copy of them.
    jobs: HashMap<Uuid, BTreeMap<String, JobSeen>>,
    /// The longest that a segment says of how long a job is kept.
    kept: BTreeMap<Uuid, KeepUntil>,
}

impl SeenJobs {
    /// Notes a segment. A copy of the catalog is none of its job's own.
    fn see(&mut self, receipt: &SegmentReceipt) {
        if receipt.info.content != Content::Files {
            return;
        }
        let job = &receipt.info.job;
        if let Some(keep) = job.policy.keep {
            let longest = self.kept.entry(job.id).or_insert(keep);
            *longest = keep.max(*longest);
        }
        let pools = self.jobs.entry(job.id).or_default();
        let seen = pools.entry(receipt.info.pool.clone()).or_default();
        let closed_at = convert::closed_at(&receipt.info);
        seen.segments.insert(receipt.info.job_segment, closed_at);
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
    /// nowhere. One that runs ends by itself. Returns of how many jobs a tape told how long they
    /// are kept.
    pub(crate) fn settle(self, site: Site<'_>, known: &Catalog) -> Result<u64, JobError> {
        let ends = ends(self.jobs, known)?;
        interrupted::settle_as(site, known, &|job| ends.get(&job).copied())?;
        for (job, end) in ends {
            correct(site, known, job, end)?;
        }
        let mut told = 0;
        for (job, keep) in self.kept {
            told += u64::from(retention::take_from_tape(site, known, job, keep)?);
        }
        Ok(told)
    }
}

/// How the jobs ended of which a segment was met, by all that the catalog has of
/// them by now: other segments may have come with an earlier rebuild.
fn ends(
    jobs: HashMap<Uuid, BTreeMap<String, JobSeen>>,
    known: &Catalog,
) -> Result<BTreeMap<Uuid, JobEnd>, JobError> {
    let mut ends = BTreeMap::new();
    for (job, mut pools) in jobs {
        for receipt in known.receipts_of_job(&job)? {
            let record = &receipt.what;
            let Some(number) = record.receipt.job_segment else {
                continue;
            };
            let volume = catalog::volume(known, record.receipt.volume)?;
            let seen = pools.entry(volume.label.what.pool).or_default();
            if seen.segments.contains_key(&number) {
                continue;
            }
            seen.segments.insert(number, receipt.time);
            if record.receipt.job_ends {
                seen.end(number, record.receipt.job_problems);
            }
            let entries = known.entries_in_tape_order(record)?;
            seen.blemished |= !entries.iter().all(is_whole);
        }
        let start = known.job(&job.to_string())?.map(|job| job.start.what);
        let own = |pool: &String| start.as_ref().is_some_and(|start| start.pool == *pool);
        // One copy that is whole is enough. The first tells best when the job ended: a second
        // one may be made years later.
        let found = pools.iter().filter_map(|(pool, seen)| {
            let (_, at) = seen.segments.last_key_value()?;
            let (outcome, at) = (seen.outcome(), *at);
            Some(((rank(outcome), !own(pool), at), JobEnd { outcome, at }))
        });
        let best = found.min_by_key(|(order, _)| *order);
        ends.extend(best.map(|(_, end)| (job, end)));
    }
    Ok(ends)
}

/// What the tapes tell of a job.
#[derive(Default)]
struct JobSeen {
    /// Numbers of its segments that were found, and when each was closed.
    segments: BTreeMap<u64, Timestamp>,
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
fn correct(site: Site<'_>, known: &Catalog, job: Uuid, end: JobEnd) -> Result<(), JobError> {
    let before = known.job(&job.to_string())?.and_then(|job| job.finish);
    let Some(said) = before.map(|finish| finish.what) else {
        return Ok(());
    };
    // Older software did not note what it took from tapes.
    let may_be = said.problems.total == 0 && said.outcome != Outcome::Failed;
    let better = rank(end.outcome) < rank(said.outcome);
    let is_told = said.from_tapes || may_be && better;
    if is_told && !interrupted::is_owned(site, job)? {
        end.record(known, job)?;
    }
    Ok(())
}

/// The best is the least.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Partial => 1,
        Outcome::Failed | Outcome::Interrupted => 2,
    }
}

/// Segments into the catalog, each noted for its job.
pub(crate) struct NotingSink<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) jobs: &'a mut SeenJobs,
    /// Segments of files that the catalog did not know before.
    pub(crate) new_segments: u64,
}

impl ReceiptSink for NotingSink<'_> {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        self.jobs.see(&receipt);
        let is_files = receipt.info.content == Content::Files;
        let new = convert::commit(self.catalog, receipt)?;
        self.new_segments += u64::from(new && is_files);
        Ok(())
    }
}
