//! Doors, magazines and labels: what an operator does and what a host sees of it.

use crate::support::{DRIVE, MAIL, Robot, SLOT, TUR, be16, cdb, element_status, exchange, small};
use tape_sim::error::SimError;
use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::LibrarySpec;

const PREVENT: [u8; 6] = [0x1E, 0, 0, 0, 1, 0];
const ALLOW: [u8; 6] = [0x1E, 0, 0, 0, 0, 0];

/// Descriptor byte 2, ASC and ASCQ, byte 9, and the tag of one element.
fn look(robot: &mut Robot, address: u16) -> (u8, [u8; 2], u8, Vec<u8>) {
    let reply = robot.reply(&element_status(0x10, address, 1, 0, 255));
    let descriptor = &reply[16..];
    assert_eq!(be16(descriptor), address);
    let code = [descriptor[4], descriptor[5]];
    (
        descriptor[2],
        code,
        descriptor[9],
        descriptor[12..44].to_vec(),
    )
}

fn open_close(element: u16, action: u8) -> Vec<u8> {
    let mut cdb = cdb(0x1B, 6, &[(2, element)]);
    cdb[4] = action;
    cdb
}

/// The TapeAlert flags that are set; reading clears them.
fn alerts(robot: &mut Robot) -> Vec<u16> {
    let page = robot.reply(&[0x4D, 0, 0x2E, 0, 0, 0, 0, 2, 0, 0]);
    assert_eq!(page[..4], [0x2E, 0, 1, 0x40]);
    let (flags, []) = page[4..].as_chunks::<5>() else {
        panic!("{page:02X?}");
    };
    let set = flags.iter().filter(|flag| flag[4] == 1);
    set.map(|flag| be16(&flag[..2])).collect()
}

#[test]
fn the_robot_does_not_reach_mail_slots_behind_an_open_door() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    inventory::set_door(&dir, Door::MailSlots, true).unwrap();
    assert_eq!(look(&mut robot, MAIL).0, 0x30, "enabled, not accessible");
    let cases = [
        (SLOT, MAIL, "02/3A/02"),
        (MAIL, SLOT + 3, "02/3A/02"),
        (SLOT, DRIVE, "good"),
    ];
    for (from, to, expected) in cases {
        assert_eq!(robot.moves(from, to), expected, "{from} to {to}");
    }
    assert_eq!(robot.none(&TUR), "good", "the robot itself is ready");
    robot.library.insert(0, "NEW001L9", Some(1 << 20)).unwrap();
    inventory::set_door(&dir, Door::MailSlots, false).unwrap();
    assert_eq!(robot.none(&TUR), "06/28/01");
    assert_eq!(
        robot.none(&TUR),
        "good",
        "one use of the door, one attention"
    );
    assert_eq!(look(&mut robot, MAIL).0, 0x3B);
    assert_eq!(alerts(&mut robot), [0x11]);
    assert!(alerts(&mut robot).is_empty());
}

#[test]
fn an_open_front_door_stops_the_robot_and_nothing_else() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    inventory::set_door(&dir, Door::Front, true).unwrap();
    let position = cdb(0x2B, 10, &[(4, SLOT)]);
    for cdb in [
        &TUR[..],
        &[0x07, 0, 0, 0, 0, 0],
        &position,
        &exchange(SLOT, SLOT + 1, SLOT),
        &crate::support::move_medium(0, SLOT, DRIVE),
    ] {
        assert_eq!(robot.none(cdb), "02/04/03", "{cdb:02X?}");
    }
    assert_eq!(robot.at(SLOT).0.as_deref(), Some("SIM001L9"));
    inventory::set_door(&dir, Door::Front, false).unwrap();
    assert_eq!(robot.none(&TUR), "06/28/00");
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    assert_eq!(alerts(&mut robot), [0x10]);
}

#[test]
fn a_host_opens_and_closes_the_mail_slots_too() {
    let mut robot = Robot::new();
    let cases = [
        (open_close(MAIL, 0), "good"),
        (open_close(MAIL + 1, 0), "good"),
        (crate::support::move_medium(0, SLOT, MAIL), "02/3A/02"),
        (open_close(MAIL, 1), "good"),
        (TUR.to_vec(), "06/28/01"),
        (open_close(SLOT, 0), "05/21/01 @2"),
        (open_close(MAIL, 2), "05/24/00 @4.4"),
        (PREVENT.to_vec(), "good"),
        (open_close(MAIL, 0), "05/53/02"),
        (ALLOW.to_vec(), "good"),
        (open_close(MAIL, 0), "good"),
    ];
    for (cdb, expected) in cases {
        assert_eq!(robot.none(&cdb), expected, "{cdb:02X?}");
    }
}

