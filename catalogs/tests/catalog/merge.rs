//! Merged files answer as those that they were made of, to whoever asks whenever; and what leaves
//! the catalog is what is expired and overwritten, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalogs::model::Entry;
use catalogs::model::event::{
    EntriesDropped, Event, Held, HoldPlaced, HoldReleased, JobExpired, Outcome, RetentionSet,
    VolumeReinstated, VolumeRetired,
};
use catalogs::portable::import;
use catalogs::{Catalog, CatalogError, Compaction, FindOptions, LEDGER_FILE, Pattern, Reading};
use proptest::prelude::*;
use uuid::Uuid;

use crate::disk::{self, Disk};
use crate::filters::entry_files;
use crate::model::{PATTERNS, VOLUMES, ask, build, commit, naive_of};
use crate::naive::{Naive, NaiveHit, NaiveOptions};
use crate::power_cut::{CHILD_DIRECTORY, compile_recorder, record_test, short};
use crate::support::*;

const ALL: FindOptions = FindOptions {
    all_versions: true,
    as_of: None,
    on_volume: None,
    expired: false,
};

fn compact(catalog: &Catalog) -> Compaction {
    catalog.compact(&|| at(90), &|_| {}).unwrap()
}

fn expired(job: u64) -> Event {
    let (job, by) = (job_id(job), "librarian".into());
    Event::JobExpired(JobExpired { job, by })
}

/// A label for a new volume that overwrites another one.
fn overwritten(volume: u64) -> Event {
    let Event::VolumeLabelled(mut label) = labelled(volume + 100) else {
        unreachable!()
    };
    label.replaces = Some(volume_id(volume));
    Event::VolumeLabelled(label)
}

/// Entries of a segment: some of its own, a directory of all, and a name that all have.
fn entries_of(segment: u64) -> Vec<Entry> {
    // Where it lies, so that the order on tape is that of the numbers.
    let place = |entry: Entry, number: u64| Entry {
        block: 2 + segment * 1_000 + number,
        ..entry
    };
    let own =
        (0..300).map(|number| place(file(format!("tree/{segment}/{number:03}"), segment), number));
    let shared = [
        place(directory("tree"), 300),
        place(file("tree/in all", segment), 301),
        place(gone(format!("tree/gone {segment}")), 302),
    ];
    own.chain(shared).collect()
}

/// A job that has ended, of so many segments, by turns on two volumes; and another one of one.
fn of_segments(directory: &Path, segments: u64) -> Catalog {
    let catalog = create(directory);
    for volume in [1, 2] {
        catalog.append(at(1), &labelled(volume)).unwrap();
    }
    for (job, segments) in [(1, 1..segments + 1), (2, segments + 1..segments + 2)] {
        let name = format!("job{job}");
        let begun = started(job, &name, &["tree"], &[]);
        catalog.append(at(job as i64), &begun).unwrap();
        for segment in segments {
            let receipt = receipt(job, 1 + segment % 2, segment);
            catalog.commit(at(2), receipt, entries_of(segment)).unwrap();
        }
        let ended = finished(job, Outcome::Complete);
        catalog.append(at(3), &ended).unwrap();
    }
    catalog
}

/// What it answers to searches of all sorts, and has of each receipt.
fn everything(catalog: &Catalog) -> Vec<String> {
    let mut told = Vec::new();
    let patterns = [
        ("", Reading::Name),
        ("tree/in all", Reading::Name),
        ("tree/3", Reading::Name),
        ("tree/gone 2", Reading::Name),
        ("nothing", Reading::Name),
        ("**/007", Reading::Name),
        ("2/00", Reading::Substring),
        ("/0[0-4]9$", Reading::Regex),
    ];
    for (text, reading) in patterns {
        let pattern = Pattern::read(text.as_bytes(), reading, false).unwrap();
        for all_versions in [false, true] {
            for on_volume in [None, Some(volume_id(2))] {
                let options = FindOptions {
                    all_versions,
                    on_volume,
                    ..FindOptions::default()
                };
                let hits = catalog.find(&pattern, &options).unwrap();
                let hits = hits.map(|hit| {
                    let hit = hit.unwrap();
                    format!("{text} {:?} {:?} {}", hit.entry, hit.receipt, hit.gone)
                });
                told.extend(hits);
            }
        }
    }
    for volume in [1, 2] {
        for receipt in catalog.receipts_of_volume(&volume_id(volume)).unwrap() {
            let entries = catalog.entries_in_tape_order(&receipt.what).unwrap();
            told.push(format!("{entries:?}"));
        }
    }
    let mut export = Vec::new();
    catalog.export("test 1", &mut export, &|| true).unwrap();
    told.push(blake3::hash(&export).to_string());
    told
}

