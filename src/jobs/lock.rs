//! One owner at a time, between processes: an flock'ed file that names its holder.
//!
//! The kernel drops the lock when its holder ends, however it ends; the pid in the file is
//! for messages only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::JobError;

/// Who moves a library's tapes, or claims its drives only to look at them.
pub(crate) const CHANGER_LOCK: &str = "changer";

/// So often a lock is tried for that another process has.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Rung whenever this process gives a lock up, so that its other threads need not poll.
static GIVEN_UP: Condvar = Condvar::new();
/// Held to try for a lock and to ring, so that nobody misses what is rung behind a try.
static TRYING: Mutex<()> = Mutex::new(());

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

/// Why a lock was not had.
#[derive(Debug)]
pub(crate) enum NotLocked {
    /// Another owner has it; its process, if it said.
    Held(Option<u32>),
    /// The lock file cannot be used.
    Io(PathBuf, io::Error),
}

impl From<NotLocked> for JobError {
    /// For locks whose holder is told by another variant: what is left are file errors.
    fn from(error: NotLocked) -> JobError {
        match error {
            NotLocked::Held(pid) => JobError::LibraryBusy { pid },
            NotLocked::Io(path, source) => JobError::Io {
                action: "locking",
                path,
                source,
            },
        }
    }
}

impl Lock {
    /// Takes the lock `name` in `dir`, or says who has it.
    pub(crate) fn try_take(dir: &Path, name: &str) -> Result<Lock, NotLocked> {
        let path = dir.join(name);
        let fail = |error: io::Error| NotLocked::Io(path.clone(), error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(NotLocked::Held(pid_in(&mut file))),
            Err(error) => return Err(fail(error.into())),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_pid(&mut file).map_err(fail)?;
        Ok(Lock { file, path })
    }

    /// Whether somebody has the lock `name` in `dir`. Leaves no file behind.
    pub(crate) fn is_held(dir: &Path, name: &str) -> bool {
        let Ok(file) = File::open(dir.join(name)) else {
            return false;
        };
        let had = flock(&file, FlockOperation::NonBlockingLockShared);
        had == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// As [`try_take`](Self::try_take), waiting at most `patience` for the present owner.
    pub(crate) fn take(dir: &Path, name: &str, patience: Duration) -> Result<Lock, NotLocked> {
        Lock::take_polling(dir, name, patience, POLL_INTERVAL)
    }

    fn take_polling(
        dir: &Path,
        name: &str,
        patience: Duration,
        interval: Duration,
    ) -> Result<Lock, NotLocked> {
        let deadline = Instant::now() + patience;
        let mut trying = TRYING.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let taken = Lock::try_take(dir, name);
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(taken, Err(NotLocked::Held(_))) || left.is_zero() {
                return taken;
            }
            let rung = GIVEN_UP.wait_timeout(trying, interval.min(left));
            trying = rung.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives the lock up and removes its file, for locks that nobody will ask for again.
    pub(crate) fn retire(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a lock file stays behind");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(path = %self.path.display(), %error, "a lock is given up by closing it");
        }
        drop(TRYING.lock());
        GIVEN_UP.notify_all();
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_who_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::try_take(dir.path(), "drive-0").unwrap();
        match Lock::take(dir.path(), "drive-0", Duration::from_millis(60)) {
            Err(NotLocked::Held(pid)) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("a second holder got {other:?}"),
        }
        Lock::try_take(dir.path(), "drive-1").unwrap();
        assert!(Lock::is_held(dir.path(), "drive-0"));
        drop(held);
        for name in ["drive-0", "drive-2"] {
            assert!(!Lock::is_held(dir.path(), name), "{name}");
        }
        assert!(!dir.path().join("drive-2").exists());
        Lock::try_take(dir.path(), "drive-0").unwrap().retire();
        assert!(!dir.path().join("drive-0").exists());
    }

    #[test]
    fn who_waits_in_the_same_process_does_not_poll() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::try_take(dir.path(), "changer").unwrap();
        let (asks, asked) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                asks.send(()).unwrap();
                // Who polled would be here for an hour.
                let hour = Duration::from_secs(3600);
                Lock::take_polling(dir.path(), "changer", 2 * hour, hour).map(drop)
            });
            asked.recv().unwrap();
            drop(held);
            assert!(waiting.join().unwrap().is_ok());
        });
    }
}
