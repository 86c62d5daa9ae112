//! Rescuing what is left on a tape, whoever wrote it. Needs no catalog, and writes none.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::convert::not_set;
use super::engine_error::from_engine;
use super::library::device_alone;
use super::mount::{Loan, Mounter, Purpose};
use super::{ByteText, Failure, JobError, Outcome, Problem, Problems, Site};
use crate::engine::rescue::{self as engine, RescueEnd, RescueReport};
use crate::engine::target::Owners;
use crate::units::{BlockAddress, TapeFile};

/// What to rescue, and where to.
#[derive(Debug, Clone)]
pub struct RescueOptions {
    /// The tape.
    pub tape: RescuedTape,
    /// The directory that gets it: new, or empty.
    pub target: PathBuf,
    /// So often a block that cannot be read is tried again.
    pub retries: u32,
    /// Once so many blocks in a row cannot be read, the rest of the tape file is given up.
    pub most_bad_blocks: u64,
    /// Keep what came of files that are not whole.
    pub keep_partial: bool,
    /// By what owners are given.
    pub owners: Owners,
}

/// A tape to be rescued.
#[derive(Debug, Clone)]
pub enum RescuedTape {
    /// One of the current library.
    Barcode(String),
    /// The one in this drive, which needs no library.
    Drive(PathBuf),
}

/// How a rescue went.
#[derive(Debug, Clone, Serialize)]
pub struct RescueSummary {
    /// Complete if all that is on the tape came, and whole.
    pub outcome: Outcome,
    /// How it ended: `end_of_data`, `no_end_of_data`, `gave_up`, `target_full`, `stopped`,
    /// `failed`.
    pub end: &'static str,
    /// The tape's barcode, or the drive it was in.
    pub tape: String,
    /// Objects saved.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// The tape files, in order.
    pub tape_files: Vec<RescuedFile>,
    /// What was not saved whole: all, as long as they are no more than some hundred thousand.
    pub lost: Vec<LostObject>,
    /// All of it.
    pub lost_total: u64,
    /// What of the tape did not come, or made no sense.
    pub gaps: Vec<TapeGap>,
    /// All of it.
    pub gaps_total: u64,
    /// Names that came twice in a tape file.
    pub renamed: Problems,
    /// Metadata that could not be set, for lack of privilege for example.
    pub metadata_not_set: Problems,
    /// What ended it before the end of the tape.
    pub failure: Option<Failure>,
}

/// What came of one tape file.
#[derive(Debug, Clone, Serialize)]
pub struct RescuedFile {
    /// Its number; its directory has it in its name.
    pub file: TapeFile,
    /// Its first block.
    pub first_block: BlockAddress,
    /// Blocks that were read.
    pub blocks: u64,
    /// Blocks that could not be read.
    pub blocks_lost: u64,
    /// Objects saved.
    pub objects: u64,
    /// Objects that are not whole.
    pub lost: u64,
}

/// An object that was not saved whole.
#[derive(Debug, Clone, Serialize)]
pub struct LostObject {
    /// The tape file that it is in.
    pub file: TapeFile,
    /// Its path there.
    pub path: ByteText,
    /// Where on tape its header was read.
    pub block: BlockAddress,
    /// Its size.
    pub size_bytes: u64,
    /// Bytes of its data that came.
    pub had_bytes: u64,
    /// Pieces of it that did not come: from and to, in bytes.
    pub missing: Vec<(u64, u64)>,
    /// Why.
    pub why: String,
    /// Name of what was kept of it.
    pub kept_as: Option<ByteText>,
}

/// A place of the tape that did not come, or made no sense.
#[derive(Debug, Clone, Serialize)]
pub struct TapeGap {
    /// The tape file.
    pub file: TapeFile,
    /// Its first block.
    pub block: BlockAddress,
    /// How many blocks; 0 where they could be read.
    pub blocks: u64,
    /// What is wrong with it.
    pub what: String,
    /// Bytes behind it that were passed over until a member began.
    pub passed_bytes: u64,
}

