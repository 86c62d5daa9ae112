//! What the drive says of itself, through the whole stack: identity, modes, logs, chip.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::*;
use tape_sim::pages::opcodes;
use tape_sim::target::Data;

fn mode_sense(page: u8, subpage: u8) -> [u8; 10] {
    [0x5A, 0x08, page, subpage, 0, 0, 0, 0x02, 0, 0]
}

fn log_sense(page: u8) -> [u8; 10] {
    [0x4D, 0, 0x40 | page, 0, 0, 0, 0, 0x10, 0, 0]
}

/// Value of parameter `code` of a log page.
fn parameter(page: &[u8], code: u16) -> Vec<u8> {
    let mut rest = &page[4..];
    while rest.len() >= 4 {
        let len = usize::from(rest[3]);
        if rest[..2] == code.to_be_bytes() {
            return rest[4..4 + len].to_vec();
        }
        rest = &rest[4 + len..];
    }
    panic!("no parameter {code:04X} in {page:02X?}");
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Value of attribute `id`, or nothing.
fn attribute(bench: &mut Bench, id: u16) -> Option<Vec<u8>> {
    let [high, low] = id.to_be_bytes();
    let cdb = [0x8C, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 2, 0, 0, 0];
    let (outcome, reply) = bench.receive(&cdb, 512);
    if outcome != "good" || reply.len() < 9 || reply[4..6] != id.to_be_bytes() {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([reply[7], reply[8]]));
    Some(reply[9..9 + len].to_vec())
}

#[test]
fn every_announced_command_is_carried_out() {
    for command in opcodes::DRIVE {
        let mut bench = Bench::ready();
        let mut cdb = vec![0; command.usage.len()];
        cdb[0] = command.opcode();
        cdb[1] = command.service_action.unwrap_or(0);
        let mut buffer = vec![0; 512];
        let outcome = outcome(&bench.run(&cdb, Data::In(&mut buffer)));
        assert_ne!(outcome, "05/20/00", "{}", command.name);
    }
}

#[test]
fn the_drive_is_identified_by_the_librarys_serial() {
    let mut bench = Bench::ready();
    let standard = bench.reply(&[0x12, 0, 0, 0, 96, 0], 96);
    assert_eq!(standard[..2], [0x01, 0x80]);
    assert_eq!(&standard[8..32], b"TAPESIM ULTRIUM-TD9     ");
    let serial = bench.library.drive_serial(0);
    let page = bench.reply(&[0x12, 1, 0x80, 0, 255, 0], 255);
    assert_eq!(page[4..], *serial.as_bytes());
    let page = bench.reply(&[0x12, 1, 0x83, 0, 255, 0], 255);
    assert!(
        page.windows(serial.len())
            .any(|bytes| bytes == serial.as_bytes())
    );
    // Allocation lengths cut, and do not change what is cut.
    assert_eq!(bench.reply(&[0x12, 0, 0, 0, 5, 0], 96), standard[..5]);
    assert!(bench.reply(&[0x12, 0, 0, 0, 0, 0], 96).is_empty());
    assert_eq!(
        bench.reply(&[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], 16)[..4],
        [0, 0, 0, 8]
    );
    assert_eq!(bench.reply(&[5, 0, 0, 0, 0, 0], 6), [0, 0x80, 0, 0, 0, 1]);
}

#[test]
fn mode_pages_can_be_selected_as_they_were_sensed() {
    let mut bench = Bench::ready();
    for (page, subpage) in [
        (1, 0),
        (0x0A, 0),
        (0x0F, 0),
        (0x10, 0),
        (0x10, 1),
        (0x11, 0),
    ] {
        let mut list = bench.reply(&mode_sense(page, subpage), 512);
        list[..2].fill(0);
        list[2] = 0;
        list[8] &= 0x7F;
        let len = list.len() as u8;
        let outcome = bench.send(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, len, 0], &list);
        assert_eq!(outcome, "good", "page {page:02X}/{subpage:02X}");
    }
    let header = bench.reply(&[0x5A, 0, 0x0F, 0, 0, 0, 0, 0, 255, 0], 255);
    assert_eq!(header[..8], [0, 0x1E, 0x98, 0x10, 0, 0, 0, 8]);
    assert_eq!(header[8..16], [0x60, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_load_makes_blocks_variable_again() {
    let mut bench = Bench::ready();
    bench.block_length(4096);
    bench.pews(5);
    bench.none(&UNLOAD);
    bench.none(&LOAD);
    assert_eq!(bench.reply(&[0x1A, 0, 0, 0, 12, 0], 12)[9..], [0, 0, 0]);
    let page = bench.reply(&mode_sense(0x10, 1), 512);
    assert_eq!(page[14..16], [0, 5]);
    bench.drive().power_cut().unwrap();
    bench.none(&TUR);
    assert_eq!(bench.reply(&mode_sense(0x10, 1), 512)[14..16], [0, 0]);
}

#[test]
fn software_write_protection_is_honoured() {
    let mut bench = Bench::ready();
    let mut list = bench.reply(&mode_sense(0x10, 0), 512);
    list[..3].fill(0);
    list[8] &= 0x7F;
    list[8 + 10] |= 0x04;
    let len = list.len() as u8;
    assert_eq!(
        bench.send(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, len, 0], &list),
        "good"
    );
    assert_eq!(bench.write(&[1]), "07/27/00");
}

#[test]
fn log_pages_follow_what_is_written_and_read() {
    let mut bench = Bench::ready();
    bench.write(&vec![1; 3_000_000]);
    bench.write(&vec![1; 3_000_000]);
    let page = bench.reply(&log_sense(0x0C), 4096);
    assert_eq!(number(&parameter(&page, 0)), 6_000_000);
    // Nothing has left the buffer.
    assert_eq!(number(&parameter(&page, 1)), 0);
    bench.none(&REWIND);
    bench.read(3_000_000);
    let page = bench.reply(&log_sense(0x0C), 4096);
    assert_eq!(number(&parameter(&page, 1)), 6_000_000);
    assert_eq!(number(&parameter(&page, 3)), 3_000_000);
    assert_eq!(number(&parameter(&page, 4)), 6);
    assert_eq!(number(&parameter(&page, 7)), 3);
    // Capacity in MiB on page 31h.
    let page = bench.reply(&log_sense(0x31), 4096);
    assert_eq!(number(&parameter(&page, 3)), 64);
    let remaining = number(&parameter(&page, 1));
    assert!((57..=59).contains(&remaining), "{remaining}");
    // Ready and threaded, with the medium's name.
    let page = bench.reply(&log_sense(0x11), 4096);
    assert_eq!(parameter(&page, 0)[1] & 0x17, 0x17);
    let page = bench.reply(&log_sense(0x17), 4096);
    assert!(parameter(&page, 0x42).starts_with(TAPE.as_bytes()));
    let page = bench.reply(&log_sense(0x14), 4096);
    assert_eq!(number(&parameter(&page, 0)), 1);
    assert_eq!(bench.none(&log_sense(0x3F)), "05/24/00");
}

#[test]
fn attributes_stay_in_the_chip() {
    let mut bench = Bench::ready();
    let text = b"ARCHIVE-01".to_vec();
    let mut value = text.clone();
    value.resize(32, b' ');
    let mut list = vec![0, 0, 0, 37, 0x08, 0x01, 0x01, 0, 32];
    list.extend_from_slice(&value);
    let len = list.len() as u8;
    let cdb = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, len, 0, 0];
    assert_eq!(bench.send(&cdb, &list), "good");
    // Not even an unload is needed: the chip is written at once.
    bench.kill();
    bench.open();
    bench.settle();
    assert_eq!(attribute(&mut bench, 0x0801), Some(value));
    // A read-only attribute.
    assert_eq!(
        bench.send(
            &cdb,
            &[0, 0, 0, 13, 0, 3, 0x80, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9]
        ),
        { "0B/4B/00" }
    );
    let cdb = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0];
    let refused = bench.send(
        &cdb,
        &[0, 0, 0, 13, 0, 3, 0x80, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9],
    );
    assert_eq!(refused, "05/26/00");
}

