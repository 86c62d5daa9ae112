//! Loading, unloading, and waiting until a drive is ready.
//!
//! Here alone unit attentions are swallowed in the life of a drive: until a tape is
//! ready there is no position or mode to lose, and afterwards both are set anew.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use super::{Drive, DriveError, DriveErrorKind};
use crate::scsi::sense::{Sense, SenseKey};
use crate::scsi::{Meaning, cdb};
use crate::transport::Data;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    /// What the drive says, such as "becoming ready (2/04/01)".
    pub what: String,
    /// How far it is, in percent, where the drive tells.
    pub progress_percent: Option<u8>,
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
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut load_sent = false;
        self.new_session();
        loop {
            let ended = self.exchange(action, &cdb::test_unit_ready(), Data::None)?;
            let Some(sense) = ended.sense.filter(|sense| !sense.is_success()) else {
                return Ok(());
            };
            let elapsed = started.elapsed();
            let allowed = match sense.meaning() {
                _ if sense.key == SenseKey::UnitAttention => wait.patience,
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
            if onlooker(&waiting(elapsed, &sense)).is_break() {
                let what = format!("stopped while the drive said: {sense}");
                return Err(self.error(action, DriveErrorKind::Cancelled, what));
            }
            thread::sleep(pause.min(allowed - elapsed));
            pause = (pause * 2).min(LONGEST_PAUSE);
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

    /// Writes out what is buffered, rewinds, unthreads and ejects the tape.
    ///
    /// # Errors
    ///
    /// [`DriveErrorKind::RemovalPrevented`]; after medium and hardware failures what was
    /// not confirmed is lost, and the tape may still be in the drive.
    pub fn unload(&mut self) -> Result<(), DriveError> {
        let action = format_args!("unloading the tape");
        self.position_proven = false;
        self.command(action, &cdb::load_unload(false), Data::None)?;
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

fn waiting(elapsed: Duration, sense: &Sense) -> Waiting {
    let percent = |progress: u16| u8::try_from((u32::from(progress) * 100) >> 16).ok();
    let progress_percent = sense.progress.and_then(percent);
    Waiting {
        elapsed,
        what: sense.to_string(),
        progress_percent,
    }
}
