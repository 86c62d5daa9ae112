//! The 16-byte forms of READ, WRITE and WRITE FILEMARKS, whose CDBs name a place on the tape.

mod common;

use common::*;

/// FCS of the writing commands.
const FIRST: u8 = 0x04;

/// Four blocks of 100 bytes, numbered, and a filemark.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    for number in 0..4 {
        assert_eq!(bench.write(&[number; 100]), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    bench
}

#[test]
fn a_read_goes_to_its_address_first() {
    // Object, length; outcome, first byte, object number afterwards.
    let cases: [(u64, u32, &str, Option<u8>, u64); 7] = [
        (2, 100, "good", Some(2), 3),
        (3, 100, "good", Some(3), 4),
        (0, 120, "00/00/00 ILI 20", Some(0), 1),
        (4, 100, "00/00/01 FM 100", None, 5),
        (5, 100, "08/00/05 100", None, 5),
        (77, 100, "08/00/05 100", None, 5),
        (1, 100, "good", Some(1), 2),
    ];
    let mut bench = recorded();
    for (object, length, expected, byte, after) in cases {
        let (outcome, data) = bench.receive(&explicit(0x88, 0, 0, object, length), length as usize);
        assert_eq!(outcome, expected, "object {object}");
        assert_eq!(data.first().copied(), byte, "object {object}");
        assert_eq!(bench.position().object, after, "object {object}");
    }
    assert_eq!(
        bench.receive(&explicit(0x88, 0, 1, 0, 100), 100).0,
        "05/24/00"
    );
    assert_eq!(bench.position().object, 2);
}

#[test]
fn a_write_sequence_begins_anywhere_and_has_no_holes() {
    let mut bench = recorded();
    // Not the first of a sequence, and not where the tape stands.
    assert_eq!(
        bench.send(&explicit(0x8A, 0, 0, 2, 10), &[9; 10]),
        "05/3B/00"
    );
    assert_eq!(bench.none(&explicit(0x80, 0, 0, 2, 1)), "05/3B/00");
    assert_eq!(bench.position().object, 5);
    // Beyond the end of data nothing can begin.
    assert_eq!(
        bench.send(&explicit(0x8A, FIRST, 0, 6, 10), &[9; 10]),
        "08/00/05"
    );
    assert_eq!(
        bench.send(&explicit(0x8A, FIRST, 0, 2, 10), &[9; 10]),
        "good"
    );
    assert_eq!(bench.send(&explicit(0x8A, 0, 0, 3, 10), &[8; 10]), "good");
    assert_eq!(bench.none(&explicit(0x80, 0x08, 0, 4, 2)), "good");
    let position = bench.position();
    assert_eq!((position.object, position.file), (6, 2));
    bench.none(&locate10(1));
    assert_eq!(bench.read(100), ("good".to_string(), vec![1; 100]));
    assert_eq!(bench.read(10), ("good".to_string(), vec![9; 10]));
    assert_eq!(bench.read(10), ("good".to_string(), vec![8; 10]));
    assert_eq!(bench.none(&space(1, 3)), "08/00/05 1");
}

#[test]
fn fixed_blocks_and_immediate_marks_work_with_addresses_too() {
    let mut bench = recorded();
    bench.block_length(50);
    let blocks = [[7; 50], [6; 50]].concat();
    assert_eq!(
        bench.send(&explicit(0x8A, FIRST | 1, 0, 0, 2), &blocks),
        "good"
    );
    assert_eq!(bench.none(&explicit(0x80, 1, 0, 2, 1)), "good");
    assert_eq!(bench.position().buffered_objects, 3);
    assert_eq!(
        bench.receive(&explicit(0x88, 1, 0, 0, 3), 150),
        ("00/00/01 FM 1".to_string(), blocks)
    );
}
