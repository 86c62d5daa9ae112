//! Command descriptor blocks as plain byte arrays (scsi-tape facts 3.2 and 4.2).
//!
//! Bytes that a builder does not set are reserved and zero; the last byte is CONTROL.

use super::opcode as op;
use super::reservation::{ReserveAction, ReserveQuestion};

/// The longest data phase of READ(6) and WRITE(6), in bytes.
pub const MAX_TRANSFER_6_BYTES: usize = 0x00FF_FFFF;

/// READ(6) and WRITE(6) byte 1: the length is in blocks.
const FIXED: u8 = 0x01;

const ERASE_LONG: u8 = 0x01;
const ERASE_IMMEDIATE: u8 = 0x02;

/// What SPACE counts (SSC-4, CODE field).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceCode {
    /// Blocks, up to a filemark at most.
    Blocks = 0,
    /// Filemarks.
    Filemarks = 1,
    /// To the end of data; the count is ignored.
    EndOfData = 3,
}

/// Which form READ POSITION answers in (its service action).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionForm {
    /// 20 bytes, 32-bit object numbers.
    Short = 0x00,
    /// 32 bytes, with the number of filemarks.
    Long = 0x06,
    /// 32 bytes, 64-bit object numbers and buffer contents.
    Extended = 0x08,
}

/// Which elements READ ELEMENT STATUS reports, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementRequest {
    /// Element type code; 0 for all.
    pub kind: u8,
    /// Lowest address to report.
    pub start: u16,
    /// At most so many elements.
    pub count: u16,
    /// VOLTAG: with barcodes.
    pub volume_tags: bool,
    /// DVCID: with device identification of drives.
    pub device_ids: bool,
    /// Length of the buffer, in bytes (24 bits).
    pub allocation_bytes: u32,
}

/// True where sending a command again after a failure cannot change or repeat anything
/// on the tape: such a command may be retried.
#[must_use]
pub fn harmless_to_repeat(cdb: &[u8]) -> bool {
    const HARMLESS: [u8; 17] = [
        op::TEST_UNIT_READY,
        op::REQUEST_SENSE,
        op::REWIND,
        op::READ_BLOCK_LIMITS,
        op::INQUIRY,
        op::MODE_SENSE_6,
        op::MODE_SENSE_10,
        op::LOCATE_10,
        op::LOCATE_16,
        op::READ_POSITION,
        op::REPORT_DENSITY_SUPPORT,
        op::LOG_SENSE,
        op::PERSISTENT_RESERVE_IN,
        op::READ_ATTRIBUTE,
        op::SECURITY_PROTOCOL_IN,
        op::MAINTENANCE_IN,
        op::READ_ELEMENT_STATUS,
    ];
    cdb.first().is_some_and(|code| HARMLESS.contains(code))
}

/// True for what acts at the place of the tape, or nowhere: where a device did not execute it,
/// and the tape has not moved, it may be sent again.
#[must_use]
pub fn is_in_place(cdb: &[u8]) -> bool {
    let sets_mode = matches!(cdb.first(), Some(&(op::MODE_SELECT_6 | op::MODE_SELECT_10)));
    is_read(cdb) || is_write(cdb) || sets_mode
}

/// True for what puts data or filemarks onto the tape.
#[must_use]
pub fn is_write(cdb: &[u8]) -> bool {
    matches!(cdb.first(), Some(&(op::WRITE_6 | op::WRITE_FILEMARKS_6)))
}

/// True for a READ of blocks.
#[must_use]
pub fn is_read(cdb: &[u8]) -> bool {
    cdb.first() == Some(&op::READ_6)
}

/// True where the data phase of a command is the user's data or a key, which no trace may
/// show.
#[must_use]
pub fn carries_payload(cdb: &[u8]) -> bool {
    matches!(
        cdb.first(),
        Some(&(op::READ_6 | op::WRITE_6 | op::SECURITY_PROTOCOL_OUT))
    )
}

/// TEST UNIT READY.
#[must_use]
pub fn test_unit_ready() -> [u8; 6] {
    [op::TEST_UNIT_READY, 0, 0, 0, 0, 0]
}

/// REQUEST SENSE, fixed format: what the device is doing, if nothing is wrong.
#[must_use]
pub fn request_sense(allocation_bytes: u8) -> [u8; 6] {
    [op::REQUEST_SENSE, 0, 0, 0, allocation_bytes, 0]
}

/// REWIND, waiting for its end.
#[must_use]
pub fn rewind() -> [u8; 6] {
    [op::REWIND, 0, 0, 0, 0, 0]
}

/// READ BLOCK LIMITS; 6 bytes come back.
#[must_use]
pub fn read_block_limits() -> [u8; 6] {
    [op::READ_BLOCK_LIMITS, 0, 0, 0, 0, 0]
}

