//! Errors, TapeAlert flags and cleaning, as a host sees them in log pages.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use std::time::Duration;

use common::*;
use tape_sim::pages::alert;
use tape_sim::ssc::{CleaningWish, Direction};
use tape_sim::target::{Data, Nexus};

fn log_sense(page: u8) -> [u8; 10] {
    [0x4D, 0, 0x40 | page, 0, 0, 0, 0, 0x10, 0, 0]
}

/// Parameters of a log page: code and value.
fn parameters(bench: &mut Bench, page: u8) -> Vec<(u16, Vec<u8>)> {
    let data = bench.reply(&log_sense(page), 4096);
    let (mut rest, mut found) = (&data[4..], Vec::new());
    while !rest.is_empty() {
        let end = 4 + usize::from(rest[3]);
        found.push((
            u16::from_be_bytes([rest[0], rest[1]]),
            rest[4..end].to_vec(),
        ));
        rest = &rest[end..];
    }
    found
}

fn number(bench: &mut Bench, page: u8, code: u16) -> u64 {
    let all = parameters(bench, page);
    let (_, value) = all.into_iter().find(|(found, _)| *found == code).unwrap();
    value.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// Numbers of the flags that are set, by the page that does not clear them.
fn flags(bench: &mut Bench) -> Vec<u8> {
    let set = number(bench, 0x12, 0);
    (1..=64)
        .filter(|flag| set & alert::bit(*flag) != 0)
        .collect()
}

/// Makes the recorded blocks of the bench's tape unreadable.
fn damage(bench: &Bench) {
    let folder = bench.library.dir().join("cartridges").join(TAPE);
    std::fs::File::create(folder.join("p0.data")).unwrap();
}

#[test]
fn a_hard_read_error_is_counted_flagged_and_remembered() {
    let mut bench = Bench::ready();
    bench.write(&[7; 1000]);
    bench.none(&filemarks(0, false));
    bench.none(&REWIND);
    damage(&bench);
    assert_eq!(bench.read(1000).0, "03/11/00 1000");
    assert_eq!(flags(&mut bench), [alert::HARD_ERROR, alert::READ_FAILURE]);
    assert_eq!(number(&mut bench, 0x03, 6), 1);
    assert_eq!(number(&mut bench, 0x14, 0x0F), 1);
    assert_eq!(number(&mut bench, 0x17, 0x09), 1);
    let (code, first) = parameters(&mut bench, 0x16).swap_remove(0);
    assert_eq!(
        (code, &first[2..4], &first[9..12]),
        (0, &[0x60, 0x98][..], &[3, 0x11, 0][..])
    );
    assert_eq!(first[24], 0x08, "READ(6)");
    // Two more, and the drive insists on cleaning.
    bench.read(1000);
    assert_eq!(number(&mut bench, 0x0C, 0x0100), 0);
    bench.read(1000);
    assert!(flags(&mut bench).contains(&alert::CLEAN_NOW));
    assert_eq!(number(&mut bench, 0x0C, 0x0100), 1);
    assert_eq!(
        parameters(&mut bench, 0x11)[0].1[0] & 0x06,
        0x06,
        "CRQST, CRQRD"
    );
    assert_eq!(parameters(&mut bench, 0x16).len(), 3);
}

#[test]
fn cleaning_ends_the_wish_for_it_and_a_power_cut_does_not() {
    let mut bench = Bench::ready();
    bench.drive().want_cleaning(CleaningWish::Periodic);
    bench.drive().want_cleaning(CleaningWish::Now);
    bench.drive().want_cleaning(CleaningWish::Periodic);
    assert_eq!(flags(&mut bench), [alert::CLEAN_NOW, alert::CLEAN_PERIODIC]);
    bench.drive().power_cut().unwrap();
    bench.settle();
    assert_eq!(number(&mut bench, 0x0C, 0x0100), 1);
    bench.none(&UNLOAD);
    bench.put(Some("CLNU01CU"));
    for _ in 0..10 {
        bench.none(&TUR);
    }
    assert_eq!(number(&mut bench, 0x0C, 0x0100), 0);
    assert_eq!(flags(&mut bench), [alert::CLEANING_MEDIA]);
    assert_eq!(number(&mut bench, 0x14, 1), 1);
}

#[test]
fn flags_about_the_medium_go_with_it_and_others_stay() {
    let mut bench = Bench::ready();
    bench.drive().raise_alert(alert::MEDIA);
    bench.drive().raise_alert(alert::HARDWARE_B);
    assert_eq!(flags(&mut bench), [alert::MEDIA, alert::HARDWARE_B]);
    bench.none(&UNLOAD);
    bench.none(&LOAD);
    assert_eq!(flags(&mut bench), [alert::HARDWARE_B]);
    assert_eq!(number(&mut bench, 0x2E, alert::HARDWARE_B.into()), 1);
    assert_eq!(flags(&mut bench), [0u8; 0], "page 2Eh clears what it shows");
}

#[test]
fn corrected_errors_are_counted_until_log_select() {
    let mut bench = Bench::ready();
    bench.write(&vec![1; 5000]);
    bench.drive().count_corrected(Direction::Write, 0);
    bench.drive().count_corrected(Direction::Write, 4);
    let counters: Vec<_> = (0..7).map(|code| number(&mut bench, 0x02, code)).collect();
    assert_eq!(counters, [1, 1, 4, 2, 2, 5000, 0]);
    assert_eq!(number(&mut bench, 0x17, 3), 4);
    assert_eq!(flags(&mut bench), [0u8; 0]);
    bench.drive().count_corrected(Direction::Write, 1000);
    assert_eq!(flags(&mut bench), [alert::WRITE_WARNING]);
    assert_eq!(bench.none(&[0x4C, 2, 0x42, 0, 0, 0, 0, 0, 0, 0]), "good");
    let counters: Vec<_> = (0..7).map(|code| number(&mut bench, 0x02, code)).collect();
    assert_eq!(counters, [0; 7]);
    assert_eq!(
        number(&mut bench, 0x17, 3),
        1004,
        "the volume's life goes on"
    );
    assert_eq!(number(&mut bench, 0x0C, 0), 5000, "another page");
    let reset = [0x4C, 2, 0x42, 0, 0, 0, 0, 0, 0, 0];
    let other = Nexus(7);
    while outcome(&bench.drive().execute_as(other, &TUR, Data::None)) != "good" {}
    assert_eq!(bench.none(&reset), "good");
    let told = bench.drive().execute_as(other, &TUR, Data::None);
    assert_eq!(outcome(&told), "06/2A/02", "other hosts hear of it");
    let list = [2, 0, 0, 8, 0, 6, 0x40, 4, 0, 0, 0, 3];
    assert_eq!(
        bench.send(&[0x4C, 0, 0x40, 0, 0, 0, 0, 0, 12, 0], &list),
        "good"
    );
    assert_eq!(number(&mut bench, 0x02, 6), 3);
}

#[test]
fn the_chip_tells_how_the_medium_was_used() {
    let mut bench = Bench::ready();
    bench.write(&vec![1; 3_000_000]);
    bench.drive().count_corrected(Direction::Write, 2);
    bench.none(&UNLOAD);
    bench.none(&LOAD);
    bench.read(3_000_000);
    bench.close();
    bench.open();
    let cdb = |id: u16| {
        let [high, low] = id.to_be_bytes();
        [0x8C, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 4, 0, 0, 0]
    };
    let fields = |value: &[u8], width: usize| -> Vec<u64> {
        let number = |field: &[u8]| field.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        value.chunks(width).map(number).collect()
    };
    // This load, the one before, all; then loads, partition changes, formats.
    let expected = [0, 0, 3, 0, 3, 2, 0, 0, 3, 2, 3, 0, 2, 0, 0];
    let medium = bench.reply(&cdb(0x0340), 1024);
    assert_eq!(medium[4..9], [0x03, 0x40, 0x80, 0, 90]);
    assert_eq!(fields(&medium[9..99], 6), expected);
    let partition = bench.reply(&cdb(0x0341), 1024);
    assert_eq!(fields(&partition[9..69], 4), expected);
}

#[test]
fn a_worn_cartridge_is_reported_at_load() {
    for (loads, expected) in [(18_000, None), (19_000, Some(0x13)), (20_000, Some(0x07))] {
        let mut bench = Bench::cold(&small());
        let folder = bench.library.dir().join("cartridges").join(TAPE);
        let mut mam = tape_sim::mam::Mam::load(&folder).unwrap();
        mam.set_number(0, tape_sim::mam::id::LOAD_COUNT, loads);
        mam.save(&folder).unwrap();
        bench.put(Some(TAPE));
        bench.settle();
        assert_eq!(flags(&mut bench), Vec::from_iter(expected), "{loads}");
    }
}

#[test]
fn a_host_can_try_what_a_flag_does() {
    let mut bench = Bench::ready();
    let test = |bench: &mut Bench, number: i32| {
        let mut list = vec![0, 0, 0x10, 0, 0x1C, 0x0A, 0x0C, 0x04, 0, 0, 0, 0];
        list.extend_from_slice(&number.to_be_bytes());
        assert_eq!(bench.send(&[0x15, 0x10, 0, 0, 16, 0], &list), "good");
        flags(bench)
    };
    assert_eq!(test(&mut bench, 0x14), [alert::CLEAN_NOW]);
    assert_eq!(
        number(&mut bench, 0x0C, 0x0100),
        0,
        "the drive itself wants no cleaning"
    );
    assert_eq!(test(&mut bench, -0x14), [0u8; 0]);
    assert_eq!(test(&mut bench, 32_767).len(), alert::ALERTS.len());
}

#[test]
fn the_hours_with_power_on_are_counted() {
    let mut bench = Bench::ready();
    assert_eq!(number(&mut bench, 0x14, 2), 0);
    bench.drive().host_spends(Duration::from_secs(2 * 3600));
    assert_eq!(number(&mut bench, 0x14, 2), 2);
    bench.drive().power_cut().unwrap();
    bench.settle();
    assert_eq!(number(&mut bench, 0x14, 2), 2, "of its life");
}