#[test]
fn a_merged_catalog_answers_as_before_to_whoever_asks() {
    for segments in [1, 2, 70] {
        let directory = tempfile::tempdir().unwrap();
        let catalog = of_segments(directory.path(), segments);
        let other = open(directory.path());
        let before = everything(&other);
        // So that it has no search open.
        other.find(&Pattern::everything(), &ALL).unwrap();
        drop(other);
        let report = catalog.check().unwrap();
        let planned = catalog.compaction().unwrap();
        let files_before = segments + 1;
        assert_eq!(planned.files_before, files_before);
        assert_eq!(entry_files(directory.path()).len() as u64, files_before);
        let compaction = compact(&catalog);
        assert_eq!(compaction.merged, planned.merged, "as it was planned");
        assert_eq!(compaction.files_after, planned.files_after);
        assert!(compaction.damaged.is_empty() && compaction.dropped.is_empty());
        assert!(!compaction.waits_for_readers);
        // Of seventy 64 are merged, and the six others.
        let files_after = if segments == 70 { 3 } else { 2 };
        assert_eq!(compaction.files_after, files_after, "{segments}");
        assert_eq!(entry_files(directory.path()).len() as u64, files_after);
        for (who, catalog) in [("itself", &catalog), ("another", &open(directory.path()))] {
            assert!(everything(catalog) == before, "{who}, {segments} segments");
            let now = catalog.check().unwrap();
            assert!(now.damaged.is_empty(), "{who}: {:?}", now.damaged);
            let counts = |report: &catalogs::CheckReport| (report.receipts, report.entries);
            assert_eq!(counts(&now), counts(&report), "{who}");
            assert_eq!(now.inconsistent, report.inconsistent, "{who}");
            catalog.rebuild_index().unwrap();
            assert!(everything(catalog) == before, "{who}, index made anew");
        }
        assert_eq!(compact(&catalog).merged, [], "nothing is left to do");
    }
}

#[test]
fn what_has_not_ended_or_is_of_another_kind_is_not_merged() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let framed = |entry: Entry| Entry {
        skip_bytes: Some(7),
        ..entry
    };
    for segment in 1..=6 {
        let mut receipt = receipt(1, 1, segment);
        let mut entries = entries_of(segment);
        match segment % 3 {
            0 => entries = entries.into_iter().map(framed).collect(),
            1 => receipt.record_bytes /= 2,
            _ => entries.truncate(if segment == 2 { 300 } else { 0 }),
        }
        for entry in &mut entries {
            entry.offset_bytes = 512;
        }
        catalog.commit(at(2), receipt, entries).unwrap();
    }
    assert_eq!(compact(&catalog).files_after, 6, "the job goes on");
    let before = found(&catalog, "", &ALL);
    catalog
        .append(at(3), &finished(1, Outcome::Complete))
        .unwrap();
    let compaction = compact(&catalog);
    assert_eq!(compaction.files_after, 3);
    assert_eq!(compaction.merged[0].files_before, 6);
    assert_eq!(found(&catalog, "", &ALL), before);
    assert!(catalog.check().unwrap().damaged.is_empty());
}

#[test]
fn a_search_that_began_before_goes_on_to_its_end_and_the_old_files_go_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 5);
    let expected = answers(&catalog);
    let reader = open(directory.path());
    let view = reader.view(&FindOptions::default()).unwrap();
    let mut hits = reader.find(&Pattern::everything(), &ALL).unwrap();
    let mut seen = vec![short_hit(hits.next().unwrap())];
    let compaction = compact(&catalog);
    assert!(compaction.waits_for_readers);
    assert_eq!(compaction.files_after, 2);
    assert_eq!(entry_files(directory.path()).len(), 7, "old and new ones");
    seen.extend(hits.by_ref().map(short_hit));
    assert_eq!(seen, expected);
    let held = view.entry(b"tree/in all").unwrap().unwrap();
    assert_eq!(held.len(), 1);
    drop((hits, view));
    drop(reader);
    assert_eq!(answers(&open(directory.path())), expected);
    assert_eq!(entry_files(directory.path()).len(), 2);
}

