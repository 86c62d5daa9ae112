//! WRITE and WRITE FILEMARKS in both forms: may the medium be changed here, and how near is its
//! end?

use std::io;

use super::DriveTarget;
use super::address::{Place, length_field};
use super::failure::deferred;
use super::protect::Change;
use super::tape::WriteStop;
use super::transfer::{Transfer, warning};
use crate::sense::{self, Sense, key};
use crate::target::{Data, Refusal, Reply, receive};

/// WRITE FILEMARKS byte 1.
const IMMED: u8 = 0x01;

/// The blocks of a WRITE, out of one piece of data or several.
fn blocks<'a>(
    data: Data<'a>,
    joined: &'a mut Vec<u8>,
    block_bytes: usize,
    count: usize,
) -> Result<Vec<&'a [u8]>, Refusal> {
    let bytes = match data {
        Data::Blocks(pieces) if pieces.iter().all(|piece| piece.len() == block_bytes) => {
            if pieces.len() < count {
                return Err(Sense::new(key::ABORTED_COMMAND, sense::DATA_PHASE_ERROR).into());
            }
            return Ok(pieces[..count].iter().map(|piece| &**piece).collect());
        }
        Data::Blocks(pieces) => {
            pieces
                .iter()
                .for_each(|piece| joined.extend_from_slice(piece));
            receive(Data::Out(joined), block_bytes.saturating_mul(count))?
        }
        whole => receive(whole, block_bytes.saturating_mul(count))?,
    };
    Ok(bytes.chunks_exact(block_bytes).collect())
}

impl DriveTarget {
    /// WRITE(6) and WRITE(16) (SSC-4 §5.6, §5.7).
    pub(super) fn write(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let transfer = self.transfer(cdb)?;
        let place = self.explicit_place(cdb)?;
        if transfer.length == 0 {
            return Ok(0);
        }
        let mut joined = Vec::new();
        let (length, count) = (transfer.block_bytes, transfer.blocks as usize);
        let blocks = blocks(data, &mut joined, length, count)?;
        self.check_room_for_check(cdb, &transfer)?;
        self.check_key_lock()?;
        self.begin_writing(place).map_err(|refusal| match refusal {
            // What was buffered did not get onto the tape when it had to move.
            Refusal::Check { ref sense, .. } if sense.key == key::MEDIUM_ERROR => deferred(refusal),
            other => other,
        })?;
        let start = self.tape()?.object();
        let before = self.position_bytes()?;
        for (block, done) in blocks.iter().copied().zip(0u32..) {
            let block = self.checked(&transfer, block, done)?;
            self.fault_on_write()?;
            match self.record_block(block) {
                Ok(()) => self.count_written(block.len()),
                Err(WriteStop::Host(error)) => {
                    return Err(self.not_written(error, &transfer, start));
                }
                Err(WriteStop::Full) => {
                    let sense = Sense::new(key::VOLUME_OVERFLOW, sense::END_OF_PARTITION);
                    let sense = sense.with_eom().with_information(transfer.residual(done));
                    return Err(transfer.check(sense, done));
                }
            }
        }
        if !self.state.modes.buffered {
            let flushed = self.tape()?.flush();
            flushed.map_err(|error| self.not_written(error, &transfer, start))?;
        }
        self.warn_after_write(before, transfer.block_bytes * blocks.len())
    }

    /// A WRITE that began at object `start` has met a block that does not get onto the tape, and
    /// the tape stands before that block. If an earlier command has brought it, the error is
    /// deferred.
    fn not_written(&mut self, error: io::Error, transfer: &Transfer, start: u64) -> Refusal {
        let refusal = self.write_failure(error);
        let reached = self.tape.as_ref().map_or(start, |tape| tape.object());
        match reached.checked_sub(start) {
            None => deferred(refusal),
            Some(done) => {
                let done = u32::try_from(done).unwrap_or(u32::MAX);
                transfer.ended(refusal, done.min(transfer.blocks))
            }
        }
    }

    /// WRITE FILEMARKS(6) and (16) (SSC-4 §5.8, §5.9): without IMMED everything buffered reaches
    /// the tape.
    pub(super) fn write_filemarks(&mut self, cdb: &[u8]) -> Reply {
        let (_, count) = length_field(cdb);
        let place = self.explicit_place(cdb)?;
        let mut written = 0;
        let mut before = 0;
        if count > 0 {
            self.begin_writing(place)?;
            before = self.position_bytes()?;
            let result = self.tape()?.write_filemarks(count);
            written = result.map_err(|error| self.write_failure(error))?;
        }
        if cdb[1] & IMMED == 0 {
            self.flush()?;
        }
        if written < count {
            let sense = Sense::new(key::VOLUME_OVERFLOW, sense::END_OF_PARTITION);
            let missing = i64::from(count - written);
            return Err(sense.with_eom().with_information(missing).into());
        }
        if count == 0 {
            return Ok(0);
        }
        self.warn_after_write(before, 0)
    }

    /// Goes where a write with an explicit address is to be, and makes sure that it may be.
    fn begin_writing(&mut self, place: Option<Place>) -> Result<(), Refusal> {
        if self.go_to(place)?.is_some() {
            // Nothing can be written behind the end of data.
            return Err(Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).into());
        }
        self.require_writable(Change::Append)
    }

    /// Lets the buffer reach the tape.
    pub(super) fn flush(&mut self) -> Result<(), Refusal> {
        let flushed = self.tape()?.flush();
        flushed.map_err(|error| self.write_failure(error))
    }

    pub(super) fn position_bytes(&mut self) -> Result<u64, Refusal> {
        let position = self.tape()?.position_bytes();
        position.map_err(|error| self.read_failure(error))
    }

    fn count_written(&mut self, bytes: usize) {
        self.state.traffic.written_bytes += bytes as u64;
        self.state.session.written_bytes += bytes as u64;
    }

    /// Reports early warning, on every write from there on, or the programmable one, once on the
    /// way there (SSC-4 §4.2.6, §4.2.7). The data were accepted in both cases.
    fn warn_after_write(&mut self, before_bytes: u64, moved: usize) -> Reply {
        let position = self.position_bytes()?;
        let pews_mb = self.state.modes.pews_mb;
        let tape = self.tape()?;
        let programmable = tape.programmable_warning_bytes(pews_mb);
        if position >= tape.early_warning_bytes() {
            Err(warning(sense::END_OF_PARTITION, moved))
        } else if pews_mb > 0 && before_bytes < programmable && position >= programmable {
            Err(warning(sense::PROGRAMMABLE_EARLY_WARNING, moved))
        } else {
            Ok(moved)
        }
    }
}
