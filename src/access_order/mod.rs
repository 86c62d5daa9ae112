//! The order in which places on a tape are read so that the tape moves least, and how long that
//! takes: the host's own answer where a drive has no RECOMMENDED ACCESS ORDER (SSC-5).
//!
//! The model, its constants with their sources and the algorithm are in `docs/restore.md`.
//!
//! Pure: a function of its arguments, without devices, clocks or chance. Positions are bytes
//! from the beginning of the tape, as the host counts them: what a drive compresses lies nearer
//! than it seems. Knows no blocks, files or volumes.

mod asked;
mod assignment;
mod costs;
mod exact;
mod geometry;
mod mechanics;
mod search;
mod soonest;
mod tape;

pub use asked::asked_first;
pub use assignment::assignment;
pub use geometry::{Geometry, Place};
pub use mechanics::{Height, Mechanics, robot_move_s};
pub use soonest::soonest_order;
pub use tape::{Approach, Tape};

use costs::Costs;
pub use exact::EXACT_RUNS;

/// Beyond so many runs a tape is read in the order of its records: they lie so close to each other
/// then that no order is much better.
const SEARCHED_RUNS: usize = 4096;

/// A stretch of the tape that is to be read, in bytes from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte.
    pub begin_bytes: u64,
    /// The byte behind its last.
    pub end_bytes: u64,
}

/// What becomes of the tape behind the last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It stays where it is.
    Stays,
    /// It is rewound, since it is to be unloaded.
    Rewinds,
}

/// One read, and the way to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// Index of the extent.
    pub extent: usize,
    /// How the tape gets to it.
    pub approach: Approach,
    /// What that takes, in seconds.
    pub approach_s: f64,
    /// What reading it takes, in seconds. Of what was read just before nothing is counted twice.
    pub read_s: f64,
}

/// All reads of one tape in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccessOrder {
    /// The reads.
    pub legs: Vec<Leg>,
    /// The rewind at the end, in seconds; 0 if the tape stays.
    pub rewind_s: f64,
}

impl AccessOrder {
    /// Seconds that the tape is moved without any of it being wanted, the rewind included.
    #[must_use]
    pub fn motion_s(&self) -> f64 {
        self.legs.iter().map(|leg| leg.approach_s).sum::<f64>() + self.rewind_s
    }

    /// Seconds that what is wanted is read.
    #[must_use]
    pub fn read_s(&self) -> f64 {
        self.legs.iter().map(|leg| leg.read_s).sum()
    }
}

/// Finds the order in which `extents` are read soonest by a tape that stands at `from_bytes`.
///
/// Exactly the best one of up to 12 runs of extents that lie so close that they are read on
/// through; a good one of more. Never one that takes longer than [`in_record_order`].
#[must_use]
pub fn best_order(tape: &Tape, from_bytes: u64, extents: &[Extent], end: End) -> AccessOrder {
    let runs = coalesced(tape, extents);
    if runs.len() > SEARCHED_RUNS {
        return in_record_order(tape, from_bytes, extents, end);
    }
    let whole: Vec<Extent> = runs.iter().map(|run| run.whole).collect();
    let costs = Costs::of(tape, from_bytes, &whole, end);
    let order = match runs.len() {
        0..=EXACT_RUNS => exact::best_order(&costs),
        many => search::good_order(&costs, &(0..many).collect::<Vec<_>>()),
    };
    let order = order.into_iter().flat_map(|run| runs[run].members.clone());
    follow(tape, from_bytes, extents, order, end)
}

/// The order of the records on tape.
#[must_use]
pub fn in_record_order(tape: &Tape, from_bytes: u64, extents: &[Extent], end: End) -> AccessOrder {
    follow(tape, from_bytes, extents, sorted(extents).into_iter(), end)
}

/// The given order, `extents` being read as they come.
#[must_use]
pub fn in_given_order(tape: &Tape, from_bytes: u64, extents: &[Extent], end: End) -> AccessOrder {
    follow(tape, from_bytes, extents, 0..extents.len(), end)
}

/// The order of these runs of `extents`, each once.
#[must_use]
pub fn in_order_of_runs<'r>(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    runs: impl Iterator<Item = &'r Run>,
    end: End,
) -> AccessOrder {
    let order = runs.flat_map(|run| run.members.iter().copied());
    follow(tape, from_bytes, extents, order, end)
}

/// Extents that are read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// All of them, with what lies between.
    pub whole: Extent,
    /// Indexes of the extents, in the order of their places.
    pub members: Vec<usize>,
}

impl AccessOrder {
    /// Seconds that all of it takes.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.motion_s() + self.read_s()
    }
}

fn sorted(extents: &[Extent]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..extents.len()).collect();
    // Stable: what begins at one place stays in the order in which it was given.
    order.sort_by_key(|&index| extents[index].begin_bytes);
    order
}

/// Takes extents together whose gaps are read through sooner than the tape could go anywhere.
#[must_use]
pub fn coalesced(tape: &Tape, extents: &[Extent]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for index in sorted(extents) {
        let extent = extents[index];
        let near = runs.last_mut().filter(|run| {
            let gap_s = tape.read_s(run.whole.end_bytes, extent.begin_bytes);
            gap_s <= tape::LEAST_LOCATE_S
        });
        match near {
            Some(run) => {
                run.whole.end_bytes = run.whole.end_bytes.max(extent.end_bytes);
                run.members.push(index);
            }
            None => runs.push(Run {
                whole: extent,
                members: vec![index],
            }),
        }
    }
    runs
}

/// The legs of an order.
fn follow(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    order: impl Iterator<Item = usize>,
    end: End,
) -> AccessOrder {
    let mut at = from_bytes;
    let mut last: Option<Extent> = None;
    let mut legs = Vec::with_capacity(extents.len());
    for index in order {
        let extent = extents[index];
        // What begins in what was just read is at hand: several members lie in one record or frame.
        let is_at_hand =
            last.is_some_and(|last| (last.begin_bytes..at).contains(&extent.begin_bytes));
        let (approach, approach_s) = match is_at_hand {
            true => (Approach::ReadOn, 0.0),
            false => tape.approach(at, extent.begin_bytes),
        };
        let begin_bytes = if is_at_hand { at } else { extent.begin_bytes };
        legs.push(Leg {
            extent: index,
            approach,
            approach_s,
            read_s: tape.read_s(begin_bytes, extent.end_bytes),
        });
        at = if is_at_hand {
            at.max(extent.end_bytes)
        } else {
            extent.end_bytes
        };
        last = Some(extent);
    }
    let rewind_s = match end {
        End::Rewinds if last.is_some() => tape.rewind_s(at),
        _ => 0.0,
    };
    AccessOrder { legs, rewind_s }
}

#[cfg(test)]
mod tests;
