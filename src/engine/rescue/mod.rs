//! Rescue: reads a tape from its beginning to its end, past what is bad, and saves every file
//! that came whole.
//!
//! Needs neither label nor index nor catalog: each tape file is taken for a tar archive, of this
//! format or of another program, and goes into a directory of its own. A record that cannot be
//! read costs the members in it; where the next one begins is found by its header. What is saved
//! of a segment is compared with the digests in the index behind it, where that can be read; else
//! a file is whole if each of its bytes was read without an error. Files in parts are joined where
//! all of them are there, also from several tapes ([`join()`]).
//!
//! Memory: one record, one frame, one member's headers, the metadata of directories, the names
//! that came twice, of a segment the names that it has and its index, and what is listed as lost,
//! which is bounded.

mod archive;
mod cover;
mod index_bytes;
mod join;
mod log;
mod made;
mod names;
mod order;
mod proof;
mod report;
mod save;
mod walk;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

pub use join::{JoinEnd, Joined, Joins, Unjoined, join};
pub use log::{Proof, RECORD};
pub use order::{Doubt, Doubted};
pub use report::{
    DAMAGED_SUFFIX, Gap, LISTED_MOST, Loss, LostFile, OtherName, PARTIAL_SUFFIX, RescueEnd,
    RescueReport, TapeFileReport,
};

use crate::drive::SequentialDevice;
use crate::engine::EngineError;
use crate::engine::target::{Existing, Owners, Target, TargetErrorKind, TargetOptions};
use crate::monitor::Monitor;
use crate::units::{BlockAddress, TapeFile};
use crate::volume::VolumeError;
use crate::volume::index::{DigestAlgorithm, Index, MAX_LINES_BYTES, MAX_MEMBERS};
use crate::volume::label::{
    DAMAGED_LABEL, Identity, decode_label, describe, identify, is_proven_label, label_damage,
};
use archive::Archive;
use index_bytes::IndexBytes;
pub(crate) use log::file_directory;
use log::{Log, Saved};
use made::Made;
use order::{Order, Sight};
use proof::{Comparison, Segment, counted, members_of};
use save::Saver;
use walk::{Cause, Next, Walk};

/// How to rescue.
#[derive(Debug, Clone)]
pub struct RescueOptions {
    /// The directory of this tape, that gets one for each tape file: new, or empty.
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
    let _made = Made::directory(&options.target).map_err(unusable)?;
    let log = Log::open(&options.target).map_err(unusable)?;
    monitor.phase(&format!("rescuing {barcode}"));
    let identity = identify(device).ok();
    let mut rescue = Rescue {
        options,
        barcode,
        monitor,
        order: Order::new(matches!(
            identity,
            Some(Identity::Ours(_) | Identity::TooNew { .. })
        )),
        volume: match &identity {
            Some(Identity::Ours(label)) => Some(label.volume),
            _ => None,
        },
        seen: HashSet::new(),
        report: RescueReport::default(),
        log,
        algorithm: DigestAlgorithm::default(),
        awaits_index: None,
    };
    let mut walk = Walk::new(device, longest_bytes, options, identity, monitor);
    let ended = rescue.tape(&mut walk);
    let put = rescue.no_index();
    let put = put.map_err(|source| rescue.target_error(source));
    let ended = ended.and_then(|end| put.map(|()| end));
    let mut report = rescue.report;
    let is_at_end = matches!(ended, Ok(RescueEnd::EndOfData | RescueEnd::NoEndOfData));
    report.doubts.extend(rescue.order.finish(is_at_end));
    report.doubts.sort_by_key(|doubt| doubt.file);
    match ended {
        Ok(end) => report.end = end,
        Err(error) => {
            report.end = RescueEnd::Failed;
            report.failure = Some(error);
        }
    }
    remove_unused(&options.target, &report);
    Ok(report)
}

