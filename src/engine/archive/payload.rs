//! The data of one file on its way from the scanner into members.

use std::time::Duration;

use super::ahead::CHUNK_BYTES;
use super::scanner::{Item, Scanner};
use super::stage::timed;
use crate::engine::source::ReadEnd;
use crate::volume::index::Digest;
use crate::volume::member::Condition;

/// The scanner ended in the middle of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScannerGone;

/// The scanner's items, as framing takes them.
pub(super) struct Inlet<'a> {
    scanner: &'a Scanner,
    /// Come and not taken yet.
    items: std::vec::IntoIter<Item>,
    /// How long framing waited for the scanner.
    pub(super) starved: Duration,
}

impl<'a> Inlet<'a> {
    pub(super) fn new(scanner: &'a Scanner) -> Self {
        Self {
            scanner,
            items: Vec::new().into_iter(),
            starved: Duration::ZERO,
        }
    }

    /// The next item. Bytes no longer count as read ahead once they have come here.
    pub(super) fn next(&mut self) -> Result<Item, ScannerGone> {
        let item = loop {
            if let Some(item) = self.items.next() {
                break item;
            }
            let items = &self.scanner.items;
            let come = match items.try_recv() {
                Ok(come) => come,
                Err(_) => timed(&mut self.starved, || items.recv()).map_err(|_| ScannerGone)?,
            };
            let admitted_bytes = come.iter().map(Item::admitted_bytes).sum();
            self.scanner.ahead.arrived(admitted_bytes);
            self.items = come.into_iter();
        };
        Ok(item)
    }
}

/// The data of one file, taken in pieces; holes are not among them.
pub(super) struct Payload<'a, 'b> {
    inlet: &'b mut Inlet<'a>,
    chunk: Vec<u8>,
    taken: usize,
    /// `None` for a file that came whole.
    streamed: bool,
    end: Option<ReadEnd>,
    so_far: Condition,
    /// A stream ended in the file: what is missing of the member in work is zeros.
    cut_short: bool,
}

impl<'a, 'b> Payload<'a, 'b> {
    /// A file that came whole.
    pub(super) fn whole(inlet: &'b mut Inlet<'a>, data: Vec<u8>, end: ReadEnd) -> Self {
        let so_far = end.condition;
        Self {
            inlet,
            chunk: data,
            taken: 0,
            streamed: false,
            end: Some(end),
            so_far,
            cut_short: false,
        }
    }

    /// A file whose chunks are still to come.
    pub(super) fn streamed(inlet: &'b mut Inlet<'a>) -> Self {
        let (chunk, so_far) = (Vec::new(), Condition::Whole);
        Self {
            inlet,
            chunk,
            taken: 0,
            streamed: true,
            end: None,
            so_far,
            cut_short: false,
        }
    }

    /// Up to `limit` bytes, at least one. The scanner delivers as much as the member
    /// declares or, from a stream, ends the file early and has the rest made up of zeros.
    pub(super) fn take(&mut self, limit: u64) -> Result<&[u8], ScannerGone> {
        if self.taken == self.chunk.len() {
            self.refill()?;
        }
        let left = self.chunk.len() - self.taken;
        let count = usize::try_from(limit).map_or(left, |limit| limit.min(left));
        let taken = self.taken;
        self.taken += count;
        Ok(&self.chunk[taken..taken + count])
    }

    fn refill(&mut self) -> Result<(), ScannerGone> {
        if self.cut_short {
            self.taken = 0;
            return Ok(());
        }
        self.recycle();
        if !self.streamed || self.end.is_some() {
            return Err(ScannerGone);
        }
        match self.inlet.next()? {
            Item::Chunk(chunk, condition) if !chunk.is_empty() => {
                self.chunk = chunk;
                self.so_far = condition;
                Ok(())
            }
            Item::End(end) => {
                self.so_far = end.condition;
                self.end = Some(end);
                self.cut_short = true;
                self.chunk = vec![0; CHUNK_BYTES];
                Ok(())
            }
            _ => Err(ScannerGone),
        }
    }

    fn recycle(&mut self) {
        if self.streamed {
            self.inlet
                .scanner
                .ahead
                .recycle(std::mem::take(&mut self.chunk));
        }
        self.chunk.clear();
        self.taken = 0;
    }

    /// True if the file ended early: no further part of it is worth writing.
    pub(super) fn cut_short(&self) -> bool {
        self.cut_short
    }

    /// What became of the file, as far as it was taken.
    pub(super) fn condition_so_far(&self) -> Condition {
        self.so_far
    }

    /// The digest of the whole file, if it was made where the file was read.
    pub(super) fn known_digest(&self) -> Option<Digest> {
        self.end.as_ref().and_then(|end| end.digest)
    }

    /// What became of the file in the end. What was not taken of it is thrown away.
    pub(super) fn finish(&mut self) -> Result<ReadEnd, ScannerGone> {
        while self.end.is_none() {
            self.recycle();
            match self.inlet.next()? {
                Item::End(end) => self.end = Some(end),
                Item::Chunk(chunk, _) => self.chunk = chunk,
                _ => return Err(ScannerGone),
            }
        }
        self.recycle();
        Ok(self.end.clone().unwrap_or_else(ReadEnd::whole))
    }
}
