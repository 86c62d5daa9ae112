//! Asks the index, which is opened by the first question and rebuilt by the first doubt.

use std::sync::{MutexGuard, PoisonError};

use super::opener::Attempt;
use super::{Catalog, Notice};
use crate::error::CatalogError;
use crate::index::{Answer, Index, Trouble};
use crate::ledger::LedgerError;

impl Catalog {
    /// Gives the index back to other processes. The next question opens it again.
    pub fn release_index(&self) {
        *self.index_slot() = None;
    }

    /// Deletes the index and makes it anew from ledger and entry files.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn rebuild_index(&self) -> Result<(), CatalogError> {
        let mut slot = self.index_slot();
        *slot = None;
        *slot = Some(self.opener.open(Attempt::Rebuild, &self.notices)?);
        Ok(())
    }

    /// Answers a question from an index that is up with the ledger. If the index fails the
    /// question, it is rebuilt and asked again; then memory is.
    pub(crate) fn ask<T>(&self, question: impl Fn(&Index) -> Answer<T>) -> Result<T, CatalogError> {
        let mut slot = self.index_slot();
        for attempt in [Attempt::Use, Attempt::Rebuild] {
            match self.ask_once(&mut slot, attempt, &question) {
                Err(trouble) if about_index(&trouble) => {
                    if let Trouble::Foreign(tip) = &trouble {
                        self.suspect(*tip);
                    }
                    self.notices.push(Notice::IndexRebuilt {
                        reason: trouble.to_string(),
                    });
                }
                answer => return Ok(answer?),
            }
        }
        Ok(self.ask_once(&mut slot, Attempt::Memory, &question)?)
    }

    fn ask_once<T>(
        &self,
        slot: &mut Option<Index>,
        attempt: Attempt,
        question: impl Fn(&Index) -> Answer<T>,
    ) -> Answer<T> {
        // Taken out meanwhile, so that an index that fails is closed.
        let mut index = match slot.take() {
            Some(index) => index,
            None => {
                self.kept.clear();
                let index = self.opener.open(attempt, &self.notices)?;
                if let Some(tip) = self.opener.take_foreign() {
                    self.suspect(tip);
                }
                index
            }
        };
        index.refresh()?;
        let answer = question(&index)?;
        *slot = Some(index);
        Ok(answer)
    }

    fn index_slot(&self) -> MutexGuard<'_, Option<Index>> {
        // While a question is asked the slot is empty, so a panic leaves nothing half done.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether rebuilding the index may help.
fn about_index(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::Index(_) | Trouble::Foreign(_) | Trouble::Ledger(LedgerError::Misplaced { .. })
    )
}
