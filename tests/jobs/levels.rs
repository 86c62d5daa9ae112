//! Full, differential and incremental jobs: the tree of each moment, exactly.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tape_sim::fault::Effect;
use tapewright::clock::{Clock, SystemClock};
use tapewright::jobs::archive::{
    ArchiveSummary, CommandSource, Compress, FileList, JobDescription, Previewed, Source, archive,
    preview,
};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::restore::{RestoreOptions, restore};
use tapewright::jobs::verify::verify;
use tapewright::jobs::{BaseError, JobError, Level, Outcome, Site, WhichError};
use tapewright::monitor::Monitor;

use crate::lab::{A, B, C, Lab, Seen, archive_path, fault, tree};

/// Names in an order that tells a slash from a byte below it, and a byte that needs escaping.
const NAMES: [&str; 12] = [
    "a", "a-x", "a.d", "a b", "b", "\u{1}c", "c\u{2}", "d", "é", "e!", "f", "g",
];

pub type Tree = BTreeMap<PathBuf, Seen>;

pub fn options(lab: &Lab, level: Level) -> JobDescription {
    JobDescription {
        level,
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    }
}

pub fn run(lab: &Lab, level: Level) -> ArchiveSummary {
    archive(lab.site(), &options(lab, level)).unwrap()
}

pub fn changes(summary: &ArchiveSummary) -> (u64, u64, u64, u64) {
    let changes = summary.changes.unwrap();
    let counts = (changes.changed, changes.new, changes.deleted);
    (counts.0, counts.1, counts.2, changes.unchanged)
}

pub fn started(lab: &Lab, summary: &ArchiveSummary) -> Timestamp {
    let job = lab.catalog().job(&summary.job.to_string()).unwrap();
    job.unwrap().start.time
}

/// The source as a restore brings it back.
pub fn restored(lab: &Lab, as_of: Option<Timestamp>) -> Tree {
    let target = tempfile::tempdir().unwrap();
    let source = archive_path(&lab.path("source"));
    let options = RestoreOptions {
        patterns: vec![source.clone()],
        target: target.path().to_owned(),
        as_of,
        ..RestoreOptions::default()
    };
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    tree(&target.path().join(String::from_utf8(source).unwrap()))
}

#[track_caller]
pub fn assert_same(left: &Tree, right: &Tree, what: &str) {
    let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right), "{what}");
    for (path, seen) in left {
        assert!(*seen == right[path], "{what}: {} differs", path.display());
    }
}

/// Numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'a, T>(&mut self, choice: &'a [T]) -> Option<&'a T> {
        (!choice.is_empty()).then(|| &choice[self.below(choice.len())])
    }
}

/// A tree that changes at random.
struct Garden {
    root: PathBuf,
    /// Where directories go for a while.
    shed: PathBuf,
    random: Random,
    written: u64,
}

impl Garden {
    fn new(lab: &Lab, seed: u64) -> Garden {
        let (root, shed) = (lab.path("source"), lab.path("shed"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&shed).unwrap();
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut garden = Garden {
            root,
            shed,
            random,
            written: 0,
        };
        for _ in 0..40 {
            garden.grow();
        }
        garden
    }

    fn all(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut dirs, mut others, mut next) = (vec![self.root.clone()], Vec::new(), 0);
        while next < dirs.len() {
            let listing = fs::read_dir(&dirs[next]).unwrap();
            let mut paths: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            next += 1;
            for path in paths {
                match fs::symlink_metadata(&path).unwrap().is_dir() {
                    true => dirs.push(path),
                    false => others.push(path),
                }
            }
        }
        (dirs, others)
    }

    /// A name that is free, in some directory.
    fn place(&mut self) -> Option<PathBuf> {
        let (dirs, _) = self.all();
        let dir = self.random.of(&dirs)?.clone();
        let path = dir.join(NAMES[self.random.below(NAMES.len())]);
        fs::symlink_metadata(&path).is_err().then_some(path)
    }

    fn content(&mut self) -> Vec<u8> {
        self.written += 1;
        let length = self.random.below(900);
        format!("{:09}", self.written).repeat(1 + length / 9).into()
    }

