//! What the ledger says of how long things are kept. It decides nothing: that takes to know which
//! job needs which.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::event::{Event, HoldPlaced, HoldReleased, RetentionSet};

/// What is said of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Its retention time.
    Set(RetentionSet),
    /// It is expired, since then.
    Expired(Timestamp),
}

/// A hold, and its end if it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// When it was placed.
    pub since: Timestamp,
    /// What was said then.
    pub placed: HoldPlaced,
    /// When it was released, and what was said then.
    pub released: Option<(Timestamp, HoldReleased)>,
}

/// Retention times, expiries and holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained {
    jobs: HashMap<Uuid, Kept>,
    holds: BTreeMap<Uuid, Hold>,
}

impl Retained {
    /// What is said of a job; `None`: nothing, so it is kept for ever.
    pub fn job(&self, job: &Uuid) -> Option<&Kept> {
        self.jobs.get(job)
    }

    /// Whether a job is expired.
    pub fn is_expired(&self, job: &Uuid) -> bool {
        matches!(self.jobs.get(job), Some(Kept::Expired(_)))
    }

    /// All jobs that are expired.
    pub(crate) fn expired(&self) -> HashSet<Uuid> {
        let jobs = self.jobs.keys();
        jobs.filter(|job| self.is_expired(job)).copied().collect()
    }

    /// All holds, released ones too, the oldest first.
    pub fn holds(&self) -> Vec<&Hold> {
        let mut holds: Vec<&Hold> = self.holds.values().collect();
        holds.sort_by_key(|hold| (hold.since, hold.placed.hold));
        holds
    }

    /// Takes in an event.
    pub(crate) fn observe(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::RetentionSet(set) => {
                self.jobs.insert(set.job, Kept::Set(set.clone()));
            }
            Event::JobExpired(expired) => {
                self.jobs.insert(expired.job, Kept::Expired(time));
            }
            Event::HoldPlaced(placed) => {
                let hold = Hold {
                    since: time,
                    placed: placed.clone(),
                    released: None,
                };
                self.holds.entry(placed.hold).or_insert(hold);
            }
            Event::HoldReleased(released) => {
                if let Some(hold) = self.holds.get_mut(&released.hold) {
                    hold.released.get_or_insert((time, released.clone()));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn has_hold(&self, hold: &Uuid) -> bool {
        self.holds.contains_key(hold)
    }
}
