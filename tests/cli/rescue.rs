//! Rescuing tapes, as a user sees it.

use std::fs;

use tape_sim::fault::{Flaws, Spot, write_flaws};

use crate::harness::{Place, assert_same_tree, random_files, restored};

const NO_MORE: [&str; 0] = [];

/// A place with a job on one tape of pool `p` and one of pool `q`.
fn with_two_tapes() -> (Place, std::path::PathBuf) {
    let place = Place::with_pool("1GB", 1);
    place
        .run(["tape", "label", "--pool", "q"], ["SIM002L9"])
        .expect_done();
    let source = place.path("data");
    random_files(&source.join("deep"), 5, 4, 9_000);
    for pool in ["p", "q"] {
        place
            .run(["archive", "--pool", pool], [&source])
            .expect_done();
    }
    (place, source)
}

#[test]
fn each_tape_has_a_directory_of_its_own_and_says_what_proves_its_files() {
    let (place, source) = with_two_tapes();
    let to = place.path("saved").display().to_string();
    let ran = place.run(["tape", "rescue", "SIM001L9", "--to", &to], NO_MORE);
    let said = ran.expect_done().stdout();
    for words in [
        "verified by digest",
        "rescued.jsonl",
        "nothing is known to be lost",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("by the length"), "{said}");
    let saved = place.path("saved/SIM001L9/file-00001");
    assert_same_tree(&source, &restored(&saved, &source));

    let again = place.run(["tape", "rescue", "SIM001L9", "--to", &to], NO_MORE);
    let said = again.expect_exit(2).stderr();
    assert!(said.contains("earlier rescue of this tape"), "{said}");
    let other = &place.json(["tape", "rescue", "SIM002L9", "--to", &to])[0];
    assert_eq!(other["outcome"], "complete", "{other}");
    assert_eq!(
        (&other["files"], &other["by_length"]),
        (&other["verified"], &0.into()),
        "{other}"
    );
    assert!(place.path("saved/SIM002L9/rescued.jsonl").exists());

    let foreign = place.path("foreign");
    fs::create_dir_all(&foreign).expect("a directory");
    fs::write(foreign.join("mine"), "untouched").expect("a file");
    let ran = place.run(["tape", "rescue", "SIM001L9", "--to"], [&foreign]);
    let said = ran.expect_exit(2).stderr();
    assert!(said.contains("other things in it"), "{said}");
}

#[test]
fn a_file_over_two_tapes_is_joined_when_the_second_is_rescued() {
    let place = Place::with_pool("48MB", 2);
    let source = place.path("data");
    random_files(&source, 6, 1, 60_000_000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    let to = place.path("saved").display().to_string();
    let second = place.run(["tape", "rescue", "SIM002L9", "--to", &to], NO_MORE);
    let said = second.expect_done().stdout();
    for words in [
        "in parts, not joined (1)",
        "missing: part 1 and bytes 0 to",
        "same directory",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let first = &place.json(["tape", "rescue", "SIM001L9", "--to", &to])[0];
    let joined = &first["joined"][0];
    let came = (&joined["size_bytes"], &joined["verified"]);
    assert_eq!(came, (&60_000_000.into(), &true.into()), "{first}");
    let path = joined["path"].as_str().expect("a path");
    assert!(
        path.contains("/SIM001L9/") && path.ends_with("/0000"),
        "{path}"
    );
    let there = fs::read(path).expect("the joined file");
    assert!(there == fs::read(source.join("0000")).expect("the file"));
}

#[test]
fn a_tape_without_one_of_its_indexes_is_not_sure_and_says_of_what() {
    let (place, _) = with_two_tapes();
    let to = |name: &str| place.path(name).display().to_string();
    let words = ["tape", "rescue", "SIM001L9", "--to", &to("before")];
    let index = place.json(words)[0]["tape_files"][2]["first_block"]
        .as_u64()
        .expect("the first block of the index");
    let folder = tape_sim::cartridge::folder(&place.path("library"), "SIM001L9");
    let spot = Spot {
        partition: 0,
        objects: [index, index],
    };
    let mut flaws = Flaws::default();
    flaws.unreadable.push(spot);
    write_flaws(&folder, &flaws).expect("flaws");

    let words = ["tape", "rescue", "SIM001L9", "--to", &to("text")];
    let said = place.run(words, NO_MORE).expect_exit(7).stdout();
    for words in [
        "not sure (1):",
        "segment 1 in file-00001: its index is missing or damaged",
        "`tape contents SIM001L9`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let words = ["tape", "rescue", "SIM001L9", "--json", "--to", &to("json")];
    let said = place.run(words, NO_MORE).expect_exit(7).stdout();
    let summary: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let doubt = &summary["doubts"][0];
    let told = (&doubt["about"], &doubt["file"], &doubt["first_segment"]);
    assert_eq!(told, (&"index".into(), &1.into(), &1.into()), "{summary}");
}
