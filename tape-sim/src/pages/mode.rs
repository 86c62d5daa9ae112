//! MODE SENSE and MODE SELECT in both forms (SPC-4 §6.10–6.13, §7.5), whatever the device:
//! headers, page selection, page control, and walking a parameter list.
//!
//! No page can be saved: PS is 0, saved values are refused with 05/39/00. Does not know what any
//! page means.

use crate::sense::{self, Sense};
use crate::target::be16;

/// Opcodes of the 10-byte forms; the others are 6 bytes long.
const MODE_SENSE_10: u8 = 0x5A;
const MODE_SELECT_10: u8 = 0x55;

const DISABLE_DESCRIPTORS: u8 = 0x08;
const PAGE_FORMAT: u8 = 0x10;
const PAGE_CODE: u8 = 0x3F;
const SUBPAGE_FORMAT: u8 = 0x40;
const NO_PAGES: u8 = 0x00;
const ALL_PAGES: u8 = 0x3F;
const ALL_SUBPAGES: u8 = 0xFF;

/// Length of a block descriptor.
pub const BLOCK_DESCRIPTOR_BYTES: usize = 8;

/// One mode page in the three forms that page control asks for. All have the same length and
/// begin with the page's own header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Current values.
    pub current: Vec<u8>,
    /// Default values.
    pub default: Vec<u8>,
    /// Mask of what MODE SELECT may change, without header; shorter masks end in zeros.
    pub changeable: &'static [u8],
}

impl Page {
    /// Page code.
    fn code(&self) -> u8 {
        self.current[0] & PAGE_CODE
    }

    /// Subpage code, 0 for pages in page_0 format.
    fn subpage(&self) -> u8 {
        if self.current[0] & SUBPAGE_FORMAT != 0 {
            self.current[1]
        } else {
            0
        }
    }

    fn header_bytes(&self) -> usize {
        header_bytes(self.current[0])
    }

    fn form(&self, control: u8) -> Result<Vec<u8>, Sense> {
        match control {
            0 => Ok(self.current.clone()),
            1 => {
                let mut mask = self.current[..self.header_bytes()].to_vec();
                mask.extend_from_slice(self.changeable);
                mask.resize(self.current.len(), 0);
                Ok(mask)
            }
            2 => Ok(self.default.clone()),
            _ => Err(Sense::illegal(sense::SAVING_NOT_SUPPORTED)),
        }
    }
}

fn header_bytes(first: u8) -> usize {
    if first & SUBPAGE_FORMAT != 0 { 4 } else { 2 }
}

/// A page in page_0 format with this body.
#[must_use]
pub fn page_0(code: u8, body: &[u8]) -> Vec<u8> {
    let mut page = vec![code, body.len() as u8];
    page.extend_from_slice(body);
    page
}

/// A page in sub_page format with this body.
#[must_use]
pub fn sub_page(code: u8, subpage: u8, body: &[u8]) -> Vec<u8> {
    let mut page = vec![code | SUBPAGE_FORMAT, subpage];
    page.extend_from_slice(&(body.len() as u16).to_be_bytes());
    page.extend_from_slice(body);
    page
}

/// Mode parameter header and block descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Medium type.
    pub medium_type: u8,
    /// Device-specific parameter.
    pub device_specific: u8,
    /// Block descriptor, if the device has one.
    pub descriptor: Option<[u8; BLOCK_DESCRIPTOR_BYTES]>,
}

/// Reply to MODE SENSE(6) or (10); `pages` ascend by page and subpage code.
///
/// # Errors
///
/// 05/24/00 for an unknown page or subpage, 05/39/00 for saved values.
pub fn reply(cdb: &[u8], header: &Header, pages: &[Page]) -> Result<Vec<u8>, Sense> {
    let [flags, selector] = be16(cdb, 1).to_be_bytes();
    let subpage = cdb.get(3).copied().unwrap_or(0);
    let (control, code) = (selector >> 6, selector & PAGE_CODE);
    let descriptor: &[u8] = match &header.descriptor {
        Some(bytes) if flags & DISABLE_DESCRIPTORS == 0 => bytes,
        _ => &[],
    };
    let mut body = Vec::new();
    for page in select_pages(code, subpage, pages)? {
        body.extend(page.form(control)?);
    }
    let long = cdb.first() == Some(&MODE_SENSE_10);
    let rest = descriptor.len() + body.len();
    let mut data = if long {
        let len = (rest + 6) as u16;
        let [high, low] = len.to_be_bytes();
        let descriptors = descriptor.len() as u8;
        vec![
            high,
            low,
            header.medium_type,
            header.device_specific,
            0,
            0,
            0,
            descriptors,
        ]
    } else {
        // A 6-byte reply cannot say more than 255; the device's pages fit together.
        let len = u8::try_from(rest + 3).unwrap_or(u8::MAX);
        vec![
            len,
            header.medium_type,
            header.device_specific,
            descriptor.len() as u8,
        ]
    };
    data.extend_from_slice(descriptor);
    data.append(&mut body);
    Ok(data)
}

