//! A tape in a drive, and what it does: how far it is located and how much is read, what that
//! takes, and what it would take by the data sheet.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access_order::Tape;
use crate::clock::{Hand, seconds_between};
use crate::drive::{
    DriveError, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting, Written,
    WrittenBlocks,
};
use crate::units::BlockAddress;

/// Steps of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Did {
    /// How many.
    pub(super) count: u64,
    /// Seconds that they take by the data sheet.
    pub(super) sheet_s: f64,
    /// Seconds that they took.
    pub(super) real_s: f64,
    /// Bytes that were read, or lie between the places.
    pub(super) bytes: u64,
}

impl Did {
    pub(super) fn add(&mut self, more: &Did) {
        self.count += more.count;
        self.sheet_s += more.sheet_s;
        self.real_s += more.real_s;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// See the module. What reading took the meter does not know: it is what is left of the time.
#[derive(Debug)]
pub(super) struct Meter {
    /// The tape, as the plan has it; `None` if the plan does not know it.
    tape: Option<Tape>,
    block_bytes: u64,
    /// The block that the tape stands before; `None` after a failure.
    at: Option<u64>,
    /// Where what is being read began.
    reads_from: Option<u64>,
    locate: Did,
    read: Did,
    /// Seconds of what is neither: failed locates, recovery.
    beside_s: f64,
}

/// A meter that a device and its lender share.
pub(super) type SharedMeter = Arc<Mutex<Meter>>;

impl Meter {
    /// Of a tape that stands behind its label.
    pub(super) fn new(tape: Option<Tape>, block_bytes: u64) -> Meter {
        Meter {
            tape,
            block_bytes,
            at: Some(1),
            reads_from: Some(1),
            locate: Did::default(),
            read: Did::default(),
            beside_s: 0.0,
        }
    }

    /// Seconds that belong to nothing that is told of.
    pub(super) fn spent_beside(&mut self, seconds: f64) {
        self.beside_s += seconds;
        self.lose_place();
    }

    /// Locates, and reads in so many seconds of use.
    pub(super) fn take(&mut self, used_s: f64) -> (Did, Did) {
        self.end_reading(self.at);
        let read = Did {
            real_s: (used_s - self.locate.real_s - self.beside_s).max(0.0),
            ..self.read
        };
        (self.locate, read)
    }

    /// Seconds of a rewind from where the tape stands; `None` if that is not known.
    pub(super) fn rewind_sheet_s(&self) -> Option<f64> {
        let at_bytes = self.at?.saturating_mul(self.block_bytes);
        Some(self.tape.as_ref()?.rewind_s(at_bytes))
    }

    fn located(&mut self, to: BlockAddress, seconds: f64, is_there: bool) {
        let from = self.at;
        self.end_reading(from);
        match (&self.tape, from, is_there) {
            (Some(tape), Some(from), true) => {
                let bytes = |block: u64| block.saturating_mul(self.block_bytes);
                let (from, to) = (bytes(from), bytes(to.0));
                self.locate.add(&Did {
                    count: 1,
                    sheet_s: tape.locate_s(from, to),
                    real_s: seconds,
                    bytes: from.abs_diff(to),
                });
            }
            _ => self.beside_s += seconds,
        }
        self.at = is_there.then_some(to.0);
        self.reads_from = self.at;
    }

    fn passed(&mut self, outcome: Option<ReadOutcome>) {
        match outcome {
            Some(ReadOutcome::Block { .. } | ReadOutcome::Filemark) => {
                self.at = self.at.map(|at| at.saturating_add(1));
            }
            Some(ReadOutcome::EndOfData) => {}
            None => {
                self.end_reading(self.at);
                self.at = None;
            }
        }
    }

    fn lose_place(&mut self) {
        self.end_reading(self.at);
        self.at = None;
    }

    fn end_reading(&mut self, at: Option<u64>) {
        let (Some(from), Some(at)) = (self.reads_from.take(), at) else {
            return;
        };
        let Some(tape) = self.tape.as_ref().filter(|_| at > from) else {
            return;
        };
        let bytes = |block: u64| block.saturating_mul(self.block_bytes);
        self.read.add(&Did {
            count: 1,
            sheet_s: tape.read_s(bytes(from), bytes(at)),
            real_s: 0.0,
            bytes: bytes(at - from),
        });
    }
}

pub(super) fn lock(meter: &SharedMeter) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device whose motions a meter counts.
pub(super) struct Metered {
    pub(super) device: Box<dyn SequentialDevice>,
    pub(super) meter: SharedMeter,
    pub(super) hand: Hand,
}

impl Metered {
    /// What is neither a locate nor a read, and leaves the tape nobody knows where.
    fn beside<T>(&mut self, work: impl FnOnce(&mut dyn SequentialDevice) -> T) -> T {
        let begun = (self.hand)();
        let done = work(&mut *self.device);
        let seconds = seconds_between(begun, (self.hand)());
        lock(&self.meter).spent_beside(seconds);
        done
    }
}

impl SequentialDevice for Metered {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.beside(|device| device.write_block(data))
    }

    fn blocks_at_once(&self, block_bytes: usize) -> usize {
        self.device.blocks_at_once(block_bytes)
    }

    fn write_blocks(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        self.beside(|device| device.write_blocks(blocks))
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        self.beside(|device| device.write_filemark(returns))
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.device.synchronize()
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let outcome = self.device.read_block(buffer);
        lock(&self.meter).passed(outcome.as_ref().ok().copied());
        outcome
    }

    fn pass_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        let outcome = self.device.pass_block(buffer);
        lock(&self.meter).passed(outcome.as_ref().ok().copied());
        outcome
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        let begun = (self.hand)();
        let located = self.device.locate(block);
        let seconds = seconds_between(begun, (self.hand)());
        lock(&self.meter).located(block, seconds, located.is_ok());
        located
    }

