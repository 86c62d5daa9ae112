//! How much may be read ahead: a budget of bytes between scanner and framing.
//!
//! Once it is spent the scanner waits until half of it is free again: woken for each
//! small file, the two would spend more time waking each other than working.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stage::timed;

/// Data of large files travels in chunks of this size.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// Bounds the bytes under way, and keeps spent chunk buffers for the next chunk.
#[derive(Debug)]
pub(super) struct ReadAhead {
    limit_bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Which of the large files, counted from 1, nobody wants to the end.
    abandoned: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    under_way_bytes: usize,
    /// The scanner waits for this to become half of the limit.
    waiting: bool,
    spent: Vec<Vec<u8>>,
    closed: bool,
}

/// The other side has no more use for data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl ReadAhead {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            state: Mutex::default(),
            changed: Condvar::new(),
            abandoned: AtomicU64::new(0),
        }
    }

    /// Waits until `bytes` more may be under way. More than the limit are admitted alone.
    /// Adds the time waited to `blocked`.
    pub(super) fn admit(&self, bytes: usize, blocked: &mut Duration) -> Result<(), Closed> {
        let mut state = self.lock();
        let full = |state: &State| {
            let under_way_bytes = state.under_way_bytes;
            under_way_bytes > 0 && under_way_bytes.saturating_add(bytes) > self.limit_bytes
        };
        if full(&state) && !state.closed {
            state.waiting = true;
            let wait =
                |state: &mut State| !state.closed && (full(state) || !self.is_half_free(state));
            let waited = timed(blocked, || self.changed.wait_while(state, wait));
            state = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting = false;
        }
        if state.closed {
            return Err(Closed);
        }
        state.under_way_bytes += bytes;
        Ok(())
    }

    /// `bytes` that were admitted have arrived.
    pub(super) fn arrived(&self, bytes: usize) {
        let mut state = self.lock();
        state.under_way_bytes = state.under_way_bytes.saturating_sub(bytes);
        if state.waiting && self.is_half_free(&state) {
            self.changed.notify_one();
        }
    }

    fn is_half_free(&self, state: &State) -> bool {
        state.under_way_bytes <= self.limit_bytes / 2
    }

    /// A buffer of [`CHUNK_BYTES`] with arbitrary content.
    pub(super) fn chunk(&self) -> Vec<u8> {
        self.lock()
            .spent
            .pop()
            .unwrap_or_else(|| vec![0; CHUNK_BYTES])
    }

    /// Keeps a chunk's buffer for the next.
    pub(super) fn recycle(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() >= CHUNK_BYTES {
            buffer.resize(CHUNK_BYTES, 0);
            let mut state = self.lock();
            // As many as may be under way at once.
            if (state.spent.len() + 1) * CHUNK_BYTES <= self.limit_bytes {
                state.spent.push(buffer);
            }
        }
    }

    /// Of this large file, counted from 1, no more data is wanted.
    pub(super) fn abandon(&self, number: u64) {
        self.abandoned.store(number, Ordering::Relaxed);
    }

    /// True if no more data is wanted of this large file.
    pub(super) fn is_abandoned(&self, number: u64) -> bool {
        self.abandoned.load(Ordering::Relaxed) == number
    }

    /// No more data is wanted: whoever waits or comes is turned away.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so a panic elsewhere leaves it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn no_more_is_admitted_than_the_limit_except_alone() {
        let ahead = Arc::new(ReadAhead::new(100));
        let mut blocked = Duration::ZERO;
        assert_eq!(ahead.admit(500, &mut blocked), Ok(()));
        let other = Arc::clone(&ahead);
        let waiting = std::thread::spawn(move || {
            let mut blocked = Duration::ZERO;
            (
                other.admit(60, &mut blocked),
                other.admit(40, &mut blocked),
                blocked,
            )
        });
        std::thread::sleep(Duration::from_millis(30));
        assert!(!waiting.is_finished());
        ahead.arrived(500);
        let (first, second, waited) = waiting.join().unwrap();
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert!(waited > Duration::ZERO);
        assert_eq!(blocked, Duration::ZERO);
    }

    #[test]
    fn closing_turns_away_those_who_wait() {
        let ahead = Arc::new(ReadAhead::new(100));
        ahead.admit(100, &mut Duration::default()).unwrap();
        let other = Arc::clone(&ahead);
        let waiting = std::thread::spawn(move || other.admit(1, &mut Duration::default()));
        ahead.close();
        assert_eq!(waiting.join().unwrap(), Err(Closed));
    }
}
