//! Directories and sums, worked out the obvious way beside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use catalogs::model::{Entry, Kind};
use catalogs::{Filter, FindOptions, Pattern, Reading, Totals};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{VOLUMES, build, content, expiring, find_options, naive};
use crate::naive::{Naive, NaiveOptions};
use crate::support::*;

/// What is there, by path.
fn live(naive: &Naive, options: &NaiveOptions) -> BTreeMap<String, Entry> {
    let hits = naive.find("", options).into_iter();
    let there = hits.filter(|(_, _, _, gone)| !gone);
    there
        .map(|(path, job, _, _)| (path.clone(), content(&path, job)))
        .collect()
}

fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty() || path.starts_with(&format!("{directory}/"))
}

fn totals<'a>(entries: impl Iterator<Item = &'a Entry>) -> Totals {
    let mut totals = Totals::default();
    for entry in entries {
        totals.files += 1;
        totals.bytes += entry.size_bytes;
        totals.newest = totals.newest.max(Some(entry.mtime));
    }
    totals
}

fn below(live: &BTreeMap<String, Entry>, directory: &str) -> Totals {
    let inside = live.iter().filter(|(path, _)| is_below(path, directory));
    totals(inside.map(|(_, entry)| entry))
}

/// The directories at or below one that have something in them.
fn directories(live: &BTreeMap<String, Entry>, top: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in live.keys().filter(|path| is_below(path, top)) {
        let mut parent = path.as_str();
        while let Some((up, _)) = parent.rsplit_once('/') {
            if up == top || is_below(up, top) {
                found.insert(up.to_owned());
            }
            parent = up;
        }
        found.insert(top.to_owned());
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn directories_are_those_of_the_naive_model(
        naive in expiring(),
        tops in prop::collection::vec(
            (select(&["", "a", "a/b", "a b", "b", "b/a", "c", "none"][..]),
             proptest::option::of(0..4i64),
             proptest::option::weighted(0.3, 0..VOLUMES),
             any::<bool>()), 8),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build(&naive, &catalog);
        for (top, as_of, on_volume, expired) in tops {
            let options = NaiveOptions { all_versions: false, as_of, on_volume, expired };
            let live = live(&naive, &options);
            let options = find_options(&options);
            let view = catalog.view(&options).unwrap();

            let mut expected = BTreeMap::new();
            for path in live.keys().filter(|path| is_below(path, top)) {
                let start = if top.is_empty() { 0 } else { top.len() + 1 };
                let end = path[start..].find('/').map_or(path.len(), |end| start + end);
                let child = &path[..end];
                expected.insert(child.to_owned(), (live.get(child), below(&live, child)));
            }
            let children = view.children(top.as_bytes());
            let children: Vec<_> = children.map(Result::unwrap).collect();
            let names: Vec<_> = children.iter().map(|child| child.path.clone()).collect();
            let due: Vec<_> = expected.keys().map(|path| path.clone().into_bytes()).collect();
            prop_assert_eq!(&names, &due, "{:?} as of {:?}", top, as_of);
            let mut alone = Vec::new();
            view.names(top.as_bytes(), &mut |child| {
                let child = child.unwrap();
                alone.push((child.path.clone(), child.held.first().map(|hit| hit.entry.digest)));
                ControlFlow::Continue(())
            }).unwrap();
            alone.sort();
            let held = |child: &catalogs::Child| child.held.first().map(|hit| hit.entry.digest);
            let due: Vec<_> = children.iter()
                .map(|child| (child.path.clone(), held(child)))
                .collect();
            prop_assert_eq!(alone, due, "{:?} as of {:?}", top, as_of);
            for child in children {
                let (held, totals) = expected[std::str::from_utf8(&child.path).unwrap()];
                prop_assert_eq!(child.below, totals, "{:?}", top);
                prop_assert_eq!(child.held.first().map(|hit| hit.entry.digest),
                    held.map(|entry| entry.digest));
            }

            let usages: Vec<_> = view.usage(top.as_bytes()).map(Result::unwrap).collect();
            let mut due: BTreeMap<String, Totals> = directories(&live, top).into_iter()
                .map(|path| (path.clone(), below(&live, &path))).collect();
            if let Some(itself) = live.get(top) {
                let both = live.iter().filter(|(path, _)| is_below(path, top));
                let both = both.map(|(_, entry)| entry).chain([itself]);
                due.insert(top.to_owned(), totals(both));
            }
            let found: BTreeMap<String, Totals> = usages.iter()
                .map(|usage| (String::from_utf8(usage.path.clone()).unwrap(), usage.below))
                .collect();
            prop_assert_eq!(found.len(), usages.len(), "each once");
            prop_assert_eq!(found, due, "{:?} as of {:?}", top, as_of);
            for (number, usage) in usages.iter().enumerate() {
                let path = String::from_utf8(usage.path.clone()).unwrap();
                let inner = |later: &catalogs::Usage| {
                    let later = String::from_utf8(later.path.clone()).unwrap();
                    later != path && is_below(&later, &path)
                };
                prop_assert!(!usages[number..].iter().any(inner), "{path} before what is in it");
            }
            let entry = view.entry(top.as_bytes()).unwrap();
            prop_assert_eq!(entry.map(|held| held[0].entry.digest),
                live.get(top).map(|entry| entry.digest));
        }
    }

    #[test]
    fn filters_and_readings_of_patterns_leave_what_the_naive_model_leaves(
        naive in naive(),
        piece in select(&["b", "/b", "b/", "A", ".", "/", "tmp", "a/b", "x"][..]),
        (ignore_case, least, most) in (any::<bool>(), 0..1_000_000u64, 0..1_000_000u64),
        (digest, deleted_since) in ("[0-9a-f]", proptest::option::of(0..4i64)),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build(&naive, &catalog);
        let options = NaiveOptions { all_versions: true, ..NaiveOptions::default() };
        let all = naive.find("", &options);
        let ask = |pattern: &Pattern, filter: Filter| -> BTreeSet<(String, usize)> {
            let options = FindOptions { all_versions: true, ..FindOptions::default() };
            let hits = catalog.find(pattern, &options).unwrap().filtered(filter);
            hits.map(|hit| {
                let hit = hit.unwrap();
                let job = hit.job.start.what.job.as_u64_pair().1 as usize;
                (String::from_utf8(hit.entry.path).unwrap(), job)
            }).collect()
        };
        let expect = |wanted: &dyn Fn(&str, &Entry) -> bool| -> BTreeSet<(String, usize)> {
            let hits = all.iter().filter(|(path, job, _, _)| wanted(path, &content(path, *job)));
            hits.map(|(path, job, _, _)| (path.clone(), *job)).collect()
        };
        let lowered = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
        let holds = |path: &str, _: &Entry| lowered(&format!("/{path}")).contains(&lowered(piece));
        for (reading, text) in [
            (Reading::Substring, piece.to_owned()),
            (Reading::Regex, piece.replace('.', r"\.")),
        ] {
            let pattern = Pattern::read(text.as_bytes(), reading, ignore_case).unwrap();
            prop_assert_eq!(ask(&pattern, Filter::default()), expect(&holds), "{:?}", reading);
        }
        let everything = Pattern::everything();
        let size = Filter {
            size_min_bytes: Some(least),
            size_max_bytes: Some(most),
            ..Filter::default()
        };
        let sized = |_: &str, entry: &Entry| (least..=most).contains(&entry.size_bytes);
        prop_assert_eq!(ask(&everything, size), expect(&sized));
        let by_digest = Filter { digest: Some(digest.clone()), ..Filter::default() };
        let begins = |_: &str, entry: &Entry| {
            blake3::Hash::from_bytes(entry.digest.unwrap()).to_hex().starts_with(&digest)
        };
        prop_assert_eq!(ask(&everything, by_digest), expect(&begins));
        let gone: BTreeSet<_> = all.iter().filter(|hit| hit.3)
            .map(|(path, job, _, _)| (path.clone(), *job)).collect();
        prop_assert_eq!(ask(&everything, Filter { gone: true, ..Filter::default() }), gone.clone());
        if let Some(second) = deleted_since {
            // Gone now, and not yet gone as of then, by what the jobs up to then had proven; or it
            // came back meanwhile.
            let since = Filter { gone_since: Some(at(second)), ..Filter::default() };
            for (path, _) in ask(&everything, since) {
                prop_assert!(gone.iter().any(|hit| hit.0 == path), "{path}");
                let then = NaiveOptions { as_of: Some(second), ..options.clone() };
                let before = naive.find(&path, &then);
                let came_back = naive.receipts.iter().any(|it| {
                    naive.jobs[it.job].second > second && it.paths.contains(&path.as_str())
                });
                let there = before.iter().filter(|hit| hit.0 == path).all(|hit| !hit.3);
                prop_assert!(there || came_back, "{path}");
            }
        }
    }
}

#[test]
fn names_without_regard_to_case_mean_what_they_mean_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create_with_job(directory.path());
    let paths: [&[u8]; 6] = [
        b"Home/A",
        b"home/a/x",
        b"home/ab",
        b"HOME/\xffB",
        b"home/\xc3\x84",
        b"a+b",
    ];
    let entries = paths.iter().map(|path| file(path, 1)).collect();
    catalog.commit(at(2), receipt(1, 1, 1), entries).unwrap();
    let count = |text: &[u8], reading, ignore_case| {
        let pattern = Pattern::read(text, reading, ignore_case).unwrap();
        catalog
            .find(&pattern, &FindOptions::default())
            .unwrap()
            .count()
    };
    let cases: [(&[u8], Reading, bool, usize); 12] = [
        (b"home/a", Reading::Name, false, 1),
        (b"/home/a/", Reading::Name, true, 2),
        (b"home/*", Reading::Name, true, 4),
        (b"", Reading::Name, true, 6),
        (b"HOME/\xff", Reading::Substring, false, 1),
        (b"home/\xff", Reading::Substring, true, 1),
        (b"\xff", Reading::Substring, false, 1),
        ("ä".as_bytes(), Reading::Substring, true, 1),
        (b"+", Reading::Substring, false, 1),
        (b"^/[^/]*$", Reading::Regex, false, 1),
        (b"(?i)/A$", Reading::Regex, false, 1),
        (b"b$", Reading::Regex, true, 3),
    ];
    for (text, reading, ignore_case, expected) in cases {
        let found = count(text, reading, ignore_case);
        assert_eq!(
            found,
            expected,
            "{} {reading:?} {ignore_case}",
            text.escape_ascii()
        );
    }
    for (text, reading) in [
        (&b"("[..], Reading::Regex),
        (b"\xff(", Reading::Regex),
        (b"[", Reading::Name),
    ] {
        assert!(Pattern::read(text, reading, true).is_err());
    }
}

