//! Going on with reading after the drive or the way to it lost a command, and reading again what
//! was not read well.
//!
//! A unit attention, an aborted command or a missing answer says nothing of the tape, and in
//! a job of hours one is no surprise. Behind it position and mode are gone, and the tape may
//! be another one: so the drive is brought back into use, the tape proved by its label, and
//! the block that was not delivered is located anew. Never while writing: what was in the
//! drive's buffer is lost with the state, and no label says how much.
//!
//! A block that the drive could not read, or that is not what belongs there, is located and read
//! again, then in another drive, before it counts as bad (`volume::reread`).
//!
//! Knows neither what the blocks are read for nor how a tape got into the drive.

use std::ops::ControlFlow;

use uuid::Uuid;

use super::VolumeError;
use super::label::{Identity, Label, identify, recover_label};
use super::reread::{Doubt, Remedy, Rereads, is_worth_another_try};
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
    rereads: Rereads,
    /// What is read is not wanted.
    passing: bool,
    /// What a reader said of the content of a block, until it says otherwise.
    doubt: Option<Doubt>,
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
            rereads: Rereads::default(),
            passing: false,
            doubt: None,
        }
    }

    /// Goes on in another drive where this one, or the way to it, fails for good.
    #[must_use]
    pub fn or_elsewhere(mut self, change: &'a mut ChangeDrive<'a>) -> Self {
        self.elsewhere = Some(change);
        self
    }

    /// What `work` comes to at `block`, of which the first attempt is `done`. Behind a failure
    /// that may not come again it is done again, the tape standing there.
    fn at<T>(
        &mut self,
        block: BlockAddress,
        mut done: Result<T, DriveError>,
        mut work: impl FnMut(&mut dyn SequentialDevice) -> Result<T, DriveError>,
    ) -> Result<T, DriveError> {
        let mut doubt: Option<Doubt> = None;
        loop {
            let error = match done {
                Ok(done) => {
                    if let Some(doubt) = doubt {
                        self.came(&doubt);
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            done = if says_nothing_of_tape(&error) {
                self.resume(error, block)?;
                work(self.device)
            } else if is_worth_another_try(&error) && !self.passing {
                let doubt = doubt.get_or_insert_with(|| Doubt::new(block, error.what.clone()));
                if !self.try_again(&error, doubt)? {
                    return Err(error);
                }
                self.device.locate(block).and_then(|()| work(self.device))
            } else {
                return Err(error);
            };
        }
    }

    /// Whether what `error` says of a block is to be tried once more, for which the tape may go
    /// into another drive.
    fn try_again(&mut self, error: &DriveError, doubt: &mut Doubt) -> Result<bool, DriveError> {
        if self.monitor.stop_requested() {
            return Err(instead(
                error,
                DriveErrorKind::Cancelled,
                "stopped on request",
            ));
        }
        let (barcode, block) = (&self.label.barcode, doubt.block);
        match self.rereads.remedy(doubt) {
            Remedy::None => return Ok(false),
            Remedy::Again => {
                tracing::warn!(barcode, %block, %error, "reading it again");
                return Ok(true);
            }
            Remedy::Elsewhere => {}
        }
        let came = match &mut self.elsewhere {
            Some(change) => change(error),
            None => OtherDrive::None,
        };
        if came != OtherDrive::Ready {
            self.rereads.gave_up();
            return Ok(false);
        }
        self.failures = None;
        doubt.has_moved();
        match self.wait().and_then(|()| self.take_up(error, block)) {
            Err(next) if says_nothing_of_tape(&next) => self.resume(next, block)?,
            taken_up => taken_up?,
        }
        Ok(true)
    }

    /// Tells of a block that was read well at last: it is no damage, but a sign.
    fn came(&mut self, doubt: &Doubt) {
        let (barcode, drive) = (&self.label.barcode, self.device.name());
        let (block, what, attempt) = (doubt.block, &doubt.what, doubt.attempt());
        tracing::warn!(barcode, %block, attempt, what, "read at last");
        let Some(count) = self.rereads.came() else {
            return;
        };
        let blocks = match count {
            1 => "the first block".to_owned(),
            count => format!("{count} blocks by now"),
        };
        let what = format!(
            "block {block} was read well at attempt {attempt} only, in {drive}; at first: {what}. \
             Nothing is lost by it; it is {blocks} of this tape. Clean the drive; if it goes on, \
             `verify {barcode}`, and copy the tape while it can be read."
        );
        let path = format!("volume {barcode}");
        self.monitor.notice(&Problem { path, what });
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
            "reading in {} was interrupted: {}; the tape is proved by its label again, and read on \
             from block {block}",
            error.drive, error.what
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
    let what = format!("{}; behind that, {found} is in the drive", error.what);
    instead(error, DriveErrorKind::OtherTape, &what)
}

/// An error in the place of `error`.
fn instead(error: &DriveError, kind: DriveErrorKind, what: &str) -> DriveError {
    DriveError {
        drive: error.drive.clone(),
        action: error.action.clone(),
        kind,
        what: what.to_owned(),
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

    fn pass_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.passing = true;
        let outcome = self.read_block(buffer);
        self.passing = false;
        outcome
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let next = self.next.take();
        let first = self.device.read_block(buffer);
        let outcome = match next {
            Some(block) => self.at(block, first, |device| device.read_block(buffer)),
            None => first,
        };
        let passed = match &outcome {
            Ok(outcome) => *outcome != ReadOutcome::EndOfData,
            Err(error) => matches!(error.kind, DriveErrorKind::BlockTooLong { .. }),
        };
        self.next = match (passed, &outcome) {
            (true, _) => next.map(|block| block.plus(1)),
            (false, Ok(_)) => next,
            (false, Err(_)) => None,
        };
        outcome
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.next = None;
        let first = self.device.locate(block);
        self.at(block, first, |_| Ok(()))?;
        self.next = Some(block);
        Ok(())
    }

    fn is_doubted(&mut self, block: BlockAddress, what: &str) -> Result<bool, DriveError> {
        self.next = None;
        let error = DriveError {
            drive: self.device.name().to_owned(),
            action: format!("reading block {block}"),
            kind: DriveErrorKind::Medium,
            what: what.to_owned(),
            reaction: None,
            source: None,
        };
        let known = self.doubt.take().filter(|doubt| doubt.block == block);
        let mut doubt = known.unwrap_or_else(|| Doubt::new(block, what.to_owned()));
        let again = self.try_again(&error, &mut doubt)?;
        self.doubt = Some(doubt).filter(|_| again);
        Ok(again)
    }

    fn is_as_written(&mut self, block: BlockAddress) {
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.block == block) {
            self.came(&doubt);
        }
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

    fn wrap_ends(&mut self) -> Result<Option<Vec<BlockAddress>>, DriveError> {
        self.next = None;
        let first = self.device.wrap_ends();
        self.at(BlockAddress(0), first, |device| device.wrap_ends())
    }

    fn recommended_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        self.next = None;
        let first = self.device.recommended_order(stretches);
        self.at(BlockAddress(0), first, |device| {
            device.recommended_order(stretches)
        })
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
