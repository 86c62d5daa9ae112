//! The host's time: injected, so that a test decides when a second has passed.
//!
//! What a device makes of it is in [`crate::timeline`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A clock that never goes back, and the means to wait for it.
pub trait Clock: Send + Sync {
    /// Time since an arbitrary moment.
    fn now(&self) -> Duration;
    /// Returns when `duration` has passed.
    fn sleep(&self, duration: Duration);
}

/// The host's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// A clock that moves only when told to, and when somebody waits for it. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    now_ns: Arc<AtomicU64>,
    slept_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// Lets `duration` pass.
    pub fn advance(&self, duration: Duration) {
        self.now_ns.fetch_add(nanos(duration), Ordering::Relaxed);
    }

    /// How long devices have waited for it.
    pub fn slept(&self) -> Duration {
        Duration::from_nanos(self.slept_ns.load(Ordering::Relaxed))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.now_ns.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) {
        self.slept_ns.fetch_add(nanos(duration), Ordering::Relaxed);
        self.advance(duration);
    }
}

/// Whole nanoseconds; 584 years is the most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
