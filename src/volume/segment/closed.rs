//! A closed segment on its way to its receipt.
//!
//! A drive confirms what its buffer has let go of, so that many small segments can be waiting
//! for its word. Their members can be *packed*: the index, which goes to the tape anyway, is
//! kept instead and read again when the word has come.

use super::FinishedSegment;
use crate::units::BlockAddress;
use crate::volume::index::{IndexError, decode};
use crate::volume::receipt::SegmentReceipt;

/// A segment whose records have all been emitted, until it is confirmed.
#[derive(Debug)]
pub struct ClosedSegment {
    /// Its receipt is without members if they are packed.
    segment: FinishedSegment,
    packed: bool,
}

impl ClosedSegment {
    /// Keeps the members as they are, about 450 bytes each.
    #[must_use]
    pub fn new(segment: FinishedSegment) -> Self {
        Self {
            segment,
            packed: false,
        }
    }

    /// Keeps the members as the index has them, about 70 bytes each.
    #[must_use]
    pub fn packed(mut segment: FinishedSegment) -> Self {
        segment.receipt.files = Vec::new();
        segment.receipt.gone = Vec::new();
        Self {
            segment,
            packed: true,
        }
    }

    /// What an appender takes to close it: index, identity and counts.
    #[must_use]
    pub fn segment(&self) -> &FinishedSegment {
        &self.segment
    }

    /// The drive has taken the index.
    pub fn index_taken(&mut self) {
        if !self.packed {
            self.segment.index_records = Vec::new();
        }
    }

    /// The first block behind the index's filemark.
    #[must_use]
    pub fn end_block(&self) -> BlockAddress {
        self.segment.receipt.end_block
    }

    /// The whole receipt.
    ///
    /// # Errors
    ///
    /// Why the index cannot be read again. Memory was damaged: it was whole when it was made.
    pub fn into_receipt(self) -> Result<SegmentReceipt, IndexError> {
        if !self.packed {
            return Ok(self.segment.receipt);
        }
        Ok(decode(&self.segment.index_records)?.into_receipt(self.segment.receipt.end_block))
    }
}
