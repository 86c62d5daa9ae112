//! What damage costs: of two copies nothing, of one what lies there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;

use catalogs::{FindOptions, Pattern};
use tape_sim::fault::{Flaws, Spot, write_flaws};
use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::restore::{RestoreOptions, RestoreSummary, pour_file, restore};
use tapewright::jobs::{Outcome, VolumeState, tapes};
use tapewright::units::ByteSize;

use crate::lab::{A, C, Lab, archive_path, assert_same_tree, noise};

const FILES: u64 = 600;
/// As the tapes of the lab are labelled.
const BLOCK_BYTES: u64 = 64 << 10;

/// Files of up to three records on tape A, in segments of 4 MiB, and the same on tape C if there
/// is to be a copy.
fn archived(copied: bool) -> Lab {
    let lab = Lab::with(&LibrarySpec {
        slots: 8,
        cartridges: Some(6),
        capacity_bytes: Some(256 << 20),
        ..Lab::small()
    });
    fs::create_dir_all(lab.path("source")).unwrap();
    for number in 0..FILES {
        let length = 1 + number as usize * 7919 % 120_000;
        let path = lab.path(&format!("source/{number:03}"));
        fs::write(path, noise(number, length)).unwrap();
    }
    lab.label(&[A], "onsite");
    lab.label(&[C], "offsite");
    let job = JobDescription {
        copy_pool: copied.then(|| "offsite".to_owned()),
        segment_limit: Some(ByteSize(4 << 20)),
        ..crate::lab::of_paths(vec![lab.path("source")], "onsite")
    };
    let summary = archive(lab.site(), &job).unwrap();
    assert!(summary.failure.is_none(), "{summary:?}");
    lab
}

/// The files on a tape, each with its first and last record.
fn places(lab: &Lab, barcode: &str) -> Vec<(String, [u64; 2])> {
    let catalog = lab.catalog();
    let pattern = Pattern::parse(b"**").unwrap();
    let hits = catalog.find(&pattern, &FindOptions::default()).unwrap();
    let mut places: Vec<(String, [u64; 2])> = Vec::new();
    for hit in hits {
        let hit = hit.unwrap();
        if hit.volume.label.what.barcode != barcode || hit.entry.digest.is_none() {
            continue;
        }
        let end = u64::from(hit.entry.offset_bytes) + hit.entry.member_bytes;
        let last = hit.entry.block + (end - 1) / BLOCK_BYTES;
        let name = String::from_utf8(hit.entry.path).unwrap();
        places.push((name, [hit.entry.block, last]));
    }
    assert_eq!(places.len() as u64, FILES);
    places
}

/// One of a hundred records in which files lie cannot be read any more, on the tape `barcode`. The
/// files that this costs; none of them is among `spared`.
fn damage(lab: &Lab, barcode: &str, seed: u64, spared: &BTreeSet<String>) -> BTreeSet<String> {
    let places = places(lab, barcode);
    let records: BTreeSet<u64> = places
        .iter()
        .flat_map(|(_, [first, last])| *first..=*last)
        .collect();
    let files_in = |record: u64| {
        let holds =
            move |(_, [first, last]): &&(String, [u64; 2])| (*first..=*last).contains(&record);
        places.iter().filter(holds).map(|(name, _)| name)
    };
    let wanted = records.len().div_ceil(100);
    let all: Vec<u64> = records.into_iter().collect();
    let (mut bad, mut costs, mut at) = (BTreeSet::new(), BTreeSet::new(), seed);
    while bad.len() < wanted {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let record = all[(at >> 33) as usize % all.len()];
        if files_in(record).all(|name| !spared.contains(name)) && bad.insert(record) {
            costs.extend(files_in(record).cloned());
        }
    }
    assert!(wanted > 4 && costs.len() >= wanted, "{costs:?}");
    let mut flaws = Flaws::default();
    let spot = |record| Spot {
        partition: 0,
        objects: [record, record],
    };
    flaws.unreadable = bad.into_iter().map(spot).collect();
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), barcode);
    write_flaws(&folder, &flaws).unwrap();
    costs
}

