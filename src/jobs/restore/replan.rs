//! A source of volumes that has the reads of a tape ordered anew once the tape is mounted, by what
//! its drive then says of where the wraps end.

use std::collections::HashMap;

use uuid::Uuid;

use super::arrange::{Arranged, begin_bytes, turns};
use crate::access_order::{AccessOrder, End, Extent, Geometry, Tape, best_order};
use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{MemberRead, Turn, VolumeReads};
use crate::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use crate::volume::resume::OtherDrive;

/// See the module.
pub(super) struct Replanning<S> {
    source: S,
    /// A volume has two where some of it is wanted only if other copies cannot be read.
    layouts: Vec<Layout>,
    /// What locates and reads of a volume are to take by the new order of its first mount, in
    /// seconds.
    read_s: HashMap<Uuid, f64>,
}

/// Where the reads of a volume lie, in the order of the plan, on a tape as the plan has it.
struct Layout {
    volume: Uuid,
    tape: Tape,
    extents: Vec<Extent>,
}

impl<S: VolumeSource> Replanning<S> {
    /// `volumes` lend what the new order goes by.
    pub(super) fn new<'v>(source: S, volumes: impl Iterator<Item = &'v mut Arranged>) -> Self {
        let layout = |volume: &mut Arranged| Layout {
            volume: volume.reads.volume,
            tape: volume.tape.clone(),
            extents: std::mem::take(&mut volume.extents),
        };
        Replanning {
            source,
            layouts: volumes.map(layout).collect(),
            read_s: HashMap::new(),
        }
    }

    /// The source, and for each volume that was ordered anew what locates and reads were then to
    /// take, in seconds.
    pub(super) fn finish(self) -> (S, HashMap<Uuid, f64>) {
        (self.source, self.read_s)
    }
}

impl Layout {
    /// Whether these are the reads that it was made of.
    fn is_of(&self, reads: &VolumeReads) -> bool {
        let block_bytes = u64::from(reads.block_bytes);
        let begins = |(extent, read): (&Extent, &MemberRead)| {
            extent.begin_bytes / block_bytes == begin_bytes(read, block_bytes) / block_bytes
        };
        self.volume == reads.volume
            && self.extents.len() == reads.reads.len()
            && self.extents.iter().zip(&reads.reads).all(begins)
    }

    /// The order on the tape as its drive tells of it; `None` if that is nothing new.
    fn order(&self, device: &mut dyn SequentialDevice, block_bytes: u64) -> Option<AccessOrder> {
        let ends = match device.wrap_ends() {
            Ok(ends) => ends?,
            // What is wrong with the drive, the first read will say.
            Err(error) => {
                tracing::warn!(%error, "the order stays as it was planned");
                return None;
            }
        };
        // A wrap ends somewhere in its last record.
        let end = |last: u64| {
            let begin = last.saturating_mul(block_bytes);
            begin.saturating_add(block_bytes / 2)
        };
        let ends = ends.into_iter().map(|last| end(last.0)).collect();
        let mechanics = *self.tape.mechanics();
        let geometry = Geometry::of_written(ends, mechanics.wraps)?;
        let tape = Tape::with_geometry(mechanics, geometry);
        Some(best_order(&tape, block_bytes, &self.extents, End::Rewinds))
    }
}

impl<S: VolumeSource> VolumeSource for Replanning<S> {
    fn next_for_append(&mut self) -> Result<MountedVolume, BoxedError> {
        self.source.next_for_append()
    }

    fn mount(&mut self, volume: Uuid) -> Result<MountedVolume, BoxedError> {
        self.source.mount(volume)
    }

    fn order(
        &mut self,
        reads: &VolumeReads,
        device: &mut dyn SequentialDevice,
    ) -> Option<Vec<Turn>> {
        let layout = self.layouts.iter().find(|layout| layout.is_of(reads))?;
        if layout.extents.len() < 2 {
            return None;
        }
        let block_bytes = u64::from(reads.block_bytes);
        let order = layout.order(device, block_bytes)?;
        let read_s = order.motion_s() - order.rewind_s + order.read_s();
        self.read_s.entry(reads.volume).or_insert(read_s);
        Some(turns(&order, &layout.extents, block_bytes))
    }

    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        self.source.change_drive(error)
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.source.release(volume, end)
    }
}
