//! Time and identity as values that are passed in, so that a test can replay a run.
//!
//! Nothing below the command line asks the operating system for the time or for
//! randomness; it is handed a [`Clock`].

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

/// Tells the moments between which something lasts, and is kept by whoever measures.
pub type Hand = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a job takes the time and new identities from.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;
    /// A fresh, unique identity.
    fn new_id(&self) -> Uuid;
    /// A hand that outlives the borrow of the clock, for spans of time: its moments are compared
    /// with each other alone.
    fn hand(&self) -> Hand {
        Arc::new(Timestamp::now)
    }
}

/// Seconds from one moment to another; none where the clock was set back.
#[must_use]
pub fn seconds_between(begun: Timestamp, ended: Timestamp) -> f64 {
    ended.duration_since(begun).as_secs_f64().max(0.0)
}

/// The operating system's clock and randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}
