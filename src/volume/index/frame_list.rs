//! `frames.lengths`: where each frame of a compressed segment begins, and so where any byte of
//! its archive is.

use std::ops::Range;

use super::{Place, SegmentInfo};
use crate::units::BlockAddress;
use crate::volume::frames::{FRAME_BYTES, MAX_STORED_BYTES};

/// Most frames of a segment: 8 TiB of archive.
pub const MAX_FRAMES: u64 = 1 << 23;

/// The frames of one segment. Memory: eight bytes for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameList {
    /// Bytes of the segment before each of them, and behind the last.
    starts: Vec<u64>,
}

/// How many frames an archive of so many bytes is cut into.
pub(crate) fn frames_of(tar_bytes: u64) -> u64 {
    tar_bytes.div_ceil(FRAME_BYTES as u64)
}

/// The bytes of `frames.lengths`.
pub(super) fn encode(lengths: &[u32]) -> Vec<u8> {
    lengths.iter().flat_map(|one| one.to_be_bytes()).collect()
}

impl FrameList {
    /// Reads the list of the segment of `info`; the error says what of it cannot be.
    pub(super) fn decode(bytes: &[u8], info: &SegmentInfo) -> Result<Self, &'static str> {
        let (lengths, rest) = bytes.as_chunks::<4>();
        let count = frames_of(info.tar_bytes);
        if !rest.is_empty() || lengths.len() as u64 != count || count > MAX_FRAMES {
            return Err("`frames.lengths` and `segment.json` differ in frames");
        }
        let mut starts = Vec::with_capacity(lengths.len() + 1);
        let mut end = 0;
        starts.push(end);
        for length in lengths {
            let length = u32::from_be_bytes(*length);
            if length == 0 || length as usize > MAX_STORED_BYTES {
                return Err("`frames.lengths` has a frame of an impossible length");
            }
            end += u64::from(length);
            starts.push(end);
        }
        match end <= info.stored_bytes() {
            true => Ok(Self { starts }),
            false => Err("`frames.lengths` leads out of the segment"),
        }
    }

    /// How many frames there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The frame that begins behind so many bytes of the segment, if one does.
    #[must_use]
    pub fn beginning_at(&self, position: u64) -> Option<usize> {
        let frames = &self.starts[..self.count()];
        frames.binary_search(&position).ok()
    }

    /// The bytes of the segment in which a frame lies.
    #[must_use]
    pub fn extent(&self, frame: usize) -> Option<Range<u64>> {
        Some(*self.starts.get(frame)?..*self.starts.get(frame + 1)?)
    }
}

/// Where the frames of one segment are on tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramePlaces {
    list: FrameList,
    first_block: BlockAddress,
    block_bytes: u64,
}

impl FramePlaces {
    /// The frames of `list`, of the segment of `info`.
    #[must_use]
    pub fn new(list: FrameList, info: &SegmentInfo) -> Self {
        Self {
            list,
            first_block: info.first_block,
            block_bytes: u64::from(info.block_bytes),
        }
    }

    /// The frame that begins at this place.
    fn frame_at(&self, block: BlockAddress, offset_bytes: u32) -> Option<usize> {
        let record = block.0.checked_sub(self.first_block.0)?;
        let position = record.checked_mul(self.block_bytes)?;
        let position = position.checked_add(u64::from(offset_bytes))?;
        self.list.beginning_at(position)
    }

    /// The records in which the frame at this place has bytes.
    #[must_use]
    pub fn records(&self, block: BlockAddress, offset_bytes: u32) -> Option<Range<BlockAddress>> {
        let extent = self.list.extent(self.frame_at(block, offset_bytes)?)?;
        let behind = extent.end.div_ceil(self.block_bytes);
        let first = extent.start / self.block_bytes;
        Some(self.first_block.plus(first)..self.first_block.plus(behind))
    }

    /// Where `bytes` of a member are that come behind `behind` others of it.
    #[must_use]
    pub fn within(&self, member: &Place, behind: u64, bytes: u64) -> Option<Place> {
        let frame = self.frame_at(member.block, member.offset_bytes)?;
        let content = u64::from(member.skip_bytes?).checked_add(behind)?;
        let further = usize::try_from(content / FRAME_BYTES as u64).ok()?;
        let begin = self.list.extent(frame.checked_add(further)?)?.start;
        Some(Place {
            block: self.first_block.plus(begin / self.block_bytes),
            offset_bytes: (begin % self.block_bytes) as u32,
            length_bytes: bytes,
            skip_bytes: Some((content % FRAME_BYTES as u64) as u32),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(lengths: &[u64]) -> FramePlaces {
        let mut starts = vec![0];
        starts.extend(lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        FramePlaces {
            list: FrameList { starts },
            first_block: BlockAddress(10),
            block_bytes: 1000,
        }
    }

    #[test]
    fn any_byte_of_a_member_has_its_frame() {
        let places = places(&[700, 300, 2500, 40]);
        let member = Place {
            block: BlockAddress(10),
            offset_bytes: 700,
            length_bytes: 2_000_000,
            skip_bytes: Some(1_048_000),
        };
        let found = |behind| {
            let place = places.within(&member, behind, 5)?;
            assert_eq!(place.length_bytes, 5);
            Some((place.block.0, place.offset_bytes, place.skip_bytes?))
        };
        assert_eq!(found(0), Some((10, 700, 1_048_000)));
        assert_eq!(found(575), Some((10, 700, 1_048_575)));
        assert_eq!(found(576), Some((11, 0, 0)));
        assert_eq!(found(576 + 1_048_576), Some((13, 500, 0)));
        // Behind the last frame, and where no frame begins.
        assert_eq!(found(576 + 2 * 1_048_576), None);
        let odd = Place {
            offset_bytes: 701,
            ..member
        };
        assert_eq!(places.within(&odd, 0, 5), None);
    }

    #[test]
    fn a_frame_lies_in_the_records_that_its_bytes_are_in() {
        let places = places(&[700, 300, 2500, 500, 40]);
        let records = |block, offset| {
            let records = places.records(BlockAddress(block), offset)?;
            Some(records.start.0..records.end.0)
        };
        assert_eq!(records(10, 0), Some(10..11));
        assert_eq!(records(10, 700), Some(10..11));
        assert_eq!(records(11, 0), Some(11..14));
        assert_eq!(records(13, 500), Some(13..14));
        assert_eq!(records(14, 0), Some(14..15));
        assert_eq!(records(14, 40), None);
    }
}
