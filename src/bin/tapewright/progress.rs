//! Progress on stderr: a bar with rate and ETA on a terminal, silence elsewhere; and
//! the user's wish to stop.
//!
//! The first Ctrl-C (or SIGTERM) asks the running job to close its segment properly;
//! a second one ends the process at once, which loses no more than what was unconfirmed.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tapewright::monitor::{Monitor, Problem};

/// Exit status of a process ended by the second signal: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// Shows an operation's progress on stderr.
pub struct Terminal {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    announced: AtomicBool,
}

impl Terminal {
    /// Takes over SIGINT and SIGTERM and prepares the bar, hidden unless stderr is a terminal.
    ///
    /// # Errors
    ///
    /// The signals cannot be taken over.
    pub fn new() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the handler of a second signal sees what the first one set.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        Ok(Self { bar, stop, announced: AtomicBool::new(false) })
    }

    /// Takes the bar off the screen before results are printed.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Monitor for Terminal {
    fn expect(&self, _files: u64, bytes: u64) {
        let template = "{msg} {bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} ETA {eta}";
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_length(bytes);
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn advance(&self, _files: u64, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn phase(&self, what: &str) {
        tracing::info!("{what}");
        self.bar.set_message(what.to_owned());
    }

    fn problem(&self, problem: &Problem) {
        self.bar.suspend(|| eprintln!("tapewright: {}: {}", problem.path, problem.what));
    }

    fn stop_requested(&self) -> bool {
        let stop = self.stop.load(Ordering::Relaxed);
        if stop && !self.announced.swap(true, Ordering::Relaxed) {
            self.bar.suspend(|| {
                eprintln!("tapewright: stopping: closing the tape properly (again: stop at once)");
            });
        }
        stop
    }
}
