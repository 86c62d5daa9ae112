//! Tapes whose data is well and whose cartridge is not: what can be read is read.

use std::fs;

use tape_sim::fault::{Device, Effect, FaultScript, Rule, read_flaws, write_flaws};
use tape_sim::inventory::Label;
use tapewright::jobs::dump::dump_file;
use tapewright::jobs::label::{LabelOptions, Which, label};
use tapewright::jobs::library;
use tapewright::jobs::rebuild::{RebuildSummary, rebuild};
use tapewright::jobs::restore::{RestoreOptions, TapePlace, restore};
use tapewright::jobs::tapes::TapeInfo;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, Site, tapes};
use tapewright::units::TapeFile;

use crate::lab::{A, B, C, Lab, label_options, plant};

/// Two volumes of the pool `docs`, the first with a job on it.
fn archived() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    lab.archive(&["source"], "docs").unwrap();
    lab
}

/// The chip of this cartridge fails for good.
fn break_chip(lab: &Lab, barcode: &str) {
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), barcode);
    let mut flaws = read_flaws(&folder).unwrap();
    flaws.chip_failed = true;
    write_flaws(&folder, &flaws).unwrap();
}

#[test]
fn a_tape_whose_chip_failed_is_read_and_not_written() {
    let lab = archived();
    for barcode in [A, B] {
        break_chip(&lab, barcode);
    }
    assert_eq!(verify(lab.site(), A).unwrap().outcome, Outcome::Complete);
    lab.brings_back("source", "target");
    dump_file(lab.site(), A, TapeFile(1), &mut Vec::new()).unwrap();
    let found = lab.find(b"/").len();

    let before = [A, B].map(|barcode| lab.fingerprint(barcode));
    let archived = lab.archive(&["source"], "docs").unwrap_err();
    let labelled = label(lab.site(), &label_options(&[A], "docs", Some(A))).unwrap_err();
    for error in [archived, labelled] {
        assert!(matches!(error, JobError::ChipFailed { .. }), "{error:?}");
        assert_eq!(error.kind(), JobErrorKind::BadMedium);
        assert!(error.to_string().contains("nothing was written"), "{error}");
        assert!(error.advice().unwrap().contains("can still be read"));
    }
    assert_eq!([A, B].map(|barcode| lab.fingerprint(barcode)), before);

    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.volumes.len(), 2, "{:?}", summary.skipped);
    assert_eq!(lab.find(b"/").len(), found);
}

/// The host's adapter carries no more than this at once.
fn limit_path(lab: &Lab, max_transfer_bytes: u32) {
    let mut script = FaultScript::default();
    script.max_transfer_bytes = Some(max_transfer_bytes);
    lab.library().set_faults(&script).unwrap();
}

