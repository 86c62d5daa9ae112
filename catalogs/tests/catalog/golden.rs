//! Sample catalogs of every released format stay readable.
//!
//! Each directory in `tests/golden` is a catalog with `expected.txt`, what it answers. They are
//! never changed; a new format adds a directory.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use catalogs::model::event::{
    CatalogRebuilt, Event, JobExpired, Level, Location, Lost, Outcome, Receipt, RestoreStarted,
    Restored, RestoredFrom, RestoredTo, Restoring, Unread, Verified, VolumeMoved, VolumeState,
    VolumeStateChanged,
};
use catalogs::model::problem::{Problem, Problems};
use catalogs::model::{Entry, Kind, Part};
use catalogs::{Catalog, FindOptions, RestoreRun};

use crate::filters::{entry_files, filter};
use crate::support::*;

/// `v1-compressed` has an entry file of version 2 in a catalog of version 1; the entry files of
/// `v2-filtered` have filters of names; in `v3` files are merged and entries dropped; `v3-restores`
/// has records of restores, of the old form and of the new.
const LISTED: [&str; 6] = ["v1", "v1-compressed", "v2", FILTERED, "v3", RESTORES];
const FILTERED: &str = "v2-filtered";
const RESTORES: &str = "v3-restores";
const EXPECTED: &str = "expected.txt";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Everything a catalog answers, a line per fact.
fn facts(catalog: &Catalog) -> String {
    let mut out = String::new();
    for volume in catalog.volumes().unwrap() {
        let label = &volume.label.what;
        let retired = volume.retired.is_some();
        writeln!(
            out,
            "volume {} {} {} {:?} retired={retired} moved={} verified={}",
            label.barcode,
            label.pool,
            label.block_bytes,
            volume.state,
            volume.location.is_some(),
            volume.verified.is_some()
        )
        .unwrap();
    }
    for job in catalog.jobs().unwrap() {
        let finish = job
            .finish
            .map(|finish| (finish.what.outcome, finish.what.problems.total));
        let start = job.start.what;
        let roots: Vec<String> = start.roots.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "job {} {roots:?} {:?} {finish:?}{}",
            start.name,
            start.excludes,
            match start.base {
                // Written since format 2.
                Some(base) => format!(" {:?} on {base}", start.level),
                None => String::new(),
            }
        )
        .unwrap();
    }
    for run in catalog.restore_runs().unwrap() {
        writeln!(out, "restore {run:?}").unwrap();
    }
    let all = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    for hit in find(catalog, "", &all) {
        let (entry, receipt) = (&hit.entry, &hit.receipt.receipt);
        let digest = entry
            .digest
            .map(|digest| blake3::Hash::from(digest).to_hex().to_string());
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let time = |time: catalogs::model::FileTime| (time.seconds, time.nanoseconds);
        writeln!(
            out,
            "{} {:?} {:?} {} {:o} {}:{} {}:{} {:?} {:?} -> {:?} {:?} {:?} {:?} {}+{}{} {} {} \
            {} gone={}{}",
            text(&entry.path),
            entry.kind,
            entry.condition,
            entry.size_bytes,
            entry.mode,
            entry.uid,
            entry.gid,
            entry.user,
            entry.group,
            time(entry.mtime),
            time(entry.ctime),
            text(&entry.link_target),
            entry.device,
            entry
                .part
                .map(|part| (part.number, part.offset_bytes, part.last)),
            digest,
            entry.block,
            entry.offset_bytes,
            entry
                .skip_bytes
                .map_or(String::new(), |skip| format!("+{skip}")),
            entry.member_bytes,
            receipt.segment,
            hit.volume.label.what.barcode,
            hit.gone,
            entry
                .inode
                .map_or(String::new(), |inode| format!(" inode={inode}")),
        )
        .unwrap();
    }
    out
}

/// An incremental job: a file that is new, and one that is gone.
fn changes(catalog: &Catalog) {
    let Event::JobStarted(mut start) = started(4, "job4", &["home"], &["*.tmp"]) else {
        unreachable!()
    };
    start.level = Level::Incremental;
    start.base = Some(job_id(2));
    let mut receipt = receipt(4, 2, 6);
    receipt.job_ends = true;
    receipt.job_problems = Some(0);
    catalog.append(at(35), &Event::JobStarted(start)).unwrap();
    catalog
        .commit(at(36), receipt, vec![gone("home/a"), file("home/d", 4)])
        .unwrap();
    catalog
        .append(at(37), &finished(4, Outcome::Complete))
        .unwrap();
}

