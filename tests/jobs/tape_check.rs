//! The catalog beside a tape: alike, or each difference named with what to do.

use std::fs;
use std::path::Path;

use tapewright::jobs::archive::{JobDescription, archive};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::tape_check::{CheckedTape, check_with_tape};
use tapewright::jobs::{JobErrorKind, Level, portable::CheckedCatalog};

use crate::copy_dir::copy_dir;
use crate::lab::{A, B, Lab, plant};

fn tape(checked: &CheckedCatalog) -> &CheckedTape {
    checked.tape.as_ref().unwrap()
}

fn faults(checked: &CheckedCatalog) -> Vec<String> {
    let faults = checked.faults.iter();
    faults
        .map(|fault| format!("{} {}", fault.what, fault.advice))
        .collect()
}

/// A tape with a full job, one of changes that found something gone, and copies of the catalog.
fn two_jobs() -> Lab {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source"], "docs").unwrap();
    fs::remove_file(lab.path("source/photos/two.raw")).unwrap();
    fs::write(lab.path("source/docs/more"), "more").unwrap();
    let changes = JobDescription {
        level: Level::Incremental,
        ..JobDescription::of_paths(vec![lab.path("source")], "docs")
    };
    archive(lab.site(), &changes).unwrap();
    lab
}

fn catalog_of(lab: &Lab) -> std::path::PathBuf {
    lab.path("state/catalog")
}

fn keep_catalog(lab: &Lab) -> std::path::PathBuf {
    let kept = lab.path("kept");
    copy_dir(&catalog_of(lab), &kept);
    kept
}

fn put_back(lab: &Lab, kept: &Path) {
    fs::remove_dir_all(catalog_of(lab)).unwrap();
    copy_dir(kept, &catalog_of(lab));
}

#[test]
fn a_catalog_and_its_tape_agree_as_written_and_as_rebuilt() {
    let lab = two_jobs();
    let before = lab.fingerprint(A);
    for round in ["as written", "as rebuilt"] {
        let ledger = catalog_of(&lab).join("ledger.jsonl");
        let checked = check_with_tape(lab.site(), A).unwrap();
        assert!(checked.faults.is_empty(), "{round}: {checked:?}");
        let told = tape(&checked);
        assert_eq!((told.unknown_segments, told.missing_segments), (0, 0));
        assert_eq!((told.differences.total, told.damage.total), (0, 0));
        assert!(told.segments >= 2 && told.entries > 5, "{round}: {told:?}");
        let said = fs::read(&ledger).unwrap();
        check_with_tape(lab.site(), A).unwrap();
        let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').count();
        let moved = lab.ledger_lines("volume_moved").len();
        let now = fs::read(&ledger).unwrap();
        // Where tapes lie may be noted, and nothing else.
        assert!(lines(&now) - lines(&said) <= moved, "{round}");
        fs::remove_dir_all(catalog_of(&lab)).unwrap();
        rebuild(lab.site(), &[A.to_owned()]).unwrap();
    }
    assert_eq!(lab.fingerprint(A), before);
}

#[test]
fn what_only_the_tape_has_is_for_a_rebuild_to_read() {
    let lab = two_jobs();
    let kept = keep_catalog(&lab);
    fs::write(lab.path("source/docs/third"), "third").unwrap();
    lab.archive(&["source"], "docs").unwrap();
    put_back(&lab, &kept);
    let checked = check_with_tape(lab.site(), A).unwrap();
    assert!(tape(&checked).unknown_segments >= 1, "{checked:?}");
    let said = faults(&checked);
    let rebuild_it = format!("`catalog rebuild {A}`");
    let named = |fault: &&String| {
        fault.contains("is on the tape and not in the catalog") && fault.contains(&rebuild_it)
    };
    assert!(said.iter().all(|fault| named(&fault)), "{said:?}");
    // And that is what helps.
    rebuild(lab.site(), &[A.to_owned()]).unwrap();
    let checked = check_with_tape(lab.site(), A).unwrap();
    assert!(checked.faults.is_empty(), "{checked:?}");
}

#[test]
fn what_only_the_catalog_has_is_named_with_its_job_and_files() {
    let lab = two_jobs();
    let folder = tape_sim::cartridge::folder(&lab.library_dir(), A);
    let shorter = lab.path("shorter");
    copy_dir(&folder, &shorter);
    fs::write(lab.path("source/docs/third"), "third").unwrap();
    let third = lab.archive(&["source"], "docs").unwrap();
    // The end of the tape is lost, as by a tape that another program wrote over.
    for name in ["p0.map", "p0.data"] {
        fs::copy(shorter.join(name), folder.join(name)).unwrap();
    }
    let checked = check_with_tape(lab.site(), A).unwrap();
    assert!(tape(&checked).missing_segments >= 1, "{checked:?}");
    let said = faults(&checked);
    let missing = said
        .iter()
        .find(|fault| fault.contains(&third.name))
        .unwrap_or_else(|| panic!("{said:?}"));
    for words in [
        "is in the catalog and not on the tape",
        "tape at-risk",
        "Write nothing",
    ] {
        assert!(missing.contains(words), "{missing}");
    }
    let listed = &tape(&checked).differences.listed;
    let third = |path: &str| path.ends_with("source/docs/third");
    assert!(
        listed
            .iter()
            .any(|problem| third(&problem.path.to_string())),
        "{listed:?}"
    );
}

