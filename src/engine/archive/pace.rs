//! Which stage sets the pace: told from the one in the middle.
//!
//! Framing has the source before it and the drive behind it. What it spends its time on,
//! waiting for the one, waiting for the other, or working, is what the run waits for.

use std::time::{Duration, Instant};

use super::report::Timings;
use crate::monitor::{Bottleneck, Monitor, Pace};

/// The monitor hears this often what sets the pace.
const TOLD_EVERY: Duration = Duration::from_secs(3);

/// Times that have added up so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waits {
    /// Framing for the source.
    pub(super) starved: Duration,
    /// Framing for the drive.
    pub(super) blocked: Duration,
    /// The drive for records.
    pub(super) drive: Duration,
}

/// Judges by what was waited for in `total`; `None` if that is nothing.
fn judge(waits: Waits, total: Duration) -> Option<Bottleneck> {
    let percent = |time: Duration| {
        let share = time.as_secs_f64() * 100.0 / total.as_secs_f64();
        share.round().clamp(0.0, 100.0) as u8
    };
    if total.is_zero() {
        return None;
    }
    let (starved, blocked, drive) = (waits.starved, waits.blocked, waits.drive);
    let busy = total.saturating_sub(starved + blocked);
    Some(if blocked >= starved && blocked >= busy {
        Bottleneck {
            pace: Pace::Drive,
            waited_percent: percent(blocked),
        }
    } else {
        let pace = if starved >= busy {
            Pace::Source
        } else {
            Pace::Host
        };
        Bottleneck {
            pace,
            waited_percent: percent(drive),
        }
    })
}

impl Timings {
    /// What set the pace of the run; `None` of one that did nothing. What mounting took does
    /// not count.
    #[must_use]
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        let waits = Waits {
            starved: self.frame.starved,
            blocked: self.frame.blocked,
            drive: self.drive.starved,
        };
        judge(waits, self.frame.busy + waits.starved + waits.blocked)
    }
}

/// Tells a monitor what sets the pace, now and then.
#[derive(Debug)]
pub(super) struct Teller {
    told_at: Instant,
    told: Waits,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            told_at: Instant::now(),
            told: Waits::default(),
        }
    }

    /// Tells what happened since the last time, if it is time for that.
    pub(super) fn tell(&mut self, monitor: &dyn Monitor, now: impl FnOnce() -> Waits) {
        let elapsed = self.told_at.elapsed();
        if elapsed < TOLD_EVERY {
            return;
        }
        let now = now();
        let lately = Waits {
            starved: now.starved.saturating_sub(self.told.starved),
            blocked: now.blocked.saturating_sub(self.told.blocked),
            drive: now.drive.saturating_sub(self.told.drive),
        };
        if let Some(bottleneck) = judge(lately, elapsed) {
            monitor.bottleneck(bottleneck);
        }
        (self.told_at, self.told) = (Instant::now(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::archive::StageTime;

    #[test]
    fn the_pace_is_set_by_what_framing_spends_its_time_on() {
        let seconds = Duration::from_secs;
        let cases = [
            // Framing busy, starved, blocked; the drive starved.
            ((30, 60, 10), 63, Some((Pace::Source, 63))),
            ((30, 10, 60), 0, Some((Pace::Drive, 60))),
            ((70, 20, 10), 45, Some((Pace::Host, 45))),
            ((0, 0, 0), 0, None),
        ];
        for ((busy, starved, blocked), drive, expected) in cases {
            let timings = Timings {
                frame: StageTime {
                    bytes: 0,
                    busy: seconds(busy),
                    starved: seconds(starved),
                    blocked: seconds(blocked),
                },
                drive: StageTime {
                    starved: seconds(drive),
                    ..StageTime::default()
                },
                ..Timings::default()
            };
            let told = timings.bottleneck();
            assert_eq!(told.map(|told| (told.pace, told.waited_percent)), expected);
        }
    }
}
