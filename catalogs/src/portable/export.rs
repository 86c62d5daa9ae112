//! Writes an export.

use std::io::Write;

use serde::Serialize;
use uuid::Uuid;

use super::{
    EXPORT_VERSION, End, EventLine, Header, Line, PortableError, ReceiptLine, WINDOW_LOG,
    ZSTD_LEVEL,
};
use crate::catalog::Catalog;
use crate::entries::Stretch;
use crate::error::CatalogError;
use crate::ledger::line::Parsed;
use crate::ledger::scan::{Scanner, Step, Tip};
use crate::model::event::{Event, ReceiptRecord, Recorded};

/// The text of a ledger is at least so many times as long as what zstd makes of it.
const LEDGER_SHRINKS: u64 = 4;

/// What an export has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Events and receipts.
    pub events: u64,
    /// Entries of the receipts.
    pub entries: u64,
    /// Events of later software, which are not in it.
    pub left_out: u64,
}

impl Catalog {
    /// The identity that its first line gives it. An import keeps it.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn identity(&self) -> Result<Uuid, CatalogError> {
        let mut scanner = Scanner::open(self.ledger_path(), Tip::START)?;
        if let Step::Line(_, recorded) = scanner.step()?
            && let Parsed::Event(event) = recorded.what
            && let Event::CatalogCreated(created) = *event
        {
            return Ok(created.catalog);
        }
        // Without such a line the ledger does not open.
        Ok(Uuid::nil())
    }

    /// About how many bytes an export will have: entry files and an export are compressed by the
    /// same measure.
    ///
    /// # Errors
    ///
    /// The ledger's length cannot be learned.
    pub fn export_bytes_estimate(&self) -> std::io::Result<u64> {
        let mut bytes = std::fs::metadata(self.ledger_path())?.len() / LEDGER_SHRINKS;
        let files = self.ledger().known().files();
        bytes += files.iter().map(|file| file.file.bytes).sum::<u64>();
        Ok(bytes + bytes / 8)
    }

    /// Writes all that ledger and entry files say to `out`. `go_on` is asked between lines.
    /// Memory: a block of entries.
    ///
    /// # Errors
    ///
    /// An entry file is damaged, the ledger cannot be read, or `out` not be written.
    pub fn export<W: Write>(
        &self,
        software: &str,
        out: W,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Exported, PortableError> {
        let mut zstd = zstd::Encoder::new(out, ZSTD_LEVEL).map_err(PortableError::Io)?;
        zstd.window_log(WINDOW_LOG - 1)
            .and_then(|()| zstd.include_checksum(true))
            .map_err(PortableError::Io)?;
        let mut export = Export {
            out: zstd,
            digest: blake3::Hasher::new(),
            done: Exported::default(),
            go_on,
        };
        let _reading = self.begin_reading();
        let mut scanner =
            Scanner::open(self.ledger_path(), Tip::START).map_err(CatalogError::from)?;
        while let Step::Line(_, recorded) = scanner.step().map_err(CatalogError::from)? {
            let Recorded { seq, time, what } = recorded;
            match what {
                Parsed::Unknown(_) => export.done.left_out += 1,
                Parsed::Event(event) => match *event {
                    Event::CatalogCreated(created) => export.put(&Header {
                        tapewright_catalog_export: EXPORT_VERSION,
                        catalog: created.catalog,
                        created: time,
                        software: software.to_owned(),
                    })?,
                    Event::Receipt(record) => {
                        if self.counts(seq, &record) {
                            let entries = self.entries_of(&record).map_err(CatalogError::from)?;
                            export.receipt(time, record, entries)?;
                        }
                    }
                    // An import merges for itself.
                    Event::EntriesMerged(_) => {}
                    event => {
                        export.done.events += 1;
                        export.put(&Line::Event(Box::new(EventLine { time, event })))?;
                    }
                },
            }
        }
        export.finish()
    }
}

struct Export<'a, W: Write> {
    out: zstd::Encoder<'static, W>,
    digest: blake3::Hasher,
    done: Exported,
    go_on: &'a dyn Fn() -> bool,
}

impl<W: Write> Export<'_, W> {
    fn put(&mut self, line: &impl Serialize) -> Result<(), PortableError> {
        if !(self.go_on)() {
            return Err(PortableError::Stopped);
        }
        let io = |error: serde_json::Error| PortableError::Io(error.into());
        let mut bytes = serde_json::to_vec(line).map_err(io)?;
        bytes.push(b'\n');
        self.digest.update(&bytes);
        self.out.write_all(&bytes).map_err(PortableError::Io)
    }

    fn receipt(
        &mut self,
        time: jiff::Timestamp,
        record: ReceiptRecord,
        stretch: Option<Stretch>,
    ) -> Result<(), PortableError> {
        let expected = stretch.as_ref().map_or(0, |_| record.entry_file.entries);
        self.done.events += 1;
        self.put(&Line::Receipt(Box::new(ReceiptLine {
            time,
            entries: expected,
            receipt: record.receipt,
        })))?;
        let Some(mut stretch) = stretch else {
            return Ok(());
        };
        let mut entries = 0;
        while let Some(entry) = stretch.next_entry().map_err(CatalogError::from)? {
            entries += 1;
            self.put(&Line::Entry(Box::new(entry.into())))?;
        }
        if entries != expected {
            return Err(CatalogError::from(stretch.miscounted()).into());
        }
        self.done.entries += entries;
        Ok(())
    }

    fn finish(mut self) -> Result<Exported, PortableError> {
        let end = End {
            events: self.done.events,
            entries: self.done.entries,
            blake3: self.digest.finalize().to_hex().to_string(),
        };
        self.put(&Line::End(end))?;
        let mut out = self.out.finish().map_err(PortableError::Io)?;
        out.flush().map_err(PortableError::Io)?;
        Ok(self.done)
    }
}
