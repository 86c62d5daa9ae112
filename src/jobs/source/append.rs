//! The volume that is written next: chooses among the pool's, mounts and checks one, and takes
//! into the catalog what a cut-off job has left on it.
//!
//! A tape that cannot be used is passed over, and told; where the pool has none left, somebody is
//! asked for help. What becomes of a volume that was written is `super`'s.

use catalogs::CatalogError;
use catalogs::model::event::Receipt;
use uuid::Uuid;

use super::{LibrarySource, lock_volume};
use crate::engine::scan::{Damage, scan};
use crate::engine::{BoxedError, MountedVolume, ReceiptSink, VolumeEnd};
use crate::error_text::with_causes;
use crate::jobs::allocate::{Candidate, choose};
use crate::jobs::append_check::{Appendable, Expected, check_appendable};
use crate::jobs::label::is_about_the_tape;
use crate::jobs::mount::{Bay, Purpose, lend};
use crate::jobs::operator::Reply;
use crate::jobs::rebuild::{NotingSink, SeenJobs};
use crate::jobs::whereabouts::{Places, TapePlace, outside};
use crate::jobs::{JobError, VolumeState, catalog, error};
use crate::monitor::Problem;
use crate::scsi::Reaction;
use crate::volume::append::AppendPoint;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::scan::Depth;

/// A drive, and a tape that it did not load for a reason that may be the drive's.
pub(super) struct Misload {
    drive: String,
    barcode: String,
}

