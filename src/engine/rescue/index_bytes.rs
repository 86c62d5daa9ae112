//! The records of an index, while they come.

use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::index::{self, Index, MAX_INDEX_BYTES};

/// What the path of each of its members begins with.
const BEGINS: &[u8] = b"tapewright-segment-";

/// The last index of a tape file: it may have more than one where filemarks are lost.
#[derive(Debug, Default)]
pub(super) struct IndexBytes {
    /// Where it begins.
    block: Option<BlockAddress>,
    /// Its records, as long as all of them came.
    bytes: Option<Vec<u8>>,
    /// Another archive followed.
    is_complete: bool,
}

impl IndexBytes {
    /// Takes a record; `begins`: an archive may begin with it.
    pub(super) fn record(&mut self, block: BlockAddress, record: &[u8], begins: bool) {
        if begins && record.starts_with(BEGINS) {
            *self = Self {
                block: Some(block),
                bytes: Some(record.to_vec()),
                is_complete: false,
            };
            return;
        }
        self.is_complete |= begins;
        if self.is_complete {
            return;
        }
        let fits = |bytes: &Vec<u8>| (bytes.len() + record.len()) as u64 <= MAX_INDEX_BYTES;
        self.bytes = self.bytes.take().filter(fits);
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(record);
        }
    }

    /// Takes note of records that did not come.
    pub(super) fn lost(&mut self) {
        if !self.is_complete {
            self.bytes = None;
        }
    }

    /// The index and where it begins, or why it cannot be used; `None` if nothing began as one.
    pub(super) fn decode(self) -> Option<Result<(BlockAddress, Index), String>> {
        let block = self.block?;
        let Some(bytes) = self.bytes else {
            return Some(Err("not all of the index can be read".to_owned()));
        };
        let index = index::decode(&bytes);
        Some(match index {
            Ok(index) => Ok((block, index)),
            Err(error) => Err(format!("the index is damaged: {}", with_causes(&error))),
        })
    }
}
