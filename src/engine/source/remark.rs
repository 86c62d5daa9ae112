//! What the walk has to say about objects it could not take as they are.

use std::fmt;

/// Whether something is missing that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Left out on purpose.
    Note,
    /// Missing, or not as it was.
    Problem,
}

/// A remark about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Archive path of the object.
    pub path: Vec<u8>,
    /// Whether something is missing.
    pub severity: Severity,
    /// What happened, as one sentence without a final full stop.
    pub what: String,
}

impl Remark {
    /// Something is missing, or not as it was.
    pub(crate) fn problem(path: &[u8], what: impl Into<String>) -> Self {
        Self {
            path: path.to_vec(),
            severity: Severity::Problem,
            what: what.into(),
        }
    }

    /// Something was left out on purpose.
    pub(crate) fn note(path: &[u8], what: impl Into<String>) -> Self {
        Self {
            path: path.to_vec(),
            severity: Severity::Note,
            what: what.into(),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: {}", String::from_utf8_lossy(&self.path), self.what)
    }
}
