//! Label, archive, find, restore, verify: the main job from end to end.

use std::fs;

use crate::harness::{Place, assert_same_tree, random_files, restored};
use crate::zoo;

#[test]
fn everything_a_file_system_holds_comes_back_identical() {
    let place = Place::with_pool("2GB", 1);
    let source = place.path("zoo");
    zoo::make(&source);
    place
        .run(["archive", "--pool", "p", "--name", "zoo"], [&source])
        .expect_done();
    let target = place.path("back");
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));
    place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
    place.run(["verify", "zoo"], [""; 0]).expect_done();
}

#[test]
fn a_sparse_file_keeps_its_holes() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::with_pool("2GB", 1);
    let source = place.path("zoo");
    zoo::make(&source);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let sparse = source.join("sparse, over 8 GiB");
    place
        .run(["restore", "--to"], [&target, &sparse])
        .expect_done();
    let back = fs::metadata(restored(&target, &sparse)).expect("the file is back");
    assert_eq!(back.len(), 9 << 30);
    assert!(
        back.blocks() * 512 < 1 << 20,
        "{} bytes on disk",
        back.blocks() * 512
    );
}

#[test]
fn a_job_larger_than_a_tape_goes_on_with_the_next_and_large_files_are_cut() {
    let place = Place::with_pool("64MiB", 4);
    let source = place.path("data");
    random_files(&source, 1, 40, 1_000_000);
    random_files(&source.join("large"), 2, 1, 90 << 20);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let found = place.json(["find", source.join("large/0000").to_str().expect("UTF-8")]);
    assert!(found.len() >= 2, "the large file lies in parts: {found:?}");
    let target = place.path("back");
    let plan = ["restore", "--dry-run", "--to"];
    let plan = place.run(plan, [&target, &source]).expect_done().stdout();
    for words in ["MEMBERS", "members are what is read"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    place
        .run(["restore", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&target, &source));
    let full = place
        .json(["tape", "list"])
        .iter()
        .filter(|tape| tape["state"] == "full")
        .count();
    assert!(full >= 2, "tapes written to their end are full");
}

#[test]
fn find_tells_versions_and_restore_takes_the_one_of_that_time() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 3, 3, 1000);
    place
        .run(["archive", "--pool", "p", "--name", "first"], [&source])
        .expect_done();
    let between = jiff::Timestamp::now().to_string();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(source.join("0000"), "second version").expect("a write");
    fs::remove_file(source.join("0001")).expect("a removal");
    place
        .run(["archive", "--pool", "p", "--name", "second"], [&source])
        .expect_done();

    let path = source.join("0000");
    let path = path.to_str().expect("UTF-8");
    let versions = place.json(["find", "--all-versions", path]);
    let jobs: Vec<_> = versions
        .iter()
        .map(|hit| hit["job_name"].as_str().expect("text"))
        .collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(
        jobs.contains(&"first") && jobs.contains(&"second"),
        "{jobs:?}"
    );
    assert_eq!(place.json(["find", path])[0]["job_name"], "second");

    let now = place.path("now");
    place
        .run(["restore", "--to"], [&now, &source])
        .expect_done();
    assert_same_tree(&source, &restored(&now, &source));
    assert!(
        !restored(&now, &source).join("0001").exists(),
        "deleted files stay deleted"
    );

    let then = place.path("then");
    place
        .run(["restore", "--as-of", &between, "--to"], [&then, &source])
        .expect_done();
    let then = restored(&then, &source);
    assert_eq!(fs::read(then.join("0000")).expect("a file").len(), 1000);
    assert!(then.join("0001").exists(), "the tree is as it was");

    let above = fs::metadata(then.parent().expect("a parent")).expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::mode(&above.permissions());
    assert_eq!(
        mode & 0o777,
        0o755,
        "directories above what was archived can be entered"
    );

    let deleted = place.path("deleted");
    place
        .run(["restore", "--to"], [&deleted, &source.join("0001")])
        .expect_done();
}

