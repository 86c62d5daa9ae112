//! How long jobs are kept: times, holds and chains, and what becomes of the tapes.

use catalogs::Catalog;
use catalogs::model::event::{Event, JobFinished, JobStarted, Outcome as Ended, RetentionSet};
use catalogs::model::problem::Problems;
use jiff::{SignedDuration, Timestamp};
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::find::{self, FindOptions};
use tapewright::jobs::retention::{
    ExpireOptions, HoldOn, Keep, KeepFor, KeptBy, expire, hold, holds, keep, release,
};
use tapewright::jobs::tapes;
use tapewright::jobs::{JobError, JobErrorKind, LabellingError, Level, Outcome, RetentionError};
use uuid::Uuid;

use crate::lab::{A, B, Lab, archive_path, assert_same_tree, label_options, plant};

/// How long a job of a case is to be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Time {
    Unsaid,
    Forever,
    Over,
    Left,
}

use Time::{Forever, Left, Over, Unsaid};

/// A job of a case: its name, its root, its level, its base, its end, its time. A base that is no
/// other's name is not known.
type Row = (
    &'static str,
    &'static str,
    Level,
    &'static str,
    Option<Ended>,
    Time,
);

const FULL: Level = Level::Full;
const INCREMENTAL: Level = Level::Incremental;
const DONE: Option<Ended> = Some(Ended::Complete);
const CUT_OFF: Option<Ended> = Some(Ended::Interrupted);
const PARTIAL: Option<Ended> = Some(Ended::Partial);

fn identity(name: &str) -> Uuid {
    let bytes = blake3::hash(name.as_bytes());
    Uuid::from_slice(&bytes.as_bytes()[..16]).unwrap()
}

fn this_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().to_owned()
}

fn record(catalog: &Catalog, now: Timestamp, place: usize, row: &Row) {
    let (name, root, level, base, ended, _) = *row;
    let job = identity(name);
    let at = now - SignedDuration::from_hours(24 * (100 - place as i64));
    let started = JobStarted {
        job,
        name: name.into(),
        pool: "docs".into(),
        copy_pool: None,
        roots: vec![root.into()],
        excludes: Vec::new(),
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        host: this_host(),
        software: "test".into(),
        level,
        base: (!base.is_empty()).then(|| identity(base)),
        digest_algorithm: Default::default(),
    };
    catalog.append(at, &Event::JobStarted(started)).unwrap();
    if let Some(outcome) = ended {
        let finished = JobFinished {
            job,
            outcome,
            files: 0,
            file_bytes: 0,
            problems: Problems::default(),
            commands: Vec::new(),
            from_tapes: false,
        };
        catalog.append(at, &Event::JobFinished(finished)).unwrap();
    }
}

fn be_over(catalog: &Catalog, now: Timestamp, job: Uuid) {
    let event = Event::RetentionSet(RetentionSet {
        job,
        until: Some(now - SignedDuration::from_secs(1)),
        by: "test".into(),
        from_tape: false,
    });
    catalog.append(now, &event).unwrap();
}

