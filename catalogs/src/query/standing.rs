//! What a run that archives changes alone is measured against: each name that is there according
//! to the catalog, with the version that need not be archived again.
//!
//! Two views decide. In that of *all* jobs the newest version is what a search shows, and so it
//! has to be the right one; in that of the *series* it is what the tapes of the series bring
//! back, and so it has to be on them. A version is good only if it is the newest in both.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::evidence::{Evidence, Unread};
use super::merge::{Merge, Names};
use super::{FindOptions, Range, Search, Source, Versions};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::model::path::KeyRange;
use crate::model::{Condition, Entry, Kind};
use crate::pattern::Pattern;

/// Longer than the tick of any kernel's clock for file times, in milliseconds.
const TICK_MS: i64 = 20;

/// On what a run may build.
#[derive(Debug, Clone, Copy)]
pub struct Building<'a> {
    /// The jobs whose tapes it builds on.
    pub series: &'a HashSet<Uuid>,
    /// The pool of those tapes: what only others have is not good.
    pub pool: &'a str,
    /// Of versions from jobs later than this one none is good.
    pub until: Option<&'a Uuid>,
    /// As if only jobs started at or before this instant had been run.
    pub as_of: Option<Timestamp>,
}

/// A name that is there, as far as the catalog knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Archive name.
    pub path: Vec<u8>,
    /// What is on tape of it in its newest state; `None` if it has to be archived again.
    pub version: Option<Version>,
}

/// A version that both views agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its entry in the series; of a file that was cut, the first part's.
    pub entry: Entry,
    /// Numbers of the jobs that it is from, in the series and in all: equal for names that one
    /// and the same job archived.
    pub jobs: (usize, usize),
}

impl Catalog {
    /// Every name at or below `root` (empty: everything) that is there, in directory order.
    ///
    /// Memory as that of [`Catalog::find`].
    ///
    /// # Errors
    ///
    /// The ledger cannot be read. A damaged entry file is an error among the names: what it says
    /// is missing from then on.
    pub fn standing(
        &self,
        root: &[u8],
        building: &Building<'_>,
    ) -> Result<Standings, CatalogError> {
        let ranges = match root {
            b"" => vec![KeyRange::all()],
            root => vec![KeyRange::exact(root), KeyRange::below(root)],
        };
        let options = FindOptions {
            as_of: building.as_of,
            ..FindOptions::default()
        };
        let everything = Pattern::everything();
        let search = Search::begin(self, (&everything, &ranges), Versions::All, &options)?;
        Ok(Standings::new(search, building))
    }
}

/// The names, in directory order.
#[derive(Debug)]
pub struct Standings {
    search: Search,
    in_series: Vec<bool>,
    series_evidence: Evidence,
    /// Number of the last job whose versions are good.
    until: usize,
    pool: String,
    merge: Option<Merge>,
    unread: Unread,
    damaged: VecDeque<CatalogError>,
}

impl Standings {
    fn new(search: Search, building: &Building<'_>) -> Standings {
        let Building { series, until, .. } = building;
        let id = |job: &crate::Job| job.start.what.job;
        let in_series = search.jobs.iter().map(|job| series.contains(&id(job)));
        let until = until.and_then(|until| search.jobs.iter().position(|job| id(job) == *until));
        Standings {
            in_series: in_series.collect(),
            series_evidence: Evidence::new(&search.jobs, |job| {
                series.contains(&id(job)) && search.testifies(job)
            }),
            until: until.unwrap_or(usize::MAX),
            pool: building.pool.to_owned(),
            search,
            merge: None,
            unread: Unread::default(),
            damaged: VecDeque::new(),
        }
    }

    /// What the entries of one path come to; `None` if it is gone in both views.
    fn judge(&self, entries: Vec<(usize, Entry)>) -> Option<Standing> {
        let path = entries.first()?.1.path.clone();
        let rank = |source: usize| self.search.sources[source].rank;
        let all = newest(
            &entries,
            &rank,
            (&self.search.evidence, &self.unread),
            |_| true,
        );
        let series = |rank: usize| self.in_series[rank];
        let own = newest(
            &entries,
            &rank,
            (&self.series_evidence, &self.unread),
            series,
        );
        if all.is_none() && own.is_none() {
            return None;
        }
        let good = |job, pool| good_entry(&entries, job, pool, &self.search.sources);
        let version = own.zip(all).and_then(|jobs| {
            let (own, all) = jobs;
            let entry = good(own, Some(&*self.pool)).filter(|_| own <= self.until)?;
            if may_have_changed_since(entry, self.search.jobs[own].start.time) {
                return None;
            }
            let agreed = own == all || good(all, None).is_some_and(|other| is_same(entry, other));
            agreed.then(|| Version {
                entry: entry.clone(),
                jobs,
            })
        });
        Some(Standing { path, version })
    }
}

