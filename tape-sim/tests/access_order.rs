//! GENERATE and RECEIVE RECOMMENDED ACCESS ORDER.

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;

const BLOCK: usize = 16 << 10;

/// 4000 blocks of zeros, 64 MiB: the whole tape.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    bench.block_length(BLOCK as u32);
    let zeros = vec![0; 100 * BLOCK];
    for _ in 0..40 {
        assert_eq!(bench.send(&write(true, 100), &zeros), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    bench.none(&REWIND);
    bench
}

fn descriptor(name: u8, partition: u8, first: u64, last: u64) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[1] = 0x1E;
    bytes[14] = name;
    bytes[15] = partition;
    bytes[16..24].copy_from_slice(&first.to_be_bytes());
    bytes[24..].copy_from_slice(&last.to_be_bytes());
    bytes
}

fn list(descriptors: &[Vec<u8>]) -> Vec<u8> {
    let body = descriptors.concat();
    let mut list = vec![0; 4];
    list.extend_from_slice(&(body.len() as u32).to_be_bytes());
    list.extend_from_slice(&body);
    list
}

fn generate(bench: &mut Bench, process: u8, list: &[u8]) -> String {
    let [a, b, c, d] = (list.len() as u32).to_be_bytes();
    let cdb = [0xA4, 0x1D, process, 0, 0, 0, a, b, c, d, 0, 0];
    bench.send(&cdb, list)
}

const RECEIVE: [u8; 12] = [0xA3, 0x1D, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0];

/// Process and status, and the names in the order of the list.
fn order(bench: &mut Bench) -> (u8, u8, Vec<u8>) {
    let reply = bench.reply(&RECEIVE, 4096);
    let names = reply[8..].chunks_exact(32).map(|one| one[14]).collect();
    (reply[0], reply[1], names)
}

#[test]
fn a_list_comes_back_in_the_order_asked_for() {
    let mut bench = recorded();
    assert_eq!(order(&mut bench), (0, 0, vec![]));
    // To and fro on the tape: a blind order runs from one end to the other.
    let places = [3900, 10, 3800, 40, 2000, 20];
    let segments: Vec<_> = (1u8..)
        .zip(places)
        .map(|(name, first)| descriptor(name, 0, first, first + 5))
        .collect();
    assert_eq!(generate(&mut bench, 1, &list(&segments)), "good");
    assert_eq!(order(&mut bench), (1, 1, vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(generate(&mut bench, 2, &list(&segments)), "good");
    let (process, status, found) = order(&mut bench);
    assert_eq!((process, status), (2, 1));
    assert_ne!(found, [1, 2, 3, 4, 5, 6]);
    let mut sorted = found;
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 3, 4, 5, 6]);
    // In portions, from an offset that is a multiple of four.
    let whole = bench.reply(&RECEIVE, 4096);
    let mut from = RECEIVE;
    from[5] = 40;
    assert_eq!(bench.reply(&from, 4096), whole[40..]);
    from[5] = 41;
    assert_eq!(bench.receive(&from, 4096).0, "05/24/00");
    assert_eq!(generate(&mut bench, 2, &[]), "good");
    assert_eq!(order(&mut bench), (0, 0, vec![]));
    // The next medium has no list.
    assert_eq!(generate(&mut bench, 1, &list(&segments)), "good");
    bench.none(&UNLOAD);
    bench.none(&LOAD);
    assert_eq!(order(&mut bench), (0, 0, vec![]));
}

