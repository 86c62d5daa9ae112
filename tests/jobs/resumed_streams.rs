//! Jobs with lists, commands and tar streams that go on: what is whole on tape does not come
//! again, the rest comes from its beginning, and a restore never mixes two runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tapewright::jobs::archive::{
    ArchiveSummary, CommandSource, FileList, JobDescription, Source, archive,
};
use tapewright::jobs::restore::{RestoreOptions, restore};
use tapewright::jobs::{JobError, JobErrorKind, Outcome};
use tapewright::monitor::{Monitor, Silent};
use tapewright::units::ByteSize;

use crate::lab::{A, B, Lab, archive_path, noise};

fn stream(command: String, place: &str) -> CommandSource {
    CommandSource {
        command,
        place: place.to_owned(),
        timeout: None,
    }
}

/// Writes this file, notes that it ran, and ends with the status in another file.
fn cat(lab: &Lab, name: &str) -> String {
    let at = |suffix: &str| lab.path(&format!("{name}{suffix}")).display().to_string();
    format!(
        "echo >>{}; cat {}; exit $(cat {})",
        at(".runs"),
        at(""),
        at(".status")
    )
}

/// Sets what a command of [`cat`] does from now on.
fn set(lab: &Lab, name: &str, data: &[u8], status: &str) {
    fs::write(lab.path(name), data).unwrap();
    fs::write(lab.path(&format!("{name}.status")), status).unwrap();
}

fn runs(lab: &Lab, name: &str) -> usize {
    let noted = fs::read(lab.path(&format!("{name}.runs"))).unwrap_or_default();
    noted.len()
}

/// A tar archive of files of this many bytes, the same for the same seed.
fn tar(place: &Path, seed: u64, files: u64, bytes: usize) -> Vec<u8> {
    let mut archive = std::process::Command::new("tar");
    let tree = place.join(format!("tree {seed}"));
    fs::create_dir_all(&tree).unwrap();
    for number in 0..files {
        fs::write(tree.join(number.to_string()), noise(seed + number, bytes)).unwrap();
    }
    let made = archive.args(["-cf", "-", "."]).current_dir(&tree).output();
    made.unwrap().stdout
}

fn job(sources: Vec<Source>) -> JobDescription {
    JobDescription {
        pool: "docs".to_owned(),
        // Parts of 1 MiB.
        segment_limit: Some(ByteSize(4 << 20)),
        sources,
        ..crate::lab::bare_job()
    }
}

fn resume(
    lab: &Lab,
    first: &ArchiveSummary,
    sources: Vec<Source>,
) -> Result<ArchiveSummary, JobError> {
    let options = JobDescription {
        resume: Some(first.job.to_string()),
        ..job(sources)
    };
    archive(lab.site(), &options)
}

/// Restores all, and gives what is at a place in the target.
fn restored(lab: &Lab) -> impl Fn(&str) -> Vec<u8> {
    let target = lab.path("target");
    let options = RestoreOptions {
        patterns: vec![b"**".to_vec()],
        target: target.clone(),
        ..RestoreOptions::default()
    };
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    move |name| fs::read(target.join(name)).unwrap()
}

fn below(lab: &Lab, name: &str) -> String {
    String::from_utf8(archive_path(&lab.path(name))).unwrap()
}

