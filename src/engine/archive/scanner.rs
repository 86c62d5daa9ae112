//! Stage 1: reads the sources on a thread of its own, has the small files of walks read ahead
//! by others, and hands all on in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ahead::{CHUNK_BYTES, Closed, ReadAhead};
use super::batch::{Batch, Data};
use super::readers::{
    Died, Done, Prepared, Readers, SMALL_FILE_BYTES, TASK_BYTES, read_whole, small_length,
};
use super::stage::{StageTime, spawn};
use crate::engine::EngineError;
use crate::engine::source::{
    CommandEnd, Compared, Feed, FileReader, Object, Opened, Pour, ReadEnd, Remark, Settled, Step,
    Streams, Unwanted, Walk,
};
use crate::volume::index::DigestAlgorithm;
use crate::volume::member::{Condition, Member};

/// Items, or bytes, that are handed on at a time.
const ITEMS_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 512 << 10;

/// Slots ahead of the stream: each may hold an open file.
const SLOTS_MAX: usize = 256;

/// What a member or a remark is counted as beside its data and texts.
const ITEM_BYTES: usize = 512;

/// What the scanner hands on, in the order of the archive.
#[derive(Debug)]
pub(super) enum Item {
    /// An object with all its data.
    Object(Member, Data, ReadEnd),
    /// A large file begins; chunks and an end follow.
    Begin(Member),
    /// Data of a large file, and what is known of its state so far.
    Chunk(Vec<u8>, Condition),
    /// A large file ends.
    End(ReadEnd),
    /// A remark about an object.
    Remark(Remark),
    /// A name of the base that is gone.
    Gone(Vec<u8>),
    /// The end of a stream: all that it brought came before.
    StreamEnd,
    /// The walk could not go on.
    Failed(EngineError),
    /// The source is exhausted. The channel closing without this is a failure.
    Done,
}

impl Item {
    /// The bytes it was admitted with.
    pub(super) fn admitted_bytes(&self) -> usize {
        match self {
            Self::Object(member, data, _) => member_bytes(member) + data.len(),
            Self::Begin(member) => member_bytes(member),
            Self::Chunk(..) => CHUNK_BYTES,
            Self::Remark(remark) => ITEM_BYTES + remark.path.len() + remark.what.len(),
            Self::Gone(path) => ITEM_BYTES + path.len(),
            Self::End(_) | Self::StreamEnd | Self::Failed(_) | Self::Done => 0,
        }
    }

    fn data_bytes(&self) -> u64 {
        match self {
            Self::Object(_, data, _) => data.len() as u64,
            Self::Chunk(data, _) => data.len() as u64,
            _ => 0,
        }
    }
}

fn member_bytes(member: &Member) -> usize {
    let xattrs = member
        .xattrs
        .iter()
        .map(|(name, value)| name.len() + value.len());
    let extents = member
        .extents
        .as_ref()
        .map_or(0, |extents| 16 * extents.len());
    ITEM_BYTES + member.path.len() + extents + xattrs.sum::<usize>()
}

/// The running scanner, seen from the framing side.
pub(super) struct Scanner {
    pub(super) items: Receiver<Vec<Item>>,
    pub(super) ahead: Arc<ReadAhead>,
    /// Ends a command that is waited for.
    given_up: Arc<AtomicBool>,
    thread: JoinHandle<ScanEnd>,
}

/// What the scanner has to say in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct ScanEnd {
    pub(super) excluded: u64,
    pub(super) commands: Vec<CommandEnd>,
    pub(super) compared: Compared,
    pub(super) time: StageTime,
}

impl Scanner {
    /// Starts reading. `given_up` is among the feed's stops. Small files come with a digest.
    pub(super) fn start(
        feed: Feed,
        given_up: Arc<AtomicBool>,
        read_ahead_bytes: usize,
        algorithm: DigestAlgorithm,
    ) -> Result<Self, EngineError> {
        // Half lies before the order is made, half behind.
        let budget_bytes = read_ahead_bytes / 2;
        let ahead = Arc::new(ReadAhead::new(budget_bytes));
        // Bounded by what may be read ahead.
        let (sender, items) = channel();
        let outlet = Outlet {
            sender,
            ahead: Arc::clone(&ahead),
            blocked: Duration::ZERO,
            bytes: 0,
            items: Vec::new(),
            admitted_bytes: 0,
            begun: 0,
        };
        let thread = spawn("scanner", move || {
            scan(feed, outlet, budget_bytes, algorithm)
        })?;
        Ok(Self {
            items,
            ahead,
            given_up,
            thread,
        })
    }

