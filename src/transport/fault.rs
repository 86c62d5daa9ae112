//! Faults at the seam: the nth command that a rule fits is answered otherwise.
//!
//! For tests of the layers above, with any transport underneath.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Completion, Data, Status, Transport, TransportError, TransportErrorKind};

/// What happens instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// CHECK CONDITION with this sense; the device never sees the command.
    Sense(Vec<u8>),
    /// The device executes the command, and CHECK CONDITION with this sense is reported.
    SenseAfter(Vec<u8>),
    /// Another status; the device never sees the command.
    Status(Status),
    /// No answer; the device never sees the command.
    Lost(TransportErrorKind),
    /// No answer, although the device executes the command.
    LostAfter(TransportErrorKind),
}

/// Whether a rule is about a CDB.
type Fits = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Rule {
    fits: Fits,
    remaining: u32,
    fault: Fault,
}

/// Adds rules to an [`Injector`] that something else owns by then. Clones share it.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

impl Faults {
    /// No rules yet.
    #[must_use]
    pub fn new() -> Faults {
        Faults::default()
    }

    /// Answers the `nth` command (1 is the next) that `fits` with `fault`, once.
    pub fn on_nth(&self, nth: u32, fits: impl Fn(&[u8]) -> bool + Send + 'static, fault: Fault) {
        let rule = Rule {
            fits: Box::new(fits),
            remaining: nth.max(1),
            fault,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rule);
    }

    /// How many rules still wait for their command.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The fault for `cdb`, if a rule's countdown ends with it.
    fn take(&self, cdb: &[u8]) -> Option<Fault> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules.iter_mut().filter(|rule| (rule.fits)(cdb)) {
            rule.remaining = rule.remaining.saturating_sub(1);
        }
        // Of two rules due at once, the second takes the next command that it fits.
        let due = rules
            .iter()
            .position(|rule| rule.remaining == 0 && (rule.fits)(cdb))?;
        Some(rules.remove(due).fault)
    }
}

/// A transport with faults.
pub struct Injector {
    inner: Box<dyn Transport>,
    faults: Faults,
}

impl Injector {
    /// Passes commands on to `inner`, except where `faults` say otherwise.
    #[must_use]
    pub fn new(inner: Box<dyn Transport>, faults: &Faults) -> Injector {
        Injector {
            inner,
            faults: faults.clone(),
        }
    }

    fn lost(&self, kind: TransportErrorKind) -> TransportError {
        TransportError {
            device: self.inner.name().to_owned(),
            kind,
            what: "injected fault".to_owned(),
            source: None,
        }
    }
}

impl Transport for Injector {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let checked = |sense, transferred_bytes| Completion {
            status: Status::CHECK_CONDITION,
            sense,
            transferred_bytes,
        };
        match self.faults.take(cdb) {
            None => self.inner.execute(cdb, data, timeout),
            Some(Fault::Sense(sense)) => Ok(checked(sense, 0)),
            Some(Fault::SenseAfter(sense)) => {
                let completion = self.inner.execute(cdb, data, timeout)?;
                Ok(checked(sense, completion.transferred_bytes))
            }
            Some(Fault::Status(status)) => Ok(Completion {
                status,
                sense: Vec::new(),
                transferred_bytes: 0,
            }),
            Some(Fault::Lost(kind)) => Err(self.lost(kind)),
            Some(Fault::LostAfter(kind)) => {
                self.inner.execute(cdb, data, timeout)?;
                Err(self.lost(kind))
            }
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
