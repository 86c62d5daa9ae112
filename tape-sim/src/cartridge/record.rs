//! One entry of a partition's object map: 16 bytes, big-endian.
//!
//! | Bytes | Content |
//! |---|---|
//! | 0 | kind: 1 block, 2 filemark, 3 block of zeros, 4 encrypted block |
//! | 1-3 | block length as the host wrote it, in bytes, 0 for a filemark |
//! | 4-9 | where the object begins on the tape, bytes from BOP |
//! | 10-15 | where its data begin in the data file, bytes |

use super::seal::SEAL_BYTES;

/// Size of an encoded record, in bytes.
pub const RECORD_BYTES: usize = 16;

/// Tape that each object takes beyond its data, in bytes: LTO closes every
/// block with a four-byte check, and a filemark is one such word.
pub const OBJECT_OVERHEAD_BYTES: u64 = 4;

const LENGTH_AT: usize = 1;
const POSITION_AT: usize = 4;
const DATA_AT: usize = 10;
/// Both positions are 48 bits wide: 281 TB.
const POSITION_BYTES: usize = 6;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A block whose bytes are in the data file.
    Block = 1,
    /// A filemark.
    Filemark = 2,
    /// A block of zeros, which takes tape but no room in the data file.
    Zeros = 3,
    /// An encrypted block: a seal and as many bytes as the host wrote are in the data file.
    Encrypted = 4,
}

/// One object on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Block length in bytes, below 2²⁴.
    pub length_bytes: u32,
    /// Tape position in bytes from BOP.
    pub position_bytes: u64,
    /// Offset into the data file in bytes.
    pub data_bytes: u64,
}

impl Record {
    /// Tape position behind the object.
    pub fn position_end(&self) -> u64 {
        self.position_bytes + u64::from(self.length_bytes) + OBJECT_OVERHEAD_BYTES
    }

    /// Data file offset behind the object.
    pub fn data_end(&self) -> u64 {
        match self.kind {
            Kind::Block => self.data_bytes + u64::from(self.length_bytes),
            Kind::Encrypted => self.data_bytes + SEAL_BYTES as u64 + u64::from(self.length_bytes),
            Kind::Filemark | Kind::Zeros => self.data_bytes,
        }
    }

    /// The bytes in the map.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0] = self.kind as u8;
        bytes[LENGTH_AT..POSITION_AT].copy_from_slice(&self.length_bytes.to_be_bytes()[1..]);
        bytes[POSITION_AT..DATA_AT].copy_from_slice(&self.position_bytes.to_be_bytes()[2..]);
        bytes[DATA_AT..].copy_from_slice(&self.data_bytes.to_be_bytes()[2..]);
        bytes
    }

    /// Decodes a record; `None` for an unknown kind or a filemark with a length.
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let number = |at: usize, len: usize| {
            bytes[at..at + len]
                .iter()
                .fold(0, |value: u64, byte| value << 8 | u64::from(*byte))
        };
        let kind = match bytes[0] {
            1 => Kind::Block,
            2 => Kind::Filemark,
            3 => Kind::Zeros,
            4 => Kind::Encrypted,
            _ => return None,
        };
        let length_bytes = number(LENGTH_AT, POSITION_AT - LENGTH_AT) as u32;
        if (kind == Kind::Filemark) != (length_bytes == 0) {
            return None;
        }
        Some(Record {
            kind,
            length_bytes,
            position_bytes: number(POSITION_AT, POSITION_BYTES),
            data_bytes: number(DATA_AT, POSITION_BYTES),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_byte_layout() {
        let record = Record {
            kind: Kind::Block,
            length_bytes: 0x08_0001,
            position_bytes: 0x0102_0304_0506,
            data_bytes: 0x0A0B_0C0D_0E0F,
        };
        let bytes = [
            1, 0x08, 0, 1, 1, 2, 3, 4, 5, 6, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F,
        ];
        assert_eq!(record.encode(), bytes);
        assert_eq!(Record::decode(&bytes), Some(record));
    }

    #[test]
    fn unknown_kinds_and_impossible_lengths_are_refused() {
        for first in [
            [0, 0, 0, 1],
            [5, 0, 0, 1],
            [2, 0, 0, 1],
            [1, 0, 0, 0],
            [3, 0, 0, 0],
            [4, 0, 0, 0],
        ] {
            let mut bytes = [0; RECORD_BYTES];
            bytes[..4].copy_from_slice(&first);
            assert_eq!(Record::decode(&bytes), None, "{first:?}");
        }
    }
}
