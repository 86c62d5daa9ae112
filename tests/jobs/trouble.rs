//! Libraries in trouble: what is told in words, and what a job makes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tape_sim::fault::Rule;
use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::LibrarySpec;
use tapewright::error_text::with_causes;
use tapewright::jobs::doctor::doctor;
use tapewright::jobs::library::{LibraryStatus, status};
use tapewright::jobs::moves::move_to_slot;
use tapewright::jobs::restore::TapePlace;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, tapes};
use tapewright::monitor::Monitor;

use crate::lab::{A, B, C, Lab, barcodes_of, label_options, plant};
use crate::refusals::{Listener, address_of};

/// A lab with a labelled and written tape.
fn written() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    lab
}

fn fault(lab: &Lab, rule: serde_json::Value) {
    let rule: Rule = serde_json::from_value(rule).unwrap();
    lab.library().add_fault(rule).unwrap();
}

fn look(lab: &Lab) -> LibraryStatus {
    status(lab.site()).unwrap()
}

#[test]
fn a_changer_that_another_host_has_reserved_is_busy() {
    let lab = written();
    fault(
        &lab,
        serde_json::json!({"device": "changer", "effect": {"kind": "reserved"}}),
    );
    let error = tapewright::jobs::label::label(lab.site(), &label_options(&[B], "docs", None));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Busy, "{error:?}");
    assert!(error.advice().unwrap().contains("release"), "{error:?}");
}

#[test]
fn a_drive_that_another_host_has_reserved_is_busy() {
    let lab = written();
    fault(
        &lab,
        serde_json::json!({"device": "drives", "effect": {"kind": "reserved"}}),
    );
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.failed_tapes.len(), 1, "{summary:?}");
    let failure = &summary.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::Busy, "{failure:?}");
}

#[test]
fn a_move_that_failed_names_tape_places_and_where_the_tape_is_now() {
    let lab = written();
    lab.label(&[B], "docs");
    fault(
        &lab,
        serde_json::json!({
            "device": "changer",
            "effect": {"kind": "hardware_error"},
            "when": {"command": "MOVE MEDIUM"},
            "times": 1,
        }),
    );
    let summary = verify(lab.site(), A).unwrap();
    let failure = &summary.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::BadDevice, "{failure:?}");
    for words in [A, "from slot 1 to drive 0", "it is in slot 1 now"] {
        assert!(failure.what.contains(words), "{words}: {failure:?}");
    }
    assert!(failure.advice.is_some(), "{failure:?}");
}

#[test]
fn a_tape_behind_an_open_door_needs_an_operator_and_is_not_missing() {
    let lab = written();
    let dir = lab.library_dir();
    lab.library().insert(0, "NEW001L9", None).unwrap();
    // What the mail slot's use is told with, is heard by the first look.
    look(&lab);
    inventory::set_door(&dir, Door::MailSlots, true).unwrap();
    let mail = look(&lab).mail_slots[0].problem.clone().unwrap();
    assert!(mail.contains("door"), "{mail}");
    let options = label_options(&["NEW001L9"], "docs", None);
    let error = tapewright::jobs::label::label(lab.site(), &options).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NeedsOperator, "{error:?}");
    let words = with_causes(&error);
    for part in ["NEW001L9", "mail slot 1", "open"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(error.advice().unwrap().contains("doors"), "{error:?}");
    assert!(!matches!(error, JobError::TapeMissing { .. }));
}

#[test]
fn abnormal_slots_are_told_in_words() {
    let lab = Lab::with(&LibrarySpec {
        slots: 16,
        cartridges: Some(3),
        ..Lab::small()
    });
    lab.library().set_label(C, Label::Unreadable).unwrap();
    inventory::remove_magazine(&lab.library_dir(), 1).unwrap();
    let slots = look(&lab).slots;
    let problem = |number: usize| slots[number - 1].problem.as_deref().unwrap_or_default();
    assert!(problem(3).contains("label cannot be read"), "{slots:#?}");
    for out in 13..=16 {
        assert!(problem(out).contains("magazine is out"), "{slots:#?}");
    }
    for sound in [1, 2, 4, 12] {
        assert_eq!(problem(sound), "", "{slots:#?}");
    }
}

