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
fn an_import_from_a_tape_says_what_is_not_in_it_and_every_field_is_there() {
    let (place, source, before) = archived();
    let import = ["catalog", "import", "--from-tape", "SIM001L9"];
    fs::remove_dir_all(place.path("state/catalog")).expect("the catalog is there");
    let told = place.run(import, [""; 0]).expect_done().stdout();
    for words in [
        "behind it on this tape: 0 segments, 0 objects",
        "catalog rebuild SIM002L9",
        "tapes labelled since",
        "holds, retention times",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (_, time) = told.split_once("the catalog as of ").expect("a time");
    let time = time.lines().next().unwrap_or_default();
    assert_eq!(time.matches(':').count(), 2, "with seconds: {time}");
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);

    fs::remove_dir_all(place.path("state/catalog")).expect("the catalog is there");
    let summary = &place.json(import)[0];
    for field in [
        "outcome",
        "barcode",
        "written_at",
        "tape_file",
        "events",
        "entries",
        "left_out",
        "unused_copies",
        "behind",
        "may_have_newer",
        "failure",
    ] {
        assert!(summary.get(field).is_some(), "{field}: {summary}");
    }
    assert_eq!(
        summary["behind"].get("cut_off_at"),
        Some(&serde_json::Value::Null)
    );
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

/// What becomes of a file of the catalog.
type Damage = (&'static str, fn(good: &[u8]) -> Option<Vec<u8>>);

const DAMAGES: [Damage; 4] = [
    ("flipped", |good| {
        let mut bad = good.to_vec();
        bad[good.len() / 2] ^= 1;
        Some(bad)
    }),
    ("cut short", |good| Some(good[..good.len() / 2].to_vec())),
    ("emptied", |_| Some(Vec::new())),
    ("missing", |_| None),
];

fn put(path: &Path, bytes: Option<Vec<u8>>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).expect("damage"),
        None => fs::remove_file(path).expect("it is there"),
    }
}

#[test]
fn a_damaged_entry_file_is_named_with_its_cure_which_cures() {
    let (place, source, before) = archived();
    for (damage, damaged) in DAMAGES {
        let file = largest_entry_file(&place);
        put(&file, damaged(&fs::read(&file).expect("it is there")));
        let told = place
            .run(["find", "--all-versions", "**"], [""; 0])
            .expect_exit(1);
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(told.stderr().contains(&name), "{damage}: {}", told.stderr());
        assert!(
            told.stderr().contains("catalog rebuild"),
            "{damage}: {}",
            told.stderr()
        );
        place.run(["catalog", "check"], [""; 0]).expect_exit(1);
        place.run(["catalog", "rebuild"], [""; 0]).expect_done();
        assert_eq!(answers(&place), before, "{damage}");
    }
    assert_restores(&place, &source);
}

#[test]
fn without_a_list_of_files_it_is_said_whose_it_is_what_that_means_and_what_to_do() {
    for (damage, damaged) in [DAMAGES[0], DAMAGES[3]] {
        let (place, source, _) = archived();
        let listing = fs::read_dir(place.path("state/catalog/entries")).expect("entry files");
        let files = listing.map(|file| file.expect("a file").path());
        let of_files =
            |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|found| found.len() > 500);
        let newest = files.filter(of_files).max().expect("an entry file");
        put(&newest, damaged(&fs::read(&newest).expect("it is there")));
        let whose = "the list of files of job `two` on tape SIM001L9 cannot be read";
        let cause = match damage {
            "missing" => "the entry file is missing",
            _ => "the entry file is damaged",
        };
        let said = place.run(["find", "**"], [""; 0]).expect_exit(1).stderr();
        for words in ["not all", whose, cause, "`catalog rebuild SIM001L9`"] {
            assert!(said.contains(words), "{damage}, {words}: {said}");
        }
        let target = place.path("back");
        let ran = place.run(["restore", "--to"], [target.as_path(), &source]);
        let said = ran.expect_exit(1).stderr();
        for words in [
            whose,
            cause,
            "no tape was moved",
            "`catalog rebuild SIM001L9`",
        ] {
            assert!(said.contains(words), "{damage}, {words}: {said}");
        }
        let (_, as_of) = said.split_once("--as-of ").expect("a way out");
        let as_of = as_of.split(' ').next().expect("a moment");
        place
            .run(["restore", "--as-of", as_of, "--to"], [&target, &source])
            .expect_done();
        let older = fs::read(restored(&target, &source).join("0003")).expect("a file");
        assert_ne!(older, b"changed", "what job `one` has");
    }
}

fn largest_entry_file(place: &Place) -> std::path::PathBuf {
    let listing = fs::read_dir(place.path("state/catalog/entries")).expect("entry files");
    let files = listing.map(|file| file.expect("a file").path());
    // Those of copies of the catalog have no entries.
    let bytes = |file: &std::path::PathBuf| fs::metadata(file).map_or(0, |data| data.len());
    files.max_by_key(bytes).expect("an entry file")
}