#[test]
fn existing_files_are_left_alone_unless_told_otherwise() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 4, 2, 1000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let there = restored(&target, &source);
    fs::create_dir_all(&there).expect("a directory");
    fs::write(there.join("0000"), "precious").expect("a file");
    let ran = place
        .run(
            ["restore", "--existing", "skip", "--to"],
            [&target, &source],
        )
        .expect_done();
    assert!(ran.stdout().contains("0000"), "{}", ran.stdout());
    assert_eq!(fs::read(there.join("0000")).expect("a file"), b"precious");
    assert!(there.join("0001").exists(), "the others are restored");
    place
        .run(["restore", "--overwrite", "--to"], [&target, &source])
        .expect_done();
    assert_same_tree(&source, &there);
}

#[test]
fn a_dry_run_names_the_tapes_and_writes_nothing() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 5, 2, 1000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let target = place.path("back");
    let ran = place
        .run(["restore", "--dry-run", "--to"], [&target, &source])
        .expect_done();
    assert!(ran.stdout().contains("SIM001L9"), "{}", ran.stdout());
    assert!(!target.exists());
}

#[test]
fn excluded_files_are_left_out() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source.join("cache"), 6, 2, 100);
    random_files(&source, 7, 2, 100);
    let exclude = format!("{}", source.join("cache").display());
    place
        .run(
            [
                "archive",
                "--pool",
                "p",
                "--exclude",
                "*1",
                "--exclude",
                &exclude,
            ],
            [&source],
        )
        .expect_done();
    let found = place.json(["find", source.to_str().expect("UTF-8")]);
    let names: Vec<_> = found.iter().map(|hit| hit["path"].to_string()).collect();
    assert_eq!(found.len(), 2, "the directory and one file: {names:?}");
}

#[test]
fn the_demonstration_says_identical() {
    let place = Place::empty();
    let source = place.path("mine");
    zoo::make(&source);
    fs::remove_file(source.join("sparse, over 8 GiB")).expect("reading 9 GiB of holes takes long");
    let ran = place.run(["demo"], [&source]).expect_done();
    let told = ran.stdout();
    assert!(
        told.lines()
            .any(|line| line.starts_with("$ tapewright archive ")),
        "{told}"
    );
    assert!(
        told.lines().any(|line| line.starts_with("identical (")),
        "{told}"
    );
    assert!(
        told.contains("SIM001L9") && told.contains("block"),
        "{told}"
    );
}

#[test]
fn a_trace_names_every_command_and_holds_no_data_of_the_user() {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    fs::create_dir(&source).expect("a directory");
    fs::write(source.join("secret"), "SECRET-CONTENT").expect("a file");
    let trace = place.path("trace");
    place
        .run(["archive", "--pool", "p", "--trace"], [&trace, &source])
        .expect_done();
    let trace = fs::read_to_string(trace).expect("the trace");
    let lines: Vec<serde_json::Value> = trace
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let has = |device: &str, opcode: &str| {
        lines.iter().any(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            text("device").contains(device) && text("cdb").starts_with(opcode)
        })
    };
    assert!(has("changer", "a5"), "a MOVE MEDIUM to the changer");
    assert!(
        has("drive", "0a") && has("drive", "34"),
        "WRITE and READ POSITION to the drive"
    );
    let secret: String = "SECRET".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!trace.contains(&secret) && !trace.contains("SECRET"));
}

#[test]
fn a_version_that_was_cut_off_does_not_hide_the_whole_one_before_it() {
    let place = Place::with_pool("64MiB", 1);
    let source = place.path("one");
    random_files(&source, 10, 1, 25_000_000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let original = fs::read(source.join("0000")).expect("the source");
    fs::write(
        source.join("0000"),
        crate::random::Random(13).bytes(60_000_000),
    )
    .expect("a write");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_exit(3);
    let target = place.path("back");
    let ran = place
        .run(["restore", "--to"], [&target, &source])
        .expect_exit(7);
    assert!(ran.stdout().contains("cut off"), "{}", ran.stdout());
    let back = restored(&target, &source).join("0000");
    assert!(fs::read(back).expect("the older version") == original);
}
