//! Stage 1: walks and reads the source on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ahead::{CHUNK_BYTES, Closed, ReadAhead};
use super::stage::{StageTime, spawn};
use crate::engine::EngineError;
use crate::engine::source::{FileReader, Object, ReadEnd, Remark, Walk};
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
    thread: JoinHandle<ScanEnd>,
}

/// What the scanner has to say in the end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScanEnd {
    pub(super) excluded: u64,
    pub(super) time: StageTime,
}

impl Scanner {
    /// Starts walking.
    pub(super) fn start(walk: Walk, read_ahead_bytes: usize) -> Result<Self, EngineError> {
        let ahead = Arc::new(ReadAhead::new(read_ahead_bytes));
        // Bounded by what may be read ahead.
        let (sender, items) = channel();
        let outlet = Outlet {
            sender,
            ahead: Arc::clone(&ahead),
            blocked: Duration::ZERO,
        };
        let thread = spawn("scanner", move || scan(walk, outlet))?;
        Ok(Self {
            items,
            ahead,
            thread,
        })
    }

    /// Makes the scanner stop where it stands, and waits for it.
    pub(super) fn stop(self) -> Result<ScanEnd, EngineError> {
        self.ahead.close();
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

fn scan(mut walk: Walk, mut outlet: Outlet) -> ScanEnd {
    let started = Instant::now();
    let sent = send_all(&mut walk, &mut outlet);
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
        excluded: walk.excluded(),
        time,
    }
}

fn send_all(walk: &mut Walk, outlet: &mut Outlet) -> Result<(), Closed> {
    let mut remarks = Vec::new();
    loop {
        let object = walk.next(&mut remarks);
        for remark in remarks.drain(..) {
            outlet.send(Item::Remark(remark))?;
        }
        match object {
            None => return outlet.send(Item::Done),
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
