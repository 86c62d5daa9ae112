//! How a catalog comes back from its copy on one tape alone: behind damage, older than the tape, or
//! not at all.

use std::fs;

use tape_sim::library::LibrarySpec;
use tapewright::jobs::archive::{Hooks, JobDescription, archive};
use tapewright::jobs::catalog_copy::{CatalogCopy, CopyOutcome, ImportedCopy, import};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::verify::verify;
use tapewright::jobs::{JobError, JobErrorKind, Outcome, VolumeState};
use tapewright::monitor::Silent;
use tapewright::units::BlockAddress;

use crate::catalog_copies::{
    Ear, assert_same_catalogs, described, lose_catalog, outcomes, run, tape, three_tapes,
};
use crate::lab::{A, B, C, Lab, archive_path, assert_same_tree, noise, plant};
use crate::twenty_tapes::{Told, same};

#[test]
fn a_lost_catalog_comes_back_from_the_last_tape_alone() {
    let lab = three_tapes();
    // Behind the copy, on the same tape: its index alone knows of it.
    fs::write(lab.path("three/later"), "later").unwrap();
    run(&lab, "three", "third", CatalogCopy::Never);
    let lost = Told::by(&lab);
    assert_eq!(lost.receipts.len(), 11, "6 segments of files, 5 of copies");
    lose_catalog(&lab);

    lab.take_away(A);
    lab.take_away(B);
    let imported = import(lab.site(), C).unwrap();
    assert_eq!(imported.outcome, Outcome::Complete, "{imported:?}");
    assert!(imported.unused_copies.is_empty());
    let behind = imported.behind.unwrap();
    let counts = (behind.segments, behind.new_segments, behind.catalog_copies);
    assert_eq!(counts, (1, 1, 0), "the job, and not the copy itself");
    assert_eq!(imported.may_have_newer, [A, B]);
    let made = Told::by(&lab);
    assert_same_catalogs(&lost, &made);

    let again = import(lab.site(), C).unwrap_err();
    assert_eq!(
        again.kind(),
        JobErrorKind::Request,
        "there is a catalog now"
    );
}

#[test]
fn what_lies_on_other_tapes_is_restored_after_an_import() {
    let lab = three_tapes();
    lose_catalog(&lab);
    import(lab.site(), C).unwrap();
    for tree in ["one", "two", "three"] {
        let (restored, copy) = lab.restore(tree, &format!("back {tree}"));
        assert_eq!(restored.outcome, Outcome::Complete, "{restored:?}");
        assert_same_tree(&lab.path(tree), &copy);
    }
    // And jobs go on behind what is there.
    fs::write(lab.path("one/newer"), "newer").unwrap();
    let done = run(&lab, "one", "first", CatalogCopy::Always);
    assert_eq!(outcomes(&done), [CopyOutcome::Written]);
    for barcode in [A, B, C] {
        let verified = verify(lab.site(), barcode).unwrap();
        assert_eq!(verified.outcome, Outcome::Complete, "{verified:?}");
    }
}

#[test]
fn a_catalog_rebuilt_from_tapes_with_copies_is_the_one_that_was_lost() {
    let lab = three_tapes();
    let lost = Told::by(&lab);
    lose_catalog(&lab);
    let summary = rebuild(lab.site(), &[]).unwrap();
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_same_catalogs(&lost, &Told::by(&lab));
}

#[test]
fn newer_jobs_on_another_tape_come_in_by_a_rebuild_of_that_tape() {
    let lab = three_tapes();
    fs::write(lab.path("two/later"), "later").unwrap();
    run(&lab, "two", "second", CatalogCopy::Never);
    let lost = Told::by(&lab);
    lose_catalog(&lab);
    let imported = import(lab.site(), C).unwrap();
    assert!(
        imported.may_have_newer.contains(&B.to_owned()),
        "{imported:?}"
    );
    rebuild(lab.site(), &[B.to_owned()]).unwrap();
    assert_same_catalogs(&lost, &Told::by(&lab));
}

