//! The log: everything of interest into the state directory, `-v` onto stderr as well.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// A log of this size is set aside once, as `tapewright.log.1`.
const ROTATE_BYTES: u64 = 16 << 20;

/// Starts logging to `dir/tapewright.log`, and to stderr from the level that `verbose` asks for.
///
/// # Errors
///
/// The log file cannot be opened.
pub fn start(dir: &Path, verbose: u8) -> io::Result<()> {
    let path = dir.join("tapewright.log");
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > ROTATE_BYTES) {
        fs::rename(&path, dir.join("tapewright.log.1"))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)?;
    let to_file = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .with_filter(from(verbose.max(1)));
    tracing_subscriber::registry()
        .with(to_file)
        .with(to_stderr(verbose))
        .init();
    Ok(())
}

/// Starts logging to stderr alone, if `verbose` asks for it.
pub fn start_without_file(verbose: u8) {
    tracing_subscriber::registry()
        .with(to_stderr(verbose))
        .init();
}

fn to_stderr<S>(verbose: u8) -> Option<impl Layer<S>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    (verbose > 0).then(|| {
        tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .without_time()
            .with_filter(from(verbose))
    })
}

/// What is of interest: our own words from a level on, of what we build on only warnings.
fn from(verbose: u8) -> Targets {
    let level = match verbose {
        0 | 1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    ["tapewright", "catalogs"].into_iter().fold(
        Targets::new().with_default(LevelFilter::WARN),
        |targets, own| targets.with_target(own, level),
    )
}
