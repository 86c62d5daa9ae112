//! A ledger that lost lines while its own chain is whole: each way to lose them is told, nothing
//! that tells of them is removed, and accepting or putting back the ledger ends it.

use std::fs;
use std::path::{Path, PathBuf};

use catalogs::{Catalog, CatalogError, LEDGER_FILE, LedgerError, LostLines, Notice};
use uuid::Uuid;

use crate::support::*;

/// A catalog of two moments: its ledger at the first, and all of it at the second.
struct Twice {
    directory: tempfile::TempDir,
    early: Vec<u8>,
    late: Vec<u8>,
    answers: Vec<String>,
}

const EARLY_LINES: u64 = 6;

fn twice() -> Twice {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    let answers = answers(&catalog);
    drop(catalog);
    let late = fs::read(directory.path().join(LEDGER_FILE)).unwrap();
    let lines = late.split_inclusive(|&byte| byte == b'\n');
    let early = lines.take(EARLY_LINES as usize).collect::<Vec<_>>();
    Twice {
        early: early.concat(),
        late,
        answers,
        directory,
    }
}

fn entry_files(directory: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(directory.join("entries")).unwrap();
    let mut paths: Vec<PathBuf> = listing.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

fn remove(directory: &Path, names: &[&str]) {
    for name in names {
        let path = directory.join(name);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

#[test]
fn a_ledger_put_back_from_an_older_copy_is_told_by_each_witness_alone() {
    let cases: [(&str, &[&str]); 4] = [
        ("all witnesses", &[]),
        ("ledger.seen", &["index", "entries"]),
        ("entry files", &["index", "ledger.seen"]),
        ("the index", &["ledger.seen", "entries"]),
    ];
    for (witness, gone) in cases {
        let Twice {
            directory,
            early,
            late,
            answers: before,
        } = twice();
        let path = directory.path();
        fs::write(path.join(LEDGER_FILE), &early).unwrap();
        // What the older ledger names stays, or its answers would not tell.
        let kept = entry_files(path);
        remove(path, gone);
        fs::create_dir_all(path.join("entries")).unwrap();
        let catalog = open(path);
        answers_if_any(&catalog);
        let lost = catalog.lost_lines().unwrap_or_else(|| panic!("{witness}"));
        assert_eq!(lost.has, EARLY_LINES, "{witness}");
        assert!(lost.had > EARLY_LINES, "{witness}");
        let told = Notice::LinesLost(lost);
        assert!(catalog.take_notices().contains(&told), "{witness}");
        // It stays known: whatever is appended, and when the catalog is opened again.
        for number in 20..40 {
            catalog.append(at(300), &labelled(number)).unwrap();
        }
        drop(catalog);
        let catalog = open(path);
        assert!(catalog.lost_lines().is_some(), "{witness}, opened again");
        if !gone.contains(&"entries") {
            assert_eq!(entry_files(path), kept, "{witness}: no entry file goes");
        }
        drop(catalog);
        fs::write(path.join(LEDGER_FILE), &late).unwrap();
        let catalog = open(path);
        assert_eq!(catalog.lost_lines(), None, "{witness}, put back");
        if gone.contains(&"entries") {
            continue;
        }
        assert_eq!(answers(&catalog), before, "{witness}, put back");
        assert_eq!(entry_files(path), kept, "{witness}, put back");
    }
}

/// Asks, so that the index is opened; entry files may be missing.
fn answers_if_any(catalog: &Catalog) {
    catalog.volumes().unwrap();
}

#[test]
fn a_whole_ledger_has_no_lost_lines() {
    let Twice { directory, .. } = twice();
    for gone in [&[][..], &["ledger.seen"], &["index"]] {
        remove(directory.path(), gone);
        let catalog = open(directory.path());
        assert_eq!(catalog.lost_lines(), None, "{gone:?}");
        answers(&catalog);
        assert_eq!(catalog.lost_lines(), None, "{gone:?}");
        let seen = |notice: &Notice| matches!(notice, Notice::LinesLost(_));
        assert!(!catalog.take_notices().iter().any(seen), "{gone:?}");
        assert_eq!(catalog.accept_ledger().unwrap(), 0);
        catalog.append(at(300), &labelled(9)).unwrap();
    }
}

#[test]
fn a_leftover_of_a_killed_commit_is_no_loss() {
    let Twice { directory, .. } = twice();
    let path = directory.path();
    let lines = fs::read_to_string(path.join(LEDGER_FILE)).unwrap();
    let next = lines.lines().count() as u64 + 1;
    for (gone, number) in [(false, next), (false, next + 5), (true, next)] {
        if gone {
            remove(path, &["ledger.seen"]);
        }
        let leftover = format!("entries/{number:010}-{}.entries", segment_id(70));
        let draft = format!("entries/{number:010}-{}.tmp", segment_id(71));
        for name in [&leftover, &draft] {
            fs::write(path.join(name), "x").unwrap();
        }
        let catalog = open(path);
        assert_eq!(catalog.lost_lines(), None, "{gone} {number}");
        for name in [&leftover, &draft] {
            assert!(!path.join(name).exists(), "{gone} {number}: {name}");
        }
    }
}

#[test]
fn a_ledger_gone_or_empty_is_told_and_none_is_made_in_its_place() {
    let gone = |opened: Result<Catalog, CatalogError>| match opened.map(|_| ()) {
        Err(CatalogError::Ledger(LedgerError::Gone { .. })) => true,
        Err(CatalogError::Ledger(LedgerError::Missing { .. })) => false,
        other => panic!("{other:?}"),
    };
    let create_there =
        |path: &Path| Catalog::create(path, at(0), Uuid::from_u128(2), "test", quick());
    for empty in [true, false] {
        for left in [&["index", "entries"][..], &["ledger.seen"], &["entries"]] {
            let Twice { directory, .. } = twice();
            let path = directory.path();
            match empty {
                true => fs::write(path.join(LEDGER_FILE), "").unwrap(),
                false => remove(path, &[LEDGER_FILE]),
            }
            for name in ["index", "ledger.seen", "entries"] {
                if !left.contains(&name) {
                    remove(path, &[name]);
                }
            }
            assert!(Catalog::exists(path), "{empty} {left:?}");
            assert!(gone(Catalog::open(path, quick())), "{empty} {left:?}");
            assert!(gone(create_there(path)), "{empty} {left:?}");
        }
    }
    let nothing = tempfile::tempdir().unwrap();
    fs::create_dir(nothing.path().join("entries")).unwrap();
    assert!(!Catalog::exists(nothing.path()));
    assert!(!gone(Catalog::open(nothing.path(), quick())));
    fs::write(nothing.path().join(LEDGER_FILE), "").unwrap();
    assert!(
        gone(create_there(nothing.path())),
        "an empty ledger was one"
    );
}

#[test]
fn a_catalog_made_anew_counts_as_lost_until_the_tapes_were_read() {
    let Twice {
        directory, answers, ..
    } = twice();
    let path = directory.path();
    let original = tempfile::tempdir().unwrap();
    copy_truth(path, original.path());
    let original = open(original.path());
    fs::write(path.join(LEDGER_FILE), "").unwrap();
    let catalog = Catalog::create_anew(path, at(500), Uuid::from_u128(2), "test", quick()).unwrap();
    let lost = LostLines {
        had: fs::read_to_string(original.directory().join(LEDGER_FILE))
            .unwrap()
            .lines()
            .count() as u64,
        has: 1,
    };
    assert_eq!(catalog.lost_lines(), Some(lost));
    assert_eq!(catalog.unnamed_entry_files().unwrap().len(), 3);
    // Volume 1 is read again, volume 2 is not at hand.
    for event in [labelled(1), started(1, "job1", &["home"], &["*.tmp"])] {
        catalog.append(at(501), &event).unwrap();
    }
    catalog
        .append(at(502), &started(3, "job3", &["home"], &[]))
        .unwrap();
    for record in original.receipts_of_volume(&volume_id(1)).unwrap() {
        let entries = original.entries_in_tape_order(&record.what).unwrap();
        catalog
            .commit(at(503), record.what.receipt, entries)
            .unwrap();
    }
    assert_eq!(catalog.accept_ledger().unwrap(), 1, "of volume 2");
    assert_eq!(catalog.lost_lines(), None);
    assert_eq!(fs::read_dir(path.join("lost")).unwrap().count(), 1);
    assert_eq!(entry_files(path).len(), 2);
    drop(catalog);
    let catalog = open(path);
    assert_eq!(catalog.lost_lines(), None);
    assert!(catalog.check().unwrap().damaged.is_empty());
    let of_first = |line: &&String| !line.ends_with("@job2");
    let plain = |line: &String| line.trim_start_matches('!').to_owned();
    let expected: Vec<String> = answers.iter().filter(of_first).map(plain).collect();
    assert_eq!(
        crate::support::answers(&catalog)
            .iter()
            .map(plain)
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_ledger_that_shrinks_under_an_open_catalog_is_not_appended_to() {
    let Twice {
        directory, early, ..
    } = twice();
    let catalog = open(directory.path());
    fs::write(directory.path().join(LEDGER_FILE), &early).unwrap();
    let refused = catalog.append(at(600), &labelled(60)).map(|_| ());
    assert!(
        matches!(
            refused,
            Err(CatalogError::Ledger(LedgerError::Shrunk { .. }))
        ),
        "{refused:?}"
    );
    let kept = fs::read(directory.path().join(LEDGER_FILE)).unwrap();
    assert_eq!(kept, early);
}
