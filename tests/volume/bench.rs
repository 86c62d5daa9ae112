//! What the simulated drive says of its tape's motion.

pub use crate::sim_bench::{Bench, ready};

impl Bench {
    /// The drive's time, in nanoseconds.
    pub fn time_ns(&self) -> u64 {
        let hold = tape_sim::inventory::read_hold(self.path(), 0);
        hold.unwrap().time_ns
    }

    /// How often the tape had to stop and come back.
    pub fn backhitches(&self) -> u64 {
        let hold = tape_sim::inventory::read_hold(self.path(), 0);
        hold.unwrap().life.motion.backhitches
    }
}
