//! One line of the ledger as bytes: `docs/catalog.md`, "Ledger".
//!
//! The chain is checked on bytes before JSON is looked at. No I/O here.

use std::ffi::OsStr;
use std::path::Path;

use blake3::Hash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::event::{Event, Recorded};

/// Longest line in bytes, its newline not counted.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// `prev` of the first line.
pub(crate) const NO_SUM: Hash = Hash::from_bytes([0; 32]);

const HEX_BYTES: usize = 64;
const SEQ_FIELD: &[u8] = b"{\"seq\":";
const PREV_FIELD: &[u8] = b",\"prev\":\"";
const SUM_FIELD: &[u8] = b",\"sum\":\"";
const LINE_END: &[u8] = b"\"}";
/// `,"sum":"`, 64 digits, `"}`.
pub(crate) const TAIL_BYTES: usize = SUM_FIELD.len() + HEX_BYTES + LINE_END.len();

/// Types of events this version knows. An event of a known type must have its fields.
const KNOWN_TYPES: [&str; 19] = [
    "catalog_created",
    "volume_labelled",
    "volume_retired",
    "volume_reinstated",
    "volume_state",
    "volume_moved",
    "job_started",
    "receipt",
    "job_finished",
    "verified",
    "catalog_rebuilt",
    "restore_started",
    "restored",
    "retention_set",
    "hold_placed",
    "hold_released",
    "job_expired",
    "entries_merged",
    "entries_dropped",
];

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// Not in the fixed form of a ledger line.
    #[error("not in the form of a ledger line")]
    Form,
    /// `sum` is not that of the line's bytes: the line was altered.
    #[error("its bytes do not match its sum")]
    Sum,
    /// `prev` is not the sum of the line before: a line was altered, removed or inserted.
    #[error("it does not follow the line before it")]
    Prev,
    /// `seq` does not count on from the line before.
    #[error("it has number {found}, {expected} was due")]
    Seq {
        /// Number due.
        expected: u64,
        /// Number in the line.
        found: u64,
    },
    /// The sum is right, but the JSON is not what this version writes.
    #[error("its JSON cannot be read")]
    Json(#[source] serde_json::Error),
    /// Longer than 1 MiB.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Line 1 does not say `catalog_created`, or a later line does.
    #[error("catalog_created must be the first line and no other")]
    NotFirst,
    /// Names an entry file by more than a file name.
    #[error("its entry file {0:?} would be outside of the catalog")]
    EntryFileName(String),
    /// Refers to a job, volume or hold that no earlier line names.
    #[error("it refers to {what} {id}, which no earlier line names")]
    Unnamed {
        /// `job`, `volume` or `hold`.
        what: &'static str,
        /// The UUID.
        id: uuid::Uuid,
    },
}

/// Number and chain of a line whose sum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Links {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    pub(crate) sum: Hash,
}

/// An event of this version, or the type name of a later version's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    Event(Box<Event>),
    Unknown(String),
}

#[derive(Serialize)]
struct LineOut<'a> {
    seq: u64,
    prev: &'a str,
    time: Timestamp,
    event: &'a Event,
}

#[derive(Deserialize)]
struct LineIn<E> {
    seq: u64,
    time: Timestamp,
    event: E,
}

#[derive(Deserialize)]
struct TypeOnly {
    r#type: String,
}

/// The line with its newline, and its sum.
pub(crate) fn encode(
    seq: u64,
    prev: Hash,
    time: Timestamp,
    event: &Event,
) -> Result<(Vec<u8>, Hash), LineFault> {
    let out = LineOut {
        seq,
        prev: &prev.to_hex(),
        time,
        event,
    };
    let mut line = serde_json::to_vec(&out).map_err(LineFault::Json)?;
    line.pop();
    let sum = blake3::hash(&line);
    line.extend_from_slice(SUM_FIELD);
    line.extend_from_slice(sum.to_hex().as_bytes());
    line.extend_from_slice(LINE_END);
    if line.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLong);
    }
    line.push(b'\n');
    Ok((line, sum))
}

/// Checks a line (without newline) against its own sum.
pub(crate) fn verify(line: &[u8]) -> Result<Links, LineFault> {
    let body_end = line.len().checked_sub(TAIL_BYTES).ok_or(LineFault::Form)?;
    let (body, tail) = line.split_at(body_end);
    let sum = sum_of_tail(tail).ok_or(LineFault::Form)?;
    if blake3::hash(body) != sum {
        return Err(LineFault::Sum);
    }
    let rest = body.strip_prefix(SEQ_FIELD).ok_or(LineFault::Form)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(digits);
    let seq = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    let prev = rest
        .strip_prefix(PREV_FIELD)
        .and_then(|rest| rest.get(..HEX_BYTES));
    let prev = prev.and_then(|hex| Hash::from_hex(hex).ok());
    match (seq, prev) {
        (Some(seq), Some(prev)) => Ok(Links { seq, prev, sum }),
        _ => Err(LineFault::Form),
    }
}

