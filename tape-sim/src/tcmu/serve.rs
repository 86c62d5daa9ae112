//! Serves one unit: takes commands from its ring, has the simulator execute them, answers.
//!
//! Commands are executed one at a time and answered in order. What was waiting when the server
//! before was killed is never executed: it may have been already, and a block would be written
//! twice. Knows nothing of how the device came to be.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
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
            event: eventfd(0, EventfdFlags::CLOEXEC)?.into(),
        })
    }

    /// Ends every [`Server::run`] that was given this.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // Fails only at the 2^64th call.
        let _ = (&self.event).write_all(&1_u64.to_ne_bytes());
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
}

impl<M: SharedMemory> Executor<M> {
    /// Joins a ring and the device that answers it.
    pub fn new(ring: Ring<M>, device: Box<dyn Device>) -> Self {
        let buffer = Vec::new();
        Executor {
            ring,
            device,
            buffer,
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
            Entry::TaskManagement { function, place } => {
                self.ring.skip(place);
                if RESETS.contains(&function) {
                    self.device.reset().map_err(Ended::Sim)?;
                }
            }
            Entry::Unknown(place) => self.ring.refuse(place),
        }
        Ok(true)
    }

    fn execute(&mut self, request: &Request) {
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
    pub fn new(uio: File, ring: Ring<UioMap>, device: Box<dyn Device>) -> Self {
        let executor = Executor::new(ring, device);
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
            if self.executor.step()? {
                self.tell_kernel()?;
            } else {
                self.wait(stop)?;
            }
        }
        Ok(())
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
        match poll(&mut fds, None) {
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
