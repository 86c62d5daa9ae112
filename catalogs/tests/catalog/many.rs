//! Receipts of many blocks, and how they scale.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use catalogs::model::{Entry, FileTime};
use catalogs::{Catalog, CatalogError, FindOptions, OpenOptions, Pattern, Reading};

use crate::filters::entry_files;
use crate::support::*;

/// Names of a tree: ordinary ones, some that share more than an index key holds, some repeated.
fn names() -> Vec<String> {
    let long = "d".repeat(250);
    let mut names = Vec::new();
    for number in 0..1_500u32 {
        names.push(format!("tree/{:03}/{number:05}", number / 40));
        names.push(format!("tree/{long}/{long}/{long}/{number:05}"));
    }
    names.extend(std::iter::repeat_n("tree/parts".to_owned(), 600));
    names
}

#[test]
fn every_name_in_many_blocks_is_found_by_itself_and_in_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let names = names();
    for segment in [1, 2] {
        let half = names
            .iter()
            .enumerate()
            .filter(|(at, _)| *at as u64 % 2 == segment - 1);
        let entries: Vec<Entry> = half.map(|(at, name)| file(name, at as u64)).collect();
        catalog
            .commit(at(2), receipt(1, 1, segment), entries)
            .unwrap();
    }
    let options = FindOptions::default();
    for name in names.iter().step_by(7).chain(names.last()) {
        let expected = if name == "tree/parts" { 600 } else { 1 };
        let hits = catalog
            .find(&Pattern::tree(name.as_bytes()).unwrap(), &options)
            .unwrap();
        let found: Vec<Vec<u8>> = hits.map(|hit| hit.unwrap().entry.path).collect();
        assert_eq!(found.len(), expected, "{name}");
        assert!(found.iter().all(|path| path == name.as_bytes()));
    }
    assert_eq!(find(&catalog, "tree/007", &options).len(), 40);
    assert_eq!(find(&catalog, "tree/00?/*", &options).len(), 400);
    assert_eq!(find(&catalog, "", &options).len(), names.len());
    assert_eq!(find(&catalog, "tree/*", &options).len(), 600);
}

/// Many names over receipts by turns, each receipt with its names in no order.
fn turns(directory: &Path, receipts: u64) -> (Catalog, Vec<String>) {
    let catalog = create_with_job(directory);
    let name = |number: u64| format!("d{:03}/f{number:05}", number / 500);
    for segment in 1..=receipts {
        // More than the entries that are encoded together.
        let numbers = (0..40_000).map(|number| number * 7_919 % 40_000);
        let own = numbers.filter(|number| number % receipts == segment - 1);
        let entries: Vec<Entry> = own.map(|number| file(name(number), 1)).collect();
        catalog
            .commit(at(2), receipt(1, 1, segment), entries)
            .unwrap();
    }
    (catalog, (0..40_000).map(name).collect())
}

#[test]
fn a_search_passes_over_blocks_without_losing_a_name() {
    let cases = [
        ("", Reading::Name),
        ("f00000", Reading::Substring),
        ("/d07", Reading::Substring),
        ("d07", Reading::Substring),
        ("/f399", Reading::Substring),
        ("77/f3", Reading::Substring),
        ("nowhere", Reading::Substring),
        ("\0", Reading::Substring),
        ("", Reading::Substring),
        ("0[05]00$", Reading::Regex),
        ("/f0", Reading::Regex),
        ("**/f2?000", Reading::Name),
        ("d01[0-3]/*7", Reading::Name),
        ("d079", Reading::Name),
        ("d079/f39999", Reading::Name),
    ];
    for receipts in [1, 7] {
        let directory = tempfile::tempdir().unwrap();
        let (catalog, names) = turns(directory.path(), receipts);
        let report = catalog.check().unwrap();
        assert!(report.damaged.is_empty() && report.entries == 40_000);
        for (text, reading) in cases {
            let pattern = Pattern::read(text.as_bytes(), reading, false).unwrap();
            let hits = catalog.find(&pattern, &FindOptions::default()).unwrap();
            let found: Vec<Vec<u8>> = hits.map(|hit| hit.unwrap().entry.path).collect();
            let all = names.iter().map(|name| name.clone().into_bytes());
            let expected: Vec<Vec<u8>> = all.filter(|path| pattern.matches(path)).collect();
            assert_eq!(found, expected, "{text}, {receipts} receipts");
            let none = matches!(text, "nowhere" | "\0");
            assert_eq!(expected.is_empty(), none, "{text}");
        }
    }
}

