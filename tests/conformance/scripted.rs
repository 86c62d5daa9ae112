//! What drive and changer make of the faults that the simulator plays by script: each is told by
//! its kind, nothing is claimed that is not on tape, and what comes next is right again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, pattern, quiet, ready};
use tape_sim::fault::{Effect, FaultScript, Rule};
use tape_sim::inventory::{self, Door};
use tape_sim::library::Library;
use tapewright::changer::{ChangerErrorKind, ElementAddress};
use tapewright::drive::{Drive, DriveError, DriveErrorKind, DriveMode, ReadOutcome, ReadyWait};
use tapewright::drive::{SequentialDevice, Written};
use tapewright::transport::sim::SimTransport;
use tapewright::transport::{Data, Transport, TransportErrorKind};
use tapewright::units::BlockAddress;

const BLOCK: usize = 64 << 10;
const SLOT: u16 = 1001;
const MAIL: u16 = 101;
const DRIVE: u16 = 1;

/// Lets `effect` happen once, with the `nth` command of this name.
fn once(bench: &Bench, command: Option<&str>, nth: u64, effect: Effect) {
    let mut rule = Rule::new(effect);
    rule.times = Some(1);
    rule.when.command = command.map(str::to_owned);
    rule.when.nth = Some(nth);
    let library = Library::open(bench.path()).unwrap();
    library
        .set_faults(&FaultScript::new(0, vec![rule]))
        .unwrap();
}

/// A drive whose tape has blocks 0 to 2 synchronised.
fn written(bench: &Bench) -> Drive {
    let mut drive = bench.ready_drive();
    for block in 0..3 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    drive.synchronize().unwrap();
    drive
}

/// Blocks 0 to `count` are there, and then the data end.
fn holds(drive: &mut Drive, count: u64) {
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    assert_eq!(
        drive.locate_end_of_data().unwrap().block,
        BlockAddress(count)
    );
    drive.locate(BlockAddress(0)).unwrap();
    let mut buffer = vec![0; BLOCK];
    for block in 0..count {
        let read = drive.read_block(&mut buffer).unwrap();
        assert!(matches!(read, ReadOutcome::Block { .. }), "{read:?}");
        assert_eq!(buffer, pattern(block, BLOCK), "block {block}");
    }
}

#[test]
fn a_write_that_fails_is_told_and_claims_nothing() {
    use DriveErrorKind as K;
    let executed = Effect::NoAnswer { executed: true };
    // The effect, what the driver calls it, and how many blocks are there afterwards.
    for (effect, kind, blocks) in [
        (Effect::HardwareError, K::Hardware, 3),
        (Effect::Reserved, K::Reserved, 3),
        (Effect::DeferredError, K::Medium, 3),
        (Effect::PowerCut, K::Reset, 3),
        (Effect::Reset { after: false }, K::Reset, 3),
        (Effect::Reset { after: true }, K::Reset, 3),
        (Effect::NoAnswer { executed: false }, K::Transport, 3),
        (executed, K::Transport, 4),
    ] {
        let bench = Bench::new();
        let mut drive = written(&bench);
        once(&bench, Some("WRITE"), 1, effect.clone());
        let error = drive.write_block(&pattern(3, BLOCK)).unwrap_err();
        assert_eq!(error.kind, kind, "{effect:?}: {error}");
        let blind = drive.write_block(&pattern(3, BLOCK));
        let lost = matches!(
            &blind,
            Err(DriveError {
                kind: K::PositionLost,
                ..
            })
        );
        let taken = matches!(&blind, Ok(Written::Normal));
        assert!(lost || taken && blocks == 3, "{effect:?}: {blind:?}");
        holds(&mut drive, if taken { 4 } else { blocks });
    }
}

#[test]
fn a_drive_that_is_not_ready_for_a_while_takes_each_block_once() {
    for command in ["WRITE", "WRITE FILEMARKS", "READ POSITION"] {
        let bench = Bench::new();
        let mut drive = written(&bench);
        once(&bench, Some(command), 1, Effect::BecomingReady);
        drive.write_block(&pattern(3, BLOCK)).unwrap();
        assert_eq!(drive.position().unwrap().block, BlockAddress(4));
        drive.synchronize().unwrap();
        assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(4));
        let unready = drive.take_unready().unwrap();
        assert_eq!(unready.times, 1, "{command}");
        holds(&mut drive, 4);
    }
}