fn restored(lab: &Lab) -> RestoreSummary {
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    restore(lab.site(), &options).unwrap()
}

fn back(lab: &Lab) -> std::path::PathBuf {
    let source = String::from_utf8(archive_path(&lab.path("source"))).unwrap();
    lab.path("target").join(source)
}

#[test]
fn of_two_copies_with_one_bad_record_in_a_hundred_each_everything_comes_back() {
    let lab = archived(true);
    let costs = damage(&lab, A, 3, &BTreeSet::new());
    let others = damage(&lab, C, 4, &costs);
    let summary = restored(&lab);
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!((summary.files, summary.verified_files), (FILES, FILES));
    // Of the pools the first by name is read: `offsite`.
    assert_eq!(summary.from_other_copies, others.len() as u64);
    assert_same_tree(&lab.path("source"), &back(&lab));
}

#[test]
fn of_one_copy_exactly_what_lies_on_the_bad_records_is_missing() {
    let lab = archived(false);
    let costs = damage(&lab, A, 5, &BTreeSet::new());
    let summary = restored(&lab);
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    let problems = &summary.problems.listed;
    let missing: BTreeSet<String> = problems.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(missing, costs);
    assert_eq!(summary.files + costs.len() as u64, FILES);
    for number in 0..FILES {
        let name = format!("{number:03}");
        let source = lab.path("source").join(&name);
        let is_lost = costs.contains(&String::from_utf8(archive_path(&source)).unwrap());
        let content = fs::read(back(&lab).join(&name)).ok();
        let expected = (!is_lost).then(|| fs::read(&source).unwrap());
        assert!(content == expected, "{name}");
    }
}

/// Tape `barcode` cannot read these records any more.
fn unreadable(lab: &Lab, barcode: &str, records: &[u64]) {
    let mut flaws = Flaws::default();
    let spot = |&record: &u64| Spot {
        partition: 0,
        objects: [record, record],
    };
    flaws.unreadable = records.iter().map(spot).collect();
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), barcode);
    write_flaws(&folder, &flaws).unwrap();
}

/// The records of one file on both tapes, first and last.
fn places_of(lab: &Lab, name: &str) -> [[u64; 2]; 2] {
    [A, C].map(|barcode| {
        let catalog = lab.catalog();
        let pattern = Pattern::parse(format!("**/{name}").as_bytes()).unwrap();
        let hits = catalog.find(&pattern, &FindOptions::default()).unwrap();
        let mut hits = hits.map(Result::unwrap);
        let hit = hits.find(|hit| hit.volume.label.what.barcode == barcode);
        let entry = hit.unwrap().entry;
        let end = u64::from(entry.offset_bytes) + entry.member_bytes;
        [entry.block, entry.block + (end - 1) / BLOCK_BYTES]
    })
}

