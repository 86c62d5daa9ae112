//! Volumes that several drives share: each takes the next one as soon as it has nothing to do.
//!
//! A drive that fails leaves the crew and gives its volume back, once: what two drives did not
//! read is lost with the volume. The last drive keeps what it has.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A volume that is to be read.
#[derive(Debug)]
pub(super) struct Task {
    /// Its number: spares come behind the others.
    pub(super) volume: usize,
    /// Reads that are left of it, where another drive gave it back.
    left: Option<HashSet<usize>>,
}

impl Task {
    /// True if this read of the volume is still to be carried out.
    pub(super) fn has(&self, read: usize) -> bool {
        self.left.as_ref().is_none_or(|left| left.contains(&read))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Crew {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Task>,
    /// Drives that have a volume.
    working: usize,
    /// Drives that have not failed.
    drives: usize,
}

impl Crew {
    /// So many drives for these volumes, which are taken in this order.
    pub(super) fn new(drives: usize, volumes: impl Iterator<Item = usize>) -> Self {
        let task = |volume| Task { volume, left: None };
        Self {
            state: Mutex::new(State {
                waiting: volumes.map(task).collect(),
                working: 0,
                drives,
            }),
            changed: Condvar::new(),
        }
    }

    /// The next volume. Where there is none it waits, as long as a drive may give one back.
    pub(super) fn next(&self) -> Option<Held<'_>> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.waiting.pop_front() {
                state.working += 1;
                return Some(Held { crew: self, task });
            }
            if state.working == 0 {
                return None;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A drive that has no volume takes no part.
    pub(super) fn leave(&self) {
        self.lock().drives -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A volume in the hands of one drive. Dropped, it is done with.
#[derive(Debug)]
pub(super) struct Held<'c> {
    crew: &'c Crew,
    pub(super) task: Task,
}

impl Held<'_> {
    /// Gives the volume back to the other drives and leaves the crew; `left` are the reads that
    /// are still to be carried out. False if this is the last drive, or the second that failed
    /// with the volume: then all stays as it was.
    pub(super) fn pass_on(&mut self, left: HashSet<usize>) -> bool {
        let mut state = self.crew.lock();
        if state.drives == 1 || self.task.left.is_some() {
            return false;
        }
        state.drives -= 1;
        state.waiting.push_front(Task {
            volume: self.task.volume,
            left: Some(left),
        });
        true
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.crew.lock().working -= 1;
        self.crew.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drive_gives_back_is_read_by_another_and_given_back_no_more() {
        let crew = Crew::new(3, 0..2);
        let mut first = crew.next().unwrap();
        let second = crew.next().unwrap();
        assert_eq!((first.task.volume, second.task.volume), (0, 1));
        assert!(first.task.has(7));
        assert!(first.pass_on([7].into()));
        drop(first);
        let mut again = crew.next().unwrap();
        assert_eq!(again.task.volume, 0);
        assert!(again.task.has(7) && !again.task.has(6));
        assert!(!again.pass_on(HashSet::new()), "two drives failed with it");
        drop(again);
        drop(second);
        assert!(crew.next().is_none());
    }

    #[test]
    fn the_last_drive_keeps_what_it_has() {
        let crew = Crew::new(2, 0..2);
        let mut first = crew.next().unwrap();
        let mut second = crew.next().unwrap();
        assert!(first.pass_on([1].into()));
        assert!(!second.pass_on([2].into()));
    }

    #[test]
    fn a_drive_with_nothing_to_do_waits_for_what_may_come_back() {
        let crew = Crew::new(2, 0..1);
        let mut held = crew.next().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| crew.next().map(|held| held.task.volume));
            assert!(held.pass_on([3].into()));
            drop(held);
            assert_eq!(waiting.join().unwrap(), Some(0));
        });
        assert!(crew.next().is_none());
    }
}