impl LibrarySource<'_> {
    /// A volume of the pool, mounted and checked, with the place to go on at.
    pub(super) fn append_next(&mut self) -> Result<MountedVolume, JobError> {
        if let Some(ready) = self.ready.take() {
            return Ok(ready);
        }
        self.take_back();
        loop {
            match self.look_for_volume() {
                Err(error) if is_worth_waiting(&error) => self.wait_for_help(error)?,
                result => return result,
            }
        }
    }

    /// Has somebody help against what `error` says.
    ///
    /// # Errors
    ///
    /// Nobody does, or the user stopped the job meanwhile.
    fn wait_for_help(&mut self, error: JobError) -> Result<(), JobError> {
        let what = with_causes(&error);
        let advice = error.advice();
        let help = advice.map_or(what.clone(), |advice| format!("{what}. {advice}"));
        // Who labels a tape meanwhile needs the index.
        self.catalog.release_index();
        match self.site.operator.wait_for(&help) {
            Reply::Declined => Err(error),
            Reply::Done if self.site.monitor.stop_requested() => Err(JobError::Stopped),
            Reply::Done => Ok(()),
        }
    }

    fn look_for_volume(&mut self) -> Result<MountedVolume, JobError> {
        let pool = self
            .pool
            .clone()
            .expect("only a source with a pool is asked for room");
        let places = self.mounter.places()?;
        let mut choice = choose(self.candidates(&pool, &places)?);
        let other = |candidate: &Candidate| Some(candidate.volume) != self.preferred;
        choice.usable.sort_by_key(other);
        // One of them may be a tape that is not in the library by its label.
        let nameless = places.nameless();
        if !nameless.is_empty() {
            choice.out.push(error::labels_unread(nameless));
        }
        let mut first = None;
        for candidate in &choice.usable {
            match self.try_append(candidate, &pool) {
                Err(error) if leaves_others_usable(&error) => {
                    let error = self.pass_over(candidate, error)?;
                    first.get_or_insert(error);
                }
                result => return result,
            }
        }
        Err(first.unwrap_or(JobError::NoAppendableVolume {
            pool,
            volumes: choice.out,
        }))
    }

    /// All volumes of the pool that this job may still write.
    fn candidates(&self, pool: &str, places: &Places) -> Result<Vec<Candidate>, JobError> {
        let mut candidates = Vec::new();
        for volume in catalog::live_volumes(self.catalog)? {
            let label = volume.label.what;
            if label.pool != pool || self.spent.contains(&label.volume) {
                continue;
            }
            let last = self.catalog.last_receipt(&label.volume)?;
            candidates.push(Candidate {
                volume: label.volume,
                state: volume.state,
                used_blocks: last.map_or(0, |last| last.what.receipt.end_block),
                within_reach: places.of(&label.barcode) != TapePlace::Missing,
                barcode: label.barcode,
                outside: volume.location.and_then(|(_, location)| outside(location)),
            });
        }
        Ok(candidates)
    }

    fn try_append(&mut self, candidate: &Candidate, pool: &str) -> Result<MountedVolume, JobError> {
        let Candidate {
            volume, barcode, ..
        } = candidate;
        let writer = lock_volume(self.site, *volume, barcode)?;
        let receipts: Vec<Receipt> = catalog::receipts_of_volume(self.catalog, *volume)?;
        let expected = Expected {
            volume: *volume,
            pool,
            receipts: &receipts,
        };
        let (site, catalog, not_loaded) = (self.site, self.catalog, &mut self.not_loaded);
        let check = |bay: &mut Bay| {
            *not_loaded = None;
            check_appendable(site, catalog, bay, &expected)
        };
        let (bay, found) = self.mounter.mount_then(barcode, Purpose::Volume, check)?;
        let (bay, point) = match found.has_tail {
            false => (bay, Ok(found.point)),
            true => self.adopt_tail(bay, &found),
        };
        match point {
            Ok(point) => {
                // A long job leaves the index to others.
                self.catalog.release_index();
                let device = Box::new(self.lend(bay, Some(writer)));
                Ok(MountedVolume {
                    device,
                    label: found.label,
                    append: Some(point),
                })
            }
            Err(error) => Err(self.mounter.give_up(bay, error)),
        }
    }

    /// Tells of a tape that this job does not write, and what is to be done about it. Where the
    /// drive says that the tape is at fault, it is not written any more, until a person says
    /// otherwise. Gives the failure back, which stays the news.
    ///
    /// # Errors
    ///
    /// The second tape in a row that one drive does not load speaks against the drive.
    fn pass_over(&mut self, candidate: &Candidate, error: JobError) -> Result<JobError, JobError> {
        tracing::info!(%error, "trying the next tape of the pool");
        if matches!(error, JobError::TapeBusy { .. }) {
            return Ok(error);
        }
        let (volume, barcode) = (candidate.volume, &candidate.barcode);
        self.spent.insert(volume);
        let error = match fault_of_tape(&error) {
            Some(reason) => {
                self.record_end(volume, VolumeEnd::Suspect(reason))?;
                error
            }
            None => self.judge_drive(barcode, error)?,
        };
        let marked = match catalog::volume(self.catalog, volume)?.state {
            VolumeState::Suspect => " and marked suspect",
            _ => "",
        };
        let advice = error.advice().map(|advice| format!(". {advice}"));
        let (causes, advice) = (with_causes(&error), advice.unwrap_or_default());
        self.site.monitor.problem(&Problem {
            path: barcode.clone(),
            what: format!("it was passed over{marked}: {causes}{advice}"),
        });
        Ok(error)
    }

    /// A tape that may be well was not loaded: whether the drive did so to the one before, too.
    fn judge_drive(&mut self, barcode: &str, error: JobError) -> Result<JobError, JobError> {
        let JobError::NotLoaded { source, .. } = &error else {
            return Ok(error);
        };
        let now = Misload {
            drive: source.drive.clone(),
            barcode: barcode.to_owned(),
        };
        match (self.not_loaded.replace(now), error) {
            (Some(before), JobError::NotLoaded { source, barcode })
                if before.drive == source.drive =>
            {
                Err(JobError::LoadsNothing {
                    drive: before.drive,
                    first: before.barcode,
                    second: barcode,
                    source,
                })
            }
            (_, error) => Ok(error),
        }
    }

    /// Takes complete segments into the catalog that it does not know: of a cut-off run, or of
    /// jobs that an older copy of the catalog does not have; and how those jobs ended. What was
    /// cut off is overwritten by the next append: the point is behind the last complete one. Where
    /// anything is damaged, all that is there is recorded, and the volume is not written.
    fn adopt_tail(&mut self, bay: Bay, found: &Appendable) -> (Bay, Result<AppendPoint, JobError>) {
        let (site, label) = (self.site, found.label.clone());
        let (barcode, volume) = (label.barcode.clone(), label.volume);
        let mut jobs = SeenJobs::default();
        let noting = NotingSink {
            site,
            catalog: self.catalog,
            jobs: &mut jobs,
            new_segments: 0,
        };
        let mut sink = AdoptingSink {
            noting,
            volume,
            is_marked: false,
            failed: None,
        };
        let (bay, report) = lend(bay, label, |volume| {
            scan(
                volume,
                &found.point,
                Depth::Records,
                &mut sink,
                site.monitor,
            )
        });
        let settled = jobs.settle(site, self.catalog);
        let point = report.and_then(|report| {
            let damage = report.damage.first().map(|first| JobError::DamagedTail {
                barcode: barcode.clone(),
                places: report.damage_count,
                first: format!("block {}: {}", first.block, first.what),
            });
            if damage.is_some() {
                self.spent.insert(volume);
            }
            settled?;
            tracing::info!(
                barcode,
                segments = report.segments,
                "unconfirmed segments adopted"
            );
            self.adopted += report.segments;
            if let Some(cut_off) = &report.incomplete {
                let (block, what) = (cut_off.block, &cut_off.what);
                tracing::warn!(barcode, %block, what, "what was cut off will be overwritten");
            }
            if let Some(error) = damage {
                return Err(error);
            }
            report.append.ok_or(JobError::Stopped)
        });
        (bay, point)
    }
}

