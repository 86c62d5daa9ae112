//! Erasing: the end of data here, or the whole rest of the tape overwritten.
//!
//! The long form takes as long as filling the tape. It is begun with IMMED and then asked
//! after, so that no path has to keep a command waiting for hours; a drive that refuses
//! that gets the command that waits, with the time limit of the longest erase.

use std::fmt::Arguments;
use std::ops::ControlFlow;

use super::ready::{FIRST_PAUSE, LONGEST_PAUSE, Pace};
use super::{Drive, DriveError, DriveErrorKind, Waiting};
use crate::scsi::sense::Sense;
use crate::scsi::{Meaning, cdb};
use crate::transport::Data;
use crate::transport::wait::Wait;
use crate::units::BlockAddress;

const SENSE_BYTES: usize = 252;

impl Drive {
    /// Ends the data at the current position: everything behind it is gone. Flushes.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::WriteProtected`], [`DriveErrorKind::PositionLost`], medium and
    /// transport failures.
    pub fn erase_short(&mut self) -> Result<(), DriveError> {
        let action = format_args!("erasing the rest of the tape");
        let at = self.known_position(action)?;
        self.reckoning.writing(at);
        self.command(action, &cdb::erase(false, false), Data::None)?;
        self.erased(at)
    }

    /// Overwrites the tape from the current position to its end, which takes hours. From the
    /// first moment on everything behind the position is gone. While the drive is at it,
    /// `onlooker` hears how far it is, and may break off: only the waiting ends then, the
    /// drive goes on by itself. A drive that does not erase behind our back is not heard of
    /// until it is done.
    ///
    /// # Errors
    ///
    /// As [`erase_short`](Self::erase_short); [`DriveErrorKind::Cancelled`], and
    /// [`DriveErrorKind::NotReady`] if it takes longer than the drive ever takes.
    pub fn erase_long(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let action = format_args!("overwriting the rest of the tape");
        let at = self.known_position(action)?;
        self.reckoning.writing(at);
        match self.command(action, &cdb::erase(true, true), Data::None) {
            Ok(_) => self.wait_for_erase(action, onlooker)?,
            // Refused before it began; whether ERASE is known at all shows next.
            Err(error) if error.kind == DriveErrorKind::Unsupported => {
                self.command(action, &cdb::erase(true, false), Data::None)?;
            }
            Err(error) => return Err(error),
        }
        self.erased(at)
    }

    /// The end of data is at `at`.
    fn erased(&mut self, at: u64) -> Result<(), DriveError> {
        self.reckoning.met_end(at);
        self.moving();
        match self.is_counted() {
            true => self.walk_to(BlockAddress(at)),
            false => Ok(()),
        }
    }

    fn wait_for_erase(
        &mut self,
        action: Arguments<'_>,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let patience = self.timeouts.of(&cdb::erase(true, true));
        let mut waited = Wait::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut pace = Pace::default();
        while let Some(sense) = self.under_way(action)? {
            let elapsed = waited.elapsed();
            if elapsed >= patience {
                let what = format!(
                    "it is not done after {} s, longer than it ever takes: {sense}",
                    patience.as_secs()
                );
                return Err(self.error(action, DriveErrorKind::NotReady, what));
            }
            let waiting = pace.waiting(elapsed, &sense, "overwriting the rest of the tape");
            if onlooker(&waiting).is_break() {
                let what = "the waiting was stopped; the drive goes on erasing by itself, and the \
                            tape cannot be used or taken out until it is done"
                    .to_owned();
                return Err(self.error(action, DriveErrorKind::Cancelled, what));
            }
            waited.pause(&mut *self.transport, patience - elapsed);
        }
        Ok(())
    }

    /// What the drive says of the operation that it is at; `None` once that is done.
    fn under_way(&mut self, action: Arguments<'_>) -> Result<Option<Sense>, DriveError> {
        let ended = self.exchange(action, &cdb::test_unit_ready(), Data::None)?;
        match ended.sense {
            Some(sense) if sense.meaning() == Meaning::BecomingReady => return Ok(Some(sense)),
            Some(sense) if !sense.is_success() => return Err(self.failure(action, &sense)),
            _ => {}
        }
        // Some drives are ready meanwhile, and tell only here that they are at something.
        let mut data = [0; SENSE_BYTES];
        let ask = cdb::request_sense(SENSE_BYTES as u8);
        let got = self.command(action, &ask, Data::In(&mut data))?;
        match Sense::parse(&data[..got]) {
            Some(sense) if sense.meaning() == Meaning::BecomingReady => Ok(Some(sense)),
            Some(sense) if !sense.is_success() => Err(self.failure(action, &sense)),
            _ => Ok(None),
        }
    }
}
