//! Digests by SHA-256, where a policy asks for them: from the source to the index on tape, and
//! through everything that reads them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, assert_same_tree, names, random_files, restored};
use crate::random::Random;

/// Small files, one that goes to tape in parts of a segment, and one with a hole.
fn plant(source: &Path) {
    random_files(source, 51, 20, 40_000);
    fs::write(source.join("long"), Random(52).bytes(9_000_000)).expect("a file");
    let sparse = File::create(source.join("sparse")).expect("a file");
    sparse.set_len(5_000_000).expect("a hole");
    std::os::unix::fs::FileExt::write_at(&sparse, b"behind a hole", 3_000_000).expect("data");
}

/// What the system's own programs say of each of these files; `None` of what they do not find.
fn sums(program: &str, dir: &Path, names: &[String]) -> BTreeMap<String, String> {
    let output = Command::new(program)
        .args(names)
        .current_dir(dir)
        .output()
        .expect("the program is installed (tests/run installs it)");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect()
}

/// The lines of the index in this tape file, and its `segment.json`, read by tar and zstd.
fn index(place: &Place, barcode: &str, tape_file: u64) -> (Value, Vec<Value>) {
    let dir = place.path(&format!("index-{barcode}-{tape_file}"));
    fs::create_dir(&dir).expect("a directory");
    let archive = place
        .run(["tape", "dump", barcode, "--file"], [tape_file.to_string()])
        .expect_done();
    fs::write(dir.join("index.tar"), &archive.0.stdout).expect("a file");
    let script = "tar -xf index.tar --strip-components=1 && zstd -qd files.jsonl.zst";
    let done = Command::new("sh")
        .args(["-c", script])
        .current_dir(&dir)
        .status()
        .expect("a shell");
    assert!(done.success());
    let segment = fs::read(dir.join("segment.json")).expect("segment.json");
    let lines = fs::read_to_string(dir.join("files.jsonl")).expect("files.jsonl");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    (
        serde_json::from_slice(&segment).expect("JSON"),
        lines.collect(),
    )
}

fn archive(place: &Place, more: &[&str], source: &Path) {
    let words = ["archive", "--pool", "p", "--segment-size", "8MiB"];
    place.run([&words, more].concat(), [source]).expect_done();
}

#[test]
fn sha256sum_agrees_with_the_index_on_tape_and_all_that_reads_it() {
    for compress in ["off", "auto"] {
        let place = Place::with_pool("2GB", 1);
        let source = place.path("data");
        plant(&source);
        let tar = format!("tar -C {} -cf - .", source.display());
        let job = [
            "--digest",
            "sha256",
            "--compress",
            compress,
            "--name",
            "by policy",
        ];
        let streams = [
            "--tar-command",
            &tar,
            "--as",
            "stream",
            "--command",
            "seq 9",
            "--as",
            "out",
        ];
        archive(&place, &[&job[..], &streams].concat(), &source);
        let names = names(&source);
        let expected = sums("sha256sum", &source, &names);
        let mut agreed = 0;
        for tape_file in (2..).step_by(2).take(receipts(&place)) {
            let (segment, lines) = index(&place, "SIM001L9", tape_file);
            assert_eq!(segment["digest"], "sha256");
            for line in lines.iter().filter(|line| line["part"].is_null()) {
                let path = line["path"].as_str().expect("a path");
                let name = path.rsplit('/').next().expect("a name");
                if let Some(expected) = expected.get(name) {
                    assert_eq!(line["digest"], **expected, "{path}");
                    agreed += 1;
                }
            }
        }
        // Each file comes once as a path and once in the stream; the longest may be in parts, and
        // in the stream both of the long ones are.
        assert!(
            agreed >= 2 * expected.len() - 3,
            "{agreed} of {}",
            expected.len()
        );
        let found = &place.json(["find", "--long", "**", "--digest", &expected["0003"]])[0];
        assert_eq!(found["digest_algorithm"], "sha256");
        assert!(found["path"].as_str().expect("a path").ends_with("0003"));
        place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
        fs::remove_dir_all(place.path("state/catalog")).expect("the catalog");
        place.run(["catalog", "rebuild"], [""; 0]).expect_done();
        let target = place.path("target");
        let back = ["restore", source.to_str().expect("UTF-8"), "--to"];
        let told = place.run(back, [&target]).expect_done().stdout();
        let checked = format!("{} files checked against their digests", expected.len());
        assert!(told.contains(&checked), "{told}");
        assert_same_tree(&source, &restored(&target, &source));
    }
}

