//! Placing members: which segment of which volume each goes to, and what is committed.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use super::compress::Workers;
use super::content;
use super::parts;
use super::payload::{Payload, ScannerGone};
use super::plan::ArchivePlan;
use super::records::DriveStopped;
use super::report::{Unconfirmed, VolumeShare};
use super::stage::{StageTime, timed};
use super::volume::{Current, OpenSegment, Room, verdict};
use crate::clock::Clock;
use crate::engine::{EngineError, ReceiptSink, VolumeEnd, VolumeSource};
use crate::monitor::Monitor;
use crate::volume::index::JobHeader;
use crate::volume::member::Member;
use crate::volume::receipt::SegmentReceipt;
use crate::volume::segment::{SegmentBuilder, SegmentError, SegmentLimits, SegmentStart};

/// Why the run does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// On request.
    Interrupted,
    /// The drive thread has ended; leaving the volume tells why.
    DriveStopped,
    /// The scanner ended before its end.
    ScannerGone,
    /// Anything else.
    Failed(EngineError),
}

impl From<DriveStopped> for Halt {
    fn from(_: DriveStopped) -> Self {
        Self::DriveStopped
    }
}

impl From<ScannerGone> for Halt {
    fn from(_: ScannerGone) -> Self {
        Self::ScannerGone
    }
}

impl From<EngineError> for Halt {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// What became of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is in a segment, or in several as parts.
    Written,
    /// A stream ended in it: what is written has zeros at its end, and its further parts are
    /// missing.
    CutShort,
    /// It cannot be archived, for this reason; nothing of it was written.
    Refused(String),
    /// The run was asked to stop; only the first bytes of the file were written.
    CutOff {
        /// So many of them.
        written_bytes: u64,
    },
}

/// The output side of a run.
pub(super) struct Output<'a> {
    plan: &'a ArchivePlan,
    /// Of a run that compresses, once it has begun a segment.
    workers: Option<Workers>,
    job: JobHeader,
    volumes: &'a mut dyn VolumeSource,
    sink: &'a mut dyn ReceiptSink,
    clock: &'a dyn Clock,
    monitor: &'a dyn Monitor,
    current: Option<Current>,
    /// Segments closed and not committed yet, oldest first.
    awaiting: VecDeque<Unconfirmed>,
    /// The sink has failed: nothing more is committed.
    sink_failed: bool,
    segments: u64,
    /// A stream has come in parts: segments from here on are of the format that has them.
    open_parts: bool,
    /// Problems of the run, as far as known.
    problems: u64,
    pub(super) done: Done,
}

