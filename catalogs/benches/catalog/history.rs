//! A made-up history of a file system that is archived: 24 months of one full job and 14
//! incremental ones each. Every number is a hash of its place, so nothing is kept in memory and
//! the same history comes out each time.

use std::sync::{Arc, LazyLock};

use catalogs::model::event::{
    DigestAlgorithm, Event, JobFinished, JobStarted, Level, Outcome, Receipt, VolumeLabelled,
};
use catalogs::model::problem::Problems;
use catalogs::model::{Condition, Entry, FileTime, Kind};
use jiff::Timestamp;
use uuid::Uuid;

pub const MONTHS: u64 = 24;
/// Jobs of a month: the first is full.
pub const RUNS_OF_MONTH: u64 = 15;
pub const RUNS: u64 = MONTHS * RUNS_OF_MONTH;
const RECORD_BYTES: u32 = 512 * 1024;
/// The usual length of a segment on tape.
pub const SEGMENT_BYTES: u64 = 32 << 30;
/// Names in a directory; the first is that of the directory.
const IN_DIRECTORY: u64 = 24;
const EPOCH: i64 = 1_600_000_000;
const DAY: i64 = 86_400;

const WORDS: [&str; 64] = [
    "usr",
    "share",
    "doc",
    "lib",
    "include",
    "locale",
    "man",
    "python3",
    "dist-packages",
    "src",
    "main",
    "test",
    "build",
    "config",
    "data",
    "project",
    "archive",
    "report",
    "invoice",
    "photo",
    "music",
    "backup",
    "image",
    "module",
    "kernel",
    "driver",
    "network",
    "storage",
    "client",
    "server",
    "common",
    "utils",
    "index",
    "readme",
    "license",
    "changelog",
    "manual",
    "figure",
    "chapter",
    "letter",
    "contract",
    "budget",
    "meeting",
    "notes",
    "draft",
    "final",
    "sample",
    "model",
    "result",
    "analysis",
    "measure",
    "signal",
    "camera",
    "holiday",
    "family",
    "website",
    "static",
    "template",
    "script",
    "plugin",
    "font",
    "icon",
    "video",
    "session",
];
const ENDINGS: [&str; 16] = [
    ".h", ".c", ".py", ".so", ".txt", ".pdf", ".jpg", ".html", ".gz", ".xml", ".json", ".rs",
    ".png", ".docx", ".csv", "",
];

/// A well mixed number of three.
fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut x = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .wrapping_add(c.wrapping_mul(0x94d0_49bb_1331_11eb));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a job is told to commit.
pub struct Segment {
    pub receipt: Receipt,
    pub entries: Vec<Entry>,
}

/// Names of the owners, as many as there are.
static USERS: LazyLock<[Arc<str>; 20]> =
    LazyLock::new(|| std::array::from_fn(|number| format!("user{}", 1_000 + number).into()));
static GROUP: LazyLock<Arc<str>> = LazyLock::new(|| "users".into());

pub struct History {
    /// Names that ever were.
    pub names: u64,
    /// Length of a segment on tape.
    pub segment_bytes: u64,
}

impl History {
    /// A history of about `entries` entries: 24 times nearly all names, and the changes.
    pub fn of(entries: u64, segment_bytes: u64) -> History {
        let names = entries * 10 / 239;
        History {
            names,
            segment_bytes,
        }
    }

    pub fn path(&self, name: u64) -> Vec<u8> {
        let (directory, slot) = (name / IN_DIRECTORY, name % IN_DIRECTORY);
        let mut path = String::from("home");
        let mut above = 1;
        let mut digits = self.names.div_ceil(IN_DIRECTORY).ilog2() / 3 + 1;
        while digits > 0 {
            digits -= 1;
            let digit = directory >> (3 * digits) & 7;
            let word = mix(above, 1, 0) + 17 * digit;
            path.push('/');
            path.push_str(WORDS[(word % 64) as usize]);
            above = above * 8 + digit;
        }
        if slot > 0 {
            let chance = mix(name, 2, 0);
            let number = slot + IN_DIRECTORY * (chance % 90);
            let word = WORDS[(chance >> 16) as usize % 64];
            let ending = ENDINGS[(chance >> 32) as usize % 16];
            path.push_str(&format!("/{word}-{number:04}{ending}"));
        }
        path.into_bytes()
    }

