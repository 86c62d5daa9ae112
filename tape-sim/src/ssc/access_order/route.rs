//! The order of segments that lets the tape run least: the nearest next, improved by moving short
//! chains of segments to where they cost less, and never worse than the order that was given.
//!
//! The time between two places is that of a locate of this tape (`physics::motion`), as it is on
//! average.

use crate::physics::geometry::{Geometry, Place};
use crate::physics::model::TapeMechanics;
use crate::physics::motion;

/// Objects to be read in one go; places are bytes of tape from the beginning of the first wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The beginning of its first object.
    pub begin: u64,
    /// The beginning of its last object.
    pub end: u64,
}

/// How the tape is laid out and moves.
#[derive(Debug, Clone, Copy)]
pub struct Track<'a> {
    /// Its speeds.
    pub mechanics: &'a TapeMechanics,
    /// Its wraps.
    pub geometry: &'a Geometry,
}

/// Longest chain of segments that is moved as a whole, and how often all are tried.
const CHAIN: usize = 3;
const PASSES: usize = 4;

impl Track<'_> {
    /// Seconds from one place to another; 0 for the place itself.
    fn locate_s(&self, from: Place, to: Place) -> f64 {
        if from == to {
            return 0.0;
        }
        motion::locate_s(self.mechanics, self.geometry, from, to, 0.0)
    }
}

/// The problem in head positions: where to begin, and where each segment begins and ends.
struct Tour<'a> {
    track: Track<'a>,
    here: Place,
    places: Vec<(Place, Place)>,
}

