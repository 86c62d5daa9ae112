//! Mode parameters of the changer (SMC-3 §7.3): all follow from the layout, none can be set.

use super::mode::{self, BLOCK_DESCRIPTOR_BYTES, Header, Page, page_0};
use crate::inventory::{ElementType, Layout};
use crate::sense::Sense;

/// Page codes.
mod page {
    pub const EXCEPTIONS: u8 = 0x1C;
    pub const ELEMENT_ADDRESSES: u8 = 0x1D;
    pub const TRANSPORT_GEOMETRY: u8 = 0x1E;
    pub const CAPABILITIES: u8 = 0x1F;
}

/// Bits of page 1Fh: what an element type can store, or where it can be moved to.
const DATA_TRANSFER: u8 = 0x08;
const IMPORT_EXPORT: u8 = 0x04;
const STORAGE: u8 = 0x02;
/// ACE, VTRP and S2C as captured.
const CONDITIONS: u8 = 0x07;

/// Reply to MODE SENSE(6) or (10).
///
/// # Errors
///
/// 05/24/00 for an unknown page; 05/39/00 for saved values.
pub fn reply(cdb: &[u8], layout: Layout) -> Result<Vec<u8>, Sense> {
    // An empty block descriptor, which libraries send unless DBD is set.
    let header = Header {
        descriptor: Some([0; BLOCK_DESCRIPTOR_BYTES]),
        ..Header::default()
    };
    let pages = [
        page_0(page::EXCEPTIONS, &[0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        element_addresses(layout),
        page_0(page::TRANSPORT_GEOMETRY, &[0, 0]),
        capabilities(layout),
    ];
    let pages = pages.map(|bytes| Page {
        current: bytes.clone(),
        default: bytes,
        changeable: &[],
    });
    mode::reply(cdb, &header, &pages)
}

/// Element address assignment: first address and number of each type.
fn element_addresses(layout: Layout) -> Vec<u8> {
    let mut body = Vec::new();
    for kind in [
        ElementType::Transport,
        ElementType::Storage,
        ElementType::ImportExport,
        ElementType::DataTransfer,
    ] {
        let (first, count) = layout.range(kind);
        body.extend_from_slice(&first.to_be_bytes());
        body.extend_from_slice(&count.to_be_bytes());
    }
    body.extend_from_slice(&[0, 0]);
    page_0(page::ELEMENT_ADDRESSES, &body)
}

/// Device capabilities: which types hold cartridges, and the matrices of MOVE and EXCHANGE, a
/// row per source in the order transport, storage, import/export, data transfer.
fn capabilities(layout: Layout) -> Vec<u8> {
    let mail = layout.mail_slots > 0;
    let all = DATA_TRANSFER | STORAGE | if mail { IMPORT_EXPORT } else { 0 };
    let from_mail = if mail { all } else { 0 };
    let move_to = [all, all, from_mail, all];
    let exchange_with = [0, all, from_mail, all];
    let mut body = vec![all, CONDITIONS];
    body.extend_from_slice(&move_to);
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&exchange_with);
    body.extend_from_slice(&[0; 4]);
    page_0(page::CAPABILITIES, &body)
}
