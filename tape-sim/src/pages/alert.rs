//! The drive's TapeAlert flags (SSC-4 annex A): numbers, names, how serious each is, and whether
//! it speaks of the medium or of the drive. Knows no rule that raises one: those are in `ssc`.

/// How serious a flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Data or drive are at risk.
    Critical,
    /// Something has to be done before long.
    Warning,
    /// For the record.
    Information,
}

/// What a flag speaks of, which decides when it becomes stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The medium: stale when the next one is loaded.
    Medium,
    /// The drive: stays until it is read, reset or cured.
    Drive,
}

/// One TapeAlert flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert {
    /// Flag number, 1 to 64: parameter code on page 2Eh.
    pub number: u8,
    /// Name in the standard.
    pub name: &'static str,
    /// How serious it is.
    pub severity: Severity,
    /// What it speaks of.
    pub subject: Subject,
}

/// Defines the flags as constants and lists them: the doc comment of each is the severity table.
macro_rules! alerts {
    ($($constant:ident = $number:literal, $name:literal, $severity:ident, $subject:ident;)*) => {
        $(
            #[doc = concat!($name, ": ", stringify!($severity), ", ", stringify!($subject), ".")]
            pub const $constant: u8 = $number;
        )*
        /// All flags that the standard has not left reserved, ascending.
        pub static ALERTS: &[Alert] = &[
            $(Alert {
                number: $number,
                name: $name,
                severity: Severity::$severity,
                subject: Subject::$subject,
            },)*
        ];
    };
}

