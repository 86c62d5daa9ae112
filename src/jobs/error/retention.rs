//! What is kept, and so must not be overwritten.

use jiff::Timestamp;
use uuid::Uuid;

use super::JobErrorKind;

/// Something is kept, or a hold is not known. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// A hold is on the volume, or on a job that has a segment on it.
    #[error(
        "tape {barcode} is kept by hold {hold}, which {by} placed on {}: {reason}; no tape was \
         moved",
        since.strftime("%Y-%m-%d")
    )]
    Held {
        /// The tape.
        barcode: String,
        /// The hold.
        hold: Uuid,
        /// When it was placed.
        since: Timestamp,
        /// Why.
        reason: String,
        /// Who placed it.
        by: String,
    },
    /// A job on the volume has a time, and is not expired.
    #[error(
        "tape {barcode} has job `{job}`, which is kept {}; no tape was moved",
        until_text(*.until)
    )]
    Unexpired {
        /// The tape.
        barcode: String,
        /// Name of the job.
        job: String,
        /// Its time; `None`: for ever.
        until: Option<Timestamp>,
    },
    /// The time that a job is to be kept for is over.
    #[error(
        "job `{job}` would be kept until {}, which is past; nothing was changed",
        until.strftime("%Y-%m-%d %H:%M UTC")
    )]
    Past {
        /// Name of the job.
        job: String,
        /// The time.
        until: Timestamp,
    },
    /// No hold in force has this identity, or several begin so.
    #[error("no hold in force, or more than one, is named `{name}` (four characters at the least)")]
    NoSuchHold {
        /// What was given.
        name: String,
    },
}

fn until_text(until: Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("until {}", until.strftime("%Y-%m-%d")),
        None => "for ever".to_owned(),
    }
}

impl RetentionError {
    pub(super) fn kind(&self) -> JobErrorKind {
        match self {
            RetentionError::Held { .. } | RetentionError::Unexpired { .. } => {
                JobErrorKind::WrongTape
            }
            RetentionError::Past { .. } => JobErrorKind::Request,
            RetentionError::NoSuchHold { .. } => JobErrorKind::NotFound,
        }
    }

    pub(super) fn advice(&self) -> &'static str {
        match self {
            RetentionError::Held { .. } => {
                "Label another tape. If the hold is over, whoever is responsible for it \
                 releases it: `hold release HOLD --reason TEXT`."
            }
            RetentionError::Unexpired { .. } => {
                "Label another tape. `expire --dry-run` shows when the tape will be free, and what \
                 keeps it; \
                 once its time is over, `expire` frees it. `keep` sets another time."
            }
            RetentionError::Past { .. } => {
                "Times are counted from the start of the job. To give a job up, keep it until the \
                 end of this day, with `keep JOB --until DATE`: then `expire` gives it up."
            }
            RetentionError::NoSuchHold { .. } => "`hold list` shows the holds in force.",
        }
    }
}
