//! One file onto an output that takes bytes once and in order.
//!
//! Its parts are read one after another from their volumes; holes are written as zeros. Where a
//! copy cannot be read on, another goes on where the output stands. Each part is compared with its
//! digest; what was given out cannot be taken back, so that only the end tells.

use std::collections::HashSet;
use std::io::Write;

use uuid::Uuid;

use super::outflow::{Ended, Out, Spout};
use super::pass::Pass;
use super::plan::VolumeReads;
use super::run::mismatch;
use crate::drive::DriveError;
use crate::engine::{EngineError, MountedVolume, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Monitor;
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;

/// So often a copy is turned to: each time the tape is mounted.
const TURNS_MOST: usize = 16;

/// What came of a file that was poured out.
#[derive(Debug, Default)]
pub struct PourReport {
    /// Bytes given out.
    pub bytes: u64,
    /// All of the file was given out.
    pub is_whole: bool,
    /// True if each part agreed with its digest; `None` where one has none.
    pub agrees: Option<bool>,
    /// Why a part does not agree with its digest: what of its tape is not as it was written.
    pub doubts: Vec<String>,
    /// Copies that could not be read on, in their order.
    pub failures: Vec<PourFailure>,
    /// The user asked to stop.
    pub stopped: bool,
}

/// A copy that could not be read on.
#[derive(Debug)]
pub struct PourFailure {
    /// The volume where it ended; `None` where parts of it are on none.
    pub volume: Option<Uuid>,
    /// The reason.
    pub what: String,
}

impl PourReport {
    /// All reasons as one text.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons = self.failures.iter().map(|one| one.what.as_str());
        reasons.collect::<Vec<_>>().join("; ")
    }

    /// The volumes behind which another copy went on, each once with the first reason.
    pub fn turned_from(&self) -> impl Iterator<Item = (Uuid, &str)> {
        // Behind the last one none did, unless all came.
        let turned = match self.is_whole {
            true => self.failures.len(),
            false => self.failures.len().saturating_sub(1),
        };
        let turned = self.failures.iter().take(turned);
        let mut told = HashSet::new();
        turned
            .filter_map(|one| Some((one.volume?, one.what.as_str())))
            .filter(move |(volume, _)| told.insert(*volume))
    }
}

/// Pours one file into `output`. Each of `copies` has its parts in order, grouped by volume.
///
/// # Errors
///
/// [`EngineError::Output`] where `output` takes no more.
pub fn pour(
    copies: &[Vec<VolumeReads>],
    volumes: &mut dyn VolumeSource,
    mut output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<PourReport, EngineError> {
    pour_into(copies, volumes, &mut output, monitor)
}

/// The same with a spout of any kind. The copies take turns, as long as that brings more.
pub(super) fn pour_into(
    copies: &[Vec<VolumeReads>],
    volumes: &mut dyn VolumeSource,
    spout: &mut dyn Spout,
    monitor: &dyn Monitor,
) -> Result<PourReport, EngineError> {
    let mut report = PourReport::default();
    let mut out = Out::new(spout, monitor);
    // Copies in a row that brought nothing beyond what was given out.
    let mut vain = 0;
    for copy in copies.iter().cycle().take(TURNS_MOST) {
        if vain == copies.len() {
            break;
        }
        let before = out.bytes();
        let mut at = None;
        let poured = one_copy(copy, volumes, &mut out, &mut at);
        vain = if out.bytes() > before { 1 } else { vain + 1 };
        match poured.and_then(|()| out.flush()) {
            Ok(()) => {
                report.is_whole = true;
                report.agrees = out.agrees();
                break;
            }
            Err(Ended::Output(source)) => return Err(EngineError::Output { source }),
            Err(Ended::Stopped) => {
                report.stopped = true;
                break;
            }
            Err(Ended::Lost(what) | Ended::Doubt(what)) => {
                report.failures.push(PourFailure { volume: at, what });
            }
        }
    }
    report.bytes = out.bytes();
    report.doubts = out.into_doubts();
    Ok(report)
}

/// Gives out what one copy has, behind what was given out; `at` is the volume that is read.
fn one_copy(
    copy: &[VolumeReads],
    volumes: &mut dyn VolumeSource,
    out: &mut Out<'_>,
    at: &mut Option<Uuid>,
) -> Result<(), Ended> {
    before_a_gap(copy)?;
    for reads in copy {
        if reads.reads.iter().any(|read| !out.has_settled(read)) {
            *at = Some(reads.volume);
            volume(reads, volumes, out)?;
        }
    }
    *at = None;
    ends(copy)
}

/// Parts are read as far as they follow each other from the first on.
fn before_a_gap(copy: &[VolumeReads]) -> Result<(), Ended> {
    let parts = copy.iter().flat_map(|reads| &reads.reads);
    for (part, number) in parts.filter_map(|read| read.part).zip(1..) {
        if part.number != number {
            return Err(Ended::Lost(format!("part {number} is missing")));
        }
    }
    Ok(())
}

fn ends(copy: &[VolumeReads]) -> Result<(), Ended> {
    let last = copy.iter().flat_map(|reads| &reads.reads).last();
    match last.and_then(|read| read.part) {
        Some(part) if !part.last => {
            let next = part.number + 1;
            Err(Ended::Lost(format!(
                "part {next} and what follows is missing"
            )))
        }
        _ => Ok(()),
    }
}

fn volume(
    reads: &VolumeReads,
    volumes: &mut dyn VolumeSource,
    out: &mut Out<'_>,
) -> Result<(), Ended> {
    let barcode = &reads.barcode;
    out.monitor().phase(&format!("mounting {barcode}"));
    let mut mounted = match volumes.mount(reads.volume) {
        Ok(mounted) => mounted,
        Err(_) if out.monitor().stop_requested() => return Err(Ended::Stopped),
        Err(error) => {
            let causes = with_causes(&*error);
            let what = format!("{barcode} cannot be mounted: {causes}");
            return Err(Ended::Lost(what));
        }
    };
    let (read, end) = match mismatch(&mounted, reads) {
        Some(error) => (Err(Ended::Lost(with_causes(&error))), VolumeEnd::Open),
        None => members(reads, &mut mounted, volumes, out),
    };
    let released = volumes.release(mounted, end);
    if let (Ok(()), Err(error)) = (&read, released) {
        tracing::warn!(error = %with_causes(&*error), "the tape stays in the drive");
    }
    read.map_err(|ended| match ended {
        Ended::Lost(what) | Ended::Doubt(what) => Ended::Lost(format!("on {barcode}: {what}")),
        other => other,
    })
}

fn members(
    reads: &VolumeReads,
    mounted: &mut MountedVolume,
    volumes: &mut dyn VolumeSource,
    out: &mut Out<'_>,
) -> (Result<(), Ended>, VolumeEnd) {
    let mut change = |error: &DriveError| volumes.change_drive(error);
    let device = ResumingReader::new(mounted.device.as_mut(), &mounted.label, out.monitor());
    let mut device = device.or_elsewhere(&mut change);
    let reader = RecordReader::new(&mut device, reads.block_bytes);
    let mut pass = Pass::new(reader, reads.block_bytes);
    out.monitor().phase(&format!("reading {}", reads.barcode));
    let mut unsettled = reads.reads.iter();
    let read = unsettled.try_for_each(|read| match out.has_settled(read) {
        true => Ok(()),
        false => out.member(&mut pass, read, &reads.barcode),
    });
    let damage = pass.damage().map(str::to_owned);
    (read, damage.map_or(VolumeEnd::Open, VolumeEnd::Suspect))
}
