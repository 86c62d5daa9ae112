//! What the ledger's lines name, kept in memory: it decides what a further append must not
//! repeat and which entry files belong to the catalog. About 200 bytes per receipt.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::line::LineFault;
use super::retained::Retained;
use crate::model::event::{EntryFileRef, Event, Held, Receipt};

/// Identities named so far, with the line that counts.
#[derive(Debug, Default)]
pub(crate) struct Known {
    volumes: HashMap<Uuid, u64>,
    jobs: HashMap<Uuid, u64>,
    receipts: HashMap<(Uuid, Uuid), (u64, EntryFileRef)>,
    retained: Retained,
}

impl Known {
    /// Takes in the event of line `seq`.
    pub(crate) fn observe(&mut self, seq: u64, time: Timestamp, event: &Event) {
        self.retained.observe(time, event);
        match event {
            Event::VolumeLabelled(labelled) => {
                self.volumes.insert(labelled.volume, seq);
            }
            Event::JobStarted(started) => {
                self.jobs.insert(started.job, seq);
            }
            Event::Receipt(record) => {
                let file = record.entry_file.clone();
                self.receipts.insert(identity(&record.receipt), (seq, file));
            }
            _ => {}
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

    /// The line and entry file of the receipt with the same identity.
    pub(crate) fn receipt(&self, receipt: &Receipt) -> Option<&(u64, EntryFileRef)> {
        self.receipts.get(&identity(receipt))
    }

    /// Whether a receipt that counts is in line `seq`.
    pub(crate) fn has_receipt_in_line(&self, seq: u64) -> bool {
        self.receipts.values().any(|(line, _)| *line == seq)
    }

    /// How long jobs are kept, and holds.
    pub(crate) fn retained(&self) -> &Retained {
        &self.retained
    }

    /// The segments of all receipts that count.
    pub(crate) fn segments(&self) -> HashSet<Uuid> {
        self.receipts.keys().map(|(_, segment)| *segment).collect()
    }

    /// The receipts that count: volume, segment and entry file of each.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = (Uuid, Uuid, &EntryFileRef)> {
        self.receipts
            .iter()
            .map(|((volume, segment), (_, file))| (*volume, *segment, file))
    }

    /// Names of the entry files that belong to the catalog.
    pub(crate) fn entry_files(&self) -> HashSet<&str> {
        self.receipts
            .values()
            .map(|(_, file)| file.name.as_str())
            .collect()
    }
}

/// A receipt is known by its volume and segment; a later one replaces an earlier.
fn identity(receipt: &Receipt) -> (Uuid, Uuid) {
    (receipt.volume, receipt.segment)
}
