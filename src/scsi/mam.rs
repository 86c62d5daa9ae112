//! Medium auxiliary memory: the chip in the cartridge (SPC-4 7.4, SSC-4; scsi-tape
//! facts 3.10).

use super::BadReply;
use super::bytes::{number, text, u16_at, u32_at};

/// Times the cartridge was loaded, ever.
pub const LOAD_COUNT: u16 = 0x0003;
/// Manufacturer of the cartridge.
pub const MEDIUM_MANUFACTURER: u16 = 0x0400;
/// The cartridge's own serial number.
pub const MEDIUM_SERIAL: u16 = 0x0401;
/// Vendor of the application that owns the content; 8 characters.
pub const APPLICATION_VENDOR: u16 = 0x0800;
/// Name of that application; 32 characters.
pub const APPLICATION_NAME: u16 = 0x0801;
/// Version of that application; 8 characters.
pub const APPLICATION_VERSION: u16 = 0x0802;
/// The barcode as the application knows it; 32 characters.
pub const BARCODE: u16 = 0x0806;
/// The pool the medium belongs to; 160 bytes of text.
pub const MEDIA_POOL: u16 = 0x0808;
/// Globally unique identifier of the medium's content: a UUID as 36 characters.
pub const MEDIUM_UUID: u16 = 0x0820;

const REPLY: &str = "READ ATTRIBUTE data";
const HEADER_BYTES: usize = 5;

/// How an attribute's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Numbers or bytes.
    Binary = 0,
    /// ASCII, left-aligned, padded with spaces.
    Ascii = 1,
    /// Text in the chip's character set, padded with NULs.
    Text = 2,
}

/// An attribute that the host writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostField {
    /// Vendor of the application that owns the content.
    ApplicationVendor,
    /// Name of that application.
    ApplicationName,
    /// Version of that application.
    ApplicationVersion,
    /// The barcode as the application knows it.
    Barcode,
    /// The pool the medium belongs to.
    MediaPool,
    /// Globally unique identifier of the medium's content.
    MediumUuid,
}

impl HostField {
    /// Identifier, format and length in bytes.
    fn shape(self) -> (u16, Format, usize) {
        match self {
            HostField::ApplicationVendor => (APPLICATION_VENDOR, Format::Ascii, 8),
            HostField::ApplicationName => (APPLICATION_NAME, Format::Ascii, 32),
            HostField::ApplicationVersion => (APPLICATION_VERSION, Format::Ascii, 8),
            HostField::Barcode => (BARCODE, Format::Ascii, 32),
            HostField::MediaPool => (MEDIA_POOL, Format::Text, 160),
            HostField::MediumUuid => (MEDIUM_UUID, Format::Binary, 36),
        }
    }
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Identifier.
    pub id: u16,
    /// How the value is written.
    pub format: Format,
    /// The value, with its padding.
    pub value: Vec<u8>,
}

impl Attribute {
    /// A host attribute with `content`, cut to the attribute's length and padded.
    #[must_use]
    pub fn host(field: HostField, content: &str) -> Attribute {
        let (id, format, length) = field.shape();
        let padding = if format == Format::Text { 0 } else { b' ' };
        let mut cut = content.len().min(length);
        while !content.is_char_boundary(cut) {
            cut -= 1;
        }
        let mut value = content.as_bytes()[..cut].to_vec();
        value.resize(length, padding);
        Attribute { id, format, value }
    }

    /// The value as text without padding; what is not UTF-8 shows as `?`.
    #[must_use]
    pub fn text(&self) -> String {
        match std::str::from_utf8(&self.value) {
            Ok(value) if self.format == Format::Text => value
                .trim_matches(['\0', ' '])
                .replace(char::is_control, "?"),
            _ => text(&self.value),
        }
    }

    /// The value as a number, if it is one of 1 to 8 bytes.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        number(&self.value)
    }
}

/// Decodes attribute values, up to the first that is cut off.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off.
pub fn parse_attributes(data: &[u8]) -> Result<Vec<Attribute>, BadReply> {
    let length = u32_at(data, 0).ok_or_else(|| BadReply::short(REPLY))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut rest = &data[4..data.len().min(length.saturating_add(4))];
    let mut attributes = Vec::new();
    while let (Some(id), Some(&flags), Some(size)) = (u16_at(rest, 0), rest.get(2), u16_at(rest, 3))
    {
        let end = HEADER_BYTES + usize::from(size);
        let Some(value) = rest.get(HEADER_BYTES..end) else {
            break;
        };
        let format = match flags & 0x03 {
            1 => Format::Ascii,
            2 => Format::Text,
            _ => Format::Binary,
        };
        attributes.push(Attribute {
            id,
            format,
            value: value.to_vec(),
        });
        rest = &rest[end..];
    }
    Ok(attributes)
}

/// The parameter list of WRITE ATTRIBUTE. An attribute with an empty value is deleted.
/// Values are cut to 65,535 bytes.
#[must_use]
pub fn to_parameters(attributes: &[Attribute]) -> Vec<u8> {
    let mut list = vec![0; 4];
    for attribute in attributes {
        let size = u16::try_from(attribute.value.len()).unwrap_or(u16::MAX);
        list.extend(attribute.id.to_be_bytes());
        list.push(attribute.format as u8);
        list.extend(size.to_be_bytes());
        list.extend(&attribute.value[..usize::from(size)]);
    }
    let length = u32::try_from(list.len() - 4).unwrap_or(u32::MAX);
    list[..4].copy_from_slice(&length.to_be_bytes());
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let written = [
            Attribute::host(HostField::Barcode, "E01001L9"),
            Attribute::host(HostField::MediaPool, "Müllers Akten"),
            Attribute::host(
                HostField::MediumUuid,
                "8c3f6a58-3d1c-4f3a-9b92-2f1f0a3c7a01",
            ),
        ];
        let list = to_parameters(&written);
        assert_eq!(list[..9], [0, 0, 0, 243, 0x08, 0x06, 1, 0, 32]);
        let read = parse_attributes(&list).unwrap();
        assert_eq!(read, written);
        let texts: Vec<String> = read.iter().map(Attribute::text).collect();
        assert_eq!(
            texts,
            [
                "E01001L9",
                "Müllers Akten",
                "8c3f6a58-3d1c-4f3a-9b92-2f1f0a3c7a01"
            ]
        );
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let pool = "ü".repeat(100);
        let attribute = Attribute::host(HostField::MediaPool, &pool);
        assert_eq!(attribute.value.len(), 160);
        assert_eq!(attribute.text(), "ü".repeat(80));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            for attribute in parse_attributes(&data).unwrap_or_default() {
                let _ = (attribute.text(), attribute.number());
            }
        }

        #[test]
        fn text_never_holds_control_characters(value in prop::collection::vec(any::<u8>(), 0..40)) {
            for format in [Format::Binary, Format::Ascii, Format::Text] {
                let attribute = Attribute { id: 1, format, value: value.clone() };
                prop_assert!(!attribute.text().contains(char::is_control));
            }
        }
    }
}
