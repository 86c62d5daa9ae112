//! A restore carried out: in one drive, or in several at once, each with a way of its own to the
//! library.

use std::collections::{HashMap, HashSet};

use catalogs::Catalog;
use uuid::Uuid;

use super::replan::{Layouts, Replanning};
use super::timed::{Timed, Took, add_up};
use crate::engine::restore::{RestoreDrive, RestorePlan, RestoreReport, restore_in};
use crate::jobs::engine_error::from_engine;
use crate::jobs::mount::Mounter;
use crate::jobs::source::LibrarySource;
use crate::jobs::{FailedTape, JobError, Site};
use crate::monitor::Lanes;

/// What a restore is carried out with.
pub(super) struct InDrives<'a> {
    pub(super) site: Site<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) mounter: Mounter<'a>,
    pub(super) layouts: Layouts,
    /// How many are used.
    pub(super) drives: usize,
}

/// What came of it.
pub(super) struct Done {
    pub(super) report: Result<RestoreReport, JobError>,
    /// What each volume took.
    pub(super) took: Vec<(Uuid, Took)>,
    /// Seconds that locates and reads of a volume were to take by the order that was found after
    /// its mount.
    pub(super) anew: HashMap<Uuid, f64>,
    /// Tapes that the library did not give or take back.
    pub(super) refused: Vec<FailedTape>,
}

impl InDrives<'_> {
    /// Carries out `plan`.
    ///
    /// # Errors
    ///
    /// The library cannot be opened as often as there are drives. Nothing was touched.
    pub(super) fn carry_out(self, plan: &RestorePlan) -> Result<Done, JobError> {
        let InDrives {
            site,
            catalog,
            mounter,
            layouts,
            drives,
        } = self;
        let told = Lanes::new(site.monitor, drives);
        let lanes = told.lanes();
        let lane_sites = lanes.iter().map(|lane| Site {
            monitor: lane,
            ..site
        });
        // One drive is told of as it is.
        let sites: Vec<Site<'_>> = match drives {
            0 | 1 => vec![site],
            _ => lane_sites.collect(),
        };
        let mounters: Vec<Mounter<'_>> = match drives {
            0 | 1 => vec![mounter],
            _ => sites
                .iter()
                .map(|site| mounter.beside(*site))
                .collect::<Result<_, _>>()?,
        };
        let sources = sites.iter().zip(mounters).map(|(site, mounter)| {
            let source = LibrarySource::new(*site, catalog, mounter, None);
            let watch = source.watch();
            let replanning = Replanning::new(source, layouts.clone());
            Timed::new(replanning, watch, layouts.clone())
        });
        let mut sources: Vec<_> = sources.collect();
        let with_sites = sources.iter_mut().zip(&sites);
        let mut at_work: Vec<RestoreDrive<'_>> = with_sites
            .map(|(volumes, site)| RestoreDrive {
                volumes,
                monitor: site.monitor,
            })
            .collect();
        let report = restore_in(plan, &mut at_work, site.monitor);
        drop(at_work);
        let mut done = Done {
            report: report.map_err(from_engine),
            took: Vec::new(),
            anew: HashMap::new(),
            refused: Vec::new(),
        };
        for source in sources {
            let (source, took) = source.finish();
            let (source, anew) = source.finish();
            done.take_in(took, anew, source.finish());
        }
        done.settle(drives);
        Ok(done)
    }
}

impl Done {
    /// Of a restore that touched nothing.
    pub(super) fn failed(error: JobError) -> Done {
        Done {
            report: Err(error),
            took: Vec::new(),
            anew: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// Takes in what one drive did.
    fn take_in(
        &mut self,
        took: Vec<(Uuid, Took)>,
        anew: HashMap<Uuid, f64>,
        refused: Vec<FailedTape>,
    ) {
        // Another drive may have had a part in it.
        add_up(&mut self.took, took);
        for (volume, seconds) in anew {
            self.anew.entry(volume).or_insert(seconds);
        }
        self.refused.extend(refused);
    }

    /// A tape that one drive did not take and another did is not refused.
    fn settle(&mut self, drives: usize) {
        let Ok(report) = &self.report else { return };
        if drives > 1 {
            let failed = &report.volumes_failed;
            self.refused
                .retain(|tape| failed.iter().any(|volume| volume.barcode == tape.barcode));
            let mut told = HashSet::new();
            self.refused
                .retain(|tape| told.insert(tape.barcode.clone()));
        }
    }
}
