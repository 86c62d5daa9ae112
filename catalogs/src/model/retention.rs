//! How long things are kept: events of the ledger. `docs/retention.md` has the rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long a job is kept. The last one of a job counts, and takes back an expiry before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionSet {
    /// The job.
    pub job: Uuid,
    /// Kept until then; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Name of the user who said so; empty if a tape did.
    pub by: String,
    /// It was taken from a tape, which tells what was said when it was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_tape: bool,
}

/// What a hold is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Held {
    /// A job, with all its copies.
    Job {
        /// The job.
        job: Uuid,
    },
    /// A volume, with all jobs that have a segment on it.
    Volume {
        /// The volume.
        volume: Uuid,
    },
}

/// From now on something is kept, whatever its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlaced {
    /// Identity of the hold.
    pub hold: Uuid,
    /// What it is on.
    pub on: Held,
    /// Why.
    pub reason: String,
    /// Name of the user who placed it.
    pub by: String,
}

/// A hold is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReleased {
    /// The hold.
    pub hold: Uuid,
    /// Why.
    pub reason: String,
    /// Name of the user who released it.
    pub by: String,
}

/// A job's time is over: its entries are not offered any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobExpired {
    /// The job.
    pub job: Uuid,
    /// Name of the user who had it recorded.
    pub by: String,
}
