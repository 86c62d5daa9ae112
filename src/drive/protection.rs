//! Logical block protection: each block goes to the drive and comes from it with a CRC-32C
//! behind it (SSC-4 8.5.9; scsi-tape facts 3.7). It is not on the tape.
//!
//! Knows what passes between host and drive. Whether it is wanted is the session's mode.

use std::fmt::Arguments;
use std::io::IoSlice;
use std::mem;

use super::command::Ended;
use super::{Drive, DriveError, DriveErrorKind, ReadOutcome};
use crate::scsi::cdb;
use crate::scsi::mode::{HeaderForm, PAGE_CONTROL, SUBPAGE_BLOCK_PROTECTION};
use crate::transport::Data;

/// Length of the check behind each block.
const CHECK_BYTES: usize = 4;

/// What a drive that protects blocks needs.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// The drive adds and demands checks. False after whatever may have switched that off: a
    /// write without a check is then refused by a drive that still demands one, and a check
    /// is never recorded as data by a drive that does not.
    on: bool,
    /// Receives a block with its check; empty until then.
    framed: Vec<u8>,
}

impl Protection {
    /// The drive may have forgotten its mode.
    pub(super) fn forget(&mut self) {
        self.on = false;
    }

    /// Bytes that pass with each block beside its own.
    pub(super) fn check_bytes(&self) -> usize {
        if self.on { CHECK_BYTES } else { 0 }
    }
}

impl Drive {
    /// Switches protection by CRC-32C on or off in both directions; returns whether it is on.
    pub(super) fn set_block_protection(&mut self, on: bool) -> Result<bool, DriveError> {
        let action = format_args!("setting logical block protection");
        self.protection.forget();
        let page = (PAGE_CONTROL, SUBPAGE_BLOCK_PROTECTION);
        let Some(mut data) = self.mode_data(page, HeaderForm::Ten)? else {
            return Ok(false);
        };
        let Some(found) = data.block_protection() else {
            return Ok(false);
        };
        if found != on {
            data.set_block_protection(on);
            match self.send_mode(action, &data, HeaderForm::Ten) {
                Err(error) if on && error.kind == DriveErrorKind::Unsupported => {}
                sent => sent?,
            }
        }
        let data = self.mode_data(page, HeaderForm::Ten)?;
        self.protection.on = data.and_then(|data| data.block_protection()) == Some(true);
        if self.protection.on && !on {
            let what = "the drive keeps logical block protection on".to_owned();
            return Err(self.error(action, DriveErrorKind::Unsupported, what));
        }
        Ok(self.protection.on)
    }

    /// Sends a block, with its check if the drive demands one. What was moved is counted
    /// without it. `data` is not longer than [`Drive::max_block_bytes`].
    pub(super) fn send_block(
        &mut self,
        action: Arguments<'_>,
        data: &[u8],
    ) -> Result<Ended, DriveError> {
        if !self.protection.on {
            return self.exchange(action, &cdb::write_6(data.len() as u32), Data::Out(data));
        }
        let check = crc32c::crc32c(data).to_le_bytes();
        let framed = [IoSlice::new(data), IoSlice::new(&check)];
        let write = cdb::write_6((data.len() + CHECK_BYTES) as u32);
        let mut ended = self.exchange(action, &write, Data::Gather(&framed))?;
        ended.transferred_bytes = ended.transferred_bytes.saturating_sub(CHECK_BYTES);
        Ok(ended)
    }

    /// Reads into the front of `buffer`, and checks the block if the drive protects it.
    /// `buffer` is not longer than [`Drive::max_block_bytes`].
    pub(super) fn receive_block(
        &mut self,
        action: Arguments<'_>,
        buffer: &mut [u8],
    ) -> Result<ReadOutcome, DriveError> {
        if !self.protection.on {
            let asked = buffer.len() as u32;
            let ended = self.exchange(action, &cdb::read_6(asked), Data::In(buffer))?;
            return self.read_outcome(action, &ended, asked);
        }
        let mut framed = mem::take(&mut self.protection.framed);
        framed.resize(buffer.len() + CHECK_BYTES, 0);
        let outcome = self.receive_framed(action, &mut framed);
        let copied = outcome.and_then(|outcome| match outcome {
            ReadOutcome::Block { bytes } => self.checked(action, &framed[..bytes], buffer),
            other => Ok(other),
        });
        self.protection.framed = framed;
        copied
    }

    fn receive_framed(
        &mut self,
        action: Arguments<'_>,
        framed: &mut [u8],
    ) -> Result<ReadOutcome, DriveError> {
        let asked = framed.len() as u32;
        let ended = self.exchange(action, &cdb::read_6(asked), Data::In(framed))?;
        self.read_outcome(action, &ended, asked)
    }

    fn checked(
        &mut self,
        action: Arguments<'_>,
        framed: &[u8],
        buffer: &mut [u8],
    ) -> Result<ReadOutcome, DriveError> {
        let Some((block, check)) = framed.split_last_chunk::<CHECK_BYTES>() else {
            let what = "a block without the check that the drive was to add".to_owned();
            return Err(self.error(action, DriveErrorKind::Malformed, what));
        };
        let (found, told) = (crc32c::crc32c(block), u32::from_le_bytes(*check));
        if found != told {
            let what = format!(
                "the block was damaged on its way from the drive: its CRC-32C is {found:08X}, the \
                 drive says {told:08X}; check the cable, the adapter and the host's memory"
            );
            return Err(self.error(action, DriveErrorKind::BlockCheck, what));
        }
        buffer[..block.len()].copy_from_slice(block);
        Ok(ReadOutcome::Block { bytes: block.len() })
    }
}
