//! How long things are kept, as the ledger has it. `docs/retention.md`.

use std::collections::HashSet;

use uuid::Uuid;

use super::Catalog;
use crate::error::CatalogError;
use crate::ledger::{Homes, LedgerError, Retained};

impl Catalog {
    /// Retention times, expiries and holds, as of now.
    ///
    /// # Errors
    ///
    /// The ledger is altered or cannot be read.
    pub fn retained(&self) -> Result<Retained, CatalogError> {
        let mut ledger = self.ledger();
        ledger.look_again()?;
        Ok(ledger.known().retained().clone())
    }

    /// The jobs that are expired and where the entries of all receipts are, as of now.
    pub(crate) fn expired_and_homes(&self) -> Result<(HashSet<Uuid>, Homes), LedgerError> {
        let mut ledger = self.ledger();
        ledger.look_again()?;
        let known = ledger.known();
        Ok((known.retained().expired(), known.homes()))
    }
}
