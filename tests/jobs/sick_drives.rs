//! Drives that fail or complain, beside another one that is well.

use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use tape_sim::fault::{Device, Effect, Rule, When};
use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::drive::{Drive, ReadyWait};
use tapewright::jobs::archive::{WrittenSegment, archive};
use tapewright::jobs::library::{status, trace_to};
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{JobErrorKind, Outcome, Site, VolumeState, tapes};
use tapewright::monitor::{Monitor, Problem};
use tapewright::transport::sim::SimTransport;

use crate::lab::{A, B, Lab, assert_same_tree, fault, noise, plant};

const HARDWARE: Effect = Effect::HardwareError;

/// What was told: problems and notices.
#[derive(Clone, Default, Debug)]
struct Told {
    problems: Arc<Mutex<Vec<Problem>>>,
    notices: Arc<Mutex<Vec<Problem>>>,
    phases: Arc<Mutex<Vec<String>>>,
}

impl Told {
    /// The one problem with all these words in it, and then nothing is told any more.
    fn one_problem(&self, words: &[&str]) {
        one(&self.problems, words);
    }

    fn one_notice(&self, words: &[&str]) {
        one(&self.notices, words);
    }

    /// The drives that tapes were moved into.
    fn drives(&self) -> Vec<String> {
        let phases = std::mem::take(&mut *self.phases.lock().unwrap());
        let into = |phase: &String| {
            let (_, drive) = phase.split_once(" into ")?;
            phase.starts_with("moving ").then(|| drive.to_owned())
        };
        phases.iter().filter_map(into).collect()
    }

    fn forget(&self) {
        self.problems.lock().unwrap().clear();
        self.notices.lock().unwrap().clear();
        self.phases.lock().unwrap().clear();
    }
}

fn one(heard: &Mutex<Vec<Problem>>, words: &[&str]) {
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    let fits = |told: &&Problem| {
        let line = format!("{}: {}", told.path, told.what);
        words.iter().all(|word| line.contains(word))
    };
    assert_eq!(
        heard.iter().filter(fits).count(),
        1,
        "{words:?}: {heard:#?}"
    );
}

impl Monitor for Told {
    fn problem(&self, problem: &Problem) {
        self.problems.lock().unwrap().push(problem.clone());
    }

    fn notice(&self, notice: &Problem) {
        self.notices.lock().unwrap().push(notice.clone());
    }

    fn phase(&self, what: &str) {
        self.phases.lock().unwrap().push(what.to_owned());
    }
}

/// A lab of so many drives with a tree on tape A, and who listens from now on.
fn archived_with(drives: u16) -> (Lab, Told) {
    let mut lab = Lab::with(&LibrarySpec {
        drives,
        slots: 8,
        cartridges: Some(6),
        ..Lab::small()
    });
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let told = Told::default();
    lab.monitor = Box::new(told.clone());
    (lab, told)
}

fn archived() -> (Lab, Told) {
    archived_with(2)
}

/// This drive does that with the `nth` command of this name, `times` times.
fn in_drive(drive: u16, effect: Effect, command: &str, nth: u64, times: Option<u64>) -> Rule {
    Rule {
        id: format!("{command} {nth} of {drive}"),
        device: Device::Drive(drive),
        ..fault(effect, command, nth, times)
    }
}

/// Brings a tape into the first drive, past the jobs, until it is ready.
fn load(lab: &Lab, barcode: &str) {
    let mut changer = lab.changer();
    let inventory = changer.inventory().unwrap();
    let slot = inventory.find(barcode).unwrap().address;
    let drive = inventory.of_kind(ElementKind::Drive).next().unwrap();
    changer.move_medium(slot, drive.address).unwrap();
    let transport = SimTransport::drive(&lab.library_dir(), 0).unwrap();
    let mut drive = Drive::open(Box::new(transport)).unwrap();
    drive
        .wait_ready(&ReadyWait::default(), &mut |_| ControlFlow::Continue(()))
        .unwrap();
}

/// Raises a TapeAlert flag in a drive, once.
fn raise(lab: &Lab, drive: u16, flag: u8) {
    lab.set_faults(vec![in_drive(
        drive,
        Effect::Alert { flag },
        "LOG SENSE",
        1,
        Some(1),
    )]);
}

