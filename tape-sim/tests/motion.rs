//! SPACE, LOCATE and REWIND on a tape with files of 2, 0 and 3 blocks.

mod common;

use common::*;

/// Objects: block block mark mark block block block mark; EOD is 8.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    for blocks in [2, 0, 3] {
        for _ in 0..blocks {
            assert_eq!(bench.write(&[0x5A; 50]), "good");
        }
        assert_eq!(bench.none(&filemarks(1, true)), "good");
    }
    bench
}

#[test]
fn space_stops_where_the_standard_says() {
    // From, code, count; outcome, object and file number afterwards.
    let cases: [(u32, u8, i32, &str, u64, u64); 24] = [
        (0, 0, 0, "good", 0, 0),
        (0, 0, 2, "good", 2, 0),
        (0, 0, 3, "00/00/01 FM 1", 3, 1),
        (1, 0, 5, "00/00/01 FM 4", 3, 1),
        (3, 0, 1, "00/00/01 FM 1", 4, 2),
        (4, 0, 3, "good", 7, 2),
        (8, 0, 1, "08/00/05 1", 8, 3),
        (8, 0, -1, "00/00/01 FM 1", 7, 2),
        (7, 0, -3, "good", 4, 2),
        (7, 0, -4, "00/00/01 FM 1", 3, 1),
        (2, 0, -2, "good", 0, 0),
        (2, 0, -3, "00/00/04 EOM 1", 0, 0),
        (0, 0, -1, "00/00/04 EOM 1", 0, 0),
        (0, 0, -0x80_0000, "00/00/04 EOM 8388608", 0, 0),
        (0, 1, 0, "good", 0, 0),
        (0, 1, 1, "good", 3, 1),
        (0, 1, 3, "good", 8, 3),
        (0, 1, 4, "08/00/05 1", 8, 3),
        (5, 1, 0x7F_FFFF, "08/00/05 8388606", 8, 3),
        (8, 1, -1, "good", 7, 2),
        (8, 1, -3, "good", 2, 0),
        (8, 1, -4, "00/00/04 EOM 1", 0, 0),
        (3, 1, -1, "good", 2, 0),
        (1, 1, -1, "00/00/04 EOM 1", 0, 0),
    ];
    let mut bench = recorded();
    for (from, code, count, expected, object, file) in cases {
        for wide in [false, true] {
            assert_eq!(bench.none(&locate10(from)), "good");
            let outcome = if wide {
                bench.none(&space16(code, i64::from(count)))
            } else {
                bench.none(&space(code, count))
            };
            let case = format!("from {from} code {code} count {count} wide {wide}");
            assert_eq!(outcome, expected, "{case}");
            let position = bench.position();
            assert_eq!((position.object, position.file), (object, file), "{case}");
        }
    }
}

#[test]
fn space_ignores_the_count_at_end_of_data_and_refuses_other_codes() {
    let mut bench = recorded();
    bench.none(&REWIND);
    assert_eq!(bench.none(&space(3, -5)), "good");
    assert_eq!(bench.position().object, 8);
    for code in [2, 4, 5, 15] {
        assert_eq!(bench.none(&space(code, 1)), "05/24/00");
        assert_eq!(bench.none(&space16(code, 1)), "05/24/00");
    }
    for count in [i64::MIN, i64::MAX] {
        for code in [0, 1] {
            // The residual does not fit fixed sense: INFORMATION is not valid.
            bench.none(&locate10(4));
            let outcome = bench.none(&space16(code, count));
            let expected = match (code, count > 0) {
                (_, true) if code == 1 => "08/00/05",
                (_, true) => "00/00/01 FM",
                (0, false) => "00/00/01 FM",
                _ => "00/00/04 EOM",
            };
            assert_eq!(outcome, expected, "{code} {count}");
        }
    }
}

#[test]
fn locate_finds_objects_files_and_the_end() {
    let eod = "08/00/05";
    let cases: [(u8, u64, &str, u64, u64); 11] = [
        (0, 0, "good", 0, 0),
        (0, 5, "good", 5, 2),
        (0, 8, "good", 8, 3),
        (0, 9, eod, 8, 3),
        (0, u64::MAX, eod, 8, 3),
        (8, 0, "good", 0, 0),
        (8, 2, "good", 4, 2),
        (8, 3, "good", 8, 3),
        (8, 4, eod, 8, 3),
        (8, u64::MAX, eod, 8, 3),
        (0x18, 0, "good", 8, 3),
    ];
    let mut bench = recorded();
    for (kind, target, expected, object, file) in cases {
        assert_eq!(
            bench.none(&locate16(kind, target)),
            expected,
            "{kind} {target}"
        );
        let position = bench.position();
        assert_eq!(
            (position.object, position.file),
            (object, file),
            "{kind} {target}"
        );
    }
    assert_eq!(bench.none(&locate16(0x10, 0)), "05/24/00");
    // Partition 1 does not exist; partition 0 does. BT changes nothing.
    assert_eq!(bench.none(&[0x2B, 2, 0, 0, 0, 0, 4, 0, 1, 0]), "05/24/00");
    assert_eq!(bench.none(&[0x2B, 2, 0, 0, 0, 0, 4, 0, 0, 0]), "good");
    assert_eq!(bench.none(&[0x2B, 4, 0, 0, 0, 0, 3, 0, 0, 0]), "good");
    assert_eq!(bench.position().object, 3);
}

#[test]
fn a_blank_tape_ends_at_its_beginning() {
    let mut bench = Bench::ready();
    assert_eq!(bench.none(&SPACE_EOD), "good");
    let position = bench.position();
    assert_eq!((position.flags, position.object), (0x80, 0));
    assert_eq!(bench.read(10).0, "08/00/05 10");
    assert_eq!(bench.none(&space(1, 1)), "08/00/05 1");
    assert_eq!(bench.none(&space(1, -1)), "00/00/04 EOM 1");
}
