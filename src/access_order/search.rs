//! A good order of many runs: an order to begin with, then exchanges of neighbouring stretches
//! as long as one makes it cheaper; then the order is disturbed here and there and mended again,
//! and stays mended where that has gained something.
//!
//! Costs are not those of the way back, so no stretch is ever reversed.

use std::collections::VecDeque;

use super::assignment::{assignment, join_cycles};
use super::costs::Costs;

/// Up to so many nodes the search begins with an assignment, which takes their cube.
const ASSIGNED_NODES: usize = 1024;
/// Of each node so many cheapest successors are tried.
const NEIGHBOURS: usize = 10;
/// Stretches of at most so many runs are exchanged for each other.
const STRETCH_RUNS: usize = 100;
/// Disturbances tried, times nodes: what they take grows with both.
const DISTURBED_NODES: usize = 200_000;
/// A disturbance is made within so many runs.
const DISTURBED_RUNS: usize = 30;
/// What is gained by less is lost in rounding.
const LEAST_GAIN_S: f64 = 1e-4;

/// An order that is no more expensive than `first`.
pub(super) fn good_order(costs: &Costs, first: &[usize]) -> Vec<usize> {
    let built = match costs.nodes() <= ASSIGNED_NODES {
        true => assigned(costs),
        false => nearest(costs),
    };
    let mut begun = [first.to_vec(), built];
    begun.sort_by(|a, b| costs.of_order(a).total_cmp(&costs.of_order(b)));
    let [best, _] = begun;
    let mut tour = Tour::new(costs, best);
    tour.improve((0..costs.nodes()).collect());
    tour.disturb(DISTURBED_NODES / costs.nodes());
    let found = tour.into_order();
    match costs.of_order(&found) <= costs.of_order(first) {
        true => found,
        false => first.to_vec(),
    }
}

/// Always the run that is nearest to where the tape stands.
fn nearest(costs: &Costs) -> Vec<usize> {
    let mut left: Vec<usize> = (0..costs.depot()).collect();
    let mut at = costs.depot();
    let mut order = Vec::with_capacity(left.len());
    while let Some(index) =
        (0..left.len()).min_by(|&a, &b| costs.get(at, left[a]).total_cmp(&costs.get(at, left[b])))
    {
        at = left.swap_remove(index);
        order.push(at);
    }
    order
}

/// The assignment's cycles, joined.
fn assigned(costs: &Costs) -> Vec<usize> {
    let cost = |from, to| costs.get(from, to);
    let mut behind = assignment(costs.nodes(), cost);
    join_cycles(&mut behind, cost);
    let mut order = Vec::with_capacity(costs.depot());
    let mut at = behind[costs.depot()];
    while at != costs.depot() {
        order.push(at);
        at = behind[at];
    }
    order
}

/// A way through all nodes, the depot first.
struct Tour<'a> {
    costs: &'a Costs,
    nodes: Vec<usize>,
    /// Where in `nodes` each node is.
    place: Vec<usize>,
    /// For each node its cheapest successors.
    neighbours: Vec<[u32; NEIGHBOURS]>,
}

/// Two neighbouring stretches, `begin..middle` and `middle..end`, that change places.
#[derive(Clone, Copy)]
struct Exchange {
    begin: usize,
    middle: usize,
    end: usize,
}

