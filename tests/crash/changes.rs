//! A job of changes that is killed: on a tree that was archived whole before, and is changed once
//! more before the next job. Each tree comes back exactly, with what was deleted left out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tapewright::jobs::Outcome;
use tapewright::jobs::rebuild::rebuild;
use tapewright::jobs::restore::{RestoreOptions, restore};

use crate::bench::{Bench, Place};
use crate::check::{assert_confirmed_is_there, assert_contiguous, below};
use crate::child::{Ended, run};
use crate::model::{Content, Model};
use crate::points::Point;
use crate::workload::{TREES, Workload};

/// The tree at the full job, at the job that is killed, and at the one after it.
pub fn trees(source: &Path) -> [Model; 3] {
    let at = |name: &str| source.join(name);
    let mut first = Model::default();
    for directory in ["", "files", "kept", "kept/below", "old", "old/below"] {
        first.add(at(directory), Content::Directory);
    }
    first.add(at("link"), Content::Symlink("files/00".to_owned()));
    let files: [(&str, usize); 11] = [
        ("files/00", 100_000),
        ("files/01", 200_000),
        ("files/02", 0),
        ("files/03", 513),
        ("files/04", 70_000),
        ("files/05", 9),
        ("kept/a", 1),
        ("kept/below/b", 5_000),
        ("old/c", 3),
        ("old/below/d", 65_536),
        ("z", 7),
    ];
    for (nth, (name, length)) in files.into_iter().enumerate() {
        first.add(at(name), Content::Bytes(nth as u64, length));
    }

    let mut second = first.clone();
    second.remove(&at("old"));
    second.remove(&at("files/04"));
    second.remove(&at("z"));
    second.add(at("z"), Content::Directory);
    second.add(at("z/a"), Content::Bytes(20, 12));
    second.add(at("files/01"), Content::Bytes(21, 700_000));
    second.add(at("files/03"), Content::Bytes(22, 400_000));
    second.add(at("new"), Content::Directory);
    for (nth, length) in [900_000, 1, 300_000, 600_000].into_iter().enumerate() {
        let path = at(&format!("new/{nth}"));
        second.add(path, Content::Bytes(30 + nth as u64, length));
    }

    let mut third = second.clone();
    third.remove(&at("new/1"));
    third.remove(&at("new/3"));
    third.remove(&at("files/01"));
    third.remove(&at("kept/below"));
    third.add(at("old"), Content::Directory);
    third.add(at("old/c"), Content::Bytes(40, 4));
    third.add(at("files/05"), Content::Bytes(41, 300_000));
    [first, second, third]
}

/// A bench of its own for each thread that kills: the tree changes between the jobs.
pub struct Turns {
    bench: Bench,
    trees: [Model; 3],
    at: AtomicUsize,
}

impl Turns {
    pub fn new(workload: &'static Workload) -> Turns {
        let bench = Bench::new(workload, &TREES[..1]);
        let trees = trees(&bench.source());
        Turns {
            bench,
            trees,
            at: AtomicUsize::new(0),
        }
    }

    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Makes the source the tree of this number.
    fn turn(&self, to: usize) {
        let from = self.at.swap(to, Ordering::Relaxed);
        self.trees[to].replace(&self.trees[from]);
    }

    /// Runs the job, killed at a point or not, and checks what has to hold then. `deep`: also that
    /// the tapes alone are enough.
    pub fn run(&self, place: &Place, point: Option<&Point>, shim: &Path, deep: bool) -> Ended {
        self.turn(1);
        let ended = run(&self.bench, place, point, shim);
        self.assert_sound(place, &ended, deep);
        ended
    }

