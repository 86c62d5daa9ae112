//! Small JSON files, replaced whole: a reader sees the old or the new content, never a mixture.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SimError;

/// The format that is written: each file of a library carries this number.
pub const FORMAT_VERSION: u32 = 2;
/// The oldest format that is read. What it lacks has a default; a file that is written again
/// is of the newest.
const OLDEST_FORMAT_VERSION: u32 = 1;

/// Takes the format number that was found in `path` for the one it will be written with.
///
/// # Errors
///
/// `Version` for a number that this build does not read.
pub fn adopt_format(path: &Path, format: &mut u32) -> Result<(), SimError> {
    if !(OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(format) {
        return Err(SimError::Version {
            path: path.to_path_buf(),
            found: *format,
            supported: FORMAT_VERSION,
        });
    }
    *format = FORMAT_VERSION;
    Ok(())
}

/// Reads a JSON file.
///
/// # Errors
///
/// `Io` if it cannot be read, `Format` if it does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, SimError> {
    let text = fs::read(path).map_err(SimError::io(path))?;
    serde_json::from_slice(&text).map_err(|wrong| SimError::Format {
        path: path.to_path_buf(),
        detail: wrong.to_string(),
    })
}

/// Reads a JSON file; `None` if there is none.
///
/// # Errors
///
/// As [`read_json`].
pub fn read_json_opt<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SimError> {
    match read_json(path) {
        Ok(value) => Ok(Some(value)),
        Err(SimError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(other) => Err(other),
    }
}

/// Replaces a JSON file by writing beside it and renaming. Not synced: the
/// simulator survives the death of its process, not of its host.
///
/// # Errors
///
/// `Io` if the folder cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), SimError> {
    let beside = path.with_extension("json.new");
    let mut text = serde_json::to_vec_pretty(value).map_err(|wrong| SimError::Format {
        path: path.to_path_buf(),
        detail: wrong.to_string(),
    })?;
    text.push(b'\n');
    fs::write(&beside, text).map_err(SimError::io(&beside))?;
    fs::rename(&beside, path).map_err(SimError::io(path))
}

/// Waits for the exclusive `flock` of `path`, made if absent; it lasts as long as the file is open.
///
/// # Errors
///
/// `Io`.
pub fn lock(path: &Path) -> Result<File, SimError> {
    let file = open_lock(path)?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|error| SimError::io(path)(error.into()))?;
    Ok(file)
}

/// Waits for the shared `flock` of `path`, made if absent; it lasts as long as the file is open.
///
/// # Errors
///
/// `Io`.
pub fn share_lock(path: &Path) -> Result<File, SimError> {
    let file = open_lock(path)?;
    flock(&file, FlockOperation::LockShared).map_err(|error| SimError::io(path)(error.into()))?;
    Ok(file)
}

/// Takes the exclusive `flock` of `path` if nobody has it; `None` if somebody does.
///
/// # Errors
///
/// `Io`.
pub fn try_lock(path: &Path) -> Result<Option<File>, SimError> {
    let file = open_lock(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(SimError::io(path)(error.into())),
    }
}

fn open_lock(path: &Path) -> Result<File, SimError> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(SimError::io(path))
}