fn is_good(lab: &Lab, barcode: &str) {
    let verified = verify(lab.site(), barcode).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
}

fn slot_of(lab: &Lab, barcode: &str) -> bool {
    let shown = status(lab.site()).unwrap();
    shown.slots.iter().any(|slot| {
        let cartridge = slot.cartridge.as_ref();
        cartridge.is_some_and(|held| held.barcode.as_deref() == Some(barcode))
    })
}

#[test]
fn a_drive_that_reports_a_failure_comes_behind_a_healthy_one_and_that_is_told_once() {
    for (flag, words) in [
        (0x1E, ["TapeAlert 1Eh", "another drive"]),
        (0x1F, ["TapeAlert 1Fh", "another drive"]),
        (0x26, ["TapeAlert 26h", "another drive"]),
        (0x14, ["TapeAlert 14h", "cleaning cartridge"]),
    ] {
        let (lab, told) = archived();
        raise(&lab, 0, flag);
        // Two tapes: told with the first alone.
        is_good(&lab, A);
        assert_eq!(told.drives(), ["drive 1"], "{flag:02X}h");
        told.one_problem(&[A, "drive 0 of", words[0], "goes into drive 1 of", words[1]]);
        lab.brings_back("source", "target");
        assert_eq!(told.drives(), ["drive 1"], "{flag:02X}h");
    }
}

#[test]
fn warnings_do_not_put_a_drive_behind_and_name_drive_tape_and_what_to_do() {
    for (flag, name) in [
        (0x1A, "the cooling fan failed"),
        (0x07, "end of its life"),
        (0x13, "nearing the end of its life"),
    ] {
        let (lab, told) = archived();
        // Raised when the tape is there: what is about a tape goes with the next load.
        lab.set_faults(vec![in_drive(
            0,
            Effect::Alert { flag },
            "LOCATE",
            1,
            Some(1),
        )]);
        is_good(&lab, A);
        assert_eq!(told.drives(), ["drive 0"], "{flag:02X}h");
        assert!(
            told.problems.lock().unwrap().is_empty(),
            "{told:?}",
            told = told.problems
        );
        told.one_notice(&[A, "drive 0 of", &format!("{flag:02X}h"), name, "."]);
    }
}

#[test]
fn what_is_for_the_record_is_told_to_nobody() {
    let (lab, told) = archived();
    raise(&lab, 0, 0x0A);
    is_good(&lab, A);
    assert!(told.notices.lock().unwrap().is_empty());
    assert!(told.problems.lock().unwrap().is_empty());
}

#[test]
fn where_no_drive_is_healthy_one_that_complains_is_used_and_named() {
    let (lab, told) = archived();
    lab.set_faults(
        [0, 1]
            .map(|drive| in_drive(drive, Effect::Alert { flag: 0x1E }, "LOG SENSE", 1, Some(1)))
            .into(),
    );
    is_good(&lab, A);
    assert_eq!(told.drives(), ["drive 0"]);
    told.one_problem(&[A, "drive 0 of", "TapeAlert 1Eh", "another drive"]);
}

#[test]
fn a_tape_in_a_drive_that_reports_a_failure_is_taken_to_a_healthy_one() {
    let (lab, told) = archived();
    load(&lab, A);
    raise(&lab, 0, 0x1E);
    is_good(&lab, A);
    assert_eq!(told.drives(), ["drive 1"]);
}

#[test]
fn a_tape_that_a_drive_fails_to_load_is_tried_in_the_other_one() {
    // While it is loaded, while the mode is set, and when the label is read.
    for (effect, command) in [
        (HARDWARE, "TEST UNIT READY"),
        (sense(4, 0x53, 0x04), "TEST UNIT READY"),
        (HARDWARE, "MODE SENSE"),
        (HARDWARE, "READ"),
        (Effect::NoAnswer { executed: false }, "READ"),
    ] {
        let (lab, told) = archived();
        let rule = in_drive(0, effect.clone(), command, 1, None);
        lab.set_faults(vec![rule]);
        let case = format!("{effect:?} {command}");
        let (restored, copy) = lab.restore("source", "target");
        assert_eq!(restored.outcome, Outcome::Complete, "{case}: {restored:?}");
        assert_same_tree(&lab.path("source"), &copy);
        assert_eq!(told.drives(), ["drive 0", "drive 1"], "{case}");
        told.one_problem(&[A, "drive 0 of", "failed: ", "goes into drive 1 of"]);
        assert!(slot_of(&lab, A), "{case}");
    }
}

