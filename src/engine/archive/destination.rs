//! One destination of a run: its volumes one after another, the segment being built, and
//! what is committed.
//!
//! A failure ends at most this destination. The run asks after each member whether a
//! destination is in trouble, and has it write again what was not confirmed.

use std::time::Duration;

use super::pending::Pending;
use super::placing::Work;
use super::records::DriveStopped;
use super::report::{DestinationReport, FailedVolume, Times, VolumeShare};
use super::shared::Shared;
use super::stage::timed;
use super::volume::{Current, OpenSegment, Room, Verdict, judge};
use crate::engine::{EngineError, VolumeEnd, VolumeSource};
use crate::error_text::with_causes;
use crate::monitor::Problem;
use crate::volume::failure::is_cancelled;
use crate::volume::index::Content;
use crate::volume::segment::{ClosedSegment, SegmentBuilder, SegmentLimits, SegmentStart};

/// So many volumes that fail one after another, with nothing committed between, speak against
/// the drive.
const VOLUMES_MAY_FAIL: usize = 2;

/// Full segments that may wait for the drive's word with their members as they are: 90 MB of
/// ordinary names and the default size. Further ones are packed.
const UNPACKED_SEGMENTS: u64 = 3;

/// Why a destination cannot go on as it was.
#[derive(Debug)]
pub(super) enum Stop {
    /// The drive thread has ended; leaving the volume tells why.
    Drive,
    /// The volume was left, at its end and without its last segments.
    Ended,
    /// The volume was left, having failed.
    Volume(EngineError),
    /// Nothing more can be written.
    Over(EngineError),
}

impl From<DriveStopped> for Stop {
    fn from(_: DriveStopped) -> Self {
        Self::Drive
    }
}

/// Where members go.
pub(super) struct Destination<'a> {
    pub(super) shared: &'a Shared<'a>,
    volumes: &'a mut dyn VolumeSource,
    pub(super) current: Option<Current>,
    pub(super) pending: Pending,
    /// The member that was begun and has not ended.
    pub(super) work: Option<Work>,
    /// No other destination waits for this one.
    pub(super) alone: bool,
    /// On request, a file was cut off behind so many bytes.
    pub(super) cut_off: Option<u64>,
    trouble: Option<Stop>,
    /// What ended it, if anything did.
    pub(super) over: Option<EngineError>,
    /// What the last volume failed with, until something is committed behind it.
    last_failure: Option<EngineError>,
    /// Barcodes of the volumes that failed since then.
    failed_in_a_row: Vec<String>,
    /// Segments of the job on volumes of this destination's pool, before and now.
    segments_before: u64,
    segments: u64,
    /// A stream has come in parts: segments from here on are of the format that has them.
    open_parts: bool,
    done: Done,
}

/// What a destination has done.
#[derive(Debug, Default)]
struct Done {
    files: u64,
    bytes: u64,
    segments: u64,
    /// As in the segments' indexes: a part counts as one, and so does a name that is gone.
    members: u64,
    volumes: Vec<VolumeShare>,
    failed: Vec<FailedVolume>,
    times: Times,
}

impl<'a> Destination<'a> {
    /// Begins behind so many segments that the job has here already.
    pub(super) fn new(
        shared: &'a Shared<'a>,
        volumes: &'a mut dyn VolumeSource,
        segments_before: u64,
    ) -> Self {
        Self {
            shared,
            volumes,
            current: None,
            pending: Pending::default(),
            work: None,
            alone: false,
            cut_off: None,
            trouble: None,
            over: None,
            last_failure: None,
            failed_in_a_row: Vec::new(),
            segments_before,
            segments: segments_before,
            open_parts: false,
            done: Done::default(),
        }
    }

