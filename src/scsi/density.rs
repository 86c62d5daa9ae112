//! Densities: which generation a tape is recorded in (SSC-4 REPORT DENSITY SUPPORT,
//! mode header medium types; scsi-tape facts 3.6 and 3.11).

use std::fmt;

use super::BadReply;
use super::bytes::{text, u16_at, u32_at};

/// A format of LTO tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the format's own")]
pub enum Generation {
    Lto1,
    Lto2,
    Lto3,
    Lto4,
    Lto5,
    Lto6,
    Lto7,
    /// An LTO-7 cartridge in the denser format of LTO-8 drives.
    M8,
    Lto8,
    Lto9,
    Lto10,
    /// The 40 TB cartridge of LTO-10.
    Lto10P,
}

struct Facts {
    generation: Generation,
    name: &'static str,
    density: u8,
    medium_type: u8,
    worm_type: Option<u8>,
    native_bytes: u64,
}

const GB: u64 = 1_000_000_000;

const fn facts(
    generation: Generation,
    name: &'static str,
    codes: (u8, u8, Option<u8>),
    native_gb: u64,
) -> Facts {
    let (density, medium_type, worm_type) = codes;
    Facts {
        generation,
        name,
        density,
        medium_type,
        worm_type,
        native_bytes: native_gb * GB,
    }
}

use Generation as G;

const GENERATIONS: [Facts; 12] = [
    facts(G::Lto1, "LTO-1", (0x40, 0x18, None), 100),
    facts(G::Lto2, "LTO-2", (0x42, 0x28, None), 200),
    facts(G::Lto3, "LTO-3", (0x44, 0x38, Some(0x3C)), 400),
    facts(G::Lto4, "LTO-4", (0x46, 0x48, Some(0x4C)), 800),
    facts(G::Lto5, "LTO-5", (0x58, 0x58, Some(0x5C)), 1_500),
    facts(G::Lto6, "LTO-6", (0x5A, 0x68, Some(0x6C)), 2_500),
    facts(G::Lto7, "LTO-7", (0x5C, 0x78, Some(0x7C)), 6_000),
    facts(G::M8, "LTO-7 M8", (0x5D, 0x78, None), 9_000),
    facts(G::Lto8, "LTO-8", (0x5E, 0x88, Some(0x8C)), 12_000),
    facts(G::Lto9, "LTO-9", (0x60, 0x98, Some(0x9C)), 18_000),
    facts(G::Lto10, "LTO-10", (0x62, 0xA8, Some(0xAC)), 30_000),
    facts(G::Lto10P, "LTO-10 P", (0x63, 0xA9, None), 40_000),
];

impl Generation {
    fn facts(self) -> &'static Facts {
        GENERATIONS
            .iter()
            .find(|facts| facts.generation == self)
            .expect("the table has every generation")
    }

    /// The generation of a density code; failing that (unwritten tapes may report 0), of a
    /// medium type of the mode header.
    #[must_use]
    pub fn of_medium(density: u8, medium_type: u8) -> Option<Generation> {
        let by_type = |facts: &&Facts| {
            facts.medium_type == medium_type || facts.worm_type == Some(medium_type)
        };
        GENERATIONS
            .iter()
            .find(|facts| facts.density == density)
            .or_else(|| GENERATIONS.iter().find(by_type))
            .map(|facts| facts.generation)
    }

    /// The generation of a drive, from its product name as INQUIRY gives it, such as
    /// `Ultrium 9-SCSI`, `ULTRIUM-TD9`, `ULT3580-HH8` or `HH LTO Gen 7`.
    #[must_use]
    pub fn of_product(product: &str) -> Option<Generation> {
        let upper = product.to_ascii_uppercase();
        let marks = [
            "ULTRIUM-TD",
            "ULTRIUM-HH",
            "ULT3580-TD",
            "ULT3580-HH",
            "LTO GEN ",
            "ULTRIUM ",
        ];
        let digit = marks.iter().find_map(|mark| {
            let at = upper.find(mark)? + mark.len();
            upper[at..].chars().next()
        })?;
        match digit {
            '1' => Some(G::Lto1),
            '2' => Some(G::Lto2),
            '3' => Some(G::Lto3),
            '4' => Some(G::Lto4),
            '5' => Some(G::Lto5),
            '6' => Some(G::Lto6),
            '7' => Some(G::Lto7),
            '8' => Some(G::Lto8),
            '9' => Some(G::Lto9),
            'A' => Some(G::Lto10),
            _ => None,
        }
    }

    /// True if a medium type of the mode header is a write-once cartridge.
    #[must_use]
    pub fn is_worm_type(medium_type: u8) -> bool {
        GENERATIONS
            .iter()
            .any(|facts| facts.worm_type == Some(medium_type))
    }

    /// Native capacity of a new cartridge, in bytes.
    #[must_use]
    pub fn native_bytes(self) -> u64 {
        self.facts().native_bytes
    }

    /// Density code that REPORT DENSITY SUPPORT and mode data use.
    #[must_use]
    pub fn density(self) -> u8 {
        self.facts().density
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.facts().name)
    }
}