#[test]
fn a_drive_that_does_not_answer_is_passed_over_and_named_once() {
    let (lab, told) = archived();
    lab.set_faults(vec![in_drive(0, HARDWARE, "INQUIRY", 1, None)]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_eq!(told.drives(), ["drive 1"]);
    told.one_problem(&[A, "drive 0 of", "is passed over"]);
}

#[test]
fn each_free_drive_is_tried_once_and_then_the_last_failure_is_the_news() {
    let (lab, told) = archived_with(3);
    lab.set_faults(vec![fault(HARDWARE, "TEST UNIT READY", 1, None)]);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(told.drives(), ["drive 0", "drive 1", "drive 2"]);
    let failure = &verified.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::BadDevice, "{failure:?}");
    assert!(failure.what.contains("drive 2 of"), "{failure:?}");
    assert!(failure.advice.is_some(), "{failure:?}");
}

#[test]
fn a_medium_error_takes_a_tape_to_no_other_drive() {
    let (lab, told) = archived();
    lab.set_faults(vec![fault(sense(3, 0x52, 0), "TEST UNIT READY", 1, None)]);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(told.drives(), ["drive 0"]);
    let failure = &verified.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::BadMedium, "{failure:?}");
}

fn sense(key: u8, asc: u8, ascq: u8) -> Effect {
    Effect::Sense { key, asc, ascq }
}

#[test]
fn reading_goes_on_in_the_other_drive_where_the_first_fails() {
    for (effect, command) in [
        (HARDWARE, "READ"),
        (HARDWARE, "LOCATE"),
        (sense(3, 0x85, 0), "READ"),
        (sense(0xB, 0x4E, 0), "READ"),
        (Effect::NoAnswer { executed: false }, "READ"),
        (Effect::Reset { after: false }, "READ"),
    ] {
        let (lab, told) = archived();
        let case = format!("{effect:?} {command}");
        let nth = if command == "READ" { 6 } else { 1 };
        let rule = || vec![in_drive(0, effect.clone(), command, nth, None)];
        lab.set_faults(rule());
        let (restored, copy) = lab.restore("source", "target");
        assert_eq!(restored.outcome, Outcome::Complete, "{case}: {restored:?}");
        assert!(restored.failed_tapes.is_empty(), "{case}: {restored:?}");
        assert_same_tree(&lab.path("source"), &copy);
        assert_eq!(told.drives(), ["drive 0", "drive 1"], "{case}");
        told.one_problem(&[A, "drive 0 of", "failed: ", "goes into drive 1 of"]);
        assert!(slot_of(&lab, A), "{case}");

        // What the drive reported by then would keep it from being tried at all.
        let (lab, told) = archived();
        lab.set_faults(rule());
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{case}: {verified:?}");
        assert_eq!(verified.volumes[0].verdict, Verdict::Good, "{case}");
        assert_eq!(told.drives(), ["drive 0", "drive 1"], "{case}");
    }
}

#[test]
fn reading_ends_where_the_other_drive_fails_as_well() {
    let (lab, told) = archived();
    lab.set_faults(vec![fault(HARDWARE, "READ", 6, None)]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    assert_eq!(told.drives(), ["drive 0", "drive 1"]);
    let failure = &restored.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::BadDevice, "{failure:?}");
    assert!(slot_of(&lab, A));
}

#[test]
fn the_tape_that_the_other_drive_finds_is_proved_to_be_the_same() {
    let (lab, _) = archived();
    // Between two drives somebody exchanges A, in the first slot, for B, in the second.
    let exchange = |from: u16, to: u16| -> Rule {
        serde_json::from_value(serde_json::json!({
            "id": format!("{from} to {to}"),
            "device": "changer",
            "effect": {"kind": "other_host_moves", "from": from, "to": to},
            "when": {"command": "MOVE MEDIUM", "nth": 3},
            "times": 1,
        }))
        .unwrap()
    };
    lab.set_faults(vec![
        in_drive(0, HARDWARE, "READ", 6, None),
        exchange(1001, 1007),
        exchange(1002, 1001),
    ]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    let failure = &restored.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::WrongTape, "{failure:?}");
}