/// Removes what has nothing in it: directories of tape files, and the record.
fn remove_unused(directory: &Path, report: &RescueReport) {
    let unused = report.tape_files.iter().filter(|file| file.objects == 0);
    for file in unused {
        // What was kept of a damaged file stays, and its directory with it.
        let _ = std::fs::remove_dir(directory.join(file_directory(file.file)));
    }
    let record = directory.join(RECORD);
    if std::fs::metadata(&record).is_ok_and(|found| found.len() == 0) {
        let _ = std::fs::remove_file(record);
    }
}

struct Rescue<'a> {
    options: &'a RescueOptions,
    barcode: &'a str,
    monitor: &'a dyn Monitor,
    /// What of this format came, and what did not.
    order: Order,
    /// Which volume it is, once anything tells.
    volume: Option<Uuid>,
    /// The segments whose beginning was read.
    seen: HashSet<Uuid>,
    report: RescueReport,
    log: Log,
    /// By what the segment before was digested.
    algorithm: DigestAlgorithm,
    /// What was saved of a segment whose index may follow.
    awaits_index: Option<Segment>,
}

/// What is on its way of one tape file.
struct InWork<'a> {
    saver: Option<Saver<'a>>,
    archive: Archive,
    read: TapeFileReport,
    /// What was saved, as long as an index may come for it.
    held: Vec<Saved>,
    held_bytes: u64,
    /// So are all that were saved; else nobody can say what did not come.
    holds_all: bool,
    index: IndexBytes,
    /// It begins with a label.
    is_label: bool,
    /// And that is as it was written.
    is_proven_label: bool,
    /// What its first record looks like; `None` as long as none could be read.
    looks: Option<String>,
}

impl<'a> Rescue<'a> {
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

    fn target_error(&self, source: io::Error) -> EngineError {
        EngineError::Target {
            path: self.options.target.clone(),
            source,
        }
    }

    /// Reads one tape file. Says how the rescue ended, if it did.
    fn tape_file(
        &mut self,
        walk: &mut Walk<'_>,
        file: TapeFile,
    ) -> Result<Option<RescueEnd>, EngineError> {
        let mut work = InWork {
            saver: None,
            archive: Archive::new(self.order.is_ours()),
            read: TapeFileReport::new(file, walk.next_block()),
            held: Vec::new(),
            held_bytes: 0,
            holds_all: true,
            index: IndexBytes::default(),
            is_label: false,
            is_proven_label: false,
            looks: None,
        };
        let end = loop {
            let at = walk.next_block();
            let next = match walk.next() {
                Ok(next) => next,
                Err(error) => {
                    let error = self.drive_error(error, at);
                    self.close(work, "the drive failed there")?;
                    return Err(error);
                }
            };
            match next {
                Next::Block { block, bytes } => self.block(&mut work, block, bytes)?,
                Next::Lost {
                    block,
                    blocks,
                    at_least,
                    what,
                    cause,
                } => {
                    self.report.encrypted_at_least |= at_least && cause == Cause::Encrypted;
                    self.lost(&mut work, (block, blocks), cause, &what)?;
                }
                Next::Mark { crossed } => {
                    let why = match crossed {
                        true => "what cannot be read goes on to the end of the tape file",
                        false => "the tape file ends in it",
                    };
                    if work.saver.is_none() {
                        self.order.see(file, Sight::Empty);
                    }
                    self.close(work, why)?;
                    return Ok(None);
                }
                Next::End { marked } => {
                    let end = match marked {
                        true => RescueEnd::EndOfData,
                        false => RescueEnd::NoEndOfData,
                    };
                    break (end, "the tape ends in it");
                }
                Next::GaveUp => break (RescueEnd::GaveUp, "nothing behind could be read"),
                Next::Stopped => break (RescueEnd::Stopped, "the rescue was stopped"),
            }
            if work.saver.as_ref().is_some_and(Saver::is_full) {
                break (RescueEnd::TargetFull, "no room is left in the target");
            }
        };
        self.close(work, end.1)?;
        Ok(Some(end.0))
    }

