//! Going through a volume once, member by member, in the order of their places.
//!
//! A short way to the next member is read through: stopping and locating costs a drive
//! seconds, in which it would have streamed hundreds of megabytes.

use std::collections::BTreeSet;

use crate::error_text::with_causes;
use crate::units::BlockAddress;
use crate::volume::VolumeError;
use crate::volume::failure::{self, ReadFailure};
use crate::volume::index::Place;
use crate::volume::read::RecordReader;

/// Up to this many records (32 MiB at the default block size, a tenth of a second) are
/// read through to get to the next member.
pub(super) const READ_THROUGH_RECORDS: u64 = 64;

/// One way through a volume.
pub(super) struct Pass<'a> {
    reader: RecordReader<'a>,
    block_bytes: u32,
    /// The record that the drive reads next, if that is known.
    next: Option<BlockAddress>,
    faults: Faults,
}

/// What the medium did not give.
#[derive(Debug, Default)]
struct Faults {
    /// Records known to be unreadable: a drive tries for minutes, so never twice.
    bad: BTreeSet<BlockAddress>,
    /// The first of them that the drive itself could not read.
    first_medium_error: Option<BlockAddress>,
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
            next: None,
            faults: Faults::default(),
        }
    }

    /// Goes to a member; its bytes come from [`chunk`](Self::chunk).
    pub(super) fn open(&mut self, place: &Place) -> Result<(), Unreadable> {
        let records = place.records(self.block_bytes);
        let Some(end) = place.block.0.checked_add(records).map(BlockAddress) else {
            return Err(Unreadable::Member(
                "its place lies behind any tape's end".to_owned(),
            ));
        };
        if let Some(block) = self.faults.bad.range(place.block..end).next() {
            return Err(Unreadable::Member(format!("block {block} cannot be read")));
        }
        self.read_through(place.block);
        self.reader.open_member(place);
        // The first record may be at hand, or be read by the first chunk: the same.
        self.next = Some(place.block);
        Ok(())
    }

    /// The next bytes of the member, `None` at its end.
    pub(super) fn chunk(&mut self) -> Result<Option<&[u8]>, Unreadable> {
        match self.reader.chunk() {
            Ok(Some(bytes)) => {
                // Each chunk ends with its record or with the member.
                self.next = self.next.map(|block| block.plus(1));
                Ok(Some(bytes))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.next = None;
                Err(self.faults.judge(error))
            }
        }
    }

    /// Where the drive first could not read the medium, if it could not.
    pub(super) fn first_medium_error(&self) -> Option<BlockAddress> {
        self.faults.first_medium_error
    }

    /// Reads up to `block` if it is near. A failure on the way ends this silently: what
    /// lies there is not wanted, and the reader then locates.
    fn read_through(&mut self, block: BlockAddress) {
        let Some(next) = self.next else { return };
        let gap = block
            .0
            .checked_sub(next.0)
            .filter(|gap| *gap <= READ_THROUGH_RECORDS);
        for _ in 0..gap.unwrap_or(0) {
            if self.reader.next_object().is_err() {
                return;
            }
        }
    }
}

impl Faults {
    fn judge(&mut self, error: VolumeError) -> Unreadable {
        match failure::judge(&error) {
            ReadFailure::Record(block) => {
                self.bad.insert(block);
                if failure::is_medium(&error) {
                    self.first_medium_error.get_or_insert(block);
                }
                Unreadable::Member(with_causes(&error))
            }
            ReadFailure::NotMedium => Unreadable::Volume(error),
        }
    }
}
