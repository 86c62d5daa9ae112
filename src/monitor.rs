//! What a running operation tells its onlookers: progress, and problems with single files.
//!
//! The engine owns this interface and calls it; front ends implement it. A monitor
//! never decides anything: problems reported here are also in the operation's result.

mod lanes;

pub use lanes::{Lane, Lanes};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A problem with one object, which did not stop the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The object, as a path for people (lossy where the name is not UTF-8).
    pub path: String,
    /// What happened to it, as one sentence without a final full stop.
    pub what: String,
}

/// Which part of the way of the data sets the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Walking and reading the source.
    Source,
    /// This machine: tar framing, digests, check sums.
    Host,
    /// Drive and tape.
    Drive,
}

/// What sets the pace of an operation, and what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottleneck {
    /// What sets the pace.
    pub pace: Pace,
    /// Share of the time, in per cent, that was waited for it: by the drive, or for
    /// [`Pace::Drive`] by what is before it.
    pub waited_percent: u8,
}

/// Receives the progress of one operation. All methods may be called from any thread.
pub trait Monitor: Send + Sync {
    /// True if [`expect`](Self::expect) is worth the trouble of counting for it.
    fn wants_total(&self) -> bool {
        false
    }
    /// The work that is still ahead, as far as it is known: objects, and bytes in the measure
    /// of [`advance`](Self::advance). May come late, or again: the last one holds.
    fn expect(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// `files` objects more are done, and `bytes` more. Archiving counts the bytes of files,
    /// holes included; what reads from tape counts bytes of tape.
    fn advance(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// The operation enters a phase, such as "loading A00001L9 into drive 0".
    fn phase(&self, what: &str) {
        let _ = what;
    }
    /// The operation enters a phase in which so many bytes, in the measure of
    /// [`advance`](Self::advance), are to be done.
    fn phase_of(&self, what: &str, bytes: u64) {
        let _ = bytes;
        self.phase(what);
    }
    /// The operation waits for a device: `what` it says, and for how long it has been waited
    /// for. Comes about once a second, however short or long the wait is.
    fn waiting(&self, what: &str, elapsed: Duration) {
        let _ = (what, elapsed);
    }
    /// What has set the pace in the last few seconds.
    fn bottleneck(&self, bottleneck: Bottleneck) {
        let _ = bottleneck;
    }
    /// A problem with one object.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }
    /// Something that a person should know of one object, though nothing is wrong with the
    /// operation.
    fn notice(&self, notice: &Problem) {
        let _ = notice;
    }
    /// From now on this is true of what is done, should the process be ended at once: what is safe,
    /// and how to go on. A sentence without a final full stop.
    fn if_ended(&self, what: &str) {
        let _ = what;
    }
    /// True once the user has asked to stop; the engine looks at file and segment bounds.
    fn stop_requested(&self) -> bool {
        self.stop_flag()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
    /// The flag that is up from then on, for what a drive does by itself for hours. Who has one
    /// needs no [`stop_requested`](Self::stop_requested) of its own.
    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        None
    }
}

/// A monitor that hears nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Monitor for Silent {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flagged(Arc<AtomicBool>);

    impl Monitor for Flagged {
        fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
            Some(Arc::clone(&self.0))
        }
    }

    #[test]
    fn who_raises_the_flag_asks_to_stop() {
        let monitor = Flagged(Arc::default());
        assert!(!monitor.stop_requested());
        monitor.0.store(true, Ordering::Relaxed);
        assert!(monitor.stop_requested());
        assert!(!Silent.stop_requested());
    }
}
