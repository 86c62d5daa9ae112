//! A rescue saves what is whole, names what is not, and stays in its directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use tapewright::engine::rescue::{RescueEnd, RescueOptions, RescueReport, rescue};
use tapewright::engine::target::Owners;
use tapewright::monitor::Silent;
use tapewright::units::TapeFile;
use tapewright::volume::index::{Codec, DigestAlgorithm};
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use crate::rig::{Volume, file, node, noise, two_segments};
use crate::tape::{Object, Tape};

fn options(target: &Path) -> RescueOptions {
    RescueOptions {
        target: target.to_owned(),
        retries: 2,
        most_bad_blocks: 1000,
        keep_partial: false,
        owners: Owners::Names,
    }
}

fn rescued(tape: &Tape, options: &RescueOptions) -> RescueReport {
    rescue(tape.load().as_mut(), "A00001L9", 1 << 20, options, &Silent).unwrap()
}

/// Segment 1 is blocks 2 to 12, if it is plain.
fn volume(codec: Codec) -> Volume {
    two_segments(codec, DigestAlgorithm::Blake3)
}

/// Files below `dir`.
fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match fs::symlink_metadata(&path).unwrap().is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(dir).unwrap().to_str().unwrap();
                    found.insert(name.to_owned());
                }
            }
        }
    }
    found
}

fn lost(report: &RescueReport) -> Vec<String> {
    let names = report.lost.iter();
    names
        .map(|lost| String::from_utf8(lost.path.clone()).unwrap())
        .collect()
}

struct Case {
    what: &'static str,
    inflict: fn(&Tape),
    /// Files of segment 1 that are not saved.
    costs: &'static [&'static str],
    /// Those of them that are named.
    named: &'static [&'static str],
    second_is_saved: bool,
    end: RescueEnd,
}

