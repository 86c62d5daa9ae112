//! Fewer files: those of a job are merged, and the entries of jobs that are expired and
//! overwritten leave the catalog. `docs/catalog.md`, "Merging and compaction".
//!
//! Invariants: what a ledger line does not name does not count, and what it names is durable
//! before it; no entry file is changed, and none removed while somebody reads; neither a commit
//! nor a reader waits for a merge.

mod carry_out;
mod leave;
mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::catalog::{Catalog, DamagedFile};
use crate::error::CatalogError;
use crate::ledger::FileInUse;
use crate::lock::{FileLock, LockError};
use plan::{Group, Weight};

/// Held by the process that merges.
const LOCK_FILE: &str = "merge.lock";
/// Catalogs of lower formats may be used by software that does not know merged files.
const FORMAT_WITH_MERGES: u32 = 3;

/// What compacting a catalog comes to.
#[derive(Debug, Default)]
pub struct Compaction {
    /// Jobs whose entries leave the catalog.
    pub dropped: Vec<DroppedJob>,
    /// Jobs whose files are merged.
    pub merged: Vec<MergedJob>,
    /// Files that are left as they are: commit their segments again from tape.
    pub damaged: Vec<DamagedFile>,
    /// Entry files before.
    pub files_before: u64,
    /// Entry files after.
    pub files_after: u64,
    /// Their length before, in bytes.
    pub bytes_before: u64,
    /// Their length after, in bytes; `None` where it was only looked what would be done.
    pub bytes_after: Option<u64>,
    /// Files that do not count are still there, since somebody reads: they go when the catalog is
    /// opened next.
    pub waits_for_readers: bool,
}

/// A job whose entries leave the catalog: it is expired, and overwritten wherever it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedJob {
    /// The job.
    pub job: Uuid,
    /// Receipts of it that had entries in the catalog; those of catalog copies not counted.
    pub receipts: u64,
    /// Their entries.
    pub entries: u64,
}

/// A job whose files are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedJob {
    /// The job.
    pub job: Uuid,
    /// Its files before.
    pub files_before: u64,
    /// Its files after.
    pub files_after: u64,
    /// Entries that are written for it, some of them several times where the files are many.
    pub entries_written: u64,
}

impl Catalog {
    /// Whether all software that may use this catalog knows merged files, so that it may be
    /// compacted without being asked for.
    pub fn may_be_compacted_unasked(&self) -> bool {
        let ledger = self.ledger();
        ledger.known().format() >= FORMAT_WITH_MERGES && ledger.lost().is_none()
    }

    /// What [`Catalog::compact`] would do now. Files are not compared with their digests.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read, or lacks lines that it had.
    pub fn compaction(&self) -> Result<Compaction, CatalogError> {
        let _reading = self.begin_reading();
        let mut compaction = self.begin_compaction()?;
        compaction.dropped = self.leaving()?;
        let left: Vec<Uuid> = compaction.dropped.iter().map(|it| it.job).collect();
        let mut files = self.files_in_use()?;
        files.retain(|file| {
            let stays = |job: &Uuid| !left.contains(job);
            file.tenants.iter().any(|tenant| stays(&tenant.job))
        });
        compaction.files_after = files.len() as u64;
        for group in self.groups(files, &mut compaction.damaged)? {
            let mut weights: Vec<Weight> = group.files.iter().map(Weight::of).collect();
            let files_before = weights.len() as u64;
            let mut entries_written = 0;
            while let Some(chosen) = plan::choose(&weights) {
                entries_written += Weight::replace(&mut weights, &chosen);
            }
            compaction.note(
                group.job,
                files_before,
                weights.len() as u64,
                entries_written,
            );
        }
        Ok(compaction)
    }