/// What the output side has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) volumes: Vec<VolumeShare>,
    pub(super) blocked: Duration,
    pub(super) drive: StageTime,
    pub(super) mount: Duration,
    pub(super) pauses: u64,
    /// Data of files that went into segments, in bytes.
    pub(super) framed: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        plan: &'a ArchivePlan,
        job: JobHeader,
        volumes: &'a mut dyn VolumeSource,
        sink: &'a mut dyn ReceiptSink,
        clock: &'a dyn Clock,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            plan,
            workers: None,
            job,
            volumes,
            sink,
            clock,
            monitor,
            current: None,
            awaiting: VecDeque::new(),
            sink_failed: false,
            segments: 0,
            open_parts: false,
            problems: 0,
            done: Done::default(),
        }
    }

    /// True if no volume was mounted yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.done.volumes.is_empty()
    }

    /// How long framing waited for drives until now, and drives for records.
    pub(super) fn waits(&self) -> (Duration, Duration) {
        let current = self.current.as_ref().map(Current::waits);
        let (blocked, starved) = current.unwrap_or_default();
        (
            self.done.blocked + blocked,
            self.done.drive.starved + starved,
        )
    }

    /// How many problems the run had, for the index of its last segment.
    pub(super) fn set_problems(&mut self, problems: u64) {
        self.problems = problems;
    }

    /// Notes a name that is gone in the index of a segment.
    pub(super) fn gone(&mut self, path: &[u8]) -> Result<(), Halt> {
        self.commit_confirmed()?;
        loop {
            let open = self.open_segment()?;
            if open.builder.gone(path) {
                return Ok(());
            }
            if open.builder.members() > 0 {
                self.close(false)?;
            } else if !self.give_up_volume()? {
                return Err(EngineError::Plan {
                    what: format!(
                        "not even an empty segment takes the name /{}",
                        String::from_utf8_lossy(path)
                    ),
                }
                .into());
            }
        }
    }

    /// Writes a member with its data: where it fits whole, or in parts if no segment of
    /// this volume would take it whole.
    pub(super) fn place(
        &mut self,
        member: &Member,
        payload: &mut Payload<'_, '_>,
    ) -> Result<Placed, Halt> {
        self.commit_confirmed()?;
        let opens_parts = member.part.is_some() && !self.open_parts;
        if opens_parts {
            self.begin_open_parts()?;
        } else if self.current.as_ref().is_some_and(Current::is_low) {
            self.close(false)?;
        }
        let monitor = self.monitor;
        loop {
            let open = self.open_segment()?;
            let room_bytes = match open.builder.begin(member) {
                Ok(()) => {
                    open.written.add(member);
                    content::write(&mut open.builder, member, payload, monitor)?;
                    self.done.framed += member.payload_bytes();
                    return Ok(Placed::Written);
                }
                Err(SegmentError::Sink(stopped)) => return Err(stopped.into()),
                Err(SegmentError::Member(error)) => return Ok(Placed::Refused(error.to_string())),
                Err(SegmentError::NoRoom { room_bytes, .. }) => room_bytes.unwrap_or(0),
            };
            if open.builder.members() > 0 {
                self.close(false)?;
            } else if member.part.is_none() && open.takes_piece(room_bytes) {
                return self.place_parts(member, payload);
            } else if !self.give_up_volume()? {
                return Ok(Placed::Refused(
                    "not even an empty segment takes it".to_owned(),
                ));
            }
        }
    }

    /// From here on segments have the format with open parts; one that has not is ended.
    fn begin_open_parts(&mut self) -> Result<(), Halt> {
        self.open_parts = true;
        let empty = |open: &mut OpenSegment| open.builder.members() == 0;
        let current = self.current.as_mut();
        if current.is_some_and(|current| current.segment.take_if(empty).is_some()) {
            self.segments -= 1;
        }
        self.close(false)
    }

    /// Writes a file as parts, each but the last to the end of an own segment.
    fn place_parts(
        &mut self,
        whole: &Member,
        payload: &mut Payload<'_, '_>,
    ) -> Result<Placed, Halt> {
        let monitor = self.monitor;
        let (mut offset_bytes, mut number) = (0, 1);
        loop {
            let open = self.open_segment()?;
            let rest = parts::rest(whole, offset_bytes, number);
            let room_bytes = match open.builder.room_bytes(&rest) {
                Ok(room_bytes) => room_bytes.unwrap_or(0),
                Err(error) if number == 1 => return Ok(Placed::Refused(error.to_string())),
                Err(error) => return Err(defect(whole, error)),
            };
            if rest.payload_bytes() > room_bytes && !open.takes_piece(room_bytes) {
                if self.give_up_volume()? {
                    continue;
                }
                return Err(defect(whole, TooLittleRoom));
            }
            let part = parts::cut(rest, room_bytes);
            open.builder.begin(&part).map_err(|error| match error {
                SegmentError::Sink(stopped) => stopped.into(),
                other => defect(whole, other),
            })?;
            open.written.add(&part);
            content::write(&mut open.builder, &part, payload, monitor)?;
            self.done.framed += part.payload_bytes();
            let place = part.part.expect("what was cut is a part");
            if place.last {
                return Ok(Placed::Written);
            }
            if payload.cut_short() {
                return Ok(Placed::CutShort);
            }
            offset_bytes += place.length_bytes;
            number += 1;
            self.close(false)?;
            self.commit_confirmed()?;
            if monitor.stop_requested() {
                return Ok(Placed::CutOff {
                    written_bytes: offset_bytes,
                });
            }
        }
    }

    /// The segment being built; begins one, on a further volume if need be.
    fn open_segment(&mut self) -> Result<&mut OpenSegment, Halt> {
        while self
            .current
            .as_ref()
            .is_none_or(|current| current.segment.is_none())
        {
            let Some(current) = &mut self.current else {
                self.mount()?;
                continue;
            };
            match current.room(self.plan.segment_limit_bytes)? {
                None => self.leave(VolumeEnd::Full)?,
                Some(room) => self.begin_segment(&room)?,
            }
        }
        let open = self
            .current
            .as_mut()
            .and_then(|current| current.segment.as_mut());
        Ok(open.expect("the loop ends with an open segment"))
    }

    fn mount(&mut self) -> Result<(), EngineError> {
        self.monitor.phase("mounting a volume to write to");
        let mounted = timed(&mut self.done.mount, || self.volumes.next_for_append());
        let volume = mounted.map_err(|source| EngineError::Mount {
            volume: None,
            source,
        })?;
        let barcode = volume.label.barcode.clone();
        self.done.volumes.push(VolumeShare::new(&volume.label));
        let Some(next) = volume.append.clone() else {
            let released = self.volumes.release(volume, VolumeEnd::Open);
            tracing::debug!(?released, "gave back a volume without an append point");
            let what = "it is not known where to append to it".to_owned();
            return Err(EngineError::WrongVolume { barcode, what });
        };
        self.monitor.phase(&format!("writing to {barcode}"));
        self.current = Some(Current::start(volume, next, self.plan.memory)?);
        Ok(())
    }

    fn begin_segment(&mut self, room: &Room) -> Result<(), EngineError> {
        if let (Some(compression), None) = (self.plan.compression, &self.workers) {
            self.workers = Some(Workers::start(compression)?);
        }
        let current = self.current.as_mut().expect("a volume is mounted");
        self.segments += 1;
        let start = SegmentStart {
            label: &current.label,
            at: &current.next,
            segment: self.clock.new_id(),
            job: &self.job,
            job_segment: self.segments,
            limits: SegmentLimits {
                segment_bytes: room.segment_bytes,
                members: self.plan.memory.members,
                volume_room_bytes: room.volume_bytes,
            },
            open_parts: self.open_parts,
        };
        let records = current.records();
        let builder = match &self.workers {
            None => SegmentBuilder::new(&start, records),
            Some(workers) => SegmentBuilder::compressed(&start, records, workers.compressor()),
        };
        current.segment = Some(OpenSegment {
            builder,
            volume_bound: room.volume_bytes < room.segment_bytes,
            fresh_volume: current.next.next_number == 1,
            least_piece_bytes: current.least_piece_bytes(),
            written: Unconfirmed::default(),
        });
        Ok(())
    }

    /// Gives a volume back as full because too little is left for the next member; false
    /// if the volume is empty or its end is not what bounds the open segment.
    fn give_up_volume(&mut self) -> Result<bool, Halt> {
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
    pub(super) fn close(&mut self, job_ends: bool) -> Result<(), Halt> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let Some(mut open) = current.segment.take() else {
            return Ok(());
        };
        self.awaiting.push_back(open.written);
        open.builder.set_job_problems(self.problems);
        let finished = open.builder.finish(self.clock.now(), job_ends);
        // Only the sink can fail here.
        let finished = finished.map_err(|_| Halt::DriveStopped)?;
        current.close(finished)?;
        Ok(())
    }

    /// Commits what is confirmed by now.
    fn commit_confirmed(&mut self) -> Result<(), EngineError> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let receipts: Vec<_> = current.confirmed().collect();
        receipts
            .into_iter()
            .try_for_each(|receipt| self.commit(receipt))
    }

    fn commit(&mut self, receipt: SegmentReceipt) -> Result<(), EngineError> {
        if self.sink_failed {
            return Ok(());
        }
        let (barcode, number) = (receipt.info.barcode.clone(), receipt.info.number);
        let files = receipt
            .files
            .iter()
            .filter(|line| line.part.is_none_or(|part| part.last));
        let (files, bytes) = (files.count() as u64, receipt.info.file_bytes);
        self.sink.commit(receipt).map_err(|source| {
            self.sink_failed = true;
            EngineError::Commit {
                barcode,
                number,
                source,
            }
        })?;
        self.awaiting.pop_front();
        self.done.files += files;
        self.done.bytes += bytes;
        if let Some(share) = self.done.volumes.last_mut() {
            share.segments.push(number);
            share.files += files;
            share.bytes += bytes;
        }
        Ok(())
    }

    /// Lets the drive finish, commits what it confirms, and gives the volume back: as
    /// `end`, unless writing to it failed.
    pub(super) fn leave(&mut self, end: VolumeEnd) -> Result<(), EngineError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let barcode = current.label.barcode.clone();
        let mut committed = Ok(());
        let left = current.leave(|receipt| {
            let commit = self.commit(receipt);
            if committed.is_ok() {
                committed = commit;
            }
        })?;
        self.done.blocked += left.blocked;
        self.done.drive += left.drive.time;
        self.done.pauses += left.drive.pauses;
        self.awaiting.extend(left.segment);
        let (end, written) = match left.drive.result {
            Ok(()) if left.drive.unconfirmed > 0 => {
                let error = EngineError::NotConfirmed {
                    barcode,
                    segments: left.drive.unconfirmed,
                };
                (VolumeEnd::Suspect(error.to_string()), Err(error))
            }
            Ok(()) => (end, Ok(())),
            Err(source) => {
                let end = verdict(&source);
                (end, Err(EngineError::Volume { barcode, source }))
            }
        };
        let volume = left.drive.volume;
        let id = Some(volume.label.volume);
        let released = timed(&mut self.done.mount, || self.volumes.release(volume, end));
        written?;
        committed?;
        released.map_err(|source| EngineError::Mount { volume: id, source })
    }

    /// What was written and is not committed.
    pub(super) fn unconfirmed(&mut self) -> Unconfirmed {
        let mut all = Unconfirmed::default();
        self.awaiting
            .drain(..)
            .for_each(|segment| all.append(segment));
        all
    }
}

/// The room that was promised to the rest of a file is not there.
#[derive(Debug, thiserror::Error)]
#[error("not even an empty segment takes a piece of it")]
struct TooLittleRoom;

fn defect(member: &Member, error: impl Error + Send + Sync + 'static) -> Halt {
    EngineError::Frame {
        path: member.path.clone(),
        source: Box::new(error),
    }
    .into()
}
