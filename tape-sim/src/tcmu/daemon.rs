//! Attaching, serving and detaching a whole library.
//!
//! One process serves a library, which the `flock` of `attach.lock` shows and keeps so; its number
//! is in that file. The kernel's devices outlive it: commands wait for the next server, or for
//! [`detach`]. Knows nothing of the command line.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process};

use super::AttachError;
use super::config::{Attachment, MAX_TRANSFER_BYTES};
use super::map::UioMap;
use super::ring::Ring;
use super::serve::{Device, Ended, Server, Stop};
use super::sysfs;
use crate::error::SimError;
use crate::files::{lock, try_lock};
use crate::library::Library;

/// How often `detach` looks whether a server that starts or ends is there or gone.
const RECHECK: Duration = Duration::from_millis(10);

/// Tells a server to answer all commands: [`detach`] waits for those under way.
const LET_GO: Signal = Signal::SIGUSR1;

/// Where a unit has appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// `HOST:CHANNEL:TARGET:LUN`.
    pub address: String,
    /// `/dev/sgN`, if the kernel's `sg` has taken it.
    pub generic: Option<PathBuf>,
    /// `/dev/nstN` or `/dev/schN`, if `st` or `ch` has.
    pub driver: Option<PathBuf>,
}

/// A unit that is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// `changer` or `drive N`.
    pub unit: String,
    /// Unit serial number.
    pub serial: String,
    /// Its nodes.
    pub nodes: Nodes,
}

fn lock_path(dir: &Path) -> PathBuf {
    dir.join("attach.lock")
}

/// `changer` for unit 0, `drive 0` for unit 1 and so on.
fn title(unit: u16) -> String {
    match unit.checked_sub(1) {
        None => "changer".to_string(),
        Some(drive) => format!("drive {drive}"),
    }
}

/// Attaches the library in `dir` and serves it until SIGTERM or SIGINT; then gives every drive
/// back, its buffer on tape, and returns. The devices stay. `ready` is
/// called once all units are there.
///
/// A library whose server ended is taken up again: after an orderly end as it was, after a kill
/// or a failure with the drives reset that were not given back, and the commands that had been
/// waiting failed.
///
/// # Errors
///
/// Any; devices that were made by a failed call are removed again.
pub fn serve(dir: &Path, ready: impl FnOnce(&[Attached])) -> Result<(), AttachError> {
    let library = Library::open(dir)?;
    Attachment::check_kernel()?;
    let lock_path = lock_path(library.dir());
    let Some(_lock) = try_lock(&lock_path)? else {
        return Err(AttachError::Attached {
            dir: library.dir().to_path_buf(),
            pid: server_pid(&lock_path),
        });
    };
    let start = Start {
        library: &library,
        attachment: Attachment::new(library.dir()),
        // An orderly end leaves the file empty; a failed one does not.
        killed: server_pid(&lock_path).is_some(),
    };
    // Before there are threads, which inherit it: the signals are for `wait`.
    let signals = [Signal::SIGTERM, Signal::SIGINT, LET_GO];
    let signals: SigSet = signals.into_iter().collect();
    signals.thread_block().map_err(system)?;
    write_pid(&lock_path, &format!("{}\n", std::process::id()))?;
    let taken_up = start.attachment.exists();
    let running = start.run();
    let untouched = running.is_err() && !start.killed;
    let served = running.and_then(|running| {
        let shown = start.show().and_then(|attached| {
            ready(&attached);
            running.wait(&signals)
        });
        running.end().and(shown)
    });
    if served.is_err() && !taken_up {
        // Nobody answers any more, and `hide` waits for commands under way. The first failure is
        // the one to report.
        let _ = withdraw(&start.attachment).and_then(|()| start.attachment.remove());
    }
    // Otherwise what waits may have been executed, and the next server must fail it.
    if served.is_ok() || untouched {
        write_pid(&lock_path, "")?;
    }
    served
}

