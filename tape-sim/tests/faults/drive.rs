//! What a host sees of each fault of a drive, and what survives it.

use crate::common::{
    Bench, LOAD, REWIND, TAPE, TUR, UNLOAD, filemarks, locate10, read, small, write,
};
use crate::{alerts, get, none, on, once, put, recorded, run, set};
use tape_sim::fault::{Effect, Rule, When};
use tape_sim::library::LibrarySpec;
use tape_sim::target::Data;

const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
const READ_POSITION: [u8; 10] = [0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0];
const READ_MAM: [u8; 16] = [0x8C, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 64, 0, 0];
const WRITE_MAM: [u8; 16] = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn a_command_ends_with_what_the_rule_says_and_the_next_does_not() {
    let sense = Effect::Sense {
        key: 0xB,
        asc: 0x47,
        ascq: 0x03,
    };
    let cases = [
        (sense, "0B/47/03"),
        (Effect::HardwareError, "04/44/00"),
        (Effect::BecomingReady, "02/04/01"),
        (Effect::Reserved, "conflict"),
        (Effect::NoAnswer { executed: false }, "no answer"),
        (Effect::PowerCut, "06/29/01"),
        (Effect::Reset { after: false }, "06/29/00"),
        (Effect::Reset { after: true }, "06/29/00"),
    ];
    for (effect, expected) in cases {
        let mut bench = recorded();
        assert_eq!(none(&mut bench, &locate10(3)), "good");
        set(&bench, &[once(effect.clone())]);
        let identified = run(&mut bench, &INQUIRY, Data::In(&mut [0; 36]));
        assert_eq!(identified, "good", "identification is no occasion");
        assert_eq!(none(&mut bench, &TUR), expected, "{effect:?}");
        assert_eq!(none(&mut bench, &TUR), "good", "{effect:?}");
        let stands = if expected.starts_with("06") { 0 } else { 3 };
        assert_eq!(bench.position().object, stands, "{effect:?}");
    }
}

#[test]
fn without_an_answer_the_command_may_have_been_executed_all_the_same() {
    for (executed, blocks) in [(false, 0), (true, 1)] {
        let mut bench = Bench::ready();
        set(&bench, &[on("WRITE", Effect::NoAnswer { executed })]);
        assert_eq!(put(&mut bench, b"data"), "no answer");
        assert_eq!(bench.position().object, blocks);
    }
}

#[test]
fn what_was_in_the_buffer_is_lost_with_power_and_reset() {
    let cases = [
        (Effect::PowerCut, "06/29/01"),
        (Effect::Reset { after: false }, "06/29/00"),
        (Effect::Reset { after: true }, "06/29/00"),
    ];
    for (effect, expected) in cases {
        let mut bench = recorded();
        assert_eq!(none(&mut bench, &locate10(10)), "good");
        set(&bench, &[on("WRITE FILEMARKS", effect.clone())]);
        assert_eq!(put(&mut bench, b"lost"), "good");
        assert_eq!(none(&mut bench, &filemarks(1, true)), expected);
        assert_eq!(bench.position().object, 0, "{effect:?}");
        assert_eq!(none(&mut bench, &locate10(9)), "good");
        assert_eq!(get(&mut bench), "good", "{effect:?}");
        // The old mark went when its place was written over; the new block never came.
        assert_eq!(get(&mut bench), "08/00/05 4", "{effect:?}");
    }
}

#[test]
fn an_object_that_cannot_be_written_takes_the_buffer_behind_it_along() {
    let mut bench = Bench::ready();
    let mut rule = once(Effect::WriteError);
    rule.when.objects = Some([2, 2]);
    set(&bench, &[rule]);
    for block in [b"0000", b"0001", b"0002", b"0003"] {
        assert_eq!(put(&mut bench, block), "good", "the buffer takes it");
    }
    assert_eq!(none(&mut bench, &filemarks(1, false)), "03/0C/00");
    let position = bench.position();
    assert_eq!((position.object, position.on_tape), (2, 2));
    assert_eq!(alerts(&mut bench), [0x03, 0x06]);
    assert_eq!(put(&mut bench, b"0002"), "good");
    assert_eq!(none(&mut bench, &filemarks(1, false)), "good");
    assert_eq!(none(&mut bench, &REWIND), "good");
    for _ in 0..3 {
        assert_eq!(get(&mut bench), "good");
    }
}

