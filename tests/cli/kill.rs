//! A job killed at any moment leaves a catalog that tells the truth and a tape that goes on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, random_files, restored};
use crate::random::Random;

/// Small segments, so that a kill falls between commits as well as within a segment.
const ARCHIVE: [&str; 5] = ["archive", "--pool", "p", "--segment-size", "4MiB"];
const KILLS: u64 = 50;

#[test]
fn killed_at_fifty_random_moments_nothing_named_is_missing_or_wrong() {
    let place = Place::with_pool("4GB", 1);
    let source = place.path("data");
    random_files(&source, 21, 300, 100_000);
    let started = Instant::now();
    place.run(ARCHIVE, [&source]).expect_done();
    let mut span_us = u64::try_from(started.elapsed().as_micros()).expect("a test takes no ages");

    let mut random = Random(22);
    let (mut killed, mut spared) = (0, 0);
    while killed < KILLS {
        let mut child = place
            .command()
            .args(ARCHIVE)
            .arg(&source)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        thread::sleep(Duration::from_micros(random.below(span_us)));
        child.kill().expect("a kill, or it had ended");
        if child.wait().expect("it ended").success() {
            // It was through before its moment came: look earlier.
            span_us = span_us * 9 / 10;
            spared += 1;
            assert!(spared < KILLS, "too few runs are still there to be killed");
        } else {
            killed += 1;
        }
        assert_contiguous(&place, killed);
    }

    place.run(ARCHIVE, [&source]).expect_done();
    assert_contiguous(&place, KILLS);
    place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
    assert_every_version_comes_back(&place, &source);
}

/// Segments follow each other on tape without gap or overlap, from block 2 on.
fn assert_contiguous(place: &Place, round: u64) {
    let shown = &place.json(["tape", "show", "SIM001L9"])[0];
    let mut next = 2;
    for segment in shown["contents"].as_array().expect("a list") {
        let first = segment["first_block"].as_u64().expect("a number");
        assert_eq!(first, next, "after kill {round}: {segment}");
        next = segment["end_block"].as_u64().expect("a number");
    }
    assert_eq!(
        shown["next_block"].as_u64(),
        Some(next),
        "after kill {round}"
    );
}

/// Restores the tree as of each job and compares what came back, byte for byte, with the
/// source, which never changed: the model is the source itself.
fn assert_every_version_comes_back(place: &Place, source: &Path) {
    let found = place.json(["find", "--all-versions", "**"]);
    let mut starts: Vec<&Value> = found.iter().map(|hit| &hit["archived_at"]).collect();
    starts.sort_by_key(|start| start.to_string());
    starts.dedup();
    assert!(
        starts.len() > 2,
        "killed jobs left confirmed segments behind"
    );
    let original = contents(source);
    for start in starts {
        let target = place.path("back");
        let start = start.as_str().expect("a time");
        place
            .run(["restore", "--as-of", start, "--to"], [&target, source])
            .expect_done();
        let back = contents(&restored(&target, source));
        assert!(!back.is_empty(), "as of {start}");
        for (name, bytes) in back {
            // Not assert_eq: it would print all of both.
            let same = original.get(&name) == Some(&bytes);
            assert!(same, "{name:?} as of {start} is not what was archived");
        }
        fs::remove_dir_all(&target).expect("what was restored");
    }
}

/// The files of a directory, by name.
fn contents(directory: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory");
    let content = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        (entry.file_name(), fs::read(entry.path()).expect("a file"))
    };
    entries.map(content).collect()
}
