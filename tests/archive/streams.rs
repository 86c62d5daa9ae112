//! Sources that are commands and lists: what they bring is on tape as it should be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tapewright::engine::EngineError;
use tapewright::engine::archive::{ArchiveReport, Outcome};
use tapewright::engine::source::{CommandSource, FileList, Source};
use tapewright::volume::index::FileLine;
use tapewright::volume::member::{Condition, Kind};

use crate::case::{Case, noise, read_all};
use crate::shelf::{Ledger, Shelf};

fn stream(command: impl Into<String>, place: &str) -> CommandSource {
    CommandSource {
        command: command.into(),
        place: place.to_owned(),
        timeout: None,
    }
}

pub fn tar(command: impl Into<String>) -> Source {
    Source::Tar(stream(command, "host"))
}

/// A run to one tape: its report, lines by path, and the content of files by path.
pub struct Ran {
    pub report: ArchiveReport,
    pub lines: BTreeMap<String, FileLine>,
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    formats: Vec<u32>,
}

fn run(sources: Vec<Source>) -> Ran {
    let mut case = Case::new();
    case.plan.sources = sources;
    run_case(&case).unwrap()
}

pub fn run_case(case: &Case) -> Result<Ran, EngineError> {
    let mut shelf = Shelf::new(1, None);
    let mut ledger = Ledger::new(&shelf);
    let report = case.run(&mut shelf, &mut ledger)?;
    let lines = ledger
        .receipts
        .iter()
        .flat_map(|receipt| receipt.files.clone());
    let name = |line: &FileLine| {
        let part = line
            .part
            .map_or(String::new(), |part| format!("#{}", part.number));
        String::from_utf8_lossy(&line.path).into_owned() + &part
    };
    Ok(Ran {
        report,
        lines: lines.map(|line| (name(&line), line)).collect(),
        files: read_all(&shelf, &ledger.receipts),
        formats: ledger
            .receipts
            .iter()
            .map(|receipt| receipt.info.format)
            .collect(),
    })
}

impl Ran {
    #[track_caller]
    pub fn expect_complete(&self) {
        assert_eq!(
            self.report.problems.total, 0,
            "{:?}",
            self.report.problems.first
        );
        assert_eq!(self.report.outcome, Outcome::Complete);
    }

    /// The problems as text.
    pub fn problems(&self) -> String {
        let texts = self.report.problems.first.iter().map(ToString::to_string);
        texts.collect::<Vec<_>>().join("\n")
    }
}

pub fn shell(script: &str, place: &Path) {
    let done = Command::new("sh")
        .args(["-ec", script])
        .current_dir(place)
        .status();
    assert!(done.unwrap().success(), "{script}");
}

/// A tree with what tar formats express in different ways.
fn plant(place: &Path) {
    let tree = place.join("t");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("sub/small"), b"small").unwrap();
    fs::write(tree.join("empty"), b"").unwrap();
    fs::write(tree.join("large"), noise(1, 3_000_000)).unwrap();
    let long = "l".repeat(90);
    fs::create_dir_all(tree.join(&long)).unwrap();
    fs::write(tree.join(&long).join("n".repeat(200)), b"long").unwrap();
    symlink("sub/small", tree.join("link")).unwrap();
    symlink("x".repeat(150), tree.join("far link")).unwrap();
    fs::hard_link(tree.join("sub/small"), tree.join("twin")).unwrap();
    fs::set_permissions(tree.join("empty"), PermissionsExt::from_mode(0o4711)).unwrap();
    let script = "truncate -s 5M t/sparse
        for at in 0 100 200 300 400 500 600 700 800 900 1000; do
            printf 'data at %s' $at | dd of=t/sparse bs=4096 seek=$at conv=notrunc status=none
        done";
    shell(script, place);
}

