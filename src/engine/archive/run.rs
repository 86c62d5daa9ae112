//! One run from its plan to its report: what the scanner brings goes to the output.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::content;
use super::destination::Destination;
use super::pace::{Teller, Waits};
use super::payload::{Inlet, Payload, ScannerGone};
use super::pending::WrittenMember;
use super::placing::{Begun, Work};
use super::plan::ArchivePlan;
use super::repeat::Repeat;
use super::report::{ArchiveReport, Outcome, Remarks, Times, Timings};
use super::scanner::{Item, ScanEnd, Scanner};
use super::shared::{Manner, Shared};
use super::stage::StageTime;
use super::total::with_total;
use crate::clock::Clock;
use crate::engine::source::{
    Base, CommandEnd, Compared, Feed, Object, Remark, Severity, is_at_or_below,
};
use crate::engine::{EngineError, ReceiptSink, VolumeSource};
use crate::monitor::{Monitor, Problem};
use crate::volume::index::{Content, JobHeader};
use crate::volume::member::{Kind, Member};

/// Archives what `plan` says: measured against `base`, what is not on tape in its present state,
/// and the names that are gone. If that is nothing, no volume is mounted.
///
/// Segments are handed to `sink` in order as the drive confirms them. Objects that change,
/// vanish or cannot be read are in the report and never end the run. When the monitor asks
/// to stop, the segment is closed at the end of the present file (or part), confirmed and
/// committed. A volume that fails is given back, and what was not confirmed on it is written
/// again on the next; two that fail one after another end the run. A monitor that wants a total
/// is told it as soon as the source is counted.
///
/// # Errors
///
/// Before anything was written: a source that does not exist
/// ([`EngineError::Root`]), a plan that makes no sense, nothing that could be archived
/// ([`EngineError::Nothing`], [`EngineError::NothingArchived`]; a volume that was mounted in
/// vain was given back), or no volume to be had. Whatever happens later is
/// [`ArchiveReport::failure`], with what is committed by then.
pub fn archive(
    plan: &ArchivePlan,
    base: Option<&dyn Base>,
    volumes: &mut dyn VolumeSource,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<ArchiveReport, EngineError> {
    archive_to(plan, base, vec![volumes], sink, clock, monitor)
}

/// As [`archive`], from one read of the source to two destinations at once, each with volumes
/// of its own. If one comes to its end before the source does, the other goes on; what the
/// second did is in [`ArchiveReport::copy`].
///
/// # Errors
///
/// As [`archive`]; no volume to be had only if that is so of both.
pub fn archive_twice(
    plan: &ArchivePlan,
    base: Option<&dyn Base>,
    volumes: &mut dyn VolumeSource,
    copy: &mut dyn VolumeSource,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<ArchiveReport, EngineError> {
    archive_to(plan, base, vec![volumes, copy], sink, clock, monitor)
}

fn archive_to(
    plan: &ArchivePlan,
    base: Option<&dyn Base>,
    volumes: Vec<&mut dyn VolumeSource>,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<ArchiveReport, EngineError> {
    let given_up = Arc::default();
    let stops = monitor
        .stop_flag()
        .into_iter()
        .chain([Arc::clone(&given_up)]);
    let mut feed = Feed::open(&plan.sources, &plan.rules(), stops.collect())?;
    if let Some(base) = base {
        feed.measure_against(base)?;
    }
    with_total(plan.countable().as_ref(), base, monitor, |monitor| {
        carry_out(plan, feed, given_up, volumes, sink, clock, monitor)
    })
}

fn carry_out(
    plan: &ArchivePlan,
    feed: Feed,
    given_up: Arc<AtomicBool>,
    volumes: Vec<&mut dyn VolumeSource>,
    sink: &mut dyn ReceiptSink,
    clock: &dyn Clock,
    monitor: &dyn Monitor,
) -> Result<ArchiveReport, EngineError> {
    let started = Instant::now();
    let job = JobHeader {
        roots: feed.roots().to_vec(),
        excludes: plan.excludes.clone(),
        ..plan.job.clone()
    };
    let manner = Manner {
        segment_limit_bytes: plan.segment_limit_bytes,
        memory: plan.memory,
        compression: plan.compression,
        content: Content::Files,
    };
    let shared = Shared::new(manner, job, sink, clock, monitor);
    let repeat = Repeat::new(plan, feed.rereader());
    let read_ahead_bytes = plan.memory.read_ahead_bytes;
    let scanner = Scanner::start(feed, given_up, read_ahead_bytes, plan.job.digest)?;
    let resume = plan.resume.as_ref();
    shared.set_problems(Some(0));
    let mut run = Run {
        shared: &shared,
        destinations: volumes
            .into_iter()
            .enumerate()
            .map(|(at, volumes)| {
                let before = resume.map_or(0, |resume| resume.segments_before[at]);
                Destination::new(&shared, volumes, before)
            })
            .collect(),
        repeat,
        monitor,
        problems: Remarks::default(),
        notes: Remarks::default(),
        refused: HashSet::new(),
        placed: 0,
        directories: 0,
        gone: 0,
        streams_taken: 0,
    };
    let begun = resume.map_or(&[][..], |resume| &resume.begun);
    run.destinations[0]
        .pending
        .begin_with(begun.iter().map(WrittenMember::begun));
    let mut inlet = Inlet::new(&scanner);
    let halt = run.end_begun().and_then(|()| run.take_all(&mut inlet));
    let halt = halt.err();
    let starved = inlet.starved;
    let (stopped, scan) = match scanner.stop() {
        Ok(scan) => (None, scan),
        Err(error) => (Some(error), ScanEnd::default()),
    };
    let (outcome, failure) = run.conclude(halt, scan.compared, resume.is_some())?;
    let commands = run.judge(scan.commands);
    let mut report = run.report(outcome, started.elapsed(), starved);
    report.failure = failure.or(report.failure).or(stopped);
    report.excluded = scan.excluded;
    report.commands = commands;
    report.compared = scan.compared;
    report.timings.scan = scan.time;
    Ok(report)
}

/// Why the source is not read further.
#[derive(Debug)]
enum Halt {
    /// On request.
    Interrupted,
    /// It cannot be: the base is not known further.
    Failed(EngineError),
    /// The scanner ended before its end.
    ScannerGone,
    /// No destination takes anything more.
    Over,
}

impl From<ScannerGone> for Halt {
    fn from(_: ScannerGone) -> Self {
        Self::ScannerGone
    }
}

/// The framing stage of one run.
struct Run<'a> {
    shared: &'a Shared<'a>,
    destinations: Vec<Destination<'a>>,
    repeat: Repeat<'a>,
    monitor: &'a dyn Monitor,
    problems: Remarks,
    notes: Remarks,
    /// Archive paths of what was refused: further names of it would lead nowhere.
    refused: HashSet<Vec<u8>>,
    /// Members written, and how many of them are directories.
    placed: u64,
    directories: u64,
    /// Names noted as gone.
    gone: u64,
    /// Streams that were taken to their end.
    streams_taken: usize,
}

impl Run<'_> {
    /// Ends the files that an earlier run began.
    fn end_begun(&mut self) -> Result<(), Halt> {
        self.repeat.write_again(&mut self.destinations[0]);
        self.mend()
    }

    /// Takes items until the source is exhausted.
    fn take_all(&mut self, inlet: &mut Inlet<'_>) -> Result<(), Halt> {
        let mut teller = Teller::new();
        loop {
            if self.monitor.stop_requested() {
                return Err(Halt::Interrupted);
            }
            teller.tell(self.monitor, || self.waits(inlet.starved));
            while !inlet.comes() {
                self.destinations.iter_mut().for_each(Destination::keep_up);
            }
            match inlet.next()? {
                Item::Object(member, data, end) => {
                    self.object(member, &mut Payload::whole(data, end))?;
                }
                Item::Begin(member) => self.object(member, &mut Payload::streamed(inlet))?,
                Item::Remark(remark) => self.remark(remark),
                Item::Gone(path) => self.gone(&path)?,
                Item::StreamEnd => self.streams_taken += 1,
                Item::Failed(error) => return Err(Halt::Failed(error)),
                Item::Done => return Ok(()),
                Item::Chunk(..) | Item::End(_) => return Err(ScannerGone.into()),
            }
        }
    }

    /// Of two destinations what they have waited at most: they wait at the same time.
    fn waits(&self, starved: Duration) -> Waits {
        let waits = self.destinations.iter().map(Destination::waits);
        waits.fold(
            Waits {
                starved,
                ..Waits::default()
            },
            |all, (blocked, drive)| Waits {
                starved,
                blocked: all.blocked.max(blocked),
                drive: all.drive.max(drive),
            },
        )
    }

    fn object(&mut self, member: Member, payload: &mut Payload<'_, '_>) -> Result<(), Halt> {
        if let Kind::Hardlink(first) = &member.kind
            && self.refused.contains(first)
        {
            payload.finish()?;
            let first = String::from_utf8_lossy(first);
            let what = format!("it is a further name of /{first}, which cannot be archived");
            self.remark(Remark::problem(&member.path, what));
            return Ok(());
        }
        match self.repeat.instead_of_link(&member) {
            None => self.place(member, payload),
            Some(Ok(Object { member, reader })) => self.place(member, &mut Payload::again(reader)),
            Some(Err(remark)) => {
                self.remark(remark);
                Ok(())
            }
        }
    }

    /// Writes a member with its data to every destination.
    fn place(&mut self, member: Member, payload: &mut Payload<'_, '_>) -> Result<(), Halt> {
        let member = Rc::new(member);
        let mut refused = None;
        let live = self.destinations.iter().filter(|one| !one.is_over());
        let alone = live.count() == 1;
        for destination in &mut self.destinations {
            destination.alone = alone;
            if destination.takes()
                && let Begun::Refused(why) = destination.begin(Work::whole(Rc::clone(&member)))
            {
                refused = Some(why);
            }
        }
        if let Some(why) = refused {
            self.refused.insert(member.path.clone());
            let what = format!("it cannot be archived: {why}");
            self.remark(Remark::problem(&member.path, what));
            if !self.destinations.iter().any(Destination::is_at_work) {
                payload.abandon()?;
                return self.mend();
            }
        }
        let algorithm = self.shared.job.digest;
        let destinations = &mut self.destinations;
        content::write(destinations, &member, payload, algorithm, self.monitor)?;
        self.placed += 1;
        self.directories += u64::from(member.kind == Kind::Directory);
        let left_hole = self.shared.left_hole.take();
        if let Some(written_bytes) = self.destinations.iter().find_map(|one| one.cut_off) {
            let what = format!("stopped on request behind its first {written_bytes} bytes");
            self.remark(Remark::problem(&member.path, what));
            return Err(Halt::Interrupted);
        }
        if left_hole {
            self.remark(content::left_hole(&member.path));
        }
        if let Some(what) = payload.finish()?.what {
            self.remark(Remark::problem(&member.path, what));
        }
        self.mend()
    }

    /// Notes a name that is gone at every destination.
    fn gone(&mut self, path: &[u8]) -> Result<(), Halt> {
        for destination in &mut self.destinations {
            if destination.takes() {
                destination.gone(path);
            }
        }
        self.gone += 1;
        self.mend()
    }

    /// Has destinations in trouble write again what they lost.
    fn mend(&mut self) -> Result<(), Halt> {
        for destination in &mut self.destinations {
            if destination.is_in_trouble() {
                self.repeat.write_again(destination);
            }
        }
        for remark in self.repeat.take_remarks() {
            self.remark(remark);
        }
        match self.destinations.iter().all(Destination::is_over) {
            true => Err(Halt::Over),
            false => Ok(()),
        }
    }

    fn remark(&mut self, remark: Remark) {
        match remark.severity {
            Severity::Note => {
                tracing::info!("{remark}");
                self.notes.push(remark);
            }
            Severity::Problem => {
                tracing::warn!("{remark}");
                let path = format!("/{}", String::from_utf8_lossy(&remark.path));
                self.monitor.problem(&Problem {
                    path,
                    what: remark.what.clone(),
                });
                self.problems.push(remark);
                self.shared.set_problems(Some(self.problems.total));
            }
        }
    }

    /// Ends the run as well as `halt` allows: how it ended, and what ended the source.
    /// `resumed`: that there was nothing left to write is no failure.
    fn conclude(
        &mut self,
        halt: Option<Halt>,
        compared: Compared,
        resumed: bool,
    ) -> Result<(Outcome, Option<EngineError>), EngineError> {
        let written = self.placed + self.gone;
        if halt.is_none() && written == 0 && compared.unchanged == 0 && !resumed {
            // Members that were refused may have had a volume mounted for them.
            self.destinations.iter_mut().for_each(Destination::abandon);
            let failure = self.destinations.iter_mut().find_map(|one| one.over.take());
            return Err(failure.unwrap_or_else(|| self.nothing()));
        }
        let compares = self.gone > 0 || compared != Compared::default();
        if halt.is_none() && !compares && self.placed == self.directories && !resumed {
            let what = "no files were found, only directories";
            self.remark(Remark::note(b"", what));
        }
        self.monitor.phase("waiting until everything is on tape");
        match &halt {
            None => self.finish(true),
            Some(Halt::Interrupted | Halt::Failed(_)) => self.finish(false),
            Some(Halt::ScannerGone | Halt::Over) => {}
        }
        let interrupted = matches!(halt, Some(Halt::Interrupted));
        self.destinations.iter_mut().for_each(Destination::abandon);
        let broken = matches!(halt, Some(Halt::ScannerGone | Halt::Failed(_)));
        let ended = !broken && self.destinations.iter().all(Destination::ended_well);
        let all = self.destinations.iter().all(Destination::has_all);
        let outcome = match (ended, interrupted) {
            (true, true) => Outcome::Interrupted,
            (true, false) if all && self.problems.total == 0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        let failure = match halt {
            Some(Halt::Failed(error)) => Some(error),
            _ => None,
        };
        if !self.destinations.iter().all(Destination::is_untouched) {
            return Ok((outcome, failure));
        }
        let failures = self.destinations.iter_mut();
        let over = failures.filter_map(|one| one.over.take());
        match failure.into_iter().chain(over).next() {
            Some(error) => Err(error),
            None => Ok((outcome, None)),
        }
    }

    /// Of which commands all is on tape that they wrote.
    fn judge(&self, mut commands: Vec<CommandEnd>) -> Vec<CommandEnd> {
        for (at, command) in commands.iter_mut().enumerate() {
            command.is_whole &= at < self.streams_taken && self.has_all_below(&command.place);
        }
        commands
    }

    /// True if nothing at or below `place` was refused or lost, and all of it is confirmed at the
    /// first destination.
    fn has_all_below(&self, place: &[u8]) -> bool {
        let first = &self.destinations[0];
        let failed = self.refused.iter().chain(self.repeat.lost_paths());
        let mut below = failed.filter(|path| is_at_or_below(path, place));
        !first.is_over() && first.has_all() && below.next().is_none()
    }

    /// Has every destination end its last segment, confirmed and committed.
    fn finish(&mut self, job_ends: bool) {
        for destination in &mut self.destinations {
            while !destination.is_over() {
                destination.finish(job_ends);
                if !destination.is_in_trouble() || self.monitor.stop_requested() {
                    break;
                }
                self.repeat.write_again(destination);
            }
        }
        for remark in self.repeat.take_remarks() {
            self.remark(remark);
        }
    }

    /// All but what the scanner knows. `starved`: the time framing waited for it.
    fn report(self, outcome: Outcome, elapsed: Duration, starved: Duration) -> ArchiveReport {
        let reports = self.destinations.into_iter().map(Destination::report);
        let (reports, times): (Vec<_>, Vec<_>) = reports.unzip();
        let mut reports = reports.into_iter();
        let first = reports.next().expect("a run has a destination");
        let sum = |time: fn(&Times) -> Duration| times.iter().map(time).sum::<Duration>();
        let (blocked, mount) = (sum(|times| times.blocked), sum(|times| times.mount));
        let drives = times.iter().map(|times| times.drive);
        let drive = drives.max_by_key(|drive| drive.busy).unwrap_or_default();
        ArchiveReport {
            outcome,
            files: first.files,
            bytes: first.bytes,
            volumes: first.volumes,
            problems: self.problems,
            notes: self.notes,
            excluded: 0,
            commands: Vec::new(),
            compared: Compared::default(),
            failure: first.failure,
            failed_volumes: first.failed_volumes,
            unconfirmed: first.unconfirmed,
            copy: reports.next(),
            lost: self.repeat.lost(),
            timings: Timings {
                scan: StageTime::default(),
                frame: StageTime {
                    bytes: times.iter().map(|times| times.framed).sum(),
                    busy: elapsed.saturating_sub(starved + blocked + mount),
                    starved,
                    blocked,
                },
                drive,
                mount,
                pauses: times.iter().map(|times| times.pauses).sum(),
            },
        }
    }

    fn nothing(&self) -> EngineError {
        let what = match (self.problems.first.first(), self.notes.first.first()) {
            (Some(problem), _) => {
                let total = self.problems.total;
                let what = format!("{total} problems, the first: {problem}");
                return EngineError::NothingArchived { what };
            }
            (None, Some(note)) => format!("everything was left out; first {note}"),
            (None, None) => {
                "the sources hold nothing, or the exclude patterns leave nothing".into()
            }
        };
        EngineError::Nothing { what }
    }
}
