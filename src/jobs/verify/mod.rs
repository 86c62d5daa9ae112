//! Verification: reads tapes and compares every record and every file with its checksum.

pub(crate) mod beside;
mod next_step;
mod of_job;

use std::collections::{BTreeMap, HashMap, HashSet};

use catalogs::Catalog;
use catalogs::model::event::{Event, Receipt, Verified, VolumeLabelled};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use self::beside::Beside;
use self::next_step::{Lost, next_step};
use super::append_check::examine_known_label;
use super::mount::{Bay, Mounter, Purpose, lend};
use super::source::{LibrarySource, tell_nameless};
use super::whereabouts::Pick;
use super::{
    ByteText, FailedTape, JobError, Outcome, Problem, Problems, Site, VolumeState, catalog,
    interrupted,
};
use crate::engine::EngineError;
use crate::engine::verify::{
    self as engine, SegmentPlace, SegmentReport, SegmentVerdict, VerifyPlan, VolumeSegments,
};
use crate::units::BlockAddress;
use crate::volume::append::AppendPoint;

/// What reading a volume says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything read was as it was written.
    Good,
    /// Its label is right, and there is nothing else on it that could be verified.
    Empty,
    /// Something was read otherwise than it was written, or could not be read.
    Bad,
    /// Reading failed for reasons that say nothing about the medium.
    Inconclusive,
}

/// A volume that was read.
#[derive(Debug, Clone, Serialize)]
pub struct VerifiedVolume {
    /// Its barcode.
    pub barcode: String,
    /// The volume.
    pub volume: Uuid,
    /// What is to be held of it.
    pub verdict: Verdict,
    /// Segments with files that were read.
    pub segments: u64,
    /// Such segments that were to be read: a stop leaves some out.
    pub planned_segments: u64,
    /// Records read.
    pub records: u64,
    /// Files compared.
    pub files: u64,
    /// Segments with a copy of the catalog among those read.
    pub catalog_copies: u64,
    /// Segments behind those that the catalog knows; they were not compared.
    pub unknown_segments: u64,
    /// What is to be held of a segment that was cut off at the end of what is on it, if there is
    /// one.
    pub cut_off: Option<String>,
    /// What was bad, by file.
    pub problems: Problems,
    /// What to do about it.
    pub advice: Option<String>,
}

/// A job whose segments were read.
#[derive(Debug, Clone, Serialize)]
pub struct VerifiedJob {
    /// Which.
    #[serde(flatten)]
    pub job: JobRun,
    /// Tapes that had segments of it and were labelled anew since, each with the day: what was on
    /// them is gone.
    pub labelled_anew: Vec<String>,
    /// The other jobs of this name, which were not read, newest first. None where the job was
    /// asked for by its identity.
    pub others_of_name: Vec<JobRun>,
}

/// One of the jobs of a name.
#[derive(Debug, Clone, Serialize)]
pub struct JobRun {
    /// The job.
    pub job: Uuid,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended; `None` while it runs. What a job left out is on no tape, and so nothing that
    /// a verification could find bad.
    pub ended: Option<Outcome>,
}

/// How a verification went.
#[derive(Debug, Clone, Serialize)]
pub struct VerifySummary {
    /// Complete if every volume is good, or empty.
    pub outcome: Outcome,
    /// The job that was asked for; `None` for a barcode.
    pub job: Option<VerifiedJob>,
    /// The volumes, in the order of reading.
    pub volumes: Vec<VerifiedVolume>,
    /// Tapes that someone has to bring.
    pub missing_tapes: Vec<Pick>,
    /// Tapes that are there and could not be mounted, are not what they should be, or could not be
    /// read to the end for a reason that says nothing of the medium.
    pub failed_tapes: Vec<FailedTape>,
}

