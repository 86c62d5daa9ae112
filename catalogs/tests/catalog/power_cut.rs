//! A host that loses power at any moment of a process that commits, asks, merges and remakes the
//! index:
//! what it does is recorded, and carried out on a model of a disk up to each moment.
//!
//! How many moments and which come from `CATALOGS_POWER_CUTS` and `CATALOGS_POWER_SEED`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{self, Disk, Operation};
use crate::support::*;
use crate::witness::{self, Acknowledged};

pub const CHILD_DIRECTORY: &str = "CATALOGS_POWER_CHILD";
/// So many cuts in the work of one process. The next one goes on from what the last cut left.
const CUTS_OF_A_PROCESS: u64 = 20;
const COMMITS: u64 = 12;

pub fn compile_recorder(directory: &Path) -> PathBuf {
    let library = directory.join("recorder.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalog/recorder.c");
    let compiled = Command::new("gcc")
        .args([
            "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o",
        ])
        .args([&library, &source])
        .status();
    assert!(compiled.expect("gcc").success());
    library
}

/// Lets a process work in `directory`; returns all that it did.
fn record(directory: &Path, place: &Path, recorder: &Path) -> Vec<Operation> {
    let test = "power_cut::nothing_acknowledged_is_lost_by_a_power_cut";
    record_test(test, directory, place, recorder)
}

/// The same of a test that is its own child.
pub fn record_test(test: &str, directory: &Path, place: &Path, recorder: &Path) -> Vec<Operation> {
    let log = place.join("log");
    let _ = std::fs::remove_file(&log);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_DIRECTORY, directory)
        .env("LD_PRELOAD", recorder)
        .env("RECORD_DIRECTORY", directory)
        .env("RECORD_LOG", &log)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Operation::read(&log, directory)
}

/// What the process had been told before a moment.
fn told(operations: &[Operation]) -> Vec<Acknowledged> {
    let said = operations.iter().filter_map(|operation| match operation {
        Operation::Say(text) => Acknowledged::hear(text),
        _ => None,
    });
    said.collect()
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        return witness::write(Path::new(&directory), 1, COMMITS);
    }
    let place = tempfile::tempdir().unwrap();
    let recorder = compile_recorder(place.path());
    let seed = from_environment("CATALOGS_POWER_SEED", 0x907e);
    let cuts = from_environment("CATALOGS_POWER_CUTS", 60);
    let mut random = Random(seed);
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    let mut work = tempfile::tempdir().unwrap();
    let (mut receipts, mut made) = (0, 0);
    let mut operations = Vec::new();
    let mut before = Vec::new();
    let mut disks: Vec<Disk> = Vec::new();
    for cut in 0..cuts {
        if cut % CUTS_OF_A_PROCESS == 0 {
            disks = [true, false]
                .map(|journal| Disk::of(work.path(), journal))
                .into();
            before.clone_from(&acknowledged);
            operations = record(work.path(), place.path(), &recorder);
            let mut whole = disks[0].clone();
            operations
                .iter()
                .for_each(|operation| whole.take(operation));
            let same = whole.shut_down() == disk::tree(work.path());
            assert!(same, "the recording lacks something that was done");
        }
        let moment = random.below(operations.len() as u64 + 1) as usize;
        let journal = random.below(2) == 0;
        let mut disk = disks[usize::from(!journal)].clone();
        operations[..moment]
            .iter()
            .for_each(|operation| disk.take(operation));
        acknowledged.clone_from(&before);
        acknowledged.extend(told(&operations[..moment]));
        work = tempfile::tempdir().unwrap();
        disk::plant(work.path(), &disk.lose_power(&mut random));
        let context = format!(
            "seed {seed:#x}, cut {cut}: behind operation {moment} of {} ({:?}), journal {journal}",
            operations.len(),
            operations[..moment].last().map(short),
        );
        if !work.path().join(catalogs::LEDGER_FILE).exists() {
            assert_eq!(acknowledged, [], "{context}: the ledger is gone");
            continue;
        }
        made += 1;
        receipts += witness::check(work.path(), &acknowledged, &context);
    }
    println!("{cuts} power cuts, {made} with a catalog, {receipts} receipts in them, none lost");
    assert!(receipts > 0);
}

/// The proof can fail: on a disk that lies about one sort of sync, something is lost.
#[test]
fn a_disk_that_ignores_a_sync_is_found_out() {
    let place = tempfile::tempdir().unwrap();
    let recorder = compile_recorder(place.path());
    let work = tempfile::tempdir().unwrap();
    let begin = Disk::of(work.path(), false);
    let operations = record(work.path(), place.path(), &recorder);
    let ends = |path: &Path, end: &str| path.to_str().is_some_and(|path| path.ends_with(end));
    for ignored in ["ledger.jsonl", ".tmp", ".merging", "entries"] {
        let mut random = Random(0x11e5);
        let found_out = (0..200).any(|_| {
            let moment = random.below(operations.len() as u64 + 1) as usize;
            let mut disk = begin.clone();
            for operation in &operations[..moment] {
                match operation {
                    Operation::Sync(path) if ends(path, ignored) => {}
                    operation => disk.take(operation),
                }
            }
            let left = tempfile::tempdir().unwrap();
            disk::plant(left.path(), &disk.lose_power(&mut random));
            let acknowledged = told(&operations[..moment]);
            let check = || witness::check(left.path(), &acknowledged, ignored);
            std::panic::catch_unwind(check).is_err()
        });
        assert!(
            found_out,
            "nothing is lost where syncs of {ignored} are ignored"
        );
    }
}

/// An operation without its bytes.
pub fn short(operation: &Operation) -> String {
    match operation {
        Operation::Write(path, at, bytes) => format!("{}: {} at {at}", path.display(), bytes.len()),
        other => format!("{other:?}"),
    }
}
