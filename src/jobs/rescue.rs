//! Rescuing what is left on a tape, whoever wrote it. Needs no catalog, and writes none.

use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::convert::not_set;
use super::engine_error::from_engine;
use super::library::device_alone;
use super::mount::{Bay, Loan, Mounter, Purpose};
use super::{ByteText, Failure, JobError, Outcome, Problem, Problems, Site};
use crate::drive::SequentialDevice as _;
pub use crate::engine::rescue::RECORD;
use crate::engine::rescue::{
    self as engine, Doubted, JoinEnd, Joins, Loss, Proof, RescueEnd, RescueReport,
};
use crate::engine::target::{Name, Owners};
use crate::units::{BlockAddress, TapeFile};

/// What to rescue, and where to.
#[derive(Debug, Clone)]
pub struct RescueOptions {
    /// The tape.
    pub tape: RescuedTape,
    /// The directory that gets one for this tape: new, empty, or with what was rescued from others.
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
    /// The directory that has what was saved of it.
    pub directory: ByteText,
    /// Objects saved.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of those.
    pub file_bytes: u64,
    /// Files among them whose content was proven by a digest.
    pub verified: u64,
    /// The others: each of their bytes was read without an error, and nothing more is known.
    pub by_length: u64,
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
    /// What a tape of this format lacks, so that whether all came is not sure.
    pub doubts: Vec<TapeDoubt>,
    /// Blocks that are encrypted, if there are such.
    pub encrypted: Option<EncryptedBlocks>,
    /// Files in parts that were joined, also with parts of other tapes.
    pub joined: Vec<JoinedFile>,
    /// Files in parts of which some are missing.
    pub unjoined: Vec<UnjoinedFile>,
    /// Names that came twice in a tape file.
    pub renamed: Problems,
    /// Objects that could not have the name that they have on tape, and why.
    pub other_names: Problems,
    /// Metadata that could not be set, for lack of privilege for example.
    pub metadata_not_set: Problems,
    /// What ended it before the end of the tape.
    pub failure: Option<Failure>,
}

/// Blocks that a drive encrypted, and for which the one that they were read in has no key.
#[derive(Debug, Clone, Serialize)]
pub struct EncryptedBlocks {
    /// How many.
    pub blocks: u64,
    /// There may be more of them: nobody can say where they end.
    pub at_least: bool,
    /// The first.
    pub first_block: BlockAddress,
    /// The name that was recorded with the key of that one, if it has one.
    pub key_name: Option<String>,
}

/// A file that was joined from its parts.
#[derive(Debug, Clone, Serialize)]
pub struct JoinedFile {
    /// Where it is.
    pub path: ByteText,
    /// Its size.
    pub size_bytes: u64,
    /// How many parts it came from.
    pub parts: u64,
    /// All of them were proven by digests.
    pub verified: bool,
}

/// A file in parts that was not joined.
#[derive(Debug, Clone, Serialize)]
pub struct UnjoinedFile {
    /// Its path in the archive.
    pub path: ByteText,
    /// The parts that are there.
    pub parts: Vec<PartThere>,
    /// Numbers of parts that are missing before others that are there.
    pub missing_parts: Vec<u32>,
    /// Bytes that are missing: from, and to; no end where nobody knows how long the file is.
    pub missing: Vec<(u64, Option<u64>)>,
    /// Why it was not joined, though nothing is missing.
    pub why: Option<String>,
}

/// A part that is there.
#[derive(Debug, Clone, Serialize)]
pub struct PartThere {
    /// Its number.
    pub number: u32,
    /// Where it is.
    pub path: ByteText,
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
    /// Blocks that are encrypted.
    pub blocks_encrypted: u64,
    /// Objects saved.
    pub objects: u64,
    /// Regular files among them.
    pub files: u64,
    /// Those of them that were proven by a digest.
    pub verified: u64,
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
    /// In which way it is lost: `cut` (some of its data did not come), `wrong_digest` (all of it
    /// came, and is not what was archived), `header` (only the index names it), `not_saved` (it
    /// came, and its name or the target does not allow it).
    pub loss: &'static str,
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
    /// They are encrypted; else they cannot be read, or make no sense.
    pub encrypted: bool,
    /// What is wrong with it.
    pub what: String,
    /// Bytes behind it that were passed over until a member began.
    pub passed_bytes: u64,
}

