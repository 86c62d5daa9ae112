//! READ in both forms, and what it shares with WRITE: the transfer length and its residual.

use super::DriveTarget;
use super::address::length_field;
use super::protect::Overwrite;
use crate::cartridge::record::{Kind, Record};
use crate::sense::{self, Sense, key};
use crate::target::{Data, Refusal, Reply};

/// READ and WRITE byte 1.
const FIXED: u8 = 0x01;
const SILI: u8 = 0x02;

/// What READ and WRITE are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) fixed: bool,
    /// Transfer length field: blocks if fixed, else bytes.
    pub(super) length: u32,
    /// Length of each block, in bytes.
    pub(super) block_bytes: usize,
    /// Number of blocks.
    pub(super) blocks: u32,
}

impl Transfer {
    /// INFORMATION after `done` whole blocks: what is left of the transfer length.
    pub(super) fn residual(&self, done: u32) -> i64 {
        let done = if self.fixed { done } else { 0 };
        i64::from(self.length - done)
    }

    pub(super) fn check(&self, sense: Sense, done: u32) -> Refusal {
        Refusal::Check {
            sense,
            transferred_bytes: done as usize * self.block_bytes,
        }
    }

    /// What ended the command behind `done` whole blocks, with what is left of its length.
    pub(super) fn ended(&self, refusal: Refusal, done: u32) -> Refusal {
        match refusal {
            Refusal::Check { sense, .. } => {
                self.check(sense.with_information(self.residual(done)), done)
            }
            other => other,
        }
    }
}

impl DriveTarget {
    /// Takes READ or WRITE apart (SSC-4 §5.3, §5.6).
    pub(super) fn transfer(&self, cdb: &[u8]) -> Result<Transfer, Sense> {
        let fixed = cdb[1] & FIXED != 0;
        let (length_at, length) = length_field(cdb);
        let mode_length = self.state.modes.block_length_bytes;
        if fixed && (mode_length == 0 || cdb[1] & SILI != 0) {
            let bit = if mode_length == 0 { 0 } else { 1 };
            return Err(Sense::invalid_cdb_field(1, Some(bit)));
        }
        let block = if fixed { mode_length } else { length };
        if block > self.generation.model().max_block_bytes {
            return Err(Sense::invalid_cdb_field(length_at, None));
        }
        Ok(Transfer {
            fixed,
            length,
            block_bytes: block as usize,
            blocks: if fixed { length } else { 1 },
        })
    }

    /// READ(6) and READ(16) (SSC-4 §5.3, §5.4).
    pub(super) fn read(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let transfer = self.transfer(cdb)?;
        let place = self.explicit_place(cdb)?;
        if transfer.length == 0 {
            return Ok(0);
        }
        let wanted = transfer
            .block_bytes
            .saturating_mul(transfer.blocks as usize);
        let buffer = match data {
            Data::In(buffer) if buffer.len() >= wanted => &mut buffer[..wanted],
            _ => return Err(Sense::new(key::ABORTED_COMMAND, sense::DATA_PHASE_ERROR).into()),
        };
        if self.go_to(place)?.is_some() {
            return Err(end_of_data(&transfer, 0));
        }
        let reply = if transfer.fixed {
            self.read_fixed(&transfer, buffer)
        } else {
            self.read_variable(&transfer, buffer, cdb[1] & SILI != 0)
        };
        let moved = match &reply {
            Ok(bytes) => *bytes,
            Err(Refusal::Check {
                transferred_bytes, ..
            }) => *transferred_bytes,
            Err(Refusal::ReservationConflict) => 0,
        };
        self.state.traffic.read_bytes += moved as u64;
        self.state.session.read_bytes += moved as u64;
        reply.and_then(|bytes| self.warn_after_read(bytes))
    }

