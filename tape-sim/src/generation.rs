//! The LTO generations as data: recording formats, cartridge types and drive models.
//!
//! A [`Format`] says how a medium is recorded (one per density code); a [`Generation`] is a
//! drive model and says which formats it reads and writes. Capacities are native, in megabytes
//! of 10⁶ bytes. Nothing here knows a particular cartridge or library.

mod data;

use serde::{Deserialize, Serialize};

pub use data::FORMATS;
use data::MODELS;

/// Tape width of every Ultrium format in tenths of a millimetre (half an inch).
pub const MEDIUM_WIDTH_TENTH_MM: u16 = 127;

/// Smallest block an LTO drive takes, in bytes.
pub const MIN_BLOCK_BYTES: u16 = 1;

/// A recording format, named by its density code (SSC REPORT DENSITY SUPPORT).
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    /// Primary density code.
    pub density: u8,
    /// Barcode suffix of rewritable cartridges, e.g. `L9`.
    pub media_id: &'static str,
    /// Barcode suffix of WORM cartridges, if the format has them.
    pub worm_media_id: Option<&'static str>,
    /// Medium type of rewritable cartridges in the mode parameter header.
    pub medium_type: u8,
    /// Medium type of WORM cartridges in the mode parameter header.
    pub worm_medium_type: Option<u8>,
    /// Native capacity in MB (10⁶ bytes).
    pub native_mb: u32,
    /// Distance from early warning to the end of the partition in MB.
    pub early_warning_mb: u32,
    /// Wraps: passes of the head from one end of the tape to the other.
    pub wraps: u16,
    /// Tracks: wraps times channels.
    pub tracks: u16,
    /// Recording density along the track in bits per millimetre.
    pub bits_per_mm: u32,
    /// Tape length in metres.
    pub length_m: u16,
    /// Most partitions the format can hold.
    pub max_partitions: u8,
    /// Wraps that are lost between two partitions.
    pub guard_wraps: u16,
    /// Size of the cartridge memory in bytes.
    pub mam_bytes: u32,
    /// Density name, eight characters at most.
    pub name: &'static str,
    /// Density description, twenty characters at most.
    pub description: &'static str,
    /// Volume personality in log page 17h, nine characters at most.
    pub personality: &'static str,
}

impl Format {
    /// From LTO-9 on an even number of equal partitions lies on whole bands, which need no guard
    /// wraps between them.
    #[must_use]
    pub fn guarded_by_bands(&self, partitions: u64) -> bool {
        self.guard_wraps > 2 && partitions.is_multiple_of(2)
    }
}

/// What a drive can do with a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Neither: the medium is refused.
    None,
    /// Read only: writes end with DATA PROTECT 30/05.
    ReadOnly,
    /// Both.
    ReadWrite,
}

/// What a cartridge is, as far as its barcode tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CartridgeKind {
    /// Rewritable data cartridge.
    Data(&'static Format),
    /// Write-once data cartridge.
    Worm(&'static Format),
    /// Cleaning cartridge.
    Cleaning,
}

/// Recommended command timeouts of a drive in seconds (REPORT SUPPORTED OPERATION CODES).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// ERASE with LONG set.
    pub erase_s: u32,
    /// FORMAT MEDIUM.
    pub format_s: u32,
    /// LOAD UNLOAD.
    pub load_s: u32,
    /// LOCATE and SPACE.
    pub locate_s: u32,
    /// READ.
    pub read_s: u32,
    /// REWIND.
    pub rewind_s: u32,
    /// WRITE.
    pub write_s: u32,
    /// WRITE FILEMARKS.
    pub write_filemarks_s: u32,
    /// SET CAPACITY.
    pub set_capacity_s: u32,
    /// VERIFY.
    pub verify_s: u32,
    /// READ BUFFER and WRITE BUFFER.
    pub buffer_s: u32,
    /// SEND DIAGNOSTIC.
    pub diagnostic_s: u32,
    /// GENERATE and RECEIVE RECOMMENDED ACCESS ORDER; 0: the drive has neither. Full-height
    /// drives have them from LTO-9 on, and the simulated drives are full-height.
    pub access_order_s: u32,
    /// READ END OF WRAP POSITION, from LTO-7 on; 0: the drive has none.
    pub wrap_ends_s: u32,
    /// Everything else.
    pub other_s: u32,
}

/// A drive generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Generation {
    /// LTO-5.
    Lto5,
    /// LTO-6.
    Lto6,
    /// LTO-7.
    Lto7,
    /// LTO-8.
    Lto8,
    /// LTO-9.
    Lto9,
    /// LTO-10: known from data sheets only.
    Lto10,
}

/// What distinguishes the drives of one generation.
#[derive(Debug)]
pub struct DriveModel {
    /// Generation number, 5 to 10.
    pub number: u8,
    /// INQUIRY product identification.
    pub product: &'static str,
    /// Density code of the drive's own format, the default for writing.
    pub density: u8,
    /// Density codes that the drive reads and writes, ascending.
    pub writable: &'static [u8],
    /// Density codes that the drive reads only, ascending.
    pub read_only: &'static [u8],
    /// Largest block in bytes, as READ BLOCK LIMITS reports it.
    pub max_block_bytes: u32,
    /// Data buffer in bytes.
    pub buffer_bytes: u64,
    /// Recommended command timeouts.
    pub timeouts: Timeouts,
}

