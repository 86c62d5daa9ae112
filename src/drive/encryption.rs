//! Encryption by the drive: keys go in, never out.
//!
//! A key is sent, checked by what the drive then says of itself, and forgotten here. Which key
//! belongs to which tape is decided above.

use std::fmt::Arguments;

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::encryption::{
    self, Decryption, EncryptionCapability, EncryptionKey, EncryptionStatus, KeyUse, NextBlock,
};
use crate::transport::Data;

const PAGE_BYTES: usize = 4096;

impl Drive {
    /// How the drive can encrypt by AES-256-GCM; `None` if it cannot.
    ///
    /// # Errors
    ///
    /// Transport failures; [`DriveErrorKind::Malformed`].
    pub fn encryption_capability(&mut self) -> Result<Option<EncryptionCapability>, DriveError> {
        let action = format_args!("asking how the drive encrypts");
        match self.security_page(action, encryption::PAGE_CAPABILITIES)? {
            None => Ok(None),
            Some(data) => self.decoded(action, encryption::parse_capability(&data)),
        }
    }

    /// Whether the drive encrypts and decrypts now; `None` if it cannot.
    ///
    /// # Errors
    ///
    /// As [`encryption_capability`](Self::encryption_capability).
    pub fn encryption_status(&mut self) -> Result<Option<EncryptionStatus>, DriveError> {
        let action = format_args!("asking for the drive's encryption");
        match self.security_page(action, encryption::PAGE_STATUS)? {
            None => Ok(None),
            Some(data) => self
                .decoded(action, encryption::parse_status(&data))
                .map(Some),
        }
    }

    /// How the block at the position is encrypted, and the name of its key; `None` if the
    /// drive cannot encrypt. Moves nothing as far as positions go.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::NoMedium`]; as
    /// [`encryption_capability`](Self::encryption_capability).
    pub fn next_block_encryption(&mut self) -> Result<Option<NextBlock>, DriveError> {
        let action = format_args!("asking how the next block is encrypted");
        match self.security_page(action, encryption::PAGE_NEXT_BLOCK)? {
            None => Ok(None),
            Some(data) => self
                .decoded(action, encryption::parse_next_block(&data))
                .map(Some),
        }
    }

    /// Sets a key: what is written from now on is encrypted with it, and what was encrypted
    /// with it can be read. Holds for every host, until [`clear_key`](Self::clear_key), the
    /// next key, a reset or loss of power; with `until_unload` until the volume goes.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::Unsupported`] if the drive does not encrypt by AES-256-GCM, or not
    /// this volume; [`DriveErrorKind::Malformed`] if it took the key and yet says that it does
    /// not encrypt.
    pub fn set_key(&mut self, key: &EncryptionKey, usage: &KeyUse<'_>) -> Result<(), DriveError> {
        let action = format_args!("setting the encryption key");
        let algorithm = match self.encryption_capability()? {
            Some(found) if found.encrypts => found.algorithm,
            _ => {
                let what = "the drive cannot encrypt; nothing was set".to_owned();
                return Err(self.error(action, DriveErrorKind::Unsupported, what));
            }
        };
        self.send_encryption(action, &encryption::set_key(algorithm, key, usage))?;
        let expected = match usage.plain_too {
            true => Decryption::Mixed,
            false => Decryption::Encrypted,
        };
        match self.encryption_status()? {
            Some(status) if status.encrypting && status.decryption == expected => Ok(()),
            _ => {
                let what = "the drive took the key, and yet says that it does not encrypt with \
                            it; nothing was written"
                    .to_owned();
                Err(self.error(action, DriveErrorKind::Malformed, what))
            }
        }
    }

    /// Takes the key away: what is written from now on is plain. A drive that cannot encrypt
    /// has nothing to be done.
    ///
    /// # Errors
    ///
    /// As [`set_key`](Self::set_key).
    pub fn clear_key(&mut self) -> Result<(), DriveError> {
        let action = format_args!("clearing the encryption key");
        if self.encryption_status()?.is_none() {
            return Ok(());
        }
        self.send_encryption(action, &encryption::clear_key())?;
        match self.encryption_status()? {
            Some(status) if status.encrypting || status.decryption != Decryption::Off => {
                let what = "the drive still encrypts, or decrypts".to_owned();
                Err(self.error(action, DriveErrorKind::Malformed, what))
            }
            _ => Ok(()),
        }
    }

    fn security_page(
        &mut self,
        action: Arguments<'_>,
        page: u16,
    ) -> Result<Option<Vec<u8>>, DriveError> {
        let mut data = vec![0; PAGE_BYTES];
        let ask = cdb::security_protocol_in(encryption::PROTOCOL, page, PAGE_BYTES as u32);
        let got = self.command_if_known(action, &ask, Data::In(&mut data))?;
        Ok(got.map(|got| {
            data.truncate(got);
            data
        }))
    }

    fn send_encryption(&mut self, action: Arguments<'_>, list: &[u8]) -> Result<(), DriveError> {
        let length = u32::try_from(list.len()).expect("a list with one key has under 100 bytes");
        let page = encryption::PAGE_CAPABILITIES;
        let send = cdb::security_protocol_out(encryption::PROTOCOL, page, length);
        self.command(action, &send, Data::Out(list))?;
        Ok(())
    }
}
