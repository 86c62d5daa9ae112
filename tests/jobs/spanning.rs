//! Tapes that fill up: jobs go on to the next, files in parts come back whole.

use std::fs;

use tapewright::clock::SystemClock;
use tapewright::jobs::archive::{DigestAlgorithm, JobDescription, archive};
use tapewright::jobs::find::Found;
use tapewright::jobs::history::{self, JobDetail, JobFilter};
use tapewright::jobs::label::label;
use tapewright::jobs::restore::{RestoreOptions, TapePlace, restore};
use tapewright::jobs::verify::verify;
use tapewright::jobs::{
    JobError, NoOperator, Operator, Outcome, Reply, Site, StateDir, TapeRequest, VolumeState, tapes,
};
use tapewright::monitor::Silent;
use tapewright::units::ByteSize;

use crate::lab::{A, B, C, Lab, archive_path, assert_same_tree, barcodes_of, label_options, noise};

/// The job has so many objects, and its tapes have them together.
fn assert_job_counts(lab: &Lab, objects: u64) {
    let jobs = history::list(lab.site(), &JobFilter::default())
        .unwrap()
        .what;
    assert_eq!(jobs[0].objects, objects, "{jobs:?}");
    let shown = history::show(lab.site(), &jobs[0].job.to_string()).unwrap();
    let JobDetail::Archive(shown) = shown.what else {
        panic!("{shown:?}")
    };
    let on_tapes: u64 = shown.tapes.iter().map(|tape| tape.objects).sum();
    assert_eq!(on_tapes, objects, "{shown:?}");
}

/// 24 files of 2 MiB, and one of 60 MiB that cannot be on one tape with them.
fn plant_much(lab: &Lab) {
    let root = lab.path("source");
    fs::create_dir_all(root.join("many")).unwrap();
    for number in 0..24 {
        fs::write(
            root.join(format!("many/{number:02}")),
            noise(number, 2 << 20),
        )
        .unwrap();
    }
    fs::write(root.join("whole"), noise(99, 60 << 20)).unwrap();
}

fn options(lab: &Lab) -> JobDescription {
    JobDescription {
        segment_limit: Some(ByteSize(16 << 20)),
        ..crate::lab::of_paths(vec![lab.path("source")], "docs")
    }
}

#[test]
fn a_job_goes_on_to_the_next_tape_and_parts_come_back_whole() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B, C], "docs");
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let mut barcodes: Vec<&str> = summary
        .segments
        .iter()
        .map(|s| s.barcode.as_str())
        .collect();
    barcodes.dedup();
    assert_eq!(barcodes, [A, B]);
    let states: Vec<VolumeState> = tapes::list(lab.site())
        .unwrap()
        .into_iter()
        .map(|tape| tape.state)
        .collect();
    assert_eq!(
        states,
        [
            VolumeState::Full,
            VolumeState::Appendable,
            VolumeState::Appendable
        ]
    );
    assert!(
        lab.find(b"**/whole").len() > 1,
        "the large file is in parts"
    );

    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_eq!(restored.files, 25);
    assert_job_counts(&lab, 27);
    assert_same_tree(&lab.path("source"), &copy);
}

#[test]
fn a_file_in_parts_on_two_tapes_is_verified_and_restored_by_sha256() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B], "docs");
    let job = JobDescription {
        digest: DigestAlgorithm::Sha256,
        ..options(&lab)
    };
    let summary = archive(lab.site(), &job).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let parts = lab.find(b"**/whole");
    let on = |barcode| parts.iter().any(|part| part.barcode == barcode);
    assert!(on(A) && on(B), "{parts:?}");
    let by_sha256 = |part: &Found| part.digest_algorithm == Some("sha256") && part.digest.is_some();
    assert!(parts.iter().all(by_sha256), "{parts:?}");
    let mut files = 0;
    for barcode in [A, B] {
        let verified = verify(lab.site(), barcode).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
        files += verified.volumes[0].files;
    }
    assert_eq!(
        files,
        24 + parts.len() as u64,
        "each file, and each part of the one"
    );
    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_eq!(restored.verified_files, 25, "{restored:?}");
    assert_same_tree(&lab.path("source"), &copy);
}

#[test]
fn a_tape_that_ends_far_below_its_capacity_is_suspect_and_not_full() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B, C], "docs");
    let mut cartridge = lab.library().cartridge(A).unwrap();
    cartridge.info.partitions_bytes = vec![28 << 20];
    cartridge.save_info().unwrap();
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let listed = tapes::list(lab.site()).unwrap();
    let of = |barcode: &str| listed.iter().find(|tape| tape.barcode == barcode).unwrap();
    assert_eq!(of(A).state, VolumeState::Suspect);
    let reason = of(A).state_reason.as_deref().unwrap();
    assert!(reason.contains("67.1 MB"), "{reason}");
    assert_eq!(of(B).state, VolumeState::Full);
}