    fn assert_sound(&self, place: &Place, ended: &Ended, deep: bool) {
        let bench = &self.bench;
        let [first, second, third] = &self.trees;
        assert_confirmed_is_there(place, ended);
        assert_contiguous(bench, place);
        let begun = starts(place);
        assert_exact(place, first, Some(begun[0]));
        match ended.through {
            true => assert_exact(place, second, None),
            false => assert_between(place, first, second),
        }

        self.turn(2);
        let next = place.archive(bench.workload, &bench.source(), &[], None);
        let next = next.unwrap_or_else(|error| panic!("the next job: {error:?}"));
        assert_eq!(next.outcome, Outcome::Complete, "{next:?}");
        assert_contiguous(bench, place);
        let assert_all = |place: &Place| {
            assert_exact(place, third, None);
            assert_exact(place, first, Some(begun[0]));
            if ended.through {
                assert_exact(place, second, Some(begun[1]));
            }
        };
        assert_all(place);
        if deep {
            let stranger = Place::with_state(&place.dir, "stranger");
            let summary = rebuild(stranger.site(None), &[]).unwrap();
            assert!(summary.failed_tapes.is_empty(), "{summary:?}");
            assert_all(&stranger);
        }
    }
}

/// When the jobs began.
fn starts(place: &Place) -> Vec<Timestamp> {
    let options = catalogs::OpenOptions::default();
    let catalog = catalogs::Catalog::open(&place.state.catalog_dir(), options).unwrap();
    let jobs = catalog.jobs().unwrap();
    jobs.iter().map(|job| job.start.time).collect()
}

/// What a restore brings back, by the names in the source.
fn restored(place: &Place, as_of: Option<Timestamp>) -> Vec<(PathBuf, PathBuf)> {
    let target = place.dir.join("target");
    let options = RestoreOptions {
        patterns: vec![b"/".to_vec()],
        target: target.clone(),
        as_of,
        ..RestoreOptions::default()
    };
    let summary = restore(place.site(None), &options).unwrap();
    // A job that was cut off is told, and nothing else is missing.
    let mut remarks = summary.remarks.listed.iter();
    let is_cut_off = |what: &str| what.contains("did not come to its end");
    let expected = match remarks.len() {
        0 => Outcome::Complete,
        _ => Outcome::Partial,
    };
    assert_eq!(summary.outcome, expected, "{summary:?}");
    assert!(
        remarks.all(|remark| is_cut_off(&remark.what)),
        "{summary:?}"
    );
    assert_eq!(summary.missing_objects, 0, "{summary:?}");
    let named = below(&target).into_iter().map(|path| {
        let name = Path::new("/").join(path.strip_prefix(&target).unwrap());
        (name, path)
    });
    named.collect()
}

/// A restore brings back this tree and nothing else.
fn assert_exact(place: &Place, tree: &Model, as_of: Option<Timestamp>) {
    let restored = restored(place, as_of);
    for (name, path) in &restored {
        if tree.leads_to(name) {
            continue;
        }
        let same = tree.compare(name, path);
        same.unwrap_or_else(|error| panic!("{name:?} as of {as_of:?}: {error}"));
    }
    for name in tree.0.keys() {
        let there = restored.iter().any(|(restored, _)| restored == name);
        assert!(there, "{name:?} was not restored as of {as_of:?}");
    }
    std::fs::remove_dir_all(place.dir.join("target")).unwrap();
}

/// A restore brings back each name as it is in one of two trees, and what is the same in both.
fn assert_between(place: &Place, before: &Model, now: &Model) {
    let restored = restored(place, None);
    for (name, path) in &restored {
        let same = [before, now].map(|tree| tree.compare(name, path));
        let leads = before.leads_to(name) || now.leads_to(name);
        assert!(
            leads || same.iter().any(Result::is_ok),
            "{name:?}: {same:?}"
        );
    }
    for (name, object) in &before.0 {
        let there = restored.iter().any(|(restored, _)| restored == name);
        assert!(there || now.0.get(name) != Some(object), "{name:?} is lost");
    }
    std::fs::remove_dir_all(place.dir.join("target")).unwrap();
}