#[test]
fn a_job_goes_once_its_time_is_over_and_nothing_keeps_it() {
    let cases: &[(&str, &[Row], &[&str])] = &[
        ("nothing said", &[("f", "a", FULL, "", DONE, Unsaid)], &[]),
        ("for ever", &[("f", "a", FULL, "", DONE, Forever)], &[]),
        ("time left", &[("f", "a", FULL, "", DONE, Left)], &[]),
        ("time over", &[("f", "a", FULL, "", DONE, Over)], &["f"]),
        ("it runs", &[("f", "a", FULL, "", None, Over)], &[]),
        ("cut off", &[("f", "a", FULL, "", CUT_OFF, Over)], &["f"]),
        (
            "a base with time left behind it",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "f", DONE, Left),
            ],
            &[],
        ),
        (
            "a base with something for ever behind it",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "f", DONE, Unsaid),
            ],
            &[],
        ),
        (
            "a whole chain",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "f", DONE, Over),
                ("j", "a", INCREMENTAL, "i", DONE, Over),
            ],
            &["f", "i", "j"],
        ),
        (
            "a chain whose last has time left",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "f", DONE, Over),
                ("j", "a", INCREMENTAL, "i", DONE, Left),
            ],
            &[],
        ),
        (
            "the end of a chain",
            &[
                ("f", "a", FULL, "", DONE, Left),
                ("i", "a", INCREMENTAL, "f", DONE, Over),
            ],
            &["i"],
        ),
        (
            "a differential one keeps what lies between: who knows where a version is",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("x", "a", INCREMENTAL, "f", CUT_OFF, Over),
                ("d", "a", Level::Differential, "f", DONE, Left),
            ],
            &[],
        ),
        (
            "a chain before a full one",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "f", DONE, Over),
                ("g", "a", FULL, "", DONE, Unsaid),
                ("j", "a", INCREMENTAL, "g", DONE, Unsaid),
            ],
            &["f", "i"],
        ),
        (
            "a full one that was not complete lacks what is before it",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("g", "a", FULL, "", PARTIAL, Over),
                ("i", "a", INCREMENTAL, "g", DONE, Left),
            ],
            &[],
        ),
        (
            "other paths",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("g", "b", FULL, "", DONE, Over),
                ("i", "b", INCREMENTAL, "g", DONE, Left),
            ],
            &["f"],
        ),
        (
            "a base that is not known",
            &[
                ("f", "a", FULL, "", DONE, Over),
                ("i", "a", INCREMENTAL, "lost", DONE, Left),
            ],
            &[],
        ),
    ];
    for (what, rows, goes) in cases {
        let lab = Lab::new();
        lab.label(&[A], "docs");
        let now = lab.site().clock.now();
        let catalog = lab.catalog();
        for (place, row) in rows.iter().enumerate() {
            record(&catalog, now, place, row);
            let until = match row.5 {
                Unsaid => continue,
                Forever => Keep::For(KeepFor::Forever),
                Over => {
                    be_over(&catalog, now, identity(row.0));
                    continue;
                }
                Left => Keep::Until(now + SignedDuration::from_hours(1)),
            };
            keep(lab.site(), &[identity(row.0).to_string()], until).unwrap();
        }
        drop(catalog);
        let preview = ExpireOptions {
            dry_run: true,
            as_of: None,
        };
        let lines = lab.ledger_lines("job_expired").len();
        let shown = expire(lab.site(), preview).unwrap();
        assert_eq!(
            lab.ledger_lines("job_expired").len(),
            lines,
            "{what}: a preview writes"
        );
        let shown_due = shown
            .jobs
            .iter()
            .filter(|job| job.due.is_some_and(|due| due <= now));
        let mut shown_due: Vec<&str> = shown_due.map(|job| job.name.as_str()).collect();
        for job in &shown.jobs {
            let later = job.due.is_none_or(|due| due > job.until);
            assert_eq!(later, !job.kept_by.is_empty(), "{what}: {job:?}");
        }
        let done = expire(lab.site(), ExpireOptions::default()).unwrap();
        let mut gone: Vec<&str> = done.jobs.iter().map(|job| job.name.as_str()).collect();
        gone.sort_unstable();
        shown_due.sort_unstable();
        assert_eq!(gone, *goes, "{what}");
        assert_eq!(shown_due, *goes, "{what}: the preview");
        let again = expire(lab.site(), ExpireOptions::default()).unwrap();
        assert!(again.jobs.is_empty(), "{what}: twice");
    }
}

/// A job of everything in `source`, and its identity.
fn archived(lab: &Lab, level: Level, name: &str) -> String {
    let job = JobDescription {
        level,
        name: Some(name.to_owned()),
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    };
    let done = archive(lab.site(), &job).unwrap();
    assert_eq!(done.outcome, Outcome::Complete);
    name.to_owned()
}

/// As if it had been said in time that these jobs are kept until a moment that is past by now.
fn over(lab: &Lab, names: &[&str]) {
    let (catalog, now) = (lab.catalog(), lab.site().clock.now());
    for name in names {
        let job = catalog.job(name).unwrap().unwrap();
        be_over(&catalog, now, job.start.what.job);
    }
}