#[test]
fn the_chip_counts_loads_changes_and_megabytes() {
    let mut bench = Bench::ready();
    let value = |bench: &mut Bench, id| number(&attribute(bench, id).unwrap());
    let (loads, changes) = (value(&mut bench, 0x0003), value(&mut bench, 0x0009));
    assert_eq!(loads, 1);
    bench.write(&vec![1; 2_000_000]);
    bench.write(&vec![1; 2_000_000]);
    assert_eq!(value(&mut bench, 0x0009), changes + 1);
    bench.none(&UNLOAD);
    bench.none(&LOAD);
    assert_eq!(value(&mut bench, 0x0009), changes + 1);
    bench.read(2_000_000);
    bench.write(&vec![1; 2_000_000]);
    // A new process goes on with the same load.
    bench.close();
    bench.open();
    bench.write(&vec![1; 2_000_000]);
    assert_eq!(value(&mut bench, 0x0003), loads + 1);
    assert_eq!(value(&mut bench, 0x0009), changes + 2);
    assert_eq!(value(&mut bench, 0x0220), 8);
    assert_eq!(value(&mut bench, 0x0221), 2);
    assert_eq!(value(&mut bench, 0x0222), 4);
}

#[test]
fn densities_and_timeouts_are_reported() {
    let mut bench = Bench::ready();
    let all = bench.reply(&[0x44, 0, 0, 0, 0, 0, 0, 2, 0, 0], 512);
    assert_eq!(all.len(), 4 + 2 * 52);
    let mounted = bench.reply(&[0x44, 1, 0, 0, 0, 0, 0, 2, 0, 0], 512);
    assert_eq!((mounted.len(), mounted[4]), (4 + 52, 0x60));
    bench.none(&UNLOAD);
    assert_eq!(bench.none(&[0x44, 1, 0, 0, 0, 0, 0, 2, 0, 0]), "02/3A/00");
    let locate = [0xA3, 0x0C, 0x81, 0x92, 0, 0, 0, 0, 2, 0, 0, 0];
    let reply = bench.reply(&locate, 512);
    assert_eq!(reply[reply.len() - 4..], 2940u32.to_be_bytes());
}

