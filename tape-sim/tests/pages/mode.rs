//! Mode parameters of the drive.

use crate::{hex, refusal};
use proptest::prelude::*;
use tape_sim::pages::block_protection::{BlockProtection, Method};
use tape_sim::pages::mode_tape::{AlertTest, MountedMedium, TapeModes};

fn lto9() -> MountedMedium {
    MountedMedium {
        density: 0x60,
        medium_type: 0x98,
        at_bop: true,
        partition_mb: vec![18_000_000],
        max_partitions: 4,
        usable_bytes: 18_000_000_000_000,
        ..MountedMedium::default()
    }
}

fn sense10(modes: &TapeModes, medium: &MountedMedium, page: u8, subpage: u8) -> Vec<u8> {
    modes
        .sense(&[0x5A, 0, page, subpage, 0, 0, 0, 1, 0, 0], medium)
        .unwrap()
}

/// One page as MODE SELECT(10) wants it: header of zeros but for buffered mode 1.
fn list10(page: &[u8]) -> Vec<u8> {
    let mut list = vec![0, 0, 0, 0x10, 0, 0, 0, 0];
    list.extend_from_slice(page);
    list
}

const SELECT_10: [u8; 10] = [0x55, 0x10, 0, 0, 0, 0, 0, 0, 0xFF, 0];
const SELECT_6: [u8; 6] = [0x15, 0x10, 0, 0, 0xFF, 0];

#[test]
fn pages_equal_the_captures_of_an_lto_9() {
    // PS is clear here: nothing can be saved. The captured drive sets it on page 10h.
    let header = "001E 98 10 00 00 0008  60 000000 00 000000";
    let cases = [
        (0x0F, header, "0F0E C0 80 000000FF 000000FF 00000000"),
        (0x10, header, "100E 00 00 00 00 012C 40 00 10 000000 01 90"),
        (
            0x0A,
            "001A 98 10 00 00 0008  60 000000 00 000000",
            "0A0A 00 01 00000000 FFFF 0000",
        ),
        (
            0x1C,
            "001A 98 10 00 00 0008  60 000000 00 000000",
            "1C0A 08 04 0000000000000000",
        ),
    ];
    for (page, header, body) in cases {
        let expected = [hex(header), hex(body)].concat();
        assert_eq!(
            sense10(&TapeModes::default(), &lto9(), page, 0),
            expected,
            "{page:02X}"
        );
    }
    let empty = sense10(&TapeModes::default(), &MountedMedium::default(), 0x10, 0);
    assert_eq!(
        empty[..16],
        hex("001E 00 10 00 00 0008  00 000000 00 000000")
    );
}

#[test]
fn both_forms_carry_the_same_pages() {
    let (modes, medium) = (TapeModes::default(), lto9());
    for (page, subpage) in [
        (0x00, 0),
        (0x01, 0),
        (0x10, 1),
        (0x10, 0xFF),
        (0x3F, 0),
        (0x3F, 0xFF),
    ] {
        let long = sense10(&modes, &medium, page, subpage);
        let short = modes
            .sense(&[0x1A, 0, page, subpage, 255, 0], &medium)
            .unwrap();
        assert_eq!(usize::from(short[0]), short.len() - 1);
        assert_eq!(
            usize::from(long[0]) << 8 | usize::from(long[1]),
            long.len() - 2
        );
        assert_eq!((short[3], long[7]), (8, 8));
        assert_eq!(short[1..3], long[2..4]);
        assert_eq!(short[4..], long[8..], "{page:02X}/{subpage:02X}");
        let bare = modes
            .sense(&[0x1A, 8, page, subpage, 255, 0], &medium)
            .unwrap();
        assert_eq!((bare[3], &bare[4..]), (0, &short[12..]));
    }
}

#[test]
fn all_pages_ascend_and_say_their_length() {
    let reply = sense10(&TapeModes::default(), &lto9(), 0x3F, 0xFF);
    let (mut rest, mut codes) = (&reply[16..], Vec::new());
    while !rest.is_empty() {
        let (subpage, len) = match rest[0] & 0x40 {
            0 => (0, 2 + usize::from(rest[1])),
            _ => (
                rest[1],
                4 + usize::from(rest[2]) * 256 + usize::from(rest[3]),
            ),
        };
        codes.push((rest[0] & 0x3F, subpage, len));
        rest = &rest[len..];
    }
    let expected = [
        (0x01, 0, 12),
        (0x02, 0, 16),
        (0x0A, 0, 12),
        (0x0A, 0xF0, 32),
        (0x0F, 0, 16),
        (0x10, 0, 16),
        (0x10, 1, 32),
        (0x11, 0, 16),
        (0x18, 0, 8),
        (0x19, 0, 16),
        (0x1C, 0, 12),
        (0x1D, 0, 32),
    ];
    assert_eq!(codes, expected);
}