/// Largest block that LTO drives report, 8 MiB.
pub const MAX_BLOCK_BYTES: u32 = 0x80_0000;

impl Generation {
    /// All generations, oldest first.
    pub const ALL: [Self; 6] = [
        Self::Lto5,
        Self::Lto6,
        Self::Lto7,
        Self::Lto8,
        Self::Lto9,
        Self::Lto10,
    ];

    /// The generation with this number (5 to 10).
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|generation| generation.model().number == number)
    }

    /// The drive model of this generation.
    #[must_use]
    pub fn model(self) -> &'static DriveModel {
        &MODELS[self as usize]
    }

    /// The format that drives of this generation write by default.
    #[must_use]
    pub fn format(self) -> &'static Format {
        format_by_density(self.model().density).expect("every model's density is in FORMATS")
    }

    /// True if its drives have CRC-32C as a check of blocks beside the Reed-Solomon CRC.
    #[must_use]
    pub fn has_crc32c(self) -> bool {
        self >= Self::Lto7
    }

    /// What this generation's drives can do with a medium of density code `density`.
    #[must_use]
    pub fn access(self, density: u8) -> Access {
        let model = self.model();
        if model.writable.contains(&density) {
            Access::ReadWrite
        } else if model.read_only.contains(&density) {
            Access::ReadOnly
        } else {
            Access::None
        }
    }
}

/// The format with density code `density`.
#[must_use]
pub fn format_by_density(density: u8) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.density == density)
}

/// What the barcode says the cartridge is: `CLN…` or `…CU` cleans, otherwise the last two
/// characters are the media id. `None` if the suffix is no known media id.
#[must_use]
pub fn identify_barcode(barcode: &str) -> Option<CartridgeKind> {
    if barcode.starts_with("CLN") || barcode.ends_with("CU") {
        return Some(CartridgeKind::Cleaning);
    }
    let media_id = barcode.get(barcode.len().checked_sub(2)?..)?;
    FORMATS.iter().find_map(|format| {
        if format.media_id == media_id {
            Some(CartridgeKind::Data(format))
        } else if format.worm_media_id == Some(media_id) {
            Some(CartridgeKind::Worm(format))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_names_known_formats_in_ascending_order() {
        for generation in Generation::ALL {
            let model = generation.model();
            assert!(
                model.writable.contains(&model.density),
                "LTO-{}",
                model.number
            );
            for codes in [model.writable, model.read_only] {
                assert!(codes.is_sorted(), "LTO-{}", model.number);
                for &density in codes {
                    assert!(
                        format_by_density(density).is_some(),
                        "density {density:02X}"
                    );
                }
            }
            assert_eq!(Generation::from_number(model.number), Some(generation));
        }
        assert!(FORMATS.is_sorted_by_key(|format| format.density));
    }

    #[test]
    fn tracks_are_wraps_times_channels() {
        for format in &FORMATS {
            let channels = format.tracks / format.wraps;
            assert_eq!(channels * format.wraps, format.tracks, "{}", format.name);
            assert!(
                format.description.ends_with(&format!("/{channels}T")),
                "{}",
                format.name
            );
        }
    }

    #[test]
    fn barcodes_name_the_cartridge() {
        let density = |barcode| match identify_barcode(barcode) {
            Some(CartridgeKind::Data(format)) => Some((format.density, false)),
            Some(CartridgeKind::Worm(format)) => Some((format.density, true)),
            _ => None,
        };
        let cases = [
            ("SIM001L9", Some((0x60, false))),
            ("SIM001LZ", Some((0x60, true))),
            ("SIM001M8", Some((0x5D, false))),
            ("SIM001LT", Some((0x44, true))),
            ("SIM001XX", None),
            ("9", None),
            ("", None),
            ("é9", None),
        ];
        for (barcode, expected) in cases {
            assert_eq!(density(barcode), expected, "{barcode:?}");
        }
        for barcode in ["CLNU01CU", "CLN001L9", "ABC001CU"] {
            assert_eq!(
                identify_barcode(barcode),
                Some(CartridgeKind::Cleaning),
                "{barcode}"
            );
        }
    }

    #[test]
    fn older_media_are_read_only_or_refused() {
        let cases = [
            (Generation::Lto5, 0x44, Access::ReadOnly),
            (Generation::Lto7, 0x5A, Access::ReadWrite),
            (Generation::Lto7, 0x58, Access::ReadOnly),
            (Generation::Lto8, 0x5A, Access::None),
            (Generation::Lto9, 0x5E, Access::ReadWrite),
            (Generation::Lto9, 0x5D, Access::None),
            (Generation::Lto10, 0x60, Access::None),
        ];
        for (generation, density, expected) in cases {
            assert_eq!(
                generation.access(density),
                expected,
                "{generation:?} {density:02X}"
            );
        }
    }
}
