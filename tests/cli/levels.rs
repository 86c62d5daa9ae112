//! Levels as a user sees them, and incremental jobs that are killed.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Place, assert_same_tree, random_files, restored};
use crate::random::Random;

#[test]
fn an_incremental_job_says_what_it_is_measured_against_and_what_it_found() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("data");
    random_files(&source, 31, 5, 1000);
    // Else they may have changed once more in the same tick.
    thread::sleep(Duration::from_millis(100));
    let level = ["archive", "--pool", "p", "--level", "incremental"];
    let first = place.run(level, [&source]).expect_done();
    let said = first.stderr();
    assert!(said.contains("this becomes a full archive"), "{said}");

    let idle = place.run(level, [&source]).expect_done();
    let said = idle.stderr();
    assert!(
        said.contains("incremental: measured against job data "),
        "{said}"
    );
    let told = idle.stdout();
    assert!(
        told.contains("0 changed, 0 new, 0 deleted; 6 unchanged (5.00 kB), on tape already"),
        "{told}"
    );

    fs::write(source.join("0000"), "changed").expect("a file");
    fs::remove_file(source.join("0001")).expect("a file");
    let dry = place.run(level, [source.to_str().expect("UTF-8"), "--dry-run", "-v"]);
    let dry = dry.expect_done().stdout();
    let root = source.to_str().expect("UTF-8");
    for line in [format!("+ {root}/0000  7 B"), format!("- {root}/0001")] {
        assert!(dry.contains(&line), "{line} is not in {dry}");
    }
    assert!(dry.contains("to archive: 2 objects, 7 B"), "{dry}");

    let words = [&level[..], &[source.to_str().expect("UTF-8")]].concat();
    let done = &place.json(words)[0];
    assert_eq!(done["level"], "incremental");
    assert_eq!(done["base"]["name"], done["name"]);
    let changes = &done["changes"];
    assert_eq!(changes["changed"], 2);
    assert_eq!(changes["new"], 0);
    assert_eq!(changes["deleted"], 1);
    assert_eq!(changes["unchanged"], 3);
}

#[test]
fn behind_incremental_jobs_that_were_killed_the_next_one_is_right() {
    const ARCHIVE: [&str; 7] = [
        "archive",
        "--pool",
        "p",
        "--segment-size",
        "4MiB",
        "--level",
        "incremental",
    ];
    let place = Place::with_pool("4GB", 1);
    let source = place.path("data");
    random_files(&source, 41, 100, 100_000);
    let started = Instant::now();
    place.run(ARCHIVE, [&source]).expect_done();
    let span_us = u64::try_from(started.elapsed().as_micros()).expect("a test takes no ages");
    let mut random = Random(42);
    for round in 0..10 {
        random_files(&source, 50 + round, 60, 100_000);
        let gone = source.join(format!("{:04}", 99 - round));
        fs::remove_file(gone).expect("a file");
        let mut child = place
            .command()
            .args(ARCHIVE)
            .arg(&source)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        thread::sleep(Duration::from_micros(random.below(span_us)));
        child.kill().expect("a kill, or it had ended");
        child.wait().expect("it ended");
        if round % 3 == 2 {
            place.run(ARCHIVE, [&source]).expect_done();
            let target = place.path("back");
            place
                .run(["restore", "--to"], [&target, &source])
                .expect_done();
            assert_same_tree(&source, &restored(&target, &source));
            fs::remove_dir_all(&target).expect("what was restored");
        }
    }
}
