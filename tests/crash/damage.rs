//! A byte changed anywhere on a tape as jobs write it: a restore brings back everything else and
//! nothing false, and `verify` finds it in the label, in segments and indexes. It does not look at
//! the zeros that fill up an index's last record.

use std::fs;
use std::path::{Path, PathBuf};

use tape_sim::cartridge::record::{Kind, Record};
use tape_sim::library::Library;
use tapewright::jobs::restore::{RestoreOptions, RestoreSummary, restore};
use tapewright::jobs::tapes;
use tapewright::jobs::verify::{Verdict, VerifySummary, verify};

use crate::bench::{Bench, Place};
use crate::check::named;
use crate::faults::WORKLOAD;
use crate::workload::TREES;

const TAPE: &str = "SIM001L9";
/// Length of a record.
const RECORD: u64 = 64 << 10;
/// Places in a record: tar headers (name, mode, sum, magic, end), contents, padding.
const OFFSETS: [u64; 12] = [
    0, 101, 150, 257, 511, 512, 700, 1_024, 2_600, 5_000, 33_333, 65_535,
];

fn objects(place: &Place) -> Vec<Record> {
    let library = Library::open(&place.library_dir()).unwrap();
    let cartridge = library.cartridge(TAPE).unwrap();
    let mut partitions = cartridge.open_partitions().unwrap();
    let count = partitions[0].objects();
    (0..count)
        .map(|object| partitions[0].record(object).unwrap())
        .collect()
}

/// Changes one byte on the tape. False if it and all behind it in the record were zeros.
fn flip(place: &Place, record: &Record, offset: u64) -> bool {
    let library = Library::open(&place.library_dir()).unwrap();
    let cartridge = library.cartridge(TAPE).unwrap();
    let partitions = cartridge.open_partitions().unwrap();
    let mut bytes = vec![0; record.length_bytes as usize];
    partitions[0].read_data(record, &mut bytes).unwrap();
    let changed = [bytes[offset as usize] ^ 0x10];
    partitions[0]
        .write_data(record.data_bytes + offset, &changed)
        .unwrap();
    bytes[offset as usize..].iter().any(|byte| *byte != 0)
}

/// The paths that have a byte at this place: a member begins at its place and ends at the next.
fn paths_at(bench: &Bench, place: &Place, at: u64) -> Vec<PathBuf> {
    let named = named(bench, place);
    let mut starts: Vec<(u64, PathBuf)> = named
        .into_keys()
        .map(|(_, path, _, _, block, offset)| (block * RECORD + u64::from(offset), path))
        .collect();
    starts.sort();
    let hit = starts.iter().rposition(|(start, _)| *start <= at);
    hit.map(|hit| starts[hit].1.clone()).into_iter().collect()
}

fn restored(place: &Place) -> (RestoreSummary, PathBuf) {
    let target = place.dir.join("target");
    let options = RestoreOptions {
        patterns: vec![b"/".to_vec()],
        target: target.clone(),
        ..RestoreOptions::default()
    };
    (restore(place.site(None), &options).unwrap(), target)
}

/// What does not hold of a tape on which a byte of the paths `at` was changed.
fn complaints(
    bench: &Bench,
    at: &[PathBuf],
    verified: Option<&VerifySummary>,
    restored: &(RestoreSummary, PathBuf),
) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_bad = |summary: &VerifySummary| {
        let mut volumes = summary.volumes.iter();
        volumes.any(|volume| volume.verdict == Verdict::Bad)
    };
    if verified.is_some_and(|summary| !is_bad(summary)) {
        complaints.push(format!("verify does not find it: {verified:?}"));
    }
    let (summary, target) = restored;
    let listed = &summary.problems.listed;
    let told: Vec<String> = listed
        .iter()
        .map(|problem| format!("/{}", problem.path))
        .collect();
    for path in bench.model.0.keys() {
        if !path.starts_with(bench.source().join(TREES[0])) {
            continue;
        }
        let back = target.join(path.strip_prefix("/").unwrap());
        if back.symlink_metadata().is_ok() {
            let same = bench.model.compare(path, &back);
            // Of a directory, only what the tape says of it can be lost.
            if let (Err(error), false) = (same, back.is_dir() && at.contains(path)) {
                complaints.push(format!("{path:?} came back wrong: {error}"));
            }
        } else if !at.contains(path) {
            complaints.push(format!("{path:?} did not come back: {summary:?}"));
        } else if !told.iter().any(|told| Path::new(told) == path) {
            complaints.push(format!("{path:?} is lost and not named: {told:?}"));
        }
    }
    complaints
}

#[test]
fn a_changed_byte_anywhere_on_a_tape_is_found_and_costs_only_what_it_is_in() {
    let bench = Bench::new(&WORKLOAD, &TREES[..1]);
    let first = bench.copy("looked at");
    let objects = objects(&first);
    let shown = tapes::show(first.site(None), TAPE).unwrap();
    let segment = &shown.contents[0];
    let data = segment.first_block..segment.first_block + segment.records;
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (block, record) in (0..).zip(&objects) {
        if record.kind != Kind::Block {
            continue;
        }
        for offset in OFFSETS {
            let offset = offset.min(u64::from(record.length_bytes) - 1);
            let at = match data.contains(&block) {
                true => paths_at(&bench, &first, block * RECORD + offset),
                false => Vec::new(),
            };
            let place = bench.copy("damaged");
            let used = flip(&place, record, offset);
            let restored = restored(&place);
            let verified = verify(place.site(None), TAPE).unwrap();
            let checked = data.contains(&block) || block == 0 || used;
            let verified = checked.then_some(&verified);
            let found = complaints(&bench, &at, verified, &restored);
            let told = |what| format!("block {block}, byte {offset}: {what}");
            wrong.extend(found.into_iter().map(told));
            count += 1;
            fs::remove_dir_all(&place.dir).unwrap();
        }
    }
    println!("{count} changed bytes of {} objects", objects.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
