//! What the user may type about the catalog, as clap sees it.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use tapewright::jobs::catalog_copy::CatalogCopy;

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Read the tapes' indexes and bring the catalog back from them
    Rebuild {
        /// Only these tapes [default: every labelled tape in the library]
        barcodes: Vec<String>,
    },
    /// Read all of the catalog and compare it with itself, and with a tape if one is named. Else
    /// it touches no tape
    Check(CheckArgs),
    /// Merge its entry files, and let go of what is expired and overwritten. Touches no tape
    Compact(CompactArgs),
    /// Write the catalog to a new file that other programs can read, and `catalog import`
    Export {
        /// The file: JSON lines in zstd (docs/catalog.md)
        file: PathBuf,
    },
    /// Make the catalog of a state directory that has none, from such a file or from the copy on
    /// a tape
    #[command(group(ArgGroup::new("from").args(["file", "from_tape"]).required(true)))]
    Import {
        /// The file
        file: Option<PathBuf>,
        /// Take the newest copy on this tape, and what the tape itself has behind it
        #[arg(long, value_name = "BARCODE")]
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
pub struct CheckArgs {
    /// Compare it with the label and the indexes of this tape as well; the files on it are not read
    #[arg(long, value_name = "BARCODE")]
    pub tape: Option<String>,
}

#[derive(Debug, Args)]
pub struct CompactArgs {
    /// Show which files would be merged, and what would leave the catalog; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::args::Cli;

    #[test]
    fn the_usage_of_an_import_names_both_of_its_sources() {
        let mut command = Cli::command();
        command.build();
        let catalog = command.find_subcommand_mut("catalog").expect("it is there");
        let import = catalog.find_subcommand_mut("import").expect("it is there");
        let usage = import.render_usage().to_string();
        assert!(
            usage.contains("FILE") && usage.contains("--from-tape <BARCODE>"),
            "{usage}"
        );
    }
}
