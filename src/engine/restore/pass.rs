//! Going through a volume once, member by member, in the order of the plan.
//!
//! A short way to the next member is read through: stopping and locating costs a drive
//! seconds, in which it would have streamed hundreds of megabytes. How short, the plan says.

use std::collections::{BTreeMap, BTreeSet};

use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::failure::{self, ReadFailure};
use crate::volume::index::Place;
use crate::volume::read::RecordReader;

/// At least up to this many records (32 MiB at the default block size, a tenth of a second) are
/// read through to get to the next member.
const READ_THROUGH_RECORDS: u64 = 64;

/// One way through a volume.
pub(super) struct Pass<'a> {
    reader: RecordReader<'a>,
    block_bytes: u32,
    /// In a compressed segment: the frame that the next chunk is in.
    framed: bool,
    /// Up to so many records before the next member are read through.
    read_on_records: u64,
    faults: Faults,
}

/// What the medium did not give.
#[derive(Debug, Default)]
struct Faults {
    /// Records known to be unreadable: a drive tries for minutes, so never twice.
    bad: BTreeSet<BlockAddress>,
    /// Frames known to have bytes in one of those: where they begin, and in which.
    bad_frames: BTreeMap<(BlockAddress, usize), BlockAddress>,
    /// The first of them that the drive itself could not read.
    first_medium_error: Option<BlockAddress>,
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
            framed: false,
            read_on_records: READ_THROUGH_RECORDS,
            faults: Faults::default(),
        }
    }

    /// Of the way to the next member up to so many records are read through; what is nearer than a
    /// few is in any case.
    pub(super) fn may_read_on(&mut self, records: u64) {
        self.read_on_records = records.max(READ_THROUGH_RECORDS);
    }

    /// Goes to a member; its bytes come from [`chunk`](Self::chunk).
    pub(super) fn open(&mut self, place: &Place) -> Result<(), Unreadable> {
        self.open_up_to(place, place.records(self.block_bytes))
    }

    /// The same where gaps do no harm; the bytes come from [`piece`](Self::piece).
    pub(super) fn open_with_gaps(&mut self, place: &Place) -> Result<(), Unreadable> {
        self.open_up_to(place, 0)
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
            return Err(Unreadable::Member(format!("block {block} cannot be read")));
        }
        self.read_through(place.block, self.read_on_records);
        self.reader.open_member(place);
        self.framed = place.skip_bytes.is_some();
        Ok(())
    }

    /// The next bytes of the member, `None` at its end.
    pub(super) fn chunk(&mut self) -> Result<Option<&[u8]>, Unreadable> {
        let frame = self.framed.then(|| self.reader.frame_place());
        if let Some(block) = frame.and_then(|frame| self.faults.bad_frames.get(&frame)) {
            return Err(Unreadable::Member(format!("block {block} cannot be read")));
        }
        self.reader
            .chunk()
            .map_err(|error| self.faults.judge(error, frame))
    }

    /// The next bytes of the member, or how many cannot be read: of a member in a segment that is
    /// not compressed, to the end of their record. Those known to be bad are not tried.
    pub(super) fn piece(&mut self) -> Result<Piece<'_>, Unreadable> {
        if self.framed {
            return Ok(self.chunk()?.map_or(Piece::End, Piece::Bytes));
        }
        let (bytes, (block, _)) = (self.reader.chunk_bytes(), self.reader.frame_place());
        if bytes > 0 && self.faults.bad.contains(&block) {
            self.reader.leave_out();
            return Ok(Piece::Gap(bytes, format!("block {block} cannot be read")));
        }
        match self.reader.chunk() {
            Ok(chunk) => Ok(chunk.map_or(Piece::End, Piece::Bytes)),
            Err(error) => match self.faults.judge(error, None) {
                Unreadable::Member(what) => Ok(Piece::Gap(bytes, what)),
                volume @ Unreadable::Volume(_) => Err(volume),
            },
        }
    }

    /// Size of the volume's records.
    pub(super) fn block_bytes(&self) -> u32 {
        self.block_bytes
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

    /// Where the drive first could not read the medium, if it could not.
    pub(super) fn first_medium_error(&self) -> Option<BlockAddress> {
        self.faults.first_medium_error
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

impl Faults {
    /// `frame`: the frame that was being read.
    fn judge(&mut self, error: VolumeError, frame: Option<(BlockAddress, usize)>) -> Unreadable {
        match failure::judge(&error) {
            ReadFailure::Record(block) => {
                // A record that was read may hold other frames that are in order.
                if !matches!(error, VolumeError::Frame { .. }) {
                    self.bad.insert(block);
                }
                self.bad_frames.extend(frame.map(|frame| (frame, block)));
                if failure::is_medium(&error) {
                    self.first_medium_error.get_or_insert(block);
                }
                Unreadable::Member(with_causes(&error))
            }
            ReadFailure::NotMedium => Unreadable::Volume(error),
        }
    }
}
