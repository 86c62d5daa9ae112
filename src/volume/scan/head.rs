//! The beginning of a segment, for who has lost its index: what it holds, and its first member.

use super::salvage::Identity;
use crate::drive::SequentialDevice;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::frames::begins_with_frame;
use crate::volume::index::Content;
use crate::volume::member::Member;
use crate::volume::read::{Found, RecordReader};
use crate::volume::tar::{Event, MemberParser};

/// What the first record of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// Where the segment begins.
    pub first_block: BlockAddress,
    /// What it holds.
    pub content: Content,
    /// Its first member, if all of its header is in that record.
    pub first: Option<Box<Member>>,
}

/// Reads the record at `at`; `None` if no segment begins with it. What a compressed segment holds
/// is not looked at: it is files, since a copy of the catalog is never compressed again.
///
/// # Errors
///
/// The record cannot be read.
pub fn read_head(
    device: &mut dyn SequentialDevice,
    block_bytes: u32,
    at: BlockAddress,
) -> Result<Option<SegmentHead>, VolumeError> {
    let mut reader = RecordReader::new(device, block_bytes);
    reader.seek(at)?;
    let Found::Record { bytes, .. } = reader.next_object()? else {
        return Ok(None);
    };
    let head = |content, first| SegmentHead {
        first_block: at,
        content,
        first,
    };
    if begins_with_frame(bytes) {
        return Ok(Some(head(Content::Files, None)));
    }
    let (mut rest, mut parser) = (bytes, MemberParser::new());
    let mut content = None;
    while let Ok(Some(event)) = parser.next(&mut rest) {
        match event {
            Event::Global(comment) if content.is_none() => {
                let Some(identity) = Identity::read(&comment) else {
                    return Ok(None);
                };
                content = Some(identity.content);
            }
            Event::Member { member, .. } => {
                return Ok(content.map(|content| head(content, Some(member))));
            }
            _ => break,
        }
    }
    Ok(content.map(|content| head(content, None)))
}