/// A format that a drive supports, or that a cartridge has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Density {
    /// Primary density code.
    pub code: u8,
    /// The drive writes this format, not only reads it (WRTOK).
    pub writable: bool,
    /// The drive's own format (DEFLT).
    pub default: bool,
    /// Native capacity, in MB (10⁶ bytes).
    pub capacity_mb: u32,
    /// Name, such as `U-516`.
    pub name: String,
    /// Description, such as `Ultrium 5/16T`.
    pub description: String,
}

impl Density {
    /// Native capacity, in bytes.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.capacity_mb) * 1_000_000
    }
}

const REPLY: &str = "REPORT DENSITY SUPPORT data";
const DESCRIPTOR_BYTES: usize = 52;

/// Decodes density descriptors, up to the first that is cut off.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off.
pub fn parse_densities(data: &[u8]) -> Result<Vec<Density>, BadReply> {
    let length = u16_at(data, 0).ok_or_else(|| BadReply::short(REPLY))?;
    let end = data.len().min(2 + usize::from(length));
    let descriptors = data.get(4..end).unwrap_or(&[]);
    let density = |descriptor: &[u8]| Density {
        code: descriptor[0],
        writable: descriptor[2] & 0x80 != 0,
        default: descriptor[2] & 0x20 != 0,
        capacity_mb: u32_at(descriptor, 12).unwrap_or(0),
        name: text(&descriptor[24..32]),
        description: text(&descriptor[32..52]),
    };
    Ok(descriptors
        .chunks_exact(DESCRIPTOR_BYTES)
        .map(density)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_medium_is_an_lto_5() {
        let mut data = vec![
            0x00, 0x36, 0, 0, 0x58, 0x58, 0xA0, 0, 0, 0, 0x3B, 0x26, 0, 0x7F, 0x05, 0, 0, 0x17,
            0x85, 0x3E,
        ];
        data.extend(b"LTO-CVE U-516   Ultrium 5/16T       ");
        let densities = parse_densities(&data).unwrap();
        assert_eq!(densities.len(), 1);
        let density = &densities[0];
        assert!(density.writable && density.default);
        assert_eq!((density.code, density.capacity_mb), (0x58, 1_541_438));
        assert_eq!(
            (&*density.name, &*density.description),
            ("U-516", "Ultrium 5/16T")
        );
        assert_eq!(Generation::of_medium(density.code, 0), Some(G::Lto5));
    }

    #[test]
    fn generations_are_recognised() {
        for (product, generation) in [
            ("Ultrium 9-SCSI", Some(G::Lto9)),
            ("ULTRIUM-TD8", Some(G::Lto8)),
            ("ULT3580-HH7", Some(G::Lto7)),
            ("HH LTO Gen 6", Some(G::Lto6)),
            ("ULTRIUM-TDA", Some(G::Lto10)),
            ("VIRTUAL-TAPE", None),
        ] {
            assert_eq!(Generation::of_product(product), generation, "{product}");
        }
        for (density, medium_type, name) in [
            (0x60, 0x98, "LTO-9"),
            (0x00, 0x9C, "LTO-9"),
            (0x5D, 0x78, "LTO-7 M8"),
            (0x00, 0x78, "LTO-7"),
        ] {
            let found = Generation::of_medium(density, medium_type).unwrap();
            assert_eq!(found.to_string(), name);
        }
        assert_eq!(Generation::of_medium(0, 0), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_densities(&data);
        }

        #[test]
        fn no_product_makes_it_panic(product in ".{0,20}") {
            let _ = Generation::of_product(&product);
        }
    }
}
