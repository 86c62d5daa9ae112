//! Records of restores, which only the ledger has.

use super::Catalog;
use crate::error::CatalogError;
use crate::ledger::line::Parsed;
use crate::ledger::newest::newest_events;
use crate::ledger::scan::{Scanner, Step, Tip};
use crate::model::event::{Event, Recorded, Restored};

impl Catalog {
    /// The restores, in the order in which they ended; one that was gone on with has a record for
    /// each time. Reads the whole ledger.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn restores(&self) -> Result<Vec<Recorded<Restored>>, CatalogError> {
        let mut scanner = Scanner::open(self.ledger_path(), Tip::START)?;
        let mut restores = Vec::new();
        while let Step::Line(_, recorded) = scanner.step()? {
            restores.extend(restored(recorded));
        }
        Ok(restores)
    }

    /// The newest so many restores at most, the newest first, as far as they are in the last
    /// 64 MiB of the ledger: no more of it is read.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn newest_restores(&self, most: usize) -> Result<Vec<Recorded<Restored>>, CatalogError> {
        let events = newest_events(self.ledger_path(), b"\"type\":\"restored\"", most)?;
        Ok(events.into_iter().filter_map(restored).collect())
    }
}

fn restored(recorded: Recorded<Parsed>) -> Option<Recorded<Restored>> {
    let Recorded { seq, time, what } = recorded;
    match what {
        Parsed::Event(event) => match *event {
            Event::Restored(what) => Some(Recorded { seq, time, what }),
            _ => None,
        },
        Parsed::Unknown(_) => None,
    }
}