#[test]
fn every_format_of_gnu_tar_and_bsdtar_is_understood() {
    let place = tempfile::tempdir().unwrap();
    plant(place.path());
    let cases = [
        ("tar --format=gnu -S -cf - t", true),
        ("tar --format=oldgnu -S -cf - t", true),
        ("tar --format=pax -S -cf - t", true),
        ("tar --format=pax -S --sparse-version=0.1 -cf - t", true),
        ("tar --format=pax -S --sparse-version=0.0 -cf - t", true),
        ("tar --format=pax -cf - ./t", false),
        ("tar --format=posix -S --xattrs --acls -zcf - t", true),
        ("tar --format=gnu -cf - t | zstd -q", false),
        ("tar --format=gnu -cf - t | xz", false),
        ("tar --format=gnu -cf - t | bzip2", false),
        ("bsdtar --format=pax -cf - t", true),
        ("bsdtar --format=gnutar -cf - t", false),
    ];
    for (command, sparse) in cases {
        let ran = run(vec![tar(format!(
            "cd {} && {command}",
            place.path().display()
        ))]);
        ran.expect_complete();
        let tree = place.path().join("t");
        let mut found = 0;
        for (path, content) in &ran.files {
            let name = std::str::from_utf8(path).unwrap();
            let own = tree.join(name.strip_prefix("host/t/").expect(command));
            assert_eq!(content, &fs::read(&own).unwrap(), "{command}: {name}");
            let line = &ran.lines[name];
            let metadata = fs::metadata(&own).unwrap();
            assert_eq!(line.mode, metadata.mode() & 0o7777, "{command}: {name}");
            assert_eq!(line.mtime.seconds, metadata.mtime(), "{command}: {name}");
            found += 1;
        }
        // Of the two names of a file one is a link.
        assert_eq!(found, 5, "{command}");
        let link = |name: &str| ran.lines[name].kind.clone();
        assert_eq!(
            link("host/t/link"),
            Kind::Symlink(b"sub/small".to_vec()),
            "{command}"
        );
        let far = "x".repeat(150).into_bytes();
        assert_eq!(link("host/t/far link"), Kind::Symlink(far), "{command}");
        let names = ["host/t/twin", "host/t/sub/small"].map(link);
        let hard = names
            .iter()
            .filter(|kind| matches!(kind, Kind::Hardlink(_)))
            .count();
        assert_eq!(hard, 1, "{command}: {names:?}");
        let stored = ran.lines["host/t/sparse"].place.length_bytes;
        assert_eq!(stored < 1 << 20, sparse, "{command}: {stored}");
    }
}

#[test]
fn a_stream_without_slashes_and_dots_lies_below_its_place() {
    let place = tempfile::tempdir().unwrap();
    plant(place.path());
    for command in ["tar -C t -cf - .", "tar -P -cf - $PWD/t/sub"] {
        let ran = run(vec![tar(format!(
            "cd {} && {command}",
            place.path().display()
        ))]);
        ran.expect_complete();
        assert!(
            ran.lines.keys().all(|name| name.starts_with("host")),
            "{command}"
        );
        assert!(
            ran.lines.keys().any(|name| name.ends_with("sub/small")),
            "{command}"
        );
    }
}

#[test]
fn a_stream_that_is_cut_off_or_fails_keeps_what_came_whole_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    plant(place.path());
    let here = place.path().display();
    let cases = [
        (
            format!("cd {here}; tar -cf - t/sub t/large | head -c 2000000"),
            "is cut off",
            7,
        ),
        (
            format!("cd {here}; tar -cf - t/sub; echo broken >&2; exit 3"),
            "exited with status 3; its last words: broken",
            0,
        ),
        (
            format!("cd {here}; tar -cf - t/sub; kill -9 $$"),
            "was ended by signal 9",
            0,
        ),
        (
            format!("cd {here}; tar -zcf - t/sub t/large | head -c 1000000"),
            "unpacked",
            7,
        ),
        (
            format!("cd {here}; tar -cf - t/sub | head -c 1500; yes"),
            "is damaged",
            0,
        ),
        (
            format!("cd {here}; tar -cf - t/sub; tar -cf - t/nothing 2>/dev/null"),
            "status 2",
            0,
        ),
    ];
    for (command, words, cut) in cases {
        let ran = run(vec![tar(command.clone())]);
        assert_eq!(ran.report.outcome, Outcome::Partial, "{command}");
        let problems = ran.problems();
        assert!(problems.contains(words), "{command}: {problems}");
        assert!(ran.lines.contains_key("host/t/sub"), "{command}");
        if cut > 0 {
            let large = &ran.lines["host/t/large"];
            assert_eq!(large.condition, Condition::Unreadable, "{command}");
            let whole = fs::read(place.path().join("t/large")).unwrap();
            let content = &ran.files[&b"host/t/large"[..]];
            let came = content.len();
            assert_eq!(large.size_bytes, came as u64, "{command}");
            assert!(came > 500_000 && came < whole.len(), "{command}: {came}");
            assert!(*content == whole[..came], "{command}");
        }
    }
}

