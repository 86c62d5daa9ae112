//! Jobs over the simulated library: the whole way from a command to the tape and back.
#![allow(clippy::unwrap_used)]

mod adoption;
mod by_hand;
mod calibrated;
mod catalog_copies;
mod catalog_imported;
mod choosing;
mod copies;
#[path = "../common/copy_dir.rs"]
mod copy_dir;
mod full_tape;
mod imperfect;
mod interrupted;
mod lab;
mod labelling;
mod lacking;
mod left_hole;
mod levels;
mod levels_at_random;
mod levels_joined;
mod losses;
mod misloading;
mod moving;
#[path = "../common/noise.rs"]
mod noise;
mod one_file;
mod paced;
mod placing;
mod planned;
mod rebuild_costs;
mod rebuilding;
mod rebuilt_policies;
mod refusals;
mod rescuing;
mod resumed_streams;
mod resuming;
mod retention;
mod round_trip;
mod several_drives;
mod sick_drives;
mod spanning;
mod stopping;
mod streams;
mod tape_check;
mod trouble;
mod twenty_tapes;
mod verifying;
mod write_failure;
