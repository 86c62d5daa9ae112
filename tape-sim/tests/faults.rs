//! Faults by script: what a host sees of each, what survives, and that a seed repeats itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::{Bench, LOAD, REWIND, TAPE, TUR, UNLOAD, filemarks, locate10, read, small, write};
use proptest::prelude::*;
use tape_sim::fault::{Device, Effect, FaultScript, Rule, When};
use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::{Library, LibrarySpec};
use tape_sim::target::{Completion, Data, Target};

const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 36, 0];
const READ_POSITION: [u8; 10] = [0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0];
const READ_MAM: [u8; 16] = [0x8C, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 64, 0, 0];
const WRITE_MAM: [u8; 16] = [0x8D, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// As the common one, with the endings that only faults have.
fn outcome(completion: &Completion) -> String {
    match (
        completion.answered,
        completion.status,
        completion.sense.first(),
    ) {
        (false, ..) => "no answer".to_owned(),
        (_, 0x18, _) => "conflict".to_owned(),
        (_, 2, Some(0x71)) => {
            let sense = &completion.sense;
            format!(
                "deferred {:02X}/{:02X}/{:02X}",
                sense[2], sense[12], sense[13]
            )
        }
        _ => common::outcome(completion),
    }
}

fn run(bench: &mut Bench, cdb: &[u8], data: Data<'_>) -> String {
    outcome(&bench.run(cdb, data))
}

fn none(bench: &mut Bench, cdb: &[u8]) -> String {
    run(bench, cdb, Data::None)
}

fn put(bench: &mut Bench, block: &[u8]) -> String {
    run(bench, &write(false, block.len() as u32), Data::Out(block))
}

fn get(bench: &mut Bench) -> String {
    run(bench, &read(0, 4), Data::In(&mut [0; 4]))
}

/// A rule that fires once.
fn once(effect: Effect) -> Rule {
    Rule {
        times: Some(1),
        ..Rule::new(effect)
    }
}

fn on(command: &str, effect: Effect) -> Rule {
    let mut rule = once(effect);
    rule.when.command = Some(command.to_owned());
    rule
}

fn set(bench: &Bench, rules: &[Rule]) {
    let script = FaultScript::new(0, rules.to_vec());
    bench.library.set_faults(&script).unwrap();
}

/// A tape with blocks `0000` to `0009`, a mark behind them, at BOP.
fn recorded() -> Bench {
    let mut bench = Bench::ready();
    for number in 0..10 {
        assert_eq!(bench.write(format!("{number:04}").as_bytes()), "good");
    }
    assert_eq!(bench.none(&filemarks(1, false)), "good");
    assert_eq!(bench.none(&REWIND), "good");
    bench
}

/// TapeAlert flags that are set; reading clears them.
fn alerts(bench: &mut Bench) -> Vec<u16> {
    let page = bench.reply(&[0x4D, 0, 0x2E, 0, 0, 0, 0, 2, 0, 0], 512);
    let flags = page[4..].chunks(5).filter(|flag| flag[4] == 1);
    flags.map(|flag| u16::from(flag[1])).collect()
}

#[test]
fn a_command_ends_with_what_the_rule_says_and_the_next_does_not() {
    let sense = Effect::Sense {
        key: 0xB,
        asc: 0x47,
        ascq: 0x03,
    };
    let cases = [
        (sense, "0B/47/03"),
        (Effect::HardwareError, "04/44/00"),
        (Effect::BecomingReady, "02/04/01"),
        (Effect::Reserved, "conflict"),
        (Effect::NoAnswer { executed: false }, "no answer"),
        (Effect::PowerCut, "06/29/01"),
        (Effect::Reset { after: false }, "06/29/00"),
        (Effect::Reset { after: true }, "06/29/00"),
    ];
    for (effect, expected) in cases {
        let mut bench = recorded();
        assert_eq!(none(&mut bench, &locate10(3)), "good");
        set(&bench, &[once(effect.clone())]);
        let identified = run(&mut bench, &INQUIRY, Data::In(&mut [0; 36]));
        assert_eq!(identified, "good", "identification is no occasion");
        assert_eq!(none(&mut bench, &TUR), expected, "{effect:?}");
        assert_eq!(none(&mut bench, &TUR), "good", "{effect:?}");
        let stands = if expected.starts_with("06") { 0 } else { 3 };
        assert_eq!(bench.position().object, stands, "{effect:?}");
    }
}

#[test]
fn without_an_answer_the_command_may_have_been_executed_all_the_same() {
    for (executed, blocks) in [(false, 0), (true, 1)] {
        let mut bench = Bench::ready();
        set(&bench, &[on("WRITE", Effect::NoAnswer { executed })]);
        assert_eq!(put(&mut bench, b"data"), "no answer");
        assert_eq!(bench.position().object, blocks);
    }
}

#[test]
fn what_was_in_the_buffer_is_lost_with_power_and_reset() {
    let cases = [
        (Effect::PowerCut, "06/29/01"),
        (Effect::Reset { after: false }, "06/29/00"),
        (Effect::Reset { after: true }, "06/29/00"),
    ];
    for (effect, expected) in cases {
        let mut bench = recorded();
        assert_eq!(none(&mut bench, &locate10(10)), "good");
        set(&bench, &[on("WRITE FILEMARKS", effect.clone())]);
        assert_eq!(put(&mut bench, b"lost"), "good");
        assert_eq!(none(&mut bench, &filemarks(1, true)), expected);
        assert_eq!(bench.position().object, 0, "{effect:?}");
        assert_eq!(none(&mut bench, &locate10(9)), "good");
        assert_eq!(get(&mut bench), "good", "{effect:?}");
        // The old mark went when its place was written over; the new block never came.
        assert_eq!(get(&mut bench), "08/00/05 4", "{effect:?}");
    }
}

#[test]
fn an_object_that_cannot_be_written_takes_the_buffer_behind_it_along() {
    let mut bench = Bench::ready();
    let mut rule = once(Effect::WriteError);
    rule.when.objects = Some([2, 2]);
    set(&bench, &[rule]);
    for block in [b"0000", b"0001", b"0002", b"0003"] {
        assert_eq!(put(&mut bench, block), "good", "the buffer takes it");
    }
    assert_eq!(none(&mut bench, &filemarks(1, false)), "03/0C/00");
    let position = bench.position();
    assert_eq!((position.object, position.on_tape), (2, 2));
    assert_eq!(alerts(&mut bench), [0x03, 0x06]);
    assert_eq!(put(&mut bench, b"0002"), "good");
    assert_eq!(none(&mut bench, &filemarks(1, false)), "good");
    assert_eq!(none(&mut bench, &REWIND), "good");
    for _ in 0..3 {
        assert_eq!(get(&mut bench), "good");
    }
}

#[test]
fn a_write_hears_of_an_earlier_one_as_a_deferred_error() {
    let spec = LibrarySpec {
        buffer_bytes: Some(4096),
        ..small()
    };
    let mut bench = Bench::with(&spec);
    let mut rule = once(Effect::WriteError);
    rule.when.nth = Some(2);
    set(&bench, &[rule]);
    let block = [7; 1500];
    let told: Vec<_> = (0..4).map(|_| put(&mut bench, &block)).collect();
    assert_eq!(told, ["good", "good", "good", "deferred 03/0C/00"]);
    assert_eq!(bench.position().object, 1, "what was before it is there");
    assert_eq!(none(&mut bench, &TUR), "good");
}

#[test]
fn a_deferred_error_costs_the_buffer() {
    let mut bench = recorded();
    assert_eq!(none(&mut bench, &locate10(10)), "good");
    let mut rule = once(Effect::DeferredError);
    rule.when.nth = Some(2);
    set(&bench, &[rule]);
    assert_eq!(put(&mut bench, b"lost"), "good");
    assert_eq!(put(&mut bench, b"told"), "deferred 03/0C/00");
    assert_eq!(bench.position().object, 10);
}

#[test]
fn a_block_that_cannot_be_read_stands_in_the_way_and_can_be_spaced_over() {
    for stays in [false, true] {
        let mut bench = recorded();
        let mut rule = once(Effect::ReadError { stays });
        rule.when.objects = Some([4, 4]);
        set(&bench, &[rule]);
        let told: Vec<_> = (0..5).map(|_| get(&mut bench)).collect();
        assert_eq!(told, ["good", "good", "good", "good", "03/11/00"]);
        assert_eq!(bench.position().object, 4);
        let again = get(&mut bench);
        assert_eq!(again, if stays { "03/11/00" } else { "good" });
        assert_eq!(none(&mut bench, &locate10(5)), "good");
        assert_eq!(get(&mut bench), "good");
        assert_eq!(alerts(&mut bench), [0x03, 0x05]);

        // A flaw of the tape goes with the tape; the script may be gone.
        bench.library.clear_faults().unwrap();
        assert_eq!(none(&mut bench, &UNLOAD), "good");
        assert_eq!(none(&mut bench, &LOAD), "good");
        assert_eq!(none(&mut bench, &locate10(4)), "good");
        assert_eq!(get(&mut bench), if stays { "03/11/00" } else { "good" });
    }
}

#[test]
fn places_are_objects_or_bytes_and_belong_to_a_cartridge() {
    let cases: [(When, Option<u64>); 5] = [
        (
            When {
                objects: Some([7, 9]),
                ..When::default()
            },
            Some(7),
        ),
        // An object takes its four bytes and four more.
        (
            When {
                bytes: Some([10, 20]),
                ..When::default()
            },
            Some(2),
        ),
        (
            When {
                partition: Some(1),
                ..When::default()
            },
            None,
        ),
        (
            When {
                barcode: Some(TAPE.to_owned()),
                ..When::default()
            },
            Some(0),
        ),
        (
            When {
                barcode: Some("OTHER1L9".to_owned()),
                ..When::default()
            },
            None,
        ),
    ];
    for (when, first) in cases {
        let mut bench = recorded();
        let mut rule = once(Effect::ReadError { stays: false });
        rule.when = when.clone();
        set(&bench, &[rule]);
        let bad = (0..10).find(|_| get(&mut bench) != "good");
        assert_eq!(bad, first, "{when:?}");
    }
}

#[test]
fn a_locate_that_lands_elsewhere_is_found_out_unless_the_drive_lies() {
    for (lie, reported) in [(false, 6), (true, 3)] {
        let mut bench = recorded();
        let effect = Effect::WrongPosition { object: 6, lie };
        set(&bench, &[once(effect)]);
        assert_eq!(none(&mut bench, &locate10(3)), "good");
        assert_eq!(bench.position().object, reported);
        let mut long = [0; 32];
        assert_eq!(run(&mut bench, &READ_POSITION, Data::In(&mut long)), "good");
        let mut block = [0; 4];
        assert_eq!(run(&mut bench, &read(0, 4), Data::In(&mut block)), "good");
        assert_eq!(&block, b"0006");
        assert_eq!(none(&mut bench, &REWIND), "good");
        assert_eq!(bench.position().object, 0, "the next motion ends the lie");
    }
}

#[test]
fn a_failed_chip_stays_failed_and_the_tape_is_still_readable() {
    let mut bench = recorded();
    set(&bench, &[once(Effect::ChipFailed)]);
    assert_eq!(none(&mut bench, &TUR), "good");
    for _ in 0..2 {
        let read = run(&mut bench, &READ_MAM, Data::In(&mut [0; 64]));
        assert_eq!(
            (read.as_str(), none(&mut bench, &WRITE_MAM).as_str()),
            ("03/04/10", "03/04/10")
        );
        assert_eq!(alerts(&mut bench), [0x0F]);
        assert_eq!(get(&mut bench), "good");
        assert_eq!(none(&mut bench, &UNLOAD), "good");
        assert_eq!(none(&mut bench, &LOAD), "good");
    }
}

#[test]
fn corrected_errors_grow_and_cleaning_is_asked_for() {
    let mut bench = recorded();
    let growing = Effect::CorrectedErrors {
        count: 100,
        growth_percent: 100,
    };
    set(&bench, &[Rule::new(growing)]);
    let corrected = |bench: &mut Bench| {
        let page = bench.reply(&[0x4D, 0, 0x43, 0, 0, 0, 3, 0, 255, 0], 255);
        assert_eq!(page[4..6], [0, 3]);
        u32::from_be_bytes(page[8..12].try_into().unwrap())
    };
    let growth: Vec<_> = (0..3)
        .map(|_| {
            assert_eq!(get(&mut bench), "good");
            corrected(&mut bench)
        })
        .collect();
    assert_eq!(growth, [100, 300, 700]);

    let flags = [Effect::CleaningWanted, Effect::Alert { flag: 0x1C }];
    set(&bench, &flags.map(once));
    assert_eq!(none(&mut bench, &TUR), "good");
    assert_eq!(alerts(&mut bench), [0x14, 0x1C]);
}

#[test]
fn occasions_are_counted_over_processes() {
    let mut bench = Bench::ready();
    let mut rule = on("00", Effect::BecomingReady);
    rule.when.nth = Some(3);
    rule.times = Some(2);
    rule.device = Device::Drive(0);
    set(&bench, &[rule]);
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(none(&mut bench, &TUR));
        bench.close();
        bench.open();
    }
    assert_eq!(
        told,
        ["good", "good", "02/04/01", "02/04/01", "good", "good"]
    );
    set(&bench, &[on("00", Effect::BecomingReady)]);
    assert_eq!(
        none(&mut bench, &TUR),
        "02/04/01",
        "a new script begins anew"
    );
    bench
        .library
        .add_fault(on("00", Effect::HardwareError))
        .unwrap();
    assert_eq!(none(&mut bench, &TUR), "04/44/00", "the old rule is spent");
}

