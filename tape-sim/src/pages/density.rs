//! REPORT DENSITY SUPPORT (SSC-4 §7.6).

use super::push_padded;
use crate::generation::{Access, FORMATS, Format, Generation, MEDIUM_WIDTH_TENTH_MM};
use crate::sense::{self, Sense};

/// The mounted medium: what MEDIA = 1 reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountedDensity {
    /// Density code.
    pub density: u8,
    /// WORM medium.
    pub worm: bool,
    /// Capacity in MB.
    pub capacity_mb: u32,
}

const MEDIA: u8 = 0x01;
const MEDIUM_TYPE: u8 = 0x02;
const WRITE_OK: u8 = 0x80;
const DEFAULT_DENSITY: u8 = 0x20;
const ORGANIZATION: &str = "LTO-CVE";
/// Length of a medium type descriptor after its length field (SSC-4 table 79).
const MEDIUM_TYPE_DESCRIPTOR_BYTES: u16 = 0x34;
/// Room for density codes in a medium type descriptor.
const DENSITY_CODES: usize = 9;

/// Reply to REPORT DENSITY SUPPORT.
///
/// # Errors
///
/// 02/3A/00 if MEDIA is set and nothing is mounted.
pub fn reply(
    generation: Generation,
    mounted: Option<&MountedDensity>,
    cdb: &[u8],
) -> Result<Vec<u8>, Sense> {
    let flags = cdb.get(1).copied().unwrap_or(0);
    let mounted = match (flags & MEDIA != 0, mounted) {
        (true, None) => return Err(Sense::not_ready(sense::MEDIUM_NOT_PRESENT)),
        (true, some) => some,
        (false, _) => None,
    };
    let mut body = Vec::new();
    let mut listed = Vec::new();
    let formats = FORMATS.iter().filter(|format| match mounted {
        Some(medium) => format.density == medium.density,
        None => generation.access(format.density) != Access::None,
    });
    for format in formats {
        if flags & MEDIUM_TYPE != 0 {
            push_medium_types(&mut body, &mut listed, format, mounted);
        } else {
            push_density(&mut body, format, generation, mounted);
        }
    }
    let available = u16::try_from(body.len() + 2).expect("a dozen descriptors fit");
    let mut data = available.to_be_bytes().to_vec();
    data.extend_from_slice(&[0, 0]);
    data.append(&mut body);
    Ok(data)
}

/// Density support data block descriptor, 52 bytes (SSC-4 table 78).
fn push_density(
    out: &mut Vec<u8>,
    format: &Format,
    generation: Generation,
    mounted: Option<&MountedDensity>,
) {
    let writable = generation.access(format.density) == Access::ReadWrite;
    let own = format.density == generation.model().density;
    let capacity_mb = mounted.map_or(format.native_mb, |medium| medium.capacity_mb);
    out.extend_from_slice(&[format.density, format.density]);
    out.push(if writable { WRITE_OK } else { 0 } | if own { DEFAULT_DENSITY } else { 0 });
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&format.bits_per_mm.to_be_bytes()[1..]);
    out.extend_from_slice(&MEDIUM_WIDTH_TENTH_MM.to_be_bytes());
    out.extend_from_slice(&format.tracks.to_be_bytes());
    out.extend_from_slice(&capacity_mb.to_be_bytes());
    push_padded(out, ORGANIZATION, 8);
    push_padded(out, format.name, 8);
    push_padded(out, format.description, 20);
}

/// Medium type descriptors of one format, 56 bytes each: rewritable, then WORM. With a mounted
/// medium only that one's. Formats may share a cartridge: `listed` holds the types done already.
fn push_medium_types(
    out: &mut Vec<u8>,
    listed: &mut Vec<u8>,
    format: &Format,
    mounted: Option<&MountedDensity>,
) {
    let kinds = [
        (Some(format.medium_type), false, "Ultrium Data"),
        (format.worm_medium_type, true, "Ultrium WORM"),
    ];
    for (medium_type, worm, name) in kinds {
        let Some(medium_type) = medium_type else {
            continue;
        };
        let other_medium = mounted.is_some_and(|medium| medium.worm != worm);
        if other_medium || listed.contains(&medium_type) {
            continue;
        }
        listed.push(medium_type);
        let codes = formats_of_cartridge(medium_type);
        out.extend_from_slice(&[medium_type, 0]);
        out.extend_from_slice(&MEDIUM_TYPE_DESCRIPTOR_BYTES.to_be_bytes());
        out.push(codes.len() as u8);
        let list_end = out.len() + DENSITY_CODES;
        out.extend_from_slice(&codes);
        out.resize(list_end, 0);
        out.extend_from_slice(&MEDIUM_WIDTH_TENTH_MM.to_be_bytes());
        out.extend_from_slice(&format.length_m.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        push_padded(out, ORGANIZATION, 8);
        push_padded(out, if worm { "WORM" } else { "Data" }, 8);
        push_padded(out, name, 20);
    }
}

/// Density codes that cartridges of this medium type can be recorded with, ascending.
fn formats_of_cartridge(medium_type: u8) -> Vec<u8> {
    FORMATS
        .iter()
        .filter(|format| {
            format.medium_type == medium_type || format.worm_medium_type == Some(medium_type)
        })
        .map(|format| format.density)
        .take(DENSITY_CODES)
        .collect()
}
