//! Sense data: what a CHECK CONDITION says, in fixed or descriptor format (SPC-4 §4.5).
//!
//! Holds every additional sense code the simulator returns, by name. Does not
//! know which command returns which.

use serde::{Deserialize, Serialize};

/// Sense keys (SPC-4 table 28).
pub mod key {
    /// Flags only: filemark, end of medium, incorrect length.
    pub const NO_SENSE: u8 = 0x0;
    /// The unit cannot be accessed.
    pub const NOT_READY: u8 = 0x2;
    /// A flaw in the medium.
    pub const MEDIUM_ERROR: u8 = 0x3;
    /// A failure of the unit.
    pub const HARDWARE_ERROR: u8 = 0x4;
    /// A bad CDB or parameter list.
    pub const ILLEGAL_REQUEST: u8 = 0x5;
    /// The unit or its medium changed.
    pub const UNIT_ATTENTION: u8 = 0x6;
    /// The medium must not be written.
    pub const DATA_PROTECT: u8 = 0x7;
    /// End of data.
    pub const BLANK_CHECK: u8 = 0x8;
    /// The command was aborted by the unit.
    pub const ABORTED_COMMAND: u8 = 0xB;
    /// The end of the partition was reached with data left over.
    pub const VOLUME_OVERFLOW: u8 = 0xD;
}

/// Additional sense code and its qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
}

/// Names one pair; the doc line is T10's own wording.
macro_rules! codes {
    ($($name:ident = $asc:literal, $ascq:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: Code = Code { asc: $asc, ascq: $ascq };)*
    };
}

