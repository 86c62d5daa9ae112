//! Jobs of changes together with what else may become of a job: resumed, on tapes that fail, with
//! two copies, copied later, and out of the tapes of one pool alone.

use std::collections::BTreeSet;
use std::fs;

use catalogs::model::Kind;
use jiff::Timestamp;
use tape_sim::fault::{Device, Effect};
use tapewright::jobs::archive::{ArchiveSummary, JobDescription, archive, preview};
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::{JobError, JobErrorKind, Level, Outcome};
use tapewright::monitor::Silent;
use tapewright::units::ByteSize;

use crate::lab::{A, B, C, Lab, archive_path, fault, noise, tree};
use crate::levels::{
    StopAfter, Tree, assert_same, changes, options, plant, restored, run, started,
};

const D: &str = "SIM004L9";
const E: &str = "SIM005L9";
const F: &str = "SIM006L9";

fn small(lab: &Lab, level: Level) -> JobDescription {
    JobDescription {
        segment_limit: Some(ByteSize(1 << 20)),
        ..options(lab, level)
    }
}

/// Changes on both sides of what is stopped, deletions among them, and names of one object.
fn change(lab: &Lab) {
    let root = lab.path("source");
    for name in ["docs/a", "docs/m", "docs/old/c", "y", "z"] {
        fs::write(root.join(name), noise(9, 400_000)).unwrap();
    }
    fs::remove_file(root.join("docs/b")).unwrap();
    fs::remove_file(root.join("docs/old/d")).unwrap();
    fs::remove_file(root.join("x")).unwrap();
    fs::hard_link(root.join("first"), root.join("zz")).unwrap();
    settle();
}

/// What was changed before may not have changed once more in the same tick after that.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(50));
}

/// A tree that a full job archives.
fn begin(lab: &Lab, job: &JobDescription) -> ArchiveSummary {
    plant(lab);
    fs::write(lab.path("source/x"), "x").unwrap();
    fs::write(lab.path("source/first"), "one object").unwrap();
    settle();
    let full = JobDescription {
        level: Level::Full,
        ..job.clone()
    };
    let summary = archive(lab.site(), &full).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    summary
}

/// What a job has recorded on tapes of a pool: its members, and names that are gone.
fn recorded(lab: &Lab, job: uuid::Uuid, pool: &str) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let catalog = lab.catalog();
    let volumes = catalog.volumes().unwrap();
    let of_pool = volumes.iter().filter(|one| one.label.what.pool == pool);
    let of_pool: BTreeSet<_> = of_pool.map(|one| one.label.what.volume).collect();
    let (mut members, mut gone) = (Vec::new(), Vec::new());
    for receipt in catalog.receipts_of_job(&job).unwrap() {
        if of_pool.contains(&receipt.what.receipt.volume) {
            for entry in catalog.entries_in_tape_order(&receipt.what).unwrap() {
                match entry.kind {
                    Kind::Gone => gone.push(entry.path),
                    _ => members.push(entry.path),
                }
            }
        }
    }
    (members, gone)
}

fn names(lab: &Lab, names: &[&str]) -> BTreeSet<Vec<u8>> {
    let path = |name: &&str| archive_path(&lab.path("source").join(name));
    names.iter().map(path).collect()
}

#[track_caller]
fn assert_once(recorded: &[Vec<u8>], expected: BTreeSet<Vec<u8>>) {
    let set: BTreeSet<Vec<u8>> = recorded.iter().cloned().collect();
    assert_eq!(set.len(), recorded.len(), "twice: {recorded:?}");
    assert_eq!(set, expected);
}

/// A new catalog out of these tapes alone shows these trees, of these moments and now.
fn assert_from_tapes(lab: &Lab, barcodes: &[&str], moments: &[(Timestamp, &Tree)], what: &str) {
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let barcodes: Vec<String> = barcodes.iter().map(|&one| one.to_owned()).collect();
    let summary = rebuild(lab.site(), &barcodes).unwrap();
    assert!(summary.failed_tapes.is_empty(), "{what}: {summary:?}");
    for (moment, tree) in moments {
        assert_same(&restored(lab, Some(*moment)), tree, what);
    }
    let (_, now) = moments.last().unwrap();
    assert_same(&restored(lab, None), now, what);
    for job in lab.catalog().jobs().unwrap() {
        let outcome = job.finish.as_ref().unwrap().what.outcome;
        assert_eq!(outcome, Outcome::Complete, "{what}: {job:?}");
    }
}

