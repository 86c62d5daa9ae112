//! Threads that look at leaves and read small files ahead of the stream.
//!
//! As many threads as the source is slow: where an object takes microseconds, two or so are
//! all that helps; where it takes milliseconds, on a network or a busy disk, dozens of
//! objects have to be under way at once.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::batch::{Batch, Buffers};
use super::content::whole_digest;
use super::stage::spawn;
use crate::engine::EngineError;
pub(super) use crate::engine::source::SMALL_FILE_BYTES;
use crate::engine::source::{FileReader, LEAVES_MAX, Leaves, Looked, Looker, ReadEnd, Walk};
use crate::volume::index::DigestAlgorithm;
use crate::volume::member::Member;

/// What one task reads at the most, beside its last file.
pub(super) const TASK_BYTES: usize = 1 << 20;

/// More threads than this get no more out of a slow source than they cost.
const THREADS_MAX: usize = 32;

/// Time for an object that pays one more thread: what waking and switching costs.
const OBJECT_PER_THREAD: Duration = Duration::from_micros(25);

/// A leaf, and if it is a small file where its data are in its batch, and how it was read.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) looked: Looked,
    pub(super) data: Option<(Range<usize>, ReadEnd)>,
}

/// What became of a task.
#[derive(Debug)]
pub(super) struct Done {
    /// The number it was given.
    pub(super) task: u64,
    /// In order.
    pub(super) prepared: Vec<Prepared>,
    /// The data of the small files.
    pub(super) batch: Arc<Batch>,
    /// What was left undone: enough was read, or a large file was opened.
    pub(super) rest: Option<Leaves>,
    /// Objects left out by a pattern.
    pub(super) excluded: u64,
    took: Duration,
}

/// The threads. They end once this is dropped.
pub(super) struct Readers {
    shared: Arc<Shared>,
    to_us: Sender<Result<Done, Died>>,
    done: Receiver<Result<Done, Died>>,
    threads: Vec<JoinHandle<()>>,
    lookers: Vec<Looker>,
    algorithm: DigestAlgorithm,
    under_way: usize,
    /// Mean time of an object, over the last tasks.
    object: Duration,
}

/// A thread panicked.
#[derive(Debug)]
pub(super) struct Died;

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    buffers: Arc<Buffers>,
}

#[derive(Debug, Default)]
struct Queue {
    tasks: VecDeque<(u64, Leaves)>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(u64, Leaves)> {
        let idle = |queue: &mut Queue| queue.tasks.is_empty() && !queue.closed;
        let queue = self.changed.wait_while(self.lock(), idle);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        if queue.closed {
            return None;
        }
        queue.tasks.pop_front()
    }
}

impl Readers {
    /// Starts as many threads as there are processors.
    pub(super) fn start(walk: &Walk, algorithm: DigestAlgorithm) -> Result<Self, EngineError> {
        let (to_us, done) = channel();
        let mut readers = Self {
            shared: Arc::default(),
            to_us,
            done,
            threads: Vec::new(),
            lookers: (0..THREADS_MAX).map(|_| walk.looker()).collect(),
            algorithm,
            under_way: 0,
            object: Duration::ZERO,
        };
        let processors = thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..processors.min(THREADS_MAX) {
            readers.add_thread()?;
        }
        Ok(readers)
    }

    fn add_thread(&mut self) -> Result<(), EngineError> {
        let Some(looker) = self.lookers.pop() else {
            return Ok(());
        };
        let (shared, to_scanner) = (Arc::clone(&self.shared), self.to_us.clone());
        let algorithm = self.algorithm;
        self.threads.push(spawn("reader", move || {
            work(&shared, looker, algorithm, &to_scanner);
        })?);
        Ok(())
    }

    /// Tasks given out and not come back.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many tasks should be under way.
    pub(super) fn wanted(&self) -> usize {
        2 * self.threads.len()
    }

