//! Sense data, fixed and descriptor format (SPC-4 4.5; scsi-tape facts 2.1 to 2.5).

use std::fmt;

use super::bytes::{array_at, u16_at};
use super::reaction::Reaction;
use super::sense_table::{self, Meaning};

/// The sense key: the coarse kind of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the standard's own")]
pub enum SenseKey {
    NoSense = 0x0,
    RecoveredError = 0x1,
    NotReady = 0x2,
    MediumError = 0x3,
    HardwareError = 0x4,
    IllegalRequest = 0x5,
    UnitAttention = 0x6,
    DataProtect = 0x7,
    BlankCheck = 0x8,
    VendorSpecific = 0x9,
    CopyAborted = 0xA,
    AbortedCommand = 0xB,
    Reserved = 0xC,
    VolumeOverflow = 0xD,
    Miscompare = 0xE,
    Completed = 0xF,
}

impl SenseKey {
    const ALL: [SenseKey; 16] = [
        SenseKey::NoSense,
        SenseKey::RecoveredError,
        SenseKey::NotReady,
        SenseKey::MediumError,
        SenseKey::HardwareError,
        SenseKey::IllegalRequest,
        SenseKey::UnitAttention,
        SenseKey::DataProtect,
        SenseKey::BlankCheck,
        SenseKey::VendorSpecific,
        SenseKey::CopyAborted,
        SenseKey::AbortedCommand,
        SenseKey::Reserved,
        SenseKey::VolumeOverflow,
        SenseKey::Miscompare,
        SenseKey::Completed,
    ];

    fn from_nibble(byte: u8) -> Self {
        Self::ALL[usize::from(byte & 0x0F)]
    }
}

/// Which byte of a request the device objects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPointer {
    /// True for a byte of the CDB, false for one of the parameter data.
    pub in_cdb: bool,
    /// Number of the byte.
    pub byte: u16,
    /// Number of the bit, where the device names one.
    pub bit: Option<u8>,
}

/// What a device says about a command that did not simply succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    /// The condition belongs to an earlier command; the current one was not executed.
    pub deferred: bool,
    /// Coarse kind.
    pub key: SenseKey,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// A filemark was met.
    pub filemark: bool,
    /// End of medium: at or beyond early warning, or at the beginning when spacing back.
    pub end_of_medium: bool,
    /// Incorrect length indicator: the block's length is not the one asked for.
    pub incorrect_length: bool,
    /// INFORMATION where valid: for tape commands the residual, requested minus done.
    pub information: Option<i64>,
    /// The byte objected to, with ILLEGAL REQUEST.
    pub field: Option<FieldPointer>,
    /// Progress of a running operation in 1/65536, with NOT READY or NO SENSE.
    pub progress: Option<u16>,
}

const FILEMARK: u8 = 0x80;
const END_OF_MEDIUM: u8 = 0x40;
const INCORRECT_LENGTH: u8 = 0x20;
const VALID: u8 = 0x80;

impl Sense {
    /// ASC and ASCQ of the programmable early warning; other ends of medium are the
    /// drive's own early warning.
    pub const PROGRAMMABLE_EARLY_WARNING: (u8, u8) = (0x00, 0x07);
    /// ASC and ASCQ of a block whose check is wrong.
    pub const BLOCK_CHECK: (u8, u8) = (0x10, 0x01);