fn short_hit(hit: Result<catalogs::Hit, CatalogError>) -> String {
    crate::support::short(&hit.unwrap())
}

#[test]
fn only_one_merges_and_a_commit_goes_on_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 3);
    let lock = fs::File::create(directory.path().join("merge.lock")).unwrap();
    lock.lock().unwrap();
    let draft = directory.path().join("entries/draft.merging");
    fs::write(&draft, "of somebody who merges").unwrap();
    let refused = catalog.compact(&|| at(90), &|_| {});
    assert!(matches!(refused, Err(CatalogError::Merging(_))));
    let other = open(directory.path());
    let receipt = receipt(1, 1, 9);
    other.commit(at(4), receipt, entries_of(9)).unwrap();
    assert!(draft.exists());
    drop(lock);
    let other = open(directory.path());
    assert!(!draft.exists(), "nobody merges any more");
    assert_eq!(compact(&catalog).files_after, 2);
    assert_eq!(find(&other, "tree/in all", &ALL).len(), 5);
}

#[test]
fn a_merge_that_is_stopped_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 3);
    let before = answers(&catalog);
    let flag = Arc::new(AtomicBool::new(true));
    let stopped = open(directory.path());
    stopped.stop_by(Arc::clone(&flag));
    let result = stopped.compact(&|| at(90), &|_| {});
    assert!(matches!(result, Err(CatalogError::Stopped)));
    assert_eq!(entry_files(directory.path()).len(), 4);
    flag.store(false, Ordering::Relaxed);
    assert_eq!(compact(&stopped).files_after, 2);
    assert_eq!(answers(&catalog), before);
}

#[test]
fn what_is_damaged_is_not_merged_and_a_damaged_merged_file_is_cured_tape_by_tape() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 6);
    let before = answers(&catalog);
    let bad = entry_files(directory.path()).remove(2);
    let good = fs::read(&bad).unwrap();
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    flip(&bad);
    let compaction = compact(&catalog);
    assert_eq!(compaction.damaged.len(), 1);
    assert_eq!(compaction.files_after, 3);
    assert!(bad.exists());
    fs::write(&bad, good).unwrap();
    assert_eq!(answers(&catalog), before);
    assert_eq!(compact(&catalog).files_after, 2, "now it is merged, too");
    let merged = entry_files(directory.path()).pop().unwrap();
    assert!(merged.to_str().unwrap().ends_with(".merged"));
    flip(&merged);
    let handle = open(directory.path());
    let told: BTreeSet<Uuid> = handle
        .check()
        .unwrap()
        .damaged
        .iter()
        .map(|it| it.volume)
        .collect();
    assert_eq!(told, BTreeSet::from([volume_id(1), volume_id(2)]));
    assert_eq!(handle.check_files().unwrap().1.len(), 2);
    let known = |segment: u64| {
        let receipt = receipt(1, 1 + segment % 2, segment);
        let appended = handle.commit(at(8), receipt, entries_of(segment)).unwrap();
        appended.known
    };
    // One tape, then the other.
    for segment in [2, 4, 6] {
        assert!(!known(segment));
    }
    let damaged = handle.check().unwrap().damaged;
    let told: Vec<Uuid> = damaged.iter().map(|damaged| damaged.volume).collect();
    assert_eq!(told, [volume_id(2)]);
    for segment in [1, 3, 5] {
        assert!(!known(segment));
    }
    assert!(known(3));
    assert!(handle.check().unwrap().damaged.is_empty());
    assert_eq!(answers(&handle), before);
    drop(handle);
    open(directory.path());
    assert!(!merged.exists(), "nothing in it counts any more");
}

/// Entries whose footer takes more than half of what a footer may: each block begins with a long
/// name that has nothing in common with the one before.
fn of_long_names(letter: char) -> Vec<Entry> {
    let (blocks, of_block) = (520, 256);
    let names = (0..blocks).flat_map(|block| {
        (0..of_block).map(move |number| match number {
            0 => format!("{letter}{block:03}{}", "-".repeat(65_000)),
            number => format!("{letter}{block:03}x{number:03}"),
        })
    });
    let placed = |(name, number): (String, u64)| Entry {
        block: 2 + number,
        ..file(name, number)
    };
    names.zip(0..).map(placed).collect()
}

