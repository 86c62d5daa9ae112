//! Builds small catalogs for the tests, and a reading of the ledger of its own.

use std::path::Path;
use std::time::Duration;

use catalogs::model::event::{
    DigestAlgorithm, Event, JobFinished, JobStarted, Level, Outcome, Receipt, VolumeLabelled,
};
use catalogs::model::problem::Problems;
use catalogs::model::{Condition, Entry, FileTime, Kind};
use catalogs::{Catalog, FindOptions, Hit, OpenOptions, Pattern};
use jiff::Timestamp;
use uuid::Uuid;

pub const RECORD_BYTES: u32 = 512 * 1024;

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub fn job_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0a, number)
}

pub fn volume_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0b, number)
}

pub fn segment_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x0c, number)
}

pub fn quick() -> OpenOptions {
    OpenOptions {
        index_wait: Duration::from_millis(50),
        ..OpenOptions::default()
    }
}

pub fn create(directory: &Path) -> Catalog {
    Catalog::create(directory, at(0), Uuid::from_u128(1), "test 1", quick()).unwrap()
}

/// One with a volume, and a job of everything that has begun.
pub fn create_with_job(directory: &Path) -> Catalog {
    let catalog = create(directory);
    catalog.append(at(1), &labelled(1)).unwrap();
    catalog
        .append(at(1), &started(1, "one", &[""], &[]))
        .unwrap();
    catalog
}

pub fn open(directory: &Path) -> Catalog {
    Catalog::open(directory, quick()).unwrap()
}

pub fn labelled(volume: u64) -> Event {
    Event::VolumeLabelled(VolumeLabelled {
        volume: volume_id(volume),
        barcode: format!("E{volume:05}L9"),
        pool: "archive".into(),
        block_bytes: RECORD_BYTES,
        medium_serial: None,
        capacity_bytes: 18_000_000_000_000,
        generation: "LTO-9".into(),
        density_code: Some(0x60),
        replaces: None,
    })
}

pub fn started(job: u64, name: &str, roots: &[&str], excludes: &[&str]) -> Event {
    Event::JobStarted(JobStarted {
        job: job_id(job),
        name: name.into(),
        pool: "archive".into(),
        copy_pool: None,
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        roots: roots.iter().map(|&root| root.into()).collect(),
        excludes: excludes.iter().map(|&glob| glob.to_owned()).collect(),
        host: "host".into(),
        software: "test 1".into(),
        level: Level::Full,
        base: None,
        digest_algorithm: DigestAlgorithm::Blake3,
    })
}

pub fn finished(job: u64, outcome: Outcome) -> Event {
    let job = job_id(job);
    let problems = Problems::default();
    Event::JobFinished(JobFinished {
        job,
        outcome,
        files: 0,
        file_bytes: 0,
        problems,
        commands: Vec::new(),
        from_tapes: false,
    })
}

pub fn receipt(job: u64, volume: u64, segment: u64) -> Receipt {
    let first_block = 2 + segment * 1_000;
    Receipt {
        job: job_id(job),
        volume: volume_id(volume),
        segment: segment_id(segment),
        segment_number: segment as u32,
        file_number: 1 + 2 * segment as u32,
        first_block,
        job_segment: None,
        job_ends: false,
        job_problems: None,
        content_ends: false,
        index_block: first_block + 900,
        end_block: first_block + 910,
        record_bytes: RECORD_BYTES,
        records: 900,
        tar_bytes: 900 * u64::from(RECORD_BYTES),
        content: None,
        codec: None,
        files: 0,
        inner_parts: 0,
        file_bytes: 0,
        digest_algorithm: DigestAlgorithm::Blake3,
    }
}

/// A file whose content depends on path and `version`.
pub fn file(path: impl AsRef<[u8]>, version: u64) -> Entry {
    let path = path.as_ref();
    let digest = blake3::hash(&[path, &version.to_be_bytes()].concat());
    let number = u64::from_be_bytes(*digest.as_bytes().first_chunk().unwrap());
    let size_bytes = number % 1_000_000;
    let time = FileTime {
        seconds: 1_600_000_000 + (number % 10_000_000) as i64,
        nanoseconds: (number % 1_000_000_000) as u32,
    };
    Entry {
        path: path.to_vec(),
        kind: Kind::File,
        size_bytes,
        mode: 0o644,
        uid: 1_000,
        gid: 100,
        user: "user".into(),
        group: "users".into(),
        mtime: time,
        ctime: time,
        link_target: Vec::new(),
        device: None,
        digest: Some(*digest.as_bytes()),
        block: number % 10_000,
        offset_bytes: (number % 1_024) as u32 * 512,
        member_bytes: size_bytes.div_ceil(512) * 512 + 512,
        skip_bytes: None,
        part: None,
        condition: Condition::Whole,
        inode: Some(number % 1_000_000),
    }
}

