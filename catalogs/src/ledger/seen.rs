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
const BYTES: usize = 192;

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
    /// Of all the others: half an old line and half a new one say nothing.
    crc: u32,
}

impl Text {
    fn crc(&self) -> u32 {
        let end = self
            .end
            .map_or_else(|| "-".to_owned(), |end| end.to_string());
        let sum = self.sum.as_deref().unwrap_or("-");
        crc32fast::hash(format!("{} {end} {sum}", self.seq).as_bytes())
    }
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
        let mut text = Text {
            seq: self.seq,
            end: self.place.map(|(end, _)| end),
            sum: self.place.map(|(_, sum)| sum.to_hex().to_string()),
            crc: 0,
        };
        text.crc = text.crc();
        let mut bytes = serde_json::to_vec(&text).expect("numbers and text are JSON");
        bytes.resize(BYTES - 1, b' ');
        bytes.push(b'\n');
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Seen> {
        if bytes.len() != BYTES || bytes.last() != Some(&b'\n') {
            return None;
        }
        let text: Text = serde_json::from_slice(bytes).ok()?;
        if text.crc != text.crc() {
            return None;
        }
        let Text { seq, end, sum, .. } = text;
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
        let other = Seen {
            seq: u64::MAX - 1,
            place: Some((9_999_999_999_998, blake3::hash(b"y"))),
        };
        let (old, new) = (other.encode(), longest.encode());
        for length in 0..BYTES {
            let half = Seen::decode(&[&new[..length], &old[length..]].concat());
            let whole = half.is_none() || half == Some(longest) || half == Some(other);
            assert!(whole, "{length} bytes of the new one: {half:?}");
        }
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
