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
    /// Each with the time it came, in milliseconds.
    waiting: VecDeque<(u64, Record)>,
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
    pub fn push(&mut self, now_ms: u64, record: Record) {
        self.data_bytes += u64::from(record.length_bytes);
        self.filemarks += u64::from(record.kind == Kind::Filemark);
        self.waiting.push_back((now_ms, record));
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
        self.waiting.back().map(|(_, record)| record)
    }

    /// The oldest `count` objects.
    pub fn oldest(&self, count: usize) -> Vec<Record> {
        self.waiting
            .iter()
            .take(count)
            .map(|(_, record)| *record)
            .collect()
    }

    /// How many of the oldest have waited since `before_ms` or longer.
    pub fn waiting_since(&self, before_ms: u64) -> usize {
        self.waiting
            .iter()
            .take_while(|(came_ms, _)| *came_ms <= before_ms)
            .count()
    }

    /// How many of the oldest have to leave for the rest to fit. An object takes its
    /// bytes and the tape's overhead.
    pub fn excess(&self) -> usize {
        let overhead = self.objects() * OBJECT_OVERHEAD_BYTES;
        let mut over = (self.data_bytes + overhead).saturating_sub(self.capacity_bytes);
        let mut count = 0;
        for (_, record) in &self.waiting {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(u64::from(record.length_bytes) + OBJECT_OVERHEAD_BYTES);
            count += 1;
        }
        count
    }

    /// Loses everything.
    pub fn clear(&mut self) {
        self.remove(self.waiting.len());
    }

    /// Removes the oldest `count` objects: they are on tape now.
    pub fn remove(&mut self, count: usize) {
        for (_, record) in self.waiting.drain(..count.min(self.waiting.len())) {
            self.data_bytes -= u64::from(record.length_bytes);
            self.filemarks -= u64::from(record.kind == Kind::Filemark);
        }
    }
}
