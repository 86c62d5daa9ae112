//! Layer 4: the tape format (`docs/tape-format.md`) on a sequential device.
//!
//! Knows label, segments, indexes and records; sees a
//! [`crate::drive::SequentialDevice`], never CDBs, changers or the catalog.
//!
//! [`segment::SegmentBuilder`] and [`tar`] are pure: bytes in, bytes out. [`append`],
//! [`read`] and [`scan`] move the tape.

pub mod append;
pub mod backwards;
pub mod check;
mod error;
pub(crate) mod failure;
pub mod frames;
pub mod index;
pub(crate) mod json_bytes;
pub mod label;
pub mod member;
pub mod read;
pub mod receipt;
mod reread;
pub mod resume;
pub mod scan;
pub mod segment;
pub mod tar;

pub use error::VolumeError;

/// The version of the tape format that labels have, and segments that need no later one.
pub const FORMAT: u32 = 1;

/// The version of segments that may have open parts ([`member::Part::open`]), and the first of
/// compressed ones.
pub const FORMAT_OF_FRAMES: u32 = 2;

/// The version of segments of runs that archived changes alone, compressed and with open parts
/// or not.
pub const FORMAT_OF_CHANGES: u32 = 3;

/// The version of compressed segments whose indexes tell where each frame is, with open parts and
/// of runs that archived changes alone or not.
pub const FORMAT_OF_FRAME_LISTS: u32 = 4;

/// The latest version of segments that this program writes and reads.
pub const LATEST_SEGMENT_FORMAT: u32 = FORMAT_OF_FRAME_LISTS;