#[test]
fn what_is_whole_on_tape_does_not_come_again_and_the_rest_from_its_beginning() {
    let lab = Lab::new();
    lab.label(&[A, B], "docs");
    for (name, data) in [("paths/p", 1), ("listed/one", 2), ("listed/two", 3)] {
        fs::create_dir_all(lab.path(name).parent().unwrap()).unwrap();
        fs::write(lab.path(name), noise(data, 400_000)).unwrap();
    }
    let names = ["one", "two", "late"].map(|name| lab.path("listed").join(name));
    let names = names.map(|name| name.display().to_string());
    fs::write(lab.path("list"), names.join("\n")).unwrap();
    set(&lab, "good", &noise(10, 2_500_000), "0");
    set(&lab, "bad", &noise(11, 3_700_000), "1");
    let tree = lab.path("");
    set(&lab, "tar", &tar(&tree, 20, 5, 300_000), "0");
    let cut_off = tar(&tree, 40, 2, 1_600_000);
    set(&lab, "cut", &cut_off[..2_900_000], "0");
    let sources = vec![
        Source::Paths(vec![lab.path("paths")]),
        Source::List(FileList {
            from: lab.path("list"),
            null: false,
            recursive: false,
        }),
        Source::Command(stream(cat(&lab, "good"), "db/good")),
        Source::Command(stream(cat(&lab, "bad"), "/db/bad/")),
        Source::Tar(stream(cat(&lab, "tar"), "host/tar")),
        Source::Tar(stream(cat(&lab, "cut"), "host/cut")),
    ];
    let first = archive(lab.site(), &job(sources.clone())).unwrap();
    assert_eq!(first.outcome, Outcome::Partial, "{first:?}");

    fs::write(lab.path("listed/late"), noise(4, 1000)).unwrap();
    // What whoever runs it again finds is not what it was.
    set(&lab, "good", b"not asked for", "0");
    set(&lab, "tar", b"not asked for", "0");
    set(&lab, "bad", &noise(12, 2_200_000), "0");
    set(&lab, "cut", &tar(&tree, 60, 2, 1_200_000), "0");
    let second = resume(&lab, &first, sources.clone()).unwrap();
    assert_eq!(second.outcome, Outcome::Complete, "{second:?}");
    assert_eq!(second.job, first.job);
    let times = ["good", "bad", "tar", "cut"].map(|name| runs(&lab, name));
    assert_eq!(times, [1, 2, 1, 2]);
    for name in ["paths/p", "listed/one", "listed/two", "listed/late"] {
        let found = lab.find(below(&lab, name).as_bytes());
        assert_eq!(found.len(), 1, "{name}");
    }

    let at = restored(&lab);
    assert!(at("db/good") == noise(10, 2_500_000));
    assert!(at("db/bad") == noise(12, 2_200_000));
    for number in 0..5 {
        assert!(at(&format!("host/tar/{number}")) == noise(20 + number, 300_000));
    }
    for number in 0..2 {
        assert!(at(&format!("host/cut/{number}")) == noise(60 + number, 1_200_000));
    }
    assert!(at(&below(&lab, "listed/late")) == noise(4, 1000));
    let error = resume(&lab, &first, sources).unwrap_err();
    assert!(error.to_string().contains("nothing to resume"), "{error}");
}

#[test]
fn a_third_run_knows_what_the_first_had_whole() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let place = lab.path("");
    set(&lab, "tar", &tar(&place, 1, 2, 10_000), "0");
    set(&lab, "bad", b"half", "1");
    let sources = vec![
        Source::Tar(stream(cat(&lab, "tar"), "host")),
        Source::Command(stream(cat(&lab, "bad"), "db")),
    ];
    let first = archive(lab.site(), &job(sources.clone())).unwrap();
    for status in ["2", "0"] {
        set(&lab, "bad", b"half", status);
        resume(&lab, &first, sources.clone()).unwrap();
    }
    assert_eq!((runs(&lab, "tar"), runs(&lab, "bad")), (1, 3));
    assert!(restored(&lab)("db") == b"half");
}

/// Asks to stop once more than this has passed, commands too.
struct StopBehind(u64, AtomicU64, Arc<AtomicBool>);

impl Monitor for StopBehind {
    fn advance(&self, _: u64, bytes: u64) {
        let passed = self.1.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.2.fetch_or(passed > self.0, Ordering::Relaxed);
    }

    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        Some(Arc::clone(&self.2))
    }
}