/// The sum in the last [`TAIL_BYTES`] of a line.
pub(crate) fn sum_of_tail(tail: &[u8]) -> Option<Hash> {
    let hex = tail.strip_prefix(SUM_FIELD)?.strip_suffix(LINE_END)?;
    Hash::from_hex(hex).ok()
}

/// Reads the JSON of a line that passed [`verify`].
pub(crate) fn parse(line: &[u8]) -> Result<Recorded<Parsed>, LineFault> {
    let error = match serde_json::from_slice::<LineIn<Event>>(line) {
        Ok(LineIn { seq, time, event }) => {
            check_entry_file_name(&event)?;
            return Ok(Recorded {
                seq,
                time,
                what: Parsed::Event(Box::new(event)),
            });
        }
        Err(error) => error,
    };
    let LineIn { seq, time, event } =
        serde_json::from_slice::<LineIn<TypeOnly>>(line).map_err(LineFault::Json)?;
    if KNOWN_TYPES.contains(&event.r#type.as_str()) {
        return Err(LineFault::Json(error));
    }
    Ok(Recorded {
        seq,
        time,
        what: Parsed::Unknown(event.r#type),
    })
}

/// Whoever forges a ledger must not have other files read in place of entry files.
fn check_entry_file_name(event: &Event) -> Result<(), LineFault> {
    let name = match event {
        Event::Receipt(record) => &record.entry_file.name,
        Event::EntriesMerged(merged) => &merged.entry_file.name,
        _ => return Ok(()),
    };
    let plain = Path::new(name).file_name() == Some(OsStr::new(name));
    let outside = || LineFault::EntryFileName(name.clone());
    plain.then_some(()).ok_or_else(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{VolumeRetired, VolumeState, VolumeStateChanged};
    use uuid::Uuid;

    fn retired() -> Event {
        Event::VolumeRetired(VolumeRetired {
            volume: Uuid::from_u128(7),
            reason: "worn".into(),
        })
    }

    #[test]
    fn a_line_comes_back_as_written() {
        let (line, sum) = encode(3, NO_SUM, Timestamp::UNIX_EPOCH, &retired()).unwrap();
        let line = line.strip_suffix(b"\n").unwrap();
        assert_eq!(
            verify(line).unwrap(),
            Links {
                seq: 3,
                prev: NO_SUM,
                sum
            }
        );
        let parsed = parse(line).unwrap();
        assert_eq!((parsed.seq, parsed.time), (3, Timestamp::UNIX_EPOCH));
        assert_eq!(parsed.what, Parsed::Event(Box::new(retired())));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (line, _) = encode(3, NO_SUM, Timestamp::UNIX_EPOCH, &retired()).unwrap();
        let line = line.strip_suffix(b"\n").unwrap();
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut bad = line.to_vec();
                bad[at] ^= 1 << bit;
                // Hexadecimal digits of the sum may change case and still say the same.
                let same = bad.eq_ignore_ascii_case(line) && at >= line.len() - TAIL_BYTES;
                assert!(verify(&bad).is_err() || same, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn unknown_types_are_kept_apart_from_known_types_with_missing_fields() {
        let later = br#"{"seq":9,"time":"2026-01-01T00:00:00Z","event":{"type":"hold","x":[1]}}"#;
        assert_eq!(parse(later).unwrap().what, Parsed::Unknown("hold".into()));
        for known in KNOWN_TYPES {
            let short = format!(
                r#"{{"seq":9,"time":"2026-01-01T00:00:00Z","event":{{"type":"{known}"}}}}"#
            );
            assert!(
                matches!(parse(short.as_bytes()), Err(LineFault::Json(_))),
                "{known}"
            );
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let state = VolumeStateChanged {
            volume: Uuid::from_u128(1),
            state: VolumeState::Suspect,
            reason: String::new(),
        };
        let text = format!(
            r#"{{"seq":2,"time":"2026-01-01T00:00:00Z","event":{{"type":"volume_state",
            "volume":"{}","state":"suspect","reason":"","later":{{}}}}}}"#,
            state.volume
        );
        let parsed = parse(text.as_bytes()).unwrap().what;
        assert_eq!(parsed, Parsed::Event(Box::new(Event::VolumeState(state))));
    }
}
