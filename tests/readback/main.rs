//! Reading volumes back: restore, verify, scan and dump, against tapes in memory that are
//! whole, damaged or hostile.
#![allow(missing_docs, clippy::unwrap_used)]

mod compressed;
mod damage;
mod failing;
mod gone_on;
mod hostile;
#[path = "../common/menagerie.rs"]
mod menagerie;
#[path = "../common/noise.rs"]
mod noise;
mod pour;
mod rereads;
mod rescue;
mod restored;
mod rig;
#[path = "../common/root.rs"]
mod root;
mod scanned;
#[path = "../common/small_disk.rs"]
mod small_disk;
mod tape;
mod tar_out;
mod two_copies;
#[path = "../common/volume.rs"]
mod volume;
mod zoo;
