//! FORMAT MEDIUM, mode page 11h, SET CAPACITY, and what partitions change for other commands.

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;

const SDP: u8 = 0x40;
const IDP: u8 = 0x20;

fn native() -> Bench {
    Bench::with(&LibrarySpec {
        capacity_bytes: None,
        ..small()
    })
}

/// Puts a plan into page 11h: method, sizes in units of 10 to `power` bytes.
fn plan(bench: &mut Bench, method: u8, power: u8, sizes: &[u16]) -> String {
    bench.change_page(0x11, 0, |page| {
        page[3] = sizes.len() as u8 - 1;
        page[4] = method | 0x1C;
        page[6] = power;
        for (field, size) in page[8..].chunks_exact_mut(2).zip(sizes) {
            field.copy_from_slice(&size.to_be_bytes());
        }
    })
}

/// Sizes in page 11h, in its units.
fn sizes(bench: &mut Bench) -> Vec<u16> {
    let list = bench.reply(&[0x5A, 0x08, 0x11, 0, 0, 0, 0, 0, 255, 0], 255);
    let page = &list[8..];
    let sizes = page[8..]
        .chunks_exact(2)
        .map(|field| u16::from_be_bytes([field[0], field[1]]));
    sizes.take(usize::from(page[3]) + 1).collect()
}

fn format(how: u8) -> [u8; 6] {
    [0x04, 0, how, 0, 0, 0]
}

fn set_capacity(proportion: u16) -> [u8; 6] {
    let [high, low] = proportion.to_be_bytes();
    [0x0B, 0, 0, high, low, 0]
}

/// LOCATE(16) into another partition.
fn change(partition: u8, kind: u8, target: u64) -> [u8; 16] {
    let mut cdb = locate16(kind | 0x02, target);
    cdb[3] = partition;
    cdb
}

/// Capacity of partitions 0 and 1 in MiB, from log page 31h.
fn capacities(bench: &mut Bench) -> [u64; 2] {
    let page = bench.reply(&[0x4D, 0, 0x71, 0, 0, 0, 0, 1, 0, 0], 256);
    [3, 4].map(|code| {
        let mut parameters = page[4..].chunks_exact(8);
        let found = parameters.find(|parameter| parameter[1] == code);
        let bytes = found.map_or(&[][..], |parameter| &parameter[4..]);
        bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
    })
}

#[test]
fn a_plan_becomes_partitions_when_the_medium_is_formatted() {
    let mut bench = native();
    assert_eq!(sizes(&mut bench), [18_000]);
    assert_eq!(bench.write(&[1; 10]), "good");
    bench.none(&REWIND);
    // One GB, rounded up to a pair of wraps, and the rest.
    assert_eq!(plan(&mut bench, IDP, 9, &[1, 0xFFFF]), "good");
    assert_eq!(sizes(&mut bench), [128, 17_614]);
    assert_eq!(bench.none(&change(1, 0, 0)), "05/24/00");
    assert_eq!(bench.none(&format(1)), "good");
    assert_eq!(sizes(&mut bench), [128, 17_614]);
    assert_eq!(bench.read(10).0, "08/00/05 10");
    let mib = |pairs: u64| pairs * (18_000_000_000_000 / 140) / MIB;
    assert_eq!(capacities(&mut bench), [mib(1), mib(137)]);
    let partitions = bench.reply(&[0x8C, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0], 9);
    assert_eq!(partitions, [0, 2, 0, 2]);
    // The plan is carried out; another needs another.
    assert_eq!(bench.none(&format(1)), "05/26/02");
    assert_eq!(bench.none(&format(0)), "good");
    assert_eq!(sizes(&mut bench), [18_000]);
    assert_eq!(plan(&mut bench, SDP, 9, &[0; 4]), "good");
    assert_eq!(bench.none(&format(2)), "good");
    assert_eq!(sizes(&mut bench), [4500; 4]);
    assert_eq!(bench.none(&format(3)), "05/24/00");
}

