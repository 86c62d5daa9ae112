//! A ledger that lost lines: noticed, and accepted once the tapes were read.
//! `docs/catalog.md`, "A ledger that lost lines".

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::Uuid;

use super::housekeeping::has_extension;
use super::opener::INDEX_DIRECTORY;
use super::{Catalog, Notice, OpenOptions};
use crate::disk::{remove_if_present, sync_directory};
use crate::entries::{ENTRIES_DIRECTORY, EXTENSION, EntryFile, MERGED_EXTENSION};
use crate::error::CatalogError;
use crate::ledger::scan::Tip;
use crate::ledger::seen::Seen;
use crate::ledger::{LEDGER_FILE, LostLines, SEEN_FILE};

/// Where entry files go that no line names after the tapes were read.
const LOST_DIRECTORY: &str = "lost";

/// Whether there is no ledger, or an empty one, where a catalog was.
pub(super) fn is_gone(directory: &Path) -> bool {
    // The ledger is looked at last: somebody may just have begun it.
    let remains = is_empty_file(&directory.join(LEDGER_FILE))
        || Seen::read(&directory.join(SEEN_FILE)).is_some()
        || directory.join(INDEX_DIRECTORY).is_dir()
        || has_entry_file(&directory.join(ENTRIES_DIRECTORY));
    let ledger = directory.join(LEDGER_FILE);
    remains && (!ledger.exists() || is_empty_file(&ledger))
}

fn is_empty_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

fn has_entry_file(directory: &Path) -> bool {
    let Ok(listing) = fs::read_dir(directory) else {
        return false;
    };
    let ours = [EXTENSION, MERGED_EXTENSION];
    listing
        .flatten()
        .any(|file| has_extension(&file.path(), &ours))
}

impl Catalog {
    /// Whether there is a catalog in `directory`, or was one: then [`Catalog::open`] says what
    /// became of it.
    pub fn exists(directory: &Path) -> bool {
        directory.join(LEDGER_FILE).exists() || is_gone(directory)
    }

    /// Makes a new ledger where that of a catalog is gone, and opens it. Its lines count as lost
    /// until [`Catalog::accept_ledger`]. Where no catalog was, as [`Catalog::create`].
    ///
    /// # Errors
    ///
    /// As [`Catalog::create`].
    pub fn create_anew(
        directory: &Path,
        time: Timestamp,
        catalog: Uuid,
        software: &str,
        options: OpenOptions,
    ) -> Result<Catalog, CatalogError> {
        let ledger = directory.join(LEDGER_FILE);
        if is_empty_file(&ledger) {
            remove_if_present(&ledger).map_err(|source| CatalogError::Directory {
                path: ledger,
                source,
            })?;
        }
        Catalog::make(directory, time, catalog, software, options)
    }

    /// Lines that the ledger is known to have had, and has no more. What was opened later than
    /// the catalog itself, as its index, may have told of them.
    pub fn lost_lines(&self) -> Option<LostLines> {
        self.ledger().lost()
    }

    /// As [`Catalog::lost_lines`], the index asked, too.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub fn find_lost_lines(&self) -> Result<Option<LostLines>, CatalogError> {
        self.ask(|_| Ok(()))?;
        Ok(self.lost_lines())
    }

    pub(super) fn notice_lost_lines(&self) {
        if let Some(lost) = self.lost_lines() {
            self.notices.push(Notice::LinesLost(lost));
        }
    }

    /// An index had come as far as `tip`, which is not in the ledger.
    pub(super) fn suspect(&self, tip: Tip) {
        let lost = self.ledger().suspect(Seen::from(tip));
        if let Some(lost) = lost {
            self.notices.push(Notice::LinesLost(lost));
        }
    }

    /// Entry files that no line names, and that are kept, since lines were lost.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn unnamed_entry_files(&self) -> Result<Vec<PathBuf>, CatalogError> {
        let ledger = self.ledger();
        match ledger.lost() {
            None => Ok(Vec::new()),
            Some(_) => self.strays(ledger.known()).map_err(|source| {
                let path = self.directory.join(ENTRIES_DIRECTORY);
                CatalogError::Directory { path, source }
            }),
        }
    }

    /// The tapes have been read: from now on the ledger counts as whole. Entry files that no line
    /// names are removed where all their segments are in the ledger under other numbers, and else
    /// moved to `lost`. Returns how many were moved. Does nothing where no lines were lost.
    ///
    /// # Errors
    ///
    /// Another process is appending for too long, or the directory cannot be written.
    pub fn accept_ledger(&self) -> Result<u64, CatalogError> {
        let failed = |source| CatalogError::Directory {
            path: self.directory.clone(),
            source,
        };
        let mut ledger = self.ledger();
        let right = ledger.begin(self.options.append_wait)?;
        if ledger.lost().is_none() {
            return Ok(0);
        }
        let segments = ledger.known().segments();
        let aside = self.directory.join(LOST_DIRECTORY);
        let mut moved = 0;
        for path in self.strays(ledger.known()).map_err(failed)? {
            let unknown = !segments_of(&path).is_subset(&segments);
            match (unknown, path.file_name()) {
                (true, Some(name)) => {
                    fs::create_dir_all(&aside).map_err(failed)?;
                    fs::rename(&path, aside.join(name)).map_err(failed)?;
                    moved += 1;
                }
                _ => remove_if_present(&path).map_err(failed)?,
            }
        }
        sync_directory(&self.directory).map_err(failed)?;
        ledger.accept(&right)?;
        Ok(moved)
    }
}

/// The segments of an entry file, by its name; of a merged one, by its own list of them.
fn segments_of(path: &Path) -> HashSet<Uuid> {
    let stem = path.file_stem().and_then(|name| name.to_str());
    let id = stem.and_then(|name| Uuid::parse_str(name.split_once('-')?.1).ok());
    match id {
        Some(id) if has_extension(path, &[EXTENSION]) => HashSet::from([id]),
        Some(id) if has_extension(path, &[MERGED_EXTENSION]) => {
            let members = EntryFile::open(path, &id).and_then(|file| file.members());
            // One whose list cannot be read is kept.
            let members = members.map(|list| list.iter().map(|member| member.segment).collect());
            members.unwrap_or_else(|_| HashSet::from([id]))
        }
        _ => HashSet::new(),
    }
}
