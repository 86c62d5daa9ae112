//! Reads an export into a new catalog. The file may come from anybody.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{
    ENTRIES_MAX, EXPORT_VERSION, Header, LINE_BYTES_MAX, Line, PortableError, ReceiptLine, Version,
    WINDOW_LOG,
};
use crate::catalog::{Catalog, OpenOptions};
use crate::disk::sync_directory;
use crate::entries::ENTRIES_DIRECTORY;
use crate::error::CatalogError;
use crate::model::Entry;
use crate::model::event::Event;

/// What an import brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Events and receipts.
    pub events: u64,
    /// Entries of the receipts.
    pub entries: u64,
}

/// Makes a new catalog in `directory` from an export. It is made beside and renamed once all of
/// the file was read and its sum is right. `go_on` is asked between lines. Memory: the entries
/// of one receipt.
///
/// # Errors
///
/// There is a catalog, the file is no export, damaged or cut off, or the directory cannot be
/// written. Nothing is left of it then.
pub fn import(
    directory: &Path,
    software: &str,
    input: impl Read,
    go_on: &dyn Fn() -> bool,
) -> Result<Imported, PortableError> {
    if Catalog::exists(directory) {
        let path = directory.to_owned();
        return Err(PortableError::Exists { path });
    }
    let aside = directory.with_extension("importing");
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| PortableError::Directory { path, source }
    };
    remove_all(&aside).map_err(unusable(&aside))?;
    let result = read(&aside, software, input, go_on).and_then(|done| {
        // Of a catalog whose making was cut off there may be an empty frame.
        let _ = fs::remove_dir(directory.join(ENTRIES_DIRECTORY));
        let _ = fs::remove_dir(directory);
        fs::rename(&aside, directory).map_err(unusable(directory))?;
        let parent = directory.parent().filter(|parent| parent.is_dir());
        parent
            .map_or(Ok(()), sync_directory)
            .map_err(unusable(directory))?;
        Ok(done)
    });
    if result.is_err() {
        // What is left of a failed import is removed by the next one at the latest.
        let _ = remove_all(&aside);
    }
    result
}

fn remove_all(directory: &PathBuf) -> std::io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(
    directory: &Path,
    software: &str,
    input: impl Read,
    go_on: &dyn Fn() -> bool,
) -> Result<Imported, PortableError> {
    let mut zstd = zstd::Decoder::new(input).map_err(PortableError::Io)?;
    zstd.window_log_max(WINDOW_LOG).map_err(PortableError::Io)?;
    let mut lines = Lines {
        reader: BufReader::with_capacity(256 * 1024, zstd),
        digest: blake3::Hasher::new(),
        line: Vec::new(),
        number: 0,
        go_on,
    };
    let header = lines.header()?;
    let catalog = Catalog::create(
        directory,
        header.created,
        header.catalog,
        software,
        OpenOptions::default(),
    )?;
    let mut done = Imported::default();
    loop {
        let before = lines.digest.finalize().to_hex();
        match lines.next()? {
            Line::Event(line) => {
                done.events += 1;
                let appended = match &line.event {
                    dropped @ Event::EntriesDropped(_) => catalog.append_any(line.time, dropped),
                    event => catalog.append(line.time, event),
                };
                appended.map_err(|error| lines.refused(error))?;
            }
            Line::Receipt(line) => {
                done.events += 1;
                done.entries += line.entries;
                let entries = lines.entries(&line)?;
                let committed = catalog.commit(line.time, line.receipt, entries);
                committed.map_err(|error| lines.refused(error))?;
            }
            Line::Entry(_) => return Err(lines.wrong("an entry without its receipt")),
            Line::End(end) => {
                if end.blake3 != before.as_str() {
                    return Err(lines.wrong("the lines before it do not have its sum"));
                }
                if (end.events, end.entries) != (done.events, done.entries) {
                    return Err(lines.wrong("it counts otherwise than there is"));
                }
                lines.nothing_more()?;
                return Ok(done);
            }
        }
    }
}

struct Lines<'a, R: BufRead> {
    reader: R,
    /// Of all lines so far.
    digest: blake3::Hasher,
    line: Vec<u8>,
    number: u64,
    go_on: &'a dyn Fn() -> bool,
}

impl<R: BufRead> Lines<'_, R> {
    fn header(&mut self) -> Result<Header, PortableError> {
        self.read()?;
        let Version {
            tapewright_catalog_export: found,
        } = self.parse()?;
        match found {
            0 => Err(self.wrong("it has no version")),
            1..=EXPORT_VERSION => self.parse(),
            _ => Err(PortableError::Newer { found }),
        }
    }

    fn next(&mut self) -> Result<Line, PortableError> {
        self.read()?;
        self.parse()
    }

    /// The lines that follow a receipt.
    fn entries(&mut self, receipt: &ReceiptLine) -> Result<Vec<Entry>, PortableError> {
        if receipt.entries > ENTRIES_MAX {
            return Err(self.wrong(&format!("a receipt of more than {ENTRIES_MAX} entries")));
        }
        let mut entries = Vec::new();
        for _ in 0..receipt.entries {
            let Line::Entry(line) = self.next()? else {
                return Err(self.wrong("not the entry that was due"));
            };
            let entry = Entry::try_from(*line).map_err(|what| self.wrong(&what))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Reads one line, which has to be there, into the buffer.
    fn read(&mut self) -> Result<(), PortableError> {
        if !(self.go_on)() {
            return Err(PortableError::Stopped);
        }
        self.line.clear();
        self.number += 1;
        let read = (&mut self.reader)
            .take(LINE_BYTES_MAX + 1)
            .read_until(b'\n', &mut self.line);
        read.map_err(|error| self.unreadable(error))?;
        match self.line.last() {
            Some(b'\n') => {
                self.digest.update(&self.line);
                Ok(())
            }
            _ if self.line.len() as u64 > LINE_BYTES_MAX => Err(self.wrong("too long")),
            _ => Err(self.wrong("the file ends before its end line: it was cut off")),
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, PortableError> {
        serde_json::from_slice(&self.line).map_err(|error| self.wrong(&error.to_string()))
    }

    fn nothing_more(&mut self) -> Result<(), PortableError> {
        let rest = self.reader.fill_buf();
        match rest.map(|rest| rest.is_empty()) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.number += 1;
                Err(self.wrong("something follows the end line"))
            }
            Err(error) => Err(self.unreadable(error)),
        }
    }

    fn wrong(&self, what: &str) -> PortableError {
        PortableError::Line {
            line: self.number,
            what: what.to_owned(),
        }
    }

    /// What zstd says of bytes that are none of its own comes as an error of reading.
    fn unreadable(&self, error: std::io::Error) -> PortableError {
        match error.kind() {
            std::io::ErrorKind::Other
            | std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::InvalidData => self.wrong(&format!("damaged: {error}")),
            _ => PortableError::Io(error),
        }
    }

    /// A catalog that refuses what a line says is in order; the line is not.
    fn refused(&self, error: CatalogError) -> PortableError {
        use crate::entries::EntriesError;
        use crate::ledger::LedgerError;
        let told = |source: Option<&dyn std::error::Error>| {
            source.map_or_else(String::new, ToString::to_string)
        };
        match &error {
            CatalogError::Ledger(LedgerError::Unwritable { fault, .. }) => {
                self.wrong(&told(Some(fault)))
            }
            CatalogError::Entries(EntriesError::Invalid { fault, .. }) => {
                self.wrong(&told(Some(fault)))
            }
            CatalogError::NotAppendable => self.wrong("an event that an export does not have"),
            _ => error.into(),
        }
    }
}
