//! A drive that is not ready in the middle of its work: it is waited for where it stands.
//!
//! A command that ends with "becoming ready" was not executed. Behind the wait it is sent once
//! more where that cannot do harm: questions and motions to a place are the same wherever the
//! tape is; for a read or a write the drive has to say first that it is where it was. What was
//! reset or exchanged meanwhile comes with a unit attention, and is the caller's.
//!
//! Before a session, while a tape is loaded, [`Drive::wait_ready`] waits instead.

use std::fmt::Arguments;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::command::{Ended, Next};
use super::proof::Place;
use super::ready::{FIRST_PAUSE, LONGEST_PAUSE};
use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{Meaning, cdb};
use crate::transport::Data;
use crate::transport::wait::Wait;

/// What reads takes up again behind a longer wait, which it tells of.
const READER_PATIENCE: Duration = Duration::from_secs(20);
/// Who writes has nobody who would.
const WRITER_PATIENCE: Duration = Duration::from_secs(300);
/// For so long who was asked to stop still waits to bring what it has begun onto the tape.
const CLOSING_PATIENCE: Duration = Duration::from_secs(10);

/// What a drive was waited for in the middle of its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unready {
    /// How often, with success.
    pub times: u32,
    /// For how long in all.
    pub waited: Duration,
    /// What the drive said the last time.
    pub what: String,
}

impl Drive {
    /// How often the drive was not ready in the middle of its work since this was last asked.
    pub fn take_unready(&mut self) -> Option<Unready> {
        let unready = std::mem::take(&mut self.unready);
        (unready.times > 0).then_some(unready)
    }

    /// Whether a command ended in a way that is waited out here.
    pub(super) fn is_unready(&self, cdb: &[u8], ended: &Ended) -> bool {
        let says = |sense: &Sense| {
            sense.key == SenseKey::NotReady
                && sense.meaning() == Meaning::BecomingReady
                && !sense.deferred
        };
        ended.sense.as_ref().is_some_and(says)
            && self.place != Place::Lost
            && cdb != cdb::test_unit_ready()
            && (cdb::harmless_to_repeat(cdb) || cdb::is_in_place(cdb))
    }

    /// Waits for the drive; true if the command that was not executed may be sent again.
    pub(super) fn wait_in_place(
        &mut self,
        action: Arguments<'_>,
        cdb: &[u8],
        ended: &Ended,
    ) -> Result<bool, DriveError> {
        let at = match self.place {
            Place::At(at) if !self.is_counted() => Some(at),
            _ => None,
        };
        let stays = cdb::harmless_to_repeat(cdb);
        if !stays && at.is_none() {
            return Ok(false);
        }
        let writes = cdb::is_write(cdb);
        let said = ended
            .sense
            .map_or_else(String::new, |sense| sense.to_string());
        tracing::warn!(drive = %self.name, %action, said, "waiting where the tape stands");
        let started = Instant::now();
        if !self.becomes_ready(action, writes)? {
            return Ok(false);
        }
        if let (Some(at), false) = (at, stays) {
            let found = self.ask_position(action)?.block;
            if found.0 != at {
                let what = format!(
                    "the drive was not ready ({said}), and is at block {found} behind that \
                     instead of {at}"
                );
                return Err(self.error(action, DriveErrorKind::Reset, what));
            }
        }
        self.unready.times += 1;
        self.unready.waited += started.elapsed();
        self.unready.what = said;
        Ok(true)
    }

    /// Asks until the drive is ready; false where patience ran out. The wish to stop is looked
    /// for each time, which is each second at the least. It ends the wait at once, where nothing
    /// is written; else what was begun is still given a moment.
    fn becomes_ready(&mut self, action: Arguments<'_>, writes: bool) -> Result<bool, DriveError> {
        let (patience, closing) = match writes {
            true => (WRITER_PATIENCE, CLOSING_PATIENCE),
            false => (READER_PATIENCE, Duration::ZERO),
        };
        let mut waited = Wait::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut stopped = None;
        loop {
            let elapsed = waited.elapsed();
            let Some(left) = patience.checked_sub(elapsed).filter(|left| !left.is_zero()) else {
                return Ok(false);
            };
            if self.is_stopped() && elapsed - *stopped.get_or_insert(elapsed) >= closing {
                let what = "stopped while the drive was waited for, which was not ready".to_owned();
                return Err(self.error(action, DriveErrorKind::Cancelled, what));
            }
            waited.pause(&mut *self.transport, left);
            match self.attempt(action, &cdb::test_unit_ready(), Data::None, 1) {
                Next::SendAgain => {}
                Next::Failed(error) => return Err(error),
                Next::Ended(ended) => match ended.sense {
                    Some(sense) if sense.meaning() == Meaning::BecomingReady => {}
                    Some(sense) if !sense.is_success() => {
                        return Err(self.failure(action, &sense));
                    }
                    _ => return Ok(true),
                },
            }
        }
    }

    fn is_stopped(&self) -> bool {
        let flag = self.stop.as_ref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}