#[test]
fn a_tape_whose_blocks_the_path_does_not_carry_is_well_and_nobody_is_told_to_erase_it() {
    let lab = archived();
    // Its label is gone, and the blocks behind it are as long as the others.
    let cartridge = lab.library().cartridge(B).unwrap();
    let mut partitions = cartridge.open_partitions().unwrap();
    let label_record = partitions[0].record(0).unwrap();
    let garbage = vec![0xA5; label_record.length_bytes as usize];
    let place = label_record.data_bytes;
    partitions[0].write_data(place, &garbage).unwrap();
    drop(partitions);
    let before = [A, B].map(|barcode| lab.fingerprint(barcode));
    limit_path(&lab, 32 << 10);

    let verified = verify(lab.site(), A).unwrap();
    let options = RestoreOptions {
        patterns: vec![b"**".to_vec()],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let restored = restore(lab.site(), &options).unwrap();
    for failed in [verified.failed_tapes, restored.failed_tapes] {
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].failure.kind, JobErrorKind::BadDevice);
        let words = [
            &failed[0].failure.what,
            failed[0].failure.advice.as_ref().unwrap(),
        ];
        let expected = ["65536 bytes", "The tape is well"];
        assert!(
            words
                .iter()
                .zip(expected)
                .all(|(words, part)| words.contains(part)),
            "{words:?}"
        );
    }
    let stranger = lab.stranger();
    let elsewhere = Site {
        state: &stranger,
        ..lab.site()
    };
    let errors = [
        ("archive", lab.archive(&["source"], "docs").unwrap_err()),
        ("rebuild", rebuild(lab.site(), &[A.to_owned()]).unwrap_err()),
        (
            "rebuild of a lost label",
            rebuild(lab.site(), &[B.to_owned()]).unwrap_err(),
        ),
        (
            "dump",
            dump_file(lab.site(), A, TapeFile(1), &mut Vec::new()).unwrap_err(),
        ),
        (
            "rebuild elsewhere",
            rebuild(elsewhere, &[A.to_owned()]).unwrap_err(),
        ),
    ];
    for (what, error) in errors {
        match &error {
            JobError::BlocksBeyondPath {
                block_bytes,
                limit_bytes,
                ..
            } => {
                assert_eq!((*block_bytes, *limit_bytes), (64 << 10, 32 << 10), "{what}");
            }
            _ => panic!("{what}: {error:?}"),
        }
        assert_eq!(error.kind(), JobErrorKind::BadDevice, "{what}");
        assert!(!error.advice().unwrap().contains("--erase"), "{what}");
    }
    assert_eq!([A, B].map(|barcode| lab.fingerprint(barcode)), before);

    lab.library().clear_faults().unwrap();
    assert_eq!(verify(lab.site(), A).unwrap().outcome, Outcome::Complete);
}

#[test]
fn a_tape_with_longer_blocks_is_relabelled_with_shorter_ones_only_when_asked() {
    let lab = Lab::new();
    let options = |erase, block_bytes: u32| LabelOptions {
        block_bytes: Some(block_bytes),
        ..label_options(&[A], "docs", erase)
    };
    label(lab.site(), &options(None, 512 << 10)).unwrap();
    limit_path(&lab, 64 << 10);
    let stranger = lab.stranger();
    let elsewhere = Site {
        state: &stranger,
        ..lab.site()
    };
    let error = label(elsewhere, &options(None, 64 << 10)).unwrap_err();
    assert!(
        matches!(error, JobError::BlocksBeyondPath { .. }),
        "{error:?}"
    );
    let advice = error.advice().unwrap();
    assert!(advice.contains(&format!("--erase {A}`")), "{advice}");
    label(elsewhere, &options(Some(A), 64 << 10)).unwrap();
    let tapes = tapes::list(elsewhere).unwrap();
    assert_eq!(tapes.len(), 1, "{tapes:?}");
}

/// A volume of the pool `docs`, and what a rebuild of all makes of a tape that cannot be read.
fn rebuilt_beside(spoil: impl FnOnce(&Lab)) -> (Lab, RebuildSummary) {
    let lab = archived();
    spoil(&lab);
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[]).unwrap();
    (lab, summary)
}