#[test]
fn the_medium_shows_in_header_and_pages() {
    let modes = TapeModes {
        pews_mb: 0x1234,
        block_length_bytes: 0x08_0000,
        ..TapeModes::default()
    };
    let medium = MountedMedium {
        worm: true,
        write_protected: true,
        ..lto9()
    };
    let reply = sense10(&modes, &medium, 0x1D, 0);
    assert_eq!(
        (reply[3], &reply[13..16]),
        (0x90, &[0x08, 0, 0][..]),
        "WP, block length"
    );
    assert_eq!(reply[16..22], [0x1D, 0x1E, 0x01, 0, 0x01, 0x02]);
    assert_eq!(sense10(&modes, &lto9(), 0x1D, 0)[18..], [0; 30]);
    let extension = sense10(&modes, &medium, 0x10, 1);
    assert_eq!(extension[16..24], [0x50, 0x01, 0, 0x1C, 0, 0, 0x12, 0x34]);
    let partitions = MountedMedium {
        partition_mb: vec![100_000, 17_900_000],
        partition: 1,
        ..lto9()
    };
    assert_eq!(
        sense10(&modes, &partitions, 0x11, 0)[16..],
        hex("110E 03 01 3C 03 09 00 0064 45EC 0000 0000")
    );
    assert_eq!(
        sense10(&modes, &partitions, 0x10, 0)[19],
        1,
        "active partition"
    );
}

#[test]
fn page_control_yields_changeable_and_default_values() {
    let modes = TapeModes {
        compression: false,
        pews_mb: 500,
        ..TapeModes::default()
    };
    let page = |control: u8, page: u8, subpage: u8| {
        modes
            .sense(&[0x1A, 8, control << 6 | page, subpage, 255, 0], &lto9())
            .map(|r| r[4..].to_vec())
    };
    assert_eq!(page(0, 0x0F, 0).unwrap()[2], 0x40);
    assert_eq!(
        page(1, 0x0F, 0).unwrap(),
        hex("0F0E 80 00 00000000 00000000 00000000")
    );
    assert_eq!(page(2, 0x0F, 0).unwrap()[2], 0xC0);
    assert_eq!(page(1, 0x10, 1).unwrap()[..8], hex("5001 001C 00 F0 FFFF"));
    assert_eq!(page(2, 0x10, 1).unwrap()[6..8], [0, 0]);
    assert_eq!(refusal(page(3, 0x0F, 0)), "05/39/00");
    assert_eq!(refusal(page(0, 0x0B, 0)), "05/24/00 @2.5");
    assert_eq!(refusal(page(0, 0x0F, 1)), "05/24/00 @3");
    assert_eq!(refusal(page(0, 0x3F, 1)), "05/24/00 @3");
}

#[test]
fn select_changes_what_the_page_says() {
    type Check = fn(&TapeModes) -> bool;
    let cases: [(&str, &str, Check); 9] = [
        (
            "compression off by page 0F",
            "0F0E 40 80 000000FF 000000FF 00000000",
            |m| !m.compression,
        ),
        (
            "compression off by SDCA",
            "100E 0000 0000 012C 40 00 10 000000 00 90",
            |m| !m.compression,
        ),
        (
            "write delay",
            "100E 0000 0000 0001 40 00 10 000000 01 90",
            |m| m.write_delay_100ms == 1,
        ),
        (
            "software write protect",
            "100E 0000 0000 012C 40 00 14 000000 01 90",
            |m| m.software_write_protect,
        ),
        (
            "early warning on reads",
            "100E 0000 0000 012C 41 00 10 000000 01 90",
            |m| m.report_early_warning_on_read,
        ),
        ("D_SENSE", "0A0A 04 01 00000000 FFFF 0000", |m| {
            m.descriptor_sense
        }),
        ("retries", "010A 20 05 00000000 07 000000", |m| {
            (m.recovery_flags, m.read_retries, m.write_retries) == (0x20, 5, 7)
        }),
        ("PS is ignored", "9C0A 08 04 0000000000000000", |m| {
            *m == TapeModes::default()
        }),
        ("nothing changed", "1C0A 08 04 0000000000000000", |m| {
            *m == TapeModes::default()
        }),
    ];
    for (name, page, check) in cases {
        let mut modes = TapeModes::default();
        modes
            .select(&SELECT_10, &list10(&hex(page)), &lto9())
            .unwrap();
        assert!(check(&modes), "{name}: {modes:?}");
    }
    let mut modes = TapeModes::default();
    let mut extension = hex("5001 001C 00 10 0200");
    extension.resize(32, 0);
    modes
        .select(&SELECT_10, &list10(&extension), &lto9())
        .unwrap();
    assert_eq!((modes.append_only, modes.pews_mb), (true, 0x0200));
}

