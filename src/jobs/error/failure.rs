//! Failures as the summaries of jobs show them: of a job, and of single tapes.

use catalogs::model::event::OutsidePlace;
use serde::Serialize;

use super::{JobError, JobErrorKind};
use crate::error_text::with_causes;
use crate::jobs::whereabouts::Pick;

/// An error that ended a job after part of it was done, as a summary shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Which sort of help it calls for.
    pub kind: JobErrorKind,
    /// What happened, with its causes.
    pub what: String,
    /// What to do next.
    pub advice: Option<String>,
}

impl From<&JobError> for Failure {
    fn from(error: &JobError) -> Failure {
        Failure {
            kind: error.kind(),
            what: with_causes(error),
            advice: error.advice(),
        }
    }
}

/// A tape that a job needed and could not use, or not to its end.
#[derive(Debug, Clone, Serialize)]
pub struct FailedTape {
    /// Its barcode; its place in brackets where that cannot be read, such as `(slot 7)`.
    pub barcode: String,
    /// Why.
    pub failure: Failure,
    /// Where somebody said that it is, if it is not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<OutsidePlace>,
    /// Nothing is wrong but that it is not at hand.
    #[serde(skip)]
    missing: bool,
}

impl FailedTape {
    /// True if someone only has to bring it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// The tape `barcode`, which this error kept from being used.
    pub(in crate::jobs) fn new(barcode: String, error: &JobError) -> FailedTape {
        let (missing, outside) = match error {
            JobError::TapeMissing { outside, .. } | JobError::Declined { outside, .. } => {
                (true, outside.clone())
            }
            _ => (false, None),
        };
        FailedTape {
            barcode,
            failure: Failure::from(error),
            outside,
            missing,
        }
    }

    /// Parts the tapes that are only not there from those with which something is wrong.
    pub(in crate::jobs) fn sort(tapes: Vec<FailedTape>) -> (Vec<Pick>, Vec<FailedTape>) {
        let (missing, failed): (Vec<_>, Vec<_>) =
            tapes.into_iter().partition(FailedTape::is_missing);
        let pick = |tape: FailedTape| Pick {
            barcode: tape.barcode,
            outside: tape.outside,
            instead: Vec::new(),
        };
        (missing.into_iter().map(pick).collect(), failed)
    }
}