fn write_pid(lock_path: &Path, text: &str) -> Result<(), AttachError> {
    Ok(fs::write(lock_path, text).map_err(SimError::io(lock_path))?)
}

/// The process that has, or had, the lock.
fn server_pid(lock_path: &Path) -> Option<i32> {
    let text = fs::read_to_string(lock_path).unwrap_or_default();
    text.trim().parse().ok()
}

fn system(errno: nix::errno::Errno) -> AttachError {
    AttachError::System(errno.into())
}

/// What a server needs to know when it starts.
struct Start<'a> {
    library: &'a Library,
    attachment: Attachment,
    /// The server before did not end in order.
    killed: bool,
}

impl Start<'_> {
    /// Units of the library: the changer and its drives.
    fn units(&self) -> u16 {
        1 + self.library.drive_count()
    }

    /// Starts a thread for each unit.
    fn run(&self) -> Result<Running, AttachError> {
        let servers: Vec<Server> = (0..self.units())
            .map(|unit| self.server(unit))
            .collect::<Result<_, _>>()?;
        let stop = Arc::new(Stop::new().map_err(AttachError::System)?);
        let threads = (0..).zip(servers).map(|(unit, server)| {
            let alarm = Alarm(Arc::clone(&stop));
            (unit, thread::spawn(move || server.run(&alarm.0)))
        });
        Ok(Running {
            threads: threads.collect(),
            stop,
        })
    }

    fn server(&self, unit: u16) -> Result<Server, AttachError> {
        let limit = self.library.faults()?.max_transfer_bytes;
        let limit = limit.unwrap_or(u32::MAX).min(MAX_TRANSFER_BYTES);
        let (backstore, existed) = self.attachment.backstore(unit, limit)?;
        let device: Box<dyn Device> = match unit.checked_sub(1) {
            None => Box::new(self.library.changer()?),
            Some(index) => {
                let mut drive = self.library.drive(index)?;
                if !existed {
                    // A host that sees a device for the first time sees it powered on.
                    drive.power_cut()?;
                }
                Box::new(drive)
            }
        };
        let (uio, bytes) = sysfs::open_uio(&backstore)?;
        let map = UioMap::new(&uio, bytes).map_err(AttachError::System)?;
        let ring = Ring::open(map).map_err(|error| wrap(unit, Ended::Ring(error)))?;
        let mut server = Server::new(uio, ring, device, limit as usize);
        if existed && self.killed {
            server.fail_waiting().map_err(|ended| wrap(unit, ended))?;
        }
        Ok(server)
    }

    /// Shows the units to the kernel and finds where they are.
    fn show(&self) -> Result<Vec<Attached>, AttachError> {
        let addresses: Vec<String> = (0..self.units())
            .map(|unit| self.attachment.show(unit))
            .collect::<Result<_, _>>()?;
        let attached = (0..)
            .zip(addresses)
            .map(|(unit, address): (u16, String)| Attached {
                unit: title(unit),
                serial: match unit.checked_sub(1) {
                    None => self.library.changer_serial(),
                    Some(index) => self.library.drive_serial(index),
                },
                nodes: sysfs::nodes(&address, unit == 0),
            });
        Ok(attached.collect())
    }
}

/// Ends the process in order when a thread ends without being told to: without one of its units
/// the library is not what it was.
struct Alarm(Arc<Stop>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.0.is_set() {
            let own = rustix::process::getpid();
            // A process may always signal itself.
            let _ = kill_process(own, rustix::process::Signal::TERM);
        }
    }
}

/// The threads of a server.
struct Running {
    stop: Arc<Stop>,
    threads: Vec<(u16, JoinHandle<Result<(), Ended>>)>,
}

impl Running {
    /// Returns on a signal to end.
    fn wait(&self, signals: &SigSet) -> Result<(), AttachError> {
        while signals.wait().map_err(system)? == LET_GO {
            self.stop.let_go();
        }
        Ok(())
    }

