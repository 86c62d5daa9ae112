//! The catalog of a state directory.

use std::ops::Deref;

use catalogs::model::event::Receipt;
use catalogs::{Catalog, CatalogError, LEDGER_FILE, OpenOptions, Volume};
use uuid::Uuid;

use super::{JobError, SOFTWARE, Site};
use crate::monitor;

/// An open catalog that tells the site's monitor what was found and mended in it.
pub(crate) struct Opened<'a> {
    catalog: Catalog,
    site: Site<'a>,
}

impl<'a> Opened<'a> {
    fn new(site: Site<'a>, catalog: Catalog) -> Opened<'a> {
        let opened = Opened { catalog, site };
        opened.tell();
        opened
    }

    fn tell(&self) {
        for notice in self.catalog.take_notices() {
            let what = notice.to_string();
            tracing::warn!(what, "catalog");
            if notice.matters() {
                let path = self.catalog.directory().display().to_string();
                self.site.monitor.problem(&monitor::Problem { path, what });
            }
        }
    }
}

impl Deref for Opened<'_> {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        &self.catalog
    }
}

impl Drop for Opened<'_> {
    /// The index is opened by the first question, long after the catalog.
    fn drop(&mut self) {
        self.tell();
    }
}

/// Opens the catalog.
///
/// # Errors
///
/// [`JobError::NoCatalog`], or it is damaged.
pub(crate) fn open(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    if !exists(site) {
        let state = site.state.root().to_owned();
        return Err(JobError::NoCatalog { state });
    }
    let catalog = Catalog::open(&site.state.catalog_dir(), OpenOptions::default())?;
    Ok(Opened::new(site, catalog))
}

/// Opens the catalog; makes an empty one where there is none.
pub(crate) fn open_or_create(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    let (dir, options) = (site.state.catalog_dir(), OpenOptions::default());
    if exists(site) {
        return open(site);
    }
    let catalog = Catalog::create(
        &dir,
        site.clock.now(),
        site.clock.new_id(),
        SOFTWARE,
        options,
    )?;
    Ok(Opened::new(site, catalog))
}

/// Whether there is a catalog.
pub(crate) fn exists(site: Site<'_>) -> bool {
    site.state.catalog_dir().join(LEDGER_FILE).exists()
}

/// The volume with this barcode whose content is not given up.
pub(crate) fn live_volume(
    catalog: &Catalog,
    barcode: &str,
) -> Result<Option<Volume>, CatalogError> {
    Ok(catalog
        .volume_by_barcode(barcode)?
        .filter(|volume| volume.retired.is_none()))
}

/// All volumes whose content is not given up, in the order of their labels.
pub(crate) fn live_volumes(catalog: &Catalog) -> Result<Vec<Volume>, CatalogError> {
    let mut volumes = catalog.volumes()?;
    volumes.retain(|volume| volume.retired.is_none());
    Ok(volumes)
}

/// A volume that a receipt refers to.
pub(crate) fn volume(catalog: &Catalog, volume: Uuid) -> Result<Volume, JobError> {
    let known = catalog.volume(&volume)?;
    known.ok_or_else(|| JobError::NoSuchVolume {
        barcode: volume.to_string(),
    })
}

/// Receipts of a volume, in the order of its segments.
pub(crate) fn receipts_of_volume(
    catalog: &Catalog,
    volume: Uuid,
) -> Result<Vec<Receipt>, CatalogError> {
    let recorded = catalog.receipts_of_volume(&volume)?;
    Ok(recorded
        .into_iter()
        .map(|recorded| recorded.what.receipt)
        .collect())
}

/// Receipts of a job, in the order of their commits.
pub(crate) fn receipts_of_job(catalog: &Catalog, job: Uuid) -> Result<Vec<Receipt>, CatalogError> {
    let recorded = catalog.receipts_of_job(&job)?;
    Ok(recorded
        .into_iter()
        .map(|recorded| recorded.what.receipt)
        .collect())
}