fn one_of_each(catalog: &Catalog) {
    fill(catalog);
    changes(catalog);
    let base = file("odd", 1);
    let part = |number, last| {
        Some(Part {
            number,
            offset_bytes: 1 << 33,
            last,
        })
    };
    let odd = vec![
        Entry {
            path: b"odd/\xff\x01".to_vec(),
            ..base.clone()
        },
        Entry {
            path: b"odd/link".to_vec(),
            kind: Kind::Symlink,
            link_target: b"/x".to_vec(),
            digest: None,
            ..base.clone()
        },
        Entry {
            path: b"odd/null".to_vec(),
            kind: Kind::CharDevice,
            device: Some((1, 3)),
            digest: None,
            ..base.clone()
        },
        Entry {
            path: b"odd/part".to_vec(),
            part: part(1, false),
            ..base.clone()
        },
        Entry {
            path: b"odd/part".to_vec(),
            part: part(2, true),
            ..base
        },
    ];
    let many = (0..270).map(|number| file(format!("many/{number:04}"), 1));
    catalog
        .commit(
            at(40),
            receipt(3, 2, 4),
            odd.into_iter().chain(many).collect(),
        )
        .unwrap();
    let mut problems = Problems::default();
    problems.push(Problem {
        path: b"odd/\xfe"[..].into(),
        what: "unreadable".into(),
    });
    let Event::JobFinished(mut finish) = finished(3, Outcome::Partial) else {
        unreachable!()
    };
    finish.problems = problems.clone();
    let volume = volume_id(1);
    let element = Location::Library {
        library: "one".into(),
        element: "slot 4".into(),
    };
    let state = VolumeState::Suspect;
    let events = [
        Event::JobFinished(finish),
        Event::VolumeMoved(VolumeMoved {
            volume,
            location: element,
        }),
        Event::VolumeState(VolumeStateChanged {
            volume,
            state,
            reason: "bad".into(),
        }),
        Event::Verified(Verified {
            volume,
            segments: 2,
            catalog_copies: 0,
            files: 9,
            bad: problems,
        }),
        Event::CatalogRebuilt(CatalogRebuilt {
            volumes: vec![volume],
            segments: 2,
        }),
    ];
    for event in events {
        catalog.append(at(50), &event).unwrap();
    }
}

/// A job of small segments, whose files are merged, and one whose entries have left.
fn with_merged_files(catalog: &Catalog) {
    let all = |job: u64, volume, segments: std::ops::Range<u64>| {
        let name = format!("job{job}");
        let begun = started(job, &name, &["small"], &[]);
        catalog.append(at(60), &begun).unwrap();
        for segment in segments {
            let own = (0..30).map(|number| file(format!("small/{segment}/{number}"), job));
            let entries = own.chain([file("small/in all", segment)]).collect();
            let receipt = receipt(job, volume, segment);
            catalog.commit(at(61), receipt, entries).unwrap();
        }
        let ended = finished(job, Outcome::Partial);
        catalog.append(at(62), &ended).unwrap();
    };
    catalog.append(at(60), &labelled(3)).unwrap();
    catalog.append(at(60), &labelled(4)).unwrap();
    all(5, 3, 10..16);
    all(6, 4, 20..22);
    let (job, by) = (job_id(6), "librarian".into());
    let expired = Event::JobExpired(JobExpired { job, by });
    catalog.append(at(63), &expired).unwrap();
    let Event::VolumeLabelled(mut label) = labelled(5) else {
        unreachable!()
    };
    label.replaces = Some(volume_id(4));
    catalog
        .append(at(64), &Event::VolumeLabelled(label))
        .unwrap();
    let compaction = catalog.compact(&|| at(65), &|_| {}).unwrap();
    assert_eq!((compaction.dropped.len(), compaction.merged.len()), (1, 2));
}

