//! Stage 1: reads the sources on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ahead::{CHUNK_BYTES, Closed, ReadAhead};
use super::stage::{StageTime, spawn};
use crate::engine::EngineError;
use crate::engine::source::{
    CommandEnd, Feed, FileReader, Object, Opened, Pour, ReadEnd, Remark, Streams, Unwanted, Walk,
};
use crate::volume::member::{Condition, Member};

/// Files up to this size travel whole, with their metadata.
const SMALL_FILE_BYTES: u64 = 256 << 10;

/// What a member or a remark is counted as beside its data and texts.
const ITEM_BYTES: usize = 512;

/// What the scanner hands on, in the order of the archive.
#[derive(Debug)]
pub(super) enum Item {
    /// An object with all its data.
    Object(Box<Member>, Vec<u8>, ReadEnd),
    /// A large file begins; chunks and an end follow.
    Begin(Box<Member>),
    /// Data of a large file, and what is known of its state so far.
    Chunk(Vec<u8>, Condition),
    /// A large file ends.
    End(ReadEnd),
    /// A remark about an object.
    Remark(Remark),
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
            Self::End(_) | Self::Done => 0,
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
    pub(super) items: Receiver<Item>,
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
    pub(super) time: StageTime,
}

impl Scanner {
    /// Starts reading. `given_up` is among the feed's stops.
    pub(super) fn start(
        feed: Feed,
        given_up: Arc<AtomicBool>,
        read_ahead_bytes: usize,
    ) -> Result<Self, EngineError> {
        let ahead = Arc::new(ReadAhead::new(read_ahead_bytes));
        // Bounded by what may be read ahead.
        let (sender, items) = channel();
        let outlet = Outlet {
            sender,
            ahead: Arc::clone(&ahead),
            blocked: Duration::ZERO,
        };
        let thread = spawn("scanner", move || scan(feed, outlet))?;
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

struct Outlet {
    sender: Sender<Item>,
    ahead: Arc<ReadAhead>,
    blocked: Duration,
}

impl Outlet {
    fn send(&mut self, item: Item) -> Result<(), Closed> {
        self.ahead.admit(item.admitted_bytes(), &mut self.blocked)?;
        self.sender.send(item).map_err(|_| Closed)
    }
}

impl Pour for Outlet {
    fn remark(&mut self, remark: Remark) -> Result<(), Unwanted> {
        self.send(Item::Remark(remark)).map_err(|Closed| Unwanted)
    }

    fn object(&mut self, member: Member, data: Vec<u8>, end: ReadEnd) -> Result<(), Unwanted> {
        let item = Item::Object(Box::new(member), data, end);
        self.send(item).map_err(|Closed| Unwanted)
    }

    fn begin(&mut self, member: Member) -> Result<(), Unwanted> {
        let item = Item::Begin(Box::new(member));
        self.send(item).map_err(|Closed| Unwanted)
    }

    fn chunk(&mut self, data: Vec<u8>, so_far: Condition) -> Result<(), Unwanted> {
        self.send(Item::Chunk(data, so_far))
            .map_err(|Closed| Unwanted)
    }

    fn end(&mut self, end: ReadEnd) -> Result<(), Unwanted> {
        self.send(Item::End(end)).map_err(|Closed| Unwanted)
    }
}

fn scan(feed: Feed, mut outlet: Outlet) -> ScanEnd {
    let started = Instant::now();
    let (sources, mut streams) = feed.into_parts();
    let mut excluded = 0;
    let sent = send_all(sources, &mut streams, &mut outlet, &mut excluded);
    if sent.is_err() {
        tracing::debug!("the scanner was stopped before its end");
    }
    let busy = started.elapsed().saturating_sub(outlet.blocked);
    let time = StageTime {
        busy,
        starved: Duration::ZERO,
        blocked: outlet.blocked,
    };
    ScanEnd {
        excluded: excluded + streams.excluded,
        commands: streams.commands,
        time,
    }
}

fn send_all(
    sources: Vec<Opened>,
    streams: &mut Streams,
    outlet: &mut Outlet,
    excluded: &mut u64,
) -> Result<(), Closed> {
    for source in sources {
        match source {
            Opened::Walk(mut walk) => {
                let sent = send_walk(&mut walk, outlet);
                *excluded += walk.excluded();
                sent?;
            }
            Opened::Stream(stream) => streams.pour(&stream, outlet).map_err(|Unwanted| Closed)?,
        }
    }
    outlet.send(Item::Done)
}

fn send_walk(walk: &mut Walk, outlet: &mut Outlet) -> Result<(), Closed> {
    let mut remarks = Vec::new();
    loop {
        let object = walk.next(&mut remarks);
        for remark in remarks.drain(..) {
            outlet.send(Item::Remark(remark))?;
        }
        match object {
            None => return Ok(()),
            Some(Object { member, reader }) => send_object(Box::new(member), reader, outlet)?,
        }
    }
}

fn send_object(
    member: Box<Member>,
    reader: Option<FileReader>,
    outlet: &mut Outlet,
) -> Result<(), Closed> {
    let Some(mut reader) = reader else {
        return outlet.send(Item::Object(member, Vec::new(), ReadEnd::whole()));
    };
    let payload_bytes = member.payload_bytes();
    if payload_bytes <= SMALL_FILE_BYTES {
        let length = usize::try_from(payload_bytes).expect("a small file's size fits a usize");
        let mut data = vec![0; length];
        reader.read(&mut data);
        return outlet.send(Item::Object(member, data, reader.finish()));
    }
    outlet.send(Item::Begin(member))?;
    loop {
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
