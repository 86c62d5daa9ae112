//! What a cut-off run left on tape: complete segments are adopted, the rest is overwritten.

use std::fs;

use catalogs::model::event::{Event, JobStarted, Level};
use catalogs::{Catalog, OpenOptions};
use tape_sim::cartridge::Cartridge;
use tapewright::clock::{Clock, SystemClock};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{ByteText, JobError, Outcome};

use crate::copy_dir::copy_dir;
use crate::lab::{A, Lab, plant};

/// Runs `work` and then makes the catalog forget it, as if its receipts had been cut off.
fn forgotten(lab: &Lab, work: impl FnOnce(&Lab)) {
    let (catalog, kept) = (lab.path("state/catalog"), lab.path("kept"));
    copy_dir(&catalog, &kept);
    work(lab);
    fs::remove_dir_all(&catalog).unwrap();
    fs::rename(&kept, &catalog).unwrap();
}

/// The last five objects never left the drive's buffer: with them the index is lost.
fn lose_last_objects(lab: &Lab) {
    let map = tape_sim::cartridge::folder(&lab.library_dir(), A).join("p0.map");
    let length = fs::metadata(&map).unwrap().len();
    let map = fs::File::options().write(true).open(&map).unwrap();
    map.set_len(length - 5 * 16).unwrap();
}

#[test]
fn a_complete_tail_is_adopted_and_the_tape_goes_on_behind_it() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source/docs"], "docs").unwrap();
    let mut forgot = None;
    forgotten(&lab, |lab| {
        forgot = Some(lab.archive(&["source/photos"], "docs").unwrap().job);
    });
    assert!(lab.find(b"**/two.raw").is_empty());

    let summary = lab.archive(&["source/docs"], "docs").unwrap();
    assert_eq!(summary.adopted_segments, 1);
    assert_eq!(summary.segments[0].number, 3);
    assert_eq!(lab.find(b"**/two.raw").len(), 1);
    let adopted = lab.catalog().job(&forgot.unwrap().to_string()).unwrap();
    let ended = adopted.unwrap().finish.unwrap().what.outcome;
    assert_eq!(ended, Outcome::Complete, "as its last segment says");
    assert_eq!(verify(lab.site(), A).unwrap().outcome, Outcome::Complete);
}

#[test]
fn a_tape_that_holds_more_than_the_catalog_knows_is_not_called_empty() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    forgotten(&lab, |lab| {
        drop(lab.archive(&["source/docs"], "docs").unwrap())
    });
    let error = verify(lab.site(), A).unwrap_err();
    let unknown = matches!(error, JobError::UnknownContent { segments: 1, .. });
    assert!(unknown, "{error:?}");
    assert!(lab.ledger_lines("verified").is_empty());
    // What is advised leads to an end.
    let advice = error.advice().unwrap();
    assert!(advice.contains(&format!("catalog rebuild {A}")), "{advice}");
    rebuild(lab.site(), &[A.to_owned()]).unwrap();
    let verified = verify(lab.site(), A).unwrap();
    assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
}

#[test]
fn of_a_segment_that_was_cut_off_each_job_says_what_is_safe_and_no_other_job() {
    for whole_segments in [0, 1] {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        for _ in 0..whole_segments {
            lab.archive(&["source/docs"], "docs").unwrap();
        }
        forgotten(&lab, |lab| {
            drop(lab.archive(&["source/photos"], "docs").unwrap())
        });
        lose_last_objects(&lab);
        let verdict = [Verdict::Empty, Verdict::Good][whole_segments];
        // The advice of neither job is the other one, in whatever order they come.
        for _ in 0..2 {
            let verified = verify(lab.site(), A).unwrap();
            assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
            let volume = &verified.volumes[0];
            assert_eq!((volume.verdict, volume.unknown_segments), (verdict, 0));
            let rebuilt = rebuild(lab.site(), &[A.to_owned()]).unwrap();
            let steps = rebuilt.volumes[0].next_steps();
            assert_eq!(rebuilt.volumes[0].problems.total, 1, "{rebuilt:?}");
            assert_eq!(steps.len(), 1, "{steps:?}");
            for said in [volume.cut_off.as_ref().unwrap(), &steps[0]] {
                let is_end = !said.contains("`verify") && !said.contains("`catalog rebuild");
                assert!(is_end, "{said}");
                for words in ["cut off", "writes over it", "`tape rescue SIM001L9"] {
                    assert!(said.contains(words), "{said}");
                }
            }
        }
        lab.archive(&["source"], "docs").unwrap();
        let verified = verify(lab.site(), A).unwrap();
        assert_eq!(verified.volumes[0].cut_off, None, "{verified:?}");
    }
}

