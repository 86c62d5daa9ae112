//! READ and WRITE in both modes, and what a block of another length, a filemark and the end of
//! data do to them.

mod common;

use common::*;

/// Blocks of 100 and 300 bytes, a filemark, a block of 200 zeros.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    assert_eq!(bench.write(&[1; 100]), "good");
    assert_eq!(bench.write(&[2; 300]), "good");
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    assert_eq!(bench.write(&[0; 200]), "good");
    bench
}

#[test]
fn reads_meet_blocks_marks_and_the_end() {
    // Object to read, SILI, length asked; outcome, bytes moved, object number afterwards.
    let cases: [(u32, u8, u32, &str, usize, u64); 11] = [
        (0, 0, 100, "good", 100, 1),
        (0, 0, 150, "00/00/00 ILI 50", 100, 1),
        (0, 2, 150, "good", 100, 1),
        (1, 0, 100, "00/00/00 ILI -200", 100, 2),
        (1, 2, 100, "good", 100, 2),
        (2, 0, 512, "00/00/01 FM 512", 0, 3),
        (2, 2, 512, "00/00/01 FM 512", 0, 3),
        (3, 0, 200, "good", 200, 4),
        (4, 0, 512, "08/00/05 512", 0, 4),
        (4, 2, 512, "08/00/05 512", 0, 4),
        (4, 0, 0, "good", 0, 4),
    ];
    let mut bench = recorded();
    for (object, sili, length, expected, moved, after) in cases {
        assert_eq!(bench.none(&locate10(object)), "good");
        let (outcome, data) = bench.receive(&read(sili, length), length as usize);
        let case = format!("object {object} sili {sili} length {length}");
        assert_eq!(outcome, expected, "{case}");
        assert_eq!(data.len(), moved, "{case}");
        let byte = [1, 2, 0xEE, 0]
            .get(object as usize)
            .copied()
            .unwrap_or(0xEE);
        assert!(data.iter().all(|found| *found == byte), "{case}");
        assert_eq!(bench.position().object, after, "{case}");
    }
}

#[test]
fn overlength_is_told_despite_sili_when_a_block_length_is_set() {
    let mut bench = recorded();
    bench.block_length(512);
    bench.none(&REWIND);
    let (outcome, data) = bench.receive(&read(2, 60), 60);
    assert_eq!((outcome.as_str(), data.len()), ("00/00/00 ILI -40", 60));
}

#[test]
fn fixed_reads_count_whole_blocks() {
    let mut bench = Bench::ready();
    bench.block_length(64);
    let blocks: Vec<u8> = (0..3u8).flat_map(|n| [n; 64]).collect();
    assert_eq!(bench.send(&write(true, 3), &blocks), "good");
    assert_eq!(bench.write(&[9; 65]), "good");
    assert_eq!(bench.send(&write(true, 1), &[4; 64]), "good");
    assert_eq!(bench.none(&filemarks(1, true)), "good");
    assert_eq!(bench.send(&write(true, 1), &[5; 64]), "good");

    bench.none(&REWIND);
    assert_eq!(
        bench.receive(&read(1, 3), 192),
        ("good".to_string(), blocks)
    );
    bench.none(&locate10(2));
    let (outcome, data) = bench.receive(&read(1, 4), 256);
    assert_eq!((outcome.as_str(), data), ("00/00/00 ILI 3", vec![2; 64]));
    assert_eq!(bench.position().object, 4);
    let (outcome, data) = bench.receive(&read(1, 4), 256);
    assert_eq!((outcome.as_str(), data), ("00/00/01 FM 3", vec![4; 64]));
    let (outcome, data) = bench.receive(&read(1, 4), 256);
    assert_eq!((outcome.as_str(), data), ("08/00/05 3", vec![5; 64]));
}

#[test]
fn bad_transfers_are_refused_before_anything_moves() {
    let mut bench = recorded();
    bench.none(&REWIND);
    // The host's buffer is too small for what the CDB asks.
    assert_eq!(bench.receive(&read(0, 100), 99).0, "0B/4B/00");
    assert_eq!(bench.send(&write(false, 100), &[0; 99]), "0B/4B/00");
    assert_eq!(bench.none(&write(false, 100)), "0B/4B/00");
    // FIXED without a block length, FIXED with SILI, a block beyond READ BLOCK LIMITS.
    assert_eq!(bench.receive(&read(1, 1), 100).0, "05/24/00");
    bench.block_length(100);
    assert_eq!(bench.receive(&read(3, 1), 100).0, "05/24/00");
    let limits = bench.reply(&[5, 0, 0, 0, 0, 0], 6);
    let max = u32::from_be_bytes([0, limits[1], limits[2], limits[3]]);
    assert_eq!(
        bench.send(&write(false, max + 1), &vec![1; max as usize + 1]),
        "05/24/00"
    );
    assert_eq!(bench.position().object, 0);
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 4);
    assert_eq!(
        bench.send(&write(false, max), &vec![1; max as usize]),
        "good"
    );
}

#[test]
fn the_first_write_at_a_position_ends_the_tape_there() {
    let mut bench = recorded();
    bench.none(&locate10(1));
    assert_eq!(bench.write(&[7; 10]), "good");
    // Still in the buffer, yet what was behind is gone for good.
    bench.drop_drive();
    bench.open();
    bench.settle();
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 1);
    assert_eq!(bench.write(&[8; 10]), "good");
    bench.none(&REWIND);
    assert_eq!(bench.read(100), ("good".to_string(), vec![1; 100]));
    assert_eq!(bench.read(10), ("good".to_string(), vec![8; 10]));
    assert_eq!(bench.read(10).0, "08/00/05 10");
}

#[test]
fn writing_no_marks_or_no_bytes_changes_nothing() {
    let mut bench = recorded();
    bench.none(&locate10(1));
    assert_eq!(bench.none(&filemarks(0, false)), "good");
    assert_eq!(bench.send(&write(false, 0), &[]), "good");
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 4);
}

#[test]
fn erase_makes_the_position_the_end_of_data() {
    let mut bench = recorded();
    bench.none(&locate10(2));
    assert_eq!(bench.none(&ERASE), "good");
    assert_eq!(bench.position().object, 2);
    assert_eq!(bench.read(1).0, "08/00/05 1");
    bench.none(&REWIND);
    assert_eq!(bench.read(100), ("good".to_string(), vec![1; 100]));
}