fn receipts(place: &Place) -> usize {
    let ledger = fs::read_to_string(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    ledger.matches("\"type\":\"receipt\"").count()
}

#[test]
fn jobs_of_both_functions_lie_on_one_tape_and_are_not_compared() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("data");
    random_files(&source, 53, 3, 1000);
    archive(&place, &["--digest", "blake3"], &source);
    archive(&place, &["--digest", "sha256"], &source);
    let long = place.json(["find", "--long", "--all-versions", "**/0001"]);
    let by: Vec<&Value> = long.iter().map(|hit| &hit["digest_algorithm"]).collect();
    assert_eq!(by, ["sha256", "blake3"]);
    place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
    // The same content by two functions is no duplicate, nor is it taken for another.
    assert!(place.json(["duplicates"]).is_empty());
    fs::copy(source.join("0001"), source.join("again")).expect("a file");
    archive(&place, &["--digest", "sha256"], &source);
    let found = place.json(["duplicates"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["digest_algorithm"], "sha256");
}

#[test]
fn changes_by_one_function_stand_on_a_base_by_the_other() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("data");
    random_files(&source, 54, 6, 1000);
    std::thread::sleep(std::time::Duration::from_millis(100));
    archive(&place, &[], &source);
    fs::write(source.join("0002"), "changed").expect("a file");
    let words = [
        "archive",
        "--pool",
        "p",
        "--level",
        "incremental",
        "--digest",
        "sha256",
    ];
    let words = [&words[..], &[source.to_str().expect("UTF-8")]].concat();
    let done = &place.json(words)[0];
    assert_eq!(done["changes"]["unchanged"], 6, "{done}");
    let target = place.path("target");
    let back = ["restore", source.to_str().expect("UTF-8"), "--to"];
    let told = place.run(back, [&target]).expect_done().stdout();
    assert!(
        told.contains("6 files checked against their digests"),
        "{told}"
    );
    assert_same_tree(&source, &restored(&target, &source));
}

#[test]
fn resumed_jobs_and_copies_keep_the_function_of_their_job() {
    let place = Place::with_pool("2GB", 1);
    place
        .run(["tape", "label", "--pool", "q"], ["SIM005L9"])
        .expect_done();
    let source = place.path("data");
    random_files(&source, 55, 4, 1000);
    // A hook that fails at the end leaves a job that is done in part, and so can be resumed.
    let words = [
        "archive", "--pool", "p", "--digest", "sha256", "--name", "j",
    ];
    place
        .run(
            [&words[..], &["--after", "false", "--catalog-copy", "never"]].concat(),
            [&source],
        )
        .expect_exit(7);
    fs::write(source.join("later"), "came later").expect("a file");
    place
        .run(["archive", "--resume", "j"], [""; 0])
        .expect_done();
    place
        .run(["copy", "j", "--pool", "q"], [""; 0])
        .expect_done();
    let expected = sums(
        "sha256sum",
        &source,
        &["0001".to_owned(), "later".to_owned()],
    );
    let mut agreed = 0;
    for (barcode, tape_file) in [("SIM001L9", 2), ("SIM001L9", 4), ("SIM005L9", 2)] {
        let (segment, lines) = index(&place, barcode, tape_file);
        assert_eq!(segment["digest"], "sha256");
        for line in lines {
            let path = line["path"].as_str().expect("a path");
            if let Some(expected) = expected.get(path.rsplit('/').next().expect("a name")) {
                assert_eq!(line["digest"], **expected);
                agreed += 1;
            }
        }
    }
    assert_eq!(agreed, 4);
}
