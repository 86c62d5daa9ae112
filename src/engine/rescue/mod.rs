//! Rescue: reads a tape from its beginning to its end, past what is bad, and saves every file
//! that came whole.
//!
//! Needs neither label nor index nor catalog: each tape file is taken for a tar archive, of this
//! format or of another program, and goes into a directory of its own. A record that cannot be
//! read costs the members in it; where the next one begins is found by its header. Nothing
//! proves that a file is as it was archived but that each of its bytes was read without an error.
//!
//! Memory: one record, one frame, one member's headers, the metadata of directories, the names
//! that came twice, and what is listed as lost, which is bounded.

mod archive;
mod report;
mod save;
mod walk;

use std::path::PathBuf;

pub use report::{
    Gap, LISTED_MOST, LostFile, PARTIAL_SUFFIX, RescueEnd, RescueReport, TapeFileReport,
};

use crate::drive::SequentialDevice;
use crate::engine::EngineError;
use crate::engine::target::{Existing, Owners, Target, TargetErrorKind, TargetOptions};
use crate::monitor::Monitor;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::VolumeError;
use crate::volume::label::{Identity, identify};
use archive::Archive;
use save::Saver;
use walk::{Next, Walk};

/// How to rescue.
#[derive(Debug, Clone)]
pub struct RescueOptions {
    /// The directory that gets one for each tape file: new, or empty.
    pub target: PathBuf,
    /// So often a block that cannot be read is tried again.
    pub retries: u32,
    /// Once so many blocks in a row cannot be read, the rest of the tape file is given up.
    pub most_bad_blocks: u64,
    /// Keep what came of files that are not whole, under names that say so.
    pub keep_partial: bool,
    /// By what owners are given.
    pub owners: Owners,
}

/// Reads the tape `barcode` in `device`, whose blocks have at most `longest_bytes`.
///
/// # Errors
///
/// [`EngineError::Target`] if the target cannot be used, before the tape was moved. What ends the
/// rescue later is in the report.
pub fn rescue(
    device: &mut dyn SequentialDevice,
    barcode: &str,
    longest_bytes: usize,
    options: &RescueOptions,
    monitor: &dyn Monitor,
) -> Result<RescueReport, EngineError> {
    let unusable = |source| EngineError::Target {
        path: options.target.clone(),
        source,
    };
    std::fs::create_dir_all(&options.target).map_err(unusable)?;
    monitor.phase(&format!("rescuing {barcode}"));
    let identity = identify(device).ok();
    let mut rescue = Rescue {
        options,
        barcode,
        monitor,
        is_ours: matches!(identity, Some(Identity::Ours(_) | Identity::TooNew { .. })),
        report: RescueReport::default(),
    };
    let mut walk = Walk::new(device, longest_bytes, options, identity, monitor);
    let ended = rescue.tape(&mut walk);
    let mut report = rescue.report;
    match ended {
        Ok(end) => report.end = end,
        Err(error) => {
            report.end = RescueEnd::Failed;
            report.failure = Some(error);
        }
    }
    Ok(report)
}

struct Rescue<'a> {
    options: &'a RescueOptions,
    barcode: &'a str,
    monitor: &'a dyn Monitor,
    /// Members begin as this format writes them.
    is_ours: bool,
    report: RescueReport,
}

impl Rescue<'_> {
    fn tape(&mut self, walk: &mut Walk<'_>) -> Result<RescueEnd, EngineError> {
        let begin = |error| self.drive_error(error, BlockAddress(0));
        walk.begin().map_err(begin)?;
        let mut file = TapeFile(0);
        loop {
            match self.tape_file(walk, file)? {
                Some(end) => return Ok(end),
                None => file = walk.file(file),
            }
        }
    }

    fn drive_error(&self, source: crate::drive::DriveError, block: BlockAddress) -> EngineError {
        EngineError::Volume {
            barcode: self.barcode.to_owned(),
            source: VolumeError::drive("reading on", block)(source),
        }
    }

    /// Reads one tape file. Says how the rescue ended, if it did.
    fn tape_file(
        &mut self,
        walk: &mut Walk<'_>,
        file: TapeFile,
    ) -> Result<Option<RescueEnd>, EngineError> {
        let path = self.options.target.join(format!("file-{:05}", file.0));
        let mut saver: Option<Saver<'_>> = None;
        let mut archive = Archive::new(self.is_ours);
        let mut read = TapeFileReport::new(file, walk.next_block());
        let end = loop {
            let at = walk.next_block();
            let next = match walk.next() {
                Ok(next) => next,
                Err(error) => {
                    self.close(saver, archive, read, "the drive failed there");
                    return Err(self.drive_error(error, at));
                }
            };
            if saver.is_none() && matches!(next, Next::Block { .. } | Next::Lost { .. }) {
                let target = Target::open(&path, self.target_options());
                let target = target.map_err(|source| EngineError::Target {
                    path: path.clone(),
                    source,
                })?;
                let keep = self.options.keep_partial;
                saver = Some(Saver::new(target, file, keep, self.monitor));
            }
            match (next, &mut saver) {
                (Next::Block { block, bytes }, Some(saver)) => {
                    read.blocks += 1;
                    read.bytes += bytes.len() as u64;
                    self.monitor.advance(0, bytes.len() as u64);
                    archive.record(block, bytes, saver);
                }
                (
                    Next::Lost {
                        block,
                        blocks,
                        what,
                    },
                    Some(saver),
                ) => {
                    read.blocks_lost += blocks;
                    archive.lost(block, blocks, &what, saver);
                }
                (Next::Mark { crossed }, _) => {
                    let why = match crossed {
                        true => "what cannot be read goes on to the end of the tape file",
                        false => "the tape file ends in it",
                    };
                    self.close(saver, archive, read, why);
                    return Ok(None);
                }
                (Next::End { marked }, _) => {
                    let end = match marked {
                        true => RescueEnd::EndOfData,
                        false => RescueEnd::NoEndOfData,
                    };
                    break (end, "the tape ends in it");
                }
                (Next::GaveUp, _) => break (RescueEnd::GaveUp, "nothing behind could be read"),
                (Next::Stopped, _) => break (RescueEnd::Stopped, "the rescue was stopped"),
                (Next::Block { .. } | Next::Lost { .. }, None) => {
                    unreachable!("a saver was made for it")
                }
            }
            if saver.as_ref().is_some_and(Saver::is_full) {
                break (RescueEnd::TargetFull, "no room is left in the target");
            }
        };
        self.close(saver, archive, read, end.1);
        Ok(Some(end.0))
    }

    fn target_options(&self) -> TargetOptions {
        TargetOptions {
            existing: Existing::Rename,
            owners: self.options.owners,
        }
    }

    /// Ends a tape file: a member that is not complete is lost with the reason `why`.
    fn close(
        &mut self,
        saver: Option<Saver<'_>>,
        archive: Archive,
        mut read: TapeFileReport,
        why: &str,
    ) {
        let Some(mut saver) = saver else { return };
        archive.finish(why, &mut saver);
        self.report.add(saver.finish(&mut read), read);
    }
}

/// Whether no room is left.
fn is_full(kind: TargetErrorKind) -> bool {
    kind == TargetErrorKind::Full
}
