//! A source of volumes that has the reads of a tape ordered anew once the tape is mounted, by what
//! its drive then says of where the wraps end, or in the order that the drive itself recommends.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::arrange::{Aim, Arranged, above_last, begin_bytes, least_order, turns};
use super::chosen::Worth;
use crate::access_order::{
    AccessOrder, EXACT_RUNS, End, Extent, Geometry, Run, Tape, coalesced, in_order_of_runs,
    in_record_order,
};
use crate::drive::{DriveError, SequentialDevice};
use crate::engine::restore::{MemberRead, Turn, VolumeReads};
use crate::engine::{BoxedError, MountedVolume, VolumeEnd, VolumeSource};
use crate::units::BlockAddress;
use crate::volume::resume::OtherDrive;

/// See the module.
pub(super) struct Replanning<S> {
    source: S,
    layouts: Layouts,
    /// What locates and reads of a volume are to take by the new order of its first mount, in
    /// seconds.
    read_s: HashMap<Uuid, f64>,
}

/// The layouts of all volumes of a plan, which its drives share. A volume has two where some of it
/// is wanted only if other copies cannot be read.
#[derive(Clone)]
pub(super) struct Layouts(Arc<Vec<Layout>>);

/// Where the reads of a volume lie, in the order of the plan, on a tape as the plan has it.
struct Layout {
    volume: Uuid,
    tape: Tape,
    extents: Vec<Extent>,
    worth: Vec<Worth>,
    aim: Aim,
}

impl Layouts {
    /// `volumes` lend what a new order goes by.
    pub(super) fn of<'v>(volumes: impl Iterator<Item = &'v mut Arranged>, aim: Aim) -> Self {
        let layout = |volume: &mut Arranged| Layout {
            volume: volume.reads.volume,
            tape: volume.tape.clone(),
            extents: std::mem::take(&mut volume.extents),
            worth: std::mem::take(&mut volume.worth),
            aim,
        };
        Layouts(Arc::new(volumes.map(layout).collect()))
    }

    /// A volume's tape, as the plan has it.
    pub(super) fn tape_of(&self, volume: Uuid) -> Option<&Tape> {
        let layout = self.0.iter().find(|layout| layout.volume == volume)?;
        Some(&layout.tape)
    }
}

