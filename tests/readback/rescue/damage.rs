//! Past what cannot be read: what is bad, encrypted, cut off, or meant to do harm.

use std::fs;

use tapewright::engine::rescue::{RescueEnd, RescueOptions};
use tapewright::units::TapeFile;
use tapewright::volume::index::Codec;
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use super::{files, lost, options, rescued, volume};
use crate::rig::{Volume, file, node, noise};
use crate::tape::{Object, Tape};

struct Case {
    what: &'static str,
    inflict: fn(&Tape),
    /// Files of segment 1 that are not saved.
    costs: &'static [&'static str],
    /// Those of them that are named.
    named: &'static [&'static str],
    second_is_saved: bool,
    /// So it is told.
    is_whole: bool,
}

const CASES: [Case; 9] = [
    Case {
        what: "nothing is wrong",
        inflict: |_| {},
        costs: &[],
        named: &[],
        second_is_saved: true,
        is_whole: true,
    },
    Case {
        what: "a block comes at the third attempt",
        inflict: |tape| tape.medium().bad_for_now.extend([(6, 2)]),
        costs: &[],
        named: &[],
        second_is_saved: true,
        is_whole: true,
    },
    Case {
        what: "a block within a file",
        inflict: |tape| tape.medium().bad.extend([6]),
        costs: &["d/c"],
        named: &["d/c"],
        second_is_saved: true,
        is_whole: false,
    },
    Case {
        what: "a block with the headers of two files",
        inflict: |tape| tape.medium().bad.extend([4]),
        costs: &["d/a", "d/b", "d/c"],
        named: &["d/a", "d/b", "d/c"],
        second_is_saved: true,
        is_whole: false,
    },
    Case {
        what: "the first block of a segment",
        inflict: |tape| tape.medium().bad.extend([2]),
        costs: &["d/a"],
        named: &["d", "d/a"],
        second_is_saved: true,
        is_whole: false,
    },
    Case {
        what: "the index is gone",
        inflict: |tape| tape.medium().objects[14] = Object::Record(vec![7; 65_536]),
        costs: &[],
        named: &[],
        second_is_saved: true,
        is_whole: false,
    },
    Case {
        what: "the filemark behind the segment is missing",
        inflict: |tape| drop(tape.medium().objects.remove(13)),
        costs: &[],
        named: &[],
        second_is_saved: true,
        is_whole: true,
    },
    Case {
        what: "the segment is cut off",
        inflict: |tape| tape.medium().objects.truncate(8),
        costs: &["d/c", "d/d", "d/e"],
        named: &["d/c"],
        second_is_saved: false,
        is_whole: false,
    },
    Case {
        what: "a reset in the middle",
        inflict: |tape| tape.medium().reset_at = Some(7),
        costs: &[],
        named: &[],
        second_is_saved: true,
        is_whole: true,
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
        assert_eq!(report.end, RescueEnd::EndOfData, "{what}");
        let saved = files(&target);
        for path in ["d/a", "d/b", "d/c", "d/d", "d/e"] {
            let is_saved = saved.contains(&format!("file-00001/{path}"));
            assert_eq!(is_saved, !case.costs.contains(&path), "{what}: {path}");
        }
        let named = lost(&report);
        assert_eq!(named, case.named, "{what}");
        let second = saved.iter().any(|name| name.ends_with("/second"));
        assert_eq!(second, case.second_is_saved, "{what}: {saved:?}");
        assert_eq!(report.is_whole(), case.is_whole, "{what}: {report:?}");
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
    assert_eq!(lost(&report), ["d/c", "d/d", "d/e"], "the index names them");
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
    assert!(report.is_whole(), "{report:?}");
    let renamed = target.join("file-00001/tapewright-renamed/way");
    for name in ["mine", "new"] {
        assert_eq!(fs::read(renamed.join(name)).unwrap(), b"hostile");
    }
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

#[test]
fn encrypted_blocks_are_told_as_such_and_passed_without_trying_them_one_by_one() {
    // From block 5 to the end of segment 1, and all of its index; or some that plain ones follow.
    for (encrypted, costs, most) in [
        ((5..13).collect::<Vec<u64>>(), vec!["d/c", "d/d", "d/e"], 4),
        (vec![5, 6, 7, 8, 9], vec!["d/c"], 6),
        ((5..30).collect(), vec!["d/c", "d/d", "d/e"], 8),
    ] {
        let volume = volume(Codec::Plain);
        volume.tape.medium().encrypted.extend(encrypted.clone());
        let dir = TempDir::new().unwrap();
        let report = rescued(&volume.tape, &options(dir.path()));
        assert_eq!(report.end, RescueEnd::EndOfData, "{encrypted:?}");
        assert_eq!(report.encrypted_from.map(|block| block.0), Some(5));
        let saved = files(dir.path());
        for path in ["d/a", "d/b", "d/c", "d/d", "d/e"] {
            let is_saved = saved.contains(&format!("file-00001/{path}"));
            assert_eq!(is_saved, !costs.contains(&path), "{encrypted:?}: {path}");
        }
        assert!(
            report.gaps.iter().all(|gap| gap.encrypted),
            "{:?}",
            report.gaps
        );
        let bad: u64 = report.tape_files.iter().map(|one| one.blocks_lost).sum();
        assert_eq!(bad, 0, "{encrypted:?}");
        let tried = volume.tape.medium().bad_reads;
        assert!(tried <= most, "{encrypted:?}: {tried}");
    }
}

#[test]
fn encrypted_blocks_without_an_end_are_told_as_so_many_at_least() {
    let volume = volume(Codec::Plain);
    let end = volume.tape.medium().objects.len() as u64;
    volume.tape.medium().encrypted.extend(5..end);
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(&dir.path().join("a")));
    assert!(!report.encrypted_at_least);
    let mut medium = volume.tape.medium();
    medium.objects.truncate(10);
    medium.no_end_mark = true;
    drop(medium);
    let report = rescued(&volume.tape, &options(&dir.path().join("b")));
    assert_eq!(report.end, RescueEnd::NoEndOfData);
    assert!(report.encrypted_at_least);
}
