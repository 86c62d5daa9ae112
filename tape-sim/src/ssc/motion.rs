//! Moving over the tape and saying where it is: SPACE, LOCATE, REWIND, READ POSITION.

use std::io;

use super::DriveTarget;
use super::busy::Operation;
use super::protect::Overwrite;
use super::tape::{Halt, Tape};
use crate::sense::{self, Sense, key};
use crate::target::{Data, Refusal, Reply, be16, be24, be32, be64, send};

/// SPACE codes (SSC-4 table 71).
const BLOCKS: u8 = 0;
const FILEMARKS: u8 = 1;
const END_OF_DATA: u8 = 3;

/// REWIND and LOCATE byte 1.
const IMMED: u8 = 0x01;
/// LOCATE byte 1: change partition; LOCATE(16) destination types.
const CHANGE_PARTITION: u8 = 0x02;
const DESTINATION: u8 = 0x18;
const TO_OBJECT: u8 = 0x00;
const TO_FILE: u8 = 0x08;
const TO_END_OF_DATA: u8 = 0x18;

/// READ POSITION service actions.
const SHORT: u8 = 0x00;
const SHORT_VENDOR: u8 = 0x01;
const LONG: u8 = 0x06;

/// READ POSITION byte 0.
mod flag {
    pub const BOP: u8 = 0x80;
    pub const EOP: u8 = 0x40;
    pub const OBJECT_COUNT_UNKNOWN: u8 = 0x20;
    pub const BYTE_COUNT_UNKNOWN: u8 = 0x10;
    pub const OVERFLOW: u8 = 0x02;
    pub const BEYOND_PROGRAMMABLE_WARNING: u8 = 0x01;
}

/// A halt as the host hears of it, with the residual that SPACE returns.
fn halted(halt: Halt) -> Refusal {
    let signed = |residual: u64| i64::try_from(residual).unwrap_or(i64::MAX);
    match halt {
        Halt::Filemark { residual } => Sense::new(key::NO_SENSE, sense::FILEMARK_DETECTED)
            .with_filemark()
            .with_information(signed(residual)),
        Halt::EndOfData { residual } => {
            Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).with_information(signed(residual))
        }
        Halt::Beginning { residual } => Sense::new(key::NO_SENSE, sense::BEGINNING_OF_PARTITION)
            .with_eom()
            .with_information(signed(residual)),
    }
    .into()
}

impl DriveTarget {
    /// Moves the tape; a failure is one of writing, since only the flush before can fail so late.
    pub(super) fn move_tape(
        &mut self,
        motion: impl FnOnce(&mut Tape) -> io::Result<Option<Halt>>,
    ) -> Result<Option<Halt>, Refusal> {
        self.overwrite = Overwrite::No;
        let moved = self.tape()?.travel(motion);
        moved.map_err(|error| self.write_failure(error))
    }

    /// As [`DriveTarget::move_tape`]; with IMMED the motion goes on behind the commands to come,
    /// while what was buffered is waited for in any case.
    fn move_in_time(
        &mut self,
        operation: Operation,
        immediate: bool,
        motion: impl FnOnce(&mut Tape) -> io::Result<Option<Halt>>,
    ) -> Result<Option<Halt>, Refusal> {
        self.flush()?;
        self.collect();
        let halt = self.move_tape(motion)?;
        let took = self.take_motion_time();
        self.operate(operation, took, immediate);
        Ok(halt)
    }

    /// REWIND (SSC-4 §7.11): to BOP of the current partition.
    pub(super) fn rewind(&mut self, cdb: &[u8]) -> Reply {
        let immediate = cdb[1] & IMMED != 0;
        self.move_in_time(Operation::Rewinding, immediate, |tape| {
            tape.locate_object(tape.partition(), 0)
        })?;
        Ok(0)
    }

    /// SPACE(6) and SPACE(16) (SSC-4 §7.12, §7.13).
    pub(super) fn space(&mut self, cdb: &[u8]) -> Reply {
        let count = if cdb[0] == 0x11 {
            // Sign extension of 24 bits.
            i64::from((be24(cdb, 2) << 8).cast_signed() >> 8)
        } else {
            be64(cdb, 4).cast_signed()
        };
        let halt = match cdb[1] & 0x0F {
            BLOCKS => self.move_tape(|tape| tape.space_blocks(count))?,
            FILEMARKS => self.move_tape(|tape| tape.space_filemarks(count))?,
            END_OF_DATA => {
                self.move_tape(|tape| tape.locate_end(tape.partition()).map(|()| None))?
            }
            _ => return Err(Sense::invalid_cdb_field(1, Some(3)).into()),
        };
        halt.map_or(Ok(0), |halt| Err(halted(halt)))
    }

