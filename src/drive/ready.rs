//! Loading, unloading, and waiting until a drive is ready.
//!
//! Here alone unit attentions are swallowed in the life of a drive: until a tape is
//! ready there is no position or mode to lose, and afterwards both are set anew.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::command_set::Ability;
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{Meaning, cdb, log};
use crate::transport::Data;
use crate::transport::wait::Wait;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A drive has a few unit attentions to report, each once. One that goes on is being reset again
/// and again.
const ATTENTIONS_MAX: u32 = 10;

/// A drive that was switched on anew with a tape in it winds that back and threads it.
const RECOVERY: ReadyWait = ReadyWait {
    patience: Duration::from_secs(900),
    notices_within: Duration::ZERO,
};
/// So long a drive is tried for that does not answer, or has to be seen to: one that is
/// switched on tests itself for a minute or two.
const OUTAGE: Duration = Duration::from_secs(180);

/// Before so much has passed an estimate is a guess.
const ESTIMATE_AFTER: Duration = Duration::from_secs(10);

/// What is said of a drive that measures a new LTO-9 cartridge.
const MEASURING: &str = "measuring the new cartridge, which happens once in its life and takes \
                         from 20 minutes to 2 hours; do not unload it or switch the drive off";

/// How long to wait for a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyWait {
    /// For the drive to become ready. An LTO-9 drive that sees a new cartridge for the
    /// first time measures it for up to two hours.
    pub patience: Duration,
    /// For the drive to notice a cartridge at all: some take seconds after the robot
    /// let go. Zero reports an empty drive at once.
    pub notices_within: Duration,
}

impl Default for ReadyWait {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(9000),
            notices_within: Duration::ZERO,
        }
    }
}

/// What a drive is doing while it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Since the wait began.
    pub elapsed: Duration,
    /// What the drive says, such as "becoming ready (2/04/01)", or what is known of it.
    pub what: String,
    /// How far it is, in percent, where the drive tells.
    pub progress_percent: Option<u8>,
    /// How long it will still take, by the progress made since it was first heard of.
    pub remaining: Option<Duration>,
}

/// The progress of one operation, as it was first heard of.
#[derive(Debug, Default)]
pub(super) struct Pace {
    first: Option<(Duration, u16)>,
}

impl Pace {
    /// What to tell of an operation of which the drive says `sense` after `elapsed`.
    pub(super) fn waiting(&mut self, elapsed: Duration, sense: &Sense, what: &str) -> Waiting {
        Waiting {
            elapsed,
            what: what.to_owned(),
            progress_percent: sense
                .progress
                .and_then(|done| u8::try_from((u32::from(done) * 100) >> 16).ok()),
            remaining: sense
                .progress
                .and_then(|done| self.remaining(elapsed, done)),
        }
    }

    /// Progress is counted in 1/65536. It begins anew where it falls: another operation.
    fn remaining(&mut self, elapsed: Duration, done: u16) -> Option<Duration> {
        let (since, before) = *self.first.get_or_insert((elapsed, done));
        if done < before {
            self.first = Some((elapsed, done));
            return None;
        }
        let spent = elapsed.checked_sub(since)?;
        if done == before || spent < ESTIMATE_AFTER {
            return None;
        }
        let left = u32::from(u16::MAX - done) + 1;
        Some(spent * left / u32::from(done - before))
    }
}

impl Drive {
    /// Waits until a tape is loaded and ready, loading it if it is only seated.
    /// Afterwards the position is the drive's choice and the mode is to be set. While
    /// waiting, `onlooker` hears what the drive says, and may break off.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::NoMedium`], [`DriveErrorKind::CleaningCartridge`],
    /// [`DriveErrorKind::IncompatibleMedium`], [`DriveErrorKind::NotReady`] if patience
    /// ran out or somebody has to see to the drive, [`DriveErrorKind::Cancelled`], and
    /// what the drive reports as a failure.
    pub fn wait_ready(
        &mut self,
        wait: &ReadyWait,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let action = format_args!("waiting for the drive to become ready");
        let mut waited = Wait::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut load_sent = false;
        let mut pace = Pace::default();
        let mut measuring = false;
        let mut attentions = 0;
        self.new_session();
        loop {
            let ended = self.exchange(action, &cdb::test_unit_ready(), Data::None)?;
            let Some(sense) = ended.sense.filter(|sense| !sense.is_success()) else {
                return Ok(());
            };
            let elapsed = waited.elapsed();
            attentions = match sense.key {
                SenseKey::UnitAttention => attentions + 1,
                _ => 0,
            };
            let allowed = match sense.meaning() {
                _ if attentions >= ATTENTIONS_MAX => Duration::ZERO,
                _ if attentions > 0 => wait.patience,
                Meaning::BecomingReady => wait.patience,
                Meaning::NoMedium => wait.notices_within,
                Meaning::NeedsLoad if !load_sent => {
                    load_sent = true;
                    self.send_load()?;
                    continue;
                }
                Meaning::NeedsLoad => wait.patience,
                _ => Duration::ZERO,
            };
            if elapsed >= allowed {
                return Err(self.failure(action, &sense));
            }
            // Not at once: most loads are over before it could matter.
            if waited.has_paused() && !measuring && sense.meaning() == Meaning::BecomingReady {
                measuring = self.is_measuring()?;
            }
            let said = sense.to_string();
            let what = if measuring { MEASURING } else { &said };
            if onlooker(&pace.waiting(elapsed, &sense, what)).is_break() {
                let what = format!("stopped while the drive said: {sense}");
                return Err(self.error(action, DriveErrorKind::Cancelled, what));
            }
            waited.pause(&mut *self.transport, allowed - elapsed);
        }
    }

