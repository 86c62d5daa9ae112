//! Tapes that fail while they are written: the run goes on with the next, and what was not
//! confirmed is written again.

use std::collections::BTreeMap;
use std::fs;

use tapewright::drive::DriveErrorKind;
use tapewright::engine::archive::{ArchiveReport, Outcome};
use tapewright::engine::source::{CommandSource, FileList, Source};
use tapewright::engine::{EngineError, VolumeEnd};
use tapewright::volume::member::Kind;
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::segment::minimum_segment_bytes;

use crate::case::{Case, noise, on_disk, read_all};
use crate::shelf::{BLOCK_BYTES, Fault, Ledger, Shelf};

/// Sixty files in segments of five.
fn many() -> Case {
    let mut case = Case::new();
    case.plan.memory.members = 5;
    for number in 0..60 {
        case.file(&format!("{number:02}"), &noise(number, 100_000));
    }
    case
}

/// Each path of these receipts, and how many members it has, parts of one file apart.
fn times(receipts: &[SegmentReceipt]) -> BTreeMap<Vec<u8>, usize> {
    let mut times = BTreeMap::new();
    let lines = receipts.iter().flat_map(|receipt| &receipt.files);
    for line in lines.filter(|line| line.part.is_none_or(|part| part.number == 1)) {
        *times.entry(line.path.clone()).or_default() += 1;
    }
    times
}

/// All of the source is committed once, in the order of the walk and of the numbers of the
/// run's segments, and reads back byte for byte.
fn assert_whole(case: &Case, shelf: &Shelf, ledger: &Ledger, report: &ArchiveReport) {
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert!(report.failure.is_none() && report.unconfirmed.files == 0);
    let receipts = &ledger.receipts;
    assert!(times(receipts).values().all(|&times| times == 1));
    assert_eq!(report.files, times(receipts).len() as u64);
    let numbers: Vec<u64> = receipts.iter().map(|r| r.info.job_segment).collect();
    let count = receipts.len() as u64;
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    let ends: Vec<bool> = receipts.iter().map(|r| r.info.job_ends).collect();
    assert!(
        ends.iter()
            .rev()
            .eq(std::iter::once(&true).chain(vec![&false; ends.len() - 1]))
    );
    assert_eq!(read_all(shelf, receipts), on_disk(case.place.path()));
}