/// The catalog of `lab` with its export's lines as `alter` makes them.
fn alter_catalog(lab: &Lab, alter: impl Fn(&str) -> String) {
    let mut export = Vec::new();
    lab.catalog().export("test", &mut export, &|| true).unwrap();
    let export = String::from_utf8(zstd::decode_all(&export[..]).unwrap()).unwrap();
    let mut altered = String::new();
    for line in export.lines() {
        match line.contains("\"end\":{") {
            true => {
                let mut end: serde_json::Value = serde_json::from_str(line).unwrap();
                end["end"]["blake3"] = blake3::hash(altered.as_bytes()).to_string().into();
                altered.push_str(&end.to_string());
            }
            false => altered.push_str(&alter(line)),
        }
        altered.push('\n');
    }
    fs::remove_dir_all(catalog_of(lab)).unwrap();
    let export = zstd::encode_all(altered.as_bytes(), 1).unwrap();
    catalogs::portable::import(&catalog_of(lab), "test", &export[..], &|| true).unwrap();
}

#[test]
fn what_differs_is_named_by_segment_file_and_fact() {
    let lab = two_jobs();
    alter_catalog(&lab, |line| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_letter = |path: &str| path.ends_with("docs/letter.txt");
        if let Some(entry) = value.get_mut("entry")
            && entry["path"].as_str().is_some_and(is_letter)
        {
            entry["size"] = 3.into();
            entry["digest"] = "00".repeat(32).into();
            return value.to_string();
        }
        // Only what is changed is written anew: the others keep the order of their keys.
        line.replacen(
            "\"segment_number\":1,\"file_number\":1",
            "\"segment_number\":1,\"file_number\":7",
            1,
        )
    });
    let checked = check_with_tape(lab.site(), A).unwrap();
    let said = faults(&checked);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("segment 1: its file_number is 1 on the tape and 7 in the catalog"),
        "{said:?}"
    );
    assert!(
        said[1].contains("segment 1: 1 of its entries not the same")
            && said[1].contains("docs/letter.txt: size, digest not the same"),
        "{said:?}"
    );
    assert!(
        said.iter()
            .all(|fault| fault.contains(&format!("`verify {A}`")))
    );
    let told = tape(&checked);
    assert_eq!((told.differences.total, told.damage.total), (1, 0));
}

#[test]
fn another_volume_is_a_wrong_tape_and_an_unknown_barcode_is_not_found() {
    let lab = two_jobs();
    let other = Lab::new();
    other.label(&[A], "docs");
    for name in ["p0.map", "p0.data"] {
        let from = tape_sim::cartridge::folder(&other.library_dir(), A).join(name);
        let to = tape_sim::cartridge::folder(&lab.library_dir(), A).join(name);
        fs::copy(from, to).unwrap();
    }
    let error = check_with_tape(lab.site(), A).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::WrongTape, "{error:?}");
    let error = check_with_tape(lab.site(), B).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NotFound, "{error:?}");
}

#[test]
fn a_damaged_index_is_damage_of_the_tape_and_no_difference() {
    let lab = two_jobs();
    let first = lab.catalog();
    let volume = first
        .volume_by_barcode(A)
        .unwrap()
        .unwrap()
        .label
        .what
        .volume;
    let receipts = first.receipts_of_volume(&volume).unwrap();
    let index = receipts[0].what.receipt.index_block;
    drop(first);
    lab.spoil(A, index);
    let checked = check_with_tape(lab.site(), A).unwrap();
    let told = tape(&checked);
    assert_eq!((told.damaged_segments, told.differences.total), (1, 0));
    assert!(
        told.damage.total >= 1 && told.missing_segments == 0,
        "{told:?}"
    );
    let said = faults(&checked);
    assert!(
        said.len() == 1 && said[0].contains(&format!("`verify {A}`")),
        "{said:?}"
    );
}

#[test]
fn a_confirmed_segment_that_lost_its_end_is_damage_and_neither_cut_off_nor_missing() {
    let lab = Lab::new();
    plant(&lab.path("source"));
    lab.label(&[A], "docs");
    lab.archive(&["source/docs"], "docs").unwrap();
    lab.archive(&["source/photos"], "docs").unwrap();
    lab.lose_last_objects(A, 5);
    let checked = check_with_tape(lab.site(), A).unwrap();
    let told = tape(&checked);
    let counts = (told.segments, told.damaged_segments, told.missing_segments);
    assert_eq!(counts, (1, 1, 0), "{told:?}");
    assert_eq!((told.damage.total, &told.cut_off), (1, &None), "{told:?}");
    let said = faults(&checked);
    let verify_it = format!("`verify {A}`");
    assert!(said.len() == 1 && said[0].contains(&verify_it), "{said:?}");
}