fn erase(lab: &Lab, barcode: &str) -> Result<(), JobError> {
    let options = label_options(&[barcode], "docs", Some(barcode));
    tapewright::jobs::label::label(lab.site(), &options).map(|_| ())
}

fn expire_now(lab: &Lab) -> Vec<String> {
    let done = expire(lab.site(), ExpireOptions::default()).unwrap();
    done.jobs.into_iter().map(|job| job.name).collect()
}

fn is_free(lab: &Lab, barcode: &str) -> bool {
    let tapes = tapes::list(lab.site()).unwrap();
    tapes
        .iter()
        .find(|tape| tape.barcode == barcode)
        .unwrap()
        .free
}

#[test]
fn a_tape_is_freed_by_its_last_job_and_is_not_overwritten_before() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let first = archived(&lab, Level::Full, "first");
    let second = archived(&lab, Level::Full, "second");
    over(&lab, &[&first]);
    keep(
        lab.site(),
        std::slice::from_ref(&second),
        Keep::For("1d".parse().unwrap()),
    )
    .unwrap();
    let refused = |what: &str| {
        let before = lab.fingerprint(A);
        let error = erase(&lab, A).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::WrongTape, "{what}: {error}");
        assert_eq!(lab.fingerprint(A), before, "{what}");
        error
    };
    let error = refused("neither is expired");
    assert!(
        matches!(error, JobError::Retention(RetentionError::Unexpired { .. })),
        "{error}"
    );
    assert_eq!(expire_now(&lab), ["first"]);
    let error = refused("one is not expired");
    assert!(error.to_string().contains("`second`"), "{error}");
    assert!(!is_free(&lab, A));
    over(&lab, &[&second]);
    let placed = hold(lab.site(), &HoldOn::Tape(A.to_owned()), "case 7").unwrap();
    assert!(expire_now(&lab).is_empty(), "a hold beats expiry");
    let shown = expire(
        lab.site(),
        ExpireOptions {
            dry_run: true,
            as_of: None,
        },
    );
    let shown = shown.unwrap();
    assert!(
        matches!(&shown.jobs[0].kept_by[..], [KeptBy::Hold { reason, .. }] if reason == "case 7")
    );
    assert_eq!((shown.tapes.len(), shown.tapes[0].due), (1, None));
    let error = refused("held");
    assert!(error.to_string().contains("case 7"), "{error}");
    release(lab.site(), &placed.hold.to_string()[..8], "settled").unwrap();
    assert!(holds(lab.site(), false).unwrap().is_empty());
    assert_eq!(holds(lab.site(), true).unwrap().len(), 1);
    assert_eq!(
        expire_now(&lab).len(),
        2,
        "the hold had taken an expiry back"
    );
    assert!(is_free(&lab, A));
    // A hold that comes when all is expired keeps the tape all the same.
    let late = hold(lab.site(), &HoldOn::Job(second), "case 8").unwrap();
    assert!(!is_free(&lab, A));
    assert!(matches!(
        refused("held late"),
        JobError::Retention(RetentionError::Held { .. })
    ));
    release(lab.site(), &late.hold.to_string(), "settled").unwrap();
    assert_eq!(expire_now(&lab), ["second"]);
    assert!(lab.find(b"/").is_empty());
    let without = tapewright::jobs::label::label(lab.site(), &label_options(&[A], "docs", None));
    assert!(
        matches!(
            without,
            Err(JobError::Labelling(LabellingError::HoldsData { .. }))
        ),
        "the barcode is still to be typed"
    );
    erase(&lab, A).unwrap();
    assert!(!is_free(&lab, A));
}

#[test]
fn a_tape_whose_jobs_have_no_time_is_left_to_who_types_its_barcode() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = archived(&lab, Level::Full, "only");
    let forever = Keep::For(KeepFor::Forever);
    keep(lab.site(), std::slice::from_ref(&job), forever).unwrap();
    assert!(erase(&lab, A).is_err(), "for ever was said");
    lab.label(&[B], "docs");
    // A tape of nothing but what nobody said anything of.
    let other = Lab::new();
    plant(&other.path("source"));
    other.label(&[A], "docs");
    archived(&other, Level::Full, "only");
    erase(&other, A).unwrap();
}