    /// Stops them all, each after the command that it executes.
    fn end(self) -> Result<(), AttachError> {
        self.stop.stop();
        let mut result = Ok(());
        for (unit, thread) in self.threads {
            let joined = match thread.join() {
                Ok(ended) => ended.map_err(|ended| wrap(unit, ended)),
                Err(_) => Err(AttachError::Panicked { unit: title(unit) }),
            };
            result = result.and(joined);
        }
        result
    }
}

fn wrap(unit: u16, ended: Ended) -> AttachError {
    let unit = title(unit);
    match ended {
        Ended::Ring(source) => AttachError::Ring { unit, source },
        Ended::Device(source) => AttachError::Device { unit, source },
        Ended::Sim(error) => AttachError::Sim(error),
    }
}

/// Removes the library in `dir` from the kernel and ends its server, if it has one. Nodes that
/// programs have open disappear under them; commands that wait for a server that is gone fail.
///
/// # Errors
///
/// `NotAttached`; `NotRoot`, `NoConfigfs`, `Kernel`; `Sim` for the lock.
pub fn detach(dir: &Path) -> Result<(), AttachError> {
    let dir = dir.canonicalize().map_err(SimError::io(dir))?;
    Attachment::check_kernel()?;
    let attachment = Attachment::new(&dir);
    let lock_path = lock_path(&dir);
    if !attachment.exists() {
        return Err(AttachError::NotAttached { dir });
    }
    let _lock = match try_lock(&lock_path)? {
        Some(lock) => lock,
        None => {
            // The server answers what is under way while its devices go.
            let pid = server_pid(&lock_path).filter(|pid| has_open(*pid, &lock_path));
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                // One that has just gone is found out below.
                let _ = kill_process(pid, rustix::process::Signal::USR1);
            }
            attachment.hide()?;
            end_server(&lock_path)?
        }
    };
    // A server that was just starting may have shown units again.
    withdraw(&attachment)?;
    attachment.remove()?;
    write_pid(&lock_path, "")
}

/// Hides the units when nobody answers their commands.
fn withdraw(attachment: &Attachment) -> Result<(), AttachError> {
    attachment.fail_commands()?;
    attachment.hide()
}

/// Ends whoever has the lock, and takes it.
fn end_server(lock_path: &Path) -> Result<File, AttachError> {
    loop {
        if let Some(lock) = try_lock(lock_path)? {
            return Ok(lock);
        }
        // The number is of a server before until a new one has written its own; then, whatever
        // process has it by now must be let alone.
        let pid = server_pid(lock_path).filter(|pid| has_open(*pid, lock_path));
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            match kill_process(pid, rustix::process::Signal::TERM) {
                Ok(()) | Err(Errno::SRCH) => return Ok(lock(lock_path)?),
                Err(errno) => return Err(AttachError::System(errno.into())),
            }
        }
        thread::sleep(RECHECK);
    }
}

/// True if the process has the file `path` open.
fn has_open(pid: i32, path: &Path) -> bool {
    let identity = |path: &Path| {
        let data = fs::metadata(path).ok()?;
        Some((data.dev(), data.ino()))
    };
    let wanted = identity(path);
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    wanted.is_some()
        && files.is_ok_and(|files| {
            let mut files = files.flatten();
            files.any(|file| identity(&file.path()) == wanted)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_lock_file_open_is_taken_for_its_server() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = lock_path(dir.path());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!has_open(own, &path));
        let file = lock(&path).unwrap();
        assert!(has_open(own, &path));
        drop(file);
        assert!(!has_open(own, &path));
    }

    #[test]
    fn a_lock_that_nobody_has_is_taken_whatever_its_number() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = lock_path(dir.path());
        // A number that a process has which is not ours to end: this one.
        write_pid(&path, &format!("{}\n", std::process::id())).unwrap();
        end_server(&path).unwrap();
    }
}
