//! The catalog's entry files merged, and the entries of what is expired and overwritten let go.
//! `docs/catalog.md`, "Merging and compaction". Touches no tape.

use std::cell::Cell;

use catalogs::{Catalog, CatalogError, Compaction};
use serde::Serialize;
use uuid::Uuid;

use super::portable::CatalogFault;
use super::{JobError, Site, catalog};
use crate::error_text::with_causes;

/// What compacting the catalog came to, or would come to.
#[derive(Debug, Clone, Serialize)]
pub struct CompactSummary {
    /// Nothing was written: this is what would be done.
    pub dry_run: bool,
    /// Jobs whose entries left the catalog: expired, and their tapes overwritten.
    pub dropped: Vec<DroppedEntries>,
    /// Jobs whose files were merged.
    pub merged: Vec<MergedFiles>,
    /// Files that are damaged, and were left as they are.
    pub faults: Vec<CatalogFault>,
    /// Entry files before.
    pub files_before: u64,
    /// Entry files after.
    pub files_after: u64,
    /// Their length before, in bytes.
    pub bytes_before: u64,
    /// Their length after, in bytes; not known of a dry run.
    pub bytes_after: Option<u64>,
    /// The old files are still there, since another process reads them.
    pub waits_for_readers: bool,
}

/// A job whose entries left the catalog.
#[derive(Debug, Clone, Serialize)]
pub struct DroppedEntries {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// Segments that it had on tapes which are overwritten.
    pub segments: u64,
    /// Entries of them.
    pub entries: u64,
}

/// A job whose files were merged.
#[derive(Debug, Clone, Serialize)]
pub struct MergedFiles {
    /// The job.
    pub job: Uuid,
    /// Its name.
    pub name: String,
    /// Its entry files before.
    pub files_before: u64,
    /// Its entry files after.
    pub files_after: u64,
    /// Entries that were written for it.
    pub entries_written: u64,
}

/// Compacts the catalog, or says what that would come to.
///
/// # Errors
///
/// There is no catalog, it lacks lines that it had, another process compacts it, a file cannot be
/// written, or the user stopped it. What was done until then stays.
pub fn compact(site: Site<'_>, dry_run: bool) -> Result<CompactSummary, JobError> {
    let catalog = catalog::open_to_search(site)?;
    let planned = catalog.compaction()?;
    if dry_run {
        return summarise(&catalog, planned, true);
    }
    let merged = planned.merged.iter();
    let total: u64 = merged.map(|job| job.entries_written).sum();
    let done = Cell::new(0_u64);
    let told = Cell::new(None::<u64>);
    let each = |entries| {
        done.set(done.get() + entries);
        let percent = done.get().saturating_mul(100) / total.max(1);
        if told.replace(Some(percent)) != Some(percent) {
            let what = format!("merging entry files: {} of {total} entries", done.get());
            site.monitor.phase(&what);
        }
    };
    match catalog.compact(&|| site.clock.now(), &each) {
        Err(CatalogError::Stopped) => Err(JobError::Stopped),
        compaction => summarise(&catalog, compaction?, false),
    }
}

/// Compacts the catalog at the end of a job, whose result does not depend on it. The last thing
/// that the job asks of the catalog: if the user has asked to stop, this and all after it ends.
pub(super) fn after_job(site: Site<'_>, catalog: &Catalog) {
    if !catalog.may_be_compacted_unasked() {
        return;
    }
    catalog::heed_stop(site, catalog);
    let compact = || {
        let planned = catalog.compaction()?;
        if planned.dropped.is_empty() && planned.merged.is_empty() {
            return Ok(planned);
        }
        site.monitor.phase("merging the catalog's entry files");
        catalog.compact(&|| site.clock.now(), &|_| {})
    };
    match compact() {
        Ok(Compaction { damaged, .. }) => {
            for file in damaged {
                tracing::warn!(error = %with_causes(&file.error), "not merged");
            }
        }
        // The next job, or `catalog compact`, does what is left.
        Err(error) => tracing::info!(error = %with_causes(&error), "entry files are left"),
    }
}

fn summarise(
    catalog: &Catalog,
    compaction: Compaction,
    dry_run: bool,
) -> Result<CompactSummary, JobError> {
    let jobs = catalog.jobs()?;
    let name = |id: Uuid| {
        let job = jobs.iter().find(|job| job.start.what.job == id);
        job.map(|job| job.start.what.name.clone())
            .unwrap_or_default()
    };
    let volumes = catalog.volumes()?;
    let fault = |file: &catalogs::DamagedFile| {
        let mut labels = volumes.iter().map(|volume| &volume.label.what);
        let label = labels.find(|label| label.volume == file.volume);
        let barcode = label.map(|label| label.barcode.clone());
        CatalogFault {
            what: with_causes(&file.error),
            advice: super::portable::rebuild_advice(barcode.as_deref()),
            barcode,
        }
    };
    let dropped = compaction.dropped.iter().map(|it| DroppedEntries {
        job: it.job,
        name: name(it.job),
        segments: it.receipts,
        entries: it.entries,
    });
    let merged = compaction.merged.iter().map(|it| MergedFiles {
        job: it.job,
        name: name(it.job),
        files_before: it.files_before,
        files_after: it.files_after,
        entries_written: it.entries_written,
    });
    Ok(CompactSummary {
        dry_run,
        dropped: dropped.collect(),
        merged: merged.collect(),
        faults: compaction.damaged.iter().map(fault).collect(),
        files_before: compaction.files_before,
        files_after: compaction.files_after,
        bytes_before: compaction.bytes_before,
        bytes_after: compaction.bytes_after,
        waits_for_readers: compaction.waits_for_readers,
    })
}
