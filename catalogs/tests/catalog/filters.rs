//! Filters of names: files with, without and with damaged ones answer alike, and a file that does
//! not hold a name is not opened.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use catalogs::{Catalog, FindOptions, Pattern};
use zstd::zstd_safe::find_frame_compressed_size;

use crate::support::*;

const TRAILER_BYTES: usize = 40;

/// What becomes of the filter of an entry file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Whole,
    /// The file is as one written before there were filters.
    Without,
    /// It is damaged before the index is made, and with it the footer.
    DamagedFooter,
    /// It is damaged after the index was made.
    DamagedLater,
}

pub const FATES: [Fate; 4] = [
    Fate::Whole,
    Fate::Without,
    Fate::DamagedFooter,
    Fate::DamagedLater,
];

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Where the footer of an entry file is, by its trailer.
fn footer(file: &[u8]) -> Range<usize> {
    let trailer = file.len() - TRAILER_BYTES;
    let at = u64::from_le_bytes(file[trailer..trailer + 8].try_into().unwrap());
    at as usize..trailer
}

/// Where the filter with the head of its frame is, by `docs/catalog.md`.
pub fn filter(file: &[u8]) -> Range<usize> {
    let Range { start, end } = footer(file);
    let frame = find_frame_compressed_size(&file[start + 4..end]).unwrap();
    start + 4 + frame..end
}

/// The file without its filter, as it was written before.
fn without_filter(file: &[u8]) -> Vec<u8> {
    let filter = filter(file);
    let mut old = [&file[..filter.start], &file[filter.end..]].concat();
    let Range { start, end } = footer(&old);
    let crc = crc32fast::hash(&old[start..end]);
    old[end + 24..end + 28].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&old[end..end + 28]);
    old[end + 28..end + 32].copy_from_slice(&crc.to_le_bytes());
    old
}

pub fn entry_files(directory: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(directory.join(catalogs::ENTRIES_DIRECTORY)).unwrap();
    let mut paths: Vec<PathBuf> = listing.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

fn change(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let file = fs::read(path).unwrap();
    fs::write(path, change(file)).unwrap();
}

fn damage(path: &Path) {
    change(path, |mut file| {
        let lines = filter(&file);
        file[lines.start + 12..lines.end].fill(0);
        file
    });
}

/// Gives the filters of the entry files their fates, by turns, and has the index made.
pub fn decide(catalog: &Catalog, fates: &[Fate]) {
    let files = entry_files(catalog.directory());
    let fates = || files.iter().zip(fates.iter().cycle());
    for (path, fate) in fates() {
        let empty = filter(&fs::read(path).unwrap()).is_empty();
        match fate {
            _ if empty => {}
            Fate::Without => change(path, |file| without_filter(&file)),
            Fate::DamagedFooter => damage(path),
            Fate::Whole | Fate::DamagedLater => {}
        }
    }
    catalog.volumes().unwrap();
    for (path, fate) in fates() {
        let empty = filter(&fs::read(path).unwrap()).is_empty();
        if *fate == Fate::DamagedLater && !empty {
            damage(path);
        }
    }
}

/// Twenty receipts whose names reach from one end to the other.
fn twenty(directory: &Path) -> Catalog {
    let catalog = create_with_job(directory);
    for segment in 1..=20 {
        let own = (0..30).map(|number| format!("d{segment}/e/f{number:02}"));
        let ends = ["a".to_owned(), "z/z".to_owned()];
        let names = own.chain(ends).chain([format!("d{segment}x")]);
        let entries = names.map(|name| file(name, segment)).collect();
        catalog
            .commit(at(2), receipt(1, 1, segment), entries)
            .unwrap();
    }
    catalog
}

#[test]
fn the_footer_reads_as_before_there_were_filters() {
    let directory = tempfile::tempdir().unwrap();
    drop(twenty(directory.path()));
    for path in entry_files(directory.path()) {
        let file = fs::read(path).unwrap();
        let footer = footer(&file);
        let plain_bytes = u32_at(&file, footer.end + 8) as usize;
        let stored = &file[footer.start..footer.end];
        assert_eq!(crc32fast::hash(stored), u32_at(&file, footer.end + 24));
        // A decompressor passes over the frame with the filter.
        let plain = zstd::bulk::decompress(&stored[4..], plain_bytes).unwrap();
        assert_eq!(plain.len(), plain_bytes);
        let filter = &file[filter(&file)];
        assert_eq!(u32_at(filter, 0), 0x184d_2a5e);
        assert_eq!(u32_at(filter, 4) as usize, filter.len() - 8);
        assert_eq!(&filter[8..12], b"TWNF");
        // 33 names and 3 directories.
        assert_eq!(filter.len(), 12 + 64);
        let old = without_filter(&file);
        assert_eq!(old.len(), file.len() - filter.len());
    }
}

#[test]
fn a_receipt_that_does_not_hold_a_name_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = twenty(directory.path());
    catalog.volumes().unwrap();
    for path in entry_files(directory.path()) {
        change(&path, |mut file| {
            let blocks = ..footer(&file).start;
            file[blocks].fill(0);
            file
        });
    }
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let cases = [
        ("d7/e/f03", 1),
        ("d7x", 1),
        ("d7", 1),
        ("d7/e", 1),
        ("d7/e/f*", 1),
        ("d7/**", 1),
        ("d70", 0),
        ("d7/e/f", 0),
        ("b/c", 0),
        ("a", 20),
        ("z", 20),
    ];
    // In the later rounds the filters are in memory.
    for round in 0..5 {
        for options in [FindOptions::default(), all] {
            for (pattern, opened) in cases {
                let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
                let hits = catalog.find(&pattern, &options).unwrap();
                let failed = hits.inspect(|hit| assert!(hit.is_err())).count();
                assert_eq!(failed, opened, "{pattern:?}, round {round}");
            }
        }
        let view = catalog.view(&FindOptions::default()).unwrap();
        assert!(view.entry(b"d7/e/f").unwrap().is_none());
        assert!(view.entry(b"d7/e/f05").is_err());
        // By its children and by what lies deeper.
        let failed = view.children(b"d7").filter(Result::is_err);
        assert_eq!(failed.count(), 2);
        assert_eq!(view.children(b"absent").count(), 0);
    }
}

