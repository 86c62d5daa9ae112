//! What the benches and the soaks of the data path share.
#![allow(dead_code, reason = "each bench takes what it needs")]

pub mod fuse;
pub mod installation;
pub mod measure;
