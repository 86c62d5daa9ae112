//! Which jobs prove, by not holding a path, that it was no longer there: full ones. What is gone
//! for one of another level it says itself.

use std::collections::HashSet;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::catalog::Job;
use crate::model::event::Outcome;
use crate::pattern::{as_path, is_at_or_below, trim_slashes};

/// The complete full jobs, the newest first.
#[derive(Debug)]
pub(super) struct Evidence {
    witnesses: Vec<Witness>,
}

#[derive(Debug)]
struct Witness {
    rank: usize,
    job: Arc<Job>,
    excludes: GlobSet,
}

impl Evidence {
    /// `jobs` in order, the oldest first; only those that `counts` are heard.
    pub(super) fn new(jobs: &[Arc<Job>], counts: impl Fn(&Job) -> bool) -> Evidence {
        let complete = |job: &Arc<Job>| {
            let finish = job.finish.as_ref();
            finish.is_some_and(|finish| finish.what.outcome == Outcome::Complete)
        };
        let witnesses = jobs
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, job)| job.start.what.level.is_full() && complete(job) && counts(job));
        let witnesses = witnesses.filter_map(|(rank, job)| {
            // What an exclude that cannot be read left out is unknown: the job proves nothing.
            let excludes = excludes(&job.start.what.excludes).ok()?;
            Some(Witness {
                rank,
                job: Arc::clone(job),
                excludes,
            })
        });
        Evidence {
            witnesses: witnesses.collect(),
        }
    }

    /// Whether a job after the one of rank `last_seen`, in which the path was last seen, covers
    /// the path.
    pub(super) fn lacks(&self, path: &[u8], last_seen: usize, unread: &Unread) -> bool {
        self.lacking(path, last_seen, unread).next().is_some()
    }

    /// The rank of the first such job.
    pub(super) fn first_lacking(
        &self,
        path: &[u8],
        last_seen: usize,
        unread: &Unread,
    ) -> Option<usize> {
        self.lacking(path, last_seen, unread).last()
    }

    /// Ranks of the jobs that prove it, the newest first.
    fn lacking(
        &self,
        path: &[u8],
        last_seen: usize,
        unread: &Unread,
    ) -> impl Iterator<Item = usize> {
        let later = self.witnesses.iter();
        let later = later.take_while(move |witness| witness.rank > last_seen);
        let heard = later.filter(|witness| !unread.jobs.contains(&witness.rank));
        let lacking = heard.filter(|witness| witness.covers(path));
        lacking.map(|witness| witness.rank)
    }
}

/// What a search found damaged: what it does not see there may be there all the same.
#[derive(Debug, Default)]
pub(super) struct Unread {
    files: HashSet<usize>,
    /// Ranks of the jobs that have entries in them.
    jobs: HashSet<usize>,
}

impl Unread {
    /// Takes note of a file, and the ranks of its jobs. Whether that is news.
    pub(super) fn note(&mut self, file: usize, jobs: impl IntoIterator<Item = usize>) -> bool {
        self.jobs.extend(jobs);
        self.files.insert(file)
    }
}

impl Witness {
    fn covers(&self, path: &[u8]) -> bool {
        let mut roots = self.job.start.what.roots.iter();
        roots.any(|root| is_at_or_below(path, trim_slashes(&root.0))) && !self.may_exclude(path)
    }

    /// Whether an exclude matches the path, an ancestor or a component: on the safe side of
    /// whatever the archiver takes excludes to mean.
    fn may_exclude(&self, path: &[u8]) -> bool {
        if self.excludes.is_empty() {
            return false;
        }
        let ends = (0..path.len())
            .filter(|&at| path[at] == b'/')
            .chain([path.len()]);
        let mut begin = 0;
        for end in ends {
            let component = &path[begin..end];
            let ancestor = &path[..end];
            let hit = |bytes| self.excludes.is_match(as_path(bytes));
            if hit(component) || hit(ancestor) {
                return true;
            }
            begin = end + 1;
        }
        false
    }
}

fn excludes(globs: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let glob = glob.trim_matches('/');
        set.add(GlobBuilder::new(glob).literal_separator(false).build()?);
    }
    set.build()
}
