//! Rebuilding the catalog from the tapes.

mod alone;
mod claims;
mod seen;

use std::collections::HashSet;

use catalogs::Catalog;
use catalogs::model::event::{CatalogRebuilt, Event, VolumeLabelled, VolumeReinstated};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::alone::{WhichTapes, read_alone, read_behind};
pub(crate) use self::seen::{NotingSink, SeenJobs};
use super::append_check::read_label;
use super::label::{SkippedTape, medium};
use super::mount::{Bay, Listed, Mounter, Purpose, drive_error, lend};
use super::whereabouts::TapePlace;
use super::{
    ByteText, FailedTape, Failure, JobError, JobErrorKind, Outcome, Problem, Problems, Site,
    VolumeState, catalog, compact, cut_off,
};
use crate::engine::MountedVolume;
use crate::engine::scan::{Damage, ScanReport, scan};
use crate::monitor;
use crate::units::BlockAddress;
use crate::volume::append::{self, AppendPoint};
use crate::volume::label::Label;
use crate::volume::scan::Depth;

/// A volume that was read into the catalog.
#[derive(Debug, Clone, Serialize)]
pub struct RebuiltVolume {
    /// Its barcode.
    pub barcode: String,
    /// Where it is, if its barcode cannot be read and its label told.
    pub unread_in: Option<TapePlace>,
    /// The volume.
    pub volume: Uuid,
    /// Its pool.
    pub pool: String,
    /// Segments with files found on it.
    pub segments: u64,
    /// Those among them that the catalog did not know before.
    pub new_segments: u64,
    /// Members in them.
    pub files: u64,
    /// Segments with a copy of the catalog found on it.
    pub catalog_copies: u64,
    /// What could not be read.
    pub problems: Problems,
    /// First block of the segment at the end that was cut off, if there is one; it is among the
    /// problems.
    pub cut_off_at: Option<BlockAddress>,
}

impl RebuiltVolume {
    /// What to do about what could not be read; nothing if all was.
    #[must_use]
    pub fn next_steps(&self) -> Vec<String> {
        let barcode = &self.barcode;
        let cut_off = self.cut_off_words();
        let damaged = self.problems.total > u64::from(cut_off.is_some());
        let verify = || {
            format!(
                "What is in the catalog of it can be restored as far as the tape gives it. \
                 `verify {barcode}` reads all of it and names each file that lost something."
            )
        };
        damaged.then(verify).into_iter().chain(cut_off).collect()
    }

    /// What is to be held of the segment that was cut off, if there is one.
    #[must_use]
    pub fn cut_off_words(&self) -> Option<String> {
        let block = self.cut_off_at?;
        Some(cut_off::words(&self.barcode, block))
    }
}

/// What the catalog holds after a rebuild.
#[derive(Debug, Clone, Serialize)]
pub struct RebuildSummary {
    /// Complete if every volume was read whole, partial if some tape could not be read; failed
    /// or interrupted if it did not come to its end, and then what was read so far is kept.
    pub outcome: Outcome,
    /// The volumes that were read.
    pub volumes: Vec<RebuiltVolume>,
    /// Jobs of which a tape told how long they are kept, and nothing else did.
    pub kept_by_tapes: u64,
    /// Tapes that hold no volume: blank, foreign, for cleaning.
    pub skipped: Vec<SkippedTape>,
    /// Tapes that could not be read, or are not what they should be.
    pub failed_tapes: Vec<FailedTape>,
    /// What ended it before the last tape, if anything did.
    pub failure: Option<Failure>,
}

impl RebuildSummary {
    /// Whether no tape was come to an end with.
    fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.skipped.is_empty() && self.failed_tapes.is_empty()
    }

    /// How it ended, if nothing broke it off.
    fn judge(&self, stopped: bool) -> Outcome {
        let troubled = |volume: &RebuiltVolume| volume.problems.total > 0;
        let partly = !self.failed_tapes.is_empty() || self.volumes.iter().any(troubled);
        match stopped {
            true => Outcome::Interrupted,
            false if partly => Outcome::Partial,
            false => Outcome::Complete,
        }
    }
}