/// Something of our format that is missing or damaged on a tape that has the rest of it.
#[derive(Debug, Clone, Serialize)]
pub struct TapeDoubt {
    /// What: `label`, `index` or `segments`.
    pub about: &'static str,
    /// The tape file: of an index that of its segment, of segments the first where they belong.
    pub file: TapeFile,
    /// Number of the segment on the tape, or of the first one.
    pub first_segment: Option<u64>,
    /// Number of the last one, if anything tells it.
    pub last_segment: Option<u64>,
    /// What was found instead.
    pub what: String,
}

/// Reads a tape to its end, past what is bad, and saves every file that came whole.
///
/// # Errors
///
/// The target is not empty or cannot be used, or the tape cannot be had. What ends it later is in
/// [`RescueSummary::failure`].
pub fn rescue(site: Site<'_>, options: &RescueOptions) -> Result<RescueSummary, JobError> {
    check_target(&options.target)?;
    let state;
    let (mut mounter, bay, directory) = match &options.tape {
        RescuedTape::Barcode(barcode) => {
            let directory = directory_of(&options.target, barcode)?;
            let mut mounter = Mounter::open(site)?;
            // Whoever wrote it: it has no label of ours that could name it.
            let bay = mounter.mount(barcode, Purpose::Labelling)?;
            (mounter, bay, directory)
        }
        RescuedTape::Drive(device) => {
            let directory = free_directory(&options.target)?;
            let library = device_alone(device)?;
            let catalog = site.state.catalog_dir();
            state = site.state.with_brief_catalog(catalog, Some(library));
            let mut mounter = Mounter::open(Site {
                state: &state,
                ..site
            })?;
            let bay = mounter.mount_loaded()?;
            (mounter, bay, directory)
        }
    };
    let (tape, longest_bytes) = (bay.barcode.clone(), bay.drive.max_block_bytes());
    let (mut loan, back) = Loan::new(bay);
    let how = engine::RescueOptions {
        target: directory.clone(),
        retries: options.retries,
        most_bad_blocks: options.most_bad_blocks,
        keep_partial: options.keep_partial,
        owners: options.owners,
    };
    let report = engine::rescue(&mut loan, &tape, longest_bytes, &how, site.monitor);
    drop(loan);
    let mut bay = back.take().expect("a dropped loan gives its bay back");
    let report = match report {
        Ok(report) => report,
        Err(error) => return Err(mounter.give_up(bay, from_engine(error))),
    };
    let encrypted = encrypted(&mut bay, &report);
    let joins = match report.end {
        RescueEnd::Stopped | RescueEnd::TargetFull => Ok(Joins::default()),
        _ => engine::join(&options.target, site.monitor),
    };
    let mut summary = RescueSummary {
        encrypted,
        ..summarise(tape, directory, report)
    };
    match joins {
        Ok(joins) => summary.add(joins),
        Err(error) => {
            let failure = Failure::from(&from_engine(error));
            summary.failure.get_or_insert(failure);
            summary.outcome = Outcome::Failed;
        }
    }
    if let Err(error) = mounter.unmount(bay) {
        summary.failure.get_or_insert(Failure::from(&error));
    }
    Ok(summary)
}

/// Asks for the name of the key that encrypted blocks want.
fn encrypted(bay: &mut Bay, report: &RescueReport) -> Option<EncryptedBlocks> {
    let first_block = report.encrypted_from?;
    let is_at_hand = report.failure.is_none() && bay.drive.locate(first_block).is_ok();
    let next = match is_at_hand {
        true => bay.drive.next_block_encryption().ok().flatten(),
        false => None,
    };
    let blocks = report.tape_files.iter().map(|file| file.blocks_encrypted);
    Some(EncryptedBlocks {
        blocks: blocks.sum(),
        at_least: report.encrypted_at_least,
        first_block,
        key_name: next.and_then(|next| next.name),
    })
}

