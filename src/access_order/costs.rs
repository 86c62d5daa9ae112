//! What it costs to read one run of the tape behind another: the graph that the search is in.

use super::tape::Tape;
use super::{End, Extent};

/// Costs between `n` runs and a depot, node `n`: from it the tape comes, to it it goes at last.
#[derive(Debug, Clone)]
pub(super) struct Costs {
    nodes: usize,
    /// Seconds from node to node, row by row; infinite from a node to itself.
    seconds: Vec<f32>,
}

impl Costs {
    pub(super) fn of(tape: &Tape, from_bytes: u64, runs: &[Extent], end: End) -> Costs {
        let nodes = runs.len() + 1;
        let mut seconds = Vec::with_capacity(nodes * nodes);
        for (number, run) in runs.iter().enumerate() {
            let to_run = runs.iter().enumerate().map(|(other, to)| match other {
                _ if other == number => f32::INFINITY,
                _ => tape.approach(run.end_bytes, to.begin_bytes).1 as f32,
            });
            seconds.extend(to_run);
            seconds.push(match end {
                End::Stays => 0.0,
                End::Rewinds => tape.rewind_s(run.end_bytes) as f32,
            });
        }
        let from_here = runs
            .iter()
            .map(|to| tape.approach(from_bytes, to.begin_bytes).1 as f32);
        seconds.extend(from_here);
        seconds.push(f32::INFINITY);
        Costs { nodes, seconds }
    }

    #[cfg(test)]
    pub(super) fn of_matrix(nodes: usize, seconds: Vec<f32>) -> Costs {
        Costs { nodes, seconds }
    }

    /// Runs and the depot.
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    pub(super) fn depot(&self) -> usize {
        self.nodes - 1
    }

    pub(super) fn get(&self, from: usize, to: usize) -> f64 {
        f64::from(self.seconds[from * self.nodes + to])
    }

    /// All costs from one node.
    pub(super) fn row(&self, from: usize) -> &[f32] {
        &self.seconds[from * self.nodes..][..self.nodes]
    }

    /// The cost of a way through all runs, from the depot and back to it.
    pub(super) fn of_order(&self, order: &[usize]) -> f64 {
        let mut at = self.depot();
        let mut sum = 0.0;
        for &next in order {
            sum += self.get(at, next);
            at = next;
        }
        sum + self.get(at, self.depot())
    }
}
