//! Streaming, in the time of the simulator's drives: does the tape keep running?
//!
//! One thread plays source, pool and drive thread in virtual time, so that the same run comes
//! out each time: the engine's own [`Gate`] decides, and the simulator's own mechanics
//! (docs/sim-physics.md) say what the tape does. What is left out: the engine's threads, which
//! the bench measures in real time, and framing, which takes no time here.

use tape_sim::generation::Generation;
use tape_sim::physics::deck::{Deck, MotionCounters};
use tapewright::engine::archive::{Gate, Marks};

const RECORD: u64 = 512 << 10;
const BUFFER: u64 = 1 << 30;
const MB: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// How often the engine asks the drive how far it is.
const POLL: u64 = SECOND / 4;

/// When the source brings which record: nanoseconds since its start.
type Source = fn(record: u64) -> u64;

struct Run {
    counters: MotionCounters,
    /// Until the last record was on tape, in nanoseconds.
    took: u64,
    /// Until the source had brought the last one, had it never waited, in nanoseconds.
    source_took: u64,
}

/// Source, pool and drive.
struct Bench {
    deck: Deck,
    drive_buffer: u64,
    gate: Gate,
    pool: u64,
    /// The time of all, in nanoseconds.
    now: u64,
    /// Records in the pool, and those that the drive got.
    waiting: u64,
    written: u64,
    polled: u64,
}

impl Bench {
    fn new(pool: u64) -> Self {
        let format = Generation::Lto9.format();
        let drive_buffer = Generation::Lto9.model().buffer_bytes;
        Self {
            deck: Deck::new(format, u64::from(format.native_mb) * MB, drive_buffer, 7),
            drive_buffer,
            gate: Gate::new(pool as usize, Marks::default()),
            pool,
            now: 0,
            waiting: 0,
            written: 0,
            polled: 0,
        }
    }

    fn is_full(&self) -> bool {
        // One is always with framing.
        self.waiting + 1 >= self.pool
    }

    fn may_write(&mut self) -> bool {
        self.waiting > 0 && self.gate.is_open(self.waiting as usize)
    }

    /// The drive takes a record; that lasts while its buffer is full.
    fn write(&mut self) {
        self.deck.catch_up(self.now);
        self.deck
            .write(self.written * RECORD, RECORD, self.drive_buffer);
        self.now = self.now.max(self.deck.now_ns());
        self.written += 1;
        self.waiting -= 1;
        self.poll();
    }

    /// Nothing is to be done until then, but the tape may run.
    fn pass(&mut self, until: u64) {
        self.now = self.now.max(until);
        self.deck.catch_up(self.now);
        self.poll();
    }

    fn poll(&mut self) {
        if self.now < self.polled + POLL {
            return;
        }
        self.polled = self.now;
        let waiting = self.waiting as usize;
        if self.gate.is_low(waiting) {
            self.gate.heard(waiting, self.deck.waiting_bytes());
        }
    }
}

/// Archives `records` of `source` through a pool of `pool` records.
fn run(records: u64, pool: u64, source: Source) -> Run {
    let mut bench = Bench::new(pool);
    let (mut brought, mut late, mut blocked) = (0, 0, false);
    loop {
        while brought < records && !bench.is_full() {
            let due = source(brought) + late;
            if due > bench.now {
                break;
            }
            if blocked {
                // The source goes on from where it had to wait.
                late += bench.now - due;
                blocked = false;
            }
            bench.waiting += 1;
            brought += 1;
        }
        blocked |= brought < records && bench.is_full();
        if brought == records {
            bench.gate.open();
        }
        if bench.may_write() {
            bench.write();
        } else if brought == records {
            break;
        } else {
            let due = source(brought) + late;
            bench.pass(due.min(bench.polled + POLL).max(bench.now + 1));
        }
    }
    bench.deck.flush();
    Run {
        counters: bench.deck.take_counters(),
        took: bench.deck.now_ns(),
        source_took: source(records - 1),
    }
}

/// 500 MB/s for 18 s, then nothing for 2 s: 450 MB/s on the average.
fn stalling(record: u64) -> u64 {
    let (burst, bytes) = (9000 * MB, record * RECORD);
    bytes / burst * 20 * SECOND + bytes % burst * SECOND / (500 * MB)
}

/// 100 MB/s.
fn slow(record: u64) -> u64 {
    record * RECORD * 10 / MB * SECOND / 1000
}

#[test]
fn a_source_that_stalls_for_two_seconds_never_stops_the_tape() {
    let records = 200_000 * MB / RECORD;
    let run = run(records, BUFFER / RECORD, stalling);
    assert_eq!(run.counters.backhitches, 0);
    // The drive, not the source, sets the pace.
    let native = 200_000 * SECOND / 400;
    assert!(run.took < native + native / 50, "{} s", run.took / SECOND);
}

#[test]
fn a_slow_source_costs_one_stop_a_buffer_and_no_time() {
    for buffers in [1, 4, 16] {
        let buffer = buffers * BUFFER;
        let run = run(200_000 * MB / RECORD, buffer / RECORD, slow);
        let stops = run.counters.backhitches;
        println!("a buffer of {buffers} GiB: {stops} backhitches for 200 GB at 100 MB/s");
        assert!(stops <= 200_000 * MB / buffer, "{buffers} GiB: {stops}");
        let late = run.took - run.source_took;
        assert!(
            late * 100 <= run.source_took * 3,
            "{} s late",
            late / SECOND
        );
    }
}
