//! What the user may ask the catalog's files: `find`, `ls`, `tree`, `du`, `browse` and
//! `duplicates`, as clap sees them.

use std::path::PathBuf;

use catalogs::model::Kind;
use clap::Args;
use tapewright::units::ByteSize;

use crate::filter;

#[derive(Debug, Args)]
pub struct FindArgs {
    /// A path (a directory: all below it) or a glob with `**`
    pub pattern: String,
    /// Read the pattern as a regular expression, matched anywhere in the path
    #[arg(long, conflicts_with = "substring")]
    pub regex: bool,
    /// Read the pattern as a piece of the path, whatever characters it has
    #[arg(long)]
    pub substring: bool,
    /// Upper and lower case are the same
    #[arg(long, short)]
    pub ignore_case: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only say which tapes hold it, and how much each
    #[arg(long)]
    pub tapes: bool,
    /// Also mode, owner, size, time, digest and where it lies on tape
    #[arg(long, short)]
    pub long: bool,
    /// Every archived version, not only the newest
    #[arg(long)]
    pub all_versions: bool,
    /// Only what lies on this tape
    #[arg(long, value_name = "BARCODE")]
    pub on_tape: Option<String>,
    /// The newest version at that moment: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// What only expired jobs hold, too
    #[arg(long)]
    pub expired: bool,
}

/// What a version has to be like.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only these: file, dir, symlink, hardlink, char, block, fifo, socket. Repeat
    #[arg(long = "type", value_name = "TYPE", value_parser = filter::kind)]
    pub kinds: Vec<Kind>,
    /// Files of at least this size, such as 1GiB
    #[arg(long, value_name = "SIZE")]
    pub larger: Option<ByteSize>,
    /// Files of at most this size
    #[arg(long, value_name = "SIZE")]
    pub smaller: Option<ByteSize>,
    /// Modified at this moment or later: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub newer: Option<String>,
    /// Modified before this moment
    #[arg(long, value_name = "DATE")]
    pub older: Option<String>,
    /// Of this user, by name or number
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Of this group, by name or number
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// With a digest that begins so
    #[arg(long, value_name = "HEX", value_parser = filter::digest)]
    pub digest: Option<String>,
    /// Only what a later job did not find any more
    #[arg(long)]
    pub deleted: bool,
    /// Only what is gone, and was first missed by a job after that moment
    #[arg(long, value_name = "DATE")]
    pub deleted_since: Option<String>,
}

#[derive(Debug, Args)]
pub struct BrowseArgs {
    /// A path [default: the top]
    #[arg(default_value = "/")]
    pub path: String,
    /// As it was at that moment: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// Only what lies on this tape
    #[arg(long, value_name = "BARCODE")]
    pub on_tape: Option<String>,
}

#[derive(Debug, Args)]
pub struct BrowserArgs {
    /// The directory to begin in [default: the top]
    #[arg(default_value = "/")]
    pub path: String,
    /// The tree as it was at that moment: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// Offer this directory to restore below [default: restored]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DepthArgs {
    #[command(flatten)]
    pub browse: BrowseArgs,
    /// Only so many levels below the path; what is deeper is counted [default: all]
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
}

#[derive(Debug, Args)]
pub struct DuplicatesArgs {
    /// Only what this path or glob means
    #[arg(default_value = "/")]
    pub pattern: String,
    /// Files of at least this size
    #[arg(long, value_name = "SIZE", default_value = "1")]
    pub larger: ByteSize,
    /// As it was at that moment: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
}
