//! One run from its plan to its report: what the scanner brings goes to the output.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::output::{Halt, Output, Placed};
use super::pace::{Teller, Waits};
use super::payload::{Inlet, Payload, ScannerGone};
use super::plan::ArchivePlan;
use super::report::{ArchiveReport, Outcome, Remarks, Timings};
use super::scanner::{Item, ScanEnd, Scanner};
use super::stage::StageTime;
use super::total::with_total;
use crate::clock::Clock;
use crate::engine::source::{Base, Compared, Feed, Remark, Severity};
use crate::engine::{EngineError, ReceiptSink, VolumeEnd, VolumeSource};
use crate::monitor::{Monitor, Problem};
use crate::volume::index::JobHeader;
use crate::volume::member::{Kind, Member};

/// Archives what `plan` says: measured against `base`, what is not on tape in its present state,
/// and the names that are gone. If that is nothing, no volume is mounted.
///
/// Segments are handed to `sink` in order as the drive confirms them. Objects that change,
/// vanish or cannot be read are in the report and never end the run. When the monitor asks
/// to stop, the segment is closed at the end of the present file (or part), confirmed and
/// committed. A monitor that wants a total is told it as soon as the source is counted.
///
/// # Errors
///
/// Before anything was written: a source that does not exist
/// ([`EngineError::Root`]), a plan that makes no sense, nothing that could be archived
/// ([`EngineError::Nothing`]; a volume that was mounted in vain was given back), or no volume
/// to be had. Whatever happens later is
/// [`ArchiveReport::failure`], with what is committed by then.
pub fn archive(
    plan: &ArchivePlan,
    base: Option<&dyn Base>,
    volumes: &mut dyn VolumeSource,
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
    volumes: &mut dyn VolumeSource,
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
    let scanner = Scanner::start(feed, given_up, plan.memory.read_ahead_bytes)?;
    let mut run = Run {
        output: Output::new(plan, job, volumes, sink, clock, monitor),
        monitor,
        problems: Remarks::default(),
        notes: Remarks::default(),
        refused: HashSet::new(),
        placed: 0,
        directories: 0,
        gone: 0,
    };
    let mut inlet = Inlet::new(&scanner);
    let halt = run.take_all(&mut inlet).err();
    let starved = inlet.starved;
    let (stopped, scan) = match scanner.stop() {
        Ok(scan) => (None, scan),
        Err(error) => (Some(error), ScanEnd::default()),
    };
    let (outcome, failure) = run.conclude(halt, stopped, scan.compared)?;
    let Run {
        mut output,
        problems,
        notes,
        ..
    } = run;
    let unconfirmed = output.unconfirmed();
    let done = output.done;
    let waited = starved + done.blocked + done.mount;
    let busy = started.elapsed().saturating_sub(waited);
    Ok(ArchiveReport {
        outcome,
        files: done.files,
        bytes: done.bytes,
        volumes: done.volumes,
        problems,
        notes,
        excluded: scan.excluded,
        commands: scan.commands,
        compared: scan.compared,
        failure,
        unconfirmed,
        timings: Timings {
            scan: scan.time,
            frame: StageTime {
                bytes: done.framed,
                busy,
                starved,
                blocked: done.blocked,
            },
            drive: done.drive,
            mount: done.mount,
            pauses: done.pauses,
        },
    })
}

/// The framing stage of one run.
struct Run<'a> {
    output: Output<'a>,
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
}