#[test]
fn partitions_outlive_the_drive_and_each_has_its_own_recording() {
    let mut bench = Bench::ready();
    assert_eq!(plan(&mut bench, IDP, 6, &[2, 0xFFFF]), "good");
    assert_eq!(bench.none(&format(1)), "good");
    assert_eq!(bench.write(&[1; 10]), "good");
    assert_eq!(bench.none(&change(1, 0, 0)), "good");
    for byte in [2, 3] {
        assert_eq!(bench.write(&[byte; 20]), "good");
        assert_eq!(bench.none(&filemarks(1, false)), "good");
    }
    let short = bench.reply(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20);
    assert_eq!((short[1], short[7]), (1, 4));
    // REWIND stays in the partition, LOAD does not.
    assert_eq!(bench.none(&REWIND), "good");
    assert_eq!(bench.read(20), ("good".to_string(), vec![2; 20]));
    bench.close();
    bench.open();
    assert_eq!(bench.read(1).0, "00/00/01 FM 1");
    assert_eq!(bench.read(20), ("good".to_string(), vec![3; 20]));
    // By file, by end, and an object that partition 0 does not have.
    for (cdb, outcome, partition, object) in [
        (change(0, 0x18, 0), "good", 0, 1),
        (change(1, 0x08, 1), "good", 1, 2),
        (change(0, 0x00, 3), "08/00/05", 0, 1),
        (change(1, 0x18, 0), "good", 1, 4),
        (change(2, 0x00, 0), "05/24/00", 1, 4),
    ] {
        assert_eq!(bench.none(&cdb), outcome, "{cdb:02X?}");
        let long = bench.reply(&[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32);
        assert_eq!((long[7], long[15]), (partition, object), "{cdb:02X?}");
    }
    assert_eq!(bench.none(&LOAD), "good");
    assert_eq!(bench.reply(&[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], 20)[1], 0);
    bench.put(Some(TAPE));
    bench.settle();
    assert_eq!(bench.read(10), ("good".to_string(), vec![1; 10]));
    // An explicit address names its partition.
    assert_eq!(
        bench.receive(&explicit(0x88, 0, 1, 2, 20), 20),
        ("good".to_string(), vec![3; 20])
    );
}

#[test]
fn each_partition_has_its_own_early_warning() {
    let mut bench = Bench::ready();
    plan(&mut bench, IDP, 6, &[0xFFFF, 1]);
    assert_eq!(bench.none(&format(1)), "good");
    bench.none(&change(1, 0, 0));
    // The least there can be: three pairs of wraps of 64 MiB / 140.
    let capacity = 3 * (64 * MIB / 140);
    let block = vec![1; 100_000];
    let mut written = 0;
    while written + block.len() as u64 + 4 < capacity {
        assert_eq!(bench.write(&block), "good");
        written += block.len() as u64 + 4;
    }
    assert_eq!(bench.position().flags, 0);
    assert_eq!(bench.write(&block[..50_000]), "00/00/02 EOM 0");
    assert_eq!(bench.position().flags, 0x40);
    assert_eq!(bench.write(&block), "0D/00/02 EOM 100000");
    bench.none(&change(0, 0x18, 0));
    assert_eq!(bench.position().flags, 0x80);
    assert_eq!(bench.write(&block), "good");
}

#[test]
fn the_capacity_can_be_scaled_and_restored() {
    let mut bench = Bench::ready();
    let whole = 64 * MIB;
    bench.write(&[1; 10]);
    assert_eq!(bench.none(&set_capacity(0x8000)), "05/3B/0C");
    bench.none(&REWIND);
    assert_eq!(bench.none(&set_capacity(0x8000)), "good");
    assert_eq!(bench.read(10).0, "08/00/05 10");
    assert_eq!(capacities(&mut bench)[0], whole * 0x8000 / 0xFFFF / MIB);
    // Partitions fit into what is left.
    assert_eq!(plan(&mut bench, IDP, 6, &[40, 0xFFFF]), "05/26/00");
    assert_eq!(plan(&mut bench, IDP, 6, &[10, 0xFFFF]), "good");
    assert_eq!(bench.none(&format(1)), "good");
    assert_eq!(sizes(&mut bench).len(), 2);
    assert_eq!(bench.none(&set_capacity(0xFFFF)), "good");
    assert_eq!(capacities(&mut bench)[0], whole / MIB);
    assert_eq!(sizes(&mut bench), [67]);
    // Nothing is too little: a block fits at least.
    assert_eq!(bench.none(&set_capacity(0)), "good");
    assert_eq!(capacities(&mut bench)[0], 1);
}

#[test]
fn plans_and_formats_are_refused_where_they_cannot_be() {
    let mut bench = Bench::ready();
    let cases: [(u8, &[u16]); 4] = [
        // Two methods, two that want the rest, more than there is, less.
        (SDP | IDP, &[1, 1]),
        (IDP, &[0xFFFF, 0xFFFF]),
        (IDP, &[1000, 0xFFFF]),
        (IDP, &[1, 1]),
    ];
    for (method, sizes) in cases {
        assert_eq!(plan(&mut bench, method, 6, sizes), "05/26/00", "{sizes:?}");
    }
    // Five partitions.
    let five = bench.change_page(0x11, 0, |page| {
        page[3] = 4;
        page[4] = SDP | 0x1C;
    });
    assert_eq!(five, "05/26/00");
    assert_eq!(bench.none(&format(1)), "05/26/02");
    bench.write(&[1; 10]);
    assert_eq!(plan(&mut bench, IDP, 6, &[1, 0xFFFF]), "05/3B/0C");
    assert_eq!(bench.none(&format(0)), "05/3B/0C");
    bench.none(&REWIND);
    assert_eq!(bench.append_only(true), "good");
    assert_eq!(bench.none(&format(0)), "07/5A/02");
    assert_eq!(bench.none(&allow_overwrite(2, 0, 0)), "good");
    assert_eq!(bench.none(&format(0)), "good");
    // A plan does not pass to the next medium.
    assert_eq!(plan(&mut bench, IDP, 6, &[1, 0xFFFF]), "good");
    bench.put(Some("SIM002L9"));
    bench.settle();
    assert_eq!(bench.none(&format(1)), "05/26/02");
    bench.none(&UNLOAD);
    bench.edit("SIM002L9", "kind", "worm".into());
    bench.none(&LOAD);
    assert_eq!(plan(&mut bench, IDP, 6, &[1, 0xFFFF]), "07/30/0C");
    assert_eq!(bench.none(&format(0)), "07/30/0C");
    assert_eq!(bench.none(&set_capacity(1)), "07/30/0C");
}

#[test]
fn an_lto_5_tape_has_two_partitions_at_most() {
    let mut bench = Bench::cold(&LibrarySpec {
        generation: Generation::Lto5,
        ..small()
    });
    bench.put(Some("SIM001L5"));
    bench.settle();
    let list = bench.reply(&[0x5A, 0x08, 0x11, 0, 0, 0, 0, 0, 255, 0], 255);
    assert_eq!((list[8 + 1], list[8 + 2]), (0x0A, 1));
    assert_eq!(plan(&mut bench, SDP, 6, &[0; 2]), "good");
    assert_eq!(bench.none(&format(1)), "good");
    // 39 of 40 pairs of wraps, 19 for the first.
    let mib = |pairs: u64| pairs * (64 * MIB / 40) / MIB;
    assert_eq!(capacities(&mut bench), [mib(19), mib(20)]);
}
