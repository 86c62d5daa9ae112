//! The state directory: the current library, the catalog, logs and locks.
//!
//! ```text
//! library.json   the current library (versioned, replaced whole)
//! catalog/       the catalog, see docs/catalog.md
//! log/           log files of the front ends
//! lost-tapes.json  tapes that a robot lost, see library/lost.rs
//! restores/      what restores were asked for that can be gone on with, see restore/journal.rs
//! restore-records/  records of restores that no catalog took, see restore/record_file.rs
//! lock/          one file for each thing that has one owner at a time
//! ```
//!
//! Only its owner may enter it: it names every archived file. Knows nothing of tapes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::library::LibraryConfig;
use crate::engine::target::free_bytes;
use crate::units::ByteSize;

/// Version of `library.json`.
const FORMAT: u32 = 1;
const KIND: &str = "tapewright-library";
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Room that a job which writes tapes finds in the state directory before a tape moves: entries
/// of about a million files, and the index.
const ROOM_BYTES: u64 = 128 << 20;

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system refused.
    #[error("{path}: {action}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No library was made the current one.
    #[error("no library is set up in {state}")]
    NoLibrary {
        /// The state directory.
        state: PathBuf,
    },
    /// The configuration cannot be read.
    #[error("{path} is not a library configuration: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What a job records might not find room.
    #[error(
        "{path} has room for {}, and a job that writes tapes may have to record {}; no tape was \
         moved",
        ByteSize(*free_bytes), ByteSize(ROOM_BYTES)
    )]
    NoRoom {
        /// The state directory.
        path: PathBuf,
        /// Bytes that can still be written there.
        free_bytes: u64,
    },
    /// The configuration was written by a later version.
    #[error("{path} has format {format}, this version knows formats up to {FORMAT}")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct LibraryFile {
    format: u32,
    kind: String,
    library: LibraryConfig,
}

/// A state directory that exists.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    /// What is used in place of what is in it.
    instead: Option<Instead>,
}

/// A catalog that lives as long as one command, and the library that it is for.
#[derive(Debug, Clone)]
struct Instead {
    catalog: PathBuf,
    library: Option<LibraryConfig>,
}

impl StateDir {
    /// Opens the state directory at `root`; makes it, with mode 0700, where there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] naming the directory that could not be made.
    pub fn open(root: &Path) -> Result<StateDir, StateError> {
        let state = StateDir::at(root);
        for dir in [state.root.clone(), state.log_dir(), state.lock_dir()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .map_err(|source| StateError::Io {
                    path: dir,
                    action: "making the directory",
                    source,
                })?;
        }
        Ok(state)
    }

    /// The state directory at `root`, made or not: for who examines why it cannot be made.
    pub fn at(root: &Path) -> StateDir {
        StateDir {
            root: root.to_owned(),
            instead: None,
        }
    }

    /// The same with the catalog in `catalog`, made for one command, and with another library
    /// if one is given: those in the state directory are neither read nor written. The locks
    /// are the same.
    pub(crate) fn with_brief_catalog(
        &self,
        catalog: PathBuf,
        library: Option<LibraryConfig>,
    ) -> StateDir {
        StateDir {
            root: self.root.clone(),
            instead: Some(Instead { catalog, library }),
        }
    }

    /// Whether the catalog is made for one command.
    pub(crate) fn is_catalog_brief(&self) -> bool {
        self.instead.is_some()
    }

    /// The same with the catalog that stays, if another one is in its place for one command.
    pub(crate) fn lasting(&self) -> StateDir {
        StateDir::at(&self.root)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the catalog lives.
    pub fn catalog_dir(&self) -> PathBuf {
        match &self.instead {
            Some(instead) => instead.catalog.clone(),
            None => self.root.join("catalog"),
        }
    }

    /// Where front ends put their log files.
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the locks are.
    pub(crate) fn lock_dir(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Sees to it that a job can record what it writes.
    ///
    /// # Errors
    ///
    /// [`StateError::NoRoom`]. Where the file system does not tell, there is room.
    pub(crate) fn check_room(&self) -> Result<(), StateError> {
        match free_bytes(&self.root) {
            Some(free_bytes) if free_bytes < ROOM_BYTES => {
                let path = self.root.clone();
                Err(StateError::NoRoom { path, free_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Where restores are kept that can be gone on with.
    pub(crate) fn restores_dir(&self) -> PathBuf {
        self.root.join("restores")
    }

    /// Where the records of restores are that no catalog took.
    pub(crate) fn restore_records_dir(&self) -> PathBuf {
        self.root.join("restore-records")
    }

    /// Where tapes are remembered that a robot lost.
    pub(crate) fn lost_tapes_file(&self) -> PathBuf {
        self.root.join("lost-tapes.json")
    }

    fn library_file(&self) -> PathBuf {
        self.root.join("library.json")
    }

    /// The current library.
    ///
    /// # Errors
    ///
    /// [`StateError::NoLibrary`] before the first `library create`; otherwise what is wrong
    /// with the file.
    pub fn library(&self) -> Result<LibraryConfig, StateError> {
        let instead = self.instead.as_ref();
        if let Some(library) = instead.and_then(|instead| instead.library.clone()) {
            return Ok(library);
        }
        let path = self.library_file();
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NoLibrary {
                    state: self.root.clone(),
                });
            }
            Err(source) => {
                return Err(StateError::Io {
                    path,
                    action: "reading",
                    source,
                });
            }
        };
        let malformed = |what: String| StateError::Malformed {
            path: path.clone(),
            what,
        };
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format > u64::from(FORMAT) => {
                return Err(StateError::TooNew { path, format });
            }
            Some(_) => {}
            None => return Err(malformed("it has no format number".to_owned())),
        }
        let file: LibraryFile =
            serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        if file.kind != KIND {
            return Err(malformed(format!(
                "its kind is `{}`, not `{KIND}`",
                file.kind
            )));
        }
        Ok(file.library)
    }

    /// Makes `library` the current one, replacing the file whole and durably.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`]; the former configuration is then still in place.
    pub fn set_library(&self, library: &LibraryConfig) -> Result<(), StateError> {
        let file = LibraryFile {
            format: FORMAT,
            kind: KIND.to_owned(),
            library: library.clone(),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("a configuration is plain data");
        text.push('\n');
        let path = self.library_file();
        replace(&path, text.as_bytes()).map_err(|source| StateError::Io {
            path,
            action: "writing",
            source,
        })
    }
}

pub(crate) fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(
        &mut io::Read::take(File::open(path)?, CONFIG_BYTES_MAX),
        &mut text,
    )?;
    Ok(text)
}

/// Writes a JSON file in a folder of the state directory, which is made if it is not there yet, in
/// place of what was in it, and makes it durable.
pub(crate) fn keep(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(content)?;
    text.push(b'\n');
    let folder = path.parent().expect("it is in a folder");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let above = folder.parent().expect("it is in the state directory");
    File::open(above)?.sync_all()?;
    replace(path, &text)
}

/// Write aside, make durable, rename, make the rename durable.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("json.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
