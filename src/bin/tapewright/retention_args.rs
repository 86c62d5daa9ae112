//! What the user may type of how long things are kept, as clap sees it.

use clap::{Args, Subcommand};
use tapewright::jobs::retention::KeepFor;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how_long").required(true)
    .args(["keep_for", "until", "forever"]))]
pub struct KeepArgs {
    /// The jobs, by name or identity
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<String>,
    /// For so long from the start of each job: 10y, 6mo, 2w, 90d
    #[arg(long = "for", value_name = "TIME")]
    pub keep_for: Option<KeepFor>,
    /// Until the end of this day: 2036-01-31
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Until something else is said
    #[arg(long)]
    pub forever: bool,
}

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Place a hold
    #[command(group = clap::ArgGroup::new("on").required(true).args(["job", "tape"]))]
    Add {
        /// On this job, with all its copies: its name or identity
        #[arg(long, value_name = "JOB")]
        job: Option<String>,
        /// On all jobs that have a segment on this tape
        #[arg(long, value_name = "BARCODE")]
        tape: Option<String>,
        /// Why, for those who come after
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// The holds in force
    List {
        /// Those that were released, too
        #[arg(long)]
        all: bool,
    },
    /// End a hold
    Release {
        /// Its identity, or the beginning of it
        #[arg(value_name = "HOLD")]
        hold: String,
        /// Why, for those who come after
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub struct ExpireArgs {
    /// Show which jobs and tapes would go, when, and what keeps them; write nothing
    #[arg(long, visible_alias = "preview")]
    pub dry_run: bool,
    /// Only what would go by that day: 2036-01-31
    #[arg(long, value_name = "DATE", requires = "dry_run")]
    pub as_of: Option<String>,
}