#[test]
fn the_wish_to_stop_ends_the_wait_for_a_drive_that_does_not_become_ready() {
    type Act = fn(&mut Drive) -> Result<(), DriveError>;
    let cases: [(&str, Act); 4] = [
        ("MODE SELECT", |drive| {
            let mode = DriveMode {
                compression: true,
                ..DriveMode::default()
            };
            drive.set_mode(&mode).map(drop)
        }),
        ("LOCATE", |drive| drive.locate(BlockAddress(1))),
        ("READ", |drive| {
            drive.read_block(&mut vec![0; BLOCK]).map(drop)
        }),
        // What was begun on the tape is given a moment.
        ("WRITE", |drive| {
            drive.write_block(&pattern(3, BLOCK)).map(drop)
        }),
    ];
    for (command, act) in cases {
        let bench = Bench::new();
        let mut drive = written(&bench);
        if command == "READ" {
            drive.locate(BlockAddress(0)).unwrap();
        }
        let never_ready = [command, "TEST UNIT READY"].map(|name| {
            let mut rule = Rule::new(Effect::BecomingReady);
            rule.id = name.to_owned();
            rule.when.command = Some(name.to_owned());
            rule
        });
        let script = FaultScript::new(0, Vec::from(never_ready));
        let library = Library::open(bench.path()).unwrap();
        library.set_faults(&script).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        drive.stop_walks_on(Arc::clone(&stop));
        let asked = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            stop.store(true, Ordering::Relaxed);
        });
        let begun = Instant::now();
        let error = act(&mut drive).unwrap_err();
        asked.join().unwrap();
        assert_eq!(error.kind, DriveErrorKind::Cancelled, "{command}: {error}");
        // The drive alone would be waited for for 20 seconds, or five minutes.
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(18), "{command}: {waited:?}");
    }
}

#[test]
fn blocks_that_did_not_reach_the_tape_are_never_confirmed() {
    let bench = Bench::new();
    let mut drive = written(&bench);
    once(&bench, None, 2, Effect::WriteError);
    for block in 3..6 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    let error = drive.synchronize().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Medium, "{error}");
    assert_eq!(drive.position().unwrap().block, BlockAddress(4));
    assert_eq!(drive.first_unconfirmed().unwrap(), BlockAddress(4));
    assert!(drive.tape_alerts().unwrap().iter().next().is_some());
    holds(&mut drive, 4);
}

#[test]
fn a_block_that_cannot_be_read_costs_itself_only() {
    let bench = Bench::new();
    let mut drive = written(&bench);
    drive.rewind().unwrap();
    once(&bench, None, 2, Effect::ReadError { stays: true });
    let mut buffer = vec![0; BLOCK];
    drive.read_block(&mut buffer).unwrap();
    for _ in 0..2 {
        drive.locate(BlockAddress(1)).unwrap();
        let error = drive.read_block(&mut buffer).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::Medium, "{error}");
    }
    drive.locate(BlockAddress(2)).unwrap();
    drive.read_block(&mut buffer).unwrap();
    assert_eq!(buffer, pattern(2, BLOCK));
}

#[test]
fn a_drive_that_lands_elsewhere_is_found_out_unless_it_lies() {
    for lie in [false, true] {
        let bench = Bench::new();
        let mut drive = written(&bench);
        once(&bench, None, 1, Effect::WrongPosition { object: 2, lie });
        let located = drive.locate(BlockAddress(0));
        let kind = located.map_err(|error| error.kind);
        // A lie can only be seen in what is read: that is the tape format's part.
        let expected = if lie {
            Ok(())
        } else {
            Err(DriveErrorKind::WrongPosition)
        };
        assert_eq!(kind, expected);
    }
}

#[test]
fn a_dead_chip_is_no_obstacle_to_the_data() {
    let bench = Bench::new();
    let mut drive = written(&bench);
    once(&bench, None, 1, Effect::ChipFailed);
    drive.position().unwrap();
    let chip = drive.cartridge_memory();
    assert!(!matches!(chip, Ok(Some(_))), "{chip:?}");
    holds(&mut drive, 3);
}

#[test]
fn an_adapter_of_512_kib_limits_blocks_before_anything_is_sent() {
    let bench = Bench::new();
    bench.load();
    let mut script = FaultScript::default();
    script.max_transfer_bytes = Some(512 << 10);
    let library = Library::open(bench.path()).unwrap();
    library.set_faults(&script).unwrap();
    let mut transport = bench.drive_transport();
    let long = vec![0; (512 << 10) + 1];
    let refused = transport.execute(
        &[0x0A, 0, 8, 0, 1, 0],
        Data::Out(&long),
        std::time::Duration::from_secs(1),
    );
    assert_eq!(refused.unwrap_err().kind, TransportErrorKind::TooLong);
    let mut drive = ready(Box::new(transport));
    assert_eq!(drive.max_block_bytes(), 512 << 10);
    let error = drive.write_block(&long).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::BlockLength);
}