codes! {
    NO_ADDITIONAL_SENSE = 0x00, 0x00, "No additional sense information.";
    FILEMARK_DETECTED = 0x00, 0x01, "Filemark detected.";
    END_OF_PARTITION = 0x00, 0x02, "End-of-partition/medium detected.";
    BEGINNING_OF_PARTITION = 0x00, 0x04, "Beginning-of-partition/medium detected.";
    END_OF_DATA = 0x00, 0x05, "End-of-data detected.";
    PROGRAMMABLE_EARLY_WARNING = 0x00, 0x07, "Programmable early warning detected.";
    NOT_READY_UNKNOWN = 0x04, 0x00, "Logical unit not ready, cause not reportable.";
    BECOMING_READY = 0x04, 0x01, "Logical unit is in process of becoming ready.";
    INITIALIZING_REQUIRED = 0x04, 0x02, "Logical unit not ready, initializing command required.";
    MANUAL_INTERVENTION = 0x04, 0x03, "Logical unit not ready, manual intervention required.";
    FORMAT_IN_PROGRESS = 0x04, 0x04, "Logical unit not ready, format in progress.";
    OPERATION_IN_PROGRESS = 0x04, 0x07, "Logical unit not ready, operation in progress.";
    COMMUNICATION_FAILURE = 0x08, 0x00, "Logical unit communication failure.";
    CHIP_NOT_ACCESSIBLE = 0x04, 0x10, "Logical unit not ready, auxiliary memory not accessible.";
    WRITE_ERROR = 0x0C, 0x00, "Write error.";
    BLOCK_GUARD_CHECK_FAILED = 0x10, 0x01, "Logical block guard check failed.";
    UNRECOVERED_READ = 0x11, 0x00, "Unrecovered read error.";
    MECHANICAL_POSITIONING = 0x15, 0x01, "Mechanical positioning error.";
    PARAMETER_LIST_LENGTH = 0x1A, 0x00, "Parameter list length error.";
    INVALID_OPCODE = 0x20, 0x00, "Invalid command operation code.";
    ILLEGAL_WHEN_NOT_APPENDING = 0x20, 0x0C, "Illegal command when not in append-only mode.";
    INVALID_ELEMENT = 0x21, 0x01, "Invalid element address.";
    INVALID_CDB_FIELD = 0x24, 0x00, "Invalid field in CDB.";
    INVALID_PARAMETER = 0x26, 0x00, "Invalid field in parameter list.";
    PARAMETER_VALUE = 0x26, 0x02, "Parameter value invalid.";
    INVALID_RELEASE = 0x26, 0x04, "Invalid release of persistent reservation.";
    DECRYPTION_KEY_FAIL_LIMIT = 0x26, 0x10, "Data decryption key fail limit reached.";
    WRITE_PROTECTED = 0x27, 0x00, "Write protected.";
    MEDIUM_MAY_HAVE_CHANGED = 0x28, 0x00, "Not ready to ready change, medium may have changed.";
    IMPORT_EXPORT_ACCESSED = 0x28, 0x01, "Import or export element accessed.";
    RESET_OCCURRED = 0x29, 0x00, "Power on, reset, or bus device reset occurred.";
    POWER_ON = 0x29, 0x01, "Power on occurred.";
    MODE_PARAMETERS_CHANGED = 0x2A, 0x01, "Mode parameters changed.";
    LOG_PARAMETERS_CHANGED = 0x2A, 0x02, "Log parameters changed.";
    RESERVATIONS_PREEMPTED = 0x2A, 0x03, "Reservations preempted.";
    RESERVATIONS_RELEASED = 0x2A, 0x04, "Reservations released.";
    REGISTRATIONS_PREEMPTED = 0x2A, 0x05, "Registrations preempted.";
    TIMESTAMP_CHANGED = 0x2A, 0x10, "Timestamp changed.";
    ENCRYPTION_CHANGED_BY_OTHER = 0x2A, 0x11,
        "Data encryption parameters changed by another I_T nexus.";
    ENCRYPTION_CHANGED_BY_EVENT = 0x2A, 0x12,
        "Data encryption parameters changed by vendor specific event.";
    KEY_INSTANCE_CHANGED = 0x2A, 0x13, "Data encryption key instance counter has changed.";
    COMMAND_SEQUENCE = 0x2C, 0x00, "Command sequence error.";
    INCOMPATIBLE_MEDIUM = 0x30, 0x00, "Incompatible medium installed.";
    CLEANING_CARTRIDGE = 0x30, 0x03, "Cleaning cartridge installed.";
    CANNOT_WRITE_INCOMPATIBLE = 0x30, 0x05, "Cannot write medium, incompatible format.";
    CLEANING_FAILURE = 0x30, 0x07, "Cleaning failure.";
    WORM_OVERWRITE = 0x30, 0x0C, "WORM medium, overwrite attempted.";
    WORM_INTEGRITY = 0x30, 0x0D, "WORM medium, integrity check.";
    FORMAT_CORRUPTED = 0x31, 0x00, "Medium format corrupted.";
    SAVING_NOT_SUPPORTED = 0x39, 0x00, "Saving parameters not supported.";
    MEDIUM_NOT_PRESENT = 0x3A, 0x00, "Medium not present.";
    SEQUENTIAL_POSITIONING = 0x3B, 0x00, "Sequential positioning error.";
    POSITION_PAST_BEGINNING = 0x3B, 0x0C, "Position past beginning of medium.";
    TRAY_OPEN = 0x3A, 0x02, "Medium not present, tray open.";
    DESTINATION_FULL = 0x3B, 0x0D, "Medium destination element full.";
    SOURCE_EMPTY = 0x3B, 0x0E, "Medium source element empty.";
    MAGAZINE_NOT_ACCESSIBLE = 0x3B, 0x11, "Medium magazine not accessible.";
    INTERNAL_FAILURE = 0x44, 0x00, "Internal target failure.";
    DATA_PHASE_ERROR = 0x4B, 0x00, "Data phase error.";
    UNLOAD_FAILURE = 0x53, 0x01, "Unload tape failure.";
    REMOVAL_PREVENTED = 0x53, 0x02, "Medium removal prevented.";
    REMOVAL_PREVENTED_BY_DRIVE = 0x53, 0x03, "Medium removal prevented by data transfer element.";
    CHIP_FULL = 0x55, 0x06, "Auxiliary memory out of space.";
    OPERATOR_WRITE_PROTECT = 0x5A, 0x02, "Operator selected write protect.";
    SECURITY_ERROR = 0x74, 0x00, "Security error.";
    UNABLE_TO_DECRYPT = 0x74, 0x01, "Unable to decrypt data.";
    UNENCRYPTED_WHILE_DECRYPTING = 0x74, 0x02, "Unencrypted data encountered while decrypting.";
    INCORRECT_KEY = 0x74, 0x03, "Incorrect data encryption key.";
    INTEGRITY_CHECK_FAILED = 0x74, 0x04, "Cryptographic integrity validation failed.";
    LABEL_UNREADABLE = 0x83, 0x01, "Label unreadable (vendor, element exception).";
    SLOT_NOT_PRESENT = 0x83, 0x02, "Slot not present (vendor, element exception).";
}

