//! What devices say they can do: INQUIRY, densities, operation codes.

use crate::{hex, refusal};
use tape_sim::generation::Generation;
use tape_sim::pages::block_protection::Method;
use tape_sim::pages::density::{self, MountedDensity};
use tape_sim::pages::inquiry::{self, Bay, DeviceType, Identity};
use tape_sim::pages::opcodes::{self, CHANGER, DRIVE};

const TAPE: Identity<'_> = Identity {
    device_type: DeviceType::Tape,
    vendor: "TAPESIM",
    product: "ULTRIUM-TD9",
    revision: "1",
    serial: "0000005E01",
    naa: 0x5002_5453_0000_0002,
    bay: Some(Bay {
        library_serial: "0000005E_LL01",
        element_address: 0x0103,
    }),
    block_checks: &[Method::ReedSolomon, Method::Crc32c],
};

fn inquiry(evpd: u8, page: u8) -> Vec<u8> {
    inquiry::reply(&TAPE, &[0x12, evpd, page, 0, 255, 0]).unwrap()
}

#[test]
fn standard_inquiry_has_the_captured_shape() {
    let data = inquiry(0, 0);
    assert_eq!(data[..8], hex("01 80 06 12 41 01 10 02"));
    assert_eq!(&data[8..36], b"TAPESIM ULTRIUM-TD9     1   ");
    assert_eq!(data.len(), 70);
    assert_eq!(data[58..70], hex("00A2 0C28 0460 0520 0A28 0502"));
}

#[test]
fn vital_product_data_names_the_drive() {
    assert_eq!(
        inquiry(1, 0x00),
        hex("01 00 000D 00 80 83 86 87 88 90 B0 B1 B2 B3 B4 B5")
    );
    assert_eq!(inquiry(1, 0x80)[..4], hex("01 80 000A"));
    assert_eq!(&inquiry(1, 0x80)[4..], b"0000005E01");
    let identifiers = inquiry(1, 0x83);
    assert_eq!(usize::from(identifiers[3]), identifiers.len() - 4);
    assert_eq!(
        identifiers[4..8],
        hex("02 01 00 22"),
        "T10 vendor identification first"
    );
    assert_eq!(&identifiers[8..42], b"TAPESIM ULTRIUM-TD9     0000005E01");
    let rest = "01030008 5002545300000002  61940004 00000001  61930008 5002545300000003
        61A30008 5002545300000002";
    assert_eq!(
        identifiers[42..],
        hex(rest),
        "unit, port number, port, device"
    );
    assert_eq!(
        inquiry(1, 0xB0),
        hex("01 B0 0002 01 00"),
        "WORM media are supported"
    );
    for page in [0x81, 0xC0, 0xFF] {
        let refused = inquiry::reply(&TAPE, &[0x12, 1, page, 0, 255, 0]);
        assert_eq!(refusal(refused), "05/24/00 @2", "{page:02X}");
    }
    assert_eq!(
        refusal(inquiry::reply(&TAPE, &[0x12, 0, 0x80, 0, 255, 0])),
        "05/24/00 @2"
    );
}

#[test]
fn vital_product_data_says_where_the_drive_is_and_what_it_can_do() {
    let mut extended = hex("01 86 003C 08 01");
    extended.resize(64, 0);
    assert_eq!(inquiry(1, 0x86), extended, "block protection, simple tasks");
    let cases = [
        (0x87, "01 87 0004 3F FF 0000"),
        (
            0x88,
            "01 88 0018 0000 0001 0000 0000 0000 000C 61930008 5002545300000003",
        ),
        (0x90, "01 90 000C 0001 06 000000 0004 01000000"),
        (0xB1, "01 B1 000A 30303030303035453031"),
        (0xB2, "01 B2 0008 FFFFFFFFFFFFFFF8"),
        (0xB3, "01 B3 000D 30303030303035455F4C4C3031"),
        (0xB4, "01 B4 0004 0000 0103"),
        (
            0xB5,
            "01 B5 0014 00000000 07 01 04 C0 00000000 07 02 04 C0 00000000",
        ),
    ];
    for (page, expected) in cases {
        assert_eq!(inquiry(1, page), hex(expected), "{page:02X}");
    }
    let shelf = Identity { bay: None, ..TAPE };
    let pages = inquiry::reply(&shelf, &[0x12, 1, 0, 0, 255, 0]).unwrap();
    assert!(!pages[4..].contains(&0xB3), "a drive that stands by itself");
    let refused = inquiry::reply(&shelf, &[0x12, 1, 0xB3, 0, 255, 0]);
    assert_eq!(refusal(refused), "05/24/00 @2");
}