/// Refuses a directory with something in it that is not from a rescue: what a tape says of links
/// would meet it.
fn check_target(target: &Path) -> Result<(), JobError> {
    let failed = |source| JobError::Io {
        action: "looking into",
        path: target.to_owned(),
        source,
    };
    let listing = match std::fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        listing => listing.map_err(failed)?,
    };
    for entry in listing {
        if !entry.map_err(failed)?.path().join(RECORD).is_file() {
            let what = format!(
                "{} has other things in it than what was rescued: a rescue needs a new directory, \
                 or one with rescues of other tapes; no tape was moved",
                target.display()
            );
            return Err(JobError::Request { what });
        }
    }
    Ok(())
}

/// The directory of a tape, which must be new.
fn directory_of(target: &Path, barcode: &str) -> Result<PathBuf, JobError> {
    if Name::new(barcode.as_bytes()).is_err() {
        return free_directory(target);
    }
    let directory = target.join(barcode);
    match is_unused(&directory)? {
        true => Ok(directory),
        false => Err(JobError::Request {
            what: format!(
                "{} is there from an earlier rescue of this tape: rescue it into another \
                 directory, or move that one away; no tape was moved",
                directory.display()
            ),
        }),
    }
}

/// True if nothing is there, or what a rescue has left that saved nothing.
fn is_unused(directory: &Path) -> Result<bool, JobError> {
    let looked = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(mut listing) => listing.try_fold(true, |is_unused, entry| {
            let entry = entry?;
            let is_record = entry.file_name() == RECORD;
            Ok(is_unused && is_record && entry.metadata()?.len() == 0)
        }),
    };
    looked.map_err(|source| JobError::Io {
        action: "looking into",
        path: directory.to_owned(),
        source,
    })
}

/// The directory of a tape of which no barcode is known.
fn free_directory(target: &Path) -> Result<PathBuf, JobError> {
    let mut number = 1_u64;
    loop {
        let directory = match number {
            1 => target.join("tape"),
            number => target.join(format!("tape-{number}")),
        };
        if is_unused(&directory)? {
            return Ok(directory);
        }
        number += 1;
    }
}

fn summarise(tape: String, directory: PathBuf, report: RescueReport) -> RescueSummary {
    let outcome = match report.end {
        _ if report.is_whole() => Outcome::Complete,
        RescueEnd::Stopped => Outcome::Interrupted,
        RescueEnd::TargetFull | RescueEnd::Failed => Outcome::Failed,
        RescueEnd::EndOfData | RescueEnd::NoEndOfData | RescueEnd::GaveUp => Outcome::Partial,
    };
    let files = report.tape_files.iter();
    let (file_count, file_bytes, verified) =
        files.fold((0, 0, 0), |(files, bytes, verified), one| {
            let bytes = bytes + one.file_bytes;
            (files + one.files, bytes, verified + one.verified)
        });
    let mut renamed = Problems::default();
    for (name, instead) in &report.renamed {
        renamed.push(Problem {
            path: ByteText(name.clone()),
            what: format!("came again, and is saved as /{}", ByteText(instead.clone())),
        });
    }
    let mut other_names = Problems::default();
    for other in &report.other_names {
        let (file, name) = (engine::file_directory(other.file), &other.name);
        other_names.push(Problem {
            path: ByteText(other.path.clone()),
            what: format!(
                "saved as {file}/{}, since {}",
                ByteText(name.clone()),
                other.why
            ),
        });
    }
    other_names.total = report.other_name_count;
    RescueSummary {
        outcome,
        end: end_text(report.end),
        tape,
        directory: ByteText(directory.into_os_string().into_vec()),
        objects: report.objects(),
        files: file_count,
        file_bytes,
        verified,
        by_length: file_count.saturating_sub(verified),
        tape_files: report.tape_files.iter().map(rescued_file).collect(),
        lost: report.lost.into_iter().map(lost_object).collect(),
        lost_total: report.lost_count,
        gaps: report.gaps.into_iter().map(tape_gap).collect(),
        gaps_total: report.gap_count,
        doubts: report.doubts.into_iter().map(tape_doubt).collect(),
        encrypted: None,
        joined: Vec::new(),
        unjoined: Vec::new(),
        renamed,
        other_names,
        metadata_not_set: not_set(report.metadata_not_set),
        failure: report
            .failure
            .map(|error| Failure::from(&from_engine(error))),
    }
}