/// Reads the indexes of tapes into the catalog, making it if it is not there. Without
/// barcodes: every data cartridge of the library. What the catalog knows already stays.
///
/// Volumes, segments, files, and jobs with their names, times and policies come back, these as
/// they were when the segment was written. What only the ledger knew does not: single problems,
/// verifications, holds, moves.
///
/// # Errors
///
/// The one tape that was named cannot be read; library or catalog cannot be used, before
/// anything was read. Where there are several tapes, the others are read all the same, and the
/// summary lists it. What breaks it off later is in [`RebuildSummary::failure`].
pub fn rebuild(site: Site<'_>, barcodes: &[String]) -> Result<RebuildSummary, JobError> {
    let mut mounter = Mounter::open(site)?;
    // Only now: an empty catalog would say of each file that it was never archived.
    let catalog = catalog::open_to_rebuild(site)?;
    let named = !barcodes.is_empty();
    let tapes = match named {
        false => mounter.cartridges()?,
        true => barcodes.iter().map(|name| named_tape(name)).collect(),
    };
    let readable = tapes.iter().filter(|tape| tape.unread.is_none());
    let barcodes = readable.map(|tape| tape.name.clone()).collect();
    let mut rebuild = Rebuild {
        barcodes,
        ..Rebuild::new(site, &catalog)
    };
    let mut summary = RebuildSummary {
        outcome: Outcome::Complete,
        volumes: Vec::new(),
        kept_by_tapes: 0,
        skipped: Vec::new(),
        failed_tapes: Vec::new(),
        failure: None,
    };
    let read = rebuild.each(&mut mounter, tapes, named, &mut summary);
    let settled = rebuild.jobs.settle(site, &catalog);
    let settled = settled.map(|told| summary.kept_by_tapes = told);
    if let Err(error) = read.and(settled) {
        if summary.is_empty() {
            return Err(error);
        }
        summary.outcome = Outcome::Failed;
        summary.failure = Some(Failure::from(&error));
        return Ok(summary);
    }
    summary.outcome = summary.judge(rebuild.stopped);
    if summary.outcome == Outcome::Interrupted {
        return Ok(summary);
    }
    let event = CatalogRebuilt {
        volumes: summary.volumes.iter().map(|volume| volume.volume).collect(),
        segments: summary.volumes.iter().map(|volume| volume.segments).sum(),
    };
    catalog.append(site.clock.now(), &Event::CatalogRebuilt(event))?;
    settle_memory(site, &catalog, named, &summary)?;
    compact::after_job(site, &catalog);
    Ok(summary)
}

/// Once all tapes at hand were read, a catalog that had lost lines knows what it can know.
fn settle_memory(
    site: Site<'_>,
    catalog: &Catalog,
    named: bool,
    summary: &RebuildSummary,
) -> Result<(), JobError> {
    if catalog.lost_lines().is_none() {
        return Ok(());
    }
    let path = catalog.directory().display().to_string();
    let what = match named || summary.volumes.is_empty() {
        true => "it lost more than was read now: once `catalog rebuild` has read all tapes, they \
                 are written again"
            .to_owned(),
        false => match catalog.accept_ledger()? {
            0 => return Ok(()),
            files => format!(
                "{files} of its former entry files are of segments on no tape that was read; they \
                 were moved into its directory lost. `catalog rebuild` reads such a tape \
                 once it is in the library"
            ),
        },
    };
    site.monitor.problem(&monitor::Problem { path, what });
    Ok(())
}

fn named_tape(barcode: &str) -> Listed {
    Listed {
        name: barcode.to_owned(),
        unread: None,
    }
}

/// Whether there is no volume on the tape, and none to be missed.
fn is_no_volume(error: &JobError) -> bool {
    matches!(
        error,
        JobError::BlankTape { .. }
            | JobError::ForeignTape { .. }
            | JobError::CleaningCartridge { .. }
    )
}

/// Whether the next tape would meet the same.
fn is_about_all_tapes(error: &JobError) -> bool {
    matches!(
        error.kind(),
        JobErrorKind::Catalog | JobErrorKind::Host | JobErrorKind::Request
    ) || matches!(
        error,
        JobError::DriveBusy { .. }
            | JobError::LibraryBusy { .. }
            | JobError::DriveMissing { .. }
            | JobError::Misplaced(_)
            | JobError::Transport(_)
    )
}

/// Takes back that a volume was given up.
pub(crate) fn reinstate(
    site: Site<'_>,
    catalog: &Catalog,
    volume: Uuid,
    reason: &str,
) -> Result<(), JobError> {
    let reason = reason.to_owned();
    let event = Event::VolumeReinstated(VolumeReinstated { volume, reason });
    catalog.append(site.clock.now(), &event)?;
    Ok(())
}

struct Rebuild<'a> {
    site: Site<'a>,
    catalog: &'a Catalog,
    jobs: SeenJobs,
    /// Those that can be read or were read from a label.
    barcodes: HashSet<String>,
    /// The user stopped it within a volume or before one.
    stopped: bool,
}

