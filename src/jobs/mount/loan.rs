//! A drive lent to the engine: it comes back when the engine drops it, however that ends.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Bay, MODE, set_up};
use crate::drive::{
    Drive, DriveError, DriveErrorKind, FilemarkReturns, Position, ReadOutcome, SequentialDevice,
    Waiting, Written, WrittenBlocks,
};
use crate::engine::{EngineError, MountedVolume};
use crate::jobs::JobError;
use crate::jobs::engine_error::from_engine;
use crate::units::BlockAddress;
use crate::volume::label::Label;
use crate::volume::resume::OtherDrive;

/// Where a lent bay comes back to.
#[derive(Clone, Default)]
pub(crate) struct Return(Arc<Mutex<Shared>>);

/// A bay that is lent, or was. The lender may exchange it while the borrower waits.
#[derive(Default)]
struct Shared {
    /// `None` once it was taken back, or lost in an exchange.
    bay: Option<Bay>,
    lent: bool,
}

impl Return {
    /// The bay, if it is back.
    pub(crate) fn take(&self) -> Option<Bay> {
        let mut shared = self.lock();
        match shared.lent {
            true => None,
            false => shared.bay.take(),
        }
    }

    /// Puts another bay in the place of the lent one, which goes into `change`. The borrower has
    /// what comes out of it.
    pub(crate) fn exchange(
        &self,
        change: impl FnOnce(Bay) -> (Option<Bay>, OtherDrive),
    ) -> OtherDrive {
        let mut shared = self.lock();
        let Some(bay) = shared.bay.take() else {
            return OtherDrive::Lost;
        };
        let (bay, came) = change(bay);
        shared.bay = bay;
        came
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lends a volume for one operation of the engine, and gives the bay back with its result.
pub(crate) fn lend<T>(
    bay: Bay,
    label: Label,
    work: impl FnOnce(&mut MountedVolume) -> Result<T, EngineError>,
) -> (Bay, Result<T, JobError>) {
    let (loan, back) = Loan::new(bay);
    let mut volume = MountedVolume {
        device: Box::new(loan),
        label,
        append: None,
    };
    let result = work(&mut volume).map_err(from_engine);
    drop(volume);
    (
        back.take().expect("a dropped loan gives its bay back"),
        result,
    )
}

/// A bay as the engine sees it.
pub(crate) struct Loan {
    shared: Return,
    /// Of the drive, when it was last made ready.
    name: String,
}

impl Loan {
    /// Lends `bay`; it comes back through the second value.
    pub(crate) fn new(bay: Bay) -> (Loan, Return) {
        let name = bay.drive_name();
        let shared = Return(Arc::new(Mutex::new(Shared {
            bay: Some(bay),
            lent: true,
        })));
        let back = shared.clone();
        (Loan { shared, name }, back)
    }

    /// Does `work` with the drive, and remembers a failure that speaks against it.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Drive) -> Result<T, DriveError>,
    ) -> Result<T, DriveError> {
        let mut shared = self.shared.lock();
        let Some(bay) = &mut shared.bay else {
            return Err(no_drive(&self.name));
        };
        let done = work(&mut bay.drive);
        if let Err(error) = &done {
            bay.failed |= error.calls_for_other_drive() && !error.is_interruption();
        }
        done
    }

    /// The same for what writes, which is not taken up again behind a failure of the path.
    fn with_writer<T>(
        &self,
        work: impl FnOnce(&mut Drive) -> Result<T, DriveError>,
    ) -> Result<T, DriveError> {
        let done = self.with(work);
        if let (Err(error), Some(bay)) = (&done, &mut self.shared.lock().bay) {
            bay.failed |= error.calls_for_other_drive();
        }
        done
    }
}

/// The error of a device that lost its drive. Why, was told before.
fn no_drive(name: &str) -> DriveError {
    DriveError {
        drive: name.to_owned(),
        action: "going on".to_owned(),
        kind: DriveErrorKind::NoMedium,
        what: "the tape was taken out of it, and is in no other drive".to_owned(),
        reaction: None,
        source: None,
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.shared.lock().lent = false;
    }
}

impl SequentialDevice for Loan {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.with_writer(|drive| drive.write_block(data))
    }

    fn blocks_at_once(&self, block_bytes: usize) -> usize {
        let shared = self.shared.lock();
        let bay = shared.bay.as_ref();
        bay.map_or(1, |bay| bay.drive.blocks_at_once(block_bytes))
    }

    fn write_blocks(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        self.with_writer(|drive| drive.write_blocks(blocks))
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        self.with_writer(|drive| drive.write_filemark(returns))
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.with_writer(SequentialDevice::synchronize)
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.with(|drive| drive.read_block(buffer))
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.with(|drive| drive.locate(block))
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.with(|drive| drive.space_filemarks(count))
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.with(SequentialDevice::locate_end_of_data)
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.with(SequentialDevice::rewind)
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        self.with(SequentialDevice::position)
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        self.with(SequentialDevice::first_unconfirmed)
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        self.with(SequentialDevice::remaining_bytes)
    }

    fn wrap_ends(&mut self) -> Result<Option<Vec<BlockAddress>>, DriveError> {
        self.with(SequentialDevice::wrap_ends)
    }

    fn recommended_order(
        &mut self,
        stretches: &[(BlockAddress, BlockAddress)],
    ) -> Result<Option<Vec<usize>>, DriveError> {
        self.with(|drive| drive.recommended_order(stretches))
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let mode = self.shared.lock().bay.as_ref().map_or(MODE, |bay| bay.mode);
        self.name = self.with(|drive| {
            drive.recover(onlooker)?;
            set_up(drive, &mode)?;
            Ok(drive.name().to_owned())
        })?;
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }
}
