//! The tape format, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod compressed;
mod damage;
mod device;
mod foreign;
mod golden;
mod index;
#[path = "../common/memory_tape.rs"]
mod memory_tape;
mod packing;
mod scan;
#[path = "../common/sim_bench.rs"]
mod sim_bench;
mod support;
mod tar;
mod tools;
#[path = "../common/volume.rs"]
mod volume;
mod write;
mod zoo;
