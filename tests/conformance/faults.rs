//! What a drive makes of things going wrong at the seam: what is repeated, what never is,
//! and what it calls the rest.

use std::ops::ControlFlow;

use crate::bench::{Bench, pattern, quiet, ready};
use tapewright::drive::{
    DriveErrorKind, FilemarkReturns, ReadOutcome, ReadyWait, SequentialDevice, Written,
};
use tapewright::scsi::opcode;
use tapewright::scsi::sense::{Sense, SenseKey};
use tapewright::transport::fault::Fault;
use tapewright::transport::{Status, TransportErrorKind};
use tapewright::units::BlockAddress;

const BLOCK: usize = 64 << 10;

fn is(code: u8) -> impl Fn(&[u8]) -> bool + Send + 'static {
    move |cdb| cdb[0] == code
}

fn sense(key: SenseKey, asc: u8, ascq: u8) -> Fault {
    Fault::Sense(Sense::fixed(key, asc, ascq))
}

fn deferred(key: SenseKey, asc: u8, ascq: u8) -> Fault {
    let mut bytes = Sense::fixed(key, asc, ascq);
    bytes[0] = 0x71;
    Fault::Sense(bytes)
}

#[test]
fn a_failed_write_is_named_by_its_cause_and_never_sent_twice() {
    use SenseKey as K;
    let lost = Fault::Lost(TransportErrorKind::TimedOut);
    for (fault, kind, says) in [
        (
            sense(K::UnitAttention, 0x29, 0x00),
            DriveErrorKind::Reset,
            "reset",
        ),
        (
            sense(K::UnitAttention, 0x28, 0x00),
            DriveErrorKind::Reset,
            "changed",
        ),
        (
            sense(K::DataProtect, 0x27, 0x00),
            DriveErrorKind::WriteProtected,
            "write-protected",
        ),
        (
            sense(K::DataProtect, 0x30, 0x0C),
            DriveErrorKind::WriteProtected,
            "write-once tape",
        ),
        (
            sense(K::MediumError, 0x0C, 0x00),
            DriveErrorKind::Medium,
            "could not be written",
        ),
        (
            sense(K::HardwareError, 0x44, 0x00),
            DriveErrorKind::Hardware,
            "(4/44/00)",
        ),
        (
            sense(K::AbortedCommand, 0x47, 0x03),
            DriveErrorKind::Interrupted,
            "damaged",
        ),
        (
            deferred(K::MediumError, 0x0C, 0x00),
            DriveErrorKind::Medium,
            "deferred error",
        ),
        (
            deferred(K::VolumeOverflow, 0x00, 0x02),
            DriveErrorKind::EndOfPartition,
            "deferred",
        ),
        (
            Fault::Status(Status::RESERVATION_CONFLICT),
            DriveErrorKind::Reserved,
            "reserved",
        ),
        (
            Fault::Status(Status::CHECK_CONDITION),
            DriveErrorKind::Malformed,
            "without sense",
        ),
        (lost, DriveErrorKind::Transport, "injected"),
    ] {
        let bench = Bench::new();
        let (mut drive, faults, trace) = bench.traced_drive();
        drive.write_block(&pattern(0, BLOCK)).unwrap();
        faults.on_nth(1, is(opcode::WRITE_6), fault.clone());
        trace.clear();
        let error = drive.write_block(&pattern(1, BLOCK)).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(says) && text.contains("writing block 1"),
            "{text}"
        );
        assert_eq!(trace.commands(), ["WRITE(6)"], "{fault:?}");

        let error = drive.write_block(&pattern(1, BLOCK)).unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::PositionLost);
        let error = drive.erase_short().unwrap_err();
        assert_eq!(error.kind, DriveErrorKind::PositionLost);
        assert_eq!(trace.commands(), ["WRITE(6)"], "nothing more was sent");
        use DriveErrorKind::{EndOfPartition, Hardware, Medium};
        match drive.first_unconfirmed() {
            Ok(_) => assert!(
                matches!(kind, Medium | Hardware | EndOfPartition),
                "{kind:?}"
            ),
            Err(error) => {
                assert_eq!(error.kind, DriveErrorKind::PositionLost);
                assert!(
                    !matches!(kind, Medium | Hardware | EndOfPartition),
                    "{kind:?}"
                );
            }
        }
        drive.position().unwrap();
        drive.write_block(&pattern(1, BLOCK)).unwrap();
    }
}

