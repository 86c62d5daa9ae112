//! Which commands send data to the device: the ring does not say, and the simulator must know
//! before it executes one.
//!
//! Everything else that has a data phase reads. Knows nothing else of the commands.

/// Operation codes with a data-out phase, for drives and changers (SPC-4, SSC-4, SMC-3).
const SENDS: [u8; 16] = [
    0x04, // FORMAT MEDIUM, reserved parameter list
    0x0A, // WRITE(6)
    0x15, // MODE SELECT(6)
    0x1D, // SEND DIAGNOSTIC
    0x3B, // WRITE BUFFER
    0x4C, // LOG SELECT
    0x55, // MODE SELECT(10)
    0x5F, // PERSISTENT RESERVE OUT
    0x83, // EXTENDED COPY
    0x8A, // WRITE(16)
    0x8D, // WRITE ATTRIBUTE
    0xA4, // MAINTENANCE OUT
    0xA9, // SERVICE ACTION OUT(12)
    0xB5, // SECURITY PROTOCOL OUT
    0xB6, // SEND VOLUME TAG
    0x9F, // SERVICE ACTION OUT(16)
];
/// VERIFY(6) and VERIFY(16) have the host's data to compare with if BYTCMP (byte 1 bit 1) is set.
const VERIFIES: [u8; 2] = [0x13, 0x8F];
const BYTCMP: u8 = 0x02;

/// True if the host's data goes to the device.
pub fn sends_data(cdb: &[u8]) -> bool {
    let opcode = cdb.first().copied().unwrap_or_default();
    let compares = cdb.get(1).is_some_and(|byte| byte & BYTCMP != 0);
    SENDS.contains(&opcode) || VERIFIES.contains(&opcode) && compares
}