/// Which byte (and bit) an ILLEGAL REQUEST complains about (SPC-4 §4.5.2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldPointer {
    /// True: byte of the CDB; false: byte of the parameter list.
    pub in_cdb: bool,
    /// Byte number from 0.
    pub byte: u16,
    /// Most significant bit of the field, where known.
    pub bit: Option<u8>,
}

/// One sense condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    /// The error belongs to an earlier command that ended with GOOD.
    pub deferred: bool,
    /// Sense key, see [`key`].
    pub key: u8,
    /// Additional sense code.
    pub code: Code,
    /// A filemark was met.
    pub filemark: bool,
    /// End (or beginning) of the partition was met.
    pub eom: bool,
    /// The block length was not the requested one.
    pub ili: bool,
    /// INFORMATION; for tapes a signed residual in the command's units.
    pub information: Option<i64>,
    /// Offending field of an ILLEGAL REQUEST.
    pub field: Option<FieldPointer>,
    /// How much of an operation under way is done, of 65536 (SPC-4 §4.5.2.4.4).
    pub progress: Option<u16>,
}

const FIXED_LEN: usize = 18;
const CURRENT_FIXED: u8 = 0x70;
const CURRENT_DESCRIPTOR: u8 = 0x72;
const VALID: u8 = 0x80;
const FILEMARK: u8 = 0x80;
const EOM: u8 = 0x40;
const ILI: u8 = 0x20;
const SKSV: u8 = 0x80;
const IN_CDB: u8 = 0x40;
const BIT_POINTER_VALID: u8 = 0x08;

impl Sense {
    /// A current condition without flags or information.
    pub const fn new(key: u8, code: Code) -> Self {
        Sense {
            deferred: false,
            key,
            code,
            filemark: false,
            eom: false,
            ili: false,
            information: None,
            field: None,
            progress: None,
        }
    }

    /// NO SENSE, 00/00: nothing to report.
    pub const fn none() -> Self {
        Self::new(key::NO_SENSE, NO_ADDITIONAL_SENSE)
    }

    /// ILLEGAL REQUEST with `code`.
    pub const fn illegal(code: Code) -> Self {
        Self::new(key::ILLEGAL_REQUEST, code)
    }

    /// NOT READY with `code`.
    pub const fn not_ready(code: Code) -> Self {
        Self::new(key::NOT_READY, code)
    }

    /// UNIT ATTENTION with `code`.
    pub const fn attention(code: Code) -> Self {
        Self::new(key::UNIT_ATTENTION, code)
    }

    /// 05/24/00 pointing at `byte` of the CDB.
    pub fn invalid_cdb_field(byte: usize, bit: Option<u8>) -> Self {
        Self::illegal(INVALID_CDB_FIELD).at(true, byte, bit)
    }

    /// 05/26/00 pointing at `byte` of the parameter list.
    pub fn invalid_parameter(byte: usize, bit: Option<u8>) -> Self {
        Self::illegal(INVALID_PARAMETER).at(false, byte, bit)
    }

    fn at(mut self, in_cdb: bool, byte: usize, bit: Option<u8>) -> Self {
        self.field = Some(FieldPointer {
            in_cdb,
            byte: u16::try_from(byte).unwrap_or(u16::MAX),
            bit,
        });
        self
    }

    /// Sets FILEMARK.
    pub const fn with_filemark(mut self) -> Self {
        self.filemark = true;
        self
    }

    /// Sets EOM.
    pub const fn with_eom(mut self) -> Self {
        self.eom = true;
        self
    }

    /// Sets ILI.
    pub const fn with_ili(mut self) -> Self {
        self.ili = true;
        self
    }

    /// Sets INFORMATION, making it valid.
    pub const fn with_information(mut self, residual: i64) -> Self {
        self.information = Some(residual);
        self
    }

    /// Sets the progress indication.
    pub const fn with_progress(mut self, done: u16) -> Self {
        self.progress = Some(done);
        self
    }

