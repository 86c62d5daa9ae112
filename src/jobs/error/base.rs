//! What keeps a job of changes from being measured against another one.

use jiff::Timestamp;

use super::JobErrorKind;

/// There is nothing sound to measure a job against. No tape was touched.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// In the order of time the job would come before one that was there first.
    #[error(
        "job `{name}` began at {started_at}, later than it is by the clock; nothing was written"
    )]
    ClockBehind {
        /// Name of the other job.
        name: String,
        /// When that began.
        started_at: Timestamp,
    },
}

impl BaseError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            BaseError::ClockBehind { .. } => JobErrorKind::Host,
        }
    }

    pub(super) fn advice(&self) -> &'static str {
        match self {
            BaseError::ClockBehind { .. } => {
                "Set the clock of this machine right: by time alone the newest version is told."
            }
        }
    }
}