/// Reads a tape to its end, past what is bad, and saves every file that came whole.
///
/// # Errors
///
/// The target is not empty or cannot be used, or the tape cannot be had. What ends it later is in
/// [`RescueSummary::failure`].
pub fn rescue(site: Site<'_>, options: &RescueOptions) -> Result<RescueSummary, JobError> {
    check_empty(&options.target)?;
    let state;
    let (mut mounter, bay) = match &options.tape {
        RescuedTape::Barcode(barcode) => {
            let mut mounter = Mounter::open(site)?;
            // Whoever wrote it: it has no label of ours that could name it.
            let bay = mounter.mount(barcode, Purpose::Labelling)?;
            (mounter, bay)
        }
        RescuedTape::Drive(device) => {
            let library = device_alone(device)?;
            let catalog = site.state.catalog_dir();
            state = site.state.with_brief_catalog(catalog, Some(library));
            let mut mounter = Mounter::open(Site {
                state: &state,
                ..site
            })?;
            let bay = mounter.mount_loaded()?;
            (mounter, bay)
        }
    };
    let (tape, longest_bytes) = (bay.barcode.clone(), bay.drive.max_block_bytes());
    let (mut loan, back) = Loan::new(bay);
    let how = engine::RescueOptions {
        target: options.target.clone(),
        retries: options.retries,
        most_bad_blocks: options.most_bad_blocks,
        keep_partial: options.keep_partial,
        owners: options.owners,
    };
    let report = engine::rescue(&mut loan, &tape, longest_bytes, &how, site.monitor);
    drop(loan);
    let bay = back.take().expect("a dropped loan gives its bay back");
    let mut summary = match report {
        Ok(report) => summarise(tape, report),
        Err(error) => return Err(mounter.give_up(bay, from_engine(error))),
    };
    if let Err(error) = mounter.unmount(bay) {
        summary.failure.get_or_insert(Failure::from(&error));
    }
    Ok(summary)
}

/// Refuses a directory with something in it: what a tape says of links would meet it.
fn check_empty(target: &Path) -> Result<(), JobError> {
    let is_empty = match std::fs::read_dir(target) {
        Ok(mut listing) => listing.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(source) => {
            return Err(JobError::Io {
                action: "looking into",
                path: target.to_owned(),
                source,
            });
        }
    };
    match is_empty {
        true => Ok(()),
        false => Err(JobError::Request {
            what: format!(
                "{} is not empty: a rescue needs a new directory; no tape was moved",
                target.display()
            ),
        }),
    }
}

fn summarise(tape: String, report: RescueReport) -> RescueSummary {
    let outcome = match report.end {
        _ if report.is_whole() => Outcome::Complete,
        RescueEnd::Stopped => Outcome::Interrupted,
        RescueEnd::TargetFull | RescueEnd::Failed => Outcome::Failed,
        RescueEnd::EndOfData | RescueEnd::NoEndOfData | RescueEnd::GaveUp => Outcome::Partial,
    };
    let files = report.tape_files.iter();
    let (file_count, file_bytes) = files.fold((0, 0), |(files, bytes), one| {
        (files + one.files, bytes + one.file_bytes)
    });
    let mut renamed = Problems::default();
    for (name, instead) in &report.renamed {
        renamed.push(Problem {
            path: ByteText(name.clone()),
            what: format!("came again, and is saved as /{}", ByteText(instead.clone())),
        });
    }
    RescueSummary {
        outcome,
        end: end_text(report.end),
        tape,
        objects: report.objects(),
        files: file_count,
        file_bytes,
        tape_files: report.tape_files.iter().map(rescued_file).collect(),
        lost: report.lost.into_iter().map(lost_object).collect(),
        lost_total: report.lost_count,
        gaps: report.gaps.into_iter().map(tape_gap).collect(),
        gaps_total: report.gap_count,
        renamed,
        metadata_not_set: not_set(report.metadata_not_set),
        failure: report
            .failure
            .map(|error| Failure::from(&from_engine(error))),
    }
}

fn end_text(end: RescueEnd) -> &'static str {
    match end {
        RescueEnd::EndOfData => "end_of_data",
        RescueEnd::NoEndOfData => "no_end_of_data",
        RescueEnd::GaveUp => "gave_up",
        RescueEnd::TargetFull => "target_full",
        RescueEnd::Stopped => "stopped",
        RescueEnd::Failed => "failed",
    }
}

fn rescued_file(file: &engine::TapeFileReport) -> RescuedFile {
    RescuedFile {
        file: file.file,
        first_block: file.first_block,
        blocks: file.blocks,
        blocks_lost: file.blocks_lost,
        objects: file.objects,
        lost: file.lost,
    }
}

fn lost_object(lost: engine::LostFile) -> LostObject {
    LostObject {
        file: lost.file,
        path: ByteText(lost.path),
        block: lost.block,
        size_bytes: lost.size_bytes,
        had_bytes: lost.had_bytes,
        missing: lost.missing,
        why: lost.why,
        kept_as: lost.kept_as.map(ByteText),
    }
}

fn tape_gap(gap: engine::Gap) -> TapeGap {
    TapeGap {
        file: gap.file,
        block: gap.block,
        blocks: gap.blocks,
        what: gap.what,
        passed_bytes: gap.passed_bytes,
    }
}
