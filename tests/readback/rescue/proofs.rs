//! What proves the files of our own tapes, and what shows that they are others.

use std::fs;

use tapewright::engine::rescue::{Loss, RescueReport};
use tapewright::units::TapeFile;
use tapewright::volume::index::{Codec, DigestAlgorithm};
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use super::{files, lost, options, rescued, volume};
use crate::rig::{Volume, file, node, noise, two_segments};
use crate::tape::{Object, Tape};

/// Files of segment 1 that are proven by their digest, and those that are not.
fn proven(report: &RescueReport) -> (u64, u64) {
    let of_segment = report.tape_files.iter().find(|one| one.file == TapeFile(1));
    let one = of_segment.unwrap();
    (one.verified, one.files - one.verified)
}

#[test]
fn saved_files_are_proven_by_the_digests_of_the_index_where_it_can_be_read() {
    // What is inflicted on a tape with the filemark of its segment there.
    type Inflict = fn(&Tape, u64);
    let cases: [(&str, Inflict, (u64, u64)); 4] = [
        ("nothing is wrong", |_, _| {}, (5, 0)),
        (
            "a block is bad",
            |tape, _| tape.medium().bad.extend([6]),
            (4, 0),
        ),
        (
            "the index is bad",
            |tape, mark| tape.medium().bad.extend([mark + 1]),
            (0, 5),
        ),
        (
            "the filemark between them is missing",
            |tape, mark| drop(tape.medium().objects.remove(mark as usize)),
            (5, 4),
        ),
    ];
    for codec in [Codec::Plain, Codec::Zstd] {
        for digest in [DigestAlgorithm::Blake3, DigestAlgorithm::Sha256] {
            for (what, inflict, expected) in cases {
                // Its frames are of several files.
                if codec == Codec::Zstd && what == "a block is bad" {
                    continue;
                }
                // What is behind is the index, with a list of its frames.
                let listed = u64::from(codec == Codec::Zstd && expected == (5, 4));
                let expected = (expected.0, expected.1 + listed);
                let volume = two_segments(codec, digest);
                let objects = volume.tape.medium().objects.clone();
                let mut marks = (0_u64..).zip(&objects);
                let mark = marks.find(|(at, object)| *at > 1 && **object == Object::Filemark);
                inflict(&volume.tape, mark.unwrap().0);
                let dir = TempDir::new().unwrap();
                let report = rescued(&volume.tape, &options(dir.path()));
                assert_eq!(proven(&report), expected, "{what}, {codec:?}, {digest:?}");
                let record = fs::read_to_string(dir.path().join("rescued.jsonl")).unwrap();
                let proof = match expected {
                    (0, _) => "\"proof\":\"length\"",
                    _ => "\"proof\":\"digest\"",
                };
                let line = record.lines().find(|line| line.contains("\"d/d\""));
                assert!(
                    line.is_some_and(|line| line.contains(proof)),
                    "{what}: {record}"
                );
            }
        }
    }
}

#[test]
fn the_index_of_another_segment_proves_nothing_but_itself() {
    let volume = volume(Codec::Plain);
    let index = volume.tape.medium().objects[14].clone();
    // In the stead of that of segment 2, and in one tape file with it.
    volume.tape.medium().objects[18] = index;
    volume.tape.medium().objects.remove(17);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    let one = &report.tape_files[3];
    assert_eq!((one.files, one.verified), (5, 4), "{:?}", report.tape_files);
    let record = fs::read_to_string(dir.path().join("rescued.jsonl")).unwrap();
    let line = record.lines().find(|line| line.contains("\"second\""));
    assert!(line.unwrap().contains("\"proof\":\"length\""), "{record}");
}

#[test]
fn a_segment_whose_first_blocks_are_bad_is_proven_by_its_index() {
    let volume = volume(Codec::Plain);
    // The filemark before it, too.
    volume.tape.medium().bad.extend([1, 2]);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    assert_eq!(proven(&report), (4, 0), "{:?}", report.tape_files);
    assert_eq!(lost(&report), ["d", "d/a"]);
}

#[test]
fn of_a_name_that_is_archived_twice_one_whose_header_is_lost_is_named() {
    let items = [
        file("twice", b"first"),
        // Ends in block 5, where the next one begins.
        file("before", &noise(1, 200_000)),
        file("twice", &noise(2, 70_000)),
        file("behind", b"whole"),
    ];
    let volume = Volume::new("A00001L9").write(&items);
    volume.tape.medium().bad.insert(5);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    assert_eq!(lost(&report), ["before", "twice"]);
    assert_eq!(report.lost[1].loss, Loss::Header);
}

#[test]
fn the_label_is_proven_by_its_sum_and_an_index_by_its_own() {
    let volume = volume(Codec::Plain);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    for one in &report.tape_files {
        assert_eq!(one.files, one.verified, "{one:?}");
    }
    // A byte of the README.
    volume.tape.flip(0, 600);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    assert_eq!(report.tape_files[0].verified, 0);
    assert_eq!(report.gap_count, 1, "{:?}", report.gaps);
    assert!(!report.is_whole());
}

#[test]
fn a_file_with_another_content_than_was_archived_is_told_and_kept_under_a_name_that_says_so() {
    let items = [
        file("d/changed", &noise(1, 100_000)),
        node("d/link", Kind::Hardlink(b"d/changed".to_vec())),
        file("d/good", &noise(2, 100_000)),
    ];
    let volume = Volume::new("A00001L9").write(&items);
    volume.tape.flip(3, 100);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    assert_eq!(report.gap_count, 0);
    assert_eq!(lost(&report), ["d/changed", "d/link"]);
    assert!(
        report
            .lost
            .iter()
            .all(|lost| lost.loss == Loss::WrongDigest)
    );
    assert!(
        report.lost[0].why.contains("digest"),
        "{:?}",
        report.lost[0]
    );
    assert!(!report.is_whole());
    let saved = files(&dir.path().join("file-00001"));
    let expected = [
        "d/changed.tapewright-damaged",
        "d/good",
        "d/link.tapewright-damaged",
    ];
    assert_eq!(saved, expected.map(str::to_owned).into());
    assert_eq!(proven(&report), (1, 0));
    let one = &report.tape_files[1];
    assert_eq!((one.objects, one.file_bytes, one.lost), (1, 100_000, 2));
}
