//! The drive's write buffer: objects that the host has handed over and the tape does not hold yet.
//!
//! Only records wait here. A block's bytes go into the data file at once, where they mean nothing
//! until the record that makes them an object reaches the map; so a power cut loses the
//! buffered objects, in order, without their bytes ever being copied.

use std::collections::VecDeque;

use crate::cartridge::record::{Kind, OBJECT_OVERHEAD_BYTES, Record};

/// Buffered objects, oldest first.
#[derive(Debug)]
pub struct Buffer {
    waiting: VecDeque<Record>,
    capacity_bytes: u64,
    data_bytes: u64,
    filemarks: u64,
}

impl Buffer {
    /// An empty buffer of `capacity_bytes`.
    pub fn new(capacity_bytes: u64) -> Self {
        Buffer {
            waiting: VecDeque::new(),
            capacity_bytes,
            data_bytes: 0,
            filemarks: 0,
        }
    }

    /// Adds an object.
    pub fn push(&mut self, record: Record) {
        self.data_bytes += u64::from(record.length_bytes);
        self.filemarks += u64::from(record.kind == Kind::Filemark);
        self.waiting.push_back(record);
    }

    /// Objects in the buffer.
    pub fn objects(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Filemarks in the buffer.
    pub fn filemarks(&self) -> u64 {
        self.filemarks
    }

    /// Bytes of the blocks in the buffer.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The youngest object.
    pub fn last(&self) -> Option<&Record> {
        self.waiting.back()
    }

    /// The oldest `count` objects.
    pub fn oldest(&self, count: usize) -> Vec<Record> {
        self.waiting.iter().take(count).copied().collect()
    }

    /// What the objects in the buffer take on tape, in bytes.
    pub fn tape_bytes(&self) -> u64 {
        self.data_bytes + self.objects() * OBJECT_OVERHEAD_BYTES
    }

    /// What is left of [`Buffer::tape_bytes`] when just so many of the oldest have left that the
    /// rest fits.
    pub fn fitting_bytes(&self) -> u64 {
        let mut left = self.tape_bytes();
        for record in &self.waiting {
            if left <= self.capacity_bytes {
                break;
            }
            left -= on_tape(record);
        }
        left
    }

    /// How many of the oldest are on tape if `waiting_bytes` are not.
    pub fn written(&self, waiting_bytes: u64) -> usize {
        let mut left = self.tape_bytes();
        let whole = |record: &&Record| {
            left = left.saturating_sub(on_tape(record));
            left >= waiting_bytes
        };
        self.waiting.iter().take_while(whole).count()
    }

    /// Loses everything.
    pub fn clear(&mut self) {
        self.remove(self.waiting.len());
    }

    /// Removes the oldest `count` objects: they are on tape now.
    pub fn remove(&mut self, count: usize) {
        for record in self.waiting.drain(..count.min(self.waiting.len())) {
            self.data_bytes -= u64::from(record.length_bytes);
            self.filemarks -= u64::from(record.kind == Kind::Filemark);
        }
    }
}

/// What `record` takes on tape, in bytes.
fn on_tape(record: &Record) -> u64 {
    u64::from(record.length_bytes) + OBJECT_OVERHEAD_BYTES
}
