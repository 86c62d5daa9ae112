//! What a host sees of each fault of the changer, and where the cartridges are afterwards.

use crate::common::{TUR, small};
use crate::{on, once, outcome};
use tape_sim::fault::{Effect, Rule};
use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::smc::ChangerTarget;
use tape_sim::target::{Data, Nexus, Target};

struct Robot {
    _dir: tempfile::TempDir,
    library: Library,
}

/// One drive, four slots with two tapes, two mail slots.
fn robot() -> Robot {
    let dir = tempfile::TempDir::new().unwrap();
    let spec = LibrarySpec {
        slots: 4,
        cartridges: Some(2),
        ..small()
    };
    let library = Library::create(&dir.path().join("library"), &spec).unwrap();
    let mut changer = library.changer().unwrap();
    assert_eq!(outcome(&changer.execute(&TUR, Data::None)), "06/29/01");
    Robot { _dir: dir, library }
}

fn move_medium(from: u16, to: u16) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = 0xA5;
    cdb[4..6].copy_from_slice(&from.to_be_bytes());
    cdb[6..8].copy_from_slice(&to.to_be_bytes());
    cdb
}

impl Robot {
    fn with(rule: Rule) -> Self {
        let robot = robot();
        robot.library.add_fault(rule).unwrap();
        robot
    }

    fn tell(&self, cdb: &[u8]) -> String {
        let mut changer = self.library.changer().unwrap();
        outcome(&changer.execute(cdb, Data::None))
    }

    fn at(&self, address: u16) -> Option<String> {
        let state = inventory::read(self.library.dir()).unwrap();
        state
            .content(address)
            .map(|content| content.barcode.clone())
    }
}

#[test]
fn the_robot_fails_once_and_what_it_did_not_move_is_where_it_was() {
    let cases = [
        (Effect::HardwareError, "04/15/01"),
        (Effect::Reserved, "conflict"),
        (Effect::NoAnswer { executed: false }, "no answer"),
        (Effect::PowerCut, "06/29/01"),
        (Effect::Reset { after: false }, "06/29/00"),
        (Effect::DoorOpen { mail_slots: false }, "02/04/03"),
        (Effect::MailSlotsFull, "06/28/01"),
    ];
    for (effect, expected) in cases {
        let robot = Robot::with(on("MOVE MEDIUM", effect.clone()));
        assert_eq!(robot.tell(&move_medium(1001, 1)), expected, "{effect:?}");
        assert_eq!(robot.at(1001).as_deref(), Some("SIM001L9"), "{effect:?}");
        if expected == "02/04/03" {
            inventory::set_door(robot.library.dir(), Door::Front, false).unwrap();
            assert_eq!(robot.tell(&TUR), "06/28/00");
        }
        assert_eq!(robot.tell(&move_medium(1001, 1)), "good", "{effect:?}");
    }
}

/// Says of a changer that hosts have set up what is left of it after `restart`.
fn left_after(restart: impl FnOnce(&Robot, &mut ChangerTarget)) -> [String; 4] {
    const OTHER: Nexus = Nexus(1);
    let robot = robot();
    let mut changer = robot.library.changer().unwrap();
    let tell_as = |changer: &mut ChangerTarget, nexus, cdb: &[u8]| {
        outcome(&changer.execute_as(nexus, cdb, Data::None))
    };
    assert_eq!(tell_as(&mut changer, OTHER, &TUR), "06/29/01");
    for cdb in [&[0x1E, 0, 0, 0, 1, 0], &[0x16, 0, 0, 0, 0, 0]] {
        assert_eq!(tell_as(&mut changer, Nexus::HOST, cdb), "good");
    }
    assert_eq!(tell_as(&mut changer, OTHER, &TUR), "conflict");
    restart(&robot, &mut changer);
    let told = tell_as(&mut changer, Nexus::HOST, &TUR);
    let other_told = tell_as(&mut changer, OTHER, &TUR);
    let admitted = tell_as(&mut changer, OTHER, &TUR);
    let door = inventory::set_door(robot.library.dir(), Door::Front, true);
    [told, other_told, admitted, format!("{}", door.is_ok())]
}

