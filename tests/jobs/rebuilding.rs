//! The catalog lost, and made again from the tapes.

use std::fs;

use catalogs::model::event::{Event, VolumeRetired};
use tape_sim::fault::Effect;
use tape_sim::library::Library;
use tapewright::jobs::dump::dump_file;
use tapewright::jobs::find::Found;
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::tapes::{self, TapeInfo};
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{JobError, JobErrorKind, Outcome, VolumeState};
use tapewright::monitor::{Monitor, Problem};
use tapewright::units::TapeFile;

use crate::lab::{A, B, Lab, assert_same_tree, fault, plant};

fn facts(found: &[Found]) -> Vec<String> {
    found
        .iter()
        .map(|one| serde_json::to_string(one).unwrap())
        .collect()
}

#[test]
fn after_a_rebuild_find_and_restore_answer_as_before() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.label(&[B], "films");
    lab.archive(&["source"], "docs").unwrap();
    lab.archive(&["source/photos"], "films").unwrap();
    fs::remove_file(lab.path("source/photos/two.raw")).unwrap();
    lab.archive(&["source"], "docs").unwrap();
    let before = lab.find(b"/");
    let tapes_before = tapes::list(lab.site()).unwrap();
    assert!(before.iter().any(|one| one.gone));

    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(matches!(error, JobError::NoCatalog { .. }), "{error:?}");
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.volumes.len(), 2);
    assert_eq!(summary.skipped.len(), 4, "{:?}", summary.skipped);
    assert_eq!(
        summary
            .volumes
            .iter()
            .map(|volume| volume.new_segments)
            .sum::<u64>(),
        3
    );

    assert_eq!(facts(&lab.find(b"/")), facts(&before));
    for (now, before) in tapes::list(lab.site()).unwrap().iter().zip(&tapes_before) {
        let facts = |tape: &TapeInfo| {
            (
                tape.volume,
                tape.capacity_bytes,
                tape.used_bytes,
                tape.files,
                tape.labelled_at,
            )
        };
        assert_eq!(facts(now), facts(before));
    }
    lab.brings_back("source", "target");

    let again = rebuild(lab.site(), &[A.to_owned()]).unwrap();
    assert_eq!(
        (again.volumes[0].segments, again.volumes[0].new_segments),
        (2, 0)
    );
    let next = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(next.segments[0].number, 3);
}

#[test]
fn a_job_whose_tapes_come_one_after_the_other_is_complete_with_the_last() {
    let lab = Lab::new();
    fs::create_dir(lab.path("source")).unwrap();
    for name in ["one", "two", "three"] {
        let content = crate::lab::noise(7, 30 << 20);
        fs::write(lab.path("source").join(name), content).unwrap();
    }
    lab.label(&[A, B], "docs");
    let job = lab.archive(&["source"], "docs").unwrap();
    let on = |barcode: &str| job.segments.iter().any(|s| s.barcode == barcode);
    assert!(on(A) && on(B), "{:?}", job.segments);
    let outcome = || {
        let catalog = lab.catalog();
        let known = catalog.job(&job.job.to_string()).unwrap().unwrap();
        known.finish.unwrap().what.outcome
    };
    for order in [[A, B], [B, A]] {
        fs::remove_dir_all(lab.path("state/catalog")).unwrap();
        rebuild(lab.site(), &[order[0].to_owned()]).unwrap();
        assert_ne!(outcome(), Outcome::Complete, "{order:?}: half of it");
        rebuild(lab.site(), &[order[1].to_owned()]).unwrap();
        assert_eq!(outcome(), Outcome::Complete, "{order:?}");
    }
}

#[test]
fn a_job_whose_only_index_is_damaged_is_called_by_its_place_and_that_is_said() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    let job = lab.archive(&["source"], "docs").unwrap();
    let labelled = tapes::list(lab.site()).unwrap()[0].labelled_at;
    lab.spoil(A, job.segments[0].end_block.0 - 2);
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[A.to_owned()]).unwrap();
    assert_eq!(
        tapes::list(lab.site()).unwrap()[0].state,
        VolumeState::Suspect
    );
    let read = &summary.volumes[0];
    let name = format!("unnamed-{A}-1");
    let told = &read.problems.listed[0].what;
    for words in [&name, &job.job.to_string(), "are lost with it"] {
        assert!(told.contains(words), "{told}");
    }
    let steps = read.next_steps();
    assert!(
        steps.len() == 1 && steps[0].contains("`verify"),
        "{steps:?}"
    );
    let catalog = lab.catalog();
    let known = catalog.job(&name).unwrap().unwrap();
    assert_eq!(
        (known.start.what.job, known.start.time),
        (job.job, labelled)
    );
    drop(catalog);
    // What the rebuild advises ends: it names no other job.
    let verified = verify(lab.site(), A).unwrap();
    let advice = verified.volumes[0].advice.as_ref().unwrap();
    assert!(!advice.contains("catalog rebuild"), "{advice}");
    // Whether that was all of the job its index told.
    let (restored, at) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Partial, "{restored:?}");
    assert_eq!(restored.remarks.total, 1, "{restored:?}");
    assert_same_tree(&lab.path("source"), &at);
}

