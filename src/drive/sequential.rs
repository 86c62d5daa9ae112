//! [`SequentialDevice`] by SCSI commands: variable-length blocks, SILI 0, every motion
//! to a block proved by READ POSITION.

use std::fmt::Arguments;
use std::ops::ControlFlow;

use super::capability::NO_LOCATE;
use super::command::Ended;
use super::device::Locates;
use super::proof::{Place, is_ignorance};
use super::{
    Drive, DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice,
    Waiting, Written, WrittenBlocks,
};
use crate::scsi::cdb::{self, PositionForm, SpaceCode};
use crate::scsi::position::{self, LONG_BYTES, SHORT_BYTES};
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{Meaning, log};
use crate::transport::Data;
use crate::units::BlockAddress;

impl SequentialDevice for Drive {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        let longest = self.max_block_bytes();
        if data.is_empty() || data.len() > longest {
            return Err(self.bad_length("writing a block", data.len()));
        }
        let at = self.known_position(format_args!("writing a block"))?;
        let action = format_args!("writing block {at}");
        self.reckoning.writing(at);
        let ended = self.send_block(action, data)?;
        if ended.sense.is_none() {
            self.carried(action, &ended, data.len())?;
        }
        let written = self.written(action, at, &ended)?;
        self.after_write(at, written, false)
    }

    fn blocks_at_once(&self, block_bytes: usize) -> usize {
        self.batch_blocks(block_bytes)
    }

    fn write_blocks(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        self.write_batch(blocks)
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        let at = self.known_position(format_args!("writing a filemark"))?;
        let action = format_args!("writing a filemark as object {at}");
        // A drive that cannot say later what is on the medium has to say it now.
        let immediate = returns == FilemarkReturns::Immediate && !self.is_counted();
        let mark = cdb::write_filemarks_6(1, immediate);
        self.reckoning.writing(at);
        let ended = self.exchange(action, &mark, Data::None)?;
        let written = self.written(action, at, &ended)?;
        let written = self.after_write(at, written, true)?;
        if written != Written::EndOfPartition && !immediate {
            self.reckoning.confirmed = at + 1;
        }
        Ok(written)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        let action = format_args!("writing out the buffer");
        match self.command(action, &cdb::write_filemarks_6(0, false), Data::None) {
            Ok(_) => {
                if let Place::At(at) = self.place {
                    self.reckoning.confirmed = at;
                }
                self.unfix_blocks();
                Ok(())
            }
            // Nothing is buffered behind a filemark that was waited for.
            Err(error) if error.kind == DriveErrorKind::Unsupported => match self.place {
                Place::At(at) if at == self.reckoning.confirmed => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let asked = buffer.len().min(self.max_block_bytes());
        if asked == 0 {
            return Err(self.bad_length("reading a block", buffer.len()));
        }
        let place = self.place;
        let action = format_args!("reading {place}");
        let outcome = self.receive_block(action, &mut buffer[..asked])?;
        match outcome {
            ReadOutcome::EndOfData => {
                if let Place::At(at) = self.place {
                    self.reckoning.met_end(at);
                }
            }
            ReadOutcome::Filemark => self.after_read(true)?,
            ReadOutcome::Block { .. } => self.after_read(false)?,
        }
        Ok(outcome)
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        let action = format_args!("locating block {block}");
        self.prove_by_reading(action)?;
        if self.is_counted() || self.locates == Locates::None {
            return self.walk_to(block);
        }
        self.moving();
        if !self.send_locate(action, block)? {
            self.notice(NO_LOCATE.to_owned());
            return self.walk_to(block);
        }
        let found = self.ask_position(action)?;
        if found.block != block {
            let what = format!("the drive is at block {} instead", found.block);
            return Err(self.error(action, DriveErrorKind::WrongPosition, what));
        }
        self.place = Place::At(block.0);
        Ok(())
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        let action = format_args!("spacing over {count} filemarks");
        if self.rewound && !self.position_proven {
            self.prove_by_reading(action)?;
            self.rewind()?;
        }
        if self.is_counted() {
            return self.walk_filemarks(count);
        }
        self.moving();
        let ended = self.exchange(action, &cdb::space(SpaceCode::Filemarks, count), Data::None)?;
        let Some(sense) = ended.sense else {
            return Ok(());
        };
        if !sense.is_success() {
            return Err(self.failure(action, &sense));
        }
        match sense.information {
            None | Some(0) => Ok(()),
            Some(_) if count < 0 => {
                let kind = DriveErrorKind::BeginningOfPartition;
                Err(self.error(action, kind, sense.to_string()))
            }
            Some(_) => Err(self.error(action, DriveErrorKind::EndOfData, sense.to_string())),
        }
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        let action = format_args!("moving to the end of data");
        self.prove_by_reading(action)?;
        if self.is_counted() {
            self.walk_to_end()?;
            return self.position();
        }
        self.moving();
        match self.command(action, &cdb::space(SpaceCode::EndOfData, 0), Data::None) {
            Ok(_) => {}
            Err(error) if error.kind == DriveErrorKind::EndOfData => {}
            Err(error) => return Err(error),
        }
        self.position()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        let action = format_args!("rewinding");
        self.moving();
        self.command(action, &cdb::rewind(), Data::None)?;
        if !self.is_counted() {
            self.prove_beginning(action)?;
        }
        self.place = Place::At(0);
        self.rewound = true;
        Ok(())
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        let action = format_args!("asking for the position");
        if self.is_counted() {
            return self.counted_position(action);
        }
        self.forget_if_lost();
        self.rewound = false;
        let found = self.ask_position(action)?;
        self.agree(action, found.block.0)?;
        self.place = Place::At(found.block.0);
        Ok(found)
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        let action = format_args!("asking what is on the tape");
        match self.place {
            Place::At(_) | Place::Failed => {}
            Place::Moved if self.is_counted() => {}
            Place::Moved => drop(self.position()?),
            Place::Lost => {
                let what = "the position was lost, so what the drive says of it now proves \
                            nothing of what was written before"
                    .to_owned();
                return Err(self.error(action, DriveErrorKind::PositionLost, what));
            }
        }
        if self.is_counted() {
            return Ok(BlockAddress(self.reckoning.confirmed));
        }
        let mut data = [0; LONG_BYTES];
        let ask = cdb::read_position(PositionForm::Extended);
        let found = match self.command_if_known(action, &ask, Data::In(&mut data))? {
            Some(got) => self.decoded(action, position::parse_extended(&data[..got]))?,
            None => {
                let ask = cdb::read_position(PositionForm::Short);
                let short = &mut data[..SHORT_BYTES];
                let got = self.command(action, &ask, Data::In(short))?;
                self.decoded(action, position::parse_short(&data[..got]))?
            }
        };
        let Some(found) = found else {
            return Err(self.unknown_position(action));
        };
        self.agree(action, found.first)?;
        Ok(BlockAddress(found.first.min(found.last)))
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        for page in [log::PAGE_CAPACITY, log::PAGE_VOLUME_STATISTICS] {
            let found = self.log_page(page)?.and_then(|page| page.remaining_bytes());
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn wrap_ends(&mut self) -> Result<Option<Vec<BlockAddress>>, DriveError> {
        self.ask_wrap_ends()
    }

    fn recommended_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        self.ask_access_order(stretches)
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        self.wait_out(onlooker)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Drive {
    /// Judges the end of a write of a block or a filemark. INFORMATION is what was not
    /// written of it.
    fn written(
        &mut self,
        action: Arguments<'_>,
        at: u64,
        ended: &Ended,
    ) -> Result<Written, DriveError> {
        let Some(sense) = &ended.sense else {
            return Ok(Written::Normal);
        };
        let rest = sense.information.unwrap_or(0);
        match sense.key {
            SenseKey::VolumeOverflow if !sense.deferred => Ok(Written::EndOfPartition),
            _ if !sense.is_success() => Err(self.failure(action, sense)),
            _ if sense.end_of_medium && rest != 0 => Ok(Written::EndOfPartition),
            _ => Ok(self.warning(at, sense)),
        }
    }

    /// The warning in the sense of a write whose last object, `at`, was accepted.
    pub(super) fn warning(&mut self, at: u64, sense: &Sense) -> Written {
        if !sense.end_of_medium {
            return Written::Normal;
        }
        if (sense.asc, sense.ascq) == Sense::PROGRAMMABLE_EARLY_WARNING {
            return Written::ProgrammableEarlyWarning;
        }
        self.reckoning.warned(at);
        Written::EarlyWarning
    }

    pub(super) fn read_outcome(
        &mut self,
        action: Arguments<'_>,
        ended: &Ended,
        asked: u32,
    ) -> Result<ReadOutcome, DriveError> {
        let asked = asked as usize;
        let Some(sense) = &ended.sense else {
            if ended.transferred_bytes == asked {
                return Ok(ReadOutcome::Block { bytes: asked });
            }
            let what = format!(
                "the path carried {} of {asked} bytes, and nobody objected",
                ended.transferred_bytes
            );
            return Err(self.error(action, DriveErrorKind::Malformed, what));
        };
        if !sense.is_success() {
            if sense.meaning() == Meaning::EndOfData && !sense.deferred {
                return Ok(ReadOutcome::EndOfData);
            }
            return Err(self.failure(action, sense));
        }
        if sense.filemark {
            return Ok(ReadOutcome::Filemark);
        }
        if !sense.incorrect_length {
            return Ok(ReadOutcome::Block { bytes: asked });
        }
        let actual = sense
            .information
            .and_then(|residual| (asked as i64).checked_sub(residual));
        match actual.and_then(|actual| usize::try_from(actual).ok()) {
            Some(bytes) if bytes <= asked => Ok(ReadOutcome::Block { bytes }),
            Some(bytes) => {
                let check = self.protection.check_bytes();
                let (bytes, asked) = (bytes - check, asked - check);
                let actual_bytes = bytes as u64;
                let what = format!("the block has {bytes} bytes, the buffer {asked}");
                self.after_read(false)?;
                let kind = DriveErrorKind::BlockTooLong { actual_bytes };
                Err(self.error_in_place(action, kind, what))
            }
            None => {
                let what = "a block of another length, and the drive does not say which";
                Err(self.error(action, DriveErrorKind::Malformed, what.to_owned()))
            }
        }
    }

    /// After REWIND the drive has to say that it is at the beginning. If it says that it does
    /// not know, or contradicts itself there, it is counted for from now on.
    fn prove_beginning(&mut self, action: Arguments<'_>) -> Result<(), DriveError> {
        match self.ask_position(action) {
            Ok(found) if found.block == BlockAddress(0) && found.beginning => Ok(()),
            Ok(found) if found.block == BlockAddress(0) && !self.position_proven => {
                self.count_instead("its READ POSITION is not at the beginning behind a REWIND");
                Ok(())
            }
            Ok(found) => {
                let what = format!(
                    "after it the drive says that it is at block {}, {} the beginning of the \
                     tape; its READ POSITION cannot be trusted, so nothing is archived with it",
                    found.block,
                    if found.beginning { "at" } else { "not at" }
                );
                Err(self.error(action, DriveErrorKind::UntrustedPosition, what))
            }
            Err(error) if is_ignorance(&error) && !self.position_proven => {
                self.count_instead("it does not know where it is");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends LOCATE(16), or LOCATE(10) to a drive that does not know it; false if it knows
    /// neither.
    fn send_locate(
        &mut self,
        action: Arguments<'_>,
        block: BlockAddress,
    ) -> Result<bool, DriveError> {
        if self.locates == Locates::Sixteen {
            match self.command(action, &cdb::locate_16(block.0), Data::None) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind != DriveErrorKind::Unsupported => return Err(error),
                Err(_) => {}
            }
        }
        let Ok(short) = u32::try_from(block.0) else {
            let what = "the drive only locates blocks below 2^32".to_owned();
            return Err(self.error(action, DriveErrorKind::Unsupported, what));
        };
        match self.command(action, &cdb::locate_10(short), Data::None) {
            Ok(_) => self.locates = Locates::Ten,
            Err(error) if error.kind == DriveErrorKind::Unsupported => {
                self.locates = Locates::None;
            }
            Err(error) => return Err(error),
        }
        Ok(self.locates == Locates::Ten)
    }

    fn bad_length(&mut self, action: &str, bytes: usize) -> DriveError {
        let what = format!(
            "{bytes} bytes; this drive and its path carry blocks of 1 to {} bytes",
            self.max_block_bytes()
        );
        self.error_in_place(format_args!("{action}"), DriveErrorKind::BlockLength, what)
    }
}