#[test]
fn a_move_that_fails_is_told_by_its_cause() {
    use ChangerErrorKind as K;
    let elsewhere = Effect::OtherHostMoves {
        from: SLOT + 1,
        to: DRIVE,
    };
    // The effect, where the cartridge was to go, what the driver says, and where it is.
    for (effect, to, kind, at) in [
        (Effect::HardwareError, DRIVE, K::Hardware, SLOT),
        (Effect::Reserved, DRIVE, K::Reserved, SLOT),
        (Effect::PowerCut, DRIVE, K::InventoryChanged, SLOT),
        (
            Effect::NoAnswer { executed: false },
            DRIVE,
            K::Transport,
            SLOT,
        ),
        (
            Effect::NoAnswer { executed: true },
            DRIVE,
            K::Transport,
            DRIVE,
        ),
        (Effect::RobotDrop { lost: false }, DRIVE, K::Hardware, 0),
        (
            Effect::DoorOpen { mail_slots: false },
            DRIVE,
            K::NotReady,
            SLOT,
        ),
        (
            Effect::DoorOpen { mail_slots: true },
            MAIL,
            K::Unreachable,
            SLOT,
        ),
        (Effect::MailSlotsFull, MAIL, K::InventoryChanged, SLOT),
        (elsewhere, DRIVE, K::DestinationFull, SLOT),
    ] {
        let bench = Bench::new();
        let mut changer = bench.changer();
        changer.inventory().unwrap();
        once(&bench, Some("MOVE MEDIUM"), 1, effect.clone());
        let moved = changer.move_medium(ElementAddress(SLOT), ElementAddress(to));
        let error = moved.unwrap_err();
        assert_eq!(error.kind, kind, "{effect:?}: {error}");
        let inventory = changer.inventory().unwrap();
        let found = inventory.find("SIM001L9").unwrap();
        assert_eq!(found.address, ElementAddress(at), "{effect:?}");
        assert_eq!(found.exception.is_some(), at == 0, "{effect:?}");
    }
}

#[test]
fn a_lost_cartridge_is_missing_and_its_element_says_why() {
    let bench = Bench::new();
    let mut changer = bench.changer();
    once(&bench, None, 1, Effect::RobotDrop { lost: true });
    let moved = changer.move_medium(ElementAddress(SLOT), ElementAddress(DRIVE));
    assert_eq!(moved.unwrap_err().kind, ChangerErrorKind::Hardware);
    let inventory = changer.inventory().unwrap();
    assert!(inventory.find("SIM001L9").is_none());
    let slot = inventory.at(ElementAddress(SLOT)).unwrap();
    assert!(!slot.full && slot.exception.is_some(), "{slot:?}");
}

#[test]
fn open_doors_and_missing_magazines_are_unreachable_or_not_ready() {
    let bench = Bench::new();
    let mut changer = bench.changer();
    changer.inventory().unwrap();
    inventory::remove_magazine(bench.path(), 0).unwrap();
    let moved = changer.move_medium(ElementAddress(SLOT), ElementAddress(DRIVE));
    assert_eq!(moved.unwrap_err().kind, ChangerErrorKind::InventoryChanged);
    let moved = changer.move_medium(ElementAddress(SLOT), ElementAddress(DRIVE));
    assert_eq!(moved.unwrap_err().kind, ChangerErrorKind::Unreachable);
    let found = changer.inventory().unwrap();
    assert!(found.find("SIM001L9").is_none());
    assert!(found.at(ElementAddress(SLOT)).unwrap().exception.is_some());
    inventory::set_door(bench.path(), Door::Front, true).unwrap();
    let moved = changer.move_medium(ElementAddress(DRIVE), ElementAddress(MAIL));
    assert_eq!(moved.unwrap_err().kind, ChangerErrorKind::NotReady);
}

#[test]
fn a_path_without_an_answer_says_how_long_it_waited() {
    let bench = Bench::new();
    once(
        &bench,
        Some("TEST UNIT READY"),
        1,
        Effect::NoAnswer { executed: false },
    );
    let mut transport = SimTransport::changer(bench.path()).unwrap();
    let wait = std::time::Duration::from_secs(30);
    let error = transport.execute(&[0; 6], Data::None, wait).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::TimedOut);
    assert!(error.what.contains("30 s"), "{error}");
}
