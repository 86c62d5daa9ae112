//! A rescue saves what is whole, names what is not, and stays in its directory.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tapewright::engine::rescue::{
    JoinEnd, Loss, Proof, RescueEnd, RescueOptions, RescueReport, join, rescue,
};
use tapewright::engine::target::Owners;
use tapewright::monitor::{Monitor, Silent};
use tapewright::units::TapeFile;
use tapewright::volume::index::{Codec, DigestAlgorithm};
use tapewright::volume::member::Kind;
use tempfile::TempDir;

use crate::rig::{Volume, file, node, noise, part, two_segments};
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
        named: &["d/a", "d/b", "d/c"],
        second_is_saved: true,
        end: RescueEnd::EndOfData,
    },
    Case {
        what: "the first block of a segment",
        inflict: |tape| tape.medium().bad.extend([2]),
        costs: &["d/a"],
        named: &["d", "d/a"],
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
    let marks: Vec<usize> = {
        let medium = volume.tape.medium();
        let marks = medium.objects.iter().enumerate();
        let marks = marks.filter(|(_, object)| **object == Object::Filemark);
        marks.map(|(at, _)| at).collect()
    };
    // The second segment is one tape file with its index, and not where that says.
    for mark in [marks[3], marks[1]] {
        volume.tape.medium().objects.remove(mark);
    }
    let dir = TempDir::new().unwrap();
    let report = rescued(&volume.tape, &options(dir.path()));
    let one = &report.tape_files[2];
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

/// Rescues tapes one after the other into directories of their own below `dir`.
fn rescued_below(dir: &Path, tapes: &[(&str, &Tape)]) -> Vec<RescueReport> {
    let one = |(name, tape): &(&str, &Tape)| rescued(tape, &options(&dir.join(name)));
    tapes.iter().map(one).collect()
}

#[test]
fn parts_on_several_tapes_are_joined_once_all_are_there() {
    let whole = noise(5, 300_000);
    let first = Volume::new("A00001L9").write(&[part("d/big", &whole, 1, 0..100_000)]);
    let second = Volume::new("A00002L9")
        .write(&[
            part("d/big", &whole, 2, 100_000..200_000),
            file("d/x", b"x"),
        ])
        .write(&[part("d/big", &whole, 3, 200_000..300_000)]);
    let dir = TempDir::new().unwrap();
    rescued_below(dir.path(), &[("two", &second.tape)]);
    let joins = join(dir.path(), &Silent).unwrap();
    let [file] = &joins.unjoined[..] else {
        panic!("{joins:?}")
    };
    assert_eq!(
        (file.path.as_slice(), file.missing_parts.as_slice()),
        (&b"d/big"[..], &[1][..])
    );
    assert_eq!(file.missing, [(0, Some(100_000))]);
    let numbers: Vec<u32> = file.parts.iter().map(|part| part.0).collect();
    assert_eq!((numbers, joins.joined.len()), (vec![2, 3], 0));

    rescued_below(dir.path(), &[("one", &first.tape)]);
    let joins = join(dir.path(), &Silent).unwrap();
    let [file] = &joins.joined[..] else {
        panic!("{joins:?}")
    };
    assert_eq!((file.parts, file.proof), (3, Proof::Digest));
    let path = dir.path().join("one/file-00001/d/big");
    assert!(fs::read(&path).unwrap() == whole);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(
        since.subsec_nanos(),
        123_456_789,
        "the time that it was archived with"
    );
    let left: Vec<String> = files(dir.path())
        .into_iter()
        .filter(|name| name.contains("big"))
        .collect();
    assert_eq!(left, ["one/file-00001/d/big"], "no part is left");
    assert_eq!(
        join(dir.path(), &Silent).unwrap(),
        Default::default(),
        "it is done"
    );
}

/// Stops once a file is gone.
struct UntilGone(PathBuf);

impl Monitor for UntilGone {
    fn stop_requested(&self) -> bool {
        !self.0.exists()
    }
}

#[test]
fn a_join_that_was_broken_off_is_gone_on_with_where_it_was_begun() {
    type Meanwhile = fn(&Path, &[u8]);
    let second = "one/file-00003/big.tapewright-part-0002";
    let cases: [(&str, Meanwhile, &[&str]); 5] = [
        ("nothing", |_, _| {}, &[]),
        (
            "another tape has a copy of the first part",
            |dir, whole| {
                let copy = [part("big", whole, 1, 0..100_000)];
                let copy = Volume::new("A00002L9").write(&copy);
                rescued_below(dir, &[("two", &copy.tape)]);
            },
            &["two/file-00001/big.tapewright-part-0001"],
        ),
        (
            "the second part was not removed before it was killed",
            |dir, whole| {
                let second = "one/file-00003/big.tapewright-part-0002";
                fs::write(dir.join(second), &whole[100_000..200_000]).unwrap();
            },
            &[],
        ),
        (
            "a line of the record was torn, and then it was stopped once more",
            |dir, _| {
                let record = dir.join("one/rescued.jsonl");
                let torn = fs::read_to_string(&record).unwrap() + "{\"file\":";
                fs::write(&record, torn).unwrap();
                let third = dir.join("one/file-00005/big.tapewright-part-0003");
                let joins = join(dir, &UntilGone(third)).unwrap();
                assert_eq!(joins.end, JoinEnd::Stopped);
            },
            &[],
        ),
        (
            "another file of the name of the second part",
            |dir, _| {
                let second = "one/file-00003/big.tapewright-part-0002";
                fs::write(dir.join(second), noise(9, 100_000)).unwrap();
            },
            &["one/file-00003/big.tapewright-part-0002"],
        ),
    ];
    for (what, meanwhile, left) in cases {
        let whole = noise(6, 400_000);
        let write = |volume: Volume, number: u32| {
            let begin = (number as usize - 1) * 100_000;
            volume.write(&[part("big", &whole, number, begin..begin + 100_000)])
        };
        let volume = (1..=4).fold(Volume::new("A00001L9"), write);
        let dir = TempDir::new().unwrap();
        rescued_below(dir.path(), &[("one", &volume.tape)]);
        let joins = join(dir.path(), &UntilGone(dir.path().join(second))).unwrap();
        assert_eq!(joins.end, JoinEnd::Stopped, "{what}");
        let why = joins.unjoined[0].why.as_deref().unwrap();
        assert!(why.contains("it was stopped"), "{why}");
        assert!(
            dir.path()
                .join("one/file-00005")
                .read_dir()
                .unwrap()
                .count()
                == 1
        );

        meanwhile(dir.path(), &whole);
        let joins = join(dir.path(), &Silent).unwrap();
        assert_eq!(
            (joins.joined.len(), joins.end),
            (1, JoinEnd::Done),
            "{what}"
        );
        let path = dir.path().join("one/file-00001/big");
        assert!(fs::read(&path).unwrap() == whole, "{what}");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since.subsec_nanos(), 123_456_789, "{what}");
        let parts = files(dir.path()).into_iter();
        let parts: Vec<String> = parts.filter(|name| name.contains("-part-")).collect();
        assert_eq!(parts, left, "{what}");
    }
}