#[test]
fn a_search_ends_when_it_is_dropped_or_stopped_and_tells_damage_once() {
    let directory = tempfile::tempdir().unwrap();
    let (catalog, names) = turns(directory.path(), 7);
    let pattern = Pattern::read(b"f", Reading::Substring, false).unwrap();
    let find = || catalog.find(&pattern, &FindOptions::default()).unwrap();
    let first = find().next().unwrap().unwrap();
    assert_eq!(first.entry.path, names[0].as_bytes());
    // In the middle of the fourth file.
    let path = entry_files(directory.path()).remove(3);
    let mut file = std::fs::read(&path).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 1;
    std::fs::write(&path, file).unwrap();
    let (found, failed): (Vec<_>, Vec<_>) = find().partition(Result::is_ok);
    assert_eq!(failed.len(), 1);
    let found: Vec<Vec<u8>> = found
        .into_iter()
        .map(|hit| hit.unwrap().entry.path)
        .collect();
    let of_others = names.iter().zip(0..).filter(|(_, number)| number % 7 != 3);
    for (name, _) in of_others {
        let place = found.binary_search_by(|path| path.as_slice().cmp(name.as_bytes()));
        assert!(place.is_ok(), "{name}");
    }
    let flag = Arc::new(AtomicBool::new(false));
    catalog.stop_by(Arc::clone(&flag));
    let mut hits = find();
    hits.next().unwrap().unwrap();
    flag.store(true, Ordering::Relaxed);
    let last = hits.by_ref().take(2 * names.len()).last().unwrap();
    assert!(matches!(last, Err(CatalogError::Stopped)));
    assert!(hits.next().is_none());
}

/// `cargo test --release -p catalogs -- --ignored --nocapture scale`
#[test]
#[ignore = "a measurement; prints bytes and rates for a million entries"]
fn scale_of_a_million_entries() {
    const ENTRIES: u64 = 1_000_000;
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let mut place = 0u64;
    let name = |number: u64| {
        format!(
            "home/user{:02}/projects/p{:04}/src/module_{:03}/file_{:07}.rs",
            number / 100_000,
            number / 2_000,
            number / 50 % 40,
            number
        )
    };
    let entries: Vec<Entry> = (0..ENTRIES)
        .map(|number| {
            let entry = file(name(number), 1);
            let mtime = FileTime {
                nanoseconds: entry.mtime.nanoseconds,
                ..entry.mtime
            };
            let (block, offset) = (place / 524_288, (place % 524_288) as u32);
            place += entry.member_bytes;
            Entry {
                block,
                offset_bytes: offset,
                mtime,
                ..entry
            }
        })
        .collect();
    let rate = |what: &str, begun: Instant, count: u64| {
        let seconds = begun.elapsed().as_secs_f64();
        println!("{what}: {seconds:.3} s, {:.0}/s", count as f64 / seconds);
    };
    let begun = Instant::now();
    catalog.commit(at(2), receipt(1, 1, 1), entries).unwrap();
    rate("commit", begun, ENTRIES);
    let bytes = catalog
        .last_receipt(&volume_id(1))
        .unwrap()
        .unwrap()
        .what
        .entry_file
        .bytes;
    println!(
        "entry file: {:.1} bytes/entry",
        bytes as f64 / ENTRIES as f64
    );
    drop(catalog);
    let begun = Instant::now();
    let catalog = open(directory.path());
    catalog.volumes().unwrap();
    rate("open with index", begun, 1);
    let begun = Instant::now();
    let options = FindOptions::default();
    for number in (0..ENTRIES).step_by(1_000) {
        assert_eq!(find(&catalog, &name(number), &options).len(), 1);
    }
    rate("exact lookups", begun, 1_000);
    let begun = Instant::now();
    assert_eq!(find(&catalog, "**/file_0999999.*", &options).len(), 1);
    rate("scan by glob", begun, ENTRIES);
    let begun = Instant::now();
    let memory = OpenOptions {
        memory_index: true,
        ..quick()
    };
    let other = catalogs::Catalog::open(directory.path(), memory).unwrap();
    other.volumes().unwrap();
    rate("index in memory", begun, ENTRIES);
    let begun = Instant::now();
    catalog.rebuild_index().unwrap();
    catalog.volumes().unwrap();
    rate("index rebuilt", begun, ENTRIES);
}
