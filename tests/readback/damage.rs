//! Damaged tapes and failing drives: what is lost is named, and nothing else is lost.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tapewright::drive::DriveErrorKind;
use tapewright::engine::VolumeEnd;
use tapewright::engine::dump::dump;
use tapewright::engine::restore::{RestoreOutcome, restore};
use tapewright::engine::scan::scan;
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{SegmentReport, SegmentVerdict, VerifyReport, verify};
use tapewright::engine::{BoxedError, EngineError, ReceiptSink};
use tapewright::monitor::{Monitor, Silent};
use tapewright::units::{BlockAddress, TapeFile};
use tapewright::volume::VolumeError;
use tapewright::volume::append::AppendPoint;
use tapewright::volume::index::{Codec, DigestAlgorithm};
use tapewright::volume::receipt::SegmentReceipt;
use tapewright::volume::scan::Depth;

use crate::restored::names_below;
use crate::rig::{Shelf, Volume, file, noise, plan, two_segments, verify_plan};
use crate::small_disk::SmallDisk;
use crate::tape::Object;

/// Blocks of the test volume: 2 to 12 are segment 1, with this in it.
fn volume() -> Volume {
    volume_digested_by(DigestAlgorithm::Blake3)
}

fn volume_digested_by(algorithm: DigestAlgorithm) -> Volume {
    two_segments(Codec::Plain, algorithm)
}

/// A kind of damage to segment 1, and the files that it costs.
struct Damage {
    what: &'static str,
    inflict: fn(&Volume),
    /// What restore cannot bring back: it has no CRCs, only what each file says of itself.
    restore_loses: &'static [&'static str],
    /// What verify finds bad: whatever has bytes in a bad record.
    verify_finds: &'static [&'static str],
    bad_blocks: &'static [u64],
    /// The medium itself failed, so that a restore says so of the volume.
    medium: bool,
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "none",
        inflict: |_| {},
        restore_loses: &[],
        verify_finds: &[],
        bad_blocks: &[],
        medium: false,
    },
    Damage {
        what: "a flipped bit in the data of one file",
        inflict: |volume| volume.tape.flip(7, 1000),
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        medium: false,
    },
    Damage {
        what: "a flipped bit in a header",
        inflict: |volume| {
            let line = &volume.receipts[0].files[2];
            assert_eq!(line.path, b"d/b");
            volume
                .tape
                .flip(line.place.block.0, line.place.offset_bytes as usize + 3);
        },
        restore_loses: &["d/b"],
        verify_finds: &["d/b"],
        bad_blocks: &[4],
        medium: false,
    },
    Damage {
        what: "an unreadable record that three files share",
        inflict: |volume| {
            volume.tape.medium().bad.insert(4);
        },
        restore_loses: &["d/a", "d/b", "d/c"],
        verify_finds: &["d/a", "d/b", "d/c"],
        bad_blocks: &[4],
        medium: true,
    },
    Damage {
        what: "unreadable records in and at the end of a file",
        inflict: |volume| volume.tape.medium().bad.extend([6, 7, 8, 10]),
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[6, 7, 8, 10],
        medium: true,
    },
    Damage {
        what: "two records exchanged",
        inflict: |volume| volume.tape.medium().objects.swap(6, 8),
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[6],
        medium: false,
    },
    Damage {
        what: "a record repeated",
        inflict: |volume| {
            let mut medium = volume.tape.medium();
            medium.objects[7] = medium.objects[6].clone();
        },
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        medium: false,
    },
    Damage {
        what: "a record cut short",
        inflict: |volume| {
            volume.tape.medium().objects[7] = Object::Record(vec![0; 512]);
        },
        restore_loses: &["d/c"],
        verify_finds: &["d/c"],
        bad_blocks: &[7],
        medium: false,
    },
    Damage {
        what: "a filemark in the middle",
        inflict: |volume| volume.tape.medium().objects[10] = Object::Filemark,
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[10, 11, 12],
        medium: false,
    },
    Damage {
        what: "a record lost, so that what follows is nearer",
        inflict: |volume| {
            let mut medium = volume.tape.medium();
            medium.objects.remove(6);
            let last = medium.objects[11].clone();
            medium.objects.insert(12, last);
        },
        restore_loses: &["d/c", "d/d", "d/e"],
        verify_finds: &["d/c", "d/d", "d/e"],
        bad_blocks: &[6, 13],
        medium: false,
    },
];

/// Each kind of damage, to segments with digests of each kind.
fn damaged_volumes() -> impl Iterator<Item = (&'static Damage, Volume)> {
    let algorithms = [DigestAlgorithm::Blake3, DigestAlgorithm::Sha256];
    let pairs = DAMAGES
        .iter()
        .flat_map(move |one| algorithms.map(|algorithm| (one, algorithm)));
    pairs.map(|(damage, algorithm)| {
        let volume = volume_digested_by(algorithm);
        (damage.inflict)(&volume);
        (damage, volume)
    })
}

const FILES: [&str; 7] = ["d", "d/a", "d/b", "d/c", "d/d", "d/e", "second"];

