//! When the drive gets records: the policy that makes of a slow source few stops of the
//! tape instead of hundreds.
//!
//! A tape that runs out of data has to stop and to come back behind its end: a *backhitch*,
//! some three seconds and some wear. The drive's own buffer alone spares little. So records
//! are gathered until the pool has reached a mark; then the drive gets all there is, and
//! further ones as they come, as long as its own buffer has work. Only once both have run low
//! the gate closes until the next mark. Pure: knows neither threads nor clocks.

/// A share of the pool, in per cent: 1 to 100.
pub type Percent = u8;

/// Where the gate opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Fill at which a volume's first record goes to the drive, in per cent of the pool.
    pub start: Percent,
    /// Fill at which it goes on after the source was too slow, in per cent of the pool.
    pub resume: Percent,
}

impl Default for Marks {
    /// 25 and 90: at the beginning the drive waits for a full buffer of its own anyway.
    fn default() -> Self {
        Self {
            start: 25,
            resume: 90,
        }
    }
}

/// Fill of the pool below which the drive's own buffer is asked for, in per cent.
const LOW: usize = 5;

/// What of the drive's buffer has to be there for the tape to be called running, as a share
/// (one of so many) of the most that was seen in it.
const RUNNING_SHARE: u64 = 16;

/// Decides whether records go to the drive.
#[derive(Debug)]
pub struct Gate {
    start: usize,
    resume: usize,
    low: usize,
    flow: Flow,
    /// The most the drive was seen to have buffered, in bytes.
    buffer_bytes: u64,
    pauses: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Not begun.
    First,
    Open,
    /// Closed because the source was slower than the tape.
    Paused,
}

impl Gate {
    /// For a pool of `records`.
    #[must_use]
    pub fn new(records: usize, marks: Marks) -> Self {
        // One record is always with framing, so that the pool is never seen full.
        let most = records.saturating_sub(1).max(1);
        let mark = |percent: Percent| (records * usize::from(percent) / 100).clamp(1, most);
        Self {
            start: mark(marks.start),
            resume: mark(marks.resume),
            low: records * LOW / 100,
            flow: Flow::First,
            buffer_bytes: 0,
            pauses: 0,
        }
    }

    /// True if records may go to the drive, given that so many wait.
    pub fn is_open(&mut self, waiting: usize) -> bool {
        let mark = match self.flow {
            Flow::Open => return true,
            Flow::First => self.start,
            Flow::Paused => self.resume,
        };
        if waiting >= mark {
            self.flow = Flow::Open;
        }
        self.flow == Flow::Open
    }

    /// No more will come, or somebody waits for what is there: it goes to the drive.
    pub fn open(&mut self) {
        self.flow = Flow::Open;
    }

    /// True if [`heard`](Self::heard) should be told what the drive has: so few wait that
    /// the gate may have to close.
    #[must_use]
    pub fn is_low(&self, waiting: usize) -> bool {
        self.flow == Flow::Open && waiting <= self.low
    }

    /// The drive has so many bytes in its own buffer, while so many records wait here.
    pub fn heard(&mut self, waiting: usize, buffered_bytes: u64) {
        self.buffer_bytes = self.buffer_bytes.max(buffered_bytes);
        let runs = buffered_bytes > self.buffer_bytes / RUNNING_SHARE;
        if self.is_low(waiting) && !runs {
            self.flow = Flow::Paused;
            self.pauses += 1;
        }
    }

    /// How often the source was too slow for the tape.
    #[must_use]
    pub fn pauses(&self) -> u64 {
        self.pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_at_its_marks_and_closes_only_when_pool_and_drive_have_run_low() {
        let mut gate = Gate::new(
            100,
            Marks {
                start: 40,
                resume: 80,
            },
        );
        assert!(!gate.is_open(39));
        assert!(gate.is_open(40));
        assert!(gate.is_open(0), "once open it stays so");
        assert!(!gate.is_low(6));
        assert!(gate.is_low(5));
        gate.heard(3, 1600);
        assert!(gate.is_open(3), "the drive has work");
        gate.heard(6, 0);
        assert!(gate.is_open(6), "here is work");
        gate.heard(5, 100);
        assert!(!gate.is_open(79));
        assert!(gate.is_open(80));
        assert_eq!(gate.pauses(), 1);
    }

    #[test]
    fn a_pool_of_any_size_can_reach_its_marks() {
        for records in 2..50 {
            let mut gate = Gate::new(
                records,
                Marks {
                    start: 100,
                    resume: 100,
                },
            );
            assert!(gate.is_open(records - 1), "{records}");
            gate.heard(0, 0);
            assert!(!gate.is_open(0));
            assert!(gate.is_open(records - 1), "{records}");
        }
    }

    #[test]
    fn at_the_end_all_goes_to_the_drive() {
        let mut gate = Gate::new(100, Marks::default());
        assert!(!gate.is_open(1));
        gate.open();
        assert!(gate.is_open(1));
    }
}
