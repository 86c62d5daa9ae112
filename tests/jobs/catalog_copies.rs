//! The catalog on tape: when a copy is written, what is in it, and what it is not in the way of.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tape_sim::fault::Effect;
use tape_sim::library::LibrarySpec;
use tapewright::clock::{Clock, SystemClock};
use tapewright::jobs::archive::{ArchiveSummary, JobDescription, archive};
use tapewright::jobs::catalog_copy::{CatalogCopy, CopyOutcome, import};
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::dump::dump_file;
use tapewright::jobs::history::{JobDetail, show};
use tapewright::jobs::tapes::{self, TapeInfo};
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobErrorKind, Level, Outcome, Site, VolumeState};
use tapewright::monitor::{Monitor, Problem, Silent};

use crate::lab::{A, B, C, Lab, assert_same_tree, fault, noise, plant};
use crate::twenty_tapes::{Told, same};

pub fn described(lab: &Lab, tree: &str, pool: &str, when: CatalogCopy) -> JobDescription {
    JobDescription {
        catalog_copy: when,
        ..JobDescription::of_paths(vec![lab.path(tree)], pool)
    }
}

pub fn run(lab: &Lab, tree: &str, pool: &str, when: CatalogCopy) -> ArchiveSummary {
    let done = archive(lab.site(), &described(lab, tree, pool, when)).unwrap();
    assert_eq!(done.outcome, Outcome::Complete, "{done:?}");
    done
}

/// What became of the copies on the tapes of a job.
pub fn outcomes(done: &ArchiveSummary) -> Vec<CopyOutcome> {
    done.catalog_copies
        .iter()
        .map(|copy| copy.outcome)
        .collect()
}

pub fn lose_catalog(lab: &Lab) {
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
}

pub fn tape(lab: &Lab, barcode: &str) -> TapeInfo {
    let tapes = tapes::list(lab.site()).unwrap();
    tapes
        .into_iter()
        .find(|tape| tape.barcode == barcode)
        .unwrap()
}

/// That two catalogs say the same of all that tapes know.
pub fn assert_same_catalogs(lost: &Told, made: &Told) {
    same("volume", &lost.volumes, &made.volumes, |_| false);
    same("job", &lost.jobs, &made.jobs, |_| false);
    same("receipt", &lost.receipts, &made.receipts, |_| false);
    same("entries of", &lost.entries, &made.entries, |_| false);
    same("outcome of", &lost.outcomes, &made.outcomes, |_| false);
}

/// Three tapes in pools of their own: a full job and one of changes on the first, one with two
/// copies on the first two, and one on the third. The catalog is copied behind each.
pub fn three_tapes() -> Lab {
    let lab = Lab::new();
    for (barcode, pool) in [(A, "first"), (B, "second"), (C, "third")] {
        lab.label(&[barcode], pool);
    }
    for tree in ["one", "two", "three"] {
        plant(&lab.path(tree));
        fs::write(lab.path(tree).join("own"), tree).unwrap();
    }
    run(&lab, "one", "first", CatalogCopy::Always);
    fs::remove_file(lab.path("one/docs/letter.txt")).unwrap();
    fs::write(lab.path("one/new"), "new").unwrap();
    let changes = JobDescription {
        level: Level::Incremental,
        ..described(&lab, "one", "first", CatalogCopy::Always)
    };
    assert_eq!(
        archive(lab.site(), &changes).unwrap().outcome,
        Outcome::Complete
    );
    let twice = JobDescription {
        copy_pool: Some("second".to_owned()),
        ..described(&lab, "two", "first", CatalogCopy::Always)
    };
    let done = archive(lab.site(), &twice).unwrap();
    assert_eq!(
        outcomes(&done),
        [CopyOutcome::Written, CopyOutcome::Written]
    );
    let barcodes: Vec<&str> = done
        .catalog_copies
        .iter()
        .map(|copy| &*copy.barcode)
        .collect();
    assert_eq!(barcodes, [A, B]);
    run(&lab, "three", "third", CatalogCopy::Always);
    lab
}

