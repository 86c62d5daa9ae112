//! Failing drives, volumes out of reach, full targets and stops: nothing is said of the tape, and
//! what is whole stays.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tapewright::drive::DriveErrorKind;
use tapewright::engine::restore::{RestoreOutcome, restore};
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentReport, SegmentVerdict, verify};
use tapewright::engine::{EngineError, VolumeEnd};
use tapewright::monitor::{Monitor, Silent};
use tapewright::volume::VolumeError;

use crate::damage::volume;
use crate::restored::names_below;
use crate::rig::{Shelf, Volume, file, noise, plan, verify_plan};
use crate::small_disk::SmallDisk;

#[test]
fn a_failing_drive_says_nothing_of_the_tape() {
    let (one, two) = (
        volume(),
        Volume::new("A00002L9").write(&[file("other", b"fine")]),
    );
    one.tape.medium().drive_fails_at = Some(7);
    let mut shelf = Shelf::of(&[&one, &two]);
    let report = verify(&verify_plan(&[&one, &two]), &mut shelf, &Silent);
    let inconclusive = |segment: &SegmentReport| {
        matches!(segment.verdict, SegmentVerdict::Inconclusive(_)) && segment.bad_file_count == 0
    };
    let [first, second, other] = &report.segments[..] else {
        panic!("{report:?}")
    };
    assert!(inconclusive(first) && inconclusive(second), "{report:?}");
    assert_eq!(other.verdict, SegmentVerdict::Good);
    assert!(
        shelf.ends.iter().all(|(_, end)| *end == VolumeEnd::Open),
        "{:?}",
        shelf.ends
    );

    let directory = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::of(&[&one, &two]);
    let plan = plan(directory.path(), TargetOptions::default(), &[&one, &two]);
    let report = restore(&plan, &mut shelf, &Silent).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::Incomplete);
    let [failure] = &report.volumes_failed[..] else {
        panic!("{report:?}")
    };
    assert_eq!(failure.barcode, "A00001L9");
    assert_eq!(failure.lost, [&b"d/c"[..], b"d/d", b"d/e", b"second"]);
    assert_eq!(names_below(directory.path()), ["d", "d/a", "d/b", "other"]);
    assert!(
        shelf.ends.iter().all(|(_, end)| *end == VolumeEnd::Open),
        "{:?}",
        shelf.ends
    );
}

#[test]
fn behind_a_reset_reading_goes_on_with_the_same_tape_only() {
    let two = Volume::new("A00002L9").write(&[file("other", b"fine")]);
    for same in [true, false] {
        let reset = || {
            let one = volume();
            one.tape.medium().reset_at = Some(7);
            if !same {
                one.tape.medium().exchanged_for = Some(two.tape.medium().objects.clone());
            }
            one
        };
        let one = reset();
        let report = verify(&verify_plan(&[&one]), &mut Shelf::of(&[&one]), &Silent);
        assert_eq!(report.is_good(), same, "{report:?}");
        let of_medium = |s: &SegmentReport| s.verdict == SegmentVerdict::Bad;
        assert!(!report.segments.iter().any(of_medium), "{report:?}");
        let other_tape = |error: &EngineError| match error {
            EngineError::Volume {
                source: VolumeError::Drive { source, .. },
                ..
            } => source.kind == DriveErrorKind::OtherTape,
            _ => false,
        };
        let told = report
            .failures
            .iter()
            .filter(|(_, error)| other_tape(error));
        assert_eq!(told.count(), usize::from(!same), "{report:?}");

        let one = reset();
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(directory.path(), TargetOptions::default(), &[&one]);
        let report = restore(&plan, &mut Shelf::of(&[&one]), &Silent).unwrap();
        if same {
            assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
            continue;
        }
        let [failure] = &report.volumes_failed[..] else {
            panic!("{report:?}")
        };
        let found = two.label.volume.to_string();
        assert!(failure.what.contains(&found), "{failure:?}");
        assert_eq!(names_below(directory.path()), ["d", "d/a", "d/b"]);
    }
}

/// Asks to stop once a drive is waited for.
#[derive(Default)]
struct StopsWaiting(AtomicBool);

impl Monitor for StopsWaiting {
    fn phase(&self, what: &str) {
        let waits = what.starts_with("waiting for the drive");
        self.0.fetch_or(waits, Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_wait_for_a_drive_that_was_reset_can_be_stopped() {
    let one = volume();
    one.tape.medium().reset_at = Some(7);
    let monitor = StopsWaiting::default();
    let report = verify(&verify_plan(&[&one]), &mut Shelf::of(&[&one]), &monitor);
    assert!(report.stopped, "{report:?}");

    one.tape.medium().reset_at = Some(7);
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path(), TargetOptions::default(), &[&one]);
    let monitor = StopsWaiting::default();
    let report = restore(&plan, &mut Shelf::of(&[&one]), &monitor).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::Stopped, "{report:?}");
    assert!(report.volumes_failed.is_empty(), "{report:?}");
}

#[test]
fn a_volume_out_of_reach_is_named_and_the_others_are_read() {
    let (one, two) = (
        volume(),
        Volume::new("A00002L9").write(&[file("other", b"fine")]),
    );
    let report = verify(
        &verify_plan(&[&one, &two]),
        &mut Shelf::of(&[&two]),
        &Silent,
    );
    let verdicts: Vec<_> = report
        .segments
        .iter()
        .map(|segment| &segment.verdict)
        .collect();
    assert!(matches!(
        verdicts[..],
        [
            SegmentVerdict::Inconclusive(_),
            SegmentVerdict::Inconclusive(_),
            SegmentVerdict::Good
        ]
    ));
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path(), TargetOptions::default(), &[&one, &two]);
    let report = restore(&plan, &mut Shelf::of(&[&two]), &Silent).unwrap();
    assert_eq!(report.volumes_failed[0].lost.len(), 7);
    assert_eq!((report.objects, report.missing), (1, 7));
    assert_eq!(names_below(directory.path()), ["other"]);
}

/// Asks to stop after so many questions.
pub struct StopsAfter(pub AtomicU64);

impl Monitor for StopsAfter {
    fn stop_requested(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[test]
fn a_stopped_restore_leaves_only_whole_files() {
    let volume = volume();
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
    let monitor = StopsAfter(AtomicU64::new(3));
    let report = restore(&plan, &mut Shelf::of(&[&volume]), &monitor).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::Stopped);
    assert_eq!(names_below(directory.path()), ["d", "d/a", "d/b"]);
    // Also those that it did not come to.
    let all = plan.objects();
    assert_eq!((report.objects, report.missing), (3, all - 3), "{report:?}");
    assert!(report.missing > 1);
}

#[test]
fn a_full_target_ends_the_restore_and_keeps_what_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_mounted) = SmallDisk::mount(directory.path(), "1m") else {
        return;
    };
    let volume = Volume::new("A00001L9").write(&[
        file("fits", &noise(1, 200_000)),
        file("too-large", &noise(2, 2_000_000)),
        file("never-tried", b"x"),
    ]);
    let plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
    let report = restore(&plan, &mut Shelf::of(&[&volume]), &Silent).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::TargetFull);
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(report.problems[0].path, "too-large");
    assert_eq!(names_below(directory.path()), ["fits"]);
    assert_eq!(
        fs::read(directory.path().join("fits")).unwrap(),
        noise(1, 200_000)
    );
}