#[test]
fn kinds_owners_and_times_are_filtered() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    let count = |filter: Filter| {
        let hits = catalog
            .find(&Pattern::everything(), &FindOptions::default())
            .unwrap();
        hits.filtered(filter).count()
    };
    let all = count(Filter::default());
    let directories = count(Filter {
        kinds: vec![Kind::Directory],
        ..Filter::default()
    });
    assert_eq!(directories, 2);
    assert_eq!(
        count(Filter {
            kinds: vec![Kind::File],
            ..Filter::default()
        }),
        all - 2
    );
    for (user, group, expected) in [
        (Some("user"), None, all),
        (Some("1000"), Some("users"), all),
        (Some("root"), None, 0),
        (None, Some("101"), 0),
    ] {
        let filter = Filter {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            ..Filter::default()
        };
        assert_eq!(count(filter), expected, "{user:?} {group:?}");
    }
    let time = file("home/a", 2).mtime;
    let newer = count(Filter {
        newer_than: Some(time),
        ..Filter::default()
    });
    let older = count(Filter {
        older_than: Some(time),
        ..Filter::default()
    });
    assert_eq!(newer + older, all);
    assert!(newer > 0);
}

#[test]
fn a_search_that_is_told_to_stop_says_so_once() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    fill(&catalog);
    catalog.stop_by(Arc::new(AtomicBool::new(true)));
    let hits = catalog
        .find(&Pattern::everything(), &FindOptions::default())
        .unwrap();
    let ends: Vec<_> = hits.collect();
    assert!(
        matches!(&ends[..], [Err(catalogs::CatalogError::Stopped)]),
        "{ends:?}"
    );
    assert!(matches!(
        catalog.check(),
        Err(catalogs::CatalogError::Stopped)
    ));
}