#[test]
fn a_rebuild_goes_on_behind_a_tape_that_cannot_be_read_and_names_it() {
    // Which tape is spoiled and how, and the help that it needs.
    type Case = (&'static str, fn(&Lab), JobErrorKind);
    let cases: [Case; 4] = [
        (
            "encrypted",
            |lab| lab.write_encrypted(A, &[vec![5; 70_000]]),
            JobErrorKind::WrongTape,
        ),
        (
            "swapped",
            |lab| lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]),
            JobErrorKind::WrongTape,
        ),
        (
            "longer blocks",
            |lab| {
                let options = LabelOptions {
                    block_bytes: Some(128 << 10),
                    ..label_options(&[A], "docs", Some(A))
                };
                label(lab.site(), &options).unwrap();
                limit_path(lab, 64 << 10);
            },
            JobErrorKind::BadDevice,
        ),
        (
            "stuck",
            |lab| {
                let effect = Effect::HardwareError;
                let mut rule = Rule::new(effect);
                rule.device = Device::Changer;
                rule.when.command = Some("MOVE MEDIUM".to_owned());
                rule.when.barcode = Some(A.to_owned());
                lab.library().add_fault(rule).unwrap();
            },
            JobErrorKind::BadDevice,
        ),
    ];
    for (what, spoil, kind) in cases {
        let (lab, summary) = rebuilt_beside(spoil);
        assert_eq!(summary.outcome, Outcome::Partial, "{what}: {summary:?}");
        let [failed] = &summary.failed_tapes[..] else {
            panic!("{what}: {summary:?}");
        };
        assert_eq!(
            (failed.barcode.as_str(), failed.failure.kind),
            (A, kind),
            "{what}"
        );
        assert_eq!(summary.volumes[0].barcode, B, "{what}");
        assert_eq!(summary.skipped.len(), 4, "{what}: the blank ones");
        let said = serde_json::to_string(&summary).unwrap();
        assert!(!said.contains("nothing was written"), "{what}: {said}");
        let tapes = tapes::list(lab.site()).unwrap();
        assert_eq!(tapes.len(), 1, "{what}");
    }
}

#[test]
fn a_blank_tape_is_left_out_unless_the_catalog_has_a_volume_there() {
    let (lab, summary) = rebuilt_beside(|_| {});
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!((summary.skipped.len(), summary.failed_tapes.len()), (4, 0));
    lab.copy_cartridge_files("SIM006L9", A, &["p0.map", "p0.data"]);
    let again = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(again.outcome, Outcome::Partial);
    assert_eq!(again.failed_tapes[0].barcode, A);
    assert!(again.failed_tapes[0].failure.what.contains("blank"));
}

#[test]
fn a_tape_whose_barcode_cannot_be_read_is_found_at_its_slot_and_known_by_its_label() {
    let lab = archived();
    let found = lab.find(b"/").len();
    for (barcode, label) in [
        (A, Label::Unreadable),
        (B, Label::Missing),
        (C, Label::Missing),
    ] {
        lab.library().set_label(barcode, label).unwrap();
    }
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let volumes: Vec<_> = summary
        .volumes
        .iter()
        .map(|volume| (volume.barcode.as_str(), volume.unread_in.clone()))
        .collect();
    let slot = |number| Some(TapePlace::Slot(number));
    assert_eq!(volumes, [(A, slot(1)), (B, slot(2))]);
    assert_eq!(summary.skipped[0].barcode, "(slot 3)");
    assert_eq!(lab.find(b"/").len(), found);
    let status = library::status(lab.site()).unwrap();
    let full = status.slots.iter().filter(|slot| slot.cartridge.is_some());
    assert_eq!(full.count(), 7, "each is home again");

    // A blank tape without a barcode gets no label: nothing says what to put into it.
    let before = lab.fingerprint(C);
    let options = LabelOptions {
        tapes: Which::AllBlank,
        ..label_options(&[], "films", None)
    };
    let labelled = label(lab.site(), &options).unwrap();
    assert_eq!(labelled.labelled.len(), 3, "{labelled:?}");
    assert_eq!(labelled.skipped.len(), 3, "{labelled:?}");
    assert!(
        labelled
            .skipped
            .iter()
            .all(|tape| tape.why.contains("cannot be read"))
    );
    assert_eq!(lab.fingerprint(C), before);

    lab.library().set_label(A, Label::Readable).unwrap();
    lab.brings_back("source", "target");
}

