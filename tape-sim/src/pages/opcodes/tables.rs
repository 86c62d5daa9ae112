//! The commands of the two devices.

use super::Command;
use crate::generation::Timeouts;

const fn plain(
    name: &'static str,
    usage: &'static [u8],
    timeout_s: fn(&Timeouts) -> u32,
) -> Command {
    Command {
        name,
        usage,
        service_action: None,
        timeout_s,
    }
}

const fn action(name: &'static str, usage: &'static [u8], service_action: u8) -> Command {
    Command {
        name,
        usage,
        service_action: Some(service_action),
        timeout_s: other,
    }
}

fn other(timeouts: &Timeouts) -> u32 {
    timeouts.other_s
}

fn access_order(timeouts: &Timeouts) -> u32 {
    timeouts.access_order_s
}

fn wrap_ends(timeouts: &Timeouts) -> u32 {
    timeouts.wrap_ends_s
}

/// Mode, buffer, offset and length.
const fn buffer(opcode: u8) -> [u8; 10] {
    [opcode, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]
}

/// A move may end with a drive loading or unloading, which outlasts the robot's 300 s.
fn robot(timeouts: &Timeouts) -> u32 {
    timeouts.load_s.max(300)
}

/// A full scan of all bar codes.
fn scan(_: &Timeouts) -> u32 {
    3600
}