#[test]
fn a_reset_or_an_orderly_end_takes_what_the_medium_refuses_for_gone() {
    let ways: [fn(&mut Bench); 2] = [|bench| bench.drive().bus_reset().unwrap(), Bench::close];
    for end in ways {
        let mut bench = Bench::ready();
        let mut rule = once(Effect::WriteError);
        rule.when.objects = Some([1, 1]);
        set(&bench, &[rule]);
        for block in [b"kept", b"gone", b"left"] {
            assert_eq!(put(&mut bench, block), "good", "the buffer takes it");
        }
        end(&mut bench);
        bench.drop_drive();
        bench.open();
        bench.settle();
        assert_eq!(none(&mut bench, &REWIND), "good");
        assert_eq!(get(&mut bench), "good");
        assert_eq!(get(&mut bench), "08/00/05 4", "end of data");
    }
}

#[test]
fn a_write_hears_of_an_earlier_one_as_a_deferred_error() {
    let spec = LibrarySpec {
        buffer_bytes: Some(4096),
        ..small()
    };
    let mut bench = Bench::with(&spec);
    let mut rule = once(Effect::WriteError);
    rule.when.nth = Some(2);
    set(&bench, &[rule]);
    let block = [7; 1500];
    let told: Vec<_> = (0..4).map(|_| put(&mut bench, &block)).collect();
    assert_eq!(told, ["good", "good", "good", "deferred 03/0C/00"]);
    assert_eq!(bench.position().object, 1, "what was before it is there");
    assert_eq!(none(&mut bench, &TUR), "good");
}

#[test]
fn a_deferred_error_costs_the_buffer() {
    let mut bench = recorded();
    assert_eq!(none(&mut bench, &locate10(10)), "good");
    let mut rule = once(Effect::DeferredError);
    rule.when.nth = Some(2);
    set(&bench, &[rule]);
    assert_eq!(put(&mut bench, b"lost"), "good");
    assert_eq!(put(&mut bench, b"told"), "deferred 03/0C/00");
    assert_eq!(bench.position().object, 10);
}

#[test]
fn a_block_that_cannot_be_read_stands_in_the_way_and_can_be_spaced_over() {
    for stays in [false, true] {
        let mut bench = recorded();
        let mut rule = once(Effect::ReadError { stays });
        rule.when.objects = Some([4, 4]);
        set(&bench, &[rule]);
        let told: Vec<_> = (0..5).map(|_| get(&mut bench)).collect();
        assert_eq!(told, ["good", "good", "good", "good", "03/11/00 4"]);
        assert_eq!(bench.position().object, 5);
        assert_eq!(none(&mut bench, &locate10(4)), "good");
        let again = get(&mut bench);
        assert_eq!(again, if stays { "03/11/00 4" } else { "good" });
        assert_eq!(bench.position().object, 5);
        assert_eq!(get(&mut bench), "good");
        assert_eq!(alerts(&mut bench), [0x03, 0x05]);

        // A flaw of the tape goes with the tape; the script may be gone.
        bench.library.clear_faults().unwrap();
        assert_eq!(none(&mut bench, &UNLOAD), "good");
        assert_eq!(none(&mut bench, &LOAD), "good");
        assert_eq!(none(&mut bench, &locate10(4)), "good");
        assert_eq!(get(&mut bench), if stays { "03/11/00 4" } else { "good" });
    }
}

#[test]
fn places_are_objects_or_bytes_and_belong_to_a_cartridge() {
    let cases: [(When, Option<u64>); 5] = [
        (
            When {
                objects: Some([7, 9]),
                ..When::default()
            },
            Some(7),
        ),
        // An object takes its four bytes and four more.
        (
            When {
                bytes: Some([10, 20]),
                ..When::default()
            },
            Some(2),
        ),
        (
            When {
                partition: Some(1),
                ..When::default()
            },
            None,
        ),
        (
            When {
                barcode: Some(TAPE.to_owned()),
                ..When::default()
            },
            Some(0),
        ),
        (
            When {
                barcode: Some("OTHER1L9".to_owned()),
                ..When::default()
            },
            None,
        ),
    ];
    for (when, first) in cases {
        let mut bench = recorded();
        let mut rule = once(Effect::ReadError { stays: false });
        rule.when = when.clone();
        set(&bench, &[rule]);
        let bad = (0..10).find(|_| get(&mut bench) != "good");
        assert_eq!(bad, first, "{when:?}");
    }
}

