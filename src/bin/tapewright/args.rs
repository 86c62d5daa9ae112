//! What the user may type, as clap sees it, and which of it only looks.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tapewright::jobs::archive::{Compress, DigestAlgorithm};
use tapewright::jobs::retention::KeepFor;
use tapewright::units::{ByteSize, TimeSpan};

use crate::catalog_args::{CatalogCommand, CatalogCopyArgs};
use crate::find_args::{BrowseArgs, BrowserArgs, DepthArgs, DuplicatesArgs, FindArgs};
use crate::job_args::JobCommand;
use crate::library_args::LibraryCommand;
use crate::restore_args::RestoreArgs;
use crate::retention_args::{ExpireArgs, HoldCommand, KeepArgs};
use crate::source_flags::SourceFlags;
use crate::tape_args::TapeCommand;

/// Archives data to LTO tape and gets it back decades later.
#[derive(Debug, Parser)]
#[command(
    name = "tapewright",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 wrong usage · 3 an operator is needed · \
    4 wrong tape · 5 bad medium · 6 drive or library · 7 done in part · 8 busy · 9 nothing found · \
    130 interrupted. docs/commands.md has them all."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Where the catalog, the choice of library and the log are kept
    /// [default: $TAPEWRIGHT_STATE, else $XDG_STATE_HOME/tapewright; as root /var/lib/tapewright]
    // Not by `env`: a usage line would show what the environment gives as if it were required.
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print the result as one JSON document (lists: a line for each item)
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr: -v what is done, -vv details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Write every SCSI command and reply to this file, for a bug report
    #[arg(long, global = true, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The tape library: make one, look at it
    #[command(subcommand)]
    Library(LibraryCommand),
    /// Single tapes: label, list, show, read raw
    #[command(subcommand)]
    Tape(TapeCommand),
    /// The jobs that there were: list, show
    #[command(subcommand)]
    Job(JobCommand),
    /// Archive files, directories, and what commands write to the tapes of a pool
    Archive(Box<ArchiveArgs>),
    /// Make up second copies: from tapes of one pool to those of another, without the source
    Copy(CopyArgs),
    /// Find archived files by path or pattern
    Find(FindArgs),
    /// What is in a directory, as the catalog knows it, with how much lies below each
    Ls(BrowseArgs),
    /// As ls, and what is in the directories below
    Tree(DepthArgs),
    /// How much lies below each directory
    Du(DepthArgs),
    /// Look around in the archived tree on the full screen, mark files, restore them
    Browse(BrowserArgs),
    /// Files with the same content under several paths
    Duplicates(DuplicatesArgs),
    /// Bring archived files back
    Restore(RestoreArgs),
    /// Set how long jobs are kept
    Keep(KeepArgs),
    /// Keep a job, or all that is on a tape, whatever its time
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Give up jobs whose time is over: they are not offered any more, and their tapes become
    /// free. Erases nothing
    Expire(ExpireArgs),
    /// Read a tape or a job's tapes and check every record and every file
    Verify(VerifyArgs),
    /// The catalog: check it, carry it elsewhere, rebuild it from the tapes
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Check machine, drivers, library and drives before the first tape is written. Touches no tape
    Doctor,
    /// Show all of the above in a temporary place, with a directory of yours
    Demo(DemoArgs),
}

impl Command {
    /// Whether it is to wait for what is missing.
    pub fn waits(&self) -> bool {
        match self {
            Command::Archive(args) => args.wait,
            Command::Copy(args) => args.wait,
            _ => false,
        }
    }

    /// Whether it changes neither tapes nor the state directory.
    pub fn only_reads(&self) -> bool {
        match self {
            Command::Library(command) => {
                matches!(command, LibraryCommand::Status | LibraryCommand::Scan)
            }
            Command::Tape(command) => !matches!(
                command,
                TapeCommand::Label(_) | TapeCommand::Place(_) | TapeCommand::Dump { .. }
            ),
            Command::Catalog(command) => match command {
                CatalogCommand::Export { .. } => true,
                CatalogCommand::Check(args) => args.tape.is_none(),
                CatalogCommand::Compact(args) => args.dry_run,
                CatalogCommand::Rebuild { .. } | CatalogCommand::Import { .. } => false,
            },
            Command::Find(_) | Command::Ls(_) | Command::Tree(_) | Command::Du(_) => true,
            Command::Duplicates(_) | Command::Doctor | Command::Job(_) => true,
            Command::Hold(command) => matches!(command, HoldCommand::List { .. }),
            Command::Expire(args) => args.dry_run,
            _ => false,
        }
    }

