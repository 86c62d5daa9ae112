//! Segments that are committed side by side, and catalogs that are opened meanwhile.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use catalogs::{Catalog, ENTRIES_DIRECTORY, FindOptions};

use crate::support::{at, create_with_job, file, find, open, quick, receipt};

const THREADS: u64 = 4;
const SEGMENTS: u64 = 6;
/// Enough for each to take a while.
const FILES: u64 = 2_000;

fn commit(catalog: &Catalog, segment: u64) -> bool {
    let name = |number: u64| format!("home/of-{segment}/file-{number}");
    let entries = (0..FILES).map(|number| file(name(number), 1)).collect();
    let committed = catalog.commit(at(100), receipt(1, 1, segment), entries);
    committed.unwrap().known
}

#[test]
fn segments_committed_side_by_side_are_all_there_while_others_open_the_catalog() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            // Each opening looks for drafts that nobody writes any more.
            let mut opened = 0;
            while !done.load(Ordering::Relaxed) {
                Catalog::open(directory.path(), quick()).unwrap();
                opened += 1;
            }
            opened
        });
        let committing: Vec<_> = (0..THREADS)
            .map(|thread| {
                let catalog = &catalog;
                scope.spawn(move || {
                    for number in 0..SEGMENTS {
                        assert!(!commit(catalog, 1 + thread * SEGMENTS + number));
                    }
                })
            })
            .collect();
        let committed: Vec<_> = committing.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(opening.join().unwrap() > 0);
        committed.into_iter().for_each(|ended| ended.unwrap());
    });
    let hits = find(&catalog, "", &FindOptions::default());
    assert_eq!(hits.len() as u64, THREADS * SEGMENTS * FILES);
    assert!(catalog.check().unwrap().damaged.is_empty());
}

#[test]
fn a_segment_committed_twice_at_once_is_recorded_once_and_leaves_no_draft() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let other = open(directory.path());
    let known = std::thread::scope(|scope| {
        let each = [&catalog, &catalog, &other].map(|at| scope.spawn(|| commit(at, 1)));
        each.map(|thread| thread.join().unwrap())
    });
    assert_eq!(
        known.iter().filter(|known| !**known).count(),
        1,
        "{known:?}"
    );
    let files = fs::read_dir(directory.path().join(ENTRIES_DIRECTORY)).unwrap();
    assert_eq!(files.count(), 1);
}

#[test]
fn a_commit_that_fails_leaves_no_draft() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let entries = vec![file("home/a", 1), file("home/../b", 1)];
    assert!(catalog.commit(at(100), receipt(1, 1, 1), entries).is_err());
    let files = fs::read_dir(directory.path().join(ENTRIES_DIRECTORY)).unwrap();
    assert_eq!(files.count(), 0);
}
