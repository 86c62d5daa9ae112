//! The changer as hosts see it: element status, moves, unit attentions, several handles.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod attention;
mod moves;
mod operator;
mod random;
mod sharing;
mod status;
mod support;
mod tags;
mod turns;