    /// Makes the scanner stop where it stands, and waits for it.
    pub(super) fn stop(self) -> Result<ScanEnd, EngineError> {
        self.ahead.close();
        self.given_up.store(true, Ordering::Relaxed);
        drop(self.items);
        self.thread
            .join()
            .map_err(|_| EngineError::Stage { stage: "scanner" })
    }
}

/// Hands items on, several at a time: one by one, the two sides would spend more time
/// waking each other than working.
struct Outlet {
    sender: Sender<Vec<Item>>,
    ahead: Arc<ReadAhead>,
    blocked: Duration,
    /// Data sent.
    bytes: u64,
    items: Vec<Item>,
    admitted_bytes: usize,
    /// Large files that began.
    begun: u64,
}

impl Outlet {
    fn send(&mut self, item: Item) -> Result<(), Closed> {
        self.begun += u64::from(matches!(item, Item::Begin(_)));
        self.admitted_bytes += item.admitted_bytes();
        self.bytes += item.data_bytes();
        self.items.push(item);
        if self.items.len() < ITEMS_AT_ONCE && self.admitted_bytes < BYTES_AT_ONCE {
            return Ok(());
        }
        self.flush()
    }

    /// Hands on what was held back.
    fn flush(&mut self) -> Result<(), Closed> {
        if self.items.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.admitted_bytes);
        self.ahead.admit(bytes, &mut self.blocked)?;
        let items = std::mem::replace(&mut self.items, Vec::with_capacity(ITEMS_AT_ONCE));
        self.sender.send(items).map_err(|_| Closed)
    }
}

impl Pour for Outlet {
    fn remark(&mut self, remark: Remark) -> Result<(), Unwanted> {
        self.send(Item::Remark(remark)).map_err(|Closed| Unwanted)
    }

    fn object(&mut self, member: Member, data: Vec<u8>, end: ReadEnd) -> Result<(), Unwanted> {
        let item = Item::Object(member, Data::Own(data), end);
        self.send(item).map_err(|Closed| Unwanted)
    }

    fn begin(&mut self, member: Member) -> Result<(), Unwanted> {
        self.send(Item::Begin(member)).map_err(|Closed| Unwanted)
    }

    fn chunk(&mut self, data: Vec<u8>, so_far: Condition) -> Result<(), Unwanted> {
        self.send(Item::Chunk(data, so_far))
            .map_err(|Closed| Unwanted)
    }

    fn end(&mut self, end: ReadEnd) -> Result<(), Unwanted> {
        self.send(Item::End(end)).map_err(|Closed| Unwanted)
    }
}

fn scan(
    feed: Feed,
    mut outlet: Outlet,
    budget_bytes: usize,
    algorithm: DigestAlgorithm,
) -> ScanEnd {
    let started = Instant::now();
    let (sources, mut streams) = feed.into_parts();
    let mut walked = Walked::default();
    match send_all(
        sources,
        &mut streams,
        &mut outlet,
        (budget_bytes, algorithm),
        &mut walked,
    ) {
        Ok(()) => {}
        Err(Stop::Closed) => tracing::debug!("the scanner was stopped before its end"),
        Err(Stop::Failed(error)) => {
            let told = outlet
                .send(Item::Failed(error))
                .and_then(|()| outlet.flush());
            tracing::debug!(?told, "the walk could not go on");
        }
        Err(Stop::Died) => tracing::error!("a thread that reads the source failed"),
        Err(Stop::Threadless(error)) => tracing::error!(%error, "the source cannot be read"),
    }
    let busy = started.elapsed().saturating_sub(outlet.blocked);
    let time = StageTime {
        bytes: outlet.bytes,
        busy,
        starved: Duration::ZERO,
        blocked: outlet.blocked,
    };
    ScanEnd {
        excluded: walked.excluded + streams.excluded,
        commands: streams.commands,
        compared: walked.compared,
        time,
    }
}

