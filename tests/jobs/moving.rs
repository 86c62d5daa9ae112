//! Tapes in and out through the mail slots, and from slot to slot.

use std::path::PathBuf;

use tape_sim::inventory::{self, Door, Label};
use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::jobs::moves::{MoveSummary, export, import, move_to_slot};
use tapewright::jobs::restore::TapePlace;
use tapewright::jobs::{
    JobError, JobErrorKind, MailRequest, Operator, Outcome, Reply, TapeRequest, tapes,
};
use tapewright::transport::sim::SimTransport;

use crate::lab::{A, B, C, Lab};

fn names(barcodes: &[&str]) -> Vec<String> {
    barcodes.iter().map(|&barcode| barcode.to_owned()).collect()
}

fn places(summary: &MoveSummary) -> Vec<(&str, TapePlace)> {
    let moved = summary.moved.iter();
    moved
        .map(|tape| (tape.barcode.as_str(), tape.to.clone()))
        .collect()
}

/// Where the library sees a tape now.
fn element(lab: &Lab, barcode: &str) -> (ElementKind, u16) {
    let inventory = lab.changer().inventory().unwrap();
    let found = inventory.find(barcode).unwrap();
    (found.kind, found.address.0)
}

/// Brings a tape into drive 0, past Tapewright.
fn load(lab: &Lab, barcode: &str) {
    let mut changer = lab.changer();
    let inventory = changer.inventory().unwrap();
    let slot = inventory.find(barcode).unwrap().address;
    let drive = inventory.of_kind(ElementKind::Drive).next().unwrap();
    changer.move_medium(slot, drive.address).unwrap();
}

/// Takes all tapes out of the mail slots, as often as asked.
struct Empties(PathBuf);

impl Operator for Empties {
    fn request(&self, _: &TapeRequest) -> Reply {
        Reply::Declined
    }

    fn empty_mail_slots(&self, request: &MailRequest) -> Reply {
        assert!(!request.left.is_empty());
        for mail_slot in 0..2 {
            inventory::remove(&self.0, mail_slot).unwrap();
        }
        Reply::Done
    }
}

#[test]
fn tapes_go_out_until_the_mail_slots_are_full_and_the_rest_is_named() {
    let mut lab = Lab::new();
    lab.label(&[A], "docs");
    let wanted = names(&[A, B, C]);
    let planned = export(lab.site(), &wanted[..2], true).unwrap();
    assert!(planned.dry_run);
    assert_eq!(element(&lab, A).0, ElementKind::Storage, "only planned");
    assert!(lab.ledger_lines("volume_moved").is_empty());

    let summary = export(lab.site(), &wanted, false).unwrap();
    let mail = [(A, TapePlace::MailSlot(1)), (B, TapePlace::MailSlot(2))];
    assert_eq!(places(&summary), mail);
    assert_eq!(summary.outcome, Outcome::Failed);
    assert_eq!(summary.left, [C]);
    let failure = summary.failure.unwrap();
    assert_eq!(failure.kind, JobErrorKind::NeedsOperator);
    let advice = failure.advice.unwrap();
    assert!(
        advice.contains(&format!("`library export {C}`")),
        "{advice}"
    );
    // The catalog knows one of them.
    let lines = lab.ledger_lines("volume_moved");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("mail slot 1"), "{lines:?}");
    assert_eq!(
        tapes::list(lab.site()).unwrap()[0].place,
        TapePlace::MailSlot(1)
    );

    // What is out already is no failure, and an operator makes room.
    lab.operator = Box::new(Empties(lab.library_dir()));
    let summary = export(lab.site(), &wanted[1..], false).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let mail = [(B, TapePlace::MailSlot(2)), (C, TapePlace::MailSlot(1))];
    assert_eq!(places(&summary), mail);
}

