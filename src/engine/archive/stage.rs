//! The threads of the pipeline and their time.

use std::ops::AddAssign;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::EngineError;

/// Work and time of one stage of the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTime {
    /// What went through it, in bytes: data of files; at the drive, of records.
    pub bytes: u64,
    /// Spent working, its own input and output included.
    pub busy: Duration,
    /// Spent waiting for the stage before (nothing to do).
    pub starved: Duration,
    /// Spent waiting for the stage behind (nowhere to put it).
    pub blocked: Duration,
}

impl AddAssign for StageTime {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.busy += other.busy;
        self.starved += other.starved;
        self.blocked += other.blocked;
    }
}

/// Does `work` and adds the time it takes to `total`.
pub(super) fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *total += started.elapsed();
    result
}

/// Starts a stage on a thread of that name.
pub(super) fn spawn<T: Send + 'static>(
    stage: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    let thread = Builder::new().name(stage.to_owned()).spawn(work);
    thread.map_err(|source| EngineError::Spawn { stage, source })
}