#[test]
fn what_is_expired_comes_back_when_it_is_kept_again() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = archived(&lab, Level::Full, "only");
    let before = lab.find(b"/").len();
    over(&lab, &[&job]);
    assert_eq!(expire_now(&lab), ["only"]);
    assert!(lab.find(b"/").is_empty());
    let asked = FindOptions {
        expired: true,
        ..FindOptions::default()
    };
    let found = find::find(lab.site(), &asked, &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(found.unwrap(), before as u64);
    let kept = keep(lab.site(), &[job], Keep::For("10y".parse().unwrap())).unwrap();
    assert!(kept[0].was_expired);
    assert_eq!(lab.find(b"/").len(), before);
    lab.brings_back("source", "target");
}

/// A full job and one of changes, on tapes of their own, both expired.
fn expired_chain() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    archived(&lab, Level::Full, "nightly");
    std::fs::write(lab.path("source/new"), b"new").unwrap();
    archived(&lab, Level::Incremental, "nightly");
    let jobs = lab.catalog().jobs().unwrap();
    assert_eq!(jobs[1].start.what.level, Level::Incremental);
    let ids: Vec<String> = jobs
        .iter()
        .map(|job| job.start.what.job.to_string())
        .collect();
    over(&lab, &[&ids[0], &ids[1]]);
    assert_eq!(expire_now(&lab).len(), 2);
    assert!(lab.find(b"/").is_empty());
    assert!(is_free(&lab, A));
    lab
}

/// The beginning of the newest job's identity.
fn newest(lab: &Lab) -> String {
    let jobs = lab.catalog().jobs().unwrap();
    let id = jobs.last().unwrap().start.what.job;
    id.to_string()[..8].to_uppercase()
}

#[test]
fn a_name_of_several_jobs_is_refused_with_all_of_them_and_changes_nothing() {
    let lab = expired_chain();
    let ids = lab.catalog().jobs().unwrap();
    let ids = ids.iter().map(|job| job.start.what.job.to_string());
    let ids: Vec<String> = ids.collect();
    let lines = || lab.ledger_lines("retention_set").len();
    let before = lines();
    let forever = Keep::For(KeepFor::Forever);
    let names = [ids[0].clone(), "nightly".to_owned()];
    let refused = [
        keep(lab.site(), &names, forever).map(|_| ()),
        hold(lab.site(), &HoldOn::Job("nightly".to_owned()), "why").map(|_| ()),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert_eq!(error.kind(), JobErrorKind::Request, "{error}");
        let said = error.to_string();
        assert!(ids.iter().all(|id| said.contains(id)), "{said}");
    }
    assert_eq!(lines(), before);
    assert!(lab.ledger_lines("hold_placed").is_empty());
}

#[test]
fn what_is_expired_comes_back_with_what_it_builds_on() {
    type Back = fn(&Lab);
    let cases: [(&str, Back); 3] = [
        ("kept", |lab| {
            let keep_for = Keep::For("10y".parse().unwrap());
            let kept = keep(lab.site(), &[newest(lab)], keep_for).unwrap();
            assert_eq!(kept.len(), 2);
        }),
        ("held by its job", |lab| {
            hold(lab.site(), &HoldOn::Job(newest(lab)), "a suit").unwrap();
        }),
        ("held by its tape", |lab| {
            hold(lab.site(), &HoldOn::Tape(A.into()), "a suit").unwrap();
        }),
    ];
    for (case, back) in cases {
        let lab = expired_chain();
        back(&lab);
        assert_eq!(expire_now(&lab), [""; 0], "{case}");
        assert!(!is_free(&lab, A), "{case}");
        assert!(erase(&lab, A).is_err(), "{case}");
        let (restored, copy) = lab.restore("source", "target");
        assert_eq!(restored.outcome, Outcome::Complete, "{case}: {restored:?}");
        assert_same_tree(&lab.path("source"), &copy);
    }
}

