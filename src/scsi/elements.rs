//! READ ELEMENT STATUS replies (SMC-3 6.11; scsi-tape facts 4.1 and 4.3).
//!
//! Everything is found by the lengths that the reply gives, within its real length: the
//! descriptors of libraries differ.

use super::BadReply;
use super::bytes::{text, u16_at, u24_at};
use super::inquiry::Designator;

/// What a descriptor says of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementDescriptor {
    /// Element type code: 1 transport, 2 storage, 3 import/export, 4 data transfer.
    pub kind: u8,
    /// Element address.
    pub address: u16,
    /// A cartridge is in it.
    pub full: bool,
    /// An operator put it there (import/export elements).
    pub imported: bool,
    /// The robot can reach it. Meaningless for transport elements; of little worth for
    /// drives, where libraries differ.
    pub accessible: bool,
    /// Additional sense code and qualifier, where the element is in an abnormal state.
    pub exception: Option<(u8, u8)>,
    /// Medium type code: 0 unknown, 1 data, 2 cleaning, 3 diagnostic, 4 write-once.
    pub medium_type: u8,
    /// Storage element that the cartridge came from.
    pub source: Option<u16>,
    /// Primary volume tag: the barcode.
    pub volume_tag: Option<String>,
    /// Serial number of the drive in a data transfer element.
    pub drive_serial: Option<String>,
}

/// A decoded reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementStatus {
    /// Length of the whole report, in bytes; if the buffer was shorter, ask again.
    pub report_bytes: usize,
    /// How many elements the report announces.
    pub announced: usize,
    /// The elements that were in the reply, at least up to their barcodes: some devices
    /// cut the last one.
    pub elements: Vec<ElementDescriptor>,
}

const REPLY: &str = "READ ELEMENT STATUS data";
const HEADER_BYTES: usize = 8;
const FIXED_BYTES: usize = 12;
const TAG_BYTES: usize = 36;
const TAG_TEXT_BYTES: usize = 32;

const FULL: u8 = 0x01;
const IMPORTED: u8 = 0x02;
const EXCEPTION: u8 = 0x04;
const ACCESS: u8 = 0x08;
const SOURCE_VALID: u8 = 0x80;
const PRIMARY_TAG: u8 = 0x80;
const ALTERNATE_TAG: u8 = 0x40;
const KIND_DRIVE: u8 = 4;
const KIND_IMPORT_EXPORT: u8 = 3;

/// Decodes a reply, or as much of it as is there.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off, or a page has descriptors too short to hold
/// their fixed part.
pub fn parse_elements(data: &[u8]) -> Result<ElementStatus, BadReply> {
    let count = u24_at(data, 5).ok_or_else(|| BadReply::short(REPLY))?;
    let report_bytes = HEADER_BYTES + usize::try_from(count).unwrap_or(usize::MAX >> 1);
    let announced = usize::from(u16_at(data, 2).unwrap_or(0));
    let mut rest = &data[HEADER_BYTES..report_bytes.min(data.len())];
    let mut elements = Vec::new();
    while let Some(header) = rest.first_chunk::<HEADER_BYTES>() {
        let size = usize::from(u16_at(header, 2).unwrap_or(0));
        if size < FIXED_BYTES {
            return Err(BadReply {
                reply: REPLY,
                problem: "descriptors shorter than 12 bytes",
            });
        }
        let bytes = usize::try_from(u24_at(header, 5).unwrap_or(0)).unwrap_or(usize::MAX >> 1);
        let end = rest.len().min(HEADER_BYTES + bytes);
        let page = &rest[HEADER_BYTES..end];
        let tagged = header[1] & PRIMARY_TAG != 0;
        let needed = if tagged {
            FIXED_BYTES + TAG_TEXT_BYTES
        } else {
            FIXED_BYTES
        };
        let whole = page
            .chunks(size)
            .filter(|one| one.len() >= needed.min(size));
        elements.extend(whole.map(|one| element(header, one)));
        rest = &rest[end..];
    }
    Ok(ElementStatus {
        report_bytes,
        announced,
        elements,
    })
}

