//! SEND VOLUME TAG and REQUEST VOLUME ELEMENT ADDRESS.

use crate::support::{DRIVE, Robot, SLOT, be16, be24, cdb, outcome};
use tape_sim::inventory::Label;
use tape_sim::target::{Data, Target};

fn send(action: u8, element: u16, len: u16) -> Vec<u8> {
    let mut cdb = cdb(0xB6, 12, &[(2, element), (8, len)]);
    cdb[5] = action;
    cdb
}

/// The 40 bytes of the standard's parameter list.
fn list(id: &str, min_sequence: u16) -> Vec<u8> {
    let mut list = format!("{id:32}").into_bytes();
    list.resize(40, 0);
    list[34..36].copy_from_slice(&min_sequence.to_be_bytes());
    list[38..40].copy_from_slice(&[0xFF, 0xFF]);
    list
}

fn told(robot: &mut Robot, cdb: &[u8], list: &[u8]) -> String {
    outcome(&robot.changer.execute(cdb, Data::Out(list)))
}

/// What REQUEST VOLUME ELEMENT ADDRESS reports of the last search: action and addresses.
fn found(robot: &mut Robot, kind: u8, count: u16) -> (u8, Vec<u16>) {
    let mut request = cdb(0xB5, 12, &[(4, count), (8, 0xFFFF)]);
    request[1] = 0x10 | kind;
    let report = robot.reply(&request);
    let mut addresses = Vec::new();
    let mut rest = &report[8..];
    assert_eq!(be24(&report[5..]), rest.len());
    while !rest.is_empty() {
        let (page, next) = rest[8..].split_at(be24(&rest[5..]));
        addresses.extend(page.chunks(be16(&rest[2..]).into()).map(be16));
        rest = next;
    }
    assert_eq!(usize::from(be16(&report[2..])), addresses.len());
    (report[4], addresses)
}

#[test]
fn volumes_are_found_by_template_wherever_they_are() {
    let mut robot = Robot::new();
    assert_eq!(robot.moves(SLOT + 1, DRIVE), "good");
    let request = cdb(0xB5, 12, &[(4, 1), (8, 255)]);
    assert_eq!(robot.none(&request), "05/2C/00", "nothing was looked for");
    let cases = [
        (0x00, "SIM002L9", 0, vec![DRIVE]),
        (0x05, "SIM00?L9", 0, vec![DRIVE, SLOT, SLOT + 2]),
        (0x01, "*", 0, vec![DRIVE, SLOT, SLOT + 2, SLOT + 5]),
        (0x01, "SIM", 0, vec![]),
        (0x02, "SIM*", 0, vec![]),
        (0x04, "CLN*", 7, vec![SLOT + 5]),
        (0x00, "CLN*", 7, vec![]),
    ];
    for (action, template, sequence, expected) in cases {
        let list = list(template, sequence);
        assert_eq!(told(&mut robot, &send(action, 0, 40), &list), "good");
        let result = found(&mut robot, 0, 0xFFFF);
        assert_eq!(result, (action, expected), "{action:02X} {template}");
    }
    told(&mut robot, &send(0x05, 0, 40), &list("SIM*", 0));
    assert_eq!(found(&mut robot, 2, 1).1, [SLOT], "type and count select");
}

#[test]
fn a_host_names_what_the_reader_cannot_read() {
    let mut robot = Robot::new();
    robot
        .library
        .set_label("SIM001L9", Label::Unreadable)
        .unwrap();
    assert_eq!(robot.none(&[0; 6]), "06/28/00");
    let mut told =
        |action, element, id: &str| told(&mut robot, &send(action, element, 40), &list(id, 0));
    assert_eq!(told(0x08, SLOT, "BOX1"), "good");
    assert_eq!(told(0x08, SLOT, "BOX2"), "05/24/00 @5.4", "it has one now");
    assert_eq!(told(0x08, SLOT + 1, "BOX2"), "05/24/00 @5.4", "its label");
    assert_eq!(told(0x0B, SLOT + 1, "SHELF-7"), "good");
    assert_eq!(told(0x0A, SLOT + 3, "BOX3"), "05/3B/0E", "empty");
    assert_eq!(told(0x0A, 9, "BOX3"), "05/21/01 @2");
    assert_eq!(robot.at(SLOT).0.as_deref(), Some("BOX1"));
    assert_eq!(robot.moves(SLOT, DRIVE), "good");
    assert_eq!(robot.at(DRIVE).0.as_deref(), Some("BOX1"), "it goes along");

    let slots = robot.reply(&crate::support::element_status(0x12, SLOT + 1, 1, 0, 255));
    assert_eq!((slots[9], be16(&slots[10..])), (0xC0, 0x34 + 36));
    assert_eq!(slots[28..36], *b"SIM002L9");
    assert_eq!(slots[64..71], *b"SHELF-7");

    for (action, element) in [(0x0C, DRIVE), (0x0D, SLOT + 1)] {
        assert_eq!(robot.none(&send(action, element, 0)), "good");
    }
    assert_eq!(robot.at(DRIVE).0.as_deref(), Some(""));
    let slots = robot.reply(&crate::support::element_status(0x12, SLOT + 1, 1, 0, 255));
    assert_eq!((slots[9], be16(&slots[10..])), (0x80, 0x34));
}

#[test]
fn bad_parameter_lists_are_refused_and_long_ones_are_read() {
    let mut robot = Robot::new();
    let kernel = {
        let mut bytes = vec![0; 255];
        bytes[..4].copy_from_slice(b"KERN");
        bytes
    };
    let mut control = list("A", 0);
    control[1] = 7;
    let cases = [
        (send(0x0A, SLOT, 255), kernel, "good"),
        (send(0x03, SLOT, 40), list("A", 0), "05/24/00 @5.4"),
        (send(0x0A, SLOT, 31), list("A", 0), "05/1A/00"),
        (send(0x0A, SLOT, 40), control, "05/26/00 @1"),
        (send(0x0A, SLOT, 40), vec![0; 40], "05/26/00 @0"),
        (send(0x0A, SLOT, 40), vec![0; 8], "0B/4B/00"),
    ];
    for (cdb, list, expected) in cases {
        assert_eq!(told(&mut robot, &cdb, &list), expected, "{cdb:02X?}");
    }
    assert_eq!(robot.at(SLOT).0.as_deref(), Some("KERN"));
}