impl RescueSummary {
    fn add(&mut self, joins: Joins) {
        self.outcome = match joins.end {
            JoinEnd::Done => self.outcome,
            JoinEnd::Stopped => Outcome::Interrupted,
            JoinEnd::Failed | JoinEnd::Full => Outcome::Failed,
        };
        let place = |directory: PathBuf, name: Vec<u8>| {
            let directory = directory.into_os_string().into_vec();
            ByteText([directory, name].join(&b'/'))
        };
        let joined = joins.joined.into_iter().map(|joined| JoinedFile {
            path: place(joined.directory, joined.name),
            size_bytes: joined.size_bytes,
            parts: joined.parts,
            verified: joined.proof == Proof::Digest,
        });
        self.joined = joined.collect();
        let unjoined = joins.unjoined.into_iter().map(|file| UnjoinedFile {
            path: ByteText(file.path),
            parts: file
                .parts
                .into_iter()
                .map(|(number, directory, name)| PartThere {
                    number,
                    path: place(directory, name),
                })
                .collect(),
            missing_parts: file.missing_parts,
            missing: file.missing,
            why: file.why,
        });
        self.unjoined = unjoined.collect();
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
        blocks_encrypted: file.blocks_encrypted,
        objects: file.objects,
        files: file.files,
        verified: file.verified,
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
        loss: match lost.loss {
            Loss::Cut => "cut",
            Loss::WrongDigest => "wrong_digest",
            Loss::Header => "header",
            Loss::NotSaved => "not_saved",
        },
        why: lost.why,
        kept_as: lost.kept_as.map(ByteText),
    }
}

fn tape_doubt(doubt: engine::Doubt) -> TapeDoubt {
    let (about, first_segment, last_segment) = match doubt.about {
        Doubted::Label => ("label", None, None),
        Doubted::Index(number) => ("index", Some(number), Some(number)),
        Doubted::Segments { first, last } => ("segments", Some(first), last),
    };
    TapeDoubt {
        about,
        file: doubt.file,
        first_segment,
        last_segment,
        what: doubt.what,
    }
}

fn tape_gap(gap: engine::Gap) -> TapeGap {
    TapeGap {
        file: gap.file,
        block: gap.block,
        blocks: gap.blocks,
        encrypted: gap.encrypted,
        what: gap.what,
        passed_bytes: gap.passed_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_that_does_not_come_to_its_end_lowers_the_outcome() {
        for (end, outcome) in [
            (JoinEnd::Done, Outcome::Complete),
            (JoinEnd::Failed, Outcome::Failed),
            (JoinEnd::Full, Outcome::Failed),
            (JoinEnd::Stopped, Outcome::Interrupted),
        ] {
            let report = RescueReport::default();
            let mut summary = summarise("A00001L9".to_owned(), PathBuf::new(), report);
            summary.add(Joins {
                end,
                ..Joins::default()
            });
            assert_eq!(summary.outcome, outcome, "{end:?}");
        }
    }

    #[test]
    fn a_directory_is_found_or_the_error_that_nobody_can_look_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let free = |target: &Path| free_directory(target).map_err(|error| error.to_string());
        assert_eq!(free(dir.path()), Ok(dir.path().join("tape")));
        let used = dir.path().join("tape");
        std::fs::create_dir(&used).unwrap();
        std::fs::write(used.join(RECORD), "").unwrap();
        assert_eq!(free(dir.path()), Ok(used.clone()), "it has saved nothing");
        std::fs::write(used.join(RECORD), "{}").unwrap();
        assert_eq!(free(dir.path()), Ok(dir.path().join("tape-2")));
        std::fs::write(dir.path().join("tape-2"), "no directory").unwrap();
        assert!(free(dir.path()).is_err());
        assert!(directory_of(dir.path(), "tape-2").is_err());
    }
}
