//! Restoring where nothing is known but what the tapes say of themselves.

use std::path::{Path, PathBuf};

use crate::jobs::library::{LibraryConfig, device_alone};
use crate::jobs::rebuild::{RebuiltVolume, WhichTapes, read_alone};
use crate::jobs::{JobError, Site, StateDir};

/// The tapes whose labels and indexes are read in place of the catalog.
#[derive(Debug, Clone)]
pub enum FromTapes {
    /// These, of the current library.
    Barcodes(Vec<String>),
    /// The one in this drive, which needs no library.
    Drive(PathBuf),
}

/// What was read of the tapes: a place to restore from.
#[derive(Debug)]
pub struct TapesAlone {
    state: StateDir,
    volumes: Vec<RebuiltVolume>,
}

impl TapesAlone {
    /// Reads what the tapes say of themselves, into the empty directory `scratch`. The catalog of
    /// `site` is not touched.
    ///
    /// # Errors
    ///
    /// A tape cannot be had or read, or is no volume; the drive cannot be opened.
    pub fn read(site: Site<'_>, tapes: &FromTapes, scratch: &Path) -> Result<Self, JobError> {
        let (library, which): (Option<LibraryConfig>, _) = match tapes {
            FromTapes::Barcodes(barcodes) => (None, WhichTapes::Named(barcodes)),
            FromTapes::Drive(device) => (Some(device_alone(device)?), WhichTapes::Loaded),
        };
        let catalog = scratch.join("catalog");
        let state = site.state.with_brief_catalog(catalog, library);
        let volumes = read_alone(
            Site {
                state: &state,
                ..site
            },
            which,
        )?;
        Ok(Self { state, volumes })
    }

    /// `site` with what the tapes say in place of the catalog.
    #[must_use]
    pub fn site<'a>(&'a self, site: Site<'a>) -> Site<'a> {
        Site {
            state: &self.state,
            ..site
        }
    }

    /// What was read.
    #[must_use]
    pub fn volumes(&self) -> &[RebuiltVolume] {
        &self.volumes
    }
}