const READ_POSITION: &[u8] = &[0x34, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0];
const READ_POSITION_EXTENDED: &[u8] = &[0x34, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0];
const READ_ATTRIBUTE: &[u8] = &[
    0x8C, 0x1F, 0, 0, 0, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0,
];
const REPORT_LUNS: &[u8] = &[0xA0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const REPORT_OPCODES: &[u8] = &[
    0xA3, 0x1F, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
];
/// Byte 1 of WRITE(16) and WRITE FILEMARKS(16): FCS and LCS beside bit 0.
const WRITE_SEQUENCE: u8 = 0x0D;
/// Partition, object number and transfer length of the forms with explicit addresses.
const fn explicit(opcode: u8, flags: u8) -> [u8; 16] {
    let mut usage = [0xFF; 16];
    usage[0] = opcode;
    usage[1] = flags;
    usage[2] = 0;
    usage[15] = 0;
    usage
}
const READ_16: &[u8] = &explicit(0x88, 0x03);
const WRITE_16: &[u8] = &explicit(0x8A, WRITE_SEQUENCE);
const WRITE_FILEMARKS_16: &[u8] = &explicit(0x80, WRITE_SEQUENCE);
const RECEIVE_ORDER: &[u8] = &[
    0xA3, 0x9F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0,
];
/// Qualifier 45h in byte 2 makes it this command.
const READ_WRAP_ENDS: &[u8] = &[
    0xA3, 0x1F, 0xFF, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
];
const GENERATE_ORDER: &[u8] = &[0xA4, 0x1F, 0x07, 0x07, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const ALLOW_OVERWRITE: &[u8] = &[
    0x82, 0, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
];
/// LONG and IMMED beside FCS and LCS.
const ERASE_16: &[u8] = &[
    0x93, 0x0F, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
];
const LOG_SENSE: &[u8] = &[0x4D, 0, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0];
const SECURITY_IN: &[u8] = &[0xA2, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const SECURITY_OUT: &[u8] = &[0xB5, 0xFF, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const IDENTIFYING_IN: &[u8] = &[0xA3, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0];
const IDENTIFYING_OUT: &[u8] = &[0xA4, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0];
const REPORT_TMF: &[u8] = &[0xA3, 0x1F, 0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const TIMESTAMP_IN: &[u8] = &[0xA3, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const TIMESTAMP_OUT: &[u8] = &[0xA4, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0];
const PERSISTENT_IN: &[u8] = &[0x5E, 0x1F, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0];
const PERSISTENT_OUT: &[u8] = &[0x5F, 0x1F, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0];
const RESERVE_10: &[u8] = &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const RELEASE_10: &[u8] = &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const MODE_SENSE_10: &[u8] = &[0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0];

/// The drive's commands, ascending by opcode and service action.
pub static DRIVE: &[Command] = &[
    plain("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], other),
    plain("REWIND", &[0x01, 0x01, 0, 0, 0, 0], |t| t.rewind_s),
    plain("REQUEST SENSE", &[0x03, 0x01, 0, 0, 0xFF, 0], other),
    plain("FORMAT MEDIUM", &[0x04, 0x01, 0x0F, 0, 0, 0], |t| {
        t.format_s
    }),
    plain("READ BLOCK LIMITS", &[0x05, 0x01, 0, 0, 0, 0], other),
    plain("READ(6)", &[0x08, 0x03, 0xFF, 0xFF, 0xFF, 0], |t| t.read_s),
    plain("WRITE(6)", &[0x0A, 0x01, 0xFF, 0xFF, 0xFF, 0], |t| {
        t.write_s
    }),
    plain("SET CAPACITY", &[0x0B, 0x01, 0, 0xFF, 0xFF, 0], |t| {
        t.set_capacity_s
    }),
    plain(
        "WRITE FILEMARKS(6)",
        &[0x10, 0x01, 0xFF, 0xFF, 0xFF, 0],
        |t| t.write_filemarks_s,
    ),
    plain("SPACE(6)", &[0x11, 0x0F, 0xFF, 0xFF, 0xFF, 0], |t| {
        t.locate_s
    }),
    plain("INQUIRY", &[0x12, 0x01, 0xFF, 0xFF, 0xFF, 0], other),
    plain("VERIFY(6)", &[0x13, 0x2D, 0xFF, 0xFF, 0xFF, 0], |t| {
        t.verify_s
    }),
    plain("MODE SELECT(6)", &[0x15, 0x10, 0, 0, 0xFF, 0], other),
    plain("RESERVE(6)", &[0x16, 0, 0, 0, 0, 0], other),
    plain("RELEASE(6)", &[0x17, 0, 0, 0, 0, 0], other),
    plain("ERASE(6)", &[0x19, 0x03, 0, 0, 0, 0], |t| t.erase_s),
    plain("MODE SENSE(6)", &[0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0], other),
    plain("LOAD UNLOAD", &[0x1B, 0x01, 0, 0, 0x0F, 0], |t| t.load_s),
    plain(
        "RECEIVE DIAGNOSTIC RESULTS",
        &[0x1C, 0x01, 0xFF, 0xFF, 0xFF, 0],
        other,
    ),
    plain("SEND DIAGNOSTIC", &[0x1D, 0x14, 0, 0xFF, 0xFF, 0], |t| {
        t.diagnostic_s
    }),
    plain(
        "PREVENT ALLOW MEDIUM REMOVAL",
        &[0x1E, 0, 0, 0, 0x03, 0],
        other,
    ),
    plain(
        "LOCATE(10)",
        &[0x2B, 0x07, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0],
        |t| t.locate_s,
    ),
    action("READ POSITION (short form)", READ_POSITION, 0x00),
    action("READ POSITION (short form, vendor)", READ_POSITION, 0x01),
    action("READ POSITION (long form)", READ_POSITION, 0x06),
    action(
        "READ POSITION (extended form)",
        READ_POSITION_EXTENDED,
        0x08,
    ),
    plain("WRITE BUFFER", &buffer(0x3B), |t| t.buffer_s),
    plain("READ BUFFER", &buffer(0x3C), |t| t.buffer_s),
    plain(
        "REPORT DENSITY SUPPORT",
        &[0x44, 0x03, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        other,
    ),
    plain(
        "LOG SELECT",
        &[0x4C, 0x02, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0],
        other,
    ),
    plain("LOG SENSE", LOG_SENSE, other),
    plain(
        "MODE SELECT(10)",
        &[0x55, 0x10, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        other,
    ),
    plain("RESERVE(10)", RESERVE_10, other),
    plain("RELEASE(10)", RELEASE_10, other),
    plain("MODE SENSE(10)", MODE_SENSE_10, other),
    action("PERSISTENT RESERVE IN (read keys)", PERSISTENT_IN, 0x00),
    action(
        "PERSISTENT RESERVE IN (read reservation)",
        PERSISTENT_IN,
        0x01,
    ),
    action(
        "PERSISTENT RESERVE IN (report capabilities)",
        PERSISTENT_IN,
        0x02,
    ),
    action(
        "PERSISTENT RESERVE IN (read full status)",
        PERSISTENT_IN,
        0x03,
    ),
    action("PERSISTENT RESERVE OUT (register)", PERSISTENT_OUT, 0x00),
    action("PERSISTENT RESERVE OUT (reserve)", PERSISTENT_OUT, 0x01),
    action("PERSISTENT RESERVE OUT (release)", PERSISTENT_OUT, 0x02),
    action("PERSISTENT RESERVE OUT (clear)", PERSISTENT_OUT, 0x03),
    action("PERSISTENT RESERVE OUT (preempt)", PERSISTENT_OUT, 0x04),
    action(
        "PERSISTENT RESERVE OUT (preempt and abort)",
        PERSISTENT_OUT,
        0x05,
    ),
    action(
        "PERSISTENT RESERVE OUT (register and ignore key)",
        PERSISTENT_OUT,
        0x06,
    ),
    plain("WRITE FILEMARKS(16)", WRITE_FILEMARKS_16, |t| {
        t.write_filemarks_s
    }),
    plain("ALLOW OVERWRITE", ALLOW_OVERWRITE, other),
    plain("READ(16)", READ_16, |t| t.read_s),
    plain("WRITE(16)", WRITE_16, |t| t.write_s),
    action("READ ATTRIBUTE (values)", READ_ATTRIBUTE, 0x00),
    action("READ ATTRIBUTE (list)", READ_ATTRIBUTE, 0x01),
    action("READ ATTRIBUTE (volumes)", READ_ATTRIBUTE, 0x02),
    action("READ ATTRIBUTE (partitions)", READ_ATTRIBUTE, 0x03),
    action("READ ATTRIBUTE (supported)", READ_ATTRIBUTE, 0x05),
    plain(
        "WRITE ATTRIBUTE",
        &[
            0x8D, 0x01, 0, 0, 0, 0xFF, 0, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        other,
    ),
    plain("VERIFY(16)", &explicit(0x8F, 0x2D), |t| t.verify_s),
    plain(
        "SPACE(16)",
        &[
            0x91, 0x0F, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
        ],
        |t| t.locate_s,
    ),
    plain(
        "LOCATE(16)",
        &[
            0x92, 0x1B, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
        ],
        |t| t.locate_s,
    ),
    plain("ERASE(16)", ERASE_16, |t| t.erase_s),
    plain("REPORT LUNS", REPORT_LUNS, other),
    plain("SECURITY PROTOCOL IN", SECURITY_IN, other),
    action("REPORT IDENTIFYING INFORMATION", IDENTIFYING_IN, 0x05),
    action("REPORT SUPPORTED OPERATION CODES", REPORT_OPCODES, 0x0C),
    action("REPORT SUPPORTED TMF", REPORT_TMF, 0x0D),
    action("REPORT TIMESTAMP", TIMESTAMP_IN, 0x0F),
    Command {
        timeout_s: access_order,
        ..action("RECEIVE RECOMMENDED ACCESS ORDER", RECEIVE_ORDER, 0x1D)
    },
    Command {
        timeout_s: wrap_ends,
        ..action("READ END OF WRAP POSITION", READ_WRAP_ENDS, 0x1F)
    },
    action("SET IDENTIFYING INFORMATION", IDENTIFYING_OUT, 0x06),
    action("SET TIMESTAMP", TIMESTAMP_OUT, 0x0F),
    Command {
        timeout_s: access_order,
        ..action("GENERATE RECOMMENDED ACCESS ORDER", GENERATE_ORDER, 0x1D)
    },
    plain("SECURITY PROTOCOL OUT", SECURITY_OUT, other),
];

/// The changer's commands, ascending by opcode and service action. The robot cannot turn a
/// cartridge over, so INVERT is reserved.
pub static CHANGER: &[Command] = &[
    plain("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], other),
    plain("REQUEST SENSE", &[0x03, 0x01, 0, 0, 0xFF, 0], other),
    plain("INITIALIZE ELEMENT STATUS", &[0x07, 0, 0, 0, 0, 0], scan),
    plain("INQUIRY", &[0x12, 0x01, 0xFF, 0xFF, 0xFF, 0], other),
    plain("RESERVE(6)", &[0x16, 0, 0, 0, 0, 0], other),
    plain("RELEASE(6)", &[0x17, 0, 0, 0, 0, 0], other),
    plain("MODE SENSE(6)", &[0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0], other),
    plain(
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        &[0x1B, 0, 0xFF, 0xFF, 0x1F, 0],
        robot,
    ),
    plain(
        "PREVENT ALLOW MEDIUM REMOVAL",
        &[0x1E, 0, 0, 0, 0x03, 0],
        other,
    ),
    plain(
        "POSITION TO ELEMENT",
        &[0x2B, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
        robot,
    ),
    plain(
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        &[0x37, 0x03, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0],
        scan,
    ),
    plain("LOG SENSE", LOG_SENSE, other),
    plain("RESERVE(10)", RESERVE_10, other),
    plain("RELEASE(10)", RELEASE_10, other),
    plain("MODE SENSE(10)", MODE_SENSE_10, other),
    action("PERSISTENT RESERVE IN (read keys)", PERSISTENT_IN, 0x00),
    action(
        "PERSISTENT RESERVE IN (read reservation)",
        PERSISTENT_IN,
        0x01,
    ),
    action(
        "PERSISTENT RESERVE IN (report capabilities)",
        PERSISTENT_IN,
        0x02,
    ),
    action(
        "PERSISTENT RESERVE IN (read full status)",
        PERSISTENT_IN,
        0x03,
    ),
    action("PERSISTENT RESERVE OUT (register)", PERSISTENT_OUT, 0x00),
    action("PERSISTENT RESERVE OUT (reserve)", PERSISTENT_OUT, 0x01),
    action("PERSISTENT RESERVE OUT (release)", PERSISTENT_OUT, 0x02),
    action("PERSISTENT RESERVE OUT (clear)", PERSISTENT_OUT, 0x03),
    action("PERSISTENT RESERVE OUT (preempt)", PERSISTENT_OUT, 0x04),
    action(
        "PERSISTENT RESERVE OUT (preempt and abort)",
        PERSISTENT_OUT,
        0x05,
    ),
    action(
        "PERSISTENT RESERVE OUT (register and ignore key)",
        PERSISTENT_OUT,
        0x06,
    ),
    plain("REPORT LUNS", REPORT_LUNS, other),
    action("REPORT SUPPORTED OPERATION CODES", REPORT_OPCODES, 0x0C),
    plain(
        "MOVE MEDIUM",
        &[0xA5, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
        robot,
    ),
    plain(
        "EXCHANGE MEDIUM",
        &[
            0xA6, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        robot,
    ),
    plain(
        "REQUEST VOLUME ELEMENT ADDRESS",
        &[
            0xB5, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        other,
    ),
    plain(
        "SEND VOLUME TAG",
        &[0xB6, 0x0F, 0xFF, 0xFF, 0, 0x1F, 0, 0, 0xFF, 0xFF, 0, 0],
        other,
    ),
    plain(
        "READ ELEMENT STATUS",
        &[
            0xB8, 0x1F, 0xFF, 0xFF, 0xFF, 0xFF, 0x03, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        other,
    ),
    plain(
        "INITIALIZE ELEMENT STATUS WITH RANGE (older opcode)",
        &[0xE7, 0x03, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0],
        scan,
    ),
];
