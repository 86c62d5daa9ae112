//! Tapes that a failed move left where the library does not see them.
//!
//! ```text
//! lost-tapes.json   in the state directory; versioned, replaced whole
//! ```
//!
//! Days later the tape is only "not in the library": this says then which move lost it, and where
//! to look. Written by who moves tapes, which is one process at a time; a tape that the library
//! sees again is forgotten. A help and no record: where the file is damaged, nothing is known.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use crate::jobs::state::{StateDir, read_bounded, replace};

/// Version of `lost-tapes.json`.
const FORMAT: u32 = 1;
/// More are not remembered: the oldest go.
const TAPES_MAX: usize = 1_000;

/// A tape that the library lost in a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTape {
    /// Its barcode.
    pub barcode: String,
    /// When.
    pub at: Timestamp,
    /// Where it was, in words.
    pub from: String,
    /// Where it was to go.
    pub to: String,
    /// What the library said.
    pub what: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    tapes: Vec<LostTape>,
}

impl LostTape {
    /// What happened, and where to look, without the barcode.
    #[must_use]
    pub fn words(&self) -> String {
        let LostTape {
            at, from, to, what, ..
        } = self;
        format!(
            "the robot lost it when it moved it from {from} to {to} on {at:.0} ({what}): look in \
             {from}, in {to}, and between them in the library"
        )
    }
}

/// The tapes that were lost and not seen since, oldest first.
pub(crate) fn lost_tapes(state: &StateDir) -> Vec<LostTape> {
    let path = state.lost_tapes_file();
    let read = read_bounded(&path).and_then(|text| {
        let file: File = serde_json::from_str(&text).map_err(io::Error::other)?;
        match file.format {
            FORMAT => Ok(file.tapes),
            format => Err(io::Error::other(format!("its format is {format}"))),
        }
    });
    read.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::warn!(path = %path.display(), %error, "no lost tapes are known");
        }
        Vec::new()
    })
}

/// Remembers a tape that was lost.
pub(crate) fn note_lost(state: &StateDir, lost: LostTape) {
    let mut tapes = lost_tapes(state);
    tapes.retain(|known| known.barcode != lost.barcode);
    tapes.push(lost);
    let surplus = tapes.len().saturating_sub(TAPES_MAX);
    tapes.drain(..surplus);
    write(state, tapes);
}

/// Forgets the tapes that are in `snapshot`.
pub(crate) fn forget_found(state: &StateDir, snapshot: &Snapshot) {
    let known = lost_tapes(state);
    let left: Vec<_> = known.iter().filter(is_unseen(snapshot)).cloned().collect();
    if left.len() != known.len() {
        write(state, left);
    }
}

/// Whether a tape is in none of the places.
pub(crate) fn is_unseen(snapshot: &Snapshot) -> impl Fn(&&LostTape) -> bool {
    |lost| !snapshot.places().any(|place| place.holds(&lost.barcode))
}

/// A failure is logged: what it costs is words.
fn write(state: &StateDir, tapes: Vec<LostTape>) {
    let format = FORMAT;
    let text = serde_json::to_string_pretty(&File { format, tapes });
    let text = text.expect("lost tapes are plain data");
    let path = state.lost_tapes_file();
    if let Err(error) = replace(&path, text.as_bytes()) {
        tracing::warn!(path = %path.display(), %error, "a lost tape is not remembered");
    }
}