#[test]
fn a_resumed_job_of_changes_goes_on_against_its_base_and_records_deletions_once() {
    for level in [Level::Incremental, Level::Differential] {
        let mut lab = Lab::new();
        lab.label(&[A, B], "docs");
        let first = begin(&lab, &small(&lab, Level::Full));
        let before = tree(&lab.path("source"));
        change(&lab);
        lab.monitor = Box::new(StopAfter::bytes(1_000_000));
        let stopped = archive(lab.site(), &small(&lab, level)).unwrap();
        assert_eq!(stopped.outcome, Outcome::Interrupted, "{stopped:?}");
        lab.monitor = Box::new(Silent);
        let done = recorded(&lab, stopped.job, "docs");
        assert!(!done.0.is_empty() && !done.1.is_empty(), "{done:?}");

        // What was recorded as gone is there again; what is on tape is not there any more.
        let root = lab.path("source");
        fs::write(root.join("docs/b"), "there again").unwrap();
        fs::remove_file(root.join("z")).unwrap();
        settle();
        let now = tree(&root);
        let resume = JobDescription {
            resume: Some(stopped.job.to_string()),
            segment_limit: Some(ByteSize(1 << 20)),
            ..crate::lab::bare_job()
        };
        let resumed = archive(lab.site(), &resume).unwrap();
        assert_eq!(resumed.outcome, Outcome::Complete, "{resumed:?}");
        assert_eq!((resumed.job, resumed.level), (stopped.job, level));
        assert_eq!(resumed.base.as_ref().map(|base| base.job), Some(first.job));
        assert!(
            resumed.files < 8,
            "what is on tape is not read again: {resumed:?}"
        );
        assert_same(&restored(&lab, None), &now, "now");
        let (members, gone) = recorded(&lab, stopped.job, "docs");
        assert_once(&gone, names(&lab, &["docs/b", "docs/old/d", "x", "z"]));
        let twice: BTreeSet<_> = members.iter().collect();
        // `docs` and the root itself have changed once more.
        assert!(members.len() - twice.len() <= 2, "{members:?}");

        // What changed after the job had begun is archived once more.
        let all = now.len() as u64;
        assert_eq!(changes(&run(&lab, Level::Incremental)), (3, 0, 0, all - 3));
        assert_eq!(changes(&run(&lab, Level::Incremental)), (0, 0, 0, all));
        let moments = [
            (started(&lab, &first), &before),
            (started(&lab, &stopped), &now),
        ];
        assert_from_tapes(&lab, &[A, B], &moments, &format!("{level:?}"));
        let job = lab
            .catalog()
            .job(&stopped.job.to_string())
            .unwrap()
            .unwrap();
        assert_eq!(
            (job.start.what.level, job.start.what.base),
            (level, Some(first.job))
        );
    }
}

#[test]
fn a_job_behind_which_one_of_changes_began_is_not_resumed() {
    for level in [Level::Full, Level::Incremental] {
        let mut lab = Lab::new();
        lab.label(&[A, B], "docs");
        begin(&lab, &small(&lab, Level::Full));
        change(&lab);
        lab.monitor = Box::new(StopAfter::bytes(1_000_000));
        let stopped = archive(lab.site(), &small(&lab, level)).unwrap();
        lab.monitor = Box::new(Silent);
        run(&lab, Level::Incremental);
        let resume = JobDescription {
            resume: Some(stopped.job.to_string()),
            ..crate::lab::bare_job()
        };
        let error = archive(lab.site(), &resume).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Request, "{error:?}");
        assert!(matches!(&error, JobError::Request { what } if what.contains("of changes")));
        assert_same(&restored(&lab, None), &tree(&lab.path("source")), "now");
    }
}

#[test]
fn names_that_are_gone_are_noted_again_behind_a_tape_that_fails() {
    let lab = Lab::new();
    lab.label(&[A, B, C], "docs");
    let first = begin(&lab, &small(&lab, Level::Full));
    let before = tree(&lab.path("source"));
    change(&lab);
    let now = tree(&lab.path("source"));
    lab.set_faults(vec![fault(Effect::WriteError, "WRITE", 2, Some(1))]);
    let second = archive(lab.site(), &small(&lab, Level::Incremental)).unwrap();
    assert_eq!(second.outcome, Outcome::Complete, "{second:?}");
    assert_eq!(second.failed_tapes.len(), 1, "{second:?}");
    let (_, gone) = recorded(&lab, second.job, "docs");
    assert_once(&gone, names(&lab, &["docs/b", "docs/old/d", "x"]));
    let moments = [
        (started(&lab, &first), &before),
        (started(&lab, &second), &now),
    ];
    assert_from_tapes(&lab, &[A, B, C], &moments, "from the tapes");
}