#[test]
fn what_lies_in_the_mail_slots_comes_in_even_without_a_barcode() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let empty = import(lab.site(), &[], false).unwrap_err();
    assert_eq!(empty.kind(), JobErrorKind::NeedsOperator, "{empty:?}");
    assert!(empty.advice().is_some());

    export(lab.site(), &names(&[A, B]), false).unwrap();
    lab.library().set_label(B, Label::Unreadable).unwrap();
    let missing = import(lab.site(), &names(&[B]), false).unwrap_err();
    assert!(missing.to_string().contains("mail slot 2"), "{missing}");
    let by_number = import(lab.site(), &names(&["2"]), true).unwrap();
    assert_eq!(by_number.moved[0].barcode, "(mail slot 2)");
    let summary = import(lab.site(), &[], false).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let moved = [
        (A, TapePlace::Slot(1)),
        ("(mail slot 2)", TapePlace::Slot(2)),
    ];
    assert_eq!(places(&summary), moved);
    let lines = lab.ledger_lines("volume_moved");
    assert!(lines.last().unwrap().contains("\"slot 1\""), "{lines:?}");

    // The way out for one that nobody can name.
    let out = export(lab.site(), &names(&["2"]), false).unwrap();
    assert_eq!(places(&out), [("(slot 2)", TapePlace::MailSlot(1))]);
}

#[test]
fn an_open_door_calls_for_the_operator_and_moves_nothing() {
    for door in [Door::MailSlots, Door::Front] {
        let lab = Lab::new();
        export(lab.site(), &names(&[A]), false).unwrap();
        inventory::set_door(&lab.library_dir(), door, true).unwrap();
        let errors = [
            import(lab.site(), &[], false).unwrap_err(),
            export(lab.site(), &names(&[B]), false).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), JobErrorKind::NeedsOperator, "{error:?}");
            let said = format!("{error} {}", error.advice().unwrap());
            assert!(said.contains("door"), "{door:?}: {said}");
        }
        inventory::set_door(&lab.library_dir(), door, false).unwrap();
        assert_eq!(element(&lab, A).0, ElementKind::ImportExport);
        assert_eq!(element(&lab, B).0, ElementKind::Storage);
    }
}

#[test]
fn a_tape_in_use_stays_and_one_that_only_lies_in_a_drive_is_unloaded() {
    let lab = Lab::new();
    load(&lab, A);
    let user = SimTransport::drive(&lab.library_dir(), 0).unwrap();
    for error in [
        export(lab.site(), &names(&[A]), false).unwrap_err(),
        move_to_slot(lab.site(), A, 7, false).unwrap_err(),
    ] {
        assert!(matches!(error, JobError::TapeBusy { .. }), "{error:?}");
    }
    let summary = export(lab.site(), &names(&[A, B]), false).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    assert_eq!(summary.failed_tapes[0].barcode, A);
    assert_eq!(summary.failed_tapes[0].failure.kind, JobErrorKind::Busy);
    assert_eq!(places(&summary), [(B, TapePlace::MailSlot(1))]);
    drop(user);
    let summary = export(lab.site(), &names(&[A]), false).unwrap();
    assert_eq!(summary.moved[0].from, TapePlace::Drive(0));
    assert_eq!(places(&summary), [(A, TapePlace::MailSlot(2))]);
}

#[test]
fn a_tape_moves_to_the_slot_that_was_named_if_it_is_empty() {
    let lab = Lab::new();
    for (slot, words) in [(2, "holds SIM002L9"), (99, "no slot 99")] {
        let error = move_to_slot(lab.site(), A, slot, false).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Request, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let summary = move_to_slot(lab.site(), A, 7, false).unwrap();
    assert_eq!(places(&summary), [(A, TapePlace::Slot(7))]);
    let again = move_to_slot(lab.site(), A, 7, false).unwrap();
    assert_eq!(again.moved[0].from, again.moved[0].to);
}

#[test]
fn without_mail_slots_the_magazine_is_named() {
    let lab = Lab::with(&LibrarySpec {
        mail_slots: 0,
        ..Lab::small()
    });
    let error = export(lab.site(), &names(&[A]), false).unwrap_err();
    assert!(error.to_string().contains("magazine"), "{error}");
}
