//! The volume being written, and the segment being built for it.

use std::time::Duration;

use super::drive::{Drive, DriveEnd, Low};
use super::pending::Written;
use super::plan::Memory;
use super::records::{DriveStopped, Records};
use super::stage::timed;
use crate::drive::DriveErrorKind;
use crate::engine::{EngineError, MountedVolume, VolumeEnd};
use crate::error_text::with_causes;
use crate::units::ByteSize;
use crate::volume::VolumeError;
use crate::volume::append::AppendPoint;
use crate::volume::label::Label;
use crate::volume::segment::{ClosedSegment, SegmentBuilder, minimum_segment_bytes};

/// Where the drive does not tell what is left, segments are kept this short, so that the
/// early-warning zone has room to close one.
const BLIND_SEGMENT_BYTES: u64 = 1 << 30;

/// A file is cut at the end of a volume only if the piece is at least this long, or the
/// 256th part of what was left when the run came to the volume. Less is left empty.
const PIECE_BYTES: u64 = 1 << 30;
const PIECE_SHARE: u64 = 256;

/// A volume whose drive thread is running.
pub(super) struct Current {
    pub(super) label: Label,
    /// Where the next segment goes.
    pub(super) next: AppendPoint,
    pub(super) segment: Option<OpenSegment>,
    /// Time framing waited for the drive, except for record buffers.
    waited: Duration,
    records: Records,
    drive: Drive,
    first_room_bytes: Option<u64>,
}

/// A segment being built.
pub(super) struct OpenSegment {
    pub(super) builder: SegmentBuilder<Records>,
    /// The end of the volume bounds it, not the size asked for.
    pub(super) volume_bound: bool,
    /// The volume holds no other segment.
    pub(super) fresh_volume: bool,
    /// The shortest piece of a file worth cutting off at the end of this volume.
    pub(super) least_piece_bytes: u64,
    /// What went into it, in order.
    pub(super) written: Vec<Written>,
}

impl OpenSegment {
    /// True if a file should be cut when `room_bytes` of it fit; false if the next volume
    /// had better take it.
    pub(super) fn takes_piece(&self, room_bytes: u64) -> bool {
        room_bytes > 0 && (self.is_fresh() || room_bytes >= self.least_piece_bytes)
    }

    /// True if another volume would have no more room than this segment.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh_volume || !self.volume_bound
    }
}

/// What a segment may take.
pub(super) struct Room {
    pub(super) segment_bytes: u64,
    pub(super) volume_bytes: u64,
}

/// What is left of a volume that was written.
pub(super) struct Left {
    pub(super) segment: Option<Vec<Written>>,
    pub(super) blocked: Duration,
    pub(super) drive: DriveEnd,
}

impl Current {
    /// Starts the drive thread for `volume`; `goes_on`: a run of this mount left it at `next`.
    pub(super) fn start(
        volume: MountedVolume,
        next: AppendPoint,
        goes_on: bool,
        memory: Memory,
    ) -> Result<Self, EngineError> {
        let label = volume.label.clone();
        let records = memory.buffer_bytes / volume.label.block_bytes as usize;
        let point = (next.clone(), goes_on);
        let (drive, records) = Drive::start(volume, point, records, memory.marks)?;
        let (segment, waited, first_room_bytes) = (None, Duration::ZERO, None);
        Ok(Self {
            label,
            next,
            segment,
            waited,
            records,
            drive,
            first_room_bytes,
        })
    }

    /// The room for a further segment behind all that was sent; `None` if the volume is full.
    pub(super) fn room(&mut self, limit_bytes: u64) -> Result<Option<Room>, DriveStopped> {
        let minimum_bytes = minimum_segment_bytes(self.label.block_bytes);
        let limit_bytes = limit_bytes.max(minimum_bytes);
        let left = timed(&mut self.waited, || self.drive.room())?;
        self.records.limit(left.records);
        if self.drive.is_low() {
            return Ok(None);
        }
        let Some(volume_bytes) = left.bytes else {
            let segment_bytes = limit_bytes.min(BLIND_SEGMENT_BYTES);
            return Ok(Some(Room {
                segment_bytes,
                volume_bytes: u64::MAX,
            }));
        };
        self.first_room_bytes.get_or_insert(volume_bytes);
        let (room, label) = (ByteSize(volume_bytes), &self.label);
        tracing::debug!(barcode = label.barcode, %room, "asked for room");
        let enough = volume_bytes >= minimum_bytes;
        Ok(enough.then_some(Room {
            segment_bytes: limit_bytes,
            volume_bytes,
        }))
    }

