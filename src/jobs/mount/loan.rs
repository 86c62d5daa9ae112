//! A drive lent to the engine: it comes back when the engine drops it, however that ends.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Bay, set_up};
use crate::drive::{
    DriveError, FilemarkReturns, Position, ReadOutcome, SequentialDevice, Waiting, Written,
    WrittenBlocks,
};
use crate::engine::{EngineError, MountedVolume};
use crate::jobs::JobError;
use crate::jobs::source::from_engine;
use crate::units::BlockAddress;
use crate::volume::label::Label;

/// Where a lent bay comes back to.
#[derive(Clone, Default)]
pub(crate) struct Return(Arc<Mutex<Option<Bay>>>);

impl Return {
    /// The bay, if it is back.
    pub(crate) fn take(&self) -> Option<Bay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, bay: Bay) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bay);
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
    /// Present until the loan is dropped.
    bay: Option<Bay>,
    back: Return,
}

impl Loan {
    /// Lends `bay`; it comes back through the second value.
    pub(crate) fn new(bay: Bay) -> (Loan, Return) {
        let back = Return::default();
        (
            Loan {
                bay: Some(bay),
                back: back.clone(),
            },
            back,
        )
    }

    fn bay(&self) -> &Bay {
        self.bay
            .as_ref()
            .expect("a loan holds its bay until it is dropped")
    }

    fn bay_mut(&mut self) -> &mut Bay {
        self.bay
            .as_mut()
            .expect("a loan holds its bay until it is dropped")
    }

    fn device(&mut self) -> &mut dyn SequentialDevice {
        &mut self.bay_mut().drive
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(bay) = self.bay.take() {
            self.back.put(bay);
        }
    }
}

impl SequentialDevice for Loan {
    fn write_block(&mut self, data: &[u8]) -> Result<Written, DriveError> {
        self.device().write_block(data)
    }

    fn blocks_at_once(&self, block_bytes: usize) -> usize {
        self.bay().drive.blocks_at_once(block_bytes)
    }

    fn write_blocks(&mut self, blocks: &[&[u8]]) -> Result<WrittenBlocks, DriveError> {
        self.device().write_blocks(blocks)
    }

    fn write_filemark(&mut self, returns: FilemarkReturns) -> Result<Written, DriveError> {
        self.device().write_filemark(returns)
    }

    fn synchronize(&mut self) -> Result<(), DriveError> {
        self.device().synchronize()
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> Result<ReadOutcome, DriveError> {
        self.device().read_block(buffer)
    }

    fn locate(&mut self, block: BlockAddress) -> Result<(), DriveError> {
        self.device().locate(block)
    }

    fn space_filemarks(&mut self, count: i64) -> Result<(), DriveError> {
        self.device().space_filemarks(count)
    }

    fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
        self.device().locate_end_of_data()
    }

    fn rewind(&mut self) -> Result<(), DriveError> {
        self.device().rewind()
    }

    fn position(&mut self) -> Result<Position, DriveError> {
        self.device().position()
    }

    fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
        self.device().first_unconfirmed()
    }

    fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
        self.device().remaining_bytes()
    }

    fn recover(
        &mut self,
        onlooker: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
    ) -> Result<(), DriveError> {
        let drive = &mut self.bay_mut().drive;
        drive.recover(onlooker)?;
        set_up(drive)
    }

    fn name(&self) -> &str {
        self.bay().drive.name()
    }
}
