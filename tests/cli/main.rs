//! The program as a user meets it: black-box tests of the command line over simulated
//! libraries, compared with third-party programs. Nothing here links the library.

mod as_tar;
mod as_user;
mod browser;
mod browsing;
mod catalog_loss;
mod compact;
mod compression;
mod digests;
mod doctor;
mod existing;
mod exits;
mod first_byte;
mod full_disk;
mod harness;
mod jobs;
mod kill;
mod levels;
mod library;
mod main_job;
#[path = "../common/menagerie.rs"]
mod menagerie;
mod random;
mod readable_without_us;
mod rescue;
mod restore_records;
mod restore_resume;
mod resume;
mod retention;
#[path = "../common/root.rs"]
mod root;
#[path = "../common/small_disk.rs"]
mod small_disk;
mod sources;
mod whole_system;
mod worst_day;
mod zoo;
