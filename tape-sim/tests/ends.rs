//! The ends of the medium: early warning, the programmable one, overflow and the flags.

mod common;

use common::*;
use tape_sim::library::LibrarySpec;

/// Each block of this length takes 64 KiB of tape with its overhead.
const BLOCK: usize = (64 << 10) - 4;

/// A cartridge of 1 MiB: early warning after 16 blocks, the end after 17.
fn tiny() -> Bench {
    Bench::with(&LibrarySpec {
        capacity_bytes: Some(MIB),
        ..small()
    })
}

#[test]
fn early_warning_accepts_data_and_overflow_does_not() {
    let mut bench = tiny();
    for _ in 0..15 {
        assert_eq!(bench.write(&[1; BLOCK]), "good");
    }
    assert_eq!(bench.position().flags, 0);
    // Ends exactly where early warning begins.
    assert_eq!(bench.write(&[2; BLOCK]), "00/00/02 EOM 0");
    assert_eq!(bench.position().flags, 0x40);
    assert_eq!(bench.none(&filemarks(1, false)), "00/00/02 EOM 0");
    assert_eq!(bench.write(&[3; BLOCK]), format!("0D/00/02 EOM {BLOCK}"));
    assert_eq!(bench.position().object, 17);
    // 64 KiB less a mark and a block's overhead still fit. Leave room for one more mark.
    let room = (64 << 10) - 4 - 4;
    assert_eq!(
        bench.write(&vec![4; room + 1]),
        format!("0D/00/02 EOM {}", room + 1)
    );
    let rest = room - 4;
    assert_eq!(bench.write(&vec![4; rest]), "00/00/02 EOM 0");
    assert_eq!(bench.none(&filemarks(3, true)), "0D/00/02 EOM 2");
    assert_eq!(bench.none(&filemarks(0, false)), "good");
    // All of it can be read, without warnings.
    bench.none(&locate10(15));
    assert_eq!(
        bench.read(BLOCK as u32),
        ("good".to_string(), vec![2; BLOCK])
    );
    assert_eq!(bench.read(1).0, "00/00/01 FM 1");
    assert_eq!(bench.read(rest as u32), ("good".to_string(), vec![4; rest]));
    assert_eq!(bench.read(1).0, "00/00/01 FM 1");
    assert_eq!(bench.read(1).0, "08/00/05 1");
    // Room again after an overwrite.
    bench.none(&REWIND);
    assert_eq!(bench.write(&[5; BLOCK]), "good");
}

#[test]
fn readers_hear_of_early_warning_when_they_ask() {
    let mut bench = tiny();
    for _ in 0..16 {
        bench.write(&[1; BLOCK]);
    }
    let mut list = bench.reply(&[0x1A, 0x08, 0x10, 0, 255, 0], 255);
    list[0] = 0;
    list[1] = 0;
    list[2] = 0x10;
    list[4] &= 0x7F;
    list[4 + 8] |= 0x01;
    let len = list.len() as u8;
    assert_eq!(bench.send(&[0x15, 0x10, 0, 0, len, 0], &list), "good");
    bench.none(&locate10(14));
    assert_eq!(bench.read(BLOCK as u32).0, "good");
    let (outcome, data) = bench.read(BLOCK as u32);
    assert_eq!((outcome.as_str(), data.len()), ("00/00/02 EOM 0", BLOCK));
}

#[test]
fn a_fixed_write_tells_the_blocks_that_did_not_fit() {
    let mut bench = tiny();
    bench.block_length(BLOCK as u32);
    let data = vec![7; 20 * BLOCK];
    let completion = bench.run(&write(true, 20), tape_sim::target::Data::Out(&data));
    assert_eq!(outcome(&completion), "0D/00/02 EOM 3");
    assert_eq!(completion.transferred_bytes, 17 * BLOCK);
    assert_eq!(bench.position().object, 17);
}

#[test]
fn programmable_early_warning_comes_once_per_crossing() {
    let spec = LibrarySpec {
        capacity_bytes: Some(4_000_000),
        ..small()
    };
    let mut bench = Bench::with(&spec);
    // Two megabytes before early warning, which is at four.
    bench.pews(2);
    let block = vec![1; 400_000];
    for write in 1..=11 {
        let expected = match write {
            5 => "00/00/07 EOM 0",
            10.. => "00/00/02 EOM 0",
            _ => "good",
        };
        if write == 11 {
            // The zone behind early warning is 250 000 bytes here.
            assert_eq!(bench.write(&[1; 1000]), expected);
            continue;
        }
        assert_eq!(bench.write(&block), expected, "write {write}");
        let flags = match write {
            5..=9 => 0x01,
            10.. => 0x41,
            _ => 0,
        };
        assert_eq!(bench.position().flags, flags, "write {write}");
    }
    // Crossed again on the way from a place before it.
    bench.none(&locate10(4));
    assert_eq!(bench.write(&block), "00/00/07 EOM 0");
    bench.none(&locate10(5));
    assert_eq!(bench.write(&block), "good");
    // Larger than the tape: the whole of it is the zone.
    bench.pews(100);
    bench.none(&REWIND);
    assert_eq!(bench.position().flags, 0x81);
    bench.pews(0);
    assert_eq!(bench.position().flags, 0x80);
}

#[test]
fn a_native_tape_of_zeros_takes_no_disk() {
    let mut bench = Bench::with(&LibrarySpec {
        capacity_bytes: None,
        ..small()
    });
    let block = vec![0; 8 << 20];
    for _ in 0..64 {
        assert_eq!(bench.write(&block), "good");
    }
    assert_eq!(bench.write(&[1; 100]), "good");
    bench.none(&filemarks(1, false));
    let data = bench
        .library
        .dir()
        .join("cartridges")
        .join(TAPE)
        .join("p0.data");
    assert_eq!(std::fs::metadata(data).unwrap().len(), 100);
    bench.none(&locate10(63));
    let (outcome, read) = bench.read(8 << 20);
    assert_eq!(outcome, "good");
    assert_eq!(read, block);
    assert_eq!(bench.read(100), ("good".to_string(), vec![1; 100]));
}
