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
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < wait => {
                    std::thread::sleep(RETRY_EVERY);
                }
                Err(TryLockError::WouldBlock) => {
                    let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Err(LockError::Busy {
                        path: path.to_owned(),
                        pid: read_pid(&file),
                        waited_ms,
                    });
                }
            }
        }
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
}
