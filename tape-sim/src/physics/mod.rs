//! How long the mechanics of drives, tapes and robots take.
//!
//! Figures are data of the generation (`model`), their sources are in `docs/sim-physics.md`.
//! Nothing here knows CDBs, files or a particular library; all is a function of its arguments.

pub mod deck;
pub mod geometry;
pub mod medium;
pub mod model;
pub mod motion;
pub mod robot;
pub mod stream;
