//! A restore as one tar stream: whole members as tapes are read, then files in parts, joined, then
//! hard links and directories.

use std::io::Write;

use super::FirstName;
use super::crew::Crew;
use super::outflow::{Ended, Spout};
use super::plan::{KnownDirectory, MemberRead, RestorePlan, VolumeReads};
use super::pour::{PourReport, pour_into};
use super::report::{RestoreOutcome, RestoreReport};
use super::run::{Reader, Run};
use super::tar_out::TarOut;
use crate::engine::{EngineError, VolumeSource};
use crate::monitor::Monitor;
use crate::volume::member::Member;

/// What a tar stream consists of.
#[derive(Debug, Clone)]
pub struct TarPlan {
    /// All that is in parts in no copy. Its target is not used.
    pub members: RestorePlan,
    /// Files that are in parts in some copy, which come behind it.
    pub cut_files: Vec<CutFile>,
}

/// A file in parts.
#[derive(Debug, Clone)]
pub struct CutFile {
    /// What it is called in the stream.
    pub name: Vec<u8>,
    /// Its size.
    pub size_bytes: u64,
    /// Its copies, the first to be read first: whole, or with its parts in order, grouped by
    /// volume.
    pub copies: Vec<Vec<VolumeReads>>,
}

impl CutFile {
    /// What hard links may lead to.
    fn first_name(&self) -> Option<FirstName> {
        let volumes = self.copies.iter().flatten();
        let read = volumes.flat_map(|volume| &volume.reads).next()?;
        Some(FirstName {
            job: read.job,
            path: read.path.clone(),
            name: self.name.clone(),
        })
    }
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
    let mut run = Run::new(&plan.members, monitor);
    let mut out = TarOut::new(output, monitor);
    let crew = run.volumes(1);
    read_all(&run, &crew, &mut out, volumes);
    let crew = run.spares(1, &mut out);
    read_all(&run, &crew, &mut out, volumes);
    let mut came = Vec::new();
    for file in &plan.cut_files {
        // Where the output takes no more, that is how the volumes ended.
        if run.is_ending() {
            break;
        }
        let poured = cut_file(file, volumes, &mut out, monitor)?;
        if poured.stopped {
            run.stopped();
        }
        if count(file, poured, run.report(), monitor) {
            came.extend(file.first_name());
        }
    }
    let mut report = run.finish(&mut out, &came);
    report.metadata_not_set = out.take_not_set();
    for known in &plan.members.known {
        out.known_directory(&known.name, &known.member);
        let (lacks, why) = (KnownDirectory::LACKS.to_owned(), known.why());
        report.metadata_not_set.add(&known.name, lacks, why);
        report.count(None, false, monitor);
    }
    let is_whole = report.outcome == RestoreOutcome::Complete;
    let ended = out.end(is_whole);
    ended.map_err(|source| EngineError::Output { source })?;
    let beside = plan.members.known.len() + plan.cut_files.len();
    let planned = plan.members.objects() + beside as u64;
    Ok(report.settled(planned))
}

/// Has one drive read what there is to be read.
fn read_all<'a>(run: &Run<'a>, crew: &Crew, out: &mut TarOut<'a>, volumes: &mut dyn VolumeSource) {
    let mut reader = Reader {
        run,
        monitor: run.monitor(),
        destination: out,
    };
    reader.work(crew, volumes);
}

/// A file in parts on its way into the stream: its header is that of its first part but for its
/// size, and holes are zeros.
struct Joined<'a, 'o> {
    file: &'a CutFile,
    out: &'a mut TarOut<'o>,
}

impl Spout for Joined<'_, '_> {
    fn begin(&mut self, first: &Member, read: &MemberRead) -> Result<(), Ended> {
        let whole = Member {
            path: self.file.name.clone(),
            size_bytes: self.file.size_bytes,
            part: None,
            extents: None,
            ..first.clone()
        };
        self.out.begin(&whole)?;
        self.out.note_lacks(read);
        Ok(())
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

/// Counts the file, or names it; says whether it came whole.
fn count(
    file: &CutFile,
    poured: PourReport,
    report: &mut RestoreReport,
    monitor: &dyn Monitor,
) -> bool {
    for (volume, what) in poured.turned_from() {
        report.fell_back(volume, 1, what);
    }
    let mut problem = |what: String| report.problem(&file.name, what, monitor);
    match poured.agrees {
        _ if poured.stopped => problem("stopped before its end".to_owned()),
        _ if !poured.is_whole => problem(poured.reasons()),
        Some(false) => problem(poured.doubts.join("; ")),
        agrees => {
            report.from_spares += u64::from(!poured.failures.is_empty());
            report.count(Some(file.size_bytes), agrees == Some(true), monitor);
            return true;
        }
    }
    false
}
