//! What would go, and when: decided from what the catalog says, without asking it.
//! `docs/retention.md`, "Rules".

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use catalogs::model::event::{Held, Outcome};
use catalogs::{Job, Kept, Retained};
use jiff::Timestamp;
use uuid::Uuid;

/// What keeps a job beyond its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keeper {
    /// It runs.
    Running,
    /// A hold.
    Hold(Uuid),
    /// A later job, by its place, that builds on it and is kept for longer.
    Job(usize),
}

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// Its own time; `None`: for ever, or it is expired.
    pub(super) until: Option<Timestamp>,
    /// When it is due; `None`: nobody can say, or never.
    pub(super) due: Option<Timestamp>,
    pub(super) expired: bool,
    pub(super) keepers: Vec<Keeper>,
}

/// The jobs of a catalog, the oldest first, and where their segments are.
pub(super) struct Plan<'a> {
    pub(super) jobs: &'a [Job],
    pub(super) retained: &'a Retained,
    /// The jobs on each volume, expired ones too.
    pub(super) on_volumes: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// The jobs that have an owner: a job that is gone on with has an end, too.
    pub(super) owned: HashSet<Uuid>,
}

impl Plan<'_> {
    /// What becomes of each job, in their order.
    pub(super) fn fates(&self) -> Vec<Fate> {
        let holds = self.holds();
        let begins: Vec<usize> = (0..self.jobs.len())
            .map(|at| self.begin_of_chain(at))
            .collect();
        let mut fates: Vec<Option<Fate>> = vec![None; self.jobs.len()];
        // What a job needs came before it.
        for at in (0..self.jobs.len()).rev() {
            let later = (at + 1..self.jobs.len())
                .filter(|later| begins[*later] <= at && self.is_one_series(*later, at));
            let later: Vec<(usize, &Fate)> = later
                .filter_map(|later| fates[later].as_ref().map(|fate| (later, fate)))
                .collect();
            let fate = self.fate(at, &holds, &later);
            fates[at] = Some(fate);
        }
        fates.into_iter().flatten().collect()
    }

    /// The jobs that a restore of what this one saw may need, itself included.
    pub(super) fn chain(&self, of: usize) -> impl Iterator<Item = usize> {
        let chain = self.begin_of_chain(of)..=of;
        chain.filter(move |at| self.is_one_series(of, *at))
    }

    /// Whether two jobs archive the same paths of one host.
    fn is_one_series(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|at| &self.jobs[at].start.what);
        one.roots == other.roots && one.host == other.host
    }

    /// Whether two jobs of one series leave out the same: what one of them lacks of the other's
    /// tree is then not there.
    fn leave_out_the_same(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|at| &self.jobs[at].start.what);
        one.excludes == other.excludes && one.one_file_system == other.one_file_system
    }

    fn fate(&self, at: usize, holds: &HashMap<Uuid, Vec<Uuid>>, later: &[(usize, &Fate)]) -> Fate {
        let id = id(&self.jobs[at]);
        let until = match self.retained.job(&id) {
            Some(Kept::Expired(_)) => {
                return Fate {
                    until: None,
                    due: None,
                    expired: true,
                    keepers: Vec::new(),
                };
            }
            Some(Kept::Set(set)) => set.until,
            None => None,
        };
        let mut keepers = Vec::new();
        let mut due = until;
        if self.jobs[at].finish.is_none() || self.owned.contains(&id) {
            keepers.push(Keeper::Running);
            due = None;
        }
        for hold in holds.get(&id).into_iter().flatten() {
            keepers.push(Keeper::Hold(*hold));
            due = None;
        }
        for (number, other) in later.iter().filter(|(_, other)| !other.expired) {
            let longer = match (other.due, until) {
                (None, _) => true,
                (Some(other), Some(until)) => other > until,
                (Some(_), None) => false,
            };
            if longer {
                keepers.push(Keeper::Job(*number));
            }
            due = due.zip(other.due).map(|(one, other)| one.max(other));
        }
        Fate {
            until,
            due,
            expired: false,
            keepers,
        }
    }

    /// Holds in force, by the jobs that they keep.
    fn holds(&self) -> HashMap<Uuid, Vec<Uuid>> {
        let mut kept: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for hold in self.retained.holds() {
            if hold.released.is_some() {
                continue;
            }
            let id = hold.placed.hold;
            match hold.placed.on {
                Held::Job { job } => kept.entry(job).or_default().push(id),
                Held::Volume { volume } => {
                    for job in self.on_volumes.get(&volume).into_iter().flatten() {
                        kept.entry(*job).or_default().push(id);
                    }
                }
            }
        }
        kept
    }

    /// The first job that a restore of what this one saw may need: a job below full builds on all
    /// jobs of its paths since the last one that was full and complete, at or before the full one
    /// that it was measured against.
    fn begin_of_chain(&self, of: usize) -> usize {
        if self.jobs[of].start.what.level.is_full() {
            return of;
        }
        let mut at = of;
        while let Some(base) = self.jobs[at].start.what.base {
            match self.jobs[..at].iter().rposition(|job| id(job) == base) {
                Some(place) => at = place,
                // A base that is not known: everything may be needed.
                None => return 0,
            }
        }
        let whole = |place: &usize| {
            let job = &self.jobs[*place];
            let outcome = job.finish.as_ref().map(|finish| finish.what.outcome);
            let same = self.is_one_series(*place, of) && self.leave_out_the_same(*place, of);
            let full = job.start.what.level.is_full();
            same && full && outcome == Some(Outcome::Complete)
        };
        (0..=at).rev().find(whole).unwrap_or(0)
    }

    /// When the last job of a volume is due; `None`: it is kept for ever, nobody can say, or all
    /// are expired.
    pub(super) fn volume(&self, volume: &Uuid, fates: &[Fate]) -> Option<Timestamp> {
        let there = self.on_volumes.get(volume)?;
        let of = |job: &Uuid| self.jobs.iter().position(|known| id(known) == *job);
        let left = there.iter().filter_map(of).map(|place| &fates[place]);
        let dues: Option<Vec<Timestamp>> = left
            .filter(|fate| !fate.expired)
            .map(|fate| fate.due)
            .collect();
        dues?.into_iter().max()
    }
}

pub(super) fn id(job: &Job) -> Uuid {
    job.start.what.job
}