#[test]
fn a_copy_is_no_file_of_anybody() {
    let lab = three_tapes();
    assert!(lab.find(b"tapewright").is_empty());
    let all = lab.find(b"**");
    let copies = all
        .iter()
        .filter(|hit| hit.path.0.starts_with(b"tapewright"));
    assert_eq!((all.is_empty(), copies.count()), (false, 0));
    let info = tape(&lab, C);
    assert_eq!((info.segments, info.files), (2, 11), "{info:?}");
    assert!(info.catalog_copy_at.is_some());
    let shown = tapes::show(lab.site(), C).unwrap();
    let contents: Vec<&str> = shown.contents.iter().map(|one| &*one.content).collect();
    assert_eq!(contents, ["files", "catalog"]);

    // Verified like all else, and counted apart, in the ledger, too.
    let verified = verify(lab.site(), C).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    let volume = &verified.volumes[0];
    assert_eq!(
        (
            volume.segments,
            volume.planned_segments,
            volume.catalog_copies
        ),
        (1, 1, 1),
        "{volume:?}"
    );
    let recorded = &lab.ledger_lines("verified")[0];
    assert!(
        recorded.contains(r#""segments":1,"catalog_copies":1,"#),
        "{recorded}"
    );
    let info = tape(&lab, C);
    assert_eq!((info.segments, info.verified_segments), (2, 2), "all of it");
    let job = &lab.catalog().jobs().unwrap()[3].start.what.job.to_string();
    let of_job = verify(lab.site(), job).unwrap();
    assert_eq!(of_job.volumes[0].files, volume.files);
    let JobDetail::Archive(shown) = show(lab.site(), job).unwrap().what else {
        panic!("an archive");
    };
    assert_eq!(shown.tapes[0].segments, 1);

    // A job of changes measures against files alone.
    let next = JobDescription {
        level: Level::Incremental,
        ..described(&lab, "three", "third", CatalogCopy::Always)
    };
    let next = archive(lab.site(), &next).unwrap();
    let changes = next.changes.unwrap();
    assert_eq!((changes.new, changes.changed, changes.deleted), (0, 0, 0));
    assert!(next.catalog_copies.is_empty(), "it wrote nothing");
}

/// A clock that is ahead.
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }

    fn new_id(&self) -> uuid::Uuid {
        SystemClock.new_id()
    }
}

#[test]
fn a_copy_is_due_once_a_day_or_where_it_is_small_beside_the_job() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab.path("small"));
    fs::create_dir(lab.path("large")).unwrap();
    for number in 0..4 {
        let path = lab.path("large").join(number.to_string());
        fs::write(path, noise(number, 2 << 20)).unwrap();
    }
    let (written, not_due) = (CopyOutcome::Written, CopyOutcome::NotDue);
    let later = |hours| Ahead(SignedDuration::from_hours(hours));
    let cases = [
        ("never", "small", CatalogCopy::Never, 0, None),
        (
            "the first on the tape",
            "small",
            CatalogCopy::Auto,
            0,
            Some(written),
        ),
        (
            "of a large job",
            "large",
            CatalogCopy::Auto,
            0,
            Some(written),
        ),
        ("always", "small", CatalogCopy::Always, 1, Some(written)),
        (
            "on the same day",
            "nothing",
            CatalogCopy::Auto,
            2,
            Some(not_due),
        ),
        (
            "a day later",
            "nothing",
            CatalogCopy::Auto,
            26,
            Some(written),
        ),
        ("and again", "nothing", CatalogCopy::Auto, 27, Some(not_due)),
    ];
    fs::create_dir(lab.path("nothing")).unwrap();
    for (name, tree, when, hours, expected) in cases {
        let clock = later(hours);
        let site = Site {
            clock: &clock,
            ..lab.site()
        };
        let done = archive(site, &described(&lab, tree, "docs", when)).unwrap();
        assert_eq!(
            outcomes(&done),
            Vec::from_iter(expected),
            "{name}: {done:?}"
        );
    }
}