    /// As [`wait_ready`](Self::wait_ready) behind an interruption: a drive that does not
    /// answer, or wants to be seen to, is asked again and again, for it may be about to be
    /// switched on.
    pub(super) fn wait_out(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let mut waited = Wait::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let error = match self.wait_ready(&RECOVERY, onlooker) {
                Err(error) if error.is_interruption() => error,
                ended => return ended,
            };
            let elapsed = waited.elapsed();
            if elapsed >= OUTAGE {
                return Err(error);
            }
            let waiting = Waiting {
                elapsed,
                what: error.what.clone(),
                progress_percent: None,
                remaining: None,
            };
            if onlooker(&waiting).is_break() {
                let action = format_args!("waiting for the drive to answer");
                let what = format!("stopped while the last word was: {}", error.what);
                return Err(self.error(action, DriveErrorKind::Cancelled, what));
            }
            waited.pause(&mut *self.transport, OUTAGE - elapsed);
        }
    }

    /// Whether the drive says that it measures the cartridge. A drive that does not answer
    /// while it is busy does not say it.
    fn is_measuring(&mut self) -> Result<bool, DriveError> {
        if self.capabilities.has_log_page(log::PAGE_STATE) != Ability::Yes {
            return Ok(false);
        }
        match self.log_page(log::PAGE_STATE) {
            Ok(page) => Ok(page.is_some_and(|page| page.is_calibrating())),
            Err(error) if error.kind == DriveErrorKind::Transport => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Threads the tape that sits in the drive and rewinds it; then as
    /// [`wait_ready`](Self::wait_ready). A tape that is loaded already is rewound.
    ///
    /// # Errors
    ///
    /// As [`wait_ready`](Self::wait_ready).
    pub fn load(
        &mut self,
        wait: &ReadyWait,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        self.send_load()?;
        self.wait_ready(wait, onlooker)
    }

    /// Writes out what is buffered, rewinds, unthreads and ejects the tape. The drive is left
    /// with variable blocks.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::RemovalPrevented`]; after medium and hardware failures what was
    /// not confirmed is lost, and the tape may still be in the drive.
    pub fn unload(&mut self) -> Result<(), DriveError> {
        let action = format_args!("unloading the tape");
        self.position_proven = false;
        let unloaded = self.command(action, &cdb::load_unload(false), Data::None);
        // Not before: what is still buffered goes to the tape first, or is told to be lost.
        self.unfix_blocks();
        unloaded?;
        self.new_session();
        Ok(())
    }

    /// Sends LOAD. That the drive is still busy, or that a tape arrived, is no failure
    /// here: the wait that follows finds out.
    fn send_load(&mut self) -> Result<(), DriveError> {
        let action = format_args!("loading the tape");
        self.swallow_attentions = true;
        let ended = self.exchange(action, &cdb::load_unload(true), Data::None);
        self.swallow_attentions = false;
        self.new_session();
        match ended?.sense {
            Some(sense) if !sense.is_success() && sense.meaning() != Meaning::BecomingReady => {
                Err(self.failure(action, &sense))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_the_progress_since_the_first_word() {
        let mut pace = Pace::default();
        let mut after = |seconds, done| pace.remaining(Duration::from_secs(seconds), done);
        assert_eq!(after(5, 0x1000), None);
        assert_eq!(after(12, 0x4000), None);
        assert_eq!(after(25, 0x9000), Some(Duration::from_millis(17_500)));
        // The load is over, and the measuring begins.
        assert_eq!(after(30, 0), None);
        assert_eq!(after(60, 0), None);
        assert_eq!(after(130, 0x4000), Some(Duration::from_secs(300)));
    }
}
