//! A whole system's files to tape and back, in bounded memory, as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Place, assert_same_tree, restored};
use crate::root::is_root;

/// The most that a process may ever hold in memory.
const PEAK_KIB: u64 = 200 * 1000 * 1000 / 1024;

#[test]
#[ignore = "takes minutes, and twice the room of TAPEWRIGHT_TEST_TREE (/usr) in TMPDIR"]
fn a_whole_system_comes_back_identical_in_bounded_memory() {
    if !is_root() {
        return;
    }
    let tree = std::env::var_os("TAPEWRIGHT_TEST_TREE").map_or("/usr".into(), PathBuf::from);
    let tree = fs::canonicalize(tree).expect("the tree is there");
    let place = Place::with_pool("2TB", 1);
    let target = place.path("back");
    let inside = target.starts_with(&tree);
    assert!(!inside, "TMPDIR must lie outside {}", tree.display());

    let archive = peak_kib(&place, &["archive", "--pool", "p"], &[&tree]);
    let restore = peak_kib(&place, &["restore", "--to"], &[&target, &tree]);
    println!("peak memory: archive {archive} KiB, restore {restore} KiB");
    assert_same_tree(&tree, &restored(&target, &tree));
    assert!(archive < PEAK_KIB, "archive took {archive} KiB");
    assert!(restore < PEAK_KIB, "restore took {restore} KiB");
}

/// Runs the program, which must succeed, and gives the most memory that it ever held.
fn peak_kib(place: &Place, words: &[&str], paths: &[&Path]) -> u64 {
    let figure = place.path("peak");
    let program = place.command();
    let environment = program
        .get_envs()
        .filter_map(|(key, value)| Some((key, value?)));
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M", "-o"])
        .arg(&figure)
        .arg(program.get_program())
        .args(words)
        .args(paths)
        .envs(environment)
        .output()
        .expect("GNU time is installed (tests/run installs it)");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
    let figure = fs::read_to_string(figure).expect("what time measured");
    figure.trim().parse().expect("a number of KiB")
}