#[test]
fn a_run_goes_on_with_the_next_tape_wherever_one_fails() {
    use DriveErrorKind::{Hardware, Medium, Reset, Transport, UntrustedPosition};
    let case = many();
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    case.run(&mut shelf, &mut ledger).unwrap();
    let closing = ledger.receipts[1].info.index_block.0;
    let objects = shelf.tapes[0].1.lock().unwrap().objects.len() as u64;
    let places = [
        ("the first record", 2),
        ("early", objects / 20),
        ("in a segment", 60),
        ("the filemark before an index", closing - 1),
        ("an index", closing),
        ("the filemark behind an index", closing + 1),
        ("the last filemark", objects - 1),
        ("flushing", objects),
    ];
    let kinds = [
        (Medium, true),
        (Hardware, false),
        (Reset, false),
        (Transport, false),
        (UntrustedPosition, false),
    ];
    for (place, at) in places {
        for (kind, suspect) in kinds {
            let mut shelf = Shelf::new(2, None);
            shelf.faults[0] = Some(Fault { at, kind });
            let mut ledger = Ledger::new(&shelf);
            let report = case.run(&mut shelf, &mut ledger).unwrap();
            assert_whole(&case, &shelf, &ledger, &report);
            let [failed] = &report.failed_volumes[..] else {
                panic!("{place}, {kind:?}: {:?}", report.failed_volumes)
            };
            assert_eq!(failed.barcode, "E01001L9");
            match &shelf.released[..] {
                [VolumeEnd::Suspect(why), VolumeEnd::Open] => {
                    assert!(suspect && why.contains("it broke"), "{place}: {why}");
                }
                [VolumeEnd::Unwritable, VolumeEnd::Open] => assert!(!suspect, "{place}"),
                other => panic!("{place}, {kind:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_tape_is_full_where_its_end_was_announced_and_suspect_where_it_was_not() {
    for (behind_warning, full) in [(0, false), (2 * u64::from(BLOCK_BYTES), true)] {
        let case = many();
        let mut shelf = Shelf::new(2, None);
        // The drive does not tell what is left, so that the tape's end comes by itself.
        shelf.mute = true;
        let mut tape = shelf.tapes[0].1.lock().unwrap();
        tape.capacity_bytes = Some(3_000_000);
        tape.behind_warning = behind_warning;
        drop(tape);
        let mut ledger = Ledger::new(&shelf);
        let report = case.run(&mut shelf, &mut ledger).unwrap();
        assert_whole(&case, &shelf, &ledger, &report);
        assert_eq!(report.failed_volumes.is_empty(), full);
        match &shelf.released[0] {
            VolumeEnd::Full => assert!(full),
            VolumeEnd::Suspect(why) => assert!(!full && why.contains("no warning"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_tapes_that_fail_in_a_row_end_the_run_and_a_commit_between_them_does_not() {
    let kind = DriveErrorKind::Medium;
    let case = many();
    let mut shelf = Shelf::new(4, None);
    for (tape, at) in [(0, 60), (1, 5)] {
        shelf.faults[tape] = Some(Fault { at, kind });
    }
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    let Some(EngineError::VolumesFail { barcodes, .. }) = &report.failure else {
        panic!("{:?}", report.failure)
    };
    assert_eq!(barcodes[..], ["E01001L9", "E01002L9"]);
    assert_eq!((report.outcome, shelf.mounted), (Outcome::Partial, 2));
    assert_eq!(report.files, times(&ledger.receipts).len() as u64);
    assert!(report.unconfirmed.files > 0);

    let mut shelf = Shelf::new(4, None);
    for tape in 0..3 {
        shelf.faults[tape] = Some(Fault { at: 40, kind });
    }
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_whole(&case, &shelf, &ledger, &report);
    assert_eq!(report.failed_volumes.len(), 3);
}

#[test]
fn a_file_that_vanished_before_it_was_written_again_is_named_and_its_other_names_are_kept() {
    let case = Case::new();
    case.file("a", &noise(1, 100_000));
    case.file("b", &noise(2, 100_000));
    fs::hard_link(case.path("a"), case.path("z")).unwrap();
    for number in 0..60 {
        case.file(&format!("m/{number:02}"), &noise(number, 100_000));
    }
    let mut shelf = Shelf::new(2, None);
    let kind = DriveErrorKind::Medium;
    shelf.faults[0] = Some(Fault { at: 20, kind });
    let (a, b) = (case.path("a"), case.path("b"));
    shelf.on_release = Some(Box::new(move |tape| {
        if tape > 0 {
            return;
        }
        // Whatever was read of them went to the tape that failed.
        fs::remove_file(&a).unwrap();
        fs::remove_file(&b).unwrap();
    }));
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!((report.outcome, report.lost), (Outcome::Partial, 2));
    let named: Vec<&[u8]> = report
        .problems
        .first
        .iter()
        .map(|one| &one.path[..])
        .collect();
    for name in ["a", "b"] {
        assert!(named.contains(&&case.archive_path(name)[..]), "{named:?}");
    }
    let lines = ledger.receipts.iter().flat_map(|receipt| &receipt.files);
    let z = lines.filter(|line| line.path == case.archive_path("z"));
    assert!(z.map(|line| &line.kind).eq([&Kind::File]));
    assert_eq!(
        read_all(&shelf, &ledger.receipts),
        on_disk(case.place.path())
    );
}

#[test]
fn a_cut_file_goes_on_at_its_first_missing_part_unless_it_changed() {
    for changed in [false, true] {
        let mut case = Case::new();
        case.plan.segment_limit_bytes = minimum_segment_bytes(BLOCK_BYTES);
        case.file("huge", &noise(1, 30_000_000));
        case.file("later", &noise(2, 1000));
        let mut shelf = Shelf::new(2, None);
        let kind = DriveErrorKind::Medium;
        shelf.faults[0] = Some(Fault { at: 300, kind });
        let huge = case.path("huge");
        shelf.on_release = Some(Box::new(move |tape| {
            if tape == 0 && changed {
                fs::write(&huge, noise(3, 30_000_000)).unwrap();
            }
        }));
        let mut ledger = Ledger::new(&shelf);
        let report = case.run(&mut shelf, &mut ledger).unwrap();
        let number = |receipt: &SegmentReceipt| {
            let lines = receipt.files.iter().filter_map(|line| line.part);
            lines.map(|part| part.number).collect::<Vec<_>>()
        };
        let numbers: Vec<u32> = ledger.receipts.iter().flat_map(number).collect();
        let again = ledger
            .receipts
            .iter()
            .position(|r| r.info.barcode == "E01002L9")
            .unwrap();
        assert!(again >= 2, "parts are committed before the failure");
        if changed {
            assert_eq!(number(&ledger.receipts[again])[0], 1);
            let anew = read_all(&shelf, &ledger.receipts[again..]);
            assert_eq!(anew, on_disk(case.place.path()));
        } else {
            assert!(
                numbers.iter().copied().eq(1..=numbers.len() as u32),
                "{numbers:?}"
            );
            assert_whole(&case, &shelf, &ledger, &report);
        }
    }
}

#[test]
fn two_copies_come_of_one_read_and_are_cut_by_the_room_of_each() {
    let mut case = many();
    case.plan.memory.members = 1000;
    case.file("huge", &noise(99, 5_000_000));
    let mut first = Shelf::new(3, Some(5_000_000));
    let mut second = Shelf::numbered(4, 2, None);
    let mut ledger = Ledger::of(&[&first, &second]);
    let report = case
        .run_twice(&mut first, &mut second, &mut ledger)
        .unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let copy = report.copy.as_ref().unwrap();
    assert_eq!((copy.files, copy.bytes), (report.files, report.bytes));
    assert_eq!((first.released.len(), second.released.len()), (3, 1));
    for (shelf, name) in [(&first, "first"), (&second, "second")] {
        let receipts = ledger.of_shelf(shelf);
        assert!(times(&receipts).values().all(|&times| times == 1), "{name}");
        assert_eq!(
            read_all(shelf, &receipts),
            on_disk(case.place.path()),
            "{name}"
        );
        assert!(receipts.last().unwrap().info.job_ends);
    }
}

#[test]
fn one_of_two_destinations_may_fail_and_the_other_goes_on() {
    let kind = DriveErrorKind::Medium;
    // How many tapes of the second destination fail, and whether that is its end.
    for (failing, over) in [(1, false), (2, true)] {
        let case = many();
        let mut first = Shelf::new(1, None);
        let mut second = Shelf::numbered(4, 3, None);
        for tape in 0..failing {
            let at = if tape == 0 { 60 } else { 5 };
            second.faults[tape] = Some(Fault { at, kind });
        }
        let mut ledger = Ledger::of(&[&first, &second]);
        let report = case
            .run_twice(&mut first, &mut second, &mut ledger)
            .unwrap();
        let copy = report.copy.as_ref().unwrap();
        assert!(report.failure.is_none() && report.failed_volumes.is_empty());
        assert_eq!(copy.failed_volumes.len(), failing);
        assert_eq!(copy.failure.is_some(), over);
        assert_eq!(report.outcome == Outcome::Complete, !over);
        let receipts = ledger.of_shelf(&first);
        assert_eq!(read_all(&first, &receipts), on_disk(case.place.path()));
        let copied = read_all(&second, &ledger.of_shelf(&second));
        assert_eq!(copied == on_disk(case.place.path()), !over);
        assert!(!copied.is_empty(), "what was confirmed before stays");
        assert_eq!(copy.files, times(&ledger.of_shelf(&second)).len() as u64);
    }
}

#[test]
fn what_a_list_names_is_written_again_and_what_a_command_wrote_is_named_as_lost() {
    let mut case = many();
    let list = case.place.path().join("list");
    let names = (0..60).map(|number| format!("{}/{number:02}\n", case.place.path().display()));
    fs::write(&list, names.collect::<String>()).unwrap();
    case.plan.sources = vec![
        Source::List(FileList {
            from: list,
            null: false,
            recursive: false,
        }),
        Source::Command(CommandSource {
            command: "head -c 3000000 /dev/zero".to_owned(),
            place: "zeros".to_owned(),
            timeout: None,
        }),
    ];
    let mut whole = Shelf::new(1, None);
    let mut ledger = Ledger::new(&whole);
    let report = case.run(&mut whole, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let files = report.files;
    let expected = read_all(&whole, &ledger.receipts);
    let objects = whole.tapes[0].1.lock().unwrap().objects.len() as u64;
    let mut lost = 0;
    for at in [20, objects / 2, objects - 20, objects] {
        let mut shelf = Shelf::new(2, None);
        let kind = DriveErrorKind::Hardware;
        shelf.faults[0] = Some(Fault { at, kind });
        let mut ledger = Ledger::new(&shelf);
        let report = case.run(&mut shelf, &mut ledger).unwrap();
        assert!(report.failure.is_none(), "at {at}: {report:?}");
        let mut expected = expected.clone();
        if report.lost > 0 {
            assert_eq!(
                (report.outcome, report.lost),
                (Outcome::Partial, 1),
                "at {at}"
            );
            let problem = &report.problems.first[0];
            assert_eq!(problem.path, b"zeros");
            assert!(problem.what.contains("cannot be asked again"), "{problem}");
            expected.remove(&b"zeros"[..]);
        }
        assert_eq!(report.files, files - report.lost, "at {at}");
        assert_eq!(read_all(&shelf, &ledger.receipts), expected, "at {at}");
        lost += report.lost;
    }
    assert!(lost > 0);
}

#[test]
fn a_stream_in_parts_and_one_that_is_cut_off_go_to_two_destinations_alike() {
    let mut case = Case::new();
    let limit = minimum_segment_bytes(BLOCK_BYTES) + 40 * u64::from(BLOCK_BYTES);
    case.plan.segment_limit_bytes = limit;
    let source = |command: String, place: &str| CommandSource {
        command,
        place: place.to_owned(),
        timeout: None,
    };
    let cut = format!(
        "cd {} && head -c {} /dev/zero > big && tar -cf - big | head -c {}",
        case.place.path().display(),
        10 * limit,
        3 * limit
    );
    case.plan.sources = vec![
        Source::Command(source(format!("head -c {} /dev/zero", 4 * limit), "long")),
        Source::Tar(source(cut, "host")),
    ];
    let (mut first, mut second) = (Shelf::new(1, None), Shelf::new(1, None));
    let mut ledger = Ledger::new(&first);
    let report = case
        .run_twice(&mut first, &mut second, &mut ledger)
        .unwrap();
    assert_eq!(report.outcome, Outcome::Partial, "{report:?}");
    assert!(report.failure.is_none() && report.lost == 0, "{report:?}");
    let copy = report.copy.as_ref().unwrap();
    assert_eq!((copy.files, copy.bytes), (report.files, report.bytes));
    let covered = |path: &[u8]| {
        let lines = ledger.receipts.iter().flat_map(|receipt| &receipt.files);
        let parts = lines
            .filter(|line| line.path == path)
            .filter_map(|line| line.part);
        parts.map(|part| part.length_bytes).sum::<u64>()
    };
    assert_eq!(covered(b"long"), 2 * 4 * limit);
    // No more zeros than to the end of the part in which the stream broke off.
    let big = covered(b"host/big");
    assert!(
        big >= 2 * 2 * limit && big <= 2 * 4 * limit,
        "{big} of {limit}"
    );
}
