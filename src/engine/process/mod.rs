//! Commands of the operator: run through the shell, read, bounded in time, and ended for sure.
//!
//! Invariants: a command has its own process group and never outlives the job, however that
//! ends; what it says on standard error is kept in bounded memory; nobody waits for ever for
//! a command that is silent while a stop is asked for.
//!
//! Knows nothing of what a command's output means.

mod stderr;
mod watchdog;

use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use stderr::StderrTail;
use watchdog::Watchdog;

/// Output travels in chunks of this size.
pub const OUTPUT_CHUNK_BYTES: usize = 1 << 20;
/// How long a command may take to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How often a stop, a deadline or the end of a command is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// What to run, and how long it may take.
#[derive(Clone)]
pub struct ShellCommand {
    /// For `sh -c`. May hold what is nobody's business: never shown.
    pub text: String,
    /// Variables beside those of our own environment.
    pub environment: Vec<(String, String)>,
    /// From start to end; `None` waits as long as it takes.
    pub timeout: Option<Duration>,
    /// It is ended once one of these is up: the user has asked to stop, say.
    pub stops: Vec<Arc<AtomicBool>>,
}

impl fmt::Debug for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeout = &self.timeout;
        f.debug_struct("ShellCommand")
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit status; 0 is success.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// It was ended because its time was over.
    TimedOut(Duration),
    /// It was ended because the user asked to stop.
    Stopped,
    /// It was ended because nobody wanted the rest of its output.
    Unwanted,
}

impl Ending {
    /// True for exit status 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Ending::Exited(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(status) => write!(f, "exited with status {status}"),
            Ending::Killed(signal) => write!(f, "was ended by signal {signal}"),
            Ending::TimedOut(after) => write!(f, "was ended after {} s", after.as_secs()),
            Ending::Stopped => write!(f, "was stopped on request"),
            Ending::Unwanted => write!(f, "was ended before its end"),
        }
    }
}

/// A command's end, and the last it said on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Its last 64 KiB of standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// The last line of standard error that is not empty, for people; bounded.
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        const LINE_CHARS: usize = 300;
        let text = String::from_utf8_lossy(&self.stderr);
        let line = text
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())?;
        Some(line.chars().take(LINE_CHARS).collect())
    }

    /// How it ended and its last words, as one sentence about `who`.
    #[must_use]
    pub fn sentence(&self, who: &str) -> String {
        match self.last_words() {
            Some(words) => format!("{who} {}; its last words: {words}", self.ending),
            None => format!("{who} {}", self.ending),
        }
    }
}

/// A command that runs. Dropped, it is ended.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    watchdog: Watchdog,
    stderr: StderrTail,
    output: Receiver<io::Result<Vec<u8>>>,
    rest: Vec<u8>,
    taken: usize,
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    stops: Vec<Arc<AtomicBool>>,
    /// Why it was ended by us, and how long what it had written is waited for then.
    cut: Option<Ending>,
    listen_until: Option<Instant>,
    reaped: bool,
}

