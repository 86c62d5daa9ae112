//! Moving without LOCATE, and knowing the place without READ POSITION: by counting from the
//! beginning of the tape (docs/devices.md, "Drives that do not know where they are").
//!
//! Invariant: a motion ends at a place that was counted, or with an error behind which the
//! place is not known. Knows nothing of what the blocks mean: that they are the right ones
//! shows where their content is checked.

use std::fmt::Arguments;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::proof::{Place, PositionSource};
use super::{Drive, DriveError, DriveErrorKind, ReadOutcome, SequentialDevice};
use crate::scsi::Meaning;
use crate::scsi::cdb::{self, SpaceCode};
use crate::transport::Data;
use crate::units::BlockAddress;

/// The largest count of SPACE(6), which every drive knows.
const MOST_BLOCKS: u64 = (1 << 23) - 1;
/// Buffer for blocks that are read only to be counted; the rest of a longer one is left.
const COUNTING_BYTES: usize = 1 << 20;

/// Whether SPACE over blocks stops at filemarks and says how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Not tried yet.
    Untried,
    /// Tried and found right.
    Counts,
    /// Tried and found wrong: unknown stretches are read.
    Reads,
}

/// What ended a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The count asked for.
    Count,
    /// A filemark, which was passed.
    Filemark,
    /// The end of data.
    End,
}

impl Drive {
    /// Ends walks over what is not known of the tape, which can be all of it, soon after
    /// `flag` is up: they fail with [`DriveErrorKind::Cancelled`], and the place stays known. Waits
    /// for a drive that is not ready in the middle of its work end with it, too.
    pub fn stop_walks_on(&mut self, flag: Arc<AtomicBool>) {
        self.stop = Some(flag);
    }

    fn check_stopped(&mut self, action: Arguments<'_>) -> Result<(), DriveError> {
        let flag = self.stop.as_ref();
        if !flag.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let what = format!("stopped on request at {}", self.place);
        Err(self.error_in_place(action, DriveErrorKind::Cancelled, what))
    }

    /// True where the position is counted by us.
    pub(super) fn is_counted(&self) -> bool {
        self.source == PositionSource::Counted
    }