#[test]
fn what_is_hostile_in_a_stream_costs_its_member_alone() {
    let place = tempfile::tempdir().unwrap();
    let script = "mkdir -p a/b; echo 1 >a/b/f; echo 2 >other; ln other hard
        tar -P -cf up.tar --transform 's,^other,../../etc/passwd,' other
        tar -cf twice.tar a/b/f; tar -rf twice.tar a/b/f; tar -rf twice.tar a/b
        tar -cf lonely.tar other hard; tar --delete -f lonely.tar other";
    shell(script, place.path());
    let read = |name: &str| tar(format!("cat {}", place.path().join(name).display()));
    for (name, words, lines) in [
        ("up.tar", "`..`", 0),
        ("twice.tar", "its name came again", 4),
        ("lonely.tar", "did not bring before", 0),
    ] {
        let mut case = Case::new();
        case.file("good", b"good");
        case.plan.sources.push(read(name));
        let ran = run_case(&case).unwrap();
        assert!(ran.problems().contains(words), "{name}: {}", ran.problems());
        let own = ran.lines.keys().filter(|name| name.starts_with("host"));
        assert_eq!(own.count(), lines, "{name}: {:?}", ran.lines.keys());
        assert!(ran.lines.keys().all(|name| !name.contains("..")), "{name}");
    }
}

#[test]
fn excludes_leave_out_members_and_what_lies_in_excluded_directories() {
    let place = tempfile::tempdir().unwrap();
    plant(place.path());
    let mut case = Case::new();
    case.plan.sources = vec![tar(format!("tar -C {} -cf - t", place.path().display()))];
    case.plan.excludes = vec!["sub/".to_owned(), "/host/t/large".to_owned()];
    let ran = run_case(&case).unwrap();
    let left_out = |name: &str| !ran.lines.contains_key(name);
    assert!(left_out("host/t/sub") && left_out("host/t/sub/small") && left_out("host/t/large"));
    assert!(!left_out("host/t/empty"));
    assert!(ran.report.excluded >= 3);
}

#[test]
fn the_output_of_a_command_becomes_one_file() {
    for (bytes, parts) in [(0, 0), (1, 0), (1 << 20, 0), ((2 << 20) + 1, 3)] {
        let mut case = Case::new();
        let data = noise(9, bytes);
        case.file("data", &data);
        let command = format!("cat {}", case.path("data").display());
        case.plan.sources = vec![Source::Command(stream(command, "db/dump"))];
        // So that a part is of 1 MiB.
        case.plan.segment_limit_bytes = 4 << 20;
        let ran = run_case(&case).unwrap();
        ran.expect_complete();
        assert_eq!(ran.files[&b"db/dump"[..]], data, "{bytes}");
        let found = ran
            .lines
            .values()
            .filter(|line| line.part.is_some())
            .count();
        assert_eq!(found, parts, "{bytes}");
        let line = ran.lines.values().next_back().unwrap();
        assert_eq!((line.mode, line.size_bytes), (0o600, bytes as u64));
        assert!(line.part.is_none_or(|part| part.last && part.open));
        // Only segments with such parts need a reader of format 2.
        assert!(
            ran.formats
                .iter()
                .all(|&format| format == if parts == 0 { 1 } else { 2 })
        );
    }
}

#[test]
fn a_command_that_fails_is_told_with_its_last_words() {
    let many = "for i in $(seq 20000); do echo line $i; done >&2";
    let cases = [
        (
            "printf half; echo lost >&2; exit 4",
            "exited with status 4; its last words: lost",
            true,
        ),
        ("exit 4", "gave nothing to archive", false),
        ("no-such-program-at-all", "status 127", false),
        ("printf half; kill -15 $$", "was ended by signal 15", true),
    ];
    for (command, words, archived) in cases {
        let mut case = Case::new();
        case.file("good", b"good");
        let command = format!("{many}; {command}");
        case.plan
            .sources
            .push(Source::Command(stream(command.clone(), "db/dump")));
        case.plan
            .sources
            .push(Source::Command(stream("echo fine", "db/other")));
        let ran = run_case(&case).unwrap();
        assert_eq!(ran.report.outcome, Outcome::Partial, "{command}");
        assert!(
            ran.problems().contains(words),
            "{command}: {}",
            ran.problems()
        );
        let line = ran.lines.get("db/dump");
        let condition = line.map(|line| line.condition);
        assert_eq!(
            condition,
            archived.then_some(Condition::Unreadable),
            "{command}"
        );
        assert_eq!(ran.files[&b"db/other"[..]], b"fine\n");
        let [failed, fine] = &ran.report.commands[..] else {
            panic!("{:?}", ran.report.commands)
        };
        assert_eq!(fine.ending, "exited with status 0");
        assert_eq!(failed.stderr.len(), 64 << 10, "{command}");
    }
}