#[test]
fn a_tape_that_does_not_load_is_suspect_and_the_next_is_taken() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B, C], "docs");
    let map = lab.library_dir().join("cartridges").join(A).join("p0.map");
    fs::write(&map, b"not a map").unwrap();
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert!(summary.segments.iter().all(|segment| segment.barcode != A));
    let listed = tapes::list(lab.site()).unwrap();
    let of = |barcode: &str| listed.iter().find(|tape| tape.barcode == barcode).unwrap();
    assert_eq!(of(A).state, VolumeState::Suspect);
    let reason = of(A).state_reason.as_deref().unwrap();
    assert!(reason.contains("could not be loaded"), "{reason}");
    assert_eq!(of(B).state, VolumeState::Full);
}

#[test]
fn a_tape_that_is_away_is_named_and_the_rest_restored() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B], "docs");
    archive(lab.site(), &options(&lab)).unwrap();
    let dir = lab.library_dir();
    let inventory = tape_sim::inventory::read(&dir).unwrap();
    let slot = inventory
        .contents()
        .find(|(_, content)| content.barcode == B)
        .unwrap()
        .0;
    tape_sim::inventory::take(&dir, slot).unwrap();

    let restore_options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let restored = restore(lab.site(), &restore_options).unwrap();
    assert_eq!(restored.outcome, Outcome::Partial);
    assert_eq!(barcodes_of(&restored.missing_tapes), [B]);
    assert!(
        restored
            .tapes
            .iter()
            .any(|t| t.barcode == B && t.place == TapePlace::Missing)
    );
    assert_eq!(restored.files, 24, "{restored:?}");
}

/// Labels a further tape when a job asks for help, up to so many times.
struct Librarian {
    lab: std::path::PathBuf,
    tapes: std::sync::Mutex<Vec<&'static str>>,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Operator for Librarian {
    fn request(&self, _: &TapeRequest) -> Reply {
        Reply::Declined
    }

    fn wait_for(&self, help: &str) -> Reply {
        self.asked.lock().unwrap().push(help.to_owned());
        let Some(barcode) = self.tapes.lock().unwrap().pop() else {
            return Reply::Declined;
        };
        let state = StateDir::open(&self.lab.join("state")).unwrap();
        let site = Site {
            state: &state,
            clock: &SystemClock,
            monitor: &Silent,
            operator: &NoOperator,
            trace: None,
        };
        label(site, &label_options(&[barcode], "docs", None)).unwrap();
        Reply::Done
    }
}

#[test]
fn a_job_that_finds_no_tape_waits_for_one_and_goes_on() {
    let mut lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A], "docs");
    let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    lab.operator = Box::new(Librarian {
        lab: lab.path(""),
        tapes: vec![B].into(),
        asked: asked.clone(),
    });
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let asked = asked.lock().unwrap();
    let [once] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert!(
        once.contains("has no tape to write on") && once.contains("tape label"),
        "{once}"
    );
}

#[test]
fn a_job_done_in_part_is_resumed_where_its_tapes_ended() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A], "docs");
    let first = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(first.outcome, Outcome::Failed);
    lab.label(&[B], "docs");
    let resumed = archive(
        lab.site(),
        &JobDescription {
            resume: Some(first.job.to_string()),
            ..options(&lab)
        },
    )
    .unwrap();
    assert_eq!(
        (resumed.outcome, resumed.job),
        (Outcome::Complete, first.job)
    );
    assert!(resumed.segments.iter().all(|segment| segment.barcode == B));
    for number in 0..24 {
        let path = archive_path(&lab.path(&format!("source/many/{number:02}")));
        assert_eq!(lab.find(&path).len(), 1, "{number}");
    }
    let mut numbers: Vec<u32> = lab
        .find(b"**/whole")
        .iter()
        .filter_map(|hit| hit.part)
        .collect();
    numbers.sort_unstable();
    assert!(
        numbers.iter().copied().eq(1..=numbers.len() as u32),
        "{numbers:?}"
    );
    lab.brings_back("source", "target");
}

#[test]
fn a_pool_that_runs_out_of_tapes_keeps_what_is_on_them() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A], "docs");
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Failed);
    let failure = summary.failure.unwrap();
    assert!(
        failure.what.contains("has no tape to write on"),
        "{failure:?}"
    );
    assert!(failure.advice.unwrap().contains("tape label"));
    assert!(summary.segments.len() >= 2);
    assert!(lab.find(b"**/many/*").len() > 10);
    let error = archive(lab.site(), &options(&lab)).unwrap_err();
    assert!(
        matches!(error, JobError::NoAppendableVolume { .. }),
        "{error:?}"
    );
}