    /// Where the session begins with a motion, finds out first whether the drive knows its
    /// place: by reading the first object. The place is changed by that.
    pub(super) fn prove_by_reading(&mut self, action: Arguments<'_>) -> Result<(), DriveError> {
        if self.position_proven || self.is_counted() {
            return Ok(());
        }
        self.rewind()?;
        if self.is_counted() {
            return Ok(());
        }
        match self.step_by_read(action) {
            Ok(_) => Ok(()),
            // Then nothing is shown, and the tape may be good behind this place.
            Err(error)
                if matches!(
                    error.kind,
                    DriveErrorKind::Medium
                        | DriveErrorKind::EndOfDataMissing
                        | DriveErrorKind::Encrypted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Moves to `block`. A drive that knows its place is asked at the arrival.
    pub(super) fn walk_to(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        let action = format_args!("moving to block {block} by counting");
        self.start_walk(block.0)?;
        while let Place::At(at) = self.place
            && at < block.0
        {
            if self.walk_on(action, at, block.0)? == Stop::End && self.place != Place::At(block.0) {
                return Err(self.ended(action));
            }
        }
        if !self.is_counted() {
            self.position()?;
        }
        match self.place {
            Place::At(at) if at == block.0 => Ok(()),
            place => {
                let what = format!("the drive is at {place} instead");
                Err(self.error(action, DriveErrorKind::WrongPosition, what))
            }
        }
    }

    /// Moves behind `count` filemarks, or before them backward.
    pub(super) fn walk_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        let action = format_args!("passing {count} filemarks by counting");
        let at = self.known_position(action)?;
        let marks = self.reckoning.marks_before(at);
        let Ok(forward) = usize::try_from(count) else {
            let back = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let mark = marks.checked_sub(back).and_then(|n| self.reckoning.mark(n));
            self.walk_to(BlockAddress(mark.unwrap_or(0)))?;
            return match mark {
                Some(_) => Ok(()),
                None => {
                    let what = "there are fewer before this place".to_owned();
                    let kind = DriveErrorKind::BeginningOfPartition;
                    Err(self.error_in_place(action, kind, what))
                }
            };
        };
        for number in marks..marks.saturating_add(forward) {
            if let Some(mark) = self.reckoning.mark(number) {
                self.walk_to(BlockAddress(mark + 1))?;
                continue;
            }
            if self.walk_until(action, Stop::Filemark)? == Stop::End {
                return Err(self.ended(action));
            }
        }
        Ok(())
    }

    /// Moves to the end of data.
    pub(super) fn walk_to_end(&mut self) -> Result<(), DriveError> {
        let action = format_args!("moving to the end of data by counting");
        if let Some(end) = self.reckoning.end() {
            return self.walk_to(BlockAddress(end));
        }
        self.walk_to(BlockAddress(self.reckoning.known_to()))?;
        self.walk_until(action, Stop::End)?;
        Ok(())
    }

    /// Goes on until `wanted` or the end of data.
    fn walk_until(&mut self, action: Arguments<'_>, wanted: Stop) -> Result<Stop, DriveError> {
        loop {
            let at = self.known_position(action)?;
            let stop = self.walk_on(action, at, u64::MAX)?;
            if stop == wanted || stop == Stop::End {
                return Ok(stop);
            }
        }
    }

    /// Makes the place known, and not behind `block`.
    fn start_walk(&mut self, block: u64) -> Result<(), DriveError> {
        match self.place {
            Place::At(at) if at <= block => Ok(()),
            _ => self.rewind(),
        }
    }

    /// One step from `at` towards `target`, not beyond it. The place is known behind it.
    fn walk_on(&mut self, action: Arguments<'_>, at: u64, target: u64) -> Result<Stop, DriveError> {
        let known = target.min(self.reckoning.known_to());
        if at < known {
            return self.step_known(action, at, known);
        }
        if self.reckoning.end() == Some(at) {
            return Ok(Stop::End);
        }
        self.check_stopped(action)?;
        match self.spacing {
            Spacing::Untried => {
                // Afterwards the tape is at its beginning, and the walk goes on from there.
                self.spacing = self.try_spacing(action)?;
                self.rewind()?;
                Ok(Stop::Count)
            }
            Spacing::Counts => self.step_by_space(action, at, target - at),
            Spacing::Reads => self.step_by_read(action),
        }
    }

    /// Over what is known: filemarks first, all at once, then the blocks behind them.
    fn step_known(
        &mut self,
        action: Arguments<'_>,
        at: u64,
        target: u64,
    ) -> Result<Stop, DriveError> {
        let (from, to) = (
            self.reckoning.marks_before(at),
            self.reckoning.marks_before(target),
        );
        let last = to.checked_sub(1).and_then(|n| self.reckoning.mark(n));
        let (code, count, next) = match last {
            Some(mark) if to > from => (SpaceCode::Filemarks, (to - from) as u64, mark + 1),
            _ => {
                let count = (target - at).min(MOST_BLOCKS);
                (SpaceCode::Blocks, count, at + count)
            }
        };
        let (stop, _) = self.space(action, code, count)?;
        // Some drives that count up to the end of data say that they met it.
        let at_end = stop == Stop::End && self.reckoning.end() == Some(next);
        if stop != Stop::Count && !at_end {
            let what = "the tape is not as it was when this place was passed before".to_owned();
            return Err(self.error(action, DriveErrorKind::WrongPosition, what));
        }
        self.place = Place::At(next);
        Ok(Stop::Count)
    }

    /// Over unknown blocks, up to `most` of them.
    fn step_by_space(
        &mut self,
        action: Arguments<'_>,
        at: u64,
        most: u64,
    ) -> Result<Stop, DriveError> {
        let count = most.min(MOST_BLOCKS);
        let (stop, passed) = self.space(action, SpaceCode::Blocks, count)?;
        let Some(passed) = passed else {
            let what = "the drive does not say how far it came".to_owned();
            return Err(self.error(action, DriveErrorKind::UntrustedPosition, what));
        };
        self.reckoning.passed_blocks(at, passed);
        let at = at + passed;
        self.place = Place::At(at);
        match stop {
            Stop::Count => {}
            Stop::Filemark => self.pass_mark(action, at)?,
            Stop::End => self.reckoning.met_end(at),
        }
        Ok(stop)
    }

    /// Over one unknown object, by reading it.
    fn step_by_read(&mut self, action: Arguments<'_>) -> Result<Stop, DriveError> {
        let mut buffer = std::mem::take(&mut self.counting);
        buffer.resize(self.max_block_bytes().min(COUNTING_BYTES), 0);
        let outcome = self.read_block(&mut buffer);
        self.counting = buffer;
        match outcome {
            Ok(ReadOutcome::Block { .. }) => Ok(Stop::Count),
            Ok(ReadOutcome::Filemark) => Ok(Stop::Filemark),
            Ok(ReadOutcome::EndOfData) => Ok(Stop::End),
            // It was passed, and how long it is does not matter here.
            Err(error) if matches!(error.kind, DriveErrorKind::BlockTooLong { .. }) => {
                tracing::trace!(%action, %error, "counted");
                Ok(Stop::Count)
            }
            Err(error) => Err(error),
        }
    }

    /// Tries at the beginning of the tape whether SPACE over blocks stops at a filemark and
    /// counts right: what it counts must be there when it is read.
    fn try_spacing(&mut self, action: Arguments<'_>) -> Result<Spacing, DriveError> {
        self.rewind()?;
        let (stop, passed) = self.space(action, SpaceCode::Blocks, MOST_BLOCKS)?;
        let (Some(passed), Stop::Filemark | Stop::End) = (passed, stop) else {
            return Ok(Spacing::Reads);
        };
        self.rewind()?;
        if passed > 0 && self.space(action, SpaceCode::Blocks, passed)?.0 != Stop::Count {
            return Ok(Spacing::Reads);
        }
        self.place = Place::Moved;
        if self.step_by_read(action)? != stop {
            return Ok(Spacing::Reads);
        }
        if stop == Stop::Filemark {
            return Ok(Spacing::Counts);
        }
        // Without a filemark nothing is shown of filemarks, but the tape is known then.
        self.rewind()?;
        if self.space(action, SpaceCode::Filemarks, 1)?.0 != Stop::End {
            return Ok(Spacing::Reads);
        }
        self.reckoning.passed_blocks(0, passed);
        self.reckoning.met_end(passed);
        Ok(Spacing::Untried)
    }

    /// Sends SPACE forward; says what stopped it, and how many were passed where the drive
    /// tells. The place is not known behind it.
    fn space(
        &mut self,
        action: Arguments<'_>,
        code: SpaceCode,
        count: u64,
    ) -> Result<(Stop, Option<u64>), DriveError> {
        self.moving();
        let asked = count.min(MOST_BLOCKS);
        let cdb = cdb::space(code, asked.cast_signed());
        let ended = self.exchange(action, &cdb, Data::None)?;
        let Some(sense) = ended.sense else {
            return Ok((Stop::Count, Some(asked)));
        };
        let stop = match sense.meaning() {
            Meaning::EndOfData if !sense.deferred => Stop::End,
            _ if !sense.is_success() => return Err(self.failure(action, &sense)),
            _ if sense.filemark => Stop::Filemark,
            _ => return Ok((Stop::Count, Some(asked))),
        };
        let rest = sense.information.and_then(|rest| u64::try_from(rest).ok());
        let passed = rest
            .filter(|rest| *rest > 0)
            .and_then(|rest| asked.checked_sub(rest));
        Ok((stop, passed))
    }

    /// A filemark at `at` was passed; the place is behind it.
    fn pass_mark(&mut self, action: Arguments<'_>, at: u64) -> Result<(), DriveError> {
        let room = self.reckoning.passed_mark(at);
        self.mark_kept(action, room)?;
        self.place = Place::At(at + 1);
        Ok(())
    }

    /// Fails where there was no room to remember a filemark.
    pub(super) fn mark_kept(
        &mut self,
        action: Arguments<'_>,
        kept: bool,
    ) -> Result<(), DriveError> {
        if kept {
            return Ok(());
        }
        let what = "there are more filemarks than a tape holds".to_owned();
        Err(self.error(action, DriveErrorKind::Malformed, what))
    }

    fn ended(&mut self, action: Arguments<'_>) -> DriveError {
        let what = "the end of the recorded data was met".to_owned();
        self.error_in_place(action, DriveErrorKind::EndOfData, what)
    }

    /// An error behind which the place is as known as before.
    pub(super) fn error_in_place(
        &mut self,
        action: Arguments<'_>,
        kind: DriveErrorKind,
        what: String,
    ) -> DriveError {
        let place = self.place;
        let error = self.error(action, kind, what);
        self.place = place;
        error
    }
}
