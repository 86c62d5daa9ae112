//! A path on which nobody waits long: for looking at a device, not for working with it.
//!
//! The bound is on the whole look. After the first question without an answer no other is sent:
//! each would cost as much again.

use std::time::{Duration, Instant};

use super::{Completion, Data, Transport, TransportError, TransportErrorKind};

/// How long a device is waited for that is only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one answer, at most.
    pub answer: Duration,
    /// For all of them together.
    pub whole: Duration,
}

/// A transport with a bound on the time that a look at its device takes.
pub struct Brief {
    inner: Box<dyn Transport>,
    patience: Patience,
    until: Instant,
    /// Operation code of the last command that was answered.
    last_answered: Option<u8>,
    silent: bool,
}

impl Brief {
    /// Passes commands on to `inner`; the time begins now.
    #[must_use]
    pub fn new(inner: Box<dyn Transport>, patience: Patience) -> Brief {
        Brief {
            inner,
            patience,
            until: Instant::now() + patience.whole,
            last_answered: None,
            silent: false,
        }
    }

    /// What a device says that was not asked.
    fn not_asked(&self) -> TransportError {
        let what = match self.silent {
            true => "it did not answer before, and is not asked again".to_owned(),
            false => format!("its {} s are over", self.patience.whole.as_secs()),
        };
        TransportError {
            device: self.inner.name().to_owned(),
            kind: TransportErrorKind::TimedOut,
            what,
            source: None,
        }
    }
}

impl Transport for Brief {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if self.silent || left.is_zero() {
            return Err(self.not_asked());
        }
        let patience = timeout.min(self.patience.answer).min(left);
        match self.inner.execute(cdb, data, patience) {
            Ok(completion) => {
                self.last_answered = cdb.first().copied();
                Ok(completion)
            }
            Err(mut error) if error.kind == TransportErrorKind::TimedOut => {
                self.silent = true;
                if let Some(opcode) = self.last_answered {
                    let last = format!("; its last answer was to command {opcode:02X}h");
                    error.what.push_str(&last);
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn pause(&mut self, duration: Duration) {
        self.inner.pause(duration);
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::transport::Status;

    /// Answers each command but this, and keeps how long each was waited for.
    struct Silent(u8, Arc<Mutex<Vec<(u8, Duration)>>>);

    impl Transport for Silent {
        fn execute(
            &mut self,
            cdb: &[u8],
            _: Data<'_>,
            timeout: Duration,
        ) -> Result<Completion, TransportError> {
            self.1.lock().unwrap().push((cdb[0], timeout));
            if cdb[0] == self.0 {
                return Err(TransportError {
                    device: "drive".to_owned(),
                    kind: TransportErrorKind::TimedOut,
                    what: "no answer".to_owned(),
                    source: None,
                });
            }
            Ok(Completion {
                status: Status::GOOD,
                sense: Vec::new(),
                transferred_bytes: 0,
            })
        }

        fn name(&self) -> &str {
            "drive"
        }

        fn max_transfer_bytes(&self) -> usize {
            1
        }
    }

    #[test]
    fn a_silent_device_is_asked_once_and_not_for_long() {
        let asked = Arc::default();
        let patience = Patience {
            answer: Duration::from_secs(20),
            whole: Duration::from_secs(60),
        };
        let silent = Silent(2, Arc::clone(&asked));
        let mut brief = Brief::new(Box::new(silent), patience);
        let mut ask = |opcode, seconds| {
            let timeout = Duration::from_secs(seconds);
            brief.execute(&[opcode], Data::None, timeout)
        };
        ask(1, 5).unwrap();
        let error = ask(2, 900).unwrap_err();
        assert!(error.what.contains("command 01h"), "{error:?}");
        for _ in 0..3 {
            let error = ask(3, 900).unwrap_err();
            assert!(error.what.contains("not asked again"), "{error:?}");
        }
        let waited = [(1, Duration::from_secs(5)), (2, Duration::from_secs(20))];
        assert_eq!(*asked.lock().unwrap(), waited);
    }

    #[test]
    fn a_slow_device_is_not_asked_behind_its_time() {
        let asked = Arc::default();
        let patience = Patience {
            answer: Duration::from_secs(20),
            whole: Duration::ZERO,
        };
        let mut brief = Brief::new(Box::new(Silent(2, Arc::clone(&asked))), patience);
        let error = brief.execute(&[1], Data::None, Duration::from_secs(5));
        assert!(error.unwrap_err().what.contains("0 s are over"));
        assert!(asked.lock().unwrap().is_empty());
    }
}
