//! The index in memory, where the one on disk cannot be used.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Row, Rows, Store, StoreError};

/// A store that ends with its handle.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(key).cloned())
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        Box::new(MemoryRows {
            store: self,
            from: from.to_vec(),
            to: to.to_vec(),
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.changes() {
            match value {
                Some(value) => rows.insert(key.to_vec(), value.to_vec()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Looks each row up anew, so that no lock is held between two steps.
struct MemoryRows<'a> {
    store: &'a MemoryStore,
    from: Vec<u8>,
    to: Vec<u8>,
}

impl MemoryRows<'_> {
    fn end(&self, back: bool) -> Option<Row> {
        if self.from >= self.to {
            return None;
        }
        let rows = self
            .store
            .rows
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut rows = rows.range::<[u8], _>((
            std::ops::Bound::Included(self.from.as_slice()),
            std::ops::Bound::Excluded(self.to.as_slice()),
        ));
        let row = if back { rows.next_back() } else { rows.next() };
        row.map(|(key, value)| (key.clone(), value.clone()))
    }
}

impl Iterator for MemoryRows<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.end(false)?;
        self.from.clone_from(&row.0);
        self.from.push(0);
        Some(Ok(row))
    }
}

impl DoubleEndedIterator for MemoryRows<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let row = self.end(true)?;
        self.to.clone_from(&row.0);
        Some(Ok(row))
    }
}
