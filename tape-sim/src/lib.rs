#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]
//! Virtual LTO drives and a tape library at SCSI CDB level.
//!
//! [`library::Library`] makes or opens a library directory and hands out its devices, each a
//! [`target::Target`]: a CDB and data go in, data, status and sense come out. A drive belongs to
//! one handle at a time; the changer takes any number. All state is in files
//! (`docs/sim-format.md`), so a library outlives the processes that use it, and a killed process
//! costs what a power cut would: the drive's write buffer.
//!
//! ```
//! use tape_sim::library::{Library, LibrarySpec};
//! use tape_sim::target::{Data, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::TempDir::new()?;
//! # let dir = dir.path();
//! let library = Library::create(dir, &LibrarySpec::default())?;
//! let mut drive = library.drive(0)?;
//! let mut inquiry = [0; 36];
//! drive.execute(&[0x12, 0, 0, 0, 36, 0], Data::In(&mut inquiry));
//! assert_eq!(&inquiry[8..16], b"TAPESIM ");
//! # Ok(())
//! # }
//! ```

pub mod cartridge;
pub mod clock;
pub mod commands;
pub mod error;
pub mod fault;
pub mod files;
pub mod generation;
pub mod inventory;
pub mod library;
pub mod mam;
pub mod pages;
pub mod physics;
pub mod reservation;
pub mod sense;
pub mod smc;
pub mod spc;
pub mod ssc;
pub mod target;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub mod tcmu;
pub mod timeline;
