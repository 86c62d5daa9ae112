//! Operations that go on while the drive answers: loading, optimizing, cleaning, and whatever a
//! command with IMMED has begun. They are over at a known time; until then commands that want
//! the medium end with NOT READY and the progress.
//!
//! In virtual time a host that only asks would ask for ever, so asking takes time: see
//! `pass_poll`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DriveTarget;
use crate::clock::nanos;
use crate::pages::log::Activity;
use crate::sense::{self, Sense};
use crate::target::{Data, Refusal, Reply};

/// In virtual time, what the first command takes that finds the drive busy; the next takes twice
/// as long, and so on.
const FIRST_POLL: Duration = Duration::from_secs(1);
/// And this is the most.
const LONGEST_POLL: Duration = Duration::from_secs(60);
/// The same for a command that finds objects in the write buffer and adds none.
const FIRST_BUFFER_POLL: Duration = Duration::from_millis(1);
const LONGEST_BUFFER_POLL: Duration = Duration::from_secs(1);

/// The state is written when this much of the drive's time has passed since.
const SAVE_TIME_EVERY: Duration = Duration::from_secs(60);
/// Commands that ask the drive nothing that it could be waited for.
const INQUIRY: u8 = 0x12;
const REPORT_LUNS: u8 = 0xA0;

/// What keeps a drive busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Threading a tape.
    Loading,
    /// Measuring a new LTO-9 cartridge on its first load.
    Optimizing,
    /// Using a cleaning cartridge.
    Cleaning,
    /// Rewinding, unthreading.
    Unloading,
    /// Moving to BOP.
    Rewinding,
    /// Moving elsewhere.
    Locating,
    /// ERASE with LONG.
    Erasing,
    /// FORMAT MEDIUM.
    Formatting,
}

impl Operation {
    /// The activity in log page 11h.
    #[must_use]
    pub fn activity(self) -> Activity {
        match self {
            Operation::Loading => Activity::Loading,
            Operation::Optimizing => Activity::Calibrating,
            Operation::Cleaning => Activity::Cleaning,
            Operation::Unloading => Activity::Unloading,
            Operation::Rewinding => Activity::Rewinding,
            Operation::Locating => Activity::Locating,
            Operation::Erasing => Activity::Erasing,
            Operation::Formatting => Activity::Formatting,
        }
    }

    /// What commands that want the medium are told.
    fn code(self) -> sense::Code {
        match self {
            Operation::Loading | Operation::Optimizing => sense::BECOMING_READY,
            Operation::Cleaning => sense::CLEANING_CARTRIDGE,
            Operation::Unloading => sense::NOT_READY_UNKNOWN,
            Operation::Formatting => sense::FORMAT_IN_PROGRESS,
            Operation::Rewinding | Operation::Locating | Operation::Erasing => {
                sense::OPERATION_IN_PROGRESS
            }
        }
    }
}

/// An operation that is under way, in the drive's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// What it is.
    pub operation: Operation,
    /// When it began, in nanoseconds.
    pub begin_ns: u64,
    /// When it is over, in nanoseconds.
    pub end_ns: u64,
}

impl Busy {
    /// How much is done at `now_ns`, of 65536 (SPC-4 §4.5.2.4.4).
    #[must_use]
    pub fn progress(&self, now_ns: u64) -> u16 {
        let length = u128::from(self.end_ns.saturating_sub(self.begin_ns).max(1));
        let done = u128::from(now_ns.saturating_sub(self.begin_ns));
        u16::try_from(done * 65_536 / length).unwrap_or(u16::MAX)
    }

    /// What a command is told that wants the medium at `now_ns`.
    #[must_use]
    pub fn sense(&self, now_ns: u64) -> Sense {
        Sense::not_ready(self.operation.code()).with_progress(self.progress(now_ns))
    }
}

