//! A trace of every command and its answer: for bug reports, and for tests that count
//! what an operation costs.

use std::io::Write;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Completion, Data, Transport, TransportError, TransportErrorKind};

/// So much of the data phase is kept at most.
const KEPT_BYTES: usize = 64;

/// One command and its answer. Bytes are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The device, as people name it.
    pub device: String,
    /// Microseconds from the start of the trace to the command.
    pub at_us: u64,
    /// The command.
    pub cdb: String,
    /// Direction of the data phase, seen from the host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub direction: Option<Direction>,
    /// Length of the data phase asked for.
    pub asked_bytes: usize,
    /// Bytes moved.
    pub moved_bytes: usize,
    /// SCSI status; absent if no answer came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u8>,
    /// Sense bytes.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub sense: String,
    /// The first bytes of the data phase; never of the user's data, or a key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub data: String,
    /// Why no answer came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
    /// Microseconds from command to answer.
    pub duration_us: u64,
}

/// Direction of a data phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// Passes commands on and tells a listener about each.
pub struct Recorder {
    inner: Box<dyn Transport>,
    carries_payload: fn(&[u8]) -> bool,
    started: Instant,
    listener: Box<dyn FnMut(&Record) + Send>,
}

impl Recorder {
    /// Records what passes to and from `inner`. `carries_payload` says of a CDB whether
    /// its data phase is the user's data, which is never shown (layer 2 knows:
    /// `scsi::cdb::carries_payload`).
    pub fn new(
        inner: Box<dyn Transport>,
        carries_payload: fn(&[u8]) -> bool,
        listener: impl FnMut(&Record) + Send + 'static,
    ) -> Recorder {
        let started = Instant::now();
        Recorder {
            inner,
            carries_payload,
            started,
            listener: Box::new(listener),
        }
    }

    /// As [`new`](Self::new), one line of JSON per command. A trace that cannot be written
    /// ends with a warning; the commands go on.
    pub fn to_writer(
        inner: Box<dyn Transport>,
        carries_payload: fn(&[u8]) -> bool,
        writer: impl Write + Send + 'static,
    ) -> Recorder {
        let mut writer = Some(writer);
        Recorder::new(inner, carries_payload, move |record| {
            let Some(open) = &mut writer else { return };
            let line = serde_json::to_string(record).map_err(std::io::Error::from);
            // One write: several devices append to one file.
            let line = line.map(|line| line + "\n");
            if let Err(error) = line.and_then(|line| open.write_all(line.as_bytes())) {
                tracing::warn!(%error, "the command trace ends here");
                writer = None;
            }
        })
    }
}

impl Transport for Recorder {
    fn execute(
        &mut self,
        cdb: &[u8],
        mut data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let sent = Instant::now();
        let answer = self.inner.execute(cdb, data.reborrow(), timeout);
        let duration_us = micros(sent.elapsed());
        let moved_bytes = answer
            .as_ref()
            .map_or(0, |completion| completion.transferred_bytes);
        let (direction, bytes): (_, &[u8]) = match &data {
            Data::None => (None, &[]),
            Data::In(buffer) => (Some(Direction::In), buffer),
            Data::Out(bytes) => (Some(Direction::Out), bytes),
            Data::Gather(parts) => (Some(Direction::Out), parts.first().map_or(&[], |part| part)),
        };
        let kept = if (self.carries_payload)(cdb) {
            0
        } else {
            KEPT_BYTES.min(moved_bytes)
        };
        let record = Record {
            device: self.inner.name().to_owned(),
            at_us: micros(sent - self.started),
            cdb: hex(cdb),
            direction,
            asked_bytes: data.length_bytes(),
            moved_bytes,
            status: answer.as_ref().ok().map(|completion| completion.status.0),
            sense: answer
                .as_ref()
                .map_or(String::new(), |completion| hex(&completion.sense)),
            data: hex(&bytes[..kept.min(bytes.len())]),
            failure: answer.as_ref().err().map(describe),
            duration_us,
        };
        (self.listener)(&record);
        answer
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

fn describe(error: &TransportError) -> String {
    let kind = match error.kind {
        TransportErrorKind::Busy => "busy",
        TransportErrorKind::NotFound => "not found",
        TransportErrorKind::Denied => "denied",
        TransportErrorKind::TooLong => "too long",
        TransportErrorKind::TimedOut => "timed out",
        TransportErrorKind::Failed => "failed",
    };
    format!("{kind}: {}", error.what)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
