//! READ END OF WRAP POSITION: the true ends of the wraps of the loaded tape.

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;

const BLOCK: usize = 16 << 10;
/// A block and what an object takes beside it.
const ON_TAPE: u64 = BLOCK as u64 + 4;
const ALL: [u8; 12] = [0xA3, 0x1F, 0x45, 0x02, 0, 0, 0, 0, 0x40, 0, 0, 0];

/// A tape with so many hundreds of blocks, loaded since.
fn recorded(hundreds: u64) -> Bench {
    let mut bench = Bench::ready();
    write_more(&mut bench, hundreds);
    reload(&mut bench);
    bench
}

fn write_more(bench: &mut Bench, hundreds: u64) {
    bench.block_length(BLOCK as u32);
    let zeros = vec![0; 100 * BLOCK];
    for _ in 0..hundreds {
        assert_eq!(bench.send(&write(true, 100), &zeros), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
}

fn reload(bench: &mut Bench) {
    bench.none(&UNLOAD);
    bench.none(&LOAD);
}

/// Wrap, partition and last object of each.
fn ends(bench: &mut Bench) -> Vec<(u16, u16, u64)> {
    let reply = bench.reply(&ALL, 16384);
    let length = u16::from_be_bytes([reply[0], reply[1]]);
    assert_eq!(usize::from(length) + 2, reply.len());
    assert_eq!(reply[2..4], [0, 0]);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let one = |end: &[u8]| {
        assert_eq!(end[4..6], [0, 0]);
        (
            number(&end[..2]) as u16,
            number(&end[2..4]) as u16,
            number(&end[6..]),
        )
    };
    reply[4..].chunks_exact(12).map(one).collect()
}

#[test]
fn each_wrap_with_data_tells_its_last_object() {
    let wraps = u64::from(Generation::Lto9.format().wraps);
    // Blocks of a wrap, as far as all are alike.
    let mean = 64 * MIB / wraps / ON_TAPE;
    for hundreds in [1, 20, 40] {
        let mut bench = recorded(hundreds);
        let found = ends(&mut bench);
        let objects = hundreds * 100 + 1;
        let last = found.last().unwrap();
        assert_eq!(last.2, objects - 1, "the end of the data");
        let expected = (objects * ON_TAPE * wraps).div_ceil(64 * MIB);
        assert!(
            (found.len() as u64).abs_diff(expected) <= 2,
            "{}",
            found.len()
        );
        for (wrap, end) in found.iter().enumerate() {
            assert_eq!((usize::from(end.0), end.1), (wrap, 0));
        }
        let whole = &found[..found.len() - 1];
        for pair in whole.windows(2) {
            let blocks = pair[1].2 - pair[0].2;
            assert!(
                blocks.abs_diff(mean) <= 1,
                "{blocks} blocks, {mean} on average"
            );
        }
    }
}

#[test]
fn a_blank_tape_has_no_ends_and_what_was_written_since_the_load_is_not_told() {
    let mut bench = Bench::ready();
    assert_eq!(ends(&mut bench), []);
    write_more(&mut bench, 2);
    assert_eq!(ends(&mut bench), []);
    reload(&mut bench);
    assert_eq!(ends(&mut bench).last().unwrap().2, 200);
}

#[test]
fn forms_that_are_not_told_and_drives_that_do_not_tell_refuse() {
    let mut bench = recorded(1);
    for (at, value) in [(2, 0x44), (3, 0x00), (3, 0x01), (3, 0x03)] {
        let mut cdb = ALL;
        cdb[at] = value;
        assert_eq!(
            bench.receive(&cdb, 4096).0,
            "05/24/00",
            "byte {at}: {value:02X}"
        );
    }
    let mut lacks = Bench::cold(&LibrarySpec {
        generation: Generation::Lto6,
        ..small()
    });
    lacks.put(Some("SIM001L6"));
    lacks.settle();
    assert_eq!(lacks.receive(&ALL, 4096).0, "05/24/00");
}
