//! The mode that a session runs in: variable blocks, buffering, compression, early
//! warning.

use std::fmt::Arguments;

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::mode::{
    HeaderForm, ModeData, PAGE_COMPRESSION, PAGE_DEVICE_CONFIGURATION, SUBPAGE_EXTENSION,
};
use crate::transport::Data;

const MODE_BYTES: usize = 255;
/// Mode page for "no page": header and block descriptor alone.
const NO_PAGE: u8 = 0;
const BUFFERED: u8 = 1;

/// What a session wants. Blocks are always of variable length, and buffered; where several go
/// with one WRITE, the drive is set to their length for that and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DriveMode {
    /// The drive compresses what it writes.
    pub compression: bool,
    /// Megabytes (10⁶ bytes) before early warning at which writes report
    /// [`super::Written::ProgrammableEarlyWarning`]; 0 is off.
    pub early_warning_mb: u16,
    /// Each block passes between host and drive with a CRC-32C that the receiver checks, if
    /// the drive can do that.
    pub block_protection: bool,
}

/// What the drive made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeInEffect {
    /// Whether the drive compresses; `None` where it does not tell, or cannot.
    pub compression: Option<bool>,
    /// The programmable early warning in megabytes; `None` where the drive has none.
    pub early_warning_mb: Option<u16>,
    /// Whether blocks are checked between host and drive.
    pub block_protection: bool,
}

impl Drive {
    /// Sets variable blocks, buffering and `mode`, and reads back what is in effect.
    /// Lost at every reset and change of medium: call it at the start of each session.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::Unsupported`] if the drive does not go into variable-block mode;
    /// transport failures.
    pub fn set_mode(&mut self, mode: &DriveMode) -> Result<ModeInEffect, DriveError> {
        let action = format_args!("setting variable blocks and compression");
        self.fixed.forget();
        let (found, form) = self.mode_data_or_less(PAGE_COMPRESSION)?;
        let mut wanted = found.clone();
        wanted.block_bytes = 0;
        wanted.buffered_mode = BUFFERED;
        wanted.set_compression(mode.compression);
        if wanted != found {
            self.send_mode_in_either_form(action, &wanted, form)?;
        }
        let (data, _) = self.mode_data_or_less(PAGE_COMPRESSION)?;
        if data.block_bytes != 0 {
            let what = format!("the drive stays at blocks of {} bytes", data.block_bytes);
            return Err(self.error(action, DriveErrorKind::Unsupported, what));
        }
        Ok(ModeInEffect {
            compression: data.compression(),
            early_warning_mb: self.set_early_warning(mode.early_warning_mb)?,
            block_protection: self.set_block_protection(mode.block_protection)?,
        })
    }

    fn set_early_warning(&mut self, mb: u16) -> Result<Option<u16>, DriveError> {
        let action = format_args!("setting the programmable early warning");
        let page = (PAGE_DEVICE_CONFIGURATION, SUBPAGE_EXTENSION);
        let Some(mut data) = self.mode_data(page, HeaderForm::Ten)? else {
            return Ok(None);
        };
        if data.early_warning_mb() == Some(mb) {
            return Ok(Some(mb));
        }
        data.set_early_warning_mb(mb);
        match self.send_mode(action, &data, HeaderForm::Ten) {
            Ok(()) => {}
            Err(error) if error.kind == DriveErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(error),
        }
        let data = self.mode_data(page, HeaderForm::Ten)?;
        Ok(data.and_then(|data| data.early_warning_mb()))
    }

    /// Header, block descriptor and, if the drive has it, the page `page`.
    pub(super) fn mode_data_or_less(
        &mut self,
        page: u8,
    ) -> Result<(ModeData, HeaderForm), DriveError> {
        for page in [page, NO_PAGE] {
            for form in [HeaderForm::Ten, HeaderForm::Six] {
                if let Some(data) = self.mode_data((page, 0), form)? {
                    return Ok((data, form));
                }
            }
        }
        let action = format_args!("asking for the drive's mode");
        let what = "the drive knows neither form of MODE SENSE".to_owned();
        Err(self.error(action, DriveErrorKind::Unsupported, what))
    }

    pub(super) fn mode_data(
        &mut self,
        (page, subpage): (u8, u8),
        form: HeaderForm,
    ) -> Result<Option<ModeData>, DriveError> {
        let action = format_args!("asking for the drive's mode");
        let mut data = [0; MODE_BYTES];
        let ask = match form {
            HeaderForm::Six => cdb::mode_sense_6(page, MODE_BYTES as u8).to_vec(),
            HeaderForm::Ten => cdb::mode_sense_10(page, subpage, MODE_BYTES as u16).to_vec(),
        };
        match self.command_if_known(action, &ask, Data::In(&mut data))? {
            None => Ok(None),
            Some(got) => self
                .decoded(action, ModeData::parse(&data[..got], form))
                .map(Some),
        }
    }

    /// Sends mode data in `form`, or in the short one to a drive that does not take that.
    pub(super) fn send_mode_in_either_form(
        &mut self,
        action: Arguments<'_>,
        mode: &ModeData,
        form: HeaderForm,
    ) -> Result<(), DriveError> {
        match self.send_mode(action, mode, form) {
            Err(error) if error.kind == DriveErrorKind::Unsupported => {
                self.send_mode(action, mode, HeaderForm::Six)
            }
            sent => sent,
        }
    }

    pub(super) fn send_mode(
        &mut self,
        action: Arguments<'_>,
        data: &ModeData,
        form: HeaderForm,
    ) -> Result<(), DriveError> {
        let list = data.to_parameters(form);
        let select = match (form, u8::try_from(list.len()), u16::try_from(list.len())) {
            (HeaderForm::Six, Ok(length), _) => cdb::mode_select_6(length).to_vec(),
            (HeaderForm::Ten, _, Ok(length)) => cdb::mode_select_10(length).to_vec(),
            _ => {
                let what = "the drive's mode data is too long to be sent back".to_owned();
                return Err(self.error(action, DriveErrorKind::Malformed, what));
            }
        };
        self.command(action, &select, Data::Out(&list))?;
        Ok(())
    }
}