    fn is_doubted(&mut self, block: BlockAddress, what: &str) -> Result<bool, DriveError> {
        self.beside(|device| device.is_doubted(block, what))
    }

    fn is_as_written(&mut self, block: BlockAddress) {
        self.device.is_as_written(block);
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.beside(|device| device.space_filemarks(count))
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.beside(|device| device.locate_end_of_data())
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.beside(|device| device.rewind())
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
        self.device.wrap_ends()
    }

    fn recommended_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        self.device.recommended_order(stretches)
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        self.beside(|device| device.recover(onlooker))
    }

    fn name(&self) -> &str {
        self.device.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_order::{Height, Mechanics};

    const BLOCK: u64 = 512 << 10;

    #[test]
    fn what_was_done_is_counted_by_the_sheet_and_what_failed_belongs_to_nothing() {
        let mechanics = Mechanics::of("LTO-9", Height::Full).unwrap();
        let tape = Tape::new(mechanics, mechanics.native_bytes);
        let mut meter = Meter::new(Some(tape.clone()), BLOCK);
        let block = ReadOutcome::Block { bytes: 1 };
        meter.passed(Some(block));
        meter.located(BlockAddress(30_000), 20.0, true);
        for _ in 0..100 {
            meter.passed(Some(block));
        }
        meter.passed(None);
        // From where it stands now nobody knows the way.
        meter.located(BlockAddress(5), 33.0, true);
        meter.passed(Some(ReadOutcome::Filemark));
        meter.located(BlockAddress(9), 44.0, false);
        assert_eq!(meter.rewind_sheet_s(), None);
        let (locate, read) = meter.take(200.0);
        assert_eq!((locate.count, locate.real_s), (1, 20.0));
        assert_eq!(locate.sheet_s, tape.locate_s(2 * BLOCK, 30_000 * BLOCK));
        assert_eq!(locate.bytes, 29_998 * BLOCK);
        assert_eq!((read.count, read.bytes), (3, 102 * BLOCK));
        assert_eq!(read.real_s, 200.0 - 20.0 - 33.0 - 44.0);
        let pieces = [(1, 2), (30_000, 30_100), (5, 6)];
        let sheet_s: f64 = pieces
            .iter()
            .map(|(from, to)| tape.read_s(from * BLOCK, to * BLOCK))
            .sum();
        assert!((read.sheet_s - sheet_s).abs() < 1e-9);
    }
}
