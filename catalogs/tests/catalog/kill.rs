//! Processes that commit, ask, merge, open and remake the index are killed at random moments, and
//! the index is mistreated in between; what was acknowledged is there, and nothing by half.
//!
//! The fault model is SIGKILL: the page cache survives, the process does not. Rounds and seed
//! come from `CATALOGS_KILL_ROUNDS` and `CATALOGS_KILL_SEED`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::disk;
use crate::support::*;
use crate::witness::{self, Acknowledged};

const CHILD_DIRECTORY: &str = "CATALOGS_KILL_CHILD";
const CHILD_WRITER: &str = "CATALOGS_KILL_WRITER";
/// A new catalog after so many rounds: each check reads all of it.
const ROUNDS_OF_A_CATALOG: u64 = 20;

/// What runs until it is killed: writers by number, and how many that only open.
const COMPANIES: [(&[u64], u64); 4] = [(&[1], 0), (&[1, 2], 0), (&[1], 1), (&[2], 2)];

struct Company {
    children: Vec<Child>,
    heard: Vec<JoinHandle<Vec<Acknowledged>>>,
}

impl Company {
    fn start(directory: &Path, (writers, openers): (&[u64], u64)) -> Company {
        let mut company = Company {
            children: Vec::new(),
            heard: Vec::new(),
        };
        let nobodies = std::iter::repeat_n(&0, openers as usize);
        for writer in writers.iter().chain(nobodies) {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "kill::nothing_acknowledged_is_lost_by_a_kill",
                    "--nocapture",
                ])
                .env(CHILD_DIRECTORY, directory)
                .env(CHILD_WRITER, writer.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            let hear = move || {
                let lines = stdout.lines().map_while(Result::ok);
                lines.filter_map(|line| Acknowledged::hear(&line)).collect()
            };
            company.heard.push(std::thread::spawn(hear));
            company.children.push(child);
        }
        company
    }

    /// Ends them; returns what they had been told.
    fn kill(self) -> Vec<Acknowledged> {
        for mut child in self.children {
            let early = child.try_wait().unwrap();
            assert_eq!(early, None, "a process ended before it was killed");
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let heard = self.heard.into_iter();
        heard.flat_map(|heard| heard.join().unwrap()).collect()
    }
}

/// Whatever becomes of the index: left, gone, altered, cut short, an older copy, half made.
fn mistreat(directory: &Path, random: &mut Random, older: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
    let index = directory.join("index");
    let deed = random.below(8);
    if !index.is_dir() || deed < 3 {
        return;
    }
    let now = disk::tree(&index);
    let files: Vec<&(PathBuf, Option<Vec<u8>>)> = now
        .iter()
        .filter(|(_, content)| content.is_some())
        .collect();
    if files.is_empty() {
        return;
    }
    let (name, content) = files[random.below(files.len() as u64) as usize];
    let mut bytes = content.clone().unwrap();
    let used = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    let place = random.below(used as u64 + 1) as usize;
    match deed {
        3 => fs::remove_dir_all(&index).unwrap(),
        4 if place < bytes.len() => {
            bytes[place] ^= 1 << random.below(8);
            fs::write(index.join(name), bytes).unwrap();
        }
        5 => fs::write(index.join(name), &bytes[..place]).unwrap(),
        6 if !older.is_empty() => {
            fs::remove_dir_all(&index).unwrap();
            fs::create_dir(&index).unwrap();
            disk::plant(&index, older);
        }
        _ => fs::write(index.join("snap.00000000000000FF.generating"), "half").unwrap(),
    }
    *older = now;
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        match from_environment(CHILD_WRITER, 0) {
            0 => witness::open_for_ever(Path::new(&directory)),
            writer => witness::write(Path::new(&directory), writer, u64::MAX),
        }
    }
    let seed = from_environment("CATALOGS_KILL_SEED", 0x5eed);
    let mut random = Random(seed);
    let mut directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut older = Vec::new();
    let (mut kills, mut receipts) = (0, 0);
    let rounds = from_environment("CATALOGS_KILL_ROUNDS", 12);
    for round in 0..rounds {
        if round % ROUNDS_OF_A_CATALOG == 0 {
            directory = tempfile::tempdir().unwrap();
            acknowledged.clear();
            older.clear();
            drop(create(directory.path()));
        }
        let company = COMPANIES[round as usize % COMPANIES.len()];
        let running = Company::start(directory.path(), company);
        kills += running.children.len();
        std::thread::sleep(Duration::from_micros(20_000 + random.below(200_000)));
        let told = running.kill();
        receipts += told.iter().filter(|told| told.receipt).count();
        acknowledged.extend(told);
        mistreat(directory.path(), &mut random, &mut older);
        let context = format!("seed {seed:#x}, round {round}, {company:?}");
        witness::check(directory.path(), &acknowledged, &context);
    }
    println!("{rounds} rounds, {kills} kills, {receipts} receipts acknowledged, none lost");
    assert!(receipts > 0, "no round lasted long enough to commit");
}
