//! Layer 4: the tape format (`docs/tape-format.md`) on a sequential device.
//!
//! Knows label, segments, indexes and records; sees a
//! [`crate::drive::SequentialDevice`], never CDBs, changers or the catalog.

pub mod member;
