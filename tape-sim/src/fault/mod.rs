//! Faults by script: `faults.json` of a library says what goes wrong, where and when.
//!
//! A rule waits for an occasion, a command or a block on the tape, and then has an effect. What
//! has happened so far is kept in a file, so that a rule that fires once does so once for all
//! processes. Chance is a number made from seed, rule and place: the same script on the same
//! library fails the same way. What is wrong with a cartridge for good stands in its `flaws.json`
//! and goes with it. Knows occasions and effects; what an effect does is the devices' matter.
//! `docs/sim-faults.md` is the user's view.

mod engine;
mod flaws;
mod script;

pub(crate) use engine::{Due, Faults, Occasion, Place, WRITE_COMMANDS};
pub use flaws::{Flaws, Spot, read_flaws, write_flaws};
pub use script::{Device, Effect, FaultScript, Rule, When};
pub(crate) use script::{clear, read, write};
