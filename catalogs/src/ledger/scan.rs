//! Reads the ledger forwards, checking the chain line by line.
//!
//! Holds one line in memory. Does not decide what a torn end means: that depends on who holds
//! the ledger's lock.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use blake3::Hash;

use super::error::LedgerError;
use super::line::{self, LINE_BYTES_MAX, LineFault, NO_SUM, Parsed};
use crate::model::event::{Event, Recorded};

/// How far a reader has come: the last line taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Number of that line; 0 before the first.
    pub(crate) seq: u64,
    /// Offset after its newline, in bytes.
    pub(crate) end: u64,
    /// Its sum.
    pub(crate) sum: Hash,
}

impl Tip {
    /// Before the first line.
    pub(crate) const START: Tip = Tip {
        seq: 0,
        end: 0,
        sum: NO_SUM,
    };
}

/// What follows a tip.
pub(crate) enum Step {
    /// A whole line, starting at this offset; the tip has moved past it.
    Line(u64, Recorded<Parsed>),
    /// Nothing.
    End,
    /// So many bytes that are no whole line.
    Torn(Vec<u8>),
}

/// Reads lines from a tip on.
pub(crate) struct Scanner {
    path: PathBuf,
    reader: BufReader<File>,
    tip: Tip,
    line: Vec<u8>,
}

impl Scanner {
    pub(crate) fn open(path: &Path, tip: Tip) -> Result<Scanner, LedgerError> {
        let mut file = open(path)?;
        let io = |source| LedgerError::Io {
            path: path.to_owned(),
            at: tip.end,
            source,
        };
        file.seek(SeekFrom::Start(tip.end)).map_err(io)?;
        let reader = BufReader::with_capacity(256 * 1024, file);
        Ok(Scanner {
            path: path.to_owned(),
            reader,
            tip,
            line: Vec::new(),
        })
    }

    /// The last line taken in.
    pub(crate) fn tip(&self) -> Tip {
        self.tip
    }

    /// Takes in the next line.
    pub(crate) fn step(&mut self) -> Result<Step, LedgerError> {
        self.line.clear();
        let at = self.tip.end;
        let io = |source| LedgerError::Io {
            path: self.path.clone(),
            at,
            source,
        };
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.line)
            .map_err(io)?;
        if read == 0 {
            return Ok(Step::End);
        }
        // Without a newline the file ended here, even if its writer has gone on since.
        let torn = match self.line.last() {
            Some(b'\n') if self.line.contains(&0) => self.reader.fill_buf().map_err(io)?.is_empty(),
            Some(b'\n') => false,
            _ => self.line.len() <= LINE_BYTES_MAX,
        };
        if torn {
            return Ok(Step::Torn(std::mem::take(&mut self.line)));
        }
        let recorded = self.take_in().map_err(|fault| LedgerError::Altered {
            path: self.path.clone(),
            line: self.tip.seq + 1,
            at,
            fault,
        })?;
        if let Parsed::Event(event) = &recorded.what
            && let Event::CatalogCreated(created) = event.as_ref()
            && created.format > crate::FORMAT_VERSION
        {
            let (path, found) = (self.path.clone(), created.format);
            return Err(LedgerError::NewerFormat { path, found });
        }
        Ok(Step::Line(at, recorded))
    }

    fn take_in(&mut self) -> Result<Recorded<Parsed>, LineFault> {
        let line = self.line.strip_suffix(b"\n").ok_or(LineFault::TooLong)?;
        let links = line::verify(line)?;
        let expected = self.tip.seq + 1;
        if links.seq != expected {
            return Err(LineFault::Seq {
                expected,
                found: links.seq,
            });
        }
        if links.prev != self.tip.sum {
            return Err(LineFault::Prev);
        }
        let recorded = line::parse(line)?;
        let creation = matches!(&recorded.what, Parsed::Event(event)
            if matches!(event.as_ref(), Event::CatalogCreated(_)));
        if creation != (expected == 1) {
            return Err(LineFault::NotFirst);
        }
        let end = self.tip.end + self.line.len() as u64;
        self.tip = Tip {
            seq: links.seq,
            end,
            sum: links.sum,
        };
        Ok(recorded)
    }
}

/// Whether the ledger's line that ends at `tip.end` has the sum of `tip`.
pub(crate) fn holds(path: &Path, tip: &Tip) -> Result<bool, LedgerError> {
    let length = line::TAIL_BYTES as u64 + 1;
    let Some(at) = tip.end.checked_sub(length) else {
        return Ok(*tip == Tip::START);
    };
    let file = open(path)?;
    let mut tail = [0; line::TAIL_BYTES + 1];
    match file.read_exact_at(&mut tail, at) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(source) => {
            return Err(LedgerError::Io {
                path: path.to_owned(),
                at,
                source,
            });
        }
    }
    let sum = tail.strip_suffix(b"\n").and_then(line::sum_of_tail);
    Ok(sum == Some(tip.sum))
}

/// Reads the one line that starts at `at`, checking its own sum.
pub(crate) fn read_line(path: &Path, at: u64) -> Result<Recorded<Parsed>, LedgerError> {
    let mut file = open(path)?;
    let io = |source| LedgerError::Io {
        path: path.to_owned(),
        at,
        source,
    };
    file.seek(SeekFrom::Start(at)).map_err(io)?;
    let mut bytes = Vec::new();
    BufReader::with_capacity(2 * 1024, file)
        .take(LINE_BYTES_MAX as u64 + 1)
        .read_until(b'\n', &mut bytes)
        .map_err(io)?;
    let read = || {
        let bytes = bytes.strip_suffix(b"\n").ok_or(LineFault::Form)?;
        line::verify(bytes)?;
        line::parse(bytes)
    };
    read().map_err(|fault| LedgerError::Misplaced {
        path: path.to_owned(),
        at,
        fault,
    })
}

fn open(path: &Path) -> Result<File, LedgerError> {
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => LedgerError::Missing {
            path: path.to_owned(),
        },
        _ => LedgerError::Io {
            path: path.to_owned(),
            at: 0,
            source,
        },
    })
}