#[test]
fn a_tape_that_is_written_stays_as_it_is_and_the_next_mount_avoids_the_drive() {
    let (lab, told) = archived();
    fs::write(lab.path("source/more"), noise(4, 900_000)).unwrap();
    lab.set_faults(vec![in_drive(0, HARDWARE, "WRITE", 3, None)]);
    // What was not confirmed goes to another tape, in another drive.
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let [failed] = &summary.failed_tapes[..] else {
        panic!("{summary:?}")
    };
    assert!(
        !failed.suspect,
        "the drive failed, and not the tape: {failed:?}"
    );
    let another = |segment: &WrittenSegment| segment.barcode != failed.barcode;
    assert!(summary.segments.iter().all(another));
    told.forget();
    // The first job's drive reports it to the next.
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert!(told.drives().iter().all(|drive| drive == "drive 1"));
    let states: Vec<_> = tapes::list(lab.site())
        .unwrap()
        .iter()
        .map(|tape| tape.state)
        .collect();
    assert!(!states.contains(&VolumeState::Full), "{states:?}");
}

#[test]
fn a_reset_on_the_way_to_the_first_write_sets_the_mode_anew() {
    // The third question for log pages is that for flags behind the load; those before it are
    // asked when the drive is opened and chosen. While a tape is loaded more may be asked.
    for (command, nth) in [
        ("LOG SENSE", 3),
        ("READ ATTRIBUTE", 1),
        ("READ", 1),
        ("SPACE", 1),
    ] {
        let (lab, _) = archived();
        load(&lab, A);
        fs::write(lab.path("source/more"), noise(5, 400_000)).unwrap();
        let reset = Effect::Reset { after: false };
        lab.set_faults(vec![in_drive(0, reset, command, nth, Some(1))]);
        let file = lab.path("trace");
        let tap = trace_to(&file).unwrap();
        let site = Site {
            trace: Some(&tap),
            ..lab.site()
        };
        let job = crate::lab::of_paths(vec![lab.path("source")], "docs");
        let summary = archive(site, &job).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{command}: {summary:?}");

        let trace = fs::read_to_string(&file).unwrap();
        let of_drive = |line: &&str| line.contains("\"device\":\"drive 0 of");
        let lines: Vec<&str> = trace.lines().filter(of_drive).collect();
        let sends = |code: &str| format!("\"cdb\":\"{code}");
        let reset = lines.iter().position(|line| is_reset(line)).unwrap();
        let behind = &lines[reset..];
        let write = behind.iter().position(|line| line.contains(&sends("0a")));
        let selects = |line: &&&str| line.contains(&sends("55"));
        let mode = behind[..write.unwrap()].iter().rfind(selects);
        let mode = mode.unwrap_or_else(|| panic!("{command}: the mode stays as it was"));
        // Page 0F; the first bit behind its length switches compression on.
        let (_, page) = mode.split_once("0f0e").unwrap();
        let flags = u8::from_str_radix(&page[..2], 16).unwrap();
        assert_eq!(flags & 0x80, 0, "{command}: compression is on");
    }
}

/// Whether a line of the trace ends with fixed sense 06/29/00.
fn is_reset(line: &str) -> bool {
    let sense = line.split_once("\"sense\":\"").map(|(_, sense)| sense);
    sense.is_some_and(|sense| sense.starts_with("700006") && sense.get(24..28) == Some("2900"))
}

#[test]
fn a_drive_that_asks_to_be_cleaned_is_named() {
    let (lab, told) = archived();
    lab.set_faults(vec![in_drive(
        0,
        sense(1, 0x00, 0x17),
        "REWIND",
        1,
        Some(1),
    )]);
    is_good(&lab, A);
    told.one_notice(&[A, "drive 0 of", "asks to be cleaned"]);

    let (lab, told) = archived_with(1);
    lab.set_faults(vec![in_drive(
        0,
        Effect::CleaningWanted,
        "READ",
        2,
        Some(1),
    )]);
    is_good(&lab, A);
    told.one_problem(&[A, "drive 0 of", "clean the drive now", "cleaning cartridge"]);
}

