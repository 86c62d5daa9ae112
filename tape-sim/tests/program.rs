//! The program `tape-sim` as a user at a shell meets it.

use std::fs;
use std::io;
use std::process::Command;

use tempfile::TempDir;

fn tape_sim(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tape-sim"));
    command.args(args).current_dir(dir);
    command
}

#[test]
fn help_is_printed_wherever_it_is_asked_for_and_makes_nothing() {
    let dir = TempDir::new().unwrap();
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["create", "--help"],
        &["create", "-h"],
        &["create", "library", "--drives", "1", "--help"],
        &["status", "--help"],
        &["cartridge", "--help"],
        &["insert", "--help"],
        &["remove", "--help"],
        &["protect", "--help"],
        &["label", "--help"],
        &["door", "--help"],
        &["magazine", "--help"],
        &["faults", "--help"],
        &["exec", "--help"],
        &["attach", "--help"],
        &["detach", "--help"],
    ] {
        let output = tape_sim(&dir, args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{args:?}");
        assert!(text.starts_with("usage: tape-sim create"), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing was made");
}

#[test]
fn an_option_is_never_taken_for_a_directory() {
    let dir = TempDir::new().unwrap();
    for args in [
        &["create", "--drives"][..],
        &["create", "-v"],
        &["status", "--all"],
    ] {
        let output = tape_sim(&dir, args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stderr.starts_with(b"usage: "), "{args:?}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_reader_who_has_read_enough_is_no_failure() {
    let dir = TempDir::new().unwrap();
    let made = tape_sim(&dir, &["create", "library"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = tape_sim(&dir, &["status", "library"])
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
