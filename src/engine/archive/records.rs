//! The bounded pool of record buffers between framing and drive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender};
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
    born: Cell<usize>,
    /// Written ones, the one written last on top: it is the warmest.
    spare: RefCell<Vec<Vec<u8>>>,
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
            born: Cell::new(0),
            spare: RefCell::default(),
            blocked,
        }))
    }

    /// From now on no more than `count` buffers are used, if so few were so far.
    pub(super) fn limit(&self, count: usize) {
        let pool = &self.0;
        let most = count.max(2) - 1;
        pool.unborn
            .set(pool.unborn.get().min(most.saturating_sub(pool.born.get())));
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
        let mut spare = pool.spare.borrow_mut();
        spare.extend(pool.written.try_iter());
        let mut buffer = match spare.pop() {
            Some(buffer) => buffer,
            None if pool.unborn.get() > 0 => {
                pool.unborn.set(pool.unborn.get() - 1);
                pool.born.set(pool.born.get() + 1);
                Vec::with_capacity(pool.block_bytes)
            }
            None => {
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
