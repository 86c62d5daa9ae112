//! Waiting for a device: it is asked again and again, with ever longer pauses in between.

use std::time::{Duration, Instant};

use super::Transport;

/// How long a device has been waited for, and how long it is left alone next.
#[derive(Debug)]
pub struct Wait {
    started: Instant,
    /// All pauses together. More than has passed, where a device that is played lets them pass.
    paused: Duration,
    next: Duration,
    longest: Duration,
}

impl Wait {
    /// Begins now. Pauses double from `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Wait {
        Wait {
            started: Instant::now(),
            paused: Duration::ZERO,
            next: first,
            longest,
        }
    }

    /// Since the wait began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed().max(self.paused)
    }

    /// Whether there was a pause.
    #[must_use]
    pub fn has_paused(&self) -> bool {
        !self.paused.is_zero()
    }

    /// Leaves the device behind `way` alone for a moment, which is no longer than `left`.
    pub fn pause(&mut self, way: &mut dyn Transport, left: Duration) {
        let pause = self.next.min(left);
        way.pause(pause);
        self.paused += pause;
        self.next = (self.next * 2).min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::brief::{Brief, Patience};
    use crate::transport::fault::{Faults, Injector};
    use crate::transport::record::Recorder;
    use crate::transport::{Completion, Data, TransportError};

    /// A device that lets time pass at once.
    struct Quick;

    impl Transport for Quick {
        fn execute(
            &mut self,
            _: &[u8],
            _: Data<'_>,
            _: Duration,
        ) -> Result<Completion, TransportError> {
            unreachable!("nobody asks it")
        }

        fn pause(&mut self, _: Duration) {}

        fn name(&self) -> &str {
            "quick"
        }

        fn max_transfer_bytes(&self) -> usize {
            1
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_patience() {
        let seconds = Duration::from_secs;
        let mut wait = Wait::new(seconds(60), seconds(200));
        let mut after = Vec::new();
        for _ in 0..5 {
            let left = seconds(600).saturating_sub(wait.elapsed());
            wait.pause(&mut Quick, left);
            after.push(wait.elapsed().as_secs());
        }
        assert_eq!(after, [60, 180, 380, 580, 600]);
    }

    #[test]
    fn what_is_put_before_a_device_leaves_the_time_to_it() {
        let patience = Patience {
            answer: Duration::ZERO,
            whole: Duration::ZERO,
        };
        let ways: [Box<dyn Transport>; 3] = [
            Box::new(Brief::new(Box::new(Quick), patience)),
            Box::new(Injector::new(Box::new(Quick), &Faults::new())),
            Box::new(Recorder::new(Box::new(Quick), |_| false, |_| ())),
        ];
        let started = Instant::now();
        for mut way in ways {
            way.pause(Duration::from_secs(5));
        }
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