    /// How long framing waited for the drive until now, and the drive for records.
    pub(super) fn waits(&self) -> (Duration, Duration) {
        (self.records.blocked() + self.waited, self.drive.starved())
    }

    /// True once the drive has warned that the end is near.
    pub(super) fn is_low(&self) -> bool {
        self.drive.is_low()
    }

    /// Tells the same, also once the volume was left.
    pub(super) fn low(&self) -> Low {
        self.drive.low()
    }

    /// The shortest piece of a file worth cutting off at the end of this volume.
    pub(super) fn least_piece_bytes(&self) -> u64 {
        let share = self
            .first_room_bytes
            .map_or(PIECE_BYTES, |room| room / PIECE_SHARE);
        share.min(PIECE_BYTES)
    }

    /// A handle for a segment's records.
    pub(super) fn records(&self) -> Records {
        self.records.clone()
    }

    /// Sends a finished segment's end to the drive.
    pub(super) fn close(&mut self, segment: ClosedSegment) -> Result<(), DriveStopped> {
        self.next = segment.segment().next.clone();
        self.drive.close(segment)
    }

    /// The segments confirmed by now.
    pub(super) fn confirmed(&self) -> impl Iterator<Item = ClosedSegment> {
        self.drive.confirmed.try_iter()
    }

    /// Lets the drive write what was sent, flush and end. Each segment that is confirmed
    /// meanwhile goes to `take`.
    pub(super) fn leave(self, mut take: impl FnMut(ClosedSegment)) -> Result<Left, EngineError> {
        let Self {
            segment,
            mut waited,
            records,
            drive,
            ..
        } = self;
        let segment = segment.map(|open| open.written);
        let blocked = records.blocked();
        drop(records);
        let (confirmed, thread) = drive.finish();
        while let Ok(closed) = timed(&mut waited, || confirmed.recv()) {
            take(closed);
        }
        let drive = timed(&mut waited, || thread.join())?;
        Ok(Left {
            segment,
            blocked: blocked + waited,
            drive,
        })
    }
}

/// What an error of a volume means for it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is at its end, and took less than was sent.
    Ended,
    /// It failed, and is given back like this.
    Failed(EngineError, VolumeEnd),
}

impl Verdict {
    pub(super) fn end(&self) -> VolumeEnd {
        match self {
            Self::Ended => VolumeEnd::Full,
            Self::Failed(_, end) => end.clone(),
        }
    }
}

/// Judges a failed volume. `warned`: the drive has said that the end of the tape is near.
pub(super) fn judge(error: EngineError, warned: bool) -> Verdict {
    let EngineError::Volume { source, .. } = &error else {
        let end = VolumeEnd::Suspect(error.to_string());
        return Verdict::Failed(error, end);
    };
    let end = match source {
        VolumeError::VolumeEnded { .. } if warned => return Verdict::Ended,
        VolumeError::VolumeEnded { .. } => {
            let what = with_causes(source);
            VolumeEnd::Suspect(format!("{what}, and no warning came before"))
        }
        VolumeError::Drive { source, .. } if source.kind == DriveErrorKind::Cancelled => {
            VolumeEnd::Open
        }
        // The drive, its cable or another host failed: the medium may be as good as ever.
        VolumeError::Drive { source, .. } if source.kind != DriveErrorKind::Medium => {
            VolumeEnd::Unwritable
        }
        // Another tape lies in the drive: that says nothing of this one.
        VolumeError::WrongVolume { .. } => VolumeEnd::Unwritable,
        // The drive, or the way to it, lost or doubled an object.
        VolumeError::PositionLost { .. } => VolumeEnd::Unwritable,
        _ => VolumeEnd::Suspect(with_causes(source)),
    };
    Verdict::Failed(error, end)
}
