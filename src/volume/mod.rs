//! Layer 4: the tape format (`docs/tape-format.md`) on a sequential device.
//!
//! Knows label, segments, indexes and records; sees a
//! [`crate::drive::SequentialDevice`], never CDBs, changers or the catalog.
//!
//! [`segment::SegmentBuilder`] and [`tar`] are pure: bytes in, bytes out. [`append`],
//! [`read`] and [`scan`] move the tape.

pub mod append;
pub mod check;
mod error;
pub(crate) mod failure;
pub mod index;
pub mod label;
pub mod member;
pub mod read;
pub mod receipt;
pub mod resume;
pub mod scan;
pub mod segment;
pub mod tar;

pub use error::VolumeError;

/// The version of the tape format that this program writes, and the latest it reads.
pub const FORMAT: u32 = 1;
