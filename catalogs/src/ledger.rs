//! The ledger: an append-only log whose lines are chained by digests.
//!
//! Invariants: a line is acknowledged only after fsync; lines are appended and torn ends cut off
//! only under `ledger.lock`; an append first takes in what other processes appended. It knows
//! events, but neither entry files' insides nor the index.

pub(crate) mod error;
mod home;
mod known;
pub(crate) mod line;
pub(crate) mod newest;
mod retained;
pub(crate) mod scan;
pub(crate) mod seen;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

pub use error::LedgerError;
pub(crate) use home::{FileInUse, Home, Homes, MergedFile, Placed, Tenant};
pub(crate) use known::Known;
pub use line::LineFault;
pub use retained::{Hold, Kept, Retained};

use crate::disk::sync_directory;
use crate::lock::FileLock;
use crate::model::event::{CatalogCreated, Event};
use line::Parsed;
use scan::{Scanner, Step, Tip};
use seen::Seen;

/// The ledger's name in the catalog's directory.
pub const LEDGER_FILE: &str = "ledger.jsonl";
const LOCK_FILE: &str = "ledger.lock";
const CUT_FILE: &str = "ledger.cut";
/// Names the last line that was appended.
pub(crate) const SEEN_FILE: &str = "ledger.seen";

/// Lines that the ledger is known to have had, and has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostLines {
    /// The last line that it is known to have had.
    pub had: u64,
    /// The last line that it has.
    pub has: u64,
}

impl std::fmt::Display for LostLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LostLines { had, has } = self;
        write!(f, "the ledger ends with line {has}, but ")?;
        match had > has {
            true => write!(f, "it had line {had}: an older copy was put in its place, ")?,
            false => write!(
                f,
                "its line {had} is not the one it had: another was put there, "
            )?,
        }
        f.write_str("or its end was cut off")
    }
}

/// Proof that this process may append.
#[derive(Debug)]
pub(crate) struct Appending {
    _lock: FileLock,
}

/// An open ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    lock_path: PathBuf,
    cut_path: PathBuf,
    seen_path: PathBuf,
    /// Whether `ledger.seen` said something.
    witnessed: bool,
    lost: Option<LostLines>,
    tip: Tip,
    known: Known,
    unknown_events: BTreeMap<String, u64>,
    poisoned: bool,
}