#[test]
fn a_file_with_bad_records_in_both_copies_comes_back_from_both() {
    let lab = Lab::with(&LibrarySpec {
        slots: 8,
        cartridges: Some(6),
        capacity_bytes: Some(256 << 20),
        ..Lab::small()
    });
    fs::create_dir_all(lab.path("source")).unwrap();
    fs::write(lab.path("source/before"), noise(1, 100_000)).unwrap();
    fs::write(lab.path("source/large"), noise(2, 3_000_000)).unwrap();
    // With a hole in it.
    let mut sparse = noise(3, 2_000_000);
    sparse[500_000..1_200_000].fill(0);
    let file = fs::File::create(lab.path("source/sparse")).unwrap();
    file.write_all_at(&sparse[..500_000], 0).unwrap();
    file.write_all_at(&sparse[1_200_000..], 1_200_000).unwrap();
    drop(file);
    lab.label(&[A], "onsite");
    lab.label(&[C], "offsite");
    let job = JobDescription {
        copy_pool: Some("offsite".to_owned()),
        ..crate::lab::of_paths(vec![lab.path("source")], "onsite")
    };
    let summary = archive(lab.site(), &job).unwrap();
    assert!(summary.failure.is_none(), "{summary:?}");
    let [large_a, large_c] = places_of(&lab, "large");
    let [sparse_a, sparse_c] = places_of(&lab, "sparse");
    assert!(large_a[0] + 45 <= large_a[1] && sparse_a[0] + 10 < sparse_a[1]);
    // Counted from the record in which the file begins: in the copy that is read first, and in the
    // other.
    let cases: [(&str, &[u64], &[u64]); 6] = [
        ("one each", &[10], &[20]),
        ("the other way round", &[20], &[10]),
        ("several", &[3, 4, 30, 44], &[5, 31, 43]),
        ("the end of one, the beginning of the other", &[45], &[1]),
        ("the header of the copy that is read later", &[7], &[0]),
        ("the header of the copy that is read first", &[0], &[20]),
    ];
    for (what, first, second) in cases {
        let at = |begin: u64, records: &[u64]| -> Vec<u64> {
            records.iter().map(|record| begin + record).collect()
        };
        // Of the pools the first by name is read first: `offsite`, on tape C.
        let first = [at(large_c[0], first), at(sparse_c[0], &[2, 3])].concat();
        let second = [at(large_a[0], second), at(sparse_a[0], &[5, 10])].concat();
        unreadable(&lab, C, &first);
        unreadable(&lab, A, &second);
        let summary = restored(&lab);
        assert_eq!(summary.outcome, Outcome::Complete, "{what}: {summary:?}");
        assert_eq!((summary.files, summary.verified_files), (3, 3), "{what}");
        // Where the header is bad, so is the end of the file before it.
        let others = 2 + u64::from(what.ends_with("read first"));
        assert_eq!(summary.from_other_copies, others, "{what}: {summary:?}");
        assert_same_tree(&lab.path("source"), &back(&lab));
        fs::remove_dir_all(lab.path("target")).unwrap();
    }
    // What is bad in both is lost, and named.
    unreadable(&lab, A, &[large_a[0] + 10]);
    unreadable(&lab, C, &[large_c[0] + 10]);
    let summary = restored(&lab);
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    assert_eq!(
        (summary.files, summary.problems.total),
        (2, 1),
        "{summary:?}"
    );
    assert!(!back(&lab).join("large").exists());
}

#[test]
fn a_tape_that_gives_other_bytes_than_were_written_becomes_suspect_and_the_other_one_is_read() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source")).unwrap();
    let content = noise(1, 1_000_000);
    fs::write(lab.path("source/one"), &content).unwrap();
    lab.label(&[A], "onsite");
    lab.label(&[C], "offsite");
    let job = JobDescription {
        copy_pool: Some("offsite".to_owned()),
        ..crate::lab::of_paths(vec![lab.path("source")], "onsite")
    };
    let summary = archive(lab.site(), &job).unwrap();
    assert!(summary.failure.is_none(), "{summary:?}");
    let [_, on_c] = places_of(&lab, "one");
    lab.spoil(C, on_c[0] + 5);
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source/one"))],
        ..RestoreOptions::default()
    };
    let mut poured = Vec::new();
    let first = pour_file(lab.site(), &options, &mut poured).unwrap().report;
    assert_eq!(first.agrees, Some(false), "{first:?}");
    let doubts = first.doubts.concat();
    let block = format!("block {} ", on_c[0] + 5);
    assert!(doubts.contains(C) && doubts.contains(&block), "{doubts}");
    let all = tapes::list(lab.site()).unwrap();
    let state = |barcode| {
        all.iter()
            .find(|tape| tape.barcode == barcode)
            .unwrap()
            .state
    };
    assert_eq!(state(C), VolumeState::Suspect);
    assert_ne!(state(A), VolumeState::Suspect);
    let mut poured = Vec::new();
    let second = pour_file(lab.site(), &options, &mut poured).unwrap().report;
    assert_eq!(second.agrees, Some(true), "{second:?}");
    assert!(poured == content);
}
