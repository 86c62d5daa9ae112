//! Commands that do not touch the recording: diagnostics, buffers, block limits, removal.

mod common;

use common::*;

fn buffer(opcode: u8, mode: u8, id: u8, offset: u32, length: u32) -> [u8; 10] {
    let [_, a, b, c] = offset.to_be_bytes();
    let [_, d, e, f] = length.to_be_bytes();
    [opcode, mode, id, a, b, c, d, e, f, 0]
}

#[test]
fn the_self_test_finds_nothing_and_needs_no_medium() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    let cases: [([u8; 6], &[u8], &str); 7] = [
        ([0x1D, 0x04, 0, 0, 0, 0], &[], "good"),
        ([0x1D, 0x10, 0, 0, 0, 0], &[], "good"),
        ([0x1D, 0x10, 0, 0, 4, 0], &[0; 4], "good"),
        ([0x1D, 0x10, 0, 0, 4, 0], &[0x40, 0, 0, 0], "05/26/00"),
        ([0x1D, 0x10, 0, 0, 2, 0], &[0; 2], "05/1A/00"),
        ([0x1D, 0x14, 0, 0, 4, 0], &[0; 4], "05/24/00"),
        // Self-tests in the background are not there.
        ([0x1D, 0x20, 0, 0, 0, 0], &[], "05/24/00"),
    ];
    for (cdb, data, expected) in cases {
        assert_eq!(bench.send(&cdb, data), expected, "{cdb:02X?}");
    }
    assert_eq!(bench.reply(&[0x1C, 1, 0, 0, 9, 0], 9), [0, 0, 0, 1, 0]);
    assert_eq!(bench.receive(&[0x1C, 1, 0x40, 0, 9, 0], 9).0, "05/24/00");
}

#[test]
fn buffers_return_what_was_written() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    assert_eq!(bench.reply(&buffer(0x3C, 3, 0, 0, 4), 4), [0, 1, 0, 0]);
    assert_eq!(bench.reply(&buffer(0x3C, 3, 7, 0, 4), 4), [0; 4]);
    assert_eq!(
        bench.reply(&buffer(0x3C, 0x0B, 0, 0, 4), 4),
        [0, 0, 0x10, 0]
    );
    assert_eq!(bench.receive(&buffer(0x3C, 0x0A, 0, 0, 4), 4).0, "05/2C/00");
    assert_eq!(bench.send(&buffer(0x3B, 0x0A, 0, 0, 3), &[1, 2, 3]), "good");
    assert_eq!(bench.reply(&buffer(0x3C, 0x0A, 0, 0, 9), 9), [1, 2, 3]);
    assert_eq!(bench.send(&buffer(0x3B, 2, 0, 100, 3), &[4, 5, 6]), "good");
    assert_eq!(bench.reply(&buffer(0x3C, 2, 0, 99, 5), 5), [0, 4, 5, 6, 0]);
    let refused = [
        buffer(0x3B, 0x0A, 0, 0, 4097),
        buffer(0x3B, 2, 0, 0, 65537),
        buffer(0x3B, 2, 0, 65536, 1),
        buffer(0x3B, 2, 1, 0, 1),
        // Firmware.
        buffer(0x3B, 5, 0, 0, 1),
    ];
    for cdb in refused {
        assert_eq!(bench.send(&cdb, &vec![0; 65537]), "05/24/00", "{cdb:02X?}");
    }
    assert_eq!(
        bench.receive(&buffer(0x3C, 2, 0, 65537, 1), 1).0,
        "05/24/00"
    );
    bench
        .drive()
        .power_cut()
        .unwrap_or_else(|error| panic!("{error}"));
    bench.none(&TUR);
    assert_eq!(bench.reply(&buffer(0x3C, 2, 0, 100, 3), 3), [0; 3]);
    assert_eq!(bench.receive(&buffer(0x3C, 0x0A, 0, 0, 4), 4).0, "05/2C/00");
}

#[test]
fn block_limits_come_with_the_largest_object_number_when_asked() {
    let mut bench = Bench::cold(&small());
    bench.none(&TUR);
    assert_eq!(bench.reply(&[5, 0, 0, 0, 0, 0], 6), [0, 0x80, 0, 0, 0, 1]);
    let reply = bench.reply(&[5, 1, 0, 0, 0, 0], 20);
    assert_eq!(reply[12..], ((1u64 << 48) - 1).to_be_bytes());
}

#[test]
fn commands_that_lto_lacks_are_refused() {
    let mut bench = Bench::ready();
    // READ REVERSE, RECOVER BUFFERED DATA, and PREVENT with the obsolete bit.
    assert_eq!(bench.receive(&[0x0F, 0, 0, 0, 1, 0], 1).0, "05/20/00");
    assert_eq!(bench.receive(&[0x14, 0, 0, 0, 1, 0], 1).0, "05/20/00");
    for value in [2, 3] {
        assert_eq!(bench.none(&[0x1E, 0, 0, 0, value, 0]), "05/24/00");
    }
    // BAM says nothing new on LTO.
    let mut locate = locate16(0, 0);
    locate[2] = 1;
    assert_eq!(bench.none(&locate), "good");
}
