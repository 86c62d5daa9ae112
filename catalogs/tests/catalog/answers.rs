//! What a catalog answers, and what it refuses.

use crate::support::*;
use catalogs::model::event::{Event, VolumeRetired, VolumeState, VolumeStateChanged};
use catalogs::model::{Condition, Entry, FileTime, Kind, Part};
use catalogs::{Catalog, CatalogError, FindOptions, LedgerError, Notice, Pattern};

fn filled() -> (tempfile::TempDir, Catalog) {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    (directory, catalog)
}

#[test]
fn patterns_find_what_they_mean_in_directory_order() {
    let (_directory, catalog) = filled();
    let all = [
        "home@job2",
        "home/a@job2",
        "home/b@job2",
        "home/b.txt@job2",
        "home/c@job3",
    ];
    let below_b = ["home/b/new@job2", "!home/b/old@job1", "home/b/deep/x@job2"];
    let cases: [(&str, Vec<&str>); 14] = [
        ("home/a", vec!["home/a@job2"]),
        ("/home/a", vec!["home/a@job2"]),
        ("home/b", [&["home/b@job2"], &below_b[..]].concat()),
        ("/home/b/", [&["home/b@job2"], &below_b[..]].concat()),
        ("", [&all[..], &below_b[..]].concat()),
        ("/", [&all[..], &below_b[..]].concat()),
        ("home/*", all[1..].to_vec()),
        ("home/b/*", below_b[..2].to_vec()),
        ("home/b/**", below_b.to_vec()),
        ("**/{old,x}", below_b[1..].to_vec()),
        ("home/b?txt", vec!["home/b.txt@job2"]),
        ("home/[ac]", vec!["home/a@job2", "home/c@job3"]),
        ("home/nothing", vec![]),
        ("hom", vec![]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(
            found(&catalog, pattern, &FindOptions::default()),
            expected,
            "{pattern}"
        );
    }
}

#[test]
fn versions_are_chosen_by_job_time_and_volume() {
    let (_directory, catalog) = filled();
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    assert_eq!(
        found(&catalog, "home/c", &all),
        ["home/c@job3", "home/c@job2"]
    );
    assert_eq!(found(&catalog, "home/b/old", &all), ["!home/b/old@job1"]);
    let first = FindOptions {
        as_of: Some(at(15)),
        ..FindOptions::default()
    };
    assert_eq!(found(&catalog, "home/b/old", &first), ["home/b/old@job1"]);
    assert_eq!(found(&catalog, "home/c", &first), [""; 0]);
    let on_one = FindOptions {
        on_volume: Some(volume_id(1)),
        ..FindOptions::default()
    };
    let expected = ["home/b/new@job1", "!home/b/old@job1"];
    assert_eq!(found(&catalog, "home/b/*", &on_one), expected);
    assert_eq!(found(&catalog, "home/c", &on_one), ["home/c@job3"]);
}

#[test]
fn a_retired_volume_offers_nothing_but_still_bears_witness() {
    let (_directory, catalog) = filled();
    let retired = VolumeRetired {
        volume: volume_id(2),
        reason: "erased".into(),
    };
    catalog
        .append(at(40), &Event::VolumeRetired(retired))
        .unwrap();
    let options = FindOptions::default();
    assert_eq!(
        found(&catalog, "home/b/*", &options),
        ["home/b/new@job1", "!home/b/old@job1"]
    );
    assert!(
        catalog
            .volume(&volume_id(2))
            .unwrap()
            .unwrap()
            .retired
            .is_some()
    );
}

#[test]
fn what_an_exclude_may_have_left_out_is_not_gone() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    catalog.append(at(1), &labelled(1)).unwrap();
    let paths = ["a/cache/x", "a/x.tmp", "a/kept", "other/kept"];
    catalog
        .append(at(10), &started(1, "one", &[""], &[]))
        .unwrap();
    let entries = paths.iter().map(|path| file(path, 1)).collect();
    catalog.commit(at(11), receipt(1, 1, 1), entries).unwrap();
    catalog
        .append(at(20), &started(2, "two", &["a"], &["/a/cache/", "*.tmp"]))
        .unwrap();
    let complete = finished(2, catalogs::model::event::Outcome::Complete);
    catalog.append(at(21), &complete).unwrap();
    let expected = [
        "!a/kept@one",
        "a/x.tmp@one",
        "a/cache/x@one",
        "other/kept@one",
    ];
    assert_eq!(found(&catalog, "", &FindOptions::default()), expected);
}