    /// LOCATE(10) and LOCATE(16) (SSC-4 §7.4, §7.5). The device-specific addresses of
    /// LOCATE(10) with BT are object numbers, as on LTO.
    pub(super) fn locate(&mut self, cdb: &[u8]) -> Reply {
        let short = cdb[0] == 0x2B;
        let (kind, target, partition_at) = if short {
            (TO_OBJECT, u64::from(be32(cdb, 3)), 8)
        } else {
            (cdb[1] & DESTINATION, be64(cdb, 4), 3)
        };
        let tape = self.tape()?;
        let partition = if cdb[1] & CHANGE_PARTITION == 0 {
            tape.partition()
        } else {
            cdb[partition_at]
        };
        if usize::from(partition) >= tape.partitions().len() {
            return Err(Sense::invalid_cdb_field(partition_at, None).into());
        }
        let immediate = cdb[1] & IMMED != 0;
        let halt = match kind {
            TO_OBJECT => self.move_in_time(Operation::Locating, immediate, |tape| {
                tape.locate_object(partition, target)
            })?,
            TO_FILE => self.move_in_time(Operation::Locating, immediate, |tape| {
                tape.locate_file(partition, target)
            })?,
            TO_END_OF_DATA => self.move_in_time(Operation::Locating, immediate, |tape| {
                tape.locate_end(partition).map(|()| None)
            })?,
            _ => return Err(Sense::invalid_cdb_field(1, Some(4)).into()),
        };
        match halt {
            None => Ok(0),
            Some(_) => Err(Sense::new(key::BLANK_CHECK, sense::END_OF_DATA).into()),
        }
    }

    /// READ POSITION (SSC-4 §7.7).
    pub(super) fn read_position(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let flags = self.position_flags()?;
        let tape = self.tape()?;
        let reply = match cdb[1] & 0x1F {
            SHORT | SHORT_VENDOR => short_position(tape, flags),
            LONG => long_position(tape, flags),
            _ => {
                let reply = extended_position(tape, flags);
                return send(data, &reply, usize::from(be16(cdb, 7)));
            }
        };
        send(data, &reply, reply.len())
    }

    fn position_flags(&mut self) -> Result<u8, Refusal> {
        let pews_mb = self.state.modes.pews_mb;
        let tape = self.tape()?;
        let position = match tape.position_bytes() {
            Ok(position) => position,
            Err(error) => return Err(self.read_failure(error)),
        };
        let set = |condition: bool, mask: u8| if condition { mask } else { 0 };
        let beyond = pews_mb > 0 && position >= tape.programmable_warning_bytes(pews_mb);
        Ok(set(tape.object() == 0, flag::BOP)
            | set(position >= tape.early_warning_bytes(), flag::EOP)
            | set(beyond, flag::BEYOND_PROGRAMMABLE_WARNING))
    }
}

/// Object number of the next object to go from the buffer to the tape.
fn next_to_tape(tape: &Tape) -> u64 {
    tape.object() - tape.buffer().objects()
}

/// Short form, 20 bytes (SSC-4 table 60).
fn short_position(tape: &Tape, mut flags: u8) -> Vec<u8> {
    const COUNT_LIMIT: u64 = 1 << 24;
    let mut reply = vec![0; 20];
    reply[1] = tape.partition();
    match (
        u32::try_from(tape.object()),
        u32::try_from(next_to_tape(tape)),
    ) {
        (Ok(first), Ok(last)) => {
            reply[4..8].copy_from_slice(&first.to_be_bytes());
            reply[8..12].copy_from_slice(&last.to_be_bytes());
        }
        _ => flags |= flag::OVERFLOW,
    }
    let objects = tape.buffer().objects();
    if objects < COUNT_LIMIT {
        reply[12..16].copy_from_slice(&(objects as u32).to_be_bytes());
    } else {
        flags |= flag::OBJECT_COUNT_UNKNOWN;
    }
    match u32::try_from(tape.buffer().data_bytes()) {
        Ok(bytes) => reply[16..20].copy_from_slice(&bytes.to_be_bytes()),
        Err(_) => flags |= flag::BYTE_COUNT_UNKNOWN,
    }
    reply[0] = flags;
    reply
}

/// Long form, 32 bytes (SSC-4 table 62).
fn long_position(tape: &Tape, flags: u8) -> Vec<u8> {
    let mut reply = vec![0; 32];
    reply[0] = flags;
    reply[7] = tape.partition();
    reply[8..16].copy_from_slice(&tape.object().to_be_bytes());
    reply[16..24].copy_from_slice(&tape.file().to_be_bytes());
    reply
}

/// Extended form, 32 bytes (SSC-4 table 63).
fn extended_position(tape: &Tape, mut flags: u8) -> Vec<u8> {
    const COUNT_LIMIT: u64 = 1 << 24;
    let mut reply = vec![0; 32];
    reply[1] = tape.partition();
    reply[3] = 0x1C;
    let objects = tape.buffer().objects();
    if objects < COUNT_LIMIT {
        reply[4..8].copy_from_slice(&(objects as u32).to_be_bytes());
    } else {
        flags |= flag::OBJECT_COUNT_UNKNOWN;
    }
    reply[8..16].copy_from_slice(&tape.object().to_be_bytes());
    reply[16..24].copy_from_slice(&next_to_tape(tape).to_be_bytes());
    reply[24..32].copy_from_slice(&tape.buffer().data_bytes().to_be_bytes());
    reply[0] = flags;
    reply
}
