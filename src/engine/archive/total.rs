//! How much a run has before it, told to its monitor while the run goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Builder};

use crate::engine::source::{Base, Measure, Selection, measure};
use crate::monitor::{Bottleneck, Monitor, Problem};

/// Does `work`, and beside it counts the selection for `monitor`, if that wants a total and
/// there is one to be had.
/// The count ends with the work at the latest, and cannot make it fail.
pub(super) fn with_total<T>(
    selection: Option<&Selection>,
    base: Option<&dyn Base>,
    monitor: &dyn Monitor,
    work: impl FnOnce(&dyn Monitor) -> T,
) -> T {
    let Some(selection) = selection.filter(|_| monitor.wants_total()) else {
        return work(monitor);
    };
    let tally = Tally {
        monitor,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let over = AtomicBool::new(false);
    let count = || match measure(selection, base, || over.load(Ordering::Relaxed)) {
        Ok(Some(all)) => tally.expect_rest_of(all),
        stopped => tracing::debug!(?stopped, "the source was not counted to its end"),
    };
    thread::scope(|scope| {
        let _ends = Ends(&over);
        let counter = Builder::new()
            .name("count".to_owned())
            .spawn_scoped(scope, count);
        let result = work(&tally);
        over.store(true, Ordering::Relaxed);
        let counted = counter.map(|thread| thread.join().is_ok());
        tracing::debug!(?counted, "the count of the source is over");
        result
    })
}

/// Ends the count, even where the work panics: the scope waits for its threads.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Hands everything on, and remembers what of the total is done already.
struct Tally<'a> {
    monitor: &'a dyn Monitor,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Tally<'_> {
    fn expect_rest_of(&self, all: Measure) {
        let files = all.files.saturating_sub(self.files.load(Ordering::Relaxed));
        let bytes = all.bytes.saturating_sub(self.bytes.load(Ordering::Relaxed));
        self.monitor.expect(files, bytes);
    }
}

impl Monitor for Tally<'_> {
    fn wants_total(&self) -> bool {
        self.monitor.wants_total()
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.monitor.expect(files, bytes);
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.monitor.advance(files, bytes);
    }

    fn phase(&self, what: &str) {
        self.monitor.phase(what);
    }

    fn bottleneck(&self, bottleneck: Bottleneck) {
        self.monitor.bottleneck(bottleneck);
    }

    fn problem(&self, problem: &Problem) {
        self.monitor.problem(problem);
    }

    fn notice(&self, notice: &Problem) {
        self.monitor.notice(notice);
    }

    fn stop_requested(&self) -> bool {
        self.monitor.stop_requested()
    }
}
