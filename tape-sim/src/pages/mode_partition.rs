//! Mode page 11h, medium partition (SSC-4 §8.5.5): what FORMAT MEDIUM will make of the tape.
//!
//! The page shows a host's plan until it is carried out, the next medium comes or the capacity is
//! scaled; otherwise it shows how the mounted medium is divided. It has a size field for each
//! partition that the format can hold.

use serde::{Deserialize, Serialize};

use super::mode_tape::MountedMedium;
use crate::cartridge::MB;
use crate::cartridge::layout::{Division, divide};
use crate::generation::format_by_density;
use crate::target::be16;

/// Offsets in the body, which lacks the page's two header bytes.
const MAX_ADDITIONAL_AT: usize = 0;
const ADDITIONAL_AT: usize = 1;
const METHOD_AT: usize = 2;
const RECOGNITION_AT: usize = 3;
const UNITS_AT: usize = 4;
const SIZES_AT: usize = 6;

const FDP: u8 = 0x80;
const SDP: u8 = 0x40;
const IDP: u8 = 0x20;
const METHOD: u8 = FDP | SDP | IDP;
/// Unit of the sizes: bytes, kB, MB or 10 to the power of PARTITION UNITS.
const PSUM: u8 = 0x18;
const PSUM_POWER_OF_TEN: u8 = 3;
/// POFM: only FORMAT MEDIUM divides the tape.
const ON_FORMAT: u8 = 0x04;
const CLEAR_AND_ADD: u8 = 0x03;
const UNITS: u8 = 0x0F;
/// Medium format recognition: format and partition.
const FORMAT_RECOGNITION: u8 = 0x03;
const THE_REST: u16 = 0xFFFF;

/// What a host has sent in page 11h.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionPlan {
    /// How FORMAT MEDIUM is to divide the tape.
    pub division: Division,
    /// PSUM, 0 to 3.
    pub unit: u8,
    /// PARTITION UNITS, 0 to 15.
    pub power: u8,
}

/// The body of the page, without its header.
#[must_use]
pub fn body(plan: Option<&PartitionPlan>, medium: &MountedMedium) -> Vec<u8> {
    let made = plan.and_then(|plan| divided(&plan.division, medium));
    let sizes_bytes = match (plan, made) {
        (_, Some(made)) => made,
        (Some(plan), None) => asked(&plan.division),
        (None, None) => medium
            .partition_mb
            .iter()
            .map(|mb| u64::from(*mb) * MB)
            .collect(),
    };
    let (unit, power) = match plan {
        Some(plan) => (plan.unit, plan.power),
        None => (PSUM_POWER_OF_TEN, readable_power(&sizes_bytes)),
    };
    let method = match plan.map(|plan| &plan.division) {
        Some(Division::Fixed) => FDP,
        Some(Division::Equal { .. }) => SDP,
        Some(Division::Sizes { .. }) => IDP,
        None if sizes_bytes.len() > 1 => IDP,
        None => 0,
    };
    let slots = usize::from(medium.max_partitions.max(1)).max(sizes_bytes.len());
    let mut body = vec![0; SIZES_AT + 2 * slots];
    body[MAX_ADDITIONAL_AT] = medium.max_partitions.saturating_sub(1);
    body[ADDITIONAL_AT] = sizes_bytes.len().saturating_sub(1) as u8;
    body[METHOD_AT] = method | unit << 3 | ON_FORMAT;
    body[RECOGNITION_AT] = FORMAT_RECOGNITION;
    body[UNITS_AT] = power;
    for (field, bytes) in body[SIZES_AT..].chunks_exact_mut(2).zip(&sizes_bytes) {
        let units = u16::try_from(bytes / unit_bytes(unit, power)).unwrap_or(THE_REST - 1);
        field.copy_from_slice(&units.to_be_bytes());
    }
    body
}

/// Takes the body of a page that a host sent apart. `None`: no method is chosen, and the medium
/// is divided as the page says already.
///
/// # Errors
///
/// The offset in `body` of the first field that cannot be.
pub fn parse(body: &[u8], medium: &MountedMedium) -> Result<Option<PartitionPlan>, usize> {
    let flags = body[METHOD_AT];
    let additional = body[ADDITIONAL_AT];
    if flags & CLEAR_AND_ADD != 0 || flags & ON_FORMAT == 0 {
        return Err(METHOD_AT);
    }
    if additional > medium.max_partitions.saturating_sub(1) {
        return Err(ADDITIONAL_AT);
    }
    let (unit, power) = ((flags & PSUM) >> 3, body[UNITS_AT] & UNITS);
    let division = match flags & METHOD {
        FDP => Division::Fixed,
        SDP => Division::Equal {
            count: additional + 1,
        },
        IDP => Division::Sizes {
            sizes_bytes: sizes(body, additional, unit_bytes(unit, power))?,
        },
        0 if usize::from(additional) + 1 == medium.partition_mb.len().max(1) => return Ok(None),
        0 => return Err(ADDITIONAL_AT),
        _ => return Err(METHOD_AT),
    };
    if medium.density != 0 && divided(&division, medium).is_none() {
        return Err(SIZES_AT);
    }
    Ok(Some(PartitionPlan {
        division,
        unit,
        power,
    }))
}

/// True for a body that is long enough for what it announces and no longer than the drive's.
#[must_use]
pub fn has_right_length(body: &[u8], medium: &MountedMedium) -> bool {
    let most = SIZES_AT + 2 * usize::from(medium.max_partitions.max(1));
    let fields = body
        .get(ADDITIONAL_AT)
        .map_or(0, |more| usize::from(*more) + 1);
    let least = if body.get(METHOD_AT).is_some_and(|flags| flags & IDP != 0) {
        SIZES_AT + 2 * fields
    } else {
        SIZES_AT
    };
    (least.min(most)..=most).contains(&body.len())
}

fn sizes(body: &[u8], additional: u8, unit_bytes: u64) -> Result<Vec<Option<u64>>, usize> {
    let fields = body[SIZES_AT..].chunks_exact(2).map(|field| be16(field, 0));
    fields
        .take(usize::from(additional) + 1)
        .enumerate()
        .map(|(number, units)| match units {
            THE_REST => Ok(None),
            // One partition without a size has the tape for itself.
            0 if additional == 0 => Ok(None),
            0 => Err(SIZES_AT + 2 * number),
            _ => Ok(Some(u64::from(units).saturating_mul(unit_bytes))),
        })
        .collect()
}

fn divided(division: &Division, medium: &MountedMedium) -> Option<Vec<u64>> {
    divide(
        format_by_density(medium.density)?,
        medium.usable_bytes,
        division,
    )
}

/// The sizes as asked for, while there is no medium to try them on.
fn asked(division: &Division) -> Vec<u64> {
    match division {
        Division::Sizes { sizes_bytes } => {
            let asked = sizes_bytes.iter().map(|size| size.unwrap_or(u64::MAX));
            asked.collect()
        }
        other => vec![0; other.count()],
    }
}

fn unit_bytes(unit: u8, power: u8) -> u64 {
    let power = if unit == PSUM_POWER_OF_TEN {
        u32::from(power)
    } else {
        3 * u32::from(unit)
    };
    10u64.pow(power)
}

/// GB, as LTO drives count; MB for simulated tapes that are too small for it.
fn readable_power(sizes_bytes: &[u64]) -> u8 {
    if !sizes_bytes.is_empty() && sizes_bytes.iter().sum::<u64>() < 1000 * MB {
        6
    } else {
        9
    }
}
