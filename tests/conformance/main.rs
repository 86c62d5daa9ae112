//! What devices have to do for us, and what we make of it where they do not.
//!
//! One suite for the simulator and for hardware: it runs against a simulated drive by
//! default. To run it against a real one, with a scratch tape that it **overwrites**:
//!
//! ```sh
//! TAPEWRIGHT_TEST_DRIVE=/dev/sg3 cargo test --test conformance -- --ignored
//! ```

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is missing"
)]

mod bench;
mod changer;
mod drive;
mod faults;