#[test]
fn damaged_copies_are_passed_over_and_where_none_is_left_nothing_is_changed() {
    let mut lab = Lab::new();
    lab.label(&[A, B], "docs");
    plant(&lab.path("source"));
    let copies: Vec<u64> = (0..2)
        .map(|_| {
            run(&lab, "source", "docs", CatalogCopy::Always);
            let catalog = lab.catalog();
            let volume = catalog.volume_by_barcode(A).unwrap().unwrap();
            let last = catalog.last_receipt(&volume.label.what.volume).unwrap();
            last.unwrap().what.receipt.first_block
        })
        .collect();
    let lost = Told::by(&lab);
    lose_catalog(&lab);
    lab.spoil(A, copies[1]);
    let ear = Ear::default();
    lab.monitor = Box::new(ear.clone());
    let imported: ImportedCopy = import(lab.site(), A).unwrap();
    assert_eq!(imported.outcome, Outcome::Partial, "{imported:?}");
    let unused = &imported.unused_copies[..];
    assert_eq!(unused.len(), 1, "{imported:?}");
    assert_eq!(unused[0].tape_file.0, 7);
    assert_eq!(unused[0].bad_blocks, [BlockAddress(copies[1])]);
    assert!(unused[0].written_at > imported.written_at, "{imported:?}");
    let told = ear.told.lock().unwrap().join("\n");
    for words in ["tape file 7", "looking for an older copy"] {
        assert!(told.contains(words), "{told}");
    }
    assert!(
        told.contains(&format!("bad blocks: {}", copies[1])),
        "{told}"
    );
    // Behind the older copy: the second job, and the damaged copy by its index.
    let behind = imported.behind.unwrap();
    assert_eq!((behind.segments, behind.catalog_copies), (1, 1));
    assert_same_catalogs(&lost, &Told::by(&lab));

    lose_catalog(&lab);
    lab.spoil(A, copies[0]);
    let error = import(lab.site(), A).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::BadMedium, "{error:?}");
    assert!(
        error.advice().unwrap().contains("catalog rebuild"),
        "{error:?}"
    );
    assert!(!lab.path("state/catalog").exists());
    assert!(!lab.path("state/catalog.importing").exists());

    let error = import(lab.site(), B).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::NotFound, "{error:?}");
    let advice = error.advice().unwrap();
    assert!(advice.contains("catalog import --from-tape"), "{advice}");
    rebuild(lab.site(), &[]).unwrap();
    assert_same_catalogs(&lost, &Told::by(&lab));
}

#[test]
fn a_copy_that_no_way_leads_to_is_not_taken_for_none() {
    let lab = Lab::new();
    lab.label(&[A], "docs");
    plant(&lab.path("source"));
    run(&lab, "source", "docs", CatalogCopy::Always);
    fs::create_dir(lab.path("small")).unwrap();
    for _ in 0..16 {
        run(&lab, "small", "docs", CatalogCopy::Never);
    }
    let catalog = lab.catalog();
    let volume = catalog.volume_by_barcode(A).unwrap().unwrap();
    let receipts = catalog.receipts_of_volume(&volume.label.what.volume);
    for receipt in receipts.unwrap().iter().rev().take(16) {
        lab.spoil(A, receipt.what.receipt.index_block);
    }
    drop(catalog);
    lose_catalog(&lab);
    let error = import(lab.site(), A).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::BadMedium, "{error:?}");
    let told = error.to_string();
    assert!(
        told.contains("tape file 3: it and what lies before it"),
        "{told}"
    );
    assert!(!lab.path("state/catalog").exists());
}

#[test]
fn an_import_that_was_stopped_leaves_nothing_behind() {
    let mut lab = three_tapes();
    lose_catalog(&lab);
    lab.monitor = Box::new(Ear {
        stop_at: Some("reading the copy"),
        ..Ear::default()
    });
    let error = import(lab.site(), C).unwrap_err();
    assert!(matches!(error, JobError::Stopped), "{error:?}");
    assert!(!lab.path("state/catalog").exists());
    lab.monitor = Box::new(Silent);
    import(lab.site(), C).unwrap();
    assert_eq!(lab.find(&archive_path(&lab.path("one/new"))).len(), 1);
}

#[test]
fn without_its_index_a_copy_is_still_one_and_helps_the_segment_before_it() {
    let lab = three_tapes();
    let lost = Told::by(&lab);
    let catalog = lab.catalog();
    let volume = catalog.volume_by_barcode(C).unwrap().unwrap();
    let receipts = catalog.receipts_of_volume(&volume.label.what.volume);
    let [files, copy] = &receipts.unwrap()[..] else {
        panic!("the job and its copy")
    };
    drop(catalog);
    let job = files.what.receipt.job.to_string();
    let index = |of: &catalogs::model::event::ReceiptRecord| of.receipt.index_block;

    // Of the copy: the job is whole all the same.
    lab.spoil(C, index(&copy.what));
    lose_catalog(&lab);
    rebuild(lab.site(), &[]).unwrap();
    assert!(lab.find(b"tapewright").is_empty());
    let made = Told::by(&lab);
    assert_eq!(made.outcomes[&job], "complete");
    same("entries of", &lost.entries, &made.entries, |_| false);

    // And it is read from its archive: its end mark vouches for it.
    lose_catalog(&lab);
    let imported = import(lab.site(), C).unwrap();
    assert!(imported.unused_copies.is_empty(), "{imported:?}");
    assert_eq!(imported.tape_file.0, 3);
    assert!(imported.written_at.is_some());
    assert_eq!(
        imported.outcome,
        Outcome::Partial,
        "an index of the tape is bad"
    );
    let behind = imported.behind.unwrap();
    assert_eq!((behind.segments, behind.catalog_copies), (0, 0));
    let made = Told::by(&lab);
    same("volume", &lost.volumes, &made.volumes, |_| false);
    same("job", &lost.jobs, &made.jobs, |_| false);
    same("entries of", &lost.entries, &made.entries, |_| false);
    same("outcome of", &lost.outcomes, &made.outcomes, |_| false);

    // With damage in it, it is known as a copy all the same, and named.
    lose_catalog(&lab);
    let cartridge = lab.library().cartridge(C).unwrap();
    let mut partitions = cartridge.open_partitions().unwrap();
    let record = partitions[0].record(copy.what.receipt.first_block).unwrap();
    partitions[0]
        .write_data(record.data_bytes + 3_000, &[0x5A; 64])
        .unwrap();
    let error = import(lab.site(), C).unwrap_err();
    assert_eq!(error.kind(), JobErrorKind::BadMedium, "{error:?}");
    let said = error.to_string();
    for words in ["tape file 3, the copy of", "the index behind tape file 3"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!lab.path("state/catalog").exists());
}