    /// Decodes `bytes`; `None` if they are no sense data of a known format.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Sense> {
        match bytes.first()? & 0x7F {
            0x70 => Self::parse_fixed(bytes, false),
            0x71 => Self::parse_fixed(bytes, true),
            0x72 => Self::parse_descriptors(bytes, false),
            0x73 => Self::parse_descriptors(bytes, true),
            _ => None,
        }
    }

    /// A sense with key and codes alone, as fixed-format bytes: for simulated faults.
    #[must_use]
    pub fn fixed(key: SenseKey, asc: u8, ascq: u8) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        bytes[0] = 0x70;
        bytes[2] = key as u8;
        bytes[7] = 10;
        bytes[12] = asc;
        bytes[13] = ascq;
        bytes
    }

    fn plain(deferred: bool, key: u8, asc: u8, ascq: u8) -> Sense {
        Sense {
            deferred,
            key: SenseKey::from_nibble(key),
            asc,
            ascq,
            filemark: false,
            end_of_medium: false,
            incorrect_length: false,
            information: None,
            field: None,
            progress: None,
        }
    }

    fn parse_fixed(bytes: &[u8], deferred: bool) -> Option<Sense> {
        let flags = *bytes.get(2)?;
        // Some devices send fewer than 14 bytes; what is missing is zero.
        let additional = usize::from(bytes.get(7).copied().unwrap_or(0));
        let end = bytes.len().min(8 + additional);
        let at = |offset: usize| bytes[..end].get(offset).copied().unwrap_or(0);
        let mut sense = Self::plain(deferred, flags, at(12), at(13));
        sense.set_stream_flags(flags);
        if bytes[0] & VALID != 0 {
            sense.information = array_at(bytes, 3).map(|b| i64::from(i32::from_be_bytes(b)));
        }
        sense.set_key_specific(&bytes[..end], 15);
        Some(sense)
    }

    fn parse_descriptors(bytes: &[u8], deferred: bool) -> Option<Sense> {
        let mut sense = Self::plain(deferred, *bytes.get(1)?, *bytes.get(2)?, *bytes.get(3)?);
        let end = bytes
            .len()
            .min(8 + usize::from(bytes.get(7).copied().unwrap_or(0)));
        let mut rest = bytes.get(8..end).unwrap_or(&[]);
        while let [kind, length, ..] = *rest {
            let size = 2 + usize::from(length);
            let descriptor = &rest[..size.min(rest.len())];
            match kind {
                0x00 if descriptor.get(2).is_some_and(|b| b & VALID != 0) => {
                    sense.information = array_at(descriptor, 4).map(i64::from_be_bytes);
                }
                0x02 => sense.set_key_specific(descriptor, 4),
                0x04 => sense.set_stream_flags(descriptor.get(3).copied().unwrap_or(0)),
                _ => {}
            }
            rest = &rest[size.min(rest.len())..];
        }
        Some(sense)
    }

    fn set_stream_flags(&mut self, flags: u8) {
        self.filemark = flags & FILEMARK != 0;
        self.end_of_medium = flags & END_OF_MEDIUM != 0;
        self.incorrect_length = flags & INCORRECT_LENGTH != 0;
    }

    /// The three sense-key specific bytes, which start at `at` (SPC-4 4.5.2.4).
    fn set_key_specific(&mut self, bytes: &[u8], at: usize) {
        let (Some(&flags), Some(value)) = (bytes.get(at), u16_at(bytes, at + 1)) else {
            return;
        };
        if flags & VALID == 0 {
            return;
        }
        match self.key {
            SenseKey::IllegalRequest => {
                self.field = Some(FieldPointer {
                    in_cdb: flags & 0x40 != 0,
                    byte: value,
                    bit: (flags & 0x08 != 0).then_some(flags & 0x07),
                });
            }
            SenseKey::NotReady | SenseKey::NoSense => self.progress = Some(value),
            _ => {}
        }
    }

    /// What the condition means for the caller.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        sense_table::look_up(self.key, self.asc, self.ascq).0
    }

    /// What helps against the condition.
    #[must_use]
    pub fn reaction(&self) -> Reaction {
        sense_table::react(self.key, self.asc, self.ascq)
    }

    /// True where the command succeeded and the sense only adds to that: RECOVERED ERROR,
    /// or NO SENSE that does not speak of an end that stopped it. Some devices report the
    /// end of data with NO SENSE.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let stopped = || {
            matches!(
                self.meaning(),
                Meaning::EndOfData
                    | Meaning::EndOfDataMissing
                    | Meaning::BeginningOfPartition
                    | Meaning::EndOfPartition
            )
        };
        match self.key {
            SenseKey::RecoveredError => !self.deferred,
            SenseKey::NoSense => !self.deferred && !stopped(),
            _ => false,
        }
    }

    /// True where the command was **not** executed although nothing is wrong: a unit
    /// attention that touches neither position nor mode, or a deferred recovered error.
    /// Sending the command (again) is the first time for the device.
    #[must_use]
    pub fn is_not_executed(&self) -> bool {
        match self.key {
            SenseKey::NoSense | SenseKey::RecoveredError => self.deferred,
            SenseKey::UnitAttention => self.meaning() == Meaning::Notice,
            _ => false,
        }
    }
}

