//! Which jobs' entries leave the catalog, and that they do. `docs/catalog.md`, "What may leave".

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Compaction, DroppedJob};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::ledger::{Home, Known};
use crate::model::event::{EntriesDropped, Event, Held};

/// What is known of a job's receipts.
#[derive(Default)]
struct Whereabouts {
    /// Those whose entries are in the catalog, and the entries.
    here: u64,
    /// Those of them that are not of copies of the catalog.
    segments: u64,
    entries: u64,
    /// One of them may still be on its tape, or has to be kept.
    stays: bool,
}

/// The jobs that are expired, and overwritten wherever they were.
fn leaving(known: &Known) -> Vec<DroppedJob> {
    let retained = known.retained();
    let holds = retained.holds().into_iter();
    let held: Vec<Held> = holds
        .filter(|hold| hold.released.is_none())
        .map(|hold| hold.placed.on)
        .collect();
    let mut jobs: BTreeMap<Uuid, Whereabouts> = BTreeMap::new();
    for ((volume, _), placed) in known.receipts() {
        let job = placed.job;
        let of_job = jobs.entry(job).or_default();
        of_job.stays |=
            held.contains(&Held::Job { job }) || held.contains(&Held::Volume { volume });
        if !matches!(placed.home, Home::Dropped) {
            of_job.here += 1;
            of_job.segments += u64::from(!placed.is_catalog_copy);
            of_job.entries += placed.file.entries;
            of_job.stays |= !known.is_overwritten(&volume);
        }
    }
    let leaving = jobs
        .into_iter()
        .filter(|(job, it)| it.here > 0 && !it.stays && retained.is_expired(job));
    let dropped = leaving.map(|(job, it)| DroppedJob {
        job,
        receipts: it.segments,
        entries: it.entries,
    });
    dropped.collect()
}

impl Catalog {
    pub(super) fn leaving(&self) -> Result<Vec<DroppedJob>, CatalogError> {
        let mut ledger = self.ledger();
        ledger.look_again()?;
        Ok(leaving(ledger.known()))
    }

    /// Records that the entries of each such job are dropped. Their files are strays then.
    pub(super) fn let_leave(
        &self,
        now: &dyn Fn() -> Timestamp,
        compaction: &mut Compaction,
    ) -> Result<(), CatalogError> {
        if self.leaving()?.is_empty() {
            return Ok(());
        }
        let mut ledger = self.ledger();
        let right = ledger.begin(self.append_wait())?;
        // Looked for again, now that nobody can place a hold.
        for dropped in leaving(ledger.known()) {
            let event = Event::EntriesDropped(EntriesDropped { job: dropped.job });
            ledger.append(&right, now(), &event)?;
            compaction.dropped.push(dropped);
        }
        Ok(())
    }
}