#[test]
fn segments_behind_the_known_ones_are_noticed_by_a_verification() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source/docs"], "docs").unwrap();
    assert_eq!(
        verify(lab.site(), A).unwrap().volumes[0].unknown_segments,
        0
    );
    forgotten(&lab, |lab| {
        drop(lab.archive(&["source/photos"], "docs").unwrap());
        drop(lab.archive(&["source/docs"], "docs").unwrap());
    });
    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(summary.volumes[0].unknown_segments, 2);
    assert_eq!(summary.volumes[0].verdict, Verdict::Good);
    assert_eq!(summary.volumes[0].segments, 1);
    assert!(lab.find(b"**/two.raw").is_empty(), "nothing is taken in");
}

#[test]
fn an_incomplete_tail_is_overwritten() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let first = lab.archive(&["source/docs"], "docs").unwrap();
    forgotten(&lab, |lab| {
        drop(lab.archive(&["source/photos"], "docs").unwrap())
    });
    lose_last_objects(&lab);

    let second = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(second.adopted_segments, 0);
    assert_eq!(second.segments[0].number, 2);
    assert_eq!(second.segments[0].first_block, first.segments[0].end_block);
    assert_eq!(verify(lab.site(), A).unwrap().outcome, Outcome::Complete);
}

#[test]
fn a_job_without_owner_is_closed_as_interrupted() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = SystemClock.new_id();
    let started = JobStarted {
        job,
        name: "cut off".to_owned(),
        pool: "docs".to_owned(),
        copy_pool: None,
        one_file_system: false,
        more_sources: false,
        lists: Vec::new(),
        roots: vec![ByteText::from("home")],
        excludes: Vec::new(),
        host: "here".to_owned(),
        software: "test".to_owned(),
        level: Level::Full,
        base: None,
        digest_algorithm: catalogs::model::event::DigestAlgorithm::Blake3,
    };
    let open = || Catalog::open(&lab.path("state/catalog"), OpenOptions::default()).unwrap();
    open()
        .append(SystemClock.now(), &Event::JobStarted(started))
        .unwrap();
    let running = fs::File::create(lab.path("state/lock").join(format!("job-{job}"))).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let finish = || open().job(&job.to_string()).unwrap().unwrap().finish;

    lab.archive(&["source"], "docs").unwrap();
    assert!(finish().is_none(), "its owner lives");
    drop(running);
    lab.archive(&["source"], "docs").unwrap();
    assert_eq!(finish().unwrap().what.outcome, Outcome::Interrupted);
}

/// Flips bits of the object at `block` on the cartridge.
fn damage(lab: &Lab, block: u64) {
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), A);
    let mut partitions = Cartridge::open(&folder).unwrap().open_partitions().unwrap();
    let record = partitions[0].record(block).unwrap();
    partitions[0]
        .write_data(record.data_bytes + 2000, &[0x5A; 64])
        .unwrap();
}

#[test]
fn damage_in_a_tail_keeps_the_tape_from_being_written_and_loses_no_segment() {
    for in_index in [false, true] {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        let mut hurt = 0;
        forgotten(&lab, |lab| {
            let first = lab.archive(&["source/photos"], "docs").unwrap();
            let segment = &first.segments[0];
            hurt = match in_index {
                true => segment.end_block.0 - 2,
                false => segment.first_block.0 + 1,
            };
            lab.archive(&["source/docs"], "docs").unwrap();
        });
        damage(&lab, hurt);
        let before = lab.fingerprint(A);
        let error = lab.archive(&["source/docs"], "docs").unwrap_err();
        assert!(
            matches!(error, JobError::DamagedTail { places: 1, .. }),
            "{error}"
        );
        assert_eq!(lab.fingerprint(A), before, "nothing was overwritten");
        assert_eq!(lab.find(b"**/two.raw").len(), 1);
        assert_eq!(lab.find(b"**/letter.txt").len(), 1);
        let again = lab.archive(&["source/docs"], "docs").unwrap_err();
        assert!(
            matches!(again, JobError::NoAppendableVolume { .. }),
            "{again}"
        );
    }
}
