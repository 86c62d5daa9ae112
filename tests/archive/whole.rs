//! Runs that come to their end: content, segments, parts, volumes.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};

use tapewright::drive::SequentialDevice;
use tapewright::engine::EngineError;
use tapewright::engine::VolumeEnd;
use tapewright::engine::archive::Outcome;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::member::Condition;
use tapewright::volume::segment::minimum_segment_bytes;

use crate::case::{Case, noise, on_disk, read_all};
use crate::shelf::{BLOCK_BYTES, Ledger, Shelf};

#[test]
fn a_tree_comes_back_whole() {
    let case = Case::new();
    case.file("small", b"data");
    case.file("empty", b"");
    case.file("sub/just-small", &noise(1, 256 << 10));
    case.file("sub/large", &noise(2, 3_333_333));
    case.file("sub/chunks", &noise(3, 2 << 20));
    let sparse = fs::File::create(case.path("sparse")).unwrap();
    sparse.set_len(5_000_000).unwrap();
    sparse.write_all_at(&noise(4, 600_000), 2 << 20).unwrap();
    symlink("small", case.path("link")).unwrap();
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert!(report.failure.is_none());
    assert_eq!(shelf.released, [VolumeEnd::Open]);
    let disk = on_disk(case.place.path());
    assert_eq!(read_all(&shelf, &ledger.receipts), disk);
    let bytes: usize = disk.values().map(Vec::len).sum();
    assert_eq!((report.files, report.bytes), (9, bytes as u64));
    let [receipt] = &ledger.receipts[..] else {
        panic!("one segment")
    };
    assert!(receipt.info.job_ends);
    assert_eq!(
        receipt.info.job.roots,
        [case.archive_path("")[..case.archive_path("").len() - 1].to_vec()]
    );
    let [share] = &report.volumes[..] else {
        panic!("one volume")
    };
    assert_eq!((share.segments.as_slice(), share.files), (&[1][..], 9));
    assert_eq!(report.unconfirmed.files, 0);
    assert!(
        receipt
            .files
            .iter()
            .all(|line| line.condition == Condition::Whole)
    );
}

#[test]
fn a_further_run_appends_behind_the_last_segment() {
    let case = Case::new();
    case.file("f", b"data");
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    case.run(&mut shelf, &mut ledger).unwrap();
    shelf.points[0] = AppendPoint::behind(&ledger.receipts[0]);
    (shelf.mounted, shelf.released) = (0, vec![]);
    case.run(&mut shelf, &mut ledger).unwrap();
    let numbers: Vec<_> = ledger
        .receipts
        .iter()
        .map(|receipt| receipt.info.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(
        ledger.receipts[0].end_block,
        ledger.receipts[1].info.first_block
    );
    for receipt in ledger.receipts.chunks(1) {
        assert_eq!(read_all(&shelf, receipt), on_disk(case.place.path()));
    }
}

#[test]
fn segments_are_closed_at_their_limits_and_files_cut_only_if_they_must_be() {
    let minimum = minimum_segment_bytes(BLOCK_BYTES);
    let mut case = Case::new();
    case.plan.segment_limit_bytes = minimum;
    let whole_limit = minimum as usize - (256 << 10);
    case.file("a", &noise(1, whole_limit / 3));
    case.file("b-fits-a-segment-of-its-own", &noise(2, whole_limit));
    case.file("c-fits-none", &noise(3, 2 * minimum as usize + 12_345));
    for number in 0..10 {
        case.file(&format!("d{number}"), &noise(number, 1000));
    }
    case.plan.memory.members = 6;
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(
        read_all(&shelf, &ledger.receipts),
        on_disk(case.place.path())
    );
    assert_eq!(report.files, 14);
    let parts: Vec<_> = ledger
        .receipts
        .iter()
        .flat_map(|receipt| &receipt.files)
        .filter_map(|line| {
            line.part
                .map(|part| (line.path.clone(), part.number, part.last))
        })
        .collect();
    let path = case.archive_path("c-fits-none");
    let expected = [(1, false), (2, false), (3, true)];
    assert_eq!(
        parts,
        expected.map(|(number, last)| (path.clone(), number, last))
    );
    for receipt in &ledger.receipts {
        assert!(receipt.info.records * u64::from(BLOCK_BYTES) <= minimum);
        assert!(receipt.files.len() <= 6);
    }
    let ends: Vec<_> = ledger
        .receipts
        .iter()
        .map(|receipt| receipt.info.job_ends)
        .collect();
    assert_eq!(ends.iter().position(|&ends| ends), Some(ends.len() - 1));
    let counted: Vec<_> = ledger.receipts.iter().map(|r| r.info.job_segment).collect();
    assert_eq!(
        counted,
        (1..=ledger.receipts.len() as u64).collect::<Vec<_>>()
    );
}

#[test]
fn what_does_not_fit_goes_on_on_the_next_volume() {
    let case = Case::new();
    for number in 0..8 {
        case.file(&format!("a{number}"), &noise(number, 400_000));
    }
    case.file("b-large", &noise(99, 20_000_000));
    case.file("c", b"last");
    let mut shelf = Shelf::new(4, Some(8 << 20));
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(
        read_all(&shelf, &ledger.receipts),
        on_disk(case.place.path())
    );
    let (last, full) = shelf.released.split_last().unwrap();
    assert!(full.len() >= 2 && full.iter().all(|end| *end == VolumeEnd::Full));
    assert_eq!(*last, VolumeEnd::Open);
    assert_eq!(report.volumes.len(), shelf.released.len());
    assert_eq!(
        report.volumes.iter().map(|share| share.files).sum::<u64>(),
        report.files
    );
    assert_eq!(report.files, 11);
    for (_, tape) in &shelf.tapes {
        let remaining = tape.lock().unwrap().remaining_bytes().unwrap();
        assert!(
            remaining.is_some_and(|bytes| bytes > 0),
            "closed before early warning"
        );
    }
}

#[test]
fn without_a_further_volume_the_rest_is_missing_and_the_report_says_so() {
    let case = Case::new();
    for number in 0..40 {
        case.file(&format!("{number:02}"), &noise(number, 400_000));
    }
    let mut shelf = Shelf::new(1, Some(8 << 20));
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(matches!(
        report.failure,
        Some(EngineError::Mount { volume: None, .. })
    ));
    assert_eq!(shelf.released, [VolumeEnd::Full]);
    assert!(ledger.receipts.iter().all(|receipt| !receipt.info.job_ends));
    let lines: usize = ledger
        .receipts
        .iter()
        .map(|receipt| receipt.files.len())
        .sum();
    assert_eq!(report.files, lines as u64);
    assert!(lines > 5);
    read_all(&shelf, &ledger.receipts);
}

#[test]
fn a_drive_that_only_warns_of_the_end_is_heeded() {
    let case = Case::new();
    for number in 0..40 {
        case.file(&format!("{number:02}"), &noise(number, 400_000));
    }
    let mut shelf = Shelf::new(3, Some(8 << 20));
    shelf.mute = true;
    for (_, tape) in &shelf.tapes {
        tape.lock().unwrap().behind_warning = 2 << 20;
    }
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(
        read_all(&shelf, &ledger.receipts),
        on_disk(case.place.path())
    );
    assert_eq!(shelf.released, [VolumeEnd::Full, VolumeEnd::Open]);
}
