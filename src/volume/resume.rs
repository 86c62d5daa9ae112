//! Going on with reading after the drive or the way to it lost a command.
//!
//! A unit attention, an aborted command or a missing answer says nothing of the tape, and in
//! a job of hours one is no surprise. Behind it position and mode are gone, and the tape may
//! be another one: so the drive is brought back into use, the tape proved by its label, and
//! the block that was not delivered is located anew. Never while writing: what was in the
//! drive's buffer is lost with the state, and no label says how much.
//!
//! Knows neither what the blocks are read for nor how a tape got into the drive.

use std::ops::ControlFlow;

use uuid::Uuid;

use super::VolumeError;
use super::label::{Identity, Label, identify, recover_label};
use crate::drive::{
    DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting,
    Written,
};
use crate::monitor::{Monitor, Problem};
use crate::units::BlockAddress;

/// So often reading is taken up again within [`WITHIN_BLOCKS`]: who is interrupted more often
/// gets nowhere.
const TIMES: u32 = 3;
/// A segment of the usual size, 32 GiB.
const WITHIN_BLOCKS: u64 = 1 << 16;

/// What came of the wish to read a tape on in another drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherDrive {
    /// The tape is in another one, and the same device now stands for that. What is on the
    /// tape, and where it is, has to be proved.
    Ready,
    /// There is no other. The device is as it was.
    None,
    /// The tape was taken out, and is in no drive any more.
    Lost,
}

/// Brings the tape that is read into another drive than the one that failed with this error.
pub type ChangeDrive<'a> = dyn FnMut(&DriveError) -> OtherDrive + Send + 'a;

/// A device that is only read, and goes on behind failures that say nothing of the tape.
pub struct ResumingReader<'a> {
    device: &'a mut dyn SequentialDevice,
    label: Label,
    monitor: &'a dyn Monitor,
    /// The object that the next read finds, where that is known.
    next: Option<BlockAddress>,
    /// The first of the failures that are counted together, and how many there were.
    failures: Option<(BlockAddress, u32)>,
    /// How the tape comes into another drive, if it can.
    elsewhere: Option<&'a mut ChangeDrive<'a>>,
}

