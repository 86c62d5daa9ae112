//! Restores that were broken off and are gone on with: nothing that is there is read again,
//! nothing that is missing is left out, nothing that is somebody's is touched.

use std::fs::{self, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tapewright::jobs::restore::{
    ExistingPolicy, RestoreOptions, RestoreSummary, plan, restore, resume,
};
use tapewright::jobs::{JobError, JobErrorKind, Outcome};
use tapewright::monitor::{Monitor, Silent};

use crate::lab::{A, B, Lab, archive_path, assert_same_tree, barcodes_of, noise, plant};

/// Asks to stop once so many objects are restored.
struct StopBehind(AtomicU64);

impl StopBehind {
    fn objects(count: u64) -> Box<StopBehind> {
        Box::new(StopBehind(AtomicU64::new(count)))
    }
}

impl Monitor for StopBehind {
    fn advance(&self, files: u64, _bytes: u64) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(files), Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The source's tree on one tape.
fn planted() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    lab
}

fn options(lab: &Lab) -> RestoreOptions {
    RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    }
}

/// Where the source is in the target.
fn back(lab: &Lab) -> std::path::PathBuf {
    let source = String::from_utf8(archive_path(&lab.path("source"))).unwrap();
    lab.path("target").join(source)
}

fn stopped(lab: &mut Lab, options: &RestoreOptions, behind: u64) -> RestoreSummary {
    lab.monitor = StopBehind::objects(behind);
    let summary = restore(lab.site(), options).unwrap();
    lab.monitor = Box::new(Silent);
    summary
}

fn go_on(lab: &Lab, of: &RestoreSummary) -> Result<RestoreSummary, JobError> {
    let id = of.restore.to_string();
    let options = resume(&lab.state, &id[..8])?;
    restore(lab.site(), &options)
}

#[test]
fn wherever_a_restore_is_stopped_it_goes_on_with_what_is_missing() {
    let objects = {
        let mut lab = planted();
        let all = options(&lab);
        stopped(&mut lab, &all, u64::MAX).objects
    };
    // The last one is a hard link, made when all is read.
    for behind in 1..objects - 1 {
        let mut lab = planted();
        let all = options(&lab);
        let first = stopped(&mut lab, &all, behind);
        assert_eq!(first.outcome, Outcome::Interrupted, "{behind}: {first:?}");
        assert!(first.can_resume);
        let planned = plan(
            lab.site(),
            &resume(&lab.state, &first.restore.to_string()).unwrap(),
        )
        .unwrap();
        let second = go_on(&lab, &first).unwrap();
        assert_eq!(second.outcome, Outcome::Complete, "{behind}: {second:?}");
        assert_eq!(second.restore, first.restore);
        assert_eq!(planned.objects, second.objects, "{behind}");
        assert_same_tree(&lab.path("source"), &back(&lab));
        // Files are read once. Directories into which something came get their times anew.
        assert_eq!(first.files + second.files, 4, "{behind}: {second:?}");
        assert!(
            second.objects + second.earlier_objects >= objects,
            "{behind}"
        );
        let gone = go_on(&lab, &first).unwrap_err();
        assert_eq!(gone.kind(), JobErrorKind::NotFound, "{behind}: {gone}");
        let lines = lab.ledger_lines("restored");
        let id = first.restore.to_string();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.contains(&id)));
    }
}

#[test]
fn a_missing_tape_costs_only_what_is_on_it_and_is_read_alone_once_it_is_back() {
    let lab = Lab::new();
    for (name, tape) in [("one", A), ("two", B)] {
        let dir = lab.path("source").join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("file"), noise(3, 100_000)).unwrap();
        lab.label(&[tape], name);
        lab.archive(&[&format!("source/{name}")], name).unwrap();
    }
    let out = tape_sim::inventory::read(&lab.library_dir()).unwrap();
    let slot = out.contents().find(|(_, content)| content.barcode == B);
    let slot = slot.unwrap().0;
    lab.take_away(B);
    let first = restore(lab.site(), &options(&lab)).unwrap();
    assert_eq!(first.outcome, Outcome::Partial, "{first:?}");
    assert_eq!(
        (barcodes_of(&first.missing_tapes), first.files),
        (vec![B], 1)
    );
    let again = go_on(&lab, &first).unwrap();
    assert_eq!(
        (barcodes_of(&again.missing_tapes), again.files),
        (vec![B], 0)
    );
    assert!(again.can_resume);
    assert!(
        again.tapes.iter().all(|tape| tape.barcode == B),
        "{again:?}"
    );
    tape_sim::inventory::put(&lab.library_dir(), slot, B).unwrap();
    let last = go_on(&lab, &first).unwrap();
    assert_eq!(
        (last.outcome, last.files),
        (Outcome::Complete, 1),
        "{last:?}"
    );
    for name in ["one", "two"] {
        assert_same_tree(&lab.path("source").join(name), &back(&lab).join(name));
    }
}