#[test]
fn select_takes_header_and_block_descriptor_as_tape_drivers_send_them() {
    let mut modes = TapeModes::default();
    // What the kernel's st driver sends for a block size of 64 KiB.
    modes
        .select(&SELECT_6, &hex("00 00 10 08  60 000000 00 010000"), &lto9())
        .unwrap();
    assert_eq!((modes.block_length_bytes, modes.buffered), (0x1_0000, true));
    modes
        .select(&SELECT_6, &hex("00 00 00 08  7F 000000 00 000000"), &lto9())
        .unwrap();
    assert_eq!((modes.block_length_bytes, modes.buffered), (0, false));
    modes
        .select(&[0x15, 0, 0, 0, 4, 0], &hex("00 00 90 00"), &lto9())
        .unwrap();
    assert!(modes.buffered, "WP is not for hosts to set, and ignored");
    modes.select(&SELECT_6, &[], &lto9()).unwrap();
}

#[test]
fn a_bad_list_is_refused_at_the_byte_to_blame_and_changes_nothing() {
    let cases = [
        ("cut header", "00 00 10", "05/1A/00"),
        ("cut descriptor", "00 00 10 08  60 000000", "05/1A/00"),
        (
            "descriptor length",
            "00 00 10 07  60 000000 00 0000",
            "05/26/00 #3",
        ),
        ("buffered mode 2", "00 00 20 00", "05/26/00 #2.6"),
        ("speed", "00 00 11 00", "05/26/00 #2.3"),
        (
            "another density",
            "00 00 10 08  5E 000000 00 000000",
            "05/26/00 #4",
        ),
        (
            "too long a block",
            "00 00 10 08  60 000000 00 800001",
            "05/26/00 #9",
        ),
        ("cut page header", "00 00 10 00  0F", "05/1A/00"),
        ("cut subpage header", "00 00 10 00  50 01 00", "05/1A/00"),
        ("cut page", "00 00 10 00  0F0E C0", "05/1A/00"),
        ("unknown page", "00 00 10 00  0B02 0000", "05/26/00 #4.5"),
        (
            "unknown subpage",
            "00 00 10 00  4F01 0002 0000",
            "05/26/00 #4.5",
        ),
        ("page length", "00 00 10 00  0F02 0000", "05/26/00 #5"),
        (
            "DCC",
            "00 00 10 00  0F0E 80 80 000000FF 000000FF 00000000",
            "05/26/00 #6.6",
        ),
        (
            "algorithm",
            "00 00 10 00  0F0E C0 80 00000001 000000FF 00000000",
            "05/26/00 #11.7",
        ),
        (
            "SDCA 2",
            "00 00 10 00  100E 0000 0000 012C 40 00 10 000000 02 90",
            "05/26/00 #18",
        ),
        (
            "second page",
            "00 00 10 00  0A0A 04 01 00000000 FFFF 0000  1C0A 00 04 0000000000000000",
            "05/26/00 #18.3",
        ),
    ];
    for (name, list, expected) in cases {
        let mut modes = TapeModes::default();
        assert_eq!(
            refusal(modes.select(&SELECT_6, &hex(list), &lto9())),
            expected,
            "{name}"
        );
        assert_eq!(modes, TapeModes::default(), "{name}");
    }
    let page = hex("00 00 10 00  0A0A 04 01 00000000 FFFF 0000");
    let without_pf = TapeModes::default().select(&[0x15, 0, 0, 0, 16, 0], &page, &lto9());
    assert_eq!(refusal(without_pf), "05/24/00 @1.4");
}