#[test]
fn a_write_that_the_drive_did_not_take_is_sent_until_it_does() {
    for fault in [
        Fault::Status(Status::BUSY),
        Fault::Status(Status::TASK_SET_FULL),
        sense(SenseKey::UnitAttention, 0x2A, 0x10),
        sense(SenseKey::UnitAttention, 0x5A, 0x01),
        deferred(SenseKey::RecoveredError, 0x17, 0x01),
    ] {
        let bench = Bench::new();
        let (mut drive, faults, trace) = bench.traced_drive();
        faults.on_nth(1, is(opcode::WRITE_6), fault.clone());
        assert_eq!(
            drive.write_block(&pattern(1, BLOCK)).unwrap(),
            Written::Normal
        );
        assert_eq!(trace.count("WRITE(6)"), 2, "{fault:?}");
        assert_eq!(
            drive.position().unwrap().block,
            BlockAddress(1),
            "{fault:?}"
        );
    }
}

#[test]
fn a_recovered_error_is_a_success() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    let recovered = Fault::SenseAfter(Sense::fixed(SenseKey::RecoveredError, 0x0C, 0x00));
    faults.on_nth(1, is(opcode::WRITE_6), recovered);
    assert_eq!(
        drive.write_block(&pattern(1, BLOCK)).unwrap(),
        Written::Normal
    );
    assert_eq!(drive.position().unwrap().block, BlockAddress(1));
}

#[test]
fn a_lost_answer_leaves_the_position_to_be_asked_for() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    let lost = Fault::LostAfter(TransportErrorKind::TimedOut);
    faults.on_nth(1, is(opcode::WRITE_6), lost);
    let error = drive.write_block(&pattern(1, BLOCK)).unwrap_err();
    let cause = error.source.as_ref().unwrap();
    assert_eq!(cause.kind, TransportErrorKind::TimedOut);
    assert_eq!(drive.position().unwrap().block, BlockAddress(2));
}

#[test]
fn motions_and_questions_are_repeated_after_a_failure_of_the_path() {
    let aborted = || sense(SenseKey::AbortedCommand, 0x47, 0x00);
    let bench = Bench::new();
    let (mut drive, faults, trace) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    trace.clear();
    for code in [opcode::LOCATE_16, opcode::READ_POSITION] {
        faults.on_nth(1, is(code), aborted());
    }
    drive.locate(BlockAddress(0)).unwrap();
    assert_eq!(
        trace.commands(),
        ["LOCATE(16)", "LOCATE(16)", "READ POSITION", "READ POSITION"]
    );
    for _ in 0..3 {
        faults.on_nth(1, is(opcode::LOCATE_16), aborted());
    }
    let error = drive.locate(BlockAddress(0)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Interrupted);
}

#[test]
fn a_reset_during_any_command_is_reported() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    for code in [
        opcode::LOCATE_16,
        opcode::READ_6,
        opcode::READ_POSITION,
        opcode::WRITE_FILEMARKS_6,
    ] {
        drive.position().unwrap();
        faults.on_nth(1, is(code), sense(SenseKey::UnitAttention, 0x29, 0x04));
        let outcome = match code {
            opcode::LOCATE_16 => drive.locate(BlockAddress(0)),
            opcode::READ_6 => drive.read_block(&mut [0; 512]).map(drop),
            opcode::READ_POSITION => drive.position().map(drop),
            _ => drive.write_filemark(FilemarkReturns::Immediate).map(drop),
        };
        assert_eq!(
            outcome.unwrap_err().kind,
            DriveErrorKind::Reset,
            "{code:02X}"
        );
        assert_eq!(faults.pending(), 0);
    }
}

#[test]
fn a_power_cut_is_reported_once_and_costs_the_unconfirmed_tail() {
    let bench = Bench::new();
    bench.load();
    let transport = bench.drive_transport();
    let power = transport.power_switch();
    let mut drive = ready(Box::new(transport));
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    drive.synchronize().unwrap();
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    assert!(power.cut().unwrap());
    let error = drive.write_block(&pattern(2, BLOCK)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Reset);
    // The drive woke up at the label: nothing may be written there by mistake.
    let error = drive
        .write_filemark(FilemarkReturns::Immediate)
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::PositionLost);
    drive.wait_ready(&ReadyWait::default(), &mut quiet).unwrap();
    assert_eq!(drive.locate_end_of_data().unwrap().block, BlockAddress(1));
}

