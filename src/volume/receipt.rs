//! What is known of a segment once it is on tape: all that a catalog takes.
//!
//! Archiving, adopting an unconfirmed tail and scanning a volume all emit receipts, so
//! that the catalog can be rebuilt through the same path that made it.

use super::index::{FileLine, SegmentInfo};
use crate::units::BlockAddress;

/// A segment and the members in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReceipt {
    /// Identity, counts and place of the segment.
    pub info: SegmentInfo,
    /// The first block behind the index's filemark: confirmed once the drive's first
    /// unconfirmed object is not before it.
    pub end_block: BlockAddress,
    /// The members, in tape order.
    pub files: Vec<FileLine>,
    /// Archive paths that were there before the run and are not any more. Lost with the index.
    pub gone: Vec<Vec<u8>>,
    /// True if the index was lost and this was rebuilt from the segment's headers:
    /// digests are missing, and of the run only its identity is known.
    pub salvaged: bool,
}
