//! The command line of Tapewright: parses, calls [`tapewright::jobs`], renders.
//!
//! Holds words, colours and exit codes, and no policy.

#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod args;
mod catalog_args;
mod commands;
mod dates;
mod exit;
mod expected;
mod filter;
mod find_args;
mod job_args;
mod library_args;
mod logging;
mod operator;
mod output;
mod progress;
mod restore_args;
mod retention_args;
mod source_flags;
mod stopping;
mod tape_args;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tapewright::clock::SystemClock;
use tapewright::jobs::library::trace_to;
use tapewright::jobs::{JobError, Site, StateDir};

use args::{Cli, Command};
use commands::Context;
use exit::{Exit, Failure, after_printing};
use operator::TerminalOperator;
use output::{Output, tell};
use progress::Terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = run(&cli);
    let exit = match &ended {
        Ok(exit) => *exit,
        Err(failure) => {
            if let Some(words) = failure.words(cli.command.writes_tapes()) {
                tracing::error!("{words}");
                format!("tapewright: {words}").lines().for_each(tell);
            }
            failure.exit()
        }
    };
    exit.into()
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    stopping::take_over(stopping::last_words(&cli.command))
        .map_err(|error| Failure::Io("taking over signals".to_owned(), error))?;
    if let Command::Demo(args) = &cli.command {
        return commands::demo::run(args, cli.global.json);
    }
    let root = state_root(cli.global.state.as_deref())?;
    expected::check(&cli.command, &root)?;
    let state = state_dir(&root, cli)?;
    // Lines on stderr would run through the screen.
    let verbose = match cli.command {
        Command::Browse(_) => 0,
        _ => cli.global.verbose,
    };
    if let Err(error) = logging::start(&state.log_dir(), verbose) {
        let what = format!(
            "opening the log in {} (--state DIR names another place)",
            root.display()
        );
        let failure = Failure::Io(what, error);
        // What changes nothing needs no record of it.
        if !cli.command.only_reads() {
            return Err(failure);
        }
        logging::start_without_file(cli.global.verbose);
        tell(format!(
            "tapewright: going on without a log: {}",
            failure.words(false).unwrap_or_default()
        ));
    }
    tracing::info!(arguments = ?std::env::args_os().skip(1).collect::<Vec<_>>(), "start");
    let output = Output::new(cli.global.json);
    with_context(&root, cli, output, |context| {
        dispatch(context, &cli.command)
    })
}

/// The state directory, made where it is missing. Only `doctor` goes on without one: it says
/// what is wrong with it.
fn state_dir(root: &Path, cli: &Cli) -> Result<StateDir, JobError> {
    match StateDir::open(root) {
        Err(_) if matches!(cli.command, Command::Doctor) => Ok(StateDir::at(root)),
        opened => Ok(opened?),
    }
}

/// Opens the state directory and gives the command what it works with.
fn with_context(
    root: &Path,
    cli: &Cli,
    output: Output,
    command: impl FnOnce(&mut Context<'_>) -> commands::Ended,
) -> commands::Ended {
    let state = state_dir(root, cli)?;
    let terminal = Terminal::new(stopping::flag());
    let trace = cli.global.trace.as_deref().map(trace_to).transpose()?;
    let operator = TerminalOperator::new(cli.command.waits(), terminal.stop());
    let site = Site {
        state: &state,
        clock: &SystemClock,
        monitor: &terminal,
        operator: &operator,
        trace: trace.as_ref(),
    };
    let mut context = Context {
        site,
        terminal: &terminal,
        output,
        verbose: cli.global.verbose,
    };
    let exit = command(&mut context)?;
    let exit = after_printing(exit, context.output.flush())?;
    tracing::info!(?exit, "end");
    Ok(exit)
}

fn dispatch(context: &mut Context<'_>, command: &Command) -> commands::Ended {
    match command {
        Command::Library(command) => commands::library::run(context, command),
        Command::Tape(command) => commands::tape::run(context, command),
        Command::Job(command) => commands::job::run(context, command),
        Command::Archive(args) => commands::archive::run(context, args),
        Command::Copy(args) => commands::copy::run(context, args),
        Command::Find(args) => commands::find::run(context, args),
        Command::Ls(args) => commands::browse::list(context, args),
        Command::Tree(args) => commands::browse::tree(context, args),
        Command::Du(args) => commands::browse::usage(context, args),
        Command::Browse(args) => commands::browser::run(context, args),
        Command::Duplicates(args) => commands::duplicates::run(context, args),
        Command::Restore(args) => commands::restore::run(context, args),
        Command::Keep(args) => commands::retention::keep(context, args),
        Command::Hold(command) => commands::retention::hold(context, command),
        Command::Expire(args) => commands::retention::expire(context, args),
        Command::Verify(args) => commands::verify::run(context, args),
        Command::Catalog(command) => commands::catalog::run(context, command),
        Command::Doctor => commands::doctor::run(context),
        Command::Demo(args) => commands::demo::run(args, context.output.is_json()),
    }
}

/// `--state` or TAPEWRIGHT_STATE; else the system's place for root, the XDG place for others.
fn state_root(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Failure::Io("finding the working directory".to_owned(), error))
    };
    let from_env = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let in_env = from_env("TAPEWRIGHT_STATE").map(PathBuf::from);
    if let Some(path) = given.or(in_env.as_deref()) {
        return absolute(path);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/tapewright"));
    }
    let base = from_env("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| from_env("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    match base {
        Some(base) => absolute(&base.join("tapewright")),
        None => Err(Failure::Usage(
            "neither HOME nor XDG_STATE_HOME is set; say where to keep the catalog with --state"
                .to_owned(),
        )),
    }
}