    fn grow(&mut self) {
        let Some(path) = self.place() else { return };
        let (_, others) = self.all();
        match self.random.below(6) {
            0 | 1 => fs::create_dir(&path).unwrap(),
            2 => symlink("somewhere", &path).unwrap(),
            3 => {
                if let Some(other) = self.random.of(&others) {
                    fs::hard_link(other, &path).unwrap();
                }
            }
            _ => {
                let content = self.content();
                fs::write(&path, content).unwrap();
            }
        }
    }

    /// One change. Those that do not suit what was picked do nothing.
    fn change(&mut self) {
        let (dirs, others) = self.all();
        let inner = &dirs[1..];
        let files = others.iter().filter(|path| !path.is_symlink()).cloned();
        let files: Vec<PathBuf> = files.collect();
        let kind = self.random.below(14);
        let file = self.random.of(&files).cloned();
        let other = self.random.of(&others).cloned();
        let dir = self.random.of(inner).cloned();
        match (kind, file, other, dir) {
            (0 | 1, ..) => self.grow(),
            // Other bytes, of the same length, and the old mtime.
            (2, Some(file), ..) => {
                let mtime = fs::metadata(&file).unwrap();
                let length = mtime.len() as usize;
                self.written += 1;
                fs::write(&file, vec![self.written as u8; length]).unwrap();
                set_mtime(&file, mtime.mtime(), mtime.mtime_nsec());
            }
            (3, Some(file), ..) => {
                let content = self.content();
                fs::write(&file, content).unwrap();
            }
            (4, Some(file), ..) => set_mtime(&file, 1_000_000_000, 5),
            (5, Some(file), ..) => {
                let mode = 0o600 | self.random.below(0o200) as u32;
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            }
            (6, _, Some(other), _) => {
                if let Some(to) = self.place() {
                    fs::rename(other, to).unwrap();
                }
            }
            (7, _, _, Some(dir)) => {
                if let Some(to) = self.place().filter(|to| !to.starts_with(&dir)) {
                    fs::rename(dir, to).unwrap();
                }
            }
            (8, _, Some(other), _) => fs::remove_file(other).unwrap(),
            (9, _, _, Some(dir)) => fs::remove_dir_all(dir).unwrap(),
            // A file becomes a directory, a directory a file.
            (10, _, Some(other), _) => {
                fs::remove_file(&other).unwrap();
                fs::create_dir(&other).unwrap();
                let content = self.content();
                fs::write(other.join("b"), content).unwrap();
            }
            (11, _, _, Some(dir)) => {
                fs::remove_dir_all(&dir).unwrap();
                let content = self.content();
                fs::write(&dir, content).unwrap();
            }
            // Away with all its times, and perhaps back in a later round.
            (12, _, _, Some(dir)) => {
                let name = dir.strip_prefix(&self.root).unwrap().to_str().unwrap();
                let shed = self.shed.join(name.replace('/', "%"));
                if !shed.exists() {
                    fs::rename(dir, shed).unwrap();
                }
            }
            (13, ..) => {
                let stored = fs::read_dir(&self.shed).unwrap().next();
                let Some(stored) = stored.map(|entry| entry.unwrap().path()) else {
                    return;
                };
                let name = stored.file_name().unwrap().to_str().unwrap();
                let home = self.root.join(name.replace('%', "/"));
                let free = fs::symlink_metadata(&home).is_err();
                if free && home.parent().unwrap().is_dir() {
                    fs::rename(&stored, home).unwrap();
                }
            }
            _ => {}
        }
    }
}

