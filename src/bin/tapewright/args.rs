//! What the user may type, as clap sees it, and which of it only looks.

use std::path::PathBuf;

use catalogs::model::Kind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tapewright::jobs::archive::{Compress, DigestAlgorithm};
use tapewright::jobs::retention::KeepFor;
use tapewright::units::{ByteSize, TimeSpan};

use crate::catalog_args::{CatalogCommand, CatalogCopyArgs};
use crate::filter;
use crate::job_args::JobCommand;
use crate::restore_args::RestoreArgs;
use crate::retention_args::{ExpireArgs, HoldCommand, KeepArgs};
use crate::source_flags::SourceFlags;

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
    /// [default: $XDG_STATE_HOME/tapewright; as root /var/lib/tapewright]
    #[arg(long, global = true, env = "TAPEWRIGHT_STATE", value_name = "DIR")]
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
            Command::Tape(command) => {
                !matches!(command, TapeCommand::Label(_) | TapeCommand::Dump { .. })
            }
            Command::Catalog(command) => match command {
                CatalogCommand::Check | CatalogCommand::Export { .. } => true,
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
    /// Save below this new directory, each tape file in one of its own
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
    /// Wait for a tape to write or a free drive, looking again by itself [default: ask on a
    /// terminal, end with 3 or 8 elsewhere]
    #[arg(long)]
    pub wait: bool,
    /// Say what needs its second copy, and stop
    #[arg(long)]
    pub dry_run: bool,
}

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