/// A drive that does not read a block once, or never.
fn unread(drive: u16, first: u64, times: Option<u64>) -> Rule {
    Rule {
        id: format!("block {first} of {drive}"),
        device: Device::Drive(drive),
        when: When {
            objects: Some([first, first]),
            ..When::default()
        },
        times,
        ..Rule::new(Effect::ReadError { stays: false })
    }
}

/// The blocks behind the label that restore, or verify, reads in the order of the tape.
const DATA: u64 = 2;

#[test]
fn a_block_that_comes_at_the_second_or_third_attempt_is_no_damage_but_told() {
    for (times, attempt) in [(1, "attempt 2"), (2, "attempt 3")] {
        let (lab, told) = archived();
        let words = [
            "volume",
            A,
            "block 2 ",
            attempt,
            "drive 0 of",
            "Nothing is lost",
        ];
        lab.set_faults(vec![unread(0, DATA, Some(times))]);
        lab.brings_back("source", "target");
        told.one_notice(&words);

        lab.set_faults(vec![unread(0, DATA, Some(times))]);
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
        assert_eq!(verified.volumes[0].verdict, Verdict::Good);
        told.one_notice(&words);
        let told_by_drive = |told: &Problem| told.what.contains("TapeAlert ");
        assert!(
            told.problems.lock().unwrap().iter().all(told_by_drive),
            "{told:?}"
        );
        assert_eq!(told.drives(), ["drive 0", "drive 0"]);
        assert_eq!(
            tapes::list(lab.site()).unwrap()[0].state,
            VolumeState::Appendable
        );
    }
}

#[test]
fn a_block_that_one_drive_does_not_read_is_read_in_the_other() {
    let (lab, told) = archived();
    lab.set_faults(vec![unread(0, DATA, None)]);
    lab.brings_back("source", "target");
    assert_eq!(told.drives(), ["drive 0", "drive 1"]);
    told.one_problem(&[
        A,
        "drive 0 of",
        "does not read it",
        "goes into drive 1 of",
        "clean",
    ]);
    told.one_notice(&[A, "block 2 ", "attempt 4", "drive 1 of"]);
    assert!(slot_of(&lab, A));
}