/// Which of 40 blocks cannot be read.
fn bad_blocks(seed: u64, probability: f64) -> Vec<u64> {
    let mut bench = Bench::ready();
    for _ in 0..40 {
        assert_eq!(bench.write(b"data"), "good");
    }
    assert_eq!(bench.none(&REWIND), "good");
    let mut rule = Rule::new(Effect::ReadError { stays: false });
    rule.when.probability = Some(probability);
    let script = FaultScript::new(seed, vec![rule]);
    bench.library.set_faults(&script).unwrap();
    let mut bad = Vec::new();
    for object in 0..40 {
        if get(&mut bench) != "good" {
            bad.push(object);
            assert_eq!(
                get(&mut bench),
                "03/11/00",
                "chance is a matter of the place"
            );
            assert_eq!(none(&mut bench, &locate10(object as u32 + 1)), "good");
        }
    }
    bad
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_seed_repeats_itself(seed in any::<u64>(), percent in 5..60u32) {
        let probability = f64::from(percent) / 100.0;
        let bad = bad_blocks(seed, probability);
        prop_assert_eq!(&bad, &bad_blocks(seed, probability));
        // More chance hits at least the same blocks.
        let more = bad_blocks(seed, probability + 0.3);
        prop_assert!(bad.iter().all(|object| more.contains(object)));
    }
}

