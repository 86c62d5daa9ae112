//! The assignment problem: to each node one that comes behind it, at the least cost in all. What
//! comes out may be several cycles instead of one way; it costs no more than any one way does.

/// For each of `nodes` nodes the one behind it, by shortest augmenting paths; `cost(from, to)` in
/// any unit, infinite where it may not be. Takes `nodes` cubed steps at the most.
#[must_use]
pub fn assignment(nodes: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    const NOBODY: usize = usize::MAX;
    // One more column than there are nodes: where each path begins.
    let start = nodes;
    let mut row_price = vec![0.0; nodes];
    let mut column_price = vec![0.0; nodes + 1];
    let mut row_of = vec![NOBODY; nodes + 1];
    let mut came_from = vec![start; nodes + 1];
    for row in 0..nodes {
        row_of[start] = row;
        let mut distance = vec![f64::INFINITY; nodes];
        let mut is_done = vec![false; nodes + 1];
        let mut column = start;
        while row_of[column] != NOBODY {
            is_done[column] = true;
            let (from, mut step, mut next) = (row_of[column], f64::INFINITY, start);
            for to in 0..nodes {
                if is_done[to] {
                    continue;
                }
                let reduced = cost(from, to) - row_price[from] - column_price[to];
                if reduced < distance[to] {
                    distance[to] = reduced;
                    came_from[to] = column;
                }
                if distance[to] < step {
                    (step, next) = (distance[to], to);
                }
            }
            assert_ne!(next, start, "each node has another that may come behind it");
            for to in 0..=nodes {
                if is_done[to] {
                    row_price[row_of[to]] += step;
                    column_price[to] -= step;
                } else if to < nodes {
                    distance[to] -= step;
                }
            }
            column = next;
        }
        while column != start {
            let previous = came_from[column];
            row_of[column] = row_of[previous];
            column = previous;
        }
    }
    let mut behind = vec![NOBODY; nodes];
    for (column, &row) in row_of[..nodes].iter().enumerate() {
        behind[row] = column;
    }
    behind
}

/// The nodes of each cycle.
fn cycles(behind: &[usize]) -> Vec<Vec<usize>> {
    let mut is_seen = vec![false; behind.len()];
    let mut cycles = Vec::new();
    for first in 0..behind.len() {
        let mut cycle = Vec::new();
        let mut at = first;
        while !is_seen[at] {
            is_seen[at] = true;
            cycle.push(at);
            at = behind[at];
        }
        if !cycle.is_empty() {
            cycles.push(cycle);
        }
    }
    cycles
}

/// Makes one cycle of an assignment's several: the largest takes in another, the cheapest to take
/// in, until one is left.
pub(super) fn join_cycles(behind: &mut [usize], cost: impl Fn(usize, usize) -> f64) {
    loop {
        let cycles = cycles(behind);
        let Some(largest) = cycles.iter().max_by_key(|cycle| cycle.len()) else {
            return;
        };
        let mut is_in = vec![false; behind.len()];
        for &node in largest {
            is_in[node] = true;
        }
        let mut best = (f64::INFINITY, 0, 0);
        for &one in largest {
            for other in (0..behind.len()).filter(|&other| !is_in[other]) {
                let (behind_one, behind_other) = (behind[one], behind[other]);
                let more = cost(one, behind_other) + cost(other, behind_one)
                    - cost(one, behind_one)
                    - cost(other, behind_other);
                if more < best.0 {
                    best = (more, one, other);
                }
            }
        }
        let (more, one, other) = best;
        if more == f64::INFINITY {
            return;
        }
        behind.swap(one, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least cost of any permutation without fixed points, by trying all.
    fn tried(costs: &[Vec<f64>], row: usize, taken: &mut Vec<usize>) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut least = f64::INFINITY;
        for to in 0..costs.len() {
            if to != row && !taken.contains(&to) {
                taken.push(to);
                least = least.min(costs[row][to] + tried(costs, row + 1, taken));
                taken.pop();
            }
        }
        least
    }

    fn random_costs(nodes: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut state = seed | 1;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f64 % 1000.0
        };
        let row = |from: usize, next: &mut dyn FnMut() -> f64| -> Vec<f64> {
            let cost = |to: usize| if to == from { f64::INFINITY } else { next() };
            (0..nodes).map(cost).collect()
        };
        (0..nodes).map(|from| row(from, &mut next)).collect()
    }

    #[test]
    fn no_permutation_costs_less_than_the_assignment() {
        for seed in 0..20 {
            let costs = random_costs(7, seed);
            let behind = assignment(7, |from, to| costs[from][to]);
            let sum: f64 = (0..7).map(|from| costs[from][behind[from]]).sum();
            assert_eq!(sum, tried(&costs, 0, &mut Vec::new()), "seed {seed}");
        }
    }

    #[test]
    fn joined_cycles_are_one_way_through_all() {
        for seed in 0..20 {
            let costs = random_costs(30, seed);
            let cost = |from: usize, to: usize| costs[from][to];
            let mut behind = assignment(30, cost);
            join_cycles(&mut behind, cost);
            assert_eq!(cycles(&behind).len(), 1, "seed {seed}");
        }
    }
}