    fn read_variable(&mut self, transfer: &Transfer, buffer: &mut [u8], sili: bool) -> Reply {
        let overlength_is_told = !sili || self.state.modes.block_length_bytes != 0;
        let Some(length) = self.read_block(transfer, 0, buffer)? else {
            return Err(end_of_data(transfer, 0));
        };
        let moved = length.min(buffer.len());
        let told = if length > buffer.len() {
            overlength_is_told
        } else {
            length < buffer.len() && !sili
        };
        if !told {
            return Ok(moved);
        }
        // Both lengths have at most 24 bits.
        let residual = i64::from(transfer.length) - length as i64;
        Err(Refusal::Check {
            sense: Sense::none().with_ili().with_information(residual),
            transferred_bytes: moved,
        })
    }

    fn read_fixed(&mut self, transfer: &Transfer, buffer: &mut [u8]) -> Reply {
        for (chunk, done) in buffer.chunks_exact_mut(transfer.block_bytes).zip(0u32..) {
            let Some(length) = self.read_block(transfer, done, chunk)? else {
                return Err(end_of_data(transfer, done));
            };
            if length != chunk.len() {
                let residual = transfer.residual(done);
                let sense = Sense::none().with_ili().with_information(residual);
                return Err(transfer.check(sense, done));
            }
        }
        Ok(buffer.len())
    }

    /// Reads the block at the position into `out`, as much as fits, and returns its length;
    /// `None` at EOD. A filemark ends the command behind it.
    fn read_block(
        &mut self,
        transfer: &Transfer,
        done: u32,
        out: &mut [u8],
    ) -> Result<Option<usize>, Refusal> {
        match self.next_object()? {
            None => Ok(None),
            Some(record) if record.kind == Kind::Filemark => {
                self.tape()?.step();
                Err(transfer.check(filemark_met(transfer.residual(done)), done))
            }
            Some(record) => {
                let taken = self.take_block(&record, out);
                taken
                    .map(Some)
                    .map_err(|refusal| transfer.ended(refusal, done))
            }
        }
    }

    /// The object at the position, `None` at EOD.
    pub(super) fn next_object(&mut self) -> Result<Option<Record>, Refusal> {
        self.overwrite = Overwrite::No;
        let found = self.tape()?.next_object();
        found.map_err(|error| self.read_failure(error))
    }

    /// Where a block leaves the medium: fills `out` with as much as fits, steps over it and
    /// returns its length, that of its check included.
    pub(super) fn take_block(&mut self, record: &Record, out: &mut [u8]) -> Result<usize, Refusal> {
        self.fault_on_read(record)?;
        let length = self.recorded_block(record, out)?;
        self.tape()?.step();
        Ok(self.append_check(out, length))
    }

    /// With REW in mode page 10h early warning is told to readers too.
    pub(super) fn warn_after_read(&mut self, moved: usize) -> Reply {
        if !self.state.modes.report_early_warning_on_read {
            return Ok(moved);
        }
        if self.position_bytes()? < self.tape()?.early_warning_bytes() {
            return Ok(moved);
        }
        Err(warning(sense::END_OF_PARTITION, moved))
    }
}

/// Nothing is recorded from here on.
fn end_of_data(transfer: &Transfer, done: u32) -> Refusal {
    transfer.check(nothing_recorded(transfer.residual(done)), done)
}

/// 08/00/05 with what is left of the length.
pub(super) fn nothing_recorded(residual: i64) -> Sense {
    Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).with_information(residual)
}

/// 00/00/01 with FILEMARK and what is left of the length.
pub(super) fn filemark_met(residual: i64) -> Sense {
    Sense::new(key::NO_SENSE, sense::FILEMARK_DETECTED)
        .with_filemark()
        .with_information(residual)
}

/// A warning about the end of the partition: all data were moved.
pub(super) fn warning(code: sense::Code, moved: usize) -> Refusal {
    Refusal::Check {
        sense: Sense::new(key::NO_SENSE, code)
            .with_eom()
            .with_information(0),
        transferred_bytes: moved,
    }
}
