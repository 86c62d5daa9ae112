//! What is done with tapes on their way to a drive and back, and how long it takes. It is told to
//! whoever compares it with what was foretold; nobody here decides anything by it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::clock::{Hand, seconds_between};

/// Steps of mounting a tape, or of giving one back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// Moves of the robot; where a person loads the tapes, requests that were met.
    pub(crate) moves: u64,
    /// Seconds that they took.
    pub(crate) moves_s: f64,
    /// When a tape had come into a drive, the last time.
    pub(crate) seated_at: Option<Timestamp>,
    /// Unloads.
    pub(crate) unloads: u64,
    /// Seconds that they took.
    pub(crate) unloads_s: f64,
    /// Product name of the drive that took the tape last.
    pub(crate) model: Option<String>,
}

/// Notes steps. Clones share them.
#[derive(Clone)]
pub(crate) struct Stopwatch {
    hand: Hand,
    steps: Arc<Mutex<Steps>>,
}

impl Stopwatch {
    pub(super) fn new(hand: Hand) -> Stopwatch {
        Stopwatch {
            hand,
            steps: Arc::default(),
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        (self.hand)()
    }

    /// What it goes by.
    pub(crate) fn hand(&self) -> Hand {
        Arc::clone(&self.hand)
    }

    /// All steps since they were taken last.
    pub(crate) fn take(&self) -> Steps {
        std::mem::take(&mut *self.steps())
    }

    /// A tape was moved, or handed over.
    pub(super) fn moved(&self, since: Timestamp) {
        let seconds = seconds_between(since, self.now());
        let mut steps = self.steps();
        steps.moves += 1;
        steps.moves_s += seconds;
    }

    /// A tape has come into a drive, which may begin to load it.
    pub(super) fn seated(&self) {
        let now = self.now();
        self.steps().seated_at = Some(now);
    }

    /// A drive let go of its tape.
    pub(super) fn unloaded(&self, since: Timestamp) {
        let seconds = seconds_between(since, self.now());
        let mut steps = self.steps();
        steps.unloads += 1;
        steps.unloads_s += seconds;
    }

    /// A drive of this model has the tape.
    pub(super) fn is_in(&self, model: &str) {
        self.steps().model = Some(model.to_owned());
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
