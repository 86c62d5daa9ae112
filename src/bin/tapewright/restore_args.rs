//! What the user may type behind `restore`, as clap sees it.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExistingArg {
    /// Restore nothing
    Refuse,
    /// Leave it and list it
    Skip,
    /// Replace it if the archived one was modified later
    Newer,
    /// Leave it, and restore under a name with `.restored-1` behind it
    Rename,
    /// Replace it
    Overwrite,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Paths (a directory: all below it) or globs with `**`
    #[arg(required_unless_present = "resume")]
    pub patterns: Vec<String>,
    /// Restore below this directory; with --as-tar the file to be written
    #[arg(long, value_name = "DIR", required_unless_present_any = ["to_stdout", "resume",
        "as_tar"])]
    pub to: Option<PathBuf>,
    /// Go on with the restore whose id begins so: what it was asked for, without what is there
    /// already as it was archived
    #[arg(long, value_name = "ID", conflicts_with_all = ["patterns", "to", "to_stdout",
        "from_tape", "as_of", "map", "numeric_owner"])]
    pub resume: Option<String>,
    /// Write the content of one file to stdout, and nothing else
    #[arg(long, conflicts_with_all = ["to", "map", "existing", "overwrite", "ignore_room",
        "numeric_owner"])]
    pub to_stdout: bool,
    /// Write what is restored as a tar archive, to stdout or to the new file --to
    #[arg(long, conflicts_with_all = ["to_stdout", "resume", "existing", "overwrite",
        "ignore_room", "numeric_owner"])]
    pub as_tar: bool,
    /// Ask no catalog, only this tape itself: a barcode, or the drive that it is in, such as
    /// /dev/nst0. Repeat for several tapes
    #[arg(long, value_name = "TAPE")]
    pub from_tape: Vec<String>,
    /// The tree as it was at that moment: 2026-11-01, or with time 2026-11-01T18:30
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// Read in so many drives at once, as far as the library has them and there are tapes to be
    /// read [default: 1]
    #[arg(long, value_name = "N", conflicts_with_all = ["to_stdout", "as_tar"])]
    pub drives: Option<NonZero<u16>>,
    /// Have the first files soon, even if all of them together take longer; --dry-run tells how
    /// much
    #[arg(long, conflicts_with = "to_stdout")]
    pub first_soon: bool,
    /// Show the plan (tapes, places, files) and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Restore what is below the archived path OLD below DIR/NEW instead of DIR/OLD
    #[arg(long, value_name = "OLD=NEW")]
    pub map: Vec<OsString>,
    /// What to do where something exists already [default: refuse; with --resume as before]
    #[arg(long, value_enum, value_name = "HOW")]
    pub existing: Option<ExistingArg>,
    /// The same as --existing overwrite
    #[arg(long, conflicts_with = "existing")]
    pub overwrite: bool,
    /// Begin even if the file system seems to have too little room
    #[arg(long)]
    pub ignore_room: bool,
    /// Set owner and group by number, not by name
    #[arg(long)]
    pub numeric_owner: bool,
}
