//! What any store does: a narrow trait, so that another database can stand in.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Longest value in bytes. Larger ones some databases keep in files of their own, less safely.
pub const VALUE_BYTES_MAX: usize = 7 * 1024;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in the order of their keys.
pub type Rows<'a> = Box<dyn DoubleEndedIterator<Item = Result<Row, StoreError>> + 'a>;

/// The store failed. Open the catalog again: the index is rebuilt unasked; if that fails too,
/// look at space and permissions of the index's directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database reports an error.
    #[error("{path}: the index is damaged")]
    Database {
        /// The index's directory.
        path: PathBuf,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database panicked.
    #[error("{path}: the index is damaged so that its database panics")]
    Panicked {
        /// The index's directory.
        path: PathBuf,
    },
    /// The operating system failed on the index's directory.
    #[error("{path}: cannot use the index's directory")]
    Io {
        /// The index's directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Changes that a store makes together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// Sets `key` to `value`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        debug_assert!(
            value.len() <= VALUE_BYTES_MAX,
            "a row's value is small by construction"
        );
        self.rows.insert(key, Some(value));
    }

    /// Removes `key`, if present.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }

    /// What the batch does to `key`: `None` nothing, `Some(None)` removes it.
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.rows.get(key).map(|value| value.as_deref())
    }

    /// Keys changed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each key with its new value, or none if it is removed.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.rows
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }
}

/// An ordered map from bytes to bytes.
pub trait Store: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// The store is damaged; rebuild the index.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Rows with keys from `from` on, below `to`.
    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a>;

    /// Makes all changes of `batch`, or none.
    ///
    /// # Errors
    ///
    /// The store is damaged; rebuild the index.
    fn apply(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Writes out what is in memory, so that a kill does not cost a replay.
    ///
    /// # Errors
    ///
    /// The store is damaged; rebuild the index.
    fn flush(&self) -> Result<(), StoreError>;
}
