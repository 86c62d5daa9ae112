//! The catalog as of one moment: receipts, jobs and what they prove, for many searches.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use super::evidence::{Evidence, Unread};
use super::merge::{Names, probe};
use super::source::{Kept as KeptOfFile, Room, Sought, Source, SourceFile, Tenants};
use super::{FindOptions, Hits, Range, Versions};
use crate::catalog::{Catalog, Job, Reading, Volume, entry_file_name, read_job, read_volume};
use crate::entries::Start;
use crate::error::CatalogError;
use crate::index::{Answer, Index, IndexError};
use crate::ledger::scan::Tip;
use crate::ledger::{Home, Homes, MergedFile};
use crate::model::path::KeyRange;
use crate::model::{Entry, Kind};
use crate::pattern::Pattern;

/// What searches with the same options share.
#[derive(Debug)]
pub(super) struct Base {
    /// The last line of the ledger that it knows.
    tip: Tip,
    /// Files in the order of the newest of their jobs, the newest first.
    newest_first: Vec<usize>,
    pub(super) files: Vec<SourceFile>,
    /// In the order of their lines.
    pub(super) sources: Vec<Source>,
    /// The oldest first.
    pub(super) jobs: Vec<Arc<Job>>,
    /// Jobs of which entries have left the catalog.
    dropped: HashSet<Uuid>,
    pub(super) evidence: Evidence,
    room: Room,
    /// The files stay as long as it does.
    _reading: Reading,
}

/// The base of the last question, for the next one: to make it costs a ledger line for each job.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<(FindOptions, Arc<Base>)>>);