impl<'a> ResumingReader<'a> {
    /// Reads the volume of this label, which was read from the tape in this mount.
    pub fn new(
        device: &'a mut dyn SequentialDevice,
        label: &Label,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            device,
            label: label.clone(),
            monitor,
            next: None,
            failures: None,
            elsewhere: None,
        }
    }

    /// Goes on in another drive where this one, or the way to it, fails for good.
    #[must_use]
    pub fn or_elsewhere(mut self, change: &'a mut ChangeDrive<'a>) -> Self {
        self.elsewhere = Some(change);
        self
    }

    /// Makes up for `error`, met on the way to or at `block`: the tape stands there afterwards.
    fn resume(&mut self, mut error: DriveError, block: BlockAddress) -> Result<(), DriveError> {
        // Whether the drive did not come back: waiting for it once more is the last resort.
        let mut gone = false;
        loop {
            let goes_on = match gone {
                false => self.once_more(&error, block) || self.moves(&error) == OtherDrive::Ready,
                true => match self.moves(&error) {
                    OtherDrive::Ready => true,
                    OtherDrive::None => self.once_more(&error, block),
                    OtherDrive::Lost => false,
                },
            };
            if !goes_on {
                return Err(error);
            }
            let waited = self.wait();
            gone = waited.is_err();
            match waited.and_then(|()| self.take_up(&error, block)) {
                Ok(()) => return Ok(()),
                Err(next) => error = next,
            }
        }
    }

    /// Whether the same drive may be tried once more, which is told.
    fn once_more(&mut self, error: &DriveError, block: BlockAddress) -> bool {
        let again = error.is_interruption() && self.count(block);
        if again {
            self.tell(error, block);
        }
        again
    }

    /// Has the tape brought into another drive, where it begins to count anew.
    fn moves(&mut self, error: &DriveError) -> OtherDrive {
        let came = match &mut self.elsewhere {
            Some(change) if says_nothing_of_tape(error) => change(error),
            _ => OtherDrive::None,
        };
        if came == OtherDrive::Ready {
            self.failures = None;
        }
        came
    }

    /// Counts a failure; false if there were too many about here.
    fn count(&mut self, block: BlockAddress) -> bool {
        let (since, times) = match self.failures {
            Some((since, times)) if block.0.abs_diff(since.0) <= WITHIN_BLOCKS => (since, times),
            _ => (block, 0),
        };
        self.failures = Some((since, times + 1));
        times < TIMES
    }

    fn tell(&self, error: &DriveError, block: BlockAddress) {
        let what = format!(
            "reading was interrupted: {}; the tape is proved by its label again, and read on \
             from block {block}",
            error.what
        );
        tracing::warn!(barcode = self.label.barcode, %error, "{what}");
        self.monitor.problem(&Problem {
            path: format!("volume {}", self.label.barcode),
            what,
        });
    }

    /// Waits until the drive is ready, and says when that is over.
    fn wait(&mut self) -> Result<(), DriveError> {
        let monitor = self.monitor;
        let mut told = false;
        self.device.recover(&mut |waiting: &Waiting| {
            told = true;
            monitor.phase(&format!("waiting for the drive: {}", waiting.what));
            match monitor.stop_requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if told {
            monitor.phase(&format!("reading {} again", self.label.barcode));
        }
        Ok(())
    }

    fn take_up(&mut self, error: &DriveError, block: BlockAddress) -> Result<(), DriveError> {
        match volume_in(self.device) {
            Ok(Some(volume)) if volume == self.label.volume => self.device.locate(block),
            Ok(found) => Err(another(error, found)),
            Err(VolumeError::Drive { source, .. }) => Err(*source),
            Err(_) => Err(another(error, None)),
        }
    }
}

fn says_nothing_of_tape(error: &DriveError) -> bool {
    error.is_interruption() || error.calls_for_other_drive()
}

/// The volume in the drive by its label or, where that is lost, by its indexes.
fn volume_in(device: &mut dyn SequentialDevice) -> Result<Option<Uuid>, VolumeError> {
    let label = match identify(device) {
        Ok(Identity::Ours(label)) => Some(label),
        Ok(Identity::Foreign(_)) => recover_label(device)?,
        Ok(Identity::Blank | Identity::TooNew { .. }) => None,
        Err(VolumeError::Drive { source, .. }) if source.kind == DriveErrorKind::Medium => {
            recover_label(device)?
        }
        Err(error) => return Err(error),
    };
    Ok(label.map(|label| label.volume))
}

/// The error where another tape lies in the drive, which is final.
fn another(error: &DriveError, found: Option<Uuid>) -> DriveError {
    let found = found.map_or_else(
        || "no volume that can be told".to_owned(),
        |volume| format!("volume {volume}"),
    );
    DriveError {
        drive: error.drive.clone(),
        action: error.action.clone(),
        kind: DriveErrorKind::OtherTape,
        what: format!("{}; behind that, {found} is in the drive", error.what),
        reaction: None,
        source: None,
    }
}

impl SequentialDevice for ResumingReader<'_> {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.next = None;
        self.device.write_block(data)
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        self.next = None;
        self.device.write_filemark(returns)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.device.synchronize()
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let next = self.next.take();
        let outcome = loop {
            match (self.device.read_block(buffer), next) {
                (Err(error), Some(block)) if says_nothing_of_tape(&error) => {
                    self.resume(error, block)?;
                }
                (Err(error), next) => {
                    if matches!(error.kind, DriveErrorKind::BlockTooLong { .. }) {
                        self.next = next.map(|block| block.plus(1));
                    }
                    return Err(error);
                }
                (Ok(outcome), _) => break outcome,
            }
        };
        self.next = match outcome {
            ReadOutcome::EndOfData => next,
            ReadOutcome::Block { .. } | ReadOutcome::Filemark => next.map(|block| block.plus(1)),
        };
        Ok(outcome)
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.next = None;
        match self.device.locate(block) {
            Err(error) if says_nothing_of_tape(&error) => self.resume(error, block)?,
            located => located?,
        }
        self.next = Some(block);
        Ok(())
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.next = None;
        self.device.space_filemarks(count)
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.next = None;
        self.device.locate_end_of_data()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.next = None;
        self.device.rewind()
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        self.device.position()
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        self.device.first_unconfirmed()
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        self.device.remaining_bytes()
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        self.next = None;
        self.device.recover(onlooker)
    }

    fn name(&self) -> &str {
        self.device.name()
    }
}
