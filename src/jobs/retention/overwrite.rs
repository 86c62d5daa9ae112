//! Whether a volume's content may be given up.

use catalogs::model::event::{Held, Receipt};
use catalogs::{Catalog, Hold, Kept, Retained};
use jiff::Timestamp;
use uuid::Uuid;

use crate::jobs::{JobError, RetentionError, catalog};

/// Refuses a volume that a hold keeps, or that has a job whose time is set and that is not
/// expired. One whose jobs have no time at all is left to whoever types its barcode.
///
/// # Errors
///
/// [`RetentionError::Held`], [`RetentionError::Unexpired`]; or the catalog cannot be read.
pub(crate) fn check_overwrite(
    catalog: &Catalog,
    volume: Uuid,
    barcode: &str,
) -> Result<(), JobError> {
    let retained = catalog.retained()?;
    let receipts = catalog::receipts_of_volume(catalog, volume)?;
    if let Some(hold) = hold_on(&retained, volume, &receipts) {
        return Err(JobError::Retention(RetentionError::Held {
            barcode: barcode.to_owned(),
            hold: hold.placed.hold,
            since: hold.since,
            reason: hold.placed.reason.clone(),
            by: hold.placed.by.clone(),
        }));
    }
    for receipt in &receipts {
        let Some(Kept::Set(set)) = retained.job(&receipt.job) else {
            continue;
        };
        let until: Option<Timestamp> = set.until;
        let known = catalog.job(&receipt.job.to_string())?;
        let job = known.map_or_else(|| receipt.job.to_string(), |job| job.start.what.name);
        return Err(JobError::Retention(RetentionError::Unexpired {
            barcode: barcode.to_owned(),
            job,
            until,
        }));
    }
    Ok(())
}

/// Whether all jobs on a volume are expired, and no hold is on it.
pub(crate) fn is_free(retained: &Retained, volume: Uuid, receipts: &[Receipt]) -> bool {
    let expired = |receipt: &Receipt| retained.is_expired(&receipt.job);
    let all_expired = !receipts.is_empty() && receipts.iter().all(expired);
    all_expired && hold_on(retained, volume, receipts).is_none()
}

/// Whether a hold is on a volume, or on a job that has a segment there.
pub(crate) fn is_held(retained: &Retained, volume: Uuid, receipts: &[Receipt]) -> bool {
    hold_on(retained, volume, receipts).is_some()
}

/// The first hold in force on a volume or on a job that has a segment there.
fn hold_on<'a>(retained: &'a Retained, volume: Uuid, receipts: &[Receipt]) -> Option<&'a Hold> {
    let holds = retained.holds().into_iter();
    let mut in_force = holds.filter(|hold| hold.released.is_none());
    in_force.find(|hold| match hold.placed.on {
        Held::Volume { volume: held } => held == volume,
        Held::Job { job } => receipts.iter().any(|receipt| receipt.job == job),
    })
}
