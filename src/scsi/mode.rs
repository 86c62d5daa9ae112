//! Mode parameters of drives and changers (SPC-4 7.5; scsi-tape facts 3.6 and 4.4).

use super::BadReply;
use super::bytes::{u16_at, u24_at};

/// Mode page 0F, data compression.
pub const PAGE_COMPRESSION: u8 = 0x0F;
/// Mode page 10; with subpage 01 the device configuration extension.
pub const PAGE_DEVICE_CONFIGURATION: u8 = 0x10;
/// Subpage of [`PAGE_DEVICE_CONFIGURATION`] with the programmable early warning.
pub const SUBPAGE_EXTENSION: u8 = 0x01;
/// Mode page 0A; with subpage F0 control data protection.
pub const PAGE_CONTROL: u8 = 0x0A;
/// Subpage of [`PAGE_CONTROL`] with logical block protection.
pub const SUBPAGE_BLOCK_PROTECTION: u8 = 0xF0;
/// Mode page 1D of a changer, element address assignment.
pub const PAGE_ELEMENT_ADDRESSES: u8 = 0x1D;

const REPLY: &str = "mode parameters";
/// Offset of the programmable early warning size, in MB, in page 10/01.
const EARLY_WARNING_AT: usize = 6;

/// Offset of method, length of the check and directions in page 0A/F0.
const PROTECTION_AT: usize = 4;
/// Method 2, four bytes, LBP_W and LBP_R.
const CRC32C_BOTH_WAYS: [u8; 3] = [2, 4, 0xC0];

/// Which of the two headers mode data has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderForm {
    /// 4 bytes, of MODE SENSE(6).
    Six,
    /// 8 bytes, of MODE SENSE(10).
    Ten,
}

/// Mode data of a tape drive, taken apart, to be changed and sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeData {
    /// Medium type code; 0 without medium.
    pub medium_type: u8,
    /// The medium or the drive forbids writing (WP).
    pub write_protected: bool,
    /// 0: each write waits for the medium; 1: the drive buffers.
    pub buffered_mode: u8,
    /// Density code of the first block descriptor.
    pub density: u8,
    /// Block length of the block descriptor; 0 is variable.
    pub block_bytes: u32,
    /// The mode pages, as received.
    pub pages: Vec<u8>,
}

impl ModeData {
    /// Decodes what MODE SENSE with a block descriptor gave.
    ///
    /// # Errors
    ///
    /// [`BadReply`] if the header, or a block descriptor it announces, is cut off.
    pub fn parse(data: &[u8], form: HeaderForm) -> Result<ModeData, BadReply> {
        let short = || BadReply::short(REPLY);
        let (header, total, descriptors) = match form {
            HeaderForm::Six => {
                let header: [u8; 4] = *data.first_chunk().ok_or_else(short)?;
                (
                    &header[1..3].to_owned(),
                    1 + usize::from(header[0]),
                    usize::from(header[3]),
                )
            }
            HeaderForm::Ten => {
                let header: [u8; 8] = *data.first_chunk().ok_or_else(short)?;
                let total = 2 + usize::from(u16_at(&header, 0).unwrap_or(0));
                let descriptors = usize::from(u16_at(&header, 6).unwrap_or(0));
                (&header[2..4].to_owned(), total, descriptors)
            }
        };
        let data = &data[form.header_bytes()..total.clamp(form.header_bytes(), data.len())];
        let descriptor = data.get(..descriptors).ok_or_else(short)?;
        Ok(ModeData {
            medium_type: header[0],
            write_protected: header[1] & 0x80 != 0,
            buffered_mode: header[1] >> 4 & 0x07,
            density: descriptor.first().copied().unwrap_or(0),
            block_bytes: u24_at(descriptor, 5).unwrap_or(0),
            pages: data[descriptors..].to_vec(),
        })
    }

    /// The parameter list for MODE SELECT: lengths and protection bit zero, one block
    /// descriptor, the pages with their PS bits cleared.
    #[must_use]
    pub fn to_parameters(&self, form: HeaderForm) -> Vec<u8> {
        let mode = self.buffered_mode << 4;
        let mut list = match form {
            HeaderForm::Six => vec![0, 0, mode, 8],
            HeaderForm::Ten => vec![0, 0, 0, mode, 0, 0, 0, 8],
        };
        let [_, high, middle, low] = self.block_bytes.to_be_bytes();
        list.extend([self.density, 0, 0, 0, 0, high, middle, low]);
        let first_page = list.len();
        list.extend(&self.pages);
        let mut at = first_page;
        while let Some(length) = page_bytes(&list[at..]) {
            list[at] &= 0x7F;
            at += length;
        }
        list
    }