#[test]
fn a_locate_that_lands_elsewhere_is_found_out_unless_the_drive_lies() {
    for (lie, reported) in [(false, 6), (true, 3)] {
        let mut bench = recorded();
        let effect = Effect::WrongPosition { object: 6, lie };
        set(&bench, &[once(effect)]);
        assert_eq!(none(&mut bench, &locate10(3)), "good");
        assert_eq!(bench.position().object, reported);
        let mut long = [0; 32];
        assert_eq!(run(&mut bench, &READ_POSITION, Data::In(&mut long)), "good");
        let mut block = [0; 4];
        assert_eq!(run(&mut bench, &read(0, 4), Data::In(&mut block)), "good");
        assert_eq!(&block, b"0006");
        assert_eq!(none(&mut bench, &REWIND), "good");
        assert_eq!(bench.position().object, 0, "the next motion ends the lie");
    }
}

#[test]
fn a_failed_chip_stays_failed_and_the_tape_is_still_readable() {
    let mut bench = recorded();
    set(&bench, &[once(Effect::ChipFailed)]);
    assert_eq!(none(&mut bench, &TUR), "good");
    for _ in 0..2 {
        let read = run(&mut bench, &READ_MAM, Data::In(&mut [0; 64]));
        assert_eq!(
            (read.as_str(), none(&mut bench, &WRITE_MAM).as_str()),
            ("03/04/10", "03/04/10")
        );
        assert_eq!(alerts(&mut bench), [0x0F]);
        assert_eq!(get(&mut bench), "good");
        assert_eq!(none(&mut bench, &UNLOAD), "good");
        assert_eq!(none(&mut bench, &LOAD), "good");
    }
}

#[test]
fn corrected_errors_grow_and_cleaning_is_asked_for() {
    let mut bench = recorded();
    let growing = Effect::CorrectedErrors {
        count: 100,
        growth_percent: 100,
    };
    set(&bench, &[Rule::new(growing)]);
    let corrected = |bench: &mut Bench| {
        let page = bench.reply(&[0x4D, 0, 0x43, 0, 0, 0, 3, 0, 255, 0], 255);
        assert_eq!(page[4..6], [0, 3]);
        u32::from_be_bytes(page[8..12].try_into().unwrap())
    };
    let growth: Vec<_> = (0..3)
        .map(|_| {
            assert_eq!(get(&mut bench), "good");
            corrected(&mut bench)
        })
        .collect();
    assert_eq!(growth, [100, 300, 700]);

    let flags = [Effect::CleaningWanted, Effect::Alert { flag: 0x1C }];
    set(&bench, &flags.map(once));
    assert_eq!(none(&mut bench, &TUR), "good");
    assert_eq!(alerts(&mut bench), [0x14, 0x1C]);
}

/// Blocks of 100 bytes, four with each READ or WRITE.
const FIXED_BLOCK: usize = 100;

fn fixed(bench: &mut Bench) {
    bench.block_length(FIXED_BLOCK as u32);
}

/// A READ of four blocks; its outcome and how many whole blocks it brought.
fn get_four(bench: &mut Bench) -> (String, usize) {
    let mut buffer = [0; 4 * FIXED_BLOCK];
    let completion = bench.run(&read(1, 4), Data::In(&mut buffer));
    let moved = completion.transferred_bytes / FIXED_BLOCK;
    (crate::outcome(&completion), moved)
}

fn put_four(bench: &mut Bench) -> String {
    run(bench, &write(true, 4), Data::Out(&[7; 4 * FIXED_BLOCK]))
}

/// The effect, once, at a block of fixed length: by its number, or by its bytes on tape.
fn at(block: u64, by_bytes: bool, effect: Effect) -> Rule {
    let mut rule = once(effect);
    if by_bytes {
        // A block takes four bytes more on tape.
        let begin = block * (FIXED_BLOCK as u64 + 4);
        rule.when.bytes = Some([begin, begin + 3]);
    } else {
        rule.when.objects = Some([block, block]);
    }
    rule
}

