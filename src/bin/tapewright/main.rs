//! The command line of Tapewright.
fn main() {}