impl<'a> Tour<'a> {
    fn new(costs: &'a Costs, order: Vec<usize>) -> Tour<'a> {
        let mut nodes = vec![costs.depot()];
        nodes.extend(order);
        let mut place = vec![0; nodes.len()];
        for (at, &node) in nodes.iter().enumerate() {
            place[node] = at;
        }
        let mut neighbours = Vec::with_capacity(nodes.len());
        for node in 0..nodes.len() {
            let row = costs.row(node);
            let mut others: Vec<u32> = (0..nodes.len() as u32).collect();
            let by_cost = |a: &u32, b: &u32| row[*a as usize].total_cmp(&row[*b as usize]);
            let many = NEIGHBOURS.min(others.len() - 1);
            others.select_nth_unstable_by(many - 1, by_cost);
            others[..many].sort_unstable_by(by_cost);
            let mut cheapest = [node as u32; NEIGHBOURS];
            cheapest[..many].copy_from_slice(&others[..many]);
            neighbours.push(cheapest);
        }
        Tour {
            costs,
            nodes,
            place,
            neighbours,
        }
    }

    fn into_order(mut self) -> Vec<usize> {
        self.nodes.remove(0);
        self.nodes
    }

    /// Exchanges until nothing is gained behind the nodes in `queue`, and those that come to stand
    /// at the end of a stretch meanwhile. Returns what was gained.
    fn improve(&mut self, mut queue: VecDeque<usize>) -> f64 {
        let mut is_queued = vec![false; self.nodes.len()];
        for &node in &queue {
            is_queued[node] = true;
        }
        let mut gained = 0.0;
        while let Some(node) = queue.pop_front() {
            is_queued[node] = false;
            while let Some((gain, exchange)) = self.gain_from(node) {
                self.make(exchange);
                gained += gain;
                for near in self.ends_of(exchange) {
                    if !is_queued[near] {
                        is_queued[near] = true;
                        queue.push_back(near);
                    }
                }
            }
        }
        gained
    }

    /// Makes random exchanges, each time improves what they left, and goes back where that has not
    /// made the way cheaper.
    fn disturb(&mut self, times: usize) {
        let nodes = self.nodes.len();
        // Three cuts and a node between each two.
        let window = DISTURBED_RUNS.min(nodes - 1);
        if window < 6 {
            return;
        }
        let mut dice = Dice(1);
        for _ in 0..times {
            let (before, places) = (self.nodes.clone(), self.place.clone());
            let first = 1 + dice.below(nodes - window);
            let mut gained = 0.0;
            let mut queue = VecDeque::new();
            for _ in 0..2 {
                let mut cuts = [0; 3].map(|_| first + dice.below(window + 1));
                cuts.sort_unstable();
                let [begin, middle, end] = cuts;
                if begin < middle && middle < end {
                    let exchange = Exchange { begin, middle, end };
                    gained += self.gain(exchange);
                    self.make(exchange);
                    queue.extend(self.ends_of(exchange));
                }
            }
            gained += self.improve(queue);
            if gained < LEAST_GAIN_S {
                (self.nodes, self.place) = (before, places);
            }
        }
    }

    /// The nodes before and behind the three cuts of an exchange.
    fn ends_of(&self, exchange: Exchange) -> [usize; 6] {
        let Exchange { begin, middle, end } = exchange;
        let second = begin + (end - middle);
        [begin - 1, begin, second - 1, second, end - 1, end].map(|place| self.node(place))
    }

    /// The best exchange that puts one of its cheapest successors behind `node`, if any gains.
    fn gain_from(&self, node: usize) -> Option<(f64, Exchange)> {
        let at = self.place[node];
        let now = self.costs.get(node, self.node(at + 1));
        let mut best: Option<(f64, Exchange)> = None;
        for &next in &self.neighbours[node] {
            let next = next as usize;
            if next == node || self.costs.get(node, next) >= now {
                break;
            }
            self.try_each(at, self.place[next], |exchange| {
                let gain = self.gain(exchange);
                if gain > best.map_or(LEAST_GAIN_S, |(most, _)| most) {
                    best = Some((gain, exchange));
                }
            });
        }
        best
    }

    /// All exchanges behind which what is at `to` follows what is at `at`.
    fn try_each(&self, at: usize, to: usize, mut each: impl FnMut(Exchange)) {
        let nodes = self.nodes.len();
        if to > at + 1 {
            // The stretch from `to` on comes forward; or the one up to `at` goes to before `to`.
            for end in to + 1..=nodes.min(to + STRETCH_RUNS) {
                each(Exchange {
                    begin: at + 1,
                    middle: to,
                    end,
                });
            }
            for begin in at.saturating_sub(STRETCH_RUNS).max(1)..=at {
                each(Exchange {
                    begin,
                    middle: at + 1,
                    end: to,
                });
            }
        } else if to >= 1 && to < at {
            // The stretch up to `at` comes to before the one that begins at `to`.
            for middle in to + 1..=at {
                each(Exchange {
                    begin: to,
                    middle,
                    end: at + 1,
                });
            }
        } else if to == 0 && at + 1 < nodes {
            // What is up to `at` becomes the end.
            for begin in 1..=at {
                each(Exchange {
                    begin,
                    middle: at + 1,
                    end: nodes,
                });
            }
        }
    }

    /// The node at a place; behind the last is the depot again.
    fn node(&self, place: usize) -> usize {
        self.nodes.get(place).copied().unwrap_or(self.nodes[0])
    }

    fn gain(&self, exchange: Exchange) -> f64 {
        let Exchange { begin, middle, end } = exchange;
        let (before, behind) = (self.node(begin - 1), self.node(end));
        let (first, first_last) = (self.node(begin), self.node(middle - 1));
        let (second, second_last) = (self.node(middle), self.node(end - 1));
        self.costs.get(before, first)
            + self.costs.get(first_last, second)
            + self.costs.get(second_last, behind)
            - self.costs.get(before, second)
            - self.costs.get(second_last, first)
            - self.costs.get(first_last, behind)
    }

    fn make(&mut self, exchange: Exchange) {
        let Exchange { begin, middle, end } = exchange;
        self.nodes[begin..end].rotate_left(middle - begin);
        for at in begin..end {
            self.place[self.nodes[at]] = at;
        }
    }
}

/// Numbers that look random and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % bound.max(1) as u64) as usize
    }
}
