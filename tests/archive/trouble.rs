//! Runs that are stopped, that fail, or that find little to archive.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{XattrFlags, setxattr};
use tapewright::drive::DriveErrorKind;
use tapewright::engine::archive::{ArchivePlan, Outcome};
use tapewright::engine::source::Source;
use tapewright::engine::{EngineError, VolumeEnd};
use tapewright::monitor::{Monitor, Problem};
use tapewright::units::BlockAddress;
use tapewright::volume::member::{Condition, Kind};
use tapewright::volume::segment::minimum_segment_bytes;
use tempfile::TempDir;

use crate::case::{Case, noise, read_all};
use crate::shelf::{BLOCK_BYTES, Fault, Ledger, Shelf};

/// Asks to stop once so many files are done.
pub struct StopAfter {
    files: u64,
    bytes: u64,
    done: AtomicU64,
    moved: AtomicU64,
}

impl StopAfter {
    pub fn new(files: u64, bytes: u64) -> Self {
        Self {
            files,
            bytes,
            done: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        }
    }
}

impl Monitor for StopAfter {
    fn advance(&self, files: u64, bytes: u64) {
        self.done.fetch_add(files, Ordering::SeqCst);
        self.moved.fetch_add(bytes, Ordering::SeqCst);
    }

    fn stop_requested(&self) -> bool {
        self.done.load(Ordering::SeqCst) >= self.files
            || self.moved.load(Ordering::SeqCst) >= self.bytes
    }
}

#[test]
fn a_stop_request_ends_the_segment_at_a_file_and_commits_it() {
    let case = Case::new();
    for number in 0..100 {
        case.file(&format!("{number:03}"), &noise(number, 10_000));
    }
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let monitor = StopAfter::new(30, u64::MAX);
    let report = case.run_under(&mut shelf, &mut ledger, &monitor).unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert_eq!((report.files, report.unconfirmed.files), (30, 0));
    assert!(report.failure.is_none());
    let [receipt] = &ledger.receipts[..] else {
        panic!("one segment")
    };
    assert!(!receipt.info.job_ends);
    assert_eq!(read_all(&shelf, &ledger.receipts).len(), 29);
    assert_eq!(shelf.released, [VolumeEnd::Open]);
}

#[test]
fn a_stop_request_cuts_off_a_huge_file_behind_a_part() {
    let mut case = Case::new();
    case.plan.segment_limit_bytes = minimum_segment_bytes(BLOCK_BYTES);
    let data = noise(1, 12_000_000);
    case.file("huge", &data);
    case.file("later", b"");
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let monitor = StopAfter::new(u64::MAX, 3_000_000);
    let report = case.run_under(&mut shelf, &mut ledger, &monitor).unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted);
    let read = read_all(&shelf, &ledger.receipts);
    let kept = &read[&case.archive_path("huge")];
    assert!(
        (3_000_000..9_000_000).contains(&kept.len()),
        "{}",
        kept.len()
    );
    assert_eq!(kept[..], data[..kept.len()]);
    assert_eq!(read.len(), 1);
    assert_eq!(report.files, 1, "the directory; the file is not complete");
    assert!(
        report.problems.first[0]
            .what
            .contains(&kept.len().to_string())
    );
}

#[test]
fn without_another_tape_a_failure_keeps_all_that_was_confirmed() {
    for (kind, suspect) in [
        (DriveErrorKind::Medium, true),
        (DriveErrorKind::Hardware, false),
    ] {
        let mut case = Case::new();
        case.plan.memory.members = 5;
        for number in 0..60 {
            case.file(&format!("{number:02}"), &noise(number, 100_000));
        }
        let mut shelf = Shelf::new(1, None);
        shelf.faults[0] = Some(Fault { at: 60, kind });
        let mut ledger = Ledger::new(&shelf);
        let report = case.run(&mut shelf, &mut ledger).unwrap();
        assert_eq!(report.outcome, Outcome::Partial);
        let Some(EngineError::Volume { barcode, .. }) = &report.failure else {
            panic!("{:?}", report.failure);
        };
        assert_eq!(barcode, "E01001L9");
        match &shelf.released[..] {
            [VolumeEnd::Suspect(why)] => assert!(suspect && why.contains("it broke"), "{why}"),
            [VolumeEnd::Unwritable] => assert!(!suspect),
            other => panic!("{other:?}"),
        }
        assert!(!ledger.receipts.is_empty());
        let committed: usize = ledger
            .receipts
            .iter()
            .map(|receipt| receipt.files.len())
            .sum();
        assert_eq!(report.files, committed as u64);
        let confirmed = shelf.tapes[0].1.lock().unwrap().on_medium as u64;
        assert!(ledger.receipts.last().unwrap().end_block.0 <= confirmed);
        assert!(report.unconfirmed.files > 0);
        let first = &report.unconfirmed.first_paths[0];
        let names = fs::read_dir(case.place.path()).unwrap().count();
        assert!(names > committed && first.ends_with(format!("{:02}", committed - 1).as_bytes()));
        read_all(&shelf, &ledger.receipts);
    }
}

