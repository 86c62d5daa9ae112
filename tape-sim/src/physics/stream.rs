//! The drive's buffer between a host and a tape that likes to run evenly.
//!
//! `work` is what the tape has to do: bytes waiting to be written, or room to be filled by reading
//! ahead. The tape runs until there is none, then it has to stop and to come back behind the place
//! where it stopped: a backhitch. It starts again when the buffer is all work. Hence a host
//! slower than the slowest speed `s` costs a backhitch each `B·s/(s−r)` bytes in both directions.

use super::deck::MotionCounters;
use super::geometry::Geometry;
use super::model::TapeMechanics;

/// Stopping, going back and starting again.
pub const BACKHITCH_NS: u64 = 3_000_000_000;
/// What is buffered is written if the host has sent nothing for so long.
const IDLE_NS: u64 = 1_000_000_000;
/// The host's speed is judged by about so much of its time.
const JUDGED_NS: u64 = 4_000_000_000;
const NS_PER_S: u128 = 1_000_000_000;

/// What the tape is in motion for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The host writes.
    Writing,
    /// The host reads, and the drive ahead of it.
    Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The tape stands. It can run from `ready_ns` on; `again` if it is to go on where it stopped.
    Stopped { ready_ns: u64, again: bool },
    /// It runs at this many bytes per second.
    Running { rate: u64 },
}

const REST: Flow = Flow::Stopped {
    ready_ns: 0,
    again: false,
};

/// How fast the host is when it does not wait for the drive.
#[derive(Debug, Clone, Copy, Default)]
struct Host {
    bytes: u64,
    ns: u64,
}

impl Host {
    fn spends(&mut self, ns: u64) {
        self.ns = self.ns.saturating_add(ns);
        while self.ns > JUDGED_NS {
            self.ns /= 2;
            self.bytes /= 2;
        }
    }

    /// The speed at which the tape runs for it; drives alternate between neighbouring steps.
    fn matched(&self, tape: &TapeMechanics) -> u64 {
        let rate = u128::from(self.bytes) * NS_PER_S / u128::from(self.ns.max(1));
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        rate.clamp(tape.slowest_bytes_s, tape.native_bytes_s)
    }
}

/// Buffer and tape, in nanoseconds of the drive's time.
#[derive(Debug)]
pub struct Stream {
    direction: Option<Direction>,
    flow: Flow,
    host: Host,
    room_bytes: u64,
    work_bytes: u64,
    /// Until when the tape has been followed.
    at_ns: u64,
    arrived_ns: u64,
    /// Where the head is, and where the tape turns next.
    head_bytes: u64,
    turn_bytes: u64,
    turning_ns: u64,
}

impl Stream {
    /// A tape at rest, and a buffer of `room_bytes`.
    #[must_use]
    pub fn new(room_bytes: u64) -> Self {
        Stream {
            direction: None,
            flow: REST,
            host: Host::default(),
            room_bytes: room_bytes.max(1),
            work_bytes: 0,
            at_ns: 0,
            arrived_ns: 0,
            head_bytes: 0,
            turn_bytes: 0,
            turning_ns: 0,
        }
    }

    /// What the tape is in motion for, since it was last moved elsewhere.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// Bytes that the tape has still to write, or could read ahead.
    #[must_use]
    pub fn work_bytes(&self) -> u64 {
        self.work_bytes
    }