    /// Whether it is there to write to tapes.
    pub fn writes_tapes(&self) -> bool {
        matches!(
            self,
            Command::Archive(_) | Command::Tape(TapeCommand::Label(_))
        )
    }
}

#[derive(Debug, Args)]
pub struct ArchiveArgs {
    #[command(flatten)]
    pub sources: SourceFlags,
    /// Read the job from this TOML file; flags beside it win (docs/sources.md)
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
    /// The pool to write to
    #[arg(long, required_unless_present_any = ["job", "resume"])]
    pub pool: Option<String>,
    /// Go on with this job (name or id) where it was cut off: its paths, its pools, and of its
    /// files those not on tape yet. Lists and commands are named again, or their --job FILE
    #[arg(long, value_name = "JOB", conflicts_with = "dry_run")]
    pub resume: Option<String>,
    /// Archive what the lists name now, though they are not those with which the job began
    #[arg(long, requires = "resume")]
    pub changed_lists: bool,
    /// A second copy from the same read, to this pool, on a second drive
    #[arg(long, value_name = "POOL")]
    pub copy_pool: Option<String>,
    /// A name for the job [default: the first path's name and the date]
    #[arg(long, value_name = "JOB")]
    pub name: Option<String>,
    /// Leave out what matches: a name (`*.tmp`), or a path from the root (`/home/*/.cache`). Repeat
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Don't cross into other file systems
    #[arg(long)]
    pub one_file_system: bool,
    /// Wait for a tape to write or a free drive, looking again by itself [default: ask on a
    /// terminal, end with 3 or 8 elsewhere]
    #[arg(long)]
    pub wait: bool,
    /// Bound of a tape segment, the unit of commit [default: 32GiB]
    #[arg(long, value_name = "SIZE")]
    pub segment_size: Option<ByteSize>,
    /// Compress: `auto` with zstd where that helps, `zstd` or `zstd:LEVEL` (1 to 19) always,
    /// `drive` by the drive [default: off]
    #[arg(long, value_name = "HOW")]
    pub compress: Option<Compress>,
    /// Threads that compress with zstd [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub compress_threads: Option<u16>,
    /// Digest files by this function: `blake3`, or `sha256` where a policy asks for it
    /// [default: blake3]
    #[arg(long, value_name = "FUNCTION")]
    pub digest: Option<DigestAlgorithm>,
    /// Keep the job for so long from its start: 10y, 6mo, 2w, 90d, or forever [default: forever,
    /// until `keep` says otherwise]
    #[arg(long, value_name = "TIME")]
    pub keep: Option<KeepFor>,
    #[command(flatten)]
    pub catalog_copy: CatalogCopyArgs,
    /// Run this first; if it fails, no tape moves
    #[arg(long, value_name = "CMD")]
    pub before: Option<String>,
    /// Run this at the end, however the job went: it is told in TAPEWRIGHT_OUTCOME and others
    #[arg(long, value_name = "CMD")]
    pub after: Option<String>,
    /// How long each of these two may take, such as 10m [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub hook_timeout: Option<TimeSpan>,
    /// Memory between source and drive, such as 4GiB: the larger, the fewer stops a slow source
    /// costs the tape [default: an eighth of the memory, 64MiB to 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub buffer: Option<ByteSize>,
    /// Begin to write to a tape once the buffer is so full [default: 25]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub start_at: Option<u8>,
    /// Go on writing once the buffer is so full, after the source was slower than the tape
    /// [default: 90]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub resume_at: Option<u8>,
    /// What to archive: everything; what changed since the last full job; or what changed since
    /// the last job of any level [default: full]
    #[arg(long, value_enum)]
    pub level: Option<LevelArg>,
    /// The job to measure changes against, by name or identity [default: the last one of this
    /// pool with the same sources, excludes and host, and the same --name if given]
    #[arg(long, value_name = "JOB")]
    pub base: Option<String>,
    /// Say what would be archived, with -v by name, and stop. Touches no tape
    #[arg(long)]
    pub dry_run: bool,
}

