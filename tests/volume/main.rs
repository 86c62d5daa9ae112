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
mod support;
mod tar;
mod tools;
mod write;
mod zoo;