pub fn directory(path: impl AsRef<[u8]>) -> Entry {
    let entry = file(path, 0);
    Entry {
        kind: Kind::Directory,
        size_bytes: 0,
        digest: None,
        mode: 0o755,
        ..entry
    }
}

/// A name that is gone.
pub fn gone(path: impl AsRef<[u8]>) -> Entry {
    let entry = file(path, 0);
    Entry {
        kind: Kind::Gone,
        size_bytes: 0,
        digest: None,
        ..entry
    }
}

pub fn find(catalog: &Catalog, pattern: &str, options: &FindOptions) -> Vec<Hit> {
    let pattern = Pattern::parse(pattern.as_bytes()).unwrap();
    catalog
        .find(&pattern, options)
        .unwrap()
        .map(|hit| hit.unwrap())
        .collect()
}

/// `path@job`, with `!` before what is gone.
pub fn short(hit: &Hit) -> String {
    let gone = if hit.gone { "!" } else { "" };
    let path = String::from_utf8_lossy(&hit.entry.path);
    format!("{gone}{path}@{}", hit.job.start.what.name)
}

pub fn found(catalog: &Catalog, pattern: &str, options: &FindOptions) -> Vec<String> {
    find(catalog, pattern, options).iter().map(short).collect()
}

/// Two volumes, three jobs over `home`: the second lacks `home/b/old`, the third was interrupted.
pub fn fill(catalog: &Catalog) {
    for volume in [1, 2] {
        catalog
            .append(at(volume as i64), &labelled(volume))
            .unwrap();
    }
    let first = [
        "home/a",
        "home/b/new",
        "home/b/old",
        "home/b.txt",
        "home/b/deep/x",
    ];
    let second = [
        "home/a",
        "home/b/new",
        "home/b.txt",
        "home/b/deep/x",
        "home/c",
    ];
    let jobs = [
        (1, 1, &first[..], Outcome::Complete),
        (2, 2, &second[..], Outcome::Complete),
    ];
    for (job, volume, paths, outcome) in jobs {
        let time = at(10 * job as i64);
        let name = format!("job{job}");
        catalog
            .append(time, &started(job, &name, &["home"], &["*.tmp"]))
            .unwrap();
        let mut entries: Vec<Entry> = paths.iter().map(|path| file(path, job)).collect();
        entries.push(directory("home"));
        entries.push(directory("home/b"));
        catalog
            .commit(time, receipt(job, volume, job), entries)
            .unwrap();
        catalog.append(time, &finished(job, outcome)).unwrap();
    }
    catalog
        .append(at(30), &started(3, "job3", &["home"], &[]))
        .unwrap();
    catalog
        .commit(at(31), receipt(3, 1, 3), vec![file("home/c", 3)])
        .unwrap();
}

/// All hits of everything, as text: what must stay the same whatever happens to the index.
pub fn answers(catalog: &Catalog) -> Vec<String> {
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    found(catalog, "", &all)
}

/// Copies ledger and entry files, not the index.
pub fn copy_truth(from: &Path, to: &Path) {
    let entries = to.join(catalogs::ENTRIES_DIRECTORY);
    std::fs::create_dir_all(&entries).unwrap();
    std::fs::copy(
        from.join(catalogs::LEDGER_FILE),
        to.join(catalogs::LEDGER_FILE),
    )
    .unwrap();
    for file in std::fs::read_dir(from.join(catalogs::ENTRIES_DIRECTORY)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), entries.join(file.file_name())).unwrap();
    }
}

/// A ledger line made as `docs/catalog.md` says, by none of the code under test.
pub fn ledger_line(seq: u64, prev: &str, event: &str) -> String {
    let body =
        format!(r#"{{"seq":{seq},"prev":"{prev}","time":"2026-01-31T02:03:04Z","event":{event}"#);
    format!(
        "{body},\"sum\":\"{}\"}}\n",
        blake3::hash(body.as_bytes()).to_hex()
    )
}

/// The `sum` of the last line of a ledger, and the line's number.
pub fn ledger_end(ledger: &str) -> (u64, String) {
    let line = ledger.lines().last().unwrap();
    (
        ledger.lines().count() as u64,
        line[line.len() - 66..line.len() - 2].to_owned(),
    )
}

/// Random numbers that a seed repeats (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A number that whoever runs the tests may set.
pub fn from_environment(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}
