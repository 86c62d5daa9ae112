//! How large a segment may become, so that it and its index end before the volume does.

use crate::volume::index::{self, LinesBytes, MAX_FRAMES, MAX_RECORDS};
use crate::volume::tar::{BLOCK, END, MAX_EXTENDED_BYTES, MAX_NAME_BYTES};

/// Segments are this large unless told otherwise: a lost index costs reading one of them.
pub const DEFAULT_SEGMENT_BYTES: u64 = 32 << 30;
/// Members of a segment unless told otherwise: their lines take about 33 MB of memory.
pub const DEFAULT_MEMBERS: u64 = 1 << 16;

/// How large a segment may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Bytes of its records.
    pub segment_bytes: u64,
    /// Members; at most [`index::MAX_MEMBERS`].
    pub members: u64,
    /// Bytes that segment, index and their filemarks may take of the volume: what
    /// [`crate::volume::append::VolumeAppender::room_bytes`] says; `u64::MAX` where unknown.
    pub volume_room_bytes: u64,
}

impl SegmentLimits {
    /// Records that a segment may have, if its index is no longer than the bound for
    /// `segment.json` and lines of these lengths; `None` if there is no room for the index.
    /// `archive_bytes`: of a compressed segment, how much of its archive came.
    pub(super) fn records(
        &self,
        block_bytes: u64,
        segment_json_bytes: u64,
        lines: LinesBytes,
        archive_bytes: Option<u64>,
    ) -> Option<u64> {
        let segment = (self.segment_bytes / block_bytes).min(MAX_RECORDS);
        let volume = self.volume_room_bytes / block_bytes;
        let most = segment.min(volume);
        // What is still to come is taken in as if it did not shrink: then it fits in any case.
        let archive_bytes = archive_bytes.map(|came| came.saturating_add(most * block_bytes));
        let frames = archive_bytes.map(|bytes| index::frames_of(bytes).min(MAX_FRAMES));
        let index = index::bound_bytes(segment_json_bytes, lines, most, frames);
        let beside = index.div_ceil(block_bytes) + FILEMARKS;
        Some(volume.checked_sub(beside)?.min(segment))
    }
}

/// Filemarks of a segment and its index. Each is counted as a whole record: some drives
/// take room for it.
const FILEMARKS: u64 = 2;

/// The least [`SegmentLimits::volume_room_bytes`] with which an empty segment takes any
/// member (its metadata at their largest; of its data at least 64 KiB, if its map of
/// holes is not unusually long). With less a volume is full. The same is the least sensible
/// [`SegmentLimits::segment_bytes`].
#[must_use]
pub fn minimum_segment_bytes(block_bytes: u32) -> u64 {
    const DATA_BYTES: u64 = 64 << 10;
    /// Enough for a run with hundreds of roots.
    const SEGMENT_JSON_BYTES: u64 = 64 << 10;
    let block_bytes = u64::from(block_bytes);
    let headers = 8 * BLOCK as u64 + MAX_EXTENDED_BYTES;
    let records = (headers + DATA_BYTES + END.len() as u64).div_ceil(block_bytes);
    let lines = LinesBytes {
        files: 4 * MAX_NAME_BYTES,
        gone: 0,
    };
    let frames = index::frames_of(records * block_bytes);
    let index = index::bound_bytes(SEGMENT_JSON_BYTES, lines, records, Some(frames));
    (records + index.div_ceil(block_bytes) + FILEMARKS) * block_bytes
}