impl<'a> Rebuild<'a> {
    /// One that has read nothing yet, and knows of no tape.
    fn new(site: Site<'a>, catalog: &'a Catalog) -> Self {
        Self {
            site,
            catalog,
            jobs: SeenJobs::default(),
            barcodes: HashSet::new(),
            stopped: false,
        }
    }

    /// Reads one tape after the other, up to what would stop the next one as well.
    fn each(
        &mut self,
        mounter: &mut Mounter<'_>,
        mut tapes: Vec<Listed>,
        named: bool,
        summary: &mut RebuildSummary,
    ) -> Result<(), JobError> {
        let alone = named && tapes.len() == 1;
        let mut refused = match self.compare_claims(mounter, &mut tapes) {
            Err(JobError::Stopped) => {
                self.stopped = true;
                return Ok(());
            }
            compared => compared?,
        };
        for tape in tapes {
            self.stopped |= self.site.monitor.stop_requested();
            if self.stopped {
                break;
            }
            let known = catalog::live_volume(self.catalog, &tape.name)?.is_some();
            let read = match refused.remove(&tape.name) {
                Some(error) => Err(error),
                None => self.tape(mounter, &tape, known),
            };
            let barcode = tape.name;
            match read {
                Ok(volume) => summary.volumes.push(volume),
                Err(JobError::Stopped) => self.stopped = true,
                Err(error) if alone || is_about_all_tapes(&error) => return Err(error),
                Err(error) if !named && !known && is_no_volume(&error) => {
                    let why = error.to_string();
                    summary.skipped.push(SkippedTape { barcode, why });
                }
                Err(error) => {
                    summary.failed_tapes.push(FailedTape::new(barcode, &error));
                }
            }
        }
        Ok(())
    }

    /// Reads one tape; `known`: the catalog has a volume under this barcode.
    fn tape(
        &mut self,
        mounter: &mut Mounter<'_>,
        tape: &Listed,
        known: bool,
    ) -> Result<RebuiltVolume, JobError> {
        let read = |bay: &mut Bay| read_label(bay, known);
        let (mut bay, label) = match &tape.unread {
            None => mounter.mount_then(&tape.name, Purpose::Volume, read)?,
            Some(unread) => mounter.mount_unread_then(&tape.name, unread, read)?,
        };
        let (bay, result) = match self.accept(&mut bay, &label, tape) {
            Ok(()) => self.scan(bay, label, &AppendPoint::first()),
            Err(error) => (bay, Err(error)),
        };
        let volume = mounter.close(bay, result)?;
        let unread = tape.unread.as_ref();
        Ok(RebuiltVolume {
            unread_in: unread.map(|unread| unread.place.clone()),
            ..volume
        })
    }

    /// Takes a tape for the volume of its label.
    fn accept(&mut self, bay: &mut Bay, label: &Label, tape: &Listed) -> Result<(), JobError> {
        if tape.unread.is_some() {
            self.check_only_one(label)?;
            bay.barcode.clone_from(&label.barcode);
        }
        self.name_volume(bay, label)
    }

    /// Where no barcode can be read, the label alone says which tape this is: if another
    /// tape has that barcode, neither is taken for the other.
    fn check_only_one(&mut self, label: &Label) -> Result<(), JobError> {
        let barcode = label.barcode.clone();
        if !self.barcodes.insert(barcode.clone()) {
            return Err(JobError::BarcodeTwice { barcode });
        }
        let known = catalog::live_volume(self.catalog, &barcode)?;
        match known.map(|known| known.label.what.volume) {
            Some(in_catalog) if in_catalog != label.volume => Err(JobError::OtherVolume {
                barcode,
                on_tape: label.volume,
                in_catalog,
            }),
            _ => Ok(()),
        }
    }