/// What all walks have to say.
#[derive(Default)]
struct Walked {
    excluded: u64,
    compared: Compared,
}

fn send_all(
    sources: Vec<Opened>,
    streams: &mut Streams,
    outlet: &mut Outlet,
    (budget_bytes, algorithm): (usize, DigestAlgorithm),
    walked: &mut Walked,
) -> Result<(), Stop> {
    for source in sources {
        match source {
            Opened::Walk(walk) => {
                let scan = Scan::new(*walk, budget_bytes, algorithm);
                let mut scan = scan.map_err(Stop::Threadless)?;
                let sent = scan.send_all(outlet);
                walked.excluded += scan.walk.excluded() + scan.excluded;
                walked.compared += scan.walk.compared();
                sent?;
            }
            Opened::Stream(stream) => {
                streams.pour(&stream, outlet).map_err(|Unwanted| Closed)?;
                outlet.send(Item::StreamEnd)?;
            }
        }
    }
    outlet.send(Item::Done)?;
    Ok(outlet.flush()?)
}

/// Why the scanner ends early.
enum Stop {
    Closed,
    /// The walk could not go on.
    Failed(EngineError),
    Died,
    Threadless(EngineError),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<Died> for Stop {
    fn from(_: Died) -> Self {
        Self::Died
    }
}

/// What lies ahead of the stream, in its order.
enum Slot {
    Object(Box<Object>),
    Remarks(Vec<Remark>),
    Gone(Vec<u8>),
    /// Leaves that somebody looks at; what is done of them.
    Leaves(u64, Option<Done>),
}

/// The walk, those who look ahead for it, and what they have brought.
struct Scan {
    walk: Walk,
    readers: Readers,
    slots: VecDeque<Slot>,
    walked: bool,
    next_task: u64,
    excluded: u64,
    budget_bytes: usize,
    /// Data read ahead that lie in slots.
    held_bytes: usize,
    /// What a task has brought lately.
    task_bytes: usize,
}

impl Scan {
    fn new(
        walk: Walk,
        budget_bytes: usize,
        algorithm: DigestAlgorithm,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            readers: Readers::start(&walk, algorithm)?,
            walk,
            slots: VecDeque::new(),
            walked: false,
            next_task: 0,
            excluded: 0,
            budget_bytes,
            held_bytes: 0,
            task_bytes: TASK_BYTES / 8,
        })
    }

    fn send_all(&mut self, outlet: &mut Outlet) -> Result<(), Stop> {
        loop {
            while let Some(done) = self.readers.try_next() {
                self.take(done?);
            }
            while !self.walked && self.has_room() {
                self.step();
            }
            if self.send_first(outlet)? {
                continue;
            }
            if self.slots.is_empty() && self.walked {
                return self.walk.failure().map_or(Ok(()), |e| Err(Stop::Failed(e)));
            }
            // Whoever waits gives first what it has.
            outlet.flush()?;
            let done = self.readers.next()?;
            self.take(done);
        }
    }

    /// True if more should be looked at ahead.
    fn has_room(&self) -> bool {
        let expected_bytes = self.readers.under_way() * self.task_bytes;
        let few = self.readers.under_way() < self.readers.wanted();
        let fits = self.held_bytes + expected_bytes <= self.budget_bytes;
        self.slots.is_empty() || few && fits && self.slots.len() < SLOTS_MAX
    }

    fn step(&mut self) {
        let mut remarks = Vec::new();
        let step = self.walk.step(&mut remarks);
        if !remarks.is_empty() {
            self.slots.push_back(Slot::Remarks(remarks));
        }
        match step {
            None => self.walked = true,
            Some(Step::Object(object)) => self.slots.push_back(Slot::Object(object)),
            Some(Step::Gone(path)) => self.slots.push_back(Slot::Gone(path)),
            Some(Step::Leaves(leaves)) => {
                let task = self.next_task;
                self.next_task += 1;
                self.readers.give(task, leaves, false);
                self.slots.push_back(Slot::Leaves(task, None));
            }
        }
    }

    /// Puts what a task has brought into its slot.
    fn take(&mut self, done: Done) {
        let read_bytes = done.batch.bytes();
        self.held_bytes += read_bytes;
        self.task_bytes = (3 * self.task_bytes + read_bytes) / 4 + 1;
        self.excluded += done.excluded;
        let slot = self.slots.iter_mut().find_map(|slot| match slot {
            Slot::Leaves(task, slot) if *task == done.task => Some(slot),
            _ => None,
        });
        *slot.expect("a slot stays until its task is done") = Some(done);
    }

    /// Hands on what the first slot has; false if there is nothing yet.
    fn send_first(&mut self, outlet: &mut Outlet) -> Result<bool, Stop> {
        match self.slots.pop_front() {
            None => Ok(false),
            Some(Slot::Remarks(remarks)) => {
                for remark in remarks {
                    outlet.send(Item::Remark(remark))?;
                }
                Ok(true)
            }
            Some(Slot::Gone(path)) => {
                outlet.send(Item::Gone(path))?;
                Ok(true)
            }
            Some(Slot::Object(object)) => {
                self.send_object(*object, None, outlet)?;
                Ok(true)
            }
            Some(Slot::Leaves(task, None)) => {
                self.slots.push_front(Slot::Leaves(task, None));
                Ok(false)
            }
            Some(Slot::Leaves(task, Some(done))) => {
                // Others can go on with the rest while this is handed on.
                if let Some(rest) = done.rest {
                    self.readers.give(task, rest, true);
                    self.slots.push_front(Slot::Leaves(task, None));
                }
                self.held_bytes -= done.batch.bytes();
                for prepared in done.prepared {
                    self.send_prepared(prepared, &done.batch, outlet)?;
                }
                Ok(true)
            }
        }
    }

    fn send_prepared(
        &mut self,
        prepared: Prepared,
        batch: &Arc<Batch>,
        outlet: &mut Outlet,
    ) -> Result<(), Stop> {
        let mut remarks = Vec::new();
        let settled = self.walk.settle(prepared.looked, &mut remarks);
        for remark in remarks {
            outlet.send(Item::Remark(remark))?;
        }
        let read = |(place, end)| (Data::In(Arc::clone(batch), place), end);
        match settled {
            Settled::Skipped => Ok(()),
            Settled::AsLooked(object) => self.send_object(object, prepared.data.map(read), outlet),
            Settled::Instead(object) => self.send_object(object, None, outlet),
        }
    }

    fn send_object(
        &mut self,
        object: Object,
        data: Option<(Data, ReadEnd)>,
        outlet: &mut Outlet,
    ) -> Result<(), Stop> {
        let Object { member, reader } = object;
        let payload_bytes = member.payload_bytes();
        let (data, end) = match (data, reader) {
            (Some(whole), _) => whole,
            (None, None) => (Data::Own(Vec::new()), ReadEnd::whole()),
            (None, Some(reader)) if payload_bytes <= SMALL_FILE_BYTES => {
                let mut data = vec![0; small_length(&member)];
                let end = read_whole(reader, &mut data);
                (Data::Own(data), end)
            }
            (None, Some(reader)) => return Ok(send_large(member, reader, outlet)?),
        };
        Ok(outlet.send(Item::Object(member, data, end))?)
    }
}

fn send_large(member: Member, mut reader: FileReader, outlet: &mut Outlet) -> Result<(), Closed> {
    outlet.send(Item::Begin(member))?;
    loop {
        if outlet.ahead.is_abandoned(outlet.begun) {
            return outlet.send(Item::End(reader.finish()));
        }
        let mut chunk = outlet.ahead.chunk();
        let filled = reader.read(&mut chunk);
        chunk.truncate(filled);
        let last = filled < CHUNK_BYTES;
        if filled > 0 {
            outlet.send(Item::Chunk(chunk, reader.condition_so_far()))?;
        }
        if last {
            return outlet.send(Item::End(reader.finish()));
        }
    }
}
