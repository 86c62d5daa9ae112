//! The moments at which a job is killed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Point {
    /// At the nth command to any device.
    Command {
        nth: u64,
        /// Executed, and the job does not hear of it.
        after: bool,
        /// The drive's buffer is lost; otherwise it reaches the tape.
        power_cut: bool,
    },
    /// At the nth thing that is done to the ledger or an entry file; `when` as in `syscalls.c`.
    Catalog { nth: u64, when: String },
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Command {
                nth,
                after,
                power_cut,
            } => {
                let when = if *after { "after" } else { "before" };
                let buffer = if *power_cut { "lost" } else { "kept" };
                write!(f, "{when} command {nth}, buffer {buffer}")
            }
            Point::Catalog { nth, when } => write!(f, "{when} catalog operation {nth}"),
        }
    }
}

/// Every moment of a job that sent so many commands and did this to the catalog.
pub fn all(commands: u64, operations: &[String]) -> Vec<Point> {
    let mut points = Vec::new();
    for nth in 1..=commands {
        for after in [false, true] {
            for power_cut in [false, true] {
                points.push(Point::Command {
                    nth,
                    after,
                    power_cut,
                });
            }
        }
    }
    for (nth, operation) in (1..).zip(operations) {
        let torn = operation.starts_with("write").then_some("torn");
        for when in ["before", "after", "unsynced"].into_iter().chain(torn) {
            let when = when.to_owned();
            points.push(Point::Catalog { nth, when });
        }
    }
    // The host loses power when all is said to be done.
    points.push(Point::Catalog {
        nth: operations.len() as u64 + 1,
        when: "unsynced".to_owned(),
    });
    points
}
