//! Where on the tape a byte lies: wraps run from one end of the tape to the other and back.

use std::f64::consts::FRAC_2_PI;

/// Bands that the wraps are in.
const BANDS: usize = 4;

/// A place on the tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Wrap, from 0. Even ones run away from the beginning of the tape.
    pub wrap: usize,
    /// Which quarter of the wraps that is.
    pub band: usize,
    /// Distance from the beginning of the tape, as a share of its length.
    pub along: f64,
}

/// How far a wrap's length is from the mean of its cartridge: the standard deviation, as a share.
/// An estimate.
const WRAP_DEVIATION: f64 = 0.009;

/// The wraps of one cartridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Where each wrap ends, in bytes from the beginning of the first; never empty.
    ends: Vec<u64>,
    /// Standard deviation of the length of a wrap, as a share; 0 where the ends are known.
    deviation: f64,
}

impl Geometry {
    /// Wraps of one length each, as far as nobody has told more of the cartridge.
    #[must_use]
    pub fn even(wraps: u32, capacity_bytes: u64) -> Geometry {
        let wraps = u128::from(wraps.max(1));
        let end = |wrap| u128::from(capacity_bytes) * wrap / wraps;
        Geometry {
            ends: (1..=wraps).map(|wrap| end(wrap) as u64).collect(),
            deviation: WRAP_DEVIATION,
        }
    }

    /// The wraps as the drive tells of them; `None` if these are no ends of wraps.
    #[must_use]
    pub fn of_ends(ends_bytes: Vec<u64>) -> Option<Geometry> {
        let fits = !ends_bytes.is_empty() && ends_bytes.is_sorted();
        fits.then_some(Geometry {
            ends: ends_bytes,
            deviation: 0.0,
        })
    }

    /// The wraps of a tape of which those are known that are written to their end, by where they
    /// end; the others of `wraps` are taken to be as long as these are on average. `None` if
    /// nothing is known, or these are no ends of wraps.
    #[must_use]
    pub fn of_written(mut ends_bytes: Vec<u64>, wraps: u32) -> Option<Geometry> {
        let (known, written_bytes) = (ends_bytes.len() as u64, *ends_bytes.last()?);
        let end = |wrap: u64| u128::from(written_bytes) * u128::from(wrap) / u128::from(known);
        let others = known + 1..=u64::from(wraps);
        ends_bytes.extend(others.map(|wrap| end(wrap).try_into().unwrap_or(u64::MAX)));
        Geometry::of_ends(ends_bytes).filter(|_| written_bytes > 0)
    }

    /// Bytes that all wraps take.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Where the byte at `position_bytes` from the beginning lies; behind the last wrap is its end.
    #[must_use]
    pub fn place(&self, position_bytes: u64) -> Place {
        let wrap = self.wrap_of(position_bytes);
        let begin = wrap.checked_sub(1).map_or(0, |before| self.ends[before]);
        let length = (self.ends[wrap] - begin).max(1);
        let share = (position_bytes - begin) as f64 / length as f64;
        let share = share.min(1.0);
        Place {
            wrap,
            band: wrap * BANDS / self.ends.len(),
            along: match wrap.is_multiple_of(2) {
                true => share,
                false => 1.0 - share,
            },
        }
    }

    /// The way along the tape between two places, as a share of its length: what is to be expected
    /// of it, since where the wraps of a cartridge end is not known to a few hundredths. Places on
    /// wraps that run alike err alike, so that less of the way between them is in doubt.
    #[must_use]
    pub fn way(&self, from: Place, to: Place) -> f64 {
        let way = to.along - from.along;
        if self.deviation == 0.0 {
            return way.abs();
        }
        let wraps = self.ends.len() as f64;
        // Ends of wraps err as sums of what their wraps err, the end of the tape not at all.
        let (low, high) = (from.wrap.min(to.wrap), from.wrap.max(to.wrap));
        let shared = |low: usize, high: usize| {
            let (low, high) = (low as f64 + 0.5, high as f64 + 0.5);
            low * (1.0 - high / wraps)
        };
        let alike = match (high - low).is_multiple_of(2) {
            true => 1.0,
            false => -1.0,
        };
        let steps = shared(low, low) + shared(high, high) - 2.0 * alike * shared(low, high);
        let variance = self.deviation * self.deviation * steps.max(0.0);
        // Close to the mean of the absolute value, and equal to it at both ends.
        (way * way + FRAC_2_PI * variance).sqrt()
    }

    /// How often the tape turns between two positions.
    #[must_use]
    pub fn turns(&self, from_bytes: u64, to_bytes: u64) -> usize {
        self.wrap_of(to_bytes)
            .saturating_sub(self.wrap_of(from_bytes))
    }

    fn wrap_of(&self, position_bytes: u64) -> usize {
        let before = self.ends.partition_point(|end| *end <= position_bytes);
        before.min(self.ends.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_run_there_and_back() {
        let geometry = Geometry::even(8, 800);
        for (position, wrap, band, along) in [
            (0, 0, 0, 0.0),
            (25, 0, 0, 0.25),
            (100, 1, 0, 1.0),
            (175, 1, 0, 0.25),
            (200, 2, 1, 0.0),
            (799, 7, 3, 0.01),
            (800, 7, 3, 0.0),
            (9_999, 7, 3, 0.0),
        ] {
            let place = geometry.place(position);
            assert_eq!((place.wrap, place.band), (wrap, band), "{position}");
            assert!((place.along - along).abs() < 1e-9, "{position}: {place:?}");
        }
        assert_eq!(geometry.turns(99, 100), 1);
        assert_eq!(geometry.turns(300, 99), 0);
    }

    #[test]
    fn ends_of_wraps_come_from_the_drive_or_not_at_all() {
        assert!(Geometry::of_ends(Vec::new()).is_none());
        assert!(Geometry::of_ends(vec![100, 90]).is_none());
        let told = Geometry::of_ends(vec![90, 200]).unwrap();
        assert_eq!(told.capacity_bytes(), 200);
        assert_eq!(told.place(95).wrap, 1);
    }

    #[test]
    fn wraps_that_are_not_written_are_as_long_as_those_that_are() {
        for (ends, wraps, expected) in [
            (vec![], 4, None),
            (vec![0], 4, None),
            (vec![100, 90], 4, None),
            (vec![90, 200], 4, Some(vec![90, 200, 300, 400])),
            // More than the format was thought to have.
            (vec![90, 200], 1, Some(vec![90, 200])),
            (vec![u64::MAX], 2, Some(vec![u64::MAX, u64::MAX])),
        ] {
            let found = Geometry::of_written(ends.clone(), wraps);
            assert_eq!(found.map(|found| found.ends), expected, "{ends:?}");
        }
    }
}
