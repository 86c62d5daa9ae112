//! Every reason not to write: a clear error, and the tape as it was.

use std::fs;
use std::sync::{Arc, Mutex};

use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementKind;
use tapewright::jobs::label::label;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, Site, tapes};
use tapewright::monitor::{Monitor, Problem};
use tapewright::transport::sim::SimTransport;

use crate::lab::{A, B, C, Lab, label_options, plant};

/// A library with a source, and tape A labelled for the pool `docs`.
fn prepared() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab
}

/// Spoils tape A, archives to it, and expects refusal and an unchanged tape.
fn refused(spoil: impl FnOnce(&Lab), expected: impl FnOnce(&JobError) -> bool) -> Lab {
    let lab = prepared();
    spoil(&lab);
    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(expected(&error), "{error:?}");
    assert!(error.advice().is_some(), "no advice: {error}");
    assert_eq!(lab.fingerprint(A), before, "the tape was changed: {error}");
    let home = tapewright::jobs::library::status(lab.site()).unwrap();
    assert!(
        home.drives.iter().all(|drive| drive.cartridge.is_none()),
        "left in a drive: {error}"
    );
    lab
}

#[test]
fn a_blank_tape_is_refused() {
    refused(
        |lab| lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]),
        |error| matches!(error, JobError::BlankTape { barcode } if barcode == A),
    );
}

#[test]
fn a_foreign_tape_is_refused() {
    for blocks in [
        vec![vec![0xA5; 10_240]],
        vec![b"garbage".repeat(99), vec![1; 80]],
    ] {
        refused(
            |lab| lab.write_raw(A, &blocks),
            |error| matches!(error, JobError::ForeignTape { barcode, .. } if barcode == A),
        );
    }
}

#[test]
fn a_swapped_barcode_is_refused_by_label_and_by_chip() {
    refused(
        |lab| {
            lab.label(&[B], "films");
            lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
        },
        |error| {
            matches!(error, JobError::SwappedBarcode { says, witness, .. }
            if says == B && *witness == "label")
        },
    );
    refused(
        |lab| {
            lab.label(&[B], "films");
            lab.copy_cartridge_files(B, A, &["p0.map", "p0.data", "mam.json"]);
        },
        |error| {
            matches!(error, JobError::SwappedBarcode { says, witness, .. }
            if says == B && *witness == "cartridge memory")
        },
    );
}

#[test]
fn a_copy_of_a_tape_is_refused_by_the_chip_of_its_cartridge() {
    refused(
        |lab| lab.copy_cartridge_files(B, A, &["mam.json"]),
        |error| {
            matches!(error, JobError::OtherCartridge { barcode, what, .. }
            if barcode == A && *what == "serial number")
        },
    );
    refused(
        |lab| {
            let chip = tape_sim::cartridge::folder(&lab.library_dir(), A).join("mam.json");
            let first = fs::read(&chip).unwrap();
            label(lab.site(), &label_options(&[A], "docs", Some(A))).unwrap();
            fs::write(&chip, first).unwrap();
        },
        |error| {
            matches!(error, JobError::OtherCartridge { barcode, what, .. }
            if barcode == A && *what == "volume")
        },
    );
}

#[test]
fn a_tape_that_another_host_labelled_is_refused() {
    for (pool, is_other_pool) in [("docs", false), ("theirs", true)] {
        refused(
            |lab| {
                let stranger = lab.stranger();
                let site = Site {
                    state: &stranger,
                    ..lab.site()
                };
                label(site, &label_options(&[A], pool, Some(A))).unwrap();
            },
            |error| match error {
                JobError::OtherPool { pool, .. } => is_other_pool && pool == "theirs",
                JobError::OtherVolume { .. } => !is_other_pool,
                _ => false,
            },
        );
    }
}

#[test]
fn a_write_protected_tape_is_refused() {
    refused(
        |lab| lab.library().set_write_protected(A, true).unwrap(),
        |error| matches!(error, JobError::WriteProtected { barcode } if barcode == A),
    );
}

/// Hears of problems.
#[derive(Clone, Default)]
pub struct Listener(pub Arc<Mutex<Vec<Problem>>>);

impl Monitor for Listener {
    fn problem(&self, problem: &Problem) {
        self.0.lock().unwrap().push(problem.clone());
    }
}

#[test]
fn a_tape_that_is_not_usable_is_passed_over_for_the_next() {
    type Spoil = fn(&Lab);
    let spoils: [Spoil; 2] = [
        |lab| lab.library().set_write_protected(A, true).unwrap(),
        |lab| lab.write_raw(A, &[vec![0xA5; 10_240]]),
    ];
    for spoil in spoils {
        let mut lab = prepared();
        lab.label(&[B], "docs");
        spoil(&lab);
        let before = lab.fingerprint(A);
        let heard = Arc::new(Mutex::new(Vec::new()));
        lab.monitor = Box::new(Listener(Arc::clone(&heard)));
        let summary = lab.archive(&["source"], "docs").unwrap();
        assert!(summary.segments.iter().all(|segment| segment.barcode == B));
        assert_eq!(lab.fingerprint(A), before);
        let heard = heard.lock().unwrap();
        assert!(
            heard.len() == 1 && heard[0].path == A && heard[0].what.contains("passed over"),
            "{heard:?}"
        );
    }
}