#[test]
fn a_command_ends_at_its_time_with_all_it_started() {
    let place = tempfile::tempdir().unwrap();
    let mark = place.path().join("mark");
    let command = format!(
        "echo begun; (sleep 4; touch {0}) & sleep 60",
        mark.display()
    );
    let source = CommandSource {
        timeout: Some(Duration::from_millis(300)),
        ..stream(command, "slow")
    };
    let started = Instant::now();
    let ran = run(vec![Source::Command(source)]);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(
        ran.problems().contains("was ended after"),
        "{}",
        ran.problems()
    );
    assert_eq!(ran.files[&b"slow"[..]], b"begun\n", "what it wrote is kept");
    std::thread::sleep(Duration::from_secs(5).saturating_sub(started.elapsed()));
    assert!(!mark.exists(), "its child was ended too");
}

#[test]
fn a_list_is_archived_in_its_order_with_the_directories_above() {
    let case = Case::new();
    for name in ["d/e/f", "d/g", "z", "d/e/h"] {
        case.file(name, name.as_bytes());
    }
    let name = |name: &str| case.path(name).display().to_string();
    let names = ["z", "d/e/f", "missing", "d/e", "z", "d/g"].map(name);
    for (null, end) in [(false, "\n"), (true, "\0")] {
        let list = case.path("list");
        fs::write(&list, names.join(end)).unwrap();
        let order = |recursive| {
            let mut case = Case::new();
            case.plan.sources = vec![Source::List(FileList {
                from: list.clone(),
                null,
                recursive,
            })];
            let mut shelf = Shelf::new(1, None);
            let mut ledger = Ledger::new(&shelf);
            let report = case.run(&mut shelf, &mut ledger).unwrap();
            assert_eq!(report.problems.total, 1, "{:?}", report.problems.first);
            assert!(report.problems.first[0].what.contains("not there"));
            assert!(ledger.receipts[0].info.job.roots.is_empty());
            let lines = ledger.receipts[0].files.iter();
            lines.map(|line| line.path.clone()).collect::<Vec<_>>()
        };
        let expected = |names: &[&str]| {
            let own = case.archive_path("");
            let own = own.strip_suffix(b"/").unwrap_or(&own).to_vec();
            let mut all: Vec<Vec<u8>> = Vec::new();
            for (at, _) in own.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                all.push(own[..at].to_vec());
            }
            all.push(own);
            all.extend(names.iter().map(|name| case.archive_path(name)));
            all
        };
        assert_eq!(order(false), expected(&["z", "d", "d/e", "d/e/f", "d/g"]));
        assert_eq!(
            order(true),
            expected(&["z", "d", "d/e", "d/e/f", "d/e/h", "d/g"])
        );
    }
}

#[test]
fn sources_that_meet_or_cannot_be_had_are_refused_before_any_tape() {
    let case = Case::new();
    case.file("f", b"");
    let within = case.path("x").display().to_string();
    let list = Source::List(FileList {
        from: case.path("no list"),
        null: false,
        recursive: false,
    });
    let own = Source::Paths(vec![case.place.path().to_owned()]);
    let cases = [
        (
            vec![own, Source::Command(stream("true", &within))],
            "another place",
        ),
        (
            vec![tar("true"), Source::Command(stream("true", "host/x"))],
            "another place",
        ),
        (vec![Source::Command(stream("true", "a/../b"))], "no place"),
        (vec![list], "cannot be opened"),
    ];
    for (sources, words) in cases {
        let mut case = Case::new();
        case.plan.sources = sources;
        let mut shelf = Shelf::new(1, None);
        let mut ledger = Ledger::new(&shelf);
        let error = case.run(&mut shelf, &mut ledger).unwrap_err();
        assert!(matches!(error, EngineError::Plan { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(shelf.mounted, 0);
    }
}