#[test]
fn changes_are_not_measured_against_what_is_expired() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = archived(&lab, Level::Full, "nightly");
    over(&lab, &[&job]);
    assert_eq!(expire_now(&lab), ["nightly"]);
    archived(&lab, Level::Incremental, "nightly");
    let newest = lab.catalog().job("nightly").unwrap().unwrap();
    assert_eq!(
        newest.start.what.level,
        Level::Full,
        "there is nothing to measure against"
    );
    let path = archive_path(&lab.path("source/docs/letter.txt"));
    assert_eq!(lab.find(&path).len(), 1);
}

#[test]
fn the_time_of_a_job_is_counted_from_its_start() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = JobDescription {
        keep: Some("2y".parse().unwrap()),
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    };
    archive(lab.site(), &job).unwrap();
    let options = ExpireOptions {
        dry_run: true,
        as_of: None,
    };
    let shown = expire(lab.site(), options).unwrap();
    let [only] = &shown.jobs[..] else {
        panic!("{shown:?}")
    };
    let days = only.until.duration_since(only.started_at).as_hours() / 24;
    assert!((730..=731).contains(&days), "{days}");
    assert_eq!((only.due, only.expired), (Some(only.until), false));
    assert_eq!(shown.tapes[0].due, Some(only.until));
    let early = ExpireOptions {
        as_of: Some(only.started_at),
        ..options
    };
    assert!(expire(lab.site(), early).unwrap().jobs.is_empty());
}

#[test]
fn what_is_not_known_is_refused_and_a_hold_wants_its_reason() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    let forever = Keep::For(KeepFor::Forever);
    let kinds = [
        keep(lab.site(), &["none".to_owned()], forever).map(|_| ()),
        hold(lab.site(), &HoldOn::Job("none".to_owned()), "why").map(|_| ()),
        hold(lab.site(), &HoldOn::Tape(B.to_owned()), "why").map(|_| ()),
        release(lab.site(), "", "why").map(|_| ()),
        release(lab.site(), "0", "why").map(|_| ()),
    ];
    for refused in kinds {
        assert_eq!(refused.unwrap_err().kind(), JobErrorKind::NotFound);
    }
    let without = hold(lab.site(), &HoldOn::Tape(A.to_owned()), " ");
    assert_eq!(without.unwrap_err().kind(), JobErrorKind::Request);
    assert!(lab.ledger_lines("hold_placed").is_empty());
}

#[test]
fn a_time_that_is_over_is_refused_and_nothing_changed() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let jobs = ["one", "two"].map(|name| archived(&lab, Level::Full, name));
    let now = lab.site().clock.now();
    let past = Keep::Until(now - SignedDuration::from_secs(1));
    let error = keep(lab.site(), &jobs, past).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Request, "{error}");
    assert!(error.to_string().contains("`one`"), "{error}");
    assert!(error.advice().unwrap().contains("`expire`"));
    // Counted from the start of an old job.
    let catalog = lab.catalog();
    record(&catalog, now, 0, &("old", "a", FULL, "", DONE, Unsaid));
    let short = Keep::For("30d".parse().unwrap());
    let names = [jobs[0].clone(), "old".to_owned()];
    let error = keep(lab.site(), &names, short).unwrap_err();
    assert!(error.to_string().contains("`old`"), "{error}");
    assert!(lab.ledger_lines("retention_set").is_empty());
}

#[test]
fn a_job_that_goes_on_is_not_given_a_time_that_is_over() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let catalog = lab.catalog();
    let root = String::from_utf8(archive_path(&lab.path("source"))).unwrap();
    let now = lab.site().clock.now();
    let old = ("old", &*root.leak(), FULL, "", CUT_OFF, Unsaid);
    record(&catalog, now, 0, &old);
    drop(catalog);
    let resume = |keep: &str| {
        let job = JobDescription {
            resume: Some("old".to_owned()),
            keep: Some(keep.parse().unwrap()),
            ..crate::lab::bare_job()
        };
        archive(lab.site(), &job)
    };
    let error = resume("30d").unwrap_err();
    let past = matches!(error, JobError::Retention(RetentionError::Past { .. }));
    assert!(past, "{error:?}");
    assert!(lab.ledger_lines("retention_set").is_empty());
}
