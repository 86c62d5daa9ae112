//! How long the robot takes: to the cartridge, out, to the other place, in.

use std::time::Duration;

/// What a robot of one size takes.
struct RobotModel {
    /// Slots of the largest library that has it.
    most_slots: u16,
    /// Taking a cartridge or putting it down.
    grip: Duration,
    /// From one end of the library to the other.
    travel: Duration,
}

/// Autoloaders exchange in 26 s; libraries of many frames move in 10 to 15 s. Between them
/// estimates.
const ROBOTS: [RobotModel; 3] = [
    RobotModel {
        most_slots: 10,
        grip: Duration::from_secs(4),
        travel: Duration::from_secs(8),
    },
    RobotModel {
        most_slots: 300,
        grip: Duration::from_secs(6),
        travel: Duration::from_secs(12),
    },
    RobotModel {
        most_slots: u16::MAX,
        grip: Duration::from_secs(4),
        travel: Duration::from_secs(6),
    },
];

/// Looking at one label, or finding that there is none: an estimate.
const LOOK: Duration = Duration::from_secs(1);

/// Where an element is along the robot's way, from 0 to 1.
pub type Place = f64;

/// The robot stands at `at` and brings a cartridge from `from` to `to`, in a library of `slots`
/// slots.
#[must_use]
pub fn move_time(slots: u16, at: Place, from: Place, to: Place) -> Duration {
    let model = model(slots);
    let way = (at - from).abs() + (from - to).abs();
    model.grip * 2 + model.travel.mul_f64(way.clamp(0.0, 2.0))
}

/// The robot goes from `at` to `to` with empty hands.
#[must_use]
pub fn travel_time(slots: u16, at: Place, to: Place) -> Duration {
    model(slots).travel.mul_f64((at - to).abs().clamp(0.0, 1.0))
}

/// The robot goes from `at` to `from` and on to `to`, and looks at `elements` on the way.
#[must_use]
pub fn scan_time(slots: u16, at: Place, from: Place, to: Place, elements: u32) -> Duration {
    let way = (at - from).abs() + (from - to).abs();
    model(slots).travel.mul_f64(way.clamp(0.0, 2.0)) + LOOK * elements
}

fn model(slots: u16) -> &'static RobotModel {
    let fits = ROBOTS.iter().find(|model| slots <= model.most_slots);
    fits.expect("the last model has no limit")
}
