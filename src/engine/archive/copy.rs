//! Copying segments of a job from tape to tape: members are read, checked by their digests, and
//! written as members of new segments; names that are gone are noted again.
//!
//! The source of the job is not touched. What cannot be read from the tape is named; of a file
//! whose reading failed in its middle the copy has zeros from there on and says so.

use std::collections::HashSet;
use std::rc::Rc;

use uuid::Uuid;

use super::compress::Compression;
use super::content;
use super::destination::Destination;
use super::placing::{Begun, Work};
use super::plan::Memory;
use super::report::{DestinationReport, Remarks};
use super::shared::{Manner, Shared};
use crate::clock::Clock;
use crate::drive::SequentialDevice;
use crate::engine::content::ContentDigest;
use crate::engine::listed::{Came, read_listed};
use crate::engine::source::Remark;
use crate::engine::unread::Unread;
use crate::engine::{EngineError, MountedVolume, ReceiptSink, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::{Monitor, Silent};
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::failure::{ReadFailure, judge};
use crate::volume::index::{Content, DigestAlgorithm, FileLine, Index, JobHeader, read_index};
use crate::volume::member::{Condition, Kind, Member};
use crate::volume::read::RecordReader;
use crate::volume::resume::ResumingReader;

/// What to copy. Holds no handles.
#[derive(Debug, Clone)]
pub struct CopyPlan {
    /// The job whose segments these are; the copies belong to it as well.
    pub job: JobHeader,
    /// Segments in the order in which they are copied.
    pub segments: Vec<CopySegment>,
    /// Segments of the job that the copies' pool has already.
    pub segments_before: u64,
    /// The last segment is the job's last.
    pub job_ends: bool,
    /// Problems that the job had, if it said so.
    pub job_problems: Option<u64>,
    /// The most a segment may hold, in bytes of its records; at least that of each copied one.
    pub segment_limit_bytes: u64,
    /// Memory for what is written behind.
    pub memory: Memory,
    /// How the copies are compressed, however the copied segments are; `None` stores them as
    /// they are.
    pub compression: Option<Compression>,
}

/// A segment to copy from.
#[derive(Debug, Clone)]
pub struct CopySegment {
    /// The volume that it is on.
    pub volume: Uuid,
    /// Barcode of that volume, for messages.
    pub barcode: String,
    /// Its identity.
    pub segment: Uuid,
    /// Block address of its index.
    pub index_block: BlockAddress,
    /// Archive paths of what is copied of it, members or names that are gone; `None` for all.
    pub wanted: Option<HashSet<Vec<u8>>>,
}

/// What a copy did.
#[derive(Debug)]
pub struct CopyReport {
    /// What was written and committed.
    pub written: DestinationReport,
    /// What could not be read, or not as it was written.
    pub problems: Remarks,
    /// What ended the reading before its end: a tape that cannot be mounted, a drive that failed.
    pub failure: Option<EngineError>,
    /// Stopped on request. What is counted is confirmed and committed.
    pub stopped: bool,
}

/// Copies what `plan` says from volumes of `from` to volumes of `to`.
///
/// Volumes of `to` that fail are treated as in [`archive`](super::archive): what was not
/// confirmed is read and written again.
pub fn copy(
    plan: &CopyPlan,
    from: &mut dyn VolumeSource,
    to: &mut dyn VolumeSource,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> CopyReport {
    let manner = Manner {
        segment_limit_bytes: plan.segment_limit_bytes,
        memory: plan.memory,
        compression: plan.compression,
        content: Content::Files,
    };
    let shared = Shared::new(manner, plan.job.clone(), sink, clock, monitor);
    shared.set_problems(plan.job_problems);
    let mut destination = Destination::new(&shared, to, plan.segments_before);
    destination.alone = true;
    let mut copying = Copying {
        plan,
        from,
        destination,
        mounted: None,
        begun: Vec::new(),
        pushed: 0,
        left_out: HashSet::new(),
        problems: Remarks::default(),
        monitor,
    };
    let ended = copying.all();
    copying.give_back(VolumeEnd::Open);
    let (failure, stopped) = match ended {
        Ok(()) => (None, false),
        Err(Ended::Stopped) => (None, true),
        Err(Ended::Over) => (None, false),
        Err(Ended::Failed(error)) => (Some(error), false),
    };
    copying.destination.abandon();
    CopyReport {
        written: copying.destination.report().0,
        problems: copying.problems,
        failure,
        stopped,
    }
}

/// Why reading goes no further.
enum Ended {
    /// On request.
    Stopped,
    /// The destination takes no more.
    Over,
    /// Reading failed as a whole.
    Failed(EngineError),
}

struct Copying<'a> {
    plan: &'a CopyPlan,
    from: &'a mut dyn VolumeSource,
    destination: Destination<'a>,
    /// The volume that is read.
    mounted: Option<MountedVolume>,
    /// Of each segment that was begun, how many members and names were pushed before it.
    begun: Vec<u64>,
    /// Members and names that are gone pushed so far.
    pushed: u64,
    /// Paths of what could not be begun, which count as no members.
    left_out: HashSet<Vec<u8>>,
    problems: Remarks,
    monitor: &'a dyn Monitor,
}

impl Copying<'_> {
    fn all(&mut self) -> Result<(), Ended> {
        let mut next = 0;
        loop {
            let stopped = match self.segments_from(next) {
                Ok(()) => false,
                Err(Ended::Stopped) => true,
                Err(ended) => {
                    // What was copied so far is worth committing.
                    self.destination.finish(false);
                    return Err(ended);
                }
            };
            if self.destination.takes() {
                self.destination.finish(!stopped && self.plan.job_ends);
            }
            if stopped {
                return Err(Ended::Stopped);
            }
            if !self.destination.is_in_trouble() {
                return Ok(());
            }
            next = self.start_over()?;
        }
    }

    /// Copies from this segment on, to the last or to a trouble of the destination.
    fn segments_from(&mut self, first: usize) -> Result<(), Ended> {
        for at in first..self.plan.segments.len() {
            // A segment that is begun again begins where it did.
            self.begun.truncate(at + 1);
            if self.begun.len() == at {
                self.begun.push(self.pushed);
            }
            self.segment(&self.plan.segments[at])?;
            if self.destination.is_over() {
                return Err(Ended::Over);
            }
            if self.destination.is_in_trouble() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leaves the volume of the destination that failed. The segment with the first member that
    /// is not committed is the next.
    fn start_over(&mut self) -> Result<usize, Ended> {
        self.destination.settle();
        if self.destination.is_over() {
            return Err(Ended::Over);
        }
        self.destination.forget_pending();
        self.pushed = self.destination.committed_members();
        let behind = self
            .begun
            .iter()
            .take_while(|before| **before <= self.pushed);
        Ok(behind.count().saturating_sub(1))
    }

    fn segment(&mut self, segment: &CopySegment) -> Result<(), Ended> {
        self.mount(segment)?;
        let mut mounted = self.mounted.take().expect("it was mounted");
        let copied = self.members(segment, &mut mounted);
        self.mounted = Some(mounted);
        copied
    }

    fn members(&mut self, segment: &CopySegment, mounted: &mut MountedVolume) -> Result<(), Ended> {
        let block_bytes = mounted.label.block_bytes;
        let mut device = ResumingReader::new(mounted.device.as_mut(), &mounted.label, self.monitor);
        let index = match read_index(&mut device, block_bytes, segment.index_block) {
            Ok(index) if index.info.segment == segment.segment => index,
            Ok(_) => {
                self.problem(
                    b"",
                    &format!("{}: another segment is there", segment.barcode),
                );
                return Ok(());
            }
            Err(error) => return self.not_read(segment, b"", error),
        };
        let before = self.begun.last().copied().unwrap_or(0);
        // What is committed already, where this is not the first time.
        let mut skip = self.pushed.saturating_sub(before);
        let gone = index.gone.iter().map(|path| (path, None));
        let files = index.files.iter().map(|line| (&line.path, Some(line)));
        for (path, line) in gone.chain(files) {
            let wanted = segment.wanted.as_ref();
            let unwanted = wanted.is_some_and(|wanted| !wanted.contains(path));
            if unwanted || self.left_out.contains(path) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if self.monitor.stop_requested() {
                return Err(Ended::Stopped);
            }
            match line {
                Some(line) => self.member(segment, &mut device, &index, line)?,
                None => {
                    self.destination.gone(path);
                    self.pushed += 1;
                }
            }
            if !self.destination.takes() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        segment: &CopySegment,
        device: &mut dyn SequentialDevice,
        index: &Index,
        line: &FileLine,
    ) -> Result<(), Ended> {
        let mut reader = RecordReader::new(device, index.info.block_bytes);
        reader.check_against(index);
        reader.open_member(&line.place);
        let algorithms = [index.info.job.digest, self.plan.job.digest];
        let mut push = Push::new(&mut self.destination, line, algorithms, self.monitor);
        let read = push.all(&mut reader);
        let was_begun = push.member.is_some();
        let what = match read {
            Ok(()) => None,
            Err(Unread::NotMedium(error)) => {
                push.fill_up();
                let barcode = segment.barcode.clone();
                let source = error;
                return Err(Ended::Failed(EngineError::Volume { barcode, source }));
            }
            Err(Unread::Bad(what)) => {
                push.fill_up();
                Some(what)
            }
        };
        match was_begun {
            true => self.pushed += 1,
            false => {
                self.left_out.insert(line.path.clone());
            }
        }
        if let Some(what) = what {
            self.problem(&line.path, &format!("{}: {what}", segment.barcode));
        }
        self.monitor.advance(1, 0);
        match self.destination.cut_off {
            Some(_) => Err(Ended::Stopped),
            None => Ok(()),
        }
    }

    /// A segment of which nothing can be read is named; a drive that failed ends the copying.
    fn not_read(
        &mut self,
        segment: &CopySegment,
        path: &[u8],
        error: VolumeError,
    ) -> Result<(), Ended> {
        let barcode = segment.barcode.clone();
        match judge(&error) {
            ReadFailure::Record(_) => {
                let what = format!(
                    "{barcode}: its index cannot be read: {}",
                    with_causes(&error)
                );
                self.problem(path, &what);
                Ok(())
            }
            ReadFailure::NotMedium => {
                let source = error;
                Err(Ended::Failed(EngineError::Volume { barcode, source }))
            }
        }
    }

    fn mount(&mut self, segment: &CopySegment) -> Result<(), Ended> {
        let is_there = |mounted: &MountedVolume| mounted.label.volume == segment.volume;
        if self.mounted.as_ref().is_some_and(is_there) {
            return Ok(());
        }
        self.give_back(VolumeEnd::Open);
        self.monitor
            .phase(&format!("mounting {} to read it", segment.barcode));
        let mounted = self.from.mount(segment.volume);
        let volume = Some(segment.volume);
        let mounted =
            mounted.map_err(|source| Ended::Failed(EngineError::Mount { volume, source }))?;
        self.monitor.phase(&format!("copying {}", segment.barcode));
        self.mounted = Some(mounted);
        Ok(())
    }

    fn give_back(&mut self, end: VolumeEnd) {
        if let Some(mounted) = self.mounted.take()
            && let Err(error) = self.from.release(mounted, end)
        {
            tracing::warn!("a tape cannot be given back: {}", with_causes(&*error));
        }
    }

    fn problem(&mut self, path: &[u8], what: &str) {
        let remark = Remark::problem(path, what);
        tracing::warn!("{remark}");
        self.monitor.problem(&crate::monitor::Problem {
            path: format!("/{}", String::from_utf8_lossy(path)),
            what: remark.what.clone(),
        });
        self.problems.push(remark);
    }
}

const LEFT_HOLE: &str = "stopped on request in a hole of it; `copy` of the job copies it again";

/// One member on its way.
struct Push<'a, 'b> {
    destination: &'a mut Destination<'b>,
    line: &'a FileLine,
    monitor: &'a dyn Monitor,
    /// As it was begun.
    member: Option<Member>,
    /// None once a hole was left on request.
    digest: Option<ContentDigest>,
    /// By the algorithm of the copy, where it has another than what is copied.
    other: Option<ContentDigest>,
    payload_bytes: u64,
}

impl<'a, 'b> Push<'a, 'b> {
    fn new(
        destination: &'a mut Destination<'b>,
        line: &'a FileLine,
        [read, written]: [DigestAlgorithm; 2],
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            destination,
            line,
            monitor,
            member: None,
            digest: Some(ContentDigest::new(read)),
            other: (written != read).then(|| ContentDigest::new(written)),
            payload_bytes: 0,
        }
    }

    fn all(&mut self, reader: &mut RecordReader<'_>) -> Result<(), Unread> {
        let ended = read_listed(reader, self.line, &mut |came| match came {
            Came::Header(member) => self.begin(*member),
            Came::Data { at_bytes, bytes } => self.data(at_bytes, bytes),
        })?;
        match (&self.member, ended) {
            (Some(member), true) => {
                let covered_bytes = member.covered_bytes();
                self.end(covered_bytes)
            }
            _ => Err(Unread::Bad(
                "its data are longer than the index says".to_owned(),
            )),
        }
    }

    fn begin(&mut self, member: Member) -> Result<(), Unread> {
        match self.destination.begin(Work::whole(Rc::new(member.clone()))) {
            Begun::Taken => {
                self.member = Some(member);
                Ok(())
            }
            Begun::Refused(why) => Err(Unread::Bad(format!("it cannot be copied: {why}"))),
        }
    }

    fn data(&mut self, at_bytes: u64, bytes: &[u8]) -> Result<(), Unread> {
        self.advance(at_bytes)?;
        self.digests().for_each(|digest| digest.update(bytes));
        self.payload_bytes += bytes.len() as u64;
        self.destination.data(bytes, Condition::Whole);
        self.monitor.advance(0, bytes.len() as u64);
        Ok(())
    }

    fn digests(&mut self) -> impl Iterator<Item = &mut ContentDigest> {
        self.digest.iter_mut().chain(&mut self.other)
    }

    /// Digests the hole up to there, unless the user asks to stop meanwhile.
    fn advance(&mut self, to_bytes: u64) -> Result<(), Unread> {
        let shared = self.destination.shared;
        for digest in [&mut self.digest, &mut self.other] {
            content::hole(digest, to_bytes, shared, &Silent)
                .map_err(|_| Unread::Bad("its data are out of order".to_owned()))?;
        }
        Ok(())
    }

    fn end(&mut self, covered_bytes: u64) -> Result<(), Unread> {
        if self.line.kind != Kind::File {
            self.destination.end(None, self.line.condition);
            return Ok(());
        }
        self.advance(covered_bytes)?;
        if self.destination.shared.left_hole.take() {
            return Err(Unread::Bad(LEFT_HOLE.to_owned()));
        }
        let digest = self.digest.take().expect("no hole was left").finish();
        match self.line.digest {
            Some(written) if written != digest => Err(Unread::Bad(format!(
                "its content has the digest {digest} instead of {written}"
            ))),
            _ => {
                let other = self.other.as_ref().map(ContentDigest::finish);
                let digest = other.unwrap_or(digest);
                self.destination.end(Some(digest), self.line.condition);
                Ok(())
            }
        }
    }

    /// Ends a member whose reading failed: zeros up to the length that was announced.
    fn fill_up(&mut self) {
        let Some(member) = &self.member else { return };
        let mut missing = member.payload_bytes().saturating_sub(self.payload_bytes);
        let zeros = [0; 64 << 10];
        while missing > 0 {
            let some = missing.min(zeros.len() as u64);
            self.destination
                .data(&zeros[..some as usize], Condition::Unreadable);
            missing -= some;
        }
        // Without a digest nobody takes it for the file.
        self.destination.end(None, Condition::Unreadable);
    }
}
