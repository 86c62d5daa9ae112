//! Where the robot can and cannot go.

use crate::support::{DRIVE, MAIL, Robot, SLOT, TUR, UNLOAD, cdb, exchange, move_medium, outcome};
use tape_sim::inventory;
use tape_sim::target::{Data, Target};

/// Slots of the small library: 1001 to 1003 hold tapes, 1004 and 1005 are free.
const FREE_SLOT: u16 = SLOT + 3;
const CLEANING_SLOT: u16 = SLOT + 5;

#[test]
fn a_move_is_refused_for_the_first_thing_that_is_wrong() {
    let mut inverted = move_medium(0, SLOT, DRIVE);
    inverted[10] = 1;
    let cases = [
        ("a wrong robot", move_medium(1, SLOT, DRIVE), "05/21/01 @2"),
        (
            "no such source",
            move_medium(0, SLOT + 6, DRIVE),
            "05/21/01 @4",
        ),
        (
            "no such destination",
            move_medium(0, SLOT, DRIVE + 2),
            "05/21/01 @6",
        ),
        (
            "an address between types",
            move_medium(0, SLOT, SLOT - 1),
            "05/21/01 @6",
        ),
        (
            "nothing at the source",
            move_medium(0, FREE_SLOT, DRIVE),
            "05/3B/0E",
        ),
        (
            "nothing in the robot's hand",
            move_medium(0, 0, DRIVE),
            "05/3B/0E",
        ),
        (
            "nothing at the source, destination full",
            move_medium(0, DRIVE, SLOT),
            "05/3B/0E",
        ),
        (
            "a full destination",
            move_medium(0, SLOT, SLOT + 1),
            "05/3B/0D",
        ),
        (
            "the robot's hand as destination",
            move_medium(0, SLOT, 0),
            "05/24/00 @6",
        ),
        ("turning over", inverted, "05/24/00 @10.0"),
        ("to itself", move_medium(0, SLOT, SLOT), "good"),
        ("to a drive", move_medium(0, SLOT, DRIVE), "good"),
        ("to a mail slot", move_medium(0, SLOT, MAIL + 1), "good"),
        (
            "a cleaning cartridge to a drive",
            move_medium(0, CLEANING_SLOT, DRIVE),
            "good",
        ),
    ];
    for (name, cdb, expected) in cases {
        let mut robot = Robot::new();
        assert_eq!(robot.none(&cdb), expected, "{name}");
        if expected != "good" {
            assert_eq!(
                robot.at(SLOT),
                (Some("SIM001L9".to_owned()), None),
                "{name}"
            );
        }
    }
}

#[test]
fn an_exchange_makes_room_before_it_places() {
    let cases = [
        ("swap", exchange(SLOT, SLOT + 1, SLOT), "good"),
        (
            "onward to a free slot",
            exchange(SLOT, SLOT + 1, FREE_SLOT),
            "good",
        ),
        (
            "nothing at the source",
            exchange(FREE_SLOT, SLOT, SLOT + 4),
            "05/3B/0E",
        ),
        (
            "nothing at the first destination",
            exchange(SLOT, FREE_SLOT, SLOT),
            "05/3B/0E",
        ),
        (
            "a full second destination",
            exchange(SLOT, SLOT + 1, SLOT + 2),
            "05/3B/0D",
        ),
        (
            "the first destination twice",
            exchange(SLOT, SLOT + 1, SLOT + 1),
            "05/3B/0D",
        ),
        (
            "with itself",
            exchange(SLOT, SLOT, FREE_SLOT),
            "05/24/00 @6",
        ),
        ("no such source", exchange(9, SLOT, SLOT), "05/21/01 @4"),
        (
            "no such first destination",
            exchange(SLOT, 9, SLOT),
            "05/21/01 @6",
        ),
        (
            "no such second destination",
            exchange(SLOT, SLOT + 1, 9),
            "05/21/01 @8",
        ),
        (
            "the robot's hand",
            exchange(SLOT, SLOT + 1, 0),
            "05/24/00 @8",
        ),
    ];
    for (name, cdb, expected) in cases {
        let mut robot = Robot::new();
        assert_eq!(robot.none(&cdb), expected, "{name}");
        let tapes = [SLOT, SLOT + 1, FREE_SLOT].map(|address| robot.at(address).0);
        let tape = |number| Some(format!("SIM00{number}L9"));
        let after = match name {
            "swap" => [tape(2), tape(1), None],
            "onward to a free slot" => [None, tape(1), tape(2)],
            _ => [tape(1), tape(2), None],
        };
        assert_eq!(tapes, after, "{name}");
    }
}