#[test]
fn a_tape_that_lost_confirmed_data_becomes_suspect() {
    let lab = prepared();
    lab.archive(&["source"], "docs").unwrap();
    lab.copy_cartridge_files(A, B, &["p0.map", "p0.data"]);
    lab.archive(&["source"], "docs").unwrap();
    lab.copy_cartridge_files(B, A, &["p0.map", "p0.data"]);
    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::TapeShort { barcode, .. } if barcode == A),
        "{error:?}"
    );
    assert_eq!(error.kind(), JobErrorKind::BadMedium);
    assert_eq!(lab.fingerprint(A), before);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(error, JobError::NoAppendableVolume { .. }),
        "{error:?}"
    );
}

#[test]
fn a_pool_without_tapes_or_with_tapes_elsewhere_is_named() {
    let lab = prepared();
    let error = lab.archive(&["source"], "films").unwrap_err();
    assert!(
        matches!(&error, JobError::NoSuchPool { pools, .. } if pools == &["docs"]),
        "{error}"
    );
    tape_sim::inventory::take(&lab.library_dir(), address_of(&lab, A)).unwrap();
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::NoAppendableVolume { volumes, .. }
            if volumes == &[format!("{A} is not in the library")]),
        "{error:?}"
    );
    assert_eq!(error.kind(), JobErrorKind::NeedsOperator);
    let advice = error.advice().unwrap();
    assert!(
        advice.starts_with("Put back what is not in the library"),
        "{advice}"
    );
}

pub fn address_of(lab: &Lab, barcode: &str) -> u16 {
    let inventory = tape_sim::inventory::read(&lab.library_dir()).unwrap();
    let found = inventory
        .contents()
        .find(|(_, content)| content.barcode == barcode);
    found.unwrap().0
}

#[test]
fn a_full_library_is_named_and_the_idle_tapes_stay() {
    let spec = LibrarySpec {
        slots: 4,
        drives: 1,
        cartridges: Some(4),
        ..Lab::small()
    };
    let lab = Lab::with(&spec);
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    // B sits in the drive, and its slot was filled meanwhile.
    let dir = lab.library_dir();
    let slot = address_of(&lab, B);
    tape_sim::inventory::take(&dir, slot).unwrap();
    lab.library().insert(0, B, None).unwrap();
    let mut changer = lab.changer();
    let inventory = changer.inventory().unwrap();
    let drive = inventory
        .of_kind(ElementKind::Drive)
        .next()
        .unwrap()
        .address;
    changer
        .move_medium(inventory.find(B).unwrap().address, drive)
        .unwrap();
    lab.library().insert(0, "NEW001L9", None).unwrap();
    tape_sim::inventory::take(&dir, address_of(&lab, "NEW001L9")).unwrap();
    tape_sim::inventory::put(&dir, slot, "NEW001L9").unwrap();

    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::LibraryFull { barcode, .. } if barcode == B),
        "{error:?}"
    );
    assert_eq!(error.kind(), JobErrorKind::NeedsOperator);
    assert_eq!(lab.fingerprint(A), before);
}

#[test]
fn a_missing_drive_is_named() {
    let lab = prepared();
    for drive in ["0", "1"] {
        fs::rename(lab.path("library/drives").join(drive), lab.path(drive)).unwrap();
    }
    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::BadDevice, "{error:?}");
    assert_eq!(lab.fingerprint(A), before);
}

#[test]
fn a_drive_in_use_is_passed_over_and_all_in_use_is_busy() {
    let lab = prepared();
    let first = SimTransport::drive(&lab.library_dir(), 0).unwrap();
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete);
    let second = SimTransport::drive(&lab.library_dir(), 1).unwrap();
    let before = lab.fingerprint(A);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(matches!(error, JobError::DriveBusy { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    assert_eq!(lab.fingerprint(A), before);
    drop((first, second));
    lab.archive(&["source"], "docs").unwrap();
}

#[test]
fn a_volume_has_one_writer_and_others_take_the_next() {
    let lab = prepared();
    let volume = tapes::show(lab.site(), A).unwrap().info.volume;
    let path = lab.path("state/lock").join(format!("volume-{volume}"));
    let held = fs::File::create(path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::Busy, "{error:?}");
    lab.label(&[C], "docs");
    assert_eq!(
        lab.archive(&["source"], "docs").unwrap().segments[0].barcode,
        C
    );
}

#[test]
fn a_path_that_is_not_there_or_a_bad_pattern_touches_no_tape() {
    let lab = prepared();
    let before = lab.fingerprint(A);
    let error = lab.archive(&["nowhere"], "docs").unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NotFound, "{error:?}");
    assert_eq!(lab.fingerprint(A), before);
}
