//! Label, archive, find, restore, verify, dump: one tape, everything as it should be.

use std::fs;
use std::ops::ControlFlow;

use tapewright::jobs::dump::dump_file;
use tapewright::jobs::find::FindOptions;
use tapewright::jobs::library::{CartridgeKind, status};
use tapewright::jobs::restore::{RestoreOptions, TapePlace, plan, restore};
use tapewright::jobs::verify::{Verdict, verify};
use tapewright::jobs::{JobError, Outcome, VolumeState, WhichError, tapes};
use tapewright::units::TapeFile;

use crate::lab::{A, B, Lab, archive_path, assert_same_tree, plant};

#[test]
fn what_was_archived_is_found_and_comes_back_identical() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");

    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!((summary.files, summary.segments.len()), (10, 1));
    assert_eq!(summary.segments[0].barcode, A);
    assert!(summary.name.starts_with("source 2"), "{}", summary.name);

    let found = lab.find(b"**/*.raw");
    let names: Vec<String> = found
        .iter()
        .map(|one| one.path.to_string().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["one.raw", "same.raw", "two.raw"]);
    assert!(
        found
            .iter()
            .all(|one| one.barcode == A && one.tape_file == TapeFile(1))
    );

    let (restored, copy) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_eq!(restored.verified_files, 4);
    assert_same_tree(&lab.path("source"), &copy);
}

#[test]
fn a_dry_run_names_the_tapes_and_moves_nothing() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let options = RestoreOptions {
        patterns: vec![archive_path(&lab.path("source/photos"))],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let outlook = plan(lab.site(), &options).unwrap();
    assert_eq!(outlook.tapes.len(), 1);
    assert_eq!(outlook.tapes[0].place, TapePlace::Slot(1));
    assert_eq!(outlook.file_bytes, 1_000_001);
    assert!(!lab.path("target").exists());

    let nothing = RestoreOptions {
        patterns: vec![b"no/such/thing".to_vec()],
        ..options
    };
    assert!(matches!(
        plan(lab.site(), &nothing),
        Err(JobError::NothingFound { .. })
    ));
}

#[test]
fn a_hard_link_alone_comes_back_with_its_data_and_directories_with_their_modes() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let wanted = archive_path(&lab.path("source/photos/same.raw"));
    let options = RestoreOptions {
        patterns: vec![
            wanted.clone(),
            archive_path(&lab.path("source/docs/letter.txt")),
        ],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let summary = restore(lab.site(), &options).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let copy = lab.path("target").join(String::from_utf8(wanted).unwrap());
    assert_eq!(
        fs::read(&copy).unwrap(),
        fs::read(lab.path("source/photos/one.raw")).unwrap()
    );
    assert!(!copy.with_file_name("one.raw").exists());
    let mode = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    let docs = copy.parent().unwrap().with_file_name("docs");
    assert_eq!(mode(&docs), 0o750);
}

#[test]
fn the_newest_version_is_found_and_the_gone_left_out() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let first = lab.archive(&["source"], "docs").unwrap();
    fs::write(lab.path("source/docs/letter.txt"), "Dear reader, again").unwrap();
    fs::remove_file(lab.path("source/photos/two.raw")).unwrap();
    let second = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(second.segments[0].number, 2);
    assert_eq!(second.segments[0].first_block, first.segments[0].end_block);

    let letter = lab.find(b"**/letter.txt");
    assert_eq!(letter.len(), 1);
    assert_eq!(letter[0].job, second.job);
    let (_, copy) = lab.restore("source", "target");
    assert_same_tree(&lab.path("source"), &copy);

    let mut versions = 0;
    let options = FindOptions {
        pattern: b"**/letter.txt".to_vec(),
        all_versions: true,
        on_tape: Some(A.to_owned()),
        ..FindOptions::default()
    };
    tapewright::jobs::find::find(lab.site(), &options, &mut |_| {
        versions += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(versions, 2);

    let before = Some("2020-01-01T00:00:00Z".parse().unwrap());
    let find = FindOptions {
        as_of: before,
        ..options
    };
    let restore = RestoreOptions {
        patterns: vec![b"**".to_vec()],
        target: lab.path("earlier"),
        as_of: before,
        ..RestoreOptions::default()
    };
    let each = &mut |_| ControlFlow::Continue(());
    let errors = [
        tapewright::jobs::find::find(lab.site(), &find, each).unwrap_err(),
        plan(lab.site(), &restore).unwrap_err(),
    ];
    for error in errors {
        let said = format!("{error} {}", error.advice().unwrap());
        assert!(said.contains("the first job began at"), "{said}");
        assert!(said.contains("Name a later moment"), "{said}");
    }
}

#[test]
fn a_tape_and_a_job_are_verified_and_the_list_says_so() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let job = lab.archive(&["source"], "docs").unwrap();
    for name in [A.to_owned(), job.job.to_string(), job.name] {
        let summary = verify(lab.site(), &name).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        assert_eq!(summary.volumes[0].verdict, Verdict::Good);
        assert_eq!(summary.volumes[0].files, 4);
    }
    assert!(matches!(
        verify(lab.site(), "nobody"),
        Err(JobError::Which(WhichError::NoSuchBarcodeOrJob { .. }))
    ));

    let list = tapes::list(lab.site()).unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].verified_at.is_some());
    assert_eq!(
        (list[0].segments, list[0].files, list[0].bad_files),
        (1, 10, 0)
    );
    assert!(
        list[0].used_bytes > 1_000_000 && list[0].free_bytes > 40 << 20,
        "{:?}",
        list[0]
    );
    let shown = tapes::show(lab.site(), A).unwrap();
    assert_eq!(shown.contents[0].job, job.job);
    assert_eq!(shown.info.generation, "LTO-9");
}

