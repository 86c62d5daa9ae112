//! The data of small files, read one behind the other into buffers that are used again.

use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What spent buffers may take in all.
const SPARE_BYTES: usize = 8 << 20;
/// A smaller buffer is not worth keeping, and thousands of them would be searched through.
const WORTH_BYTES: usize = 64 << 10;

/// Spent buffers, for further batches: memory that was used before costs neither page faults nor
/// clearing.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// A buffer of any length, with arbitrary content.
    fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        if buffer.capacity() < WORTH_BYTES {
            return;
        }
        let mut spare = self.lock();
        let spare_bytes: usize = spare.iter().map(Vec::capacity).sum();
        if spare_bytes + buffer.capacity() <= SPARE_BYTES {
            spare.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Each change is a single call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files that are read together. The buffer is given back with the last of them.
#[derive(Debug)]
pub(super) struct Batch {
    /// What is behind `filled_bytes` is arbitrary.
    buffer: Vec<u8>,
    filled_bytes: usize,
    buffers: Arc<Buffers>,
}

impl Batch {
    /// An empty one.
    pub(super) fn new(buffers: &Arc<Buffers>) -> Self {
        Self {
            buffer: buffers.take(),
            filled_bytes: 0,
            buffers: Arc::clone(buffers),
        }
    }

    /// Bytes of all its files.
    pub(super) fn bytes(&self) -> usize {
        self.filled_bytes
    }

    /// Adds a file of `length` bytes: its place, and the room to be filled.
    pub(super) fn add(&mut self, length: usize) -> (Range<usize>, &mut [u8]) {
        let place = self.filled_bytes..self.filled_bytes + length;
        if self.buffer.len() < place.end {
            self.buffer.resize(place.end.max(2 * self.buffer.len()), 0);
        }
        self.filled_bytes = place.end;
        (place.clone(), &mut self.buffer[place])
    }

    /// Ends it, so that its files can go their ways. It takes at most about twice the memory of
    /// what is in it.
    pub(super) fn share(mut self) -> Arc<Self> {
        if self.filled_bytes < self.buffer.len() / 2 {
            let exact = self.buffer[..self.filled_bytes].to_vec();
            let mostly_empty = std::mem::replace(&mut self.buffer, exact);
            self.buffers.give_back(mostly_empty);
        }
        Arc::new(self)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.buffer));
    }
}

/// All data of an object.
#[derive(Debug)]
pub(super) enum Data {
    /// It was read by itself, or there is none.
    Own(Vec<u8>),
    /// It is in a batch.
    In(Arc<Batch>, Range<usize>),
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(data) => data,
            Self::In(batch, place) => &batch.buffer[place.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(batch: &mut Batch, data: &[u8]) -> Range<usize> {
        let (place, room) = batch.add(data.len());
        room.copy_from_slice(data);
        place
    }

    #[test]
    fn a_buffer_comes_back_with_the_last_file_of_its_batch() {
        let buffers = Arc::new(Buffers::default());
        for round in 0..3 {
            let mut batch = Batch::new(&buffers);
            assert_eq!(batch.buffer.is_empty(), round == 0);
            let large = vec![b'2'; WORTH_BYTES];
            let (one, two) = (fill(&mut batch, b"one"), fill(&mut batch, &large));
            assert_eq!(batch.bytes(), 3 + WORTH_BYTES);
            let batch = batch.share();
            let one = Data::In(Arc::clone(&batch), one);
            let two = Data::In(batch, two);
            assert_eq!((&one[..], &two[..]), (&b"one"[..], &large[..]));
            drop(one);
            assert!(buffers.lock().is_empty());
            drop(two);
            assert_eq!(buffers.lock().len(), 1);
        }
    }

    #[test]
    fn little_data_does_not_keep_a_large_buffer() {
        let buffers = Arc::new(Buffers::default());
        buffers.give_back(vec![1; 1 << 20]);
        let mut batch = Batch::new(&buffers);
        let place = fill(&mut batch, b"little");
        let batch = batch.share();
        assert_eq!(batch.buffer.len(), 6);
        assert_eq!(buffers.take().len(), 1 << 20);
        assert_eq!(&Data::In(batch, place)[..], b"little");
    }

    #[test]
    fn spent_buffers_take_no_more_memory_than_agreed() {
        let buffers = Buffers::default();
        for _ in 0..20 {
            buffers.give_back(Vec::with_capacity(SPARE_BYTES / 8));
        }
        assert_eq!(buffers.lock().len(), 8);
    }

    #[test]
    fn small_buffers_are_not_kept() {
        let buffers = Buffers::default();
        buffers.give_back(Vec::new());
        buffers.give_back(vec![1; WORTH_BYTES - 1]);
        assert!(buffers.lock().is_empty());
    }
}
