//! The mechanics against published figures: means of locate, rewind and full write for each
//! generation, and what a slow host and synchronous filemarks cost.
//!
//! The model is asked directly, with tapes of full capacity and random places from a seed; small
//! tapes are written by commands too.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::time::Duration;

use common::*;
use tape_sim::generation::format_by_density;
use tape_sim::library::LibrarySpec;
use tape_sim::physics::deck::Deck;
use tape_sim::ssc::DriveTarget;
use tape_sim::target::{Data, Target};
use tape_sim::timeline::Timing;

const MB: u64 = 1_000_000;
const GB: u64 = 1_000 * MB;
const TB: u64 = 1_000 * GB;
/// How far a mean may be from the published one.
const TOLERANCE: f64 = 0.05;

/// What is known of one format. `docs/sim-physics.md` has the sources.
struct Known {
    density: u8,
    tape_tb: f64,
    /// Published.
    mean_locate_from_bot_s: f64,
    /// Published from LTO-7 on, derived for LTO-5 and LTO-6.
    mean_rewind_s: f64,
    /// Derived: from the mean locate from BOT and the regression.
    mean_random_locate_s: f64,
    /// Derived: native capacity by native speed.
    full_write_h: f64,
}

const fn known(density: u8, tape_tb: f64, figures: [f64; 4]) -> Known {
    let [
        mean_locate_from_bot_s,
        mean_rewind_s,
        mean_random_locate_s,
        full_write_h,
    ] = figures;
    Known {
        density,
        tape_tb,
        mean_locate_from_bot_s,
        mean_rewind_s,
        mean_random_locate_s,
        full_write_h,
    }
}

/// LTO-5 to LTO-10, the last with both of its cartridges.
const KNOWN: [Known; 7] = [
    known(0x58, 1.5, [60.0, 52.0, 44.3, 3.0]),
    known(0x5A, 2.5, [62.0, 54.5, 45.7, 4.3]),
    known(0x5C, 6.0, [56.0, 60.0, 41.7, 5.6]),
    known(0x5E, 12.0, [59.0, 59.0, 43.7, 9.3]),
    known(0x60, 18.0, [45.0, 55.0, 34.3, 12.5]),
    known(0x62, 30.0, [65.0, 62.0, 47.7, 20.8]),
    known(0x63, 40.0, [73.0, 75.0, 53.0, 27.8]),
];

fn deck(density: u8, tape_bytes: u64, buffer_bytes: u64, seed: u64) -> Deck {
    Deck::new(
        format_by_density(density).unwrap(),
        tape_bytes,
        buffer_bytes,
        seed,
    )
}

/// Random places below `limit` (xorshift64*).
fn places(limit: u64) -> impl FnMut() -> u64 {
    let mut state = 0x5EED_u64;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        1 + state.wrapping_mul(0x2545_F491_4F6C_DD1D) % (limit - 1)
    }
}

fn took_s(deck: &mut Deck, act: impl FnOnce(&mut Deck)) -> f64 {
    let before = deck.now_ns();
    act(deck);
    (deck.now_ns() - before) as f64 / 1e9
}

fn assert_near(found: f64, expected: f64, what: &str) {
    let off = (found / expected - 1.0).abs();
    assert!(off <= TOLERANCE, "{what}: {found:.2}, not {expected}");
}

#[test]
fn means_of_motion_are_the_published_ones_on_whole_and_on_small_tapes() {
    const CARTRIDGES: u64 = 8;
    const EACH: u64 = 1500;
    for known in &KNOWN {
        let whole = (known.tape_tb * TB as f64) as u64;
        for capacity in [whole, 64 << 20] {
            let mut place = places(capacity);
            let [mut locate, mut rewind, mut random] = [0.0; 3];
            for seed in 0..CARTRIDGES {
                let mut deck = deck(known.density, capacity, MB, seed);
                for _ in 0..EACH {
                    let (there, elsewhere) = (place(), place());
                    locate += took_s(&mut deck, |deck| deck.travel(0, there));
                    random += took_s(&mut deck, |deck| deck.travel(there, elsewhere));
                    rewind += took_s(&mut deck, |deck| deck.travel(elsewhere, 0));
                }
            }
            let count = (CARTRIDGES * EACH) as f64;
            let name = format!("density {:02X}, {capacity} bytes", known.density);
            let near = |sum: f64, expected, what: &str| {
                assert_near(sum / count, expected, &format!("{name}: {what}"));
            };
            near(locate, known.mean_locate_from_bot_s, "locate from BOT");
            near(rewind, known.mean_rewind_s, "rewind");
            near(random, known.mean_random_locate_s, "random locate");
        }
    }
}

