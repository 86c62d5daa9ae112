//! Holds: what is kept whatever its time.

use std::collections::BTreeSet;

use catalogs::model::event::{Event, Held, HoldPlaced, HoldReleased};
use catalogs::{Catalog, Hold};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Keep;
use crate::jobs::who::user_name;
use crate::jobs::{JobError, RetentionError, Site, catalog, which};
use crate::monitor::Problem;

/// What a hold is to be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOn {
    /// A job, by name or identity.
    Job(String),
    /// All that is on the tape with this barcode.
    Tape(String),
}

/// A hold.
#[derive(Debug, Clone, Serialize)]
pub struct HoldInfo {
    /// Its identity.
    pub hold: Uuid,
    /// When it was placed.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who placed it.
    pub by: String,
    /// The job that it is on, if it is on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
    /// That job's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// The volume that it is on, if it is on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Uuid>,
    /// That volume's barcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Its end, if it was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Release>,
}

/// The end of a hold.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who released it.
    pub by: String,
}

/// Places a hold.
///
/// # Errors
///
/// No reason is given, job or tape are not known, or the catalog cannot be used.
pub fn hold(site: Site<'_>, on: &HoldOn, reason: &str) -> Result<HoldInfo, JobError> {
    check_reason(reason)?;
    let catalog = catalog::open(site)?;
    let on = match on {
        HoldOn::Job(name) => {
            let start = which::one_job(&catalog, name)?.start.what;
            if !super::is_on_tape(&catalog, start.job)? {
                let what = "no tape has anything of it: there is nothing that a hold could keep";
                site.monitor.notice(&Problem {
                    path: start.name,
                    what: what.to_owned(),
                });
            }
            Held::Job { job: start.job }
        }
        HoldOn::Tape(barcode) => {
            let known = catalog::live_volume(&catalog, barcode)?;
            let known = known.ok_or_else(|| JobError::NoSuchVolume {
                barcode: barcode.clone(),
            })?;
            let volume = known.label.what.volume;
            Held::Volume { volume }
        }
    };
    let since = site.clock.now();
    offer_again(site, &catalog, on, since)?;
    let placed = HoldPlaced {
        hold: site.clock.new_id(),
        on,
        reason: reason.to_owned(),
        by: user_name(),
    };
    catalog.append(since, &Event::HoldPlaced(placed.clone()))?;
    let hold = Hold {
        since,
        placed,
        released: None,
    };
    info(&catalog, &hold)
}

/// Takes back the expiry of what is to be held, and of what that builds on: it is due again once
/// the hold is released.
fn offer_again(
    site: Site<'_>,
    catalog: &Catalog,
    on: Held,
    since: Timestamp,
) -> Result<(), JobError> {
    let jobs: BTreeSet<Uuid> = match on {
        Held::Job { job } => BTreeSet::from([job]),
        Held::Volume { volume } => {
            let receipts = catalog::receipts_of_volume(catalog, volume)?;
            receipts.into_iter().map(|receipt| receipt.job).collect()
        }
    };
    for job in jobs {
        let job = which::one_job(catalog, &job.to_string())?;
        super::revive_base(site, catalog, &job, Keep::Until(since))?;
        if catalog.retained()?.is_expired(&job.start.what.job) {
            super::set(site, catalog, job.start.what.job, Some(since))?;
        }
    }
    Ok(())
}

/// The holds in force, the oldest first; with `all` those that were released, too.
///
/// # Errors
///
/// The catalog cannot be read.
pub fn holds(site: Site<'_>, all: bool) -> Result<Vec<HoldInfo>, JobError> {
    let catalog = catalog::open(site)?;
    let retained = catalog.retained()?;
    let holds = retained.holds().into_iter();
    let holds = holds.filter(|hold| all || hold.released.is_none());
    holds.map(|hold| info(&catalog, hold)).collect()
}

/// Releases a hold, named by its identity or the beginning of it, at least four characters.
///
/// # Errors
///
/// No hold in force is named so, or several are; or the catalog cannot be used.
pub fn release(site: Site<'_>, name: &str, reason: &str) -> Result<HoldInfo, JobError> {
    check_reason(reason)?;
    let catalog = catalog::open(site)?;
    let retained = catalog.retained()?;
    let in_force = retained.holds().into_iter();
    let in_force = in_force.filter(|hold| hold.released.is_none());
    let in_force: Vec<&Hold> = in_force.collect();
    let meant = which::beginning_with(name, in_force.iter().map(|hold| hold.placed.hold));
    let mut held = in_force
        .into_iter()
        .filter(|hold| meant[..] == [hold.placed.hold]);
    let Some(hold) = held.next() else {
        return Err(JobError::Retention(RetentionError::NoSuchHold {
            name: name.to_owned(),
        }));
    };
    let released = HoldReleased {
        hold: hold.placed.hold,
        reason: reason.to_owned(),
        by: user_name(),
    };
    let at = site.clock.now();
    catalog.append(at, &Event::HoldReleased(released.clone()))?;
    let mut hold = hold.clone();
    hold.released = Some((at, released));
    info(&catalog, &hold)
}

fn check_reason(reason: &str) -> Result<(), JobError> {
    if reason.trim().is_empty() {
        let what = "a hold is placed and released for a reason: say it with --reason".to_owned();
        return Err(JobError::Request { what });
    }
    Ok(())
}

fn info(catalog: &Catalog, hold: &Hold) -> Result<HoldInfo, JobError> {
    let placed = &hold.placed;
    let mut info = HoldInfo {
        hold: placed.hold,
        since: hold.since,
        reason: placed.reason.clone(),
        by: placed.by.clone(),
        job: None,
        job_name: None,
        volume: None,
        barcode: None,
        released: hold.released.as_ref().map(|(at, released)| Release {
            at: *at,
            reason: released.reason.clone(),
            by: released.by.clone(),
        }),
    };
    match placed.on {
        Held::Job { job } => {
            info.job = Some(job);
            let known = catalog.job(&job.to_string())?;
            info.job_name = known.map(|job| job.start.what.name);
        }
        Held::Volume { volume } => {
            info.volume = Some(volume);
            info.barcode = Some(catalog::volume(catalog, volume)?.label.what.barcode);
        }
    }
    Ok(info)
}