#[test]
fn without_a_barcode_a_tape_is_not_taken_for_another_of_the_same_name() {
    // What stands in the library or the catalog for A already.
    type Case = (&'static str, fn(&Lab));
    let cases: [Case; 3] = [
        ("a readable one", |lab| {
            fs::remove_dir_all(lab.path("state/catalog")).unwrap();
            lab.library().set_label(C, Label::Missing).unwrap();
        }),
        ("another unreadable one", |lab| {
            fs::remove_dir_all(lab.path("state/catalog")).unwrap();
            lab.library().set_label(A, Label::Missing).unwrap();
            lab.library().set_label(C, Label::Unreadable).unwrap();
        }),
        ("another volume of the catalog", |lab| {
            label(lab.site(), &label_options(&[A], "docs", Some(A))).unwrap();
            lab.take_away(A);
            lab.library().set_label(C, Label::Missing).unwrap();
        }),
    ];
    for (what, prepare) in cases {
        let lab = archived();
        lab.copy_cartridge_files(A, C, &["p0.map", "p0.data", "mam.json"]);
        prepare(&lab);
        let summary = rebuild(lab.site(), &[]).unwrap();
        assert_eq!(summary.outcome, Outcome::Partial, "{what}: {summary:?}");
        let [failed] = &summary.failed_tapes[..] else {
            panic!("{what}: {summary:?}");
        };
        assert_eq!(failed.barcode, "(slot 3)", "{what}");
        assert_eq!(failed.failure.kind, JobErrorKind::WrongTape, "{what}");
        let of_a = |tape: &&TapeInfo| tape.barcode == A;
        let tapes = tapes::list(lab.site()).unwrap();
        assert_eq!(tapes.iter().filter(of_a).count(), 1, "{what}");
    }
}

#[test]
fn of_two_volumes_that_claim_one_barcode_none_is_read_unless_the_catalog_knows_it() {
    for catalog_lost in [true, false] {
        let lab = archived();
        lab.copy_cartridge_files(A, C, &["p0.map", "p0.data", "mam.json"]);
        label(lab.site(), &label_options(&[A], "docs", Some(A))).unwrap();
        lab.library().set_label(A, Label::Missing).unwrap();
        lab.library().set_label(C, Label::Unreadable).unwrap();
        if catalog_lost {
            fs::remove_dir_all(lab.path("state/catalog")).unwrap();
        }
        let summary = rebuild(lab.site(), &[]).unwrap();
        assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
        let refused: Vec<&str> = summary
            .failed_tapes
            .iter()
            .map(|tape| tape.barcode.as_str())
            .collect();
        let expected: &[&str] = match catalog_lost {
            true => &["(slot 1)", "(slot 3)"],
            false => &["(slot 3)"],
        };
        assert_eq!(refused, expected, "{summary:?}");
        for tape in &summary.failed_tapes {
            let said = &tape.failure.what;
            let names = ["(slot 1)", "(slot 3)", A, "different volumes"];
            assert!(names.iter().all(|name| said.contains(name)), "{said}");
            assert_eq!(tape.failure.kind, JobErrorKind::WrongTape);
        }
        let read = summary.volumes.iter().any(|volume| volume.barcode == A);
        assert_eq!(read, !catalog_lost, "{summary:?}");
    }
}

#[test]
fn without_a_barcode_a_copy_is_known_by_its_chip_and_not_taken_for_the_original() {
    for lost_label in [false, true] {
        let lab = archived();
        label(lab.site(), &label_options(&[C], "films", None)).unwrap();
        lab.copy_cartridge_files(A, C, &["p0.map", "p0.data"]);
        if lost_label {
            lab.spoil_label(C);
        }
        lab.take_away(A);
        lab.library().set_label(C, Label::Missing).unwrap();
        fs::remove_dir_all(lab.path("state/catalog")).unwrap();
        let summary = rebuild(lab.site(), &[]).unwrap();
        let [failed] = &summary.failed_tapes[..] else {
            panic!("{lost_label}: {summary:?}");
        };
        assert_eq!(failed.failure.kind, JobErrorKind::WrongTape, "{failed:?}");
        let words = format!("the chip of tape {A} says barcode {C} instead of {A}");
        assert!(failed.failure.what.contains(&words), "{failed:?}");
        assert!(summary.volumes.iter().all(|volume| volume.barcode != A));
    }
}
