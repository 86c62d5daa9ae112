//! Questions to the catalog, each on a thread of its own, so that the screen never waits.
//!
//! One list is read and one directory counted at a time. What is no longer wanted is stopped.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use jiff::Timestamp;
use tapewright::jobs::browse::{self, BrowseOptions, Listed};
use tapewright::jobs::restore::{self, RestoreOptions};
use tapewright::jobs::{JobError, Site};
use tapewright::monitor::{Monitor, Problem};

use super::overview;
use super::state::{Row, Total};
use crate::exit::Failure;

/// An answer. Its number says which question it is to.
pub enum Reply {
    /// What was read, and what kept some of it from being there.
    Listed(u64, Vec<Row>, Option<String>),
    Measured(u64, Vec<u8>, Result<Total, String>),
    Planned(u64, Vec<String>),
}

/// Asks, and knows what is still wanted.
pub struct Workers<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    site: Site<'env>,
    replies: Sender<Reply>,
    number: u64,
    listing: Question,
    measuring: Question,
    planning: Question,
    waiting: VecDeque<Vec<u8>>,
    as_of: Option<Timestamp>,
}

/// The last question of a kind.
#[derive(Default)]
struct Question {
    number: u64,
    stop: Arc<AtomicBool>,
    runs: bool,
}

impl Question {
    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        *self = Question::default();
    }
}

impl<'scope, 'env> Workers<'scope, 'env> {
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        site: Site<'env>,
        replies: Sender<Reply>,
    ) -> Workers<'scope, 'env> {
        Workers {
            scope,
            site,
            replies,
            number: 0,
            listing: Question::default(),
            measuring: Question::default(),
            planning: Question::default(),
            waiting: VecDeque::new(),
            as_of: None,
        }
    }

    /// Reads a directory, and no other any more.
    pub fn list(&mut self, path: &[u8], as_of: Option<Timestamp>) {
        self.listing.end();
        let options = options(path, as_of, None);
        self.listing = self.ask(move |number, site| {
            let mut rows = Vec::new();
            let result = browse::names(site, &options, &mut |listed| {
                rows.push(row(listed));
                ControlFlow::Continue(())
            });
            Reply::Listed(number, rows, result.err().map(words))
        });
    }

    /// Counts what lies below directories, one after the other.
    pub fn measure(&mut self, paths: Vec<Vec<u8>>, as_of: Option<Timestamp>) {
        self.as_of = as_of;
        self.waiting.extend(paths);
        self.measure_next();
    }

    fn measure_next(&mut self) {
        if self.measuring.runs {
            return;
        }
        let Some(path) = self.waiting.pop_front() else {
            return;
        };
        let options = options(&path, self.as_of, Some(0));
        self.measuring = self.ask(move |number, site| {
            let mut total = Total::Known { files: 0, bytes: 0 };
            let result = browse::usage(site, &options, &mut |used| {
                total = Total::Known {
                    files: used.below.files,
                    bytes: used.below.bytes,
                };
                ControlFlow::Continue(())
            });
            let result = match result {
                // Nothing lies below it.
                Ok(_) | Err(JobError::NothingFound { .. }) => Ok(total),
                Err(error) => Err(words(error)),
            };
            Reply::Measured(number, path, result)
        });
    }

    /// Makes the plan of a restore.
    pub fn plan(&mut self, options: RestoreOptions) {
        self.planning = self.ask(move |number, site| {
            let lines = match restore::plan(site, &options) {
                Ok(outlook) => overview::lines(&outlook),
                Err(error) => vec![words(error)],
            };
            Reply::Planned(number, lines)
        });
    }

    /// Nothing that is counted or planned is wanted any more.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.measuring.end();
        self.planning.end();
    }

    /// Whether the answer is to a question that still stands; goes on with what waits for it.
    pub fn is_wanted(&mut self, reply: &Reply) -> bool {
        let (question, number) = match reply {
            Reply::Listed(number, ..) => (&mut self.listing, *number),
            Reply::Measured(number, ..) => (&mut self.measuring, *number),
            Reply::Planned(number, _) => (&mut self.planning, *number),
        };
        if question.number != number {
            return false;
        }
        *question = Question::default();
        self.measure_next();
        true
    }

    /// Whether a plan is still being made, which cannot be stopped.
    pub fn is_planning(&self) -> bool {
        self.planning.runs
    }

    fn ask(&mut self, question: impl FnOnce(u64, Site<'_>) -> Reply + Send + 'scope) -> Question {
        self.number += 1;
        let number = self.number;
        let quiet = Quiet::default();
        let stop = Arc::clone(&quiet.stop);
        let (site, replies) = (self.site, self.replies.clone());
        self.scope.spawn(move || {
            let site = Site {
                monitor: &quiet,
                ..site
            };
            let reply = quiet.annotate(question(number, site));
            // Who left the screen wants no answer.
            let _ = replies.send(reply);
        });
        Question {
            number,
            stop,
            runs: true,
        }
    }
}

impl Drop for Workers<'_, '_> {
    fn drop(&mut self) {
        self.listing.end();
        self.forget();
    }
}

fn options(path: &[u8], as_of: Option<Timestamp>, depth: Option<usize>) -> BrowseOptions {
    BrowseOptions {
        path: path.to_vec(),
        as_of,
        on_tape: None,
        depth,
    }
}

fn row(listed: Listed) -> Row {
    Row {
        path: listed.path.0,
        kind: listed.kind,
        bytes: listed.size_bytes,
        mtime: listed.mtime.map(|time| time.0),
    }
}

fn words(error: JobError) -> String {
    Failure::Job(error).words(false).unwrap_or_default()
}

/// Hears what would be printed, which the screen has no place for.
#[derive(Default)]
struct Quiet {
    stop: Arc<AtomicBool>,
    heard: Mutex<Vec<String>>,
}

impl Quiet {
    fn hear(&self, problem: &Problem) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(format!("{}: {}", problem.path, problem.what));
    }

    /// A plan with what was heard while it was made.
    fn annotate(&self, mut reply: Reply) -> Reply {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Reply::Planned(_, lines) = &mut reply {
            lines.extend(heard.iter().map(|what| format!("note: {what}")));
        }
        reply
    }
}

impl Monitor for Quiet {
    fn problem(&self, problem: &Problem) {
        tracing::warn!(path = problem.path, "{}", problem.what);
        self.hear(problem);
    }

    fn notice(&self, notice: &Problem) {
        self.hear(notice);
    }

    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        Some(Arc::clone(&self.stop))
    }
}
