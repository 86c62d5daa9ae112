//! Tapes whose data is well and whose cartridge is not: what can be read is read.

use std::fs;

use tape_sim::fault::{read_flaws, write_flaws};
use tapewright::jobs::dump::dump_file;
use tapewright::jobs::label::label;
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, JobErrorKind, Outcome};
use tapewright::units::TapeFile;

use crate::lab::{A, B, Lab, assert_same_tree, label_options, plant};

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
    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_same_tree(&lab.path("source"), &copy);
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
