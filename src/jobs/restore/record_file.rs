//! Records of restores that no catalog took: there is none, or it cannot be written.
//!
//! One file for each run in the state directory, with the event that the ledger would have.
//! `docs/restore.md` has its fields.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use catalogs::RestoreRun;
use catalogs::model::event::Event;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error_text::with_causes;
use crate::jobs::state::keep;
use crate::jobs::{Site, StateDir};
use crate::monitor::Problem;

const FORMAT: u32 = 1;
const KIND: &str = "tapewright-restore-record";
/// The largest file that is read: some times what a line of the ledger may have.
const FILE_BYTES: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Kept<E> {
    format: u32,
    kind: String,
    time: Timestamp,
    event: E,
}

/// Writes what is known of a run, in place of what was known before, and makes it durable.
pub(super) fn write(
    state: &StateDir,
    run: Uuid,
    time: Timestamp,
    event: &Event,
) -> io::Result<PathBuf> {
    let kept = Kept {
        format: FORMAT,
        kind: KIND.to_owned(),
        time,
        event,
    };
    let path = state.restore_records_dir().join(format!("{run}.json"));
    keep(&path, &kept)?;
    Ok(path)
}

/// The runs that are recorded so, in the order in which they began. What cannot be read is told,
/// and in nobody's way.
pub(crate) fn read_all(site: Site<'_>) -> Vec<RestoreRun> {
    let directory = site.state.restore_records_dir();
    let tell = |path: &Path, what: String| {
        let path = path.display().to_string();
        site.monitor.problem(&Problem { path, what });
    };
    let paths = match paths_in(&directory) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let what = format!("the records of restores in it cannot be read: {error}");
            tell(&directory, what);
            return Vec::new();
        }
    };
    let mut runs = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(run) => runs.push(run),
            Err(what) => tell(&path, format!("it is no record of a restore: {what}")),
        }
    }
    runs.sort_by_key(|run| run.of().started);
    runs
}

fn paths_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.retain(|path| path.extension() == Some(OsStr::new("json")));
    Ok(paths)
}

fn read(path: &Path) -> Result<RestoreRun, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_BYTES {
        return Err(format!("it has {length} bytes"));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let kept: Kept<serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| with_causes(&error))?;
    if (kept.format, kept.kind.as_str()) != (FORMAT, KIND) {
        return Err(format!("it is `{}` of format {}", kept.kind, kept.format));
    }
    let event: Event = serde_json::from_value(kept.event).map_err(|error| with_causes(&error))?;
    RestoreRun::of_event(kept.time, event).ok_or_else(|| "its event is another one".to_owned())
}
