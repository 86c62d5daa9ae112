//! READ ELEMENT STATUS and the pages that describe the changer, against captures of real
//! libraries where there are some.

use crate::support::{DRIVE, MAIL, Robot, SLOT, be16, be24, element_status, outcome};
use tape_sim::inventory;
use tape_sim::library::LibrarySpec;
use tape_sim::target::{Data, Target};

/// The layout of the captured MSL3040: two drives, forty slots, no mail slot.
fn msl3040() -> LibrarySpec {
    LibrarySpec {
        drives: 2,
        slots: 40,
        mail_slots: 0,
        cartridges: Some(40),
        capacity_bytes: Some(1 << 20),
        seed: Some(0x5EED),
        ..LibrarySpec::default()
    }
}

#[test]
fn drive_descriptors_equal_the_capture() {
    let mut robot = Robot::with(&msl3040());
    assert_eq!(robot.moves(0x040A, DRIVE), "good");
    let report = robot.reply(&element_status(0x14, 0, 0xFFFF, 1, 0xFFFF));

    let mut expected = vec![0x00, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0xB4];
    expected.extend([0x04, 0x80, 0x00, 0x56, 0x00, 0x00, 0x00, 0xAC]);
    expected.extend([0x00, 0x01, 0x09, 0, 0, 0, 0, 0, 0, 0x81, 0x04, 0x0A]);
    expected.extend(b"SIM034L9                        \0\0\0\0");
    expected.extend([0x02, 0x01, 0x00, 0x22]);
    expected.extend(b"TAPESIM ULTRIUM-TD9     0000");
    expected.extend(&robot.library.drive_serial(0).as_bytes()[4..]);
    assert_eq!(report[..expected.len()], expected);
    assert_eq!(report.len(), 0xB4 + 8);
    let second = &report[expected.len()..];
    assert_eq!(
        second[..3],
        [0x00, 0x02, 0x08],
        "the other drive is empty and accessible"
    );
    assert_eq!(
        second[12..48],
        [0; 36],
        "an empty element has a tag of zeros"
    );
    assert!(second.ends_with(robot.library.drive_serial(1).as_bytes()));
}

#[test]
fn the_header_of_a_full_report_equals_the_capture() {
    let mut robot = Robot::with(&msl3040());
    let report = robot.reply(&element_status(0x10, 0, 0xFFFF, 0, 0xFFFF));
    let captured = [
        0x00, 0x00, 0x00, 0x2B, 0x00, 0x00, 0x08, 0xD4, 0x01, 0x80, 0x00, 0x34, 0x00, 0x00, 0x00,
        0x34,
    ];
    assert_eq!(report[..16], captured);
    assert_eq!(report.len(), 0x08D4 + 8);
}

