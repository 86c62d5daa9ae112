//! Which files have the entries of receipts: events of the ledger. `docs/catalog.md`, "Merging and
//! compaction".

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::EntryFileRef;

/// From now on the entries of some receipts are in one file, and those that they were in do not
/// count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntriesMerged {
    /// Identity of the file.
    pub id: Uuid,
    /// The file.
    pub entry_file: EntryFileRef,
    /// Lines of the receipts, in the order of their numbers in the file.
    pub receipts: Vec<u64>,
}

impl EntriesMerged {
    /// Most receipts of one file.
    pub const RECEIPTS_MAX: usize = 65_536;
}

/// All that a job wrote is expired and overwritten: its entries are in no file any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntriesDropped {
    /// The job.
    pub job: Uuid,
}
