//! From block to block to the end of the tape, past those that cannot be read.
//!
//! Behind a block that stays bad the next one is tried. A drive takes minutes for each that it
//! cannot read, so behind [`SINGLY`] in a row the way ahead doubles each time, and once a block
//! comes the first that can be read is looked for between. Behind as many bad blocks as the
//! options allow the rest of the tape file is given up, and the next filemark is sought.
//!
//! Blocks that a drive has encrypted, and for which this one has no key, are not bad: the drive
//! refuses them at once. A key is set for a whole session, so the way goes on behind the next
//! filemark, or where blocks begin that are not encrypted.

use std::ops::ControlFlow;

use super::RescueOptions;
use crate::drive::{DriveError, DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::monitor::Monitor;
use crate::scsi::Reaction;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::label::{Identity, identify};

/// So many bad blocks in a row are tried one by one.
const SINGLY: u64 = 8;
/// So often in a row reading is taken up again behind an interruption of drive or path.
const INTERRUPTIONS_MOST: u32 = 3;

/// What comes next.
pub(super) enum Next<'a> {
    /// A block.
    Block {
        block: BlockAddress,
        bytes: &'a [u8],
    },
    /// Blocks that cannot be read: how many from where, and why. `at_least`: nobody can say where
    /// they end.
    Lost {
        block: BlockAddress,
        blocks: u64,
        at_least: bool,
        what: String,
        cause: Cause,
    },
    /// A filemark; `crossed`: it lies among, or behind, what cannot be read.
    Mark { crossed: bool },
    /// The end of data; `marked`: by the mark that the drive writes there.
    End { marked: bool },
    /// What lies behind cannot be reached.
    GaveUp,
    /// The user asked to stop.
    Stopped,
}

/// Why blocks cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The medium, or drive and path, do not give them.
    Bad,
    /// They are encrypted, and the drive has no key for them.
    Encrypted,
}

/// What lies behind blocks that could not be read, as far as it is known.
#[derive(Debug, Clone, Copy)]
enum Ahead {
    /// What the next read finds.
    Unknown,
    /// This tape file: filemarks were passed.
    File(TapeFile),
    /// Nothing, without a mark of the drive.
    NoEndMark,
    /// What cannot be reached.
    Unreachable,
}

/// See the module.
pub(super) struct Walk<'a> {
    device: &'a mut dyn SequentialDevice,
    buffer: Vec<u8>,
    retries: u32,
    most_bad: u64,
    /// By which the tape is known again behind an interruption; `None`: it cannot be.
    identity: Option<Identity>,
    monitor: &'a dyn Monitor,
    /// The object that the next read finds; the device stands there.
    at: BlockAddress,
    /// Told by the next call.
    ahead: Ahead,
}

/// A block that was tried.
enum Tried {
    Read(ReadOutcome),
    NoEndMark,
    Lost(Cause, String),
}

