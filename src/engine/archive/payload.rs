//! The data of one file on its way from the scanner into members.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::ahead::CHUNK_BYTES;
use super::batch::Data;
use super::scanner::{Item, Scanner};
use super::stage::timed;
use crate::engine::source::{FileReader, ReadEnd};
use crate::volume::index::Digest;
use crate::volume::member::Condition;

/// So long the source is waited for before something else is seen to.
const MOMENT: Duration = Duration::from_millis(500);

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
    /// Large files that began.
    begun: u64,
}

impl<'a> Inlet<'a> {
    pub(super) fn new(scanner: &'a Scanner) -> Self {
        Self {
            scanner,
            items: Vec::new().into_iter(),
            starved: Duration::ZERO,
            begun: 0,
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
            self.arrived(come);
        };
        self.begun += u64::from(matches!(item, Item::Begin(_)));
        Ok(item)
    }

    /// Whether the next item is there, or comes within a moment; or never will.
    pub(super) fn comes(&mut self) -> bool {
        if self.items.len() > 0 {
            return true;
        }
        let items = &self.scanner.items;
        let come = match items.try_recv() {
            Ok(come) => Ok(come),
            Err(_) => timed(&mut self.starved, || items.recv_timeout(MOMENT)),
        };
        match come {
            Ok(come) => self.arrived(come),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {}
        }
        true
    }

    fn arrived(&mut self, come: Vec<Item>) {
        let admitted_bytes = come.iter().map(Item::admitted_bytes).sum();
        self.scanner.ahead.arrived(admitted_bytes);
        self.items = come.into_iter();
    }
}

/// The data of one file, taken in pieces; holes are not among them.
pub(super) struct Payload<'a, 'b> {
    source: Source<'a, 'b>,
    /// What came last, of a file that did not come whole.
    chunk: Vec<u8>,
    taken: usize,
    end: Option<ReadEnd>,
    so_far: Condition,
}

/// Where further chunks come from.
enum Source<'a, 'b> {
    /// Nowhere: it came whole.
    Whole(Data),
    /// The scanner.
    Scanner(&'b mut Inlet<'a>),
    /// The file itself, opened again.
    File(Option<FileReader>),
}

impl<'a, 'b> Payload<'a, 'b> {
    /// A file that came whole.
    pub(super) fn whole(data: Data, end: ReadEnd) -> Self {
        Self {
            so_far: end.condition,
            ..Self::of(Source::Whole(data), Some(end))
        }
    }

    /// A file whose chunks are still to come.
    pub(super) fn streamed(inlet: &'b mut Inlet<'a>) -> Self {
        Self::of(Source::Scanner(inlet), None)
    }

    /// A file that is read here, past the scanner; `None` for what has no data.
    pub(super) fn again(reader: Option<FileReader>) -> Self {
        let end = reader.is_none().then(ReadEnd::whole);
        Self::of(Source::File(reader), end)
    }

    fn of(source: Source<'a, 'b>, end: Option<ReadEnd>) -> Self {
        Self {
            source,
            chunk: Vec::new(),
            taken: 0,
            end,
            so_far: Condition::Whole,
        }
    }

    /// Up to `limit` bytes, at least one, and the state of the file behind them. As much comes
    /// as the member declares.
    pub(super) fn take(&mut self, limit: u64) -> Result<(&[u8], Condition), ScannerGone> {
        if self.taken == self.chunk().len() {
            self.refill()?;
        }
        let left = self.chunk().len() - self.taken;
        let count = usize::try_from(limit).map_or(left, |limit| limit.min(left));
        let taken = self.taken;
        self.taken += count;
        Ok((&self.chunk()[taken..taken + count], self.so_far))
    }

    fn chunk(&self) -> &[u8] {
        match &self.source {
            Source::Whole(data) => data,
            Source::Scanner(_) | Source::File(_) => &self.chunk,
        }
    }

    /// Whether more of it, or its end, is there or comes within a moment; or never will.
    pub(super) fn comes(&mut self) -> bool {
        match &mut self.source {
            Source::Scanner(inlet) if self.end.is_none() && self.taken == self.chunk.len() => {
                inlet.comes()
            }
            _ => true,
        }
    }

    fn refill(&mut self) -> Result<(), ScannerGone> {
        if self.end.is_some() {
            return Err(ScannerGone);
        }
        self.recycle();
        match &mut self.source {
            Source::Whole(_) | Source::File(None) => Err(ScannerGone),
            Source::Scanner(inlet) => match inlet.next()? {
                Item::Chunk(chunk, condition) if !chunk.is_empty() => {
                    self.chunk = chunk;
                    self.so_far = condition;
                    Ok(())
                }
                _ => Err(ScannerGone),
            },
            Source::File(Some(reader)) => {
                self.chunk.resize(CHUNK_BYTES, 0);
                let filled = reader.read(&mut self.chunk);
                self.chunk.truncate(filled);
                self.so_far = reader.condition_so_far();
                (filled > 0).then_some(()).ok_or(ScannerGone)
            }
        }
    }

    fn recycle(&mut self) {
        if let Source::Scanner(inlet) = &self.source {
            inlet.scanner.ahead.recycle(std::mem::take(&mut self.chunk));
        }
        self.chunk.clear();
        self.taken = 0;
    }

    /// Nobody wants the rest: the scanner need not read it.
    pub(super) fn abandon(&mut self) -> Result<(), ScannerGone> {
        if let Source::Scanner(inlet) = &self.source {
            inlet.scanner.ahead.abandon(inlet.begun);
        }
        self.finish().map(drop)
    }

    /// The digest of the whole file, if it was made where the file was read.
    pub(super) fn known_digest(&self) -> Option<Digest> {
        self.end.as_ref().and_then(|end| end.digest)
    }

    /// What became of the file in the end. What was not taken of it is thrown away.
    pub(super) fn finish(&mut self) -> Result<ReadEnd, ScannerGone> {
        while self.end.is_none() {
            self.recycle();
            match &mut self.source {
                Source::Whole(_) => return Err(ScannerGone),
                Source::File(reader) => {
                    self.end = reader.take().map(FileReader::finish);
                }
                Source::Scanner(inlet) => match inlet.next()? {
                    Item::End(end) => self.end = Some(end),
                    Item::Chunk(chunk, _) => self.chunk = chunk,
                    _ => return Err(ScannerGone),
                },
            }
        }
        self.recycle();
        Ok(self.end.clone().unwrap_or_else(ReadEnd::whole))
    }
}
