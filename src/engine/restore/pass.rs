//! Going through a volume once, member by member, in the order of the plan.
//!
//! A short way to the next member is read through: stopping and locating costs a drive
//! seconds, in which it would have streamed hundreds of megabytes. How short, the plan says.
//!
//! Where something is bad, the index of its segment is asked: which records are not what was
//! written, and where the next frame is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::gaps;
use super::plan::MemberRead;
use super::segments::{SegmentMap, SegmentMaps};
use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::failure::{self, ReadFailure};
use crate::volume::frames::FRAME_BYTES;
use crate::volume::index::Place;
use crate::volume::member::Member;
use crate::volume::read::{Chunk, RecordReader};

/// At least up to this many records (32 MiB at the default block size, a tenth of a second) are
/// read through to get to the next member.
const READ_THROUGH_RECORDS: u64 = 64;

/// What is said of a member whose bytes are fewer than they should be.
const ENDS_EARLY: &str = "it ends too early";

/// One way through a volume.
pub(super) struct Pass<'a> {
    reader: RecordReader<'a>,
    block_bytes: u32,
    /// Up to so many records before the next member are read through.
    read_on_records: u64,
    /// Where the index of the segment begins that is read from.
    index: Option<BlockAddress>,
    /// Gaps in the member do no harm.
    takes_gaps: bool,
    /// The member is not what was archived: each of its records is compared with its CRC.
    compares: Option<Arc<SegmentMap>>,
    /// The records of one frame were compared.
    is_pinning: bool,
    segments: SegmentMaps,
    faults: Faults,
}

/// What the tape did not give as it was written.
#[derive(Debug, Default)]
struct Faults {
    /// Records known to be unreadable: a drive tries for minutes, so never twice.
    bad: BTreeSet<BlockAddress>,
    /// Frames known to be bad, by where they begin, and why.
    bad_frames: BTreeMap<(BlockAddress, u32), String>,
    /// What speaks against the tape first of all.
    damage: Option<String>,
}

/// What comes next of a member.
#[derive(Debug)]
pub(super) enum Piece<'p> {
    /// Its next bytes.
    Bytes(&'p [u8]),
    /// So many of its bytes cannot be read; why, for people.
    Gap(u64, String),
    /// It is at its end.
    End,
}

/// The same while it is not looked at.
enum Came {
    Chunk(Chunk),
    Gap(u64, String),
}

/// A member that cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// This member; the others may be in order. The reason, for people.
    Member(String),
    /// The whole volume, from here on.
    Volume(VolumeError),
}

impl<'a> Pass<'a> {
    pub(super) fn new(reader: RecordReader<'a>, block_bytes: u32) -> Self {
        Self {
            reader,
            block_bytes,
            read_on_records: READ_THROUGH_RECORDS,
            index: None,
            takes_gaps: false,
            compares: None,
            is_pinning: false,
            segments: SegmentMaps::default(),
            faults: Faults::default(),
        }
    }

    /// Of the way to the next member up to so many records are read through; what is nearer than a
    /// few is in any case.
    pub(super) fn may_read_on(&mut self, records: u64) {
        self.read_on_records = records.max(READ_THROUGH_RECORDS);
    }

    /// What is opened from now on is of this read.
    pub(super) fn turn_to(&mut self, read: &MemberRead) {
        self.index = read.index;
        let compares = self.compares.take().is_some();
        if std::mem::take(&mut self.is_pinning) || compares {
            self.reader.check(None);
        }
    }

    /// Goes to a member whose bytes are all needed; they come from [`chunk`](Self::chunk) or
    /// [`piece`](Self::piece).
    pub(super) fn open(&mut self, place: &Place) -> Result<(), Unreadable> {
        self.open_up_to(place, place.records(self.block_bytes))?;
        self.takes_gaps = false;
        Ok(())
    }

    /// The same where gaps do no harm; the bytes come from [`piece`](Self::piece).
    pub(super) fn open_with_gaps(&mut self, place: &Place) -> Result<(), Unreadable> {
        self.open_up_to(place, 0)?;
        self.takes_gaps = true;
        Ok(())
    }

    /// Goes to a member of which so many records have to be good.
    fn open_up_to(&mut self, place: &Place, good: u64) -> Result<(), Unreadable> {
        let records = place.records(self.block_bytes);
        if place.block.0.checked_add(records).is_none() {
            return Err(Unreadable::Member(
                "its place lies behind any tape's end".to_owned(),
            ));
        }
        let good = place.block..place.block.plus(good);
        if let Some(block) = self.faults.bad.range(good).next() {
            return Err(Unreadable::Member(cannot_be_read(*block)));
        }
        self.read_through(place.block, self.read_on_records);
        self.reader.open_member(place);
        Ok(())
    }