    /// Lets the entries of jobs go that are expired and overwritten, and merges the files of jobs
    /// that have ended. What is done of it by the time it is stopped ([`Catalog::stop_by`]), or
    /// fails, stays. `now` is the time of what is recorded; `each` hears of entries written.
    ///
    /// Memory: about 20 MB, and 64 MiB more for the files with the most entries.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Merging`]: another process does it. [`CatalogError::Stopped`]. Or the
    /// ledger cannot be used or lacks lines that it had, or a file cannot be written. Files that
    /// cannot be read are in the result.
    pub fn compact(
        &self,
        now: &dyn Fn() -> Timestamp,
        each: &dyn Fn(u64),
    ) -> Result<Compaction, CatalogError> {
        let _alone = self.begin_merging().map_err(CatalogError::Merging)?;
        let mut compaction = self.begin_compaction()?;
        let result = self
            .let_leave(now, &mut compaction)
            .and_then(|()| self.merge_all(now, each, &mut compaction));
        self.kept().clear();
        self.remove_strays()?;
        result?;
        let ledger = self.ledger();
        let files = ledger.known().files();
        compaction.files_after = files.len() as u64;
        compaction.bytes_after = Some(files.iter().map(|file| file.file.bytes).sum());
        let strays = self.strays(ledger.known());
        compaction.waits_for_readers = strays.is_ok_and(|strays| !strays.is_empty());
        Ok(compaction)
    }

    /// The right to merge, unless another process does.
    pub(crate) fn begin_merging(&self) -> Result<FileLock, LockError> {
        FileLock::acquire(&self.directory().join(LOCK_FILE), Duration::ZERO)
    }

    fn begin_compaction(&self) -> Result<Compaction, CatalogError> {
        if let Some(lost) = self.lost_lines() {
            return Err(CatalogError::LinesLost(lost));
        }
        let files = self.files_in_use()?;
        Ok(Compaction {
            files_before: files.len() as u64,
            bytes_before: files.iter().map(|file| file.file.bytes).sum(),
            ..Compaction::default()
        })
    }

    fn files_in_use(&self) -> Result<Vec<FileInUse>, CatalogError> {
        let mut ledger = self.ledger();
        ledger.look_again()?;
        Ok(ledger.known().files())
    }

    fn merge_all(
        &self,
        now: &dyn Fn() -> Timestamp,
        each: &dyn Fn(u64),
        compaction: &mut Compaction,
    ) -> Result<(), CatalogError> {
        let files = self.files_in_use()?;
        for mut group in self.groups(files, &mut compaction.damaged)? {
            let files_before = group.files.len() as u64;
            let mut entries_written = 0;
            let merged = self.merge_group(&mut group, now, each, &mut |result| match result {
                Ok(entries) => entries_written += entries,
                Err(damaged) => compaction.damaged.push(damaged),
            });
            let files_after = group.files.len() as u64;
            compaction.note(group.job, files_before, files_after, entries_written);
            merged?;
        }
        Ok(())
    }

    /// The files of jobs that have ended, those together that may be merged with one another.
    fn groups(
        &self,
        files: Vec<FileInUse>,
        damaged: &mut Vec<DamagedFile>,
    ) -> Result<Vec<Group>, CatalogError> {
        let ledger = self.ledger();
        let mut of_jobs: BTreeMap<Uuid, Vec<FileInUse>> = BTreeMap::new();
        for file in files {
            let job = file.tenants[0].job;
            if ledger.known().has_ended(&job) {
                of_jobs.entry(job).or_default().push(file);
            }
        }
        drop(ledger);
        let mut groups = Vec::new();
        for (job, files) in of_jobs {
            let stays = matches!(&files[..], [file] if !Weight::of(file).is_rotten());
            if !stays {
                groups.extend(Group::of(job, files, |name| self.entry_path(name), damaged));
            }
        }
        Ok(groups)
    }
}

impl Compaction {
    fn note(&mut self, job: Uuid, files_before: u64, files_after: u64, entries_written: u64) {
        if entries_written == 0 && files_before == files_after {
            return;
        }
        self.files_after = (self.files_after + files_after).saturating_sub(files_before);
        match self.merged.iter_mut().find(|merged| merged.job == job) {
            Some(merged) => {
                merged.files_before += files_before;
                merged.files_after += files_after;
                merged.entries_written += entries_written;
            }
            None => self.merged.push(MergedJob {
                job,
                files_before,
                files_after,
                entries_written,
            }),
        }
    }
}
