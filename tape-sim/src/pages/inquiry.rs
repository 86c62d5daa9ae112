//! INQUIRY (SPC-4 §6.4): the standard data; the vital product data pages are in `vpd`.

use super::block_protection::Method;
pub(crate) use super::vpd::push_designator;
use super::{push_padded, vpd};
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
    /// NAA identifier of the logical unit (VPD 83h); the next number is its target port's.
    pub naa: u64,
    /// The bay that the library has given a drive (VPD B3h and B4h).
    pub bay: Option<Bay<'a>>,
    /// Methods of logical block protection, ascending (VPD B5h); empty if it has none.
    pub block_checks: &'a [Method],
}

/// Where in a library a drive stands.
#[derive(Debug, Clone, Copy)]
pub struct Bay<'a> {
    /// Unit serial number of the library.
    pub library_serial: &'a str,
    /// Address of the drive's element.
    pub element_address: u16,
}

const EVPD: u8 = 0x01;
const REMOVABLE: u8 = 0x80;
const RESPONSE_FORMAT: u8 = 0x02;
const HIERARCHICAL_ADDRESSING: u8 = 0x10;
const MULTI_PORT: u8 = 0x10;
/// ADDR16, obsolete; the captured changer still sets it.
const WIDE_ADDRESSES: u8 = 0x01;
const COMMAND_QUEUING: u8 = 0x02;
const VERSION_DESCRIPTORS_AT: usize = 58;
const TAPE_INQUIRY_BYTES: usize = 70;
const CHANGER_INQUIRY_BYTES: usize = 74;
/// Vendor-specific byte in which changers say that they have a bar-code reader (bit 0).
const BAR_CODE_AT: usize = 55;
/// Version descriptors (SPC-4 table 144) in the order captured: SAM-5, SAS-2, SPC-4, SSC-4, ADT-2,
/// ADC-3.
const TAPE_STANDARDS: &[u16] = &[0x00A2, 0x0C28, 0x0460, 0x0520, 0x0A28, 0x0502];
/// SAM-5, SPC-3 and SMC-3.
const CHANGER_STANDARDS: &[u16] = &[0x00A2, 0x0300, 0x0480];
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
        vpd::reply(identity, page)
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
    let ports = match identity.device_type {
        DeviceType::Tape => MULTI_PORT,
        DeviceType::Changer => MULTI_PORT | WIDE_ADDRESSES,
    };
    let protect = u8::from(!identity.block_checks.is_empty());
    data.extend_from_slice(&[(len - 5) as u8, protect, ports, COMMAND_QUEUING]);
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
