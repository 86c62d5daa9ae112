//! How long the tape takes from one place to another without recording or reading.

use super::geometry::{Geometry, Place};
use super::model::TapeMechanics;

/// Coefficients of the regression, in seconds.
const ANY: f64 = 4.29;
const OTHER_WRAP: f64 = 6.69;
const OTHER_BAND: f64 = 3.2;
const OTHER_HALF: f64 = -6.04;
const OTHER_DIRECTION: f64 = 5.22;
const BEHIND_IN_WRAP: f64 = 11.32;
/// No motion takes less.
const LEAST: f64 = 2.0;
/// A rewind takes this and the way.
const REWIND: f64 = 4.0;

/// A locate from `from` to `to`, in seconds; `deviation_s` is that of this locate from the mean.
#[must_use]
pub fn locate_s(
    mechanics: &TapeMechanics,
    geometry: &Geometry,
    from: Place,
    to: Place,
    deviation_s: f64,
) -> f64 {
    let if_so = |condition: bool, seconds: f64| if condition { seconds } else { 0.0 };
    let way = to.along - from.along;
    let same_wrap = from.wrap == to.wrap;
    let backwards = if from.wrap.is_multiple_of(2) {
        way < 0.0
    } else {
        way > 0.0
    };
    let seconds = ANY
        + if_so(!same_wrap, OTHER_WRAP)
        + if_so(
            geometry.band(from.wrap) != geometry.band(to.wrap),
            OTHER_BAND,
        )
        + if_so((from.along < 0.5) != (to.along < 0.5), OTHER_HALF)
        + if_so(from.wrap % 2 != to.wrap % 2, OTHER_DIRECTION)
        + if_so(same_wrap && backwards, BEHIND_IN_WRAP)
        + mechanics.locate_span_s * way.abs()
        + deviation_s;
    seconds.max(LEAST)
}

/// A rewind from `from` to the beginning of the tape, in seconds.
#[must_use]
pub fn rewind_s(mechanics: &TapeMechanics, from: Place) -> f64 {
    REWIND + mechanics.rewind_span_s * from.along
}