#[test]
fn a_stream_that_was_stopped_comes_anew_and_its_runs_are_not_mixed() {
    let mut lab = Lab::new();
    lab.label(&[A, B], "docs");
    let place = lab.path("");
    let old_tar = tar(&place, 100, 12, 700_000);
    for (is_tar, old, new) in [
        (false, noise(1, 9_000_000), noise(2, 8_500_000)),
        (true, old_tar, tar(&place, 200, 12, 690_000)),
    ] {
        set(&lab, "data", &old, "0");
        let _ = fs::remove_file(lab.path("data.runs"));
        let source = stream(cat(&lab, "data"), if is_tar { "host" } else { "db/dump" });
        let sources = vec![if is_tar {
            Source::Tar(source)
        } else {
            Source::Command(source)
        }];
        lab.monitor = Box::new(StopBehind(5_000_000, AtomicU64::new(0), Arc::default()));
        let first = archive(lab.site(), &job(sources.clone())).unwrap();
        assert_eq!(first.outcome, Outcome::Interrupted, "{first:?}");
        assert!(first.file_bytes > 3_000_000, "{first:?}");

        lab.monitor = Box::new(Silent);
        set(&lab, "data", &new, "0");
        let second = resume(&lab, &first, sources).unwrap();
        assert_eq!(second.outcome, Outcome::Complete, "{second:?}");
        assert_eq!(runs(&lab, "data"), 2);
        let at = restored(&lab);
        match is_tar {
            false => assert!(at("db/dump") == new),
            true => {
                let same =
                    |number: u64| at(&format!("host/{number}")) == noise(200 + number, 690_000);
                assert!((0..12).all(same));
            }
        }
        fs::remove_dir_all(lab.path("target")).unwrap();
    }
}

#[test]
fn sources_that_are_not_those_of_the_job_are_refused_with_their_names() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    fs::create_dir(lab.path("paths")).unwrap();
    let paths = Source::Paths(vec![lab.path("paths")]);
    let dump = |place: &str| Source::Command(stream("echo some; exit 1".to_owned(), place));
    let first = archive(lab.site(), &job(vec![paths.clone(), dump("db/dump")])).unwrap();
    assert_eq!(first.outcome, Outcome::Partial, "{first:?}");
    let cases = [
        (vec![], "name all its sources as when it began"),
        (vec![paths.clone()], "name all its sources as when it began"),
        (vec![dump("db/dump")], "/paths is missing"),
        (
            vec![paths.clone(), dump("db/dump"), dump("db/new")],
            "/db/new was not among them",
        ),
        (
            vec![paths, dump("db/new")],
            "its /db/dump is missing, and /db/new was not among",
        ),
    ];
    for (sources, words) in cases {
        let error = resume(&lab, &first, sources).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Request, "{words}: {error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn a_list_that_changed_is_refused_unless_that_is_meant() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    fs::create_dir(lab.path("listed")).unwrap();
    for name in ["one", "two"] {
        fs::write(lab.path("listed").join(name), noise(1, 1000)).unwrap();
    }
    let names = |names: &[&str], null| {
        let paths = names.iter().map(|name| lab.path("listed").join(name));
        let lines =
            paths.map(|path| format!("{}{}", path.display(), if null { "\0" } else { "\n" }));
        lines.collect::<String>()
    };
    let list = |from: &str, null| {
        vec![Source::List(FileList {
            from: lab.path(from),
            null,
            recursive: false,
        })]
    };
    // One name is missing, so that the job is done in part.
    fs::write(lab.path("list"), names(&["one", "none"], false)).unwrap();
    let first = archive(lab.site(), &job(list("list", false))).unwrap();
    assert_eq!(first.outcome, Outcome::Partial, "{first:?}");
    let refused = |sources: Vec<Source>, words: &str| {
        let before = lab.fingerprint(A);
        let error = resume(&lab, &first, sources).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Request, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(lab.fingerprint(A), before);
    };
    fs::write(lab.path("new"), names(&["one", "two"], false)).unwrap();
    fs::write(lab.path("nul"), names(&["one", "none"], true)).unwrap();
    refused(list("new", false), "--changed-lists");
    refused(list("nul", true), "is not as it was");
    refused(
        [list("list", false), list("new", false)].concat(),
        "2 are given",
    );
    // The same elsewhere is the same.
    fs::rename(lab.path("list"), lab.path("moved")).unwrap();
    let again = resume(&lab, &first, list("moved", false)).unwrap();
    let came = (again.outcome, again.file_bytes);
    assert_eq!(came, (Outcome::Partial, 0), "{again:?}");
    let meant = JobDescription {
        resume: Some(first.job.to_string()),
        changed_lists: true,
        ..job(list("new", false))
    };
    let done = archive(lab.site(), &meant).unwrap();
    assert_eq!(done.outcome, Outcome::Complete, "{done:?}");
    assert_eq!(lab.find(b"**/two").len(), 1);
}
