//! What has been learnt of the layout of a tape in a session: where its filemarks are.
//!
//! Invariant: [`Reckoning`] knows every filemark before `known_to`, and none behind it. All
//! of it was passed, read or written in this session, without a gap from the beginning.
//! Knows nothing of commands.

/// More filemarks than any tape has: with a segment of one record each.
const MAX_MARKS: usize = 1 << 22;

/// The known part of a tape, which begins at its beginning.
#[derive(Debug, Default)]
pub(super) struct Reckoning {
    /// Addresses of the filemarks in it, in order.
    marks: Vec<u64>,
    /// Objects before this address are known.
    known_to: u64,
    /// Address of the end of data, if that is known.
    end: Option<u64>,
    /// Address of the first object that was written within early warning.
    warned_at: Option<u64>,
    /// Objects before this address are on the medium, by a synchronous command.
    pub(super) confirmed: u64,
}

impl Reckoning {
    /// Objects before this address are known.
    pub(super) fn known_to(&self) -> u64 {
        self.known_to
    }

    /// The end of data, if it is known.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Number of filemarks before `block`, which is not behind the known part.
    pub(super) fn marks_before(&self, block: u64) -> usize {
        self.marks.partition_point(|mark| *mark < block)
    }

    /// The filemark with this number, from 0.
    pub(super) fn mark(&self, number: usize) -> Option<u64> {
        self.marks.get(number).copied()
    }

    /// `blocks` blocks from `at` on were passed. Counts only where nothing is skipped.
    pub(super) fn passed_blocks(&mut self, at: u64, blocks: u64) {
        if at <= self.known_to {
            self.known_to = self.known_to.max(at + blocks);
        }
    }

    /// A filemark at `at` was passed; false if there are more of them than a tape holds.
    #[must_use]
    pub(super) fn passed_mark(&mut self, at: u64) -> bool {
        if at == self.known_to {
            if self.marks.len() >= MAX_MARKS {
                return false;
            }
            self.marks.push(at);
            self.known_to = at + 1;
        }
        true
    }

    /// The end of data was met at `at`.
    pub(super) fn met_end(&mut self, at: u64) {
        if at == self.known_to {
            self.end = Some(at);
        }
    }

    /// The tape is about to be written from `at` on: what was known of it from there is not
    /// so any more.
    pub(super) fn writing(&mut self, at: u64) {
        self.marks.truncate(self.marks_before(at));
        self.known_to = self.known_to.min(at);
        self.confirmed = self.confirmed.min(at);
        self.end = None;
    }

    /// The object at `at` was written within early warning.
    pub(super) fn warned(&mut self, at: u64) {
        self.warned_at = Some(self.warned_at.map_or(at, |first| first.min(at)));
    }

    /// Whether `at` lies between early warning and the end, as far as a write has shown.
    pub(super) fn is_warned_at(&self, at: u64) -> bool {
        self.warned_at.is_some_and(|first| at > first)
    }

    /// A block or filemark was written at `at`, and is the last object now.
    #[must_use]
    pub(super) fn wrote(&mut self, at: u64, filemark: bool) -> bool {
        let room = match filemark {
            true => self.passed_mark(at),
            false => {
                self.passed_blocks(at, 1);
                true
            }
        };
        self.met_end(at + 1);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tape of two files: blocks 0 and 1, a mark, block 3, a mark.
    fn two_files() -> Reckoning {
        let mut known = Reckoning::default();
        known.passed_blocks(0, 2);
        assert!(known.passed_mark(2));
        known.passed_blocks(3, 1);
        assert!(known.passed_mark(4));
        known.met_end(5);
        known
    }

    #[test]
    fn what_was_passed_is_known() {
        let known = two_files();
        assert_eq!((known.known_to(), known.end()), (5, Some(5)));
        let marks: Vec<_> = (0..6).map(|block| known.marks_before(block)).collect();
        assert_eq!(marks, [0, 0, 0, 1, 1, 2]);
        assert_eq!((known.mark(1), known.mark(2)), (Some(4), None));
    }

    #[test]
    fn passing_again_adds_nothing_and_a_gap_is_not_bridged() {
        let mut known = two_files();
        assert!(known.passed_mark(2) && known.passed_mark(9));
        known.passed_blocks(0, 2);
        known.passed_blocks(7, 3);
        known.met_end(10);
        assert_eq!((known.known_to(), known.end()), (5, Some(5)));
        assert_eq!(known.marks_before(20), 2);
    }

    #[test]
    fn writing_ends_what_was_known() {
        let mut known = two_files();
        known.confirmed = 5;
        known.writing(3);
        assert_eq!(
            (known.known_to(), known.end(), known.confirmed),
            (3, None, 3)
        );
        assert!(known.wrote(3, true));
        assert_eq!((known.known_to(), known.end()), (4, Some(4)));
        assert_eq!(known.marks_before(4), 2);
    }
}