#[test]
fn descriptor_sense_is_returned_on_request() {
    let mut bench = Bench::ready();
    let mut list = bench.reply(&mode_sense(0x0A, 0), 512);
    list[..3].fill(0);
    list[8] &= 0x7F;
    list[8 + 2] |= 0x04;
    let len = list.len() as u8;
    assert_eq!(
        bench.send(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, len, 0], &list),
        "good"
    );
    let completion = bench.run(&space(0, -3), Data::None);
    let expected = [
        &[0x72, 0, 0, 4, 0, 0, 0, 16, 4, 2, 0, 0x40, 0, 0x0A, 0x80, 0][..],
        &3u64.to_be_bytes(),
    ];
    assert_eq!(completion.sense, expected.concat());
}

#[test]
fn identifying_information_outlives_the_power_and_the_time_does_not() {
    let mut bench = Bench::ready();
    let maintenance =
        |opcode, action, kind, len| [opcode, action, 0, 0, 0, 0, 0, 0, 0, len, kind, 0];
    let identifying = maintenance(0xA3, 0x05, 0, 80);
    assert_eq!(bench.reply(&identifying, 80), [0, 0, 0, 0]);
    assert_eq!(
        bench.reply(&maintenance(0xA3, 0x05, 0xFE, 80), 80),
        [0, 0, 0, 4, 0, 0, 0, 64]
    );
    assert_eq!(bench.none(&maintenance(0xA3, 0x05, 0x04, 80)), "05/24/00");
    assert_eq!(bench.send(&maintenance(0xA4, 0x06, 0, 5), b"rack7"), "good");
    assert_eq!(
        bench.send(&maintenance(0xA4, 0x06, 0, 65), &[0; 65]),
        "05/1A/00"
    );
    assert_eq!(bench.send(&maintenance(0xA4, 0x06, 4, 1), &[0]), "05/24/00");

    let report = maintenance(0xA3, 0x0F, 0, 12);
    let set = [0, 0, 0, 0, 0x01, 0x9A, 0, 0, 0, 0, 0, 0];
    bench
        .drive()
        .host_spends(std::time::Duration::from_millis(300));
    // The tape has been loaded since the power came on: that took 17 s.
    let [.., high, low] = 17_300_u64.to_be_bytes();
    assert_eq!(
        bench.reply(&report, 12),
        [0, 10, 0, 0, 0, 0, 0, 0, high, low, 0, 0]
    );
    assert_eq!(bench.send(&maintenance(0xA4, 0x0F, 0, 12), &set), "good");
    assert_eq!(
        bench.send(&maintenance(0xA4, 0x0F, 0, 11), &set[..11]),
        "05/1A/00"
    );
    bench
        .drive()
        .host_spends(std::time::Duration::from_millis(5));
    let told = [0, 10, 2, 0, 0x01, 0x9A, 0, 0, 0, 5, 0, 0];
    assert_eq!(bench.reply(&report, 12), told);
    // Another process goes on with both.
    bench.close();
    bench.open();
    assert_eq!(bench.reply(&report, 12), told);
    bench.drive().power_cut().unwrap();
    bench.none(&TUR);
    assert_eq!(bench.reply(&report, 12)[2..10], [0; 8]);
    assert_eq!(bench.reply(&identifying, 80), *b"\0\0\0\x05rack7");
}

#[test]
fn task_management_functions_are_reported_with_and_without_times() {
    let mut bench = Bench::ready();
    let cdb = |flags| [0xA3, 0x0D, flags, 0, 0, 0, 0, 0, 0, 16, 0, 0];
    assert_eq!(bench.reply(&cdb(0), 16), [0xC8, 1, 0, 0]);
    let mut extended = vec![0xC8, 1, 0, 12];
    extended.resize(16, 0);
    assert_eq!(bench.reply(&cdb(0x80), 16), extended);
}