impl Tour<'_> {
    /// Seconds from the end of one segment (or the start, `None`) to the beginning of another;
    /// nothing comes after the last.
    fn leg_s(&self, from: Option<usize>, to: Option<usize>) -> f64 {
        let Some(to) = to else {
            return 0.0;
        };
        let from = from.map_or(self.here, |number| self.places[number].1);
        self.track.locate_s(from, self.places[to].0)
    }

    fn cost_s(&self, order: &[usize]) -> f64 {
        let before = std::iter::once(None).chain(order.iter().copied().map(Some));
        let legs = before.zip(order.iter().copied().map(Some));
        legs.map(|(from, to)| self.leg_s(from, to)).sum()
    }

    /// Always the nearest of those `free`, beginning behind `from`.
    fn nearest(&self, mut from: Option<usize>, mut free: Vec<usize>) -> Vec<usize> {
        let mut order = Vec::with_capacity(free.len());
        while !free.is_empty() {
            let legs = free.iter().map(|to| self.leg_s(from, Some(*to)));
            let nearest = legs.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let next = free.remove(nearest.map_or(0, |(at, _)| at));
            order.push(next);
            from = Some(next);
        }
        order
    }

    /// Moves chains of `order[bounds]` to where they cost less, as long as that helps.
    fn improve(&self, order: &mut Vec<usize>, bounds: std::ops::Range<usize>) {
        for _ in 0..PASSES {
            let mut better = false;
            for length in 1..=CHAIN.min(bounds.len()) {
                for at in bounds.start..=bounds.end - length {
                    better |= self.move_chain(order, &bounds, at, length);
                }
            }
            if !better {
                return;
            }
        }
    }

    /// Takes the chain at `at` out and puts it where it saves most; false: it stays.
    fn move_chain(
        &self,
        order: &mut Vec<usize>,
        bounds: &std::ops::Range<usize>,
        at: usize,
        length: usize,
    ) -> bool {
        const SAVES_S: f64 = 1e-6;
        let get = |list: &[usize], at: usize| list.get(at).copied();
        let before = |list: &[usize], at: usize| at.checked_sub(1).map(|at| list[at]);
        let (head, tail) = (order[at], order[at + length - 1]);
        let gap = (before(order, at), get(order, at + length));
        let gained = self.leg_s(gap.0, Some(head)) + self.leg_s(Some(tail), gap.1)
            - self.leg_s(gap.0, gap.1);
        let chain: Vec<usize> = order.drain(at..at + length).collect();
        let places = bounds.start..=bounds.end - length;
        let best = places
            .map(|to| {
                let (left, right) = (before(order, to), get(order, to));
                let paid = self.leg_s(left, Some(head)) + self.leg_s(Some(tail), right)
                    - self.leg_s(left, right);
                (to, gained - paid)
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (to, better) = match best {
            Some((to, saved)) if saved > SAVES_S => (to, true),
            _ => (at, false),
        };
        order.splice(to..to, chain);
        better
    }
}

/// The numbers of `segments` in the order in which to read them, the tape being `here`.
///
/// Single objects bind the order: the first segment, if it is one, is where reading begins; the
/// last is where it ends, and object 0 of partition 0 behind it stands for unloading.
pub fn recommended(here: u64, track: Track<'_>, segments: &[Segment]) -> Vec<usize> {
    let given: Vec<usize> = (0..segments.len()).collect();
    let single = |number: usize| {
        let segment: Option<&Segment> = segments.get(number);
        segment.is_some_and(|segment| segment.begin == segment.end)
    };
    let start = usize::from(single(0));
    let mut end = segments.len();
    if end > start && single(end - 1) {
        let unloads = segments[end - 1].begin == 0;
        end -= 1;
        if unloads && end > start && single(end - 1) {
            end -= 1;
        }
    }
    let place = |bytes| track.geometry.place(bytes);
    let tour = Tour {
        track,
        here: place(here),
        places: segments
            .iter()
            .map(|segment| (place(segment.begin), place(segment.end)))
            .collect(),
    };
    let bound = given[..start].last().copied();
    let mut order = given[..start].to_vec();
    order.extend(tour.nearest(bound, given[start..end].to_vec()));
    order.extend_from_slice(&given[end..]);
    tour.improve(&mut order, start..end);
    if tour.cost_s(&order) < tour.cost_s(&given) {
        order
    } else {
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::format_by_density;
    use crate::physics::model::tape_mechanics;
    use proptest::prelude::*;

    const TAPE_BYTES: u64 = 18_000_000_000_000;

    /// A whole LTO-9 tape.
    struct Whole(TapeMechanics, Geometry);

    impl Whole {
        fn new() -> Self {
            let format = format_by_density(0x60).unwrap();
            Whole(tape_mechanics(format), Geometry::new(format, TAPE_BYTES, 1))
        }

        fn track(&self) -> Track<'_> {
            Track {
                mechanics: &self.0,
                geometry: &self.1,
            }
        }
    }

    fn segment(begin: u64, length: u64) -> Segment {
        Segment {
            begin,
            end: begin + length,
        }
    }

    fn cost_s(track: Track<'_>, segments: &[Segment], order: &[usize]) -> f64 {
        let place = |bytes| track.geometry.place(bytes);
        let mut at = place(0);
        let mut sum = 0.0;
        for number in order {
            sum += track.locate_s(at, place(segments[*number].begin));
            at = place(segments[*number].end);
        }
        sum
    }

    fn permutations(count: usize) -> Vec<Vec<usize>> {
        if count == 0 {
            return vec![Vec::new()];
        }
        let shorter = permutations(count - 1);
        let insert = |order: Vec<usize>| {
            (0..count).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, count - 1);
                longer
            })
        };
        shorter.into_iter().flat_map(insert).collect()
    }

    proptest! {
        #[test]
        fn the_order_is_complete_and_no_worse(
            starts in prop::collection::vec(
                (0..TAPE_BYTES - 1_000_000_000, 1u64..1_000_000_000),
                0..40,
            )
        ) {
            let segments: Vec<_> =
                starts.iter().map(|(begin, length)| segment(*begin, *length)).collect();
            let whole = Whole::new();
            let track = whole.track();
            let order = recommended(0, track, &segments);
            let given: Vec<usize> = (0..segments.len()).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&sorted, &given);
            let cost_s = |order: &[usize]| cost_s(track, &segments, order);
            prop_assert!(cost_s(&order) <= cost_s(&given));
        }

        #[test]
        fn few_segments_come_within_a_quarter_of_the_best_order(
            starts in prop::collection::vec(0..TAPE_BYTES - 1_000_000_000, 1..6)
        ) {
            let segments: Vec<_> =
                starts.iter().map(|begin| segment(*begin, 200_000_000)).collect();
            let whole = Whole::new();
            let track = whole.track();
            let found = cost_s(track, &segments, &recommended(0, track, &segments));
            let best = permutations(segments.len())
                .iter()
                .map(|order| cost_s(track, &segments, order))
                .fold(f64::INFINITY, f64::min);
            prop_assert!(found <= best * 1.25, "{} s, best {} s", found, best);
        }
    }
}