/// READ(6), variable-length, SILI 0, so that every wrong length is reported. Only the
/// low 24 bits of `length_bytes` count.
#[must_use]
pub fn read_6(length_bytes: u32) -> [u8; 6] {
    with_length_24(op::READ_6, length_bytes)
}

/// WRITE(6), variable-length. Only the low 24 bits of `length_bytes` count.
#[must_use]
pub fn write_6(length_bytes: u32) -> [u8; 6] {
    with_length_24(op::WRITE_6, length_bytes)
}

/// WRITE(6) of `blocks` blocks of the length that the drive is set to. Only the low 24 bits
/// of `blocks` count.
#[must_use]
pub fn write_6_fixed(blocks: u32) -> [u8; 6] {
    let mut cdb = with_length_24(op::WRITE_6, blocks);
    cdb[1] = FIXED;
    cdb
}

/// WRITE FILEMARKS(6). `immediate`: answer once the marks are in the buffer. With
/// `count` 0 and not immediate it flushes the buffer to the medium.
#[must_use]
pub fn write_filemarks_6(count: u8, immediate: bool) -> [u8; 6] {
    [op::WRITE_FILEMARKS_6, u8::from(immediate), 0, 0, count, 0]
}

/// SPACE in its shortest form that holds `count`.
#[must_use]
pub fn space(code: SpaceCode, count: i64) -> Vec<u8> {
    const COUNT_24: std::ops::RangeInclusive<i64> = -(1 << 23)..=(1 << 23) - 1;
    let bytes = count.to_be_bytes();
    if COUNT_24.contains(&count) {
        return vec![op::SPACE_6, code as u8, bytes[5], bytes[6], bytes[7], 0];
    }
    let mut cdb = vec![0; 16];
    cdb[0] = op::SPACE_16;
    cdb[1] = code as u8;
    cdb[4..12].copy_from_slice(&bytes);
    cdb
}

/// LOCATE(16) to a logical object in the current partition.
#[must_use]
pub fn locate_16(block: u64) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = op::LOCATE_16;
    cdb[4..12].copy_from_slice(&block.to_be_bytes());
    cdb
}

/// LOCATE(10) to a logical object in the current partition.
#[must_use]
pub fn locate_10(block: u32) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = op::LOCATE_10;
    cdb[3..7].copy_from_slice(&block.to_be_bytes());
    cdb
}

/// READ POSITION. Only the extended form has an allocation length.
#[must_use]
pub fn read_position(form: PositionForm) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = op::READ_POSITION;
    cdb[1] = form as u8;
    if form == PositionForm::Extended {
        cdb[8] = 32;
    }
    cdb
}

/// ERASE(6): end of data at the current position; `long` overwrites all that is behind it.
/// `immediate`: answer once it has begun.
#[must_use]
pub fn erase(long: bool, immediate: bool) -> [u8; 6] {
    let flag = |set: bool, bit| if set { bit } else { 0 };
    let flags = flag(long, ERASE_LONG) | flag(immediate, ERASE_IMMEDIATE);
    [op::ERASE_6, flags, 0, 0, 0, 0]
}

/// True for an ERASE that overwrites the rest of the tape, which takes hours.
#[must_use]
pub(super) fn is_long_erase(cdb: &[u8]) -> bool {
    matches!(cdb, [op::ERASE_6, flags, ..] if flags & ERASE_LONG != 0)
}

/// LOAD UNLOAD: thread the tape and rewind, or unthread and eject.
#[must_use]
pub fn load_unload(load: bool) -> [u8; 6] {
    [op::LOAD_UNLOAD, 0, 0, 0, u8::from(load), 0]
}

/// PREVENT ALLOW MEDIUM REMOVAL.
#[must_use]
pub fn prevent_allow(prevent: bool) -> [u8; 6] {
    [op::PREVENT_ALLOW, 0, 0, 0, u8::from(prevent), 0]
}

/// INQUIRY, standard data.
#[must_use]
pub fn inquiry(allocation_bytes: u16) -> [u8; 6] {
    let [high, low] = allocation_bytes.to_be_bytes();
    [op::INQUIRY, 0, 0, high, low, 0]
}

/// INQUIRY, a vital product data page.
#[must_use]
pub fn inquiry_vpd(page: u8, allocation_bytes: u16) -> [u8; 6] {
    let [high, low] = allocation_bytes.to_be_bytes();
    [op::INQUIRY, 0x01, page, high, low, 0]
}

/// MODE SENSE(6), current values with block descriptor.
#[must_use]
pub fn mode_sense_6(page: u8, allocation_bytes: u8) -> [u8; 6] {
    [op::MODE_SENSE_6, 0, page, 0, allocation_bytes, 0]
}