#[test]
fn duplicates_are_all_paths_with_one_content_however_few_are_held_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = create(directory.path());
    for volume in [1, 2] {
        catalog.append(at(1), &labelled(volume)).unwrap();
    }
    let mut random = Random(0xd0b1e);
    let mut newest: BTreeMap<String, Entry> = BTreeMap::new();
    for job in 1..=2u64 {
        let start = started(job, &format!("job{job}"), &[""], &[]);
        catalog.append(at(job as i64 * 10), &start).unwrap();
        let mut entries = Vec::new();
        for _ in 0..400 {
            let path = format!("d{}/{}", random.below(9), random.below(200));
            let number = random.below(300);
            let content = blake3::hash(&number.to_be_bytes());
            let entry = Entry {
                digest: Some(*content.as_bytes()),
                size_bytes: number,
                ..file(&path, 1)
            };
            if entries.iter().all(|known: &Entry| known.path != entry.path) {
                newest.insert(path, entry.clone());
                entries.push(entry);
            }
        }
        // A second copy of a path is no duplicate.
        for volume in [1, 2] {
            let receipt = receipt(job, volume, 2 * job + volume);
            catalog.commit(at(50), receipt, entries.clone()).unwrap();
        }
    }
    for least in [0, 150] {
        let mut expected: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
        for (path, entry) in newest.iter().filter(|(_, entry)| entry.size_bytes >= least) {
            expected
                .entry(entry.digest.unwrap())
                .or_default()
                .push(path.clone());
        }
        expected.retain(|_, paths| paths.len() > 1);
        for at_once in [0, 1, 7, 1_000_000] {
            let everything = Pattern::everything();
            let found = catalog.duplicates(&everything, &FindOptions::default(), least, at_once);
            let found: Vec<_> = found.unwrap().map(Result::unwrap).collect();
            let paths = |paths: &[Vec<u8>]| -> Vec<String> {
                let mut paths: Vec<String> = paths
                    .iter()
                    .map(|path| String::from_utf8(path.clone()).unwrap())
                    .collect();
                paths.sort();
                paths
            };
            let found: Vec<_> = found
                .iter()
                .map(|group| (group.digest, paths(&group.paths)))
                .collect();
            let expected: Vec<_> = expected.clone().into_iter().collect();
            assert_eq!(found, expected, "at least {least} bytes, {at_once} at once");
        }
    }
}