    /// Room of the buffer.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        self.room_bytes
    }

    /// The tape has been moved elsewhere.
    pub fn rest(&mut self) {
        self.direction = None;
        self.flow = REST;
        self.work_bytes = 0;
    }

    /// The host begins to write or read at `head_bytes`, if that is not what it does already.
    pub fn begin(
        &mut self,
        direction: Direction,
        head_bytes: u64,
        now_ns: u64,
        geometry: &Geometry,
    ) {
        if self.direction == Some(direction) {
            return;
        }
        if self.direction.is_some() {
            self.stop(now_ns);
        }
        self.direction = Some(direction);
        self.host = Host::default();
        self.work_bytes = match direction {
            Direction::Writing => 0,
            Direction::Reading => self.room_bytes,
        };
        self.at_ns = now_ns;
        self.arrived_ns = now_ns;
        self.head_bytes = head_bytes;
        self.turn_bytes = geometry.next_turn(head_bytes);
        self.turning_ns = 0;
    }

    /// The host has spent `ns` on its own.
    pub fn host_spends(&mut self, ns: u64) {
        self.host.spends(ns);
    }

    /// The host has brought or taken `bytes` at `now_ns`.
    pub fn add(&mut self, bytes: u64, now_ns: u64, tape: &TapeMechanics) {
        self.work_bytes += bytes;
        self.host.bytes = self.host.bytes.saturating_add(bytes);
        self.arrived_ns = now_ns;
        if let Flow::Running { rate } = &mut self.flow {
            let matched = self.host.matched(tape);
            // A drive that is about to run out of work goes a little slower if it can.
            *rate = if self.work_bytes < self.room_bytes / 4 {
                (matched - matched / 32).max(tape.slowest_bytes_s)
            } else {
                matched
            };
        }
    }

    /// The tape has to stop, and to come back for what follows.
    pub fn stop(&mut self, now_ns: u64) {
        if let Flow::Running { .. } = self.flow {
            self.flow = Flow::Stopped {
                ready_ns: now_ns + BACKHITCH_NS,
                again: true,
            };
        }
    }

    /// Waits until no more than `goal_bytes` of work are left; returns when that is.
    pub fn wait(
        &mut self,
        goal_bytes: u64,
        now_ns: u64,
        machine: Machine<'_>,
        counters: &mut MotionCounters,
    ) -> u64 {
        if self.work_bytes <= goal_bytes {
            return now_ns;
        }
        if let Flow::Stopped { .. } = self.flow {
            self.start(now_ns, self.host.matched(machine.tape), counters);
        }
        self.run(u64::MAX, goal_bytes, machine, counters);
        now_ns.max(self.at_ns)
    }

    /// Lets the tape do what it does by itself until `now_ns`.
    pub fn follow(&mut self, now_ns: u64, machine: Machine<'_>, counters: &mut MotionCounters) {
        loop {
            match self.flow {
                Flow::Running { .. } => {
                    self.run(now_ns, 0, machine, counters);
                    if self.work_bytes > 0 || self.at_ns >= now_ns {
                        return;
                    }
                    self.stop(self.at_ns);
                }
                Flow::Stopped { ready_ns, .. } => {
                    let idle_ns = self.arrived_ns.saturating_add(IDLE_NS).max(ready_ns);
                    let writing = self.direction == Some(Direction::Writing);
                    if !writing || self.work_bytes == 0 || idle_ns > now_ns {
                        self.at_ns = self.at_ns.max(now_ns);
                        return;
                    }
                    self.host = Host::default();
                    self.start(idle_ns, machine.tape.native_bytes_s, counters);
                }
            }
        }
    }

    fn start(&mut self, now_ns: u64, rate: u64, counters: &mut MotionCounters) {
        if let Flow::Stopped { ready_ns, again } = self.flow {
            counters.backhitches += u64::from(again);
            self.at_ns = now_ns.max(ready_ns);
            self.flow = Flow::Running { rate };
        }
    }

    /// Runs until `until_ns`, or until only `goal_bytes` of work are left.
    fn run(
        &mut self,
        until_ns: u64,
        goal_bytes: u64,
        machine: Machine<'_>,
        counters: &mut MotionCounters,
    ) {
        let Flow::Running { rate } = self.flow else {
            return;
        };
        let rate = u128::from(rate.max(1));
        while self.at_ns < until_ns {
            let turning = self.turning_ns.min(until_ns - self.at_ns);
            self.turning_ns -= turning;
            self.at_ns += turning;
            counters.motion_ns += turning;
            let span = self.work_bytes.saturating_sub(goal_bytes);
            let span = span.min(self.turn_bytes - self.head_bytes);
            let due = u128::from(until_ns - self.at_ns) * rate / NS_PER_S;
            let bytes = span.min(u64::try_from(due).unwrap_or(u64::MAX));
            if bytes == 0 {
                return;
            }
            // Not beyond `until_ns`, since `bytes` was rounded down.
            let took = (u128::from(bytes) * NS_PER_S).div_ceil(rate) as u64;
            self.at_ns += took;
            counters.motion_ns += took;
            let before_mm = machine.geometry.run_mm(self.head_bytes);
            self.head_bytes += bytes;
            self.work_bytes -= bytes;
            counters.distance_mm += machine.geometry.run_mm(self.head_bytes) - before_mm;
            if self.head_bytes == self.turn_bytes {
                self.turn_bytes = machine.geometry.next_turn(self.head_bytes);
                self.turning_ns = machine.turn_ns;
                counters.wrap_turns += 1;
            }
        }
    }
}

/// What the tape runs in.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Speeds.
    pub tape: &'a TapeMechanics,
    /// Wraps.
    pub geometry: &'a Geometry,
    /// What a wrap turn takes, in nanoseconds.
    pub turn_ns: u64,
}