#[test]
fn chance_comes_about_as_often_as_the_rule_says() {
    let hits: usize = (0..10).map(|seed| bad_blocks(seed, 0.25).len()).sum();
    assert!((70..130).contains(&hits), "{hits} of 400");
}

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

#[test]
fn rules_that_make_no_sense_are_refused_by_name() {
    let dir = tempfile::TempDir::new().unwrap();
    let library = Library::create(&dir.path().join("library"), &small()).unwrap();
    let bad = [
        r#"{"effect": {"kind": "robot_drop"}, "device": "drives"}"#,
        r#"{"effect": {"kind": "write_error"}, "device": "changer"}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"command": "WRIGHT"}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"probability": 1.5}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"objects": [4, 3]}}"#,
        r#"{"effect": {"kind": "alert", "flag": 65}}"#,
        r#"{"effect": {"kind": "sense", "key": 16, "asc": 0, "ascq": 0}}"#,
    ];
    for text in bad {
        let rule = Rule {
            id: "my rule".to_owned(),
            ..serde_json::from_str(text).unwrap()
        };
        let error = library.add_fault(rule).unwrap_err();
        assert!(error.to_string().contains("my rule"), "{error}");
    }
    for text in [
        r#"{"effect": {"kind": "gremlins"}}"#,
        r#"{"effect": {"kind": "reserved"}, "wen": {}}"#,
        r#"{"effect": {"kind": "reserved"}, "when": {"nht": 3}}"#,
        r#"{"device": "changer"}"#,
    ] {
        assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
    }
    assert_eq!(library.faults().unwrap(), FaultScript::default());
}

#[test]
fn every_example_of_the_manual_is_a_script() {
    let manual = include_str!("../../docs/sim-faults.md");
    let examples: Vec<_> = manual
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() > 3);
    let dir = tempfile::TempDir::new().unwrap();
    let library = Library::create(&dir.path().join("library"), &small()).unwrap();
    for example in examples {
        let script: FaultScript = serde_json::from_str(example).unwrap();
        library.set_faults(&script).unwrap();
        assert_eq!(library.faults().unwrap().rules.len(), script.rules.len());
    }
    let kinds: Vec<_> = manual
        .lines()
        .filter_map(|line| {
            let kind = line.strip_prefix("| `{\"kind\": ")?;
            let rule = format!(
                "{{\"effect\": {{\"kind\": {}}}",
                kind.split('`').next().unwrap()
            );
            Some(
                serde_json::from_str::<Rule>(&rule)
                    .unwrap_or_else(|wrong| panic!("{rule}: {wrong}")),
            )
        })
        .collect();
    assert_eq!(kinds.len(), 20, "each effect has its example");
}