fn set_mtime(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

/// What of a tree a restore cannot bring back: names outside it that its files have, too.
fn without_outer_links(tree: Tree, root: &Path) -> Tree {
    let mut names: BTreeMap<u64, u64> = BTreeMap::new();
    let inode = |path: &Path| fs::symlink_metadata(root.join(path)).unwrap().ino();
    for path in tree.keys() {
        *names.entry(inode(path)).or_default() += 1;
    }
    let own = |(path, seen): (PathBuf, Seen)| {
        let links = names[&inode(&path)];
        (path, seen.with_links(links))
    };
    tree.into_iter().map(own).collect()
}

fn lives(seed: u64) {
    let lab = Lab::new();
    lab.label(&[A, B, C], "docs");
    let mut garden = Garden::new(&lab, seed);
    let mut moments = Vec::new();
    for round in 0..7 {
        let level = match garden.random.below(5) {
            _ if round == 0 => Level::Full,
            0 => Level::Full,
            1 => Level::Differential,
            _ => Level::Incremental,
        };
        let seen = without_outer_links(tree(&garden.root), &garden.root);
        let summary = run(&lab, level);
        let what = format!("seed {seed}, round {round}, {level:?}");
        assert_eq!(summary.outcome, Outcome::Complete, "{what}: {summary:?}");
        assert_eq!(summary.level, level, "{what}");
        assert_same(&restored(&lab, None), &seen, &what);
        moments.push((what, started(&lab, &summary), seen));
        for _ in 0..garden.random.below(12) {
            garden.change();
        }
    }
    let check_all = |when: &str| {
        for (what, moment, seen) in &moments {
            assert_same(
                &restored(&lab, Some(*moment)),
                seen,
                &format!("{what}, {when}"),
            );
        }
    };
    check_all("at the end");
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    rebuild(lab.site(), &[]).unwrap();
    check_all("from the tapes");
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(
        verified.outcome,
        Outcome::Complete,
        "seed {seed}: {verified:?}"
    );
    // And it goes on from there.
    garden.change();
    let seen = without_outer_links(tree(&garden.root), &garden.root);
    let summary = run(&lab, Level::Incremental);
    assert_eq!(summary.level, Level::Incremental, "seed {seed}");
    assert_same(
        &restored(&lab, None),
        &seen,
        &format!("seed {seed}, after a rebuild"),
    );
}

#[test]
fn each_moment_comes_back_exactly_out_of_any_levels_also_from_the_tapes_alone() {
    for seed in 1..=8 {
        lives(seed);
    }
}

#[test]
#[ignore = "a soak: minutes"]
fn each_moment_comes_back_exactly_for_many_seeds() {
    for seed in 1_000..1_200 {
        lives(seed);
    }
}

pub fn plant(lab: &Lab) {
    let root = lab.path("source");
    fs::create_dir_all(root.join("docs/old")).unwrap();
    for name in ["docs/a", "docs/b", "docs/old/c", "docs/old/d", "z"] {
        fs::write(root.join(name), name).unwrap();
    }
}

#[test]
fn an_incremental_job_says_what_it_is_measured_against_and_counts_changes() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    let root = lab.path("source");
    let first = run(&lab, Level::Incremental);
    assert_eq!(
        (first.level, &first.base, &first.changes),
        (Level::Full, &None, &None)
    );

    let idle = run(&lab, Level::Incremental);
    assert_eq!(idle.base.as_ref().unwrap().job, first.job);
    assert_eq!(changes(&idle), (0, 0, 0, 8));
    assert_eq!((idle.outcome, idle.files), (Outcome::Complete, 0));
    assert!(idle.segments.is_empty(), "{:?}", idle.segments);

    fs::write(root.join("docs/a"), "changed").unwrap();
    fs::write(root.join("docs/new"), "new").unwrap();
    fs::remove_dir_all(root.join("docs/old")).unwrap();
    let second = run(&lab, Level::Incremental);
    assert_eq!(second.base.as_ref().unwrap().job, idle.job);
    // `docs` lists other names now.
    assert_eq!(changes(&second), (2, 1, 3, 3));
    assert_eq!(second.files, 3);

    fs::write(root.join("z"), "changed").unwrap();
    let third = run(&lab, Level::Differential);
    assert_eq!(third.base.as_ref().unwrap().job, first.job);
    assert_eq!(changes(&third), (4, 0, 0, 2));
    let gone: Vec<_> = lab.find(b"**/old/*").iter().map(|one| one.gone).collect();
    assert_eq!(gone, [true, true]);
}

