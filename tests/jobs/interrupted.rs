//! Reading jobs whose drive, or the way to it, gives commands up half way.

use std::sync::{Arc, Mutex};

use tape_sim::fault::{Device, Effect, Rule};
use tape_sim::library::LibrarySpec;
use tapewright::jobs::restore::RestoreSummary;
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{JobErrorKind, Outcome};
use tapewright::monitor::{Monitor, Problem};

use crate::lab::{A, Lab, assert_same_tree, fault, plant};

/// Keeps the problems that were told on the way.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn interruptions(&self) -> usize {
        let mut heard = self.0.lock().unwrap();
        let count = heard
            .iter()
            .filter(|what| what.contains("was interrupted: "))
            .count();
        heard.clear();
        count
    }
}

impl Monitor for Heard {
    fn problem(&self, problem: &Problem) {
        self.0.lock().unwrap().push(problem.what.clone());
    }
}

/// A tree on tape, and who listens from now on.
fn archived() -> (Lab, Heard) {
    archived_in(Lab::new())
}

fn archived_in(mut lab: Lab) -> (Lab, Heard) {
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let heard = Heard::default();
    lab.monitor = Box::new(heard.clone());
    (lab, heard)
}

fn sense(key: u8, asc: u8, ascq: u8) -> Effect {
    Effect::Sense { key, asc, ascq }
}

/// What happens, with which command, from the how many-th on, how often.
type Interruption = (&'static str, Effect, &'static str, u64, u64);

#[test]
fn reading_goes_on_behind_what_says_nothing_of_the_tape() {
    // The label is the first object that is read.
    let cases: [Interruption; 12] = [
        ("a reset", Effect::Reset { after: false }, "READ", 3, 1),
        (
            "a reset behind a read",
            Effect::Reset { after: true },
            "READ",
            3,
            1,
        ),
        (
            "a reset at the label",
            Effect::Reset { after: false },
            "READ",
            1,
            1,
        ),
        (
            "a reset at a locate",
            Effect::Reset { after: false },
            "LOCATE",
            1,
            1,
        ),
        ("three resets", Effect::Reset { after: false }, "READ", 3, 3),
        ("a loss of power", Effect::PowerCut, "READ", 3, 1),
        ("a change of mode", sense(6, 0x2A, 0x01), "READ", 3, 1),
        ("perhaps another tape", sense(6, 0x28, 0x00), "READ", 3, 1),
        ("an aborted read", sense(0xB, 0x4E, 0x00), "READ", 3, 1),
        ("an aborted locate", sense(0xB, 0x4B, 0x00), "LOCATE", 1, 3),
        (
            "no answer",
            Effect::NoAnswer { executed: false },
            "READ",
            3,
            1,
        ),
        (
            "no answer to what was done",
            Effect::NoAnswer { executed: true },
            "READ",
            3,
            1,
        ),
    ];
    let (lab, heard) = archived();
    for (name, effect, command, nth, times) in cases {
        let rule = || vec![fault(effect.clone(), command, nth, Some(times))];
        lab.set_faults(rule());
        let (restored, copy) = lab.restore("source", name);
        assert_eq!(restored.outcome, Outcome::Complete, "{name}: {restored:?}");
        assert_same_tree(&lab.path("source"), &copy);
        assert!(heard.interruptions() > 0, "{name}");

        lab.set_faults(rule());
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{name}: {verified:?}");
        assert_eq!(verified.volumes[0].verdict, Verdict::Good, "{name}");
        assert!(heard.interruptions() > 0, "{name}");
    }
}

#[test]
fn a_drive_that_goes_elsewhere_is_sent_again() {
    let (lab, heard) = archived();
    let elsewhere = Effect::WrongPosition {
        object: 0,
        lie: false,
    };
    lab.set_faults(vec![fault(elsewhere, "LOCATE", 1, Some(1))]);
    lab.brings_back("source", "target");
    assert_eq!(heard.interruptions(), 1);
}

/// Keeps the phases that were told.
#[derive(Clone, Default)]
struct Phases(Arc<Mutex<Vec<String>>>);

impl Monitor for Phases {
    fn phase(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }
}

#[test]
fn behind_a_wait_for_the_drive_it_is_said_that_reading_goes_on() {
    let (mut lab, _) = archived();
    // One of the first questions whether it is ready is that behind the reset.
    let mut waited = 0;
    for nth in 1..=12 {
        let phases = Phases::default();
        lab.monitor = Box::new(phases.clone());
        let becoming = fault(Effect::BecomingReady, "TEST UNIT READY", nth, Some(2));
        lab.set_faults(vec![
            fault(Effect::Reset { after: false }, "READ", 3, Some(1)),
            Rule {
                device: Device::Drives,
                ..becoming
            },
        ]);
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
        let phases = phases.0.lock().unwrap();
        let waits = |what: &String| what.starts_with("waiting for the drive");
        if let Some(last) = phases.iter().rposition(waits) {
            waited += 1;
            assert_eq!(phases[last + 1], format!("reading {A} again"), "{phases:?}");
        }
    }
    assert!(waited > 0);
}

fn only_failure(restored: &RestoreSummary) -> &tapewright::jobs::Failure {
    match &restored.failed_tapes[..] {
        [failed] => &failed.failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reading_is_taken_up_again_a_few_times_only() {
    // Another drive would be tried.
    let (lab, heard) = archived_in(Lab::with(&LibrarySpec {
        drives: 1,
        slots: 8,
        cartridges: Some(2),
        ..Lab::small()
    }));
    for (name, effect) in [
        ("resets", Effect::Reset { after: false }),
        ("silence", Effect::NoAnswer { executed: false }),
        ("aborted", sense(0xB, 0x4E, 0x00)),
    ] {
        lab.set_faults(vec![fault(effect.clone(), "READ", 3, None)]);
        let (restored, _) = lab.restore("source", name);
        assert_eq!(restored.outcome, Outcome::Partial, "{name}: {restored:?}");
        assert_eq!(heard.interruptions(), 3, "{name}");
        let failure = only_failure(&restored);
        assert_eq!(failure.kind, JobErrorKind::BadDevice, "{name}");
        assert!(failure.advice.is_some(), "{name}: {failure:?}");
        assert!(!restored.lost_with_tapes[0].objects.is_empty(), "{name}");

        lab.set_faults(vec![fault(effect, "READ", 3, None)]);
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.volumes[0].verdict, Verdict::Inconclusive, "{name}");
        let [failed] = &verified.failed_tapes[..] else {
            panic!("{name}: {verified:?}")
        };
        assert!(failed.failure.advice.is_some(), "{name}: {failed:?}");
        assert_eq!(heard.interruptions(), 3, "{name}");
    }
}