    /// True if no volume was mounted yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.done.volumes.is_empty()
    }

    /// How long framing waited for this destination's drives until now, and they for records.
    pub(super) fn waits(&self) -> (Duration, Duration) {
        let current = self.current.as_ref().map(Current::waits);
        let (blocked, starved) = current.unwrap_or_default();
        let times = &self.done.times;
        (times.blocked + blocked, times.drive.starved + starved)
    }

    /// Data of files went into a segment.
    pub(super) fn count_framed(&mut self, bytes: u64) {
        self.done.times.framed += bytes;
    }

    /// True if members can be written.
    pub(super) fn takes(&self) -> bool {
        !self.is_over() && self.trouble.is_none()
    }

    /// True if nothing will be written any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_some() || self.shared.sink_failed.get()
    }

    /// True if the volume was lost, and [`settle`](Self::settle) is due.
    pub(super) fn is_in_trouble(&self) -> bool {
        !self.is_over() && self.trouble.is_some()
    }

    /// Remembers what stopped an operation.
    pub(super) fn note(&mut self, stop: Stop) {
        match stop {
            Stop::Over(error) => self.over = Some(error),
            stop => self.trouble = Some(stop),
        }
    }

    /// The segment being built; begins one, on a further volume if need be.
    pub(super) fn open_segment(&mut self) -> Result<&mut OpenSegment, Stop> {
        while self
            .current
            .as_ref()
            .is_none_or(|current| current.segment.is_none())
        {
            let Some(current) = &mut self.current else {
                self.mount()?;
                continue;
            };
            match current.room(self.shared.segment_limit_bytes)? {
                None => self.leave(VolumeEnd::Full)?,
                Some(room) => self.begin_segment(&room).map_err(Stop::Over)?,
            }
        }
        let current = self.current.as_mut();
        let open = current.and_then(|current| current.segment.as_mut());
        Ok(open.expect("the loop ends with an open segment"))
    }

    fn mount(&mut self) -> Result<(), Stop> {
        let monitor = self.shared.monitor;
        monitor.phase("mounting a volume to write to");
        let mounted = timed(&mut self.done.times.mount, || {
            self.volumes.next_for_append()
        });
        let volume = mounted.map_err(|source| self.no_volume(source))?;
        let barcode = volume.label.barcode.clone();
        self.done.volumes.push(VolumeShare::new(&volume.label));
        let Some(next) = volume.append.clone() else {
            let released = self.volumes.release(volume, VolumeEnd::Open);
            tracing::debug!(?released, "gave back a volume without an append point");
            let what = "it is not known where to append to it".to_owned();
            return Err(Stop::Over(EngineError::WrongVolume { barcode, what }));
        };
        monitor.phase(&format!("writing to {barcode}"));
        let memory = self.shared.memory;
        let goes_on = self.volumes.goes_on();
        let current = Current::start(volume, next, goes_on, memory);
        self.current = Some(current.map_err(Stop::Over)?);
        Ok(())
    }

    /// Behind a volume that failed, that failure stays the news.
    fn no_volume(&mut self, source: crate::engine::BoxedError) -> Stop {
        let error = EngineError::Mount {
            volume: None,
            source,
        };
        let Some(failure) = self.last_failure.take() else {
            return Stop::Over(error);
        };
        let path = "the next volume".to_owned();
        let what = with_causes(&error);
        self.shared.monitor.problem(&Problem { path, what });
        Stop::Over(failure)
    }

    fn begin_segment(&mut self, room: &Room) -> Result<(), EngineError> {
        let compressor = self.shared.compressor()?;
        let current = self.current.as_mut().expect("a volume is mounted");
        self.segments += 1;
        let start = SegmentStart {
            label: &current.label,
            at: &current.next,
            segment: self.shared.clock.new_id(),
            job: &self.shared.job,
            content: self.shared.content,
            job_segment: match self.shared.content {
                Content::Files => self.segments,
                Content::Catalog => 0,
            },
            limits: SegmentLimits {
                segment_bytes: room.segment_bytes,
                members: self.shared.memory.members,
                volume_room_bytes: room.volume_bytes,
            },
            open_parts: self.open_parts,
        };
        let records = current.records();
        let builder = match compressor {
            None => SegmentBuilder::new(&start, records),
            Some(compressor) => SegmentBuilder::compressed(&start, records, compressor),
        };
        current.segment = Some(OpenSegment {
            builder,
            volume_bound: room.volume_bytes < room.segment_bytes,
            fresh_volume: current.next.next_number == 1,
            least_piece_bytes: current.least_piece_bytes(),
            written: Vec::new(),
        });
        Ok(())
    }

    /// From here on segments have the format with open parts; one that has not is ended.
    pub(super) fn begin_open_parts(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.open_parts, true) {
            return Ok(());
        }
        let empty = |open: &mut OpenSegment| open.builder.members() == 0;
        let current = self.current.as_mut();
        if current.is_some_and(|current| current.segment.take_if(empty).is_some()) {
            self.segments -= 1;
        }
        self.close(false)
    }

    /// Gives a volume back as full because too little is left for the next member; false
    /// if the volume is empty or its end is not what bounds the open segment.
    pub(super) fn give_up_volume(&mut self) -> Result<bool, Stop> {
        let current = self.current.as_mut();
        let open = current.and_then(|current| current.segment.take_if(|open| !open.is_fresh()));
        if open.is_none() {
            return Ok(false);
        }
        drop(open);
        self.segments -= 1;
        self.leave(VolumeEnd::Full)?;
        Ok(true)
    }

    /// Ends the open segment, if there is one.
    pub(super) fn close(&mut self, job_ends: bool) -> Result<(), Stop> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let Some(mut open) = current.segment.take() else {
            return Ok(());
        };
        // Beside these the members are kept a second time, to be written again if need be.
        let packed =
            self.pending.members() as u64 >= UNPACKED_SEGMENTS * self.shared.memory.members;
        self.pending.close(open.written);
        open.builder.set_job_problems(self.shared.problems.get());
        let finished = open.builder.finish(self.shared.clock.now(), job_ends);
        // Only the sink can fail here.
        let finished = finished.map_err(|_| Stop::Drive)?;
        current.close(match packed {
            true => ClosedSegment::packed(finished),
            false => ClosedSegment::new(finished),
        })?;
        Ok(())
    }

    /// Closes the segment if the drive has warned of the end of the tape.
    pub(super) fn close_if_low(&mut self) -> Result<(), Stop> {
        match self.current.as_ref().is_some_and(Current::is_low) {
            true => self.close(false),
            false => Ok(()),
        }
    }

    /// Commits what is confirmed by now.
    pub(super) fn commit_confirmed(&mut self) -> Result<(), Stop> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let closed: Vec<_> = current.confirmed().collect();
        let mut closed = closed.into_iter();
        closed
            .try_for_each(|closed| self.commit(closed))
            .map_err(Stop::Over)
    }

    /// The same while there is nothing to write: what is durable is claimed soon.
    pub(super) fn keep_up(&mut self) {
        if self.takes()
            && let Err(stop) = self.commit_confirmed()
        {
            self.note(stop);
        }
    }

    fn commit(&mut self, closed: ClosedSegment) -> Result<(), EngineError> {
        if self.shared.sink_failed.get() {
            return Ok(());
        }
        let info = &closed.segment().receipt.info;
        let (barcode, number) = (info.barcode.clone(), info.number);
        let sink_failed = &self.shared.sink_failed;
        let failed = |source| {
            sink_failed.set(true);
            EngineError::Commit {
                barcode: barcode.clone(),
                number,
                source,
            }
        };
        let receipt = closed.into_receipt();
        let receipt = receipt.map_err(|error| failed(error.into()))?;
        let members = (receipt.files.len() + receipt.gone.len()) as u64;
        let files = receipt
            .files
            .iter()
            .filter(|line| line.part.is_none_or(|part| part.last));
        let (files, bytes) = (files.count() as u64, receipt.info.file_bytes);
        let committed = self.shared.sink.borrow_mut().commit(receipt);
        committed.map_err(failed)?;
        self.pending.commit();
        self.last_failure = None;
        self.failed_in_a_row.clear();
        self.done.files += files;
        self.done.bytes += bytes;
        self.done.segments += 1;
        self.done.members += members;
        if let Some(share) = self.done.volumes.last_mut() {
            share.segments.push(number);
            share.files += files;
            share.bytes += bytes;
        }
        Ok(())
    }

    /// Lets the drive finish, commits what it confirms, and gives the volume back: as
    /// `end`, unless writing to it failed.
    pub(super) fn leave(&mut self, end: VolumeEnd) -> Result<(), Stop> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let (barcode, low) = (current.label.barcode.clone(), current.low());
        let next = current.next.clone();
        let mut committed = Ok(());
        let left = current.leave(|closed| {
            let commit = self.commit(closed);
            if committed.is_ok() {
                committed = commit;
            }
        });
        let left = left.map_err(Stop::Over)?;
        self.done.times.blocked += left.blocked;
        self.done.times.drive += left.drive.time;
        self.done.times.pauses += left.drive.pauses;
        let closed = left.segment.is_none();
        if let Some(segment) = left.segment {
            self.pending.close(segment);
        }
        let failure = match left.drive.result {
            Ok(()) if left.drive.unconfirmed > 0 => Some(EngineError::NotConfirmed {
                barcode,
                segments: left.drive.unconfirmed,
            }),
            Ok(()) => None,
            Err(source) => Some(EngineError::Volume { barcode, source }),
        };
        let verdict = failure.map(|error| judge(error, low.is_set()));
        let end = verdict.as_ref().map_or(end, Verdict::end);
        let mut volume = left.drive.volume;
        volume.append = (closed && verdict.is_none()).then_some(next);
        if let Some(Verdict::Failed(error, end)) = &verdict
            && !is_stop(error)
        {
            self.done.failed.push(FailedVolume {
                volume: volume.label.volume,
                barcode: volume.label.barcode.clone(),
                end: end.clone(),
                what: with_causes(error),
            });
        }
        let id = Some(volume.label.volume);
        let released = timed(&mut self.done.times.mount, || {
            self.volumes.release(volume, end)
        });
        committed.map_err(Stop::Over)?;
        match verdict {
            None => {
                released.map_err(|source| Stop::Over(EngineError::Mount { volume: id, source }))
            }
            Some(Verdict::Ended) => Err(Stop::Ended),
            Some(Verdict::Failed(error, _)) => Err(Stop::Volume(error)),
        }
    }

    /// Leaves the volume behind a trouble, and queues what it left to be written again: on the
    /// next volume, unless this destination is over.
    pub(super) fn settle(&mut self) {
        let trouble = match self.trouble.take() {
            Some(Stop::Drive) => match self.leave(VolumeEnd::Open) {
                Ok(()) => Stop::Over(EngineError::Stage { stage: "drive" }),
                Err(stop) => stop,
            },
            Some(trouble) => trouble,
            None => return,
        };
        let begun = self.work.take().map(|work| work.rest());
        self.pending.give_up(begun);
        self.segments = self.segments_before + self.done.segments;
        match trouble {
            Stop::Volume(error) if is_stop(&error) => self.over = Some(error),
            Stop::Volume(error) => self.volume_failed(error),
            Stop::Over(error) => self.over = Some(error),
            Stop::Ended | Stop::Drive => {}
        }
    }

    fn volume_failed(&mut self, error: EngineError) {
        let failed = self.done.failed.last().expect("it is among the failed");
        let barcode = failed.barcode.clone();
        let state = match &failed.end {
            VolumeEnd::Suspect(_) => "it was marked suspect",
            _ => "this job does not write on it again",
        };
        self.failed_in_a_row.push(barcode.clone());
        let goes_on = self.failed_in_a_row.len() < VOLUMES_MAY_FAIL;
        let next = match goes_on {
            true => "; what was not confirmed on it is written again on the next tape",
            false => "",
        };
        let what = format!("{}; {state}{next}", with_causes(&error));
        self.shared.monitor.problem(&Problem {
            path: barcode,
            what,
        });
        match goes_on {
            true => self.last_failure = Some(error),
            false => {
                self.over = Some(EngineError::VolumesFail {
                    barcodes: self.failed_in_a_row.clone(),
                    source: Box::new(error),
                });
            }
        }
    }

    /// Members and names that are gone committed by now; a part counts as one.
    pub(super) fn committed_members(&self) -> u64 {
        self.done.members
    }

    /// The caller has what is pending, and writes it again by itself.
    pub(super) fn forget_pending(&mut self) {
        self.pending = Pending::default();
    }

    /// Ends the last segment and leaves the volume; trouble may come of it.
    pub(super) fn finish(&mut self, job_ends: bool) {
        let finished = self
            .close(job_ends)
            .and_then(|()| self.leave(VolumeEnd::Open));
        if let Err(stop) = finished {
            self.note(stop);
        }
    }

    /// Leaves the volume as it is, where the run does not go on: nothing is closed or written
    /// again, and a failure of the volume is the end.
    pub(super) fn abandon(&mut self) {
        let left = match self.trouble.take() {
            Some(Stop::Drive) | None => self.leave(VolumeEnd::Open),
            Some(stop) => Err(stop),
        };
        match left {
            Err(Stop::Over(error) | Stop::Volume(error)) => {
                self.over.get_or_insert(error);
            }
            Ok(()) | Err(Stop::Ended | Stop::Drive) => {}
        }
    }

    /// True if it came to no end of its own. A volume that could not be given back has what was
    /// committed all the same.
    pub(super) fn ended_well(&self) -> bool {
        let given_back = matches!(
            self.over,
            None | Some(EngineError::Mount {
                volume: Some(_),
                ..
            })
        );
        given_back && !self.shared.sink_failed.get()
    }

    /// True if everything written is committed, at the end.
    pub(super) fn has_all(&self) -> bool {
        self.pending.is_empty()
    }

    /// What was done, at the end.
    pub(super) fn report(mut self) -> (DestinationReport, Times) {
        if self.cut_off.is_none() {
            self.pending.give_up(self.work.take().map(Work::rest));
        }
        let Done {
            files,
            bytes,
            volumes,
            failed,
            times,
            ..
        } = self.done;
        let report = DestinationReport {
            files,
            bytes,
            volumes,
            failed_volumes: failed,
            failure: self.over,
            unconfirmed: self.pending.into_unconfirmed(),
        };
        (report, times)
    }
}

/// True if the user stopped the drive on its way.
fn is_stop(error: &EngineError) -> bool {
    matches!(error, EngineError::Volume { source, .. } if is_cancelled(source))
}
