//! The list of the receipts in a merged file. `docs/catalog.md`, "Merging and compaction".
//!
//! A search takes their numbers from the ledger. The list is for who has the file alone, and for
//! comparing the two.

use uuid::Uuid;

use super::error::Fault;
use super::filter::{FRAME_LENGTH, FRAME_MAGIC};
use super::{u32_at, u64_at};

const MEMBERS_MAGIC: [u8; 4] = *b"TWMR";
const HEAD_BYTES: usize = 12;
const MEMBER_BYTES: usize = 40;
const MEMBER_SEGMENT: usize = 16;
const MEMBER_LINE: usize = 32;

/// A receipt in a merged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) volume: Uuid,
    pub(crate) segment: Uuid,
    /// Its line in the ledger.
    pub(crate) line: u64,
}

fn table(members: &[Member]) -> Vec<u8> {
    let mut table = Vec::with_capacity(members.len() * MEMBER_BYTES);
    for member in members {
        table.extend_from_slice(member.volume.as_bytes());
        table.extend_from_slice(member.segment.as_bytes());
        table.extend_from_slice(&member.line.to_le_bytes());
    }
    table
}

/// Identity of the file that has the entries of these receipts.
pub(crate) fn id_of(members: &[Member]) -> Uuid {
    let digest = blake3::hash(&table(members));
    let bytes = digest.as_bytes().first_chunk();
    Uuid::from_bytes(*bytes.expect("a digest has 32 bytes"))
}

/// The list as the footer has it.
pub(super) fn encode(members: &[Member]) -> Vec<u8> {
    let table = table(members);
    let mut frame = FRAME_MAGIC.to_vec();
    // At most 2^16 of them.
    frame.extend_from_slice(&((MEMBERS_MAGIC.len() + table.len()) as u32).to_le_bytes());
    frame.extend_from_slice(&MEMBERS_MAGIC);
    frame.extend_from_slice(&table);
    frame
}

/// The list in what follows the footer's frame, if there is one, and what is behind it.
pub(super) fn split(after_frame: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let none = (None, after_frame);
    let Some((head, rest)) = after_frame.split_at_checked(HEAD_BYTES) else {
        return none;
    };
    if head[..FRAME_LENGTH] != FRAME_MAGIC || head[FRAME_LENGTH + 4..] != MEMBERS_MAGIC {
        return none;
    }
    let length = (u32_at(head, FRAME_LENGTH) as usize).checked_sub(MEMBERS_MAGIC.len());
    match length.and_then(|length| rest.split_at_checked(length)) {
        Some((table, rest)) => (Some(table), rest),
        None => none,
    }
}

/// Undoes [`encode`] on what [`split`] found.
pub(super) fn decode(table: &[u8]) -> Result<Vec<Member>, Fault> {
    let (members, rest) = table.as_chunks::<MEMBER_BYTES>();
    if !rest.is_empty() {
        return Err(Fault::Truncated("list of receipts"));
    }
    let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).expect("sixteen bytes");
    let member = |member: &[u8; MEMBER_BYTES]| Member {
        volume: uuid(&member[..MEMBER_SEGMENT]),
        segment: uuid(&member[MEMBER_SEGMENT..MEMBER_LINE]),
        line: u64_at(member, MEMBER_LINE),
    };
    Ok(members.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_as_written_and_what_is_none_is_left_alone() {
        let member = |number: u128| Member {
            volume: Uuid::from_u128(number),
            segment: Uuid::from_u128(number << 64),
            line: number as u64 * 3,
        };
        for count in [0, 1, 300] {
            let members: Vec<Member> = (1..=count).map(member).collect();
            let frame = [encode(&members), b"behind".to_vec()].concat();
            let (table, rest) = split(&frame);
            assert_eq!(decode(table.unwrap()), Ok(members));
            assert_eq!(rest, b"behind");
            assert_eq!(split(&frame[1..]).0, None);
        }
        let frame = encode(&[member(1)]);
        assert_eq!(split(&frame[..frame.len() - 1]), (None, &frame[..51]));
        assert!(decode(&[0; 41]).is_err());
        assert_ne!(id_of(&[member(1)]), id_of(&[member(2)]));
    }
}