fn select_pages(code: u8, subpage: u8, pages: &[Page]) -> Result<Vec<&Page>, Sense> {
    if code == NO_PAGES && subpage == 0 {
        return Ok(Vec::new());
    }
    if code == ALL_PAGES && !matches!(subpage, 0 | ALL_SUBPAGES) {
        return Err(Sense::invalid_cdb_field(3, None));
    }
    let selected: Vec<_> = pages
        .iter()
        .filter(|page| code == ALL_PAGES || page.code() == code)
        .filter(|page| subpage == ALL_SUBPAGES || page.subpage() == subpage)
        .collect();
    if selected.is_empty() {
        let known = pages.iter().any(|page| page.code() == code);
        let field = if known { (3, None) } else { (2, Some(5)) };
        return Err(Sense::invalid_cdb_field(field.0, field.1));
    }
    Ok(selected)
}

/// A MODE SELECT parameter list taken apart. Offsets count from the list's first byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection<'a> {
    /// Device-specific parameter and its offset.
    pub device_specific: (usize, u8),
    /// Block descriptor and its offset, if one was sent.
    pub descriptor: Option<(usize, [u8; BLOCK_DESCRIPTOR_BYTES])>,
    /// Pages and their offsets; each page is complete.
    pub pages: Vec<(usize, &'a [u8])>,
}

/// Takes a parameter list apart.
///
/// # Errors
///
/// 05/24/00 without PF, 05/1A/00 if the list ends within a header, descriptor or page, 05/26/00
/// for a block descriptor length other than 0 and 8.
pub fn parse_selection<'a>(cdb: &[u8], list: &'a [u8]) -> Result<Selection<'a>, Sense> {
    let cut = Sense::illegal(sense::PARAMETER_LIST_LENGTH);
    let long = cdb.first() == Some(&MODE_SELECT_10);
    let (header, device_specific_at, length_at) = if long { (8, 3, 6) } else { (4, 2, 3) };
    if list.len() < header {
        return Err(cut);
    }
    let descriptors = if long {
        be16(list, length_at)
    } else {
        u16::from(list[length_at])
    };
    let mut at = header;
    let descriptor = match usize::from(descriptors) {
        0 => None,
        BLOCK_DESCRIPTOR_BYTES => {
            let bytes = list[at..].first_chunk().copied().ok_or(cut)?;
            at += BLOCK_DESCRIPTOR_BYTES;
            Some((header, bytes))
        }
        _ => return Err(Sense::invalid_parameter(length_at, None)),
    };
    let mut pages = Vec::new();
    while let Some(&first) = list.get(at) {
        let body = match (first & SUBPAGE_FORMAT != 0, list.len() - at) {
            (false, 2..) => usize::from(list[at + 1]),
            (true, 4..) => usize::from(be16(list, at + 2)),
            _ => return Err(cut),
        };
        let end = at + header_bytes(first) + body;
        pages.push((at, list.get(at..end).ok_or(cut)?));
        at = end;
    }
    if !pages.is_empty() && cdb.get(1).copied().unwrap_or(0) & PAGE_FORMAT == 0 {
        return Err(Sense::invalid_cdb_field(1, Some(4)));
    }
    Ok(Selection {
        device_specific: (device_specific_at, list[device_specific_at]),
        descriptor,
        pages,
    })
}

/// Checks a page of a parameter list against the device's: it is known, has the right length,
/// and differs only where it may. Returns its code, subpage and body.
///
/// # Errors
///
/// 05/26/00 pointing at the first wrong byte; `at` is the page's offset in the list.
pub fn check_page<'a>(
    at: usize,
    sent: &'a [u8],
    pages: &[Page],
) -> Result<(u8, u8, &'a [u8]), Sense> {
    let header = header_bytes(sent[0]);
    let subpage = if header == 4 { sent[1] } else { 0 };
    let code = sent[0] & PAGE_CODE;
    let page = pages
        .iter()
        .find(|page| page.code() == code && page.subpage() == subpage)
        .filter(|page| page.header_bytes() == header)
        .ok_or(Sense::invalid_parameter(at, Some(5)))?;
    if page.current.len() != sent.len() {
        return Err(Sense::invalid_parameter(at + header - 1, None));
    }
    let body = &sent[header..];
    let masks = page.changeable.iter().copied().chain(std::iter::repeat(0));
    for (offset, ((new, current), mask)) in body
        .iter()
        .zip(&page.current[header..])
        .zip(masks)
        .enumerate()
    {
        let fixed = (new ^ current) & !mask;
        if fixed != 0 {
            let bit = 7 - fixed.leading_zeros() as u8;
            return Err(Sense::invalid_parameter(at + header + offset, Some(bit)));
        }
    }
    Ok((code, subpage, body))
}