    /// The next bytes of the member, `None` at its end.
    pub(super) fn chunk(&mut self) -> Result<Option<&[u8]>, Unreadable> {
        match self.piece()? {
            Piece::Bytes(bytes) => Ok(Some(bytes)),
            Piece::Gap(_, why) => Err(Unreadable::Member(why)),
            Piece::End => Ok(None),
        }
    }

    /// The next bytes of the member, or how many cannot be read: to the end of their record or
    /// frame. What is known to be bad is not tried. Behind a gap in a segment whose frames nobody
    /// knows the place of nothing comes.
    pub(super) fn piece(&mut self) -> Result<Piece<'_>, Unreadable> {
        let rest = self.reader.rest();
        if rest.length_bytes == 0 {
            return Ok(Piece::End);
        }
        let came = match rest.skip_bytes {
            None => self.record_chunk(&rest)?,
            Some(skip) => self.frame_chunk(&rest, u64::from(skip))?,
        };
        Ok(match came {
            Came::Chunk(chunk) => Piece::Bytes(self.reader.bytes(&chunk)),
            Came::Gap(bytes, why) => Piece::Gap(bytes, why),
        })
    }

    fn record_chunk(&mut self, rest: &Place) -> Result<Came, Unreadable> {
        let bytes = self.reader.chunk_bytes();
        if self.faults.bad.contains(&rest.block) {
            self.reader.leave_out();
            return Ok(Came::Gap(bytes, cannot_be_read(rest.block)));
        }
        match self.reader.next_chunk() {
            Ok(Some(chunk)) => Ok(Came::Chunk(chunk)),
            Ok(None) => Ok(Came::Gap(bytes, ENDS_EARLY.to_owned())),
            Err(error) => Ok(Came::Gap(bytes, self.faults.judge(error)?)),
        }
    }

    fn frame_chunk(&mut self, rest: &Place, skip: u64) -> Result<Came, Unreadable> {
        if std::mem::take(&mut self.is_pinning) {
            self.reader.check(None);
        }
        let frame = (rest.block, rest.offset_bytes);
        let known = match self.faults.bad.contains(&rest.block) {
            true => Some(cannot_be_read(rest.block)),
            false => self.faults.bad_frames.get(&frame).cloned(),
        };
        let why = match known {
            Some(why) => why,
            None => match self.whole_frame(rest)? {
                Ok(chunk) => return Ok(Came::Chunk(chunk)),
                Err(why) => {
                    self.faults.bad_frames.insert(frame, why.clone());
                    why
                }
            },
        };
        if !self.takes_gaps {
            return Err(Unreadable::Member(why));
        }
        let bytes = (FRAME_BYTES as u64).saturating_sub(skip);
        let bytes = bytes.min(rest.length_bytes);
        let left = rest.length_bytes - bytes;
        let behind = match left {
            0 => Some(Place {
                length_bytes: 0,
                ..*rest
            }),
            _ => self.frames_within(rest, bytes, left)?,
        };
        let Some(behind) = behind.filter(|_| bytes > 0) else {
            return Err(Unreadable::Member(why));
        };
        self.reader.open_member(&behind);
        Ok(Came::Gap(bytes, why))
    }

    /// Reads a frame, or says why not. One that is no frame is read once more, its records compared
    /// with their CRCs: so it is known which of them is not what was written.
    fn whole_frame(&mut self, rest: &Place) -> Result<Result<Chunk, String>, Unreadable> {
        let error = match self.reader.next_chunk() {
            Ok(chunk) => return Ok(chunk.ok_or_else(|| ENDS_EARLY.to_owned())),
            Err(error) => error,
        };
        let is_no_frame = matches!(error, VolumeError::Frame { .. });
        let why = self.faults.judge(error)?;
        let Some(map) = is_no_frame.then(|| self.ask()).transpose()?.flatten() else {
            return Ok(Err(why));
        };
        self.is_pinning = true;
        self.reader.check(Some(map.checks.clone()));
        self.reader.open_member(rest);
        match self.reader.next_chunk() {
            Ok(chunk) => Ok(chunk.ok_or(why)),
            Err(error) => self.faults.judge(error).map(Err),
        }
    }

    /// What the index of the segment says that is read from; it is read now if it was not yet.
    fn ask(&mut self) -> Result<Option<Arc<SegmentMap>>, Unreadable> {
        let Some(index) = self.index else {
            return Ok(None);
        };
        let map = self.segments.ask(&mut self.reader, index);
        map.map_err(Unreadable::Volume)
    }

    /// Where `bytes` are behind `behind` others, from a place in a compressed segment on.
    fn frames_within(
        &mut self,
        place: &Place,
        behind: u64,
        bytes: u64,
    ) -> Result<Option<Place>, Unreadable> {
        let map = self.ask()?;
        let frames = map.as_ref().and_then(|map| map.frames.as_ref());
        Ok(frames.and_then(|frames| frames.within(place, behind, bytes)))
    }

    /// True if any byte of the member at `place` can be found: in a compressed segment its index
    /// has to tell of the frames.
    pub(super) fn can_find(&mut self, place: &Place) -> Result<bool, Unreadable> {
        match place.skip_bytes {
            None => Ok(true),
            Some(_) => Ok(self.frames_within(place, 0, 0)?.is_some()),
        }
    }

    /// Where `bytes` of the data of the member at `place` are that come behind `behind` others.
    pub(super) fn place_of(
        &mut self,
        member: &Member,
        place: &Place,
        behind: u64,
        bytes: u64,
    ) -> Result<Option<Place>, Unreadable> {
        let before = gaps::before_data(member, place);
        let Some(behind) = before.and_then(|before| before.checked_add(behind)) else {
            return Ok(None);
        };
        match place.skip_bytes {
            None => Ok(gaps::within(place, self.block_bytes, behind, bytes)),
            Some(_) => self.frames_within(place, behind, bytes),
        }
    }

    /// The member at `place` does not come as it was archived, however often it is read. True if it
    /// is worth opening and reading once more, its records compared with their CRCs. The frames of
    /// a compressed segment are compared in any case.
    pub(super) fn pins(&mut self, place: &Place) -> Result<bool, Unreadable> {
        if self.compares.is_some() || place.skip_bytes.is_some() {
            return Ok(false);
        }
        self.compares = self.ask()?;
        let checks = self.compares.as_ref().map(|map| map.checks.clone());
        let pins = checks.is_some();
        self.reader.check(checks);
        Ok(pins)
    }

    /// True if the records of the member are compared with their CRCs.
    pub(super) fn is_comparing(&self) -> bool {
        self.compares.is_some()
    }

    /// What was read of the member at `place` is not what was written. True if it is worth opening
    /// and reading it again.
    pub(super) fn is_doubted(&mut self, place: &Place, what: &str) -> Result<bool, Unreadable> {
        let doubted = self.reader.is_doubted(place.block, what);
        doubted.map_err(Unreadable::Volume)
    }

    /// The member at `place`, which was doubted, came as it was written.
    pub(super) fn is_as_written(&mut self, place: &Place) {
        self.reader.is_as_written(place.block);
    }

    /// What speaks against the tape, if anything does: for its next use.
    pub(super) fn damage(&self) -> Option<&str> {
        self.faults.damage.as_deref()
    }

    /// Reads up to `block` if it is no more than `most` records ahead. A failure on the way ends
    /// this silently: what lies there is not wanted, and the reader then locates.
    fn read_through(&mut self, block: BlockAddress, most: u64) {
        let Some(next) = self.reader.next_block() else {
            return;
        };
        let gap = block.0.checked_sub(next.0).filter(|gap| *gap <= most);
        for _ in 0..gap.unwrap_or(0) {
            if self.reader.pass_object().is_err() {
                return;
            }
        }
    }
}

fn cannot_be_read(block: BlockAddress) -> String {
    format!("block {block} cannot be read")
}

impl Faults {
    /// What is to be said of a record or frame that did not come, unless the drive is to blame.
    fn judge(&mut self, error: VolumeError) -> Result<String, Unreadable> {
        let ReadFailure::Record(block) = failure::judge(&error) else {
            return Err(Unreadable::Volume(error));
        };
        let damage = match &error {
            VolumeError::WrongCrc { .. } | VolumeError::WrongSize { .. } => {
                Some(format!("block {block} is not what was written"))
            }
            error => failure::is_medium(error).then(|| cannot_be_read(block)),
        };
        // A record that was read may hold other bytes that are in order.
        let was_read = matches!(
            error,
            VolumeError::WrongCrc { .. } | VolumeError::Frame { .. }
        );
        if !was_read {
            self.bad.insert(block);
        }
        if let Some(damage) = damage {
            self.damage.get_or_insert(damage);
        }
        Ok(with_causes(&error))
    }
}
