//! Files in parts, joined once all parts are there.

use std::fs;
use std::path::{Path, PathBuf};

use tapewright::engine::rescue::{JoinEnd, Proof, join};
use tapewright::monitor::{Monitor, Silent};
use tempfile::TempDir;

use super::{files, lost, rescued_below};
use crate::rig::{Volume, file, noise, part};

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

/// Stops once a record has a line with this in it.
struct UntilSaid(PathBuf, &'static str);

impl Monitor for UntilSaid {
    fn stop_requested(&self) -> bool {
        fs::read_to_string(&self.0).unwrap().contains(self.1)
    }
}

#[test]
fn a_join_that_was_killed_at_its_name_is_whole_and_gets_it() {
    // Either the name was not given yet, or its line in the record is missing.
    for has_name in [false, true] {
        let whole = noise(6, 300_000);
        let volume = Volume::new("A00001L9")
            .write(&[part("big", &whole, 1, 0..200_000)])
            .write(&[part("big", &whole, 2, 200_000..300_000)]);
        let copy = Volume::new("A00002L9").write(&[part("big", &whole, 2, 200_000..300_000)]);
        let dir = TempDir::new().unwrap();
        rescued_below(dir.path(), &[("one", &volume.tape)]);
        let record = dir.path().join("one/rescued.jsonl");
        let joined = "\"joined\":true";
        let joins = join(dir.path(), &UntilSaid(record.clone(), joined)).unwrap();
        assert_eq!(joins.end, JoinEnd::Stopped, "{joins:?}");
        let [first, path] = ["big.tapewright-part-0001", "big"]
            .map(|name| dir.path().join("one/file-00001").join(name));
        assert!(fs::read(&first).unwrap() == whole, "on record, it is whole");
        if has_name {
            fs::rename(&first, &path).unwrap();
        }

        // A copy of a part has nothing to say of it any more.
        rescued_below(dir.path(), &[("two", &copy.tape)]);
        let joins = join(dir.path(), &Silent).unwrap();
        assert_eq!(joins.unjoined, [], "{has_name}");
        assert_eq!(joins.joined.len(), usize::from(!has_name), "{joins:?}");
        if let [one] = &joins.joined[..] {
            let told = (one.parts, one.size_bytes, one.proof);
            assert_eq!(told, (2, 300_000, Proof::Digest));
        }
        assert!(fs::read(&path).unwrap() == whole, "{has_name}");
        assert!(!first.exists());
        let again = join(dir.path(), &Silent).unwrap();
        assert_eq!(again, Default::default(), "{has_name}: it is done");
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
    let line = r#"{"file":1,"path":"bad.tapewright-part-0001","as":"bad","size":3,
        "proof":"length",
        "part":{"mtime":[0,2000000000],"whole":3,"number":1,"offset":0,"size":3,"last":true}}"#;
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
