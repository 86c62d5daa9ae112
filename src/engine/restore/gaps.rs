//! Which bytes of a file are missing, and where they lie in a member. Pure.
//!
//! Ranges are of what the member covers of its file, holes included, ascending and apart.

use std::ops::Range;

use crate::units::BlockAddress;
use crate::volume::index::Place;
use crate::volume::member::{Extent, Member};
use crate::volume::tar::padded;

/// The pieces of a file that hold data.
pub(super) fn pieces(member: &Member) -> Vec<Extent> {
    let whole = || Extent {
        offset_bytes: 0,
        length_bytes: member.covered_bytes(),
    };
    member.extents.clone().unwrap_or_else(|| vec![whole()])
}

/// What a member covers of its file without data.
pub(super) fn holes(member: &Member) -> Vec<Range<u64>> {
    let mut holes = Vec::new();
    let mut at = 0;
    for piece in pieces(member) {
        if at < piece.offset_bytes {
            holes.push(at..piece.offset_bytes);
        }
        at = at.max(piece.offset_bytes.saturating_add(piece.length_bytes));
    }
    if at < member.covered_bytes() {
        holes.push(at..member.covered_bytes());
    }
    holes
}

/// Where the bytes `payload` of a member's data belong in what it covers.
pub(super) fn of_payload(member: &Member, payload: Range<u64>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut before = 0;
    for piece in pieces(member) {
        let end = before + piece.length_bytes;
        let (from, to) = (payload.start.max(before), payload.end.min(end));
        if from < to {
            let begin = piece.offset_bytes + (from - before);
            ranges.push(begin..begin + (to - from));
        }
        before = end;
    }
    ranges
}

/// A piece of a member's data, with what is missing of it.
pub(super) struct Torn {
    pub(super) piece: Range<u64>,
    /// How many bytes of data come before it.
    pub(super) before: u64,
    pub(super) missing: Vec<Range<u64>>,
}

/// The pieces of a member, each with what of `missing` lies in it.
pub(super) fn torn(member: &Member, missing: &[Range<u64>]) -> Vec<Torn> {
    let mut before = 0;
    let mut torn = Vec::new();
    let mut behind = missing;
    for piece in pieces(member) {
        let piece_range = piece.offset_bytes..piece.offset_bytes + piece.length_bytes;
        let over = behind.partition_point(|range| range.end <= piece_range.start);
        behind = &behind[over..];
        let inside = behind
            .iter()
            .take_while(|range| range.start < piece_range.end)
            .map(|range| range.start.max(piece_range.start)..range.end.min(piece_range.end));
        torn.push(Torn {
            missing: inside.collect(),
            before,
            piece: piece_range,
        });
        before += piece.length_bytes;
    }
    torn
}

/// How many bytes of the member at `place` come before its data.
pub(super) fn before_data(member: &Member, place: &Place) -> Option<u64> {
    place
        .length_bytes
        .checked_sub(padded(member.payload_bytes()))
}

/// Where `bytes` are behind `behind` others, from a place in a segment on that is not compressed.
pub(super) fn within(place: &Place, block_bytes: u32, behind: u64, bytes: u64) -> Option<Place> {
    let block_bytes = u64::from(block_bytes);
    let begin = behind.checked_add(u64::from(place.offset_bytes))?;
    let block = place.block.0.checked_add(begin / block_bytes)?;
    Some(Place {
        block: BlockAddress(block),
        offset_bytes: (begin % block_bytes) as u32,
        length_bytes: bytes,
        skip_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::member::{FileTime, Kind};

    fn member(size_bytes: u64, extents: Option<&[(u64, u64)]>) -> Member {
        let extent = |&(offset_bytes, length_bytes): &(u64, u64)| Extent {
            offset_bytes,
            length_bytes,
        };
        Member {
            path: b"f".to_vec(),
            kind: Kind::File,
            size_bytes,
            mode: 0o644,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            mtime: FileTime::default(),
            ctime: FileTime::default(),
            xattrs: Vec::new(),
            extents: extents.map(|extents| extents.iter().map(extent).collect()),
            part: None,
            inode: None,
        }
    }

    #[test]
    fn data_belong_where_the_pieces_say() {
        let holes = member(10_000, Some(&[(512, 1024), (4096, 512)]));
        type Ranges = &'static [(u64, u64)];
        let cases: [(&Member, Range<u64>, Ranges); 4] = [
            (&member(900, None), 100..900, &[(100, 900)]),
            (&holes, 0..1536, &[(512, 1536), (4096, 4608)]),
            (&holes, 1000..1100, &[(1512, 1536), (4096, 4172)]),
            (&holes, 1536..1536, &[]),
        ];
        for (member, payload, ranges) in cases {
            let found = of_payload(member, payload).into_iter();
            let found: Vec<_> = found.map(|range| (range.start, range.end)).collect();
            assert_eq!(found, ranges);
        }
    }

    #[test]
    fn holes_are_what_no_piece_holds() {
        let holes = |extents| holes(&member(10_000, extents));
        assert_eq!(holes(None), []);
        assert_eq!(
            holes(Some(&[])),
            vec![Range {
                start: 0,
                end: 10_000
            }]
        );
        assert_eq!(holes(Some(&[(0, 512), (512, 9488)])), []);
        let two = Some([(512, 1024), (4096, 512)].as_slice());
        assert_eq!(holes(two), [0..512, 1536..4096, 4608..10_000]);
    }

    #[test]
    fn what_is_missing_is_told_piece_by_piece() {
        let holes = member(10_000, Some(&[(512, 1024), (4096, 512)]));
        let found: Vec<_> = torn(&holes, &[0..600, 700..4100, 4600..10_000])
            .into_iter()
            .map(|torn| (torn.piece, torn.before, torn.missing))
            .collect();
        let expected = [
            (512..1536, 0, vec![512..600, 700..1536]),
            (4096..4608, 1024, vec![4096..4100, 4600..4608]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn data_lie_behind_all_headers() {
        let member = member(1_000_000, None);
        let place = Place {
            block: BlockAddress(7),
            offset_bytes: 512,
            length_bytes: 1536 + 1_000_448,
            skip_bytes: None,
        };
        assert_eq!(before_data(&member, &place), Some(1536));
        let found = within(&place, 65_536, 1536 + 70_000, 10).unwrap();
        assert_eq!(
            (found.block.0, found.offset_bytes),
            (8, 512 + 1536 + 70_000 - 65_536)
        );
    }
}
