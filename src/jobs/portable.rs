//! The catalog as a file: checked, exported and imported.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use catalogs::portable::{self, PortableError};
use catalogs::{CatalogError, Volume};
use serde::Serialize;

use super::error::ANOTHER_CATALOG;
use super::tape_check::CheckedTape;
use super::{JobError, SOFTWARE, Site, catalog};
use crate::error_text::with_causes;

/// Something that is wrong with the catalog.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogFault {
    /// Barcode of the tape that it is about, if one is.
    pub barcode: Option<String>,
    /// What, as a sentence without a final full stop.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// What a check of the catalog found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedCatalog {
    /// Ledger lines.
    pub lines: u64,
    /// Receipts of segments that count.
    pub receipts: u64,
    /// Entries read.
    pub entries: u64,
    /// What is wrong.
    pub faults: Vec<CatalogFault>,
    /// The tape that it was compared with, if it was with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<CheckedTape>,
}

/// What an export or import had.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Carried {
    /// Events and receipts.
    pub events: u64,
    /// Entries.
    pub entries: u64,
    /// Events of later software, which an export leaves out.
    pub left_out: u64,
}

/// Reads all of the catalog and compares it with itself. Touches no tape.
///
/// # Errors
///
/// There is no catalog, its ledger cannot be read, or the user stopped it.
pub fn check(site: Site<'_>) -> Result<CheckedCatalog, JobError> {
    let catalog = catalog::open_to_examine(site)?;
    catalog::heed_stop(site, &catalog);
    let volumes = catalog.volumes()?;
    let barcode = |id| {
        let mut volumes = volumes.iter().map(|volume: &Volume| &volume.label.what);
        let label = volumes.find(|label| label.volume == id)?;
        Some(label.barcode.clone())
    };
    let mut faults = Vec::new();
    if let Some(lost) = catalog.find_lost_lines()? {
        let error = JobError::Catalog(CatalogError::LinesLost(lost));
        faults.push(CatalogFault {
            barcode: None,
            what: with_causes(&error),
            advice: error.advice().unwrap_or_default(),
        });
    }
    let report = match catalog.check() {
        Err(CatalogError::Stopped) => return Err(JobError::Stopped),
        report => report?,
    };
    for damaged in &report.damaged {
        let barcode = barcode(damaged.volume);
        faults.push(CatalogFault {
            what: with_causes(&damaged.error),
            advice: rebuild_advice(barcode.as_deref()),
            barcode,
        });
    }
    for wrong in &report.inconsistent {
        let barcode = barcode(wrong.volume);
        faults.push(CatalogFault {
            what: wrong.to_string(),
            advice: ANOTHER_CATALOG.to_owned(),
            barcode,
        });
    }
    Ok(CheckedCatalog {
        lines: report.lines,
        receipts: report.receipts,
        entries: report.entries,
        faults,
        tape: None,
    })
}

/// What cures a damaged entry file.
pub(super) fn rebuild_advice(barcode: Option<&str>) -> String {
    match barcode {
        Some(barcode) => format!("`catalog rebuild {barcode}` writes it anew from the tape."),
        None => "`catalog rebuild` writes it anew from the tapes.".to_owned(),
    }
}

/// Writes the catalog to the new file `path`. Touches no tape.
///
/// # Errors
///
/// The file exists or cannot be written, an entry file is damaged, or the user stopped it. What
/// was written is removed then.
pub fn export(site: Site<'_>, path: &Path) -> Result<Carried, JobError> {
    let catalog = catalog::open(site)?;
    let io = |action| {
        move |source| JobError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let mut file = OpenOptions::new();
    // It names every archived file: as private as the catalog.
    let file = file.write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(io("making"))?;
    let go_on = || !site.monitor.stop_requested();
    let exported = catalog
        .export(SOFTWARE, BufWriter::new(&file), &go_on)
        .map_err(|error| job_error(error, path, "writing"))
        .and_then(|done| file.sync_all().map(|()| done).map_err(io("writing")));
    match exported {
        Ok(done) => Ok(Carried {
            events: done.events,
            entries: done.entries,
            left_out: done.left_out,
        }),
        Err(error) => {
            // The news is why it failed, not that its beginning stays.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// Makes the catalog of this state directory from an export. There must be none yet.
///
/// # Errors
///
/// There is a catalog, the file is no export, damaged or cut off, or the user stopped it. Nothing
/// was changed then.
pub fn import(site: Site<'_>, path: &Path) -> Result<Carried, JobError> {
    let file = File::open(path).map_err(|source| JobError::Io {
        action: "opening",
        path: path.to_owned(),
        source,
    })?;
    let go_on = || !site.monitor.stop_requested();
    let directory = site.state.catalog_dir();
    let input = BufReader::new(file);
    let done = portable::import(&directory, SOFTWARE, input, &go_on)
        .map_err(|error| job_error(error, path, "reading"))?;
    Ok(Carried {
        events: done.events,
        entries: done.entries,
        left_out: 0,
    })
}

/// That an import would have to replace the catalog in `path`.
pub(super) fn exists_already(path: &Path) -> JobError {
    JobError::Request {
        what: format!(
            "there is a catalog in {} already; an import makes a new one: give another state \
             directory with --state, or move this catalog out of it, and keep it",
            path.display()
        ),
    }
}

pub(super) fn job_error(error: PortableError, path: &Path, action: &'static str) -> JobError {
    let path = path.to_owned();
    match error {
        PortableError::Stopped => JobError::Stopped,
        PortableError::Catalog(error) => error.into(),
        PortableError::Io(source) => JobError::Io {
            action,
            path,
            source,
        },
        PortableError::Directory { path, source } => JobError::Io {
            action: "importing to",
            path,
            source,
        },
        PortableError::Exists { path } => exists_already(&path),
        error => JobError::Io {
            action: "reading",
            path,
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        },
    }
}
