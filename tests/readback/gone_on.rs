//! Large files of compressed segments, broken off and gone on with: what is there is not read once
//! more, and whatever the index tells, what comes back is the same.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tapewright::engine::restore::{RestoreOutcome, RestoreReport, Resume, restore};
use tapewright::engine::target::{Existing, TargetOptions};
use tapewright::monitor::{Monitor, Silent};
use tapewright::volume::index::Codec;
use tapewright::volume::member::Extent;
use uuid::Uuid;

use crate::rig::{Item, Shelf, Volume, file, noise, part, plan};

const MIB: usize = 1 << 20;

/// Stops a restore behind so many bytes of tape.
struct StopsBehind {
    bytes: u64,
    passed: AtomicU64,
}

impl Monitor for StopsBehind {
    fn advance(&self, _: u64, bytes: u64) {
        self.passed.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.passed.load(Ordering::Relaxed) >= self.bytes
    }
}

/// Data of which every other piece shrinks.
fn content(bytes: usize) -> Vec<u8> {
    const PIECE: usize = 300_000;
    let pieces = (0..bytes.div_ceil(PIECE)).flat_map(|n| match n % 2 {
        0 => noise(n as u64, PIECE),
        _ => vec![n as u8; PIECE],
    });
    pieces.take(bytes).collect()
}

/// One run of a restore of all that is on `volumes`, and how many records were read.
fn run(target: &Path, volumes: &[&Volume], monitor: &dyn Monitor) -> (RestoreReport, u64) {
    let options = TargetOptions {
        existing: Existing::Overwrite,
        ..TargetOptions::default()
    };
    let mut plan = plan(target, options, volumes);
    plan.resume = Resume {
        restore: Some(Uuid::from_u128(7)),
        keeps: true,
        ..Resume::default()
    };
    let reads = || -> u64 { volumes.iter().map(|one| one.tape.medium().reads).sum() };
    let before = reads();
    let report = restore(&plan, &mut Shelf::of(volumes), monitor).unwrap();
    (report, reads() - before)
}

fn break_off(target: &Path, volumes: &[&Volume], bytes: usize) {
    let monitor = StopsBehind {
        bytes: bytes as u64,
        passed: AtomicU64::new(0),
    };
    let (report, _) = run(target, volumes, &monitor);
    assert_eq!(report.outcome, RestoreOutcome::Stopped);
    assert!(half_done(target).is_some());
}

/// Goes on to the end, which has to bring `expected`. How many records were read.
fn go_on(target: &Path, volumes: &[&Volume], expected: &[u8], what: &str) -> u64 {
    let (report, reads) = run(target, volumes, &Silent);
    let outcome = report.outcome;
    assert_eq!(outcome, RestoreOutcome::Complete, "{what}: {report:?}");
    assert_eq!(report.problem_count, 0, "{what}: {report:?}");
    assert!(fs::read(target.join("big")).unwrap() == expected, "{what}");
    assert_eq!(half_done(target), None, "{what}");
    reads
}

/// What is half done.
fn half_done(target: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(target).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.to_string_lossy().contains(".tapewright-"))
}

fn spoil(target: &Path, at_bytes: u64) {
    let path = half_done(target).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(b"something else", at_bytes).unwrap();
}

#[test]
fn the_rest_of_a_compressed_file_is_read_from_the_frame_in_which_it_begins() {
    let big = content(100 * MIB);
    let items = [
        file("before", &noise(3, 700_000)),
        file("big", &big),
        file("behind", b"the last"),
    ];
    let volume = Volume::new("A00001L9").write_as(Codec::Zstd, &items);
    let info = volume.receipts[0].info.clone();
    let directory = tempfile::tempdir().unwrap();
    // What is wrong, and whether the file is begun anew.
    type Alter = fn(&Path, &Volume, u64);
    let cases: [(&str, bool, Alter); 3] = [
        ("nothing", false, |_, _, _| {}),
        ("what is there", true, |target, _, _| spoil(target, 4_711)),
        ("the index", true, |_, volume, index| {
            volume.tape.flip(index, 600)
        }),
    ];
    for (what, anew, alter) in cases {
        let volume = Volume {
            tape: volume.tape.copy(),
            ..volume.clone()
        };
        let target = directory.path().join(what);
        break_off(&target, &[&volume], 80 * MIB);
        alter(&target, &volume, info.index_block.0);
        let reads = go_on(&target, &[&volume], &big, what);
        assert_eq!(
            reads > info.records,
            anew,
            "{what}: {reads} of {}",
            info.records
        );
        assert!(anew || reads < info.records / 2, "{what}: {reads}");
        fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn a_part_of_a_file_in_compressed_segments_is_gone_on_with() {
    let (big, cut) = (content(80 * MIB), 10 * MIB);
    let parts = [
        part("big", &big, 1, 0..cut),
        part("big", &big, 2, cut..big.len()),
    ];
    let volumes: Vec<Volume> = ["A00001L9", "A00002L9"]
        .into_iter()
        .zip(parts)
        .map(|(barcode, part)| Volume::new(barcode).write_as(Codec::Zstd, &[part]))
        .collect();
    let volumes: Vec<&Volume> = volumes.iter().collect();
    let all: u64 = volumes.iter().map(|one| one.receipts[0].info.records).sum();
    let directory = tempfile::tempdir().unwrap();
    for (what, spoiled) in [("right", None), ("spoiled", Some(cut as u64 + 4_711))] {
        let target = directory.path().join(what);
        break_off(&target, &volumes, cut + 55 * MIB);
        if let Some(at_bytes) = spoiled {
            spoil(&target, at_bytes);
        }
        let reads = go_on(&target, &volumes, &big, what);
        assert_eq!(
            reads < all / 2,
            spoiled.is_none(),
            "{what}: {reads} of {all}"
        );
    }
}

#[test]
fn a_compressed_file_with_holes_is_gone_on_with() {
    const PIECE: usize = 2 * MIB;
    let payload = content(40 * PIECE);
    let (mut whole, mut extents) = (Vec::new(), Vec::new());
    for piece in payload.chunks(PIECE) {
        whole.resize(whole.len() + MIB, 0);
        extents.push(Extent {
            offset_bytes: whole.len() as u64,
            length_bytes: PIECE as u64,
        });
        whole.extend_from_slice(piece);
    }
    let mut item: Item = file("big", &whole);
    item.payload = payload;
    item.member.extents = Some(extents);
    let volume = Volume::new("A00001L9").write_as(Codec::Zstd, &[item]);
    let all = volume.receipts[0].info.records;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    break_off(&target, &[&volume], 60 * MIB);
    let reads = go_on(&target, &[&volume], &whole, "with holes");
    assert!(reads < all / 2, "{reads} of {all} records");
}