#[test]
fn what_is_archived_again_is_decided_by_kind_size_times_and_inode() {
    type Change = fn(&Path);
    let cases: [(&str, Change, bool); 9] = [
        ("nothing", |_| {}, false),
        ("read", |path| drop(fs::read(path).unwrap()), false),
        (
            "longer",
            |path| fs::write(path, "longer than before").unwrap(),
            true,
        ),
        (
            "mtime set forward",
            |path| set_mtime(path, 4_000_000_000, 0),
            true,
        ),
        ("mtime set back", |path| set_mtime(path, 1, 0), true),
        (
            "other content, the same size and mtime",
            |path| {
                let before = fs::metadata(path).unwrap();
                fs::write(path, "DOCS/A").unwrap();
                set_mtime(path, before.mtime(), before.mtime_nsec());
            },
            true,
        ),
        (
            "mode",
            |path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap(),
            true,
        ),
        (
            "replaced by a file with the same content and mtime",
            |path| {
                let before = fs::metadata(path).unwrap();
                fs::copy(path, path.with_extension("new")).unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
                set_mtime(path, before.mtime(), before.mtime_nsec());
            },
            true,
        ),
        (
            "replaced by a symlink",
            |path| {
                fs::remove_file(path).unwrap();
                symlink("elsewhere", path).unwrap();
            },
            true,
        ),
    ];
    for (what, change, expected) in cases {
        let lab = Lab::new();
        plant(&lab);
        lab.label(&[A], "docs");
        run(&lab, Level::Full);
        change(&lab.path("source/docs/a"));
        let second = run(&lab, Level::Incremental);
        let again = lab.find(b"**/docs/a")[0].job == second.job;
        assert_eq!(again, expected, "{what}");
        let source = tree(&lab.path("source"));
        assert_same(&restored(&lab, None), &source, what);
    }
}

/// A clock by which everything was changed after a job had begun.
struct Late;

impl Clock for Late {
    fn now(&self) -> Timestamp {
        SystemClock.now() - jiff::SignedDuration::from_hours(1)
    }

    fn new_id(&self) -> uuid::Uuid {
        SystemClock.new_id()
    }
}

#[test]
fn what_may_have_changed_in_the_tick_in_which_it_was_read_is_archived_again_once() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    let site = Site {
        clock: &Late,
        ..lab.site()
    };
    archive(site, &options(&lab, Level::Full)).unwrap();
    assert_eq!(changes(&run(&lab, Level::Incremental)), (8, 0, 0, 0));
    assert_eq!(changes(&run(&lab, Level::Incremental)), (0, 0, 0, 8));
}

#[test]
fn the_base_is_of_the_same_pool_paths_and_excludes_and_name_if_given() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    lab.label(&[B], "other");
    let full = archive(
        lab.site(),
        &JobDescription {
            name: Some("weekly".to_owned()),
            ..options(&lab, Level::Full)
        },
    )
    .unwrap();
    type Adjust = fn(&mut JobDescription, &Lab);
    let cases: [(&str, Adjust, bool); 6] = [
        ("the same", |_, _| {}, true),
        (
            "the same name",
            |o, _| o.name = Some("weekly".to_owned()),
            true,
        ),
        (
            "another name",
            |o, _| o.name = Some("daily".to_owned()),
            false,
        ),
        ("another pool", |o, _| o.pool = "other".to_owned(), false),
        (
            "other paths",
            |o, lab| o.sources = vec![Source::Paths(vec![lab.path("source/docs")])],
            false,
        ),
        (
            "other excludes",
            |o, _| o.excludes = vec!["*.o".to_owned()],
            false,
        ),
    ];
    for (what, adjust, suits) in cases {
        let mut options = options(&lab, Level::Differential);
        adjust(&mut options, &lab);
        let found = preview(lab.site(), &options, &mut |_| {}).unwrap();
        assert_eq!(
            found.base.map(|base| base.job),
            suits.then_some(full.job),
            "{what}"
        );
        options.base = Some("weekly".to_owned());
        let named = preview(lab.site(), &options, &mut |_| {});
        match (named, suits || what == "another name") {
            (Ok(found), true) => assert_eq!(found.base.unwrap().job, full.job, "{what}"),
            (Err(JobError::Request { .. }), false) => {}
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
    let mut unknown = options(&lab, Level::Incremental);
    unknown.base = Some("nobody".to_owned());
    let error = archive(lab.site(), &unknown).unwrap_err();
    assert!(
        matches!(error, JobError::Which(WhichError::NoSuchJob { .. })),
        "{error:?}"
    );
}

#[test]
fn a_dry_run_names_what_would_be_archived_and_changes_nothing() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    run(&lab, Level::Full);
    fs::write(lab.path("source/docs/a"), "changed").unwrap();
    fs::remove_file(lab.path("source/docs/old/c")).unwrap();
    let (tape, ledger) = (lab.fingerprint(A), lab.ledger_lines("type"));
    let mut named = Vec::new();
    let found = preview(lab.site(), &options(&lab, Level::Incremental), &mut |one| {
        named.push(match one {
            Previewed::Archive { path, bytes } => format!("+{path} {bytes}"),
            Previewed::Delete { path } => format!("-{path}"),
        });
    });
    let root = String::from_utf8(archive_path(&lab.path("source"))).unwrap();
    let expected = [
        format!("+{root}/docs/a 7"),
        format!("+{root}/docs/old 0"),
        format!("-{root}/docs/old/c"),
    ];
    assert_eq!(named, expected);
    let found = found.unwrap();
    assert_eq!((found.objects, found.file_bytes), (2, 7));
    assert_eq!(found.changes.unwrap().deleted, 1);
    assert_eq!(
        (lab.fingerprint(A), lab.ledger_lines("type")),
        (tape, ledger)
    );
}

