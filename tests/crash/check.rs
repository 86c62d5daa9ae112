//! What has to hold after a kill. The model is the judge, never a digest of our own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;
use tapewright::jobs::catalog_copy::import;
use tapewright::jobs::find::{FindOptions, Found, find};
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::restore::{RestoreOptions, restore};
use tapewright::jobs::{Outcome, tapes};
use uuid::Uuid;

use crate::bench::{Bench, Place};
use crate::child::Ended;
use crate::model::Content;
use crate::tapes::assert_read_by_tar;
use crate::workload::TREES;

/// A member as it is named: job, path, part, tape, block and offset.
type Member = (Uuid, PathBuf, Option<u32>, String, u64, u32);

/// What the catalog names, all versions.
type Named = BTreeMap<Member, Found>;

/// Fails unless nothing is lost and nothing is named wrongly, before and after the next job.
/// `deep`: GNU tar reads the tapes too, and they alone are enough for a new catalog.
pub fn assert_sound(bench: &Bench, place: &Place, ended: &Ended, deep: bool) {
    assert_confirmed_is_there(place, ended);
    let before = named(bench, place);
    assert_contiguous(bench, place);
    let through = if ended.through { 2 } else { 1 };
    assert_names(bench, &before, &TREES[..through]);
    assert_comes_back(bench, place, &before, None, false);

    let next = place.archive(bench.workload, &bench.source(), &TREES[1..], None);
    let next = next.unwrap_or_else(|error| panic!("the next job: {error:?}"));
    assert_eq!(next.outcome, Outcome::Complete, "{next:?}");
    let now = named(bench, place);
    assert_contiguous(bench, place);
    let lost = before.keys().find(|member| !now.contains_key(member));
    assert_eq!(lost, None, "is not named any more");
    assert_names(bench, &now, &TREES);
    let starts: BTreeSet<Timestamp> = now.values().map(|found| found.archived_at).collect();
    for (pool, _) in bench.workload.pools() {
        // Some of it may be in the other pool alone, as of the job that was killed.
        let mine = of_pool(bench, &now, pool);
        let away = place.without_other_pools(bench.workload, pool);
        for start in &starts {
            let until = |named: &Named| paths(named, Some(*start)).len();
            let lacks = until(&mine) < until(&now);
            assert_comes_back(bench, place, &mine, Some(*start), lacks);
        }
        place.put_back(away);
    }
    if deep {
        assert_the_tapes_alone_are_enough(bench, place, &now);
    }
}

/// Every line of the ledger that an fsync confirmed is there, and what it names is in the
/// catalog.
pub fn assert_confirmed_is_there(place: &Place, ended: &Ended) {
    let path = place.state.catalog_dir().join(catalogs::LEDGER_FILE);
    let ledger = fs::read(path).unwrap();
    let confirmed = ledger.get(..ended.ledger_bytes as usize);
    let confirmed = confirmed.expect("the ledger is shorter than what was confirmed");
    let mut receipts = BTreeSet::new();
    for line in confirmed.split(|&byte| byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let line: Value = serde_json::from_slice(line).expect("confirmed lines are whole");
        if line["event"]["type"] == "receipt" {
            receipts.insert(line["event"]["segment"].as_str().unwrap().to_owned());
        }
    }
    let options = catalogs::OpenOptions::default();
    let catalog = catalogs::Catalog::open(&place.state.catalog_dir(), options).unwrap();
    let mut known = BTreeSet::new();
    for job in catalog.jobs().unwrap() {
        let receipts = catalog.receipts_of_job(&job.start.what.job).unwrap();
        known.extend(
            receipts
                .iter()
                .map(|receipt| receipt.what.receipt.segment.to_string()),
        );
    }
    assert!(receipts.is_subset(&known), "{receipts:?}, {known:?}");
}

