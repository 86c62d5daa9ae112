//! What the user may type about the catalog, as clap sees it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tapewright::jobs::catalog_copy::CatalogCopy;

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Read the tapes' indexes and bring the catalog back from them
    Rebuild {
        /// Only these tapes [default: every labelled tape in the library]
        barcodes: Vec<String>,
    },
    /// Read all of the catalog and compare it with itself. Touches no tape
    Check,
    /// Merge its entry files, and let go of what is expired and overwritten. Touches no tape
    Compact(CompactArgs),
    /// Write the catalog to a new file that other programs can read, and `catalog import`
    Export {
        /// The file: JSON lines in zstd (docs/catalog.md)
        file: PathBuf,
    },
    /// Make the catalog of a state directory that has none, from such a file or from the copy on
    /// a tape
    Import {
        /// The file
        #[arg(required_unless_present = "from_tape")]
        file: Option<PathBuf>,
        /// Take the newest copy on this tape, and what the tape itself has behind it
        #[arg(long, value_name = "BARCODE", conflicts_with = "file")]
        from_tape: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct CatalogCopyArgs {
    /// Write a copy of the catalog behind the job, so that this tape alone tells of all tapes:
    /// `auto` once a day and where it is small beside the job, `always`, or `never` [default: auto]
    #[arg(long = "catalog-copy", value_name = "WHEN")]
    pub when: Option<CatalogCopy>,
}

#[derive(Debug, Args)]
pub struct CompactArgs {
    /// Show which files would be merged, and what would leave the catalog; write nothing
    #[arg(long)]
    pub dry_run: bool,
}
