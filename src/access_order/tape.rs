//! How long one tape takes to move from place to place, and to be read.

use super::geometry::{Geometry, Place};
use super::mechanics::Mechanics;

/// Coefficients of the regression for a locate, in seconds (`docs/restore.md`).
const ANY: f64 = 4.29;
const OTHER_WRAP: f64 = 6.69;
const OTHER_BAND: f64 = 3.2;
const OTHER_HALF: f64 = -6.04;
const OTHER_DIRECTION: f64 = 5.22;
const BEHIND_IN_WRAP: f64 = 11.32;
/// No locate takes less.
pub(super) const LEAST_LOCATE_S: f64 = 2.0;
/// A rewind takes this and the way.
const REWIND_S: f64 = 4.0;
/// A turn at the end of a wrap.
const TURN_S: f64 = 2.0;

/// How the tape gets to where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// The drive is told to go there.
    Locate,
    /// What lies between is read and thrown away; there may be nothing.
    ReadOn,
}

/// One cartridge in a drive. Positions are in bytes from the beginning of the tape.
#[derive(Debug, Clone)]
pub struct Tape {
    mechanics: Mechanics,
    geometry: Geometry,
    turn_s: f64,
}

impl Tape {
    /// A cartridge of `capacity_bytes`, of which no more is known than its generation.
    #[must_use]
    pub fn new(mechanics: Mechanics, capacity_bytes: u64) -> Tape {
        let geometry = Geometry::even(mechanics.wraps, capacity_bytes);
        Tape::with_geometry(mechanics, geometry)
    }

    /// A cartridge whose wraps are known.
    #[must_use]
    pub fn with_geometry(mechanics: Mechanics, geometry: Geometry) -> Tape {
        // A cartridge that was made smaller than its format turns as often for less.
        let share = geometry.capacity_bytes() as f64 / mechanics.native_bytes as f64;
        Tape {
            turn_s: TURN_S * share.min(1.0),
            mechanics,
            geometry,
        }
    }

    /// The figures of drive and generation.
    #[must_use]
    pub fn mechanics(&self) -> &Mechanics {
        &self.mechanics
    }

    /// A locate, in seconds. The place where the tape stands costs nothing.
    #[must_use]
    pub fn locate_s(&self, from_bytes: u64, to_bytes: u64) -> f64 {
        match to_bytes {
            _ if from_bytes == to_bytes => 0.0,
            0 => self.rewind_s(from_bytes),
            _ => self.between_s(
                self.geometry.place(from_bytes),
                self.geometry.place(to_bytes),
            ),
        }
    }

    /// The quicker way to `to_bytes`, and what it takes in seconds.
    #[must_use]
    pub fn approach(&self, from_bytes: u64, to_bytes: u64) -> (Approach, f64) {
        let located_s = self.locate_s(from_bytes, to_bytes);
        if to_bytes < from_bytes {
            return (Approach::Locate, located_s);
        }
        let read_s = self.read_s(from_bytes, to_bytes);
        match read_s <= located_s {
            true => (Approach::ReadOn, read_s),
            false => (Approach::Locate, located_s),
        }
    }

    /// Reading from one position to another at the native speed, turns included, in seconds.
    #[must_use]
    pub fn read_s(&self, begin_bytes: u64, end_bytes: u64) -> f64 {
        let bytes = end_bytes.saturating_sub(begin_bytes) as f64;
        let turns = self.geometry.turns(begin_bytes, end_bytes) as f64;
        bytes / self.mechanics.native_bytes_s + turns * self.turn_s
    }

    /// A rewind, in seconds.
    #[must_use]
    pub fn rewind_s(&self, from_bytes: u64) -> f64 {
        match from_bytes {
            0 => 0.0,
            _ => {
                let along = self.geometry.place(from_bytes).along;
                REWIND_S + self.mechanics.rewind_span_s * along
            }
        }
    }

    /// Unloading a rewound tape on which `used_bytes` have been written, in seconds.
    #[must_use]
    pub fn unload_s(&self, used_bytes: u64) -> f64 {
        let capacity = self.geometry.capacity_bytes().max(1);
        let thirds = (u128::from(used_bytes) * 3).div_ceil(u128::from(capacity));
        self.mechanics.unload_s + self.mechanics.unthread_s * thirds.min(3) as f64
    }

    fn between_s(&self, from: Place, to: Place) -> f64 {
        let if_so = |condition: bool, seconds: f64| if condition { seconds } else { 0.0 };
        let way = to.along - from.along;
        let same_wrap = from.wrap == to.wrap;
        let is_even = from.wrap.is_multiple_of(2);
        let is_behind = if is_even { way < 0.0 } else { way > 0.0 };
        let seconds = ANY
            + if_so(!same_wrap, OTHER_WRAP)
            + if_so(from.band != to.band, OTHER_BAND)
            + if_so((from.along < 0.5) != (to.along < 0.5), OTHER_HALF)
            + if_so(is_even != to.wrap.is_multiple_of(2), OTHER_DIRECTION)
            + if_so(same_wrap && is_behind, BEHIND_IN_WRAP)
            + self.mechanics.locate_span_s * self.geometry.way(from, to);
        seconds.max(LEAST_LOCATE_S)
    }
}
