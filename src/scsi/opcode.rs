//! Operation codes (SPC-4, SSC-4, SMC-3; scsi-tape facts 3.1 and 4.2).
//!
//! Public so that traces and fault rules can name a command.

macro_rules! opcodes {
    ($($name:ident = $code:literal, $words:literal;)*) => {
        $(#[doc = concat!("`", $words, "`")] pub const $name: u8 = $code;)*

        /// The name of the command that `cdb` is, as the standards spell it, if this
        /// project sends it.
        #[must_use]
        pub fn name(cdb: &[u8]) -> Option<&'static str> {
            match *cdb.first()? {
                $($code => Some($words),)*
                _ => None,
            }
        }
    };
}

opcodes! {
    TEST_UNIT_READY = 0x00, "TEST UNIT READY";
    REWIND = 0x01, "REWIND";
    REQUEST_SENSE = 0x03, "REQUEST SENSE";
    READ_BLOCK_LIMITS = 0x05, "READ BLOCK LIMITS";
    INITIALIZE_ELEMENT_STATUS = 0x07, "INITIALIZE ELEMENT STATUS";
    READ_6 = 0x08, "READ(6)";
    WRITE_6 = 0x0A, "WRITE(6)";
    WRITE_FILEMARKS_6 = 0x10, "WRITE FILEMARKS(6)";
    SPACE_6 = 0x11, "SPACE(6)";
    INQUIRY = 0x12, "INQUIRY";
    MODE_SELECT_6 = 0x15, "MODE SELECT(6)";
    ERASE_6 = 0x19, "ERASE(6)";
    MODE_SENSE_6 = 0x1A, "MODE SENSE(6)";
    LOAD_UNLOAD = 0x1B, "LOAD UNLOAD";
    PREVENT_ALLOW = 0x1E, "PREVENT ALLOW MEDIUM REMOVAL";
    LOCATE_10 = 0x2B, "LOCATE(10)";
    READ_POSITION = 0x34, "READ POSITION";
    REPORT_DENSITY_SUPPORT = 0x44, "REPORT DENSITY SUPPORT";
    LOG_SENSE = 0x4D, "LOG SENSE";
    MODE_SELECT_10 = 0x55, "MODE SELECT(10)";
    MODE_SENSE_10 = 0x5A, "MODE SENSE(10)";
    PERSISTENT_RESERVE_IN = 0x5E, "PERSISTENT RESERVE IN";
    PERSISTENT_RESERVE_OUT = 0x5F, "PERSISTENT RESERVE OUT";
    READ_ATTRIBUTE = 0x8C, "READ ATTRIBUTE";
    WRITE_ATTRIBUTE = 0x8D, "WRITE ATTRIBUTE";
    SPACE_16 = 0x91, "SPACE(16)";
    LOCATE_16 = 0x92, "LOCATE(16)";
    SECURITY_PROTOCOL_IN = 0xA2, "SECURITY PROTOCOL IN";
    MAINTENANCE_IN = 0xA3, "MAINTENANCE IN";
    MAINTENANCE_OUT = 0xA4, "MAINTENANCE OUT";
    MOVE_MEDIUM = 0xA5, "MOVE MEDIUM";
    SECURITY_PROTOCOL_OUT = 0xB5, "SECURITY PROTOCOL OUT";
    READ_ELEMENT_STATUS = 0xB8, "READ ELEMENT STATUS";
}