const CASES: [Case; 9] = [
    Case {
        what: "nothing is wrong",
        inflict: |_| {},
        costs: &[],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "a block comes at the third attempt",
        inflict: |tape| tape.medium().bad_for_now.extend([(6, 2)]),
        costs: &[],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "a block within a file",
        inflict: |tape| tape.medium().bad.extend([6]),
        costs: &["d/c"],
        named: &["d/c"],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "a block with the headers of two files",
        inflict: |tape| tape.medium().bad.extend([4]),
        costs: &["d/a", "d/b", "d/c"],
        named: &["d/a"],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "the first block of a segment",
        inflict: |tape| tape.medium().bad.extend([2]),
        costs: &["d/a"],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "the index is gone",
        inflict: |tape| tape.medium().objects[14] = Object::Record(vec![7; 65_536]),
        costs: &[],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "the filemark behind the segment is missing",
        inflict: |tape| drop(tape.medium().objects.remove(13)),
        costs: &[],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "the segment is cut off",
        inflict: |tape| tape.medium().objects.truncate(8),
        costs: &["d/c", "d/d", "d/e"],
        named: &["d/c"],
        second_is_saved: false,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "a reset in the middle",
        inflict: |tape| tape.medium().reset_at = Some(7),
        costs: &[],
        named: &[],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
];

#[test]
fn whole_files_are_saved_past_each_kind_of_damage() {
    for case in CASES {
        let what = case.what;
        let volume = volume(Codec::Plain);
        (case.inflict)(&volume.tape);
        let dir = TempDir::new().unwrap();
        let target = dir.path().join("saved");
        let report = rescued(&volume.tape, &options(&target));
        assert_eq!(report.end, case.end, "{what}");
        let saved = files(&target);
        for path in ["d/a", "d/b", "d/c", "d/d", "d/e"] {
            let is_saved = saved.contains(&format!("file-00001/{path}"));
            assert_eq!(is_saved, !case.costs.contains(&path), "{what}: {path}");
        }
        let named = lost(&report);
        assert_eq!(named, case.named, "{what}");
        let second = saved.iter().any(|name| name.ends_with("/second"));
        assert_eq!(second, case.second_is_saved, "{what}: {saved:?}");
        let whole = what.contains("nothing") || what.contains("attempt") || what.contains("reset");
        let whole = whole || what.contains("filemark");
        assert_eq!(report.is_whole(), whole, "{what}: {report:?}");
        let c = fs::read(target.join("file-00001/d/c"));
        if !case.costs.contains(&"d/c") {
            assert_eq!(c.unwrap(), noise(2, 400_000), "{what}");
        }
    }
}

#[test]
fn what_came_of_a_file_is_kept_where_it_is_asked_for_and_named_as_partial() {
    let volume = volume(Codec::Plain);
    volume.tape.medium().bad.insert(6);
    let dir = TempDir::new().unwrap();
    let target = dir.path().join("saved");
    let how = RescueOptions {
        keep_partial: true,
        ..options(&target)
    };
    let report = rescued(&volume.tape, &how);
    let [lost] = &report.lost[..] else {
        panic!("{report:?}")
    };
    let [(from, to)] = lost.missing[..] else {
        panic!("{lost:?}")
    };
    assert_eq!(to - from, 65_536);
    assert_eq!(lost.had_bytes, 400_000 - 65_536);
    assert_eq!(
        lost.kept_as.as_deref(),
        Some(&b"d/c.tapewright-partial"[..])
    );
    let kept = fs::read(target.join("file-00001/d/c.tapewright-partial")).unwrap();
    let mut expected = noise(2, 400_000);
    expected[from as usize..to as usize].fill(0);
    assert!(kept == expected);
    assert!(!target.join("file-00001/d/c").exists());
}

#[test]
fn a_compressed_segment_loses_what_is_in_its_bad_frames() {
    let items: Vec<_> = (0..40)
        .map(|number| file(&format!("f{number:02}"), &noise(number, 200_000)))
        .collect();
    let volume = Volume::new("A00001L9").write_as(Codec::Zstd, &items);
    volume.tape.medium().bad.extend([2 + 30, 2 + 90]);
    let dir = TempDir::new().unwrap();
    let target = dir.path().join("saved");
    let report = rescued(&volume.tape, &options(&target));
    assert_eq!(report.gap_count, 2, "{:?}", report.gaps);
    let saved = fs::read_dir(target.join("file-00001")).unwrap().count();
    // A frame has a megabyte, or five of them, and two that it cuts.
    assert!((40 - 2 * 8..40).contains(&saved), "{saved}");
    for number in 0..40 {
        let path = target.join(format!("file-00001/f{number:02}"));
        if let Ok(content) = fs::read(path) {
            assert!(content == noise(number, 200_000), "{number}");
        }
    }
    assert!(target.join("file-00001/f00").exists());
    assert!(target.join("file-00001/f39").exists());
}

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
fn behind_too_many_bad_blocks_the_next_tape_file_is_read() {
    let volume = volume(Codec::Plain);
    volume.tape.medium().bad.extend(5..=12);
    let dir = TempDir::new().unwrap();
    let target = dir.path().join("saved");
    let how = RescueOptions {
        most_bad_blocks: 3,
        ..options(&target)
    };
    let report = rescued(&volume.tape, &how);
    assert_eq!(report.end, RescueEnd::EndOfData);
    assert_eq!(
        report.gaps[0].blocks, 9,
        "to the filemark: {:?}",
        report.gaps
    );
    assert_eq!(lost(&report), ["d/c"]);
    assert!(target.join("file-00001/d/a").exists());
    assert!(target.join("file-00003/second").exists());
    let numbers: Vec<TapeFile> = report.tape_files.iter().map(|one| one.file).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4].map(TapeFile));

    // Nothing behind can be reached.
    let objects = volume.tape.medium().objects[..10].to_vec();
    volume.tape.medium().objects = objects;
    let target = dir.path().join("again");
    let how = RescueOptions { target, ..how };
    let report = rescued(&volume.tape, &how);
    assert_eq!(report.end, RescueEnd::GaveUp);
    assert_eq!(lost(&report), ["d/c"]);
}

#[test]
fn links_on_a_tape_lead_nowhere() {
    let dir = TempDir::new().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("mine"), "untouched").unwrap();
    let link = outside.to_str().unwrap().as_bytes().to_vec();
    let volume = Volume::new("A00001L9").write(&[
        node("way", Kind::Symlink(link)),
        file("way/mine", b"hostile"),
        file("way/new", b"hostile"),
        node("hard", Kind::Hardlink(b"way/mine".to_vec())),
        file("good", b"whole"),
    ]);
    let target = dir.path().join("saved");
    let report = rescued(&volume.tape, &options(&target));
    assert_eq!(lost(&report), ["way/mine", "way/new", "hard"]);
    assert_eq!(fs::read(outside.join("mine")).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(target.join("file-00001/good")).unwrap(), b"whole");
}

#[test]
fn a_failing_drive_ends_it_and_what_was_saved_stays() {
    let volume = volume(Codec::Plain);
    volume.tape.medium().drive_fails_at = Some(7);
    let dir = TempDir::new().unwrap();
    let target = dir.path().join("saved");
    let report = rescued(&volume.tape, &options(&target));
    assert_eq!(report.end, RescueEnd::Failed);
    assert!(report.failure.is_some());
    assert_eq!(lost(&report), ["d/c"]);
    assert!(target.join("file-00001/d/b").exists());
}