    /// Paths of some files, scattered.
    pub fn some_files(&self, count: u64, salt: u64) -> impl Iterator<Item = Vec<u8>> {
        let step = (self.names / count) | 1;
        let scattered = (0..count).map(move |number| (number * step * 7 + salt) % self.names);
        // A directory is the first of the names in it.
        let files = scattered.map(|name| name + u64::from(name.is_multiple_of(IN_DIRECTORY)));
        files.map(|name| self.path(name))
    }

    /// The run in which something becomes of a name in a month, in one case of `of`.
    fn event(name: u64, what: u64, month: u64, of: u64) -> Option<u64> {
        let chance = mix(name, what, month);
        let happens = chance.is_multiple_of(of);
        happens.then(|| month * RUNS_OF_MONTH + 1 + (chance >> 32) % (RUNS_OF_MONTH - 1))
    }

    fn born(name: u64) -> u64 {
        if name.is_multiple_of(IN_DIRECTORY) {
            return 0;
        }
        let month = mix(name, 3, 0) % MONTHS;
        History::event(name, 4, month, 16).unwrap_or(0)
    }

    fn dies(name: u64) -> u64 {
        if name.is_multiple_of(IN_DIRECTORY) {
            return RUNS;
        }
        let month = mix(name, 5, 0) % MONTHS;
        let run = History::event(name, 6, month, 40).unwrap_or(RUNS);
        if run > History::born(name) { run } else { RUNS }
    }

    /// The run in which what `run` finds of the name was written; `None` if it is not there.
    pub fn version(name: u64, run: u64) -> Option<u64> {
        let born = History::born(name);
        if run < born || run >= History::dies(name) {
            return None;
        }
        let months = (0..=run / RUNS_OF_MONTH).rev();
        let mut changes = months.filter_map(|month| History::event(name, 7, month, 50));
        Some(changes.find(|change| *change <= run).unwrap_or(0).max(born))
    }

    /// Hands over what run `run` archives, segment by segment.
    pub fn run(&self, run: u64, mut commit: impl FnMut(Segment)) {
        let full = run.is_multiple_of(RUNS_OF_MONTH);
        let mut number = run * 1_000;
        let mut entries: Vec<Entry> = Vec::new();
        let mut position = 0;
        for name in 0..self.names {
            let entry = if full {
                History::version(name, run).map(|version| self.entry(name, version))
            } else if History::dies(name) == run {
                Some(self.gone(name))
            } else {
                let fresh = History::version(name, run) == Some(run);
                fresh.then(|| self.entry(name, run))
            };
            let Some(mut entry) = entry else { continue };
            entry.block = position / u64::from(RECORD_BYTES);
            entry.offset_bytes = (position % u64::from(RECORD_BYTES)) as u32;
            position += entry.member_bytes;
            entries.push(entry);
            if position >= self.segment_bytes {
                commit(segment(run, number, std::mem::take(&mut entries)));
                number += 1;
                position = 0;
            }
        }
        if !entries.is_empty() {
            commit(segment(run, number, entries));
        }
    }

    /// A segment of a hundred files, behind all runs: another one for each number and process.
    pub fn small_segment(&self, number: u64) -> Segment {
        let process = u64::from(std::process::id());
        let names = self.names.min(100);
        let entries = (0..names).map(|name| self.entry(name, RUNS));
        segment(
            RUNS - 1,
            (process << 24) + RUNS * 1_000 + number,
            entries.collect(),
        )
    }

