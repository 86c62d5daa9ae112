//! What the user may type behind `tape`, as clap sees it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tapewright::units::{ByteSize, TimeSpan};

#[derive(Debug, Subcommand)]
pub enum TapeCommand {
    /// Write a label to blank tapes and put them into a pool
    Label(LabelArgs),
    /// The tapes known: pool, used, free, state
    List,
    /// One tape: what is on it, how it is
    Show {
        /// The tape
        barcode: String,
    },
    /// Say where tapes are that are in no library: on a shelf, with a courier, in a vault
    Place(PlaceArgs),
    /// Every file that is on this tape, in all its versions there
    Contents {
        /// The tape
        barcode: String,
        /// Only what this path or glob means
        #[arg(default_value = "/")]
        pattern: String,
        /// Also mode, owner, size, time, digest and where it lies on tape
        #[arg(long, short)]
        long: bool,
    },
    /// What would be lost with these tapes: files that are on no other good tape
    AtRisk(AtRiskArgs),
    /// Save what is left on a tape, whoever wrote it: every file that comes whole, past what
    /// cannot be read
    Rescue(RescueArgs),
    /// Write one raw tape file to stdout: for tar, zstd and the sceptic
    Dump {
        /// The tape
        barcode: String,
        /// Number of the tape file; the label is 0
        #[arg(long, value_name = "N")]
        file: u64,
    },
}

#[derive(Debug, Args)]
pub struct RescueArgs {
    /// The tape: its barcode, or the drive that it is in, such as /dev/nst0
    #[arg(value_name = "BARCODE")]
    pub tape: String,
    /// Save below this directory, each tape in one of its own: new, or with rescues of other tapes
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Try a block that cannot be read so often again
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub retries: u32,
    /// Give the rest of a tape file up once so many blocks in a row cannot be read
    #[arg(long, value_name = "BLOCKS", default_value_t = 65536,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub most_bad: u64,
    /// Keep what came of files that are not whole, as NAME.tapewright-partial
    #[arg(long)]
    pub keep_partial: bool,
    /// Set owner and group by number, not by name
    #[arg(long)]
    pub numeric_owner: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["shelf", "courier", "vault"]))]
pub struct PlaceArgs {
    /// The tapes
    #[arg(required = true, value_name = "BARCODE")]
    pub barcodes: Vec<String>,
    /// In this house: the name of a shelf or safe
    #[arg(long, value_name = "NAME")]
    pub shelf: Option<String>,
    /// On their way, with this courier
    #[arg(long, value_name = "NAME")]
    pub courier: Option<String>,
    /// In another house: the name of the vault, and of the container
    #[arg(long, value_name = "NAME")]
    pub vault: Option<String>,
    /// So long it usually takes to bring one from there: 20m, 4h, 2d
    #[arg(long, value_name = "TIME")]
    pub fetch: Option<TimeSpan>,
}

#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The tapes to label
    #[arg(required_unless_present_any = ["all", "erase"])]
    pub barcodes: Vec<String>,
    /// Label every blank tape in the library
    #[arg(long, conflicts_with_all = ["barcodes", "erase"])]
    pub all: bool,
    /// The pool that the tapes shall belong to
    #[arg(long)]
    pub pool: String,
    /// Give up what is on this tape: its barcode, typed here in full
    #[arg(long, value_name = "BARCODE")]
    pub erase: Option<String>,
    /// Size of a tape block: a multiple of 512 bytes, 64KiB to 8MiB
    #[arg(long, value_name = "SIZE", default_value = "512KiB")]
    pub block_size: ByteSize,
}

#[derive(Debug, Args)]
pub struct AtRiskArgs {
    /// The tapes that are thought of as lost
    #[arg(required = true)]
    pub barcodes: Vec<String>,
    /// Only what this path or glob means
    #[arg(long, value_name = "PATTERN")]
    pub below: Option<String>,
    /// List older versions, too
    #[arg(long)]
    pub all_versions: bool,
}
