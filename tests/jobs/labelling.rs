//! Labelling: what may be written over, and what must be typed before.

use tapewright::jobs::label::{LabelOptions, Which, label};
use tapewright::jobs::tapes;
use tapewright::jobs::{JobError, JobErrorKind, LabellingError};

use crate::lab::{A, B, C, Lab, label_options, plant};

#[test]
fn a_tape_that_holds_something_keeps_it_until_its_barcode_is_typed() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    lab.write_raw(B, &[b"something of another program".repeat(100)]);
    for (barcode, erase) in [(A, None), (B, None), (A, Some(B)), (B, Some(A))] {
        let before = lab.fingerprint(barcode);
        let options = label_options(&[barcode], "other", erase);
        let error = label(lab.site(), &options).unwrap_err();
        let JobError::Labelling(refused) = &error else {
            panic!("{error}");
        };
        match erase {
            None => assert!(
                matches!(refused, LabellingError::HoldsData { .. }),
                "{error}"
            ),
            Some(_) => assert!(
                matches!(refused, LabellingError::EraseMismatch { .. }),
                "{error}"
            ),
        }
        // What the catalog knows is not offered for erasing to who did not ask for it.
        let advice = error.advice().unwrap();
        let offered = advice.contains("--erase");
        assert_eq!(offered, erase.is_some() || barcode == B, "{advice}");
        assert_eq!(lab.fingerprint(barcode), before, "{barcode}");
    }
    let old = tapes::show(lab.site(), A).unwrap().info.volume;
    for barcode in [A, B] {
        let options = label_options(&[barcode], "other", Some(barcode));
        let summary = label(lab.site(), &options).unwrap();
        let replaced = summary.labelled[0].replaces;
        assert_eq!(replaced, (barcode == A).then_some(old));
    }
    let pools: Vec<String> = tapes::list(lab.site())
        .unwrap()
        .into_iter()
        .map(|tape| tape.pool)
        .collect();
    assert_eq!(pools, ["other", "other"]);
    assert!(
        lab.find(b"**/letter.txt").is_empty(),
        "the retired volume's files are offered"
    );
}

#[test]
fn all_blank_labels_the_blank_and_lists_the_others() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    lab.write_raw(B, &[vec![7; 1000]]);
    lab.library().set_write_protected(C, true).unwrap();
    let options = LabelOptions {
        tapes: Which::AllBlank,
        ..label_options(&[], "docs", None)
    };
    let summary = label(lab.site(), &options).unwrap();
    let skipped: Vec<&str> = summary
        .skipped
        .iter()
        .map(|tape| tape.barcode.as_str())
        .collect();
    assert_eq!(skipped, [A, B, C]);
    assert_eq!(summary.labelled.len(), 3);
    assert!(
        summary
            .labelled
            .iter()
            .all(|tape| tape.capacity_bytes > 50 << 20)
    );
}

#[test]
fn an_encrypted_tape_is_passed_over_and_needs_no_key_to_be_erased() {
    let lab = Lab::new();
    lab.write_encrypted(B, &[b"a secret of another program".repeat(100)]);
    let before = lab.fingerprint(B);
    let options = LabelOptions {
        tapes: Which::AllBlank,
        ..label_options(&[], "docs", None)
    };
    let summary = label(lab.site(), &options).unwrap();
    assert_eq!(summary.labelled.len(), 5);
    let [skipped] = &summary.skipped[..] else {
        panic!("{:?}", summary.skipped);
    };
    assert_eq!(skipped.barcode, B);
    assert!(skipped.why.contains("encrypted"), "{}", skipped.why);
    let error = label(lab.site(), &label_options(&[B], "docs", None)).unwrap_err();
    assert!(matches!(error, JobError::EncryptedTape { .. }), "{error:?}");
    assert_eq!(error.kind(), JobErrorKind::WrongTape);
    let advice = error.advice().unwrap();
    assert!(advice.contains("--erase SIM002L9"), "{advice}");
    assert_eq!(lab.fingerprint(B), before);

    label(lab.site(), &label_options(&[B], "docs", Some(B))).unwrap();
    plant(&lab.path("source"));
    for barcode in [A, C, "SIM004L9", "SIM005L9", "SIM006L9"] {
        lab.take_away(barcode);
    }
    let archived = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(archived.segments[0].barcode, B);
}

#[test]
fn what_cannot_be_labelled_is_refused_by_kind() {
    let lab = Lab::new();
    lab.library().set_write_protected(A, true).unwrap();
    lab.library().insert(0, "OLD001L5", None).unwrap();
    for (barcode, pool, kind) in [
        (A, "docs", JobErrorKind::WrongTape),
        ("CLNU01CU", "docs", JobErrorKind::WrongTape),
        ("OLD001L5", "docs", JobErrorKind::WrongTape),
        ("SIM999L9", "docs", JobErrorKind::NeedsOperator),
        (B, "", JobErrorKind::Request),
        (B, "a/b", JobErrorKind::Request),
    ] {
        let error = label(lab.site(), &label_options(&[barcode], pool, None)).unwrap_err();
        assert_eq!(error.kind(), kind, "{barcode}: {error}");
    }
    assert!(tapes::list(lab.site()).unwrap().is_empty());
}
