//! Where the index lives: an ordered map from bytes to bytes. The only file naming sled.
//!
//! Nothing is in a store alone: any of its errors means that the index is to be rebuilt, so
//! durability is not asked of it. It knows neither keys' meaning nor events.

mod contract;
mod memory;

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use contract::{Batch, Row, Rows, Store, StoreError, VALUE_BYTES_MAX};
pub use memory::MemoryStore;

use crate::lock::{FileLock, LockError};

const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// sled lets go of its own lock some time after its handle was dropped.
const LATE_RELEASE: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(5);

/// The right to use an index directory, among processes. Clones share it.
#[derive(Debug, Clone)]
pub struct StoreLock {
    directory: PathBuf,
    _lock: Arc<FileLock>,
}

impl StoreLock {
    /// Takes the lock of the index in `directory`, which is the file `directory.lock` beside it.
    ///
    /// # Errors
    ///
    /// Another process has the index and kept it for `wait`: use a [`MemoryStore`]; or the lock
    /// file cannot be made.
    pub fn acquire(directory: &Path, wait: Duration) -> Result<StoreLock, LockError> {
        let lock = FileLock::acquire(&directory.with_extension("lock"), wait)?;
        Ok(StoreLock {
            directory: directory.to_owned(),
            _lock: Arc::new(lock),
        })
    }

    /// Deletes the index. No store may be open on it.
    ///
    /// # Errors
    ///
    /// The directory cannot be deleted; check permissions.
    pub fn delete(&self) -> Result<(), StoreError> {
        match fs::remove_dir_all(&self.directory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Io {
                path: self.directory.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// The index in a sled database.
#[derive(Debug)]
pub struct SledStore {
    database: Option<sled::Db>,
    lock: StoreLock,
}

impl SledStore {
    /// Opens or creates the database in the lock's directory.
    ///
    /// # Errors
    ///
    /// The database is damaged or its directory unusable: [`StoreLock::delete`] it, then open a
    /// new one.
    pub fn open(lock: StoreLock) -> Result<SledStore, StoreError> {
        let path = lock.directory.clone();
        remove_half_snapshots(&path).map_err(|source| StoreError::Io {
            path: path.clone(),
            source,
        })?;
        let begun = Instant::now();
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        loop {
            match guarded(&path, || config.open()) {
                Ok(database) => {
                    return Ok(SledStore {
                        database: Some(database),
                        lock,
                    });
                }
                Err(error) if is_late_release(&error) && begun.elapsed() < LATE_RELEASE => {
                    std::thread::sleep(RETRY_EVERY);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn database(&self) -> &sled::Db {
        self.database.as_ref().expect("present until dropped")
    }

    fn guarded<T>(
        &self,
        action: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        guarded(&self.lock.directory, || action(self.database()))
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let database = self.database.take();
        // Dropping writes out; what a damaged database does then must not end the program.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.guarded(|database| database.get(key))
            .map(|value| value.map(|value| value.to_vec()))
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let rows = self.database().range(from.to_vec()..to.to_vec());
        Box::new(SledRows {
            rows,
            directory: &self.lock.directory,
        })
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes() {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.guarded(|database| database.apply_batch(changes))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.guarded(|database| database.flush()).map(drop)
    }
}

struct SledRows<'a> {
    rows: sled::Iter,
    directory: &'a Path,
}

impl SledRows<'_> {
    fn guarded(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Option<Result<Row, StoreError>> {
        let row = guarded(self.directory, || step(&mut self.rows).transpose()).transpose()?;
        Some(row.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }
}

impl Iterator for SledRows<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.guarded(sled::Iter::next)
    }
}

impl DoubleEndedIterator for SledRows<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.guarded(sled::Iter::next_back)
    }
}

fn guarded<T>(directory: &Path, action: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    // The database is given up after a panic, so nothing is seen in a half-changed state.
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::Database {
            path: directory.to_owned(),
            source: Box::new(error),
        }),
        Err(_) => Err(StoreError::Panicked {
            path: directory.to_owned(),
        }),
    }
}

/// sled reports its lock held as an I/O error of kind `Other`.
fn is_late_release(error: &StoreError) -> bool {
    let StoreError::Database { source, .. } = error else {
        return false;
    };
    matches!(source.downcast_ref::<sled::Error>(),
        Some(sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other)
}

/// A kill while sled opens can leave these, after which it never opens again.
fn remove_half_snapshots(directory: &Path) -> io::Result<()> {
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listing => listing?,
    };
    for file in listing {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
