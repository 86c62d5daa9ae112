//! The catalog's behaviour from outside.
#![allow(
    clippy::unwrap_used,
    reason = "tests end at the first surprise, helpers included"
)]

mod answers;
mod browse;
mod commit;
mod damage;
mod disk;
mod filters;
mod golden;
mod index_damage;
mod kill;
mod many;
mod memory;
mod merge;
mod model;
mod naive;
mod order;
mod portable;
mod power_cut;
mod retention;
mod store;
mod support;
mod varied;
mod witness;
