//! Asking the catalog: directories, searches, risks, and the catalog as a file.

use std::fs;

use serde_json::Value;

use crate::harness::{Place, assert_same_tree, restored};

/// `data` with two directories, archived to pools p and q, then changed and archived to p again:
/// `data/docs/old` is gone, `data/docs/new` came.
fn place() -> (Place, std::path::PathBuf) {
    let place = Place::with_library("64MiB");
    for (barcode, pool) in [("SIM001L9", "p"), ("SIM002L9", "q")] {
        place
            .run(["tape", "label", barcode, "--pool", pool], [""; 0])
            .expect_done();
    }
    let data = place.path("data");
    fs::create_dir_all(data.join("docs/deep")).expect("directories");
    fs::create_dir_all(data.join("photos")).expect("a directory");
    for (name, bytes) in [
        ("docs/old", 1_000),
        ("docs/deep/Letter.txt", 2_000),
        ("photos/one.raw", 300_000),
    ] {
        fs::write(data.join(name), vec![b'x'; bytes]).expect("a file");
    }
    place
        .run(
            [
                "archive",
                "--pool",
                "p",
                "--copy-pool",
                "q",
                "--name",
                "one",
            ],
            [&data],
        )
        .expect_done();
    fs::remove_file(data.join("docs/old")).expect("it is there");
    fs::write(data.join("docs/new"), "new").expect("a file");
    place
        .run(["archive", "--pool", "p", "--name", "two"], [&data])
        .expect_done();
    (place, data)
}

fn paths(lines: &[Value], data: &std::path::Path) -> Vec<String> {
    let root = data
        .strip_prefix("/")
        .expect("absolute")
        .to_str()
        .expect("UTF-8");
    let path = |line: &Value| line["path"].as_str().expect("a path").to_owned();
    let below = |path: String| path.strip_prefix(root).map(str::to_owned);
    lines.iter().map(path).filter_map(below).collect()
}

#[test]
fn directories_are_listed_with_what_lies_below_them_now_and_then() {
    let (place, data) = place();
    let name = data.to_str().expect("UTF-8");
    let listed = place.json(["ls", name]);
    assert_eq!(paths(&listed, &data), ["/docs", "/photos"]);
    assert_eq!(listed[0]["below"]["files"], 2);
    assert_eq!(listed[0]["size_bytes"], 2_003);
    assert_eq!(listed[1]["below"]["bytes"], 300_000);
    let docs = place.json(["ls", data.join("docs").to_str().expect("UTF-8")]);
    assert_eq!(paths(&docs, &data), ["/docs/deep", "/docs/new"]);
    let first = place
        .json(["find", name, "--all-versions"])
        .pop()
        .expect("a hit");
    let then = first["archived_at"].as_str().expect("a time");
    let before = place.json([
        "ls",
        data.join("docs").to_str().expect("UTF-8"),
        "--as-of",
        then,
    ]);
    assert_eq!(paths(&before, &data), ["/docs/deep", "/docs/old"]);
    let file = place.json(["ls", data.join("docs/new").to_str().expect("UTF-8")]);
    assert_eq!(paths(&file, &data), ["/docs/new"]);

    let tree = place.json(["tree", name]);
    let expected = [
        "/docs",
        "/docs/deep",
        "/docs/deep/Letter.txt",
        "/docs/new",
        "/photos",
        "/photos/one.raw",
    ];
    assert_eq!(paths(&tree, &data), expected);
    let shallow = place.json(["tree", name, "--depth", "1"]);
    assert_eq!(paths(&shallow, &data), ["/docs", "/photos"]);

    let used = place.json(["du", name]);
    assert_eq!(paths(&used, &data), ["/docs/deep", "/docs", "/photos", ""]);
    assert_eq!(used[3]["bytes"], 302_003);
    assert_eq!(
        (&used[3]["files"], &used[3]["directories"]),
        (&3.into(), &3.into())
    );
    let text = place.run(["du", "--depth", "0"], [name]).expect_done();
    assert_eq!(text.stdout().lines().count(), 1, "{}", text.stdout());
    assert!(text.stdout().contains("3 files"), "{}", text.stdout());
    let text = place.run(["ls"], [name]).expect_done().stdout();
    assert!(
        text.contains("photos/") && text.contains("1 file"),
        "{text}"
    );
    place.run(["ls", "/nothing/here"], [""; 0]).expect_exit(9);
}

