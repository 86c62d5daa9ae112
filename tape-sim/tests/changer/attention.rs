//! Unit attentions, and the operator at the mail slots.

use crate::support::{MAIL, Robot, SLOT, TUR, outcome, small};
use tape_sim::error::SimError;
use tape_sim::inventory;
use tape_sim::target::{Data, Target};

const REQUEST_SENSE: [u8; 6] = [0x03, 0, 0, 0, 18, 0];
const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
const REPORT_LUNS: [u8; 12] = [0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0];

#[test]
fn the_first_power_on_is_told_once_to_whoever_comes_first() {
    let mut robot = Robot::cold(&small());
    let mut early = robot.library.changer().unwrap();
    assert_eq!(robot.none(&TUR), "06/29/01");
    assert_eq!(robot.none(&TUR), "good");
    let mut late = robot.library.changer().unwrap();
    assert_eq!(outcome(&late.execute(&TUR, Data::None)), "good");
    let told = outcome(&early.execute(&TUR, Data::None));
    assert_eq!(
        told, "06/29/01",
        "a handle that was open is told for itself"
    );
}

#[test]
fn identification_passes_a_pending_attention_and_request_sense_takes_it() {
    let mut robot = Robot::cold(&small());
    assert_eq!(robot.receive(&INQUIRY).0, "good");
    assert_eq!(robot.reply(&REPORT_LUNS)[3], 8);
    let sense = robot.reply(&REQUEST_SENSE);
    assert_eq!(
        (sense[0], sense[2], sense[12], sense[13]),
        (0x70, 0x06, 0x29, 0x01)
    );
    let sense = robot.reply(&REQUEST_SENSE);
    assert_eq!((sense[2], sense[12], sense[13]), (0, 0, 0));
    assert_eq!(robot.none(&TUR), "good");
}

#[test]
fn a_command_that_meets_an_attention_is_not_executed() {
    let mut robot = Robot::new();
    robot.library.insert(0, "NEW001L9", Some(1 << 20)).unwrap();
    assert_eq!(robot.moves(SLOT, SLOT + 3), "06/28/01");
    assert_eq!(robot.at(SLOT).0.as_deref(), Some("SIM001L9"));
    assert_eq!(robot.moves(SLOT, SLOT + 3), "good");
}

#[test]
fn the_operator_is_noticed_by_every_handle_open_or_to_come() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    let mut other = robot.library.changer().unwrap();
    let mut asked =
        |robot: &mut Robot| (robot.none(&TUR), outcome(&other.execute(&TUR, Data::None)));
    let both = |told: &str| (told.to_owned(), told.to_owned());

    robot.library.insert(1, "NEW001L9", Some(1 << 20)).unwrap();
    assert_eq!(asked(&mut robot), both("06/28/01"));
    assert_eq!(asked(&mut robot), both("good"));
    assert_eq!(inventory::take(&dir, SLOT + 2).unwrap(), "SIM003L9");
    assert_eq!(asked(&mut robot), both("06/28/00"));
    assert_eq!(inventory::remove(&dir, 1).unwrap(), "NEW001L9");
    inventory::put(&dir, SLOT + 3, "SIM003L9").unwrap();
    assert_eq!(
        asked(&mut robot),
        both("06/28/00"),
        "changed media come first"
    );
    assert_eq!(asked(&mut robot), both("06/28/01"));
    assert_eq!(asked(&mut robot), both("good"));

    drop(robot.changer);
    inventory::insert(&dir, 0, "NEW001L9").unwrap();
    let mut next = robot.library.changer().unwrap();
    assert_eq!(
        outcome(&next.execute(&TUR, Data::None)),
        "06/28/01",
        "the next process"
    );
    let mut last = robot.library.changer().unwrap();
    assert_eq!(
        outcome(&last.execute(&TUR, Data::None)),
        "good",
        "told already"
    );
}

#[test]
fn the_operator_cannot_do_what_the_library_does_not_allow() {
    let mut robot = Robot::new();
    let dir = robot.library.dir().to_owned();
    let refused = |result: Result<(), SimError>, address: u16| {
        let at = matches!(&result, Err(SimError::Element { address: at, .. }) if *at == address);
        assert!(at, "{result:?}");
    };
    refused(inventory::insert(&dir, 2, "NEW001L9"), MAIL + 2);
    refused(inventory::insert(&dir, u16::MAX, "NEW001L9"), u16::MAX);
    refused(inventory::insert(&dir, 0, "SIM001L9"), MAIL);
    refused(inventory::insert(&dir, 0, "../SIM01"), MAIL);
    refused(inventory::insert(&dir, 0, ""), MAIL);
    refused(inventory::put(&dir, SLOT, "NEW001L9"), SLOT);
    refused(inventory::put(&dir, 1, "NEW001L9"), 1);
    refused(inventory::remove(&dir, 0).map(drop), MAIL);
    assert_eq!(
        robot.none(&TUR),
        "good",
        "what did not happen is not announced"
    );

    assert_eq!(robot.none(&[0x1E, 0, 0, 0, 1, 0]), "good");
    refused(inventory::insert(&dir, 0, "NEW001L9"), MAIL);
    assert_eq!(
        robot.moves(SLOT, MAIL),
        "good",
        "the lock is for hands, not for the robot"
    );
    refused(inventory::remove(&dir, 0).map(drop), MAIL);
    assert_eq!(robot.none(&[0x1E, 0, 0, 0, 0, 0]), "good");
    assert_eq!(inventory::remove(&dir, 0).unwrap(), "SIM001L9");
    assert_eq!(robot.none(&[0x1E, 0, 0, 0, 2, 0]), "06/28/01");
    assert_eq!(robot.none(&[0x1E, 0, 0, 0, 2, 0]), "05/24/00 @4.1");
}
