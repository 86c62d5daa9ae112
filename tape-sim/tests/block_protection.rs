//! Logical block protection: checks of both methods, written and read, in every combination of
//! LBP_W and LBP_R, block mode and block length.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use tape_sim::generation::Generation;
use tape_sim::library::LibrarySpec;
use tape_sim::target::{Data, Nexus};

const PAGE_AT: usize = 8;
const WRITE: u8 = 0x80;
const READ: u8 = 0x40;

/// MODE SELECT(10) list for page 0A/F0.
fn list(method: u8, length: u8, flags: u8) -> [u8; 40] {
    let mut list = [0; 40];
    list[3] = 0x10;
    list[PAGE_AT..][..7].copy_from_slice(&[0x4A, 0xF0, 0, 0x1C, method, length, flags]);
    list
}

fn select(bench: &mut Bench, list: &[u8]) -> String {
    bench.send(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, 40, 0], list)
}

fn protect(bench: &mut Bench, method: u8, flags: u8) {
    assert_eq!(select(bench, &list(method, 4, flags)), "good");
}

fn page(bench: &mut Bench) -> Vec<u8> {
    let reply = bench.reply(&[0x5A, 8, 0x0A, 0xF0, 0, 0, 0, 0, 255, 0], 255);
    reply[PAGE_AT..].to_vec()
}

/// CRC-32C, bit by bit.
fn crc32c(block: &[u8]) -> u32 {
    !block.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 }
        })
    })
}

/// Product in the field of 256 elements with polynomial 11D.
fn product(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |sum: u8, bit| {
        let over = if sum & 0x80 == 0 { 0 } else { 0x1D };
        (sum << 1) ^ over ^ if b >> bit & 1 == 1 { a } else { 0 }
    })
}

/// The Reed-Solomon CRC as a register of four elements.
fn reed_solomon(block: &[u8]) -> [u8; 4] {
    block.iter().fold([0; 4], |register: [u8; 4], byte| {
        let feedback = register[0] ^ byte;
        let next = [register[1], register[2], register[3], 0];
        let times = [0x38, 0xCF, 0x38, 0x01];
        std::array::from_fn(|n| next[n] ^ product(times[n], feedback))
    })
}

fn with_check(method: u8, block: &[u8]) -> Vec<u8> {
    let check = match method {
        1 => reed_solomon(block),
        _ => crc32c(block).to_le_bytes(),
    };
    [block, &check].concat()
}

fn block(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(seed)).collect()
}