impl fmt::Display for Sense {
    /// The sentence an operator reads, then the numbers: `write protected (7/27/00)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deferred {
            f.write_str("deferred error of an earlier command: ")?;
        }
        let (_, sentence) = sense_table::look_up(self.key, self.asc, self.ascq);
        write!(
            f,
            "{sentence} ({:X}/{:02X}/{:02X}",
            self.key as u8, self.asc, self.ascq
        )?;
        if let Some(field) = self.field {
            let part = if field.in_cdb { "CDB" } else { "parameter" };
            write!(f, ", {part} byte {}", field.byte)?;
            if let Some(bit) = field.bit {
                write!(f, " bit {bit}")?;
            }
        }
        f.write_str(")")
    }
}

/// The sentence for an additional sense code and qualifier that came without a key, as the
/// descriptors of elements have them; `None` if the table has none.
pub(crate) fn words_for(asc: u8, ascq: u8) -> Option<&'static str> {
    sense_table::words_for(asc, ascq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_refusal_names_the_field() {
        let bytes = [
            0x70, 0, 5, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x24, 0, 0, 0xCC, 0, 6,
        ];
        let sense = Sense::parse(&bytes).unwrap();
        assert_eq!(sense.key, SenseKey::IllegalRequest);
        assert_eq!(
            sense.field,
            Some(FieldPointer {
                in_cdb: true,
                byte: 6,
                bit: Some(4)
            })
        );
        assert_eq!(
            sense.to_string(),
            "the device refuses a field of the command (5/24/00, CDB byte 6 bit 4)"
        );
    }

    #[test]
    fn residuals_are_signed_in_both_formats() {
        let fixed = [
            0xF0, 0, 0x20, 0xFF, 0xFF, 0xFE, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let descriptor = [
            0x72, 0, 0, 0, 0, 0, 0, 16, 0x04, 2, 0, 0x20, 0x00, 0x0A, 0x80, 0, 0xFF, 0xFF, 0xFF,
            0xFF, 0xFF, 0xFF, 0xFE, 0,
        ];
        for bytes in [&fixed[..], &descriptor[..]] {
            let sense = Sense::parse(bytes).unwrap();
            assert!(sense.incorrect_length && !sense.filemark && !sense.end_of_medium);
            assert_eq!(sense.information, Some(-512));
            assert!(sense.is_success());
        }
    }

    #[test]
    fn a_deferred_error_is_no_success_of_the_current_command() {
        let mut bytes = Sense::fixed(SenseKey::RecoveredError, 0x17, 0x01);
        assert!(Sense::parse(&bytes).unwrap().is_success());
        bytes[0] = 0x71;
        let sense = Sense::parse(&bytes).unwrap();
        assert!(!sense.is_success() && sense.is_not_executed());
        assert!(
            sense
                .to_string()
                .starts_with("deferred error of an earlier command")
        );
    }

    #[test]
    fn no_sense_with_the_end_of_data_is_no_success() {
        let no_sense = |asc, ascq| {
            Sense::parse(&Sense::fixed(SenseKey::NoSense, asc, ascq))
                .unwrap()
                .is_success()
        };
        assert!(!no_sense(0x00, 0x05) && !no_sense(0x00, 0x04));
        assert!(no_sense(0x00, 0x02) && no_sense(0x00, 0x01) && no_sense(0x00, 0x07));
    }

    #[test]
    fn progress_comes_with_not_ready_only() {
        let mut bytes = Sense::fixed(SenseKey::NotReady, 0x04, 0x01);
        bytes[15] = 0x80;
        bytes[16] = 0x40;
        assert_eq!(Sense::parse(&bytes).unwrap().progress, Some(0x4000));
        bytes[2] = SenseKey::MediumError as u8;
        assert_eq!(Sense::parse(&bytes).unwrap().progress, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..260),
            code in 0x70u8..0x74,
        ) {
            let _ = Sense::parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = code;
            }
            if let Some(sense) = Sense::parse(&bytes) {
                prop_assert!(!sense.to_string().is_empty());
            }
        }
    }
}