#[test]
fn files_that_come_to_more_than_one_may_hold_stay_as_they_are_and_the_others_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    // Two small files of one job, and one of another that is to have two long ones.
    let catalog = of_segments(directory.path(), 2);
    for (segment, letter) in [(11, 'a'), (12, 'b')] {
        let receipt = receipt(2, 1, segment);
        let entries = of_long_names(letter);
        catalog.commit(at(2), receipt, entries).unwrap();
    }
    let wanted = [
        "tree/in all".to_owned(),
        "a007x008".to_owned(),
        format!("b519{}", "-".repeat(65_000)),
    ];
    let answers = |catalog: &Catalog| {
        let all = wanted.iter().flat_map(|name| find(catalog, name, &ALL));
        all.map(|hit| crate::support::short(&hit))
            .collect::<Vec<_>>()
    };
    let before = answers(&catalog);
    assert_eq!(before.len(), 3 + 1 + 1);
    let names = |directory: &Path| entry_files(directory).into_iter().collect::<BTreeSet<_>>();
    let files = names(directory.path());
    assert_eq!(files.len(), 5);

    let compaction = compact(&catalog);
    assert!(compaction.damaged.is_empty(), "{:?}", compaction.damaged);
    let merged: Vec<Uuid> = compaction.merged.iter().map(|it| it.job).collect();
    assert_eq!(merged, [job_id(1)], "{:?}", compaction.merged);
    assert_eq!(compaction.files_after, 4);
    let after = names(directory.path());
    assert_eq!(
        files.intersection(&after).count(),
        3,
        "no draft, and none is gone"
    );
    assert_eq!(after.len(), 4);
    assert_eq!(answers(&catalog), before);
    assert_eq!(compact(&catalog).merged, [], "nor are they the next time");
    let report = open(directory.path()).check().unwrap();
    assert!(report.damaged.is_empty(), "{:?}", report.damaged);
}

#[test]
fn receipts_that_were_replaced_are_passed_over_and_left_out_of_the_next_merge() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 4);
    compact(&catalog);
    let before = answers(&catalog);
    let merged = entry_files(directory.path()).pop().unwrap();
    let good = fs::read(&merged).unwrap();
    // While the file is away, two of its four segments are committed again.
    fs::remove_file(&merged).unwrap();
    let handle = open(directory.path());
    for segment in [1, 2] {
        let receipt = receipt(1, 1 + segment % 2, segment);
        handle.commit(at(8), receipt, entries_of(segment)).unwrap();
    }
    fs::write(&merged, good).unwrap();
    assert_eq!(answers(&handle), before);
    assert!(handle.check().unwrap().damaged.is_empty());
    let compaction = compact(&handle);
    assert_eq!(compaction.merged[0].files_before, 3);
    assert_eq!(compaction.files_after, 2);
    assert_eq!(answers(&handle), before);
    let report = open(directory.path()).check().unwrap();
    assert!(report.damaged.is_empty());
    assert_eq!(report.entries, 5 * 303);
}

/// A catalog of an older and a newer full job, each on a tape of its own. The newer one lacks a
/// name and has another one.
fn two_jobs(directory: &Path) -> Catalog {
    let catalog = create(directory);
    for (job, names) in [(1, ["kept", "lost"]), (2, ["kept", "new"])] {
        catalog.append(at(1), &labelled(job)).unwrap();
        let name = format!("job{job}");
        let begun = started(job, &name, &[""], &[]);
        catalog.append(at(10 * job as i64), &begun).unwrap();
        for (segment, name) in (10 * job..).zip(names) {
            let receipt = receipt(job, job, segment);
            let entries = vec![file(name, job)];
            catalog.commit(at(50), receipt, entries).unwrap();
        }
        catalog
            .append(at(50), &finished(job, Outcome::Complete))
            .unwrap();
    }
    catalog
}