#[test]
fn the_changer_has_the_captured_shape_too() {
    let changer = Identity {
        device_type: DeviceType::Changer,
        product: "LIBRARY",
        serial: "0000005E_LL01",
        bay: None,
        block_checks: &[],
        ..TAPE
    };
    let reply = |evpd, page| inquiry::reply(&changer, &[0x12, evpd, page, 0, 255, 0]).unwrap();
    assert_eq!(reply(0, 0)[..8], hex("08 80 05 02 45 00 11 02"));
    assert_eq!(
        (reply(0, 0).len(), reply(0, 0)[55] & 1),
        (74, 1),
        "with a bar-code reader"
    );
    assert_eq!(reply(1, 0), hex("08 00 0003 00 80 83"));
    let identifiers = reply(1, 0x83);
    assert_eq!(identifiers[4..8], hex("01 03 00 08"), "NAA first");
    assert_eq!(identifiers[16..20], hex("02 01 00 25"), "then T10");
}

fn densities(generation: Generation, flags: u8, mounted: Option<&MountedDensity>) -> Vec<u8> {
    density::reply(
        generation,
        mounted,
        &[0x44, flags, 0, 0, 0, 0, 0, 255, 255, 0],
    )
    .unwrap()
}

#[test]
fn the_mounted_density_equals_the_capture_of_an_lto_5() {
    let mounted = MountedDensity {
        density: 0x58,
        worm: false,
        capacity_mb: 1_541_438,
    };
    let mut expected = hex("0036 0000 58 58 A0 0000 003B26 007F 0500 0017853E");
    expected.extend(b"LTO-CVE U-516   Ultrium 5/16T       ");
    assert_eq!(densities(Generation::Lto5, 1, Some(&mounted)), expected);
}

#[test]
fn all_densities_ascend_with_their_rights() {
    let cases: [(Generation, &[(u8, u8)]); 4] = [
        (Generation::Lto5, &[(0x44, 0), (0x46, 0x80), (0x58, 0xA0)]),
        (
            Generation::Lto8,
            &[(0x5C, 0x80), (0x5D, 0x80), (0x5E, 0xA0)],
        ),
        (Generation::Lto9, &[(0x5E, 0x80), (0x60, 0xA0)]),
        (Generation::Lto10, &[(0x62, 0xA0), (0x63, 0x80)]),
    ];
    for (generation, expected) in cases {
        let data = densities(generation, 0, None);
        assert_eq!(
            usize::from(data[0]) << 8 | usize::from(data[1]),
            data.len() - 2
        );
        let found: Vec<_> = data[4..]
            .chunks(52)
            .map(|entry| (entry[0], entry[2]))
            .collect();
        assert_eq!(found, expected, "{generation:?}");
    }
}

#[test]
fn medium_types_name_each_cartridge_once() {
    let entries = |generation, flags, mounted: Option<&MountedDensity>| {
        let data = densities(generation, flags, mounted);
        let entries = data[4..].chunks(56).map(|entry| {
            assert_eq!(entry[2..4], [0, 0x34]);
            (entry[0], entry[5..5 + usize::from(entry[4])].to_vec())
        });
        entries.collect::<Vec<_>>()
    };
    let lto8 = entries(Generation::Lto8, 2, None);
    let expected = [
        (0x78, vec![0x5C, 0x5D]),
        (0x7C, vec![0x5C]),
        (0x88, vec![0x5E]),
        (0x8C, vec![0x5E]),
    ];
    assert_eq!(lto8, expected);
    let worm = MountedDensity {
        density: 0x60,
        worm: true,
        capacity_mb: 18_000_000,
    };
    assert_eq!(
        entries(Generation::Lto9, 3, Some(&worm)),
        [(0x9C, vec![0x60])]
    );
}

