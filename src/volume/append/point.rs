//! Where the next segment of a volume goes.

use uuid::Uuid;

use crate::units::{BlockAddress, TapeFile};
use crate::volume::index::{MAX_PREVIOUS_INDEXES, SegmentInfo};
use crate::volume::receipt::SegmentReceipt;

/// Where the next segment of a volume goes, and how to prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendPoint {
    /// Address of the next segment's first record.
    pub next_block: BlockAddress,
    /// Number of the next segment, from 1.
    pub next_number: u64,
    /// Addresses of the indexes on the volume, nearest first, at most 64.
    pub previous_indexes: Vec<BlockAddress>,
    /// Identity of the last segment; `None` if there is none.
    pub last_segment: Option<Uuid>,
}

impl AppendPoint {
    /// Behind the label of a volume without segments.
    #[must_use]
    pub fn first() -> Self {
        Self {
            next_block: BlockAddress(2),
            next_number: 1,
            previous_indexes: Vec::new(),
            last_segment: None,
        }
    }

    /// Behind the segment of a receipt.
    #[must_use]
    pub fn behind(receipt: &SegmentReceipt) -> Self {
        let SegmentInfo {
            index_block,
            number,
            segment,
            previous_indexes,
            ..
        } = &receipt.info;
        let mut indexes = vec![*index_block];
        indexes.extend(previous_indexes.iter().take(MAX_PREVIOUS_INDEXES - 1));
        Self {
            next_block: receipt.end_block,
            next_number: number + 1,
            previous_indexes: indexes,
            last_segment: Some(*segment),
        }
    }

    /// The tape file that the next segment will be.
    #[must_use]
    pub fn next_file(&self) -> TapeFile {
        TapeFile(2 * self.next_number - 1)
    }
}
