//! The best order of few runs, by dynamic programming over their subsets (Held and Karp).

use super::costs::Costs;

/// So many runs are ordered exactly: half a million steps.
pub const EXACT_RUNS: usize = 12;

/// The best order. `costs` has at most [`EXACT_RUNS`] runs.
pub(super) fn best_order(costs: &Costs) -> Vec<usize> {
    let runs = costs.nodes() - 1;
    if runs == 0 {
        return Vec::new();
    }
    let subsets = 1usize << runs;
    // By subset and the run that is read last of it: the least cost, and the run before.
    let mut least = vec![f64::INFINITY; subsets * runs];
    let mut before = vec![usize::MAX; subsets * runs];
    for run in 0..runs {
        least[(1 << run) * runs + run] = costs.get(costs.depot(), run);
    }
    for subset in 1..subsets {
        for last in (0..runs).filter(|last| subset & (1 << last) != 0) {
            let so_far = least[subset * runs + last];
            for next in (0..runs).filter(|next| subset & (1 << next) == 0) {
                let at = (subset | 1 << next) * runs + next;
                let cost = so_far + costs.get(last, next);
                if cost < least[at] {
                    least[at] = cost;
                    before[at] = last;
                }
            }
        }
    }
    let mut subset = subsets - 1;
    let whole = |last: usize| least[subset * runs + last] + costs.get(last, costs.depot());
    let ends = (0..runs).min_by(|&a, &b| whole(a).total_cmp(&whole(b)));
    let mut last = ends.expect("there is a run");
    let mut order = Vec::with_capacity(runs);
    loop {
        order.push(last);
        let previous = before[subset * runs + last];
        subset &= !(1 << last);
        if subset == 0 {
            break;
        }
        last = previous;
    }
    order.reverse();
    order
}