#[test]
fn every_field_of_an_entry_comes_back() {
    let (_directory, catalog) = filled();
    let base = file("odd", 9);
    let time = |seconds, nanoseconds| FileTime {
        seconds,
        nanoseconds,
    };
    let part = |number, last| {
        Some(Part {
            number,
            offset_bytes: 1 << 40,
            last,
        })
    };
    let odd = vec![
        Entry {
            path: b"odd/\xff\xfe \x01\x02".to_vec(),
            ..base.clone()
        },
        Entry {
            path: vec![b'n'; 65_535],
            ..base.clone()
        },
        Entry {
            path: b"odd/link".to_vec(),
            kind: Kind::Symlink,
            link_target: b"../\xff".to_vec(),
            digest: None,
            ..base.clone()
        },
        Entry {
            path: b"odd/hard".to_vec(),
            kind: Kind::Hardlink,
            link_target: b"odd/a".to_vec(),
            ..base.clone()
        },
        Entry {
            path: b"odd/char".to_vec(),
            kind: Kind::CharDevice,
            device: Some((1, u32::MAX)),
            ..base.clone()
        },
        Entry {
            path: b"odd/block".to_vec(),
            kind: Kind::BlockDevice,
            device: Some((0, 0)),
            ..base.clone()
        },
        Entry {
            path: b"odd/fifo".to_vec(),
            kind: Kind::Fifo,
            user: "".into(),
            ..base.clone()
        },
        Entry {
            path: b"odd/socket".to_vec(),
            kind: Kind::Socket,
            mode: 0o7777,
            uid: u32::MAX,
            gid: u32::MAX,
            ..base.clone()
        },
        Entry {
            path: b"odd/times".to_vec(),
            mtime: time(i64::MIN, 0),
            ctime: time(i64::MAX, 999_999_999),
            ..base.clone()
        },
        Entry {
            path: b"odd/big".to_vec(),
            size_bytes: u64::MAX,
            member_bytes: 3,
            block: u64::MAX / u64::from(RECORD_BYTES) - 1,
            offset_bytes: RECORD_BYTES - 1,
            condition: Condition::Unreadable,
            ..base.clone()
        },
        Entry {
            path: b"odd/part".to_vec(),
            part: part(1, false),
            ..base.clone()
        },
        Entry {
            path: b"odd/part".to_vec(),
            part: part(u32::MAX, true),
            ..base
        },
    ];
    catalog
        .commit(at(50), receipt(3, 1, 9), odd.clone())
        .unwrap();
    let record = catalog.last_receipt(&volume_id(1)).unwrap().unwrap().what;
    let key = |entry: &Entry| (entry.path.clone(), entry.part.map(|part| part.number));
    let mut read = catalog.entries_in_tape_order(&record).unwrap();
    assert!(read.is_sorted_by_key(|entry| (entry.block, entry.offset_bytes)));
    read.sort_by_key(key);
    let mut expected = odd.clone();
    expected.sort_by_key(key);
    assert_eq!(read, expected);
    for entry in &odd {
        let hits = catalog.find(
            &Pattern::tree(&entry.path).unwrap(),
            &FindOptions::default(),
        );
        let hits: Vec<Entry> = hits.unwrap().map(|hit| hit.unwrap().entry).collect();
        assert!(
            hits.contains(entry),
            "{}",
            String::from_utf8_lossy(&entry.path)
        );
    }
}

#[test]
fn records_are_put_together_from_their_lines() {
    let (_directory, catalog) = filled();
    let suspect = VolumeStateChanged {
        volume: volume_id(1),
        state: VolumeState::Suspect,
        reason: "write error".into(),
    };
    catalog
        .append(at(60), &Event::VolumeState(suspect))
        .unwrap();
    let volume = catalog.volume_by_barcode("E00001L9").unwrap().unwrap();
    assert_eq!(
        (volume.state, volume.state_reason.as_str()),
        (VolumeState::Suspect, "write error")
    );
    assert_eq!(catalog.volumes().unwrap().len(), 2);
    assert!(catalog.volume_by_barcode("E00009L9").unwrap().is_none());
    let names: Vec<String> = catalog
        .jobs()
        .unwrap()
        .into_iter()
        .map(|job| job.start.what.name)
        .collect();
    assert_eq!(names, ["job1", "job2", "job3"]);
    assert_eq!(
        catalog.job("job2").unwrap().unwrap().start.what.job,
        job_id(2)
    );
    let by_id = catalog.job(&job_id(3).to_string()).unwrap().unwrap();
    assert!(by_id.finish.is_none());
    let numbers: Vec<u32> = catalog
        .receipts_of_volume(&volume_id(1))
        .unwrap()
        .iter()
        .map(|receipt| receipt.what.receipt.segment_number)
        .collect();
    assert_eq!(numbers, [1, 3]);
    let last = catalog.last_receipt(&volume_id(1)).unwrap().unwrap();
    assert_eq!(last.what.receipt, receipt(3, 1, 3));
    assert_eq!(catalog.receipts_of_job(&job_id(2)).unwrap().len(), 1);
    assert!(catalog.last_receipt(&volume_id(7)).unwrap().is_none());
}

