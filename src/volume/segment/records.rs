//! Bytes into records, each with its checksum, and whole records to a sink.
//!
//! Knows nothing of what the bytes are.

use super::SegmentError;
use crate::units::BlockAddress;
use crate::volume::index::Place;

/// Takes the records of a segment as they become full, in order.
pub trait RecordSink {
    /// Why a record could not be taken.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes a record of exactly the block size, and gives a buffer for the next: an
    /// empty vector (its capacity is reused), often this one once it was written.
    ///
    /// # Errors
    ///
    /// Whatever the sink has; the segment cannot go on.
    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, Self::Error>;
}

impl<S: RecordSink + ?Sized> RecordSink for &mut S {
    type Error = S::Error;

    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, S::Error> {
        (**self).take(record)
    }
}

/// The records of a segment that is being built.
#[derive(Debug)]
pub(super) struct Records<S: RecordSink> {
    sink: S,
    block_bytes: u32,
    /// Address of the first record.
    first_block: BlockAddress,
    crcs: Vec<u32>,
    /// The record being filled.
    record: Vec<u8>,
}

impl<S: RecordSink> Records<S> {
    /// `record`: what the first one begins with, less than a block.
    pub(super) fn new(
        sink: S,
        block_bytes: u32,
        first_block: BlockAddress,
        record: Vec<u8>,
    ) -> Self {
        Self {
            sink,
            block_bytes,
            first_block,
            crcs: Vec::new(),
            record,
        }
    }

    /// Bytes so far.
    pub(super) fn position(&self) -> u64 {
        self.crcs.len() as u64 * u64::from(self.block_bytes) + self.record.len() as u64
    }

    /// Where the next byte goes.
    pub(super) fn place(&self) -> Place {
        let (position, block_bytes) = (self.position(), u64::from(self.block_bytes));
        Place {
            block: self.first_block.plus(position / block_bytes),
            offset_bytes: (position % block_bytes) as u32,
            length_bytes: 0,
            skip_bytes: None,
        }
    }

    /// Bytes that the record being filled still takes; 0 if none was begun.
    pub(super) fn missing_bytes(&self) -> usize {
        let block_bytes = self.block_bytes as usize;
        (block_bytes - self.record.len()) % block_bytes
    }

    /// Adds bytes, and hands on what is full.
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> Result<(), SegmentError<S::Error>> {
        let block_bytes = self.block_bytes as usize;
        while !bytes.is_empty() {
            let length = bytes.len().min(block_bytes - self.record.len());
            let (now, later) = bytes.split_at(length);
            self.record.extend_from_slice(now);
            bytes = later;
            if self.record.len() == block_bytes {
                self.emit()?;
            }
        }
        Ok(())
    }

    fn emit(&mut self) -> Result<(), SegmentError<S::Error>> {
        self.crcs.push(crc32fast::hash(&self.record));
        let full = std::mem::take(&mut self.record);
        self.record = self.sink.take(full).map_err(SegmentError::Sink)?;
        self.record.clear();
        Ok(())
    }

    /// The checksums of all records, of which the last is full.
    pub(super) fn into_checksums(self) -> Vec<u32> {
        self.crcs
    }
}