impl Tried {
    fn cause(&self) -> Option<Cause> {
        match self {
            Tried::Lost(cause, _) => Some(*cause),
            Tried::Read(_) | Tried::NoEndMark => None,
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        device: &'a mut dyn SequentialDevice,
        longest_bytes: usize,
        options: &RescueOptions,
        identity: Option<Identity>,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            device,
            buffer: vec![0; longest_bytes],
            retries: options.retries,
            most_bad: options.most_bad_blocks,
            identity,
            monitor,
            at: BlockAddress(0),
            ahead: Ahead::Unknown,
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), DriveError> {
        self.device.rewind()
    }

    pub(super) fn next_block(&self) -> BlockAddress {
        self.at
    }

    /// The tape file that follows `before`.
    pub(super) fn file(&mut self, before: TapeFile) -> TapeFile {
        match std::mem::replace(&mut self.ahead, Ahead::Unknown) {
            Ahead::File(file) if file > before => file,
            _ => TapeFile(before.0 + 1),
        }
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, DriveError> {
        if self.monitor.stop_requested() {
            return Ok(Next::Stopped);
        }
        match self.ahead {
            Ahead::Unknown => {}
            Ahead::File(_) => return Ok(Next::Mark { crossed: true }),
            Ahead::NoEndMark => return Ok(Next::End { marked: false }),
            Ahead::Unreachable => return Ok(Next::GaveUp),
        }
        let block = self.at;
        Ok(match self.read(block, self.retries)? {
            Tried::Read(ReadOutcome::Block { bytes }) => {
                self.at = block.plus(1);
                let bytes = &self.buffer[..bytes];
                Next::Block { block, bytes }
            }
            Tried::Read(ReadOutcome::Filemark) => {
                self.at = block.plus(1);
                Next::Mark { crossed: false }
            }
            Tried::Read(ReadOutcome::EndOfData) => Next::End { marked: true },
            Tried::NoEndMark => Next::End { marked: false },
            Tried::Lost(cause, what) => {
                match cause {
                    Cause::Bad => self.pass(block)?,
                    Cause::Encrypted => self.pass_encrypted(block)?,
                }
                // A filemark can be read, whatever the key.
                let mark = matches!((cause, self.ahead), (Cause::Encrypted, Ahead::File(_)));
                let end = self.at.0 - u64::from(mark);
                let blocks = end.saturating_sub(block.0).max(1);
                let at_least = matches!(self.ahead, Ahead::NoEndMark | Ahead::Unreachable);
                Next::Lost {
                    block,
                    blocks,
                    at_least,
                    what,
                    cause,
                }
            }
        })
    }

    /// Gets behind the bad block `first`: to the first one that can be read, to the next
    /// filemark, or nowhere.
    fn pass(&mut self, first: BlockAddress) -> Result<(), DriveError> {
        let (file, mut bad, mut step) = (self.file_before(first), first, 1);
        loop {
            if self.monitor.stop_requested() {
                self.at = bad.plus(1);
                return Ok(());
            }
            let passed = bad.0 - first.0 + 1;
            if passed >= self.most_bad {
                return self.give_up_file(first, bad);
            }
            if passed >= SINGLY {
                step = (step * 2).min(self.most_bad - passed).max(1);
            }
            let ahead = bad.plus(step);
            if self.probe(ahead)? == Some(Cause::Bad) {
                bad = ahead;
                continue;
            }
            self.at = self.first_other(Cause::Bad, bad, ahead)?;
            break;
        }
        if let Some(file) = file {
            let here = self.device.position().map(|position| position.file);
            let passed = here.ok().filter(|here| *here > file);
            self.ahead = passed.map_or(Ahead::Unknown, Ahead::File);
        }
        Ok(())
    }

    /// Gets behind encrypted blocks, of which `first` is the first.
    fn pass_encrypted(&mut self, first: BlockAddress) -> Result<(), DriveError> {
        self.at = first.plus(1);
        let moved = self
            .device
            .locate(first)
            .and_then(|()| self.device.space_filemarks(1))
            .and_then(|()| self.device.position());
        let (end, file) = match moved {
            Ok(position) => (position.block, Some(position.file)),
            Err(error) if is_end(&error) => match self.device.locate_end_of_data() {
                Ok(position) => (position.block, None),
                Err(error) if is_end(&error) => {
                    self.ahead = Ahead::NoEndMark;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            Err(error) if is_bad(&error) => {
                self.ahead = Ahead::Unreachable;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // The last block, in front of the filemark if there is one.
        let last = BlockAddress(end.0.saturating_sub(1 + u64::from(file.is_some())));
        if last > first && self.probe(last)? != Some(Cause::Encrypted) {
            self.at = self.first_other(Cause::Encrypted, first, last)?;
            return Ok(());
        }
        self.at = end;
        self.ahead = file.map_or(Ahead::Unknown, Ahead::File);
        self.stand_at(end)
    }

    /// The first block behind `lost` that is not lost by this cause, if all before it are; `other`
    /// is not. The device stands there.
    fn first_other(
        &mut self,
        cause: Cause,
        mut lost: BlockAddress,
        mut other: BlockAddress,
    ) -> Result<BlockAddress, DriveError> {
        while other.0 - lost.0 > 1 {
            let middle = BlockAddress(lost.0 + (other.0 - lost.0) / 2);
            match self.probe(middle)? == Some(cause) {
                true => lost = middle,
                false => other = middle,
            }
        }
        self.stand_at(other)?;
        Ok(other)
    }

    /// Moves to `block`, or to the end of the tape if that is before it.
    fn stand_at(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        match self.device.locate(block) {
            Err(error) if is_end(&error) => Ok(()),
            located => located,
        }
    }

    /// Why what is at `block` cannot be read; `None` if it can, be it the end of the tape.
    fn probe(&mut self, block: BlockAddress) -> Result<Option<Cause>, DriveError> {
        match self.device.locate(block) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) if is_bad(&error) => return Ok(Some(Cause::Bad)),
            Err(error) => return Err(error),
        }
        Ok(self.read(block, 0)?.cause())
    }

    /// Goes behind the next filemark, if the drive gets there.
    fn give_up_file(&mut self, first: BlockAddress, bad: BlockAddress) -> Result<(), DriveError> {
        self.at = bad.plus(1);
        let moved = self
            .device
            .locate(first)
            .and_then(|()| self.device.space_filemarks(1))
            .and_then(|()| self.device.position());
        match moved {
            Ok(position) if position.block > bad => {
                self.at = position.block;
                self.ahead = Ahead::File(position.file);
            }
            Ok(_) => self.ahead = Ahead::Unreachable,
            Err(error) if is_end(&error) || is_bad(&error) => self.ahead = Ahead::Unreachable,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// How many filemarks are before `block`, at which the device is, as far as it knows.
    fn file_before(&mut self, block: BlockAddress) -> Option<TapeFile> {
        self.device.locate(block).ok()?;
        Some(self.device.position().ok()?.file)
    }

    /// Reads the object at `block`, where the device stands; a bad one `again` times more.
    fn read(&mut self, block: BlockAddress, mut again: u32) -> Result<Tried, DriveError> {
        let mut interruptions = 0;
        let mut done = self.device.read_block(&mut self.buffer);
        loop {
            let error = match done {
                Ok(outcome) => return Ok(Tried::Read(outcome)),
                Err(error) => error,
            };
            match error.kind {
                DriveErrorKind::EndOfDataMissing => return Ok(Tried::NoEndMark),
                DriveErrorKind::EndOfData => return Ok(Tried::Read(ReadOutcome::EndOfData)),
                DriveErrorKind::BlockTooLong { .. } => {
                    return Ok(Tried::Lost(Cause::Bad, error.what));
                }
                // A block that is encrypted and damaged, or more that no key helps against.
                DriveErrorKind::Encrypted if error.reaction == Some(Reaction::Stop) => {
                    return Ok(Tried::Lost(Cause::Bad, error.what));
                }
                DriveErrorKind::Encrypted => {
                    return Ok(Tried::Lost(Cause::Encrypted, error.what));
                }
                _ if is_bad(&error) && again == 0 => {
                    return Ok(Tried::Lost(Cause::Bad, error.what));
                }
                _ if is_bad(&error) => again -= 1,
                _ if error.is_interruption() && interruptions < INTERRUPTIONS_MOST => {
                    interruptions += 1;
                    self.recover(error)?;
                }
                _ => return Err(error),
            }
            done = match self.device.locate(block) {
                Ok(()) => self.device.read_block(&mut self.buffer),
                Err(error) => Err(error),
            };
        }
    }

    /// Brings the drive back into use; the tape in it has to be the same.
    fn recover(&mut self, error: DriveError) -> Result<(), DriveError> {
        let Some(before) = &self.identity else {
            return Err(error);
        };
        self.device.recover(&mut |waiting| {
            self.monitor.waiting(&waiting.what, waiting.elapsed);
            match self.monitor.stop_requested() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        match identify(self.device) {
            Ok(now) if now == *before => Ok(()),
            Ok(_) => Err(DriveError {
                kind: DriveErrorKind::OtherTape,
                what: "another tape is in the drive than before".to_owned(),
                ..error
            }),
            Err(_) => Err(error),
        }
    }
}

fn is_end(error: &DriveError) -> bool {
    matches!(
        error.kind,
        DriveErrorKind::EndOfData | DriveErrorKind::EndOfDataMissing
    )
}

/// Whether the medium did not give a block, or the drive did not find it.
fn is_bad(error: &DriveError) -> bool {
    match error.kind {
        DriveErrorKind::Medium | DriveErrorKind::BlockCheck => true,
        DriveErrorKind::Hardware => error.reaction == Some(Reaction::Reposition),
        _ => false,
    }
}