#[test]
fn a_tape_that_no_drive_reads_changes_drives_once_and_loses_what_is_in_the_block_alone() {
    let (lab, told) = archived_with(3);
    lab.set_faults(vec![unread(0, DATA, None), unread(1, DATA, None)]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(told.drives(), ["drive 0", "drive 1"]);
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    assert!(restored.failed_tapes.is_empty(), "{restored:?}");
    let lost = restored.problems.total;
    assert!(lost > 0 && restored.files > 0, "{restored:?}");
    assert!(slot_of(&lab, A));

    // One drive: the same block, and nothing else.
    let (lab, told) = archived_with(1);
    lab.set_faults(vec![unread(0, DATA, None)]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(told.drives(), ["drive 0"]);
    assert_eq!(restored.problems.total, lost, "{restored:?}");
}

#[test]
fn a_tape_goes_back_into_the_drive_that_reads_it_badly_where_the_other_one_fails() {
    let (lab, told) = archived();
    lab.set_faults(vec![
        unread(0, DATA, Some(3)),
        in_drive(1, HARDWARE, "TEST UNIT READY", 1, None),
    ]);
    lab.brings_back("source", "target");
    assert_eq!(told.drives(), ["drive 0", "drive 1", "drive 0"]);
}

#[test]
fn a_drive_that_is_in_use_is_no_reason_to_take_the_tape_out() {
    let (lab, told) = archived();
    let _user = SimTransport::drive(&lab.library_dir(), 1).unwrap();
    lab.set_faults(vec![unread(0, DATA, Some(3))]);
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    assert_eq!(told.drives(), ["drive 0"]);
}

#[test]
fn a_locate_that_is_not_believed_is_the_drives_fault_and_not_the_tapes() {
    for (lie, times) in [(false, None), (true, Some(1)), (true, None)] {
        let (lab, told) = archived();
        let elsewhere = Effect::WrongPosition { object: 1, lie };
        lab.set_faults(vec![in_drive(0, elsewhere, "LOCATE", 1, times)]);
        let verified = verify(lab.site(), A).unwrap();
        let case = format!("{lie} {times:?}");
        assert_eq!(verified.outcome, Outcome::Complete, "{case}: {verified:?}");
        assert_eq!(verified.volumes[0].verdict, Verdict::Good, "{case}");
        match times {
            None => {
                assert_eq!(told.drives(), ["drive 0", "drive 1"], "{case}");
                let words = if lie { "does not read it" } else { "failed: " };
                told.one_problem(&[A, "drive 0 of", words, "goes into drive 1 of"]);
            }
            Some(_) => told.one_notice(&[A, "attempt 2", "drive 0 of"]),
        }
        assert_eq!(
            tapes::list(lab.site()).unwrap()[0].state,
            VolumeState::Appendable
        );
    }
}

#[test]
fn where_there_is_no_other_drive_one_that_goes_elsewhere_is_named_and_the_tape_is_not() {
    let (lab, _) = archived_with(1);
    let elsewhere = Effect::WrongPosition {
        object: 1,
        lie: false,
    };
    lab.set_faults(vec![in_drive(0, elsewhere, "LOCATE", 1, None)]);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(
        verified.volumes[0].verdict,
        Verdict::Inconclusive,
        "{verified:?}"
    );
    let failure = &verified.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::BadDevice, "{failure:?}");
    for words in ["drive 0 of", "the drive is at block 1 instead"] {
        assert!(failure.what.contains(words), "{failure:?}");
    }
    let advice = failure.advice.as_deref().unwrap();
    assert!(advice.contains("nothing of the tape"), "{advice}");
}

#[test]
fn a_drive_that_is_not_ready_in_the_middle_is_waited_for_where_it_stands_and_told() {
    // With the first of each command of a session, and with later ones.
    for (command, nth, times) in [
        ("READ", 3, 4),
        ("LOCATE", 1, 3),
        ("WRITE", 1, 1),
        ("WRITE", 3, 4),
        ("WRITE FILEMARKS", 1, 2),
        ("WRITE FILEMARKS", 3, 2),
        ("READ POSITION", 9, 1),
    ] {
        let case = format!("{command} {nth} {times}");
        let (lab, told) = archived();
        fs::write(lab.path("source/more"), noise(6, 900_000)).unwrap();
        let rule = in_drive(0, Effect::BecomingReady, command, nth, Some(times));
        lab.set_faults(vec![rule]);
        let summary = lab.archive(&["source"], "docs").unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{case}: {summary:?}");
        assert!(summary.failed_tapes.is_empty(), "{case}: {summary:?}");
        let of_a = |segment: &WrittenSegment| segment.barcode == A;
        assert!(summary.segments.iter().all(of_a), "{case}: {summary:?}");
        told.one_notice(&[
            A,
            "drive 0 of",
            "not ready",
            "becoming ready",
            "nothing is lost",
        ]);
        lab.set_faults(Vec::new());
        is_good(&lab, A);
    }
}

#[test]
fn a_drive_that_stands_elsewhere_behind_its_unreadiness_writes_nothing_more() {
    let (lab, told) = archived();
    fs::write(lab.path("source/more"), noise(7, 900_000)).unwrap();
    // Reset in the middle of it, and it says so: what was in its buffer is gone.
    lab.set_faults(vec![
        in_drive(0, Effect::BecomingReady, "WRITE", 3, Some(1)),
        Rule {
            id: "reset".to_owned(),
            ..in_drive(
                0,
                Effect::Reset { after: false },
                "TEST UNIT READY",
                3,
                Some(1),
            )
        },
    ]);
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    told.forget();
    lab.set_faults(Vec::new());
    lab.brings_back("source", "target");
}

#[test]
fn a_tape_that_a_drive_does_not_let_go_is_written_there() {
    let (lab, told) = archived_with(2);
    lab.set_faults(vec![in_drive(0, HARDWARE, "LOAD UNLOAD", 1, None)]);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    told.one_problem(&[A, "giving it back failed", "unloading"]);
    told.forget();
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert!(summary.segments.iter().all(|segment| segment.barcode == A));
    told.one_notice(&[A, "does not let it go"]);
}