/// MODE SENSE(6), current values without block descriptor (DBD).
#[must_use]
pub fn mode_sense_6_no_descriptor(page: u8, allocation_bytes: u8) -> [u8; 6] {
    [op::MODE_SENSE_6, 0x08, page, 0, allocation_bytes, 0]
}

/// MODE SENSE(10), current values with block descriptor.
#[must_use]
pub fn mode_sense_10(page: u8, subpage: u8, allocation_bytes: u16) -> [u8; 10] {
    let [high, low] = allocation_bytes.to_be_bytes();
    [op::MODE_SENSE_10, 0, page, subpage, 0, 0, 0, high, low, 0]
}

/// MODE SELECT(6), page format, not saved.
#[must_use]
pub fn mode_select_6(length_bytes: u8) -> [u8; 6] {
    [op::MODE_SELECT_6, 0x10, 0, 0, length_bytes, 0]
}

/// MODE SELECT(10), page format, not saved.
#[must_use]
pub fn mode_select_10(length_bytes: u16) -> [u8; 10] {
    let [high, low] = length_bytes.to_be_bytes();
    [op::MODE_SELECT_10, 0x10, 0, 0, 0, 0, 0, high, low, 0]
}

/// LOG SENSE, cumulative values of a page without subpage.
#[must_use]
pub fn log_sense(page: u8, allocation_bytes: u16) -> [u8; 10] {
    let [high, low] = allocation_bytes.to_be_bytes();
    [
        op::LOG_SENSE,
        0,
        0x40 | page & 0x3F,
        0,
        0,
        0,
        0,
        high,
        low,
        0,
    ]
}

/// READ ATTRIBUTE, values of partition 0 from attribute `first` on.
#[must_use]
pub fn read_attribute(first: u16, allocation_bytes: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = op::READ_ATTRIBUTE;
    cdb[8..10].copy_from_slice(&first.to_be_bytes());
    cdb[10..14].copy_from_slice(&allocation_bytes.to_be_bytes());
    cdb
}

/// WRITE ATTRIBUTE of partition 0, written through to the chip (WTC).
#[must_use]
pub fn write_attribute(length_bytes: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = op::WRITE_ATTRIBUTE;
    cdb[1] = 0x01;
    cdb[10..14].copy_from_slice(&length_bytes.to_be_bytes());
    cdb
}

/// REPORT SUPPORTED OPERATION CODES, all commands with timeouts (RCTD).
#[must_use]
pub fn report_supported_opcodes(allocation_bytes: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = op::MAINTENANCE_IN;
    cdb[1] = 0x0C;
    cdb[2] = 0x80;
    cdb[6..10].copy_from_slice(&allocation_bytes.to_be_bytes());
    cdb
}

/// READ END OF WRAP POSITION, all wraps (RA).
#[must_use]
pub fn read_end_of_wraps(allocation_bytes: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[..4].copy_from_slice(&[op::MAINTENANCE_IN, 0x1F, 0x45, 0x02]);
    cdb[6..10].copy_from_slice(&allocation_bytes.to_be_bytes());
    cdb
}

/// GENERATE RECOMMENDED ACCESS ORDER: segments without geometry, in the drive's own order.
#[must_use]
pub fn generate_access_order(parameter_bytes: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[..4].copy_from_slice(&[op::MAINTENANCE_OUT, 0x1D, 0x02, 0x00]);
    cdb[6..10].copy_from_slice(&parameter_bytes.to_be_bytes());
    cdb
}

/// RECEIVE RECOMMENDED ACCESS ORDER: the list, or only how long it may be (UDS_LIMITS).
#[must_use]
pub fn receive_access_order(limits: bool, allocation_bytes: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = op::MAINTENANCE_IN;
    cdb[1] = 0x1D | if limits { 0x80 } else { 0 };
    cdb[6..10].copy_from_slice(&allocation_bytes.to_be_bytes());
    cdb
}

/// REPORT DENSITY SUPPORT: formats of the drive, or of the loaded cartridge (MEDIA).
#[must_use]
pub fn report_density_support(of_medium: bool, allocation_bytes: u16) -> [u8; 10] {
    let [high, low] = allocation_bytes.to_be_bytes();
    [
        op::REPORT_DENSITY_SUPPORT,
        u8::from(of_medium),
        0,
        0,
        0,
        0,
        0,
        high,
        low,
        0,
    ]
}

/// SECURITY PROTOCOL IN: the page `page` of a security protocol.
#[must_use]
pub fn security_protocol_in(protocol: u8, page: u16, allocation_bytes: u32) -> [u8; 12] {
    security_protocol(op::SECURITY_PROTOCOL_IN, protocol, page, allocation_bytes)
}