#[test]
fn searches_take_other_readings_and_conditions() {
    let (place, data) = place();
    let found = |words: &[&str]| {
        let mut all = vec!["find"];
        all.extend(words);
        paths(&place.json(all), &data)
    };
    let letter = ["/docs/deep/Letter.txt"];
    let photo = ["/photos/one.raw"];
    let (old, both): (&[&str], &[&str]) = (&["/docs/old"], &["/docs/new", "/docs/old"]);
    let cases: [(&[&str], &[&str]); 12] = [
        (&["ETTER", "--substring", "--ignore-case"], &letter),
        (&["**/letter.*", "-i"], &letter),
        (&[r"/L[a-z]+\.txt$", "--regex"], &letter),
        (&["/", "--larger", "100KiB"], &photo),
        (
            &[
                "/docs/",
                "--substring",
                "--type",
                "file",
                "--smaller",
                "1500",
            ],
            both,
        ),
        (&["/", "--deleted"], old),
        (&["/", "--deleted-since", "2020-01-01"], old),
        (&["/", "--deleted-since", "2099-01-01"], &[]),
        (
            &[
                "/",
                "--type",
                "file",
                "--newer",
                "2020-01-01",
                "--larger",
                "100KiB",
            ],
            &photo,
        ),
        (
            &["/", "--type", "file", "--user", "nobody-of-that-name"],
            &[],
        ),
        (&["new", "--substring", "--digest", "f"], &[]),
        (&["old", "--substring"], old),
    ];
    for (words, expected) in cases {
        let mut words = words.to_vec();
        if expected.is_empty() {
            words.insert(0, "find");
            place.run(words.clone(), [""; 0]).expect_exit(9);
            continue;
        }
        let mut answer: Vec<String> = found(&words);
        answer.dedup();
        assert_eq!(answer, expected, "{words:?}");
    }
    for (words, told) in [
        (&["find", "(", "--regex"][..], "regular expression"),
        (&["find", "/", "--type", "door"], "one of file, dir"),
        (&["find", "/", "--digest", "xyz"], "hexadecimal"),
    ] {
        let refused = place.run(words.iter().copied(), [""; 0]).expect_exit(2);
        assert!(refused.stderr().contains(told), "{}", refused.stderr());
    }
    let tapes = place.json(["find", "**/Letter.txt", "--all-versions", "--tapes"]);
    let on: Vec<_> = tapes
        .iter()
        .map(|tape| (&tape["barcode"], &tape["objects"]))
        .collect();
    assert_eq!(
        on,
        [
            (&"SIM001L9".into(), &2.into()),
            (&"SIM002L9".into(), &1.into())
        ]
    );
    let contents = place.json(["tape", "contents", "SIM002L9", "**/docs/*"]);
    assert_eq!(paths(&contents, &data), ["/docs/deep", "/docs/old"]);
}

