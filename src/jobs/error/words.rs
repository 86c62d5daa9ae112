//! Parts of what errors say of jobs and tapes.

use super::list;
use crate::jobs::Outcome;

/// What a failed write leaves of a tape.
pub(super) fn after_write_failure(suspect: bool, segments: u64) -> String {
    let state = match suspect {
        true => "it was marked suspect, and nothing more is written to it",
        false => "nothing speaks against the tape itself",
    };
    let safe = match segments {
        0 => "no segment on it is confirmed".to_owned(),
        1 => "the one segment of it in the catalog is confirmed and safe".to_owned(),
        n => format!("the {n} segments of it in the catalog are confirmed and safe"),
    };
    format!("{state}; {safe}")
}

/// Why a job may be without segments, and what other jobs of its name there are.
pub(super) fn without_segments(ended: Option<Outcome>, others: &[String]) -> String {
    let ended = match ended {
        Some(Outcome::Complete) => "it had nothing to write",
        Some(Outcome::Partial) => "it was done in part",
        Some(Outcome::Failed) => "it failed",
        Some(Outcome::Interrupted) => "it was interrupted",
        None => "it still runs",
    };
    match others {
        [] => ended.to_owned(),
        others => format!("{ended}; other jobs of this name: {}", list(others, "")),
    }
}