#[test]
fn each_handle_prevents_removal_for_itself_and_as_long_as_it_lives() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    let mut other = robot.library.changer().unwrap();
    let mut prevent = |cdb: &[u8; 6]| {
        use tape_sim::target::{Data, Target};
        assert_eq!(other.execute(cdb, Data::None).status, 0);
    };
    let locked = || {
        matches!(
            inventory::set_door(&dir, Door::MailSlots, true),
            Err(SimError::Door { .. })
        )
    };
    assert_eq!(robot.none(&PREVENT), "good");
    prevent(&PREVENT);
    assert_eq!(robot.none(&ALLOW), "good");
    assert!(locked(), "the other host still wants it");
    assert!(inventory::remove_magazine(&dir, 0).is_err());
    drop(other);
    assert!(!locked(), "a handle takes its locks with it");
}

#[test]
fn a_door_that_cannot_be_turned_stays_as_it_is() {
    let robot = Robot::new();
    let dir = robot.library.dir();
    assert!(inventory::set_door(dir, Door::Front, false).is_err());
    inventory::set_door(dir, Door::Front, true).unwrap();
    assert!(inventory::set_door(dir, Door::Front, true).is_err());
    let closed = Robot::with(&LibrarySpec {
        mail_slots: 0,
        ..small()
    });
    assert!(inventory::set_door(closed.library.dir(), Door::MailSlots, true).is_err());
}

#[test]
fn a_magazine_takes_its_cartridges_along_and_brings_them_back() {
    let mut robot = Robot::with(&LibrarySpec {
        slots: 14,
        cartridges: Some(13),
        ..small()
    });
    let dir = robot.library.dir().to_owned();
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    inventory::remove_magazine(&dir, 0).unwrap();
    assert!(inventory::remove_magazine(&dir, 0).is_err());
    assert!(inventory::remove_magazine(&dir, 2).is_err());
    assert_eq!(robot.none(&TUR), "06/28/00");

    let gone = (0x04, [0x83, 0x02], 0x08, vec![0; 32]);
    assert_eq!(look(&mut robot, SLOT + 1), gone);
    assert_eq!(look(&mut robot, SLOT + 12).0, 0x09, "the other magazine");
    let cases = [
        (SLOT + 1, DRIVE + 1, "05/3B/11"),
        (DRIVE, SLOT, "05/3B/11"),
        (SLOT + 12, DRIVE + 1, "good"),
        (DRIVE, MAIL, "good"),
    ];
    for (from, to, expected) in cases {
        assert_eq!(robot.moves(from, to), expected, "{from} to {to}");
    }
    let refused = robot.library.insert(1, "SIM002L9", None);
    assert!(refused.is_err(), "it is in the magazine");
    assert!(inventory::put(&dir, SLOT, "NEW001L9").is_err());
    assert_eq!(alerts(&mut robot), [0x12]);

    inventory::insert_magazine(&dir, 0).unwrap();
    assert!(inventory::insert_magazine(&dir, 0).is_err());
    assert_eq!(robot.none(&TUR), "06/28/00");
    assert_eq!(robot.at(SLOT + 1).0.as_deref(), Some("SIM002L9"));
    assert_eq!(robot.at(SLOT), (None, None));
}

#[test]
fn labels_are_what_the_reader_sees_not_what_the_cartridge_is() {
    let shows = |text: &str| Label::Shows(text.to_owned());
    let tag = |text: &str| format!("{text:32}").into_bytes();
    let cases = [
        (Label::Readable, (0x09, [0, 0], 0x01, tag("SIM001L9"))),
        (Label::Missing, (0x09, [0, 0], 0x00, tag(""))),
        (Label::Unreadable, (0x0D, [0x83, 0x01], 0x00, tag(""))),
        (shows("SIM002L9"), (0x09, [0, 0], 0x01, tag("SIM002L9"))),
        (shows("CLN001CU"), (0x09, [0, 0], 0x02, tag("CLN001CU"))),
        (shows("ODD"), (0x09, [0, 0], 0x00, tag("ODD"))),
    ];
    for (label, expected) in cases {
        let mut robot = Robot::new();
        robot.library.set_label("SIM001L9", label.clone()).unwrap();
        assert_eq!(robot.none(&TUR), "06/28/00");
        assert_eq!(look(&mut robot, SLOT), expected, "{label:?}");
        assert_eq!(robot.moves(SLOT, DRIVE), "good", "{label:?}");
        let bay = inventory::read_bay(robot.library.dir(), 0).unwrap();
        assert_eq!(bay.barcode.as_deref(), Some("SIM001L9"), "{label:?}");
    }
}

#[test]
fn a_label_goes_with_its_cartridge_out_of_the_library_and_back() {
    let mut robot = Robot::new();
    assert_eq!(robot.moves(SLOT, MAIL), "good");
    assert_eq!(robot.library.remove(0).unwrap(), "SIM001L9");
    robot.library.set_label("SIM001L9", Label::Missing).unwrap();
    robot.library.insert(1, "SIM001L9", None).unwrap();
    assert_eq!(robot.none(&TUR), "06/28/01");
    assert_eq!(look(&mut robot, MAIL + 1).3, [b' '; 32]);
    for bad in ["", "no good", "../escape"] {
        let label = Label::Shows(bad.to_owned());
        assert!(
            robot.library.set_label("SIM002L9", label).is_err(),
            "{bad:?}"
        );
    }
}
