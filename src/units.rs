//! Numbers with their units: block addresses, tape files, byte sizes.
//!
//! Knows nothing of devices. A number that crosses a layer has a type or a unit in its name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Address of a logical object (a block or a filemark) from the beginning of the
/// partition, as READ POSITION and LOCATE count: filemarks count as one each.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockAddress(pub u64);

impl BlockAddress {
    /// The address `blocks` objects further on.
    #[must_use]
    pub fn plus(self, blocks: u64) -> Self {
        Self(self.0 + blocks)
    }
}

impl fmt::Display for BlockAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a tape file: how many filemarks lie before it. The label is file 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TapeFile(pub u64);

impl fmt::Display for TapeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A size in bytes, read and written as people do: `64MiB`, `32GiB`, `18TB`, `4096`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 13] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
];

/// A text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; write a whole number with a unit, such as 64MiB, 32GiB or 18TB")]
pub struct NotASize(pub String);

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let error = || NotASize(text.to_owned());
        let text_trimmed = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, factor)| Some((text_trimmed.strip_suffix(name)?, *factor)))
            .unwrap_or((text_trimmed, 1));
        let number: u64 = number.trim().parse().map_err(|_| error())?;
        number.checked_mul(unit).map(ByteSize).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    /// Three digits in decimal units, as tape capacities are sold: `18.0 TB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
        let bytes = self.0 as f64;
        match decimal.iter().find(|(_, factor)| bytes >= 0.9995 * factor) {
            None => f.pad(&format!("{} B", self.0)),
            Some((unit, factor)) => {
                let value = bytes / factor;
                let digits = if value < 9.995 {
                    2
                } else {
                    usize::from(value < 99.95)
                };
                f.pad(&format!("{value:.digits$} {unit}"))
            }
        }
    }
}

/// A span of time as people write it: `90s`, `10m`, `6h`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub Duration);

/// A text that is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a span of time; write a whole number with a unit, such as 90s, 10m or 6h")]
pub struct NotATimeSpan(pub String);

impl FromStr for TimeSpan {
    type Err = NotATimeSpan;

    fn from_str(text: &str) -> Result<Self, NotATimeSpan> {
        let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
        let seconds = units.iter().find_map(|(unit, factor)| {
            let number: u64 = text.trim().strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*factor).filter(|&seconds| seconds > 0)
        });
        seconds
            .map(|seconds| TimeSpan(Duration::from_secs(seconds)))
            .ok_or_else(|| NotATimeSpan(text.to_owned()))
    }
}

impl fmt::Display for TimeSpan {
    /// With the two greatest units, the second of them only where it counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        let text = match (days, hours, minutes) {
            (0, 0, 0) => return f.pad(&format!("{seconds} s")),
            (0, 0, _) => two((minutes, "min"), (seconds, "s")),
            (0, ..) => two((hours, "h"), (minutes, "min")),
            _ => two((days, "d"), (hours, "h")),
        };
        f.pad(&text)
    }
}

fn two((great, unit): (u64, &str), (small, small_unit): (u64, &str)) -> String {
    match small {
        0 => format!("{great} {unit}"),
        _ => format!("{great} {unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_shown_with_their_two_greatest_units() {
        for (text, shown) in [
            ("59s", "59 s"),
            ("60s", "1 min"),
            ("61s", "1 min 1 s"),
            ("90m", "1 h 30 min"),
            ("24h", "1 d"),
            ("26h", "1 d 2 h"),
            ("50h", "2 d 2 h"),
            ("366d", "366 d"),
        ] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn spans_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("6 h", 21_600), ("2d", 172_800)] {
            assert_eq!(
                text.parse(),
                Ok(TimeSpan(Duration::from_secs(seconds))),
                "{text}"
            );
        }
        for text in [
            "",
            "90",
            "s",
            "-1s",
            "0s",
            "1.5h",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64MiB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("2G", 2 << 30),
            ("18TB", 18_000_000_000_000),
            ("0B", 0),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "99999999TiB", "12 parsecs"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.00 kB"),
            (52_400_000, "52.4 MB"),
            (999_900_000, "1.00 GB"),
            (18_000_000_000_000, "18.0 TB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}