#[test]
fn a_segment_of_files_without_index_is_known_by_the_copy_behind_it() {
    let lab = three_tapes();
    let lost = Told::by(&lab);
    let catalog = lab.catalog();
    let volume = catalog.volume_by_barcode(C).unwrap().unwrap();
    let receipts = catalog
        .receipts_of_volume(&volume.label.what.volume)
        .unwrap();
    let files = receipts[0].what.receipt.clone();
    drop(catalog);
    lab.spoil(C, files.index_block);
    lose_catalog(&lab);
    rebuild(lab.site(), &[]).unwrap();
    let made = Told::by(&lab);
    let job = files.job.to_string();
    same("job", &lost.jobs, &made.jobs, |_| false);
    assert_ne!(
        made.outcomes[&job], "complete",
        "its files are without digests"
    );
}

#[test]
fn a_job_that_an_older_copy_does_not_know_is_adopted_with_its_true_end() {
    let lab = three_tapes();
    fs::write(lab.path("one/later"), "later").unwrap();
    let whole = run(&lab, "one", "first", CatalogCopy::Always);
    // Complete, and with a problem that it tells.
    let part = JobDescription {
        hooks: Hooks {
            after: Some("false".to_owned()),
            ..Hooks::default()
        },
        ..described(&lab, "two", "first", CatalogCopy::Never)
    };
    let part = archive(lab.site(), &part).unwrap();
    assert_eq!(part.outcome, Outcome::Partial);
    let lost = Told::by(&lab);
    lose_catalog(&lab);
    import(lab.site(), C).unwrap();
    assert_ne!(lost.jobs.len(), Told::by(&lab).jobs.len());

    let next = run(&lab, "three", "first", CatalogCopy::Never);
    assert_eq!(next.adopted_segments, 2, "not the copy of the catalog");
    let mut made = Told::by(&lab);
    assert_eq!(made.outcomes[&whole.job.to_string()], "complete");
    // What its hook came to is on no tape.
    assert_eq!(made.outcomes[&part.job.to_string()], "complete");
    let own = next.job.to_string();
    made.jobs.remove(&own);
    same("job", &lost.jobs, &made.jobs, |_| false);
    let info = tape(&lab, A);
    assert!(info.catalog_copy_at.is_some(), "{info:?}");
}

#[test]
fn a_tape_that_became_full_after_the_copy_is_full_after_its_import() {
    let lab = Lab::with(&LibrarySpec {
        capacity_bytes: Some(16 << 20),
        slots: 8,
        cartridges: Some(4),
        ..Lab::small()
    });
    lab.label(&[A, B], "docs");
    plant(&lab.path("small"));
    run(&lab, "small", "docs", CatalogCopy::Always);
    fs::create_dir(lab.path("large")).unwrap();
    for number in 0..9 {
        let path = lab.path("large").join(number.to_string());
        fs::write(path, noise(number, 2 << 20)).unwrap();
    }
    run(&lab, "large", "docs", CatalogCopy::Never);
    assert_eq!(tape(&lab, A).state, VolumeState::Full);
    for from_copy in [true, false] {
        lose_catalog(&lab);
        match from_copy {
            true => drop(import(lab.site(), A).unwrap()),
            false => drop(rebuild(lab.site(), &[]).unwrap()),
        }
        let info = tape(&lab, A);
        assert_eq!(info.state, VolumeState::Full, "{from_copy}: {info:?}");
    }
    assert_eq!(tape(&lab, B).state, VolumeState::Appendable);
}
