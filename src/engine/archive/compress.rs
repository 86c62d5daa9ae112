//! Stage 2b: the frames of a compressed segment, made by worker threads beside the framing.
//!
//! Memory: two buffers of 1 MiB for each frame under way, of which there are two for each
//! worker at most. Frames come back in the order in which they went.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use super::stage::spawn;
use crate::engine::EngineError;
use crate::volume::frames::{Effort, FrameEncoder};
use crate::volume::segment::{Compressed, FrameCompressor, InPlace};

/// Frames under way for each worker: one that is worked on, one that is ready or waits.
const FRAMES_PER_WORKER: usize = 2;
/// A worker that ended early has panicked; nothing of the segment can be trusted then.
const WORKER_LIVES: &str = "a worker lives as long as frames come";

/// How the segments of a run are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// How hard to try.
    pub effort: Effort,
    /// Worker threads; 1 compresses on the framing thread itself.
    pub threads: usize,
}

impl Compression {
    /// With a thread for each processor that this process may use.
    #[must_use]
    pub fn on_all_processors(effort: Effort) -> Self {
        Self {
            effort,
            threads: available_parallelism().map_or(1, NonZeroUsize::get),
        }
    }
}

/// A frame and where it goes when it is done.
struct Order {
    frame: Compressed,
    done: SyncSender<Compressed>,
}

/// The workers of a run. They end with the last handle.
pub(super) struct Workers {
    effort: Effort,
    /// `None`: there are none, the framing thread does it.
    orders: Option<Sender<Order>>,
    threads: usize,
}

impl Workers {
    /// Starts them.
    pub(super) fn start(compression: Compression) -> Result<Self, EngineError> {
        let Compression { effort, threads } = compression;
        let mut workers = Self {
            effort,
            orders: None,
            threads,
        };
        if threads > 1 {
            // Bounded by the frames that a segment has under way.
            let (orders, work) = channel();
            let work = Arc::new(Mutex::new(work));
            for _ in 0..threads {
                let work = Arc::clone(&work);
                // Ends by itself once no more orders can come.
                let _detached = spawn("compressor", move || compress(effort, &work))?;
            }
            workers.orders = Some(orders);
        }
        Ok(workers)
    }

    /// What a segment has its frames made by.
    pub(super) fn compressor(&self) -> Box<dyn FrameCompressor> {
        match &self.orders {
            None => Box::new(InPlace::new(self.effort)),
            Some(orders) => Box::new(Beside {
                orders: orders.clone(),
                most: self.threads * FRAMES_PER_WORKER,
                under_way: VecDeque::new(),
            }),
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("effort", &self.effort)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

fn compress(effort: Effort, work: &Mutex<Receiver<Order>>) {
    let mut encoder = FrameEncoder::new(effort);
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Order { mut frame, done }) = next else {
            return;
        };
        encoder.encode(&frame.content, &mut frame.stored);
        // A segment that was given up wants its frames no more.
        let _ = done.send(frame);
    }
}

/// The frames of one segment, made by the workers.
struct Beside {
    orders: Sender<Order>,
    /// So many may be under way.
    most: usize,
    under_way: VecDeque<Receiver<Compressed>>,
}

impl FrameCompressor for Beside {
    fn put(&mut self, frame: Compressed) {
        let (done, result) = sync_channel(1);
        let sent = self.orders.send(Order { frame, done });
        assert!(sent.is_ok(), "{WORKER_LIVES}");
        self.under_way.push_back(result);
    }

    fn take_ready(&mut self) -> Option<Compressed> {
        if self.under_way.len() >= self.most {
            return self.take();
        }
        let frame = self.under_way.front()?.try_recv().ok()?;
        self.under_way.pop_front();
        Some(frame)
    }

    fn take(&mut self) -> Option<Compressed> {
        let result = self.under_way.pop_front()?;
        Some(result.recv().expect(WORKER_LIVES))
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside")
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_their_order_and_never_too_many_are_under_way() {
        let effort = Effort::default();
        for threads in [1, 2, 5] {
            let workers = Workers::start(Compression { effort, threads }).unwrap();
            let mut compressor = workers.compressor();
            let content = |number: u32| {
                // The longest first, which takes longest.
                let bytes = 1 + (40 - number as usize) * 20_000;
                number.to_le_bytes().repeat(bytes / 4 + 1)
            };
            let (mut put, mut taken) = (0, 0);
            let check = |frame: Compressed, taken: &mut u32| {
                assert!(frame.content == content(*taken), "{threads} threads");
                let mut expected = Vec::new();
                FrameEncoder::new(effort).encode(&frame.content, &mut expected);
                assert!(frame.stored == expected, "{threads} threads");
                *taken += 1;
            };
            while put < 40 {
                let content = content(put);
                let stored = Vec::new();
                compressor.put(Compressed { content, stored });
                put += 1;
                while let Some(frame) = compressor.take_ready() {
                    check(frame, &mut taken);
                }
                assert!((put - taken) as usize <= threads * FRAMES_PER_WORKER);
            }
            while let Some(frame) = compressor.take() {
                check(frame, &mut taken);
            }
            assert_eq!(taken, put);
        }
    }
}