#[test]
fn a_copy_made_later_has_the_level_and_what_is_gone_whatever_tape_fails() {
    for failing in [false, true] {
        let lab = Lab::new();
        lab.label(&[A, B], "docs");
        lab.label(&[C, D, E], "offsite");
        let first = begin(&lab, &small(&lab, Level::Full));
        let before = tree(&lab.path("source"));
        change(&lab);
        let now = tree(&lab.path("source"));
        let second = archive(lab.site(), &small(&lab, Level::Incremental)).unwrap();
        let mut moments = vec![
            (started(&lab, &first), &before),
            (started(&lab, &second), &now),
        ];
        for (job, nth) in [(first.job, 60), (second.job, 3)] {
            let wanted = CopyOptions {
                job: Some(job.to_string()),
                pool: Some("offsite".to_owned()),
                ..CopyOptions::default()
            };
            if failing {
                lab.set_faults(vec![fault(Effect::WriteError, "WRITE", nth, Some(1))]);
            }
            let copied = copy(lab.site(), &wanted).unwrap();
            assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
            let dry = CopyOptions {
                dry_run: true,
                ..wanted
            };
            let told = copy(lab.site(), &dry).unwrap();
            assert_eq!((told.outcome, told.jobs.len()), (Outcome::Complete, 0));
        }
        let (mut here, mut there) = (
            recorded(&lab, second.job, "docs"),
            recorded(&lab, second.job, "offsite"),
        );
        assert_once(&there.1, names(&lab, &["docs/b", "docs/old/d", "x"]));
        here.0.sort();
        there.0.sort();
        assert_eq!(here.0, there.0);
        let what = format!("offsite alone, failing: {failing}");
        assert_from_tapes(&lab, &[C, D, E], &moments, &what);
        let job = lab.catalog().job(&second.job.to_string()).unwrap().unwrap();
        assert_eq!(
            (job.start.what.level, job.start.what.base),
            (Level::Incremental, Some(first.job))
        );
        // In that pool it goes on from there.
        fs::remove_file(lab.path("source/y")).unwrap();
        let third = JobDescription {
            pool: "offsite".to_owned(),
            ..small(&lab, Level::Incremental)
        };
        let third = archive(lab.site(), &third).unwrap();
        assert_eq!(changes(&third).2, 1, "{third:?}");
        let last = tree(&lab.path("source"));
        moments.push((started(&lab, &third), &last));
        for (moment, tree) in &moments {
            assert_same(&restored(&lab, Some(*moment)), tree, &what);
        }
    }
}

#[test]
fn names_alone_that_a_pool_lacks_are_copied_too() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    lab.label(&[C], "offsite");
    let mut job = small(&lab, Level::Incremental);
    job.copy_pool = Some("offsite".to_owned());
    begin(&lab, &job);
    // The directory has its times again, and so a name is all that there is to tell.
    let root = lab.path("source");
    fs::remove_file(root.join("x")).unwrap();
    job.copy_pool = None;
    let second = archive(lab.site(), &job).unwrap();
    let (members, gone) = recorded(&lab, second.job, "docs");
    assert_once(&gone, names(&lab, &["x"]));
    let wanted = CopyOptions {
        job: Some(second.job.to_string()),
        pool: Some("offsite".to_owned()),
        ..CopyOptions::default()
    };
    let copied = copy(lab.site(), &wanted).unwrap();
    let told = &copied.jobs[0];
    assert_eq!(told.missing_files as usize, members.len() + 1);
    assert_eq!(told.still_missing_files, 0);
    assert_eq!(recorded(&lab, second.job, "offsite"), (members, gone));
}

#[test]
fn with_two_copies_the_tapes_of_either_pool_alone_give_the_same_tree() {
    // What fails at the second drive while the changes are written.
    let cases = [None, Some(Effect::WriteError), Some(Effect::HardwareError)];
    for failing in cases {
        for pool in [[A, B, C], [D, E, F]] {
            let lab = Lab::new();
            lab.label(&[A, B, C], "docs");
            lab.label(&[D, E, F], "offsite");
            let mut job = small(&lab, Level::Incremental);
            job.copy_pool = Some("offsite".to_owned());
            let first = begin(&lab, &job);
            let before = tree(&lab.path("source"));
            change(&lab);
            let now = tree(&lab.path("source"));
            let what = format!("{failing:?}, {pool:?}");
            if let Some(effect) = failing.clone() {
                let mut rule = fault(effect, "WRITE", 3, Some(1));
                rule.device = Device::Drive(1);
                lab.set_faults(vec![rule]);
            }
            let second = archive(lab.site(), &job).unwrap();
            lab.set_faults(Vec::new());
            assert!(second.failure.is_none(), "{what}: {second:?}");
            let made_up = copy(lab.site(), &CopyOptions::default()).unwrap();
            assert_eq!(made_up.outcome, Outcome::Complete, "{what}: {made_up:?}");
            for pool in ["docs", "offsite"] {
                let (_, gone) = recorded(&lab, second.job, pool);
                assert_once(&gone, names(&lab, &["docs/b", "docs/old/d", "x"]));
            }
            let moments = [
                (started(&lab, &first), &before),
                (started(&lab, &second), &now),
            ];
            assert_from_tapes(&lab, &pool, &moments, &what);
            // Nothing has changed, in the eyes of the next job in that pool.
            let next = JobDescription {
                copy_pool: None,
                pool: if pool[0] == A { "docs" } else { "offsite" }.to_owned(),
                ..small(&lab, Level::Incremental)
            };
            let idle = archive(lab.site(), &next).unwrap();
            assert_eq!(changes(&idle), (0, 0, 0, now.len() as u64), "{what}");
            // Whichever pool is read first.
            fs::remove_dir_all(lab.path("state/catalog")).unwrap();
            rebuild(lab.site(), &[]).unwrap();
            for pool in ["docs", "offsite"] {
                let next = JobDescription {
                    pool: pool.to_owned(),
                    ..next.clone()
                };
                let found = preview(lab.site(), &next, &mut |_| {}).unwrap();
                let base = found.base.map(|base| base.job);
                assert_eq!((base, found.objects), (Some(second.job), 0), "{what}");
            }
        }
    }
}