#[test]
fn mode_pages_equal_the_captures() {
    let mut robot = Robot::with(&msl3040());
    let mut page = |code| robot.reply(&[0x1A, 0x08, code, 0, 255, 0])[4..].to_vec();
    // Captured with PS set (9D): that library saves its pages, this one does not.
    let addresses = [
        0x1D, 0x12, 0, 0, 0, 1, 0x03, 0xE9, 0, 0x28, 0, 0x65, 0, 0, 0, 1, 0, 2, 0, 0,
    ];
    assert_eq!(page(0x1D), addresses);
    let capabilities = [
        0x1F, 0x12, 0x0A, 0x07, 0x0A, 0x0A, 0, 0x0A, 0, 0, 0, 0, 0, 0x0A, 0, 0x0A, 0, 0, 0, 0,
    ];
    assert_eq!(page(0x1F), capabilities);
    assert_eq!(page(0x1C), [0x1C, 0x0A, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(page(0x1E), [0x1E, 0x02, 0, 0]);
    assert_eq!(page(0x3F).len(), 12 + 20 + 4 + 20);
}

#[test]
fn mode_replies_come_with_and_without_block_descriptor() {
    let mut robot = Robot::new();
    let length = |cdb: &[u8], robot: &mut Robot| {
        let reply = robot.reply(cdb);
        (reply[0], reply[3], reply.len())
    };
    assert_eq!(
        length(&[0x1A, 0x08, 0x1D, 0, 255, 0], &mut robot),
        (0x17, 0, 24)
    );
    assert_eq!(
        length(&[0x1A, 0x08, 0x1D, 0, 0x88, 0], &mut robot),
        (0x17, 0, 24)
    );
    assert_eq!(
        length(&[0x1A, 0x00, 0x1D, 0, 255, 0], &mut robot),
        (0x1F, 8, 32)
    );
    assert_eq!(
        length(&[0x1A, 0x08, 0x1D, 0, 6, 0], &mut robot),
        (0x17, 0, 6)
    );
    let long = robot.reply(&[0x5A, 0x08, 0x1D, 0, 0, 0, 0, 0, 255, 0]);
    assert_eq!((be16(&long), long[8], long.len()), (26, 0x1D, 28));
    let cases = [
        ([0x1A, 0x08, 0x0F, 0, 255, 0], "05/24/00 @2.5"),
        ([0x1A, 0x08, 0x1D, 1, 255, 0], "05/24/00 @3"),
        ([0x1A, 0x08, 0xDD, 0, 255, 0], "05/39/00"),
        ([0x1A, 0x08, 0x9D, 0, 255, 0], "good"),
    ];
    for (cdb, expected) in cases {
        assert_eq!(robot.receive(&cdb).0, expected, "{cdb:02X?}");
    }
    let changeable = robot.reply(&[0x1A, 0x08, 0x5D, 0, 255, 0]);
    assert_eq!(changeable[4..6], [0x1D, 0x12]);
    assert_eq!(changeable[6..], [0; 18], "nothing can be set");
}

/// Types and addresses in a report, whose lengths are checked on the way.
fn elements(report: &[u8]) -> Vec<(u8, u16)> {
    let mut found = Vec::new();
    assert_eq!(be24(&report[5..]), report.len() - 8);
    let mut rest = &report[8..];
    while !rest.is_empty() {
        let (length, bytes) = (usize::from(be16(&rest[2..])), be24(&rest[5..]));
        let (page, next) = rest[8..].split_at(bytes);
        for descriptor in page.chunks(length) {
            assert_eq!(descriptor.len(), length);
            found.push((rest[0], be16(descriptor)));
        }
        rest = next;
    }
    assert_eq!(usize::from(be16(&report[2..])), found.len());
    if let Some((_, first)) = found.first() {
        assert_eq!(be16(report), *first);
    }
    found
}

#[test]
fn type_start_and_count_select_elements() {
    let all: Vec<(u8, u16)> = [(1, 0), (4, 1), (4, 2), (3, 101), (3, 102)]
        .into_iter()
        .chain((SLOT..SLOT + 6).map(|address| (2, address)))
        .collect();
    let of = |kind| {
        all.iter()
            .copied()
            .filter(|element| element.0 == kind)
            .collect::<Vec<_>>()
    };
    let cases = [
        ("all", (0, 0, 0xFFFF), all.clone()),
        ("robot", (1, 0, 0xFFFF), of(1)),
        ("slots", (2, 0, 0xFFFF), of(2)),
        ("mail slots", (3, 0, 0xFFFF), of(3)),
        ("drives", (4, 0, 0xFFFF), of(4)),
        (
            "the count is a maximum over types",
            (0, 0, 4),
            all[..4].to_vec(),
        ),
        ("count 0", (0, 0, 0), Vec::new()),
        ("from a mail slot on", (0, MAIL + 1, 3), all[4..7].to_vec()),
        ("from a gap on", (0, 3, 1), all[3..4].to_vec()),
        ("the last slot", (2, SLOT + 5, 0xFFFF), all[10..].to_vec()),
        (
            "start counts addresses, not elements",
            (2, SLOT + 2, 2),
            all[7..9].to_vec(),
        ),
    ];
    let mut robot = Robot::new();
    for (name, (kind, start, count), expected) in cases {
        let report = robot.reply(&element_status(kind, start, count, 0, 0xFFFF));
        assert_eq!(elements(&report), expected, "{name}");
    }
    let refused = [
        (
            "unknown type",
            element_status(5, 0, 1, 0, 255),
            "05/24/00 @1.3",
        ),
        (
            "beyond the last drive",
            element_status(4, DRIVE + 2, 1, 0, 255),
            "05/21/01 @2",
        ),
        (
            "beyond everything",
            element_status(0, SLOT + 6, 1, 0, 255),
            "05/21/01 @2",
        ),
    ];
    for (name, cdb, expected) in refused {
        assert_eq!(robot.receive(&cdb).0, expected, "{name}");
    }
    let mut no_mail = Robot::with(&msl3040());
    let report = no_mail.reply(&element_status(3, 0, 0xFFFF, 0, 255));
    assert_eq!(report, [0; 8], "no mail slot is no error");
}

#[test]
fn descriptor_lengths_follow_the_tag_and_id_bits() {
    let mut robot = Robot::new();
    let mut lengths = |flags, options| {
        let report = robot.reply(&element_status(flags, 0, 0xFFFF, options, 0xFFFF));
        elements(&report);
        let (mut at, mut lengths) = (8, Vec::new());
        while at < report.len() {
            lengths.push((report[at], report[at + 1], be16(&report[at + 2..])));
            at += 8 + be24(&report[at + 5..]);
        }
        lengths
    };
    let all = |tag, length, drive| {
        [
            (1, tag, length),
            (4, tag, drive),
            (3, tag, length),
            (2, tag, length),
        ]
    };
    assert_eq!(lengths(0x00, 0), all(0x00, 0x10, 0x10));
    assert_eq!(lengths(0x10, 0), all(0x80, 0x34, 0x34));
    assert_eq!(lengths(0x00, 1), all(0x00, 0x10, 0x32));
    assert_eq!(lengths(0x10, 3), all(0x80, 0x34, 0x56));
}

#[test]
fn a_short_allocation_cuts_the_report_and_nothing_else() {
    let mut robot = Robot::new();
    let whole = robot.reply(&element_status(0x10, 0, 0xFFFF, 1, 0xFFFF));
    for alloc in [0, 1, 7, 8, 16, 60, 255, whole.len() as u16 + 1] {
        let cut = robot.reply(&element_status(0x10, 0, 0xFFFF, 1, alloc));
        assert_eq!(cut, whole[..whole.len().min(alloc.into())], "{alloc}");
    }
}

#[test]
fn one_element_is_where_the_kernel_looks_for_it() {
    let mut robot = Robot::new();
    robot.moves(SLOT, DRIVE);
    for (kind, address) in [(1, 0), (4, DRIVE), (3, MAIL), (2, SLOT + 1)] {
        let reply = robot.reply(&element_status(0x10 | kind, address, 1, 0, 512));
        assert_eq!(be16(&reply[16..]), address, "descriptor at 16");
        let tag = if reply[18] & 1 != 0 {
            &reply[28..36]
        } else {
            &[0; 8]
        };
        let expected = match address {
            DRIVE => b"SIM001L9",
            1002 => b"SIM002L9",
            _ => &[0; 8],
        };
        assert_eq!(tag, expected, "{address}");
    }
    let drive = robot.reply(&element_status(0x14, DRIVE, 1, 0, 512));
    assert_eq!(
        (drive[25], be16(&drive[26..])),
        (0x81, SLOT),
        "SVALID at 25, source at 26"
    );
}

#[test]
fn flags_and_medium_types_tell_what_is_where() {
    let mut robot = Robot::new();
    robot.library.insert(0, "WRM001LZ", Some(1 << 20)).unwrap();
    assert_eq!(robot.none(&[0; 6]), "06/28/01");
    assert_eq!(robot.moves(SLOT, MAIL + 1), "good");
    let mut flags = |address: u16| {
        let reply = robot.reply(&element_status(0x10, address, 1, 0, 255));
        (reply[18], reply[25] & 0x07)
    };
    assert_eq!(flags(0), (0x00, 0), "the robot has no ACCESS bit");
    assert_eq!(flags(SLOT), (0x08, 0), "an empty slot");
    assert_eq!(flags(SLOT + 1), (0x09, 1), "data");
    assert_eq!(flags(SLOT + 5), (0x09, 2), "cleaning");
    assert_eq!(flags(MAIL), (0x3B, 4), "WORM, put there by an operator");
    assert_eq!(flags(MAIL + 1), (0x39, 1), "put there by the robot");
}

#[test]
fn a_drive_that_holds_its_tape_is_not_accessible() {
    let mut robot = Robot::new();
    robot.moves(SLOT, DRIVE);
    let library = robot.library.clone();
    let mut flags = || robot.reply(&element_status(0x04, DRIVE, 1, 0, 255))[18];
    assert_eq!(flags(), 0x09, "nobody has threaded it yet");
    let mut drive = library.drive(0).unwrap();
    let ready = (0..100).any(|_| drive.execute(&[0; 6], Data::None).status == 0);
    assert!(ready);
    assert_eq!(flags(), 0x01);
    assert_eq!(
        outcome(&drive.execute(&[0x1B, 0, 0, 0, 0, 0], Data::None)),
        "good"
    );
    assert_eq!(flags(), 0x09);
}

#[test]
fn a_reserved_bit_is_refused_with_the_captured_sense() {
    let mut robot = Robot::new();
    let completion = robot
        .changer
        .execute(&element_status(0x10, 0, 1, 0x12, 255), Data::None);
    let captured = [
        0x70, 0, 0x05, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x24, 0, 0, 0xCC, 0, 0x06,
    ];
    assert_eq!(completion.sense, captured);
}

#[test]
fn inquiry_names_a_changer_with_serial_and_identifiers() {
    let mut robot = Robot::new();
    let standard = robot.reply(&[0x12, 0, 0, 0, 255, 0]);
    assert_eq!(
        standard[..8],
        [0x08, 0x80, 0x05, 0x02, 0x45, 0x00, 0x11, 0x02]
    );
    assert_eq!(
        (standard.len(), standard[55]),
        (74, 0x01),
        "it has a bar-code reader"
    );
    assert_eq!(&standard[8..16], b"TAPESIM ");
    let pages = robot.reply(&[0x12, 1, 0, 0, 255, 0]);
    assert_eq!(pages, [0x08, 0, 0, 3, 0x00, 0x80, 0x83]);
    let serial = robot.reply(&[0x12, 1, 0x80, 0, 255, 0]);
    let identifiers = robot.reply(&[0x12, 1, 0x83, 0, 255, 0]);
    assert_eq!(identifiers[4..8], [0x01, 0x03, 0x00, 0x08], "NAA first");
    assert_eq!(identifiers[8] >> 4, 5);
    assert_eq!(identifiers[16..20], [0x02, 0x01, 0x00, 24 + serial[3]]);
    assert!(identifiers.ends_with(&serial[4..]));
    assert_eq!(robot.receive(&[0x12, 1, 0xB0, 0, 255, 0]).0, "05/24/00 @2");
    assert_eq!(robot.receive(&[0x12, 0, 0x80, 0, 255, 0]).0, "05/24/00 @2");
}

#[test]
fn an_unreadable_inventory_is_a_hardware_error_not_a_panic() {
    let mut robot = Robot::new();
    let path = robot.library.dir().join("inventory.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let damaged = [
        String::new(),
        "{}".to_owned(),
        good.replace("\"1001\"", "\"7\""),
        good.replace("\"1001\"", "\"99999\""),
        good.replace("\"drives\": 2", "\"drives\": 3"),
        good.replace("\"slots\": 6", "\"slots\": 65535"),
        good.replace("SIM001L9", "../SIM01"),
        good.replace("\"format\": 2", "\"format\": 3"),
    ];
    for text in damaged {
        assert_ne!(text, good);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(robot.none(&[0; 6]), "04/44/00", "{text}");
        assert!(robot.changer.host_error().is_some());
        assert!(inventory::read(robot.library.dir()).is_err());
        assert!(robot.library.changer().is_err());
    }
    std::fs::write(&path, good).unwrap();
    assert_eq!(robot.none(&[0; 6]), "good");
}
