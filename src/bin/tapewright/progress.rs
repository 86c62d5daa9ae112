//! Progress on stderr: what is being done, how much, how fast and until when on a terminal,
//! silence elsewhere; and for the job the user's wish to stop.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use indicatif::{
    DecimalBytes, FormattedDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use tapewright::monitor::{Bottleneck, Monitor, Pace, Problem};

use crate::output::{plain, tell};
use crate::stopping;

/// How much is known to show, and how it is shown. Never less again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum View {
    Nothing,
    /// What is being done.
    Phase,
    /// How much is done, and how fast.
    Amount,
    /// How much there is, and so when it will be done.
    Share,
}

impl View {
    /// What is being done has its own line, since names are long and terminals narrow.
    fn template(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Phase => "{spinner} {wide_msg}",
            Self::Amount => "{spinner} {wide_msg}\n  {decimal_bytes}  {rate}",
            Self::Share => {
                "{spinner} {wide_msg}\n  [{wide_bar}] {percent:>3}%  \
                 {decimal_bytes}/{decimal_total_bytes}  {rate}  ETA {time_left}"
            }
        }
    }
}

/// Often enough to look alive.
const REDRAWN_EVERY: Duration = Duration::from_millis(200);

/// A drive takes half a minute with a tape it knows; what is over sooner would only flicker.
const WORTH_SHOWING: Duration = Duration::from_secs(5);

/// Shows an operation's progress on stderr.
pub struct Terminal {
    bar: ProgressBar,
    view: Mutex<View>,
    /// What is being done.
    phase: Mutex<String>,
    stop: Arc<AtomicBool>,
    announced: AtomicBool,
    /// Something has moved.
    moves: Once,
    /// Lines on the present wait that were due where there is no bar.
    lines_told: AtomicU64,
}

impl Terminal {
    /// Prepares the bar, hidden unless stderr is a terminal. `stop` is up once the user wants to
    /// stop.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        Self {
            bar,
            view: Mutex::new(View::Nothing),
            phase: Mutex::default(),
            stop,
            announced: AtomicBool::new(false),
            moves: Once::new(),
            lines_told: AtomicU64::new(0),
        }
    }

    /// Up once the user wants to stop.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Takes the bar off the screen before results are printed.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows at least this much from now on.
    fn show(&self, view: View) {
        let mut shown = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_hidden() || *shown >= view {
            return;
        }
        *shown = view;
        let style = ProgressStyle::with_template(view.template());
        let style = style.expect("the template is well formed");
        let style = style
            .with_key("rate", rate)
            .with_key("time_left", time_left);
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.enable_steady_tick(REDRAWN_EVERY);
    }
}

/// Where there is no bar, a wait is worth a line each half minute: their number so far.
fn lines_due(elapsed: Duration) -> u64 {
    elapsed.as_secs() / 30
}

fn waiting_line(what: &str, elapsed: Duration) -> String {
    format!("{what}, for {} now", FormattedDuration(elapsed))
}

/// Bytes a second, once some have moved.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let written = match state.per_sec() {
        per_second if per_second >= 1.0 => write!(out, "{}/s", DecimalBytes(per_second as u64)),
        _ => out.write_str("-/s"),
    };
    written.expect("text takes more text");
}

/// Time until the end at the present rate, if there is one.
fn time_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    let written = match state.per_sec() {
        per_second if per_second >= 1.0 => write!(out, "{}", FormattedDuration(state.eta())),
        _ => out.write_str("unknown"),
    };
    written.expect("text takes more text");
}

impl Monitor for Terminal {
    fn wants_total(&self) -> bool {
        !self.bar.is_hidden()
    }

    fn expect(&self, _files: u64, bytes: u64) {
        self.bar.set_length(self.bar.position() + bytes);
        self.show(View::Share);
    }

    fn advance(&self, _files: u64, bytes: u64) {
        if bytes > 0 {
            self.moves.call_once(|| {
                self.show(View::Amount);
                // The time until something moves is nobody's rate.
                self.bar.reset_eta();
            });
            self.bar.inc(bytes);
        }
    }

    fn phase(&self, what: &str) {
        tracing::info!("{what}");
        self.show(View::Phase);
        self.bar.set_message(plain(what).into_owned());
        what.clone_into(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn waiting(&self, what: &str, elapsed: Duration) {
        let due = lines_due(elapsed);
        if self.lines_told.swap(due, Ordering::Relaxed) != due && due > 0 {
            tracing::info!(elapsed_s = elapsed.as_secs(), "{what}");
            if self.bar.is_hidden() {
                tell(format!("tapewright: {}", waiting_line(what, elapsed)));
            }
        }
        if elapsed >= WORTH_SHOWING {
            self.show(View::Phase);
            self.bar
                .set_message(plain(&waiting_line(what, elapsed)).into_owned());
        }
    }

    fn bottleneck(&self, bottleneck: Bottleneck) {
        let waited = bottleneck.waited_percent;
        let what = match bottleneck.pace {
            Pace::Source => format!("the source sets the pace, the drive waits {waited} %"),
            Pace::Host => format!("this machine sets the pace, the drive waits {waited} %"),
            Pace::Drive => format!("the drive sets the pace, the source waits {waited} %"),
        };
        let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        self.bar.set_message(format!("{phase} ({what})"));
    }

    fn if_ended(&self, what: &str) {
        stopping::say_last(what);
    }

    fn problem(&self, problem: &Problem) {
        self.bar
            .suspend(|| tell(format!("tapewright: {}: {}", problem.path, problem.what)));
    }

    fn notice(&self, notice: &Problem) {
        self.bar.suspend(|| {
            tell(format!(
                "tapewright: note: {}: {}",
                notice.path, notice.what
            ))
        });
    }

    fn stop_requested(&self) -> bool {
        let stop = self.stop.load(Ordering::Relaxed);
        if stop && !self.announced.swap(true, Ordering::Relaxed) {
            self.bar.suspend(|| {
                tell(
                    "tapewright: stopping in good order (again: at once; what was confirmed stays, \
                     and `--resume` goes on)",
                );
            });
        }
        stop
    }

    fn stop_flag(&self) -> Option<Arc<AtomicBool>> {
        Some(self.stop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_told_each_half_minute() {
        let mut told = Vec::new();
        let mut last = 0;
        for second in 0..100 {
            let now = lines_due(Duration::from_secs(second));
            if now != last {
                told.push(second);
            }
            last = now;
        }
        assert_eq!(told, [30, 60, 90]);
        let line = waiting_line(
            "waiting for drive 0: becoming ready",
            Duration::from_secs(95),
        );
        assert_eq!(
            line,
            "waiting for drive 0: becoming ready, for 00:01:35 now"
        );
    }
}