#[test]
fn a_reset_and_a_power_cut_end_what_hosts_have_set() {
    let by_bus = left_after(|_, changer| changer.bus_reset().unwrap());
    assert_eq!(by_bus, ["06/29/00", "06/29/00", "good", "true"]);
    let cut = left_after(|robot, _| robot.library.add_fault(once(Effect::PowerCut)).unwrap());
    assert_eq!(cut, ["06/29/01", "06/29/01", "good", "true"]);
    for after in [false, true] {
        let reset = once(Effect::Reset { after });
        let by_script = left_after(|robot, _| robot.library.add_fault(reset).unwrap());
        assert_eq!(by_script, ["06/29/00", "06/29/00", "good", "true"]);
    }
}

#[test]
fn a_move_without_an_answer_may_have_happened() {
    let robot = Robot::with(on("MOVE MEDIUM", Effect::NoAnswer { executed: true }));
    assert_eq!(robot.tell(&move_medium(1001, 1)), "no answer");
    assert_eq!(robot.at(1).as_deref(), Some("SIM001L9"));
}

#[test]
fn a_dropped_cartridge_is_in_the_hand_or_gone() {
    for (lost, place, put_away) in [(false, 0, "good"), (true, 1001, "05/3B/0E")] {
        let robot = Robot::with(once(Effect::RobotDrop { lost }));
        assert_eq!(robot.tell(&move_medium(1001, 1)), "04/15/01");
        assert_eq!((robot.at(1001), robot.at(1)), (None, None));
        let state = inventory::read(robot.library.dir()).unwrap();
        let exception = state.exception(place).unwrap();
        assert_eq!((exception.asc, exception.ascq), (0x15, 0x01));
        let other = if lost { "good" } else { "04/15/01" };
        assert_eq!(robot.tell(&move_medium(1002, 1)), other, "lost {lost}");
        assert_eq!(robot.tell(&move_medium(0, 1003)), put_away, "lost {lost}");
        assert!(robot.library.cartridge("SIM001L9").is_ok());
        if lost {
            robot.library.insert(0, "SIM001L9", None).unwrap();
            assert_eq!(robot.at(101).as_deref(), Some("SIM001L9"), "found again");
        }
    }
}

#[test]
fn other_people_are_at_the_library_too() {
    let robot = Robot::with(once(Effect::OtherHostMoves { from: 1002, to: 1 }));
    assert_eq!(robot.tell(&move_medium(1001, 1)), "05/3B/0D");
    assert_eq!(robot.at(1).as_deref(), Some("SIM002L9"));

    let robot = Robot::with(once(Effect::MailSlotsFull));
    assert_eq!(robot.tell(&TUR), "06/28/01");
    assert_eq!(robot.tell(&move_medium(1001, 101)), "05/3B/0D");

    let robot = Robot::with(once(Effect::DoorOpen { mail_slots: true }));
    assert_eq!(robot.tell(&move_medium(1001, 101)), "02/3A/02");
    assert_eq!(robot.tell(&move_medium(1001, 1)), "good");
}

#[test]
fn an_unreadable_label_is_read_again_by_a_scan() {
    let mut rule = once(Effect::LabelUnreadable);
    rule.when.barcode = Some("SIM002L9".to_owned());
    let robot = Robot::with(rule);
    assert_eq!(robot.tell(&move_medium(1001, 1003)), "good");
    assert_eq!(robot.tell(&move_medium(1002, 101)), "good");
    let label = |address| {
        let state = inventory::read(robot.library.dir()).unwrap();
        state.content(address).unwrap().label.clone()
    };
    assert_eq!(
        (label(1003), label(101)),
        (Label::Readable, Label::Unreadable)
    );
    assert_eq!(robot.tell(&[0x07, 0, 0, 0, 0, 0]), "good");
    assert_eq!(label(101), Label::Readable);
}