/// Writes the sample of the present format. Run once per format, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_sample_of_the_present_format() {
    let target = golden().join(format!("v{}", catalogs::FORMAT_VERSION));
    assert!(
        !target.exists(),
        "{} exists and must not be changed",
        target.display()
    );
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    one_of_each(&catalog);
    with_merged_files(&catalog);
    fs::create_dir_all(&target).unwrap();
    copy_truth(directory.path(), &target);
    fs::write(target.join(EXPECTED), facts(&catalog)).unwrap();
}

/// A catalog with the receipt of a compressed segment, some of its members in one frame.
fn with_a_compressed_segment(catalog: &Catalog) {
    fill(catalog);
    let entry = |number: u32| Entry {
        block: 2_002 + u64::from(number / 100),
        offset_bytes: (number / 100) * 4_711,
        skip_bytes: Some(number % 100 * 10_240),
        ..file(format!("packed/{:04}", number * 7 % 270), 1)
    };
    let receipt = Receipt {
        codec: Some("zstd".to_owned()),
        ..receipt(3, 2, 4)
    };
    catalog
        .commit(at(40), receipt, (0..270).map(entry).collect())
        .unwrap();
}

/// Writes the sample with an entry file of version 2. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_sample_with_a_compressed_segment() {
    let target = golden().join("v1-compressed");
    fs::create_dir(&target).expect("it is not there yet");
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    with_a_compressed_segment(&catalog);
    copy_truth(directory.path(), &target);
    fs::write(target.join(EXPECTED), facts(&catalog)).unwrap();
}

/// Writes the sample with filters of names. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_sample_with_filters() {
    let target = golden().join(FILTERED);
    fs::create_dir(&target).expect("it is not there yet");
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    one_of_each(&catalog);
    copy_truth(directory.path(), &target);
    fs::write(target.join(EXPECTED), facts(&catalog)).unwrap();
}

/// A restore as it was recorded once; one that was cut off, gone on with, and ended; one that was
/// cut off on a volume that nobody knows; and one that turned to another copy.
fn with_restores(catalog: &Catalog) {
    let of = |restore, second: i64| Restoring {
        restore: job_id(restore),
        run: None,
        user: "ana".into(),
        host: "h".into(),
        software: "tapewright 0.1.0".into(),
        asked: vec![b"home/\xff"[..].into()],
        asked_total: 1,
        as_of: None,
        target: "/back".into(),
        output: None,
        from_tapes: false,
        started: at(second),
        earlier: None,
        earlier_bytes: None,
        volumes: vec![RestoredFrom {
            volume: volume_id(1),
            planned_s: 60,
            ..RestoredFrom::default()
        }],
        volumes_total: 1,
        planned_s: 60,
        library: None,
    };
    let new = |restore, run, second| {
        let mut of = of(restore, second);
        of.run = Some(job_id(run));
        of.volumes[0].barcode = Some("A00001L9".into());
        of.library = Some("one".into());
        of
    };
    let began = |of| {
        Event::RestoreStarted(RestoreStarted {
            of,
            objects: 5,
            file_bytes: 4711,
        })
    };
    let ended = |of, missing: Option<u64>| Restored {
        of,
        outcome: Outcome::Partial,
        objects: 3,
        files: 2,
        file_bytes: 9,
        verified: 2,
        missing,
        real_s: 0,
        real_ms: missing.map(|_| 430),
        lost: Vec::new(),
        problems: Problems::default(),
        remarks: Problems::default(),
        metadata_not_set: Problems::default(),
    };
    let mut goes_on = new(2, 22, 40);
    (goes_on.earlier, goes_on.earlier_bytes) = (Some(1), Some(7));
    let mut after = ended(goes_on.clone(), Some(1));
    let took = &mut after.of.volumes[0];
    (took.real_s, took.real_ms) = (Some(0), Some(400));
    after.lost.push(Lost {
        barcode: "A00001L9".into(),
        why: "it was not to be had".into(),
        objects: 1,
        first: vec![b"home/\xfe"[..].into()],
    });
    let mut alone = new(3, 31, 60);
    (alone.from_tapes, alone.output) = (true, Some(RestoredTo::Tar));
    alone.volumes[0].volume = volume_id(77);
    let turned = turned_to_a_spare(ended(new(4, 41, 70), Some(0)));
    for (second, event) in [
        (11, Event::Restored(ended(of(1, 10), None))),
        (20, began(new(2, 21, 20))),
        (40, began(goes_on)),
        (50, Event::Restored(after)),
        (60, began(alone)),
        (80, Event::Restored(turned)),
    ] {
        catalog.append(at(second), &event).unwrap();
    }
}