/// Records the segments of a tail. The volume is suspect before the first damaged one of them is
/// known: from then on no later mount looks here, whatever keeps this one from its end.
struct AdoptingSink<'a> {
    noting: NotingSink<'a>,
    volume: Uuid,
    is_marked: bool,
    /// Why it could not be marked.
    failed: Option<CatalogError>,
}

impl ReceiptSink for AdoptingSink<'_> {
    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), BoxedError> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => self.noting.commit(receipt),
        }
    }

    fn damaged(&mut self, damage: &Damage) {
        if self.is_marked {
            return;
        }
        self.is_marked = true;
        let (site, Damage { block, what }) = (self.noting.site, damage);
        let reason = format!("behind what the catalog knew of it block {block} is damaged: {what}");
        let (catalog, suspect) = (self.noting.catalog, VolumeState::Suspect);
        self.failed = catalog::set_state(site, catalog, self.volume, suspect, reason).err();
    }
}

/// Whether somebody can bring what is missing, or it comes by itself.
fn is_worth_waiting(error: &JobError) -> bool {
    matches!(
        error,
        JobError::NoAppendableVolume { .. }
            | JobError::DriveBusy { .. }
            | JobError::LibraryBusy { .. }
            | JobError::TapeBusy { .. }
    )
}

/// Whether the error is about one tape, so that another of the pool may do.
fn leaves_others_usable(error: &JobError) -> bool {
    matches!(
        error,
        JobError::TapeBusy { .. } | JobError::TapeMissing { .. }
    ) || is_about_the_tape(error)
}

/// Why a tape that could not be checked is not to be written any more: only where the drive's
/// sense blames the tape. Most medium errors are as well those of a dirty drive.
fn fault_of_tape(error: &JobError) -> Option<String> {
    let (what, source) = match error {
        JobError::NotLoaded { source, .. } => ("it could not be loaded", source),
        JobError::ChipFailed { source, .. } => ("its cartridge memory cannot be read", source),
        _ => return None,
    };
    let blamed = source.reaction == Some(Reaction::OtherTape);
    blamed.then(|| format!("{what}: {}", with_causes(source)))
}
