//! Jobs that compress, from `archive` to `restore`, and what they say of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Place, assert_same_tree, random_files, restored};
use crate::zoo;

/// Some megabytes of text, and some of noise.
fn mixed_files(source: &Path) {
    random_files(&source.join("noise"), 21, 30, 100_000);
    let text = source.join("text");
    fs::create_dir_all(&text).expect("a directory");
    for number in 0..30 {
        let lines = (0..5_000).map(|line| format!("{number}: line {line} of a text\n"));
        fs::write(text.join(format!("{number:02}")), lines.collect::<String>()).expect("a write");
    }
}

#[test]
fn a_job_comes_back_identical_however_it_was_compressed() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("source");
    mixed_files(&source);
    let ways = [
        ("off", "none"),
        ("zstd", "zstd"),
        ("zstd:9", "zstd"),
        ("drive", "none"),
        ("auto", "zstd"),
    ];
    for (how, codec) in ways {
        if how == "auto" {
            zoo::make(&source.join("zoo"));
        }
        let job = format!("job {how}");
        let path = source.to_str().expect("UTF-8");
        let told = place.json([
            "archive",
            "--pool",
            "p",
            "--name",
            &job,
            "--compress",
            how,
            path,
        ]);
        let (tar, stored) = (&told[0]["tar_bytes"], &told[0]["stored_bytes"]);
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        let ratio = number(tar) / number(stored);
        assert!((number(&told[0]["ratio"]) - ratio).abs() < 1e-6, "{told:?}");
        assert_eq!(told[0]["segments"][0]["codec"], codec, "{how}");
        match codec {
            "zstd" => assert!(ratio > 1.3, "{how}: {ratio}"),
            _ => assert!(ratio <= 1.0, "{how}: {ratio}"),
        }
        let target = place.path(&format!("back {how}"));
        place
            .run(["restore", "--to"], [&target, &source])
            .expect_done();
        assert_same_tree(&source, &restored(&target, &source));
        place.run(["verify", &job], [""; 0]).expect_done();
    }
    let shown = place
        .run(["tape", "show", "SIM001L9"], [""; 0])
        .expect_done();
    assert!(shown.stdout().contains("zstd"), "{}", shown.stdout());
}

#[test]
fn the_drive_compresses_for_the_job_that_asks_for_it_and_no_other() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("source");
    random_files(&source, 22, 3, 1_000);
    // Mode page 0F: whether the drive compresses is the first bit behind its head (SSC-4, 8.3.2).
    for (how, page) in [("drive", "0f0ec0"), ("auto", "0f0e40"), ("off", "0f0e40")] {
        let trace = place.path(how);
        let words = ["archive", "--pool", "p", "--compress", how, "--trace"];
        place.run(words, [&trace, &source]).expect_done();
        let trace = fs::read_to_string(&trace).expect("the trace is there");
        let last = trace.lines().rfind(|line| {
            let select = ["\"cdb\":\"15", "\"cdb\":\"55"]
                .iter()
                .any(|cdb| line.contains(cdb));
            select && line.contains("0f0e")
        });
        // A drive that is as wanted already is not told.
        if let Some(last) = last {
            assert!(last.contains(page), "{how}: {last}");
        }
        assert!(trace.contains(page), "{how}");
    }
}

#[test]
fn compressed_segments_are_read_back_into_a_catalog_and_appended_to() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("source");
    mixed_files(&source);
    let archive = ["archive", "--pool", "p", "--compress", "auto"];
    place.run(archive, [&source]).expect_done();
    let answers = |place: &Place| -> Vec<String> {
        let found = place.json(["find", "--all-versions", "**"]);
        found
            .iter()
            .map(|hit| {
                let mut hit = hit.clone();
                // The moments at which they were recorded differ.
                hit.as_object_mut()
                    .expect("an object")
                    .remove("archived_at");
                hit.to_string()
            })
            .collect()
    };
    let before = answers(&place);
    fs::remove_dir_all(place.path("state/catalog")).expect("the catalog is there");
    place
        .run(["catalog", "rebuild", "SIM001L9"], [""; 0])
        .expect_done();
    assert_eq!(answers(&place), before);
    fs::write(source.join("text/00"), "changed").expect("a write");
    place.run(archive, [&source]).expect_done();
    let target = place.path("back");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));
}

#[test]
fn a_compressed_job_goes_on_with_the_next_tape() {
    let place = Place::with_pool("64MiB", 4);
    let source = place.path("data");
    mixed_files(&source);
    random_files(&source.join("large"), 2, 1, 90 << 20);
    fs::write(source.join("large/zeros"), vec![0; 100 << 20]).expect("a write");
    let archive = ["archive", "--pool", "p", "--compress", "auto"];
    place.run(archive, [&source]).expect_done();
    let target = place.path("back");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));
    let suspect = place
        .json(["tape", "list"])
        .iter()
        .filter(|tape| tape["state"] == "suspect")
        .count();
    assert_eq!(suspect, 0, "tapes written to their end are not suspect");
}

#[test]
fn a_compressed_tape_file_is_read_by_zstd_and_tar() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("source");
    mixed_files(&source);
    let archive = ["archive", "--pool", "p", "--compress", "zstd"];
    place.run(archive, [&source]).expect_done();
    let dump = place
        .run(["tape", "dump", "SIM001L9", "--file", "1"], [""; 0])
        .expect_done();
    fs::write(place.path("file-1"), &dump.0.stdout).expect("a write");
    let out = place.path("out");
    fs::create_dir(&out).expect("a directory");
    let status = Command::new("bash")
        .args(["-c", "set -o pipefail; zstd -dc ../file-1 | tar -xpf -"])
        .current_dir(&out)
        .status()
        .expect("bash is installed");
    assert!(status.success());
    assert_same_tree(&source, &restored(&out, &source));
}

#[test]
fn what_cannot_be_a_way_to_compress_is_named() {
    let place = Place::empty();
    for how in ["gzip", "zstd:0", "zstd:20", "zstd:", "auto:3", ""] {
        let ran = place.run(
            ["archive", "--pool", "p", "--compress", how, "/etc"],
            [""; 0],
        );
        assert!(ran.stderr().contains("zstd:19"), "{how}: {}", ran.stderr());
    }
}

#[test]
fn a_compressed_segment_that_the_catalog_has_lost_is_adopted() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("source");
    mixed_files(&source);
    let (text, noise) = (source.join("text"), source.join("noise"));
    let archive = [
        "archive",
        "--pool",
        "p",
        "--compress",
        "auto",
        "--catalog-copy",
        "never",
    ];
    place.run(archive, [&text]).expect_done();
    let copy = |from: &Path, to: &Path| {
        let status = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(status.expect("cp is there").success());
    };
    let (catalog, kept) = (place.path("state/catalog"), place.path("kept"));
    copy(&catalog, &kept);
    place.run(archive, [&noise]).expect_done();
    fs::remove_dir_all(&catalog).expect("the catalog is there");
    copy(&kept, &catalog);
    let told = place.json(archive.into_iter().chain([text.to_str().expect("UTF-8")]));
    assert_eq!(told[0]["adopted_segments"], 1);
    assert_eq!(told[0]["segments"][0]["number"], 3);
    let target = place.path("back");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&noise, &restored(&target, &noise));
    place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
}