/// Leaves tape A in the robot's hand.
fn dropped(lab: &Lab) {
    fault(
        lab,
        serde_json::json!({
            "device": "changer",
            "effect": {"kind": "robot_drop", "lost": false},
            "times": 1,
        }),
    );
    let summary = verify(lab.site(), A).unwrap();
    let failure = &summary.failed_tapes[0].failure;
    assert!(
        failure.what.contains("it is in the robot's hand now"),
        "{failure:?}"
    );
}

#[test]
fn a_cartridge_in_the_robots_hand_is_shown_and_goes_to_its_slot_before_the_next_move() {
    let mut lab = written();
    lab.label(&[B], "docs");
    dropped(&lab);
    let shown = look(&lab);
    let held = shown.robots[0].cartridge.as_ref().unwrap();
    assert_eq!(held.barcode.as_deref(), Some(A));
    assert!(held.volume.is_some(), "the catalog knows it");
    let listed = tapes::list(lab.site()).unwrap();
    let place = |barcode: &str| &listed.iter().find(|t| t.barcode == barcode).unwrap().place;
    assert_eq!(*place(A), TapePlace::Robot);
    let warned = doctor(lab.site()).checks;
    let cure = warned.iter().find(|check| check.what.contains("hand"));
    assert!(cure.unwrap().cure.is_some(), "{warned:#?}");

    let heard = Listener::default();
    lab.monitor = Box::new(heard.clone());
    // Another tape is wanted: the one in the hand is in its way.
    let verified = verify(lab.site(), B).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    let told = heard.0.lock().unwrap();
    assert!(
        told.iter()
            .any(|problem| problem.path == A && problem.what.contains("is in slot 1 now")),
        "{told:?}"
    );
    let shown = look(&lab);
    assert!(shown.robots[0].cartridge.is_none());
    let slot = shown.slots[0].cartridge.as_ref().unwrap();
    assert_eq!(slot.barcode.as_deref(), Some(A));
}

#[test]
fn where_no_slot_is_empty_the_tape_in_the_robots_hand_calls_for_a_person() {
    let lab = Lab::with(&LibrarySpec {
        slots: 4,
        cartridges: Some(4),
        ..Lab::small()
    });
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let (dir, slot) = (lab.library_dir(), address_of(&lab, A));
    dropped(&lab);
    // Somebody fills the slot that the tape came from.
    lab.library().insert(0, "NEW001L9", None).unwrap();
    inventory::take(&dir, address_of(&lab, "NEW001L9")).unwrap();
    inventory::put(&dir, slot, "NEW001L9").unwrap();
    look(&lab);

    let error = tapewright::jobs::label::label(lab.site(), &label_options(&[B], "docs", None));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NeedsOperator, "{error:?}");
    let told = error.to_string();
    assert!(
        told.contains(A) && told.contains("the robot's hand"),
        "{told}"
    );
    assert!(error.advice().unwrap().contains("magazine"), "{error:?}");
}

#[test]
fn the_tape_in_the_robots_hand_can_itself_be_mounted() {
    let lab = written();
    dropped(&lab);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
}