/// Reads a tape, or all segments of a job, and compares every record with its CRC and
/// every file with its digest. What was found is recorded in the catalog; a volume with
/// damage becomes suspect.
///
/// `name` is a barcode, or a job's name or identity. Of several jobs with one name the newest
/// is read, and the others are named in the summary: who runs one job every night wants the
/// last, and not a hundred tapes.
///
/// # Errors
///
/// Nothing of that name is known, nothing of the job is on tape, or catalog or library cannot
/// be asked. What was wrong with tapes is in the summary.
pub fn verify(site: Site<'_>, name: &str) -> Result<VerifySummary, JobError> {
    let catalog = catalog::open(site)?;
    interrupted::settle(site, &catalog)?;
    let mounter = Mounter::open(site)?;
    let (receipts, job) = match catalog::live_volume(&catalog, name)? {
        Some(volume) => {
            let id = volume.label.what.volume;
            let receipts = catalog::receipts_of_volume(&catalog, id)?;
            if receipts.is_empty() {
                return verify_label(site, &catalog, mounter, volume.label.what);
            }
            (receipts, None)
        }
        None => {
            let (job, receipts) = of_job::find(&catalog, name)?;
            (receipts, Some(job))
        }
    };
    let copies = catalog_copies(&receipts);
    let plan = plan(&catalog, receipts)?;
    let mut volumes = LibrarySource::new(site, &catalog, mounter, None).looking_beside();
    let report = engine::verify(&plan, &mut volumes, site.monitor);
    let is_good = report.is_good();
    let beside: HashMap<Uuid, Beside> = volumes.take_beside();
    let mut failed = volumes.finish();
    let read = report.failures.into_iter();
    failed.extend(read.map(|(barcode, error)| FailedTape::new(barcode, &JobError::Engine(error))));
    let (missing, failed_tapes) = FailedTape::sort(failed);

    let mut verified = Vec::new();
    for volume in &plan.volumes {
        let of_volume = |segment: &&SegmentReport| segment.volume == volume.volume;
        let segments: Vec<&SegmentReport> = report.segments.iter().filter(of_volume).collect();
        if segments.is_empty() {
            continue;
        }
        let mut summary = judge(volume, &segments, beside.get(&volume.volume));
        let segments = summary.without_copies(segments, &copies);
        record(site, &catalog, &summary)?;
        // What kept a tape from being read to its end comes with an advice of its own.
        let read_on = |tape: &FailedTape| tape.barcode == volume.barcode;
        if summary.verdict == Verdict::Bad || !failed_tapes.iter().any(read_on) {
            let lost = Lost::of(&catalog, volume.volume, &segments)?;
            summary.advice = next_step(&volume.barcode, summary.verdict, &lost);
        }
        verified.push(summary);
    }
    let well =
        |volume: &VerifiedVolume| volume.verdict == Verdict::Good && volume.unknown_segments == 0;
    let is_good = is_good && verified.iter().all(well);
    let outcome = match (report.stopped, is_good) {
        (true, _) => Outcome::Interrupted,
        (false, true) => Outcome::Complete,
        (false, false) => Outcome::Partial,
    };
    Ok(VerifySummary {
        outcome,
        job,
        volumes: verified,
        missing_tapes: missing,
        failed_tapes,
    })
}

/// A volume without segments has nothing but its label to be read: what else is on it was not
/// taken into this catalog.
fn verify_label(
    site: Site<'_>,
    catalog: &Catalog,
    mut mounter: Mounter<'_>,
    known: VolumeLabelled,
) -> Result<VerifySummary, JobError> {
    let mut summary = VerifySummary {
        outcome: Outcome::Complete,
        job: None,
        volumes: Vec::new(),
        missing_tapes: Vec::new(),
        failed_tapes: Vec::new(),
    };
    let VolumeLabelled {
        volume, barcode, ..
    } = known;
    let read = |bay: &mut Bay| examine_known_label(bay, volume);
    let (bay, (label, damage)) = match mounter.mount_then(&barcode, Purpose::Volume, read) {
        Err(error @ JobError::TapeMissing { .. }) => {
            tell_nameless(site, &error);
            summary.outcome = Outcome::Partial;
            let tapes = vec![FailedTape::new(barcode, &error)];
            (summary.missing_tapes, _) = FailedTape::sort(tapes);
            return Ok(summary);
        }
        mounted => mounted?,
    };
    let mut beside = Beside::of_label(damage);
    let (bay, looked) = lend(bay, label, |mounted| {
        let looked = beside.scan_behind(mounted, &AppendPoint::first());
        looked.map_err(|source| {
            let barcode = mounted.label.barcode.clone();
            EngineError::Volume { barcode, source }
        })
    });
    mounter.close(bay, looked)?;
    if beside.segments > 0 {
        let segments = beside.segments;
        return Err(JobError::UnknownContent { barcode, segments });
    }
    let mut verified = VerifiedVolume {
        barcode,
        volume,
        verdict: Verdict::Empty,
        segments: 0,
        planned_segments: 0,
        records: 0,
        files: 0,
        catalog_copies: 0,
        unknown_segments: 0,
        cut_off: None,
        problems: Problems::default(),
        advice: None,
    };
    beside.judge(&mut verified);
    if verified.verdict == Verdict::Bad {
        summary.outcome = Outcome::Partial;
        verified.advice = Some(format!(
            "Nothing is lost: there is nothing else on it. `tape label {0} --pool NAME --erase \
             {0}` writes the label anew.",
            verified.barcode
        ));
        let reason = "its label is damaged".to_owned();
        catalog::set_state(site, catalog, volume, VolumeState::Suspect, reason)?;
    }
    record(site, catalog, &verified)?;
    summary.volumes.push(verified);
    Ok(summary)
}

