//! Makes the catalog of a state directory from the newest copy on a tape, and reads what lies
//! behind it.

use catalogs::portable::{self, PortableError};
use jiff::Timestamp;
use serde::Serialize;

use crate::engine::attached::{CatalogCopies, CatalogCopy, CatalogCopyReader};
use crate::engine::{EngineError, MountedVolume};
use crate::error_text::with_causes;
use crate::jobs::append_check::read_label;
use crate::jobs::engine_error::from_engine;
use crate::jobs::error::Failure;
use crate::jobs::mount::{Bay, Mounter, Purpose, lend};
use crate::jobs::portable::{Carried, exists_already, job_error};
use crate::jobs::rebuild::{RebuiltVolume, read_behind};
use crate::jobs::{JobError, JobErrorKind, Outcome, SOFTWARE, Site, VolumeState, catalog};
use crate::monitor::Problem;
use crate::units::TapeFile;
use crate::volume::VolumeError;

/// A catalog that was made from a tape.
#[derive(Debug, Clone, Serialize)]
pub struct ImportedCopy {
    /// Complete if all that is on the tape is in the catalog now.
    pub outcome: Outcome,
    /// The tape.
    pub barcode: String,
    /// When the copy was written.
    pub written_at: Timestamp,
    /// The tape file that it begins in.
    pub tape_file: TapeFile,
    /// What it had.
    #[serde(flatten)]
    pub carried: Carried,
    /// Newer copies on the tape that could not be read.
    pub damaged_copies: u64,
    /// What the tape has behind the copy; `None` if it could not be read.
    pub behind: Option<RebuiltVolume>,
    /// Tapes that were not full when the copy was written: jobs may have gone on on them.
    pub may_have_newer: Vec<String>,
    /// What ended it before all of the tape was read, if anything did. The catalog is made.
    pub failure: Option<Failure>,
}

/// Makes the catalog from what `barcode` has of it. There must be none yet.
///
/// # Errors
///
/// There is a catalog, the tape cannot be mounted, has no copy of a catalog or none that can be
/// read ([`EngineError::NoCatalogCopy`], [`EngineError::CatalogCopiesBad`]), or the user stopped
/// it. Nothing was changed then. What goes wrong later is in [`ImportedCopy::failure`].
pub fn import(site: Site<'_>, barcode: &str) -> Result<ImportedCopy, JobError> {
    if catalog::exists(site) {
        return Err(exists_already(&site.state.catalog_dir()));
    }
    let mut mounter = Mounter::open(site)?;
    let read = |bay: &mut Bay| read_label(bay, false);
    let (bay, label) = mounter.mount_then(barcode, Purpose::Volume, read)?;
    let (bay, found) = lend(bay, label.clone(), |mounted| Ok(newest(site, mounted)));
    let made = match found.and_then(|found| found) {
        Ok(made) => made,
        Err(error) => return Err(mounter.give_up(bay, error)),
    };
    let behind = read_behind(site, &mut mounter, (bay, label));
    let (behind, failure) = match behind {
        Ok(behind) => (Some(behind), None),
        Err(error) => (None, Some(error)),
    };
    let outcome = match (&behind, &failure) {
        (_, Some(error)) if error.kind() == JobErrorKind::Interrupted => Outcome::Interrupted,
        (_, Some(_)) => Outcome::Failed,
        (Some(behind), None) if behind.problems.total > 0 => Outcome::Partial,
        (_, None) => Outcome::Complete,
    };
    Ok(ImportedCopy {
        outcome,
        barcode: barcode.to_owned(),
        written_at: made.copy.written_at(),
        tape_file: TapeFile(
            made.copy
                .segment_number()
                .saturating_mul(2)
                .saturating_sub(1),
        ),
        carried: made.carried,
        damaged_copies: made.damaged,
        behind,
        may_have_newer: may_have_newer(site, barcode)?,
        failure: failure.as_ref().map(Failure::from),
    })
}

/// A catalog that was made from a copy.
struct Made {
    copy: CatalogCopy,
    carried: Carried,
    damaged: u64,
}

/// Imports the newest copy that can be read.
fn newest(site: Site<'_>, mounted: &mut MountedVolume) -> Result<Made, JobError> {
    let barcode = mounted.label.barcode.clone();
    site.monitor
        .phase(&format!("looking for the catalog on {barcode}"));
    let failed = |source: VolumeError| {
        let barcode = barcode.clone();
        from_engine(EngineError::Volume { barcode, source })
    };
    let mut copies = CatalogCopies::default();
    let mut first_fault: Option<String> = None;
    let mut damaged = 0;
    loop {
        if site.monitor.stop_requested() {
            return Err(JobError::Stopped);
        }
        let copy = copies.next_copy(mounted, site.monitor).map_err(failed)?;
        let Some(copy) = copy else {
            return Err(JobError::Engine(match first_fault {
                None => EngineError::NoCatalogCopy { barcode },
                Some(newest) => EngineError::CatalogCopiesBad {
                    barcode,
                    copies: damaged,
                    newest,
                },
            }));
        };
        let words = format!("the copy of the catalog of {:.0}", copy.written_at());
        site.monitor.phase(&format!("reading {words}"));
        match read(site, mounted, &copy) {
            Ok(carried) => {
                return Ok(Made {
                    copy,
                    carried,
                    damaged,
                });
            }
            Err(Unread::Bad(what)) => {
                let what = format!("{words} cannot be read: {what}");
                site.monitor.problem(&Problem {
                    path: barcode.clone(),
                    what: format!("{what}; looking for an older one"),
                });
                first_fault.get_or_insert(what);
                damaged += 1;
            }
            Err(Unread::Drive(error)) => return Err(failed(error)),
            Err(Unread::Other(error)) => return Err(error),
        }
    }
}

enum Unread {
    /// The copy is damaged, or of later software.
    Bad(String),
    Drive(VolumeError),
    /// What is no fault of the copy.
    Other(JobError),
}

fn read(
    site: Site<'_>,
    mounted: &mut MountedVolume,
    copy: &CatalogCopy,
) -> Result<Carried, Unread> {
    let directory = site.state.catalog_dir();
    let go_on = || !site.monitor.stop_requested();
    let mut reader = CatalogCopyReader::new(mounted, copy, site.monitor);
    let done = portable::import(&directory, SOFTWARE, &mut reader, &go_on);
    if let Some(error) = reader.take_failure() {
        return Err(Unread::Drive(error));
    }
    match done {
        Ok(done) => Ok(Carried {
            events: done.events,
            entries: done.entries,
            left_out: 0,
        }),
        Err(error @ (PortableError::Line { .. } | PortableError::Newer { .. })) => {
            Err(Unread::Bad(with_causes(&error)))
        }
        Err(error) => Err(Unread::Other(job_error(error, &directory, "importing to"))),
    }
}

/// All that was not full and is another tape.
fn may_have_newer(site: Site<'_>, barcode: &str) -> Result<Vec<String>, JobError> {
    let catalog = catalog::open(site)?;
    let mut tapes = catalog::live_volumes(&catalog)?;
    tapes
        .retain(|tape| tape.state == VolumeState::Appendable && tape.label.what.barcode != barcode);
    let mut barcodes: Vec<String> = tapes
        .into_iter()
        .map(|tape| tape.label.what.barcode)
        .collect();
    barcodes.sort();
    Ok(barcodes)
}