#[test]
fn a_join_that_is_not_allowed_is_told_in_its_end_and_the_others_are_made() {
    let whole = noise(8, 200_000);
    let volume = Volume::new("A00001L9")
        .write(&[part("big", &whole, 1, 0..100_000)])
        .write(&[part("big", &whole, 2, 100_000..200_000)]);
    let dir = TempDir::new().unwrap();
    rescued_below(dir.path(), &[("one", &volume.tape)]);
    fs::write(dir.path().join("one/file-00001/bad"), "bad").unwrap();
    let record = dir.path().join("one/rescued.jsonl");
    let line = r#"{"file":1,"path":"../bad.tapewright-part-0001","as":"bad","size":3,
        "proof":"length",
        "part":{"mtime":[0,0],"whole":3,"number":1,"offset":0,"size":3,"last":true}}"#;
    let lines = fs::read_to_string(&record).unwrap() + &line.replace('\n', "") + "\n";
    fs::write(&record, lines).unwrap();
    let joins = join(dir.path(), &Silent).unwrap();
    assert_eq!(
        (joins.joined.len(), joins.end),
        (1, JoinEnd::Failed),
        "{joins:?}"
    );
    assert!(joins.unjoined[0].why.is_some());
    assert!(dir.path().join("one/file-00001/bad").exists());
}

