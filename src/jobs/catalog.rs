//! The catalog of a state directory.

use std::ops::Deref;

use catalogs::model::event::{Event, Receipt, VolumeState, VolumeStateChanged};
use catalogs::{Catalog, CatalogError, LedgerError, Notice, OpenOptions, Volume};
use uuid::Uuid;

use super::{JobError, SOFTWARE, Site};
use crate::monitor;

/// An open catalog that tells the site's monitor what was found and mended in it.
pub(crate) struct Opened<'a> {
    catalog: Catalog,
    site: Site<'a>,
    /// Whether that lines were lost is told by who opened it.
    knows_of_losses: bool,
}

impl<'a> Opened<'a> {
    fn new(site: Site<'a>, catalog: Catalog, knows_of_losses: bool) -> Opened<'a> {
        let opened = Opened {
            catalog,
            site,
            knows_of_losses,
        };
        opened.tell();
        opened
    }

    fn tell(&self) {
        for notice in self.catalog.take_notices() {
            let is_loss = matches!(notice, Notice::LinesLost(_));
            let mut what = notice.to_string();
            tracing::warn!(what, "catalog");
            if is_loss {
                what.push_str(LOST);
            }
            if notice.matters() && !(is_loss && self.knows_of_losses) {
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

/// What a catalog that lost lines means for who only asks it.
const LOST: &str = ". What is on the tapes is safe, but what was archived last may be missing from \
    answers. No tape is written until `catalog rebuild` has read the tapes, or the newer copy of \
    the catalog is put back";

/// Opens the catalog, to ask it: if it lost lines, that is told as a problem.
///
/// # Errors
///
/// [`JobError::NoCatalog`], or it is damaged.
pub(crate) fn open(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    Ok(Opened::new(site, open_existing(site)?, false))
}

/// As [`open`]; that lines were lost is for the caller to tell.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_to_examine(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    Ok(Opened::new(site, open_existing(site)?, true))
}

/// As [`open`], for searches that end once the user asks to stop.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_to_search(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    let opened = open(site)?;
    heed_stop(site, &opened);
    Ok(opened)
}

/// Opens the catalog for a question in passing, also where this process has it open: it leaves the
/// index alone, and tells nobody what is wrong with it. `None` if it cannot be asked.
pub(crate) fn glance_at(site: Site<'_>) -> Option<Catalog> {
    let options = OpenOptions {
        memory_index: true,
        ..OpenOptions::default()
    };
    if !exists(site) {
        return None;
    }
    let opened = Catalog::open(&site.state.catalog_dir(), options);
    opened
        .inspect_err(|error| tracing::debug!(%error, "the catalog is not asked"))
        .ok()
}

/// Ends searches and checks once the user asks to stop.
pub(crate) fn heed_stop(site: Site<'_>, catalog: &Catalog) {
    if let Some(flag) = site.monitor.stop_flag() {
        catalog.stop_by(flag);
    }
}

/// Opens the catalog for a job that writes tapes: what it lost may be all that knows what is
/// still wanted on one.
///
/// # Errors
///
/// As [`open`], and [`CatalogError::LinesLost`].
pub(crate) fn open_to_write_tapes(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    let opened = open_to_examine(site)?;
    match opened.find_lost_lines()? {
        Some(lost) => Err(CatalogError::LinesLost(lost).into()),
        None => Ok(opened),
    }
}

/// As [`open_to_write_tapes`]; makes an empty catalog where there is none and was none.
///
/// # Errors
///
/// As [`open_to_write_tapes`].
pub(crate) fn open_or_create(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    match exists(site) {
        true => open_to_write_tapes(site),
        false => create_anew(site),
    }
}

/// Opens the catalog for who reads all tapes into it; makes a new one where there is none, or
/// where its ledger is gone.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_to_rebuild(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    match open_to_examine(site) {
        Err(JobError::NoCatalog { .. }) => create_anew(site),
        Err(JobError::Catalog(CatalogError::Ledger(LedgerError::Gone { .. }))) => create_anew(site),
        opened => opened,
    }
}

fn open_existing(site: Site<'_>) -> Result<Catalog, JobError> {
    if !exists(site) {
        let state = site.state.root().to_owned();
        return Err(JobError::NoCatalog { state });
    }
    Ok(Catalog::open(&site.state.catalog_dir(), options(site))?)
}

fn create_anew(site: Site<'_>) -> Result<Opened<'_>, JobError> {
    let catalog = Catalog::create_anew(
        &site.state.catalog_dir(),
        site.clock.now(),
        site.clock.new_id(),
        SOFTWARE,
        options(site),
    )?;
    Ok(Opened::new(site, catalog, true))
}

fn options(site: Site<'_>) -> OpenOptions {
    OpenOptions {
        memory_index: site.state.is_catalog_brief(),
        ..OpenOptions::default()
    }
}

/// Whether there is a catalog, or was one.
pub(crate) fn exists(site: Site<'_>) -> bool {
    Catalog::exists(&site.state.catalog_dir())
}

/// Records what may be done with a volume from now on, and why.
pub(crate) fn set_state(
    site: Site<'_>,
    catalog: &Catalog,
    volume: Uuid,
    state: VolumeState,
    reason: String,
) -> Result<(), CatalogError> {
    let event = Event::VolumeState(VolumeStateChanged {
        volume,
        state,
        reason,
    });
    catalog.append(site.clock.now(), &event)?;
    Ok(())
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
