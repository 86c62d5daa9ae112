//! What a job says of itself that the user stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use tapewright::jobs::label::{LabelOptions, Which, label};
use tapewright::jobs::library::LibraryConfig;
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, JobErrorKind, Operator, Outcome, Reply, TapeRequest};
use tapewright::monitor::Monitor;

use crate::lab::{A, B, Lab, label_options, plant};

/// Asks to stop once the job says that it does `word`.
struct StopAt {
    word: &'static str,
    reached: AtomicBool,
}

impl StopAt {
    fn new(word: &'static str) -> Box<StopAt> {
        let reached = AtomicBool::new(false);
        Box::new(StopAt { word, reached })
    }
}

impl Monitor for StopAt {
    fn phase(&self, what: &str) {
        self.reached
            .fetch_or(what.contains(self.word), Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

#[test]
fn labelling_all_blank_tapes_stops_between_two_and_says_so() {
    let mut lab = Lab::new();
    lab.monitor = StopAt::new("labelling");
    let options = LabelOptions {
        tapes: Which::AllBlank,
        ..label_options(&[], "docs", None)
    };
    let summary = label(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Interrupted);
    assert_eq!(summary.labelled.len(), 1);
}

#[test]
fn a_rebuild_that_was_stopped_does_not_claim_to_be_one() {
    let mut lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    lab.archive(&["source"], "docs").unwrap();
    std::fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    lab.monitor = StopAt::new("scanning");
    let summary = rebuild(lab.site(), &[A.to_owned(), B.to_owned()]).unwrap();
    assert_eq!(summary.outcome, Outcome::Interrupted);
    assert_eq!(summary.volumes.len(), 1);
    assert!(lab.ledger_lines("catalog_rebuilt").is_empty());

    lab.monitor = Box::new(tapewright::monitor::Silent);
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(lab.ledger_lines("catalog_rebuilt").len(), 1);
}

#[test]
fn a_job_that_was_stopped_before_its_first_write_is_interrupted() {
    assert_eq!(JobError::Stopped.kind(), JobErrorKind::Interrupted);
}

/// Says that the tape is in, and brings none.
struct EmptyHanded;

impl Operator for EmptyHanded {
    fn request(&self, _request: &TapeRequest) -> Reply {
        Reply::Done
    }
}

#[test]
fn a_mount_that_was_stopped_is_an_interruption_and_no_failed_tape() {
    let mut lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let dir = lab.library_dir();
    let one_drive = LibraryConfig::SimulatedDrive { dir };
    lab.state.set_library(&one_drive).unwrap();
    lab.operator = Box::new(EmptyHanded);

    lab.monitor = StopAt::new("mounting");
    let (restored, _) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Interrupted, "{restored:?}");
    assert!(restored.failed_tapes.is_empty(), "{restored:?}");
    assert!(restored.missing_tapes.is_empty(), "{restored:?}");

    lab.monitor = StopAt::new("mounting");
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Interrupted, "{verified:?}");
    assert!(verified.failed_tapes.is_empty(), "{verified:?}");
}