#[test]
fn what_would_be_lost_with_a_tape_is_named() {
    let (place, data) = place();
    let lines = place.json(["tape", "at-risk", "SIM001L9"]);
    let (sum, files) = lines.split_last().expect("a sum");
    let lost: Vec<&str> = files
        .iter()
        .map(|file| file["path"].as_str().expect("a path"))
        .collect();
    assert!(
        lost.len() == 1 && lost[0].ends_with("/docs/new"),
        "{lost:?}"
    );
    assert_eq!(
        (&sum["newest"], &sum["newest_bytes"]),
        (&1.into(), &3.into())
    );
    // The copy is of all that the first job wrote.
    let lines = place.json(["tape", "at-risk", "SIM002L9", "--all-versions"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let both = place.json(["tape", "at-risk", "SIM001L9", "SIM002L9", "--all-versions"]);
    let (sum, _) = both.split_last().expect("a sum");
    assert_eq!(sum["newest"], 4, "with the one that is gone");
    let text = place
        .run(["tape", "at-risk", "SIM001L9"], [""; 0])
        .expect_done();
    assert!(
        text.stdout().contains("the newest version of 1 path"),
        "{}",
        text.stdout()
    );
    place
        .run(["tape", "at-risk", "NONE01L9"], [""; 0])
        .expect_exit(9);
    drop(data);
}

#[test]
fn a_catalog_is_checked_and_carried_to_another_state_directory() {
    let (place, data) = place();
    let file = place.path("catalog.jsonl.zst");
    let checked = place.json(["catalog", "check"]);
    assert_eq!(checked[0]["faults"], Value::Array(Vec::new()));
    place.run(["catalog", "export"], [&file]).expect_done();
    place.run(["catalog", "export"], [&file]).expect_exit(1);
    let before = place.json(["find", "/", "--all-versions"]);
    let refused = place.run(["catalog", "import"], [&file]).expect_exit(2);
    assert!(refused.stderr().contains("already"), "{}", refused.stderr());

    fs::rename(place.path("state/catalog"), place.path("kept")).expect("a rename");
    let good = fs::read(&file).expect("an export");
    fs::write(&file, &good[..good.len() / 2]).expect("a write");
    let broken = place.run(["catalog", "import"], [&file]).expect_exit(1);
    assert!(
        broken.stderr().contains("another copy"),
        "{}",
        broken.stderr()
    );
    fs::write(&file, &good).expect("a write");
    place.run(["catalog", "import"], [&file]).expect_done();
    assert_eq!(place.json(["find", "/", "--all-versions"]), before);
    place.run(["doctor"], [""; 0]).expect_done();
    let back = place.path("back");
    place
        .run(["restore", "--to"], [back.as_path(), &data])
        .expect_done();
    assert_same_tree(&data, &restored(&back, &data));
    place.run(["archive", "--pool", "p"], [&data]).expect_done();
    let beside = place.json(["catalog", "check", "--tape", "SIM001L9"]);
    assert_eq!(beside[0]["faults"], Value::Array(Vec::new()), "{beside:?}");
    assert_eq!(beside[0]["tape"]["barcode"], "SIM001L9");
    let said = place.run(["catalog", "check", "--tape", "SIM001L9"], [""; 0]);
    let said = said.expect_done().stdout();
    assert!(
        said.contains("consistent with itself and with SIM001L9"),
        "{said}"
    );
    place
        .run(["catalog", "check", "--tape", "NONE01L9"], [""; 0])
        .expect_exit(9);

    let entries = place.path("state/catalog/entries");
    let first = fs::read_dir(&entries)
        .expect("entry files")
        .next()
        .expect("one");
    fs::write(first.expect("an entry").path(), "no entry file").expect("a write");
    let checked = place.run(["catalog", "check"], [""; 0]).expect_exit(1);
    assert!(
        checked.stdout().contains("catalog rebuild SIM"),
        "{}",
        checked.stdout()
    );
}

#[test]
fn a_stream_that_was_cut_into_parts_is_listed_with_its_whole_size() {
    let place = Place::with_pool("256MB", 1);
    let job = "archive --pool p --segment-size 4MiB --buffer 16MiB --command";
    place
        .run(
            job.split(' '),
            ["head -c 9000000 /dev/zero", "--as", "s/whole"],
        )
        .expect_done();
    assert!(place.json(["find", "s/whole"]).len() > 1, "it is in parts");
    for (words, pointer) in [
        (["ls", "s"], "/size_bytes"),
        (["du", "s"], "/bytes"),
        (["tape", "at-risk"], "/size_bytes"),
    ] {
        let tape = (words[1] == "at-risk").then_some("SIM001L9");
        let lines = place.json(words.into_iter().chain(tape));
        let sizes: Vec<&Value> = lines
            .iter()
            .filter_map(|line| line.pointer(pointer))
            .collect();
        assert!(
            sizes.iter().any(|size| **size == 9_000_000),
            "{words:?}: {lines:?}"
        );
    }
}

#[test]
fn who_restores_a_directory_hears_of_what_was_deleted_in_it() {
    let (place, data) = place();
    let target = place.path("back");
    let ran = place
        .run(["restore", "--to"], [&target, &data.join("docs")])
        .expect_done();
    let said = ran.stderr();
    assert!(
        said.contains("1 object that was deleted since is left out"),
        "{said}"
    );
    assert!(said.contains("--as-of"), "{said}");
}
