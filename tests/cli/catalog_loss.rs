//! The catalog is expendable: each loss is met, and the answers are the same as before.

use std::fs;
use std::path::Path;

use crate::harness::{Place, assert_same_tree, random_files, restored};

/// A place with two jobs on a tape, and what `find` says of them.
fn archived() -> (Place, std::path::PathBuf, Vec<String>) {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source, 11, 30, 5_000);
    place
        .run(["archive", "--pool", "p", "--name", "one"], [&source])
        .expect_done();
    fs::write(source.join("0003"), "changed").expect("a write");
    place
        .run(["archive", "--pool", "p", "--name", "two"], [&source])
        .expect_done();
    let before = answers(&place);
    assert_eq!(before.len(), 62, "two versions of 30 files and a directory");
    (place, source, before)
}

fn answers(place: &Place) -> Vec<String> {
    let mut lines: Vec<String> = place
        .json(["find", "--all-versions", "**"])
        .iter()
        .map(ToString::to_string)
        .collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_restores(place: &Place, source: &Path) {
    let target = place.path("back");
    place
        .run(["restore", "--to"], [target.as_path(), source])
        .expect_done();
    assert_same_tree(source, &restored(&target, source));
}

#[test]
fn a_deleted_index_is_rebuilt_unasked() {
    let (place, source, before) = archived();
    fs::remove_dir_all(place.path("state/catalog/index")).expect("the index is there");
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);
}

#[test]
fn a_corrupted_index_is_rebuilt_unasked() {
    let (place, source, before) = archived();
    let mut random = crate::random::Random(12);
    let mut damaged = 0;
    let mut folders = vec![place.path("state/catalog/index")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the index is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let length = fs::metadata(&path).expect("a file").len() as usize;
                fs::write(&path, random.bytes(length)).expect("damage");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);
}

#[test]
fn a_lost_catalog_is_read_back_from_the_tapes() {
    let (place, source, before) = archived();
    fs::remove_dir_all(place.path("state/catalog")).expect("the catalog is there");
    place.run(["find", "**"], [""; 0]).expect_exit(9);
    place.run(["catalog", "rebuild"], [""; 0]).expect_done();
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);
    place.run(["catalog", "rebuild"], [""; 0]).expect_done();
    assert_eq!(answers(&place), before, "a second rebuild changes nothing");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
}

#[test]
fn a_rebuild_that_cannot_begin_leaves_no_empty_catalog() {
    let (place, source, before) = archived();
    fs::remove_dir_all(place.path("state")).expect("the state is there");
    let refused = place.run(["catalog", "rebuild"], [""; 0]).expect_exit(1);
    assert!(refused.stderr().contains("library use --sim"));
    let lost = place.run(["find", "**"], [""; 0]).expect_exit(9);
    assert!(lost.stderr().contains("catalog rebuild"));
    place
        .run(["library", "use", "--sim"], [place.path("library")])
        .expect_done();
    place.run(["catalog", "rebuild"], [""; 0]).expect_done();
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);
}