/// SECURITY PROTOCOL OUT: the page `page` of a security protocol. Its data may hold a key.
#[must_use]
pub fn security_protocol_out(protocol: u8, page: u16, length_bytes: u32) -> [u8; 12] {
    security_protocol(op::SECURITY_PROTOCOL_OUT, protocol, page, length_bytes)
}

/// PERSISTENT RESERVE IN.
#[must_use]
pub fn persistent_reserve_in(question: ReserveQuestion, allocation_bytes: u16) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = op::PERSISTENT_RESERVE_IN;
    cdb[1] = question as u8;
    cdb[7..9].copy_from_slice(&allocation_bytes.to_be_bytes());
    cdb
}

/// PERSISTENT RESERVE OUT, for the whole unit; `kind` is the type of the reservation.
#[must_use]
pub fn persistent_reserve_out(action: ReserveAction, kind: u8, length_bytes: u32) -> [u8; 10] {
    let mut cdb = [0; 10];
    cdb[0] = op::PERSISTENT_RESERVE_OUT;
    cdb[1] = action as u8;
    cdb[2] = kind & 0x0F;
    cdb[5..9].copy_from_slice(&length_bytes.to_be_bytes());
    cdb
}

/// READ ELEMENT STATUS.
#[must_use]
pub fn read_element_status(request: &ElementRequest) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = op::READ_ELEMENT_STATUS;
    cdb[1] = request.kind & 0x0F | if request.volume_tags { 0x10 } else { 0 };
    cdb[2..4].copy_from_slice(&request.start.to_be_bytes());
    cdb[4..6].copy_from_slice(&request.count.to_be_bytes());
    cdb[6] = u8::from(request.device_ids);
    cdb[7..10].copy_from_slice(&request.allocation_bytes.to_be_bytes()[1..]);
    cdb
}

/// MOVE MEDIUM from one element to another by the transport element `transport`.
#[must_use]
pub fn move_medium(transport: u16, from: u16, to: u16) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = op::MOVE_MEDIUM;
    cdb[2..4].copy_from_slice(&transport.to_be_bytes());
    cdb[4..6].copy_from_slice(&from.to_be_bytes());
    cdb[6..8].copy_from_slice(&to.to_be_bytes());
    cdb
}

fn security_protocol(opcode: u8, protocol: u8, page: u16, length: u32) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = opcode;
    cdb[1] = protocol;
    cdb[2..4].copy_from_slice(&page.to_be_bytes());
    cdb[6..10].copy_from_slice(&length.to_be_bytes());
    cdb
}

fn with_length_24(opcode: u8, length: u32) -> [u8; 6] {
    let [_, high, middle, low] = length.to_be_bytes();
    [opcode, 0, high, middle, low, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_takes_the_shortest_form_that_holds_the_count() {
        assert_eq!(space(SpaceCode::Filemarks, 3), [0x11, 1, 0, 0, 3, 0]);
        assert_eq!(
            space(SpaceCode::Filemarks, -1),
            [0x11, 1, 0xFF, 0xFF, 0xFF, 0]
        );
        assert_eq!(
            space(SpaceCode::Filemarks, 0x7F_FFFF),
            [0x11, 1, 0x7F, 0xFF, 0xFF, 0]
        );
        assert_eq!(
            space(SpaceCode::Filemarks, 0x80_0000),
            [0x91, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn fields_lie_where_the_standards_put_them() {
        assert_eq!(write_6(0x08_0000), [0x0A, 0, 8, 0, 0, 0]);
        assert_eq!(write_6_fixed(0x0102), [0x0A, 1, 0, 1, 2, 0]);
        assert_eq!(locate_10(0x0102_0304), [0x2B, 0, 0, 1, 2, 3, 4, 0, 0, 0]);
        assert_eq!(locate_16(0x0102)[4..12], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(
            read_position(PositionForm::Extended)[..9],
            [0x34, 8, 0, 0, 0, 0, 0, 0, 32]
        );
        assert_eq!(
            mode_sense_6_no_descriptor(0x1D, 136),
            [0x1A, 8, 0x1D, 0, 136, 0]
        );
        assert_eq!(
            move_medium(1, 0x0402, 0x0101),
            [0xA5, 0, 0, 1, 4, 2, 1, 1, 0, 0, 0, 0]
        );
        let request = ElementRequest {
            kind: 4,
            start: 0x0101,
            count: 2,
            volume_tags: true,
            device_ids: true,
            allocation_bytes: 0x01_0000,
        };
        assert_eq!(
            read_element_status(&request),
            [0xB8, 0x14, 1, 1, 0, 2, 1, 1, 0, 0, 0, 0]
        );
    }
}