/// Keeps the problems that were told, and asks to stop once a phase says so.
#[derive(Clone, Default)]
pub struct Ear {
    pub told: Arc<Mutex<Vec<String>>>,
    pub stop_at: Option<&'static str>,
    pub stopped: Arc<AtomicBool>,
}

impl Monitor for Ear {
    fn problem(&self, problem: &Problem) {
        let told = format!("{}: {}", problem.path, problem.what);
        self.told.lock().unwrap().push(told);
    }

    fn phase(&self, what: &str) {
        let stops = self.stop_at.is_some_and(|word| what.contains(word));
        self.stopped.fetch_or(stops, Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[test]
fn a_job_whose_copy_fails_is_complete_all_the_same_and_the_next_one_goes_on() {
    // What a job of this tree takes; what is behind it is the copy's.
    let job_end = {
        let lab = Lab::new();
        lab.label(&[A], "docs");
        plant(&lab.path("source"));
        let done = run(&lab, "source", "docs", CatalogCopy::Never);
        done.segments[0].end_block.0
    };
    let (bad, open) = (VolumeState::Suspect, VolumeState::Appendable);
    let cases = [
        ("the medium", Effect::WriteError, bad),
        ("the drive", Effect::HardwareError, open),
    ];
    for (name, effect, state) in cases {
        let mut lab = Lab::new();
        let ear = Ear::default();
        lab.monitor = Box::new(ear.clone());
        lab.label(&[A, B], "docs");
        plant(&lab.path("source"));
        let mut rule = fault(effect, "WRITE", 1, Some(1));
        rule.when.objects = Some([job_end, u64::MAX]);
        lab.set_faults(vec![rule]);
        let done = run(&lab, "source", "docs", CatalogCopy::Always);
        assert_eq!(outcomes(&done), [CopyOutcome::Failed], "{name}: {done:?}");
        assert!(done.catalog_copies[0].failure.is_some(), "{name}");
        assert!(done.failed_tapes.is_empty(), "{name}");
        let told = ear.told.lock().unwrap().join("\n");
        assert!(told.contains("The job itself is safe"), "{name}: {told}");
        assert_eq!(tape(&lab, A).state, state, "{name}");
        let job = &lab.catalog().jobs().unwrap()[0];
        assert_eq!(job.finish.as_ref().unwrap().what.outcome, Outcome::Complete);

        lab.set_faults(Vec::new());
        let next = run(&lab, "source", "docs", CatalogCopy::Always);
        assert_eq!(outcomes(&next), [CopyOutcome::Written], "{name}: {next:?}");
        let (restored, copy) = lab.restore("source", name);
        assert_eq!(restored.outcome, Outcome::Complete, "{name}");
        assert_same_tree(&lab.path("source"), &copy);
    }
}

#[test]
fn a_stop_behind_the_job_leaves_the_job_complete_and_no_copy() {
    let mut lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab.path("source"));
    lab.monitor = Box::new(Ear {
        stop_at: Some("copy of the catalog"),
        ..Ear::default()
    });
    let done = run(&lab, "source", "docs", CatalogCopy::Always);
    assert_eq!(outcomes(&done), [CopyOutcome::Failed], "{done:?}");
    lab.monitor = Box::new(Silent);
    assert_eq!(tape(&lab, A).segments, 1);
    let next = run(&lab, "source", "docs", CatalogCopy::Auto);
    assert_eq!(outcomes(&next), [CopyOutcome::Written], "{next:?}");
    lose_catalog(&lab);
    import(lab.site(), A).unwrap();
}

#[test]
fn a_tape_without_room_for_a_copy_gets_none_and_stays_open() {
    let mut lab = Lab::with(&LibrarySpec {
        capacity_bytes: Some(16 << 20),
        ..Lab::small()
    });
    let ear = Ear::default();
    lab.monitor = Box::new(ear.clone());
    lab.label(&[A], "docs");
    fs::create_dir(lab.path("source")).unwrap();
    fs::write(lab.path("source/large"), noise(1, 14 << 20)).unwrap();
    let done = run(&lab, "source", "docs", CatalogCopy::Always);
    assert_eq!(outcomes(&done), [CopyOutcome::NoRoom], "{done:?}");
    assert_eq!(tape(&lab, A).state, VolumeState::Appendable);
    assert_eq!(ear.told.lock().unwrap().len(), 1, "{ear:?}", ear = ear.told);
}

#[test]
fn a_catalog_that_cannot_be_read_costs_the_copy_alone() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab.path("source"));
    run(&lab, "source", "docs", CatalogCopy::Never);
    let entries = fs::read_dir(lab.path("state/catalog/entries")).unwrap();
    for file in entries {
        fs::write(file.unwrap().path(), "no entries").unwrap();
    }
    let done = run(&lab, "source", "docs", CatalogCopy::Always);
    assert_eq!(outcomes(&done), [CopyOutcome::Failed], "{done:?}");
    let failure = done.catalog_copies[0].failure.as_ref().unwrap();
    assert_eq!(failure.kind, JobErrorKind::Catalog, "{failure:?}");
}