#[test]
fn a_tape_that_the_robot_lost_is_missing_with_the_move_that_lost_it_until_it_is_seen_again() {
    let mut lab = written();
    lab.label(&[B], "docs");
    fault(
        &lab,
        serde_json::json!({
            "device": "changer",
            "effect": {"kind": "robot_drop", "lost": true},
            "times": 1,
        }),
    );
    let summary = verify(lab.site(), A).unwrap();
    let failure = &summary.failed_tapes[0].failure;
    for words in [
        A,
        "from slot 1 to drive 0",
        "no place that the library sees",
    ] {
        assert!(failure.what.contains(words), "{words}: {failure:?}");
    }

    // The next day, in another process.
    let heard = Listener::default();
    lab.monitor = Box::new(heard.clone());
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(barcodes_of(&summary.missing_tapes), [A], "{summary:?}");
    let told = std::mem::take(&mut *heard.0.lock().unwrap());
    let connects = |what: &str| {
        let words = ["robot lost it", "from slot 1 to drive 0", "look in"];
        words.iter().all(|word| what.contains(word))
    };
    assert!(
        told.iter()
            .any(|told| told.path == A && connects(&told.what)),
        "{told:?}"
    );
    let lost = look(&lab).lost_tapes;
    assert!(
        lost[0].barcode == A && connects(&lost[0].words()),
        "{lost:?}"
    );
    let error = move_to_slot(lab.site(), A, 8, false).unwrap_err();
    assert!(connects(&error.to_string()), "{error:?}");
    let advice = error.advice().unwrap();
    assert!(advice.contains("Open the library"), "{advice}");

    // Another tape is none of that, and does not make it forgotten.
    let verified = verify(lab.site(), B).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    assert_eq!(look(&lab).lost_tapes.len(), 1);

    lab.library().insert(0, A, None).unwrap();
    assert_eq!(look(&lab).lost_tapes, []);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    lab.take_away(A);
    let error = move_to_slot(lab.site(), A, 8, false).unwrap_err();
    assert!(!connects(&error.to_string()), "it was seen: {error:?}");
}

#[test]
fn a_lost_tape_in_the_hand_whose_label_cannot_be_read_is_looked_for_there() {
    let lab = written();
    dropped(&lab);
    lab.library().set_label(A, Label::Unreadable).unwrap();
    let error = move_to_slot(lab.site(), "GONE01L9", 8, true).unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("the robot's hand holds a cartridge"),
        "{words}"
    );
}

#[test]
fn a_library_that_is_not_ready_for_a_moment_in_the_middle_is_waited_for() {
    for command in ["READ ELEMENT STATUS", "MODE SENSE", "MOVE MEDIUM"] {
        let lab = written();
        fault(
            &lab,
            serde_json::json!({
                "device": "changer",
                "effect": {"kind": "sense", "key": 2, "asc": 4, "ascq": 1},
                "when": {"command": command},
                "times": 2,
            }),
        );
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(
            verified.outcome,
            Outcome::Complete,
            "{command}: {verified:?}"
        );
    }
}

/// Hears of waits, and stops the job at the first where it shall.
#[derive(Clone, Default)]
struct Waits {
    heard: Arc<Mutex<Vec<String>>>,
    stops: bool,
}

impl Monitor for Waits {
    fn waiting(&self, what: &str, _elapsed: Duration) {
        self.heard.lock().unwrap().push(what.to_owned());
    }

    fn stop_requested(&self) -> bool {
        self.stops && !self.heard.lock().unwrap().is_empty()
    }
}

#[test]
fn a_wait_for_a_drive_or_a_library_is_told_and_can_be_stopped() {
    for (device, names) in [("drives", "drive 0"), ("changer", "changer")] {
        let mut lab = written();
        let becoming = serde_json::json!({
            "device": device,
            "effect": {"kind": "sense", "key": 2, "asc": 4, "ascq": 1},
            "when": {"command": "TEST UNIT READY"},
            "times": 5,
        });
        fault(&lab, becoming.clone());
        let waits = Waits::default();
        lab.monitor = Box::new(waits.clone());
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
        let heard = waits.heard.lock().unwrap().clone();
        assert!(heard.len() >= 5, "{heard:?}");
        for words in [names, "becoming ready"] {
            assert!(heard[0].contains(words), "{words}: {heard:?}");
        }

        lab.library().clear_faults().unwrap();
        fault(&lab, becoming);
        lab.monitor = Box::new(Waits {
            stops: true,
            ..Waits::default()
        });
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Interrupted, "{verified:?}");
        assert!(verified.volumes.is_empty(), "{verified:?}");
    }
}

