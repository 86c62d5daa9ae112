//! A process that commits is killed at random moments; what it had acknowledged is there.
//!
//! The fault model is SIGKILL: the page cache survives, the process does not. Rounds and seed
//! come from `CATALOGS_KILL_ROUNDS` and `CATALOGS_KILL_SEED`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use catalogs::FindOptions;

use crate::support::*;

const ENTRIES: u64 = 40;
const CHILD_DIRECTORY: &str = "CATALOGS_KILL_CHILD";

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().unwrap())
}

/// Commits segment after segment and asks a question now and then, until killed.
fn commit_for_ever(directory: &Path) -> ! {
    let catalog = open(directory);
    let last = catalog.last_receipt(&volume_id(1)).unwrap();
    let next = last.map_or(1, |last| u64::from(last.what.receipt.segment_number) + 1);
    for segment in next.. {
        let path = |number| format!("s{segment}/{number}");
        let entries = (0..ENTRIES)
            .map(|number| file(path(number), segment))
            .collect();
        catalog
            .commit(at(1), receipt(1, 1, segment), entries)
            .unwrap();
        println!("committed {segment}");
        std::io::stdout().flush().unwrap();
        if segment % 3 == 0 {
            assert_eq!(found(&catalog, &path(0), &FindOptions::default()).len(), 1);
        }
        if segment % 7 == 0 {
            catalog.release_index();
        }
    }
    unreachable!("there are more segments than time");
}

/// Runs a child for a while; returns the last segment it acknowledged.
fn run_and_kill(directory: &Path, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::nothing_acknowledged_is_lost_by_a_kill",
            "--nocapture",
        ])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let numbers = stdout.lines().map_while(Result::ok).filter_map(|line| {
            // The test runner's own words precede the first number on its line.
            let (_, number) = line.rsplit_once("committed ")?;
            number.parse::<u64>().ok()
        });
        numbers.last().unwrap_or(0)
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        commit_for_ever(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    drop(catalog);
    let seed = from_environment("CATALOGS_KILL_SEED", 0x5eed);
    let mut random = Random(seed);
    let mut acknowledged = 0;
    for round in 0..from_environment("CATALOGS_KILL_ROUNDS", 20) {
        let after = Duration::from_micros(20_000 + random.below(200_000));
        acknowledged = acknowledged.max(run_and_kill(directory.path(), after));
        let context = format!("seed {seed:#x}, round {round}, acknowledged {acknowledged}");
        let catalog = open(directory.path());
        let report = catalog.check().unwrap();
        assert!(report.damaged.is_empty(), "{context}: {:?}", report.damaged);
        assert!(
            report.receipts >= acknowledged,
            "{context}: {} receipts",
            report.receipts
        );
        assert_eq!(report.entries, report.receipts * ENTRIES, "{context}");
        let mut seen = BTreeMap::new();
        for hit in find(&catalog, "", &FindOptions::default()) {
            *seen.entry(hit.receipt.receipt.segment_number).or_insert(0) += 1;
        }
        let whole = (1..=report.receipts as u32)
            .map(|segment| (segment, ENTRIES))
            .collect();
        assert_eq!(seen, whole, "{context}");
        acknowledged = report.receipts;
    }
    assert!(acknowledged > 0, "no round lasted long enough to commit");
}
