//! The program as a user meets it: black-box tests of the command line over simulated
//! libraries, compared with third-party programs. Nothing here links the library.

mod catalog_loss;
mod compression;
mod doctor;
mod exits;
mod harness;
mod kill;
mod levels;
mod library;
mod main_job;
mod random;
mod readable_without_us;
#[path = "../common/root.rs"]
mod root;
mod sources;
mod whole_system;
mod zoo;
