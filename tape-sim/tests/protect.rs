//! Append-only mode, ALLOW OVERWRITE and WORM: what may be written where.

mod common;

use common::*;

const APPEND_ONLY: &str = "07/5A/02";
const WORM: &str = "07/30/0C";

/// Objects: block, mark, block, mark, mark; EOD is 5.
fn record(bench: &mut Bench) {
    for marks in [1, 2] {
        assert_eq!(bench.write(&[1; 10]), "good");
        assert_eq!(bench.none(&filemarks(marks, false)), "good");
    }
}

fn worm() -> Bench {
    let mut bench = Bench::cold(&small());
    bench.edit(TAPE, "kind", "worm".into());
    bench.put(Some(TAPE));
    bench.settle();
    bench
}

#[test]
fn only_the_end_and_the_closing_marks_can_be_written_over() {
    // Object, in append-only mode and on WORM: the first of the closing marks stays.
    let cases = [
        (0, false),
        (1, false),
        (2, false),
        (3, false),
        (4, true),
        (5, true),
    ];
    for on_worm in [false, true] {
        for (object, possible) in cases {
            let mut bench = if on_worm { worm() } else { Bench::ready() };
            record(&mut bench);
            let refused = if on_worm { WORM } else { APPEND_ONLY };
            if !on_worm {
                assert_eq!(bench.append_only(true), "good");
            }
            bench.none(&locate10(object));
            let expected = if possible { "good" } else { refused };
            assert_eq!(bench.write(&[2; 10]), expected, "{object} WORM {on_worm}");
            let end = if possible { u64::from(object) + 1 } else { 5 };
            bench.none(&SPACE_EOD);
            assert_eq!(bench.position().object, end, "{object} WORM {on_worm}");
        }
    }
}

#[test]
fn a_tape_of_marks_alone_is_blank_to_append_only_mode_but_not_to_worm() {
    for (mut bench, expected) in [(worm(), WORM), (Bench::ready(), "good")] {
        assert_eq!(bench.none(&filemarks(2, false)), "good");
        bench.none(&REWIND);
        if expected == "good" {
            bench.append_only(true);
        }
        assert_eq!(bench.write(&[2; 10]), expected);
    }
}

#[test]
fn allow_overwrite_opens_one_place_for_one_command() {
    let mut bench = Bench::ready();
    record(&mut bench);
    assert_eq!(bench.none(&allow_overwrite(1, 0, 5)), "05/20/0C");
    bench.append_only(true);
    bench.none(&locate10(2));
    // Not where the tape stands; a refusal withdraws what was allowed.
    assert_eq!(bench.none(&allow_overwrite(1, 0, 2)), "good");
    assert_eq!(bench.none(&allow_overwrite(1, 0, 3)), "05/3B/00");
    assert_eq!(bench.none(&allow_overwrite(1, 1, 2)), "05/3B/00");
    assert_eq!(bench.write(&[3; 10]), APPEND_ONLY);
    // Withdrawn by each change of position, and by the host.
    for withdraw in [&locate10(2)[..], &read(0, 10), &allow_overwrite(0, 0, 0)] {
        bench.none(&locate10(2));
        assert_eq!(bench.none(&allow_overwrite(1, 0, 2)), "good");
        bench.receive(withdraw, 10);
        bench.none(&[0; 6]);
        assert_eq!(bench.write(&[3; 10]), APPEND_ONLY, "{withdraw:02X?}");
    }
    bench.none(&locate10(2));
    assert_eq!(bench.none(&allow_overwrite(1, 0, 2)), "good");
    assert_eq!(bench.write(&[3; 10]), "good");
    assert_eq!(bench.write(&[4; 10]), "good");
    assert_eq!(bench.position().object, 4);
    assert_eq!(bench.none(&allow_overwrite(3, 0, 4)), "05/24/00");
}

#[test]
fn erasing_in_append_only_mode_needs_leave_to_format() {
    let mut bench = Bench::ready();
    record(&mut bench);
    bench.append_only(true);
    bench.none(&locate10(2));
    assert_eq!(bench.none(&ERASE), APPEND_ONLY);
    assert_eq!(bench.none(&allow_overwrite(1, 0, 2)), "good");
    assert_eq!(bench.none(&ERASE), APPEND_ONLY);
    assert_eq!(bench.none(&allow_overwrite(2, 0, 0)), "good");
    assert_eq!(bench.none(&ERASE), "good");
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 2);
    assert_eq!(bench.none(&ERASE), APPEND_ONLY);
}

#[test]
fn worm_is_never_erased_and_only_read_once_it_is_suspect() {
    let mut bench = worm();
    record(&mut bench);
    assert_eq!(bench.none(&ERASE), WORM);
    bench.none(&UNLOAD);
    bench.edit(TAPE, "worm_suspect", true.into());
    bench.none(&LOAD);
    bench.none(&SPACE_EOD);
    assert_eq!(bench.write(&[1; 10]), "07/30/0D");
    bench.none(&REWIND);
    assert_eq!(bench.read(10).0, "good");
    // TapeAlert 3Bh and 3Ch, the integrity check and the attempt to overwrite.
    let page = bench.reply(&[0x4D, 0, 0x6E, 0, 0, 0, 0, 0x02, 0, 0], 512);
    let flag = |number: usize| page[4 + 5 * (number - 1) + 4];
    assert_eq!((flag(0x3B), flag(0x3C)), (1, 0));
}

#[test]
fn erase_16_goes_to_its_address() {
    let mut bench = Bench::ready();
    record(&mut bench);
    let mut erase = [0; 16];
    erase[0] = 0x93;
    erase[11] = 2;
    assert_eq!(bench.none(&erase), "05/3B/00");
    erase[1] = 0x04;
    assert_eq!(bench.none(&erase), "good");
    assert_eq!(bench.position().object, 2);
    bench.none(&SPACE_EOD);
    assert_eq!(bench.position().object, 2);
}
