//! Tapes of other programs: plain tar, and what is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use tapewright::engine::rescue::RescueEnd;
use tempfile::TempDir;

use super::{files, lost, options, rescued};
use crate::rig::noise;
use crate::tape::{Object, Tape};

/// A tape that GNU tar wrote, in records of 20 blocks.
fn tar_tape(dir: &Path) -> Tape {
    let ran = Command::new("tar")
        .args(["-cf", "-", "--sort=name", "-C"])
        .arg(dir)
        .arg(".")
        .output()
        .unwrap();
    assert!(ran.status.success());
    let tape = Tape::default();
    let records = ran.stdout.chunks(10_240);
    let objects = records.map(|record| Object::Record(record.to_vec()));
    tape.medium().objects.extend(objects);
    tape.medium().objects.push(Object::Filemark);
    tape
}

#[test]
fn a_tape_of_another_program_is_saved_around_a_stretch_that_is_bad() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..200_u64 {
        fs::write(source.join(format!("{number:03}")), noise(number, 9_000)).unwrap();
    }
    let tape = tar_tape(&source);
    tape.medium().bad.extend(50..=120);
    let target = dir.path().join("saved");
    let report = rescued(&tape, &options(&target));
    assert_eq!(report.end, RescueEnd::EndOfData);
    let [gap] = &report.gaps[..] else {
        panic!("{:?}", report.gaps)
    };
    assert_eq!((gap.block.0, gap.blocks), (50, 71));
    let attempts = tape.medium().bad_reads;
    assert!(attempts < 35, "{attempts} attempts of 71");
    let saved = files(&target.join("file-00000"));
    // A file takes nearly one block; those at both ends are cut.
    assert!(
        (200 - 71 - 8..200 - 71 + 8).contains(&saved.len()),
        "{saved:?}"
    );
    for name in &saved {
        let number = name.parse().unwrap();
        let content = fs::read(target.join("file-00000").join(name)).unwrap();
        assert!(content == noise(number, 9_000), "{name}");
    }
    assert_eq!(report.lost_count, 1, "{:?}", lost(&report));
}

#[test]
fn zeros_in_the_middle_of_an_archive_are_not_taken_for_its_end() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..60_u64 {
        fs::write(source.join(format!("{number:02}")), noise(number, 600)).unwrap();
    }
    let tape = tar_tape(&source);
    tape.medium().objects[3] = Object::Record(vec![0; 10_240]);
    let target = dir.path().join("saved");
    let report = rescued(&tape, &options(&target));
    let [gap] = &report.gaps[..] else {
        panic!("{:?}", report.gaps)
    };
    assert_eq!(gap.block.0, 4);
    // A file takes three blocks, a record has twenty.
    let saved = files(&target.join("file-00000"));
    assert!(saved.len() >= 60 - 9, "{saved:?}");
    assert!(saved.contains("59"), "{saved:?}");
}

#[test]
fn what_is_no_tar_archive_is_told_as_what_it_is() {
    let cpio = [b"070701".as_slice(), &noise(1, 30_000)].concat();
    let cases = [
        (cpio, "a cpio archive"),
        (noise(2, 30_000), "unknown data"),
        (
            [b"\x1f\x8b\x08".as_slice(), &noise(3, 30_000)].concat(),
            "gzip",
        ),
        (
            [b"VOL1ABCDEF".as_slice(), &noise(4, 70)].concat(),
            "ANSI label",
        ),
    ];
    for (content, what) in cases {
        let tape = Tape::default();
        let records = content.chunks(5_120);
        let objects = records.map(|record| Object::Record(record.to_vec()));
        tape.medium().objects.extend(objects);
        tape.medium().objects.push(Object::Filemark);
        let dir = TempDir::new().unwrap();
        let report = rescued(&tape, &options(dir.path()));
        let [gap] = &report.gaps[..] else {
            panic!("{what}: {:?}", report.gaps)
        };
        assert!(gap.what.contains(what), "{}", gap.what);
        assert!(gap.what.contains("no tar archive"), "{}", gap.what);
        assert_eq!(
            (gap.blocks, gap.passed_bytes),
            (0, content.len() as u64),
            "{what}"
        );
        assert_eq!((report.end, report.objects()), (RescueEnd::EndOfData, 0));
        assert!(!report.is_whole(), "{what}");
    }
}

#[test]
fn each_tape_file_of_another_program_is_an_archive_of_its_own() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("same name"), "content").unwrap();
    let one = tar_tape(&source);
    let objects = one.medium().objects.clone();
    let tape = Tape::default();
    // The end of a tape is two filemarks for many programs: an empty tape file.
    let all = [&objects[..], &objects, &[Object::Filemark], &objects].concat();
    tape.medium().objects = all;
    let target = dir.path().join("saved");
    let report = rescued(&tape, &options(&target));
    assert!(report.is_whole(), "{report:?}");
    let saved = files(&target);
    let expected = [
        "file-00000/same name",
        "file-00001/same name",
        "file-00003/same name",
    ];
    assert!(
        expected.iter().all(|name| saved.contains(*name)),
        "{saved:?}"
    );
    let proofs: Vec<_> = report
        .tape_files
        .iter()
        .map(|one| (one.files, one.verified))
        .collect();
    assert_eq!(proofs, [(1, 0); 3]);
}