#[test]
fn a_drive_that_lost_its_session_is_not_asked_what_is_confirmed() {
    use DriveErrorKind::{PositionLost, Reset, Transport, UntrustedPosition};
    for kind in [PositionLost, Reset, Transport, UntrustedPosition] {
        let mut case = Case::new();
        case.plan.memory.members = 5;
        for number in 0..60 {
            case.file(&format!("{number:02}"), &noise(number, 100_000));
        }
        let mut shelf = Shelf::new(1, None);
        shelf.lag = 1000;
        shelf.boasts = true;
        shelf.faults[0] = Some(Fault { at: 60, kind });
        let mut ledger = Ledger::new(&shelf);
        let report = case.run(&mut shelf, &mut ledger).unwrap();
        assert_eq!((report.outcome, report.files), (Outcome::Partial, 0));
        assert!(ledger.receipts.is_empty(), "{kind:?}");
        assert!(report.unconfirmed.files >= 5);
    }
}

#[test]
fn a_drive_that_lost_an_object_says_nothing_of_the_tape() {
    let case = Case::new();
    case.file("f", b"data");
    let mut shelf = Shelf::new(1, None);
    shelf.tapes[0].1.lock().unwrap().lose_position = true;
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!((report.outcome, report.files), (Outcome::Partial, 0));
    assert_eq!(shelf.released, [VolumeEnd::Unwritable]);
}

/// A directory with a file `f` that no tar header takes; `None` where none can be made: of
/// the usual file systems only tmpfs takes so many attributes.
fn refused_file() -> Option<TempDir> {
    let place = tempfile::tempdir_in("/dev/shm").ok()?;
    let path = place.path().join("f");
    fs::write(&path, b"data").unwrap();
    for number in 0..20 {
        let (name, value) = (format!("user.{number}"), vec![7; 60_000]);
        if setxattr(&path, name, &value, XattrFlags::empty()).is_err() {
            eprintln!("skipped: no file here takes so many attributes");
            return None;
        }
    }
    Some(place)
}

#[test]
fn further_names_of_a_refused_file_are_problems_and_no_links_to_nothing() {
    let Some(place) = refused_file() else { return };
    fs::hard_link(place.path().join("f"), place.path().join("g")).unwrap();
    fs::write(place.path().join("good"), b"data").unwrap();
    let mut case = Case::new();
    case.plan.sources = vec![Source::Paths(vec![place.path().to_owned()])];
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(
        (report.outcome, report.problems.total),
        (Outcome::Partial, 2)
    );
    let lines = ledger.receipts.iter().flat_map(|receipt| &receipt.files);
    let kinds: Vec<&Kind> = lines.map(|line| &line.kind).collect();
    assert_eq!(kinds, [&Kind::Directory, &Kind::File]);
}

#[test]
fn a_run_that_finds_nothing_it_can_write_gives_its_tape_back() {
    let Some(place) = refused_file() else { return };
    let path = place.path().join("f");
    let mut case = Case::new();
    case.plan.sources = vec![Source::Paths(vec![path])];
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let error = case.run(&mut shelf, &mut ledger).unwrap_err();
    let nothing = matches!(error, EngineError::NothingArchived { .. });
    assert!(nothing, "{error}");
    assert_eq!(shelf.mounted, 1);
    assert_eq!(shelf.released, [VolumeEnd::Open]);
}

#[test]
fn a_drive_that_flushes_and_confirms_less_is_not_believed() {
    let mut case = Case::new();
    case.plan.memory.members = 5;
    for number in 0..20 {
        case.file(&format!("{number:02}"), &noise(number, 100_000));
    }
    let mut shelf = Shelf::new(1, None);
    shelf.confirms_before = 30;
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(matches!(
        report.failure,
        Some(EngineError::NotConfirmed { .. })
    ));
    assert!(matches!(shelf.released[..], [VolumeEnd::Suspect(_)]));
    assert!(!ledger.receipts.is_empty());
    assert!(
        ledger
            .receipts
            .iter()
            .all(|receipt| receipt.end_block.0 <= 30)
    );
    assert_eq!(report.files + report.unconfirmed.files, 21);
}

#[test]
fn a_tape_that_cannot_be_given_back_has_all_that_was_committed() {
    let case = Case::new();
    case.file("f", b"data");
    let mut shelf = Shelf::new(1, None);
    shelf.keeps_tapes = true;
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!((report.outcome, report.files), (Outcome::Complete, 2));
    assert!(matches!(
        report.failure,
        Some(EngineError::Mount {
            volume: Some(_),
            ..
        })
    ));
}

