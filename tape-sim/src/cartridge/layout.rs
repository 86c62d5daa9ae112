//! How a tape is divided into partitions: wrap by wrap, as LTO does it.
//!
//! A partition has whole pairs of wraps, so that it begins and ends at the beginning of the tape.
//! Between two partitions lie guard wraps, which hold nothing. Figures: IBM LTO Ultrium SCSI
//! reference, table of partition sizes. Knows no mode page and no file.

use serde::{Deserialize, Serialize};

use super::MIN_CAPACITY_BYTES;
use crate::generation::Format;

/// What the host wants, by the three methods of mode page 11h.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Division {
    /// FDP: all for partition 0 but the least possible for partition 1.
    Fixed,
    /// SDP: this many partitions of the same size, the last takes what is left over.
    Equal {
        /// Partitions, at least 1.
        count: u8,
    },
    /// IDP: sizes in bytes, rounded up; at most one `None`, which gets the rest. Without
    /// one the sizes have to use the tape up.
    Sizes {
        /// In the order of partitions, at least one.
        sizes_bytes: Vec<Option<u64>>,
    },
}

impl Division {
    /// Partitions that it makes.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Division::Fixed => 2,
            Division::Equal { count } => usize::from(*count),
            Division::Sizes { sizes_bytes } => sizes_bytes.len(),
        }
    }
}

/// Capacities in bytes of the partitions of a tape that holds `tape_bytes` in one; `None` if the
/// tape cannot be divided so.
#[must_use]
pub fn divide(format: &Format, tape_bytes: u64, division: &Division) -> Option<Vec<u64>> {
    let count = division.count() as u64;
    if count == 0 || count > u64::from(format.max_partitions) {
        return None;
    }
    if count == 1 {
        return Some(vec![tape_bytes]);
    }
    if matches!(division, Division::Equal { .. }) && format.guarded_by_bands(count) {
        return Some(vec![tape_bytes / count; count as usize]);
    }
    let pairs = u64::from(format.wraps / 2);
    let guard = u64::from(format.guard_wraps / 2) * (count - 1);
    let total = pairs.checked_sub(guard)?;
    let pair_bytes = (tape_bytes / pairs).max(1);
    // Small simulated tapes have small wraps, but a block has to fit.
    let least = MIN_CAPACITY_BYTES.div_ceil(pair_bytes).max(1);
    let mut shares = match division {
        Division::Fixed => vec![None, Some(least)],
        Division::Equal { count } => {
            let mut shares = vec![Some(total / u64::from(*count)); usize::from(*count) - 1];
            shares.push(None);
            shares
        }
        Division::Sizes { sizes_bytes } => sizes_bytes
            .iter()
            .map(|size| size.map(|bytes| bytes.div_ceil(pair_bytes).max(least)))
            .collect(),
    };
    let mut taken = 0u64;
    for share in shares.iter().flatten() {
        taken = taken.checked_add(*share)?;
    }
    let rest = total.checked_sub(taken)?;
    let unsized_shares = shares.iter().filter(|share| share.is_none()).count();
    if unsized_shares > 1 || unsized_shares == 0 && rest != 0 {
        return None;
    }
    shares
        .iter_mut()
        .map(|share| share.unwrap_or(rest))
        .map(|share| (share >= least).then_some(share * pair_bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cartridge::MB;
    use crate::generation::{FORMATS, format_by_density};

    const GB: u64 = 1000 * MB;

    fn native(density: u8, division: &Division) -> Option<Vec<u64>> {
        let format = format_by_density(density).unwrap();
        divide(format, u64::from(format.native_mb) * MB, division)
    }

    fn sizes(sizes: &[u64]) -> Division {
        // 0 stands for the rest.
        let sizes_bytes = sizes
            .iter()
            .map(|gb| (*gb > 0).then_some(gb * GB))
            .collect();
        Division::Sizes { sizes_bytes }
    }

    #[test]
    fn capacities_are_those_of_ibms_tables() {
        // Density, method, count; sum of all partitions and the smallest in units of 10 MB.
        let cases: [(u8, Division, u64, u64); 9] = [
            (0x58, sizes(&[1, 0]), 146_250, 3_750),
            (0x58, Division::Fixed, 146_250, 3_750),
            (0x5A, sizes(&[1, 1, 0]), 242_647, 3_676),
            (0x5C, sizes(&[0, 1, 1, 1]), 567_857, 10_714),
            (0x5D, sizes(&[1, 0]), 889_285, 10_714),
            (0x5E, sizes(&[1, 0]), 1_188_461, 11_538),
            (0x60, sizes(&[1, 0]), 1_774_285, 12_857),
            (0x60, Division::Equal { count: 3 }, 1_748_571, 578_571),
            (0x60, Division::Equal { count: 4 }, 1_800_000, 450_000),
        ];
        for (density, division, sum, least) in cases {
            let made = native(density, &division).unwrap();
            let ten_mb = |bytes: u64| bytes / (10 * MB);
            assert_eq!(ten_mb(made.iter().sum()), sum, "{density:02X} {division:?}");
            assert_eq!(
                ten_mb(*made.iter().min().unwrap()),
                least,
                "{density:02X} {division:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let whole: Vec<u64> = native(0x60, &sizes(&[100, 0])).unwrap();
        let exact = Division::Sizes {
            sizes_bytes: whole.iter().map(|bytes| Some(*bytes)).collect(),
        };
        assert_eq!(native(0x60, &exact), Some(whole));
        let refused = [
            (0x58, sizes(&[1, 1, 0])),
            (0x60, sizes(&[0, 0])),
            (0x60, sizes(&[100, 100])),
            (0x60, sizes(&[18_000, 0])),
            (0x60, sizes(&[])),
            (0x60, sizes(&[u64::MAX / GB, u64::MAX / GB])),
            (0x46, Division::Fixed),
        ];
        for (density, division) in refused {
            assert_eq!(
                native(density, &division),
                None,
                "{density:02X} {division:?}"
            );
        }
        // A tape of one block has no room for two partitions.
        let format = format_by_density(0x60).unwrap();
        assert_eq!(divide(format, MIN_CAPACITY_BYTES, &sizes(&[1, 0])), None);
        assert!(FORMATS.iter().all(|format| format.wraps % 2 == 0));
    }
}