#[test]
fn a_library_with_an_open_door_tells_what_is_where_and_that_it_moves_nothing() {
    let lab = written();
    let dir = lab.library_dir();
    inventory::set_door(&dir, Door::Front, true).unwrap();
    let shown = look(&lab);
    assert!(shown.problem.as_deref().unwrap().contains("see to"));
    let slot = shown.slots[0].cartridge.as_ref().unwrap();
    assert_eq!(slot.barcode.as_deref(), Some(A));
    let checks = doctor(lab.site()).checks;
    assert!(
        checks
            .iter()
            .any(|check| check.kind == Some(JobErrorKind::NeedsOperator)),
        "{checks:#?}"
    );
    let verified = verify(lab.site(), A).unwrap();
    assert!(verified.missing_tapes.is_empty(), "{verified:?}");
    let failure = &verified.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::NeedsOperator, "{failure:?}");
    assert!(failure.advice.is_some(), "{failure:?}");

    inventory::set_door(&dir, Door::Front, false).unwrap();
    assert_eq!(look(&lab).problem, None);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
}

#[test]
fn a_missing_tape_may_be_one_whose_label_cannot_be_read() {
    let mut lab = written();
    lab.label(&[B], "docs");
    lab.library().set_label(A, Label::Unreadable).unwrap();
    let heard = Listener::default();
    lab.monitor = Box::new(heard.clone());
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(barcodes_of(&verified.missing_tapes), [A], "{verified:?}");
    let told = heard.0.lock().unwrap().clone();
    assert!(
        told.iter()
            .any(|problem| problem.path == A && problem.what.contains("slot 1 holds a cartridge")),
        "{told:?}"
    );

    // A tape without segments, whose label alone would be read.
    lab.library().set_label(B, Label::Missing).unwrap();
    let verified = verify(lab.site(), B).unwrap();
    assert_eq!(barcodes_of(&verified.missing_tapes), [B], "{verified:?}");
    let told = heard.0.lock().unwrap().clone();
    assert!(
        told.iter()
            .any(|problem| problem.path == B && problem.what.contains("slot 1 and slot 2")),
        "{told:?}"
    );

    let error = lab.archive(&["source"], "docs").unwrap_err();
    let words = error.to_string();
    for part in [A, B, "slot 1 and slot 2 hold cartridges"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let options = label_options(&[C, "AWAY01L9"], "docs", None);
    let error = tapewright::jobs::label::label(lab.site(), &options);
    let error = error.map_or_else(|error| error, |summary| panic!("{summary:?}"));
    let advice = error.advice().unwrap();
    assert!(advice.contains("label of that cartridge"), "{advice}");
}

#[test]
fn a_tape_that_another_host_moves_in_the_same_moment_is_looked_for_again() {
    let lab = written();
    // Into another slot and back, each time just before it would be moved.
    for (from, to) in [(1001, 1007), (1007, 1001)] {
        fault(
            &lab,
            serde_json::json!({
                "id": format!("to {to}"),
                "device": "changer",
                "effect": {"kind": "other_host_moves", "from": from, "to": to},
                "when": {"command": "MOVE MEDIUM"},
                "times": 1,
            }),
        );
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    }
}

#[test]
fn a_library_in_which_others_never_rest_is_busy() {
    let lab = written();
    fault(
        &lab,
        serde_json::json!({
            "device": "changer",
            "effect": {"kind": "sense", "key": 5, "asc": 59, "ascq": 14},
            "when": {"command": "MOVE MEDIUM"},
        }),
    );
    let verified = verify(lab.site(), A).unwrap();
    let failure = &verified.failed_tapes[0].failure;
    assert_eq!(failure.kind, JobErrorKind::Busy, "{failure:?}");
    assert!(failure.what.contains("the source is empty"), "{failure:?}");
}