impl<S: VolumeSource> Replanning<S> {
    pub(super) fn new(source: S, layouts: Layouts) -> Self {
        Replanning {
            source,
            layouts,
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
        let told = self.told_tape(device, block_bytes);
        let tape = told.as_ref().unwrap_or(&self.tape);
        let least = || least_order(tape, block_bytes, &self.extents, &self.worth);
        let own = self
            .aim
            .order(tape, block_bytes, &self.extents, &self.worth, least);
        if self.aim == Aim::First {
            // A drive's own order is one that takes least in all.
            return told.is_some().then_some(own);
        }
        // On wraps that the drive does not tell, it knows them and the model does not: there its
        // order is the better one, unless it makes no sense (`docs/performance.md`).
        let most_s = match told.is_some() {
            true => own.total_s(),
            false => in_record_order(tape, block_bytes, &self.extents, End::Rewinds).total_s(),
        };
        let of_drive = self.order_of_drive(device, tape, block_bytes);
        match of_drive.filter(|of_drive| of_drive.total_s() < most_s) {
            Some(of_drive) => {
                let (own_s, drive_s) = (own.total_s(), of_drive.total_s());
                tracing::info!(own_s, drive_s, "the drive's own order of reads is better");
                Some(of_drive)
            }
            None => told.map(|_| own),
        }
    }

    /// The order that the drive itself recommends. Where the best one of all is known it is not
    /// asked.
    fn order_of_drive(
        &self,
        device: &mut dyn SequentialDevice,
        tape: &Tape,
        block_bytes: u64,
    ) -> Option<AccessOrder> {
        let runs = coalesced(tape, &self.extents);
        if runs.len() <= EXACT_RUNS {
            return None;
        }
        let stretch = |run: &Run| {
            let first = run.whole.begin_bytes / block_bytes;
            let behind = run.whole.end_bytes.div_ceil(block_bytes);
            // One block alone at an end of the list would bind the order (SSC-5). With it goes the
            // one behind: there is one, since segments end with a filemark.
            let last = behind.saturating_sub(1).max(first + 1);
            (BlockAddress(first), BlockAddress(last))
        };
        let stretches: Vec<_> = runs.iter().map(stretch).collect();
        let order = match device.recommended_order(&stretches) {
            Ok(order) => order?,
            // What is wrong with the drive, the first read will say.
            Err(error) => {
                tracing::warn!(%error, "the drive's own order of reads is not known");
                return None;
            }
        };
        let runs = order.iter().map(|&run| &runs[run]);
        let order = in_order_of_runs(tape, block_bytes, &self.extents, runs, End::Rewinds);
        Some(above_last(
            tape,
            block_bytes,
            &self.extents,
            &self.worth,
            order,
        ))
    }

    /// The tape, with the ends of its wraps.
    fn told_tape(&self, device: &mut dyn SequentialDevice, block_bytes: u64) -> Option<Tape> {
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
        Some(Tape::with_geometry(mechanics, geometry))
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
        let mut layouts = self.layouts.0.iter();
        let layout = layouts.find(|layout| layout.is_of(reads))?;
        if layout.extents.len() < 2 {
            return None;
        }
        let block_bytes = u64::from(reads.block_bytes);
        let order = layout.order(device, block_bytes)?;
        let read_s = order.motion_s() - order.rewind_s + order.read_s();
        self.read_s.entry(reads.volume).or_insert(read_s);
        Some(turns(&order, &layout.extents, block_bytes))
    }

    fn is_of_drives(&self, error: &BoxedError) -> bool {
        self.source.is_of_drives(error)
    }

    fn change_drive(&mut self, error: &DriveError) -> OtherDrive {
        self.source.change_drive(error)
    }

    fn release(&mut self, volume: MountedVolume, end: VolumeEnd) -> Result<(), BoxedError> {
        self.source.release(volume, end)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::access_order::{Height, Leg, Mechanics, best_order};
    use crate::drive::{FilemarkReturns, Position, ReadOutcome, Waiting, Written};

    const BLOCK_BYTES: u64 = 1 << 20;

    /// What a drive makes of first and last blocks.
    type Order = fn(&[(BlockAddress, BlockAddress)]) -> Option<Vec<usize>>;

    /// A drive that only says in which order it would read.
    struct Says {
        order: Order,
        asked: Vec<(BlockAddress, BlockAddress)>,
    }

    fn unused<T>() -> T {
        unreachable!("nothing is read or moved")
    }

    impl SequentialDevice for Says {
        fn write_block(&mut self, _: &[u8]) -> Result<Written, DriveError> {
            unused()
        }
        fn write_filemark(&mut self, _: FilemarkReturns) -> Result<Written, DriveError> {
            unused()
        }
        fn synchronize(&mut self) -> Result<(), DriveError> {
            unused()
        }
        fn read_block(&mut self, _: &mut [u8]) -> Result<ReadOutcome, DriveError> {
            unused()
        }
        fn locate(&mut self, _: BlockAddress) -> Result<(), DriveError> {
            unused()
        }
        fn space_filemarks(&mut self, _: i64) -> Result<(), DriveError> {
            unused()
        }
        fn locate_end_of_data(&mut self) -> Result<Position, DriveError> {
            unused()
        }
        fn rewind(&mut self) -> Result<(), DriveError> {
            unused()
        }
        fn position(&mut self) -> Result<Position, DriveError> {
            unused()
        }
        fn first_unconfirmed(&mut self) -> Result<BlockAddress, DriveError> {
            unused()
        }
        fn remaining_bytes(&mut self) -> Result<Option<u64>, DriveError> {
            unused()
        }
        fn recommended_order(
            &mut self,
            stretches: &[(BlockAddress, BlockAddress)],
        ) -> Result<Option<Vec<usize>>, DriveError> {
            self.asked = stretches.to_vec();
            Ok((self.order)(stretches))
        }
        fn recover(
            &mut self,
            _: &mut dyn FnMut(&Waiting) -> ControlFlow<()>,
        ) -> Result<(), DriveError> {
            unused()
        }
        fn name(&self) -> &str {
            "a drive"
        }
    }

    /// So many pairs of records, all over the tape, of which each pair is one run.
    fn layout(runs: u64) -> Layout {
        let mechanics = Mechanics::of("LTO-9", Height::Full).unwrap();
        let extents = (0..2 * runs).map(|number| {
            let run = number / 2 * 7919 % runs;
            let begin_bytes = (run * 500_000 + 40 * (number % 2)) * BLOCK_BYTES;
            Extent {
                begin_bytes,
                end_bytes: begin_bytes + 2 * BLOCK_BYTES,
            }
        });
        Layout {
            volume: Uuid::nil(),
            tape: Tape::new(mechanics, 18_000_000_000_000),
            extents: extents.collect(),
            worth: vec![Worth::Asked; 2 * runs as usize],
            aim: Aim::Whole,
        }
    }

    #[test]
    fn the_drives_order_is_taken_only_where_it_is_better() {
        // From one end of the tape to the other and back: worse than the order of records.
        let to_and_fro: fn(&[_]) -> Option<Vec<usize>> = |all| {
            let last = all.len() - 1;
            let turn = |number: usize| match number.is_multiple_of(2) {
                true => number / 2,
                false => last - number / 2,
            };
            Some((0..all.len()).map(turn).collect())
        };
        let silent: fn(&[_]) -> Option<Vec<usize>> = |_| None;
        for (runs, order, is_asked) in [
            (30, to_and_fro, true),
            (30, silent, true),
            // The best order of so few is known.
            (12, to_and_fro, false),
        ] {
            let asked = Vec::new();
            let mut device = Says { order, asked };
            assert!(layout(runs).order(&mut device, BLOCK_BYTES).is_none());
            assert_eq!(device.asked.len() as u64, if is_asked { runs } else { 0 });
        }
    }

    #[test]
    fn a_drive_that_does_not_tell_its_wraps_is_believed_if_its_order_beats_that_of_records() {
        // Ours, but for two neighbours: by the model worse than ours.
        let nearly_ours: Order = |_| {
            let Layout { tape, extents, .. } = layout(30);
            let runs = coalesced(&tape, &extents);
            let ours = best_order(&tape, BLOCK_BYTES, &extents, End::Rewinds);
            let run_of = |leg: &Leg| {
                let begin = extents[leg.extent].begin_bytes;
                let inside =
                    |run: &Run| (run.whole.begin_bytes..run.whole.end_bytes).contains(&begin);
                runs.iter().position(inside).unwrap()
            };
            let mut order: Vec<usize> = ours.legs.iter().map(run_of).collect();
            order.dedup();
            order.swap(10, 11);
            Some(order)
        };
        let asked = Vec::new();
        let mut device = Says {
            order: nearly_ours,
            asked,
        };
        let layout = layout(30);
        let found = layout.order(&mut device, BLOCK_BYTES).unwrap();
        let by_drive = layout.order_of_drive(&mut device, &layout.tape, BLOCK_BYTES);
        assert_eq!(Some(&found), by_drive.as_ref());
        let ours = best_order(&layout.tape, BLOCK_BYTES, &layout.extents, End::Rewinds);
        assert!(found.total_s() > ours.total_s());
    }

    #[test]
    fn runs_are_named_by_their_blocks_and_read_whole_in_the_drives_order() {
        let layout = layout(30);
        let order: fn(&[_]) -> Option<Vec<usize>> = |all| Some((0..all.len()).collect());
        let asked = Vec::new();
        let mut device = Says { order, asked };
        let found = layout.order_of_drive(&mut device, &layout.tape, BLOCK_BYTES);
        let (first, last) = device.asked[1];
        assert_eq!((first.0, last.0), (500_000, 500_041));
        let by_record = in_record_order(&layout.tape, BLOCK_BYTES, &layout.extents, End::Rewinds);
        assert_eq!(found.unwrap(), by_record);
    }
}
