//! READ ELEMENT STATUS (SMC-3 §6.10): a header, then for each element type a page of
//! descriptors.
//!
//! Descriptors have the lengths of the captured libraries: 12 bytes, with VOLTAG a tag of 36
//! bytes, then always the four-byte head of an identifier, and with DVCID a drive's identifier.

use super::ChangerTarget;
use super::invalid_element;
use crate::generation::{CartridgeKind, identify_barcode};
use crate::inventory::{Content, Door, ElementType, Inventory, read_hold};
use crate::pages::inquiry::push_designator;
use crate::pages::push_padded;
use crate::sense::Sense;
use crate::ssc::VENDOR;
use crate::target::{Data, Refusal, Reply, be16, be24, send};

const VOLUME_TAG: u8 = 0x10;
const TYPE_CODE: u8 = 0x0F;
const DEVICE_ID: u8 = 0x01;

/// Descriptor byte 2.
const FULL: u8 = 0x01;
const IMPORTED: u8 = 0x02;
const EXCEPTION: u8 = 0x04;
const ACCESS: u8 = 0x08;
const EXPORT_ENABLED: u8 = 0x10;
const IMPORT_ENABLED: u8 = 0x20;
/// Descriptor byte 9: the source address is valid.
const SOURCE_VALID: u8 = 0x80;
/// Descriptor byte 9: the element is disabled.
const DISABLED: u8 = 0x08;
/// Descriptor byte 9, medium type.
const DATA_MEDIUM: u8 = 1;
const CLEANING_MEDIUM: u8 = 2;
const WORM_MEDIUM: u8 = 4;
/// Page header byte 1.
const PRIMARY_TAG: u8 = 0x80;
const ALTERNATE_TAG: u8 = 0x40;

const TAG_BYTES: usize = 36;
const TAG_ID_BYTES: usize = 32;
const REPORT_ORDER: [ElementType; 4] = [
    ElementType::Transport,
    ElementType::DataTransfer,
    ElementType::ImportExport,
    ElementType::Storage,
];

/// What differs between READ ELEMENT STATUS and REQUEST VOLUME ELEMENT ADDRESS.
#[derive(Default)]
pub(super) struct ReportHead {
    /// Send action code of the search that this is the result of.
    pub(super) action: u8,
    /// Addresses that may be in the report, ascending; `None`: all.
    pub(super) only: Option<Vec<u16>>,
}

/// What one report shall contain.
pub(super) struct Request {
    kinds: Vec<ElementType>,
    first: u16,
    count: u16,
    tags: bool,
    device_ids: bool,
}

impl Request {
    pub(super) fn parse(cdb: &[u8], state: &Inventory) -> Result<Self, Refusal> {
        let code = cdb[1] & TYPE_CODE;
        let kinds: Vec<_> = REPORT_ORDER
            .into_iter()
            .filter(|kind| code == 0 || *kind as u8 == code)
            .collect();
        if kinds.is_empty() {
            return Err(Sense::invalid_cdb_field(1, Some(3)).into());
        }
        let request = Self {
            kinds,
            first: be16(cdb, 2),
            count: be16(cdb, 4),
            tags: cdb[1] & VOLUME_TAG != 0,
            // In REQUEST VOLUME ELEMENT ADDRESS the byte is reserved, and so 0.
            device_ids: cdb[6] & DEVICE_ID != 0,
        };
        let ranges = request.kinds.iter().map(|kind| state.layout().range(*kind));
        let last = ranges
            .filter(|(_, count)| *count > 0)
            .map(|(first, count)| first + count - 1)
            .max();
        match last {
            Some(last) if request.first > last => Err(invalid_element(2)),
            _ => Ok(request),
        }
    }

    /// Addresses to report of `kind`, when `left` more elements may be reported.
    fn addresses(
        &self,
        kind: ElementType,
        left: usize,
        head: &ReportHead,
        state: &Inventory,
    ) -> Vec<u16> {
        let (first, count) = state.layout().range(kind);
        let end = first + count;
        let wanted = |address: &u16| {
            head.only
                .as_ref()
                .is_none_or(|only| only.binary_search(address).is_ok())
        };
        let addresses = (self.first.clamp(first, end)..end).filter(wanted);
        addresses.take(left).collect()
    }
}

impl ChangerTarget {
    /// READ ELEMENT STATUS. The inventory is always known, so CURDATA makes no difference.
    pub(super) fn read_element_status(
        &mut self,
        cdb: &[u8],
        data: Data<'_>,
        state: &Inventory,
    ) -> Reply {
        let request = Request::parse(cdb, state)?;
        let report = self.element_report(&request, &ReportHead::default(), state)?;
        send(data, &report, be24(cdb, 7) as usize)
    }

    /// The report. The count is a maximum of elements, counted over all types; the lengths in the
    /// report do not depend on the allocation length.
    pub(super) fn element_report(
        &mut self,
        request: &Request,
        head: &ReportHead,
        state: &Inventory,
    ) -> Result<Vec<u8>, Refusal> {
        let mut left = usize::from(request.count);
        let mut first_reported = 0;
        let mut pages = Vec::new();
        for kind in &request.kinds {
            let addresses = request.addresses(*kind, left, head, state);
            let Some(first) = addresses.first() else {
                continue;
            };
            if pages.is_empty() {
                first_reported = *first;
            }
            left -= addresses.len();
            self.push_page(&mut pages, *kind, &addresses, request, state)?;
        }
        // At most the count that was asked for, which has 16 bits.
        let reported = (usize::from(request.count) - left) as u16;
        let mut report = first_reported.to_be_bytes().to_vec();
        report.extend_from_slice(&reported.to_be_bytes());
        report.push(head.action);
        push_u24(&mut report, pages.len());
        report.append(&mut pages);
        Ok(report)
    }