fn plan(catalog: &Catalog, receipts: Vec<Receipt>) -> Result<VerifyPlan, JobError> {
    let mut by_volume: BTreeMap<Uuid, Vec<SegmentPlace>> = BTreeMap::new();
    for receipt in receipts {
        by_volume
            .entry(receipt.volume)
            .or_default()
            .push(SegmentPlace {
                number: u64::from(receipt.segment_number),
                segment: receipt.segment,
                first_block: BlockAddress(receipt.first_block),
                index_block: BlockAddress(receipt.index_block),
            });
    }
    let mut volumes = Vec::with_capacity(by_volume.len());
    for (volume, segments) in by_volume {
        let barcode = catalog::volume(catalog, volume)?.label.what.barcode;
        volumes.push(VolumeSegments {
            volume,
            barcode,
            segments,
        });
    }
    volumes.sort_by(|a, b| a.barcode.cmp(&b.barcode));
    Ok(VerifyPlan { volumes })
}

fn judge(
    volume: &VolumeSegments,
    segments: &[&SegmentReport],
    beside: Option<&Beside>,
) -> VerifiedVolume {
    let mut problems = Problems::default();
    let mut verdict = Verdict::Good;
    for segment in segments {
        match &segment.verdict {
            SegmentVerdict::Good => {}
            SegmentVerdict::Bad => verdict = Verdict::Bad,
            SegmentVerdict::Inconclusive(what) => {
                problems.push(about_segment(segment, what));
                if verdict == Verdict::Good {
                    verdict = Verdict::Inconclusive;
                }
            }
        }
        list_damage(segment, &mut problems);
    }
    let mut verified = VerifiedVolume {
        barcode: volume.barcode.clone(),
        volume: volume.volume,
        verdict,
        segments: segments.len() as u64,
        planned_segments: volume.segments.len() as u64,
        records: segments.iter().map(|segment| segment.records).sum(),
        files: verified_files(segments),
        catalog_copies: 0,
        unknown_segments: 0,
        cut_off: None,
        problems,
        advice: None,
    };
    if let Some(beside) = beside {
        beside.judge(&mut verified);
    }
    verified
}

/// The segments with copies of the catalog, by volume and number.
fn catalog_copies(receipts: &[Receipt]) -> HashSet<(Uuid, u64)> {
    let copies = receipts.iter().filter(|receipt| receipt.is_catalog_copy());
    let copies = copies.map(|receipt| (receipt.volume, u64::from(receipt.segment_number)));
    copies.collect()
}

impl VerifiedVolume {
    /// The segments with files. The others are counted apart.
    fn without_copies<'a>(
        &mut self,
        segments: Vec<&'a SegmentReport>,
        copies: &HashSet<(Uuid, u64)>,
    ) -> Vec<&'a SegmentReport> {
        let is_copy = |segment: &&SegmentReport| copies.contains(&(segment.volume, segment.number));
        let of_volume = copies.iter().filter(|(volume, _)| *volume == self.volume);
        self.planned_segments -= of_volume.count() as u64;
        let (copies, files): (Vec<_>, Vec<_>) = segments.into_iter().partition(is_copy);
        self.catalog_copies = copies.len() as u64;
        self.segments = files.len() as u64;
        self.files -= verified_files(&copies);
        files
    }
}

fn verified_files(segments: &[&SegmentReport]) -> u64 {
    segments.iter().map(|segment| segment.files_verified).sum()
}

fn about_segment(segment: &SegmentReport, what: &str) -> Problem {
    about_tape(format!("segment {}: {what}", segment.number))
}

/// What concerns no single file.
fn about_tape(what: String) -> Problem {
    Problem {
        path: ByteText::default(),
        what,
    }
}

/// Bad files by name; bad records only where no file suffers from them, or not all have names.
fn list_damage(segment: &SegmentReport, problems: &mut Problems) {
    let before = problems.total;
    for file in &segment.bad_files {
        let what = format!("segment {}: {}", segment.number, file.what);
        problems.push(Problem {
            path: file.path.as_str().into(),
            what,
        });
    }
    problems.total = before + segment.bad_file_count;
    if let Some(what) = &segment.index_damage {
        problems.push(about_segment(segment, &format!("its index: {what}")));
    }
    if segment.bad_file_count == 0 || segment.index_damage.is_some() {
        for record in &segment.bad_records {
            let what = format!("block {}: {}", record.block, record.what);
            problems.push(about_segment(segment, &what));
        }
    }
}

/// That a bad volume is suspect is recorded when it is taken back.
fn record(site: Site<'_>, catalog: &Catalog, summary: &VerifiedVolume) -> Result<(), JobError> {
    if summary.verdict == Verdict::Inconclusive {
        return Ok(());
    }
    let (volume, bad) = (summary.volume, summary.problems.clone());
    let event = Verified {
        volume,
        segments: u32::try_from(summary.segments).unwrap_or(u32::MAX),
        catalog_copies: summary.catalog_copies,
        files: summary.files,
        bad,
    };
    catalog.append(site.clock.now(), &Event::Verified(event))?;
    Ok(())
}
