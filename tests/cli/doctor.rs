//! `tapewright doctor` as a user meets it.

use std::fs;

use serde_json::Value;

use crate::harness::Place;

fn checks(place: &Place) -> (i32, Vec<Value>) {
    let ran = place.run(["doctor", "--json"], [""; 0]);
    let found: Value = serde_json::from_str(&ran.stdout()).expect("one JSON document");
    let checks = found["checks"].as_array().expect("checks").clone();
    (ran.0.status.code().expect("an exit code"), checks)
}

fn says(checks: &[Value], verdict: &str, words: &str) -> bool {
    checks.iter().any(|check| {
        let text = format!("{}: {} {}", check["about"], check["what"], check["cure"]);
        check["verdict"] == verdict && text.contains(words)
    })
}

#[test]
fn a_sound_simulated_library_has_no_problem_and_keeps_its_tapes() {
    let place = Place::with_pool("64MiB", 1);
    let before = place.json(["library", "status"]);
    let (code, found) = checks(&place);
    assert_eq!(code, 0, "{found:#?}");
    for words in [
        "can be written and locked",
        "it knows 1 tapes",
        "its changer answers: 2 drives",
        "LTO-9, firmware",
        "blocks of up to 8192 KiB pass",
        "no TapeAlert flag",
    ] {
        assert!(says(&found, "ok", words), "{words}: {found:#?}");
    }
    assert_eq!(
        place.json(["library", "status"]),
        before,
        "nothing was moved"
    );
    let ran = place.run(["doctor"], [""; 0]).expect_done();
    assert!(ran.stdout().contains("0 problems and "), "{}", ran.stdout());
}

#[test]
fn each_trouble_is_named_with_its_cure_and_its_exit_code() {
    let place = Place::with_pool("64MiB", 1);
    let ledger = place.path("state/catalog/ledger.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, text.replace("SIM001L9", "SIM009L9")).unwrap();
    let (code, found) = checks(&place);
    assert_eq!(code, 1, "{found:#?}");
    assert!(says(&found, "problem", "catalog"), "{found:#?}");
    // The other checks are made all the same.
    assert!(says(&found, "ok", "its changer answers"), "{found:#?}");

    fs::write(&ledger, text).unwrap();
    fs::rename(place.path("library"), place.path("elsewhere")).unwrap();
    let (code, found) = checks(&place);
    assert_eq!(code, 1, "{found:#?}");
    assert!(says(&found, "problem", "library"), "{found:#?}");
}

#[test]
fn without_a_library_the_command_to_set_one_up_is_given() {
    let (_, found) = checks(&Place::empty());
    assert!(
        says(&found, "warning", "tapewright library create"),
        "{found:#?}"
    );
}

#[test]
fn a_state_directory_that_cannot_be_made_is_a_finding_and_no_end() {
    let place = Place::empty();
    fs::remove_dir_all(place.path("state")).ok();
    fs::write(place.path("state"), b"a file").unwrap();
    let (code, found) = checks(&place);
    assert_eq!(code, 1, "{found:#?}");
    assert!(says(&found, "problem", "state directory"), "{found:#?}");
    assert!(says(&found, "problem", "--state"), "{found:#?}");
    // The other checks are made all the same.
    assert!(says(&found, "ok", "clock"), "{found:#?}");
}

#[test]
fn a_drive_that_falls_silent_is_asked_once_more_and_no_longer() {
    use tape_sim::library::Library;
    let place = Place::with_pool("64MiB", 1);
    let library = Library::open(&place.path("library")).unwrap();
    // It is opened, and then it answers nothing.
    let rule = r#"{"device": "drives", "when": {"command": "LOG SENSE", "nth": 2},
                   "effect": {"kind": "no_answer"}}"#;
    library
        .add_fault(serde_json::from_str(rule).unwrap())
        .unwrap();
    let trace = place.path("trace");
    let ran = place.run(["doctor", "--json", "--trace"], [&trace]);
    let ran = ran.expect_exit(6);
    let found: Value = serde_json::from_str(&ran.stdout()).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let silent = |check: &&Value| check["what"].as_str().unwrap().contains("answers no more");
    let silent: Vec<&Value> = checks.iter().filter(silent).collect();
    assert!(!silent.is_empty(), "{checks:#?}");
    for check in silent {
        let what = check["what"].as_str().unwrap();
        assert!(what.contains("no answer within 20 s"), "{what}");
        assert!(what.contains("its last answer was to command"), "{what}");
        let cure = check["cure"].as_str().unwrap();
        assert!(cure.contains("off and on"), "{cure}");
        let same = |other: &&Value| other["about"] == check["about"];
        let last = checks.iter().rfind(same);
        assert_eq!(last, Some(check), "it was not asked further");
    }
}

#[test]
fn no_drive_is_taken_from_a_job_that_is_about_to_use_it() {
    use rustix::fs::{FlockOperation, flock};
    let place = Place::with_pool("64MiB", 1);
    let lock = fs::File::options()
        .write(true)
        .open(place.path("state/lock/changer"))
        .unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let (code, found) = checks(&place);
    assert_eq!(code, 0, "{found:#?}");
    assert!(
        says(&found, "warning", "about to use a drive"),
        "{found:#?}"
    );
    assert!(!says(&found, "ok", "LTO-9, firmware"), "{found:#?}");
    drop(lock);
    let (_, found) = checks(&place);
    assert!(says(&found, "ok", "LTO-9, firmware"), "{found:#?}");
}

#[test]
fn a_damaged_entry_file_is_named_with_the_tape_that_cures_it() {
    let place = Place::with_pool("64MiB", 1);
    let source = place.path("data");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), b"content").unwrap();
    let archive = ["archive", "--pool", "p", "--catalog-copy", "never"];
    place.run(archive, [&source]).expect_done();
    let (code, found) = checks(&place);
    assert_eq!(code, 0, "{found:#?}");
    assert!(
        says(&found, "ok", "its one entry file is whole"),
        "{found:#?}"
    );

    let entries = fs::read_dir(place.path("state/catalog/entries")).unwrap();
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else {
        panic!("{files:?}")
    };
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    for damaged in [Some(bytes), None] {
        match damaged {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
        let (code, found) = checks(&place);
        assert_eq!(code, 1, "{found:#?}");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(says(&found, "problem", name), "{found:#?}");
        assert!(
            says(&found, "problem", "catalog rebuild SIM001L9"),
            "{found:#?}"
        );
    }
    place
        .run(["catalog", "rebuild", "SIM001L9"], [""; 0])
        .expect_done();
    let (code, found) = checks(&place);
    assert_eq!(code, 0, "{found:#?}");
}