impl Run<'_> {
    /// Takes items until the source is exhausted.
    fn take_all(&mut self, inlet: &mut Inlet<'_>) -> Result<(), Halt> {
        let mut teller = Teller::new();
        loop {
            if self.monitor.stop_requested() {
                return Err(Halt::Interrupted);
            }
            teller.tell(self.monitor, || {
                let (blocked, drive) = self.output.waits();
                Waits {
                    starved: inlet.starved,
                    blocked,
                    drive,
                }
            });
            match inlet.next()? {
                Item::Object(member, data, end) => {
                    self.object(&member, &mut Payload::whole(inlet, data, end))?;
                }
                Item::Begin(member) => self.object(&member, &mut Payload::streamed(inlet))?,
                Item::Remark(remark) => self.remark(remark),
                Item::Gone(path) => {
                    self.output.gone(&path)?;
                    self.gone += 1;
                }
                Item::Failed(error) => return Err(error.into()),
                Item::Done => return Ok(()),
                Item::Chunk(..) | Item::End(_) => return Err(ScannerGone.into()),
            }
        }
    }

    fn object(&mut self, member: &Member, payload: &mut Payload<'_, '_>) -> Result<(), Halt> {
        if let Kind::Hardlink(first) = &member.kind
            && self.refused.contains(first)
        {
            payload.finish()?;
            let first = String::from_utf8_lossy(first);
            let what = format!("it is a further name of /{first}, which cannot be archived");
            self.remark(Remark::problem(&member.path, what));
            return Ok(());
        }
        match self.output.place(member, payload)? {
            Placed::Written | Placed::CutShort => {
                self.placed += 1;
                self.directories += u64::from(member.kind == Kind::Directory);
                if let Some(what) = payload.finish()?.what {
                    self.remark(Remark::problem(&member.path, what));
                }
                Ok(())
            }
            Placed::Refused(why) => {
                payload.finish()?;
                self.refused.insert(member.path.clone());
                self.remark(Remark::problem(
                    &member.path,
                    format!("it cannot be archived: {why}"),
                ));
                Ok(())
            }
            Placed::CutOff { written_bytes } => {
                let what = format!("stopped on request behind its first {written_bytes} bytes");
                self.remark(Remark::problem(&member.path, what));
                Err(Halt::Interrupted)
            }
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
            }
        }
    }

    /// Ends the run as well as `halt` allows: how it ended, and with which failure.
    fn conclude(
        &mut self,
        halt: Option<Halt>,
        stopped: Option<EngineError>,
        compared: Compared,
    ) -> Result<(Outcome, Option<EngineError>), EngineError> {
        let written = self.placed + self.gone;
        if halt.is_none() && written == 0 && compared.unchanged == 0 {
            // Members that were refused may have had a volume mounted for them.
            self.output.leave(VolumeEnd::Open)?;
            return Err(EngineError::Nothing {
                what: self.why_nothing(),
            });
        }
        let compares = written > self.placed || compared != Compared::default();
        if halt.is_none() && !compares && self.placed == self.directories {
            let what = "no files were found, only directories";
            self.remark(Remark::note(b"", what));
        }
        self.output.set_problems(self.problems.total);
        let interrupted = matches!(halt, Some(Halt::Interrupted));
        let closed = match halt {
            None => self.output.close(true),
            Some(Halt::Interrupted) => self.output.close(false),
            Some(other) => Err(other),
        };
        self.monitor.phase("waiting until everything is on tape");
        let left = self.output.leave(VolumeEnd::Open).err();
        let failure = match closed {
            Ok(()) | Err(Halt::Interrupted) => None,
            Err(Halt::Failed(error)) => Some(error),
            Err(Halt::ScannerGone) => stopped.or(Some(EngineError::Stage { stage: "scanner" })),
            Err(Halt::DriveStopped) if left.is_none() => {
                Some(EngineError::Stage { stage: "drive" })
            }
            // Leaving the volume has told what stopped the drive.
            Err(Halt::DriveStopped) => None,
        };
        // A volume that could not be given back has what was committed all the same.
        let given_back = matches!(left, None | Some(EngineError::Mount { .. }));
        let outcome = match (failure.is_none() && given_back, interrupted) {
            (true, true) => Outcome::Interrupted,
            (true, false) if self.problems.total == 0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        match failure.or(left) {
            Some(error) if self.output.is_untouched() => Err(error),
            failure => Ok((outcome, failure)),
        }
    }

    fn why_nothing(&self) -> String {
        match (self.problems.first.first(), self.notes.first.first()) {
            (Some(problem), _) => {
                let total = self.problems.total;
                format!("nothing could be archived; {total} problems, the first: {problem}")
            }
            (None, Some(note)) => format!("everything was left out; first {note}"),
            (None, None) => "the exclude patterns leave nothing".to_owned(),
        }
    }
}
