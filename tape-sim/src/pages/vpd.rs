//! Vital product data pages (SPC-4 §7.8, SSC-4 §8.6): who the unit is, where it stands, what it
//! can do.
//!
//! Pages that a vendor defines are not here: the simulated devices have no firmware to name.

use super::alert;
use super::block_protection::CHECK_BYTES;
use super::inquiry::{Bay, DeviceType, Identity};
use super::push_padded;
use crate::sense::Sense;

/// One page of a unit.
struct VpdPage {
    code: u8,
    /// Makes what follows the header; `None` if this unit cannot know it.
    body: fn(&Identity<'_>) -> Option<Vec<u8>>,
}

const SUPPORTED_PAGES: u8 = 0x00;

/// Pages of the drive after 00h, ascending.
static TAPE_PAGES: &[VpdPage] = &[
    page(0x80, unit_serial),
    page(0x83, device_identification),
    page(0x86, extended_inquiry),
    page(0x87, mode_page_policy),
    page(0x88, scsi_ports),
    page(0x90, protocol_specific),
    page(0xB0, sequential_access),
    page(0xB1, unit_serial),
    page(0xB2, tape_alert_flags),
    page(0xB3, library_serial),
    page(0xB4, element_address),
    page(0xB5, block_protection),
];

/// Pages of the changer after 00h, ascending.
static CHANGER_PAGES: &[VpdPage] = &[page(0x80, unit_serial), page(0x83, device_identification)];

const fn page(code: u8, body: fn(&Identity<'_>) -> Option<Vec<u8>>) -> VpdPage {
    VpdPage { code, body }
}

/// Reply to INQUIRY with EVPD.
///
/// # Errors
///
/// 05/24/00 for a page that is not in VPD 00h.
pub(super) fn reply(identity: &Identity<'_>, wanted: u8) -> Result<Vec<u8>, Sense> {
    let pages = match identity.device_type {
        DeviceType::Tape => TAPE_PAGES,
        DeviceType::Changer => CHANGER_PAGES,
    };
    let body = if wanted == SUPPORTED_PAGES {
        let known = pages.iter().filter(|page| (page.body)(identity).is_some());
        let codes = known.map(|page| page.code);
        Some([SUPPORTED_PAGES].into_iter().chain(codes).collect())
    } else {
        let found = pages.iter().find(|page| page.code == wanted);
        found.and_then(|page| (page.body)(identity))
    };
    let body: Vec<u8> = body.ok_or(Sense::invalid_cdb_field(2, None))?;
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut data = vec![identity.device_type as u8, wanted];
    data.extend_from_slice(&len.to_be_bytes());
    data.extend_from_slice(&body[..usize::from(len)]);
    Ok(data)
}

/// Unit serial number (80h) and manufacturer-assigned serial number (B1h).
fn unit_serial(identity: &Identity<'_>) -> Option<Vec<u8>> {
    Some(identity.serial.as_bytes().to_vec())
}

/// Protocol SAS, binary designator; PIV with association and type behind.
const SAS_BINARY: u8 = 0x61;
const SAS: u8 = 0x06;
const RELATIVE_PORT: u16 = 1;

/// Designation descriptors in the order the captured devices give them.
fn device_identification(identity: &Identity<'_>) -> Option<Vec<u8>> {
    let naa = identity.naa.to_be_bytes();
    let mut body = Vec::new();
    match identity.device_type {
        DeviceType::Changer => {
            push_designator(&mut body, [0x01, 0x03], &naa);
            push_designator(&mut body, [0x02, 0x01], &t10_designator(identity));
        }
        DeviceType::Tape => {
            let [high, low] = RELATIVE_PORT.to_be_bytes();
            push_designator(&mut body, [0x02, 0x01], &t10_designator(identity));
            push_designator(&mut body, [0x01, 0x03], &naa);
            push_designator(&mut body, [SAS_BINARY, 0x94], &[0, 0, high, low]);
            push_port(&mut body, identity);
            push_designator(&mut body, [SAS_BINARY, 0xA3], &naa);
        }
    }
    Some(body)
}

/// The target port's NAA: the one after the unit's.
fn push_port(out: &mut Vec<u8>, identity: &Identity<'_>) {
    let port = (identity.naa + 1).to_be_bytes();
    push_designator(out, [SAS_BINARY, 0x93], &port);
}

/// Extended INQUIRY data: simple tasks only; SPT 1 says that blocks can be protected.
fn extended_inquiry(identity: &Identity<'_>) -> Option<Vec<u8>> {
    const BLOCK_PROTECTION: u8 = 0x08;
    const BODY_BYTES: usize = 60;
    const SIMPLE_TASKS_AT: usize = 1;
    const SIMPLE_TASKS: u8 = 0x01;
    let mut body = vec![0; BODY_BYTES];
    body[SIMPLE_TASKS_AT] = SIMPLE_TASKS;
    if !identity.block_checks.is_empty() {
        body[0] = BLOCK_PROTECTION;
    }
    Some(body)
}

/// Mode page policy: all pages and subpages are shared by all hosts.
fn mode_page_policy(_: &Identity<'_>) -> Option<Vec<u8>> {
    const ALL_PAGES: u8 = 0x3F;
    const ALL_SUBPAGES: u8 = 0xFF;
    Some(vec![ALL_PAGES, ALL_SUBPAGES, 0, 0])
}

/// SCSI ports: one, with the same name as in the device identification.
fn scsi_ports(identity: &Identity<'_>) -> Option<Vec<u8>> {
    let mut port = Vec::new();
    push_port(&mut port, identity);
    let mut body = vec![0, 0];
    body.extend_from_slice(&RELATIVE_PORT.to_be_bytes());
    // No initiator port behind it.
    body.extend_from_slice(&[0, 0, 0, 0]);
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(&(port.len() as u16).to_be_bytes());
    body.append(&mut port);
    Some(body)
}

/// Protocol-specific logical unit information (SPL-2 §9.2.11.2): transport layer retries work.
fn protocol_specific(_: &Identity<'_>) -> Option<Vec<u8>> {
    const TLR_CONTROL_SUPPORTED: u8 = 0x01;
    let mut body = RELATIVE_PORT.to_be_bytes().to_vec();
    body.extend_from_slice(&[SAS, 0, 0, 0, 0, 4]);
    body.extend_from_slice(&[TLR_CONTROL_SUPPORTED, 0, 0, 0]);
    Some(body)
}

/// Sequential-access device capabilities: two bytes, bit 0 of the first: WORM media.
fn sequential_access(_: &Identity<'_>) -> Option<Vec<u8>> {
    Some(vec![0x01, 0x00])
}

/// TapeAlert supported flags: flag 1 is the most significant bit.
fn tape_alert_flags(_: &Identity<'_>) -> Option<Vec<u8>> {
    Some(alert::all().to_be_bytes().to_vec())
}

/// Automation device serial number: the library's.
fn library_serial(identity: &Identity<'_>) -> Option<Vec<u8>> {
    let Bay { library_serial, .. } = identity.bay?;
    Some(library_serial.as_bytes().to_vec())
}

/// Data transfer device element address, in the last two bytes of four.
fn element_address(identity: &Identity<'_>) -> Option<Vec<u8>> {
    let [high, low] = identity.bay?.element_address.to_be_bytes();
    Some(vec![0, 0, high, low])
}

/// Logical block protection: a descriptor per method, each for writes and for reads.
fn block_protection(identity: &Identity<'_>) -> Option<Vec<u8>> {
    const DESCRIPTOR_LENGTH: u8 = 7;
    const WRITES_AND_READS: u8 = 0x80 | 0x40;
    let mut body = vec![0; 4];
    for method in identity.block_checks {
        let check = CHECK_BYTES as u8;
        body.extend_from_slice(&[DESCRIPTOR_LENGTH, *method as u8, check, WRITES_AND_READS]);
        body.extend_from_slice(&[0; 4]);
    }
    (!identity.block_checks.is_empty()).then_some(body)
}

/// Appends a designation descriptor; `kind` is protocol and code set, then PIV, association and
/// designator type (SPC-4 table 456).
pub(crate) fn push_designator(out: &mut Vec<u8>, kind: [u8; 2], designator: &[u8]) {
    out.extend_from_slice(&kind);
    out.extend_from_slice(&[0, u8::try_from(designator.len()).unwrap_or(u8::MAX)]);
    out.extend(designator.iter().take(usize::from(u8::MAX)));
}

/// T10 vendor identification designator: vendor, product and serial number.
pub(crate) fn t10_designator(identity: &Identity<'_>) -> Vec<u8> {
    let mut designator = Vec::new();
    push_padded(&mut designator, identity.vendor, 8);
    push_padded(&mut designator, identity.product, 16);
    designator.extend_from_slice(identity.serial.as_bytes());
    designator
}
