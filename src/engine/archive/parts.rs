//! Cutting a file into parts that fit: where each part starts, ends and has holes.

use crate::volume::member::{Extent, Member, Part};

/// All of `whole` from `offset_bytes` on, as its part `number`.
pub(super) fn rest(whole: &Member, offset_bytes: u64, number: u32) -> Member {
    let length_bytes = whole.size_bytes.saturating_sub(offset_bytes);
    let extents = whole.extents.as_ref().map(|extents| {
        let shifted = extents.iter().filter_map(|extent| {
            let end = extent.offset_bytes + extent.length_bytes;
            let start = extent.offset_bytes.max(offset_bytes);
            (end > start).then(|| Extent {
                offset_bytes: start - offset_bytes,
                length_bytes: end - start,
            })
        });
        shifted.collect()
    });
    let part = Some(Part {
        number,
        offset_bytes,
        length_bytes,
        last: true,
        open: false,
    });
    Member {
        extents,
        part,
        ..whole.clone()
    }
}

/// Shortens `rest` to at most `room_bytes` of payload. A hole behind the last piece that
/// fits goes to the next part, unless nothing else would.
pub(super) fn cut(mut rest: Member, room_bytes: u64) -> Member {
    if rest.payload_bytes() <= room_bytes {
        return rest;
    }
    let length_bytes = match &mut rest.extents {
        None => room_bytes,
        Some(extents) => {
            let mut left_bytes = room_bytes;
            extents.retain_mut(|extent| {
                extent.length_bytes = extent.length_bytes.min(left_bytes);
                left_bytes -= extent.length_bytes;
                extent.length_bytes > 0
            });
            extents
                .last()
                .map_or(0, |last| last.offset_bytes + last.length_bytes)
        }
    };
    let part = rest.part.as_mut().expect("the rest of a file is a part");
    part.length_bytes = length_bytes;
    part.last = false;
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::member::{FileTime, Kind};
    use proptest::prelude::*;

    fn file(size_bytes: u64, extents: Option<Vec<Extent>>) -> Member {
        let time = FileTime::default();
        Member {
            path: b"file".to_vec(),
            kind: Kind::File,
            size_bytes,
            mode: 0o644,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            mtime: time,
            ctime: time,
            xattrs: Vec::new(),
            extents,
            part: None,
            inode: None,
        }
    }

    /// Pieces from alternating lengths of hole and data, and the file's size.
    fn layout(lengths: &[(u64, u64)], tail: u64) -> (Vec<Extent>, u64) {
        let mut at = 0;
        let mut extents = Vec::new();
        for &(hole, data) in lengths {
            extents.push(Extent {
                offset_bytes: at + hole,
                length_bytes: data,
            });
            at += hole + data;
        }
        (extents, at + tail)
    }

    proptest! {
        #[test]
        fn parts_cover_a_file_once_and_in_order(
            lengths in prop::collection::vec((0_u64..50, 1_u64..50), 0..8),
            tail in 0_u64..50,
            sparse in any::<bool>(),
            rooms in prop::collection::vec(1_u64..60, 1..5),
        ) {
            let (extents, size_bytes) = layout(&lengths, tail);
            let whole = file(size_bytes, sparse.then(|| extents.clone()));
            let (mut offset, mut payload, mut number) = (0, 0, 0);
            let mut seen = Vec::new();
            loop {
                let room = rooms[number as usize % rooms.len()];
                number += 1;
                let part = cut(rest(&whole, offset, number), room);
                let place = part.part.unwrap();
                prop_assert_eq!((place.number, place.offset_bytes), (number, offset));
                prop_assert!(part.payload_bytes() <= room);
                for extent in part.extents.iter().flatten() {
                    let end = extent.offset_bytes + extent.length_bytes;
                    prop_assert!(extent.length_bytes > 0 && end <= place.length_bytes);
                    let first = offset + extent.offset_bytes;
                    seen.extend(first..first + extent.length_bytes);
                }
                payload += part.payload_bytes();
                offset += place.length_bytes;
                if place.last {
                    break;
                }
                prop_assert!(place.length_bytes > 0, "no progress");
            }
            prop_assert_eq!((offset, payload), (size_bytes, whole.payload_bytes()));
            if sparse {
                let bytes = |e: &Extent| e.offset_bytes..e.offset_bytes + e.length_bytes;
                prop_assert_eq!(seen, extents.iter().flat_map(bytes).collect::<Vec<_>>());
            }
        }
    }
}
