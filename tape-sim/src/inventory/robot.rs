//! The robot's time: which of its turns was when.
//!
//! Two hosts that each have a drive of their own are at different times, and the simulator hears
//! of what they do in any order. So the robot keeps its turns, and who is earlier than others gets
//! it between two of them, as if the moves had been asked for in the order of their times. Each
//! turn begins where the one before has left the robot; one that is put between two others leaves
//! it the time to go back to where the later one begins.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ElementType, Inventory};
use crate::clock::nanos;
use crate::physics::robot::{Place, travel_time};

/// So many turns are kept. What is before them cannot be changed any more.
const KEPT_TURNS: usize = 64;

/// The robot behind all of its turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Robot {
    /// Its time since the library was made, in nanoseconds.
    pub time_ns: u64,
    /// Address of the element before which it stands; 0: at home.
    pub at: u16,
}

/// One thing that the robot does without a pause, in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    begin_ns: u64,
    end_ns: u64,
    /// Addresses of the elements before which it stands at the beginning and at the end.
    from: u16,
    at: u16,
}

/// Its turns begin where it stood when it was first asked.
impl From<Robot> for Turn {
    fn from(robot: Robot) -> Turn {
        Turn {
            begin_ns: robot.time_ns,
            end_ns: robot.time_ns,
            from: robot.at,
            at: robot.at,
        }
    }
}

impl Inventory {
    /// The robot's time. Of what happens without the robot this is the best date there is.
    #[must_use]
    pub fn robot(&self) -> Robot {
        self.robot
    }

    /// When the last of its turns began, which may be under way.
    pub(crate) fn last_turn_ns(&self) -> u64 {
        let last = self.robot_turns.last();
        last.map_or(self.robot.time_ns, |turn| turn.begin_ns)
    }

    /// The robot works as soon as it can, not before `begin_ns`, and then stands before `at`.
    /// `takes` says how long that is from the place where it stood. Returns when it is done.
    pub(crate) fn robot_works(
        &mut self,
        begin_ns: u64,
        at: u16,
        takes: impl Fn(Place) -> Duration,
    ) -> u64 {
        if self.robot_turns.is_empty() {
            self.robot_turns.push(self.robot.into());
        }
        let turn = |free_ns: u64, from: u16| {
            let begin_ns = free_ns.max(begin_ns);
            let took_ns = nanos(takes(self.place_of(from)));
            Turn {
                begin_ns,
                end_ns: begin_ns.saturating_add(took_ns),
                from,
                at,
            }
        };
        let between = self.robot_turns.windows(2).enumerate();
        let mut fitting = between.filter_map(|(number, pair)| {
            let (before, behind) = (pair[0], pair[1]);
            let turn = turn(before.end_ns, before.at);
            let back_ns = nanos(self.way(at, behind.from));
            let is_back_ns = turn.end_ns.saturating_add(back_ns);
            (is_back_ns <= behind.begin_ns).then_some((number + 1, turn))
        });
        let (number, turn) = fitting.next().unwrap_or_else(|| {
            let last = turn(self.robot.time_ns, self.robot.at);
            (self.robot_turns.len(), last)
        });
        self.robot_turns.insert(number, turn);
        if turn.end_ns >= self.robot.time_ns {
            self.robot = Robot {
                time_ns: turn.end_ns,
                at,
            };
        }
        self.forget_old_turns();
        turn.end_ns
    }

    /// Keeps the last turns, and of the elements what was changed behind the first of them.
    fn forget_old_turns(&mut self) {
        let old = self.robot_turns.len().saturating_sub(KEPT_TURNS);
        self.robot_turns.drain(..old);
        let first_ns = self.robot_turns.first().map_or(0, |turn| turn.end_ns);
        self.changed_ns
            .retain(|_, changed_ns| *changed_ns > first_ns);
    }

    /// How long the robot takes from one element to another with empty hands.
    fn way(&self, from: u16, to: u16) -> Duration {
        let (from, to) = (self.place_of(from), self.place_of(to));
        travel_time(self.layout.slots, from, to)
    }

    /// Where an element is along the robot's way, from 0 to 1: drives and mail slots at one end.
    pub(crate) fn place_of(&self, address: u16) -> Place {
        match self.layout.element(address) {
            Some((ElementType::Storage, slot)) => {
                f64::from(slot + 1) / f64::from(self.layout.slots)
            }
            _ => 0.0,
        }
    }
}