    /// Whether the drive compresses; `None` if it did not send page 0F or cannot.
    #[must_use]
    pub fn compression(&self) -> Option<bool> {
        const CAPABLE: u8 = 0x40;
        let flags = *self.page(PAGE_COMPRESSION, None)?.get(2)?;
        (flags & CAPABLE != 0).then_some(flags & 0x80 != 0)
    }

    /// Switches compression in page 0F, if that page is there.
    pub fn set_compression(&mut self, on: bool) {
        if let Some(at) = self.page_offset(PAGE_COMPRESSION, None)
            && let Some(flags) = self.pages.get_mut(at + 2)
        {
            *flags = *flags & 0x7F | if on { 0x80 } else { 0 };
        }
    }

    /// Programmable early warning of page 10/01, in MB before early warning; 0 is off.
    #[must_use]
    pub fn early_warning_mb(&self) -> Option<u16> {
        let page = self.page(PAGE_DEVICE_CONFIGURATION, Some(SUBPAGE_EXTENSION))?;
        u16_at(page, EARLY_WARNING_AT)
    }

    /// Sets the programmable early warning in page 10/01, if that page is there.
    pub fn set_early_warning_mb(&mut self, mb: u16) {
        let at = self.page_offset(PAGE_DEVICE_CONFIGURATION, Some(SUBPAGE_EXTENSION));
        if let Some(at) = at.map(|at| at + EARLY_WARNING_AT)
            && let Some(field) = self.pages.get_mut(at..at + 2)
        {
            field.copy_from_slice(&mb.to_be_bytes());
        }
    }

    /// Whether blocks are protected by CRC-32C in both directions, from page 0A/F0; `None` if
    /// that page is not there.
    #[must_use]
    pub fn block_protection(&self) -> Option<bool> {
        let page = self.page(PAGE_CONTROL, Some(SUBPAGE_BLOCK_PROTECTION))?;
        let fields = page.get(PROTECTION_AT..PROTECTION_AT + CRC32C_BOTH_WAYS.len())?;
        Some(fields == CRC32C_BOTH_WAYS)
    }

    /// Switches protection by CRC-32C on or off for both directions in page 0A/F0, if that
    /// page is there.
    pub fn set_block_protection(&mut self, on: bool) {
        let at = self.page_offset(PAGE_CONTROL, Some(SUBPAGE_BLOCK_PROTECTION));
        let length = CRC32C_BOTH_WAYS.len();
        if let Some(at) = at.map(|at| at + PROTECTION_AT)
            && let Some(fields) = self.pages.get_mut(at..at + length)
        {
            fields.copy_from_slice(if on { &CRC32C_BOTH_WAYS } else { &[0; 3] });
        }
    }

    fn page(&self, code: u8, subpage: Option<u8>) -> Option<&[u8]> {
        let at = self.page_offset(code, subpage)?;
        let page = &self.pages[at..];
        Some(&page[..page_bytes(page)?])
    }

    fn page_offset(&self, code: u8, subpage: Option<u8>) -> Option<usize> {
        let mut at = 0;
        while let Some(length) = page_bytes(&self.pages[at..]) {
            let page = &self.pages[at..];
            let found = (page[0] & 0x40 != 0).then(|| page[1]);
            if page[0] & 0x3F == code && found == subpage {
                return Some(at);
            }
            at += length;
        }
        None
    }
}

impl HeaderForm {
    fn header_bytes(self) -> usize {
        match self {
            HeaderForm::Six => 4,
            HeaderForm::Ten => 8,
        }
    }
}

/// Length of the mode page at the front, with its header; `None` if it is cut off.
fn page_bytes(page: &[u8]) -> Option<usize> {
    let length = if page.first()? & 0x40 == 0 {
        2 + usize::from(*page.get(1)?)
    } else {
        4 + usize::from(u16_at(page, 2)?)
    };
    (length <= page.len()).then_some(length)
}

/// A contiguous range of element addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ElementRange {
    /// Lowest address.
    pub first: u16,
    /// Number of elements.
    pub count: u16,
}

/// Mode page 1D: which element addresses a changer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ElementAddresses {
    /// Medium transport elements (robots).
    pub transport: ElementRange,
    /// Storage elements (slots).
    pub storage: ElementRange,
    /// Import/export elements (mail slots).
    pub import_export: ElementRange,
    /// Data transfer elements (drives).
    pub drives: ElementRange,
}

