//! The time of one device: it goes on with what the device does, and from process to process.
//!
//! In [`Timing::Virtual`] nothing waits. A command that takes a minute adds a minute, the host
//! takes no time at all. In [`Timing::Real`] the same durations are waited for, and the host's
//! own time counts too. Two devices have two timelines; they join where a cartridge goes from
//! one to the other (`Timeline::join`), so what happens after is never dated before.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, nanos};

/// Whether a library's devices really take the time that they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Time is counted, nobody waits.
    #[default]
    Virtual,
    /// The device waits as long as hardware takes.
    Real {
        /// So many times as fast as hardware; 1 is its own speed, and 0 counts as 1.
        speedup: u32,
    },
}

/// The time of a device.
pub(crate) struct Timeline {
    now: Duration,
    timing: Timing,
    clock: Arc<dyn Clock>,
    /// The clock's time and the device's at one moment.
    anchor: (Duration, Duration),
}

impl Timeline {
    /// Goes on at `now_ns`, where an earlier process stopped.
    pub(crate) fn new(timing: Timing, clock: Arc<dyn Clock>, now_ns: u64) -> Self {
        let now = Duration::from_nanos(now_ns);
        let anchor = (clock.now(), now);
        Timeline {
            now,
            timing,
            clock,
            anchor,
        }
    }

    /// Time since the device was made.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// As [`Timeline::now`], in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        nanos(self.now)
    }

    /// As [`Timeline::now`], in milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }

    /// True if nobody waits for this time.
    pub(crate) fn is_virtual(&self) -> bool {
        self.timing == Timing::Virtual
    }

    /// The device takes `duration`.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now.saturating_add(duration);
    }

    /// The device is at what it does until `moment_ns`.
    pub(crate) fn meet(&mut self, moment_ns: u64) {
        self.now = self.now.max(Duration::from_nanos(moment_ns));
    }

    /// Something happens here that another device dates `moment_ns`. Where that is later, this one
    /// has stood still as long: nobody waits for it, in real time either.
    pub(crate) fn join(&mut self, moment_ns: u64) {
        let stood = Duration::from_nanos(moment_ns).saturating_sub(self.now);
        self.pass(stood);
        self.anchor.1 = self.anchor.1.saturating_add(stood);
    }

    /// A command begins: returns the time for which the host has left the device alone. Always
    /// nothing in virtual time.
    pub(crate) fn begin(&mut self) -> Duration {
        let Timing::Real { speedup } = self.timing else {
            return Duration::ZERO;
        };
        let (clock, device) = self.anchor;
        let past = self.clock.now().saturating_sub(clock);
        let due = device.saturating_add(past.saturating_mul(speedup.max(1)));
        let gap = due.saturating_sub(self.now);
        self.pass(gap);
        gap
    }

    /// A command ends: waits until it is as late as the device says.
    pub(crate) fn settle(&mut self) {
        let Timing::Real { speedup } = self.timing else {
            return;
        };
        let (clock, device) = self.anchor;
        let due = clock + self.now.saturating_sub(device) / speedup.max(1);
        let ahead = due.saturating_sub(self.clock.now());
        if !ahead.is_zero() {
            self.clock.sleep(ahead);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn virtual_time_waits_for_nobody_and_real_time_does() {
        let minute = Duration::from_secs(60);
        let clock = ManualClock::default();
        let mut quick = Timeline::new(Timing::Virtual, Arc::new(clock.clone()), 5);
        quick.pass(minute);
        quick.settle();
        clock.advance(minute);
        assert_eq!(quick.begin(), Duration::ZERO);
        assert_eq!(quick.now(), minute + Duration::from_nanos(5));
        assert_eq!(clock.slept(), Duration::ZERO);

        let timing = Timing::Real { speedup: 10 };
        let mut real = Timeline::new(timing, Arc::new(clock.clone()), 0);
        real.pass(minute);
        real.settle();
        assert_eq!(clock.slept(), minute / 10);
        assert_eq!(real.begin(), Duration::ZERO);
        // The host's own time counts, faster too.
        clock.advance(Duration::from_secs(1));
        assert_eq!(real.begin(), Duration::from_secs(10));
        assert_eq!(real.now(), Duration::from_secs(70));
    }

    #[test]
    fn another_device_never_sets_a_clock_back_and_is_not_waited_for() {
        for timing in [Timing::Virtual, Timing::Real { speedup: 1 }] {
            let clock = ManualClock::default();
            let mut line = Timeline::new(timing, Arc::new(clock.clone()), 100);
            for (moment_ns, now_ns) in [(40, 100), (140, 140)] {
                line.join(moment_ns);
                line.settle();
                assert_eq!((line.now_ns(), clock.slept()), (now_ns, Duration::ZERO));
            }
            line.meet(150);
            line.settle();
            let waited_ns = if line.is_virtual() { 0 } else { 10 };
            assert_eq!(clock.slept(), Duration::from_nanos(waited_ns));
        }
    }
}
