//! A tape that cannot be written further: what is said of it, and what of it is safe.

use tape_sim::fault::Effect;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, Outcome, VolumeState, tapes};

use crate::lab::{A, Lab, fault, plant};

#[test]
fn a_tape_that_fails_while_written_is_suspect_and_its_confirmed_segments_are_safe() {
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
