//! Damage to compressed segments: what is lost is named, and it is no more than the files with
//! bytes in the frames of a bad record.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tapewright::engine::restore::restore;
use tapewright::engine::target::TargetOptions;
use tapewright::engine::verify::{VerifyReport, verify};
use tapewright::monitor::Silent;
use tapewright::units::BlockAddress;
use tapewright::volume::index::{Codec, Index};

use crate::rig::{Item, Shelf, Volume, file, noise, plan, verify_plan};

/// Files over a few frames: some that shrink, some that do not, many small ones in a row.
fn items() -> Vec<Item> {
    let text = |bytes: usize| b"what repeats itself\n".repeat(bytes / 20);
    let mut items = vec![
        file("a/text", &text(900_000)),
        file("a/noise", &noise(1, 2_500_000)),
        file("a/more-text", &text(3_000_000)),
        file("a/empty", b""),
    ];
    let small = |n: u64| file(&format!("b/{n:03}"), &noise(n, 3_000 + n as usize));
    items.extend((0..200).map(small));
    items.push(file("c/noise", &noise(2, 1_200_000)));
    items.push(file("c/last", b"the last"));
    items
}

fn volume() -> Volume {
    let second = file("second", b"segment, plain");
    Volume::new("A00001L9")
        .write_as(Codec::Zstd, &items())
        .write(&[second])
}

fn index(volume: &Volume) -> Index {
    let receipt = &volume.receipts[0];
    Index {
        info: receipt.info.clone(),
        files: receipt.files.clone(),
        gone: receipt.gone.clone(),
        crcs: Vec::new(),
        frames: None,
    }
}

/// Restores everything, compares what came back, and says what did not.
fn lost(volume: &Volume, to: &Path, what: &str) -> BTreeSet<String> {
    let plan = plan(to, TargetOptions::default(), &[volume]);
    let report = restore(&plan, &mut Shelf::of(&[volume]), &Silent).unwrap();
    let named: BTreeSet<String> = report
        .problems
        .iter()
        .map(|problem| problem.path.trim_start_matches('/').to_owned())
        .collect();
    assert_eq!(report.problem_count, named.len() as u64, "{what}");
    assert!(report.volumes_failed.is_empty(), "{what}: {report:?}");
    for item in &items() {
        let path = String::from_utf8(item.member.path.clone()).unwrap();
        match fs::read(to.join(&path)) {
            Ok(content) => assert!(content == item.payload, "{what}: {path}"),
            Err(_) => assert!(named.contains(&path), "{what}: {path} is missing unnamed"),
        }
    }
    assert_eq!(fs::read(to.join("second")).unwrap(), b"segment, plain");
    named
}

fn bad_files(report: &VerifyReport) -> BTreeSet<String> {
    let bad = report
        .segments
        .iter()
        .flat_map(|segment| &segment.bad_files);
    bad.map(|bad| bad.path.trim_start_matches('/').to_owned())
        .collect()
}

#[test]
fn an_undamaged_compressed_segment_is_restored_and_verified() {
    let (volume, to) = (volume(), tempfile::tempdir().unwrap());
    assert_eq!(
        lost(&volume, &to.path().join("to"), "nothing"),
        BTreeSet::new()
    );
    let verified = verify(
        &verify_plan(&[&volume]),
        &mut Shelf::of(&[&volume]),
        &Silent,
    );
    assert!(verified.is_good(), "{verified:?}");
    let files: u64 = verified
        .segments
        .iter()
        .map(|segment| segment.files_verified)
        .sum();
    assert_eq!(files, items().len() as u64 + 1);
}

/// A kind of damage to the record at a block.
type Inflict = fn(&Volume, u64);

#[test]
fn whatever_happens_to_a_record_costs_only_the_files_in_its_frames() {
    let damages: [(&str, Inflict); 5] = [
        ("unreadable", |volume, at| {
            volume.tape.medium().bad.insert(at);
        }),
        ("a flipped bit", |volume, at| volume.tape.flip(at, 4_711)),
        ("a flipped bit at the end", |volume, at| {
            volume.tape.flip(at, 65_535)
        }),
        ("two unreadable in a row", |volume, at| {
            volume.tape.medium().bad.extend([at, at + 1]);
        }),
        ("the next one in its place", |volume, at| {
            let mut medium = volume.tape.medium();
            medium.objects[at as usize] = medium.objects[at as usize + 1].clone();
        }),
    ];
    let whole = volume();
    let info = whole.receipts[0].info.clone();
    let index = index(&whole);
    let directory = tempfile::tempdir().unwrap();
    for (what, inflict) in damages {
        // Every third record, and the last two.
        let last = info.records - 2;
        for record in (0..last).step_by(3).chain([last]) {
            let at = info.first_block.0 + record;
            let what = format!("{what}, block {at}");
            let volume = Volume {
                tape: whole.tape.copy(),
                ..whole.clone()
            };
            inflict(&volume, at);
            let to = directory.path().join(&what);
            let lost = lost(&volume, &to, &what);
            fs::remove_dir_all(&to).unwrap();
            let verified = verify(
                &verify_plan(&[&volume]),
                &mut Shelf::of(&[&volume]),
                &Silent,
            );
            assert!(verified.segments[1].bad_files.is_empty(), "{what}");
            assert!(verified.segments[0].bad_record_count > 0, "{what}");
            let named = bad_files(&verified);
            let may: BTreeSet<String> = [at, at + 1]
                .iter()
                .flat_map(|at| index.files_in(BlockAddress(*at)))
                .map(|line| String::from_utf8(line.path.clone()).unwrap())
                .collect();
            assert!(lost.is_subset(&may), "{what}: {lost:?} beyond {may:?}");
            assert_eq!(named, lost, "{what}: verify names what restore loses");
            // The filler at the end is in nobody's frame.
            if record < last {
                assert!(!lost.is_empty(), "{what}");
            }
        }
    }
}
