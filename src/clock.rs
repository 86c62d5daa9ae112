//! Time and identity as values that are passed in, so that a test can replay a run.
//!
//! Nothing below the command line asks the operating system for the time or for
//! randomness; it is handed a [`Clock`].

use jiff::Timestamp;
use uuid::Uuid;

/// Where a job takes the time and new identities from.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;
    /// A fresh, unique identity.
    fn new_id(&self) -> Uuid;
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
