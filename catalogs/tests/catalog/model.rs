//! Random catalogs answer as the naive model does.

use std::ops::Range;

use catalogs::model::Entry;
use catalogs::model::event::{Event, JobExpired, Level, Outcome, VolumeRetired};
use catalogs::{Catalog, FindOptions};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::filters::{FATES, decide};
use crate::naive::{Naive, NaiveHit, NaiveJob, NaiveOptions, NaiveReceipt};
use crate::support::*;

const PATHS: [&str; 16] = [
    "a",
    "a/b",
    "a/b/c",
    "a/b/d.tmp",
    "a/bc",
    "a/x.tmp/y",
    "a.b",
    "a b/c",
    "a\u{1}/c",
    "ab",
    "b",
    "b/a",
    "b/a/b",
    "b/a/b/c",
    "b/c",
    "c",
];
const ROOTS: [&str; 5] = ["", "a", "a/b", "b", "b/a"];
pub const PATTERNS: [&str; 19] = [
    "",
    "a",
    "/a/b/",
    "a/*",
    "*",
    "**",
    "a/**",
    "**/c",
    "?",
    "a?b",
    "*/a",
    "b/**/c",
    "**/b/*",
    "**/*.tmp",
    "a\u{1}",
    "b/a/b",
    "a/x.tmp/y",
    "b/a/*",
    "c/none",
];
pub const VOLUMES: usize = 3;

/// What a job wrote of a path: two jobs in a row found the same.
pub fn content(path: &str, job: usize) -> Entry {
    file(path, job as u64 / 2)
}

pub fn naive() -> impl Strategy<Value = Naive> {
    naive_of(1..5, 0..7)
}

/// One some of whose jobs are expired.
pub fn expiring() -> impl Strategy<Value = Naive> {
    naive().prop_flat_map(|naive| {
        let jobs: Vec<usize> = (0..naive.jobs.len()).collect();
        let expired = subsequence(jobs, 0..=naive.jobs.len());
        expired.prop_map(move |expired| Naive {
            expired,
            ..naive.clone()
        })
    })
}

/// One of so many jobs and receipts.
pub fn naive_of(jobs: Range<usize>, receipts: Range<usize>) -> impl Strategy<Value = Naive> {
    let job = (
        0..4i64,
        subsequence(&ROOTS[..], 1..3),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let job = job.prop_map(|(second, roots, excluding, complete, full)| {
        let excludes = if excluding { vec!["*.tmp"] } else { vec![] };
        NaiveJob {
            second,
            roots,
            excludes,
            complete,
            full,
        }
    });
    (
        prop::collection::vec(job, jobs),
        proptest::option::of(0..VOLUMES),
    )
        .prop_flat_map(move |(jobs, retired)| {
            let paths = || subsequence(&PATHS[..], 0..10);
            let receipt = (0..jobs.len(), 0..VOLUMES, paths(), paths());
            let receipt = receipt.prop_map(|(job, volume, paths, gone)| NaiveReceipt {
                job,
                volume,
                gone: gone
                    .into_iter()
                    .filter(|path| !paths.contains(path))
                    .collect(),
                paths,
            });
            let receipts = prop::collection::vec(receipt, receipts.clone());
            receipts.prop_map(move |receipts| Naive {
                jobs: jobs.clone(),
                receipts,
                retired,
                overwritten: Vec::new(),
                expired: Vec::new(),
            })
        })
}

pub fn build(naive: &Naive, catalog: &Catalog) {
    build_of(naive, catalog, &|segment| commit(naive, segment, catalog));
}

/// As [`build`], with receipts as `commit` makes them by their numbers.
pub fn build_of(naive: &Naive, catalog: &Catalog, commit: &dyn Fn(usize)) {
    for volume in 0..VOLUMES {
        catalog.append(at(0), &labelled(volume as u64)).unwrap();
    }
    for (number, job) in naive.jobs.iter().enumerate() {
        let number = number as u64;
        let mut event = started(number, &number.to_string(), &job.roots, &job.excludes);
        if let (false, Event::JobStarted(start)) = (job.full, &mut event) {
            start.level = Level::Incremental;
        }
        catalog.append(at(job.second), &event).unwrap();
        let outcome = if job.complete {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        catalog.append(at(9), &finished(number, outcome)).unwrap();
    }
    for segment in 0..naive.receipts.len() {
        commit(segment);
    }
    for job in &naive.expired {
        let expired = JobExpired {
            job: job_id(*job as u64),
            by: String::new(),
        };
        catalog.append(at(9), &Event::JobExpired(expired)).unwrap();
    }
    if let Some(volume) = naive.retired {
        let volume = volume_id(volume as u64);
        let retired = VolumeRetired {
            volume,
            reason: String::new(),
        };
        catalog
            .append(at(9), &Event::VolumeRetired(retired))
            .unwrap();
    }
}

/// Commits one of the receipts, whether it is there or not.
pub fn commit(naive: &Naive, segment: usize, catalog: &Catalog) {
    let it = &naive.receipts[segment];
    let paths = it.paths.iter().map(|path| content(path, it.job));
    let entries = paths.chain(it.gone.iter().map(gone)).collect();
    let receipt = receipt(it.job as u64, it.volume as u64, segment as u64);
    catalog.commit(at(9), receipt, entries).unwrap();
}

/// The same options for the catalog.
pub fn find_options(options: &NaiveOptions) -> FindOptions {
    FindOptions {
        all_versions: options.all_versions,
        as_of: options.as_of.map(at),
        on_volume: options.on_volume.map(|volume| volume_id(volume as u64)),
        expired: options.expired,
    }
}

pub fn ask(catalog: &Catalog, pattern: &str, options: &NaiveOptions) -> Vec<NaiveHit> {
    let options = find_options(options);
    let number = |id: uuid::Uuid| id.as_u64_pair().1 as usize;
    let hits = find(catalog, pattern, &options).into_iter().map(|hit| {
        let path = String::from_utf8(hit.entry.path).unwrap();
        let (job, volume) = (hit.receipt.receipt.job, hit.receipt.receipt.volume);
        assert_eq!(
            (job, volume),
            (hit.job.start.what.job, hit.volume.label.what.volume)
        );
        (path, number(job), number(volume), hit.gone)
    });
    hits.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_naive_model(
        naive in expiring(),
        questions in prop::collection::vec((
            select(&PATTERNS[..]),
            any::<bool>(),
            proptest::option::of(0..4i64),
            proptest::option::of(0..VOLUMES),
            any::<bool>(),
        ), 16),
        fates in prop::collection::vec(select(&FATES[..]), 3),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build(&naive, &catalog);
        decide(&catalog, &fates);
        for (pattern, all_versions, as_of, on_volume, expired) in questions {
            let options = NaiveOptions { all_versions, as_of, on_volume, expired };
            let mut expected = naive.find(pattern, &options);
            let mut answered = ask(&catalog, pattern, &options);
            let name = |hit: &NaiveHit| hit.0.clone();
            let names = |hits: &[NaiveHit]| hits.iter().map(name).collect::<Vec<_>>();
            prop_assert_eq!(names(&answered), names(&expected), "order of {}", pattern);
            expected.sort();
            answered.sort();
            prop_assert_eq!(answered, expected, "{} {:?}", pattern, options);
        }
    }
}
