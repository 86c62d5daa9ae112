//! The planner's order and times on a cartridge as the simulator's mechanics have it, whose wraps
//! the planner does not know.
#![allow(clippy::unwrap_used)]

use tape_sim::generation::Generation;
use tape_sim::physics::deck::Deck;
use tape_sim::physics::geometry::Geometry as Wraps;
use tapewright::access_order::{
    AccessOrder, Approach, End, Extent, Geometry, Height, Mechanics, Tape, best_order,
    in_record_order,
};

const TAPE_BYTES: u64 = 18_000_000_000_000;
const BUFFER_BYTES: u64 = 1 << 30;
const RECORDS_BYTES: u64 = 16 << 20;

/// `count` extents of 1 to 10 GB all over the tape.
fn extents(count: u64, seed: u64) -> Vec<Extent> {
    let one = |number: u64| {
        let mut z = (seed * 1000 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let begin_bytes = 1 + (z >> 8) % (TAPE_BYTES / 10 * 9);
        Extent {
            begin_bytes,
            end_bytes: begin_bytes + (1 + z % 10) * 1_000_000_000,
        }
    };
    (0..count).map(one).collect()
}

/// Reads as a host does, which takes records and leaves room in the drive's buffer.
fn read(deck: &mut Deck, mut at: u64, end: u64) {
    while at < end {
        let step = (end - at).min(RECORDS_BYTES);
        deck.read(at, step);
        at += step;
    }
}

/// Seconds that a simulated tape takes for an order, and the rewind behind it.
fn carried_out(extents: &[Extent], order: &AccessOrder, seed: u64) -> f64 {
    let format = Generation::Lto9.format();
    let mut deck = Deck::new(format, TAPE_BYTES, BUFFER_BYTES, seed);
    let mut at = 0;
    for leg in &order.legs {
        let Extent {
            begin_bytes,
            end_bytes,
        } = extents[leg.extent];
        match leg.approach {
            Approach::ReadOn if begin_bytes > at => read(&mut deck, at, begin_bytes),
            Approach::ReadOn => {}
            Approach::Locate => deck.travel(at, begin_bytes),
        }
        // What lies in the read before is not read again.
        let is_read = leg.approach == Approach::ReadOn && begin_bytes < at;
        let begin_bytes = if is_read { at } else { begin_bytes };
        read(&mut deck, begin_bytes, end_bytes);
        at = end_bytes;
    }
    deck.travel(at, 0);
    deck.now_ns() as f64 / 1e9
}

/// Seconds that `count` requests take on tapes of which the planner knows nothing but the mean, on
/// the same told by their drives as far as they are written, and in record order.
fn known_and_not(count: u64) -> [f64; 3] {
    let format = Generation::Lto9.format();
    let mechanics = Mechanics::of("LTO-9", Height::Full).unwrap();
    let even = Tape::new(mechanics, TAPE_BYTES);
    let mut sums = [0.0; 3];
    for seed in 1..=20 {
        let wraps = Wraps::new(format, TAPE_BYTES, seed);
        // Extents lie on nine tenths of the tape, and some gigabytes more.
        let written = wraps
            .ends()
            .iter()
            .filter(|end| **end < TAPE_BYTES / 100 * 91);
        let told = Geometry::of_written(written.copied().collect(), wraps.wraps()).unwrap();
        let told = Tape::with_geometry(mechanics, told);
        let extents = extents(count, seed);
        for (sum, order) in sums.iter_mut().zip([
            best_order(&even, 0, &extents, End::Rewinds),
            best_order(&told, 0, &extents, End::Rewinds),
            in_record_order(&even, 0, &extents, End::Rewinds),
        ]) {
            *sum += carried_out(&extents, &order, seed);
        }
    }
    sums
}

#[test]
fn a_drive_that_tells_where_wraps_end_has_less_to_move() {
    for count in [12, 40] {
        let [even_s, told_s, record_s] = known_and_not(count);
        println!("{count}: {told_s:.0} s, untold {even_s:.0} s, record order {record_s:.0} s");
        assert!(
            told_s < 0.99 * even_s && even_s < record_s,
            "{told_s} {even_s} {record_s}"
        );
    }
}

#[test]
fn a_tape_takes_as_long_as_foretold_and_less_than_in_record_order() {
    let mechanics = Mechanics::of("LTO-9", Height::Full).unwrap();
    let tape = Tape::new(mechanics, TAPE_BYTES);
    for (count, one_within) in [
        (1, None),
        (3, None),
        (12, None),
        (40, Some(0.1)),
        (200, Some(0.1)),
    ] {
        let (mut foretold_s, mut took_s, mut by_record_s) = (0.0, 0.0, 0.0);
        for seed in 1..=20 {
            let extents = extents(count, seed);
            let order = best_order(&tape, 0, &extents, End::Rewinds);
            let one_s = order.motion_s() + order.read_s();
            let one_took_s = carried_out(&extents, &order, seed);
            // A few locates may miss by what no mean tells.
            if let Some(within) = one_within {
                let off = one_took_s / one_s - 1.0;
                assert!(
                    off.abs() < within,
                    "{count} on tape {seed}: {one_took_s} s instead of {one_s}"
                );
            }
            foretold_s += one_s;
            took_s += one_took_s;
            let records = in_record_order(&tape, 0, &extents, End::Rewinds);
            by_record_s += carried_out(&extents, &records, seed);
        }
        let off = took_s / foretold_s - 1.0;
        assert!(
            off.abs() < 0.05,
            "{count} extents took {took_s} s instead of {foretold_s}"
        );
        assert!(
            took_s <= by_record_s * 1.01,
            "{count}: {took_s} s, {by_record_s} s in record order"
        );
    }
}
