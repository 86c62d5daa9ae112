//! Copies of the catalog on tape (`docs/catalog-copy.md`): written behind a job, in its mount, and
//! read back where there is no catalog.

mod import;
mod keep;
mod stream;
mod write;

use std::fmt;
use std::str::FromStr;

use catalogs::{Catalog, CatalogError};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::error::Failure;
use crate::units::TapeFile;

pub use import::{ImportedCopy, UnusedCopy, import};
pub(super) use keep::Keeping;
pub(super) use write::{Behind, write};

/// When a copy of the catalog is written behind a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatalogCopy {
    /// Where one is due.
    #[default]
    Auto,
    /// Behind each job that wrote something.
    Always,
    /// Not at all.
    Never,
}

impl CatalogCopy {
    const ALL: [(CatalogCopy, &'static str); 3] = [
        (CatalogCopy::Auto, "auto"),
        (CatalogCopy::Always, "always"),
        (CatalogCopy::Never, "never"),
    ];
}

impl fmt::Display for CatalogCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.iter();
        let name = all.find(|(when, _)| when == self).map(|(_, name)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

impl FromStr for CatalogCopy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, name)| *name == text).map(|(when, _)| *when);
        found.ok_or_else(|| format!("`{text}` is none of auto, always and never"))
    }
}

/// What became of the copy on one tape.
#[derive(Debug, Clone, Serialize)]
pub struct CopiedCatalog {
    /// The tape.
    pub barcode: String,
    /// What happened.
    pub outcome: CopyOutcome,
    /// Tape file of its first segment, if it was written.
    pub tape_file: Option<TapeFile>,
    /// Bytes of its records.
    pub stored_bytes: u64,
    /// Why it was not written, as a sentence without a full stop.
    pub why_not: Option<String>,
    /// What it failed with. The job is safe.
    pub failure: Option<Failure>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyOutcome {
    /// It is on its medium and in the catalog.
    Written,
    /// The newest on this tape is new enough.
    NotDue,
    /// There was too little room.
    NoRoom,
    /// It was begun and not ended.
    Failed,
}

/// When the newest copy on a volume was recorded, if there is one that came to its end.
pub(crate) fn newest(catalog: &Catalog, volume: Uuid) -> Result<Option<Timestamp>, CatalogError> {
    let receipts = catalog.receipts_of_volume(&volume)?;
    let mut copies = receipts.iter().rev();
    let newest = copies.find(|recorded| recorded.what.receipt.ends_catalog_copy());
    Ok(newest.map(|recorded| recorded.time))
}
