//! `find`: where the versions of files are.
//!
//! The index is asked when the search begins; after that only entry files and ledger lines are
//! read, so a search neither holds the index nor sees later commits. Listings and
//! sums are made from the same hits: which version of a path holds is decided in one place.

mod duplicates;
mod evidence;
mod filter;
mod group;
mod list;
mod merge;
mod risk;
mod scouts;
mod source;
mod standing;
mod view;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

use crate::catalog::{Catalog, Job, Volume, read_receipt};
use crate::entries::{EntriesError, Start};
use crate::error::CatalogError;
use crate::model::event::ReceiptRecord;
use crate::model::path::KeyRange;
use crate::model::{Entry, Kind};
use crate::pattern::Pattern;
pub use duplicates::{Duplicate, Duplicates};
use evidence::Unread;
pub use filter::Filter;
pub use list::{Child, Children, Totals, Usage, Usages};
use merge::{Merge, Names};
pub use risk::{AtRisk, Loss};
use source::Source;
pub use standing::{Building, Standing, Standings, Version};
pub(crate) use view::Kept;
use view::Search;
pub use view::View;

/// Which versions to find. The default: the newest, as of now, on any volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FindOptions {
    /// Not only the newest version of each path.
    pub all_versions: bool,
    /// As if only jobs started at or before this instant had been run.
    pub as_of: Option<Timestamp>,
    /// Only what is on this volume.
    pub on_volume: Option<Uuid>,
    /// What only expired jobs hold, too.
    pub expired: bool,
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
    /// When the first of those jobs started.
    pub gone_since: Option<Timestamp>,
}

impl Catalog {
    /// Finds what `pattern` means, in directory order, entries of one path from the newest job
    /// to the oldest. `docs/catalog.md`, "Answers", says what is newest and what is gone.
    ///
    /// An entry file that is damaged is an error among the hits, once; hits from other files
    /// follow. An older version may then stand for a newer one that could not be read; but that a
    /// job with such a file does not hold a path proves nothing.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn find(&self, pattern: &Pattern, options: &FindOptions) -> Result<Hits, CatalogError> {
        let versions = match options.all_versions {
            true => Versions::All,
            false => Versions::Newest,
        };
        let ranges = pattern.ranges();
        let search = Search::begin(self, (pattern, &ranges), versions, options)?;
        Ok(Hits::new(self, search, pattern, versions))
    }
}

/// Which versions of a path are hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Newest,
    All,
}

/// A range that is searched.
#[derive(Debug)]
enum Range {
    /// Where each file begins that reaches into it.
    Files(KeyRange, Vec<(usize, Start)>),
    /// All that counts of a range that is one name, and the files that could not tell.
    Found(Vec<(usize, Entry)>, Vec<(usize, EntriesError)>),
}

/// The hits of a search, in order.
#[derive(Debug)]
pub struct Hits {
    pattern: Pattern,
    filter: Filter,
    versions: Versions,
    ledger: PathBuf,
    search: Search,
    /// Receipts of sources that had hits.
    records: HashMap<usize, Arc<ReceiptRecord>>,
    unread: Unread,
    merge: Option<Merge>,
    ready: VecDeque<Result<Hit, CatalogError>>,
    stop: Option<Arc<AtomicBool>>,
}

impl Hits {
    fn new(catalog: &Catalog, search: Search, pattern: &Pattern, versions: Versions) -> Hits {
        Hits {
            pattern: pattern.clone(),
            filter: Filter::default(),
            versions,
            ledger: catalog.ledger_path().to_owned(),
            search,
            records: HashMap::new(),
            unread: Unread::default(),
            merge: None,
            ready: VecDeque::new(),
            stop: catalog.stop_flag(),
        }
    }

    /// Leaves out what `filter` does not admit. It does not change which version is the newest.
    #[must_use]
    pub fn filtered(mut self, filter: Filter) -> Hits {
        self.filter = filter;
        self
    }

    /// Makes hits ready from the next path; false if there is none.
    fn advance(&mut self) -> bool {
        let Some(merge) = &mut self.merge else {
            let (range, starts) = match self.search.ranges.pop_front() {
                None => return false,
                Some(Range::Found(versions, damaged)) => {
                    self.tell(damaged);
                    self.select(versions);
                    return true;
                }
                Some(Range::Files(range, starts)) => (range, starts),
            };
            let names = Names {
                pattern: self.pattern.clone(),
                range,
                stop: self.stop.clone(),
            };
            self.merge = Some(Merge::new(names, starts, &self.search.files));
            return true;
        };
        let mut damaged = Vec::new();
        let versions = merge.next_path(&mut damaged);
        self.tell(damaged);
        match versions {
            Some(versions) => self.select(versions),
            None => self.merge = None,
        }
        true
    }

    /// Takes note of damaged files, and tells of each once.
    fn tell(&mut self, damaged: Vec<(usize, EntriesError)>) {
        for (file, error) in damaged {
            if self.unread.note(file, self.search.jobs_of(file)) {
                self.ready.push_back(Err(error.into()));
            }
        }
    }

    /// Chooses among all entries of one path, each with its source. Every question about what a
    /// path is at some time is answered here.
    fn select(&mut self, mut versions: Vec<(usize, Entry)>) {
        let Some(path) = versions.first().map(|(_, entry)| entry.path.clone()) else {
            return;
        };
        if !self.pattern.matches(&path) {
            return;
        }
        let gone_since = self.search.gone_since(&path, &versions, &self.unread);
        let rank = |source: usize| self.search.sources[source].rank;
        versions.retain(|(source, entry)| {
            self.search.sources[*source].offered && entry.kind != Kind::Gone
        });
        // Copies of one version come in the order of their lines.
        versions.sort_by_key(|(source, _)| (std::cmp::Reverse(rank(*source)), *source));
        let newest = versions.first().map(|(source, _)| rank(*source));
        if self.versions == Versions::Newest {
            versions.retain(|(source, _)| Some(rank(*source)) == newest);
        }
        for (source, entry) in versions {
            match self.hit(source, entry, gone_since) {
                Ok(hit) if !self.filter.admits(&hit) => {}
                hit => self.ready.push_back(hit),
            }
        }
    }

    fn hit(
        &mut self,
        number: usize,
        entry: Entry,
        gone_since: Option<Timestamp>,
    ) -> Result<Hit, CatalogError> {
        let source = &self.search.sources[number];
        let receipt = match self.records.get(&number) {
            Some(record) => Arc::clone(record),
            None => {
                let record = Arc::new(read_receipt(&self.ledger, source.line)?.what);
                self.records.insert(number, Arc::clone(&record));
                record
            }
        };
        Ok(Hit {
            entry,
            receipt,
            job: Arc::clone(&self.search.jobs[source.rank]),
            volume: Arc::clone(&source.volume),
            gone: gone_since.is_some(),
            gone_since,
        })
    }
}

impl Iterator for Hits {
    type Item = Result<Hit, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            if let Some(stop) = &self.stop
                && stop.load(Ordering::Relaxed)
            {
                self.search.ranges.clear();
                (self.merge, self.stop) = (None, None);
                return Some(Err(CatalogError::Stopped));
            }
            if !self.advance() {
                return None;
            }
        }
        self.ready.pop_front()
    }
}
