//! The sources of `archive` on the command line: several kinds, in the order in which they are
//! typed, each `--as` behind its command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{
    Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, Error, FromArgMatches, value_parser,
};
use tapewright::jobs::archive::{CommandSource, FileList, Source};
use tapewright::units::TimeSpan;

const PATHS: &str = "paths";
const LIST: &str = "files_from";
const TAR: &str = "tar_command";
const COMMAND: &str = "command";
const PLACE: &str = "as";
const TIMEOUT: &str = "command_timeout";
const NULL: &str = "null";
const RECURSIVE: &str = "recursive";
/// What a command line without any is an error for, unless there is a job file or a job to resume.
const GROUP: &str = "sources";

/// The sources in order.
#[derive(Debug, Clone, Default)]
pub struct SourceFlags(pub Vec<Source>);

/// A word of the command line that sources are made of.
enum Word {
    Path(PathBuf),
    List(PathBuf),
    Tar(String),
    Command(String),
    Place(String),
}

impl Args for SourceFlags {
    fn augment_args(command: Command) -> Command {
        let text = |name: &'static str, long: &'static str, value: &'static str| {
            Arg::new(name).long(long).value_name(value)
        };
        let command = command
            .arg(
                Arg::new(PATHS)
                    .value_name("PATHS")
                    .num_args(1..)
                    .value_parser(value_parser!(OsString))
                    .help("Files and directories"),
            )
            .arg(
                text(LIST, "files-from", "FILE")
                    .value_parser(value_parser!(PathBuf))
                    .action(ArgAction::Append)
                    .help(
                        "Archive what this list names, a line each; `-` is standard input. \
                           Directories without what they hold. Repeat",
                    ),
            )
            .arg(
                text(TAR, "tar-command", "CMD")
                    .action(ArgAction::Append)
                    .help("Archive the members of the tar stream that this writes. Repeat"),
            )
            .arg(
                text(COMMAND, "command", "CMD")
                    .action(ArgAction::Append)
                    .help("Archive what this writes as one file. Repeat"),
            )
            .arg(
                text(PLACE, "as", "PATH")
                    .action(ArgAction::Append)
                    .help("Where on tape it goes: behind each --tar-command and --command"),
            );
        let command = command
            .arg(
                text(TIMEOUT, "command-timeout", "TIME")
                    .value_parser(value_parser!(TimeSpan))
                    .help("How long each command may take, such as 6h [default: as it wants]"),
            )
            .arg(
                Arg::new(NULL)
                    .long("null")
                    .short('0')
                    .action(ArgAction::SetTrue)
                    .requires(LIST)
                    .help("Names in lists end in NUL, as find -print0 writes them"),
            )
            .arg(
                Arg::new(RECURSIVE)
                    .long("recursive")
                    .action(ArgAction::SetTrue)
                    .requires(LIST)
                    .help("Directories in lists with all they hold"),
            );
        command.group(
            ArgGroup::new(GROUP)
                .args([PATHS, LIST, TAR, COMMAND, "job", "resume"])
                .required(true)
                .multiple(true),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SourceFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut words: Vec<(usize, Word)> = Vec::new();
        let mut take = |name, word: &dyn Fn(&ArgMatches, usize) -> Option<Word>| {
            let indices = matches.indices_of(name).into_iter().flatten();
            words.extend(
                indices
                    .enumerate()
                    .filter_map(|(n, at)| Some((at, word(matches, n)?))),
            );
        };
        take(PATHS, &|m, n| {
            let path = m.get_many::<OsString>(PATHS)?.nth(n)?;
            Some(Word::Path(path.into()))
        });
        take(LIST, &|m, n| {
            Some(Word::List(m.get_many::<PathBuf>(LIST)?.nth(n)?.clone()))
        });
        take(TAR, &|m, n| {
            Some(Word::Tar(m.get_many::<String>(TAR)?.nth(n)?.clone()))
        });
        take(COMMAND, &|m, n| {
            Some(Word::Command(
                m.get_many::<String>(COMMAND)?.nth(n)?.clone(),
            ))
        });
        take(PLACE, &|m, n| {
            Some(Word::Place(m.get_many::<String>(PLACE)?.nth(n)?.clone()))
        });
        words.sort_by_key(|(at, _)| *at);
        let words = words.into_iter().map(|(_, word)| word);
        sources(words, matches).map(SourceFlags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// How a command becomes a source.
type IntoSource = fn(CommandSource) -> Source;

fn sources(words: impl Iterator<Item = Word>, matches: &ArgMatches) -> Result<Vec<Source>, Error> {
    let timeout = matches.get_one::<TimeSpan>(TIMEOUT).map(|span| span.0);
    let mut sources = Vec::new();
    // A command whose place has not come yet, and how it becomes a source.
    let mut waiting: Option<(String, IntoSource)> = None;
    for word in words {
        let is_command = matches!(word, Word::Tar(_) | Word::Command(_));
        if is_command && waiting.is_some() {
            return Err(no_place());
        }
        match word {
            Word::Path(path) => match sources.last_mut() {
                Some(Source::Paths(paths)) => paths.push(path),
                _ => sources.push(Source::Paths(vec![path])),
            },
            Word::List(from) => sources.push(Source::List(FileList {
                from,
                null: matches.get_flag(NULL),
                recursive: matches.get_flag(RECURSIVE),
            })),
            Word::Tar(command) => waiting = Some((command, Source::Tar)),
            Word::Command(command) => waiting = Some((command, Source::Command)),
            Word::Place(place) => {
                let Some((command, source)) = waiting.take() else {
                    let what = format!("--as {place} follows no --tar-command or --command\n");
                    return Err(Error::raw(ErrorKind::MissingRequiredArgument, what));
                };
                sources.push(source(CommandSource {
                    command,
                    place,
                    timeout,
                }));
            }
        }
    }
    match waiting {
        Some(_) => Err(no_place()),
        None => Ok(sources),
    }
}

fn no_place() -> Error {
    let what = "each --tar-command and --command needs an --as PATH behind it: where on tape it \
                goes\n";
    Error::raw(ErrorKind::MissingRequiredArgument, what)
}