#[test]
fn a_segment_that_lost_its_end_was_confirmed_if_the_catalog_has_its_receipt() {
    for is_known in [true, false] {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        let job = lab.archive(&["source"], "docs").unwrap();
        // With them the index is lost.
        lab.lose_last_objects(A, 5);
        if !is_known {
            fs::remove_dir_all(lab.path("state/catalog")).unwrap();
        }
        let summary = rebuild(lab.site(), &[A.to_owned()]).unwrap();
        let read = &summary.volumes[0];
        let told = &read.problems.listed[0].what;
        let words = match is_known {
            true => "confirmed once, and its end is lost since",
            false => "cut off",
        };
        let block = job.segments[0].first_block;
        let begins = format!("block {block}: {words}");
        assert!(told.starts_with(&begins), "{told}");
        // Only what was never confirmed may be written over.
        let says_so = |step: &String| step.contains("writes over it");
        let steps = read.next_steps();
        assert_eq!(steps.iter().any(says_so), !is_known, "{steps:?}");
        assert_eq!(read.cut_off_at, (!is_known).then_some(block));
        // What the catalog has of it stays.
        assert_eq!(lab.find(b"**/letter.txt").is_empty(), !is_known);
    }
}

#[test]
fn a_retired_volume_that_is_on_its_tape_is_offered_again() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let volume = tapes::list(lab.site()).unwrap()[0].volume;
    // As a relabelling leaves it that failed before its first write.
    let reason = "labelled anew".to_owned();
    let event = Event::VolumeRetired(VolumeRetired { volume, reason });
    lab.catalog()
        .append(lab.site().clock.now(), &event)
        .unwrap();
    assert!(tapes::list(lab.site()).unwrap().is_empty());
    rebuild(lab.site(), &[A.to_owned()]).unwrap();
    assert_eq!(tapes::list(lab.site()).unwrap()[0].volume, volume);
    assert!(!lab.find(b"**/letter.txt").is_empty());
}

#[test]
fn what_is_mended_in_the_catalog_is_told() {
    struct Heard(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
    impl Monitor for Heard {
        fn problem(&self, problem: &Problem) {
            self.0.lock().unwrap().push(problem.what.clone());
        }
    }
    let mut lab = Lab::new();
    let heard = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    lab.monitor = Box::new(Heard(heard.clone()));
    lab.label(&[A], "docs");
    assert!(heard.lock().unwrap().is_empty(), "{heard:?}");

    let ledger = lab.path("state/catalog/ledger.jsonl");
    let mut torn = fs::read(&ledger).unwrap();
    torn.extend_from_slice(b"{\"seq\":3,");
    fs::write(&ledger, torn).unwrap();
    tapes::list(lab.site()).unwrap();
    let told = std::mem::take(&mut *heard.lock().unwrap());
    assert!(
        told.iter().any(|what| what.contains("ledger.cut")),
        "{told:?}"
    );

    let mut folders = vec![lab.path("state/catalog/index")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => fs::write(&path, crate::lab::noise(3, 4096)).unwrap(),
            }
        }
    }
    tapes::list(lab.site()).unwrap();
    let told = heard.lock().unwrap();
    assert!(
        told.iter().any(|what| what.contains("made anew")),
        "{told:?}"
    );
}

/// Silences the drives for good once this tape is on its way home.
struct SilencedAfter {
    library: std::path::PathBuf,
    barcode: &'static str,
}

impl Monitor for SilencedAfter {
    fn phase(&self, what: &str) {
        if what == format!("unloading {}", self.barcode) {
            let silent = Effect::NoAnswer { executed: false };
            let library = Library::open(&self.library).unwrap();
            let rule = fault(silent, "INQUIRY", 1, None);
            library.add_fault(rule).unwrap();
        }
    }
}

#[test]
fn what_was_read_before_the_drives_failed_is_kept_and_told() {
    let mut lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let found = lab.find(b"/").len();
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    lab.monitor = Box::new(SilencedAfter {
        library: lab.library_dir(),
        barcode: A,
    });
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.outcome, Outcome::Failed, "{summary:?}");
    let read: Vec<_> = summary
        .volumes
        .iter()
        .map(|volume| &volume.barcode)
        .collect();
    assert_eq!(read, [A]);
    let failure = summary.failure.unwrap();
    assert_eq!(failure.kind, JobErrorKind::BadDevice, "{failure:?}");
    assert!(failure.advice.is_some(), "{failure:?}");
    assert_eq!(lab.find(b"/").len(), found);
    // Before the first tape there is nothing but the failure.
    assert_eq!(
        rebuild(lab.site(), &[]).unwrap_err().kind(),
        JobErrorKind::BadDevice
    );
}

#[test]
fn a_tape_that_was_named_and_is_no_volume_is_an_error() {
    let lab = Lab::new();
    let error = rebuild(lab.site(), &[A.to_owned()]).unwrap_err();
    assert!(matches!(error, JobError::BlankTape { .. }), "{error:?}");
}

#[test]
fn a_lost_label_costs_nothing_but_the_right_to_write() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let garbage = lab.spoil_label(A);

    lab.brings_back("source", "target");
    let mut dumped = Vec::new();
    dump_file(lab.site(), A, TapeFile(0), &mut dumped).unwrap();
    assert!(dumped == garbage);
    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(matches!(error, JobError::ForeignTape { .. }), "{error:?}");
    assert_eq!(lab.fingerprint(A), before);
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Partial);
    assert_eq!(verified.volumes[0].verdict, Verdict::Bad);
    let told = &verified.volumes[0].problems.listed;
    assert!(
        told.len() == 1 && told[0].what.contains("its label"),
        "{told:?}"
    );

    let found = facts(&lab.find(b"/"));
    fs::remove_dir_all(lab.path("state/catalog")).unwrap();
    let summary = rebuild(lab.site(), &[A.to_owned()]).unwrap();
    assert_eq!(summary.volumes[0].new_segments, 1);
    assert_eq!(facts(&lab.find(b"/")), found);
}