    /// What saves the members of a tape file. Its directory is made once there is something.
    fn saver<'w>(
        &self,
        saver: &'w mut Option<Saver<'a>>,
        file: TapeFile,
    ) -> Result<&'w mut Saver<'a>, EngineError> {
        if saver.is_none() {
            let path = self.options.target.join(file_directory(file));
            let options = TargetOptions {
                existing: Existing::Rename,
                owners: self.options.owners,
            };
            let target = Target::open(&path, options);
            let target = target.map_err(|source| EngineError::Target { path, source })?;
            let keep = self.options.keep_partial;
            let algorithm = self.order.is_ours().then_some(self.algorithm);
            *saver = Some(Saver::new(target, file, keep, algorithm, self.monitor));
        }
        Ok(saver.as_mut().expect("it was made above"))
    }

    fn block(
        &mut self,
        work: &mut InWork<'a>,
        block: BlockAddress,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let begins = work.read.blocks == 0 || work.archive.has_ended();
        work.read.blocks += 1;
        work.read.bytes += bytes.len() as u64;
        self.monitor.advance(0, bytes.len() as u64);
        let saver = self.saver(&mut work.saver, work.read.file)?;
        if block == BlockAddress(0) {
            work.is_proven_label = is_proven_label(bytes);
            if let Some(what) = label_damage(bytes) {
                saver.gap(block, 0, &what, Cause::Bad);
            }
            match decode_label(bytes) {
                Identity::Foreign(what) => {
                    if what.starts_with(DAMAGED_LABEL) {
                        saver.gap(block, 0, &what, Cause::Bad);
                    }
                    work.looks = Some(what);
                }
                _ => work.is_label = true,
            }
        }
        work.looks.get_or_insert_with(|| describe(bytes));
        work.archive.record(block, bytes, saver);
        work.index.record(block, bytes, begins);
        self.hold(work).map_err(|error| self.target_error(error))
    }

    fn lost(
        &mut self,
        work: &mut InWork<'a>,
        (block, blocks): (BlockAddress, u64),
        cause: Cause,
        what: &str,
    ) -> Result<(), EngineError> {
        match cause {
            Cause::Bad => work.read.blocks_lost += blocks,
            Cause::Encrypted => {
                work.read.blocks_encrypted += blocks;
                self.report.encrypted_from.get_or_insert(block);
            }
        }
        work.index.lost();
        let saver = self.saver(&mut work.saver, work.read.file)?;
        work.archive.lost(block, blocks, (cause, what), saver);
        Ok(())
    }

    /// Holds what was saved as long as an index may tell more of it, and puts the rest on record.
    fn hold(&mut self, work: &mut InWork<'a>) -> io::Result<()> {
        let Some(saver) = &mut work.saver else {
            return Ok(());
        };
        let (saved, bytes) = saver.take_saved();
        let fits = work.held.len() as u64 <= MAX_MEMBERS && work.held_bytes <= MAX_LINES_BYTES;
        if saver.is_of_segment() && fits {
            work.held_bytes += bytes;
            work.held.extend(saved);
            return Ok(());
        }
        work.holds_all &= saved.is_empty();
        saved
            .iter()
            .try_for_each(|saved| self.log.saved(saved, Proof::Length))
    }

    /// Ends a tape file: a member that is not complete is lost with the reason `why`.
    fn close(&mut self, work: InWork<'a>, why: &str) -> Result<(), EngineError> {
        let closed = self.put_on_record(work, why);
        closed.map_err(|error| self.target_error(error))
    }

    fn put_on_record(&mut self, mut work: InWork<'a>, why: &str) -> io::Result<()> {
        let Some(mut saver) = work.saver.take() else {
            return Ok(());
        };
        work.archive.finish(why, &mut saver);
        let mut read = work.read;
        let (file, first_block) = (read.file, read.first_block);
        let mut found = saver.finish(&mut read);
        for lost in &found.lost {
            let kept_as = lost.kept_as.as_deref();
            self.log.lost(file, &lost.path, kept_as, &lost.why)?;
        }
        let all_named = work.holds_all && found.lost_count == found.lost.len() as u64;
        let named = found.lost.iter().map(|lost| lost.path.clone());
        let lost = all_named.then(|| counted(named));
        let heads = std::mem::take(&mut found.heads);
        self.report.add(found, read);
        let this = Segment {
            first_block,
            file,
            heads,
            saved: work.held,
            lost,
        };
        let index = work.index.decode();
        self.see(&this, work.is_label, index.as_ref(), work.looks);
        if let Some(Ok((block, index))) = index {
            return self.index(this, block, &index);
        }
        self.no_index()?;
        // A label is alone.
        if file > TapeFile(0) || !this.heads.is_empty() {
            self.awaits_index = Some(this);
            return Ok(());
        }
        let proof = match work.is_proven_label {
            true => Proof::Digest,
            false => Proof::Length,
        };
        self.comparison().none(&this, proof)
    }

    /// Puts what a tape file turned out to be in its place in the order of the tape.
    fn see(
        &mut self,
        this: &Segment,
        is_label: bool,
        index: Option<&Result<(BlockAddress, Index), String>>,
        looks: Option<String>,
    ) {
        let mut strange = looks.unwrap_or_else(|| "it cannot be read".to_owned());
        let volume = &mut self.volume;
        let mut is_of_volume = |of: Uuid| *volume.get_or_insert(of) == of;
        let mut sights = Vec::new();
        if is_label {
            sights.push((BlockAddress(0), Sight::Label));
        }
        for head in &this.heads {
            match is_of_volume(head.volume) {
                true => sights.push((head.block, Sight::Segment(head.number))),
                false => strange = format!("a segment of another volume, {}", head.volume),
            }
        }
        match index {
            Some(Ok((block, index))) if is_of_volume(index.info.volume) => {
                sights.push((*block, Sight::Index(index.info.number)));
            }
            Some(Ok((_, index))) => {
                strange = format!("an index of another volume, {}", index.info.volume);
            }
            Some(Err(what)) => strange.clone_from(what),
            None => {}
        }
        if sights.is_empty() {
            sights.push((this.first_block, Sight::Strange(strange)));
        }
        sights.sort_by_key(|(block, _)| *block);
        for (_, sight) in sights {
            self.order.see(this.file, sight);
        }
        self.seen.extend(this.heads.iter().map(|head| head.segment));
    }

    /// Compares with the index that begins at `block` what it is of, if that came.
    fn index(&mut self, mut this: Segment, block: BlockAddress, index: &Index) -> io::Result<()> {
        self.algorithm = index.info.job.digest;
        let is_of_index = members_of(index);
        let behind = this.split_behind(block, &is_of_index);
        // Where the filemark between them is lost, both are one tape file.
        let has_more = !this.saved.iter().all(|saved| is_of_index(&saved.path));
        if has_more && this.is_of(index) {
            self.no_index()?;
            self.comparison().with(this, index)?;
        } else {
            match self.awaits_index.take_if(|segment| segment.is_of(index)) {
                Some(segment) => self.comparison().with(segment, index)?,
                None => {
                    self.no_index()?;
                    let is_ours = self.volume == Some(index.info.volume);
                    if is_ours && !self.seen.contains(&index.info.segment) {
                        self.comparison().with(Segment::unseen(&this), index)?;
                    }
                }
            }
            self.comparison().index(&this, index)?;
        }
        self.awaits_index = behind;
        Ok(())
    }

    /// No index comes for what awaits one.
    fn no_index(&mut self) -> io::Result<()> {
        match self.awaits_index.take() {
            Some(segment) => self.comparison().none(&segment, Proof::Length),
            None => self.log.flush(),
        }
    }

    fn comparison(&mut self) -> Comparison<'_> {
        Comparison {
            directory: &self.options.target,
            log: &mut self.log,
            report: &mut self.report,
            monitor: self.monitor,
        }
    }
}

/// Whether no room is left.
fn is_full(kind: TargetErrorKind) -> bool {
    kind == TargetErrorKind::Full
}