/// Writes `bytes` at native speed, the host never waiting for itself.
fn write_all(deck: &mut Deck, bytes: u64, step: u64, buffer: u64) {
    let mut position = 0;
    while position < bytes {
        let step = step.min(bytes - position);
        deck.write(position, step, buffer - step);
        position += step;
    }
    deck.flush();
}

#[test]
fn a_full_write_takes_capacity_by_speed_and_small_tapes_their_share() {
    for known in &KNOWN {
        let whole = (known.tape_tb * TB as f64) as u64;
        for capacity in [whole, 64 << 20] {
            let buffer = GB.min(capacity / 8);
            let mut deck = deck(known.density, capacity, buffer, 1);
            let step = buffer / 8;
            let took = took_s(&mut deck, |deck| write_all(deck, capacity, step, buffer));
            let hours = took / 3600.0 * whole as f64 / capacity as f64;
            let name = format!("density {:02X}, {capacity} bytes", known.density);
            assert_near(hours, known.full_write_h, &name);
            let format = format_by_density(known.density).unwrap();
            let counters = deck.take_counters();
            assert_eq!(counters.wrap_turns, u64::from(format.wraps) - 1, "{name}");
            assert_eq!(counters.backhitches, 0, "{name}");
            let metres = u64::from(format.wraps) * u64::from(format.length_m);
            assert_near(counters.distance_mm as f64 / 1e3, metres as f64, &name);
        }
    }
}

#[test]
fn a_host_slower_than_the_slowest_speed_costs_backhitches_both_ways() {
    // LTO-9 and 1 GB of buffer: MB/s, and backhitches per TB by B·s/(s−r).
    for (speed, expected) in [
        (50, 717.5),
        (100, 435.0),
        (150, 152.5),
        (180, 0.0),
        (250, 0.0),
    ] {
        for writes in [true, false] {
            let mut deck = deck(0x60, 18 * TB, GB, 1);
            let step = 5 * MB;
            let pause_ns = step * 1_000 / speed;
            for number in 0..TB / step {
                let wait_until = deck.now_ns() + pause_ns;
                deck.catch_up(wait_until);
                let position = number * step;
                if writes {
                    deck.write(position, step, GB - step);
                } else {
                    deck.read(position, step);
                }
            }
            let found = deck.take_counters().backhitches as f64;
            let name = format!("{speed} MB/s, writes: {writes}");
            assert!(
                (found - expected).abs() <= 3.0 + expected * TOLERANCE,
                "{name}: {found}"
            );
            // The host never waits for long: the buffer hides what the tape does.
            let host_s = (TB / MB / speed) as f64;
            assert_near(deck.now_ns() as f64 / 1e9, host_s, &name);
        }
    }
}

#[test]
fn synchronous_filemarks_cost_what_is_known() {
    // MB between them, and the share of native speed that is left.
    for (file_mb, share) in [(10, 0.008), (100, 0.077), (1000, 0.455)] {
        let mut deck = deck(0x60, 18 * TB, GB, 1);
        let files = 200;
        let took = took_s(&mut deck, |deck| {
            for file in 0..files {
                for step in 0..10 {
                    let bytes = file_mb * MB / 10;
                    let position = file * file_mb * MB + step * bytes;
                    deck.write(position, bytes, GB - bytes);
                }
                deck.flush();
            }
        });
        let native = (files * file_mb) as f64 / 400.0;
        assert_near(native / took, share, &format!("{file_mb} MB"));
        assert_eq!(deck.take_counters().backhitches, files - 1);
    }
}