impl Process {
    /// Starts `command`. Up to `ahead_chunks` of its output are read before they are asked for.
    /// Its standard error goes to the log as said by `name`.
    ///
    /// # Errors
    ///
    /// There is no shell, or no process or thread to be had.
    pub fn start(command: &ShellCommand, name: &str, ahead_chunks: usize) -> io::Result<Self> {
        let watchdog = Watchdog::start()?;
        let group = watchdog.group();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(&command.text)
            .envs(command.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(group.as_raw())
            .spawn()?;
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let begun = StderrTail::start(stderr, name)
            .and_then(|tail| Ok((tail, read_ahead(stdout, ahead_chunks)?)));
        let (stderr, output) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let _ = killpg(group, Signal::SIGKILL);
                child.wait()?;
                return Err(error);
            }
        };
        let deadline = command
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Self {
            child,
            group,
            watchdog,
            stderr,
            output,
            rest: Vec::new(),
            taken: 0,
            deadline,
            timeout: command.timeout,
            stops: command.stops.clone(),
            cut: None,
            listen_until: None,
            reaped: false,
        })
    }

    /// The next piece of output, at least one byte; `None` at its end, which also comes when
    /// the command's time is over or a stop is asked for. Not to be mixed with reading.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.is_over() {
                return self.left_over();
            }
            match self.output.recv_timeout(GLANCE) {
                Ok(Ok(chunk)) => return Some(chunk),
                Ok(Err(error)) => tracing::warn!(%error, "reading a command's output failed"),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {}
            }
            return None;
        }
    }

    /// What it had written when it was ended; a process that it left behind is not listened to.
    fn left_over(&mut self) -> Option<Vec<u8>> {
        let until = *self
            .listen_until
            .get_or_insert_with(|| Instant::now() + GRACE);
        let left = until.saturating_duration_since(Instant::now());
        self.output.recv_timeout(left).ok()?.ok()
    }

    /// Ends it if it must not go on; true if it was ended by us.
    fn is_over(&mut self) -> bool {
        let stopped = self.stops.iter().any(|stop| stop.load(Ordering::Relaxed));
        let late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        if self.cut.is_none() && stopped {
            self.end(Ending::Stopped);
        } else if self.cut.is_none() && late {
            self.end(Ending::TimedOut(self.timeout.unwrap_or_default()));
        }
        self.cut.is_some()
    }

    /// Waits for its end, as long as that may take. Nothing is to be asked of it then.
    pub fn finish(&mut self) -> Ended {
        self.wait()
    }

    /// Ends it, if it has not ended, since the rest of its output is of no use.
    pub fn abandon(&mut self) -> Ended {
        let exited = matches!(self.child.try_wait(), Ok(Some(_)));
        if self.cut.is_none() && !exited {
            self.end(Ending::Unwanted);
        }
        self.wait()
    }

    fn wait(&mut self) -> Ended {
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if self.is_over() => break self.child.wait().ok(),
                Ok(None) => sleep(GLANCE),
                Err(error) => {
                    tracing::warn!(%error, "waiting for a command failed");
                    break None;
                }
            }
        };
        self.watchdog.dismiss();
        self.reaped = true;
        Ended {
            ending: self.cut.unwrap_or_else(|| ending_of(status)),
            stderr: self.stderr.take(),
        }
    }

    /// SIGTERM for all of its group, and SIGKILL for what is left of it a little later.
    fn end(&mut self, why: Ending) {
        self.cut = Some(why);
        let until = Instant::now() + GRACE;
        let _ = killpg(self.group, Signal::SIGTERM);
        while Instant::now() < until && !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            sleep(Duration::from_millis(10));
        }
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

impl Read for Process {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.rest.len() {
            self.taken = 0;
            self.rest = self.chunk().unwrap_or_default();
        }
        let left = &self.rest[self.taken..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.end(Ending::Unwanted);
            self.wait();
        }
    }
}

fn ending_of(status: Option<ExitStatus>) -> Ending {
    let killed = status.and_then(|status| status.signal());
    match killed {
        Some(signal) => Ending::Killed(signal),
        None => Ending::Exited(status.and_then(|status| status.code()).unwrap_or(-1)),
    }
}

/// Reads on a thread, which ends with the output, or once nobody wants it.
fn read_ahead(
    mut stdout: impl Read + Send + 'static,
    chunks: usize,
) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, output) = sync_channel(chunks);
    Builder::new()
        .name("command output".to_owned())
        .spawn(move || {
            loop {
                let mut chunk = vec![0; OUTPUT_CHUNK_BYTES];
                let filled = match fill(&mut stdout, &mut chunk) {
                    Ok(0) => break,
                    Ok(filled) => filled,
                    Err(error) => {
                        let _ = sender.send(Err(error));
                        break;
                    }
                };
                chunk.truncate(filled);
                if sender.send(Ok(chunk)).is_err() {
                    break;
                }
            }
        })?;
    Ok(output)
}

/// Reads until the buffer is full, so that chunks are few; less only at the end.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
