//! Volumes, jobs and receipts, put together from the ledger lines about them.

use std::path::Path;

use jiff::Timestamp;
use uuid::Uuid;

use super::Catalog;
use crate::error::CatalogError;
use crate::index::rows::{JobRow, ReceiptRow, VolumeRow};
use crate::index::{Answer, IndexError, JobOrder};
use crate::ledger::line::Parsed;
use crate::ledger::scan::read_line;
use crate::model::Entry;
use crate::model::event::{
    Event, JobFinished, JobStarted, Location, ReceiptRecord, Recorded, Verified, VolumeLabelled,
    VolumeState,
};

/// A volume as the ledger's lines leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its label, when it was written and in which line.
    pub label: Recorded<VolumeLabelled>,
    /// What may be done with it; as labelled: [`VolumeState::Appendable`].
    pub state: VolumeState,
    /// Why it is in that state; empty as labelled.
    pub state_reason: String,
    /// When and why its content was given up; nothing on it is offered then.
    pub retired: Option<(Timestamp, String)>,
    /// Where it was last seen, and when.
    pub location: Option<(Timestamp, Location)>,
    /// When it was last read back, and with what result.
    pub verified: Option<(Timestamp, Verified)>,
}

/// A job as the ledger's lines leave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// How it began, when and in which line.
    pub start: Recorded<JobStarted>,
    /// How it ended; `None` while it runs or if it was killed.
    pub finish: Option<Recorded<JobFinished>>,
}

impl Job {
    pub(crate) fn order(&self) -> JobOrder {
        (self.start.time, self.start.seq)
    }
}

impl Catalog {
    /// All volumes, retired ones too, in the order of their labels.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn volumes(&self) -> Result<Vec<Volume>, CatalogError> {
        self.ask(|index| {
            let mut volumes = Vec::new();
            for row in index.volumes() {
                volumes.push(read_volume(self.ledger_path(), &row?.1)?);
            }
            volumes.sort_by_key(|volume: &Volume| volume.label.seq);
            Ok(volumes)
        })
    }

    /// The volume with this identity.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn volume(&self, volume: &Uuid) -> Result<Option<Volume>, CatalogError> {
        self.ask(|index| {
            let row = index.volume(volume)?;
            row.map(|row| read_volume(self.ledger_path(), &row))
                .transpose()
        })
    }

    /// The volume labelled last among those with this barcode; it may be retired.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn volume_by_barcode(&self, barcode: &str) -> Result<Option<Volume>, CatalogError> {
        self.ask(|index| {
            for id in index.volumes_with_barcode(barcode)? {
                let row = index.volume(&id)?.ok_or(IndexError::Row { table: b'b' })?;
                let volume = read_volume(self.ledger_path(), &row)?;
                if volume.label.what.barcode == barcode {
                    return Ok(Some(volume));
                }
            }
            Ok(None)
        })
    }

    /// All jobs, the oldest first.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn jobs(&self) -> Result<Vec<Job>, CatalogError> {
        self.ask(|index| {
            let mut jobs = Vec::new();
            for row in index.jobs() {
                jobs.push(read_job(self.ledger_path(), &row?)?);
            }
            jobs.sort_by_key(Job::order);
            Ok(jobs)
        })
    }

    /// The job with this UUID, or else the newest with this name.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn job(&self, id_or_name: &str) -> Result<Option<Job>, CatalogError> {
        if let Ok(id) = Uuid::parse_str(id_or_name) {
            let found = self.ask(|index| {
                let row = index.job(&id)?;
                row.map(|row| read_job(self.ledger_path(), &row))
                    .transpose()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let jobs = self.jobs()?;
        Ok(jobs
            .into_iter()
            .rev()
            .find(|job| job.start.what.name == id_or_name))
    }

    /// Receipts of a volume, in the order of its segments.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn receipts_of_volume(
        &self,
        volume: &Uuid,
    ) -> Result<Vec<Recorded<ReceiptRecord>>, CatalogError> {
        self.ask(|index| {
            let rows = index.receipts_of_volume(volume, false)?;
            rows.iter()
                .map(|row| read_receipt(self.ledger_path(), row.line))
                .collect()
        })
    }

    /// Receipts of a job, in the order of their commits.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn receipts_of_job(
        &self,
        job: &Uuid,
    ) -> Result<Vec<Recorded<ReceiptRecord>>, CatalogError> {
        self.ask(|index| {
            let mut receipts = Vec::new();
            for row in index.receipts() {
                let ReceiptRow { job: of, line, .. } = row?;
                if of == *job {
                    receipts.push(read_receipt(self.ledger_path(), line)?);
                }
            }
            Ok(receipts)
        })
    }

    /// The last receipt on a volume: the next segment goes to its `end_block`, or to the block
    /// after the label if there is none.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn last_receipt(
        &self,
        volume: &Uuid,
    ) -> Result<Option<Recorded<ReceiptRecord>>, CatalogError> {
        self.ask(|index| {
            let rows = index.receipts_of_volume(volume, true)?;
            rows.first()
                .map(|row| read_receipt(self.ledger_path(), row.line))
                .transpose()
        })
    }

    /// Entries of a receipt in the order in which they lie on tape; none if they have left the
    /// catalog. All are held in memory, about 300 bytes each.
    ///
    /// # Errors
    ///
    /// The entry file is missing or damaged: commit its segment again from tape.
    pub fn entries_in_tape_order(
        &self,
        receipt: &ReceiptRecord,
    ) -> Result<Vec<Entry>, CatalogError> {
        let _reading = self.begin_reading();
        let mut entries = Vec::new();
        if let Some(mut stretch) = self.entries_of(receipt)? {
            while let Some(entry) = stretch.next_entry()? {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| (entry.block, entry.offset_bytes, entry.skip_bytes));
        Ok(entries)
    }
}

