//! INQUIRY data: the standard page and the vital product data pages (SPC-4 §6.4, §7.8).

use super::push_padded;
use crate::sense::Sense;
use crate::target::be16;

/// Peripheral device types of the two kinds of logical units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceType {
    /// Sequential-access device, 01h.
    Tape = 0x01,
    /// Medium changer, 08h.
    Changer = 0x08,
}

/// What a logical unit says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Peripheral device type.
    pub device_type: DeviceType,
    /// T10 vendor identification, eight characters.
    pub vendor: &'a str,
    /// Product identification, sixteen characters.
    pub product: &'a str,
    /// Product revision level, four characters.
    pub revision: &'a str,
    /// Unit serial number (VPD 80h).
    pub serial: &'a str,
    /// NAA identifier of the logical unit (VPD 83h).
    pub naa: u64,
}

/// Vital product data page codes.
mod vpd {
    pub const SUPPORTED_PAGES: u8 = 0x00;
    pub const UNIT_SERIAL: u8 = 0x80;
    pub const DEVICE_IDENTIFICATION: u8 = 0x83;
    pub const SEQUENTIAL_ACCESS: u8 = 0xB0;
    pub const MANUFACTURER_SERIAL: u8 = 0xB1;
}

const TAPE_PAGES: &[u8] = &[
    vpd::SUPPORTED_PAGES,
    vpd::UNIT_SERIAL,
    vpd::DEVICE_IDENTIFICATION,
    vpd::SEQUENTIAL_ACCESS,
    vpd::MANUFACTURER_SERIAL,
];
const CHANGER_PAGES: &[u8] = &[
    vpd::SUPPORTED_PAGES,
    vpd::UNIT_SERIAL,
    vpd::DEVICE_IDENTIFICATION,
];

const EVPD: u8 = 0x01;
const REMOVABLE: u8 = 0x80;
const RESPONSE_FORMAT: u8 = 0x02;
const HIERARCHICAL_ADDRESSING: u8 = 0x10;
const MULTI_PORT: u8 = 0x10;
const COMMAND_QUEUING: u8 = 0x02;
const VERSION_DESCRIPTORS_AT: usize = 58;
const TAPE_INQUIRY_BYTES: usize = 70;
const CHANGER_INQUIRY_BYTES: usize = 74;
/// Vendor-specific byte in which changers say that they have a bar-code reader (bit 0).
const BAR_CODE_AT: usize = 55;
/// SAM-5, SPC-4 and SSC-4 as version descriptors (SPC-4 table 144).
const TAPE_STANDARDS: [u16; 3] = [0x00A2, 0x0460, 0x0520];
/// SAM-5, SPC-3 and SMC-3.
const CHANGER_STANDARDS: [u16; 3] = [0x00A2, 0x0300, 0x0480];
const SPC_3: u8 = 0x05;
const SPC_4: u8 = 0x06;

/// Reply to INQUIRY.
///
/// # Errors
///
/// 05/24/00 for a page that is not in VPD 00h, or a page code without EVPD.
pub fn reply(identity: &Identity<'_>, cdb: &[u8]) -> Result<Vec<u8>, Sense> {
    // Bytes 1 and 2 are EVPD and the page code; read together, absent bytes are zero.
    let [flags, page] = be16(cdb, 1).to_be_bytes();
    if flags & EVPD != 0 {
        vital_product_data(identity, page)
    } else if page != 0 {
        Err(Sense::invalid_cdb_field(2, None))
    } else {
        Ok(standard(identity))
    }
}

/// Standard INQUIRY data (SPC-4 §6.4.2).
fn standard(identity: &Identity<'_>) -> Vec<u8> {
    let (version, len, standards) = match identity.device_type {
        DeviceType::Tape => (SPC_4, TAPE_INQUIRY_BYTES, TAPE_STANDARDS),
        DeviceType::Changer => (SPC_3, CHANGER_INQUIRY_BYTES, CHANGER_STANDARDS),
    };
    let format = match identity.device_type {
        DeviceType::Tape => RESPONSE_FORMAT | HIERARCHICAL_ADDRESSING,
        DeviceType::Changer => RESPONSE_FORMAT,
    };
    let mut data = vec![identity.device_type as u8, REMOVABLE, version, format];
    data.extend_from_slice(&[(len - 5) as u8, 0, MULTI_PORT, COMMAND_QUEUING]);
    push_padded(&mut data, identity.vendor, 8);
    push_padded(&mut data, identity.product, 16);
    push_padded(&mut data, identity.revision, 4);
    data.resize(len, 0);
    if identity.device_type == DeviceType::Changer {
        data[BAR_CODE_AT] = 0x01;
    }
    for (at, standard) in (VERSION_DESCRIPTORS_AT..).step_by(2).zip(standards) {
        data[at..at + 2].copy_from_slice(&standard.to_be_bytes());
    }
    data
}

fn vital_product_data(identity: &Identity<'_>, page: u8) -> Result<Vec<u8>, Sense> {
    let pages = match identity.device_type {
        DeviceType::Tape => TAPE_PAGES,
        DeviceType::Changer => CHANGER_PAGES,
    };
    if !pages.contains(&page) {
        return Err(Sense::invalid_cdb_field(2, None));
    }
    let body = match page {
        vpd::SUPPORTED_PAGES => pages.to_vec(),
        vpd::DEVICE_IDENTIFICATION => device_identification(identity),
        // SSC-4 §8.6.2: two bytes, bit 0 of the first: WORM media are supported.
        vpd::SEQUENTIAL_ACCESS => vec![0x01, 0x00],
        _ => identity.serial.as_bytes().to_vec(),
    };
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut data = vec![identity.device_type as u8, page];
    data.extend_from_slice(&len.to_be_bytes());
    data.extend_from_slice(&body[..usize::from(len)]);
    Ok(data)
}

/// Designation descriptors of VPD 83h in the order the captured devices give them.
fn device_identification(identity: &Identity<'_>) -> Vec<u8> {
    let naa = identity.naa.to_be_bytes();
    let mut body = Vec::new();
    match identity.device_type {
        DeviceType::Changer => {
            push_designator(&mut body, [0x01, 0x03], &naa);
            push_designator(&mut body, [0x02, 0x01], &t10_designator(identity));
        }
        DeviceType::Tape => {
            push_designator(&mut body, [0x02, 0x01], &t10_designator(identity));
            push_designator(&mut body, [0x01, 0x03], &naa);
            push_designator(&mut body, [0x61, 0x94], &[0, 0, 0, 1]);
            push_designator(&mut body, [0x61, 0xA3], &naa);
        }
    }
    body
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
