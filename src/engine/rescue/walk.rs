//! From block to block to the end of the tape, past those that cannot be read.
//!
//! Behind a block that stays bad the next one is tried. A drive takes minutes for each that it
//! cannot read, so behind [`SINGLY`] in a row the way ahead doubles each time, and once a block
//! comes the first that can be read is looked for between. Behind as many bad blocks as the
//! options allow the rest of the tape file is given up, and the next filemark is sought.

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
    /// Blocks that cannot be read: how many from where, and why.
    Lost {
        block: BlockAddress,
        blocks: u64,
        what: String,
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
    /// Filemarks were passed with what could not be read: the next call tells.
    crossed: Option<TapeFile>,
    gave_up: bool,
}

/// A block that was tried.
enum Tried {
    Read(ReadOutcome),
    NoEndMark,
    Bad(String),
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
            crossed: None,
            gave_up: false,
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
        match self.crossed.take() {
            Some(file) if file > before => file,
            _ => TapeFile(before.0 + 1),
        }
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, DriveError> {
        if self.monitor.stop_requested() {
            return Ok(Next::Stopped);
        }
        if self.gave_up {
            return Ok(Next::GaveUp);
        }
        if self.crossed.is_some() {
            return Ok(Next::Mark { crossed: true });
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
            Tried::Bad(what) => {
                self.pass(block)?;
                let blocks = self.at.0.saturating_sub(block.0).max(1);
                Next::Lost {
                    block,
                    blocks,
                    what,
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
            match self.probe(ahead)? {
                false => bad = ahead,
                true => {
                    self.at = self.first_good(bad, ahead)?;
                    break;
                }
            }
        }
        if let Some(file) = file {
            let here = self.device.position().map(|position| position.file);
            self.crossed = here.ok().filter(|here| *here > file);
        }
        Ok(())
    }

    /// The first block behind `bad` that can be read, if all before it cannot; `good` can. The
    /// device stands there.
    fn first_good(
        &mut self,
        mut bad: BlockAddress,
        mut good: BlockAddress,
    ) -> Result<BlockAddress, DriveError> {
        while good.0 - bad.0 > 1 {
            let middle = BlockAddress(bad.0 + (good.0 - bad.0) / 2);
            match self.probe(middle)? {
                true => good = middle,
                false => bad = middle,
            }
        }
        match self.device.locate(good) {
            // The tape ends before it.
            Err(error) if is_end(&error) => Ok(good),
            located => located.map(|()| good),
        }
    }

    /// Whether there is something at `block` that can be read, be it the end of the tape.
    fn probe(&mut self, block: BlockAddress) -> Result<bool, DriveError> {
        match self.device.locate(block) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(true),
            Err(error) if is_bad(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        match self.read(block, 0)? {
            Tried::Bad(_) => Ok(false),
            Tried::Read(_) | Tried::NoEndMark => Ok(true),
        }
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
                self.crossed = Some(position.file);
            }
            Ok(_) => self.gave_up = true,
            Err(error) if is_end(&error) || is_bad(&error) => self.gave_up = true,
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
                DriveErrorKind::BlockTooLong { .. } => return Ok(Tried::Bad(error.what)),
                _ if is_bad(&error) && again == 0 => return Ok(Tried::Bad(error.what)),
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
        DriveErrorKind::Medium | DriveErrorKind::BlockCheck | DriveErrorKind::Encrypted => true,
        DriveErrorKind::Hardware => error.reaction == Some(Reaction::Reposition),
        _ => false,
    }
}
