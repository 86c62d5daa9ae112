//! The user's wish to stop: Ctrl-C, SIGTERM, or SIGHUP of a terminal that went away.
//!
//! The first one asks the running job to close its segment properly; a second one ends the process
//! at once, which loses no more than what was unconfirmed, and says so. SIGHUP is never that second
//! one: where a session ends, it comes together with SIGTERM.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use signal_hook::low_level::{exit, pipe};

use crate::args::Command;
use crate::library_args::LibraryCommand;
use crate::tape_args::TapeCommand;

/// Exit status of a process ended by the second signal: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// Up once the user wants to stop.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// What the job that runs would have said with the second signal.
static OF_JOB: Mutex<Option<String>> = Mutex::new(None);

/// The flag that is up once the user wants to stop.
pub fn flag() -> Arc<AtomicBool> {
    Arc::clone(STOP.get_or_init(Arc::default))
}

/// These are the last words from now on.
pub fn say_last(words: &str) {
    *OF_JOB.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
}

/// Takes over SIGINT, SIGTERM and, unless it is ignored as by `nohup`, SIGHUP, for as long as the
/// process lives. With the second it ends, its last words being these, unless the job knows better.
///
/// # Errors
///
/// The signals cannot be taken over.
pub fn take_over(last_words: &'static str) -> io::Result<()> {
    let dying = Arc::new(AtomicBool::new(false));
    let (mut signals, told) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        // Where nobody takes the last words, a third one does not wait for that.
        register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&dying))?;
        register(signal, flag())?;
        pipe::register(signal, told.try_clone()?)?;
    }
    if !is_ignored(SIGHUP) {
        register(SIGHUP, flag())?;
    }
    // Past the lock on it, which is held while a question waits for its answer.
    let mut stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    // Below what is left of a progress bar.
    let below = if stderr.is_terminal() { "\n" } else { "" };
    let end = move || {
        if signals.read_exact(&mut [0; 2]).is_ok() {
            dying.store(true, Ordering::Relaxed);
            let of_job = OF_JOB.lock().unwrap_or_else(PoisonError::into_inner);
            let last_words = of_job.as_deref().unwrap_or(last_words);
            let words = format!("{below}tapewright: stopped at once: {last_words}\n");
            // There is nobody to tell of a failure.
            let _ = stderr.write_all(words.as_bytes());
            exit(INTERRUPTED);
        }
    };
    let stop = thread::Builder::new().name("stop".to_owned());
    stop.spawn(end).map(drop)
}

/// Whether whoever started this process has it ignore a signal (proc(5), `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// What is safe where a command was ended at once, and how to go on.
pub fn last_words(command: &Command) -> &'static str {
    match command {
        Command::Archive(_) => {
            "what was confirmed is on tape and in the catalog; `archive --resume JOB` goes on \
             behind it, and `job list` names the job"
        }
        Command::Copy(_) => {
            "what was confirmed is on tape and in the catalog; the same command again makes up the \
             rest"
        }
        Command::Restore(args) if args.resume.is_some() => {
            "nothing more was restored; the same command goes on with it"
        }
        Command::Restore(_) => "nothing was restored yet; run the command again",
        Command::Tape(TapeCommand::Label(_)) => {
            "labels that were reported are written; `tape list` shows them, and a tape that was \
             being labelled is to be labelled again"
        }
        Command::Tape(TapeCommand::Rescue(_)) => {
            "the tape is as it was; files that are whole stay in the target"
        }
        Command::Library(
            LibraryCommand::Import { .. }
            | LibraryCommand::Export { .. }
            | LibraryCommand::Move { .. },
        ) => "the library ends the move that it was at; `library status` shows where tapes are",
        Command::Catalog(_) => {
            "what the catalog had is safe; the same command again does what is left"
        }
        Command::Demo(_) => "what was made in the temporary place may be left there",
        _ => "no tape was written and nothing on one is lost; run the command again",
    }
}