#[test]
fn a_new_label_retires_the_volume_it_overwrote() {
    let (_directory, catalog) = filled();
    let Event::VolumeLabelled(mut label) = labelled(1) else {
        unreachable!()
    };
    label.volume = volume_id(8);
    label.replaces = Some(volume_id(1));
    catalog
        .append(at(70), &Event::VolumeLabelled(label))
        .unwrap();
    let newest = catalog.volume_by_barcode("E00001L9").unwrap().unwrap();
    assert_eq!(newest.label.what.volume, volume_id(8));
    assert!(
        catalog
            .volume(&volume_id(1))
            .unwrap()
            .unwrap()
            .retired
            .is_some()
    );
    assert_eq!(
        found(&catalog, "home/c", &FindOptions::default()),
        ["home/c@job2"]
    );
}

#[test]
fn what_is_known_is_not_written_again() {
    let (directory, catalog) = filled();
    let ledger = directory.path().join(catalogs::LEDGER_FILE);
    let before = std::fs::read(&ledger).unwrap();
    let again = [
        catalog.append(at(80), &labelled(1)).unwrap(),
        catalog
            .append(at(80), &started(1, "job1", &["home"], &[]))
            .unwrap(),
        catalog
            .commit(at(80), receipt(3, 1, 3), vec![file("home/c", 3)])
            .unwrap(),
    ];
    assert!(again.iter().all(|appended| appended.known));
    assert_eq!(std::fs::read(&ledger).unwrap(), before);
}

#[test]
fn refusals_record_nothing() {
    let (directory, catalog) = filled();
    let ledger = directory.path().join(catalogs::LEDGER_FILE);
    let before = std::fs::read(&ledger).unwrap();
    let unknown_job = catalog.commit(at(90), receipt(9, 1, 5), vec![]);
    assert!(matches!(
        unknown_job,
        Err(CatalogError::Ledger(LedgerError::Unwritable { .. }))
    ));
    let unknown_volume = catalog.commit(at(90), receipt(1, 9, 5), vec![]);
    assert!(matches!(
        unknown_volume,
        Err(CatalogError::Ledger(LedgerError::Unwritable { .. }))
    ));
    let bad_entries = [
        Entry {
            path: b"../x".to_vec(),
            ..file("x", 1)
        },
        Entry {
            path: b"/x".to_vec(),
            ..file("x", 1)
        },
        Entry {
            path: b"x\0".to_vec(),
            ..file("x", 1)
        },
        Entry {
            path: vec![],
            ..file("x", 1)
        },
        Entry {
            path: vec![b'x'; 65_536],
            ..file("x", 1)
        },
        Entry {
            offset_bytes: RECORD_BYTES,
            ..file("x", 1)
        },
        Entry {
            block: u64::MAX,
            ..file("x", 1)
        },
        Entry {
            mtime: FileTime {
                seconds: 0,
                nanoseconds: 1_000_000_000,
            },
            ..file("x", 1)
        },
        Entry {
            part: Some(Part {
                number: 0,
                offset_bytes: 0,
                last: true,
            }),
            ..file("x", 1)
        },
    ];
    for entry in bad_entries {
        let refused = catalog.commit(at(90), receipt(1, 1, 5), vec![entry.clone()]);
        assert!(
            matches!(refused, Err(CatalogError::Entries(_))),
            "{entry:?}"
        );
    }
    assert_eq!(std::fs::read(&ledger).unwrap(), before);
    drop(catalog);
    let catalog = open(directory.path());
    let removed = catalog.take_notices();
    assert!(
        removed
            .iter()
            .all(|notice| matches!(notice, Notice::StrayRemoved { .. }))
    );
    assert_eq!(catalog.check().unwrap().receipts, 3);
}

#[test]
fn of_two_creators_one_wins() {
    let (directory, _catalog) = filled();
    let second = Catalog::create(
        directory.path(),
        at(0),
        uuid::Uuid::from_u128(2),
        "test 1",
        quick(),
    );
    assert!(matches!(
        second,
        Err(CatalogError::Ledger(LedgerError::Exists { .. }))
    ));
    let nowhere = Catalog::open(&directory.path().join("none"), quick());
    assert!(matches!(
        nowhere,
        Err(CatalogError::Ledger(LedgerError::Missing { .. }))
    ));
}

#[test]
fn handles_see_each_others_commits_while_one_holds_the_index() {
    let (directory, holder) = filled();
    assert_eq!(holder.volumes().unwrap().len(), 2);
    let other = open(directory.path());
    other.append(at(95), &labelled(3)).unwrap();
    assert_eq!(other.volumes().unwrap().len(), 3);
    let pid = Some(std::process::id());
    assert!(other.take_notices().contains(&Notice::IndexBusy { pid }));
    other
        .commit(at(96), receipt(3, 3, 4), vec![file("late", 1)])
        .unwrap();
    assert_eq!(
        found(&holder, "late", &FindOptions::default()),
        ["late@job3"]
    );
    holder.release_index();
    let third = open(directory.path());
    assert_eq!(
        found(&third, "late", &FindOptions::default()),
        ["late@job3"]
    );
    assert_eq!(third.take_notices(), []);
}
