//! What devices have to do for us, and what we make of it where they do not.
//!
//! One suite for many devices: the cases run on a simulated library in this process, and on
//! a library behind the kernel, whose cartridges they move and **overwrite**. Root or the
//! group `tape`, and no other user of it:
//!
//! ```sh
//! TAPEWRIGHT_TEST_CHANGER=/dev/sg4 \
//!     cargo test --test conformance attached:: -- --ignored --nocapture
//! ```
//!
//! What a device lacks is found by asking it, and is printed beside the cases it leaves out.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

mod attached;
mod batch;
mod bench;
mod capability;
mod changer;
mod drive;
mod encryption;
mod erase;
mod faults;
mod health;
mod poor;
mod protection;
mod rack;
mod reserve;
mod scripted;
#[path = "../common/sim_bench.rs"]
mod sim_bench;
mod throughput;
