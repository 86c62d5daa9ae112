//! Exit codes where something else than the work could decide them.

use std::io::Read;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Place, random_files};

/// A place with one archived job of some megabytes.
fn archived() -> (Place, std::path::PathBuf) {
    let place = Place::with_pool("1GB", 1);
    let source = place.path("data");
    random_files(&source, 31, 8, 500_000);
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_done();
    (place, source)
}

#[test]
fn a_reader_that_goes_away_does_not_turn_a_partial_job_into_a_done_one() {
    let (place, source) = archived();
    // A hook that fails behind the job makes it done in part.
    let archive = ["archive", "--pool", "p", "--after", "false"];
    place.run(archive, [&source]).expect_exit(7);
    for json in [&[][..], &["--json"]] {
        let mut command = place.command();
        let command = command.args(archive).arg(&source).args(json);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("it ended").code(), Some(7), "{json:?}");
    }
}

#[test]
fn a_demonstration_for_programs_prints_one_summary_and_nothing_else() {
    let place = Place::empty();
    let source = place.path("data");
    random_files(&source, 32, 3, 1_000);
    let ran = place.run(["demo", "--json"], [&source]).expect_done();
    let summary: serde_json::Value =
        serde_json::from_str(&ran.stdout()).expect("one JSON value and no more");
    assert_eq!(summary["identical"], true);
    assert_eq!(summary["objects"], 4);
    assert_eq!(summary["bytes"], 3_000);
    assert_eq!(summary["differences"], serde_json::json!([]));
    assert_eq!(summary["tapes"], serde_json::json!(["SIM001L9"]));
    assert!(ran.stderr().contains("The directory goes to tape."));
}

#[test]
fn a_dump_of_a_file_behind_the_end_finds_nothing() {
    let (place, _) = archived();
    // Label, segment and index are there, and a copy of the catalog with its index.
    place
        .run(["tape", "dump", "SIM001L9", "--file"], ["2"])
        .expect_done();
    for file in ["5", "99999", "18446744073709551615"] {
        let ran = place
            .run(["tape", "dump", "SIM001L9", "--file"], [file])
            .expect_exit(9);
        assert!(
            ran.stderr().contains(&format!("no tape file {file}")),
            "{}",
            ran.stderr()
        );
        assert!(ran.0.stdout.is_empty());
    }
    place
        .run(["tape", "dump", "SIM002L9", "--file"], ["0"])
        .expect_exit(9);
}

