//! The order in which the first of what is wanted is at hand soonest, and the others soon.

use super::{AccessOrder, End, Extent, Run, SEARCHED_RUNS, Tape, coalesced, follow};

/// Finds an order in which the first wanted extent is read as soon as the tape can get to it, and
/// from there on always the run with most wanted extents for the time that it takes. What has none
/// comes last.
///
/// `is_wanted` tells of an extent, by its index, whether anybody waits for it.
#[must_use]
pub fn soonest_order(
    tape: &Tape,
    from_bytes: u64,
    extents: &[Extent],
    is_wanted: impl Fn(usize) -> bool,
    end: End,
) -> AccessOrder {
    let mut left: Vec<Candidate> = coalesced(tape, extents)
        .into_iter()
        .map(|run| Candidate::of(run, extents, &is_wanted))
        .collect();
    let (mut at, mut order) = (from_bytes, Vec::with_capacity(extents.len()));
    let many = left.len() > SEARCHED_RUNS;
    while !left.is_empty() {
        let is_first = order.is_empty();
        if many && !is_first {
            // So many lie close behind each other: they stay in the order of their places.
            left.sort_by_key(|one| one.wanted == 0);
            order.extend(left.drain(..).flat_map(|one| one.run.members));
            break;
        }
        let cost = |one: &Candidate| (one.wanted == 0, one.cost_s(tape, at, is_first));
        let by_cost = |a: &usize, b: &usize| {
            let ((a_last, a_s), (b_last, b_s)) = (cost(&left[*a]), cost(&left[*b]));
            a_last.cmp(&b_last).then(a_s.total_cmp(&b_s))
        };
        let next = (0..left.len()).min_by(by_cost);
        let one = left.remove(next.expect("one is left"));
        at = one.run.whole.end_bytes;
        order.extend(one.run.members);
    }
    follow(tape, from_bytes, extents, order.into_iter(), end)
}

/// A run that may be read next.
struct Candidate {
    run: Run,
    /// So many of its extents are wanted.
    wanted: usize,
    /// Where the first of these ends.
    first_end_bytes: u64,
}

impl Candidate {
    fn of(run: Run, extents: &[Extent], is_wanted: &impl Fn(usize) -> bool) -> Candidate {
        let mut wanted = run.members.iter().filter(|&&member| is_wanted(member));
        let first = wanted.next();
        Candidate {
            wanted: usize::from(first.is_some()) + wanted.count(),
            first_end_bytes: first.map_or(run.whole.end_bytes, |&one| extents[one].end_bytes),
            run,
        }
    }

    /// Seconds until its first wanted extent is read, or until all are, for each of them.
    fn cost_s(&self, tape: &Tape, at_bytes: u64, is_first: bool) -> f64 {
        let whole = self.run.whole;
        let (_, approach_s) = tape.approach(at_bytes, whole.begin_bytes);
        match is_first {
            true => approach_s + tape.read_s(whole.begin_bytes, self.first_end_bytes),
            false => {
                let read_s = tape.read_s(whole.begin_bytes, whole.end_bytes);
                (approach_s + read_s) / self.wanted.max(1) as f64
            }
        }
    }
}