/// Root may do all of it; others may not where the modes are in the way.
#[test]
fn what_its_mode_forbids_is_joined_and_set_aside_all_the_same() {
    for mode in [0o444, 0o000] {
        let whole = noise(7, 200_000);
        let with_mode = |mut item: crate::rig::Item, mode: u32| {
            item.member.mode = mode;
            item
        };
        let folder = || with_mode(node("d", Kind::Directory), 0o555);
        let volume = Volume::new("A00001L9")
            .write(&[
                folder(),
                with_mode(part("d/big", &whole, 1, 0..100_000), mode),
            ])
            .write(&[
                folder(),
                with_mode(part("d/big", &whole, 2, 100_000..200_000), mode),
            ])
            .write(&[
                folder(),
                with_mode(file("d/changed", &noise(1, 200_000)), mode),
            ]);
        let block = volume.block_of("d/changed");
        volume.tape.flip(block + 1, 100);
        let dir = TempDir::new().unwrap();
        let reports = rescued_below(dir.path(), &[("one", &volume.tape)]);
        let kept_as = reports[0].lost[0].kept_as.as_deref();
        assert_eq!(
            kept_as,
            Some(&b"d/changed.tapewright-damaged"[..]),
            "{reports:?}"
        );
        let joins = join(dir.path(), &Silent).unwrap();
        assert_eq!(joins.joined.len(), 1, "{mode:o}: {joins:?}");
        let saved = files(dir.path())
            .into_iter()
            .filter(|name| name.contains("/d/"));
        let expected = [
            "one/file-00001/d/big",
            "one/file-00005/d/changed.tapewright-damaged",
        ];
        assert_eq!(saved.collect::<Vec<_>>(), expected, "{mode:o}");

        let mode_of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let path = dir.path().join("one/file-00001/d/big");
        assert_eq!(mode_of(&path), mode, "the mode that it was archived with");
        for number in [1, 3, 5] {
            let folder = dir.path().join(format!("one/file-{number:05}/d"));
            assert_eq!(mode_of(&folder), 0o555, "{number}");
            let modified = fs::metadata(&folder).unwrap().modified().unwrap();
            let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(since.subsec_nanos(), 123_456_789, "{number}");
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(fs::read(&path).unwrap() == whole, "{mode:o}");
    }
}

#[test]
fn a_damaged_part_is_made_good_by_another_copy_of_its_tape() {
    let whole = noise(7, 300_000);
    let write = |barcode: &str| {
        Volume::new(barcode)
            .write(&[part("big", &whole, 1, 0..150_000)])
            .write(&[part("big", &whole, 2, 150_000..300_000)])
    };
    let (first, copy) = (write("A00001L9"), write("A00002L9"));
    let block = first.block_of("big");
    first.tape.medium().bad.insert(block + 1);
    copy.tape.medium().bad.insert(8);
    let dir = TempDir::new().unwrap();
    let reports = rescued_below(dir.path(), &[("one", &first.tape), ("two", &copy.tape)]);
    assert_eq!(lost(&reports[0]), ["big.tapewright-part-0001"]);
    let joins = join(dir.path(), &Silent).unwrap();
    assert_eq!(joins.joined.len(), 1, "{joins:?}");
    let joined = &joins.joined[0];
    let path = joined.directory.join("big");
    assert!(fs::read(path).unwrap() == whole);
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
