//! Where on the tape a byte lies: wraps run from one end of the tape to the other and back.
//!
//! The capacity of a cartridge, however small it was made, is spread over all wraps of its
//! format, so that means of locate times stay those of the format.

use super::medium;
use crate::generation::Format;

/// Bands that the wraps are in.
const BANDS: u32 = 4;

/// A place on the tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Wrap, from 0. Even ones run away from the beginning of the tape.
    pub wrap: u32,
    /// Distance from the beginning of the tape, as a share of its length.
    pub along: f64,
}

/// The wraps of one cartridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Where each wrap ends, in bytes from the beginning of the first; never empty.
    ends: Vec<u64>,
    length_mm: u64,
}

impl Geometry {
    /// The wraps of a cartridge of `format` that holds `tape_bytes`; each is up to 1.5 % longer or
    /// shorter than the mean, as `seed` says.
    #[must_use]
    pub fn new(format: &Format, tape_bytes: u64, seed: u64) -> Self {
        let wraps = u64::from(format.wraps).max(1);
        let shares: Vec<f64> = (0..wraps)
            .map(|wrap| medium::wrap_share(seed, wrap))
            .collect();
        let whole: f64 = shares.iter().sum();
        let mut sum = 0.0;
        let ends = shares.iter().map(|share| {
            sum += share;
            (tape_bytes as f64 * (sum / whole)) as u64
        });
        Geometry {
            ends: ends.collect(),
            length_mm: u64::from(format.length_m) * 1000,
        }
    }

    /// Number of wraps.
    #[must_use]
    pub fn wraps(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Where each wrap ends, in bytes from the beginning of the first.
    #[must_use]
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// Length of the tape in millimetres.
    #[must_use]
    pub fn length_mm(&self) -> u64 {
        self.length_mm
    }

    /// Number of the band that `wrap` is in, in the order in which they are written.
    #[must_use]
    pub fn band(&self, wrap: u32) -> u32 {
        wrap * BANDS / self.wraps()
    }

    /// Where the byte at `position_bytes` from the beginning lies; behind the last wrap is its end.
    #[must_use]
    pub fn place(&self, position_bytes: u64) -> Place {
        let wrap = self.wrap_of(position_bytes);
        let start = wrap.checked_sub(1).map_or(0, |before| self.ends[before]);
        let length = (self.ends[wrap] - start).max(1);
        let share = (position_bytes - start) as f64 / length as f64;
        let share = share.min(1.0);
        Place {
            wrap: wrap as u32,
            along: if wrap.is_multiple_of(2) {
                share
            } else {
                1.0 - share
            },
        }
    }

    /// Where the tape turns next behind `position_bytes`; `u64::MAX` in the last wrap.
    #[must_use]
    pub fn next_turn(&self, position_bytes: u64) -> u64 {
        let wrap = self.wrap_of(position_bytes);
        if wrap + 1 == self.ends.len() {
            u64::MAX
        } else {
            self.ends[wrap]
        }
    }

    /// How far the tape runs from the beginning to `position_bytes`, over all wraps.
    #[must_use]
    pub fn run_mm(&self, position_bytes: u64) -> u64 {
        let whole = self.ends.last().copied().unwrap_or_default().max(1);
        let run = u128::from(position_bytes.min(whole)) * u128::from(self.length_mm);
        (run * self.ends.len() as u128 / u128::from(whole)) as u64
    }

    fn wrap_of(&self, position_bytes: u64) -> usize {
        let before = self.ends.partition_point(|end| *end <= position_bytes);
        before.min(self.ends.len() - 1)
    }
}