/// Everything that the catalog names. Fails if something is named twice in a pool, or is not what
/// it was in the source.
pub fn named(bench: &Bench, place: &Place) -> Named {
    let options = FindOptions {
        all_versions: true,
        ..FindOptions::default()
    };
    let mut named = Named::new();
    let mut seen = BTreeSet::new();
    find(place.site(None), &options, &mut |found| {
        let path = Path::new("/").join(found.path.to_string());
        assert!(
            seen.insert((
                bench.workload.pool_of(&found.barcode),
                found.job,
                path.clone(),
                found.part
            )),
            "named twice: {found:?}"
        );
        assert_described(bench, &path, &found);
        let (tape, block) = (found.barcode.clone(), found.block.0);
        let member = (found.job, path, found.part, tape, block, found.offset_bytes);
        named.insert(member, found);
        ControlFlow::Continue(())
    })
    .unwrap();
    named
}

/// What of it is on tapes of this pool.
fn of_pool(bench: &Bench, named: &Named, pool: &str) -> Named {
    let mine = |found: &Found| bench.workload.pool_of(&found.barcode) == pool;
    let named = named.iter().filter(|(_, found)| mine(found));
    named
        .map(|(member, found)| (member.clone(), found.clone()))
        .collect()
}

/// The paths that are named, as of a time, and whether as a whole.
fn paths(named: &Named, as_of: Option<Timestamp>) -> BTreeMap<&Path, bool> {
    let mut paths: BTreeMap<&Path, bool> = BTreeMap::new();
    for (member, found) in named {
        if as_of.is_none_or(|time| found.archived_at <= time) {
            *paths.entry(&member.1).or_default() |= member.2.is_none();
        }
    }
    paths
}

/// What the catalog says of a member is what the model says.
fn assert_described(bench: &Bench, path: &Path, found: &Found) {
    let wanted = bench.model.0.get(path).expect("it was in the source");
    let (kind, size) = match &wanted.content {
        Content::Directory => ("dir", 0),
        Content::Bytes(_, length) => ("file", *length as u64),
        Content::Symlink(_) => ("symlink", 0),
    };
    let told = (found.kind, found.size_bytes, found.condition);
    assert_eq!(told, (kind, size, "whole"), "{found:?}");
    if kind != "symlink" {
        let told = (found.mode, found.mtime.0);
        assert_eq!(told, (wanted.mode, wanted.mtime as i64), "{found:?}");
    }
}

/// Segments follow each other on each tape without gap or overlap, from behind the label on.
pub fn assert_contiguous(bench: &Bench, place: &Place) {
    for barcode in bench.workload.all_tapes() {
        let shown = tapes::show(place.site(None), barcode).unwrap();
        let mut next = 2;
        for (number, segment) in (1..).zip(&shown.contents) {
            assert_eq!(segment.number, number, "{barcode}: {segment:?}");
            assert_eq!(segment.first_block, next, "{barcode}: {segment:?}");
            next = segment.end_block;
        }
        assert_eq!(shown.info.next_block, next, "{barcode}");
    }
}

/// All of these trees is named, in each pool.
fn assert_names(bench: &Bench, named: &Named, trees: &[&str]) {
    for (pool, _) in bench.workload.pools() {
        assert_names_in(bench, &of_pool(bench, named, pool), trees, pool);
    }
}

fn assert_names_in(bench: &Bench, named: &Named, trees: &[&str], pool: &str) {
    let paths = paths(named, None);
    for path in bench.model.0.keys() {
        let mut wanted = trees.iter().map(|tree| bench.source().join(tree));
        if wanted.any(|root| path.starts_with(root)) {
            let there = paths.contains_key(path.as_path());
            assert!(there, "not named in {pool}: {path:?}");
        }
    }
}

