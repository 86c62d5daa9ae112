//! A catalog of a few tapes alone, for who reads them at once.

use catalogs::model::event::{CatalogRebuilt, Event};

use super::{Rebuild, RebuiltVolume};
use crate::jobs::append_check::{append_point, read_label};
use crate::jobs::mount::{Bay, Mounter, Purpose};
use crate::jobs::{JobError, Site, catalog};
use crate::volume::append::AppendPoint;
use crate::volume::label::Label;

/// The tapes to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WhichTapes<'a> {
    /// These.
    Named(&'a [String]),
    /// The one in the only drive.
    Loaded,
}

/// Reads the indexes of the tapes into the catalog of `site`, which is made if it is not there. A
/// tape that was read stays in its drive: it is wanted next.
///
/// # Errors
///
/// One of them cannot be read, or is no volume.
pub(crate) fn read_alone(
    site: Site<'_>,
    which: WhichTapes<'_>,
) -> Result<Vec<RebuiltVolume>, JobError> {
    let mut mounter = Mounter::open(site)?;
    let catalog = catalog::open_to_rebuild(site)?;
    let mut rebuild = Rebuild::new(site, &catalog);
    let mut volumes = Vec::new();
    match which {
        WhichTapes::Named(barcodes) => {
            for barcode in barcodes {
                let read = |bay: &mut Bay| read_label(bay, false);
                let mounted = mounter.mount_then(barcode, Purpose::Volume, read)?;
                volumes.push(rebuild.read_in(&mut mounter, mounted)?);
            }
        }
        WhichTapes::Loaded => {
            let mut bay = mounter.mount_loaded()?;
            let label = match read_label(&mut bay, false) {
                Ok(label) => label,
                Err(error) => return Err(mounter.give_up(bay, error)),
            };
            bay.barcode.clone_from(&label.barcode);
            volumes.push(rebuild.read_in(&mut mounter, (bay, label))?);
        }
    }
    rebuild.jobs.settle(site, &catalog)?;
    Ok(volumes)
}

/// Reads what a tape has behind the segments that the catalog of `site` knows of it into that
/// catalog, and gives the tape back.
///
/// # Errors
///
/// The tape or the catalog cannot be read, or the user stopped it. What was read so far is kept.
pub(crate) fn read_behind(
    site: Site<'_>,
    mounter: &mut Mounter<'_>,
    (mut bay, label): (Bay, Label),
) -> Result<RebuiltVolume, JobError> {
    let catalog = match catalog::open_to_rebuild(site) {
        Ok(catalog) => catalog,
        Err(error) => return Err(mounter.give_up(bay, error)),
    };
    let mut rebuild = Rebuild::new(site, &catalog);
    let known = rebuild
        .name_volume(&mut bay, &label)
        .and_then(|()| Ok(catalog::receipts_of_volume(&catalog, label.volume)?));
    let (bay, read) = match known {
        Ok(receipts) => rebuild.scan(bay, label, &append_point(&receipts)),
        Err(error) => (bay, Err(error)),
    };
    let read = mounter.close(bay, read);
    let stopped = rebuild.stopped;
    rebuild.jobs.settle(site, &catalog)?;
    match read {
        Ok(_) if stopped => Err(JobError::Stopped),
        Ok(volume) => {
            let event = CatalogRebuilt {
                volumes: vec![volume.volume],
                segments: volume.segments,
            };
            catalog.append(site.clock.now(), &Event::CatalogRebuilt(event))?;
            Ok(volume)
        }
        Err(error) => Err(error),
    }
}

impl Rebuild<'_> {
    fn read_in(
        &mut self,
        mounter: &mut Mounter<'_>,
        (mut bay, label): (Bay, Label),
    ) -> Result<RebuiltVolume, JobError> {
        let (bay, read) = match self.name_volume(&mut bay, &label) {
            Ok(()) => self.scan(bay, label, &AppendPoint::first()),
            Err(error) => (bay, Err(error)),
        };
        match read {
            Ok(_) if self.stopped => Err(mounter.give_up(bay, JobError::Stopped)),
            Ok(volume) => Ok(volume),
            Err(error) => Err(mounter.give_up(bay, error)),
        }
    }
}
