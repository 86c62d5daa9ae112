//! What the user may type of jobs, as clap sees it.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// The jobs that there were, the newest last: what, when, how much, how it ended, how long it
    /// is kept
    List(JobListArgs),
    /// One job: its sources, its tapes, its holds, what went wrong
    Show {
        /// Its name or identity, or the beginning of that
        job: String,
    },
}

#[derive(Debug, Args)]
pub struct JobListArgs {
    /// Only jobs of this pool
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    /// Only jobs that began at this moment or later: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Only jobs with this in their name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only archives, or only restores
    #[arg(long, value_enum)]
    pub kind: Option<JobKindArg>,
}

/// Kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JobKindArg {
    Archive,
    Restore,
}