#[test]
fn append_only_is_given_up_at_bop_or_without_medium_only() {
    let mut overwrite = hex("5001 001C 00 00 0000");
    overwrite.resize(32, 0);
    let mut write_mode_2 = overwrite.clone();
    write_mode_2[5] = 0x20;
    let within = MountedMedium {
        at_bop: false,
        ..lto9()
    };
    let append_only = TapeModes {
        append_only: true,
        ..TapeModes::default()
    };
    let cases = [
        (&overwrite, within.clone(), Some("05/26/00 #13")),
        (&overwrite, lto9(), None),
        (&overwrite, MountedMedium::default(), None),
        (&write_mode_2, lto9(), Some("05/26/00 #13")),
    ];
    for (page, medium, expected) in cases {
        let mut modes = append_only.clone();
        let result = modes.select(&SELECT_10, &list10(page), &medium);
        match expected {
            Some(expected) => assert_eq!(refusal(result), expected),
            None => assert!(!modes.append_only && result.is_ok()),
        }
    }
}

#[test]
fn alerts_can_be_tested_by_mode_select() {
    let cases = [
        ("08 04 00000000 00000000", Ok(None)),
        ("0C 04 00000000 00000014", Ok(Some(AlertTest::Set(0x14)))),
        ("0C 04 00000000 FFFFFFEC", Ok(Some(AlertTest::Clear(0x14)))),
        ("0C 04 00000000 00007FFF", Ok(Some(AlertTest::SetAll))),
        ("0C 04 00000000 00000000", Err("05/26/00 #12")),
        ("0C 04 00000000 0000003E", Err("05/26/00 #12")),
        ("08 04 00000000 00000001", Err("05/26/00 #12")),
    ];
    for (body, expected) in cases {
        let mut modes = TapeModes::default();
        let list = [hex("00 00 10 00 1C 0A"), hex(body)].concat();
        let result = modes.select(&SELECT_6, &list, &lto9());
        match expected {
            Ok(test) => assert_eq!(result, Ok(test), "{body}"),
            Err(refused) => assert_eq!(refusal(result), refused, "{body}"),
        }
        assert_eq!(modes, TapeModes::default(), "a test changes no mode");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_sense_returns_select_accepts(
        block_length in 0..=0x80_0000u32,
        flags in any::<[bool; 6]>(),
        delay in any::<u16>(),
        pews in any::<u16>(),
        retries in any::<[u8; 2]>(),
        short in any::<bool>(),
        protection in any::<bool>(),
    ) {
        let modes = TapeModes {
            block_length_bytes: block_length,
            buffered: flags[0],
            descriptor_sense: flags[1],
            compression: flags[2],
            software_write_protect: flags[3],
            report_early_warning_on_read: flags[4],
            append_only: flags[5],
            write_delay_100ms: delay,
            pews_mb: pews,
            read_retries: retries[0],
            write_retries: retries[1],
            recovery_flags: 0,
            protection: BlockProtection {
                method: protection.then_some(Method::ReedSolomon),
                on_write: protection,
                on_read: false,
            },
            ..TapeModes::default()
        };
        let (sense, select) = if short {
            (vec![0x1A, 0, 0x3F, 0xFF, 255, 0], SELECT_6.to_vec())
        } else {
            (vec![0x5A, 0, 0x3F, 0xFF, 0, 0, 0, 4, 0, 0], SELECT_10.to_vec())
        };
        let reply = modes.sense(&sense, &lto9()).unwrap();
        let mut copy = TapeModes::default();
        copy.select(&select, &reply, &lto9()).unwrap();
        prop_assert_eq!(&copy, &modes);
        let json = serde_json::to_string(&modes).unwrap();
        prop_assert_eq!(serde_json::from_str::<TapeModes>(&json).unwrap(), modes);
    }

    #[test]
    fn no_list_and_no_cdb_panics(
        cdb in prop::collection::vec(any::<u8>(), 0..16),
        list in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut modes = TapeModes::default();
        let _ = modes.select(&cdb, &list, &lto9());
        let _ = modes.select(&SELECT_10, &list, &lto9());
        let _ = modes.sense(&cdb, &lto9());
    }
}
