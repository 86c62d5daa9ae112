//! Jobs killed at every command and at every write of the catalog, and jobs with every fault at
//! every kind of command: what is committed is never lost, and nothing is claimed wrongly.
#![allow(clippy::unwrap_used)]

mod bench;
mod changes;
mod check;
mod child;
#[path = "../common/copy_dir.rs"]
mod copy_dir;
mod damage;
mod faults;
mod matrix;
mod model;
#[path = "../common/noise.rs"]
mod noise;
mod points;
mod shim;
mod tapes;
mod workload;
