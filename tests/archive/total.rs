//! What a run has before it, as its monitor is told.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use tapewright::engine::archive::Outcome;
use tapewright::engine::source::{Measure, Selection, measure};
use tapewright::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use tapewright::monitor::Monitor;
use uuid::Uuid;

use crate::case::{Case, noise};
use crate::shelf::{Ledger, Shelf};

/// Adds up what it is told, and wants a total if `wants` is set.
#[derive(Default)]
struct Gauge {
    wants: bool,
    told: Mutex<Told>,
    expected: Condvar,
}

#[derive(Default)]
struct Told {
    ahead: Vec<(u64, u64)>,
    done: (u64, u64),
}

impl Monitor for Gauge {
    fn wants_total(&self) -> bool {
        self.wants
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.told.lock().unwrap().ahead.push((files, bytes));
        self.expected.notify_all();
    }

    fn advance(&self, files: u64, bytes: u64) {
        let mut told = self.told.lock().unwrap();
        told.done.0 += files;
        told.done.1 += bytes;
    }
}

/// Mounts nothing before the gauge was told what to expect.
struct Late<'a>(Shelf, &'a Gauge);

impl VolumeSource for Late<'_> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        let told = self.1.told.lock().unwrap();
        let silent = |told: &mut Told| told.ahead.is_empty();
        let wait = Duration::from_secs(30);
        let (told, late) = self
            .1
            .expected
            .wait_timeout_while(told, wait, silent)
            .unwrap();
        assert!(!late.timed_out(), "no total came");
        drop(told);
        self.0.next_for_append()
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        self.0.mount(volume)
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.0.release(volume, end)
    }
}

/// A tree with something of each kind, and something left out for each reason.
fn tree() -> Case {
    let mut case = Case::new();
    case.file("small", b"data");
    case.file("sub/large", &noise(1, 3_333_333));
    case.file("sub/left.out", &noise(2, 5000));
    case.file("cache/inside", &noise(3, 6000));
    case.file("never/inside", &noise(4, 7000));
    symlink("small", case.path("link")).unwrap();
    fs::hard_link(case.path("sub/large"), case.path("again")).unwrap();
    let sparse = fs::File::create(case.path("sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    sparse.write_all_at(&noise(5, 600_000), 2 << 20).unwrap();
    drop(UnixListener::bind(case.path("socket")).unwrap());
    case.plan.excludes = vec!["*.out".to_owned(), "cache/".to_owned()];
    case.plan.never = vec![case.path("never")];
    case
}

#[test]
fn the_total_told_is_what_the_run_then_does() {
    let case = tree();
    let gauge = Gauge {
        wants: true,
        ..Gauge::default()
    };
    let mut shelf = Late(Shelf::new(1, None), &gauge);
    let mut ledger = Ledger::new(&shelf.0);
    let report = case.run_under(&mut shelf, &mut ledger, &gauge).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let told = gauge.told.lock().unwrap();
    let all = (7, 4 + 3_333_333 + 5_000_000);
    assert_eq!((&told.ahead[..], told.done), (&[all][..], all));
    assert_eq!((report.files, report.bytes), all);
}

#[test]
fn nothing_is_counted_for_a_monitor_that_wants_no_total() {
    let case = tree();
    let gauge = Gauge::default();
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    case.run_under(&mut shelf, &mut ledger, &gauge).unwrap();
    assert!(gauge.told.lock().unwrap().ahead.is_empty());
}

#[test]
fn a_count_ends_when_it_is_told_to() {
    let case = tree();
    let selection = Selection {
        sources: vec![case.place.path().to_owned()],
        ..Selection::default()
    };
    assert_eq!(measure(&selection, None, || true).unwrap(), None);
    let counted = measure(&selection, None, || false).unwrap();
    let bytes = 4 + 3_333_333 + 5_000_000 + 5000 + 6000 + 7000;
    assert_eq!(
        counted,
        Some(Measure {
            files: 12,
            bytes,
            ..Measure::default()
        })
    );
}
