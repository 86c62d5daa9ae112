//! INQUIRY data: who a device is (SPC-4 6.6 and 7.8; scsi-tape facts 3.5).

use super::BadReply;
use super::bytes::{text, u16_at};

/// Peripheral device type of a tape drive.
pub const TYPE_TAPE: u8 = 0x01;
/// Peripheral device type of a medium changer.
pub const TYPE_CHANGER: u8 = 0x08;
/// VPD page with the list of VPD pages.
pub const PAGE_LIST: u8 = 0x00;
/// VPD page with the unit serial number.
pub const PAGE_SERIAL: u8 = 0x80;
/// VPD page with device identification.
pub const PAGE_IDENTIFICATION: u8 = 0x83;
/// VPD page with what a tape drive can do.
pub const PAGE_CAPABILITIES: u8 = 0xB0;
/// VPD page with the methods of logical block protection.
pub const PAGE_BLOCK_PROTECTION: u8 = 0xB5;

/// VPD page with what the transport protocol adds to a logical unit.
pub const PAGE_PROTOCOL: u8 = 0x90;

/// Standard INQUIRY data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// Peripheral device type, [`TYPE_TAPE`] or [`TYPE_CHANGER`] among others.
    pub device_type: u8,
    /// True if a device of that type is really there (peripheral qualifier 0).
    pub connected: bool,
    /// Vendor, without padding.
    pub vendor: String,
    /// Product, without padding.
    pub product: String,
    /// Firmware revision, without padding.
    pub revision: String,
}

const STANDARD: &str = "INQUIRY data";
const VPD: &str = "INQUIRY vital product data";

/// Decodes standard INQUIRY data.
///
/// # Errors
///
/// [`BadReply`] if it is shorter than 36 bytes.
pub fn parse_standard(data: &[u8]) -> Result<Inquiry, BadReply> {
    let data: &[u8; 36] = data
        .first_chunk()
        .ok_or_else(|| BadReply::short(STANDARD))?;
    Ok(Inquiry {
        device_type: data[0] & 0x1F,
        connected: data[0] & 0xE0 == 0,
        vendor: text(&data[8..16]),
        product: text(&data[16..32]),
        revision: text(&data[32..36]),
    })
}

fn vpd_body(data: &[u8], page: u8) -> Result<&[u8], BadReply> {
    let (Some(&code), Some(length)) = (data.get(1), u16_at(data, 2)) else {
        return Err(BadReply::short(VPD));
    };
    if code != page {
        return Err(BadReply {
            reply: VPD,
            problem: "another page than the one asked for",
        });
    }
    let end = data.len().min(4 + usize::from(length));
    Ok(&data[4..end])
}

/// The unit serial number, from VPD page 80.
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_serial(data: &[u8]) -> Result<String, BadReply> {
    vpd_body(data, PAGE_SERIAL).map(text)
}

/// Whether the device can repeat frames lost on SAS (TLR CONTROL SUPPORTED of its first port;
/// SPC-4 7.8.11, SPL-3 9.2.11.2), from VPD page 90. `None` if no port is on SAS.
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_transport_layer_retries(data: &[u8]) -> Result<Option<bool>, BadReply> {
    const HEADER_BYTES: usize = 8;
    const SAS: u8 = 6;
    let mut rest = vpd_body(data, PAGE_PROTOCOL)?;
    while let Some(header) = rest.first_chunk::<HEADER_BYTES>() {
        let length = usize::from(u16::from_be_bytes([header[6], header[7]]));
        let end = rest.len().min(HEADER_BYTES + length);
        if header[2] & 0x0F == SAS
            && let Some(control) = rest[..end].get(HEADER_BYTES)
        {
            return Ok(Some(control & 0x01 != 0));
        }
        rest = &rest[end..];
    }
    Ok(None)
}

/// The VPD pages that a device has, from page 00.
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_page_list(data: &[u8]) -> Result<Vec<u8>, BadReply> {
    vpd_body(data, PAGE_LIST).map(<[u8]>::to_vec)
}

/// The names that a device gives itself, from VPD page 83, up to the first that is cut off.
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_identification(data: &[u8]) -> Result<Vec<Designator>, BadReply> {
    let mut rest = vpd_body(data, PAGE_IDENTIFICATION)?;
    let mut designators = Vec::new();
    while let Some((designator, behind)) = Designator::split(rest) {
        designators.push(designator);
        rest = behind;
    }
    Ok(designators)
}

/// Whether a tape drive takes write-once cartridges, from VPD page B0 (SSC-4 8.5.2).
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_write_once(data: &[u8]) -> Result<bool, BadReply> {
    let body = vpd_body(data, PAGE_CAPABILITIES)?;
    let flags = body.first().ok_or_else(|| BadReply::short(VPD))?;
    Ok(flags & 0x01 != 0)
}

/// Methods of logical block protection that a drive checks on writing, from VPD page B5
/// (SSC-5 8.5): 1 is the Reed-Solomon CRC, 2 is CRC-32C.
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_block_protection(data: &[u8]) -> Result<Vec<u8>, BadReply> {
    let mut rest = vpd_body(data, PAGE_BLOCK_PROTECTION)?
        .get(4..)
        .unwrap_or(&[]);
    let mut methods = Vec::new();
    // Descriptors of {length after this byte, method, length of the check, flags, ...}.
    while let Some((&length, behind)) = rest.split_first() {
        let Some(descriptor) = behind.get(..usize::from(length)) else {
            break;
        };
        if let [method, _, flags, ..] = *descriptor
            && flags & 0x80 != 0
        {
            methods.push(method & 0x1F);
        }
        rest = &behind[descriptor.len()..];
    }
    Ok(methods)
}