#[test]
fn motions_are_those_of_a_seed() {
    let run = |seed| {
        let mut deck = deck(0x60, 18 * TB, GB, seed);
        let mut place = places(18 * TB);
        let mut from = 0;
        let mut times = Vec::new();
        for _ in 0..50 {
            let to = place();
            times.push(took_s(&mut deck, |deck| deck.travel(from, to)).to_bits());
            from = to;
        }
        times
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn short_ways_cost_little() {
    const PLACE: u64 = 20 * GB;
    let mut deck = deck(0x60, 18 * TB, GB, 1);
    let ahead = took_s(&mut deck, |deck| deck.travel(PLACE, PLACE));
    assert_eq!(ahead, 0.0);
    let ahead = took_s(&mut deck, |deck| deck.travel(PLACE, PLACE + 400 * MB));
    assert_near(ahead, 1.0, "400 MB ahead");
    let back = took_s(&mut deck, |deck| deck.travel(PLACE + 400 * MB, PLACE));
    assert!(back > Duration::from_secs(12).as_secs_f64(), "{back}");
}

/// Polls until the drive is ready.
fn settle(drive: &mut DriveTarget) {
    for _ in 0..100 {
        if drive.execute(&TUR, Data::None).status == 0 {
            return;
        }
    }
    panic!("the drive does not become ready");
}

fn good(drive: &mut DriveTarget, cdb: &[u8], data: Data<'_>) {
    assert_eq!(outcome(&drive.execute(cdb, data)), "good", "{cdb:02X?}");
}

/// Time that commands take one by one: a load, two blocks with a synchronous mark, a locate,
/// a read, a rewind, an unload.
fn play(timing: Timing) -> (Vec<Duration>, Duration) {
    const BLOCK: u32 = 1 << 20;
    let mut bench = Bench::cold(&LibrarySpec { timing, ..small() });
    bench.put(Some(TAPE));
    let clock = bench.clock.clone();
    let drive = bench.drive();
    let mut times = Vec::new();
    // The host says LOAD and waits, so both modes ask as often.
    drive.execute(&TUR, Data::None);
    good(drive, &LOAD, Data::None);
    settle(drive);
    times.push(drive.elapsed());
    let block = vec![1; BLOCK as usize];
    for _ in 0..12 {
        good(drive, &write(false, BLOCK), Data::Out(&block));
    }
    times.push(drive.elapsed());
    good(drive, &filemarks(1, false), Data::None);
    times.push(drive.elapsed());
    good(drive, &locate10(5), Data::None);
    times.push(drive.elapsed());
    let mut buffer = vec![0; BLOCK as usize];
    good(drive, &read(0, BLOCK), Data::In(&mut buffer));
    good(drive, &REWIND, Data::None);
    good(drive, &UNLOAD, Data::None);
    times.push(drive.elapsed());
    (times, clock.slept())
}

#[test]
fn commands_take_their_time_and_real_time_is_waited_for() {
    let (counted, nobody) = play(Timing::Virtual);
    assert_eq!(nobody, Duration::ZERO);
    assert!(
        counted.windows(2).all(|pair| pair[0] < pair[1]),
        "{counted:?}"
    );
    // 12 MiB, of which the buffer takes 7; the rest goes with the mark.
    let written = (counted[1] - counted[0]).as_secs_f64();
    assert!((0.013..0.014).contains(&written), "{counted:?}");
    let marked = (counted[2] - counted[1]).as_secs_f64();
    assert!((0.018..0.025).contains(&marked), "{counted:?}");
    let located = (counted[3] - counted[2]).as_secs_f64();
    assert!((2.0..120.0).contains(&located), "{counted:?}");
    // 30 s, and 55 s for the one third that has been begun.
    assert!(
        (counted[4] - counted[3]).as_secs() >= 30 + 55,
        "{counted:?}"
    );

    let (waited, slept) = play(Timing::Real { speedup: 1 });
    assert_eq!(waited, counted);
    assert_eq!(slept, *waited.last().unwrap());
}

#[test]
fn an_immediate_motion_goes_on_behind_the_commands_to_come() {
    let mut bench = Bench::ready();
    for _ in 0..40 {
        assert_eq!(bench.write(&[1; 1 << 20]), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    for immediate in [
        &[1, 1, 0, 0, 0, 0][..],
        &[0x92, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0],
    ] {
        let before = bench.drive().elapsed();
        assert_eq!(bench.none(immediate), "good");
        assert_eq!(bench.drive().elapsed(), before);
        assert_ne!(bench.none(&TUR), "good");
        bench.settle();
        assert!(bench.drive().elapsed() > before + Duration::from_secs(2));
    }
    assert_eq!(bench.position().object, 20);
    // Unloading waits for the end of it.
    assert_eq!(bench.none(&[1, 1, 0, 0, 0, 0]), "good");
    assert_eq!(bench.none(&UNLOAD), "good");
}

#[test]
fn a_small_tape_is_full_after_its_share_of_a_full_write() {
    let mut bench = Bench::ready();
    let before = bench.drive().elapsed();
    let block = vec![0; 512 << 10];
    let mut blocks = 0;
    while bench.write(&block) == "good" {
        blocks += 1;
    }
    assert_eq!(bench.none(&filemarks(0, false)), "good");
    let took = (bench.drive().elapsed() - before).as_secs_f64();
    let whole_s = (18 * TB / (400 * MB)) as f64;
    let share = f64::from(blocks + 1) * block.len() as f64 / (18 * TB) as f64;
    assert_near(took, whole_s * share, "a tape of 64 MiB");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_tape-sim"))
        .arg("status")
        .arg(bench.library.dir())
        .output()
        .unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("drive 0 has made 1 loads"), "{status}");
}