fn program(name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{name}");
    feeder.join().unwrap().unwrap();
    done.stdout
}

#[test]
fn tar_and_zstd_read_a_copy_off_the_tape() {
    let lab = three_tapes();
    let before = Told::by(&lab);
    let copy = run(&lab, "three", "third", CatalogCopy::Always);
    let file = copy.catalog_copies[0].tape_file.unwrap();
    let mut raw = Vec::new();
    dump_file(lab.site(), C, file, &mut raw).unwrap();
    let names = String::from_utf8(program("tar", &["-tf", "-"], &raw)).unwrap();
    let name = names.trim_end();
    assert!(
        name.starts_with("tapewright/catalog/") && name.ends_with(".jsonl.zst"),
        "{names}"
    );
    let member = program("tar", &["-xOf", "-", name], &raw);
    let lines = String::from_utf8(program("zstd", &["-dc"], &member)).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["catalog"].is_string() && lines.last().unwrap()["end"].is_object());
    let told: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["receipt"]["receipt"]["segment"].as_str())
        .collect();
    // All before, and the job's own segment; not the copy itself.
    assert_eq!(told.len(), before.receipts.len() + 1);
    let own = copy.job.to_string();
    let ended = lines.iter().any(|line| {
        line["event"]["event"]["type"] == "job_finished" && line["event"]["event"]["job"] == own
    });
    assert!(ended, "the end of its own job is in it");

    // And it is what an import of a file takes.
    let path = lab.path("copy.jsonl.zst");
    fs::write(&path, member).unwrap();
    let stranger = lab.stranger();
    let site = Site {
        state: &stranger,
        ..lab.site()
    };
    tapewright::jobs::portable::import(site, &path).unwrap();
}

#[test]
fn a_job_that_is_copied_later_leaves_a_copy_of_the_catalog_where_it_went() {
    let lab = Lab::new();
    lab.label(&[A], "first");
    lab.label(&[B], "second");
    plant(&lab.path("source"));
    let done = run(&lab, "source", "first", CatalogCopy::Never);
    let wanted = CopyOptions {
        job: Some(done.job.to_string()),
        pool: Some("second".to_owned()),
        ..CopyOptions::default()
    };
    let copied = copy(lab.site(), &wanted).unwrap();
    assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
    let outcomes: Vec<_> = copied.catalog_copies.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [CopyOutcome::Written], "{copied:?}");
    let lost = Told::by(&lab);
    lose_catalog(&lab);
    lab.take_away(A);
    let imported = import(lab.site(), B).unwrap();
    assert_eq!(imported.outcome, Outcome::Complete, "{imported:?}");
    assert_same_catalogs(&lost, &Told::by(&lab));
}

#[test]
fn a_job_of_a_program_copies_the_catalog_as_one_of_the_command_line_does() {
    assert_eq!(JobDescription::default().catalog_copy, CatalogCopy::Auto);
    assert_eq!(CopyOptions::default().catalog_copy, CatalogCopy::Auto);
}
