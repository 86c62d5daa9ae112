//! Serves one unit: takes commands from its ring, has the simulator execute them, answers.
//!
//! Commands are executed one at a time. One that a fault leaves unanswered waits until the kernel
//! aborts it or resets the unit, for an hour at most; those behind it are executed. What was
//! waiting when the server before was killed is never executed: it may have been already, and a
//! block would be written twice. Knows nothing of how the device came to be.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::direction::sends_data;
use super::map::UioMap;
use super::ring::{Answer, Entry, Request, Ring, RingError, SharedMemory};
use crate::error::SimError;
use crate::sense::{self, Sense, key};
use crate::smc::ChangerTarget;
use crate::ssc::DriveTarget;
use crate::target::{Data, Target, status};

/// Resets among the task management functions (`TCMU_TMR_*`).
const RESETS: [u8; 3] = [5, 6, 7];
/// Commands that are left unanswered at a time, and how long: st waits a quarter of an hour for
/// most, and kernels before 5.10 do not tell of an abort. What is beyond ends with TASK ABORTED.
const MOST_LEFT: usize = 16;
const LONGEST_LEFT: Duration = Duration::from_secs(3600);
/// How often is looked whether the time is up, or somebody has let go.
const RECHECK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// A device of the simulator that can be served.
pub trait Device: Target {
    /// What a reset from the initiator does.
    ///
    /// # Errors
    ///
    /// `Io` for the device's files.
    fn reset(&mut self) -> Result<(), SimError>;

    /// Gives the device back in order.
    ///
    /// # Errors
    ///
    /// `Io` for the device's files.
    fn finish(self: Box<Self>) -> Result<(), SimError>;
}

impl Device for DriveTarget {
    fn reset(&mut self) -> Result<(), SimError> {
        self.bus_reset()
    }

    fn finish(self: Box<Self>) -> Result<(), SimError> {
        self.close()
    }
}

impl Device for ChangerTarget {
    fn reset(&mut self) -> Result<(), SimError> {
        self.bus_reset()
    }

    fn finish(self: Box<Self>) -> Result<(), SimError> {
        Ok(())
    }
}

/// How a server is told to stop: between two commands.
#[derive(Debug)]
pub struct Stop {
    flag: AtomicBool,
    let_go: AtomicBool,
    /// Readable once the flag is set.
    event: File,
}

impl Stop {
    /// Nobody is to stop yet.
    ///
    /// # Errors
    ///
    /// What the system says to a further file descriptor.
    pub fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Stop {
            flag: AtomicBool::new(false),
            let_go: AtomicBool::new(false),
            event: eventfd(0, EventfdFlags::CLOEXEC)?.into(),
        })
    }

    /// Ends every [`Server::run`] that was given this.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // Fails only at the 2^64th call.
        let _ = (&self.event).write_all(&1_u64.to_ne_bytes());
    }

    /// From now on every command is answered, those that are left too, within a second or so.
    pub fn let_go(&self) {
        self.let_go.store(true, Ordering::Release);
    }

    /// True once [`Stop::stop`] was called.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

/// Why serving ended.
#[derive(Debug)]
pub enum Ended {
    /// The ring makes no sense any more.
    Ring(RingError),
    /// The UIO device failed.
    Device(io::Error),
    /// The simulator's own files.
    Sim(SimError),
}

impl From<RingError> for Ended {
    fn from(error: RingError) -> Self {
        Ended::Ring(error)
    }
}

/// Executes the commands of a ring on a device; no I/O but the device's own.
pub struct Executor<M> {
    ring: Ring<M>,
    device: Box<dyn Device>,
    buffer: Vec<u8>,
    /// Longest data phase that is carried, in bytes.
    max_transfer_bytes: usize,
    /// Commands that are left unanswered, and since when.
    left: Vec<(u16, Instant)>,
}

impl<M: SharedMemory> Executor<M> {
    /// Joins a ring and the device that answers it. A command with more than `max_transfer_bytes`
    /// of data does not get to the device and ends with 05/24/00, as the kernel's target core says
    /// it of what is too long for it.
    pub fn new(ring: Ring<M>, device: Box<dyn Device>, max_transfer_bytes: usize) -> Self {
        Executor {
            ring,
            device,
            buffer: Vec::new(),
            max_transfer_bytes,
            left: Vec::new(),
        }
    }

    /// The ring, for tests, which play the kernel.
    pub fn ring_mut(&mut self) -> &mut Ring<M> {
        &mut self.ring
    }

    /// Fails every waiting command with 0B/08/00: a server was killed with them. The device is
    /// not asked, so that its own unit attention is left for the next command: st ends a file that
    /// it was writing with a filemark, and that must not go to a drive that was reset to BOT.
    ///
    /// # Errors
    ///
    /// As [`Ring::oldest`].
    pub fn fail_waiting(&mut self) -> Result<(), RingError> {
        let lost = Sense::new(key::ABORTED_COMMAND, sense::COMMUNICATION_FAILURE);
        let answer = Answer {
            status: status::CHECK_CONDITION,
            sense: &lost.to_bytes(false),
            data_in: None,
        };
        while let Some(entry) = self.ring.oldest()? {
            match entry {
                Entry::Command(request) | Entry::Malformed(request) => {
                    self.ring.answer(&request, answer);
                }
                Entry::TaskManagement { place, .. } => self.ring.skip(place),
                Entry::Unknown(place) => self.ring.refuse(place),
            }
        }
        Ok(())
    }