#[test]
fn a_drive_that_is_elsewhere_after_locate_is_found_out() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    for block in 0..5 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    faults.on_nth(1, is(opcode::LOCATE_16), Fault::Status(Status::GOOD));
    let error = drive.locate(BlockAddress(2)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::WrongPosition);
    assert!(error.what.contains("block 5"), "{error}");
}

#[test]
fn a_drive_without_locate_16_is_sent_locate_10() {
    let bench = Bench::new();
    let (mut drive, faults, trace) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    trace.clear();
    faults.on_nth(
        1,
        is(opcode::LOCATE_16),
        sense(SenseKey::IllegalRequest, 0x20, 0x00),
    );
    drive.locate(BlockAddress(0)).unwrap();
    drive.locate(BlockAddress(1)).unwrap();
    assert_eq!(
        trace.commands(),
        [
            "LOCATE(16)",
            "LOCATE(10)",
            "READ POSITION",
            "LOCATE(10)",
            "READ POSITION"
        ]
    );
    let error = drive.locate(BlockAddress(1 << 32)).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Unsupported);
}

#[test]
fn a_write_that_was_lost_without_a_word_is_found_out() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    faults.on_nth(
        1,
        is(opcode::WRITE_FILEMARKS_6),
        Fault::Status(Status::GOOD),
    );
    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    let error = drive.first_unconfirmed().unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::UntrustedPosition);
    assert!(error.what.contains("block 1, but 2"), "{error}");
    let again = drive.first_unconfirmed().unwrap_err();
    assert_eq!(again.kind, DriveErrorKind::PositionLost, "{again}");
}

#[test]
fn waiting_ends_with_what_is_in_the_drive() {
    use SenseKey as K;
    for (key, asc, ascq, kind) in [
        (K::NotReady, 0x3A, 0x00, DriveErrorKind::NoMedium),
        (K::NotReady, 0x30, 0x03, DriveErrorKind::CleaningCartridge),
        (
            K::MediumError,
            0x30,
            0x01,
            DriveErrorKind::IncompatibleMedium,
        ),
        (K::NotReady, 0x04, 0x03, DriveErrorKind::NotReady),
        (K::MediumError, 0x53, 0x00, DriveErrorKind::Hardware),
    ] {
        let bench = Bench::new();
        let (mut drive, faults, _) = bench.traced_drive();
        faults.on_nth(1, is(opcode::TEST_UNIT_READY), sense(key, asc, ascq));
        let error = drive
            .wait_ready(&ReadyWait::default(), &mut quiet)
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[test]
fn waiting_lasts_through_all_that_passes_and_tells_of_it() {
    let bench = Bench::new();
    let (mut drive, faults, trace) = bench.traced_drive();
    let mut half_way = Sense::fixed(SenseKey::NotReady, 0x04, 0x01);
    half_way[15..18].copy_from_slice(&[0x80, 0x80, 0x00]);
    let tur = || is(opcode::TEST_UNIT_READY);
    faults.on_nth(1, tur(), Fault::Sense(half_way));
    faults.on_nth(2, tur(), sense(SenseKey::UnitAttention, 0x28, 0x00));
    faults.on_nth(3, tur(), sense(SenseKey::UnitAttention, 0x29, 0x00));
    faults.on_nth(4, tur(), sense(SenseKey::NotReady, 0x04, 0x02));
    let mut heard = Vec::new();
    drive
        .wait_ready(&ReadyWait::default(), &mut |waiting| {
            heard.push((waiting.what.clone(), waiting.progress_percent));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(heard[0], ("becoming ready (2/04/01)".to_owned(), Some(50)));
    assert_eq!(trace.count("LOAD UNLOAD"), 1);
    assert_eq!(faults.pending(), 0);
}

#[test]
fn waiting_can_be_stopped_and_runs_out_of_patience() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    let not_yet = || sense(SenseKey::NotReady, 0x04, 0x01);
    faults.on_nth(1, is(opcode::TEST_UNIT_READY), not_yet());
    let error = drive
        .wait_ready(&ReadyWait::default(), &mut |_| {
            std::ops::ControlFlow::Break(())
        })
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Cancelled);
    faults.on_nth(1, is(opcode::TEST_UNIT_READY), not_yet());
    let impatient = ReadyWait {
        patience: std::time::Duration::ZERO,
        ..ReadyWait::default()
    };
    let error = drive.wait_ready(&impatient, &mut quiet).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::NotReady);
}

#[test]
fn a_device_that_is_reset_without_end_is_not_waited_for() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    let reset = || sense(SenseKey::UnitAttention, 0x29, 0x02);
    for nth in 1..=20 {
        faults.on_nth(nth, is(opcode::TEST_UNIT_READY), reset());
    }
    let error = drive
        .wait_ready(&ReadyWait::default(), &mut quiet)
        .unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Reset);
    assert_eq!(faults.pending(), 10);
}