#[test]
fn a_damaged_record_makes_the_volume_suspect_and_names_the_file() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.label(&[B], "films");
    lab.archive(&["source"], "docs").unwrap();
    lab.archive(&["source/photos"], "films").unwrap();
    let data = tape_sim::cartridge::folder(&lab.library_dir(), A).join("p0.data");
    let mut bytes = fs::read(&data).unwrap();
    let needle = &crate::lab::noise(2, 300_001)[100_000..100_016];
    let at = bytes
        .windows(16)
        .position(|window| window == needle)
        .unwrap();
    bytes[at] ^= 0xFF;
    fs::write(&data, bytes).unwrap();

    let summary = verify(lab.site(), A).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(summary.volumes[0].verdict, Verdict::Bad);
    let named = summary.volumes[0]
        .problems
        .listed
        .iter()
        .any(|problem| problem.path.to_string().ends_with("photos/two.raw"));
    assert!(named, "{:?}", summary.volumes[0].problems);
    let advice = summary.volumes[0].advice.as_ref().unwrap();
    for words in [format!("on {B} as well"), format!("take {A} out of use")] {
        assert!(advice.contains(&words), "{words}: {advice}");
    }
    assert_eq!(
        tapes::list(lab.site()).unwrap()[0].state,
        VolumeState::Suspect
    );
    let said = lab.ledger_lines("volume_state");
    assert_eq!(said.len(), 1, "said more than once: {said:?}");
    assert!(matches!(
        lab.archive(&["source"], "docs"),
        Err(JobError::NoAppendableVolume { volumes, .. }) if volumes == [format!("{A} is suspect")]
    ));
}

#[test]
fn a_dumped_segment_is_a_tar_archive() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    let mut bytes = Vec::new();
    let dumped = dump_file(lab.site(), A, TapeFile(1), &mut bytes).unwrap();
    assert_eq!(dumped.bytes, bytes.len() as u64);
    assert_eq!(bytes.len() % (64 << 10), 0);
    assert_eq!(&bytes[257..262], b"ustar");
    let mut label = Vec::new();
    dump_file(lab.site(), A, TapeFile(0), &mut label).unwrap();
    assert!(String::from_utf8_lossy(&label).contains("tapewright-label"));
}

#[test]
fn status_shows_what_is_where_and_what_the_catalog_knows() {
    let lab = Lab::new();
    assert!(
        status(lab.site())
            .unwrap()
            .drives
            .iter()
            .all(|drive| drive.cartridge.is_none())
    );
    lab.label(&[A], "docs");
    let status = status(lab.site()).unwrap();
    assert_eq!(
        (
            status.drives.len(),
            status.slots.len(),
            status.mail_slots.len()
        ),
        (2, 8, 2)
    );
    let cartridge = status.slots[0].cartridge.as_ref().unwrap();
    assert_eq!(cartridge.barcode.as_deref(), Some(A));
    assert_eq!(cartridge.volume.as_ref().unwrap().pool, "docs");
    let cleaning = status
        .slots
        .iter()
        .filter_map(|slot| slot.cartridge.as_ref());
    assert_eq!(
        cleaning
            .filter(|c| c.kind == CartridgeKind::Cleaning)
            .count(),
        1
    );
}

#[test]
fn the_state_and_the_simulated_library_are_never_archived() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    let summary = lab.archive(&[""], "docs").unwrap();
    assert!(matches!(summary.outcome, Outcome::Complete), "{summary:?}");
    assert!(lab.find(b"**/ledger.jsonl").is_empty());
    assert!(lab.find(b"**/p0.data").is_empty());
    assert_eq!(lab.find(b"**/letter.txt").len(), 1);
}

#[test]
fn two_jobs_at_once_share_library_and_pool() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A, B], "docs");
    let summaries: Vec<_> = std::thread::scope(|scope| {
        let run = || archive_beside(&lab);
        let jobs = [scope.spawn(run), scope.spawn(run), scope.spawn(run)];
        jobs.into_iter().map(|job| job.join().unwrap()).collect()
    });
    let done = summaries.iter().filter(|result| result.is_ok()).count();
    assert!(done >= 1, "{summaries:?}");
    for result in &summaries {
        if let Err(error) = result {
            assert_eq!(
                error.kind(),
                tapewright::jobs::JobErrorKind::Busy,
                "{error:?}"
            );
        }
    }
    assert_eq!(lab.find(b"**/letter.txt").len(), 1);
    for barcode in [A, B] {
        assert_eq!(
            verify(lab.site(), barcode).unwrap().outcome,
            Outcome::Complete
        );
    }
}

/// As another process would: nothing is shared but the directories.
fn archive_beside(lab: &Lab) -> Result<tapewright::jobs::archive::ArchiveSummary, JobError> {
    lab.archive(&["source"], "docs")
}
