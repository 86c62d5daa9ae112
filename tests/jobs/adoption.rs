//! What a cut-off run left on tape: complete segments are adopted, the rest is overwritten.

use std::fs;
use std::path::PathBuf;

use catalogs::model::event::{Event, JobStarted, Level, Receipt};
use catalogs::{Catalog, ENTRIES_DIRECTORY, Kept, OpenOptions};
use tape_sim::cartridge::Cartridge;
use tape_sim::fault::Effect;
use tapewright::clock::{Clock, SystemClock};
use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{ByteText, JobError, Outcome, VolumeState, tapes};
use uuid::Uuid;

use crate::copy_dir::copy_dir;
use crate::lab::{A, B, Lab, fault, of_paths, plant};

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
    lab.lose_last_objects(A, 5);
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

/// The end of adopting what a tape has of this job fails, as on a full disk, until this is removed.
fn in_the_way_of(lab: &Lab, job: Uuid) -> PathBuf {
    let lock = lab.path("state/lock").join(format!("job-{job}"));
    fs::create_dir(&lock).unwrap();
    lock
}

#[test]
fn a_damaged_tail_is_not_written_behind_where_adopting_it_does_not_come_to_its_end() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let mut forgot = None;
    forgotten(&lab, |lab| {
        forgot = Some(lab.archive(&["source/photos"], "docs").unwrap());
    });
    let forgot = forgot.unwrap();
    damage(&lab, forgot.segments[0].first_block.0 + 1);
    let before = lab.fingerprint(A);
    let lock = in_the_way_of(&lab, forgot.job);
    let error = lab.archive(&["source/docs"], "docs").unwrap_err();
    assert!(!matches!(error, JobError::DamagedTail { .. }), "{error}");
    fs::remove_dir(lock).unwrap();
    let again = lab.archive(&["source/docs"], "docs").unwrap_err();
    let marked = matches!(again, JobError::NoAppendableVolume { .. });
    assert!(marked, "{again}");
    assert_eq!(lab.fingerprint(A), before);
}

#[test]
fn a_tape_is_marked_before_the_damaged_segment_of_its_tail_is_known() {
    let broken = Effect::Sense {
        key: 4,
        asc: 0x44,
        ascq: 0,
    };
    let (mut known, mut unknown) = (0, 0);
    // From before the first segment was compared to behind that.
    let mut nth = 16;
    while known < 6 {
        nth += 1;
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        let mut hurt = 0;
        forgotten(&lab, |lab| {
            let first = lab.archive(&["source/photos"], "docs").unwrap();
            hurt = first.segments[0].first_block.0 + 1;
            lab.archive(&["source/docs"], "docs").unwrap();
        });
        damage(&lab, hurt);
        lab.set_faults(vec![fault(broken.clone(), "READ", nth, None)]);
        lab.archive(&["source/docs"], "docs").unwrap_err();
        let is_known = !lab.find(b"**/two.raw").is_empty();
        let state = tapes::list(lab.site()).unwrap()[0].state;
        assert!(!is_known || state == VolumeState::Suspect, "fault {nth}");
        *(if is_known { &mut known } else { &mut unknown }) += 1;
        assert!(unknown < 100, "the tail is never known");
    }
    assert!(unknown > 0, "a fault before the first segment is known");
}

#[test]
fn what_a_tail_says_of_a_job_stays_known_where_adopting_it_does_not_come_to_its_end() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let (mut started, mut second) = (None, None);
    forgotten(&lab, |lab| {
        let description = JobDescription {
            keep: Some("10y".parse().unwrap()),
            ..of_paths(vec![lab.path("source/photos")], "docs")
        };
        let first = archive(lab.site(), &description).unwrap().job;
        started = lab.catalog().job(&first.to_string()).unwrap();
        second = Some(lab.archive(&["source/docs"], "docs").unwrap().job);
    });
    let started = started.unwrap().start;
    let (job, second) = (started.what.job, second.unwrap());
    let start = Event::JobStarted(started.what);
    lab.catalog().append(started.time, &start).unwrap();
    let lock = in_the_way_of(&lab, second);
    lab.archive(&["source"], "docs").unwrap_err();
    fs::remove_dir(lock).unwrap();
    lab.label(&[B], "docs");
    for job in [job, second] {
        let known = lab.catalog().job(&job.to_string()).unwrap().unwrap();
        let outcome = known.finish.unwrap().what.outcome;
        assert_eq!(outcome, Outcome::Complete, "{}", known.start.what.name);
    }
    let kept = lab.catalog().retained().unwrap();
    assert!(matches!(kept.job(&job), Some(Kept::Set(_))));
}

#[test]
fn a_job_without_owner_ended_as_its_receipts_say() {
    type Change = fn(&mut Receipt);
    let cases: [(&str, Change, Outcome); 4] = [
        ("as written", |_| {}, Outcome::Complete),
        (
            "not the last",
            |receipt| receipt.job_ends = false,
            Outcome::Interrupted,
        ),
        (
            "with problems",
            |receipt| receipt.job_problems = Some(1),
            Outcome::Partial,
        ),
        (
            "the first unknown",
            |receipt| receipt.job_segment = Some(2),
            Outcome::Partial,
        ),
    ];
    for (case, change, outcome) in cases {
        let lab = Lab::new();
        plant(&lab.path("source"));
        lab.label(&[A], "docs");
        let mut told = None;
        forgotten(&lab, |lab| {
            let id = lab.archive(&["source"], "docs").unwrap().job;
            let catalog = lab.catalog();
            let job = catalog.job(&id.to_string()).unwrap().unwrap();
            let receipt = catalog.receipts_of_job(&id).unwrap().remove(0);
            let entries = catalog.entries_in_tape_order(&receipt.what).unwrap();
            told = Some((job.start, receipt, entries));
        });
        let (start, receipt, entries) = told.unwrap();
        let (job, closed) = (start.what.job, receipt.time);
        let mut altered = receipt.what.receipt;
        change(&mut altered);
        let catalog = lab.catalog();
        let event = Event::JobStarted(start.what);
        catalog.append(start.time, &event).unwrap();
        catalog.commit(closed, altered, entries).unwrap();
        drop(catalog);
        // Any job that writes closes it.
        lab.label(&[B], "docs");
        let known = lab.catalog().job(&job.to_string()).unwrap().unwrap();
        let finish = known.finish.unwrap();
        assert_eq!(finish.what.outcome, outcome, "{case}");
        let is_told = outcome != Outcome::Interrupted;
        assert_eq!(finish.what.from_tapes, is_told, "{case}");
        assert_eq!(finish.time == closed, is_told, "{case}");
    }
}

#[test]
fn a_lost_entry_file_keeps_no_tail_from_being_adopted() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.label(&[B], "vault");
    let job = lab.archive(&["source"], "docs").unwrap().job;
    forgotten(&lab, |lab| {
        let options = CopyOptions {
            job: Some(job.to_string()),
            pool: Some("vault".to_owned()),
            ..CopyOptions::default()
        };
        let copied = copy(lab.site(), &options).unwrap();
        assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
    });
    let receipts = lab.catalog().receipts_of_job(&job).unwrap();
    let entries = lab.path("state/catalog").join(ENTRIES_DIRECTORY);
    fs::remove_file(entries.join(&receipts[0].what.entry_file.name)).unwrap();
    let summary = lab.archive(&["source/docs"], "vault").unwrap();
    assert!(summary.adopted_segments >= 1, "{summary:?}");
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
}