impl DriveTarget {
    /// Time that this drive has spent since it was made, loads, locates and idle waits that the
    /// host told of included.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.time.now()
    }

    /// Tells the drive that its host was busy elsewhere for `duration`: what is under way goes on
    /// meanwhile, and what is buffered goes on reaching the tape. Only virtual time has to be
    /// told.
    pub fn host_spends(&mut self, duration: Duration) {
        self.time.pass(duration);
    }

    /// Runs a command, and lets it take its time.
    pub(super) fn run_in_time(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        self.time.begin();
        let found_busy = self.busy().is_some();
        let waiting = self.waiting_objects();
        let end = self.tape.as_ref().map(|tape| tape.end_object());
        let reply = self.run(cdb, data);
        self.collect();
        let asked = !matches!(cdb, [INQUIRY | REPORT_LUNS, ..]);
        // A full buffer takes one object for each that leaves it.
        let found_waiting = waiting > 0
            && self.waiting_objects() == waiting
            && self.tape.as_ref().map(|tape| tape.end_object()) == end;
        self.pass_poll(
            asked && found_busy && self.busy().is_some(),
            asked && found_waiting,
        );
        let saved = self.save_time();
        self.time.settle();
        saved.and(reply)
    }

    /// Takes over what the tape's mechanics have taken of time, and what they have counted.
    pub(super) fn collect(&mut self) {
        if let Some(tape) = &mut self.tape {
            self.time.meet(tape.deck.now_ns());
            self.state.life.motion.add(&tape.deck.take_counters());
        }
    }

    /// Puts the time that a motion has taken beyond the device's off, for the caller to account
    /// for: the motion is to go on behind the command.
    pub(super) fn take_motion_time(&mut self) -> Duration {
        let now_ns = self.time.now_ns();
        let Some(tape) = &mut self.tape else {
            return Duration::ZERO;
        };
        let took_ns = tape.deck.now_ns().saturating_sub(now_ns);
        tape.deck.set_now(now_ns);
        Duration::from_nanos(took_ns)
    }

    /// Objects in the write buffer.
    pub(super) fn waiting_objects(&self) -> u64 {
        self.tape.as_ref().map_or(0, |tape| tape.buffer().objects())
    }

    /// Writes the state if its time is long past: a killed process costs no more of it.
    fn save_time(&mut self) -> Result<(), Refusal> {
        let past_ns = self.time.now_ns().saturating_sub(self.state.time_ns);
        if Duration::from_nanos(past_ns) < SAVE_TIME_EVERY {
            return Ok(());
        }
        self.save_state().map_err(|error| self.host_failure(error))
    }

    /// What is under way at this moment.
    pub(super) fn busy(&self) -> Option<Busy> {
        let now_ns = self.time.now_ns();
        self.state.busy.filter(|busy| now_ns < busy.end_ns)
    }

    /// Starts an operation that goes on behind the commands to come. It begins at `begin_ns`, by
    /// default now.
    pub(super) fn begin_operation(
        &mut self,
        operation: Operation,
        duration: Duration,
        begin_ns: Option<u64>,
    ) {
        let begin_ns = begin_ns.unwrap_or(self.time.now_ns());
        self.state.busy = Some(Busy {
            operation,
            begin_ns,
            end_ns: begin_ns.saturating_add(nanos(duration)),
        });
    }

    /// An operation of a command: with IMMED it goes on behind the commands to come, otherwise
    /// the command takes as long.
    pub(super) fn operate(&mut self, operation: Operation, duration: Duration, immediate: bool) {
        if immediate {
            self.begin_operation(operation, duration, None);
        } else {
            self.time.pass(duration);
        }
    }

    /// Waits for the end of what is under way.
    pub(super) fn wait_until_idle(&mut self) {
        if let Some(busy) = self.busy() {
            self.time.meet(busy.end_ns);
        }
    }

    /// Lets a host that asks again and again get somewhere in virtual time: each command that
    /// finds the drive busy takes a second, the next two, up to a minute, but never beyond the
    /// end. One that finds objects in the buffer, and neither adds any nor moves the tape, takes
    /// a millisecond, the next two, up to a second.
    fn pass_poll(&mut self, found_busy: bool, found_waiting: bool) {
        let steps = if !self.time.is_virtual() {
            None
        } else if found_busy {
            Some((FIRST_POLL, LONGEST_POLL))
        } else if found_waiting {
            Some((FIRST_BUFFER_POLL, LONGEST_BUFFER_POLL))
        } else {
            None
        };
        let Some((first, longest)) = steps else {
            self.state.polls = 0;
            return;
        };
        let doubled = first
            .saturating_mul(1 << self.state.polls.min(16))
            .min(longest);
        self.state.polls += 1;
        let left = self.busy().map(|busy| {
            let left_ns = busy.end_ns.saturating_sub(self.time.now_ns());
            Duration::from_nanos(left_ns)
        });
        self.time
            .pass(left.map_or(doubled, |left| doubled.min(left)));
    }
}