/// 128 files of a few blocks each, read in the order of the tape and in the recommended one: what
/// the drive's clock says of the ways between them.
#[test]
fn the_recommended_order_saves_two_fifths_of_the_way_that_record_order_takes() {
    let mut bench = recorded();
    // Spread over the tape without a pattern: 3989 is a prime.
    let mut firsts: Vec<u64> = (1..=128).map(|n| n * 1103 % 3989).collect();
    firsts.sort_unstable();
    let segments: Vec<_> = (0u8..)
        .zip(&firsts)
        .map(|(name, first)| descriptor(name, 0, *first, first + 2))
        .collect();
    assert_eq!(generate(&mut bench, 2, &list(&segments)), "good");
    let reply = bench.reply(&RECEIVE, 4104);
    let recommended: Vec<u64> = reply[8..]
        .chunks_exact(32)
        .map(|one| u64::from_be_bytes(one[16..24].try_into().unwrap()))
        .collect();
    let mut sorted = recommended.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, firsts);
    let by_record = ways(&mut bench, &firsts);
    let by_advice = ways(&mut bench, &recommended);
    assert!(
        by_advice <= by_record * 3 / 5,
        "{by_advice:?}, record order {by_record:?}"
    );
}

/// What it takes to get from each file of three blocks to the next, from the beginning of the tape.
fn ways(bench: &mut Bench, firsts: &[u64]) -> std::time::Duration {
    bench.none(&REWIND);
    let mut sum = std::time::Duration::ZERO;
    for first in firsts {
        let before = bench.drive().elapsed();
        assert_eq!(bench.none(&locate10(*first as u32)), "good");
        sum += bench.drive().elapsed() - before;
        assert_eq!(bench.receive(&read(1, 3), 3 * BLOCK).0, "good");
    }
    sum
}

#[test]
fn single_objects_bind_both_ends() {
    let mut bench = recorded();
    let segments = [
        descriptor(1, 0, 3990, 3990),
        descriptor(2, 0, 10, 20),
        descriptor(3, 0, 3900, 3910),
        descriptor(4, 0, 500, 500),
        descriptor(5, 0, 5, 5),
        descriptor(6, 0, 0, 0),
    ];
    assert_eq!(generate(&mut bench, 2, &list(&segments)), "good");
    let names = order(&mut bench).2;
    assert_eq!((names[0], &names[4..]), (1, &[5, 6][..]));
}

#[test]
fn limits_and_refusals() {
    let mut bench = recorded();
    let mut limits = RECEIVE;
    limits[1] |= 0x80;
    assert_eq!(bench.reply(&limits, 8), [0x0A, 0xAA, 0, 32]);
    let good = descriptor(1, 0, 1, 2);
    let mut long = good.clone();
    long[1] = 0x20;
    let cases = [
        (vec![long], "05/26/00"),
        (vec![descriptor(1, 1, 1, 2)], "05/26/00"),
        (vec![descriptor(1, 0, 3, 2)], "05/26/00"),
        (vec![good.clone(), descriptor(1, 0, 1, 4001)], "05/26/00"),
        (vec![good.clone(); 2731], "05/26/00"),
        (vec![good.clone(); 3], "good"),
    ];
    for (segments, expected) in cases {
        let count = segments.len();
        assert_eq!(
            generate(&mut bench, 2, &list(&segments)),
            expected,
            "{count}"
        );
    }
    let mut cut = list(&[good]);
    cut.pop();
    assert_eq!(generate(&mut bench, 2, &cut), "05/1A/00");
    assert_eq!(generate(&mut bench, 3, &[]), "05/24/00");
}

#[test]
fn older_drives_do_not_have_it() {
    let spec = LibrarySpec {
        generation: Generation::Lto8,
        ..small()
    };
    let mut bench = Bench::cold(&spec);
    bench.none(&TUR);
    assert_eq!(generate(&mut bench, 2, &[]), "05/24/00");
    assert_eq!(bench.receive(&RECEIVE, 8).0, "05/24/00");
    let known = |bench: &mut Bench, opcode: u8| {
        bench.reply(&[0xA3, 0x0C, 3, opcode, 0, 0x1D, 0, 0, 0, 64, 0, 0], 64)[1] & 7
    };
    assert_eq!([0xA3, 0xA4].map(|opcode| known(&mut bench, opcode)), [1, 1]);
    let mut bench = Bench::ready();
    assert_eq!([0xA3, 0xA4].map(|opcode| known(&mut bench, opcode)), [3, 3]);
}
