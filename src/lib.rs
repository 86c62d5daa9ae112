#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]
//! Tapewright: archives data to LTO tape and gets it back decades later.
//!
//! The layers, lowest first; a module imports only lower ones (`tests/layering.rs`):
//!
//! | layer | module | knows |
//! |---|---|---|
//! | – | [`units`], [`monitor`], [`clock`], [`error_text`] | leaves, usable everywhere |
//! | – | [`access_order`] | how long a tape moves, in which order; a leaf, too |
//! | 1 | [`transport`] | bytes and sense, no meaning |
//! | 2 | [`scsi`] | pure codecs of CDBs and replies |
//! | 3 | [`drive`], [`changer`] | devices with typed outcomes; strangers to each other |
//! | 4 | [`volume`] | the tape format, on a sequential device |
//! | 5 | [`engine`] | archive, restore, verify, scan: plans in, receipts out |
//! | 6 | [`jobs`] | joins engine, library and catalog |
//!
//! `docs/architecture.md` is the code map.

pub mod access_order;
pub mod changer;
pub mod clock;
pub mod drive;
pub mod engine;
pub mod error_text;
pub mod jobs;
pub mod monitor;
pub mod scsi;
pub mod transport;
pub mod units;
pub mod volume;
