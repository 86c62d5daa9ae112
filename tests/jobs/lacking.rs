//! What jobs had not archived is told to whoever restores from them: it is on no tape, and a tree
//! does not show what it lacks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::restore::{
    FromTapes, Mapping, RestoreOptions, RestoreSummary, TapesAlone, restore,
};
use tapewright::jobs::{JobError, Level, Outcome, Site};
use tapewright::monitor::Silent;
use tapewright::units::ByteSize;

use crate::lab::{A, Lab, archive_path, noise};
use crate::levels::{StopAfter, options, plant, run, unprivileged};

fn wanted(lab: &Lab, name: &str) -> (RestoreOptions, tempfile::TempDir) {
    let target = tempfile::tempdir().unwrap();
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path(name))],
        target: target.path().to_owned(),
        ..RestoreOptions::default()
    };
    (options, target)
}

fn restored(lab: &Lab, name: &str) -> RestoreSummary {
    let (options, _target) = wanted(lab, name);
    restore(lab.site(), &options).unwrap()
}

fn remarks(done: &RestoreSummary) -> Vec<String> {
    let listed = done.remarks.listed.iter();
    listed
        .map(|remark| format!("/{}: {}", remark.path, remark.what))
        .collect()
}

/// A job of ten files that was stopped behind some of them.
fn stopped() -> Lab {
    let mut lab = Lab::new();
    lab.label(&[A], "docs");
    fs::create_dir(lab.path("source")).unwrap();
    for number in 0..10 {
        let path = lab.path("source").join(number.to_string());
        fs::write(path, noise(number, 400_000)).unwrap();
    }
    lab.monitor = Box::new(StopAfter::bytes(1_500_000));
    let small = JobDescription {
        segment_limit: Some(ByteSize(1 << 20)),
        ..options(&lab, Level::Full)
    };
    let stopped = archive(lab.site(), &small).unwrap();
    assert_eq!(stopped.outcome, Outcome::Interrupted);
    lab.monitor = Box::new(Silent);
    lab
}

#[test]
fn a_tree_of_a_job_that_did_not_come_to_its_end_is_not_called_complete() {
    let lab = stopped();
    let done = restored(&lab, "source");
    assert_eq!(done.outcome, Outcome::Partial, "{done:?}");
    let told = remarks(&done);
    assert_eq!(told.len(), 1, "{told:?}");
    for words in ["/source: job ", "did not come to its end"] {
        assert!(told[0].contains(words), "{told:?}");
    }
    assert_eq!(done.problems.total, 0, "{done:?}");

    // A file is whole by itself.
    let done = restored(&lab, "source/0");
    assert_eq!(done.outcome, Outcome::Complete, "{done:?}");

    // A later job of the same tree was whole.
    assert_eq!(run(&lab, Level::Incremental).outcome, Outcome::Complete);
    let done = restored(&lab, "source");
    assert_eq!((done.outcome, remarks(&done)), (Outcome::Complete, vec![]));
}

#[test]
fn a_tape_alone_tells_that_its_job_did_not_come_to_its_end() {
    let lab = stopped();
    let scratch = tempfile::tempdir().unwrap();
    let tapes = FromTapes::Barcodes(vec![A.to_owned()]);
    let alone = TapesAlone::read(lab.site(), &tapes, scratch.path()).unwrap();
    let (mut options, _target) = wanted(&lab, "source");
    options.alone = alone.volumes().to_vec();
    let site: Site<'_> = alone.site(lab.site());
    let done = restore(site, &options).unwrap();
    assert_eq!(done.outcome, Outcome::Partial, "{done:?}");
    let told = remarks(&done).join("\n");
    assert!(told.contains("did not come to its end"), "{told}");
}

#[test]
fn what_a_job_could_not_archive_is_named_where_it_was_asked_for() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab);
    let old = lab.path("source/docs/old");
    let mode = |mode| fs::set_permissions(&old, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o000);
    let archived = unprivileged(|| run(&lab, Level::Full));
    mode(0o755);
    assert_eq!(archived.outcome, Outcome::Partial, "{archived:?}");
    let cases = [
        ("source", true),
        ("source/docs", true),
        ("source/docs/a", false),
        ("source/z", false),
    ];
    for (name, is_told) in cases {
        let done = restored(&lab, name);
        let told = remarks(&done);
        let expected = if is_told {
            Outcome::Partial
        } else {
            Outcome::Complete
        };
        assert_eq!(done.outcome, expected, "{name}: {told:?}");
        let names_it = told
            .iter()
            .any(|told| told.contains("source/docs/old: ") && told.contains("did not archive it"));
        assert_eq!(names_it, is_told, "{name}: {told:?}");
    }
}

#[test]
fn a_mapping_for_nothing_of_what_is_restored_is_refused_before_a_tape_moves() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab);
    run(&lab, Level::Full);
    let (mut options, target) = wanted(&lab, "source/docs");
    options.maps = vec![Mapping::parse(b"/elsewhere=here").unwrap()];
    let refused = restore(lab.site(), &options);
    assert!(
        matches!(refused, Err(JobError::Request { .. })),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}
