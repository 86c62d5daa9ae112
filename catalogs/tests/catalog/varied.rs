//! Queries and filters over objects of every kind and owner, with digests by either function, some
//! of their jobs expired: answered as a plain model in memory answers them.

use std::collections::{BTreeMap, BTreeSet};

use catalogs::model::event::{DigestAlgorithm, Event, VolumeState, VolumeStateChanged};
use catalogs::model::{Entry, FileTime, Kind};
use catalogs::{Catalog, Filter, Hit, Pattern, Reading};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use uuid::Uuid;

use crate::model::{PATTERNS, VOLUMES, build_of, expiring, find_options};
use crate::naive::{Naive, NaiveOptions};
use crate::support::*;

const KINDS: [Kind; 6] = [
    Kind::File,
    Kind::Directory,
    Kind::Symlink,
    Kind::Hardlink,
    Kind::CharDevice,
    Kind::Fifo,
];
/// The last is a name of digits, and the number of the first.
const OWNERS: [(&str, u32); 4] = [("ana", 1_000), ("ben", 1_001), ("", 1_001), ("1000", 7)];
const TIMES: [FileTime; 4] = [time(0, 0), time(10, 0), time(10, 5), time(20, 0)];

const fn time(seconds: i64, nanoseconds: u32) -> FileTime {
    FileTime {
        seconds,
        nanoseconds,
    }
}

/// What a job wrote of a path: two jobs in a row found the same, and few contents are there.
fn varied(path: &str, job: usize) -> Entry {
    let mut random = Random(1 + crc(path) + (job as u64 / 2) * 7_919);
    let mut pick = |bound: usize| {
        random.below(1 << 20);
        random.below(bound as u64) as usize
    };
    // Most are files.
    let kind = KINDS[pick(KINDS.len() + 4).saturating_sub(4)];
    let (content, mtime) = (pick(4) as u64, TIMES[pick(TIMES.len())]);
    let ((user, uid), (group, gid)) = (OWNERS[pick(OWNERS.len())], OWNERS[pick(OWNERS.len())]);
    let is_file = kind == Kind::File;
    let is_link = matches!(kind, Kind::Symlink | Kind::Hardlink);
    let digest = blake3::hash(&content.to_be_bytes());
    Entry {
        kind,
        size_bytes: if is_file { content * 100 } else { 0 },
        digest: (is_file && content > 0).then(|| *digest.as_bytes()),
        mtime,
        user: user.into(),
        uid,
        group: group.into(),
        gid,
        link_target: if is_link {
            vec![b'a' + content as u8]
        } else {
            Vec::new()
        },
        device: (kind == Kind::CharDevice).then_some((1, content as u32)),
        ..file(path, 1)
    }
}

fn crc(path: &str) -> u64 {
    u64::from(crc32fast::hash(path.as_bytes()))
}

fn algorithm(job: usize) -> DigestAlgorithm {
    match job % 3 {
        2 => DigestAlgorithm::Sha256,
        _ => DigestAlgorithm::Blake3,
    }
}

fn build_varied(naive: &Naive, catalog: &Catalog) {
    build_of(naive, catalog, &|segment| {
        let it = &naive.receipts[segment];
        let paths = it.paths.iter().map(|path| varied(path, it.job));
        let entries = paths.chain(it.gone.iter().map(gone)).collect();
        let mut receipt = receipt(it.job as u64, it.volume as u64, segment as u64);
        receipt.digest_algorithm = algorithm(it.job);
        catalog.commit(at(9), receipt, entries).unwrap();
    });
}

fn number(id: Uuid) -> usize {
    id.as_u64_pair().1 as usize
}

/// Path, job, volume.
type Version = (String, usize, usize);

fn version(hit: &Hit) -> Version {
    let path = String::from_utf8(hit.entry.path.clone()).unwrap();
    let receipt = &hit.receipt.receipt;
    (path, number(receipt.job), number(receipt.volume))
}

