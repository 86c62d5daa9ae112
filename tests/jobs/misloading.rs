//! Tapes that do not load, or whose chip cannot be read: which tape, or drive, is blamed.

use std::fs;
use std::sync::{Arc, Mutex};

use tape_sim::fault::{Effect, Rule, read_flaws, write_flaws};
use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, VolumeState, tapes};
use tapewright::monitor::Problem;

use crate::lab::{A, B, C, Lab, fault, plant};
use crate::refusals::Listener;

type Heard = Arc<Mutex<Vec<Problem>>>;

/// One drive; A, B and C are empty volumes of the pool `docs`; what problems are told.
fn one_drive() -> (Lab, Heard) {
    let mut lab = Lab::with(&LibrarySpec {
        drives: 1,
        slots: 8,
        cartridges: Some(6),
        ..Lab::small()
    });
    plant(&lab.path("source"));
    lab.label(&[A, B, C], "docs");
    let heard = Heard::default();
    lab.monitor = Box::new(Listener(Arc::clone(&heard)));
    (lab, heard)
}

/// The drive says this instead of doing the command, with this tape in it.
fn sense(barcode: &str, command: &str, asc: u8, ascq: u8) -> Rule {
    let effect = Effect::Sense { key: 3, asc, ascq };
    let mut rule = fault(effect, command, 1, None);
    rule.when.barcode = Some(barcode.to_owned());
    rule
}

fn states(lab: &Lab) -> Vec<VolumeState> {
    let listed = tapes::list(lab.site()).unwrap();
    listed.iter().map(|tape| tape.state).collect()
}

const APPENDABLE: VolumeState = VolumeState::Appendable;

#[test]
fn a_tape_that_stays_in_the_drive_speaks_against_no_other_tape() {
    let (lab, heard) = one_drive();
    let mut changer = lab.changer();
    let inventory = changer.inventory().unwrap();
    let slot = inventory.find("SIM005L9").unwrap().address;
    let drive = inventory.of_kind(ElementKind::Drive).next().unwrap();
    changer.move_medium(slot, drive.address).unwrap();
    lab.set_faults(vec![sense("SIM005L9", "LOAD UNLOAD", 0x52, 0)]);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::NotCleared { found, .. } if found == "SIM005L9"),
        "{error:?}"
    );
    assert_eq!(error.kind(), JobErrorKind::BadDevice);
    assert!(error.advice().unwrap().contains("Eject the tape"));
    assert_eq!(states(&lab), [APPENDABLE; 3]);
    assert!(heard.lock().unwrap().is_empty(), "{heard:?}");
}

#[test]
fn a_tape_that_does_not_load_is_marked_only_where_the_drive_blames_the_tape() {
    // A read error may be the drive's dirt; a faulty cartridge is one.
    let cases = [
        (0x11, APPENDABLE, "Clean the drive"),
        (0x52, VolumeState::Suspect, "marked suspect"),
    ];
    for (asc, state, words) in cases {
        let (lab, heard) = one_drive();
        lab.set_faults(vec![sense(A, "TEST UNIT READY", asc, 0)]);
        let summary = lab.archive(&["source"], "docs").unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert!(summary.segments.iter().all(|segment| segment.barcode == B));
        assert_eq!(states(&lab), [state, APPENDABLE, APPENDABLE], "{asc:02x}h");
        let heard = heard.lock().unwrap();
        let told = heard.iter().find(|p| p.what.contains("passed over"));
        let told = told.unwrap();
        assert_eq!(told.path, A);
        assert!(told.what.contains(words), "{told:?}");
    }
}

#[test]
fn a_drive_that_fails_to_load_two_tapes_in_a_row_is_blamed_and_no_tape_is_marked() {
    let (lab, _) = one_drive();
    let before = lab.fingerprint(C);
    lab.set_faults(
        [A, B, C]
            .map(|tape| sense(tape, "TEST UNIT READY", 0x11, 0))
            .into(),
    );
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::LoadsNothing { first, second, .. }
            if (first.as_str(), second.as_str()) == (A, B)),
        "{error:?}"
    );
    assert!(error.advice().unwrap().contains("Clean the drive"));
    assert_eq!(states(&lab), [APPENDABLE; 3]);
    assert_eq!(lab.fingerprint(C), before);
}

#[test]
fn a_tape_whose_chip_failed_is_passed_over_once_and_then_left_alone() {
    let (lab, heard) = one_drive();
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), A);
    let mut flaws = read_flaws(&folder).unwrap();
    flaws.chip_failed = true;
    write_flaws(&folder, &flaws).unwrap();
    for round in 0..2 {
        let name = format!("letter {round}");
        fs::write(lab.path("source").join(&name), &name).unwrap();
        let summary = lab.archive(&["source"], "docs").unwrap();
        assert!(summary.segments.iter().all(|segment| segment.barcode == B));
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        let told: Vec<_> = heard.iter().filter(|problem| problem.path == A).collect();
        assert_eq!(
            told.iter().any(|p| p.what.contains("can still be read")),
            round == 0,
            "{told:?}"
        );
    }
    assert_eq!(states(&lab), [VolumeState::Suspect, APPENDABLE, APPENDABLE]);
}