#[test]
fn lists_and_commands_have_no_base_and_compressed_segments_tell_what_is_gone() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    let (listed, list) = (lab.path("listed"), lab.path("list"));
    fs::write(&listed, "listed").unwrap();
    fs::write(&list, format!("{}\n", listed.display())).unwrap();
    let job = JobDescription {
        sources: vec![
            Source::Paths(vec![lab.path("source")]),
            Source::List(FileList {
                from: list,
                null: false,
                recursive: false,
            }),
            Source::Command(CommandSource {
                command: "echo rows".to_owned(),
                place: "db/dump".to_owned(),
                timeout: None,
            }),
        ],
        compress: Some(Compress::Zstd(3)),
        ..options(&lab, Level::Incremental)
    };
    let first = archive(lab.site(), &job).unwrap();
    assert_eq!(
        (first.level, first.outcome),
        (Level::Full, Outcome::Complete)
    );
    fs::remove_file(lab.path("source/z")).unwrap();
    let found = preview(lab.site(), &job, &mut |_| {}).unwrap();
    assert_eq!((found.objects, found.uncounted_sources), (1, 2));
    let second = archive(lab.site(), &job).unwrap();
    assert_eq!(second.base.as_ref().unwrap().job, first.job);
    assert_eq!(changes(&second), (1, 0, 1, 6));
    assert_eq!(second.segments[0].codec, "zstd");
    let check = |when: &str| {
        for again in [&b"db/dump"[..], b"**/listed"] {
            assert_eq!(lab.find(again)[0].job, second.job, "{when}");
        }
        assert!(lab.find(b"**/source/z")[0].gone, "{when}");
        let unchanged = &lab.find(b"**/docs/a")[0];
        assert_eq!(
            (unchanged.job, unchanged.gone),
            (first.job, false),
            "{when}"
        );
        assert_same(&restored(&lab, None), &tree(&lab.path("source")), when);
    };
    check("at the end");
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    rebuild(lab.site(), &[]).unwrap();
    check("from the tapes");
}

/// Asks to stop once so many bytes are archived.
pub struct StopAfter {
    bytes: u64,
    done: std::sync::atomic::AtomicU64,
}

impl StopAfter {
    pub fn bytes(bytes: u64) -> StopAfter {
        StopAfter {
            bytes,
            done: Default::default(),
        }
    }
}

impl Monitor for StopAfter {
    fn advance(&self, _: u64, bytes: u64) {
        self.done
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.done.load(std::sync::atomic::Ordering::Relaxed) >= self.bytes
    }
}

#[test]
fn behind_an_incremental_job_that_was_stopped_or_failed_the_next_one_is_right() {
    for failing in [false, true] {
        let mut lab = Lab::new();
        plant(&lab);
        lab.label(&[A, B, C], "docs");
        let root = lab.path("source");
        let first = run(&lab, Level::Full);
        let before = tree(&root);
        for name in ["docs/a", "docs/m", "docs/old/c", "y", "z"] {
            fs::write(root.join(name), crate::lab::noise(9, 400_000)).unwrap();
        }
        fs::remove_file(root.join("docs/b")).unwrap();
        fs::remove_file(root.join("docs/old/d")).unwrap();
        let now = tree(&root);
        // Else they may have changed once more in the same tick.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut small = options(&lab, Level::Incremental);
        small.segment_limit = Some("1MiB".parse().unwrap());
        if failing {
            let broken = Effect::Sense {
                key: 3,
                asc: 0x0C,
                ascq: 0,
            };
            // Two tapes that fail one after the other end the job.
            lab.set_faults(vec![fault(broken, "WRITE", 2, Some(2))]);
            let ended = archive(lab.site(), &small);
            assert!(
                ended.as_ref().map_or(true, |ended| ended.failure.is_some()),
                "{ended:?}"
            );
            lab.set_faults(Vec::new());
        } else {
            lab.monitor = Box::new(StopAfter::bytes(1_000_000));
            let stopped = archive(lab.site(), &small).unwrap();
            assert_eq!(stopped.outcome, Outcome::Interrupted);
            lab.monitor = Box::new(tapewright::monitor::Silent);
        }
        let last = archive(lab.site(), &small).unwrap();
        assert_eq!(last.outcome, Outcome::Complete, "{last:?}");
        assert_eq!(last.base.as_ref().unwrap().job, first.job);
        // What the first attempt brought to tape is not archived again.
        let files = changes(&last);
        assert!(failing || files.3 > 2, "{files:?}");
        assert_same(&restored(&lab, None), &now, "now");
        assert_same(
            &restored(&lab, Some(started(&lab, &first))),
            &before,
            "before",
        );
    }
}