    /// The bytes of the chosen format.
    pub fn to_bytes(&self, descriptor: bool) -> Vec<u8> {
        if descriptor {
            self.to_descriptor()
        } else {
            self.to_fixed()
        }
    }

    fn stream_flags(&self) -> u8 {
        let flag = |set: bool, mask: u8| if set { mask } else { 0 };
        flag(self.filemark, FILEMARK) | flag(self.eom, EOM) | flag(self.ili, ILI)
    }

    fn key_specific(&self) -> Option<[u8; 3]> {
        let pointer = self.field.map(|field| {
            let place = if field.in_cdb { IN_CDB } else { 0 };
            let bit = field.bit.map_or(0, |bit| BIT_POINTER_VALID | bit & 0x07);
            let [high, low] = field.byte.to_be_bytes();
            [SKSV | place | bit, high, low]
        });
        let progress = self.progress.map(|done| {
            let [high, low] = done.to_be_bytes();
            [SKSV, high, low]
        });
        pointer.or(progress)
    }

    /// Fixed format, 18 bytes (SPC-4 §4.5.3). INFORMATION that does not fit 32 bits is not valid.
    pub fn to_fixed(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_LEN];
        bytes[0] = CURRENT_FIXED + u8::from(self.deferred);
        bytes[2] = self.stream_flags() | self.key;
        if let Some(residual) = self.information.and_then(|wide| i32::try_from(wide).ok()) {
            bytes[0] |= VALID;
            bytes[3..7].copy_from_slice(&residual.to_be_bytes());
        }
        bytes[7] = (FIXED_LEN - 8) as u8;
        bytes[12] = self.code.asc;
        bytes[13] = self.code.ascq;
        if let Some(specific) = self.key_specific() {
            bytes[15..18].copy_from_slice(&specific);
        }
        bytes
    }

    /// Descriptor format (SPC-4 §4.5.2). The stream descriptor comes first: Linux looks nowhere
    /// else.
    pub fn to_descriptor(&self) -> Vec<u8> {
        let response = CURRENT_DESCRIPTOR + u8::from(self.deferred);
        let mut bytes = vec![
            response,
            self.key,
            self.code.asc,
            self.code.ascq,
            0,
            0,
            0,
            0,
        ];
        bytes.extend_from_slice(&[0x04, 0x02, 0, self.stream_flags()]);
        if let Some(residual) = self.information {
            bytes.extend_from_slice(&[0x00, 0x0A, VALID, 0]);
            bytes.extend_from_slice(&residual.to_be_bytes());
        }
        if let Some([first, high, low]) = self.key_specific() {
            bytes.extend_from_slice(&[0x02, 0x06, 0, 0, first, high, low, 0]);
        }
        bytes[7] = (bytes.len() - 8) as u8;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_sense_equals_a_captured_refusal() {
        // MSL3040 refusing byte 6 bit 4 of a CDB; byte 7 says 18 bytes in all.
        let captured = [
            0x70, 0, 0x05, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x24, 0, 0, 0xCC, 0, 0x06,
        ];
        assert_eq!(Sense::invalid_cdb_field(6, Some(4)).to_fixed(), captured);
    }

    #[test]
    fn residuals_are_signed_and_flags_sit_beside_the_key() {
        let sense = Sense::none().with_ili().with_information(-512);
        let fixed = sense.to_fixed();
        assert_eq!(fixed[0], 0xF0);
        assert_eq!(fixed[2], 0x20);
        assert_eq!(fixed[3..7], [0xFF, 0xFF, 0xFE, 0x00]);
        let descriptor = sense.to_descriptor();
        assert_eq!(descriptor[7] as usize + 8, descriptor.len());
        assert_eq!(descriptor[8..12], [0x04, 0x02, 0x00, 0x20]);
        assert_eq!(descriptor[12..15], [0x00, 0x0A, 0x80]);
    }

    #[test]
    fn information_beyond_32_bits_is_valid_only_in_descriptor_format() {
        let sense = Sense::none().with_information(1 << 40);
        assert_eq!(sense.to_fixed()[0], 0x70);
        assert_eq!(sense.to_descriptor()[16..24], (1i64 << 40).to_be_bytes());
    }
}
