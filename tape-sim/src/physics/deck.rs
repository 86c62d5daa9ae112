//! A tape in a drive, as mechanics: the time that recording, reading and moving take, and
//! what has been moved.
//!
//! Knows positions in bytes of tape from the beginning of the first wrap, no blocks and no
//! partitions. Times are in nanoseconds of the drive's own time.

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::medium;
use super::model::{TapeMechanics, tape_mechanics};
use super::motion::{locate_s, rewind_s};
use super::stream::{Direction, Machine, Stream};
use crate::generation::Format;

/// A turn at the end of a wrap of full capacity.
const TURN_NS: u64 = 2_000_000_000;
const BYTES_PER_MB: u64 = 1_000_000;

/// What the tape has been moved, since the counters were taken last or in a drive's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MotionCounters {
    /// Stops in a stream after which the tape had to go back.
    pub backhitches: u64,
    /// Motions to another place, rewinds aside.
    pub locates: u64,
    /// Motions to the beginning of the tape.
    pub rewinds: u64,
    /// Ends of wraps met in streaming.
    pub wrap_turns: u64,
    /// Tape moved, in millimetres.
    pub distance_mm: u64,
    /// Time in which it moved, in nanoseconds.
    pub motion_ns: u64,
}

impl MotionCounters {
    /// Whole hours in which the tape moved.
    #[must_use]
    pub fn hours(&self) -> u32 {
        const NS_PER_HOUR: u64 = 3_600_000_000_000;
        // 2⁶⁴ ns are five million hours.
        (self.motion_ns / NS_PER_HOUR) as u32
    }

    /// Adds what `more` has counted.
    pub fn add(&mut self, more: &MotionCounters) {
        self.backhitches += more.backhitches;
        self.locates += more.locates;
        self.rewinds += more.rewinds;
        self.wrap_turns += more.wrap_turns;
        self.distance_mm += more.distance_mm;
        self.motion_ns += more.motion_ns;
    }
}

/// A tape in a drive.
#[derive(Debug)]
pub struct Deck {
    mechanics: TapeMechanics,
    geometry: Geometry,
    seed: u64,
    turn_ns: u64,
    stream: Stream,
    counters: MotionCounters,
    motions: u64,
    now_ns: u64,
}

impl Deck {
    /// A cartridge of `format` that holds `tape_bytes`, with the peculiarities of `seed`, in a
    /// drive with a buffer of `buffer_bytes`.
    #[must_use]
    pub fn new(format: &Format, tape_bytes: u64, buffer_bytes: u64, seed: u64) -> Self {
        let native_bytes = u64::from(format.native_mb) * BYTES_PER_MB;
        // A small tape turns as often, so that writing it takes its share of a whole one's time.
        let turn_ns = u128::from(TURN_NS) * u128::from(tape_bytes) / u128::from(native_bytes);
        Deck {
            mechanics: tape_mechanics(format),
            geometry: Geometry::new(format, tape_bytes, seed),
            seed,
            turn_ns: turn_ns as u64,
            stream: Stream::new(buffer_bytes),
            counters: MotionCounters::default(),
            motions: 0,
            now_ns: 0,
        }
    }

    /// The wraps.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Speeds and spans.
    #[must_use]
    pub fn mechanics(&self) -> &TapeMechanics {
        &self.mechanics
    }

    /// The drive's time.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Sets the drive's time without letting the tape do anything.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Buffered bytes that the tape has not written.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        match self.stream.direction() {
            Some(Direction::Writing) => self.stream.work_bytes(),
            _ => 0,
        }
    }

    /// What has been counted since the last call.
    pub fn take_counters(&mut self) -> MotionCounters {
        std::mem::take(&mut self.counters)
    }

    /// The host has left the tape alone until `now_ns`.
    pub fn catch_up(&mut self, now_ns: u64) {
        let Some(gap_ns) = now_ns.checked_sub(self.now_ns) else {
            return;
        };
        self.now_ns = now_ns;
        self.stream.host_spends(gap_ns);
        let (stream, machine, counters) = self.parts();
        stream.follow(now_ns, machine, counters);
    }

    /// The host brings `bytes` to be written at `position_bytes`, and waits until no more than
    /// `goal_bytes` are in the buffer.
    pub fn write(&mut self, position_bytes: u64, bytes: u64, goal_bytes: u64) {
        let (direction, now_ns) = (Direction::Writing, self.now_ns);
        self.stream
            .begin(direction, position_bytes, now_ns, &self.geometry);
        self.stream.add(bytes, now_ns, &self.mechanics);
        self.wait(goal_bytes);
    }

    /// The host waits until all that it brought is on tape, and the tape stops.
    pub fn flush(&mut self) {
        if self.stream.direction() == Some(Direction::Writing) {
            self.wait(0);
            self.stream.stop(self.now_ns);
        }
    }

    /// What is buffered is not to be written any more; the tape has to be moved to go on.
    pub fn lose_buffer(&mut self) {
        self.stream.rest();
    }

    /// The host takes `bytes` from `position_bytes` on.
    pub fn read(&mut self, position_bytes: u64, bytes: u64) {
        let (direction, now_ns) = (Direction::Reading, self.now_ns);
        self.stream
            .begin(direction, position_bytes, now_ns, &self.geometry);
        let room = self.stream.room_bytes();
        let mut left = bytes;
        while left > 0 {
            let step = left.min(room);
            self.wait(room - step);
            self.stream.add(step, self.now_ns, &self.mechanics);
            left -= step;
        }
    }

    /// Moves the tape from one position to another.
    pub fn travel(&mut self, from_bytes: u64, to_bytes: u64) {
        if from_bytes == to_bytes {
            return;
        }
        let (from, to) = (
            self.geometry.place(from_bytes),
            self.geometry.place(to_bytes),
        );
        let seconds = if to_bytes == 0 {
            self.counters.rewinds += 1;
            rewind_s(&self.mechanics, from)
        } else {
            self.counters.locates += 1;
            let about = [from_bytes, to_bytes, self.motions];
            let deviation_s = medium::locate_deviation_s(self.seed, about);
            let located = locate_s(&self.mechanics, &self.geometry, from, to, deviation_s);
            if from.wrap == to.wrap && to_bytes > from_bytes {
                let gap = (to_bytes - from_bytes) as f64;
                located.min(gap / self.mechanics.native_bytes_s as f64)
            } else {
                located
            }
        };
        self.motions += 1;
        let took_ns = (seconds * 1e9) as u64;
        let way = (from.along - to.along).abs();
        self.counters.distance_mm += (way * self.geometry.length_mm() as f64) as u64;
        self.counters.motion_ns += took_ns;
        self.now_ns += took_ns;
        self.stream.rest();
    }

    fn wait(&mut self, goal_bytes: u64) {
        let now_ns = self.now_ns;
        let (stream, machine, counters) = self.parts();
        self.now_ns = stream.wait(goal_bytes, now_ns, machine, counters);
    }

    fn parts(&mut self) -> (&mut Stream, Machine<'_>, &mut MotionCounters) {
        let machine = Machine {
            tape: &self.mechanics,
            geometry: &self.geometry,
            turn_ns: self.turn_ns,
        };
        (&mut self.stream, machine, &mut self.counters)
    }
}