/// One descriptor of at least [`FIXED_BYTES`].
fn element(page: &[u8; HEADER_BYTES], descriptor: &[u8]) -> ElementDescriptor {
    let kind = page[0] & 0x0F;
    let flags = descriptor[2];
    let mut after = FIXED_BYTES;
    let mut volume_tag = None;
    if page[1] & PRIMARY_TAG != 0 {
        volume_tag = descriptor.get(after..after + TAG_TEXT_BYTES).map(text);
        after += TAG_BYTES;
    }
    if page[1] & ALTERNATE_TAG != 0 {
        after += TAG_BYTES;
    }
    let identification = descriptor.get(after..).unwrap_or(&[]);
    let designator = Designator::split(identification).map(|(designator, _)| designator);
    ElementDescriptor {
        kind,
        address: u16_at(descriptor, 0).unwrap_or(0),
        full: flags & FULL != 0,
        imported: kind == KIND_IMPORT_EXPORT && flags & IMPORTED != 0,
        accessible: flags & ACCESS != 0,
        exception: (flags & EXCEPTION != 0).then_some((descriptor[4], descriptor[5])),
        medium_type: descriptor[9] & 0x07,
        source: u16_at(descriptor, 10).filter(|_| descriptor[9] & SOURCE_VALID != 0),
        volume_tag: volume_tag.filter(|tag| !tag.is_empty()),
        drive_serial: designator
            .filter(|_| kind == KIND_DRIVE)
            .and_then(|d| d.serial()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured_drives() -> Vec<u8> {
        let mut data = vec![0, 1, 0, 2, 0, 0, 0, 0xB4, 4, 0x80, 0, 0x56, 0, 0, 0, 0xAC];
        for (address, state, serial) in [
            (1, [0x09, 0, 0, 0, 0, 0, 0, 0x81, 0x04, 0x0A], b"CZ00000001"),
            (2, [0x08, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x00], b"CZ00000002"),
        ] {
            data.extend([0, address]);
            data.extend(state);
            let mut tag = [0; 36];
            if address == 1 {
                tag[..32].fill(b' ');
                tag[..8].copy_from_slice(b"E01001L9");
            }
            data.extend(tag);
            data.extend([0x02, 0x01, 0x00, 0x22]);
            data.extend(b"HPE     Ultrium 9-SCSI  ");
            data.extend(serial);
        }
        data
    }

    #[test]
    fn captured_drives_have_barcode_source_and_serial() {
        let data = captured_drives();
        let status = parse_elements(&data).unwrap();
        assert_eq!((status.report_bytes, status.announced), (data.len(), 2));
        let [loaded, empty] = &status.elements[..] else {
            panic!("two drives")
        };
        assert_eq!((loaded.kind, loaded.address), (4, 1));
        assert!(loaded.full && loaded.accessible && loaded.exception.is_none());
        assert_eq!((loaded.medium_type, loaded.source), (1, Some(0x040A)));
        assert_eq!(loaded.volume_tag.as_deref(), Some("E01001L9"));
        assert_eq!(loaded.drive_serial.as_deref(), Some("CZ00000001"));
        assert!(!empty.full);
        assert_eq!((&empty.volume_tag, empty.source), (&None, None));
        assert_eq!(empty.drive_serial.as_deref(), Some("CZ00000002"));
    }

    #[test]
    fn a_reply_cut_to_the_buffer_says_how_long_it_is() {
        let data = captured_drives();
        let cut = parse_elements(&data[..120]).unwrap();
        assert_eq!((cut.report_bytes, cut.elements.len()), (data.len(), 1));
    }

    #[test]
    fn a_serial_number_that_was_cut_is_none() {
        let data = captured_drives();
        let status = parse_elements(&data[..data.len() - 8]).unwrap();
        assert_eq!(status.elements.len(), 2);
        assert_eq!(status.elements[1].drive_serial, None);
    }

    #[test]
    fn exceptions_and_short_descriptors_are_read_by_their_lengths() {
        let mut data = vec![0, 0, 0, 1, 0, 0, 0, 24, 3, 0x00, 0, 16, 0, 0, 0, 16];
        data.extend([0, 0x65, 0x3F, 0, 0x83, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let status = parse_elements(&data).unwrap();
        assert_eq!(status.elements[0].exception, Some((0x83, 0x02)));
        assert!(status.elements[0].imported);
        data[11] = 11;
        assert!(parse_elements(&data).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_elements(&data);
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0usize..180, byte in any::<u8>(), cut in 0usize..190) {
            let mut data = captured_drives();
            data[at] = byte;
            data.truncate(cut.max(8));
            let status = parse_elements(&data);
            prop_assert!(status.map_or(0, |s| s.elements.len()) <= data.len() / FIXED_BYTES);
        }
    }
}