#[test]
fn what_is_not_as_archived_is_named_and_replaced_only_if_that_is_said() {
    // As behind a power cut: the same size and time, and other content.
    for (content, time) in [(vec![0; 300_001], true), (vec![1; 5], false)] {
        let mut lab = planted();
        let all = options(&lab);
        let first = stopped(&mut lab, &all, 4);
        assert!(first.can_resume, "{first:?}");
        let spoilt = back(&lab).join("photos/two.raw");
        fs::create_dir_all(spoilt.parent().unwrap()).unwrap();
        let archived = fs::metadata(lab.path("source/photos/two.raw")).unwrap();
        fs::write(&spoilt, &content).unwrap();
        if time {
            let times = FileTimes::new().set_modified(archived.modified().unwrap());
            let file = fs::File::options().write(true).open(&spoilt).unwrap();
            file.set_times(times).unwrap();
        }
        let refused = go_on(&lab, &first).unwrap_err();
        assert_eq!(refused.kind(), JobErrorKind::Request);
        assert!(refused.to_string().contains("photos/two.raw"), "{refused}");
        assert!(!refused.to_string().contains("letter.txt"), "{refused}");
        let id = first.restore.to_string();
        let options = RestoreOptions {
            existing: ExistingPolicy::Overwrite,
            ..resume(&lab.state, &id).unwrap()
        };
        let last = restore(lab.site(), &options).unwrap();
        assert_eq!(last.outcome, Outcome::Complete, "{last:?}");
        assert_same_tree(&lab.path("source"), &back(&lab));
    }
}

/// A directory and two files that were somebody's before the restore began.
fn somebodys(lab: &Lab) -> [std::path::PathBuf; 3] {
    let docs = back(lab).join("docs");
    let files = [docs.join("letter.txt"), docs.join("mine")];
    fs::create_dir_all(&docs).unwrap();
    for file in &files {
        fs::write(file, "mine").unwrap();
    }
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let file = fs::File::options().write(true).open(&files[0]).unwrap();
    file.set_modified(old).unwrap();
    fs::set_permissions(&docs, fs::Permissions::from_mode(0o711)).unwrap();
    let [letter, mine] = files;
    [docs, letter, mine]
}

#[test]
fn a_restore_goes_on_by_the_policy_that_it_began_with() {
    use ExistingPolicy as P;
    for (policy, letter, aside) in [
        (P::Skip, "mine", false),
        (P::Newer, "Dear reader", false),
        (P::Rename, "mine", true),
        (P::Overwrite, "Dear reader", false),
    ] {
        for behind in [2, 5] {
            let mut lab = planted();
            let [docs, letter_path, mine] = somebodys(&lab);
            let all = RestoreOptions {
                existing: policy,
                ..options(&lab)
            };
            let first = stopped(&mut lab, &all, behind);
            let what = format!("{policy:?} behind {behind}: {first:?}");
            assert!(first.can_resume, "{what}");
            let last = go_on(&lab, &first).unwrap();
            assert_eq!(last.outcome, Outcome::Complete, "{what} {last:?}");
            let read = |path: &Path| fs::read_to_string(path).unwrap();
            assert_eq!(read(&letter_path), letter, "{what}");
            assert_eq!(read(&mine), "mine", "{what}");
            let beside = docs.join("letter.txt.restored-1");
            assert_eq!(beside.exists(), aside, "{what}");
            assert!(!docs.join("letter.txt.restored-2").exists(), "{what}");
            let mode = fs::metadata(&docs).unwrap().permissions().mode() & 0o777;
            let archived = policy == P::Overwrite;
            assert_eq!(mode, if archived { 0o750 } else { 0o711 }, "{what}");
            let photos = |tree: &Path| fs::metadata(tree.join("photos")).unwrap();
            let source = lab.path("source");
            let (source, here) = (photos(&source), photos(&back(&lab)));
            assert_eq!(
                source.modified().unwrap(),
                here.modified().unwrap(),
                "{what}"
            );
            assert_eq!(source.permissions(), here.permissions(), "{what}");
        }
    }
}
