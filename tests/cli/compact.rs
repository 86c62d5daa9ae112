//! The catalog's entry files: merged at the end of each job, and let go of by hand.

use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::harness::{Place, assert_same_tree, random_files, restored};

const NONE: [&str; 0] = [];

fn entry_files(place: &Place) -> Vec<String> {
    let listing = fs::read_dir(place.path("state/catalog/entries")).expect("entry files");
    let names = listing.map(|file| file.expect("a file").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_job_of_many_segments_leaves_one_file_and_an_overwritten_one_none() {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source, 61, 20, 1_000_000);
    let archive = ["archive", "--pool", "p", "--segment-size", "4MiB"];
    let named = archive.iter().chain(&["--name", "one", "--keep", "10y"]);
    let told = place.run(named.chain(&["--json"]), [&source]).expect_done();
    let told: Value = serde_json::from_str(told.stdout().trim()).expect("a summary");
    let segments = told["segments"].as_array().expect("segments").len();
    assert!(segments > 3, "{segments}");
    let files = entry_files(&place);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].ends_with(".merged"), "{files:?}");
    let check = place.run(["catalog", "check"], NONE).expect_done().stdout();
    assert!(check.contains("consistent"), "{check}");
    let target = place.path("back");
    fs::create_dir(&target).expect("a directory");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));

    // As a job that was killed leaves it: read from the tape, each segment has a file again.
    let merged = place.path("state/catalog/entries").join(&files[0]);
    fs::remove_file(merged).expect("it is there");
    place.run(["catalog", "rebuild"], NONE).expect_done();
    assert_eq!(entry_files(&place).len(), 1, "merged at its end");
    let planned = &place.json(["catalog", "compact", "--dry-run"])[0];
    assert_eq!(planned["dry_run"], true);
    assert_eq!(planned.get("bytes_after"), Some(&Value::Null), "not known");
    assert_eq!(planned["merged"], Value::Array(Vec::new()));
    let done = place
        .run(["catalog", "compact"], NONE)
        .expect_done()
        .stdout();
    assert!(done.contains("entry files: 1 ("), "{done}");

    let soon = Timestamp::now() + SignedDuration::from_secs(5);
    place
        .run(["keep", "one", "--until", &soon.to_string()], NONE)
        .expect_done();
    while Timestamp::now() < soon {
        std::thread::sleep(Duration::from_millis(100));
    }
    place.run(["expire"], NONE).expect_done();
    let nothing = &place.json(["catalog", "compact"])[0];
    assert_eq!(nothing["dropped"], Value::Array(Vec::new()));
    place.run(["find", "--expired", "**"], NONE).expect_done();
    let erase = ["tape", "label", "--pool", "p", "--erase", "SIM001L9"];
    place.run(erase, NONE).expect_done();
    let would = ["catalog", "compact", "--dry-run"];
    let would = place.run(would, NONE).expect_done().stdout();
    assert!(
        would.contains("one: ") && would.contains("would be let go"),
        "{would}"
    );
    assert_eq!(entry_files(&place).len(), 1);
    let gone = &place.json(["catalog", "compact"])[0];
    assert_eq!(gone["dropped"][0]["name"], "one");
    let dropped = gone["dropped"][0]["segments"].as_u64();
    // A copy of the catalog may be one more.
    assert!(dropped >= Some(segments as u64), "{gone}");
    assert_eq!(gone["files_after"], 0);
    assert_eq!(entry_files(&place), [""; 0]);
    place.run(["find", "--expired", "**"], NONE).expect_exit(9);
    place.run(["catalog", "check"], NONE).expect_done();
    place.run(archive, [&source]).expect_done();
    assert_eq!(entry_files(&place).len(), 1);
}
