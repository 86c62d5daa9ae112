#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]
//! The Tapewright catalog: what is on which tape, and where.
//!
//! [`Catalog`] is a directory with a ledger of all that happened, sealed files with the entries
//! of each receipt, and an index derived from both. Jobs [`append`](Catalog::append) events and
//! [`commit`](Catalog::commit) receipts; [`find`](Catalog::find) answers where a file is.
//! `docs/catalog.md` is the authority on the format. Nothing here knows tape drives; clock and
//! identities are the caller's.

mod catalog;
mod disk;
mod entries;
mod error;
mod index;
mod ledger;
mod lock;
mod merge;
pub mod model;
mod pattern;
pub mod portable;
mod query;
pub mod store;

/// Version of the catalog format that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 3;

pub use catalog::{
    Appended, Catalog, CheckReport, DamagedFile, Inconsistency, Job, Notice, OpenOptions,
    RestoreRun, Volume,
};
pub use entries::{ENTRIES_DIRECTORY, ENTRIES_MAX, EntriesError, Fault};
pub use error::CatalogError;
pub use index::IndexError;
pub use ledger::{Hold, Kept, LEDGER_FILE, LedgerError, LineFault, LostLines, Retained};
pub use lock::LockError;
pub use merge::{Compaction, DroppedJob, MergedJob};
pub use pattern::{Pattern, PatternError, Reading};
pub use query::{
    AtRisk, Building, Child, Children, Duplicate, Duplicates, Filter, FindOptions, Hit, Hits, Loss,
    Standing, Standings, Totals, Usage, Usages, Version, View,
};