    /// Gives out a task; `urgent` ones come before others.
    pub(super) fn give(&mut self, task: u64, leaves: Leaves, urgent: bool) {
        self.under_way += 1;
        let mut queue = self.shared.lock();
        if urgent {
            queue.tasks.push_front((task, leaves));
        } else {
            queue.tasks.push_back((task, leaves));
        }
        drop(queue);
        self.shared.changed.notify_one();
    }

    /// A task that is done already.
    pub(super) fn try_next(&mut self) -> Option<Result<Done, Died>> {
        let done = self.done.try_recv().ok()?;
        Some(self.note(done))
    }

    /// Waits for a task to be done.
    pub(super) fn next(&mut self) -> Result<Done, Died> {
        let done = self.done.recv();
        let done = done.unwrap_or_else(|RecvError| Err(Died));
        self.note(done)
    }

    fn note(&mut self, done: Result<Done, Died>) -> Result<Done, Died> {
        let done = done?;
        self.under_way -= 1;
        let objects = u32::try_from(done.prepared.len())
            .unwrap_or(u32::MAX)
            .max(1);
        self.object = (self.object * 7 + done.took / objects) / 8;
        let useful = self.object.as_micros() / OBJECT_PER_THREAD.as_micros();
        if self.threads.len() < THREADS_MAX && (self.threads.len() as u128) < useful {
            for _ in 0..self.threads.len() {
                // Without a further thread it goes on with those there are.
                if let Err(error) = self.add_thread() {
                    tracing::debug!(%error, "no further thread to read the source");
                    break;
                }
            }
        }
        Ok(done)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked has said so by its message.
            let _ = thread.join();
        }
    }
}

/// Tells of a panic, which would leave its task undone for ever.
struct Alarm<'a>(&'a Sender<Result<Done, Died>>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Err(Died));
        }
    }
}

fn work(
    shared: &Shared,
    mut looker: Looker,
    algorithm: DigestAlgorithm,
    to_scanner: &Sender<Result<Done, Died>>,
) {
    let _alarm = Alarm(to_scanner);
    while let Some((task, leaves)) = shared.next() {
        // The scanner listens as long as there are threads.
        let done = prepare(task, leaves, &mut looker, algorithm, &shared.buffers);
        let _ = to_scanner.send(Ok(done));
    }
}

fn prepare(
    task: u64,
    mut leaves: Leaves,
    looker: &mut Looker,
    algorithm: DigestAlgorithm,
    buffers: &Arc<Buffers>,
) -> Done {
    let started = Instant::now();
    let mut prepared = Vec::with_capacity(LEAVES_MAX);
    let (mut batch, mut opened) = (Batch::new(buffers), false);
    while batch.bytes() < TASK_BYTES && !opened {
        let Some(mut looked) = looker.look(&mut leaves) else {
            break;
        };
        let mut data = None;
        if let Some(object) = looked.object()
            && let Some(reader) = &mut object.reader
        {
            if object.member.payload_bytes() <= SMALL_FILE_BYTES {
                let reader = object.reader.take().expect("it is there");
                let (place, room) = batch.add(small_length(&object.member));
                let mut end = read_whole(reader, room);
                end.digest = whole_digest(&object.member, room, algorithm);
                data = Some((place, end));
            } else {
                reader.begin_reading();
                opened = true;
            }
        }
        prepared.push(Prepared { looked, data });
    }
    Done {
        task,
        prepared,
        batch: batch.share(),
        rest: (!leaves.is_empty()).then_some(leaves),
        excluded: looker.take_excluded(),
        took: started.elapsed(),
    }
}

/// How long the data of a small file are.
pub(super) fn small_length(member: &Member) -> usize {
    usize::try_from(member.payload_bytes()).expect("a small file's size fits a usize")
}

/// Reads all that a small file has to deliver; `room` is as long as that.
pub(super) fn read_whole(mut reader: FileReader, room: &mut [u8]) -> ReadEnd {
    let filled_bytes = reader.read(room);
    // Nothing, since a reader delivers what the file declares; and never another file's data.
    room[filled_bytes..].fill(0);
    reader.finish()
}
