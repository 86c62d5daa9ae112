//! Full, differential and incremental jobs: what each archives, and what it is measured against.

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
use tapewright::jobs::{BaseError, JobError, Level, Outcome, Site, WhichError};
use tapewright::monitor::Monitor;

use crate::lab::{A, B, C, Lab, Seen, archive_path, fault, tree};

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

pub fn set_mtime(path: &Path, seconds: i64, nanoseconds: i64) {
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
pub fn unprivileged<T>(work: impl FnOnce() -> T) -> T {
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
