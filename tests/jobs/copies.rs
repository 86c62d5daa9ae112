//! Two copies from one read: both whole, one failing, restore from either.

use std::fs;

use tape_sim::fault::{Device, Effect};
use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{CommandSource, Compress, JobDescription, Source, archive};
use tapewright::jobs::copy::{CopyOptions, copy};
use tapewright::jobs::restore::{RestoreOptions, prepare, restore};
use tapewright::jobs::{JobError, JobErrorKind, Outcome, tapes};
use tapewright::units::ByteSize;

use crate::lab::{A, B, C, Lab, archive_path, assert_same_tree, fault, noise};

const D: &str = "SIM004L9";
const E: &str = "SIM005L9";

/// Small files, and one that is on no tape of 64 MiB with them whole.
fn plant_much(lab: &Lab) {
    let root = lab.path("source");
    fs::create_dir_all(&root).unwrap();
    for number in 0..12 {
        fs::write(root.join(format!("{number:02}")), noise(number, 2 << 20)).unwrap();
    }
    fs::write(root.join("whole"), noise(99, 60 << 20)).unwrap();
}

fn options(lab: &Lab) -> JobDescription {
    JobDescription {
        copy_pool: Some("offsite".to_owned()),
        segment_limit: Some(ByteSize(16 << 20)),
        ..crate::lab::of_paths(vec![lab.path("source")], "onsite")
    }
}

#[test]
fn either_copy_alone_brings_everything_back() {
    for gone in [[A, B], [C, D]] {
        let lab = Lab::new();
        plant_much(&lab);
        lab.label(&[A, B], "onsite");
        lab.label(&[C, D], "offsite");
        // The first tape of the one pool is half as long: the copies are cut differently.
        let mut cartridge = lab.library().cartridge(A).unwrap();
        cartridge.info.partitions_bytes = vec![40 << 20];
        cartridge.save_info().unwrap();
        let summary = archive(lab.site(), &options(&lab)).unwrap();
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        let copy = summary.copy.unwrap();
        assert_eq!((copy.files, copy.missing_files), (summary.files, 0));
        assert!(copy.failure.is_none());
        for barcode in gone {
            lab.take_away(barcode);
        }
        lab.brings_back("source", "target");
    }
}

#[test]
fn a_second_copy_that_fails_is_named_and_the_first_is_whole() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B], "onsite");
    lab.label(&[C, D], "offsite");
    let mut rule = fault(Effect::HardwareError, "WRITE", 60, None);
    rule.device = Device::Drive(1);
    lab.set_faults(vec![rule]);
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert_eq!(summary.outcome, Outcome::Partial, "{summary:?}");
    assert!(summary.failure.is_none());
    let copy = summary.copy.as_ref().unwrap();
    assert!(copy.failure.is_some() && copy.missing_files > 0, "{copy:?}");
    assert_eq!(copy.missing_files, summary.files - copy.files);

    // What is missing is known to the catalog, and is made up without the source.
    lab.set_faults(Vec::new());
    let dry = CopyOptions {
        dry_run: true,
        ..CopyOptions::default()
    };
    let told = self::copy(lab.site(), &dry).unwrap();
    assert_eq!(told.outcome, Outcome::Partial);
    assert!(told.jobs[0].missing_files >= copy.missing_files && told.segments.is_empty());
    fs::rename(lab.path("source"), lab.path("kept")).unwrap();
    let copied = self::copy(lab.site(), &CopyOptions::default()).unwrap();
    assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
    assert!(!copied.segments.is_empty() && copied.jobs[0].still_missing_files == 0);
    let again = self::copy(lab.site(), &dry).unwrap();
    assert_eq!((again.outcome, again.jobs.len()), (Outcome::Complete, 0));
    fs::rename(lab.path("kept"), lab.path("source")).unwrap();
    for barcode in [A, B] {
        lab.take_away(barcode);
    }
    lab.brings_back("source", "target");
}

#[test]
fn a_second_copy_that_cannot_be_made_is_refused_before_anything_is_written() {
    let lab = Lab::with(&LibrarySpec {
        drives: 1,
        slots: 8,
        cartridges: Some(6),
        ..Lab::small()
    });
    plant_much(&lab);
    lab.label(&[A], "onsite");
    lab.label(&[C], "offsite");
    let error = archive(lab.site(), &options(&lab)).unwrap_err();
    assert!(matches!(error, JobError::TooFewDrives { .. }), "{error:?}");
    assert!(error.advice().is_some());
    let same = JobDescription {
        copy_pool: Some("onsite".to_owned()),
        ..options(&lab)
    };
    let error = archive(lab.site(), &same).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Request, "{error:?}");
    let listed = tapes::list(lab.site()).unwrap();
    assert!(listed.iter().all(|tape| tape.segments == 0));
}

