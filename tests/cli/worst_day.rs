//! Restoring with nothing but the tapes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::harness::{Place, assert_same_tree, random_files, restored};

const NO_MORE: [&str; 0] = [];

/// A place with a job on one tape, and its source.
fn archived() -> (Place, PathBuf) {
    let place = Place::with_pool("1GB", 2);
    let source = place.path("data");
    random_files(&source.join("deep"), 5, 20, 9_000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    (place, source)
}

#[test]
fn a_new_machine_restores_from_a_tape_without_a_catalog() {
    let (place, source) = archived();
    fs::remove_dir_all(place.path("state")).expect("the state is there");
    place
        .run(["library", "use", "--sim"], [place.path("library")])
        .expect_done();
    let [to, all] = [&place.path("back"), &source].map(|path| path.display().to_string());
    let words = ["restore", "--from-tape", "SIM001L9", "--to", &to, &all];
    let plan = &place.json([&words[..], &["--dry-run"]].concat())[0];
    assert_eq!(plan["objects"], 22, "{plan}");
    assert_eq!(plan["alone"][0]["barcode"], "SIM001L9", "{plan}");
    let ran = place.run(words, NO_MORE).expect_done();
    let said = ran.stderr();
    assert!(said.contains("no catalog was asked"), "{said}");
    assert_same_tree(&source, &restored(to.as_ref(), &source));
    assert!(!place.path("state/catalog").exists(), "no catalog was made");
    let status = place.run(["library", "status"], NO_MORE).stdout();
    assert!(status.contains("SIM001L9"), "{status}");

    let wrong = ["restore", "--from-tape", "SIM003L9", "--to", &to, &all];
    let blank = place.run(wrong, NO_MORE).expect_exit(4).stderr();
    assert!(blank.contains("SIM003L9"), "{blank}");
}

#[test]
fn what_the_catalog_knows_plays_no_part_and_stays_as_it_is() {
    let (place, source) = archived();
    let before = fs::read(source.join("deep/0003")).expect("a file");
    fs::write(source.join("deep/0003"), "newer, on another tape").expect("a write");
    place
        .run(["tape", "label", "--pool", "q"], ["SIM003L9"])
        .expect_done();
    place
        .run(["archive", "--pool", "q"], [&source])
        .expect_done();
    let ledger = place.path("state/catalog/ledger.jsonl");
    let known = fs::read(&ledger).expect("a ledger");
    let [to, all] = [&place.path("back"), &source].map(|path| path.display().to_string());
    let words = ["restore", "--from-tape", "SIM001L9", "--to", &to, &all];
    place.run(words, NO_MORE).expect_done();
    let there = restored(to.as_ref(), &source);
    let old = fs::read(there.join("deep/0003")).expect("a file");
    assert_eq!(old, before, "what this tape has is what comes back");
    let ledger = fs::read(&ledger).expect("a ledger");
    let more = ledger.strip_prefix(&known[..]).expect("nothing is changed");
    let more = String::from_utf8_lossy(more);
    assert_eq!(more.matches("\"from_tapes\":true").count(), 2, "{more}");
    assert_eq!(
        more.lines().count(),
        2,
        "its record is all that is new: {more}"
    );

    let both = ["--from-tape", "SIM001L9", "--from-tape", "SIM003L9"];
    let words = [&["restore"][..], &both, &["--overwrite", "--to", &to, &all]].concat();
    place.run(words, NO_MORE).expect_done();
    assert_same_tree(&source, &there);
}

/// A file that goes on on another tape, and a small one.
fn archived_over_two_tapes() -> (Place, PathBuf) {
    let place = Place::with_pool("48MB", 2);
    let source = place.path("data");
    random_files(&source, 8, 1, 60_000_000);
    fs::write(source.join("small"), "whole").expect("a file");
    symlink("small", source.join("way")).expect("a link");
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    (place, source)
}

#[test]
fn a_file_that_goes_on_on_another_tape_is_named_and_whole_once_both_are_read() {
    let (place, source) = archived_over_two_tapes();
    let [to, all] = [&place.path("back"), &source].map(|path| path.display().to_string());
    let words = ["restore", "--from-tape", "SIM001L9", "--to", &to, &all];
    let ran = place.run(words, NO_MORE).expect_exit(7);
    let told = ran.stdout();
    for words in ["data/0000", "here", "no tape says"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!restored(to.as_ref(), &source).join("0000").exists());

    let both = ["--from-tape", "SIM001L9", "--from-tape", "SIM002L9"];
    let words = [&["restore"][..], &both, &["--overwrite", "--to", &to, &all]].concat();
    place.run(words, NO_MORE).expect_done();
    assert_same_tree(&source, &restored(to.as_ref(), &source));
}

#[test]
fn a_catalog_of_one_of_two_tapes_says_where_the_other_parts_of_a_file_may_be() {
    let (place, source) = archived_over_two_tapes();
    let [to, all] = [&place.path("back"), &source].map(|path| path.display().to_string());
    for tape in ["SIM001L9", "SIM002L9"] {
        fs::remove_dir_all(place.path("state")).expect("the state is there");
        place
            .run(["library", "use", "--sim"], [place.path("library")])
            .expect_done();
        place.run(["catalog", "rebuild"], [tape]).expect_done();
        let ran = place.run(["restore", "--dry-run", "--to", &to, &all], NO_MORE);
        let told = String::from_utf8_lossy(&ran.0.stdout);
        for words in [
            "data/0000",
            "only its part",
            "on tapes of pool `p` that the catalog has nothing of",
            "`catalog rebuild BARCODE`",
        ] {
            assert!(told.contains(words), "{tape}, {words}: {told}");
        }
    }
}

#[test]
fn a_rescue_saves_what_is_on_a_tape_into_a_new_directory_alone() {
    let (place, source) = archived();
    fs::remove_dir_all(place.path("state")).expect("the state is there");
    place
        .run(["library", "use", "--sim"], [place.path("library")])
        .expect_done();
    let to = place.path("saved").display().to_string();
    let summary = &place.json(["tape", "rescue", "SIM001L9", "--to", &to])[0];
    assert_eq!(summary["end"], "end_of_data", "{summary}");
    assert_eq!(summary["lost_total"], 0, "{summary}");
    let segment = place.path("saved/SIM001L9/file-00001");
    assert_same_tree(&source, &restored(&segment, &source));
    assert!(place.path("saved/SIM001L9/file-00000/README.txt").exists());
    assert!(!place.path("state/catalog").exists(), "no catalog was made");

    let again = ["tape", "rescue", "SIM001L9", "--to", &to];
    let refused = place.run(again, NO_MORE).expect_exit(2).stderr();
    assert!(refused.contains("earlier rescue of this tape"), "{refused}");
    let blank = place.path("blank").display().to_string();
    let nothing = ["tape", "rescue", "SIM003L9", "--to", &blank];
    place.run(nothing, NO_MORE).expect_exit(9);
    assert!(!place.path("blank").exists(), "nothing was saved");
}

#[test]
fn one_file_goes_to_stdout_with_its_parts_joined_and_nothing_else() {
    let (place, source) = archived_over_two_tapes();
    let stdout = |name: &str| {
        let path = source.join(name).display().to_string();
        let ran = place.run(["restore", "--to-stdout", &path], NO_MORE);
        ran.expect_done().0.stdout
    };
    assert!(stdout("0000") == fs::read(source.join("0000")).expect("a file"));
    assert_eq!(stdout("small"), b"whole");
    let way = source.join("way").display().to_string();
    for (words, code, said) in [
        (
            vec!["restore", "--to-stdout", source.to_str().expect("UTF-8")],
            2,
            "more than one",
        ),
        (
            vec!["restore", "--to-stdout", "/no/such/file"],
            9,
            "no/such/file",
        ),
        (vec!["restore", "--to-stdout", &way], 2, "no regular file"),
        (
            vec!["restore", "--to-stdout", "--dry-run", &way],
            2,
            "no regular file",
        ),
    ] {
        let ran = place.run(words, NO_MORE).expect_exit(code);
        assert!(ran.0.stdout.is_empty());
        assert!(ran.stderr().contains(said), "{}", ran.stderr());
    }
    let path = source.join("0000").display().to_string();
    let alone = ["restore", "--from-tape", "SIM001L9", "--to-stdout", &path];
    let cut = place.run(alone, NO_MORE).expect_exit(7);
    assert!(cut.stderr().contains("no tape says"), "{}", cut.stderr());
}

#[test]
fn a_new_machine_knows_all_tapes_from_the_last_one() {
    let (place, source) = archived();
    place
        .run(["tape", "label", "--pool", "q"], ["SIM003L9"])
        .expect_done();
    let deep = source.join("deep");
    let before = fs::metadata(&deep).and_then(|meta| meta.modified());
    fs::write(deep.join("newer"), "on another tape").expect("a write");
    let more = place.path("more");
    random_files(&more, 6, 3, 5_000);
    let ran = place.run(["archive", "--pool", "q"], [&more]).expect_done();
    let told = ran.stdout();
    assert!(
        told.contains("SIM003L9  tape file 3: a copy of the catalog"),
        "{told}"
    );
    let shown = place.run(["tape", "show"], ["SIM003L9"]).stdout();
    assert!(shown.contains("(catalog)"), "{shown}");
    let verified = place.run(["verify"], ["SIM003L9"]).expect_done().stdout();
    assert!(
        verified.contains("and a copy of the catalog read"),
        "{verified}"
    );

    fs::remove_dir_all(place.path("state")).expect("the state is there");
    place
        .run(["library", "use", "--sim"], [place.path("library")])
        .expect_done();
    let none = ["catalog", "import", "--from-tape", "SIM002L9"];
    let told = place.run(none, NO_MORE).expect_exit(9).stderr();
    assert!(told.contains("`catalog rebuild SIM002L9`"), "{told}");
    let last = ["catalog", "import", "--from-tape", "SIM003L9"];
    let imported = &place.json(last)[0];
    assert_eq!(imported["outcome"], "complete", "{imported}");
    assert_eq!(imported["tape_file"], 3, "{imported}");
    let newer = serde_json::json!(["SIM001L9", "SIM002L9"]);
    assert_eq!(imported["may_have_newer"], newer, "{imported}");
    place.run(last, NO_MORE).expect_exit(2);

    fs::remove_file(deep.join("newer")).expect("it is there");
    let as_archived = fs::File::open(&deep).and_then(|dir| dir.set_modified(before?));
    as_archived.expect("a directory that takes a time");
    for tree in [&source, &more] {
        let to = place.path("back");
        let words = ["restore", "--to"].map(PathBuf::from);
        let words = words.into_iter().chain([to.clone(), tree.clone()]);
        place.run(words, NO_MORE).expect_done();
        assert_same_tree(tree, &restored(&to, tree));
    }
}

#[test]
fn an_import_says_in_words_how_new_it_is_and_what_may_be_newer() {
    let (place, source) = archived();
    fs::write(source.join("later"), "behind the copy").expect("a write");
    let never = ["archive", "--pool", "p", "--catalog-copy", "never"];
    place.run(never, [&source]).expect_done();
    fs::remove_dir_all(place.path("state/catalog")).expect("it is there");
    let last = ["catalog", "import", "--from-tape", "SIM001L9"];
    let told = place.run(last, NO_MORE).expect_done().stdout();
    for words in [
        "tape file 3: the catalog as of",
        "behind it on this tape: 1 segment, ",
        "`catalog rebuild SIM002L9`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let found = place.run(["find"], [source.join("later")]).expect_done();
    assert!(found.stdout().contains("later"));
    let wrong = ["archive", "--pool", "p", "--catalog-copy", "daily"];
    place.run(wrong, [&source]).expect_exit(2);
}
