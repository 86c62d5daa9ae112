//! How and when the jobs ended of which a rebuild, or who adopts what is behind the known end of a
//! tape, meets segments, and how long they are kept: by what the tapes tell, and all that the
//! catalog has of them already.
//!
//! Does not know the library, or which tape a segment was on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use catalogs::Catalog;
use uuid::Uuid;

use crate::engine::{BoxedError, ReceiptSink};
use crate::jobs::ends::{Copies, JobEnd, end_of, rank};
use crate::jobs::{JobError, Outcome, Site, convert, interrupted, retention};
use crate::volume::index::{Content, KeepUntil, SegmentInfo};
use crate::volume::member::Condition;
use crate::volume::receipt::SegmentReceipt;

/// The jobs of the segments that were met.
#[derive(Default)]
pub(crate) struct SeenJobs {
    /// By the pools that have a copy of them.
    jobs: HashMap<Uuid, Copies>,
    /// The longest that a segment says of how long a job is kept.
    kept: BTreeMap<Uuid, KeepUntil>,
    /// Jobs of which a segment told how long they are kept, and nothing else did.
    told: BTreeSet<Uuid>,
}

impl SeenJobs {
    /// Notes a segment. A copy of the catalog is none of its job's own.
    fn see(&mut self, receipt: &SegmentReceipt) {
        if receipt.info.content != Content::Files {
            return;
        }
        let pools = self.jobs.entry(receipt.info.job.id).or_default();
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

    /// Records how long the job of a segment is kept, if that is news. Before the segment is: no
    /// later mount may look at that again.
    fn keep(
        &mut self,
        site: Site<'_>,
        known: &Catalog,
        info: &SegmentInfo,
    ) -> Result<(), JobError> {
        let (job, said) = (info.job.id, info.job.policy.keep);
        let Some(keep) = said.filter(|_| info.content == Content::Files) else {
            return Ok(());
        };
        if self.kept.get(&job).is_some_and(|longest| *longest >= keep) {
            return Ok(());
        }
        convert::name_job(known, info)?;
        if retention::take_from_tape(site, known, job, keep)? {
            self.told.insert(job);
        }
        self.kept.insert(job, keep);
        Ok(())
    }

    /// Corrects at once what was made of a job before its last segment was met.
    fn correct_cut_off(&self, site: Site<'_>, known: &Catalog, job: Uuid) -> Result<(), JobError> {
        let finish = known.job(&job.to_string())?.and_then(|job| job.finish);
        let cut_off = finish.is_some_and(|said| said.what.outcome == Outcome::Interrupted);
        let Some(copies) = self.jobs.get(&job).filter(|_| cut_off) else {
            return Ok(());
        };
        match end_of(known, job, copies.clone())? {
            Some(end) => correct(site, known, job, end),
            None => Ok(()),
        }
    }

    /// Records how the jobs ended of which a segment was met, and what became of those that ended
    /// nowhere. One that runs ends by itself. Returns of how many jobs a tape told how long they
    /// are kept.
    pub(crate) fn settle(self, site: Site<'_>, known: &Catalog) -> Result<u64, JobError> {
        let mut ends = BTreeMap::new();
        for (job, copies) in self.jobs {
            ends.extend(end_of(known, job, copies)?.map(|end| (job, end)));
        }
        interrupted::settle_as(site, known, &|job| ends.get(&job).copied())?;
        for (job, end) in ends {
            correct(site, known, job, end)?;
        }
        Ok(self.told.len() as u64)
    }
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
        self.jobs.keep(self.site, self.catalog, &receipt.info)?;
        let is_files = receipt.info.content == Content::Files;
        let ended = (is_files && receipt.info.job_ends).then_some(receipt.info.job.id);
        let new = convert::commit(self.catalog, receipt)?;
        self.new_segments += u64::from(new && is_files);
        if let Some(job) = ended {
            self.jobs.correct_cut_off(self.site, self.catalog, job)?;
        }
        Ok(())
    }
}
