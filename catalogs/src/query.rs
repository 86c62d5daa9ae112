//! `find`: where the versions of files are.
//!
//! All questions to the index are asked when the search begins; after that only entry files and
//! ledger lines are read, so a search neither holds the index nor sees later commits.

mod evidence;
mod merge;
mod standing;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::catalog::{Catalog, Job, Volume, entry_file_name, read_job, read_receipt, read_volume};
use crate::error::CatalogError;
use crate::index::rows::ReceiptRow;
use crate::index::{Answer, Index, IndexError, Start};
use crate::model::event::ReceiptRecord;
use crate::model::path::KeyRange;
use crate::model::{Entry, Kind};
use crate::pattern::Pattern;
use evidence::Evidence;
use merge::Merge;
pub use standing::{Standing, Standings, Version};

/// Which versions to find. The default: the newest, as of now, on any volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FindOptions {
    /// Not only the newest version of each path.
    pub all_versions: bool,
    /// As if only jobs started at or before this instant had been run.
    pub as_of: Option<Timestamp>,
    /// Only what is on this volume.
    pub on_volume: Option<Uuid>,
}

/// One entry that was looked for, with all that is needed to get it back.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The entry.
    pub entry: Entry,
    /// The receipt that vouches for it.
    pub receipt: Arc<ReceiptRecord>,
    /// The job that wrote it, without its list of problems.
    pub job: Arc<Job>,
    /// The volume it is on.
    pub volume: Arc<Volume>,
    /// Whether a later job says that the path is gone, or is full and complete, covers it and
    /// does not hold it.
    pub gone: bool,
}

impl Catalog {
    /// Finds what `pattern` means, in directory order, entries of one path from the newest job
    /// to the oldest. `docs/catalog.md`, "Answers", says what is newest and what is gone.
    ///
    /// An entry file that is damaged is an error among the hits; hits from other files follow.
    /// An older version may then stand for a newer one that could not be read.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn find(&self, pattern: &Pattern, options: &FindOptions) -> Result<Hits, CatalogError> {
        let ranges = pattern.ranges();
        let search = self.ask(|index| Search::begin(self, index, &ranges, options))?;
        Ok(Hits {
            pattern: pattern.clone(),
            all_versions: options.all_versions,
            ledger: self.ledger_path().to_owned(),
            search,
            merge: None,
            ready: VecDeque::new(),
        })
    }
}

/// A receipt that is searched.
#[derive(Debug)]
pub(crate) struct Source {
    row: ReceiptRow,
    path: PathBuf,
    /// Place of its job among the jobs, the oldest first.
    rank: usize,
    volume: Arc<Volume>,
    /// Whether its entries are hits; else they only prove that a path was there.
    offered: bool,
    /// Read when the first hit needs it.
    record: Option<Arc<ReceiptRecord>>,
}

/// A search as the index described it.
#[derive(Debug)]
struct Search {
    sources: Vec<Source>,
    jobs: Vec<Arc<Job>>,
    evidence: Evidence,
    /// Ranges not yet begun, with the sources that reach into them.
    ranges: VecDeque<(KeyRange, Vec<(usize, Start)>)>,
}

impl Search {
    fn begin(
        catalog: &Catalog,
        index: &Index,
        ranges: &[KeyRange],
        options: &FindOptions,
    ) -> Answer<Search> {
        let jobs = jobs_in_order(catalog, index, options.as_of)?;
        let ranks: HashMap<Uuid, usize> = jobs
            .iter()
            .enumerate()
            .map(|(rank, job)| (job.start.what.job, rank))
            .collect();
        let volumes = volumes_by_id(catalog, index)?;
        let mut sources = Vec::new();
        for row in index.receipts() {
            let row = row?;
            let Some(&rank) = ranks.get(&row.job) else {
                continue;
            };
            let volume = volumes
                .get(&row.volume)
                .ok_or(IndexError::Row { table: b'r' })?;
            let wanted = options.on_volume.is_none_or(|wanted| wanted == row.volume);
            sources.push(Source {
                row,
                path: catalog.entry_path(&entry_file_name(row.seq, &row.segment)),
                rank,
                volume: Arc::clone(volume),
                offered: wanted && volume.retired.is_none(),
                record: None,
            });
        }
        let mut plan = VecDeque::new();
        for range in ranges {
            let mut starts = Vec::new();
            for (number, source) in sources.iter().enumerate() {
                if let Some(start) = index.start(&source.row, range)? {
                    starts.push((number, start));
                }
            }
            plan.push_back((range.clone(), starts));
        }
        let evidence = Evidence::new(&jobs, |_| true);
        Ok(Search {
            sources,
            jobs,
            evidence,
            ranges: plan,
        })
    }
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

/// The hits of a search, in order.
#[derive(Debug)]
pub struct Hits {
    pattern: Pattern,
    all_versions: bool,
    ledger: PathBuf,
    search: Search,
    merge: Option<Merge>,
    ready: VecDeque<Result<Hit, CatalogError>>,
}

impl Hits {
    /// Makes hits ready from the next path; false if there is none.
    fn advance(&mut self) -> bool {
        let Some(merge) = &mut self.merge else {
            let Some((range, starts)) = self.search.ranges.pop_front() else {
                return false;
            };
            self.merge = Some(Merge::new(range, starts, &self.search.sources));
            return true;
        };
        let mut damaged = Vec::new();
        let versions = merge.next_path(&mut damaged);
        self.ready
            .extend(damaged.into_iter().map(|error| Err(error.into())));
        match versions {
            Some(versions) => self.select(versions),
            None => self.merge = None,
        }
        true
    }

    /// Chooses among all entries of one path, each with its source.
    fn select(&mut self, mut versions: Vec<(usize, Entry)>) {
        let Some(path) = versions.first().map(|(_, entry)| entry.path.clone()) else {
            return;
        };
        if !self.pattern.matches(&path) {
            return;
        }
        let rank = |source: usize| self.search.sources[source].rank;
        let last = |gone: bool| {
            let entries = versions.iter();
            let of_kind = entries.filter(|(_, entry)| (entry.kind == Kind::Gone) == gone);
            of_kind.map(|(source, _)| rank(*source)).max()
        };
        let (last_seen, said_gone) = (last(false), last(true));
        versions.retain(|(source, entry)| {
            self.search.sources[*source].offered && entry.kind != Kind::Gone
        });
        versions.sort_by_key(|(source, _)| std::cmp::Reverse(rank(*source)));
        let newest = versions.first().map(|(source, _)| rank(*source));
        if !self.all_versions {
            versions.retain(|(source, _)| Some(rank(*source)) == newest);
        }
        let lacking = |rank| self.search.evidence.lacks(&path, rank);
        let gone = said_gone > last_seen || last_seen.is_some_and(lacking);
        for (source, entry) in versions {
            let hit = self.hit(source, entry, gone);
            self.ready.push_back(hit);
        }
    }

    fn hit(&mut self, source: usize, entry: Entry, gone: bool) -> Result<Hit, CatalogError> {
        let source = &mut self.search.sources[source];
        let receipt = match &source.record {
            Some(record) => Arc::clone(record),
            None => {
                let record = Arc::new(read_receipt(&self.ledger, source.row.line)?.what);
                source.record = Some(Arc::clone(&record));
                record
            }
        };
        let job = Arc::clone(&self.search.jobs[source.rank]);
        Ok(Hit {
            entry,
            receipt,
            job,
            volume: Arc::clone(&source.volume),
            gone,
        })
    }
}

impl Iterator for Hits {
    type Item = Result<Hit, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        self.ready.pop_front()
    }
}