    /// Element status page: header of 8 bytes, then descriptors of one length. Alternate tags are
    /// there if one of the elements has one.
    fn push_page(
        &mut self,
        out: &mut Vec<u8>,
        kind: ElementType,
        addresses: &[u16],
        request: &Request,
        state: &Inventory,
    ) -> Result<(), Refusal> {
        let mut contents = addresses
            .iter()
            .filter_map(|address| state.content(*address));
        let page = Page {
            kind,
            tags: request.tags,
            alternate_tags: request.tags && contents.any(|held| held.alternate_tag.is_some()),
            device_ids: request.device_ids && kind == ElementType::DataTransfer,
        };
        let mut descriptors = Vec::new();
        for address in addresses {
            self.push_descriptor(&mut descriptors, &page, *address, state)?;
        }
        let length = (descriptors.len() / addresses.len()) as u16;
        let set = |condition: bool, mask: u8| if condition { mask } else { 0 };
        let tags = set(page.tags, PRIMARY_TAG) | set(page.alternate_tags, ALTERNATE_TAG);
        out.extend_from_slice(&[kind as u8, tags]);
        out.extend_from_slice(&length.to_be_bytes());
        out.push(0);
        push_u24(out, descriptors.len());
        out.append(&mut descriptors);
        Ok(())
    }

    fn push_descriptor(
        &mut self,
        out: &mut Vec<u8>,
        page: &Page,
        address: u16,
        state: &Inventory,
    ) -> Result<(), Refusal> {
        let content = state.content(address);
        let source = content.and_then(|content| content.source);
        let exception = state.exception(address);
        let disabled = if state.is_removed(address) {
            DISABLED
        } else {
            0
        };
        let excepted = exception.map_or(0, |_| EXCEPTION);
        out.extend_from_slice(&address.to_be_bytes());
        out.push(excepted | self.flags(page.kind, address, content, state)?);
        out.push(0);
        out.extend(exception.map_or([0, 0], |code| [code.asc, code.ascq]));
        out.extend_from_slice(&[0; 3]);
        let valid = source.map_or(0, |_| SOURCE_VALID);
        out.push(valid | disabled | content.map_or(0, medium_type));
        out.extend_from_slice(&source.unwrap_or(0).to_be_bytes());
        if page.tags {
            push_tag(
                out,
                content.map(|content| content.primary_tag().unwrap_or("")),
            );
        }
        if page.alternate_tags {
            push_tag(
                out,
                content.and_then(|content| content.alternate_tag.as_deref()),
            );
        }
        if page.device_ids {
            let (first, _) = state.layout().range(page.kind);
            self.push_drive_id(out, usize::from(address - first));
        } else {
            out.extend_from_slice(&[0; 4]);
        }
        Ok(())
    }

    fn flags(
        &mut self,
        kind: ElementType,
        address: u16,
        content: Option<&Content>,
        state: &Inventory,
    ) -> Result<u8, Refusal> {
        let full = if content.is_some() { FULL } else { 0 };
        Ok(full
            | match kind {
                ElementType::Transport => 0,
                ElementType::Storage if state.is_removed(address) => 0,
                ElementType::Storage => ACCESS,
                ElementType::ImportExport => {
                    let imported = content.is_some_and(|content| content.imported);
                    let imported = if imported { IMPORTED } else { 0 };
                    let open = state.is_open(Door::MailSlots);
                    let access = if open { 0 } else { ACCESS };
                    access | EXPORT_ENABLED | IMPORT_ENABLED | imported
                }
                ElementType::DataTransfer => {
                    let (first, _) = state.layout().range(kind);
                    let hold = read_hold(&self.config.library_dir, address - first)
                        .map_err(|error| self.host_failure(error))?;
                    if hold.threaded || hold.prevented {
                        0
                    } else {
                        ACCESS
                    }
                }
            })
    }

    /// T10 designator of a drive: its vendor, product and serial number as in VPD 80h.
    fn push_drive_id(&self, out: &mut Vec<u8>, drive: usize) {
        let serial = self
            .config
            .drive_serials
            .get(drive)
            .map_or("", String::as_str);
        let mut designator = Vec::new();
        push_padded(&mut designator, VENDOR, 8);
        push_padded(&mut designator, self.config.generation.model().product, 16);
        push_padded(&mut designator, serial, 10);
        push_designator(out, [0x02, 0x01], &designator);
    }
}

/// How the elements of one page are described.
struct Page {
    kind: ElementType,
    tags: bool,
    alternate_tags: bool,
    device_ids: bool,
}

/// The library knows a cartridge's kind from its label alone.
fn medium_type(content: &Content) -> u8 {
    let label = content.label.text(&content.barcode);
    match label.and_then(identify_barcode) {
        Some(CartridgeKind::Data(_)) => DATA_MEDIUM,
        Some(CartridgeKind::Worm(_)) => WORM_MEDIUM,
        Some(CartridgeKind::Cleaning) => CLEANING_MEDIUM,
        None => 0,
    }
}

/// Volume tag: the identifier, two reserved bytes, volume sequence number 0. Zeros when the
/// element is empty, spaces for a cartridge without a readable label.
fn push_tag(out: &mut Vec<u8>, id: Option<&str>) {
    let end = out.len() + TAG_BYTES;
    if let Some(id) = id {
        push_padded(out, id, TAG_ID_BYTES);
    }
    out.resize(end, 0);
}

fn push_u24(out: &mut Vec<u8>, value: usize) {
    // 61000 descriptors of 86 bytes are the most there can be: 23 bits.
    out.extend_from_slice(&(value as u32).to_be_bytes()[1..]);
}