#[test]
fn a_tape_that_is_not_as_expected_is_not_written() {
    let case = Case::new();
    case.file("f", b"");
    let mut shelf = Shelf::new(1, None);
    shelf.points[0].next_block = BlockAddress(7);
    let mut ledger = Ledger::new(&shelf);
    let before = shelf.tapes[0].1.lock().unwrap().objects.clone();
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert!(matches!(report.failure, Some(EngineError::Volume { .. })));
    assert_eq!((report.outcome, report.files), (Outcome::Partial, 0));
    assert_eq!(shelf.tapes[0].1.lock().unwrap().objects, before);
}

#[test]
fn a_failing_sink_stops_the_run_and_nothing_is_committed_behind_it() {
    let mut case = Case::new();
    case.plan.memory.members = 5;
    for number in 0..60 {
        case.file(&format!("{number:02}"), &noise(number, 100_000));
    }
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger {
        fail_after: 2,
        ..Ledger::new(&shelf)
    };
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert!(matches!(
        report.failure,
        Some(EngineError::Commit { number: 3, .. })
    ));
    assert_eq!(
        (report.outcome, ledger.receipts.len()),
        (Outcome::Partial, 2)
    );
    assert_eq!(report.files, 10);
    assert!(report.unconfirmed.files >= 5);
    assert_eq!(report.unconfirmed.first_paths[0], case.archive_path("09"));
    assert_eq!(shelf.released, [VolumeEnd::Open]);
}

/// What makes a plan useless.
type Change = fn(&mut ArchivePlan);

#[test]
fn no_tape_is_touched_if_there_is_nothing_to_archive() {
    let cases: [(&str, Change); 4] = [
        ("everything excluded", |plan| {
            plan.excludes = vec!["/**".to_owned()]
        }),
        ("a source that is missing", |plan| {
            plan.sources
                .push(Source::Paths(vec!["/no/such/place".into()]))
        }),
        ("a malformed pattern", |plan| {
            plan.excludes = vec!["[".to_owned()]
        }),
        ("no source", |plan| plan.sources.clear()),
    ];
    for (name, change) in cases {
        let mut case = Case::new();
        case.file("f", b"data");
        change(&mut case.plan);
        let mut shelf = Shelf::new(1, None);
        let mut ledger = Ledger::new(&shelf);
        let error = case.run(&mut shelf, &mut ledger).unwrap_err();
        let expected = match name {
            "a source that is missing" => matches!(error, EngineError::Root { .. }),
            "a malformed pattern" => matches!(error, EngineError::Plan { .. }),
            _ => matches!(error, EngineError::Nothing { .. }),
        };
        assert!(expected, "{name}: {error}");
        assert_eq!(shelf.mounted, 0, "{name}");
    }
    let case = Case::new();
    let mut shelf = Shelf::new(0, None);
    let mut ledger = Ledger::new(&shelf);
    let error = case.run(&mut shelf, &mut ledger).unwrap_err();
    assert!(
        matches!(error, EngineError::Mount { volume: None, .. }),
        "no volume: {error}"
    );
}

#[test]
fn a_tree_without_files_is_archived_and_noted() {
    let case = Case::new();
    fs::create_dir(case.path("empty")).unwrap();
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!((report.outcome, report.files), (Outcome::Complete, 2));
    assert!(report.notes.first[0].what.contains("no files"));
}

/// Hears of problems.
#[derive(Default)]
struct Listener {
    problems: Mutex<Vec<Problem>>,
}

impl Monitor for Listener {
    fn problem(&self, problem: &Problem) {
        self.problems.lock().unwrap().push(problem.clone());
    }
}

#[test]
fn a_file_shorter_than_it_says_is_a_problem_and_recorded_as_such() {
    // Files of sysfs claim a page and give a line.
    let path = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let text = fs::read(path).unwrap_or_default();
    if fs::metadata(path).map_or(true, |metadata| metadata.len() <= text.len() as u64) {
        eprintln!("skipped: there is no sysfs here");
        return;
    }
    let mut case = Case::new();
    case.file("good", b"data");
    case.plan.sources.push(Source::Paths(vec![path.to_owned()]));
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let listener = Listener::default();
    let report = case.run_under(&mut shelf, &mut ledger, &listener).unwrap();
    assert_eq!(
        (report.outcome, report.problems.total),
        (Outcome::Partial, 1)
    );
    let heard = listener.problems.lock().unwrap();
    assert_eq!(heard[0].path, path.display().to_string());
    let lines = || ledger.receipts.iter().flat_map(|receipt| &receipt.files);
    let line = lines()
        .find(|line| line.path.ends_with(b"enabled"))
        .unwrap();
    assert_eq!(line.condition, Condition::Shrank);
    let content = &read_all(&shelf, &ledger.receipts)[&line.path];
    assert_eq!(content.len() as u64, line.size_bytes);
    assert!(content.starts_with(&text) && content[text.len()..].iter().all(|&byte| byte == 0));
    assert!(lines().any(|line| line.path.ends_with(b"good")));
}