#[test]
fn the_entries_of_what_is_expired_and_overwritten_leave_and_nothing_else_does() {
    let hold = |on| {
        Event::HoldPlaced(HoldPlaced {
            hold: Uuid::from_u128(7),
            on,
            reason: "case".into(),
            by: "counsel".into(),
        })
    };
    let release = Event::HoldReleased(HoldReleased {
        hold: Uuid::from_u128(7),
        reason: "settled".into(),
        by: "counsel".into(),
    });
    let retired = Event::VolumeRetired(VolumeRetired {
        volume: volume_id(2),
        reason: "worn".into(),
    });
    let kept = Event::RetentionSet(RetentionSet {
        job: job_id(2),
        until: None,
        by: "librarian".into(),
        from_tape: false,
    });
    let back = Event::VolumeReinstated(VolumeReinstated {
        volume: volume_id(2),
        reason: "found".into(),
    });
    let volume = volume_id(2);
    let job = job_id(2);
    let cases: [(&str, &[Event], bool); 10] = [
        ("neither", &[], false),
        ("expired", &[expired(2)], false),
        ("overwritten", &[overwritten(2)], false),
        ("expired, given up", &[expired(2), retired], false),
        ("both", &[expired(2), overwritten(2)], true),
        ("kept after all", &[expired(2), overwritten(2), kept], false),
        (
            "there after all",
            &[expired(2), overwritten(2), back],
            false,
        ),
        (
            "job held",
            &[expired(2), overwritten(2), hold(Held::Job { job })],
            false,
        ),
        (
            "tape held",
            &[expired(2), overwritten(2), hold(Held::Volume { volume })],
            false,
        ),
        (
            "released",
            &[expired(2), overwritten(2), hold(Held::Job { job }), release],
            true,
        ),
    ];
    for (case, events, leaves) in cases {
        let directory = tempfile::tempdir().unwrap();
        let catalog = two_jobs(directory.path());
        for event in events {
            catalog.append(at(60), event).unwrap();
        }
        let before = answers(&catalog);
        let planned = catalog.compaction().unwrap();
        let compaction = compact(&catalog);
        assert_eq!(planned.dropped, compaction.dropped, "{case}");
        assert_eq!(compaction.dropped.len(), usize::from(leaves), "{case}");
        assert_eq!(planned.files_after, compaction.files_after, "{case}");
        let files = if leaves { 1 } else { 2 };
        assert_eq!(entry_files(directory.path()).len(), files, "{case}");
        let now = answers(&catalog);
        match leaves {
            false => assert_eq!(now, before, "{case}"),
            // Before, the newer job proved that a name was lost.
            true => assert_eq!(
                (&*before, &*now),
                (
                    &["kept@job1".to_owned(), "!lost@job1".into()][..],
                    &["kept@job1".to_owned(), "lost@job1".into()][..],
                )
            ),
        }
        assert!(catalog.check().unwrap().damaged.is_empty(), "{case}");
        assert_eq!(answers(&open(directory.path())), now, "{case}");
        assert_eq!(compact(&catalog).dropped, [], "{case}");
    }
}

#[test]
fn what_left_comes_back_from_its_tape_and_an_export_has_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = two_jobs(directory.path());
    let before = answers(&catalog);
    catalog.append(at(60), &expired(2)).unwrap();
    catalog.append(at(60), &overwritten(2)).unwrap();
    compact(&catalog);
    let left = answers(&catalog);
    let mut export = Vec::new();
    let exported = catalog.export("test 1", &mut export, &|| true).unwrap();
    assert_eq!(exported.entries, 2);
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("catalog");
    import(&copy, "test 1", &*export, &|| true).unwrap();
    assert_eq!(answers(&open(&copy)), left);
    assert_eq!(entry_files(&copy).len(), 2, "none of the job that left");
    // The tape was there after all, and is read.
    let back = Event::VolumeReinstated(VolumeReinstated {
        volume: volume_id(2),
        reason: "found".into(),
    });
    let kept = Event::RetentionSet(RetentionSet {
        job: job_id(2),
        until: None,
        by: "librarian".into(),
        from_tape: false,
    });
    catalog.append(at(70), &back).unwrap();
    catalog.append(at(70), &kept).unwrap();
    for (segment, name) in [(20, "kept"), (21, "new")] {
        let entries = vec![file(name, 2)];
        let appended = catalog.commit(at(70), receipt(2, 2, segment), entries);
        assert!(!appended.unwrap().known);
    }
    assert_eq!(answers(&catalog), before);
    assert_eq!(answers(&open(directory.path())), before);
    assert_eq!(compact(&catalog).files_after, 2);
    assert_eq!(answers(&catalog), before);
}