#[test]
fn of_what_a_job_does_not_look_into_nothing_is_deleted() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    run(&lab, Level::Full);
    let mut excluding = options(&lab, Level::Incremental);
    excluding.excludes = vec!["old".to_owned()];
    excluding.name = Some("first".to_owned());
    let first = archive(lab.site(), &excluding).unwrap();
    assert_eq!(first.level, Level::Full);
    fs::remove_file(lab.path("source/docs/old/c")).unwrap();
    fs::remove_file(lab.path("source/docs/b")).unwrap();
    let second = archive(lab.site(), &excluding).unwrap();
    assert_eq!(second.changes.unwrap().deleted, 1, "{second:?}");
    let names = |pattern: &[u8]| {
        let found = lab.find(pattern);
        let name = |one: &tapewright::jobs::find::Found| one.path.to_string();
        let there = found.iter().filter(|one| !one.gone);
        there
            .map(|one| name(one).rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(b"**/docs/?"), ["a"]);
    assert_eq!(names(b"**/old/?"), ["c", "d"]);
}

/// Does `work` as one who may not read everything, root or not.
fn unprivileged<T>(work: impl FnOnce() -> T) -> T {
    let held = capabilities(None).unwrap();
    let mut fewer = held;
    let all_readable = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    fewer.effective.remove(all_readable);
    set_capabilities(None, fewer).unwrap();
    let result = work();
    set_capabilities(None, held).unwrap();
    result
}

#[test]
fn a_directory_that_cannot_be_read_deletes_nothing_also_after_a_rebuild() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    let root = lab.path("source");
    run(&lab, Level::Full);
    let old = root.join("docs/old");
    let mode = |mode| fs::set_permissions(&old, fs::Permissions::from_mode(mode)).unwrap();
    for level in [Level::Incremental, Level::Full] {
        fs::write(root.join("z"), format!("{level:?}")).unwrap();
        mode(0o000);
        let partial = unprivileged(|| run(&lab, level));
        mode(0o755);
        assert_eq!(partial.outcome, Outcome::Partial, "{partial:?}");
        let there = || {
            let found = lab.find(b"**/old/*");
            found.iter().filter(|one| !one.gone).count()
        };
        assert_eq!(there(), 2, "{level:?}");
        fs::remove_dir_all(lab.path("state/catalog")).unwrap();
        rebuild(lab.site(), &[]).unwrap();
        assert_eq!(there(), 2, "{level:?}, from the tapes");
    }
    // The directory has its old mode, and another ctime.
    let next = run(&lab, Level::Incremental);
    assert_eq!(changes(&next).2, 0, "{next:?}");
    assert_same(&restored(&lab, None), &tree(&root), "now");
}

#[test]
fn a_job_is_not_measured_against_one_that_began_later_by_the_clock() {
    let lab = Lab::new();
    plant(&lab);
    lab.label(&[A], "docs");
    run(&lab, Level::Full);
    let catalog = lab.catalog();
    let mut ahead = catalog.jobs().unwrap().remove(0).start.what;
    ahead.job = uuid::Uuid::from_u128(9);
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let event = catalogs::model::event::Event::JobStarted(ahead);
    catalog.append(later, &event).unwrap();
    drop(catalog);
    let error = archive(lab.site(), &options(&lab, Level::Incremental)).unwrap_err();
    assert!(
        matches!(error, JobError::Base(BaseError::ClockBehind { .. })),
        "{error:?}"
    );
    run(&lab, Level::Full);
}