    /// Deals with the oldest entry; false if there was none.
    ///
    /// # Errors
    ///
    /// `Ring`; `Sim` when a reset failed.
    pub fn step(&mut self) -> Result<bool, Ended> {
        let Some(entry) = self.ring.oldest()? else {
            return Ok(false);
        };
        match entry {
            Entry::Command(request) => self.execute(&request),
            Entry::Malformed(request) => {
                let failure = Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE);
                let answer = Answer {
                    status: status::CHECK_CONDITION,
                    sense: &failure.to_bytes(false),
                    data_in: None,
                };
                self.ring.answer(&request, answer);
            }
            Entry::TaskManagement {
                function,
                commands,
                place,
            } => {
                self.ring.skip(place);
                let resets = RESETS.contains(&function);
                self.end_left(|id, _| resets || commands.contains(&id));
                if resets {
                    self.device.reset().map_err(Ended::Sim)?;
                }
            }
            Entry::Unknown(place) => self.ring.refuse(place),
        }
        Ok(true)
    }

    /// Ends commands that are left unanswered; false if it was none.
    pub fn end_left(&mut self, which: impl Fn(u16, Instant) -> bool) -> bool {
        let before = self.left.len();
        let ring = &mut self.ring;
        self.left.retain(|(id, since)| {
            let ends = which(*id, *since);
            if ends {
                ring.end(*id, status::TASK_ABORTED);
            }
            !ends
        });
        self.left.len() < before
    }

    fn execute(&mut self, request: &Request) {
        if request.data_bytes() > self.max_transfer_bytes {
            let refused = Sense::illegal(sense::INVALID_CDB_FIELD);
            let answer = Answer {
                status: status::CHECK_CONDITION,
                sense: &refused.to_bytes(false),
                data_in: None,
            };
            return self.ring.answer(request, answer);
        }
        // What is in the buffer from before is either overwritten or not sent.
        if self.buffer.len() < request.data_bytes() {
            self.buffer.resize(request.data_bytes(), 0);
        }
        let buffer = &mut self.buffer[..request.data_bytes()];
        let (data, reads) = if buffer.is_empty() {
            (Data::None, false)
        } else if sends_data(request.cdb()) {
            self.ring.fetch(request, buffer);
            (Data::Out(buffer), false)
        } else {
            (Data::In(buffer), true)
        };
        let completion = self.device.execute(request.cdb(), data);
        if !completion.answered && self.left.len() < MOST_LEFT {
            self.left.push((request.id, Instant::now()));
            return self.ring.leave(request);
        }
        let sent = completion.transferred_bytes.min(request.data_bytes());
        let answer = Answer {
            status: completion.status,
            sense: &completion.sense,
            data_in: reads.then_some(&self.buffer[..sent]),
        };
        self.ring.answer(request, answer);
    }
}

impl<M> fmt::Debug for Executor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}

/// The server of one unit.
#[derive(Debug)]
pub struct Server {
    executor: Executor<UioMap>,
    uio: File,
}

impl Server {
    /// Takes up the device behind `uio`.
    pub fn new(
        uio: File,
        ring: Ring<UioMap>,
        device: Box<dyn Device>,
        max_transfer_bytes: usize,
    ) -> Self {
        let executor = Executor::new(ring, device, max_transfer_bytes);
        Server { executor, uio }
    }

    /// Fails what a killed server has left, as [`Executor::fail_waiting`].
    ///
    /// # Errors
    ///
    /// `Ring`, `Device`.
    pub fn fail_waiting(&mut self) -> Result<(), Ended> {
        self.executor.fail_waiting()?;
        self.tell_kernel()
    }

    /// Serves until `stop`, then gives the device back.
    ///
    /// # Errors
    ///
    /// What ended it before; the device is given back then, too.
    pub fn run(mut self, stop: &Stop) -> Result<(), Ended> {
        let served = self.serve(stop);
        let finished = self.executor.device.finish().map_err(Ended::Sim);
        served.and(finished)
    }

    fn serve(&mut self, stop: &Stop) -> Result<(), Ended> {
        while !stop.is_set() {
            let let_go = stop.let_go.load(Ordering::Acquire);
            let is_over = |_, since: Instant| let_go || since.elapsed() >= LONGEST_LEFT;
            if self.executor.step()? || self.executor.end_left(is_over) {
                self.tell_kernel()?;
            } else {
                self.wait(stop)?;
            }
        }
        // The next server would not know of them.
        self.executor.end_left(|_, _| true);
        self.tell_kernel()
    }

    /// Has the kernel look at the answers.
    fn tell_kernel(&mut self) -> Result<(), Ended> {
        self.uio
            .write_all(&0_u32.to_ne_bytes())
            .map_err(Ended::Device)
    }

    /// Returns when the kernel has put something into the ring, or on `stop`.
    fn wait(&mut self, stop: &Stop) -> Result<(), Ended> {
        let failed = |errno: Errno| Ended::Device(errno.into());
        let uio = self.uio.as_fd();
        let mut fds = [
            PollFd::from_borrowed_fd(uio, PollFlags::IN),
            PollFd::from_borrowed_fd(stop.event.as_fd(), PollFlags::IN),
        ];
        let recheck = (!self.executor.left.is_empty()).then_some(&RECHECK);
        match poll(&mut fds, recheck) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let events = fds[0].revents();
        if events.contains(PollFlags::IN) {
            // The number of events so far; reading it makes the next one wake us.
            let mut count = [0; 4];
            self.uio.read_exact(&mut count).map_err(Ended::Device)?;
        } else if events.intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(Ended::Device(ErrorKind::BrokenPipe.into()));
        }
        Ok(())
    }
}
