//! A volume scanned and dumped: what is on it is recorded, and given out byte for byte.

use std::fs;
use std::sync::atomic::AtomicU64;

use tapewright::engine::dump::dump;
use tapewright::engine::restore::{RestoreOutcome, restore};
use tapewright::engine::scan::scan;
use tapewright::engine::target::TargetOptions;
use tapewright::engine::{BoxedError, EngineError, ReceiptSink};
use tapewright::monitor::Silent;
use tapewright::units::TapeFile;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::scan::Depth;

use crate::damage::volume;
use crate::failing::StopsAfter;
use crate::rig::{Shelf, Volume, noise, plan};
use crate::tape::Object;

#[test]
fn a_dump_is_the_tape_file_byte_for_byte() {
    let volume = volume();
    let medium = volume.tape.medium();
    let tape_files: Vec<Vec<u8>> = medium
        .objects
        .split(|object| *object == Object::Filemark)
        .map(|objects| {
            let bytes = |object: &Object| match object {
                Object::Record(bytes) => bytes.clone(),
                Object::Filemark => Vec::new(),
            };
            objects.iter().flat_map(bytes).collect()
        })
        .collect();
    drop(medium);
    // Label, two segments with their indexes, and nothing behind the last filemark.
    assert_eq!(tape_files.len(), 6);
    assert!(tape_files[5].is_empty());
    for (number, expected) in (0..).map(TapeFile).zip(&tape_files[..5]) {
        let mut output = Vec::new();
        let mut mounted = volume.mounted();
        let device = mounted.device.as_mut();
        let dumped = dump(device, "E01001L9", number, &mut output, &Silent).unwrap();
        assert_eq!(dumped.bytes, expected.len() as u64, "tape file {number}");
        assert!(output == *expected, "tape file {number}");
    }
    for number in [5, 6, u64::MAX].map(TapeFile) {
        let mut mounted = volume.mounted();
        let device = mounted.device.as_mut();
        let behind = dump(device, "E01001L9", number, &mut Vec::new(), &Silent);
        match behind {
            Err(EngineError::NoTapeFile { file, .. }) => assert_eq!(file, number),
            other => panic!("tape file {number}: {other:?}"),
        }
    }
}

/// Keeps what it is given, up to a limit.
#[derive(Default)]
struct Ledger {
    receipts: Vec<SegmentReceipt>,
    takes: usize,
}

impl ReceiptSink for Ledger {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        if self.receipts.len() == self.takes {
            return Err("the ledger is full".into());
        }
        self.receipts.push(receipt);
        Ok(())
    }
}

#[test]
fn a_scan_records_what_was_written() {
    let volume = volume();
    for depth in [Depth::Indexes, Depth::Records] {
        let mut ledger = Ledger {
            takes: 9,
            ..Ledger::default()
        };
        let from = AppendPoint::first();
        let report = scan(&mut volume.mounted(), &from, depth, &mut ledger, &Silent).unwrap();
        assert_eq!(ledger.receipts, volume.receipts);
        assert_eq!((report.segments, report.salvaged, report.files), (2, 0, 7));
        assert_eq!((report.damage_count, &report.incomplete), (0, &None));
        assert_eq!(report.append, Some(volume.next()));
    }
}

#[test]
fn a_scan_from_the_last_known_segment_adopts_the_complete_tail() {
    let volume = volume();
    volume
        .tape
        .medium()
        .objects
        .push(Object::Record(vec![0; 65_536]));
    let mut ledger = Ledger {
        takes: 9,
        ..Ledger::default()
    };
    let from = AppendPoint::behind(&volume.receipts[0]);
    let report = scan(
        &mut volume.mounted(),
        &from,
        Depth::Records,
        &mut ledger,
        &Silent,
    )
    .unwrap();
    assert_eq!(ledger.receipts, volume.receipts[1..]);
    let incomplete = report
        .incomplete
        .expect("a record without an index lies there");
    assert_eq!(incomplete.block, volume.next().next_block);
    assert_eq!(report.append, Some(volume.next()));
}

#[test]
fn a_segment_whose_index_is_damaged_is_recorded_from_its_headers_and_restored() {
    let volume = volume();
    volume.tape.flip(volume.receipts[0].info.index_block.0, 600);
    let mut ledger = Ledger {
        takes: 9,
        ..Ledger::default()
    };
    let from = AppendPoint::first();
    let report = scan(
        &mut volume.mounted(),
        &from,
        Depth::Indexes,
        &mut ledger,
        &Silent,
    )
    .unwrap();
    assert_eq!((report.segments, report.salvaged), (2, 1), "{report:?}");
    assert!(report.damage_count > 0);
    let directory = tempfile::tempdir().unwrap();
    let scanned = Volume {
        receipts: ledger.receipts,
        ..volume
    };
    let plan = plan(directory.path(), TargetOptions::default(), &[&scanned]);
    let report = restore(&plan, &mut Shelf::of(&[&scanned]), &Silent).unwrap();
    assert_eq!(report.outcome, RestoreOutcome::Complete, "{report:?}");
    // Without an index there are no digests to verify by; the report does not claim it.
    assert_eq!((report.files, report.verified), (6, 1));
    assert!(fs::read(directory.path().join("d/c")).unwrap() == noise(2, 400_000));
}

#[test]
fn a_scan_ends_with_a_sink_that_takes_no_more() {
    let volume = volume();
    let mut ledger = Ledger {
        takes: 1,
        ..Ledger::default()
    };
    let from = AppendPoint::first();
    let result = scan(
        &mut volume.mounted(),
        &from,
        Depth::Indexes,
        &mut ledger,
        &Silent,
    );
    assert!(
        matches!(result, Err(EngineError::Commit { number: 2, .. })),
        "{result:?}"
    );
    let mut ledger = Ledger {
        takes: 9,
        ..Ledger::default()
    };
    let monitor = StopsAfter(AtomicU64::new(0));
    let report = scan(
        &mut volume.mounted(),
        &from,
        Depth::Indexes,
        &mut ledger,
        &monitor,
    )
    .unwrap();
    assert_eq!((report.segments, report.append), (1, None));
}
