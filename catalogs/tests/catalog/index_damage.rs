//! The index deleted, damaged, foreign or half made: same answers, unasked.

use std::fs;
use std::path::{Path, PathBuf};

use catalogs::Notice;

use crate::support::*;

fn with_index(source: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_truth(source, copy.path());
    answers(&open(copy.path()));
    copy
}

fn index_files(directory: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(directory.join("index")).unwrap();
    let mut files: Vec<PathBuf> = listing
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn rebuilt(notices: &[Notice]) -> bool {
    notices
        .iter()
        .any(|notice| matches!(notice, Notice::IndexRebuilt { .. }))
}

#[test]
fn a_sound_index_is_used_and_a_lost_one_made_anew() {
    let sample = tempfile::tempdir().unwrap();
    let catalog = create(sample.path());
    fill(&catalog);
    let expected = answers(&catalog);
    drop(catalog);
    let copy = with_index(sample.path());
    let catalog = open(copy.path());
    assert_eq!(answers(&catalog), expected);
    assert_eq!(catalog.take_notices(), []);
    catalog.rebuild_index().unwrap();
    assert_eq!(answers(&catalog), expected);
    drop(catalog);
    fs::remove_dir_all(copy.path().join("index")).unwrap();
    assert_eq!(answers(&open(copy.path())), expected);
    fs::remove_dir_all(copy.path().join("index")).unwrap();
    fs::write(copy.path().join("index"), "not a directory").unwrap();
    assert_eq!(answers(&open(copy.path())), expected);
}

#[test]
fn damage_anywhere_in_the_index_changes_no_answer() {
    let sample = tempfile::tempdir().unwrap();
    let catalog = create(sample.path());
    fill(&catalog);
    let expected = answers(&catalog);
    drop(catalog);
    let sound = with_index(sample.path());
    let mut random = Random(0x7a9e);
    let mut rebuilds = 0;
    for round in 0..60 {
        let copy = tempfile::tempdir().unwrap();
        copy_truth(sample.path(), copy.path());
        fs::create_dir(copy.path().join("index")).unwrap();
        let files = index_files(sound.path());
        let victim = random.below(files.len() as u64) as usize;
        let mut what = String::new();
        for (number, path) in files.iter().enumerate() {
            let mut bytes = fs::read(path).unwrap();
            if number == victim && !bytes.is_empty() {
                // Most of the database file is unused: damage where there is something.
                let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) as u64 + 1;
                let at = random.below(used) as usize;
                match round % 4 {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes.truncate(at),
                    2 => bytes[at..].fill(0),
                    _ => bytes[at..]
                        .iter_mut()
                        .for_each(|byte| *byte = random.below(256) as u8),
                }
                what = format!("round {round}, {} at {at}", path.display());
            }
            fs::write(
                copy.path().join("index").join(path.file_name().unwrap()),
                bytes,
            )
            .unwrap();
        }
        let catalog = open(copy.path());
        assert_eq!(answers(&catalog), expected, "{what}");
        rebuilds += u64::from(rebuilt(&catalog.take_notices()));
        drop(catalog);
        let catalog = open(copy.path());
        assert_eq!(answers(&catalog), expected, "{what}, opened again");
        assert_eq!(catalog.take_notices(), [], "{what}, opened again");
    }
    assert!(rebuilds > 0, "no round did real damage");
}

#[test]
fn an_index_of_another_or_a_longer_ledger_is_not_believed() {
    let short = tempfile::tempdir().unwrap();
    let catalog = create(short.path());
    catalog.append(at(1), &labelled(5)).unwrap();
    let few = answers(&catalog);
    drop(catalog);
    let long = tempfile::tempdir().unwrap();
    let catalog = create(long.path());
    fill(&catalog);
    let many = answers(&catalog);
    drop(catalog);
    let cases = [(&short, &few, &long), (&long, &many, &short)];
    for (truth, expected, index) in cases {
        answers(&open(truth.path()));
        let copy = with_index(truth.path());
        fs::remove_dir_all(copy.path().join("index")).unwrap();
        let foreign = with_index(index.path());
        fs::rename(foreign.path().join("index"), copy.path().join("index")).unwrap();
        let catalog = open(copy.path());
        assert_eq!(&answers(&catalog), expected);
        assert!(rebuilt(&catalog.take_notices()));
    }
}

#[test]
fn half_a_snapshot_from_a_killed_open_is_cleared_away() {
    let sample = tempfile::tempdir().unwrap();
    let catalog = create(sample.path());
    fill(&catalog);
    let expected = answers(&catalog);
    drop(catalog);
    let half = sample
        .path()
        .join("index")
        .join("snap.00000000000000FF.generating");
    fs::write(&half, b"half").unwrap();
    let catalog = open(sample.path());
    assert_eq!(answers(&catalog), expected);
    assert_eq!(catalog.take_notices(), []);
    assert!(!half.exists());
}
