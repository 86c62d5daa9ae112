//! Records of restores, which only the ledger has.

use super::Catalog;
use crate::error::CatalogError;
use crate::ledger::line::Parsed;
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
            let Recorded { seq, time, what } = recorded;
            let Parsed::Event(event) = what else {
                continue;
            };
            if let Event::Restored(what) = *event {
                restores.push(Recorded { seq, time, what });
            }
        }
        Ok(restores)
    }
}
