//! What the benches and the soaks of the data path share.

pub mod fuse;