#[test]
fn a_restore_loses_exactly_what_is_damaged() {
    for (damage, volume) in damaged_volumes() {
        let directory = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::of(&[&volume]);
        let plan = plan(directory.path(), TargetOptions::default(), &[&volume]);
        let report = restore(&plan, &mut shelf, &Silent).unwrap();
        let lost: Vec<&str> = report.problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(lost, damage.restore_loses, "{}: {report:?}", damage.what);
        let left: Vec<&str> = FILES
            .into_iter()
            .filter(|name| !damage.restore_loses.contains(name))
            .collect();
        assert_eq!(names_below(directory.path()), left, "{}", damage.what);
        assert_eq!(report.verified, 6 - lost.len() as u64, "{}", damage.what);
        let complete = report.outcome == RestoreOutcome::Complete;
        assert_eq!(complete, lost.is_empty(), "{}", damage.what);
        // A drive tries each bad record for minutes: three times, and never for another file.
        let medium = volume.tape.medium();
        assert!(
            medium.bad_reads <= 3 * medium.bad.len() as u64,
            "{}",
            damage.what
        );
        let suspect = matches!(shelf.ends[..], [(_, VolumeEnd::Suspect(_))]);
        assert_eq!(suspect, damage.medium, "{}: {:?}", damage.what, shelf.ends);
    }
}

fn verified(volume: &Volume) -> VerifyReport {
    verify(&verify_plan(&[volume]), &mut Shelf::of(&[volume]), &Silent)
}

fn bad_paths(segment: &SegmentReport) -> Vec<&str> {
    segment
        .bad_files
        .iter()
        .map(|bad| bad.path.as_str())
        .collect()
}

#[test]
fn a_verification_pins_bad_records_to_files() {
    for (damage, volume) in damaged_volumes() {
        let report = verified(&volume);
        let [first, second] = &report.segments[..] else {
            panic!("{report:?}")
        };
        assert_eq!(
            bad_paths(first),
            damage.verify_finds,
            "{}: {report:?}",
            damage.what
        );
        let blocks: Vec<u64> = first.bad_records.iter().map(|bad| bad.block.0).collect();
        assert_eq!(blocks, damage.bad_blocks, "{}: {report:?}", damage.what);
        let good = damage.bad_blocks.is_empty();
        assert_eq!(
            first.verdict == SegmentVerdict::Good,
            good,
            "{}",
            damage.what
        );
        assert_eq!(
            first.verdict == SegmentVerdict::Bad,
            !good,
            "{}",
            damage.what
        );
        assert_eq!(first.files_verified, 5 - damage.verify_finds.len() as u64);
        assert_eq!(
            (&second.verdict, second.files_verified),
            (&SegmentVerdict::Good, 1)
        );
        assert_eq!(report.is_good(), good);
    }
}

#[test]
fn a_file_whose_digest_never_was_right_is_found() {
    let mut wrong = file("wrong", b"content");
    wrong.digest = Some(blake3::hash(b"other content").into());
    let volume = Volume::new("A00001L9").write(&[file("right", b"content"), wrong]);
    let report = verified(&volume);
    assert_eq!(bad_paths(&report.segments[0]), ["wrong"], "{report:?}");
    assert_eq!(report.segments[0].bad_record_count, 0);
}

#[test]
fn a_damaged_index_is_bad_and_costs_no_file() {
    let volume = volume();
    volume.tape.flip(volume.receipts[0].info.index_block.0, 600);
    let report = verified(&volume);
    let [first, second] = &report.segments[..] else {
        panic!("{report:?}")
    };
    assert_eq!(first.verdict, SegmentVerdict::Bad);
    assert!(first.index_damage.is_some());
    assert_eq!((first.bad_file_count, first.bad_record_count), (0, 0));
    assert_eq!(first.records, volume.receipts[0].info.records);
    assert_eq!(second.verdict, SegmentVerdict::Good);
}

#[test]
fn where_the_index_is_damaged_too_the_headers_name_what_is_lost() {
    let cases: [(&[u64], &[&str]); 5] = [
        (&[], &[]),
        // What begins in a record that is lost has no name.
        (&[4], &["d/a"]),
        (&[6, 7, 8], &["d/c"]),
        (&[6, 11], &["d/c", "d/e"]),
        (&[2], &[]),
    ];
    for (bad, named) in cases {
        let volume = volume();
        volume.tape.flip(volume.receipts[0].info.index_block.0, 600);
        volume.tape.medium().bad.extend(bad);
        let report = verified(&volume);
        let first = &report.segments[0];
        assert_eq!(first.verdict, SegmentVerdict::Bad, "{bad:?}");
        assert_eq!(first.bad_record_count, bad.len() as u64, "{bad:?}");
        assert_eq!(bad_paths(first), named, "{bad:?}: {report:?}");
    }
}

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
struct StopsAfter(AtomicU64);

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

#[test]
fn the_test_volume_is_laid_out_as_the_cases_say() {
    let blocks: Vec<u64> = FILES.iter().map(|path| volume().block_of(path)).collect();
    assert_eq!(blocks[..6], [2, 2, 4, 4, 10, 10]);
    assert_eq!(
        volume().receipts[0].end_block,
        BlockAddress(volume().block_of("second"))
    );
}
