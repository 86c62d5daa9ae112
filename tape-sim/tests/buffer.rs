//! The write buffer: what is in it, what makes it leave, what a power cut takes.

mod common;

use std::time::Duration;

use common::*;
use tape_sim::library::LibrarySpec;

fn buffered(bench: &mut Bench) -> (u64, u64, u64) {
    let position = bench.position();
    assert_eq!(
        position.on_tape + position.buffered_objects,
        position.object
    );
    (
        position.on_tape,
        position.buffered_objects,
        position.buffered_bytes,
    )
}

#[test]
fn read_position_tells_the_buffer_in_all_forms() {
    let mut bench = Bench::ready();
    bench.write(&[1; 1000]);
    bench.none(&filemarks(1, false));
    bench.write(&[1; 500]);
    bench.none(&filemarks(2, true));
    assert_eq!(buffered(&mut bench), (2, 3, 500));
    let short = bench.reply(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20);
    let expected = [
        0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0x01, 0xF4,
    ];
    assert_eq!(short, expected);
    let extended = bench.reply(&[0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0], 32);
    assert_eq!(extended[..8], [0, 0, 0, 0x1C, 0, 0, 0, 3]);
    assert_eq!(bench.position().file, 3);
}

#[test]
fn what_flushes_and_what_does_not() {
    let cases: [(&str, &[u8], u64); 12] = [
        ("WRITE FILEMARKS 0", &filemarks(0, false), 0),
        ("WRITE FILEMARKS 0 IMMED", &filemarks(0, true), 2),
        ("WRITE FILEMARKS 1", &filemarks(1, false), 0),
        ("WRITE FILEMARKS 1 IMMED", &filemarks(1, true), 3),
        ("TEST UNIT READY", &TUR, 2),
        ("READ POSITION", &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        ("LOG SENSE", &[0x4D, 0, 0x4C, 0, 0, 0, 0, 1, 0, 0], 2),
        ("REWIND", &REWIND, 0),
        ("SPACE 0 blocks", &space(0, 0), 0),
        ("LOCATE", &locate10(1), 0),
        ("READ", &read(0, 10), 0),
        ("LOAD", &LOAD, 0),
    ];
    for (name, cdb, objects) in cases {
        let mut bench = Bench::ready();
        bench.write(&[1; 10]);
        bench.write(&[2; 10]);
        bench.receive(cdb, 256);
        assert_eq!(bench.position().buffered_objects, objects, "{name}");
    }
}

#[test]
fn a_full_buffer_lets_the_oldest_leave() {
    let spec = LibrarySpec {
        buffer_bytes: Some(1000),
        ..small()
    };
    let mut bench = Bench::with(&spec);
    for _ in 0..4 {
        bench.write(&[1; 300]);
    }
    // The tape runs now, and while the host only asks it takes all.
    assert_eq!(buffered(&mut bench), (4, 0, 0));
    // A block that is larger than the buffer goes straight through.
    bench.write(&[1; 2000]);
    assert_eq!(buffered(&mut bench), (5, 0, 0));
    for (cdb, blocks, left) in [(None, 4, 3), (Some(filemarks(10_000, true)), 0, 250)] {
        let mut bench = Bench::with(&spec);
        for _ in 0..blocks {
            bench.write(&[1; 300]);
        }
        // Marks take room too: the buffer is bounded in objects as well.
        let marks = cdb.map_or(0, |cdb| {
            bench.none(&cdb);
            10_000
        });
        bench.drive().power_cut().unwrap();
        bench.settle();
        bench.none(&SPACE_EOD);
        assert_eq!(bench.position().object, blocks + marks - left);
    }
}

#[test]
fn objects_reach_the_tape_with_time() {
    let mut bench = Bench::ready();
    bench.drive().host_spends(Duration::from_secs(5));
    bench.write(&[1; 10]);
    bench.drive().host_spends(Duration::from_millis(600));
    bench.write(&[2; 20]);
    assert_eq!(buffered(&mut bench), (0, 2, 30));
    bench.drive().host_spends(Duration::from_millis(400));
    // The tape waits for a second in which nothing comes.
    assert_eq!(buffered(&mut bench), (0, 2, 30));
    bench.drive().host_spends(Duration::from_millis(600));
    assert_eq!(buffered(&mut bench), (2, 0, 0));
}

#[test]
fn unbuffered_mode_waits_for_the_tape() {
    let mut bench = Bench::ready();
    assert_eq!(bench.send(&[0x15, 0x10, 0, 0, 4, 0], &[0, 0, 0, 0]), "good");
    bench.write(&[1; 10]);
    assert_eq!(buffered(&mut bench), (1, 0, 0));
}

/// Two blocks and a mark on tape, a block and a mark in the buffer.
fn half_buffered() -> Bench {
    let mut bench = Bench::ready();
    bench.write(&[1; 10]);
    bench.write(&[2; 20]);
    bench.none(&filemarks(1, false));
    bench.write(&[3; 30]);
    bench.none(&filemarks(1, true));
    bench
}

#[test]
fn a_power_cut_a_kill_and_a_dropped_handle_lose_just_the_buffer() {
    type Blow = fn(&mut Bench);
    let blows: [(&str, Blow, &str); 3] = [
        (
            "power cut",
            |bench| bench.drive().power_cut().unwrap(),
            "06/29/01",
        ),
        (
            "kill",
            |bench| {
                bench.kill();
                bench.open()
            },
            "06/29/00",
        ),
        (
            "drop",
            |bench| {
                bench.drop_drive();
                bench.open()
            },
            "06/29/00",
        ),
    ];
    for (name, blow, attention) in blows {
        let mut bench = half_buffered();
        bench.block_length(512);
        blow(&mut bench);
        assert_eq!(bench.none(&TUR), attention, "{name}");
        assert_eq!(bench.none(&TUR), "good", "{name}");
        assert_eq!(bench.position().object, 0, "{name}");
        assert_eq!(
            bench.reply(&[0x1A, 0, 0, 0, 12, 0], 12)[9..],
            [0, 0, 0],
            "{name}"
        );
        assert_eq!(bench.read(10), ("good".to_string(), vec![1; 10]), "{name}");
        assert_eq!(bench.read(20), ("good".to_string(), vec![2; 20]), "{name}");
        assert_eq!(bench.read(20).0, "00/00/01 FM 20", "{name}");
        assert_eq!(bench.read(20).0, "08/00/05 20", "{name}");
        assert_eq!(bench.write(&[4; 40]), "good", "{name}");
        bench.none(&space(0, -1));
        assert_eq!(bench.read(40), ("good".to_string(), vec![4; 40]), "{name}");
    }
}

#[test]
fn a_handle_given_back_keeps_data_position_and_modes() {
    for orderly in [true, false] {
        let mut bench = half_buffered();
        bench.block_length(512);
        if orderly {
            bench.close();
        } else {
            // An idle drop is as good: nothing is in the buffer.
            bench.none(&filemarks(0, false));
            bench.drop_drive();
        }
        bench.open();
        assert_eq!(bench.none(&TUR), "good");
        let position = bench.position();
        assert_eq!((position.object, position.file), (5, 2));
        assert_eq!(bench.reply(&[0x1A, 0, 0, 0, 12, 0], 12)[9..], [0, 2, 0]);
        bench.none(&locate10(3));
        assert_eq!(bench.read(30), ("good".to_string(), vec![3; 30]));
    }
}
