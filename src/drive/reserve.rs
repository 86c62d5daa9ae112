//! Reserving a drive, so that no other host reads, writes or moves its tape.
//!
//! A reservation lasts until it is released, or the drive loses power. Who reserves, and with
//! which key, is decided above.

use std::fmt::Arguments;

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::cdb;
use crate::scsi::reservation::{
    self, EXCLUSIVE_ACCESS, LIST_BYTES, Reservation, ReserveAction, ReserveQuestion,
};
use crate::transport::Data;

const REPLY_BYTES: usize = 4096;

impl Drive {
    /// Who holds a persistent reservation of the drive; `None` if nobody does, or the drive
    /// does not know such. Passes under another host's reservation.
    ///
    /// # Errors
    ///
    /// Transport failures; [`DriveErrorKind::Malformed`].
    pub fn reservation(&mut self) -> Result<Option<Reservation>, DriveError> {
        let action = format_args!("asking who has reserved the drive");
        let mut data = vec![0; REPLY_BYTES];
        let ask = cdb::persistent_reserve_in(ReserveQuestion::Reservation, REPLY_BYTES as u16);
        match self.command_if_known(action, &ask, Data::In(&mut data))? {
            None => Ok(None),
            Some(got) => self.decoded(action, reservation::parse_reservation(&data[..got])),
        }
    }

    /// The keys that hosts have registered with the drive; empty if it does not know such.
    ///
    /// # Errors
    ///
    /// As [`reservation`](Self::reservation).
    pub fn registered_keys(&mut self) -> Result<Vec<u64>, DriveError> {
        let action = format_args!("asking which hosts are registered with the drive");
        let mut data = vec![0; REPLY_BYTES];
        let ask = cdb::persistent_reserve_in(ReserveQuestion::Keys, REPLY_BYTES as u16);
        match self.command_if_known(action, &ask, Data::In(&mut data))? {
            None => Ok(Vec::new()),
            Some(got) => self.decoded(action, reservation::parse_keys(&data[..got])),
        }
    }

    /// Registers `key`, which must not be 0, and reserves the drive for this host alone. A
    /// reservation that this host has under the same key stays. The position is unknown
    /// afterwards only if this fails.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::HeldBy`] with the holder's key if another host has the drive: this
    /// host's registration is taken back, and nothing else was changed;
    /// [`DriveErrorKind::Unsupported`] if the drive knows no such reservations.
    pub fn reserve(&mut self, key: u64) -> Result<(), DriveError> {
        let action = format_args!("reserving the drive");
        self.send_reserve(action, ReserveAction::Register, (0, key))?;
        match self.send_reserve(action, ReserveAction::Reserve, (key, 0)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind == DriveErrorKind::Reserved => {
                // The refusal is what matters, even if this fails too.
                let undo = self.send_reserve(action, ReserveAction::Register, (0, 0));
                if let Err(failure) = undo {
                    tracing::warn!(drive = %self.name, %failure, "the registration stays");
                }
                let Some(holder) = self.reservation()? else {
                    return Err(error);
                };
                let what = format!(
                    "the host with the key {:016X} has reserved the drive; nothing was changed. \
                     Stop its program, or let it release the drive",
                    holder.key
                );
                Err(self.error(action, DriveErrorKind::HeldBy { key: holder.key }, what))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends this host's reservation under `key`, and its registration. Without any there is
    /// nothing to be done.
    ///
    /// # Errors
    ///
    /// Transport failures and refusals.
    pub fn release(&mut self, key: u64) -> Result<(), DriveError> {
        let action = format_args!("releasing the drive");
        if !self.registered_keys()?.contains(&key) {
            return Ok(());
        }
        self.send_reserve(action, ReserveAction::Release, (key, 0))?;
        self.send_reserve(action, ReserveAction::Register, (key, 0))
    }

    fn send_reserve(
        &mut self,
        action: Arguments<'_>,
        what: ReserveAction,
        (key, new_key): (u64, u64),
    ) -> Result<(), DriveError> {
        let kind = match what {
            ReserveAction::Register => 0,
            ReserveAction::Reserve | ReserveAction::Release => EXCLUSIVE_ACCESS,
        };
        let send = cdb::persistent_reserve_out(what, kind, LIST_BYTES as u32);
        let list = reservation::to_parameters(key, new_key);
        self.command(action, &send, Data::Out(&list))?;
        Ok(())
    }
}