/// One designator: a name that a device gives itself (SPC-4 7.8.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designator {
    /// Code set: 1 binary, 2 ASCII, 3 UTF-8.
    pub code_set: u8,
    /// Association: 0 logical unit, 1 port, 2 device.
    pub association: u8,
    /// Type: 0 vendor, 1 T10 vendor identification, 2 EUI, 3 NAA, 8 name string.
    pub kind: u8,
    /// The name itself.
    pub value: Vec<u8>,
}

impl Designator {
    /// Takes the designator at the front of `data`, and returns what follows it.
    pub(super) fn split(data: &[u8]) -> Option<(Designator, &[u8])> {
        let header: &[u8; 4] = data.first_chunk()?;
        let value = data.get(4..4 + usize::from(header[3]))?;
        let designator = Designator {
            code_set: header[0] & 0x0F,
            association: header[1] >> 4 & 0x03,
            kind: header[1] & 0x0F,
            value: value.to_vec(),
        };
        Some((designator, &data[4 + value.len()..]))
    }

    /// The drive serial number in it: the whole text of a vendor designator, or what
    /// follows vendor (8) and product (16) in a T10 designator.
    #[must_use]
    pub fn serial(&self) -> Option<String> {
        let serial = match self.kind {
            0 => text(&self.value),
            1 => text(self.value.get(24..)?),
            _ => return None,
        };
        (!serial.is_empty()).then_some(serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_lto_9_drive_says_who_it_is() {
        let mut data = vec![0x01, 0x80, 0x06, 0x12, 0x41, 0x01, 0x10, 0x02];
        data.extend(b"HPE     Ultrium 9-SCSI  S2S1");
        let inquiry = parse_standard(&data).unwrap();
        assert_eq!(inquiry.device_type, TYPE_TAPE);
        assert!(inquiry.connected);
        assert_eq!(
            (&*inquiry.vendor, &*inquiry.product),
            ("HPE", "Ultrium 9-SCSI")
        );
        assert_eq!(inquiry.revision, "S2S1");
        assert!(parse_standard(&data[..35]).is_err());
    }

    #[test]
    fn serials_come_from_their_page_only() {
        let mut page = vec![0x01, 0x80, 0x00, 0x0A];
        page.extend(b"CZ12345678");
        assert_eq!(parse_serial(&page).unwrap(), "CZ12345678");
        page[1] = 0x83;
        assert!(parse_serial(&page).is_err());
    }

    #[test]
    fn transport_layer_retries_are_those_of_a_sas_port() {
        let page = |descriptors: &[u8]| {
            let length = u8::try_from(descriptors.len()).unwrap();
            [&[0x01, 0x90, 0x00, length], descriptors].concat()
        };
        let (on, off) = (
            [0, 1, 6, 0, 0, 0, 0, 4, 1, 0, 0, 0],
            [0, 1, 6, 0, 0, 0, 0, 4, 0, 0, 0, 0],
        );
        let fibre = [0, 2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0];
        for (bytes, told) in [
            (page(&on), Some(true)),
            (page(&off), Some(false)),
            (page(&fibre), None),
            (page(&[fibre, on].concat()), Some(true)),
            (page(&on[..8]), None),
            (page(&[]), None),
        ] {
            assert_eq!(
                parse_transport_layer_retries(&bytes),
                Ok(told),
                "{bytes:02X?}"
            );
        }
        assert!(parse_transport_layer_retries(&[1, 0x80, 0, 0]).is_err());
    }

    #[test]
    fn pages_say_what_a_drive_can_do() {
        let list = [0x01, 0x00, 0x00, 0x03, 0x00, 0x80, 0xB0];
        assert_eq!(parse_page_list(&list).unwrap(), [0x00, 0x80, 0xB0]);
        assert!(parse_write_once(&[0x01, 0xB0, 0, 2, 0x01, 0]).unwrap());
        assert!(!parse_write_once(&[0x01, 0xB0, 0, 2, 0x02, 0]).unwrap());
        let mut protection = vec![0x01, 0xB5, 0x00, 0x14, 0, 0, 0, 0];
        protection.extend([7, 1, 4, 0xC0, 0, 0, 0, 0, 7, 2, 4, 0x40, 0, 0, 0, 0]);
        assert_eq!(parse_block_protection(&protection).unwrap(), [1]);
    }

    #[test]
    fn designators_are_split_by_their_lengths() {
        let mut bytes = vec![0x02, 0x01, 0x00, 0x22];
        bytes.extend(b"HPE     Ultrium 9-SCSI  CZ12345678");
        bytes.extend([0x01, 0x03, 0x00, 0x08, 0x50, 1, 2, 3, 4, 5, 6, 7]);
        let (first, rest) = Designator::split(&bytes).unwrap();
        let (second, rest) = Designator::split(rest).unwrap();
        assert_eq!(first.serial().as_deref(), Some("CZ12345678"));
        assert_eq!((second.kind, second.serial()), (3, None));
        assert_eq!(Designator::split(rest), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_standard(&data);
            let _ = Designator::split(&data);
            if let Some(code) = data.get_mut(1) {
                *code = PAGE_SERIAL;
            }
            let _ = parse_serial(&data);
            if let Some(code) = data.get_mut(1) {
                *code = PAGE_PROTOCOL;
            }
            let _ = parse_transport_layer_retries(&data);
            for page in [PAGE_LIST, PAGE_IDENTIFICATION, PAGE_CAPABILITIES, PAGE_BLOCK_PROTECTION] {
                if let Some(code) = data.get_mut(1) {
                    *code = page;
                }
                let _ = parse_page_list(&data);
                let _ = parse_identification(&data);
                let _ = parse_write_once(&data);
                let _ = parse_block_protection(&data);
            }
        }
    }
}
