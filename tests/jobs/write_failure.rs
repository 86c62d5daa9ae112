//! A tape that cannot be written further: what is said of it, what of it is safe, and how the
//! job goes on.

use std::fs;
use std::sync::{Arc, Mutex};

use tape_sim::fault::Effect;
use tapewright::jobs::archive::{ArchiveSummary, JobDescription, archive};
use tapewright::jobs::verify::verify;
use tapewright::jobs::{Failure, JobError, JobErrorKind, Outcome, VolumeState, tapes};
use tapewright::monitor::{Monitor, Problem};
use tapewright::units::ByteSize;

use crate::lab::{A, B, C, Lab, archive_path, assert_same_tree, fault, noise, plant};

#[test]
fn without_another_tape_a_failure_is_told_and_what_is_confirmed_is_safe() {
    let cases = [
        ("the medium", Effect::WriteError, true),
        ("the drive", Effect::HardwareError, false),
    ];
    for (name, effect, suspect) in cases {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        let first = lab.archive(&["source"], "docs").unwrap();

        lab.set_faults(vec![fault(effect, "WRITE", 3, Some(1))]);
        let error = lab.archive(&["source"], "docs").unwrap_err();
        let JobError::WriteFailed {
            barcode,
            suspect: said,
            segments,
            ..
        } = &error
        else {
            panic!("{name}: {error:?}")
        };
        assert_eq!(
            (barcode.as_str(), *said, *segments),
            (A, suspect, 1),
            "{name}"
        );
        assert!(error.advice().is_some(), "{name}");
        let state = tapes::list(lab.site()).unwrap()[0].state;
        assert_eq!(state == VolumeState::Suspect, suspect, "{name}");

        let verified = verify(lab.site(), &first.job.to_string()).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{name}: {verified:?}");
    }
}

/// Keeps the problems that were told on the way.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Monitor for Heard {
    fn problem(&self, problem: &Problem) {
        let told = format!("{}: {}", problem.path, problem.what);
        self.0.lock().unwrap().push(told);
    }
}

/// 24 files of 1 MiB in segments of about 4 MiB: well below the end of a tape.
fn plant_some(lab: &Lab) {
    let root = lab.path("source");
    fs::create_dir_all(&root).unwrap();
    for number in 0..24 {
        fs::write(root.join(format!("{number:02}")), noise(number, 1 << 20)).unwrap();
    }
}

fn options(lab: &Lab) -> JobDescription {
    JobDescription {
        segment_limit: Some(ByteSize(4 << 20)),
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    }
}

/// The catalog has each file once, a restore is the source byte for byte, and each segment
/// verifies.
fn assert_once_and_whole(lab: &Lab, summary: &ArchiveSummary, name: &str) {
    assert_eq!(summary.outcome, Outcome::Complete, "{name}: {summary:?}");
    for number in 0..24 {
        let path = archive_path(&lab.path(&format!("source/{number:02}")));
        assert_eq!(lab.find(&path).len(), 1, "{name}: {number}");
    }
    let (restored, copy) = lab.restore("source", name);
    assert_eq!(restored.outcome, Outcome::Complete, "{name}: {restored:?}");
    assert_same_tree(&lab.path("source"), &copy);
    let verified = verify(lab.site(), &summary.job.to_string()).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{name}: {verified:?}");
}

#[test]
fn a_job_goes_on_with_the_next_tape_wherever_one_fails() {
    // What happens, with the how many-th of which command, and whether the tape is to blame.
    // A segment of 4 MiB is about 64 blocks of 64 KiB; two filemarks close each.
    let lost = Effect::Reset { after: false };
    let cases = [
        ("at 5 %", Effect::WriteError, "WRITE", 8, true),
        ("later", Effect::WriteError, "WRITE", 30, true),
        ("in closing", Effect::WriteError, "WRITE FILEMARKS", 3, true),
        (
            "behind an index",
            Effect::WriteError,
            "WRITE FILEMARKS",
            4,
            true,
        ),
        ("deferred", Effect::DeferredError, "WRITE", 20, true),
        ("the drive", Effect::HardwareError, "WRITE", 20, false),
        ("a lost position", lost, "WRITE", 20, false),
    ];
    for (name, effect, command, nth, suspect) in cases {
        let mut lab = Lab::new();
        let heard = Heard::default();
        lab.monitor = Box::new(heard.clone());
        plant_some(&lab);
        lab.label(&[A, B], "docs");
        lab.set_faults(vec![fault(effect, command, nth, Some(1))]);
        let summary = archive(lab.site(), &options(&lab)).unwrap();
        assert_once_and_whole(&lab, &summary, name);
        let [failed] = &summary.failed_tapes[..] else {
            panic!("{name}: {summary:?}")
        };
        assert_eq!(
            (failed.barcode.as_str(), failed.suspect),
            (A, suspect),
            "{name}"
        );
        let listed = tapes::list(lab.site()).unwrap();
        let state = |barcode| {
            listed
                .iter()
                .find(|tape| tape.barcode == barcode)
                .unwrap()
                .state
        };
        let expected = match suspect {
            true => VolumeState::Suspect,
            false => VolumeState::Appendable,
        };
        assert_eq!(
            (state(A), state(B)),
            (expected, VolumeState::Appendable),
            "{name}"
        );
        let heard = heard.0.lock().unwrap();
        let told = heard
            .iter()
            .find(|told| told.contains("written again on the next tape"));
        assert!(
            told.is_some_and(|told| told.starts_with(A)),
            "{name}: {heard:?}"
        );
    }
}

#[test]
fn a_tape_that_ends_hard_without_a_warning_is_suspect_and_nothing_is_lost() {
    let lab = Lab::new();
    plant_some(&lab);
    lab.label(&[A, B], "docs");
    // The drive says that there is no room, in the middle of the tape.
    let end = Effect::Sense {
        key: 0xD,
        asc: 0,
        ascq: 2,
    };
    lab.set_faults(vec![fault(end, "WRITE", 20, Some(1))]);
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_once_and_whole(&lab, &summary, "hard end");
    let listed = tapes::list(lab.site()).unwrap();
    assert_eq!(listed[0].state, VolumeState::Suspect);
    let reason = listed[0].state_reason.as_deref().unwrap();
    assert!(reason.contains("no warning"), "{reason}");
}

#[test]
fn two_tapes_that_fail_in_a_row_speak_against_the_drive() {
    let lab = Lab::new();
    plant_some(&lab);
    lab.label(&[A, B, C], "docs");
    lab.set_faults(vec![fault(Effect::WriteError, "WRITE", 3, None)]);
    // Whether a segment was confirmed before is a matter of time.
    let failure = match archive(lab.site(), &options(&lab)) {
        Ok(summary) => summary.failure.unwrap(),
        Err(error) => Failure::from(&error),
    };
    assert_eq!(failure.kind, JobErrorKind::BadDevice);
    let told = &failure.what;
    assert!(told.contains(A) && told.contains(B), "{told}");
    assert!(failure.advice.unwrap().contains("Clean the drive"));
    let listed = tapes::list(lab.site()).unwrap();
    assert_eq!(
        listed[2].state,
        VolumeState::Appendable,
        "the third was not tried"
    );
}
