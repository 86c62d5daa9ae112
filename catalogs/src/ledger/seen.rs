//! `ledger.seen`: the last line that was appended, beside the ledger.
//!
//! A ledger that was put back from an older copy, or cut off at the end of a line, is whole by its
//! own chain; this tells that it had more. Written after the line is durable, in place and without
//! fsync: never ahead of a ledger that keeps its promises. Whatever does not parse says nothing.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::scan::Tip;

/// Length of the file: always the same, so that writing it is one change of a few bytes.
const BYTES: usize = 128;

/// A line that the ledger is known to have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) seq: u64,
    /// Where it ended, and its sum; `None` if only an entry file tells of it.
    pub(crate) place: Option<(u64, Hash)>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
}

impl From<Tip> for Seen {
    fn from(tip: Tip) -> Seen {
        Seen {
            seq: tip.seq,
            place: Some((tip.end, tip.sum)),
        }
    }
}

impl Seen {
    /// What the file says; `None` if it is missing, cannot be read, or is not as it was written.
    pub(crate) fn read(path: &Path) -> Option<Seen> {
        let mut text = Vec::with_capacity(BYTES);
        let file = File::open(path).ok()?;
        file.take(BYTES as u64 + 1).read_to_end(&mut text).ok()?;
        Seen::decode(&text)
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.write_all_at(&self.encode(), 0)
    }

    fn encode(&self) -> Vec<u8> {
        let text = Text {
            seq: self.seq,
            end: self.place.map(|(end, _)| end),
            sum: self.place.map(|(_, sum)| sum.to_hex().to_string()),
        };
        let mut bytes = serde_json::to_vec(&text).expect("numbers and text are JSON");
        bytes.resize(BYTES - 1, b' ');
        bytes.push(b'\n');
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Seen> {
        if bytes.len() != BYTES || bytes.last() != Some(&b'\n') {
            return None;
        }
        let Text { seq, end, sum } = serde_json::from_slice(bytes).ok()?;
        let place = match (end, sum) {
            (Some(end), Some(sum)) => Some((end, Hash::from_hex(sum).ok()?)),
            (None, None) => None,
            _ => return None,
        };
        (seq > 0).then_some(Seen { seq, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_written_and_torn_it_says_nothing() {
        let longest = Seen {
            seq: u64::MAX,
            place: Some((9_999_999_999_999, blake3::hash(b"x"))),
        };
        let numbered = Seen {
            seq: 7,
            place: None,
        };
        for seen in [longest, numbered] {
            let bytes = seen.encode();
            assert_eq!(bytes.len(), BYTES);
            assert_eq!(Seen::decode(&bytes), Some(seen));
            for length in 0..BYTES {
                assert_eq!(Seen::decode(&bytes[..length]), None, "{length} bytes");
                let zeros = [&bytes[..length], &vec![0; BYTES - length]].concat();
                assert_eq!(Seen::decode(&zeros), None, "{length} bytes, then zeros");
            }
        }
    }
}
