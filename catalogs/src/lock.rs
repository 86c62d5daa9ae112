//! Locks between processes: `flock` on a file that names its holder.
//!
//! The kernel lets go when the holder dies, however it dies. The process id in the file only
//! serves the message to whoever waits; it decides nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RETRY_EVERY: Duration = Duration::from_millis(10);

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it. Wait for that process, or look what it does.
    #[error("{path} is held by {}; waited {waited_ms} ms", holder(*.pid))]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// The holder, if it has written its id yet.
        pid: Option<u32>,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The lock file cannot be made or locked. Check the directory's permissions.
    #[error("{path}: cannot lock")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// A lock held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock at `path`, trying for `wait`; once if that is zero.
    pub(crate) fn acquire(path: &Path, wait: Duration) -> Result<FileLock, LockError> {
        let io = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(io)?;
        take(path, &file, wait, File::try_lock)?;
        file.set_len(0).map_err(io)?;
        (&file)
            .write_all(format!("{}\n", std::process::id()).as_bytes())
            .map_err(io)?;
        Ok(FileLock { file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A stale id would only mislead a reader of the message; failing to clear it is harmless.
        let _ = self.file.set_len(0);
    }
}

/// A lock held together with others until dropped: while anybody shares it, nobody has it alone.
#[derive(Debug)]
pub(crate) struct SharedLock {
    _file: File,
}

impl SharedLock {
    /// Takes a share of the lock at `path`, trying for `wait`. A file that is there need not be
    /// one's own to write to.
    pub(crate) fn acquire(path: &Path, wait: Duration) -> Result<SharedLock, LockError> {
        let file = open(path).or_else(|_| File::open(path));
        let file = file.map_err(|source| LockError::Io {
            path: path.to_owned(),
            source,
        })?;
        take(path, &file, wait, File::try_lock_shared)?;
        Ok(SharedLock { _file: file })
    }
}

/// The file of a lock, made if it is not there; what is in it stays.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn take(
    path: &Path,
    file: &File,
    wait: Duration,
    attempt: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<(), LockError> {
    let begun = Instant::now();
    loop {
        match attempt(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => {
                return Err(LockError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
            Err(TryLockError::WouldBlock) if begun.elapsed() < wait => {
                std::thread::sleep(RETRY_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(LockError::Busy {
                    path: path.to_owned(),
                    pid: read_pid(file),
                    waited_ms,
                });
            }
        }
    }
}

fn read_pid(mut file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let length = file.read(&mut text).ok()?;
    std::str::from_utf8(&text[..length])
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_told_who_holds_it_and_gets_it_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = FileLock::acquire(&path, Duration::ZERO).unwrap();
        match FileLock::acquire(&path, Duration::from_millis(30)) {
            Err(LockError::Busy { pid, waited_ms, .. }) => {
                assert_eq!(pid, Some(std::process::id()));
                assert!(waited_ms >= 30);
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        FileLock::acquire(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn those_who_share_a_lock_keep_it_from_who_wants_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let shares = [(), ()].map(|()| SharedLock::acquire(&path, Duration::ZERO).unwrap());
        let alone = || FileLock::acquire(&path, Duration::ZERO);
        for share in shares {
            assert!(matches!(alone(), Err(LockError::Busy { .. })));
            drop(share);
        }
        let alone = alone().unwrap();
        assert!(SharedLock::acquire(&path, Duration::ZERO).is_err());
        drop(alone);
        SharedLock::acquire(&path, Duration::ZERO).unwrap();
    }
}