/// A filter, in numbers and names of this model.
#[derive(Debug, Clone, Default)]
struct Wanted {
    kinds: Vec<Kind>,
    least: Option<u64>,
    most: Option<u64>,
    newer: Option<FileTime>,
    older: Option<FileTime>,
    user: Option<&'static str>,
    group: Option<&'static str>,
    digest: Option<String>,
    gone: bool,
    gone_since: Option<i64>,
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            kinds: self.kinds.clone(),
            size_min_bytes: self.least,
            size_max_bytes: self.most,
            newer_than: self.newer,
            older_than: self.older,
            user: self.user.map(str::to_owned),
            group: self.group.map(str::to_owned),
            digest: self.digest.clone(),
            gone: self.gone,
            gone_since: self.gone_since.map(at),
        }
    }

    /// Whether it wants such an entry of a path that is gone since then.
    fn wants(&self, entry: &Entry, gone_since: Option<i64>) -> bool {
        if !self.kinds.is_empty() && !self.kinds.contains(&entry.kind) {
            return false;
        }
        if (self.least.is_some() || self.most.is_some()) && entry.kind != Kind::File {
            return false;
        }
        let size = self.least.unwrap_or(0)..=self.most.unwrap_or(u64::MAX);
        let after = |when: FileTime| {
            (entry.mtime.seconds, entry.mtime.nanoseconds) >= (when.seconds, when.nanoseconds)
        };
        if !size.contains(&entry.size_bytes)
            || self.newer.is_some_and(|when| !after(when))
            || self.older.is_some_and(after)
        {
            return false;
        }
        let owns = |wanted: Option<&str>, name: &str, number: u32| match wanted {
            None => true,
            Some(wanted) => name == wanted || number.to_string() == wanted,
        };
        if !owns(self.user, &entry.user, entry.uid) || !owns(self.group, &entry.group, entry.gid) {
            return false;
        }
        if let Some(digits) = &self.digest {
            let Some(digest) = entry.digest else {
                return false;
            };
            let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            if !text.starts_with(digits) {
                return false;
            }
        }
        match (self.gone, self.gone_since, gone_since) {
            (false, None, _) => true,
            (_, _, None) => false,
            (_, since, Some(gone)) => since.is_none_or(|since| gone > since),
        }
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let sizes = || proptest::option::weighted(0.2, select(vec![0u64, 100, 200, 300]));
    let times = || proptest::option::weighted(0.2, select(&TIMES[..]));
    let owners = || {
        let names = vec!["ana", "ben", "1000", "1001", "7", "nobody", ""];
        proptest::option::weighted(0.2, select(names))
    };
    let kinds = prop_oneof![
        3 => Just(Vec::new()),
        2 => subsequence(&KINDS[..], 1..4),
    ];
    let digest = proptest::option::weighted(0.2, "[0-9a-f]");
    let gone = (
        proptest::bool::weighted(0.2),
        proptest::option::weighted(0.2, 0..4i64),
    );
    let rest = (kinds, sizes(), sizes(), times(), times());
    (rest, owners(), owners(), digest, gone).prop_map(
        |((kinds, least, most, newer, older), user, group, digest, (gone, gone_since))| Wanted {
            kinds,
            least,
            most,
            newer,
            older,
            user,
            group,
            digest,
            gone,
            gone_since,
        },
    )
}

fn options() -> impl Strategy<Value = NaiveOptions> {
    let as_of = proptest::option::weighted(0.4, 0..4i64);
    let on_volume = proptest::option::weighted(0.3, 0..VOLUMES);
    (any::<bool>(), as_of, on_volume, any::<bool>()).prop_map(
        |(all_versions, as_of, on_volume, expired)| NaiveOptions {
            all_versions,
            as_of,
            on_volume,
            expired,
        },
    )
}

/// Whether what one entry has is in the other, too.
fn alike((a, by_a): (&Entry, DigestAlgorithm), (b, by_b): (&Entry, DigestAlgorithm)) -> bool {
    let same_object = a.kind == b.kind && a.size_bytes == b.size_bytes;
    same_object
        && match (a.digest, b.digest) {
            (Some(first), Some(second)) => first == second && by_a == by_b,
            (None, None) => {
                a.mtime == b.mtime && a.link_target == b.link_target && a.device == b.device
            }
            _ => false,
        }
}

/// The versions on the lost volumes and on no other good one, and whether each is the newest of
/// its path.
fn at_risk(
    naive: &Naive,
    pattern: &str,
    lost: &[usize],
    suspect: Option<usize>,
) -> BTreeSet<(Version, bool)> {
    let options = NaiveOptions {
        all_versions: true,
        ..NaiveOptions::default()
    };
    let hits = naive.find(pattern, &options);
    let order = |job: usize| (naive.jobs[job].second, job);
    let mut risks = BTreeSet::new();
    for (path, job, volume, _) in hits.iter().filter(|hit| lost.contains(&hit.2)) {
        let same_path = || hits.iter().filter(|hit| hit.0 == *path);
        let entry = varied(path, *job);
        let saved = same_path().any(|(_, other, on, _)| {
            !lost.contains(on)
                && suspect != Some(*on)
                && alike(
                    (&entry, algorithm(*job)),
                    (&varied(path, *other), algorithm(*other)),
                )
        });
        if !saved {
            let newest = same_path().map(|hit| order(hit.1)).max();
            let is_newest = Some(order(*job)) == newest;
            risks.insert(((path.clone(), *job, *volume), is_newest));
        }
    }
    risks
}

/// Contents by their digests, each with its paths.
type Contents = BTreeMap<([u8; 32], DigestAlgorithm), BTreeSet<String>>;

