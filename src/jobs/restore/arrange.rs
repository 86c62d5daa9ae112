//! The reads of one volume in the order that takes the tape least time. Pure.

use catalogs::Volume;
use catalogs::model::event::OutsidePlace;

use super::chosen::{Member, Worth};
use crate::access_order::{
    AccessOrder, Approach, End, Extent, Height, Leg, Mechanics, Tape, asked_first, best_order,
    in_record_order, soonest_order,
};
use crate::engine::restore::{MemberRead, Turn, VolumeReads};
use crate::jobs::whereabouts::outside;

/// What a generation that nobody knows is taken for.
const STAND_IN: &str = "LTO-9";

/// What an order of reads is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// All is done soon.
    Whole,
    /// The first files are there soon.
    First,
}

impl Aim {
    /// The order by this aim; `least` is the one that moves the tape least.
    pub(super) fn order(
        self,
        tape: &Tape,
        from_bytes: u64,
        extents: &[Extent],
        worth: &[Worth],
        least: impl FnOnce() -> AccessOrder,
    ) -> AccessOrder {
        match self {
            Aim::Whole => least(),
            Aim::First => {
                let is_wanted = |extent: usize| worth[extent] == Worth::File;
                soonest_order(tape, from_bytes, extents, is_wanted, End::Rewinds)
            }
        }
    }
}

/// The order that moves the tape least, but for directories that nobody asked for: no other read
/// waits for them.
pub(super) fn least_order(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    worth: &[Worth],
) -> AccessOrder {
    let order = best_order(tape, from_bytes, extents, End::Rewinds);
    above_last(tape, from_bytes, extents, worth, order)
}

/// An order of which the first read is not delayed by directories that nobody asked for.
pub(super) fn above_last(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    worth: &[Worth],
    order: AccessOrder,
) -> AccessOrder {
    let is_asked = |extent: usize| worth[extent] != Worth::Above;
    asked_first(tape, from_bytes, extents, order, is_asked, End::Rewinds)
}

/// What an order of reads takes once the tape is mounted, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    pub(super) locate_s: f64,
    /// Of this, what is read on through.
    pub(super) read_on_s: f64,
    pub(super) read_s: f64,
    pub(super) rewind_s: f64,
}

impl Ways {
    pub(super) fn of(order: &AccessOrder) -> Ways {
        let legs = order.legs.iter();
        let read_on = legs.filter(|leg| leg.approach == Approach::ReadOn);
        Ways {
            locate_s: order.motion_s() - order.rewind_s,
            read_on_s: read_on.map(|leg| leg.approach_s).sum(),
            read_s: order.read_s(),
            rewind_s: order.rewind_s,
        }
    }
}

/// A volume whose reads are in order.
pub(super) struct Arranged {
    pub(super) reads: VolumeReads,
    /// Where each of them lies.
    pub(super) extents: Vec<Extent>,
    /// The legs of the reads, in the same order.
    pub(super) order: AccessOrder,
    /// The way that the order of records would take, in seconds.
    pub(super) record_order_s: f64,
    /// What the order that moves the tape least would take.
    pub(super) least: Ways,
    /// Since when the catalog has known of what is read: by that volumes are in order.
    pub(super) known_since: u64,
    /// Of each read who waits for it.
    pub(super) worth: Vec<Worth>,
    pub(super) tape: Tape,
    /// Generation of the tape, as in its label.
    pub(super) generation: String,
    /// Whether the model knows the generation.
    pub(super) is_known: bool,
    /// Written from the beginning of the tape on.
    pub(super) used_bytes: u64,
    /// Where the volume was last said to be, if that is outside of a library.
    pub(super) outside: Option<OutsidePlace>,
}

/// Puts the members to be read from `volume` in order. The tape stands behind its label then,
/// and is rewound at the end.
pub(super) fn arrange(
    mut members: Vec<Member>,
    volume: Volume,
    (used_blocks, known_since): (u64, u64),
    aim: Aim,
) -> Arranged {
    let label = volume.label.what;
    let block_bytes = u64::from(label.block_bytes);
    let known = Mechanics::of(&label.generation, Height::Full);
    let mechanics = known.or_else(|| Mechanics::of(STAND_IN, Height::Full));
    let mechanics = mechanics.expect("the stand-in is known");
    let capacity_bytes = match label.capacity_bytes {
        0 => mechanics.native_bytes,
        told => told,
    };
    let tape = Tape::new(mechanics, capacity_bytes);
    members.sort_by_key(|member| {
        let read = &member.read;
        (read.block, read.offset_bytes, read.skip_bytes)
    });
    let extents: Vec<Extent> = members
        .iter()
        .map(|member| extent(member, block_bytes))
        .collect();
    let worth: Vec<Worth> = members.iter().map(Member::worth).collect();
    let best = least_order(&tape, block_bytes, &extents, &worth);
    let least = Ways::of(&best);
    let order = aim.order(&tape, block_bytes, &extents, &worth, || best);
    let by_record = in_record_order(&tape, block_bytes, &extents, End::Rewinds);
    let mut reads: Vec<Option<MemberRead>> = members
        .into_iter()
        .map(|member| Some(member.read))
        .collect();
    let turns = turns(&order, &extents, block_bytes);
    let in_order = turns.iter().map(|turn| {
        let mut read = reads[turn.read].take().expect("each is read once");
        read.read_on_records = turn.read_on_records;
        read
    });
    Arranged {
        reads: VolumeReads {
            volume: label.volume,
            barcode: label.barcode,
            block_bytes: label.block_bytes,
            reads: in_order.collect(),
        },
        extents: turns.iter().map(|turn| extents[turn.read]).collect(),
        worth: turns.iter().map(|turn| worth[turn.read]).collect(),
        record_order_s: by_record.motion_s(),
        least,
        known_since,
        order,
        tape,
        generation: label.generation,
        is_known: known.is_some(),
        used_bytes: used_blocks.saturating_mul(block_bytes),
        outside: volume.location.and_then(|(_, location)| outside(location)),
    }
}

/// The reads by an order, each with what is read through on the way to it.
pub(super) fn turns(order: &AccessOrder, extents: &[Extent], block_bytes: u64) -> Vec<Turn> {
    let mut at_bytes = block_bytes;
    let turn = |leg: &Leg| {
        let extent = extents[leg.extent];
        let read_on_records = match leg.approach {
            Approach::ReadOn => extent.begin_bytes.saturating_sub(at_bytes) / block_bytes,
            Approach::Locate => 0,
        };
        at_bytes = extent.end_bytes;
        Turn {
            read: leg.extent,
            read_on_records,
        }
    };
    order.legs.iter().map(turn).collect()
}

/// The records in which a member lies.
fn extent(member: &Member, block_bytes: u64) -> Extent {
    let begin = begin_bytes(&member.read, block_bytes);
    let end = begin.saturating_add(member.stored_bytes);
    Extent {
        begin_bytes: begin / block_bytes * block_bytes,
        end_bytes: end.div_ceil(block_bytes).saturating_mul(block_bytes),
    }
}

/// Where its first byte lies, from the beginning of the tape.
pub(super) fn begin_bytes(read: &MemberRead, block_bytes: u64) -> u64 {
    let record = read.block.0.saturating_mul(block_bytes);
    record.saturating_add(u64::from(read.offset_bytes))
}