impl Iterator for Standings {
    type Item = Result<Standing, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(error) = self.damaged.pop_front() {
                return Some(Err(error));
            }
            let Some(merge) = &mut self.merge else {
                let (range, starts) = match self.search.ranges.pop_front()? {
                    Range::Files(range, starts) => (range, starts),
                    // In searches for newest versions alone.
                    Range::Found(..) => continue,
                };
                let names = Names {
                    pattern: Pattern::everything(),
                    range,
                    stop: None,
                };
                self.merge = Some(Merge::new(names, starts, &self.search.files));
                continue;
            };
            let mut damaged = Vec::new();
            let entries = merge.next_path(&mut damaged);
            for (file, error) in damaged {
                if self.unread.note(file, self.search.jobs_of(file)) {
                    self.damaged.push_back(error.into());
                }
            }
            match entries {
                None => self.merge = None,
                Some(entries) => {
                    if let Some(standing) = self.judge(entries) {
                        return Some(Ok(standing));
                    }
                }
            }
        }
    }
}

/// The newest job of a view that holds the path, unless the path is gone after it. Of one job a
/// member counts before a name that is gone: it was resumed when the name was there again.
fn newest(
    entries: &[(usize, Entry)],
    rank: &dyn Fn(usize) -> usize,
    (evidence, unread): (&Evidence, &Unread),
    counts: impl Fn(usize) -> bool,
) -> Option<usize> {
    let in_view = || {
        let ranked = entries.iter().map(|(source, entry)| (rank(*source), entry));
        ranked.filter(|(rank, _)| counts(*rank))
    };
    let last = in_view().map(|(rank, _)| rank).max()?;
    let mut of_last = in_view().filter(|(rank, _)| *rank == last);
    let path = &entries.first()?.1.path;
    let gone =
        of_last.all(|(_, entry)| entry.kind == Kind::Gone) || evidence.lacks(path, last, unread);
    (!gone).then_some(last)
}

/// The first entry of the version of one job, if the whole of it is on tapes of `pool` (`None`: of
/// any one) as it was.
fn good_entry<'a>(
    entries: &'a [(usize, Entry)],
    job: usize,
    pool: Option<&str>,
    sources: &[Source],
) -> Option<&'a Entry> {
    let of_job = entries.iter().filter(|(source, _)| {
        let source = &sources[*source];
        source.rank == job && source.offered
    });
    let members = of_job.filter(|(_, entry)| entry.kind != Kind::Gone);
    // Copies in two pools are cut at different places.
    let mut pools: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for (source, entry) in members {
        let held_by = &*sources[*source].volume.label.what.pool;
        if pool.is_none_or(|pool| pool == held_by) {
            pools.entry(held_by).or_default().push(entry);
        }
    }
    pools.into_values().find_map(whole_of)
}

/// The first of these entries, if they are all of one version, whole.
fn whole_of(mut parts: Vec<&Entry>) -> Option<&Entry> {
    parts.sort_by_key(|entry| entry.part.map(|part| part.number));
    // Copies of a part are one part.
    parts.dedup_by_key(|entry| entry.part.map(|part| part.number));
    let first = *parts.first()?;
    let number = |entry: &Entry| entry.part.map_or(1, |part| part.number);
    let complete = (1..).zip(&parts).all(|(due, entry)| number(entry) == due)
        && parts.last()?.part.is_none_or(|part| part.last);
    let whole = parts.iter().all(|e| e.condition == Condition::Whole);
    (complete && whole).then_some(first)
}

/// Whether the object may have been changed after the job read it, without a trace in its times:
/// they are no finer than the kernel's tick, and the job read it after it had begun.
fn may_have_changed_since(entry: &Entry, started: Timestamp) -> bool {
    let tick = SignedDuration::from_millis(TICK_MS);
    let latest = started.saturating_sub(tick).unwrap_or(Timestamp::MIN);
    let ctime = entry.ctime;
    let latest = (latest.as_second(), latest.subsec_nanosecond());
    (ctime.seconds, i64::from(ctime.nanoseconds)) >= (latest.0, i64::from(latest.1))
}

/// Whether two entries tell of one and the same state of an object.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let inodes = a.inode.zip(b.inode);
    let link = |entry: &Entry| entry.kind == Kind::Hardlink;
    // One job may have met a name first that another met as a further one.
    let content = link(a) || link(b) || (a.kind, a.size_bytes) == (b.kind, b.size_bytes);
    content && (a.mtime, a.ctime) == (b.mtime, b.ctime) && inodes.is_none_or(|(a, b)| a == b)
}
