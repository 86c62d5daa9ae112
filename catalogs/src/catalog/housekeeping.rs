//! What is found and mended on opening, and the notices that tell of it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Catalog;
use crate::disk::{remove_if_present, sync_directory};
use crate::entries::{
    DRAFT_EXTENSION, ENTRIES_DIRECTORY, EXTENSION, MERGED_EXTENSION, MERGING_EXTENSION,
};
use crate::error::CatalogError;
use crate::ledger::seen::Seen;
use crate::ledger::{Known, LostLines};

/// Something an operator may want to know; nothing was lost that had been acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The ledger's last line was incomplete, from a kill or power cut. It is in `ledger.cut`.
    TornLineCut {
        /// Number the line would have had.
        line: u64,
        /// Length of what was cut off.
        bytes: u64,
    },
    /// The ledger lacks lines that it had. What is on the tapes is safe.
    LinesLost(LostLines),
    /// An entry file that was never committed, or was replaced or merged, has been removed.
    StrayRemoved {
        /// The file.
        path: PathBuf,
    },
    /// The ledger has events of later software. They are kept; upgrade to make use of them.
    UnknownEvents {
        /// Type of the events.
        kind: String,
        /// How many.
        count: u64,
    },
    /// The index could not be used and is made anew.
    IndexRebuilt {
        /// What was wrong.
        reason: String,
    },
    /// Another process has the index; answers come from memory.
    IndexBusy {
        /// That process, if it said so.
        pid: Option<u32>,
    },
    /// The index cannot be kept on disk; answers come from memory. Check the directory.
    IndexUnusable {
        /// Why.
        reason: String,
    },
}

impl Notice {
    /// Whether the operator should hear of it: what belongs to a kill or to company need not.
    pub fn matters(&self) -> bool {
        !matches!(self, Notice::StrayRemoved { .. } | Notice::IndexBusy { .. })
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Notice::TornLineCut { line, bytes } => write!(
                f,
                "line {line} of the ledger was incomplete ({bytes} bytes); it is in ledger.cut"
            ),
            Notice::LinesLost(lost) => write!(f, "{lost}"),
            Notice::StrayRemoved { path } => {
                write!(f, "removed {}, which no line names", path.display())
            }
            Notice::UnknownEvents { kind, count } => {
                write!(
                    f,
                    "{count} events `{kind}` are of later software, and are kept"
                )
            }
            Notice::IndexRebuilt { reason } => write!(f, "the index is made anew: {reason}"),
            Notice::IndexBusy { pid: Some(pid) } => {
                write!(f, "process {pid} has the index; answers come from memory")
            }
            Notice::IndexBusy { pid: None } => {
                write!(f, "another process has the index; answers come from memory")
            }
            Notice::IndexUnusable { reason } => {
                write!(f, "the index cannot be kept on disk: {reason}")
            }
        }
    }
}

/// Notices nobody has taken yet, at most [`Notices::MAX`].
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Vec<Notice>>);

impl Notices {
    const MAX: usize = 1_000;

    pub(super) fn push(&self, notice: Notice) {
        tracing::info!(?notice, "catalog");
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() < Notices::MAX {
            notices.push(notice);
        }
    }

    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Catalog {
    pub(super) fn notice_unknown_events(&self) {
        for (kind, count) in self.ledger().unknown_events() {
            self.notices.push(Notice::UnknownEvents {
                kind: kind.clone(),
                count: *count,
            });
        }
    }

    /// Removes entry files that the ledger does not name. Does nothing, and waits for nobody,
    /// while another process may be about to name one or somebody reads, or where they tell of
    /// lost lines.
    pub(crate) fn remove_strays(&self) -> Result<(), CatalogError> {
        let directory = self.directory.join(ENTRIES_DIRECTORY);
        let failed = |source| CatalogError::Directory {
            path: directory.clone(),
            source,
        };
        let mut ledger = self.ledger();
        if self.strays(ledger.known()).map_err(failed)?.is_empty() {
            return Ok(());
        }
        let Ok(_right) = ledger.begin(Duration::ZERO) else {
            return Ok(());
        };
        // Looked for again, now that nobody can be between a rename and a ledger line.
        let strays = self.strays(ledger.known()).map_err(failed)?;
        // A killed commit leaves the number after the last one, and none beyond.
        let highest = strays.iter().filter_map(|path| line_of(path)).max();
        if let Some(seq) = highest.filter(|seq| *seq > ledger.tip().seq + 1) {
            ledger.suspect(Seen { seq, place: None });
        }
        if ledger.lost().is_some() {
            return Ok(());
        }
        let Some(_alone) = self.nobody_reads() else {
            return Ok(());
        };
        // A draft is the business of who merges, as long as somebody does.
        let is_draft = |path: &PathBuf| has_extension(path, &[MERGING_EXTENSION]);
        let merging = (strays.iter().any(is_draft)).then(|| self.begin_merging());
        for path in strays {
            if is_draft(&path) && !matches!(merging, Some(Ok(_))) {
                continue;
            }
            remove_if_present(&path).map_err(failed)?;
            self.notices.push(Notice::StrayRemoved { path });
        }
        sync_directory(&directory).map_err(failed)
    }

    pub(crate) fn strays(&self, known: &Known) -> std::io::Result<Vec<PathBuf>> {
        let named = known.entry_files();
        let listing = match std::fs::read_dir(self.directory.join(ENTRIES_DIRECTORY)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing?,
        };
        let mut strays = Vec::new();
        for file in listing {
            let path = file?.path();
            let ours = [
                EXTENSION,
                MERGED_EXTENSION,
                DRAFT_EXTENSION,
                MERGING_EXTENSION,
            ];
            let name = path.file_name().and_then(|name| name.to_str());
            if has_extension(&path, &ours) && name.is_none_or(|name| !named.contains(name)) {
                strays.push(path);
            }
        }
        Ok(strays)
    }
}

/// The number of the line that names this entry file.
fn line_of(path: &Path) -> Option<u64> {
    if !has_extension(path, &[EXTENSION, MERGED_EXTENSION]) {
        return None;
    }
    let name = path.file_name()?.to_str()?;
    name.split_once('-')?.0.parse().ok()
}

/// Whether the file's name ends as one of these.
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}
