//! Brings the entries of many files into one order, path by path.
//!
//! A file is opened when the order reaches the first name it may hold; until then it costs a
//! key, after that one block. Where names are searched for, others go ahead and look for the
//! blocks that are worth reading.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::scouts::Scouts;
use super::source::{SourceFile, Tenants};
use crate::entries::{EntriesError, Start, Stretch, Wanted};
use crate::model::Entry;
use crate::model::path::{KeyRange, order_key};
use crate::pattern::Pattern;

/// Files being merged over one range.
#[derive(Debug)]
pub(super) struct Merge {
    names: Names,
    heads: BinaryHeap<Reverse<Head>>,
    runs: Vec<Run>,
    /// Who looks for the blocks that are worth reading, where most are not.
    scouts: Option<Scouts>,
}

/// What a run comes to next. Runs not opened yet sort before entries of the same key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: Vec<u8>,
    opened: bool,
    run: usize,
}

#[derive(Debug)]
struct Run {
    /// Its number among the files of the search.
    file: usize,
    tenants: Tenants,
    /// `None` once the run is at its end or has failed.
    stretch: Option<Stretch>,
    /// The next entry, and its source.
    head: Option<(usize, Entry)>,
}

impl Merge {
    pub(super) fn new(names: Names, starts: Vec<(usize, Start)>, files: &[SourceFile]) -> Merge {
        let scouted = names.pattern.is_searched_for() && starts.len() > 1;
        let scouts = scouted.then(|| {
            let files = starts.iter().map(|(file, start)| {
                let file = &files[*file];
                (file.path.clone(), file.id, start.block_at)
            });
            Scouts::send(&names, files)
        });
        let mut merge = Merge {
            names,
            heads: BinaryHeap::new(),
            runs: Vec::new(),
            scouts,
        };
        for (number, start) in starts {
            let run = merge.runs.len();
            let file = &files[number];
            merge.runs.push(Run {
                file: number,
                tenants: file.tenants.clone(),
                stretch: Some(open(file, &start)),
                head: None,
            });
            merge.heads.push(Reverse(Head {
                key: start.lowest_key,
                opened: false,
                run,
            }));
        }
        merge
    }

    /// All entries of the next path, each with its source; `None` at the end of the range.
    /// Files found damaged on the way are added to `damaged` and left out from then on.
    pub(super) fn next_path(
        &mut self,
        damaged: &mut Vec<(usize, EntriesError)>,
    ) -> Option<Vec<(usize, Entry)>> {
        let mut key: Option<Vec<u8>> = None;
        let mut entries = Vec::new();
        while let Some(Reverse(head)) = self.heads.peek() {
            if key.as_ref().is_some_and(|key| *key < head.key) {
                break;
            }
            let Some(Reverse(head)) = self.heads.pop() else {
                break;
            };
            let run = &mut self.runs[head.run];
            if let Some(entry) = run.head.take() {
                entries.push(entry);
                key = Some(head.key);
            }
            if let Err(error) = self.step(head.run) {
                damaged.push((self.runs[head.run].file, error));
            }
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// Moves a run to its next entry in the range.
    fn step(&mut self, run_number: usize) -> Result<(), EntriesError> {
        let run = &mut self.runs[run_number];
        // Put back only if there is more to read.
        let Some(mut stretch) = run.stretch.take() else {
            return Ok(());
        };
        loop {
            let next = match &mut self.scouts {
                Some(scouts) => stretch.next_found(&self.names, || scouts.next_block(run_number)),
                None => stretch.next_near(&self.names),
            };
            let Some(entry) = next? else {
                return Ok(());
            };
            // Else its receipt does not count.
            if let Some(source) = run.tenants.source(stretch.receipt()) {
                self.heads.push(Reverse(Head {
                    key: order_key(&entry.path),
                    opened: true,
                    run: run_number,
                }));
                run.head = Some((source, entry));
                run.stretch = Some(stretch);
                return Ok(());
            }
        }
    }
}

/// The names within a range that a pattern means.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) pattern: Pattern,
    pub(super) range: KeyRange,
    /// Once it is up, no name is looked for any more.
    pub(super) stop: Option<Arc<AtomicBool>>,
}

impl Names {
    /// Whether the search was given up.
    fn is_stopped(&self) -> bool {
        let raised = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        self.stop.as_ref().is_some_and(raised)
    }
}

impl Wanted for Names {
    fn wants(&self, path: &[u8]) -> bool {
        self.pattern.matches(path) && self.range.contains_name(path)
    }

    fn wants_slashed(&self, slashed: &[u8]) -> bool {
        self.pattern.matches_slashed(slashed) && self.range.contains_name(&slashed[1..])
    }

    fn may_be_among(&self, names: &[u8]) -> Option<bool> {
        self.pattern.may_be_among(names)
    }

    fn is_past(&self, path: &[u8]) -> bool {
        self.is_stopped() || self.range.ends_before_name(path)
    }
}

/// What a file holds of the names, which are few: each entry with its source.
pub(super) fn probe(
    file: &SourceFile,
    start: &Start,
    names: &Names,
) -> Result<Vec<(usize, Entry)>, EntriesError> {
    let mut stretch = open(file, start);
    let mut held = Vec::new();
    while let Some(entry) = stretch.next_near(names)? {
        let source = file.tenants.source(stretch.receipt());
        held.extend(source.map(|source| (source, entry)));
    }
    Ok(held)
}

fn open(file: &SourceFile, start: &Start) -> Stretch {
    let path = file.path.clone();
    match start.block_at {
        Some(at) => Stretch::new(path, file.id, at),
        None => Stretch::whole(path, file.id),
    }
}