#[test]
fn a_cartridge_remembers_the_slot_it_came_from() {
    let mut robot = Robot::new();
    let tape = || Some("SIM002L9".to_owned());
    assert_eq!(robot.moves(SLOT + 1, DRIVE), "good");
    assert_eq!(robot.at(DRIVE), (tape(), Some(SLOT + 1)));
    assert_eq!(robot.moves(DRIVE, FREE_SLOT), "good");
    assert_eq!(
        robot.at(FREE_SLOT),
        (tape(), Some(SLOT + 1)),
        "from a drive: still the slot"
    );
    assert_eq!(robot.moves(FREE_SLOT, MAIL), "good");
    assert_eq!(robot.at(MAIL), (tape(), Some(FREE_SLOT)));
    assert_eq!(robot.moves(MAIL, SLOT + 1), "good");
    assert_eq!(
        robot.at(SLOT + 1),
        (tape(), None),
        "a mail slot is no storage element"
    );
}

#[test]
fn a_drive_keeps_its_tape_until_it_is_unloaded_and_allowed() {
    let mut robot = Robot::new();
    let mut drive = robot.library.drive(0).unwrap();
    let mut run = |cdb: &[u8]| outcome(&drive.execute(cdb, Data::None));
    let prevent = |value| [0x1E, 0, 0, 0, value, 0];
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    assert!(
        (0..100).any(|_| run(&TUR) == "good"),
        "the drive does not become ready"
    );

    assert_eq!(robot.moves(DRIVE, SLOT), "05/53/01");
    let swap = exchange(SLOT + 1, DRIVE, SLOT + 1);
    assert_eq!(robot.none(&swap), "05/53/01");
    assert_eq!(run(&prevent(1)), "good");
    assert_eq!(robot.moves(DRIVE, SLOT), "05/53/03");
    assert_eq!(run(&prevent(0)), "good");
    assert_eq!(run(&UNLOAD), "good");
    assert_eq!(robot.none(&swap), "good", "{swap:02X?}");
    assert_eq!(robot.at(DRIVE).0.as_deref(), Some("SIM002L9"));

    let told = (0..100)
        .map(|_| run(&TUR))
        .find(|told| told.starts_with("06"));
    assert_eq!(told.as_deref(), Some("06/28/00"), "a new tape is announced");
    assert_eq!(run(&UNLOAD), "good");
    assert_eq!(robot.moves(DRIVE, FREE_SLOT), "good");
    assert_eq!(run(&TUR), "02/3A/00");
}

#[test]
fn drives_learn_of_arrivals_and_departures_from_their_bay_alone() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    let bay = |drive| {
        let bay = inventory::read_bay(&dir, drive).unwrap();
        (bay.moves, bay.barcode)
    };
    assert_eq!((bay(0), bay(1)), ((0, None), (0, None)));
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    assert_eq!(bay(0), (1, Some("SIM001L9".to_owned())));
    assert_eq!(robot.none(&exchange(SLOT + 1, DRIVE, SLOT)), "good");
    assert_eq!(bay(0), (3, Some("SIM002L9".to_owned())));
    assert_eq!(robot.moves(DRIVE, DRIVE + 1), "good");
    assert_eq!((bay(0), bay(1).0), ((4, None), 1));
    assert_eq!(robot.moves(DRIVE + 1, DRIVE + 1), "good");
    assert_eq!(bay(1).0, 1, "no motion, no news");
}

#[test]
fn positioning_and_scans_check_addresses_and_move_nothing() {
    let position = |transport, to| cdb(0x2B, 10, &[(2, transport), (4, to)]);
    let range = |opcode, flags, start| {
        let mut cdb = cdb(opcode, 10, &[(2, start), (6, 5)]);
        cdb[1] = flags;
        cdb
    };
    let cases = [
        (position(0, SLOT), "good"),
        (position(0, 9), "05/21/01 @4"),
        (position(9, SLOT), "05/21/01 @2"),
        (cdb(0x07, 6, &[]), "good"),
        (range(0x37, 1, SLOT), "good"),
        (range(0xE7, 3, SLOT), "good"),
        (range(0x37, 1, 9), "05/21/01 @2"),
        (range(0xE7, 1, 9), "05/21/01 @2"),
        (range(0xE7, 0, 9), "good"),
        (range(0xE7, 4, SLOT), "05/24/00 @1.2"),
    ];
    let mut robot = Robot::new();
    for (cdb, expected) in cases {
        assert_eq!(robot.none(&cdb), expected, "{cdb:02X?}");
    }
}

#[test]
fn a_scan_takes_a_second_for_each_element_and_the_way() {
    let mut robot = Robot::new();
    let mut ranged = cdb(0x37, 10, &[(2, SLOT), (6, 5)]);
    ranged[1] = 1;
    // Ten elements and the whole way; then back to the first slot, and on to the fifth of six.
    for (scan, seconds) in [(cdb(0x07, 6, &[]), 10.0 + 8.0), (ranged, 5.0 + 8.0 * 1.5)] {
        let before = robot.changer.elapsed();
        assert_eq!(robot.none(&scan), "good");
        let took = (robot.changer.elapsed() - before).as_secs_f64();
        assert!((took - seconds).abs() < 0.5, "{scan:02X?}: {took} s");
    }
}
