//! Verification of volumes on which there is little to verify.

use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{JobError, JobErrorKind, Outcome};

use crate::lab::{A, B, C, Lab, plant};

#[test]
fn a_volume_without_segments_has_its_label_read() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.volumes[0].verdict, Verdict::Good);
    assert_eq!(lab.ledger_lines("verified").len(), 1);

    lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
    let error = verify(lab.site(), A).unwrap_err();
    assert!(matches!(error, JobError::BlankTape { .. }), "{error:?}");

    lab.take_away(A);
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.missing_tapes, [A]);
    assert!(summary.volumes.is_empty());
}

/// What is wrong with the tape, what is done to it, and the help that both jobs then call for.
type Spoiled = (&'static str, fn(&Lab), JobErrorKind);

#[test]
fn verify_and_restore_say_which_help_an_unusable_tape_needs() {
    let cases: [Spoiled; 5] = [
        (
            "swapped",
            |lab| {
                lab.label(&[B], "films");
                lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
            },
            JobErrorKind::WrongTape,
        ),
        (
            "foreign",
            |lab| lab.write_raw(A, &[b"garbage".repeat(99)]),
            JobErrorKind::WrongTape,
        ),
        (
            "blank",
            |lab| lab.copy_cartridge_files(C, A, &["p0.map", "p0.data"]),
            JobErrorKind::WrongTape,
        ),
        (
            "unreadable",
            |lab| {
                let folder = tape_sim::cartridge::folder(&lab.library_dir(), A);
                std::fs::write(folder.join("p0.map"), b"no map at all").unwrap();
            },
            JobErrorKind::BadMedium,
        ),
        ("away", |lab| lab.take_away(A), JobErrorKind::NeedsOperator),
    ];
    for (name, spoil, kind) in cases {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        lab.archive(&["source"], "docs").unwrap();
        spoil(&lab);

        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Partial, "{name}");
        let (restored, _) = lab.restore("source", "target");
        assert_eq!(restored.outcome, Outcome::Partial, "{name}");
        for (missing, failed) in [
            (verified.missing_tapes, verified.failed_tapes),
            (restored.missing_tapes, restored.failed_tapes),
        ] {
            if kind == JobErrorKind::NeedsOperator {
                assert_eq!((missing, failed.len()), (vec![A.to_owned()], 0), "{name}");
                continue;
            }
            assert!(missing.is_empty(), "{name}: {missing:?}");
            let found: Vec<_> = failed.iter().map(|tape| tape.failure.kind).collect();
            assert_eq!(found, [kind], "{name}: {failed:?}");
        }
    }
}