/// Reads the line at `at` as an event of the kind that `pick` accepts.
fn read<T>(
    ledger: &Path,
    at: u64,
    table: u8,
    pick: impl FnOnce(Event) -> Option<T>,
) -> Answer<Recorded<T>> {
    let Recorded { seq, time, what } = read_line(ledger, at)?;
    let picked = match what {
        Parsed::Event(event) => pick(*event),
        Parsed::Unknown(_) => None,
    };
    let what = picked.ok_or(IndexError::Row { table })?;
    Ok(Recorded { seq, time, what })
}

pub(crate) fn read_receipt(ledger: &Path, at: u64) -> Answer<Recorded<ReceiptRecord>> {
    read(ledger, at, b'r', |event| match event {
        Event::Receipt(record) => Some(record),
        _ => None,
    })
}

pub(crate) fn read_job(ledger: &Path, row: &JobRow) -> Answer<Job> {
    let start = read(ledger, row.start, b'j', |event| match event {
        Event::JobStarted(started) => Some(started),
        _ => None,
    })?;
    let finish = row.finish.map(|at| {
        read(ledger, at, b'j', |event| match event {
            Event::JobFinished(finished) => Some(finished),
            _ => None,
        })
    });
    Ok(Job {
        start,
        finish: finish.transpose()?,
    })
}

pub(crate) fn read_volume(ledger: &Path, row: &VolumeRow) -> Answer<Volume> {
    let line = |at: Option<u64>| at.map(|at| read(ledger, at, b'v', Some)).transpose();
    let label = row.label.ok_or(IndexError::Row { table: b'v' })?;
    let label = read(ledger, label, b'v', |event| match event {
        Event::VolumeLabelled(labelled) => Some(labelled),
        _ => None,
    })?;
    let mut volume = Volume {
        label,
        state: VolumeState::Appendable,
        state_reason: String::new(),
        retired: None,
        location: None,
        verified: None,
    };
    for at in [row.retirement, row.state, row.location, row.verification] {
        let Some(Recorded { time, what, .. }) = line(at)? else {
            continue;
        };
        match what {
            Event::VolumeRetired(retired) => volume.retired = Some((time, retired.reason)),
            Event::VolumeLabelled(by) => {
                let reason = format!(
                    "overwritten by label {} of volume {}",
                    by.barcode, by.volume
                );
                volume.retired = Some((time, reason));
            }
            Event::VolumeState(changed) => {
                volume.state = changed.state;
                volume.state_reason = changed.reason;
            }
            Event::VolumeMoved(moved) => volume.location = Some((time, moved.location)),
            Event::Verified(verified) => volume.verified = Some((time, verified)),
            _ => return Err(IndexError::Row { table: b'v' }.into()),
        }
    }
    Ok(volume)
}