    /// Reads the segments from there on.
    fn scan(
        &mut self,
        bay: Bay,
        label: Label,
        from: &AppendPoint,
    ) -> (Bay, Result<RebuiltVolume, JobError>) {
        let (barcode, volume, pool) = (label.barcode.clone(), label.volume, label.pool.clone());
        let (site, catalog) = (self.site, self.catalog);
        let mut sink = NotingSink {
            site,
            catalog,
            jobs: &mut self.jobs,
            new_segments: 0,
        };
        let (bay, report) = lend(bay, label, |mounted| {
            let report = scan(mounted, from, Depth::Indexes, &mut sink, site.monitor)?;
            // Behind what is cut off the drive does not stand where the next segment begins.
            let at_append = report.append.is_some() && report.incomplete.is_none();
            let full = at_append && is_full(mounted);
            Ok((report, full))
        });
        let new_segments = sink.new_segments;
        let result = report.and_then(|(report, full)| {
            self.stopped |= report.append.is_none();
            if full {
                let reason = "no further segment fits".to_owned();
                note_state(site, catalog, volume, VolumeState::Full, reason)?;
            }
            if let Some(Damage { block, what }) = report.damage.first() {
                let reason = format!("block {block} is damaged: {what}");
                note_state(site, catalog, volume, VolumeState::Suspect, reason)?;
            }
            let lost_its_end = self.lost_its_end(volume, &report)?;
            let cut_off = report.incomplete.as_ref().filter(|_| !lost_its_end);
            Ok(RebuiltVolume {
                cut_off_at: cut_off.map(|cut_off| cut_off.block),
                barcode,
                unread_in: None,
                volume,
                pool,
                segments: report.segments,
                new_segments,
                files: report.files,
                catalog_copies: report.catalog_copies,
                problems: problems(report, lost_its_end),
            })
        });
        (bay, result)
    }

    /// Whether the segment that the tape ends within was confirmed, by what the catalog has of it.
    fn lost_its_end(&self, volume: Uuid, report: &ScanReport) -> Result<bool, JobError> {
        let Some(cut_off) = &report.incomplete else {
            return Ok(false);
        };
        let known = catalog::receipts_of_volume(self.catalog, volume)?;
        Ok(known
            .iter()
            .any(|receipt| receipt.first_block == cut_off.block.0))
    }

    /// The tape itself says which volume it is; one that the catalog had under this
    /// barcode is overwritten.
    fn name_volume(&self, bay: &mut Bay, label: &Label) -> Result<(), JobError> {
        if let Some(volume) = self.catalog.volume(&label.volume)? {
            let replaced = catalog::live_volume(self.catalog, &label.barcode)?.is_some();
            if volume.retired.is_some() && !replaced {
                reinstate(
                    self.site,
                    self.catalog,
                    label.volume,
                    "a rebuild found it on its tape",
                )?;
            }
            return Ok(());
        }
        let medium = medium(&mut bay.drive).map_err(|error| drive_error(&label.barcode, error))?;
        let known = catalog::live_volume(self.catalog, &label.barcode)?;
        let event = VolumeLabelled {
            volume: label.volume,
            barcode: label.barcode.clone(),
            pool: label.pool.clone(),
            block_bytes: label.block_bytes,
            medium_serial: medium.serial,
            capacity_bytes: medium.capacity_bytes,
            generation: medium.generation,
            density_code: Some(medium.density),
            replaces: known.map(|known| known.label.what.volume),
        };
        self.catalog
            .append(label.labelled_at, &Event::VolumeLabelled(event))?;
        Ok(())
    }
}

/// What is wrong on a volume, as far as the scan lists it.
fn problems(report: ScanReport, lost_its_end: bool) -> Problems {
    let mut problems = Problems::default();
    let mut list = |what| {
        problems.push(Problem {
            path: ByteText::default(),
            what,
        })
    };
    for Damage { block, what } in report.damage {
        list(format!("block {block}: {what}"));
    }
    if let Some(Damage { block, what }) = report.incomplete {
        list(match lost_its_end {
            true => format!("block {block}: confirmed once, and its end is lost since: {what}"),
            false => format!("block {block}: cut off: {what}"),
        });
    }
    problems
}

/// Whether nothing more fits on the tape, if the drive tells. It stands at the end of its data.
fn is_full(mounted: &mut MountedVolume) -> bool {
    let barcode = &mounted.label.barcode;
    match mounted.device.remaining_bytes() {
        Ok(left) => left.is_some_and(|left| append::is_full(left, mounted.label.block_bytes)),
        Err(error) => {
            tracing::info!(barcode, %error, "what is left on the tape is not known");
            false
        }
    }
}

/// What the ledger said of a tape, and no tape does: that it is full, else a job would bring it to
/// a drive to find that out; and that nothing more is to be written to it.
fn note_state(
    site: Site<'_>,
    catalog: &Catalog,
    volume: Uuid,
    state: VolumeState,
    reason: String,
) -> Result<(), JobError> {
    let known = catalog::volume(catalog, volume)?.state;
    let may_become = match state {
        VolumeState::Suspect => matches!(known, VolumeState::Appendable | VolumeState::Full),
        _ => known == VolumeState::Appendable,
    };
    if !may_become {
        return Ok(());
    }
    catalog::set_state(site, catalog, volume, state, reason)?;
    Ok(())
}