#[test]
fn densities_of_the_medium_need_a_medium() {
    for flags in [1, 3] {
        let cdb = [0x44, flags, 0, 0, 0, 0, 0, 255, 255, 0];
        assert_eq!(
            refusal(density::reply(Generation::Lto9, None, &cdb)),
            "02/3A/00"
        );
    }
}

fn opcodes(options: u8, opcode: u8, action: u8) -> Result<Vec<u8>, tape_sim::sense::Sense> {
    let timeouts = &Generation::Lto9.model().timeouts;
    let cdb = [0xA3, 0x0C, options, opcode, 0, action, 0, 0, 255, 255, 0, 0];
    opcodes::reply(DRIVE, timeouts, &cdb)
}

#[test]
fn the_list_of_opcodes_has_every_command_with_its_timeout() {
    for (options, entry_bytes) in [(0x00, 8), (0x80, 20)] {
        let data = opcodes(options, 0, 0).unwrap();
        let announced = u32::from_be_bytes(data[..4].try_into().unwrap());
        assert_eq!(announced as usize, data.len() - 4);
        assert_eq!(data.len() - 4, DRIVE.len() * entry_bytes);
        let write = data[4..]
            .chunks(entry_bytes)
            .find(|entry| entry[0] == 0x0A)
            .unwrap();
        assert_eq!(write[6..8], [0, 6]);
        if options != 0 {
            assert_eq!(write[5], 0x02);
            assert_eq!(write[8..], hex("000A 00 00 00000000 000005DC"), "1500 s");
        }
        let long_form = data[4..]
            .chunks(entry_bytes)
            .find(|e| e[0] == 0x34 && e[3] == 6)
            .unwrap();
        assert_eq!(long_form[5] & 0x01, 0x01, "service action valid");
    }
}

#[test]
fn one_opcode_is_reported_with_its_usage_map() {
    let cases = [
        ("READ(6)", opcodes(1, 0x08, 0), "00 03 0006 08 03 FFFFFF 00"),
        (
            "either way",
            opcodes(3, 0x08, 0),
            "00 03 0006 08 03 FFFFFF 00",
        ),
        (
            "with a service action",
            opcodes(2, 0x34, 6),
            "00 03 000A 34 06 00 00000000 0000 00",
        ),
        ("unknown opcode", opcodes(1, 0x8E, 0), "00 01 0000"),
        (
            "unknown opcode, service action",
            opcodes(2, 0x8E, 1),
            "00 01 0000",
        ),
        ("unknown service action", opcodes(2, 0x34, 2), "00 01 0000"),
        (
            "unknown service action, either",
            opcodes(3, 0x34, 2),
            "00 01 0000",
        ),
        (
            "action of an opcode without",
            opcodes(3, 0x08, 2),
            "00 01 0000",
        ),
        (
            "with timeouts",
            opcodes(0x81, 0x01, 0),
            "00 83 0006 01 01 000000 00  000A 00 00 00000000 00000258",
        ),
    ];
    for (name, reply, expected) in cases {
        assert_eq!(reply.unwrap(), hex(expected), "{name}");
    }
    assert_eq!(
        refusal(opcodes(1, 0x34, 0)),
        "05/24/00 @2.2",
        "it has service actions"
    );
    assert_eq!(refusal(opcodes(2, 0x08, 0)), "05/24/00 @2.2", "it has none");
    assert_eq!(refusal(opcodes(4, 0x08, 0)), "05/24/00 @2.2", "reserved");
}

#[test]
fn cdbs_are_as_long_as_their_group_says() {
    for command in DRIVE.iter().chain(CHANGER) {
        let expected = match command.opcode() >> 5 {
            0 => 6,
            1 | 2 => 10,
            4 => 16,
            5 => 12,
            // E7h, older changers: the vendor's choice.
            _ => 10,
        };
        assert_eq!(command.usage.len(), expected, "{}", command.name);
    }
}