/// The first volume was read, mounted twice, and not all of it could be: what is lacking came from
/// one that was not planned. One more was planned and not mounted.
fn turned_to_a_spare(mut restored: Restored) -> Restored {
    let first = &mut restored.of.volumes[0];
    first.mounts = Some(2);
    (first.real_s, first.real_ms) = (Some(0), Some(310));
    first.unread = Some(Box::new(Unread {
        objects: 2,
        why: "block 7 cannot be read".into(),
    }));
    restored.of.volumes.push(RestoredFrom {
        volume: volume_id(2),
        barcode: Some("A00002L9".into()),
        planned_s: 40,
        mounts: Some(0),
        ..RestoredFrom::default()
    });
    restored.of.volumes.push(RestoredFrom {
        volume: volume_id(78),
        barcode: Some("B00001L9".into()),
        spare: true,
        mounts: Some(1),
        real_s: Some(0),
        real_ms: Some(120),
        ..RestoredFrom::default()
    });
    restored.of.volumes_total = 3;
    restored.remarks.push(Problem {
        path: b"home/\xfd"[..].into(),
        what: "it was not whole when it was archived".into(),
    });
    restored.metadata_not_set = Problems {
        total: 9,
        listed: vec![Problem {
            path: "home/x".into(),
            what: "owner 1:1: not permitted".into(),
        }],
    };
    restored
}

/// Writes the sample with records of restores. Run once, by name.
#[test]
#[ignore = "makes a new sample; existing ones are never changed"]
fn make_sample_with_restores() {
    let target = golden().join(RESTORES);
    fs::create_dir(&target).expect("it is not there yet");
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    with_restores(&catalog);
    copy_truth(directory.path(), &target);
    fs::write(target.join(EXPECTED), facts(&catalog)).unwrap();
}

#[test]
fn restores_are_recorded_as_in_their_sample_and_each_run_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    with_restores(&catalog);
    assert_eq!(events(directory.path()), events(&golden().join(RESTORES)));
    let runs = catalog.restore_runs().unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| (run.of().restore, matches!(run, RestoreRun::Ended(..))))
        .collect();
    let expected = [(1, true), (2, false), (2, true), (3, false), (4, true)];
    assert_eq!(told, expected.map(|(id, ended)| (job_id(id), ended)));
}

#[test]
fn filters_are_as_in_their_sample_and_older_samples_have_none() {
    let filters = |directory: &Path| {
        let files = entry_files(directory).into_iter();
        let files = files.map(|path| fs::read(path).unwrap());
        files
            .map(|file| file[filter(&file)].to_vec())
            .collect::<Vec<_>>()
    };
    let directory = tempfile::tempdir().unwrap();
    one_of_each(&create(directory.path()));
    assert_eq!(filters(directory.path()), filters(&golden().join(FILTERED)));
    for older in &LISTED[..3] {
        assert!(filters(&golden().join(older)).iter().all(Vec::is_empty));
    }
}

#[test]
fn compressed_segments_are_recorded_as_in_their_sample() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    with_a_compressed_segment(&catalog);
    // The first event has the catalog's own format.
    let sample = events(&golden().join("v1-compressed"));
    assert_eq!(events(directory.path())[1..], sample[1..]);
    let versions = |directory: &Path| {
        let files = fs::read_dir(directory.join("entries")).unwrap();
        let mut versions: Vec<u8> = files
            .map(|file| fs::read(file.unwrap().path()).unwrap()[8])
            .collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    };
    // Only what an older reader would misread has the new number.
    assert_eq!(versions(directory.path()), [1, 2]);
    assert_eq!(versions(&golden().join("v1")), [1]);
    let mut mixed = vec![file("a", 1), file("b", 1)];
    mixed[1].skip_bytes = Some(0);
    assert!(catalog.commit(at(41), receipt(3, 2, 5), mixed).is_err());
}

