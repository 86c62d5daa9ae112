//! One drive without a changer: a person brings the tapes.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use catalogs::model::event::PlaceKind;
use tape_sim::fault::{Effect, FaultScript};
use tapewright::changer::{Changer, ElementKind};
use tapewright::jobs::label::label;
use tapewright::jobs::library::LibraryConfig;
use tapewright::jobs::places::{PlaceOptions, place};
use tapewright::jobs::restore::{
    Certainty, FromTapes, RestoreOptions, TapePlace, TapesAlone, plan, restore,
};
use tapewright::jobs::{
    JobError, Operator, Outcome, Reply, Site, StateDir, TapeRequest, VolumeState, tapes,
};
use tapewright::transport::sim::SimTransport;

use crate::lab::{A, B, Lab, archive_path, assert_same_tree, fault, label_options, plant};

/// Puts into the drive what the next line of the script says, whatever is asked for.
struct Scripted {
    dir: PathBuf,
    script: Mutex<Vec<&'static str>>,
    asked: std::sync::Arc<Mutex<Vec<String>>>,
}

impl Operator for Scripted {
    fn request(&self, request: &TapeRequest) -> Reply {
        self.asked.lock().unwrap().push(request.barcode.clone());
        let mut script = self.script.lock().unwrap();
        if script.is_empty() {
            return Reply::Declined;
        }
        bring(&self.dir, script.remove(0));
        Reply::Done
    }
}

