//! Problems of a job or a check, bounded in number and size.

use serde::{Deserialize, Serialize};

use super::text::ByteText;

/// A path and what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Archive name, or whatever else names the object.
    pub path: ByteText,
    /// What happened.
    pub what: String,
}

/// Problems, listed up to a bound and counted beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Problems {
    /// All of them, listed or not.
    pub total: u64,
    /// The first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Problem>,
}

impl Problems {
    /// At most this many are listed.
    pub const LISTED_MAX: usize = 1_000;
    /// Listing stops when paths and texts reach this many bytes.
    pub const LISTED_BYTES_MAX: usize = 128 * 1024;

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Counts a problem, and lists it while there is room.
    pub fn push(&mut self, problem: Problem) {
        self.total += 1;
        let size_bytes = |p: &Problem| p.path.0.len() + p.what.len();
        let listed_bytes: usize = self.listed.iter().map(size_bytes).sum();
        let fits = listed_bytes + size_bytes(&problem) <= Problems::LISTED_BYTES_MAX;
        if self.listed.len() < Problems::LISTED_MAX && fits {
            self.listed.push(problem);
        }
    }
}