#[test]
fn an_altered_ledger_is_told_by_its_line_with_its_cure_which_cures() {
    let (place, source, before) = archived();
    let catalog = place.path("state/catalog");
    let ledger = catalog.join("ledger.jsonl");
    let good = fs::read(&ledger).expect("a ledger");
    // A torn end is no line: it is cut off, and nothing is missing.
    fs::write(&ledger, [&good[..], b"{\"seq\":99,"].concat()).expect("a write");
    assert_eq!(answers(&place), before);
    let mut bad = fs::read(&ledger).expect("a ledger");
    let at = bad.len() / 2;
    bad[at] ^= 1;
    let line = 1 + bad[..at].iter().filter(|byte| **byte == b'\n').count();
    fs::write(&ledger, &bad).expect("damage");
    let told = place.run(["find", "**"], [""; 0]).expect_exit(1).stderr();
    for words in [
        "ledger.jsonl",
        &format!("line {line}"),
        "Move the directory",
        "catalog import --from-tape BARCODE",
        "catalog rebuild",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let pool = place
        .run(["archive", "--pool", "p"], [&source])
        .expect_exit(1);
    assert!(
        pool.stderr().contains("catalog rebuild"),
        "no tape is written"
    );
    assert_eq!(
        fs::read(&ledger).expect("a ledger"),
        bad,
        "it is left as it is"
    );
    fs::rename(&catalog, place.path("aside")).expect("as it was advised");
    place.run(["catalog", "rebuild"], [""; 0]).expect_done();
    assert_eq!(answers(&place), before);
    assert_restores(&place, &source);
}

/// What becomes of the ledger, of which `early` is an older copy.
type Loss = (&'static str, fn(ledger: &Path, early: &[u8]));

const LOSSES: [Loss; 4] = [
    ("put back from an older copy", |ledger, early| {
        fs::write(ledger, early).expect("a write");
    }),
    ("cut off at the end of a line", |ledger, _| {
        let text = fs::read_to_string(ledger).expect("a ledger");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        fs::write(ledger, lines[..lines.len() - 2].concat()).expect("a write");
    }),
    ("deleted", |ledger, _| {
        fs::remove_file(ledger).expect("it is there")
    }),
    ("emptied", |ledger, _| {
        fs::write(ledger, "").expect("a write")
    }),
];

#[test]
fn a_catalog_that_lost_its_memory_is_told_and_no_tape_is_written() {
    for (loss, lose) in LOSSES {
        let (place, source, early) = archived_twice();
        let ledger = place.path("state/catalog/ledger.jsonl");
        let whole = fs::read(&ledger).expect("a ledger");
        let before = answers(&place);
        lose(&ledger, &early);

        let doctor = place.run(["doctor"], [""; 0]).expect_exit(1);
        let told = doctor.stdout();
        for words in [
            "problem",
            "ledger",
            "on the tapes is safe",
            "catalog rebuild",
        ] {
            assert!(told.contains(words), "{loss}: {words}: {told}");
        }
        let tape = place.path("library");
        let content = tape_bytes(&tape);
        for command in [
            vec!["archive", "--pool", "p", source.to_str().expect("a name")],
            vec!["tape", "label", "SIM003L9", "--pool", "p"],
            vec!["copy", "one", "--pool", "q"],
        ] {
            let refused = place.run(command.clone(), [""; 0]).expect_exit(1);
            let said = refused.stderr();
            assert!(
                said.contains("catalog rebuild"),
                "{loss}: {command:?}: {said}"
            );
        }
        assert_eq!(tape_bytes(&tape), content, "{loss}: no tape was written");
        for command in [&["find", "**"][..], &["tape", "list"]] {
            let ran = place.run(command.iter().copied(), [""; 0]);
            let said = ran.stderr();
            assert!(
                said.contains("on the tapes is safe"),
                "{loss}: {command:?}: {said}"
            );
        }

        // The newer copy put back cures it, and so does a rebuild.
        let lost = fs::read(&ledger).ok();
        fs::write(&ledger, &whole).expect("a write");
        place.run(["doctor"], [""; 0]).expect_done();
        assert_eq!(answers(&place), before, "{loss}");
        match lost {
            Some(lost) => fs::write(&ledger, lost).expect("a write"),
            None => fs::remove_file(&ledger).expect("it is there"),
        }
        place
            .run(["catalog", "rebuild", "SIM001L9"], [""; 0])
            .expect_done();
        place.run(["doctor"], [""; 0]).expect_exit(1);
        place.run(["catalog", "rebuild"], [""; 0]).expect_done();
        place.run(["doctor"], [""; 0]).expect_done();
        assert_eq!(answers(&place), before, "{loss}");
        assert_restores(&place, &source);
        place
            .run(["archive", "--pool", "p"], [&source])
            .expect_done();
        place.run(["verify", "SIM001L9"], [""; 0]).expect_done();
    }
}

/// A place with two jobs, and the ledger as it was after the first.
fn archived_twice() -> (Place, std::path::PathBuf, Vec<u8>) {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source, 13, 5, 5_000);
    place
        .run(["archive", "--pool", "p", "--name", "one"], [&source])
        .expect_done();
    let early = fs::read(place.path("state/catalog/ledger.jsonl")).expect("a ledger");
    fs::write(source.join("0003"), "changed").expect("a write");
    place
        .run(["archive", "--pool", "p", "--name", "two"], [&source])
        .expect_done();
    (place, source, early)
}

/// Length of what is on the tapes, file by file.
fn tape_bytes(library: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![library.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "data") => {
                    let length = fs::metadata(&path).expect("a file").len();
                    files.push((path, length));
                }
                false => {}
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}
