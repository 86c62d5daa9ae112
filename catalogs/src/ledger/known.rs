//! What the ledger's lines name, kept in memory: it decides what a further append must not
//! repeat and which entry files belong to the catalog. About 200 bytes per receipt.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::home::{Home, MergedFile, Placed};
use super::line::LineFault;
use super::retained::Retained;
use crate::model::event::{EntriesMerged, Event, Held, Receipt};

/// Identities named so far, with the line that counts.
#[derive(Debug, Default)]
pub(crate) struct Known {
    volumes: HashMap<Uuid, u64>,
    jobs: HashMap<Uuid, u64>,
    /// Jobs that have come to an end, at least once.
    ended: HashSet<Uuid>,
    /// By volume and segment.
    receipts: HashMap<(Uuid, Uuid), Placed>,
    /// The receipts that count, by their lines.
    lines: HashMap<u64, (Uuid, Uuid)>,
    /// Volumes that another label has overwritten.
    overwritten: HashSet<Uuid>,
    /// Format that line 1 says.
    format: u32,
    retained: Retained,
}

impl Known {
    /// Takes in the event of line `seq`.
    pub(crate) fn observe(&mut self, seq: u64, time: Timestamp, event: &Event) {
        self.retained.observe(time, event);
        match event {
            Event::CatalogCreated(created) => self.format = created.format,
            Event::VolumeLabelled(labelled) => {
                self.volumes.insert(labelled.volume, seq);
                self.overwritten.extend(labelled.replaces);
            }
            Event::VolumeReinstated(found) => {
                self.overwritten.remove(&found.volume);
            }
            Event::JobStarted(started) => {
                self.jobs.insert(started.job, seq);
            }
            Event::JobFinished(finished) => {
                self.ended.insert(finished.job);
            }
            Event::Receipt(record) => {
                let identity = identity(&record.receipt);
                let placed = Placed {
                    line: seq,
                    job: record.receipt.job,
                    is_catalog_copy: record.receipt.is_catalog_copy(),
                    file: record.entry_file.clone(),
                    home: Home::Own,
                };
                if let Some(before) = self.receipts.insert(identity, placed) {
                    self.lines.remove(&before.line);
                }
                self.lines.insert(seq, identity);
            }
            Event::EntriesMerged(merged) => self.merge(seq, merged),
            Event::EntriesDropped(dropped) => {
                let placed = self.receipts.values_mut();
                let of_job = placed.filter(|placed| placed.job == dropped.job);
                of_job.for_each(|placed| placed.home = Home::Dropped);
            }
            _ => {}
        }
    }

    /// Receipts that do not count any more are in the file, too: nobody looks for them there.
    fn merge(&mut self, seq: u64, merged: &EntriesMerged) {
        let file = Arc::new(MergedFile {
            line: seq,
            id: merged.id,
            file: merged.entry_file.clone(),
        });
        for (number, line) in (0..).zip(&merged.receipts) {
            let identity = self.lines.get(line);
            if let Some(placed) = identity.and_then(|identity| self.receipts.get_mut(identity)) {
                placed.home = Home::Merged(Arc::clone(&file), number);
            }
        }
    }

    /// Checks that the job and volume an event refers to have been named. The volume that a
    /// new label replaces need not be: its tape may come from elsewhere.
    pub(crate) fn refers_to_known(&self, event: &Event) -> Result<(), LineFault> {
        let (volume, job) = match event {
            Event::VolumeRetired(retired) => (Some(retired.volume), None),
            Event::VolumeReinstated(found) => (Some(found.volume), None),
            Event::VolumeState(changed) => (Some(changed.volume), None),
            Event::VolumeMoved(moved) => (Some(moved.volume), None),
            Event::Verified(verified) => (Some(verified.volume), None),
            Event::Receipt(record) => (Some(record.receipt.volume), Some(record.receipt.job)),
            Event::JobFinished(finished) => (None, Some(finished.job)),
            Event::RetentionSet(set) => (None, Some(set.job)),
            Event::JobExpired(expired) => (None, Some(expired.job)),
            Event::EntriesDropped(dropped) => (None, Some(dropped.job)),
            Event::HoldPlaced(placed) => match placed.on {
                Held::Job { job } => (None, Some(job)),
                Held::Volume { volume } => (Some(volume), None),
            },
            _ => (None, None),
        };
        let unnamed = |what, id| Err(LineFault::Unnamed { what, id });
        if let Event::HoldReleased(released) = event
            && !self.retained.has_hold(&released.hold)
        {
            return unnamed("hold", released.hold);
        }
        match (volume, job) {
            (Some(id), _) if !self.volumes.contains_key(&id) => unnamed("volume", id),
            (_, Some(id)) if !self.jobs.contains_key(&id) => unnamed("job", id),
            _ => Ok(()),
        }
    }

    /// The line that already says what `event` says, if it introduces a job or volume.
    pub(crate) fn already(&self, event: &Event) -> Option<u64> {
        match event {
            Event::VolumeLabelled(labelled) => self.volumes.get(&labelled.volume).copied(),
            Event::JobStarted(started) => self.jobs.get(&started.job).copied(),
            _ => None,
        }
    }

    /// The receipt that counts with the same identity.
    pub(crate) fn receipt(&self, receipt: &Receipt) -> Option<&Placed> {
        self.receipts.get(&identity(receipt))
    }

    /// The receipt that counts in line `seq`.
    pub(crate) fn receipt_in_line(&self, seq: u64) -> Option<&Placed> {
        self.receipts.get(self.lines.get(&seq)?)
    }

    /// Whether line `seq` names an entry file that counts.
    pub(crate) fn names_a_file_in_line(&self, seq: u64) -> bool {
        let merged = |placed: &Placed| match &placed.home {
            Home::Merged(file, _) => file.line == seq,
            Home::Own | Home::Dropped => false,
        };
        self.lines.contains_key(&seq) || self.receipts.values().any(merged)
    }

    /// Format of the catalog, by its line 1.
    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// Whether a job has come to an end. It may have been gone on with since.
    pub(crate) fn has_ended(&self, job: &Uuid) -> bool {
        self.ended.contains(job)
    }

    /// Whether what was on a volume is overwritten, as far as is known.
    pub(crate) fn is_overwritten(&self, volume: &Uuid) -> bool {
        self.overwritten.contains(volume)
    }

    /// How long jobs are kept, and holds.
    pub(crate) fn retained(&self) -> &Retained {
        &self.retained
    }

    /// The segments of all receipts that count.
    pub(crate) fn segments(&self) -> HashSet<Uuid> {
        self.receipts.keys().map(|(_, segment)| *segment).collect()
    }

    /// The receipts that count, by volume and segment.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = ((Uuid, Uuid), &Placed)> {
        let receipts = self.receipts.iter();
        receipts.map(|(identity, placed)| (*identity, placed))
    }

    /// Names of the entry files that belong to the catalog.
    pub(crate) fn entry_files(&self) -> HashSet<&str> {
        let files = self.receipts.values().filter_map(Placed::in_file);
        files.map(|file| file.name.as_str()).collect()
    }
}

/// A receipt is known by its volume and segment; a later one replaces an earlier.
fn identity(receipt: &Receipt) -> (Uuid, Uuid) {
    (receipt.volume, receipt.segment)
}
