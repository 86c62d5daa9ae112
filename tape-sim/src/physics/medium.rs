//! What differs from cartridge to cartridge: each has a seed, and from it its peculiarities.

use std::time::Duration;

const OPTIMIZATION_LEAST_S: f64 = 1200.0;
const OPTIMIZATION_SPAN_S: f64 = 6000.0;

/// How long a drive measures a new LTO-9 cartridge of `seed`: 20 minutes to 2 hours, 40 minutes
/// on average.
#[must_use]
pub fn optimization(seed: u64) -> Duration {
    // The mean of the fourth power of a uniform number is a fifth.
    let share = uniform(seed, &[OPTIMIZATION_SALT]).powi(4);
    let whole_s = (OPTIMIZATION_LEAST_S + OPTIMIZATION_SPAN_S * share).round();
    Duration::from_secs_f64(whole_s)
}

const OPTIMIZATION_SALT: u64 = 1;
const WRAP_SALT: u64 = 2;
const LOCATE_SALT: u64 = 3;
const WRAP_DEVIATION: f64 = 0.015;
const LOCATE_DEVIATION_S: f64 = 2.0;

/// What `wrap` holds, as a share of a mean wrap: 0.985 to 1.015.
#[must_use]
pub fn wrap_share(seed: u64, wrap: u64) -> f64 {
    1.0 + WRAP_DEVIATION * spread(seed, &[WRAP_SALT, wrap])
}

/// How far a locate's time is from the mean: up to two seconds either way. `about` is where from,
/// where to and which motion since the cartridge was loaded.
#[must_use]
pub fn locate_deviation_s(seed: u64, about: [u64; 3]) -> f64 {
    let [from, to, motion] = about;
    LOCATE_DEVIATION_S * spread(seed, &[LOCATE_SALT, from, to, motion])
}

/// As [`uniform`], from −1 to 1.
fn spread(seed: u64, about: &[u64]) -> f64 {
    2.0 * uniform(seed, about) - 1.0
}

/// A number from 0 to 1 that depends on nothing but `seed` and `about` (splitmix64).
pub(super) fn uniform(seed: u64, about: &[u64]) -> f64 {
    let mixed = about
        .iter()
        .fold(mix(seed), |state, part| mix(state ^ mix(*part)));
    // 53 bits fit a double's fraction.
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
