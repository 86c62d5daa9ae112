//! Why the index does not answer. The catalog's response is a rebuild.

use crate::ledger::error::LedgerError;
use crate::ledger::scan::Tip;
use crate::store::StoreError;

/// The index cannot be used as it is. The catalog deletes and rebuilds it; if you see this,
/// that failed too: look at space and permissions of the index's directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The store failed.
    #[error("the index cannot be read or written")]
    Store(#[from] StoreError),
    /// A row is not as this version writes it.
    #[error("the index has a row that does not decode (key starts with {:?})", *.table as char)]
    Row {
        /// First byte of its key.
        table: u8,
    },
    /// Rows are missing or altered.
    #[error("the rows of the index do not match their checksum")]
    Checksum,
    /// It was made from another ledger, or from lines this one has lost.
    #[error("the index does not belong to this ledger (it knows line {line})")]
    Foreign {
        /// The last line it knows.
        line: u64,
    },
}

/// Why a question to the index was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It was made from another ledger, or from lines that this one has lost.
    #[error("the index does not belong to this ledger (it knows line {})", .0.seq)]
    Foreign(Tip),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Index(error.into())
    }
}

pub(crate) type Answer<T> = Result<T, Trouble>;