alerts! {
    READ_WARNING = 0x01, "Read warning", Warning, Medium;
    WRITE_WARNING = 0x02, "Write warning", Warning, Medium;
    HARD_ERROR = 0x03, "Hard error", Warning, Medium;
    MEDIA = 0x04, "Media", Critical, Medium;
    READ_FAILURE = 0x05, "Read failure", Critical, Medium;
    WRITE_FAILURE = 0x06, "Write failure", Critical, Medium;
    MEDIA_LIFE = 0x07, "Media life", Warning, Medium;
    NOT_DATA_GRADE = 0x08, "Not data grade", Warning, Medium;
    WRITE_PROTECT = 0x09, "Write protect", Critical, Medium;
    NO_REMOVAL = 0x0A, "No removal", Information, Medium;
    CLEANING_MEDIA = 0x0B, "Cleaning media", Information, Medium;
    UNSUPPORTED_FORMAT = 0x0C, "Unsupported format", Information, Medium;
    RECOVERABLE_SNAPPED_TAPE = 0x0D, "Recoverable snapped tape", Critical, Medium;
    UNRECOVERABLE_SNAPPED_TAPE = 0x0E, "Unrecoverable snapped tape", Critical, Medium;
    MEMORY_FAILURE = 0x0F, "Memory chip in cartridge failure", Warning, Medium;
    FORCED_EJECT = 0x10, "Forced eject", Critical, Medium;
    READ_ONLY_FORMAT = 0x11, "Read only format", Warning, Medium;
    DIRECTORY_CORRUPTED = 0x12, "Tape directory corrupted on load", Warning, Medium;
    NEARING_MEDIA_LIFE = 0x13, "Nearing media life", Information, Medium;
    CLEAN_NOW = 0x14, "Clean now", Critical, Drive;
    CLEAN_PERIODIC = 0x15, "Clean periodic", Warning, Drive;
    EXPIRED_CLEANING_MEDIA = 0x16, "Expired cleaning media", Critical, Medium;
    INVALID_CLEANING_TAPE = 0x17, "Invalid cleaning tape", Critical, Medium;
    RETENSION_REQUESTED = 0x18, "Retension requested", Warning, Medium;
    DUAL_PORT = 0x19, "Dual-port interface error", Warning, Drive;
    COOLING_FAN = 0x1A, "Cooling fan failure", Warning, Drive;
    POWER_SUPPLY = 0x1B, "Power supply failure", Warning, Drive;
    POWER_CONSUMPTION = 0x1C, "Power consumption", Warning, Drive;
    DRIVE_MAINTENANCE = 0x1D, "Drive maintenance", Warning, Drive;
    HARDWARE_A = 0x1E, "Hardware A", Critical, Drive;
    HARDWARE_B = 0x1F, "Hardware B", Critical, Drive;
    INTERFACE = 0x20, "Interface", Warning, Drive;
    EJECT_MEDIA = 0x21, "Eject media", Critical, Medium;
    MICROCODE_UPDATE = 0x22, "Microcode update fail", Warning, Drive;
    DRIVE_HUMIDITY = 0x23, "Drive humidity", Warning, Drive;
    DRIVE_TEMPERATURE = 0x24, "Drive temperature", Warning, Drive;
    DRIVE_VOLTAGE = 0x25, "Drive voltage", Warning, Drive;
    PREDICTIVE_FAILURE = 0x26, "Predictive failure", Critical, Drive;
    DIAGNOSTICS_REQUIRED = 0x27, "Diagnostics required", Warning, Drive;
    LOADER_HARDWARE_A = 0x28, "Loader hardware A (obsolete)", Critical, Drive;
    LOADER_STRAY_TAPE = 0x29, "Loader stray tape (obsolete)", Critical, Drive;
    LOADER_HARDWARE = 0x2A, "Loader hardware (obsolete)", Warning, Drive;
    LOADER_DOOR = 0x2B, "Loader door open (obsolete)", Critical, Drive;
    LOADER_HARDWARE_B = 0x2C, "Loader hardware B (obsolete)", Critical, Drive;
    LOADER_MAGAZINE = 0x2D, "Loader magazine missing (obsolete)", Critical, Drive;
    LOADER_PREDICTIVE_FAILURE = 0x2E, "Loader predictive failure (obsolete)", Warning, Drive;
    ENCRYPTION_COMMUNICATION = 0x2F, "External encryption: communication", Information, Drive;
    ENCRYPTION_KEY_MANAGER = 0x30, "External encryption: key manager", Information, Drive;
    DIMINISHED_CAPACITY = 0x31, "Diminished native capacity", Warning, Medium;
    LOST_STATISTICS = 0x32, "Lost statistics", Warning, Medium;
    DIRECTORY_INVALID_AT_UNLOAD = 0x33, "Tape directory invalid at unload", Warning, Medium;
    SYSTEM_AREA_WRITE = 0x34, "Tape system area write failure", Critical, Medium;
    SYSTEM_AREA_READ = 0x35, "Tape system area read failure", Critical, Medium;
    NO_START_OF_DATA = 0x36, "No start of data", Critical, Medium;
    LOADING_FAILURE = 0x37, "Loading or threading failure", Critical, Medium;
    UNRECOVERABLE_UNLOAD = 0x38, "Unrecoverable unload failure", Critical, Medium;
    AUTOMATION_INTERFACE = 0x39, "Automation interface failure", Critical, Drive;
    FIRMWARE = 0x3A, "Firmware failure", Warning, Drive;
    WORM_INTEGRITY = 0x3B, "WORM medium: integrity check failed", Warning, Medium;
    WORM_OVERWRITE = 0x3C, "WORM medium: overwrite attempted", Warning, Medium;
    ENCRYPTION_POLICY = 0x3D, "Encryption policy violation", Warning, Drive;
}

/// The bit of flag `number` (1 to 64) in a field of 64 flags: flag 1 is the most significant.
#[must_use]
pub fn bit(number: u8) -> u64 {
    1 << (64 - u32::from(number.clamp(1, 64)))
}

/// All flags that there are, in such a field.
#[must_use]
pub fn all() -> u64 {
    flags_of(Subject::Medium) | flags_of(Subject::Drive)
}

/// The flags about `subject` in such a field.
#[must_use]
pub fn flags_of(subject: Subject) -> u64 {
    let of_subject = ALERTS.iter().filter(|alert| alert.subject == subject);
    of_subject.fold(0, |flags, alert| flags | bit(alert.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_numbered_without_a_gap_and_split_in_two() {
        assert!(ALERTS.iter().map(|alert| alert.number).eq(1..=0x3D));
        let (medium, drive) = (flags_of(Subject::Medium), flags_of(Subject::Drive));
        assert_eq!(medium & drive, 0);
        assert_eq!(medium | drive, !0b111);
        assert_eq!((bit(1), bit(64)), (1 << 63, 1));
    }
}
