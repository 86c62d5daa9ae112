//! Looks, on all processors, for the blocks of many receipts that have names which are searched
//! for, while the search reads those that were found.
//!
//! Known of a receipt are offsets alone, and not many of them ahead: memory does not grow with
//! what is found. The search itself lends a hand before it waits.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use uuid::Uuid;

use super::merge::Names;
use crate::entries::{Scanned, Scanner};

const THREADS_MAX: usize = 8;
/// A receipt of which so many blocks are found waits until they are read.
const AHEAD: usize = 64;

/// Those who look ahead for one search.
#[derive(Debug)]
pub(super) struct Scouts {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    own: Scanner,
}

#[derive(Debug)]
struct Shared {
    names: Names,
    files: Vec<(PathBuf, Uuid)>,
    state: Mutex<State>,
    /// That a receipt was gone through for a while.
    news: Condvar,
    given_up: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Receipts to go on with, the one that is needed first in front.
    queue: VecDeque<usize>,
    receipts: Vec<Receipt>,
}

#[derive(Debug)]
struct Receipt {
    found: VecDeque<u64>,
    place: Place,
    /// Whether it has been gone through for the first time. That ends with the first find, so that
    /// the search can begin once it was all receipts' turn.
    begun: bool,
}

/// How far a receipt has been gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Up to this block (`None`: not begun), and it is in the queue.
    Queued(Option<u64>),
    /// Up to this block; enough is found for now.
    Resting(u64),
    /// Somebody is at it.
    Taken,
    /// To the end.
    Ended,
}

impl Scouts {
    /// Begins with these files in this order, each from a block on.
    pub(super) fn send(
        names: &Names,
        files: impl Iterator<Item = (PathBuf, Uuid, Option<u64>)>,
    ) -> Scouts {
        let (mut places, mut receipts) = (Vec::new(), Vec::new());
        for (path, segment, at) in files {
            places.push((path, segment));
            receipts.push(Receipt {
                found: VecDeque::new(),
                place: Place::Queued(at),
                begun: false,
            });
        }
        let shared = Arc::new(Shared {
            names: names.clone(),
            files: places,
            state: Mutex::new(State {
                queue: (0..receipts.len()).collect(),
                receipts,
            }),
            news: Condvar::new(),
            given_up: AtomicBool::new(false),
        });
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        // The search is one itself.
        let others = processors.min(THREADS_MAX) - 1;
        let threads = (0..others).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.scout())
        });
        Scouts {
            threads: threads.collect(),
            shared,
            own: Scanner::new(),
        }
    }

    /// The next block of a receipt that may have wanted names; `None` if there is none.
    pub(super) fn next_block(&mut self, number: usize) -> Option<u64> {
        let Scouts { shared, own, .. } = self;
        let mut state = shared.state();
        loop {
            let receipt = &mut state.receipts[number];
            if let Some(at) = receipt.found.pop_front() {
                if let Place::Resting(next_at) = receipt.place
                    && receipt.found.len() < AHEAD / 2
                {
                    receipt.place = Place::Queued(Some(next_at));
                    state.queue.push_back(number);
                    shared.news.notify_all();
                }
                return Some(at);
            }
            let task = match receipt.place {
                Place::Ended => return None,
                Place::Queued(_) | Place::Resting(_) => {
                    state.queue.retain(|queued| *queued != number);
                    Some(number)
                }
                Place::Taken => state.queue.pop_front(),
            };
            state = match task {
                Some(task) => shared.work(state, task, own, &shared.names),
                None => shared.wait(state),
            };
        }
    }
}

impl Drop for Scouts {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Relaxed);
        // Whoever looks at the flag and then waits holds the state in between.
        drop(self.shared.state());
        self.shared.news.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there leaves its receipt to the search, which has met it as well.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.news
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the search is given up.
    fn scout(&self) {
        let mut scanner = Scanner::new();
        // A clone of a pattern does not wait for others.
        let names = self.names.clone();
        let mut state = self.state();
        while !self.given_up.load(Ordering::Relaxed) {
            state = match state.queue.pop_front() {
                Some(task) => self.work(state, task, &mut scanner, &names),
                None => self.wait(state),
            };
        }
    }

    /// Goes on with a receipt for a while, with the state unlocked.
    fn work<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        number: usize,
        scanner: &mut Scanner,
        names: &Names,
    ) -> MutexGuard<'a, State> {
        let at = match state.receipts[number].place {
            Place::Queued(at) => at,
            Place::Resting(at) => Some(at),
            // What is in the queue is neither.
            Place::Taken | Place::Ended => return state,
        };
        state.receipts[number].place = Place::Taken;
        let begun = std::mem::replace(&mut state.receipts[number].begun, true);
        let enough = if begun { AHEAD } else { 1 };
        drop(state);
        let mut claim = Claim {
            shared: self,
            number,
            scanned: Scanned::default(),
            at,
        };
        let (path, segment) = &self.files[number];
        claim.scanned = scanner.scan(path, segment, at, names, enough);
        claim.at = claim.scanned.next_at;
        drop(claim);
        self.state()
    }
}

/// A receipt that somebody is at; dropped, also by a panic, it is free again.
struct Claim<'a> {
    shared: &'a Shared,
    number: usize,
    scanned: Scanned,
    at: Option<u64>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let State { queue, receipts } = &mut *state;
        let receipt = &mut receipts[self.number];
        receipt.found.extend(self.scanned.found.drain(..));
        receipt.place = match self.at {
            _ if std::thread::panicking() => Place::Queued(self.at),
            None => Place::Ended,
            Some(at) if receipt.found.len() >= AHEAD => Place::Resting(at),
            Some(at) => {
                queue.push_back(self.number);
                Place::Queued(Some(at))
            }
        };
        self.shared.news.notify_all();
    }
}
