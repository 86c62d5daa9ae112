//! What all destinations of a run have in common.

use std::cell::{Cell, RefCell};

use super::compress::{Compression, Workers};
use super::plan::Memory;
use crate::clock::Clock;
use crate::engine::{EngineError, ReceiptSink};
use crate::monitor::Monitor;
use crate::volume::index::{Content, JobHeader};
use crate::volume::segment::FrameCompressor;

/// How the segments of a run are written.
pub(super) struct Manner {
    pub(super) segment_limit_bytes: u64,
    pub(super) memory: Memory,
    /// `None` stores them as they are.
    pub(super) compression: Option<Compression>,
    pub(super) content: Content,
}

/// What all destinations of a run have in common.
pub(super) struct Shared<'a> {
    pub(super) segment_limit_bytes: u64,
    pub(super) memory: Memory,
    compression: Option<Compression>,
    /// What its segments hold.
    pub(super) content: Content,
    /// Of a run that compresses, once it has begun a segment.
    workers: RefCell<Option<Workers>>,
    pub(super) job: JobHeader,
    pub(super) clock: &'a dyn Clock,
    pub(super) monitor: &'a dyn Monitor,
    pub(super) sink: RefCell<&'a mut dyn ReceiptSink>,
    /// The sink has failed: nothing more is committed.
    pub(super) sink_failed: Cell<bool>,
    /// Problems of the job so far, if they are known.
    pub(super) problems: Cell<Option<u64>>,
    /// On request to stop, a hole was left before it was digested: since this was taken last.
    pub(super) left_hole: Cell<bool>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        manner: Manner,
        job: JobHeader,
        sink: &'a mut dyn ReceiptSink,
        clock: &'a dyn Clock,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            segment_limit_bytes: manner.segment_limit_bytes,
            memory: manner.memory,
            compression: manner.compression,
            content: manner.content,
            workers: RefCell::new(None),
            job,
            clock,
            monitor,
            sink: RefCell::new(sink),
            sink_failed: Cell::new(false),
            problems: Cell::new(None),
            left_hole: Cell::new(false),
        }
    }

    /// How many problems the job had, for the index of its last segment.
    pub(super) fn set_problems(&self, problems: Option<u64>) {
        self.problems.set(problems);
    }

    /// What a segment has its frames made by, if the run compresses.
    pub(super) fn compressor(&self) -> Result<Option<Box<dyn FrameCompressor>>, EngineError> {
        let Some(compression) = self.compression else {
            return Ok(None);
        };
        let mut workers = self.workers.borrow_mut();
        let workers = match &mut *workers {
            Some(workers) => workers,
            none => none.insert(Workers::start(compression)?),
        };
        Ok(Some(workers.compressor()))
    }
}
