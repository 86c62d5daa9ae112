//! Records of restores, which only the ledger has.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::Catalog;
use crate::error::CatalogError;
use crate::ledger::line::Parsed;
use crate::ledger::newest::newest_events;
use crate::ledger::scan::{Scanner, Step, Tip};
use crate::model::event::{Event, Recorded, RestoreStarted, Restored, Restoring};

/// A run of a restore, as far as is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum RestoreRun {
    /// It began, and no end of it is known.
    Began(RestoreStarted),
    /// It ended at this time.
    Ended(Timestamp, Restored),
}

impl RestoreRun {
    /// What the event says of a run, if it is about one.
    #[must_use]
    pub fn of_event(time: Timestamp, event: Event) -> Option<RestoreRun> {
        match event {
            Event::RestoreStarted(started) => Some(RestoreRun::Began(started)),
            Event::Restored(restored) => Some(RestoreRun::Ended(time, restored)),
            _ => None,
        }
    }

    /// Who, what, where to.
    #[must_use]
    pub fn of(&self) -> &Restoring {
        match self {
            RestoreRun::Began(started) => &started.of,
            RestoreRun::Ended(_, restored) => &restored.of,
        }
    }
}

impl Catalog {
    /// The runs of restores, in the order in which they are first told of; a restore that was gone
    /// on with has several. Reads the whole ledger.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn restore_runs(&self) -> Result<Vec<RestoreRun>, CatalogError> {
        let mut scanner = Scanner::open(self.ledger_path(), Tip::START)?;
        let mut runs: Vec<RestoreRun> = Vec::new();
        let mut begun: HashMap<Uuid, usize> = HashMap::new();
        while let Step::Line(_, recorded) = scanner.step()? {
            let Some(run) = run(recorded) else { continue };
            let id = run.of().run;
            match id.and_then(|id| begun.get(&id).copied()) {
                Some(at) => runs[at] = run,
                None => {
                    begun.extend(id.map(|id| (id, runs.len())));
                    runs.push(run);
                }
            }
        }
        Ok(runs)
    }

    /// The newest so many runs of restores at most that came to an end, the newest first, as far as
    /// they are in the last 64 MiB of the ledger: no more of it is read.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn newest_restores(&self, most: usize) -> Result<Vec<Recorded<Restored>>, CatalogError> {
        let events = newest_events(self.ledger_path(), b"\"type\":\"restored\"", most)?;
        Ok(events.into_iter().filter_map(restored).collect())
    }
}

fn run(recorded: Recorded<Parsed>) -> Option<RestoreRun> {
    match recorded.what {
        Parsed::Event(event) => RestoreRun::of_event(recorded.time, *event),
        Parsed::Unknown(_) => None,
    }
}

fn restored(recorded: Recorded<Parsed>) -> Option<Recorded<Restored>> {
    let (seq, time) = (recorded.seq, recorded.time);
    match run(recorded)? {
        RestoreRun::Ended(_, what) => Some(Recorded { seq, time, what }),
        RestoreRun::Began(_) => None,
    }
}
