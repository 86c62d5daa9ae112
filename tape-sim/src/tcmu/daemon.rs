//! Attaching, serving and detaching a whole library.
//!
//! One process serves a library, which the `flock` of `attach.lock` shows and keeps so; its number
//! is in that file. The kernel's devices outlive it: commands wait for the next server, or for
//! [`detach`]. Knows nothing of the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, kill_process};

use super::AttachError;
use super::config::Attachment;
use super::map::UioMap;
use super::ring::Ring;
use super::serve::{Device, Ended, Server, Stop};
use super::sysfs;
use crate::error::SimError;
use crate::files::{lock, try_lock};
use crate::library::Library;

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
/// with the drives reset and the commands that had been waiting failed.
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
        // An orderly end leaves the file empty.
        killed: server_pid(&lock_path).is_some(),
    };
    write_pid(&lock_path, &format!("{}\n", std::process::id()))?;
    // Before there are threads, which inherit it: the signals are for `wait`.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block().map_err(system)?;
    let taken_up = start.attachment.exists();
    let served = start.run().and_then(|running| {
        let shown = start.show().and_then(|attached| {
            ready(&attached);
            signals.wait().map(drop).map_err(system)
        });
        running.end().and(shown)
    });
    if served.is_err() && !taken_up {
        // The first failure is the one to report.
        let _ = start.attachment.hide().and(start.attachment.remove());
    }
    write_pid(&lock_path, "")?;
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
        let (backstore, existed) = self.attachment.backstore(unit)?;
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
        let mut server = Server::new(uio, ring, device);
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
    if let Some(_lock) = try_lock(&lock_path)? {
        attachment.fail_commands()?;
        attachment.hide()?;
        return finish(&attachment, &lock_path);
    }
    // The server answers what is under way while its devices go.
    attachment.hide()?;
    if let Some(pid) = server_pid(&lock_path).and_then(Pid::from_raw) {
        kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|errno| AttachError::System(errno.into()))?;
    }
    let _lock = lock(&lock_path)?;
    finish(&attachment, &lock_path)
}

fn finish(attachment: &Attachment, lock_path: &Path) -> Result<(), AttachError> {
    attachment.remove()?;
    write_pid(lock_path, "")
}
