//! What the user may type behind `library`, as clap sees it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tapewright::units::ByteSize;

#[derive(Debug, Subcommand)]
pub enum LibraryCommand {
    /// Make a simulated library, or name the devices of a real one; it becomes the current one
    Create(LibraryCreateArgs),
    /// Make a simulated library that exists the current one
    Use {
        /// Its directory
        #[arg(long, value_name = "DIR")]
        sim: PathBuf,
    },
    /// Drives, slots, barcodes and what is loaded. Moves nothing
    Status,
    /// Bring cartridges from the mail slots into free slots
    Import {
        /// Barcodes, or numbers of mail slots [default: all that is in the mail slots]
        #[arg(value_name = "SLOT|BARCODE")]
        tapes: Vec<String>,
        /// Show where they would go, and move nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Put tapes into the mail slots, to be taken out of the library
    Export {
        /// Barcodes; or numbers of slots, for cartridges whose barcodes cannot be read
        #[arg(value_name = "BARCODE", required = true)]
        tapes: Vec<String>,
        /// Show where they would go, and move nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Move a tape to an empty slot
    Move {
        /// The tape; or the number of its slot, if its barcode cannot be read
        #[arg(value_name = "BARCODE")]
        tape: String,
        /// Number of the slot
        #[arg(long, value_name = "SLOT")]
        to: u16,
        /// Show the move, and make none
        #[arg(long)]
        dry_run: bool,
    },
    /// Every changer and drive that this host has: nodes, serial numbers, firmware, which drive
    /// sits in which library. Claims and moves nothing
    Scan,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("kind").required(true).multiple(true)
    .args(["sim", "changer", "drive"]))]
pub struct LibraryCreateArgs {
    /// Make a simulated library in this new directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["changer", "drive"])]
    pub sim: Option<PathBuf>,
    /// The changer of a real library: /dev/sgN or a link in /dev/tape/by-id. Its drives are
    /// found by serial number
    #[arg(long, value_name = "DEVICE")]
    pub changer: Option<PathBuf>,
    /// A drive: /dev/tape/by-id/…, /dev/nstN or /dev/sgN. Repeat for each drive; with a changer
    /// only to leave others out, or where the library does not tell serial numbers
    #[arg(long, value_name = "DEVICE")]
    pub drive: Vec<PathBuf>,
    /// Simulated: number of drives
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16),
        requires = "sim")]
    pub drives: u16,
    /// Simulated: number of storage slots
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000),
        requires = "sim")]
    pub slots: u16,
    /// Simulated: LTO generation of drives and tapes, 5 to 9
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(5..=9),
        requires = "sim")]
    pub generation: u8,
    /// Simulated: capacity of a tape, such as 64MiB [default: the generation's own]
    #[arg(long, value_name = "SIZE", requires = "sim")]
    pub capacity: Option<ByteSize>,
}
