//! Drives whose commands are traced, or that are made to fail and to lie.

use std::sync::{Arc, Mutex};

use tape_sim::library::LibrarySpec;
use tapewright::changer::ElementAddress;
use tapewright::drive::Drive;
use tapewright::scsi::cdb;
use tapewright::transport::record::{Record, Recorder};
use tapewright::transport::{
    Completion, Data, Transport, TransportError,
    fault::{Faults, Injector},
};

pub use crate::sim_bench::{Bench, quiet, ready};

impl Bench {
    pub fn new() -> Bench {
        Bench::with_capacity(None)
    }

    /// `buffer_bytes` of the drive for what is written.
    pub fn with_buffer(buffer_bytes: u64) -> Bench {
        Bench::with(LibrarySpec {
            buffer_bytes: Some(buffer_bytes),
            ..LibrarySpec::default()
        })
    }

    /// As [`ready_drive`](Self::ready_drive), with faults and a trace that start now.
    pub fn traced_drive(&self) -> (Drive, Faults, Trace) {
        self.load();
        let faults = Faults::new();
        let injector = Injector::new(Box::new(self.drive_transport()), &faults);
        let trace = Trace::default();
        let recorder = trace.recorder(Box::new(injector));
        let drive = ready(Box::new(recorder));
        trace.clear();
        (drive, faults, trace)
    }
}

/// Commands as they were sent.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<Record>>>);

impl Trace {
    pub fn recorder(&self, inner: Box<dyn Transport>) -> Recorder {
        let records = self.0.clone();
        let listener = move |record: &Record| records.lock().unwrap().push(record.clone());
        Recorder::new(inner, cdb::carries_payload, listener)
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    /// Names of the commands since the last `clear`, in order.
    pub fn commands(&self) -> Vec<&'static str> {
        self.records()
            .iter()
            .map(|record| command_name(&record.cdb))
            .collect()
    }

    pub fn count(&self, name: &str) -> usize {
        self.commands()
            .iter()
            .filter(|command| **command == name)
            .count()
    }
}

fn command_name(cdb: &str) -> &'static str {
    let opcode = u8::from_str_radix(&cdb[..2], 16).unwrap();
    tapewright::scsi::opcode::name(&[opcode]).unwrap()
}

/// A transport whose answers to some commands are replaced by fixed data.
pub struct Liar {
    pub inner: Box<dyn Transport>,
    pub about: fn(&[u8]) -> bool,
    pub answer: Vec<u8>,
}

impl Transport for Liar {
    fn execute(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        timeout: std::time::Duration,
    ) -> Result<Completion, TransportError> {
        match data {
            Data::In(buffer) if (self.about)(cdb) => {
                let bytes = self.answer.len().min(buffer.len());
                buffer[..bytes].copy_from_slice(&self.answer[..bytes]);
                Ok(Completion {
                    status: tapewright::transport::Status::GOOD,
                    sense: Vec::new(),
                    transferred_bytes: bytes,
                })
            }
            data => self.inner.execute(cdb, data, timeout),
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_transfer_bytes(&self) -> usize {
        self.inner.max_transfer_bytes()
    }
}

/// An address that no library here has.
pub const NOWHERE: ElementAddress = ElementAddress(0xFFF0);

/// `bytes` bytes that differ from those of every other `seed`.
pub fn pattern(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}
