//! What the catalog remembers of restores of the current library, for the next plan.

use std::collections::HashMap;

use catalogs::Catalog;
use uuid::Uuid;

use super::arrange::Arranged;
use super::calibrate::{Calibration, RESTORES_MOST};
use crate::jobs::moves::library_name;
use crate::jobs::{JobError, Site};

/// Restores of other libraries are among the newest, too.
const LOOKED_AT: usize = 4 * RESTORES_MOST;

/// What is known of the times of the current library with the tapes of a plan. Records that
/// cannot be read are no reason not to restore: the data sheets hold then.
///
/// # Errors
///
/// No library is set up, or the catalog cannot be asked for its volumes.
pub(super) fn calibration(
    site: Site<'_>,
    catalog: &Catalog,
    volumes: &[Arranged],
) -> Result<Calibration, JobError> {
    let library = library_name(&site.state.library()?);
    let records = catalog.newest_restores(LOOKED_AT).unwrap_or_else(|error| {
        tracing::warn!(%error, "not calibrated: the records of restores cannot be read");
        Vec::new()
    });
    let mut generations: HashMap<Uuid, String> = HashMap::new();
    if !records.is_empty() {
        for volume in catalog.volumes()? {
            let label = volume.label.what;
            generations.insert(label.volume, label.generation);
        }
    }
    let planned = volumes.iter().map(|volume| volume.generation.clone());
    let generation_of = |volume| generations.get(&volume).cloned();
    Ok(Calibration::of(
        library,
        &records,
        generation_of,
        planned.collect(),
    ))
}
