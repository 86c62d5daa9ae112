//! Archiving, seen from outside: the walk over real directories, and runs to tapes in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod attached;
mod case;
mod changing;
mod cut_streams;
mod failing;
mod holes;
#[expect(
    dead_code,
    reason = "each test binary uses its own part of the tape in memory"
)]
#[path = "../common/memory_tape.rs"]
mod memory_tape;
#[path = "../common/noise.rs"]
mod noise;
#[path = "../common/root.rs"]
mod root;
mod shelf;
mod streams;
mod total;
mod trouble;
#[path = "../common/volume.rs"]
mod volume;
mod walk;
mod whole;
