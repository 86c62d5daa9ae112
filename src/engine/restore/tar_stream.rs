//! A restore as one tar stream: whole members as tapes are read, then files in parts, joined.

use std::io::Write;

use super::plan::{RestorePlan, VolumeReads};
use super::pour::{Ended, PourReport, Spout, pour_into};
use super::report::{RestoreOutcome, RestoreReport};
use super::run::Run;
use super::tar_out::TarOut;
use crate::engine::{EngineError, VolumeSource};
use crate::monitor::Monitor;
use crate::volume::member::Member;

/// What a tar stream consists of.
#[derive(Debug, Clone)]
pub struct TarPlan {
    /// All that is not in parts. Its target is not used.
    pub members: RestorePlan,
    /// Files in parts, which come behind it.
    pub cut_files: Vec<CutFile>,
}

/// A file in parts.
#[derive(Debug, Clone)]
pub struct CutFile {
    /// What it is called in the stream.
    pub name: Vec<u8>,
    /// Its size.
    pub size_bytes: u64,
    /// Its copies, each with its parts in order, grouped by volume.
    pub copies: Vec<Vec<VolumeReads>>,
}

/// Writes all of `plan` to `output` as one pax archive.
///
/// # Errors
///
/// [`EngineError::Output`] where `output` takes no more.
pub fn write_tar(
    plan: &TarPlan,
    volumes: &mut dyn VolumeSource,
    output: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<RestoreReport, EngineError> {
    let mut run = Run::new(TarOut::new(output, monitor), &plan.members, monitor);
    run.volumes(volumes);
    let (mut out, mut report) = run.finish();
    for file in &plan.cut_files {
        // Where the output takes no more, that is how the volumes ended.
        if report.outcome != RestoreOutcome::Complete {
            break;
        }
        let poured = cut_file(file, volumes, &mut out, monitor)?;
        count(file, poured, &mut report, monitor);
    }
    let is_whole = report.outcome == RestoreOutcome::Complete;
    let ended = out.end(is_whole);
    ended.map_err(|source| EngineError::Output { source })?;
    Ok(report.settled())
}

/// A file in parts on its way into the stream: its header is that of its first part but for its
/// size, and holes are zeros.
struct Joined<'a, 'o> {
    file: &'a CutFile,
    out: &'a mut TarOut<'o>,
}

impl Spout for Joined<'_, '_> {
    fn begin(&mut self, first: &Member) -> Result<(), Ended> {
        let whole = Member {
            path: self.file.name.clone(),
            size_bytes: self.file.size_bytes,
            part: None,
            extents: None,
            ..first.clone()
        };
        Ok(self.out.begin(&whole)?)
    }

    fn put(&mut self, data: &[u8]) -> Result<(), Ended> {
        Ok(self.out.data(data)?)
    }
}

fn cut_file(
    file: &CutFile,
    volumes: &mut dyn VolumeSource,
    out: &mut TarOut<'_>,
    monitor: &dyn Monitor,
) -> Result<PourReport, EngineError> {
    let mut joined = Joined { file, out };
    let mut poured = pour_into(&file.copies, volumes, &mut joined, monitor)?;
    poured.stopped |= out.close().is_err();
    Ok(poured)
}

fn count(file: &CutFile, poured: PourReport, report: &mut RestoreReport, monitor: &dyn Monitor) {
    let mut problem = |what: String| report.problem(&file.name, what, monitor);
    match poured.agrees {
        _ if poured.stopped => {
            problem("stopped before its end".to_owned());
            report.outcome = RestoreOutcome::Stopped;
        }
        _ if !poured.is_whole => problem(poured.failures.join("; ")),
        Some(false) => problem("its content has another digest".to_owned()),
        agrees => {
            report.from_spares += u64::from(!poured.failures.is_empty());
            report.count(Some(file.size_bytes), agrees == Some(true), monitor);
        }
    }
}