#[test]
fn a_bad_block_ends_a_read_of_several_at_its_place() {
    // The bad block; what READ of blocks 4 to 7 says, how many it brings, where the tape is then.
    let cases = [
        (3, "good", 4, 8),
        (4, "03/11/00 4", 0, 5),
        (5, "03/11/00 3", 1, 6),
        (7, "03/11/00 1", 3, 8),
        (8, "good", 4, 8),
    ];
    for by_bytes in [false, true] {
        for (bad, told, whole, after) in cases {
            let mut bench = Bench::ready();
            fixed(&mut bench);
            for _ in 0..3 {
                assert_eq!(put_four(&mut bench), "good");
            }
            set(
                &bench,
                &[at(bad, by_bytes, Effect::ReadError { stays: false })],
            );
            assert_eq!(none(&mut bench, &locate10(4)), "good");
            assert_eq!(get_four(&mut bench), (told.to_owned(), whole), "{bad}");
            assert_eq!(bench.position().object, after, "{bad}");
        }
    }
}

#[test]
fn verify_meets_a_bad_block_where_it_is_and_only_if_the_rule_means_it() {
    const VERIFY_SIX: [u8; 6] = [0x13, 1, 0, 0, 6, 0];
    for (command, told, after) in [("VERIFY", "03/11/00 3", 4), ("READ", "good", 6)] {
        let mut bench = Bench::ready();
        fixed(&mut bench);
        for _ in 0..2 {
            assert_eq!(put_four(&mut bench), "good");
        }
        let mut rule = on(command, Effect::ReadError { stays: false });
        rule.when.objects = Some([3, 3]);
        set(&bench, &[rule]);
        assert_eq!(none(&mut bench, &REWIND), "good");
        assert_eq!(none(&mut bench, &VERIFY_SIX), told, "{command}");
        assert_eq!(bench.position().object, after, "{command}");
    }
}

#[test]
fn a_block_that_cannot_be_written_ends_an_unbuffered_write_at_its_place() {
    // The bad block; what WRITE of blocks 4 to 7 says, and where the tape is then.
    let cases = [
        (3, "good", 8),
        (4, "03/0C/00 4", 4),
        (5, "03/0C/00 3", 5),
        (7, "03/0C/00 1", 7),
        (8, "good", 8),
    ];
    for by_bytes in [false, true] {
        for (bad, told, after) in cases {
            let mut bench = Bench::ready();
            fixed(&mut bench);
            unbuffered(&mut bench);
            assert_eq!(put_four(&mut bench), "good");
            set(&bench, &[at(bad, by_bytes, Effect::WriteError)]);
            assert_eq!(put_four(&mut bench), told, "{bad}");
            let position = bench.position();
            assert_eq!((position.object, position.on_tape), (after, after), "{bad}");
            assert_eq!(none(&mut bench, &locate10(100)), "08/00/05");
            assert_eq!(bench.position().object, after, "what was behind is lost");
        }
    }
}

/// With a buffer the WRITE that brings the bad block may be over before it is met: the next one
/// hears of it, deferred. One that meets it itself counts its own blocks.
#[test]
fn a_block_that_cannot_be_written_is_deferred_if_an_earlier_write_brought_it() {
    // The buffer and the bad block; what three WRITEs of four blocks say, where the tape is then.
    let cases = [
        (600, 1, ["good", "deferred 03/0C/00", "good"], 5),
        (600, 5, ["good", "good", "deferred 03/0C/00"], 5),
        (250, 1, ["03/0C/00 3", "good", "good"], 9),
    ];
    for (buffer, bad, told, after) in cases {
        let mut bench = Bench::with(&LibrarySpec {
            buffer_bytes: Some(buffer),
            ..small()
        });
        fixed(&mut bench);
        let mut rule = once(Effect::WriteError);
        rule.when.objects = Some([bad, bad]);
        set(&bench, &[rule]);
        let heard: Vec<_> = told.iter().map(|_| put_four(&mut bench)).collect();
        assert_eq!(heard, told, "{bad}");
        assert_eq!(bench.position().object, after, "{bad}");
    }
}

/// Mode select with BUFFERED MODE 0, the block length as it is.
fn unbuffered(bench: &mut Bench) {
    let [_, a, b, c] = (FIXED_BLOCK as u32).to_be_bytes();
    let list = [0, 0, 0, 8, 0, 0, 0, 0, 0, a, b, c];
    let select = [0x15, 0x10, 0, 0, 12, 0];
    assert_eq!(run(bench, &select, Data::Out(&list)), "good");
}