impl Ledger {
    /// Writes line 1 of a new ledger. Of several creators one wins, the others get `Exists`.
    pub(crate) fn create(
        directory: &Path,
        time: Timestamp,
        created: CatalogCreated,
    ) -> Result<(), LedgerError> {
        let path = directory.join(LEDGER_FILE);
        let draft = directory.join(format!("{LEDGER_FILE}.{}.tmp", created.catalog));
        let io = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AlreadyExists => LedgerError::Exists { path: path.clone() },
            _ => LedgerError::Io {
                path: path.clone(),
                at: 0,
                source,
            },
        };
        let event = Event::CatalogCreated(created);
        let (line, _) = line::encode(1, line::NO_SUM, time, &event).map_err(|fault| {
            LedgerError::Unwritable {
                path: path.clone(),
                after: 0,
                fault,
            }
        })?;
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(&line)?;
            file.sync_all()?;
            std::fs::hard_link(&draft, &path)
        };
        let written = write();
        let removed = crate::disk::remove_if_present(&draft);
        written.and(removed).map_err(io)?;
        sync_directory(directory).map_err(io)
    }

    /// Opens the ledger and checks all of it. The second value tells what was cut off.
    pub(crate) fn open(directory: &Path) -> Result<(Ledger, Option<Cut>), LedgerError> {
        let mut ledger = Ledger {
            path: directory.join(LEDGER_FILE),
            lock_path: directory.join(LOCK_FILE),
            cut_path: directory.join(CUT_FILE),
            seen_path: directory.join(SEEN_FILE),
            witnessed: false,
            lost: None,
            tip: Tip::START,
            known: Known::default(),
            unknown_events: BTreeMap::new(),
            poisoned: false,
        };
        let mut cut = None;
        if ledger.catch_up()?.is_some() {
            // Nobody waits here: whoever holds the lock is about to finish that line.
            if let Ok(lock) = FileLock::acquire(&ledger.lock_path, Duration::ZERO) {
                cut = ledger.settle(&lock)?;
            }
        }
        if ledger.tip.seq == 0 {
            return Err(LedgerError::Missing { path: ledger.path });
        }
        ledger.ask_witness()?;
        Ok((ledger, cut))
    }

    /// Where the ledger is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The last line taken in.
    pub(crate) fn tip(&self) -> Tip {
        self.tip
    }

    /// What the lines taken in name.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// Takes in what others have appended, as far as it is whole.
    pub(crate) fn look_again(&mut self) -> Result<(), LedgerError> {
        // A torn end is being written, or is cut off by whoever appends next.
        self.catch_up().map(|_| ())
    }

    /// Types of events that later software wrote, and how many of each.
    pub(crate) fn unknown_events(&self) -> &BTreeMap<String, u64> {
        &self.unknown_events
    }

    /// Lines that it is known to have had, and has no more.
    pub(crate) fn lost(&self) -> Option<LostLines> {
        self.lost
    }

    /// Looks whether the line is there that `ledger.seen` names.
    fn ask_witness(&mut self) -> Result<(), LedgerError> {
        let Some(seen) = Seen::read(&self.seen_path) else {
            return Ok(());
        };
        self.witnessed = true;
        let (seq, has_it) = match seen.place {
            Some((end, sum)) => {
                let seq = seen.seq;
                (seq, scan::holds(&self.path, &Tip { seq, end, sum })?)
            }
            None => (seen.seq, self.known.names_a_file_in_line(seen.seq)),
        };
        if !has_it {
            let (had, has) = (seq, self.tip.seq);
            self.lost = Some(LostLines { had, has });
        }
        Ok(())
    }

    /// Takes up that something else than `ledger.seen` tells of a line beyond the last. It says
    /// nothing where that file says that the ledger is whole.
    pub(crate) fn suspect(&mut self, seen: Seen) -> Option<LostLines> {
        if self.witnessed || seen.seq <= self.tip.seq {
            return None;
        }
        self.remember(&seen);
        self.witnessed = true;
        let (had, has) = (seen.seq, self.tip.seq);
        self.lost = Some(LostLines { had, has });
        self.lost
    }

    /// From now on the ledger counts as whole.
    pub(crate) fn accept(&mut self, _right: &Appending) -> Result<(), LedgerError> {
        let seen = Seen::from(self.tip);
        seen.write(&self.seen_path)
            .map_err(|source| LedgerError::Io {
                path: self.seen_path.clone(),
                at: 0,
                source,
            })?;
        self.witnessed = true;
        self.lost = None;
        Ok(())
    }

    /// Nothing depends on it but that a loss is noticed: what cannot be written is only logged.
    fn remember(&self, seen: &Seen) {
        if let Err(error) = seen.write(&self.seen_path) {
            tracing::warn!(%error, path = %self.seen_path.display(), "not written");
        }
    }

    /// Refuses an event that refers to a job or volume which no line names.
    pub(crate) fn check_references(&self, event: &Event) -> Result<(), LedgerError> {
        let (path, after) = (&self.path, self.tip.seq);
        self.known
            .refers_to_known(event)
            .map_err(|fault| LedgerError::Unwritable {
                path: path.clone(),
                after,
                fault,
            })
    }

    /// Waits for the right to append, then takes in what others appended.
    pub(crate) fn begin(&mut self, wait: Duration) -> Result<Appending, LedgerError> {
        if self.poisoned {
            return Err(self.poisoned_error());
        }
        let lock = FileLock::acquire(&self.lock_path, wait)?;
        if !scan::holds(&self.path, &self.tip)? {
            return Err(LedgerError::Shrunk {
                path: self.path.clone(),
                line: self.tip.seq,
            });
        }
        if let Some(cut) = self.settle(&lock)? {
            tracing::warn!(
                line = cut.line,
                bytes = cut.bytes,
                "cut off a torn ledger line"
            );
        }
        Ok(Appending { _lock: lock })
    }

    /// Appends one line and makes it durable. Returns its number.
    pub(crate) fn append(
        &mut self,
        _right: &Appending,
        time: Timestamp,
        event: &Event,
    ) -> Result<u64, LedgerError> {
        if self.poisoned {
            return Err(self.poisoned_error());
        }
        let seq = self.tip.seq + 1;
        let (line, sum) = line::encode(seq, self.tip.sum, time, event).map_err(|fault| {
            LedgerError::Unwritable {
                path: self.path.clone(),
                after: self.tip.seq,
                fault,
            }
        })?;
        self.write_durably(&line)
            .map_err(|source| self.io(source))?;
        self.tip = Tip {
            seq,
            end: self.tip.end + line.len() as u64,
            sum,
        };
        self.known.observe(seq, time, event);
        if self.lost.is_none() {
            self.remember(&Seen::from(self.tip));
            self.witnessed = true;
        }
        Ok(seq)
    }

    fn write_durably(&mut self, line: &[u8]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        let written = file.write_all(line);
        if written.is_ok() {
            let synced = file.sync_data();
            if synced.is_ok() {
                return Ok(());
            }
            // What a failed fsync left on the medium is unknown, even if a later one succeeds.
            self.poisoned = true;
            let _ = file.set_len(self.tip.end);
            return synced;
        }
        if file.set_len(self.tip.end).is_err() {
            self.poisoned = true;
        }
        written
    }

    /// Takes in all whole lines; returns what follows them if that is no whole line.
    fn catch_up(&mut self) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut scanner = Scanner::open(&self.path, self.tip)?;
        loop {
            match scanner.step()? {
                Step::Line(at, recorded) => {
                    match recorded.what {
                        Parsed::Event(event) => {
                            self.known.refers_to_known(&event).map_err(|fault| {
                                let (path, line) = (self.path.clone(), recorded.seq);
                                LedgerError::Altered {
                                    path,
                                    line,
                                    at,
                                    fault,
                                }
                            })?;
                            self.known.observe(recorded.seq, recorded.time, &event);
                        }
                        Parsed::Unknown(kind) => {
                            *self.unknown_events.entry(kind).or_default() += 1;
                        }
                    }
                    self.tip = scanner.tip();
                }
                Step::End => return Ok(None),
                Step::Torn(bytes) => return Ok(Some(bytes)),
            }
        }
    }

    /// Catches up under the lock and cuts off a torn end, keeping it in `ledger.cut`.
    fn settle(&mut self, _lock: &FileLock) -> Result<Option<Cut>, LedgerError> {
        let Some(torn) = self.catch_up()? else {
            return Ok(None);
        };
        if self.tip.seq == 0 {
            return Err(LedgerError::Altered {
                path: self.path.clone(),
                line: 1,
                at: 0,
                fault: LineFault::Form,
            });
        }
        let cut_off = || {
            let mut kept = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.cut_path)?;
            kept.write_all(&torn)?;
            kept.write_all(b"\n")?;
            kept.sync_all()?;
            let ledger = OpenOptions::new().append(true).open(&self.path)?;
            ledger.set_len(self.tip.end)?;
            ledger.sync_all()
        };
        cut_off().map_err(|source| self.io(source))?;
        Ok(Some(Cut {
            line: self.tip.seq + 1,
            bytes: torn.len() as u64,
        }))
    }

    fn io(&self, source: std::io::Error) -> LedgerError {
        LedgerError::Io {
            path: self.path.clone(),
            at: self.tip.end,
            source,
        }
    }

    fn poisoned_error(&self) -> LedgerError {
        LedgerError::Poisoned {
            path: self.path.clone(),
            after: self.tip.seq,
        }
    }
}

/// A torn line end that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Number the line would have had.
    pub(crate) line: u64,
    /// Its length in bytes.
    pub(crate) bytes: u64,
}