#[test]
fn a_job_is_copied_to_another_pool_and_a_failing_tape_costs_nothing() {
    for failing in [false, true] {
        let lab = Lab::new();
        plant_much(&lab);
        lab.label(&[A, B], "onsite");
        lab.label(&[C, D, E], "offsite");
        let alone = JobDescription {
            copy_pool: None,
            ..options(&lab)
        };
        let summary = archive(lab.site(), &alone).unwrap();
        let wanted = CopyOptions {
            job: Some(summary.job.to_string()),
            ..CopyOptions::default()
        };
        let error = copy(lab.site(), &wanted).unwrap_err();
        assert_eq!(error.kind(), JobErrorKind::Request, "no pool was named");
        let wanted = CopyOptions {
            pool: Some("offsite".to_owned()),
            ..wanted
        };
        if failing {
            lab.set_faults(vec![fault(Effect::WriteError, "WRITE", 40, Some(1))]);
        }
        let copied = copy(lab.site(), &wanted).unwrap();
        assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
        assert_eq!(copied.failed_tapes.len(), usize::from(failing));
        let files: u64 = copied.segments.iter().map(|segment| segment.files).sum();
        assert!(files >= summary.files);
        let path = crate::lab::archive_path(&lab.path("source/03"));
        assert_eq!(lab.find(&path).len(), 2, "one for each pool");
        for barcode in [A, B] {
            lab.take_away(barcode);
        }
        lab.brings_back("source", "target");
    }
}

#[test]
fn a_compressed_job_with_a_stream_in_parts_is_copied_from_tape_to_tape() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B], "onsite");
    lab.label(&[C, D, E], "offsite");
    let dump = noise(7, 40 << 20);
    fs::write(lab.path("dump"), &dump).unwrap();
    let mut alone = JobDescription {
        copy_pool: None,
        compress: Some(Compress::Zstd(1)),
        ..options(&lab)
    };
    alone.sources.push(Source::Command(CommandSource {
        command: format!("cat {}", lab.path("dump").display()),
        place: "db/dump".to_owned(),
        timeout: None,
    }));
    let summary = archive(lab.site(), &alone).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let parts = lab
        .find(b"db/dump")
        .iter()
        .filter_map(|hit| hit.part)
        .count();
    assert!(parts > 1, "{parts}");
    let wanted = CopyOptions {
        job: Some(summary.job.to_string()),
        pool: Some("offsite".to_owned()),
        ..CopyOptions::default()
    };
    let copied = copy(lab.site(), &wanted).unwrap();
    assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
    assert_eq!(copied.jobs[0].missing_files, summary.files);
    assert!(
        copied
            .segments
            .iter()
            .all(|segment| segment.codec == "zstd")
    );
    for barcode in [A, B] {
        lab.take_away(barcode);
    }
    let (restored, at) = lab.restore("source", "target");
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert_same_tree(&lab.path("source"), &at);
    let stream = RestoreOptions {
        patterns: vec![b"db/dump".to_vec()],
        target: lab.path("target"),
        ..RestoreOptions::default()
    };
    let restored = restore(lab.site(), &stream).unwrap();
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    assert!(fs::read(lab.path("target/db/dump")).unwrap() == dump);
    assert_eq!(copy(lab.site(), &wanted).unwrap().jobs.len(), 0);
}

#[test]
fn what_one_copy_does_not_give_comes_from_the_other() {
    type Trouble = (&'static str, fn(&Lab), std::ops::RangeInclusive<u64>);
    let trouble: [Trouble; 2] = [
        (
            "a bad record",
            |lab| {
                let effect = Effect::ReadError { stays: true };
                lab.set_faults(vec![fault(effect, "READ", 60, Some(1))]);
            },
            1..=2,
        ),
        // Of two pools the first by name is read.
        ("a tape that went away", |lab| lab.take_away(C), 10..=14),
    ];
    for (what, make, count) in trouble {
        let lab = Lab::new();
        plant_much(&lab);
        lab.label(&[A, B], "onsite");
        lab.label(&[C, D], "offsite");
        archive(lab.site(), &options(&lab)).unwrap();
        let wanted = archive_path(&lab.path("source"));
        let options = RestoreOptions {
            patterns: vec![wanted.clone()],
            target: lab.path("target"),
            ..RestoreOptions::default()
        };
        let prepared = prepare(lab.site(), &options).unwrap();
        make(&lab);
        let restored = prepared.restore().unwrap();
        assert_eq!(restored.outcome, Outcome::Complete, "{what}: {restored:?}");
        let from_others = restored.from_other_copies;
        assert!(
            count.contains(&from_others),
            "{what}: {from_others}, {restored:?}"
        );
        let at = lab.path("target").join(String::from_utf8(wanted).unwrap());
        assert_same_tree(&lab.path("source"), &at);
    }
}

#[test]
fn a_first_copy_that_failed_as_a_whole_is_made_up_from_the_second() {
    let lab = Lab::new();
    plant_much(&lab);
    lab.label(&[A, B], "onsite");
    lab.label(&[C, D], "offsite");
    // What the two tapes of the first pool get, they do not take.
    let rules = [A, B].map(|barcode| {
        let mut rule = fault(Effect::WriteError, "WRITE", 2, None);
        rule.when.barcode = Some(barcode.to_owned());
        rule
    });
    lab.set_faults(rules.into());
    let summary = archive(lab.site(), &options(&lab)).unwrap();
    assert!(summary.failure.is_some(), "{summary:?}");
    assert_eq!(
        summary.segments.iter().filter(|it| it.barcode == A).count(),
        0
    );
    lab.set_faults(Vec::new());
    lab.label(&[E, "SIM006L9"], "onsite");
    let copied = self::copy(lab.site(), &CopyOptions::default()).unwrap();
    assert_eq!(copied.outcome, Outcome::Complete, "{copied:?}");
    assert_eq!(copied.jobs.len(), 1, "{copied:?}");
    assert_eq!(copied.jobs[0].pool, "onsite");
    for barcode in [C, D] {
        lab.take_away(barcode);
    }
    lab.brings_back("source", "target");
}