/// What is named is restored, as of a time or as it is now, and is what was in the source; and
/// nothing else is restored. Only of a file that was cut into parts the rest may be missing.
/// `lacks`: the catalog names more, on tapes that are away.
fn assert_comes_back(
    bench: &Bench,
    place: &Place,
    named: &Named,
    as_of: Option<Timestamp>,
    lacks: bool,
) {
    let target = place.dir.join("target");
    let options = RestoreOptions {
        patterns: vec![b"/".to_vec()],
        target: target.clone(),
        as_of,
        ..RestoreOptions::default()
    };
    let summary = restore(place.site(None), &options).unwrap();
    let at = |path: &Path| target.join(path.strip_prefix("/").unwrap());
    let wanted = paths(named, as_of);
    let mut cut = lacks;
    for (path, whole) in &wanted {
        if *whole || at(path).exists() {
            let same = bench.model.compare(path, &at(path));
            same.unwrap_or_else(|error| panic!("{path:?} as of {as_of:?}: {error}: {summary:?}"));
        } else {
            cut = true;
        }
    }
    // What a job that was cut off had not archived the restore cannot bring, and says so.
    let mut remarks = summary.remarks.listed.iter();
    cut |= remarks.any(|remark| remark.what.contains("did not come to its end"));
    let told = (summary.outcome, cut);
    let right = matches!(told, (Outcome::Complete, false) | (Outcome::Partial, true));
    assert!(right, "{told:?}: {summary:?}");
    for path in below(&target) {
        let name = Path::new("/").join(path.strip_prefix(&target).unwrap());
        let leads = wanted.keys().any(|path| path.starts_with(&name));
        assert!(leads, "{name:?} was restored, and not named");
    }
    fs::remove_dir_all(&target).unwrap();
}

/// Everything below a directory.
pub fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// GNU tar gets what is named out of each tape file, and a catalog made from the tapes names
/// the same as this one, and it comes back.
fn assert_the_tapes_alone_are_enough(bench: &Bench, place: &Place, now: &Named) {
    for barcode in bench.workload.all_tapes() {
        let shown = tapes::show(place.site(None), barcode).unwrap();
        let files = 1 + 2 * shown.contents.len();
        assert_read_by_tar(bench, place, barcode, files);
    }
    if bench.workload.copies_catalog {
        assert_one_tape_is_enough(bench, place, now);
    }
    for (pool, tapes) in bench.workload.pools() {
        let now = of_pool(bench, now, pool);
        assert_enough(bench, place, pool, tapes, &now);
    }
}

/// A catalog made from the copy on the tape that was written last names the same as this one.
fn assert_one_tape_is_enough(bench: &Bench, place: &Place, now: &Named) {
    let listed = tapes::list(place.site(None)).unwrap();
    let last = listed.iter().max_by_key(|tape| tape.catalog_copy_at);
    let barcode = &last.unwrap().barcode;
    let stranger = Place::with_state(&place.dir, "stranger-copy");
    let imported = import(stranger.site(None), barcode).unwrap();
    assert_eq!(imported.outcome, Outcome::Complete, "{imported:?}");
    let named = named(bench, &stranger);
    assert!(named.keys().eq(now.keys()), "{barcode}: {imported:?}");
    assert_comes_back(bench, &stranger, &named, None, false);
}

fn assert_enough(bench: &Bench, place: &Place, pool: &str, tapes: &[&str], now: &Named) {
    let stranger = Place::with_state(&place.dir, &format!("stranger-{pool}"));
    let tapes: Vec<String> = tapes.iter().map(|&tape| tape.to_owned()).collect();
    let summary = rebuild(stranger.site(None), &tapes).unwrap();
    // A tape that was full but for a cut-off segment keeps it, and says so.
    let mut problems = summary
        .volumes
        .iter()
        .flat_map(|tape| &tape.problems.listed);
    let harmless = problems.all(|problem| problem.what.contains(": cut off: segment "));
    assert!(harmless && summary.failed_tapes.is_empty(), "{summary:?}");
    let rebuilt = named(bench, &stranger);
    let lost = now.keys().find(|member| !rebuilt.contains_key(member));
    assert_eq!(lost, None, "is not named by what the tapes say");
    assert_names_in(bench, &rebuilt, &TREES, pool);
    assert_comes_back(bench, &stranger, &rebuilt, None, false);
}