#[test]
fn a_question_that_the_drive_does_not_know_does_not_lose_the_position() {
    let bench = Bench::new();
    let (mut drive, faults, trace) = bench.traced_drive();
    drive.write_block(&pattern(0, BLOCK)).unwrap();
    for nth in [1, 2] {
        let unknown = sense(SenseKey::IllegalRequest, 0x20, 0x00);
        faults.on_nth(nth, is(opcode::LOG_SENSE), unknown);
    }
    assert_eq!(drive.remaining_bytes().unwrap(), None);
    trace.clear();
    drive.write_block(&pattern(1, BLOCK)).unwrap();
    assert_eq!(trace.commands(), ["WRITE(6)"]);
}

#[test]
fn no_end_of_data_is_not_taken_for_a_blank_tape() {
    let bench = Bench::new();
    let (mut drive, faults, _) = bench.traced_drive();
    faults.on_nth(
        1,
        is(opcode::READ_6),
        sense(SenseKey::BlankCheck, 0x14, 0x03),
    );
    let error = drive.read_block(&mut [0; 512]).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::EndOfDataMissing);
    faults.on_nth(
        1,
        is(opcode::READ_6),
        sense(SenseKey::BlankCheck, 0x00, 0x05),
    );
    assert_eq!(
        drive.read_block(&mut [0; 512]).unwrap(),
        ReadOutcome::EndOfData
    );
}

#[test]
fn a_block_costs_one_command_and_the_first_of_a_session_one_more() {
    let bench = Bench::new();
    let (mut drive, _, trace) = bench.traced_drive();
    for block in 0..10 {
        drive.write_block(&pattern(block, BLOCK)).unwrap();
    }
    drive.write_filemark(FilemarkReturns::Immediate).unwrap();
    assert_eq!(trace.count("WRITE(6)"), 10);
    assert_eq!(trace.count("READ POSITION"), 1);
    assert_eq!(trace.commands().len(), 12);
    trace.clear();
    drive.locate(BlockAddress(3)).unwrap();
    drive.read_block(&mut vec![0; BLOCK]).unwrap();
    assert_eq!(trace.commands(), ["LOCATE(16)", "READ POSITION", "READ(6)"]);
}

#[test]
fn a_trace_never_shows_the_users_data() {
    let bench = Bench::new();
    let (mut drive, _, trace) = bench.traced_drive();
    drive.write_block(&[0x41; 512]).unwrap();
    drive.rewind().unwrap();
    drive.read_block(&mut [0; 512]).unwrap();
    drive.medium().unwrap();
    for record in trace.records() {
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains("41414141"), "{line}");
        assert!(record.data.len() <= 128, "{line}");
    }
    assert!(trace.records().iter().any(|record| !record.data.is_empty()));
}

#[test]
fn a_drive_that_does_not_answer_is_waited_for_until_it_does() {
    let bench = Bench::new();
    let (mut drive, faults, trace) = bench.traced_drive();
    let seen_to = Sense::fixed(SenseKey::NotReady, 0x04, 0x03);
    let script = |silent: u32| {
        let ready = |cdb: &[u8]| cdb.first() == Some(&opcode::TEST_UNIT_READY);
        for nth in 1..=silent {
            faults.on_nth(nth, ready, Fault::Lost(TransportErrorKind::Failed));
        }
        faults.on_nth(silent + 1, ready, Fault::Sense(seen_to.clone()));
    };
    script(6);
    let mut heard = Vec::new();
    drive
        .recover(&mut |waiting| {
            heard.push(waiting.what.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(heard.len(), 7, "{heard:?}");
    assert!(heard[6].contains("04/03"), "{heard:?}");
    assert_eq!(trace.count("TEST UNIT READY"), 8);
    assert_eq!(faults.pending(), 0);

    script(1);
    let error = drive.recover(&mut |_| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind, DriveErrorKind::Cancelled, "{error}");
    assert_eq!(faults.pending(), 1);
}