/// Takes out what is in drive 0, and puts this tape in. The robot lends its hand.
fn bring(dir: &Path, barcode: &str) {
    let mut changer = Changer::open(Box::new(SimTransport::changer(dir).unwrap())).unwrap();
    changer
        .wait_ready(Duration::from_secs(5), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let inventory = changer.inventory().unwrap();
    let drive = inventory.of_kind(ElementKind::Drive).next().unwrap();
    let wanted = inventory.find(barcode).unwrap();
    if wanted.address == drive.address {
        return;
    }
    if drive.full {
        let empty = inventory
            .of_kind(ElementKind::Storage)
            .find(|slot| !slot.full)
            .unwrap();
        changer.move_medium(drive.address, empty.address).unwrap();
    }
    changer.move_medium(wanted.address, drive.address).unwrap();
}

fn by_hand(script: &[&'static str]) -> (Lab, std::sync::Arc<Mutex<Vec<String>>>) {
    let mut lab = Lab::new();
    let dir = lab.library_dir();
    lab.state
        .set_library(&LibraryConfig::SimulatedDrive { dir: dir.clone() })
        .unwrap();
    let asked = std::sync::Arc::default();
    let script = Mutex::new(script.to_vec());
    lab.operator = Box::new(Scripted {
        dir,
        script,
        asked: std::sync::Arc::clone(&asked),
    });
    plant(&lab.path("source"));
    (lab, asked)
}

#[test]
fn the_operator_is_asked_for_tapes_by_barcode_until_the_right_one_is_in() {
    let (lab, asked) = by_hand(&[A, B, B, A]);
    lab.label(&[A], "docs");
    lab.label(&[B], "films");
    // B is still in the drive; the operator brings it again before finding A.
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(*asked.lock().unwrap(), [A, B, A, A]);
    lab.brings_back("source", "target");
}

#[test]
fn declining_ends_the_job_and_writes_nothing() {
    let (lab, _) = by_hand(&[A, B]);
    lab.label(&[A], "docs");
    lab.label(&[B], "films");
    let said = PlaceOptions {
        barcodes: vec![A.to_owned()],
        kind: PlaceKind::Shelf,
        name: "Hall".to_owned(),
        fetch: None,
    };
    place(lab.site(), &said).unwrap();
    let before = lab.fingerprint(B);
    let error = lab.archive(&["source"], "docs").unwrap_err();
    assert!(
        matches!(&error, JobError::Declined { barcode, found, .. }
        if barcode == A && found.as_deref() == Some(B)),
        "{error:?}"
    );
    let advice = format!(r#"{A} is on the shelf "Hall": try again once it is at hand."#);
    assert_eq!(error.advice(), Some(advice));
    assert_eq!(lab.fingerprint(B), before);
}

#[test]
fn a_tape_that_says_another_barcode_is_not_labelled() {
    let (lab, _) = by_hand(&[A, A]);
    lab.label(&[A], "docs");
    let before = lab.fingerprint(A);
    let error = label(lab.site(), &label_options(&[B], "docs", None)).unwrap_err();
    assert!(matches!(error, JobError::Declined { .. }), "{error:?}");
    assert_eq!(lab.fingerprint(A), before);
}

#[test]
fn a_tape_with_blocks_too_long_for_the_path_is_asked_about_and_can_be_erased() {
    let (lab, asked) = by_hand(&[A, A]);
    lab.write_raw(B, &[vec![0xA5; 128 << 10]]);
    lab.label(&[A], "docs");
    let mut script = FaultScript::default();
    script.max_transfer_bytes = Some(64 << 10);
    lab.library().set_faults(&script).unwrap();
    bring(&lab.library_dir(), B);
    asked.lock().unwrap().clear();
    // B is in the drive: A is asked for, and the answer puts it in.
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(*asked.lock().unwrap(), [A]);
    bring(&lab.library_dir(), B);
    let error = label(lab.site(), &label_options(&[B], "docs", None)).unwrap_err();
    assert!(
        matches!(&error, JobError::BlocksBeyondPath { barcode, .. } if barcode == B),
        "{error:?}"
    );
    label(lab.site(), &label_options(&[B], "docs", Some(B))).unwrap();
}

#[test]
fn a_tape_that_cannot_be_loaded_by_hand_is_asked_about_and_none_is_marked() {
    let (lab, asked) = by_hand(&[A, A]);
    lab.label(&[A], "docs");
    bring(&lab.library_dir(), B);
    asked.lock().unwrap().clear();
    let effect = Effect::Sense {
        key: 3,
        asc: 0x52,
        ascq: 0,
    };
    let mut rule = fault(effect, "TEST UNIT READY", 1, None);
    rule.when.barcode = Some(B.to_owned());
    lab.set_faults(vec![rule]);
    let summary = lab.archive(&["source"], "docs").unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(*asked.lock().unwrap(), [A]);
    let listed = tapes::list(lab.site()).unwrap();
    assert_eq!(listed[0].state, VolumeState::Appendable);
}

#[test]
fn a_tape_is_restored_from_the_drive_it_is_in_without_library_or_catalog() {
    let (lab, asked) = by_hand(&[A]);
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    bring(&lab.library_dir(), A);
    asked.lock().unwrap().clear();
    let new = StateDir::open(&lab.path("new machine")).unwrap();
    let site = Site {
        state: &new,
        ..lab.site()
    };
    let scratch = lab.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let drive = FromTapes::Drive(lab.library_dir());
    let alone = TapesAlone::read(site, &drive, &scratch).unwrap();
    assert_eq!(alone.volumes()[0].barcode, A);
    let source = archive_path(&lab.path("source"));
    let options = RestoreOptions {
        patterns: vec![source.clone()],
        target: lab.path("target"),
        alone: alone.volumes().to_vec(),
        ..RestoreOptions::default()
    };
    // It lies in the drive already: nobody has to bring it, and the drive threads it again.
    let [tape] = &plan(alone.site(site), &options).unwrap().tapes[..] else {
        panic!("it is the only one");
    };
    assert_eq!(tape.place, TapePlace::Drive(0));
    assert_eq!(tape.times.robot_s, 0.0);
    let begun = lab.library().elapsed().unwrap();
    let restored = restore(alone.site(site), &options).unwrap();
    assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
    let took_s = (lab.library().elapsed().unwrap() - begun).as_secs_f64();
    let finish = &restored.finish;
    assert_eq!(finish.certainty, Certainty::Likely);
    let off = took_s / finish.seconds.unwrap() - 1.0;
    assert!(off.abs() < 0.15, "{took_s} s, foretold {finish:?} {tape:?}");
    let copy = lab.path("target").join(String::from_utf8(source).unwrap());
    assert_same_tree(&lab.path("source"), &copy);
    assert_eq!(*asked.lock().unwrap(), [""; 0], "nobody is asked for it");
    assert!(!lab.path("new machine/catalog").exists());
}