#[test]
fn names_that_are_gone_are_told_of_plain_and_compressed_segments() {
    for framed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        fill(&catalog);
        let skip = |entry: Entry, skip: u32| Entry {
            skip_bytes: framed.then_some(skip),
            ..entry
        };
        // More than one block, and one without any member.
        let mut entries: Vec<Entry> = (0..600)
            .map(|number| skip(gone(format!("home/{number:04}")), 0))
            .collect();
        entries.push(skip(file("home/d", 4), 4_096));
        let receipt = Receipt {
            codec: framed.then(|| "zstd".to_owned()),
            ..receipt(3, 2, 4)
        };
        let receipt_name = format!("{}.entries", receipt.segment);
        catalog.commit(at(40), receipt, entries.clone()).unwrap();
        let file = fs::read_dir(directory.path().join("entries")).unwrap();
        let file = file
            .map(|file| file.unwrap().path())
            .find(|path| path.to_str().unwrap().ends_with(&receipt_name));
        assert_eq!(fs::read(file.unwrap()).unwrap()[8], 3, "framed: {framed}");
        let all = FindOptions {
            all_versions: true,
            ..FindOptions::default()
        };
        let found = find(&catalog, "home/d", &all);
        assert_eq!(found[0].entry, entries[600], "framed: {framed}");
        assert!(catalog.check().unwrap().damaged.is_empty());
    }
}

#[test]
fn every_sample_is_listed_and_every_listed_one_is_there() {
    let listing = fs::read_dir(golden()).unwrap();
    let mut names: Vec<String> = listing
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, LISTED);
}

#[test]
fn samples_answer_as_they_did() {
    for name in LISTED {
        let copy = tempfile::tempdir().unwrap();
        copy_truth(&golden().join(name), copy.path());
        let catalog = open(copy.path());
        let expected = fs::read_to_string(golden().join(name).join(EXPECTED)).unwrap();
        assert_eq!(facts(&catalog), expected, "{name}");
        assert!(catalog.check().unwrap().damaged.is_empty(), "{name}");
        assert_eq!(catalog.take_notices(), [], "{name}");
        let seq = catalog.append(at(60), &labelled(60)).unwrap().seq;
        assert_eq!(
            open(copy.path()).check().unwrap().lines,
            seq,
            "{name} can be gone on with"
        );
    }
}

#[test]
fn samples_answer_as_they_did_once_they_are_compacted() {
    for name in LISTED {
        let copy = tempfile::tempdir().unwrap();
        copy_truth(&golden().join(name), copy.path());
        let catalog = open(copy.path());
        // Other software may use a catalog that it made.
        let unasked = catalog.may_be_compacted_unasked();
        assert_eq!(unasked, name.starts_with("v3"), "{name}");
        let compaction = catalog.compact(&|| at(70), &|_| {}).unwrap();
        let left = entry_files(copy.path()).len() as u64;
        assert_eq!(compaction.files_after, left, "{name}");
        // Nothing of that is left to do, or has ended.
        let merges = !matches!(name, "v1-compressed" | "v3" | RESTORES);
        assert_eq!(left < compaction.files_before, merges, "{name}");
        let expected = fs::read_to_string(golden().join(name).join(EXPECTED)).unwrap();
        assert_eq!(facts(&catalog), expected, "{name}");
        assert_eq!(facts(&open(copy.path())), expected, "{name}");
        assert!(catalog.check().unwrap().damaged.is_empty(), "{name}");
    }
}

/// So that a change of what is recorded is noticed and made on purpose. Digests and lengths of
/// entry files are left out: another release of the compressor may change them.
#[test]
fn the_present_format_records_what_its_sample_does() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    one_of_each(&catalog);
    with_merged_files(&catalog);
    let sample = golden().join(format!("v{}", catalogs::FORMAT_VERSION));
    assert_eq!(events(directory.path()), events(&sample));
}

fn events(directory: &Path) -> Vec<serde_json::Value> {
    let ledger = fs::read_to_string(directory.join(catalogs::LEDGER_FILE)).unwrap();
    let lines = ledger.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        let line = line.as_object_mut().unwrap();
        line.remove("prev").zip(line.remove("sum")).unwrap();
        if let Some(file) = line["event"].get_mut("entry_file") {
            let file = file.as_object_mut().unwrap();
            file.remove("digest").zip(file.remove("bytes")).unwrap();
        }
        serde_json::Value::Object(line.clone())
    });
    lines.collect()
}
