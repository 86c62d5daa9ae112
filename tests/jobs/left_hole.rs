//! A job that was stopped in a hole: the file is named, and archived anew when the job goes on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use tapewright::jobs::Outcome;
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::monitor::{Monitor, Silent};

use crate::lab::{A, Lab, archive_path, noise};

const FILE_BYTES: u64 = 300 << 20;

/// Asks to stop once more than this has passed.
struct StopBehind(u64, AtomicU64);

impl Monitor for StopBehind {
    fn advance(&self, _: u64, bytes: u64) {
        self.1.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stop_requested(&self) -> bool {
        self.1.load(Ordering::Relaxed) > self.0
    }
}

#[test]
fn a_file_in_whose_hole_the_job_was_stopped_is_archived_anew_when_it_goes_on() {
    let mut lab = Lab::new();
    lab.label(&[A], "docs");
    fs::create_dir(lab.path("source")).unwrap();
    fs::write(lab.path("source/before"), noise(1, 1000)).unwrap();
    let sparse = File::create(lab.path("source/sparse")).unwrap();
    sparse.set_len(FILE_BYTES).unwrap();
    sparse.write_all_at(&noise(2, 100_000), 0).unwrap();
    let job = crate::lab::of_paths(vec![lab.path("source")], "docs");

    lab.monitor = Box::new(StopBehind(101_100, AtomicU64::new(0)));
    let stopped = archive(lab.site(), &job).unwrap();
    assert_eq!(stopped.outcome, Outcome::Interrupted, "{stopped:?}");
    let told = &stopped.problems.listed[0].what;
    assert!(told.contains("in a hole"), "{told}");
    let path = archive_path(&lab.path("source/sparse"));
    let found = lab.find(&path);
    assert_eq!(
        (found.len(), found[0].digest.as_ref()),
        (1, None),
        "{found:?}"
    );

    lab.monitor = Box::new(Silent);
    let resume = JobDescription {
        resume: Some(stopped.job.to_string()),
        ..crate::lab::bare_job()
    };
    let resumed = archive(lab.site(), &resume).unwrap();
    assert_eq!(resumed.outcome, Outcome::Complete, "{resumed:?}");
    assert_eq!(lab.find(&archive_path(&lab.path("source/before"))).len(), 1);
    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_eq!(
        restored.verified_files, 2,
        "both were compared with their digests"
    );
    let back = File::open(copy.join("sparse")).unwrap();
    assert_eq!(back.metadata().unwrap().len(), FILE_BYTES);
    let mut data = vec![0; 100_000];
    back.read_exact_at(&mut data, 0).unwrap();
    assert!(data == noise(2, 100_000));
}
