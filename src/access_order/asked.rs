//! An order in which what was asked for does not wait for what was not.

use super::{AccessOrder, End, Extent, Tape, coalesced, follow};

/// Puts what nobody asked for, where an order begins with it, behind all the rest; unless it is
/// read in one go with the first that was asked for, so that it costs nothing.
///
/// What comes later in the order stays where it is: the tape would have to come back for it, and
/// what was asked for has begun to come.
///
/// `is_asked` tells of an extent, by its index, whether it was asked for.
#[must_use]
pub fn asked_first(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    order: AccessOrder,
    is_asked: impl Fn(usize) -> bool,
    end: End,
) -> AccessOrder {
    let found = order.legs.iter().position(|leg| is_asked(leg.extent));
    let Some(first) = found.filter(|first| *first > 0) else {
        return order;
    };
    let asked = order.legs[first].extent;
    let runs = coalesced(tape, extents);
    let run = runs.iter().find(|run| run.members.contains(&asked));
    let is_near = |extent: &usize| run.is_some_and(|run| run.members.contains(extent));
    let head = order.legs[..first].iter().map(|leg| leg.extent);
    let (near, far): (Vec<usize>, Vec<usize>) = head.partition(is_near);
    if far.is_empty() {
        return order;
    }
    let rest = order.legs[first..].iter().map(|leg| leg.extent);
    let order: Vec<usize> = near.into_iter().chain(rest).chain(far).collect();
    follow(tape, from_bytes, extents, order.into_iter(), end)
}