#[test]
fn while_lines_are_lost_nothing_is_merged_and_merged_files_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = of_segments(directory.path(), 3);
    let ledger = directory.path().join(LEDGER_FILE);
    let older = fs::read(&ledger).unwrap();
    let before = answers(&catalog);
    compact(&catalog);
    let newer = fs::read(&ledger).unwrap();
    drop(catalog);
    fs::write(&ledger, &older).unwrap();
    let catalog = open(directory.path());
    assert!(matches!(
        catalog.compact(&|| at(91), &|_| {}),
        Err(CatalogError::LinesLost(_))
    ));
    assert!(!catalog.may_be_compacted_unasked());
    assert_eq!(catalog.unnamed_entry_files().unwrap().len(), 1);
    let mut hits = catalog.find(&Pattern::everything(), &ALL).unwrap();
    assert!(hits.any(|hit| hit.is_err()), "what is missing is told");
    drop(hits);
    drop(catalog);
    // Either the newer copy is put back.
    fs::write(&ledger, &newer).unwrap();
    assert_eq!(answers(&open(directory.path())), before);
    // Or the tapes are read.
    fs::write(&ledger, &older).unwrap();
    let catalog = open(directory.path());
    for segment in 1..=3 {
        let receipt = receipt(1, 1 + segment % 2, segment);
        catalog
            .commit(at(92), receipt, entries_of(segment))
            .unwrap();
    }
    assert_eq!(catalog.accept_ledger().unwrap(), 0, "all of it was on them");
    assert_eq!(catalog.unnamed_entry_files().unwrap().len(), 0);
    assert_eq!(entry_files(directory.path()).len(), 4);
    assert_eq!(answers(&catalog), before);
    assert_eq!(compact(&catalog).files_after, 2);
}

#[test]
fn what_becomes_of_files_is_not_said_by_others() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = two_jobs(directory.path());
    let dropped = Event::EntriesDropped(EntriesDropped { job: job_id(1) });
    let refused = catalog.append(at(60), &dropped);
    assert!(matches!(refused, Err(CatalogError::NotAppendable)));
    assert_eq!(entry_files(directory.path()).len(), 4);
}

/// What happens to a catalog between its commits.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Commit,
    Compact,
    /// This one of the files is lost, and all segments are read from their tapes.
    Lose(usize),
    Open,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => Just(Deed::Commit),
        2 => Just(Deed::Compact),
        1 => (0..6_usize).prop_map(Deed::Lose),
        1 => Just(Deed::Open),
    ];
    prop::collection::vec(deed, 4..24)
}

/// Commits all receipts, and does to the catalog what is to be done to it meanwhile.
fn carry_out(naive: &Naive, deeds: &[Deed], directory: &Path) -> Catalog {
    let none = Naive {
        receipts: Vec::new(),
        ..naive.clone()
    };
    let mut catalog = create(directory);
    build(&none, &catalog);
    let mut committed = 0;
    for deed in deeds {
        match deed {
            Deed::Commit if committed < naive.receipts.len() => {
                commit(naive, committed, &catalog);
                committed += 1;
            }
            Deed::Commit => {}
            Deed::Compact => assert!(compact(&catalog).damaged.is_empty()),
            Deed::Lose(number) => {
                if let Some(path) = entry_files(directory).get(*number) {
                    fs::remove_file(path).unwrap();
                }
                catalog = open(directory);
                (0..committed).for_each(|segment| commit(naive, segment, &catalog));
            }
            Deed::Open => catalog = open(directory),
        }
    }
    for segment in committed..naive.receipts.len() {
        commit(naive, segment, &catalog);
    }
    catalog
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn compacted_catalogs_answer_as_the_naive_model(
        naive in naive_of(1..4, 0..14),
        deeds in deeds(),
        goes in (any::<[bool; 4]>(), any::<[bool; VOLUMES]>()),
        questions in prop::collection::vec((
            proptest::sample::select(&PATTERNS[..]),
            any::<bool>(),
            proptest::option::of(0..4i64),
            proptest::option::of(0..VOLUMES),
        ), 16),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = carry_out(&naive, &deeds, directory.path());
        let mut naive = naive;
        for (job, expires) in (0..naive.jobs.len()).zip(goes.0) {
            if expires {
                catalog.append(at(20), &expired(job as u64)).unwrap();
                naive.expired.push(job);
            }
        }
        for (volume, goes) in (0..VOLUMES).zip(goes.1) {
            if goes {
                catalog.append(at(20), &overwritten(volume as u64)).unwrap();
                naive.overwritten.push(volume);
            }
        }
        for job in naive.expired.clone() {
            let mut of_job = naive.receipts.iter().filter(|receipt| receipt.job == job).peekable();
            let any = of_job.peek().is_some();
            if any && of_job.all(|receipt| naive.overwritten.contains(&receipt.volume)) {
                naive = naive.without(job);
            }
        }
        compact(&catalog);
        let jobs: BTreeSet<usize> = naive.receipts.iter().map(|receipt| receipt.job).collect();
        prop_assert_eq!(entry_files(directory.path()).len(), jobs.len(), "a file for each job");
        let other = open(directory.path());
        for (pattern, all_versions, as_of, on_volume) in questions {
            let options = NaiveOptions { all_versions, as_of, on_volume, expired: false };
            let mut expected = naive.find(pattern, &options);
            expected.sort();
            for catalog in [&catalog, &other] {
                let mut answered: Vec<NaiveHit> = ask(catalog, pattern, &options);
                answered.sort();
                prop_assert_eq!(&answered, &expected, "{} {:?}", pattern, options);
            }
        }
        prop_assert!(other.check().unwrap().damaged.is_empty());
    }
}