#[test]
fn every_combination_writes_and_reads_what_the_host_meant() {
    const LENGTH: usize = 1000;
    for method in [1, 2] {
        for (write_flags, read_flags) in [(0, 0), (0, READ), (WRITE, 0), (WRITE, READ)] {
            for fixed in [false, true] {
                let case = format!("method {method} {write_flags:02X} {read_flags:02X} {fixed}");
                let mut bench = Bench::ready();
                let blocks = [block(3, LENGTH), block(7, LENGTH)];
                let shown = |flags: u8| -> Vec<u8> {
                    let one = |block: &Vec<u8>| match flags {
                        0 => block.clone(),
                        _ => with_check(method, block),
                    };
                    blocks.iter().flat_map(one).collect()
                };
                let sent = shown(write_flags);
                let wanted = shown(read_flags);
                protect(&mut bench, method, write_flags);
                if fixed {
                    bench.block_length(sent.len() as u32 / 2);
                    assert_eq!(bench.send(&write(true, 2), &sent), "good", "{case}");
                } else {
                    for block in sent.chunks(sent.len() / 2) {
                        assert_eq!(bench.write(block), "good", "{case}");
                    }
                }
                let buffered = bench.position().buffered_bytes;
                assert_eq!(
                    buffered,
                    2 * LENGTH as u64,
                    "{case}: on tape is the block alone"
                );
                bench.none(&REWIND);
                protect(&mut bench, method, read_flags);
                let each = wanted.len() as u32 / 2;
                if fixed {
                    bench.block_length(each);
                    let got = bench.receive(&read(1, 2), wanted.len());
                    assert_eq!(got, ("good".to_string(), wanted), "{case}");
                } else {
                    for part in wanted.chunks(each as usize) {
                        assert_eq!(
                            bench.read(each),
                            ("good".to_string(), part.to_vec()),
                            "{case}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_wrong_check_stops_the_write_before_its_block() {
    for method in [1, 2] {
        let mut bench = Bench::ready();
        protect(&mut bench, method, WRITE);
        let good = with_check(method, &block(5, 500));
        assert_eq!(bench.write(&good), "good");
        for at in [0, 250, 499, 500, 503] {
            let mut wrong = good.clone();
            wrong[at] ^= 0x10;
            assert_eq!(bench.write(&wrong), "04/10/01 504", "byte {at}");
            assert_eq!(bench.position().object, 1, "byte {at}");
        }
        bench.block_length(504);
        let mut three = good.repeat(3);
        three[504 + 17] ^= 1;
        let completion = bench.run(&write(true, 3), Data::Out(&three));
        assert_eq!(outcome(&completion), "04/10/01 2");
        assert_eq!(completion.transferred_bytes, 504);
        assert_eq!(bench.position().object, 2);
        bench.block_length(0);
        for length in 1..=4 {
            assert_eq!(bench.write(&good[..length]), "05/24/00", "{length} bytes");
        }
        assert_eq!(bench.write(&with_check(method, &[9])), "good");
    }
}

#[test]
fn lengths_count_the_check() {
    let mut bench = Bench::ready();
    bench.write(&block(3, 100));
    protect(&mut bench, 2, READ);
    let whole = with_check(2, &block(3, 100));
    // Asked for, INFORMATION, bytes that come.
    let cases = [
        (200, Some(96), 104),
        (104, None, 104),
        (102, Some(-2), 102),
        (60, Some(-44), 60),
    ];
    for (asked, residual, moved) in cases {
        bench.none(&REWIND);
        let (found, data) = bench.read(asked);
        let expected = residual.map_or("good".to_string(), |left| format!("00/00/00 ILI {left}"));
        assert_eq!(found, expected, "{asked}");
        assert_eq!(data, whole[..moved], "{asked}");
    }
    bench.none(&REWIND);
    assert_eq!(bench.none(&[0x13, 0, 0, 0, 104, 0]), "good");
    bench.none(&REWIND);
    assert_eq!(bench.none(&[0x13, 0, 0, 0, 100, 0]), "00/00/00 ILI -4");
}

#[test]
fn encrypted_blocks_carry_the_check_of_what_the_host_wrote() {
    let mut bench = Bench::ready();
    let mut key = vec![0, 0x10, 0, 0x30, 0x40, 0, 2, 2, 1, 0, 0];
    key.resize(18, 0);
    key.extend_from_slice(&[0, 32]);
    key.resize(52, 0x77);
    assert_eq!(
        bench.send(&[0xB5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 52, 0, 0], &key),
        "good"
    );
    protect(&mut bench, 2, WRITE | READ);
    let sent = with_check(2, b"a secret");
    assert_eq!(bench.write(&sent), "good");
    bench.none(&REWIND);
    assert_eq!(bench.read(12), ("good".to_string(), sent));
}

#[test]
fn the_page_refuses_what_the_drive_does_not_do() {
    let mut bench = Bench::ready();
    let off = [&[0x4A, 0xF0, 0, 0x1C][..], &[0; 28]].concat();
    assert_eq!(page(&mut bench), off);
    let refused = [
        (3, 4, WRITE, 4),
        (2, 3, WRITE, 5),
        (2, 0, WRITE, 5),
        (2, 4, 0x20, 6),
    ];
    for (method, length, flags, field) in refused {
        let list = list(method, length, flags);
        let completion = bench.run(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, 40, 0], Data::Out(&list));
        assert_eq!(
            outcome(&completion),
            "05/26/00",
            "{method} {length} {flags:02X}"
        );
        assert_eq!(
            completion.sense[17],
            PAGE_AT as u8 + field,
            "{method} {length} {flags:02X}"
        );
        assert_eq!(page(&mut bench), off);
    }
    protect(&mut bench, 2, WRITE | READ);
    assert_eq!(page(&mut bench)[4..7], [2, 4, WRITE | READ]);
    assert_eq!(select(&mut bench, &list(0, 0, WRITE)), "good");
    assert_eq!(page(&mut bench), off);
}

#[test]
fn crc32c_came_with_lto_7() {
    for (generation, expected) in [(Generation::Lto6, "05/26/00"), (Generation::Lto7, "good")] {
        let mut bench = Bench::cold(&LibrarySpec {
            generation,
            ..small()
        });
        bench.none(&TUR);
        assert_eq!(
            select(&mut bench, &list(2, 4, WRITE)),
            expected,
            "{generation:?}"
        );
        assert_eq!(
            select(&mut bench, &list(1, 4, WRITE)),
            "good",
            "{generation:?}"
        );
    }
}

#[test]
fn protection_ends_with_power_and_load_and_others_hear_of_it() {
    let mut bench = Bench::ready();
    let guest = Nexus(3);
    bench.drive().execute_as(guest, &TUR, Data::None);
    protect(&mut bench, 2, WRITE);
    let told = bench.drive().execute_as(guest, &TUR, Data::None);
    assert_eq!(outcome(&told), "06/2A/01");
    bench.none(&UNLOAD);
    assert_eq!(page(&mut bench)[4..7], [2, 4, WRITE]);
    bench.none(&LOAD);
    assert_eq!(page(&mut bench)[4..7], [0, 0, 0]);
    protect(&mut bench, 2, WRITE);
    bench.close();
    bench.open();
    assert_eq!(page(&mut bench)[4..7], [2, 4, WRITE]);
    bench.drive().power_cut().unwrap();
    bench.none(&TUR);
    assert_eq!(page(&mut bench)[4..7], [0, 0, 0]);
}
