//! Verification of volumes on which there is little to verify.

use tape_sim::fault::Effect;
use tapewright::jobs::label::label;
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{ByteText, JobError, JobErrorKind, Outcome};

use crate::lab::{
    A, B, C, Lab, archive_path, barcodes_of, fault, label_options, noise, plant, tree,
};

#[test]
fn a_volume_without_segments_has_its_label_read() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.volumes[0].verdict, Verdict::Empty);
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(lab.ledger_lines("verified").len(), 1);

    lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
    let error = verify(lab.site(), A).unwrap_err();
    assert!(matches!(error, JobError::BlankTape { .. }), "{error:?}");

    lab.take_away(A);
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(barcodes_of(&summary.missing_tapes), [A]);
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
        let [lost] = &restored.lost_with_tapes[..] else {
            panic!("{name}: {restored:?}")
        };
        let directory = ByteText(archive_path(&lab.path("source/docs/empty")));
        assert_eq!(
            (lost.barcode.as_str(), lost.objects.len()),
            (A, 10),
            "{name}"
        );
        assert!(lost.objects.contains(&directory), "{name}: {lost:?}");
        assert_eq!(restored.problems.total, 0, "{name}: {restored:?}");
        for (missing, failed) in [
            (verified.missing_tapes, verified.failed_tapes),
            (restored.missing_tapes, restored.failed_tapes),
        ] {
            if kind == JobErrorKind::NeedsOperator {
                assert_eq!(
                    (barcodes_of(&missing), failed.len()),
                    (vec![A], 0),
                    "{name}"
                );
                continue;
            }
            assert!(missing.is_empty(), "{name}: {missing:?}");
            let found: Vec<_> = failed.iter().map(|tape| tape.failure.kind).collect();
            assert_eq!(found, [kind], "{name}: {failed:?}");
        }
    }
}

#[test]
fn a_drive_that_fails_half_way_costs_named_objects_and_says_what_helps() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    // The label is the first object read.
    lab.set_faults(vec![fault(Effect::HardwareError, "READ", 3, None)]);

    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    let [lost] = &restored.lost_with_tapes[..] else {
        panic!("{restored:?}")
    };
    let whole = tree(&lab.path("source"));
    let back = tree(&copy);
    let root = archive_path(&lab.path("source"));
    let mut missing = 0;
    for path in whole.keys().filter(|path| !back.contains_key(*path)) {
        let mut name = root.clone();
        name.extend([b"/", path.as_os_str().as_encoded_bytes()].concat());
        assert!(lost.objects.contains(&ByteText(name)), "{path:?}: {lost:?}");
        missing += 1;
    }
    assert!(missing > 0);
    let [failed] = &restored.failed_tapes[..] else {
        panic!("{restored:?}")
    };
    assert_eq!(failed.failure.kind, JobErrorKind::BadDevice);
    assert!(failed.failure.advice.is_some(), "{failed:?}");

    lab.set_faults(vec![fault(Effect::HardwareError, "READ", 3, None)]);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.volumes[0].verdict, Verdict::Inconclusive);
    let [failed] = &verified.failed_tapes[..] else {
        panic!("{verified:?}")
    };
    assert_eq!(failed.failure.kind, JobErrorKind::BadDevice);
    assert!(failed.failure.advice.is_some(), "{failed:?}");
}

#[test]
fn of_several_jobs_of_a_name_the_newest_is_verified_and_the_others_are_told() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let jobs: Vec<_> = (0..3)
        .map(|_| lab.archive(&["source"], "docs").unwrap())
        .collect();
    let others = |name: &str| {
        let job = verify(lab.site(), name).unwrap().job.unwrap();
        let others: Vec<_> = job.others_of_name.iter().map(|run| run.job).collect();
        (job.job.job, others)
    };
    let ids: Vec<_> = jobs.iter().map(|job| job.job).collect();
    assert_eq!(others(&jobs[0].name), (ids[2], vec![ids[1], ids[0]]));
    assert_eq!(others(&ids[1].to_string()), (ids[1], vec![]));
    assert!(verify(lab.site(), A).unwrap().job.is_none());
}

#[test]
fn a_job_of_which_nothing_is_on_tape_is_not_good() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let whole = lab.archive(&["source"], "docs").unwrap();
    let read = verify(lab.site(), &whole.name).unwrap();
    assert_eq!(read.job.unwrap().job.ended, Some(Outcome::Complete));

    lab.set_faults(vec![fault(Effect::HardwareError, "WRITE", 1, None)]);
    lab.archive(&["source"], "docs").unwrap_err();
    lab.set_faults(Vec::new());
    let error = verify(lab.site(), &whole.name).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NotFound);
    let JobError::NothingOfJob { job, ended, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*ended, Some(Outcome::Failed));
    let said = error.to_string();
    for words in [job.to_string(), whole.job.to_string(), "it failed".into()] {
        assert!(said.contains(&words), "{said}");
    }
    assert!(error.advice().unwrap().contains("by its identity"));
    let read = verify(lab.site(), &whole.job.to_string()).unwrap();
    assert_eq!(read.outcome, Outcome::Complete, "the other one");
}

#[test]
fn of_a_job_with_a_tape_that_was_labelled_anew_the_rest_is_read() {
    let lab = Lab::new();
    lab.label(&[A, B], "docs");
    std::fs::create_dir(lab.path("source")).unwrap();
    for number in 0..10 {
        let path = lab.path("source").join(number.to_string());
        std::fs::write(path, noise(number, 8 << 20)).unwrap();
    }
    let summary = lab.archive(&["source"], "docs").unwrap();
    label(lab.site(), &label_options(&[A], "docs", Some(A))).unwrap();
    let verified = verify(lab.site(), &summary.name).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    let read: Vec<&str> = verified
        .volumes
        .iter()
        .map(|v| v.barcode.as_str())
        .collect();
    assert_eq!(read, [B]);
    let gone = verified.job.unwrap().labelled_anew;
    assert!(
        gone.len() == 1 && gone[0].starts_with("SIM001L9 on "),
        "{gone:?}"
    );

    label(lab.site(), &label_options(&[B], "docs", Some(B))).unwrap();
    let error = verify(lab.site(), &summary.name).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NotFound, "{error:?}");
    assert!(
        error.to_string().contains("its tapes were labelled anew"),
        "{error}"
    );
}