/// A power cut behind each single thing that a compaction does to the disk, and each time
/// everything is answered as before or as after it.
#[test]
fn a_compaction_is_whole_or_not_at_all_wherever_the_power_is_cut() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        let compaction = compact(&open(Path::new(&directory)));
        assert_eq!(compaction.merged.len() + compaction.dropped.len(), 2);
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let recorder = compile_recorder(place.path());
    let work = tempfile::tempdir().unwrap();
    {
        let catalog = of_segments(work.path(), 5);
        catalog.append(at(60), &labelled(3)).unwrap();
        let begun = started(3, "job3", &[""], &[]);
        catalog.append(at(60), &begun).unwrap();
        let receipt = receipt(3, 3, 40);
        catalog.commit(at(61), receipt, entries_of(40)).unwrap();
        catalog.append(at(62), &expired(3)).unwrap();
        catalog.append(at(63), &overwritten(3)).unwrap();
    }
    let before = answers(&open(work.path()));
    let disks = [true, false].map(|journal| Disk::of(work.path(), journal));
    let test = "merge::a_compaction_is_whole_or_not_at_all_wherever_the_power_is_cut";
    let operations = record_test(test, work.path(), place.path(), &recorder);
    let same = {
        let mut whole = disks[0].clone();
        operations
            .iter()
            .for_each(|operation| whole.take(operation));
        whole.shut_down() == disk::tree(work.path())
    };
    assert!(same, "the recording lacks something that was done");
    let after = answers(&open(work.path()));
    let rounds = from_environment("CATALOGS_MERGE_CUTS", 2);
    let mut random = Random(from_environment("CATALOGS_POWER_SEED", 0x907e));
    let (mut cuts, mut old, mut new) = (0, 0, 0);
    for moment in 0..=operations.len() {
        for (journal, begin) in [true, false].into_iter().zip(&disks) {
            for _ in 0..rounds {
                let mut disk = begin.clone();
                let done = &operations[..moment];
                done.iter().for_each(|operation| disk.take(operation));
                let left = tempfile::tempdir().unwrap();
                disk::plant(left.path(), &disk.lose_power(&mut random));
                let last = done.last().map(short);
                let context = format!("behind operation {moment} ({last:?}), journal {journal}");
                let catalog = open(left.path());
                let now = answers(&catalog);
                assert!(now == before || now == after, "{context}");
                let report = catalog.check().unwrap();
                assert!(report.damaged.is_empty(), "{context}: {:?}", report.damaged);
                let files = catalog.check_files().unwrap().0 as usize;
                assert_eq!(
                    entry_files(left.path()).len(),
                    files,
                    "{context}: files are left"
                );
                let again = compact(&catalog);
                assert!(again.damaged.is_empty(), "{context}");
                assert_eq!(entry_files(left.path()).len(), 2, "{context}");
                assert_eq!(answers(&catalog), after, "{context}");
                cuts += 1;
                old += u64::from(report.receipts == 7 && files > 6);
                new += u64::from(files == 2);
            }
        }
    }
    println!(
        "{cuts} cuts at {} operations: {old} before, {new} after",
        operations.len()
    );
    assert!(old > 0 && new > 0);
}
