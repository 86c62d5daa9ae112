//! How long the rebuild of a full tape keeps it moving, by the simulator's mechanics
//! (docs/sim-physics.md): it spaces over the data and reads indexes.
//!
//! The commands are those that `tests/jobs/rebuild_costs.rs` counts: of each segment one record,
//! one SPACE to its end, and its index.

use tape_sim::generation::Generation;
use tape_sim::physics::deck::Deck;

const TAPE_BYTES: u64 = 18_000_000_000_000;
const BUFFER_BYTES: u64 = 1 << 30;
const RECORD_BYTES: u64 = 512 << 10;
/// That of 65,536 members.
const INDEX_BYTES: u64 = 8 << 20;
const SEEDS: u64 = 5;

struct Took {
    segments: u64,
    /// Bytes that were read of data and of indexes.
    read_bytes: u64,
    seconds: f64,
}

fn rebuilt(segment_bytes: u64, seed: u64) -> Took {
    let mut deck = Deck::new(Generation::Lto9.format(), TAPE_BYTES, BUFFER_BYTES, seed);
    let (mut at, mut segments, mut read_bytes) = (RECORD_BYTES, 0, RECORD_BYTES);
    deck.read(0, RECORD_BYTES);
    while at + segment_bytes + INDEX_BYTES <= TAPE_BYTES {
        deck.read(at, RECORD_BYTES);
        deck.travel(at + RECORD_BYTES, at + segment_bytes);
        deck.read(at + segment_bytes, INDEX_BYTES);
        at += segment_bytes + INDEX_BYTES;
        segments += 1;
        read_bytes += RECORD_BYTES + INDEX_BYTES;
    }
    deck.travel(at, 0);
    Took {
        segments,
        read_bytes,
        seconds: deck.now_ns() as f64 / 1e9,
    }
}

fn read_through(seed: u64) -> f64 {
    let mut deck = Deck::new(Generation::Lto9.format(), TAPE_BYTES, BUFFER_BYTES, seed);
    deck.read(0, TAPE_BYTES);
    deck.now_ns() as f64 / 1e9
}

#[test]
fn a_rebuild_of_a_full_tape_takes_spacing_and_indexes_and_not_its_data() {
    for (segment_gib, share) in [(8, 0.75), (32, 0.5), (128, 0.25)] {
        let (mut took_s, mut whole_s, mut segments) = (0.0, 0.0, 0);
        for seed in 1..=SEEDS {
            let took = rebuilt(segment_gib << 30, seed);
            took_s += took.seconds / SEEDS as f64;
            whole_s += read_through(seed) / SEEDS as f64;
            segments = took.segments;
            assert!(took.read_bytes <= segments * (INDEX_BYTES + 2 * RECORD_BYTES));
        }
        let each_s = took_s / segments as f64;
        println!(
            "{segments} segments of {segment_gib} GiB: {took_s:.0} s, {each_s:.1} s each; read \
             through {whole_s:.0} s"
        );
        // A locate over two wraps at most, and the index at the drive's pace.
        assert!(each_s < 45.0, "{each_s} s a segment");
        assert!(took_s < share * whole_s, "{took_s} s of {whole_s} s");
    }
}