#[test]
fn a_dump_that_was_stopped_or_lost_its_terminal_says_so() {
    let (place, _) = archived();
    for signal in [Signal::TERM, Signal::HUP] {
        let mut child = place
            .command()
            .args(["tape", "dump", "SIM001L9", "--file", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut out = child.stdout.take().expect("a pipe");
        // With a byte here the dump runs, and the pipe holds less than all of it.
        out.read_exact(&mut [0]).expect("a first byte");
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).expect("what was written");
        let code = child.wait().expect("it ended").code();
        assert_eq!(code, Some(130), "{signal:?}");
        let bytes = rest.len();
        assert!(
            bytes < 3_000_000,
            "{signal:?}: {bytes} bytes after the stop"
        );
    }
}

#[test]
fn what_nohup_started_goes_on_where_the_terminal_goes_away() {
    let (place, _) = archived();
    let words = ["nohup", "tape", "dump", "SIM001L9", "--file", "1"];
    let program = place.command().get_program().to_owned();
    let mut command = Command::new(words[0]);
    let mut child = command
        .arg(program)
        .args(place.command().get_args())
        .args(&words[1..])
        .envs(
            place
                .command()
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut out = child.stdout.take().expect("a pipe");
    out.read_exact(&mut [0]).expect("a first byte");
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it runs");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).expect("what was written");
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    assert!(rest.len() > 3_000_000, "{} bytes", rest.len());
}

#[test]
fn a_tape_that_is_not_there_calls_for_the_operator() {
    let (place, _) = archived();
    let library = place.path("library");
    let inventory = tape_sim::inventory::read(&library).expect("a library");
    let (slot, _) = inventory
        .contents()
        .find(|(_, content)| content.barcode == "SIM001L9")
        .expect("the tape is in its slot");
    tape_sim::inventory::take(&library, slot).expect("a hand takes it");
    let ran = place.run(["verify", "SIM001L9"], [""; 0]).expect_exit(3);
    assert!(
        ran.stdout().contains("not in the library"),
        "{}",
        ran.stdout()
    );
}

#[test]
fn what_only_looks_does_without_a_log() {
    let (place, source) = archived();
    let log = place.path("state/log/tapewright.log");
    std::fs::remove_file(&log).expect("a log");
    std::fs::create_dir(&log).expect("something that cannot be a log");
    let found = place.run(["find"], [&source]).expect_done();
    assert!(
        found.stderr().contains("without a log"),
        "{}",
        found.stderr()
    );
    assert!(!found.stdout().is_empty());
    place.run(["tape", "list"], [""; 0]).expect_done();
    place
        .run(["archive", "--pool", "p"], [&source])
        .expect_exit(1);
}

#[test]
fn a_state_directory_that_is_not_there_is_not_made_to_ask_it() {
    let place = Place::empty();
    let file = place.path("file");
    let file = file.to_str().expect("a name");
    let cases: [(&[&str], i32, &str); 21] = [
        (&["find", "x"], 9, "--state"),
        (&["ls"], 9, "--state"),
        (&["tree"], 9, "--state"),
        (&["du"], 9, "--state"),
        (&["duplicates"], 9, "--state"),
        (&["job", "list"], 9, "--state"),
        (&["keep", "job", "--for", "7y"], 9, "--state"),
        (&["hold", "list"], 9, "--state"),
        (&["expire", "--dry-run"], 9, "--state"),
        (&["verify", "job"], 9, "--state"),
        (&["copy", "--missing"], 9, "--state"),
        (&["restore", "x", "--to", file], 9, "--state"),
        (&["tape", "show", "SIM001L9"], 9, "--state"),
        (&["tape", "contents", "SIM001L9"], 9, "--state"),
        (&["tape", "at-risk", "SIM001L9"], 9, "--state"),
        (&["catalog", "check"], 9, "--state"),
        (&["catalog", "compact"], 9, "--state"),
        (&["catalog", "compact", "--dry-run"], 9, "--state"),
        (&["catalog", "export", file], 9, "--state"),
        (&["catalog", "rebuild"], 1, "library use"),
        (
            &["catalog", "import", "--from-tape", "SIM001L9"],
            1,
            "library use",
        ),
    ];
    for (words, code, advice) in cases {
        let refused = place.run(words, [""; 0]).expect_exit(code);
        assert!(
            refused.stderr().contains(advice),
            "{words:?}: {}",
            refused.stderr()
        );
        assert!(!place.path("state").exists(), "{words:?}");
        assert!(!place.path("file").exists(), "{words:?}");
    }
}

#[test]
fn a_name_that_is_not_found_says_where_it_was_looked_for() {
    let (place, source) = archived();
    let there = ["restore", "--to", "back"];
    for (pattern, words) in [
        ("0000", "Put `./` in front"),
        ("./0000", "matches /"),
        ("./0000", "`find '**'` shows what there is"),
    ] {
        let said = place.run(there, [pattern]).expect_exit(9).stderr();
        assert!(said.contains(words), "{pattern}: {said}");
    }
    let mut command = place.command();
    let command = command.args(there).args(["--dry-run", "./0000"]);
    let found = command.current_dir(&source).output().expect("it starts");
    assert!(found.status.success(), "it is in the working directory");
}

#[test]
fn a_usage_line_does_not_require_what_the_environment_gives() {
    let said = Place::empty().run(["restore"], [""; 0]).expect_exit(2);
    let said = said.stderr();
    assert!(said.contains("Usage: tapewright restore"), "{said}");
    assert!(!said.contains("--state"), "{said}");
}