    fn entry(&self, name: u64, version: u64) -> Entry {
        let is_file = !name.is_multiple_of(IN_DIRECTORY);
        let chance = mix(name, 8, version);
        let part = (chance >> 11) as f64 / (1_u64 << 53) as f64;
        let size_bytes = if is_file {
            2_f64.powf(6.0 + 14.0 * part) as u64
        } else {
            0
        };
        let begin = match version {
            // What was there before came with its directory.
            0 => EPOCH - (mix(name / IN_DIRECTORY, 9, 0) % 100_000_000) as i64,
            _ => EPOCH + version as i64 * 2 * DAY,
        };
        let time = FileTime {
            seconds: begin - (chance % 40_000) as i64,
            nanoseconds: (chance >> 20) as u32 % 1_000_000_000,
        };
        let owner = 1_000 + (name / IN_DIRECTORY / 512) as u32 % USERS.len() as u32;
        let digest = [10, 11, 12, 13].map(|what| mix(name, what, version).to_le_bytes());
        Entry {
            path: self.path(name),
            kind: if is_file { Kind::File } else { Kind::Directory },
            size_bytes,
            mode: if is_file { 0o644 } else { 0o755 },
            uid: owner,
            gid: 100,
            user: Arc::clone(&USERS[owner as usize % USERS.len()]),
            group: Arc::clone(&GROUP),
            mtime: time,
            ctime: time,
            link_target: Vec::new(),
            device: None,
            digest: is_file.then(|| digest.concat().try_into().expect("four of eight bytes")),
            block: 0,
            offset_bytes: 0,
            member_bytes: size_bytes.div_ceil(512) * 512 + 1_536,
            skip_bytes: None,
            part: None,
            condition: Condition::Whole,
            inode: Some(131_072 + name + mix(name / IN_DIRECTORY, 14, 0) % 4_096),
        }
    }

    fn gone(&self, name: u64) -> Entry {
        Entry {
            kind: Kind::Gone,
            size_bytes: 0,
            member_bytes: 0,
            digest: None,
            ..self.entry(name, 0)
        }
    }
}

pub fn time(run: u64) -> Timestamp {
    let second = EPOCH + run as i64 * 2 * DAY;
    Timestamp::from_second(second).expect("a time of our days")
}

fn job(run: u64) -> Uuid {
    Uuid::from_u64_pair(0x0a, run)
}

fn volume(run: u64) -> Uuid {
    Uuid::from_u64_pair(0x0b, run / RUNS_OF_MONTH)
}

/// What the ledger is told before the receipts of a run.
pub fn before(run: u64) -> Vec<Event> {
    let full = run.is_multiple_of(RUNS_OF_MONTH);
    let mut events = Vec::new();
    if full {
        events.push(Event::VolumeLabelled(VolumeLabelled {
            volume: volume(run),
            barcode: format!("B{:05}L9", run / RUNS_OF_MONTH),
            pool: "archive".into(),
            block_bytes: RECORD_BYTES,
            medium_serial: None,
            capacity_bytes: 18_000_000_000_000,
            generation: "LTO-9".into(),
            density_code: None,
            replaces: None,
        }));
    }
    events.push(Event::JobStarted(JobStarted {
        job: job(run),
        name: format!("run {run}"),
        pool: "archive".into(),
        copy_pool: None,
        roots: vec!["home".into()],
        excludes: Vec::new(),
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        host: "host".into(),
        software: "bench".into(),
        level: if full {
            Level::Full
        } else {
            Level::Incremental
        },
        base: (!full).then(|| job(run - 1)),
        digest_algorithm: DigestAlgorithm::Blake3,
    }));
    events
}

/// What it is told after them.
pub fn after(run: u64) -> Event {
    Event::JobFinished(JobFinished {
        job: job(run),
        outcome: Outcome::Complete,
        files: 0,
        file_bytes: 0,
        problems: Problems::default(),
        commands: Vec::new(),
        from_tapes: false,
    })
}

fn segment(run: u64, number: u64, entries: Vec<Entry>) -> Segment {
    let first_block = 2 + number % (RUNS_OF_MONTH * 1_000) * 70_000;
    let files = entries.len() as u64;
    let receipt = Receipt {
        job: job(run),
        volume: volume(run),
        segment: Uuid::from_u64_pair(0x0c, number),
        segment_number: 1 + (number % (RUNS_OF_MONTH * 1_000)) as u32,
        file_number: 1 + 2 * (number % (RUNS_OF_MONTH * 1_000)) as u32,
        job_segment: None,
        job_ends: false,
        job_problems: None,
        content_ends: false,
        first_block,
        index_block: first_block + 66_000,
        end_block: first_block + 66_100,
        record_bytes: RECORD_BYTES,
        records: 65_536,
        tar_bytes: SEGMENT_BYTES,
        content: None,
        codec: None,
        files,
        inner_parts: 0,
        file_bytes: 0,
        digest_algorithm: DigestAlgorithm::Blake3,
    };
    Segment { receipt, entries }
}
