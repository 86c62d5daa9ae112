//! The bounded pool of record buffers between framing and drive.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use super::drive::ToDrive;
use super::stage::timed;
use crate::volume::segment::RecordSink;

/// The drive thread has ended; its result says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the drive has stopped")]
pub(super) struct DriveStopped;

/// Sends full records to the drive and gets their buffers back once written.
///
/// Clones share one pool, so that each segment of a volume can hold one.
#[derive(Debug, Clone)]
pub(super) struct Records(Rc<Pool>);

#[derive(Debug)]
struct Pool {
    to_drive: SyncSender<ToDrive>,
    written: Receiver<Vec<u8>>,
    block_bytes: usize,
    /// Buffers that may still be allocated.
    unborn: Cell<usize>,
    blocked: Cell<Duration>,
}

impl Records {
    /// A pool of `count` buffers of `block_bytes`, the one a segment fills among them;
    /// allocated as they are needed.
    pub(super) fn new(
        to_drive: SyncSender<ToDrive>,
        written: Receiver<Vec<u8>>,
        block_bytes: usize,
        count: usize,
    ) -> Self {
        let unborn = Cell::new(count.max(2) - 1);
        let blocked = Cell::new(Duration::ZERO);
        Self(Rc::new(Pool {
            to_drive,
            written,
            block_bytes,
            unborn,
            blocked,
        }))
    }

    /// How long framing waited for buffers.
    pub(super) fn blocked(&self) -> Duration {
        self.0.blocked.get()
    }
}

impl RecordSink for Records {
    type Error = DriveStopped;

    fn take(&mut self, record: Vec<u8>) -> Result<Vec<u8>, DriveStopped> {
        let pool = &self.0;
        // Never blocks for long: the channel holds as many records as there are buffers.
        pool.to_drive
            .send(ToDrive::Record(record))
            .map_err(|_| DriveStopped)?;
        let mut buffer = match pool.written.try_recv() {
            Ok(buffer) => buffer,
            Err(TryRecvError::Disconnected) => return Err(DriveStopped),
            Err(TryRecvError::Empty) if pool.unborn.get() > 0 => {
                pool.unborn.set(pool.unborn.get() - 1);
                Vec::with_capacity(pool.block_bytes)
            }
            Err(TryRecvError::Empty) => {
                let mut blocked = pool.blocked.get();
                let buffer = timed(&mut blocked, || pool.written.recv());
                pool.blocked.set(blocked);
                buffer.map_err(|_| DriveStopped)?
            }
        };
        buffer.clear();
        Ok(buffer)
    }
}