/// Levels of archive jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    Full,
    Differential,
    Incremental,
}

#[derive(Debug, Args)]
pub struct CopyArgs {
    /// A job's name or id
    #[arg(required_unless_present = "missing", conflicts_with = "missing")]
    pub job: Option<String>,
    /// Every job that was archived with --copy-pool and lacks something there
    #[arg(long)]
    pub missing: bool,
    /// The pool that gets the copy [default: the one that the job named]
    #[arg(long, requires = "job")]
    pub pool: Option<String>,
    #[command(flatten)]
    pub catalog_copy: CatalogCopyArgs,
    /// Wait for a tape to write or a free drive, looking again by itself [default: ask on a
    /// terminal, end with 3 or 8 elsewhere]
    #[arg(long)]
    pub wait: bool,
    /// Say what needs its second copy, and stop
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A tape's barcode, or a job's name or id
    pub what: String,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to archive in the demonstration [default: the current directory]
    pub path: Option<PathBuf>,
    /// Keep the temporary place, to look around in it
    #[arg(long)]
    pub keep: bool,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::CommandFactory as _;

    use super::*;

    /// What messages quote besides commands of ours.
    const OTHERS: [&str; 5] = ["stenc", "dmesg", "tar", "no", "log/tapewright.log"];
    /// Keys of a job file, and values of `compress`.
    const KEYS: [&str; 12] = [
        "as",
        "auto",
        "command",
        "drive",
        "files_from",
        "null",
        "off",
        "paths",
        "recursive",
        "tar_command",
        "timeout",
        "zstd",
    ];

    /// What the messages in the sources below `dir` quote in backquotes.
    fn quoted(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                quoted(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let comment = |line: &&str| !line.trim_start().starts_with("//");
            let lines: Vec<&str> = text.lines().filter(comment).map(str::trim_start).collect();
            let text = lines.join("\n").replace("\\\n", "");
            for line in text.lines() {
                for words in line.split('`').skip(1).step_by(2) {
                    found.push((path.display().to_string(), words.to_owned()));
                }
            }
        }
    }

    /// The words as a shell would hand them over, with something for each `{…}`.
    fn typed(quoted: &str) -> Vec<String> {
        let mut words = String::new();
        let mut depth = 0;
        for c in quoted.chars().filter(|c| *c != '\'') {
            match c {
                '{' => {
                    depth += 1;
                    words.push('X');
                }
                '}' => depth -= 1,
                c if depth == 0 => words.push(c),
                _ => {}
            }
        }
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// Whether the words are names of commands and nothing else, as `library status`.
    fn is_name(words: &[String]) -> bool {
        let mut command = Cli::command();
        words.iter().all(|word| {
            let found = command.find_subcommand(word).cloned();
            found.is_some_and(|found| {
                command = found;
                true
            })
        })
    }

    #[test]
    fn each_command_that_a_message_names_exists_as_it_is_named() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        for dir in ["jobs", "bin"] {
            quoted(&sources.join(dir), &mut found);
        }
        let mut commands = 0;
        for (path, words) in found {
            let words = typed(&words);
            let Some(first) = words.first() else { continue };
            let named = first.starts_with(|c: char| c.is_ascii_lowercase());
            let key = first.split(':').next().unwrap_or_default();
            if !named || OTHERS.contains(&first.as_str()) || KEYS.contains(&key) {
                continue;
            }
            commands += 1;
            let line = std::iter::once("tapewright".to_owned()).chain(words.clone());
            let parsed = Cli::try_parse_from(line);
            assert!(parsed.is_ok() || is_name(&words), "{path}: {words:?}");
        }
        assert!(commands > 40, "only {commands} were found");
    }
}