fn duplicates(naive: &Naive, pattern: &str, options: &NaiveOptions, least: u64) -> Contents {
    let newest = NaiveOptions {
        all_versions: false,
        ..options.clone()
    };
    let mut contents = Contents::new();
    for (path, job, _, gone) in naive.find(pattern, &newest) {
        let entry = varied(&path, job);
        if let (Some(digest), false) = (entry.digest, gone)
            && entry.size_bytes >= least
        {
            let paths = contents.entry((digest, algorithm(job))).or_default();
            paths.insert(path);
        }
    }
    contents.retain(|_, paths| paths.len() > 1);
    contents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_filter_leaves_what_the_naive_model_leaves(
        naive in expiring(),
        questions in prop::collection::vec(
            (select(&PATTERNS[..]), options(), wanted()), 24),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build_varied(&naive, &catalog);
        for (pattern, options, wanted) in questions {
            let read = Pattern::parse(pattern.as_bytes()).unwrap();
            let hits = catalog.find(&read, &find_options(&options)).unwrap();
            let mut answered = Vec::new();
            // What `find --tapes` adds up.
            let mut on_tapes: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
            for hit in hits.filtered(wanted.filter()) {
                let hit = hit.unwrap();
                let version = version(&hit);
                let since = naive.gone_since(&version.0, options.as_of);
                prop_assert_eq!(hit.gone_since, since.map(at), "{:?}", version);
                prop_assert_eq!(&hit.entry, &varied(&version.0, version.1));
                let (objects, bytes) = on_tapes.entry(version.2).or_default();
                *objects += 1;
                *bytes += hit.entry.size_bytes;
                answered.push(version);
            }
            let mut expected = Vec::new();
            let mut sums: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
            for (path, job, volume, _) in naive.find(pattern, &options) {
                let entry = varied(&path, job);
                if wanted.wants(&entry, naive.gone_since(&path, options.as_of)) {
                    let (objects, bytes) = sums.entry(volume).or_default();
                    *objects += 1;
                    *bytes += entry.size_bytes;
                    expected.push((path, job, volume));
                }
            }
            answered.sort();
            expected.sort();
            prop_assert_eq!(answered, expected, "{} {:?} {:?}", pattern, options, wanted);
            prop_assert_eq!(on_tapes, sums, "{} {:?} {:?}", pattern, options, wanted);
        }
    }

    #[test]
    fn what_would_be_lost_is_what_the_naive_model_says(
        naive in expiring(),
        questions in prop::collection::vec(
            (select(&PATTERNS[..]), subsequence(&[0, 1, 2][..], 0..=3)), 6),
        suspect in proptest::option::of(0..VOLUMES),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build_varied(&naive, &catalog);
        if let Some(volume) = suspect {
            let event = VolumeStateChanged {
                volume: volume_id(volume as u64),
                state: VolumeState::Suspect,
                reason: String::new(),
            };
            catalog.append(at(9), &Event::VolumeState(event)).unwrap();
        }
        for (pattern, lost) in questions {
            let ids: Vec<_> = lost.iter().map(|volume| volume_id(*volume as u64)).collect();
            let read = Pattern::parse(pattern.as_bytes()).unwrap();
            let mut found = BTreeSet::new();
            for loss in catalog.at_risk(&ids, &read).unwrap() {
                let loss = loss.unwrap();
                let of_one_job = loss.entries.iter().map(|hit| hit.receipt.receipt.job);
                prop_assert_eq!(of_one_job.collect::<BTreeSet<_>>().len(), 1);
                for hit in &loss.entries {
                    found.insert((version(hit), loss.newest));
                }
            }
            let expected = at_risk(&naive, pattern, &lost, suspect);
            prop_assert_eq!(found, expected, "{} {:?} {:?}", pattern, lost, suspect);
        }
    }

    #[test]
    fn duplicates_are_those_of_the_naive_model(
        naive in expiring(),
        questions in prop::collection::vec(
            (select(&PATTERNS[..]), options(), select(vec![0u64, 200, 300, 301]),
             select(vec![0u64, 1, 2, 1_000])), 8),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let catalog = create(directory.path());
        build_varied(&naive, &catalog);
        for (pattern, options, least, at_once) in questions {
            let read = Pattern::read(pattern.as_bytes(), Reading::Name, false).unwrap();
            let asked = find_options(&NaiveOptions { all_versions: false, ..options.clone() });
            let mut found = Contents::new();
            for group in catalog.duplicates(&read, &asked, least, at_once).unwrap() {
                let group = group.unwrap();
                let names = group.paths.iter().cloned().map(String::from_utf8);
                let names: BTreeSet<String> = names.map(Result::unwrap).collect();
                prop_assert_eq!(names.len(), group.paths.len(), "each path once");
                let content = (group.digest, group.algorithm);
                prop_assert!(found.insert(content, names).is_none(), "each content once");
            }
            let expected = duplicates(&naive, pattern, &options, least);
            prop_assert_eq!(found, expected, "{} {:?} {} {}", pattern, options, least, at_once);
        }
    }
}