/// Decodes page 1D from MODE SENSE(6) data, with or without a block descriptor.
///
/// # Errors
///
/// [`BadReply`] if the page is missing or cut off.
pub fn parse_element_addresses(data: &[u8]) -> Result<ElementAddresses, BadReply> {
    let mode = ModeData::parse(data, HeaderForm::Six)?;
    let page = mode.page(PAGE_ELEMENT_ADDRESSES, None).ok_or(BadReply {
        reply: REPLY,
        problem: "the element address assignment page is missing",
    })?;
    let range = |at: usize| {
        let (first, count) = (u16_at(page, at)?, u16_at(page, at + 2)?);
        Some(ElementRange { first, count })
    };
    let short = || BadReply::short(REPLY);
    Ok(ElementAddresses {
        transport: range(2).ok_or_else(short)?,
        storage: range(6).ok_or_else(short)?,
        import_export: range(10).ok_or_else(short)?,
        drives: range(14).ok_or_else(short)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LTO_9: [u8; 32] = [
        0x00, 0x1E, 0x98, 0x10, 0, 0, 0, 0x08, 0x60, 0, 0, 0, 0, 0, 0, 0, 0x8F, 0x0E, 0xC0, 0x80,
        0, 0, 0, 0xFF, 0, 0, 0, 0xFF, 0, 0, 0, 0,
    ];

    #[test]
    fn captured_mode_data_is_changed_and_sent_back() {
        let mut mode = ModeData::parse(&LTO_9, HeaderForm::Ten).unwrap();
        assert_eq!((mode.medium_type, mode.density), (0x98, 0x60));
        assert_eq!((mode.buffered_mode, mode.block_bytes), (1, 0));
        assert!(!mode.write_protected);
        assert_eq!(mode.compression(), Some(true));
        mode.set_compression(false);
        mode.block_bytes = 0x01_0203;
        let list = mode.to_parameters(HeaderForm::Ten);
        assert_eq!(list[..8], [0, 0, 0, 0x10, 0, 0, 0, 8]);
        assert_eq!(list[8..16], [0x60, 0, 0, 0, 0, 1, 2, 3]);
        assert_eq!(list[16..20], [0x0F, 0x0E, 0x40, 0x80]);
        assert_eq!(mode.to_parameters(HeaderForm::Six)[..4], [0, 0, 0x10, 8]);
    }

    #[test]
    fn a_subpage_is_not_taken_for_its_page() {
        let mut pages = vec![0x90, 0x0E];
        pages.extend([0xEE; 14]);
        pages.extend([0x50, 0x01, 0x00, 0x1C]);
        pages.extend([0; 28]);
        let mut mode = ModeData {
            medium_type: 0,
            write_protected: false,
            buffered_mode: 1,
            density: 0,
            block_bytes: 0,
            pages,
        };
        assert_eq!(mode.early_warning_mb(), Some(0));
        mode.set_early_warning_mb(0x0203);
        assert_eq!(mode.early_warning_mb(), Some(0x0203));
        assert_eq!(mode.pages[..16], [&[0x90, 0x0E][..], &[0xEE; 14]].concat());
    }

    #[test]
    fn a_captured_library_says_where_its_elements_are() {
        let page = [
            0x9D, 0x12, 0, 0, 0, 1, 0x03, 0xE9, 0, 0x28, 0, 0x65, 0, 0, 0, 1, 0, 2, 0, 0,
        ];
        let with_header = [&[0x17, 0, 0, 0][..], &page].concat();
        let with_descriptor = [&[0x1F, 0, 0, 8][..], &[0; 8], &page].concat();
        for data in [with_header, with_descriptor] {
            let found = parse_element_addresses(&data).unwrap();
            assert_eq!(found.transport, ElementRange { first: 0, count: 1 });
            assert_eq!(
                found.storage,
                ElementRange {
                    first: 0x3E9,
                    count: 40
                }
            );
            assert_eq!(
                found.import_export,
                ElementRange {
                    first: 0x65,
                    count: 0
                }
            );
            assert_eq!(found.drives, ElementRange { first: 1, count: 2 });
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_element_addresses(&data);
            for form in [HeaderForm::Six, HeaderForm::Ten] {
                if let Ok(mut mode) = ModeData::parse(&data, form) {
                    mode.set_compression(true);
                    mode.set_early_warning_mb(7);
                    let _ = (mode.compression(), mode.early_warning_mb());
                    prop_assert!(mode.to_parameters(form).len() >= form.header_bytes() + 8);
                }
            }
        }
    }
}
