//! The catalog as one portable file: JSON lines in zstd. `docs/catalog.md`, "Export".
//!
//! Invariants: an import is whole or not at all, and nothing in a file makes it take more memory
//! than the entries of one receipt at its bound.

mod entry;
mod export;
mod import;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use export::Exported;
pub use import::{Imported, import};

use crate::error::CatalogError;
use crate::model::event::{Event, Receipt};

/// Version of the export format that is written, and the newest that is read.
pub const EXPORT_VERSION: u32 = 1;
/// Most bytes of a line.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Most entries of one receipt: more than a segment on tape may have.
const ENTRIES_MAX: u64 = 1 << 20;
/// The frame needs no larger window than 8 MiB.
const WINDOW_LOG: u32 = 23;
const ZSTD_LEVEL: i32 = 3;

/// An export that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortableError {
    /// The file cannot be read or written: mend the cause and try again.
    #[error("cannot read or write the export")]
    Io(#[source] std::io::Error),
    /// The directory of the new catalog cannot be used: check path, permissions and space.
    #[error("{path}: cannot use it for the import")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Not an export, or damaged. Nothing was imported: use another copy.
    #[error("line {line} of the export: {what}")]
    Line {
        /// Number of the line, the first is 1.
        line: u64,
        /// What is wrong, for people.
        what: String,
    },
    /// Written by later software: use that, or a newer version of this.
    #[error("export of version {found}, this software knows up to {EXPORT_VERSION}")]
    Newer {
        /// The version found.
        found: u32,
    },
    /// There is a catalog already; an import makes a new one.
    #[error("{path}: there is a catalog already, or was one")]
    Exists {
        /// The catalog's directory.
        path: PathBuf,
    },
    /// The catalog itself failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The caller asked to stop. Nothing was imported.
    #[error("stopped")]
    Stopped,
}

/// Line 1.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    tapewright_catalog_export: u32,
    catalog: Uuid,
    created: Timestamp,
    software: String,
}

/// What each version's line 1 has.
#[derive(Debug, Deserialize)]
struct Version {
    tapewright_catalog_export: u32,
}

/// A line between the first and the last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Event(Box<EventLine>),
    Receipt(Box<ReceiptLine>),
    Entry(Box<entry::EntryLine>),
    End(End),
}

/// A ledger line that is no receipt.
#[derive(Debug, Serialize, Deserialize)]
struct EventLine {
    time: Timestamp,
    event: Event,
}

/// A receipt; so many lines with its entries follow.
#[derive(Debug, Serialize, Deserialize)]
struct ReceiptLine {
    time: Timestamp,
    entries: u64,
    receipt: Receipt,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    /// Lines of events and receipts.
    events: u64,
    /// Lines of entries.
    entries: u64,
    /// BLAKE3 of all lines before, in hexadecimal.
    blake3: String,
}