impl Kept {
    /// Forgets it: the index was opened anew and may say otherwise what it can be asked.
    pub(crate) fn clear(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<(FindOptions, Arc<Base>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Base {
    /// The base as of the index, kept or made.
    fn of(catalog: &Catalog, index: &Index, options: &FindOptions) -> Answer<Arc<Base>> {
        let key = FindOptions {
            all_versions: false,
            ..*options
        };
        let mut slot = catalog.kept().slot();
        if let Some((kept_for, base)) = &*slot
            && *kept_for == key
            && base.tip == index.tip()
        {
            return Ok(Arc::clone(base));
        }
        let base = Arc::new(Base::begin(catalog, index, options)?);
        *slot = Some((key, Arc::clone(&base)));
        Ok(base)
    }

    fn begin(catalog: &Catalog, index: &Index, options: &FindOptions) -> Answer<Base> {
        let reading = catalog.begin_reading();
        let jobs = jobs_in_order(catalog, index, options.as_of)?;
        let ranks: HashMap<Uuid, usize> = jobs
            .iter()
            .enumerate()
            .map(|(rank, job)| (job.start.what.job, rank))
            .collect();
        let volumes = volumes_by_id(catalog, index)?;
        let (expired, Homes { of: homes, dropped }) = catalog.expired_and_homes()?;
        let (mut sources, mut files) = (Vec::new(), Vec::new());
        let mut merged: BTreeMap<u64, (Arc<MergedFile>, HashMap<u32, usize>)> = BTreeMap::new();
        for row in index.receipts() {
            let row = row?;
            let Some(&rank) = ranks.get(&row.job) else {
                continue;
            };
            let volume = volumes
                .get(&row.volume)
                .ok_or(IndexError::Row { table: b'r' })?;
            let wanted = options.on_volume.is_none_or(|wanted| wanted == row.volume);
            let expired = expired.contains(&row.job) && !options.expired;
            let number = sources.len();
            sources.push(Source {
                line: row.line,
                rank,
                volume: Arc::clone(volume),
                offered: wanted && volume.retired.is_none() && !expired,
            });
            match homes.get(&row.seq) {
                Some(Home::Dropped) => {}
                Some(Home::Merged(file, place)) => {
                    let (_, tenants) = merged
                        .entry(file.line)
                        .or_insert_with(|| (Arc::clone(file), HashMap::new()));
                    tenants.insert(*place, number);
                }
                Some(Home::Own) | None => files.push(SourceFile {
                    path: catalog.entry_path(&entry_file_name(row.seq, &row.segment)),
                    id: row.segment,
                    outline: row.outline,
                    tenants: Tenants::One(number),
                    newest: rank,
                    kept: KeptOfFile::default(),
                }),
            }
        }
        for (file, tenants) in merged.into_values() {
            let ranks = tenants.values().map(|source| sources[*source].rank);
            let newest = ranks.max().unwrap_or_default();
            files.push(merged_file(catalog, index, &file, (tenants, newest))?);
        }
        let mut newest_first: Vec<usize> = (0..files.len()).collect();
        newest_first.sort_by_key(|&number| Reverse(files[number].newest));
        Ok(Base {
            tip: index.tip(),
            newest_first,
            files,
            sources,
            evidence: Evidence::new(&jobs, |job| !dropped.contains(&job.start.what.job)),
            jobs,
            dropped,
            room: Room::default(),
            _reading: reading,
        })
    }

    /// Whether what the job does not hold proves something: not if its entries have left the
    /// catalog.
    pub(super) fn testifies(&self, job: &Job) -> bool {
        !self.dropped.contains(&job.start.what.job)
    }

    /// The base as of now.
    fn now(catalog: &Catalog, options: &FindOptions) -> Result<Arc<Base>, CatalogError> {
        catalog.ask(|index| Base::of(catalog, index, options))
    }

    /// Where the files begin that reach into each range.
    fn plan(&self, pattern: &Pattern, ranges: &[KeyRange], versions: Versions) -> VecDeque<Range> {
        let plan = ranges.iter().map(|range| {
            let of_one_name = pattern.name().map(KeyRange::exact).as_ref() == Some(range);
            match versions {
                Versions::Newest if of_one_name => self.newest_of(pattern, range),
                _ => Range::Files(range.clone(), self.all_of(range)),
            }
        });
        plan.collect()
    }

    fn all_of(&self, range: &KeyRange) -> Vec<(usize, Start)> {
        let sought = Sought::new(range);
        let files = self.files.iter().enumerate();
        let starts =
            files.filter_map(|(number, file)| Some((number, file.start(&sought, &self.room)?)));
        starts.collect()
    }

    /// What tells which version of one name is the newest and whether it is gone: the entries of
    /// the files that hold it, back to the first that offers it. All others are left out, and most
    /// not even looked into.
    fn newest_of(&self, pattern: &Pattern, range: &KeyRange) -> Range {
        let names = Names {
            pattern: pattern.clone(),
            range: range.clone(),
            stop: None,
        };
        let sought = Sought::new(range);
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        let mut newest = None;
        for &number in &self.newest_first {
            let file = &self.files[number];
            if newest.is_some_and(|newest| file.newest < newest) {
                break;
            }
            let Some(start) = file.start(&sought, &self.room) else {
                continue;
            };
            match probe(file, &start, &names) {
                Ok(held) => {
                    let offered = held.iter().filter(|(source, entry)| {
                        self.sources[*source].offered && entry.kind != Kind::Gone
                    });
                    let ranks = offered.map(|(source, _)| self.sources[*source].rank);
                    newest = newest.max(ranks.max());
                    found.extend(held);
                }
                Err(error) => damaged.push((number, error)),
            }
        }
        Range::Found(found, damaged)
    }

    /// Ranks of the jobs that have entries in a file.
    pub(super) fn jobs_of(&self, file: usize) -> impl Iterator<Item = usize> {
        let sources = self.files[file].tenants.sources();
        sources.map(|source| self.sources[source].rank)
    }

    /// When the path was first missed, of which these are all entries: by a job after the last
    /// one that holds it.
    pub(super) fn gone_since(
        &self,
        path: &[u8],
        entries: &[(usize, Entry)],
        unread: &Unread,
    ) -> Option<Timestamp> {
        let ranks = |gone: bool| {
            let of_kind = entries.iter();
            let of_kind = of_kind.filter(move |(_, entry)| (entry.kind == Kind::Gone) == gone);
            of_kind.map(|(source, _)| self.sources[*source].rank)
        };
        let last_seen = ranks(false).max();
        let said = ranks(true).filter(|rank| Some(*rank) > last_seen).min();
        let lacked = last_seen.and_then(|rank| self.evidence.first_lacking(path, rank, unread));
        let first = said.into_iter().chain(lacked).min()?;
        Some(self.jobs[first].start.time)
    }
}

/// A search as the index described it.
#[derive(Debug)]
pub(super) struct Search {
    base: Arc<Base>,
    /// Ranges not yet begun, with the files that reach into them.
    pub(super) ranges: VecDeque<Range>,
}

impl Search {
    pub(super) fn begin(
        catalog: &Catalog,
        (pattern, ranges): (&Pattern, &[KeyRange]),
        versions: Versions,
        options: &FindOptions,
    ) -> Result<Search, CatalogError> {
        let base = Base::now(catalog, options)?;
        let ranges = base.plan(pattern, ranges, versions);
        Ok(Search { base, ranges })
    }
}

impl Deref for Search {
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

/// The catalog as of one moment, to be asked again and again. It does not see later commits.
pub struct View<'a> {
    catalog: &'a Catalog,
    base: Arc<Base>,
}

impl Catalog {
    /// A view of the newest versions, as `options` have it; that of all versions is not asked
    /// for here.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn view(&self, options: &FindOptions) -> Result<View<'_>, CatalogError> {
        Ok(View {
            catalog: self,
            base: Base::now(self, options)?,
        })
    }
}

impl View<'_> {
    /// The newest versions of what `pattern` means within the ranges.
    pub(super) fn search(&self, pattern: &Pattern, ranges: &[KeyRange]) -> Hits {
        let search = Search {
            base: Arc::clone(&self.base),
            ranges: self.base.plan(pattern, ranges, Versions::Newest),
        };
        Hits::new(self.catalog, search, pattern, Versions::Newest)
    }
}

fn merged_file(
    catalog: &Catalog,
    index: &Index,
    file: &MergedFile,
    (tenants, newest): (HashMap<u32, usize>, usize),
) -> Answer<SourceFile> {
    Ok(SourceFile {
        path: catalog.entry_path(&file.file.name),
        id: file.id,
        outline: index.outline_of_merged(file.line)?,
        newest,
        tenants: Tenants::Several(Arc::new(tenants)),
        kept: KeptOfFile::default(),
    })
}

fn jobs_in_order(
    catalog: &Catalog,
    index: &Index,
    as_of: Option<Timestamp>,
) -> Answer<Vec<Arc<Job>>> {
    let mut jobs = Vec::new();
    for row in index.jobs() {
        let mut job = read_job(catalog.ledger_path(), &row?)?;
        if as_of.is_some_and(|instant| job.start.time > instant) {
            continue;
        }
        if let Some(finish) = &mut job.finish {
            finish.what.problems.listed = Vec::new();
        }
        jobs.push(Arc::new(job));
    }
    jobs.sort_by_key(|job| job.order());
    Ok(jobs)
}

fn volumes_by_id(catalog: &Catalog, index: &Index) -> Answer<HashMap<Uuid, Arc<Volume>>> {
    let mut volumes = HashMap::new();
    for row in index.volumes() {
        let (id, row) = row?;
        volumes.insert(id, Arc::new(read_volume(catalog.ledger_path(), &row)?));
    }
    Ok(volumes)
}
