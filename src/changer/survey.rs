//! Taking the inventory: READ ELEMENT STATUS in as many requests as it takes, with as much
//! as the library tells.

use super::{Changer, ChangerError, ChangerErrorKind, Element, ElementKind, Inventory};
use crate::scsi::cdb::{self, ElementRequest};
use crate::scsi::elements::parse_elements;
use crate::scsi::mode::ElementRange;
use crate::transport::Data;

/// First guess at the length of a report for one kind of element.
const REPORT_BYTES: usize = 16 * 1024;
/// What the length field of the command holds.
const MAX_REPORT_BYTES: usize = 0x00FF_FFFF;
/// Elements asked for at once, so that a report fits every path.
const BATCH_ELEMENTS: u16 = 1000;

impl Changer {
    /// What is where. Moves nothing and, in most libraries, is answered from memory.
    ///
    /// # Errors
    ///
    /// [`ChangerErrorKind::NotReady`] while the library counts its cartridges;
    /// [`ChangerErrorKind::Malformed`]; transport failures.
    pub fn inventory(&mut self) -> Result<Inventory, ChangerError> {
        let mut elements = Vec::new();
        for (kind, range) in self.ranges() {
            for start in (0..range.count).step_by(usize::from(BATCH_ELEMENTS)) {
                let first = range.first.saturating_add(start);
                let count = BATCH_ELEMENTS.min(range.count - start);
                elements.extend(self.elements(kind, ElementRange { first, count })?);
            }
        }
        elements.sort_by_key(|element| (element.kind, element.address));
        elements.dedup_by_key(|element| element.address);
        Ok(Inventory { elements })
    }

    /// The elements of one kind, with as much about them as the library tells.
    fn elements(
        &mut self,
        kind: ElementKind,
        range: ElementRange,
    ) -> Result<Vec<Element>, ChangerError> {
        loop {
            let device_ids = self.reports_ids && kind == ElementKind::Drive;
            let mut request = ElementRequest {
                kind: kind.code(),
                start: range.first,
                count: range.count,
                volume_tags: self.reports_tags,
                device_ids,
                allocation_bytes: 0,
            };
            if let Some(elements) = self.report(&mut request)? {
                return Ok(elements);
            }
            if device_ids {
                self.reports_ids = false;
            } else if self.reports_tags {
                self.reports_tags = false;
            } else {
                let action = format_args!("reading the status of each {kind}");
                let what = "the library knows no form of READ ELEMENT STATUS".to_owned();
                return Err(self.error(action, ChangerErrorKind::Unsupported, what));
            }
        }
    }

    /// One report, asked for again with a longer buffer if it was cut; `None` if the
    /// library refuses this form of it.
    fn report(
        &mut self,
        request: &mut ElementRequest,
    ) -> Result<Option<Vec<Element>>, ChangerError> {
        let action = format_args!("reading the status of elements from {}", request.start);
        let mut size = REPORT_BYTES;
        loop {
            let mut data = vec![0; size];
            request.allocation_bytes = u32::try_from(size).unwrap_or(u32::MAX);
            let ask = cdb::read_element_status(request);
            let Some(got) = self.command_if_known(action, &ask, Data::In(&mut data))? else {
                return Ok(None);
            };
            let status = self.decoded(action, parse_elements(&data[..got]))?;
            let carried = self.transport.max_transfer_bytes().min(MAX_REPORT_BYTES);
            if status.report_bytes <= size {
                // Half an inventory would be worse than none.
                if status.elements.len() != status.announced {
                    let what = format!(
                        "the library announces {} elements, but its report has {}",
                        status.announced,
                        status.elements.len()
                    );
                    return Err(self.error(action, ChangerErrorKind::Malformed, what));
                }
                let elements = status.elements.into_iter();
                return Ok(Some(
                    elements.filter_map(Element::from_descriptor).collect(),
                ));
            }
            if size >= carried {
                let what = format!(
                    "the report has {} bytes, the path carries {carried}",
                    status.report_bytes
                );
                return Err(self.error(action, ChangerErrorKind::Malformed, what));
            }
            size = status.report_bytes.min(carried);
        }
    }
}