#[test]
fn whatever_becomes_of_filters_every_name_is_found() {
    for fate in FATES {
        let directory = tempfile::tempdir().unwrap();
        let catalog = twenty(directory.path());
        let expected = answers(&catalog);
        let names: Vec<Vec<u8>> = find(&catalog, "", &FindOptions::default())
            .into_iter()
            .map(|hit| hit.entry.path)
            .collect();
        drop(catalog);
        fs::remove_dir_all(directory.path().join("index")).unwrap();
        let catalog = open(directory.path());
        decide(&catalog, &[fate, Fate::Whole]);
        assert_eq!(answers(&catalog), expected, "{fate:?}");
        let view = catalog.view(&FindOptions::default()).unwrap();
        for round in 0..4 {
            for name in &names {
                let held = view.entry(name).unwrap();
                assert!(held.is_some(), "{fate:?}, round {round}");
            }
        }
        for (directory, children) in [("d7", 1), ("d8/e", 30), ("z", 1), ("", 42)] {
            let names = view.children(directory.as_bytes());
            let count = names.map(Result::unwrap).count();
            assert_eq!(count, children, "{fate:?}: {directory}");
        }
    }
}

#[test]
fn no_flipped_bit_of_a_filter_hides_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let names = ["a/b", "a/c", "d"];
    let entries = names.iter().map(|name| file(name, 1)).collect();
    catalog.commit(at(2), receipt(1, 1, 1), entries).unwrap();
    catalog.volumes().unwrap();
    let path = entry_files(directory.path()).remove(0);
    let good = fs::read(&path).unwrap();
    for at in filter(&good) {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(&path, bad).unwrap();
            let view = catalog.view(&FindOptions::default()).unwrap();
            for name in ["a/b", "a/c", "d", "a"] {
                assert!(!find(&catalog, name, &FindOptions::default()).is_empty());
            }
            assert!(view.entry(b"a/c").unwrap().is_some(), "byte {at}");
        }
    }
}
