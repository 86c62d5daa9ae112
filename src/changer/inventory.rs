//! What a changer sees: elements, and the cartridges in them.

use std::fmt;

use crate::scsi::elements::ElementDescriptor;

/// Address of an element, as the library numbers it. Not a slot number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementAddress(pub u16);

impl fmt::Display for ElementAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKind {
    /// The robot's hand.
    Transport,
    /// A slot.
    Storage,
    /// A mail slot.
    ImportExport,
    /// A drive.
    Drive,
}

impl ElementKind {
    pub(super) fn code(self) -> u8 {
        match self {
            ElementKind::Transport => 1,
            ElementKind::Storage => 2,
            ElementKind::ImportExport => 3,
            ElementKind::Drive => 4,
        }
    }
}

impl fmt::Display for ElementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ElementKind::Transport => "robot",
            ElementKind::Storage => "slot",
            ElementKind::ImportExport => "mail slot",
            ElementKind::Drive => "drive",
        })
    }
}

/// What the library takes a cartridge for. Many never fill this in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediumType {
    /// Not told.
    Unknown,
    /// A data cartridge.
    Data,
    /// A cleaning cartridge.
    Cleaning,
    /// A diagnostic or firmware cartridge.
    Service,
    /// A write-once data cartridge.
    Worm,
}

/// Why an element is in an abnormal state: additional sense code and qualifier, whose
/// meaning is largely the vendor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exception {
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}/{:02X}", self.asc, self.ascq)
    }
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub kind: ElementKind,
    /// Its address.
    pub address: ElementAddress,
    /// A cartridge is in it.
    pub full: bool,
    /// The barcode, where the library could read one.
    pub barcode: Option<String>,
    /// What the library takes the cartridge for.
    pub medium_type: MediumType,
    /// The robot can reach it. For drives libraries disagree on what this says: never
    /// take it for "the drive has let go".
    pub accessible: bool,
    /// An abnormal state.
    pub exception: Option<Exception>,
    /// The storage element the cartridge came from.
    pub source: Option<ElementAddress>,
    /// Put there by an operator (mail slots).
    pub imported: bool,
    /// Serial number of the drive in this element, where the library tells.
    pub drive_serial: Option<String>,
}

impl Element {
    /// `None` for a type code that no standard has.
    pub(super) fn from_descriptor(found: ElementDescriptor) -> Option<Element> {
        let kind = match found.kind {
            1 => ElementKind::Transport,
            2 => ElementKind::Storage,
            3 => ElementKind::ImportExport,
            4 => ElementKind::Drive,
            _ => return None,
        };
        let barcode = found
            .volume_tag
            .filter(|tag| !tag.chars().all(|c| c == '?'));
        Some(Element {
            kind,
            address: ElementAddress(found.address),
            full: found.full,
            // Some libraries leave the last cartridge's barcode in an empty element.
            barcode: barcode.filter(|_| found.full),
            medium_type: match found.medium_type {
                1 => MediumType::Data,
                2 => MediumType::Cleaning,
                3 | 5 => MediumType::Service,
                4 => MediumType::Worm,
                _ => MediumType::Unknown,
            },
            accessible: found.accessible,
            exception: found.exception.map(|(asc, ascq)| Exception { asc, ascq }),
            source: found.source.map(ElementAddress),
            imported: found.imported,
            drive_serial: found.drive_serial,
        })
    }

    /// True for a cleaning cartridge, by the library's word or by its barcode (`CLN…`):
    /// it must never be loaded as data.
    #[must_use]
    pub fn is_cleaning(&self) -> bool {
        let by_barcode = self
            .barcode
            .as_deref()
            .is_some_and(|code| code.starts_with("CLN"));
        self.medium_type == MediumType::Cleaning || by_barcode
    }
}

/// All elements of a library at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// The elements, by kind and address.
    pub elements: Vec<Element>,
}

impl Inventory {
    /// The elements of one kind, by address.
    pub fn of_kind(&self, kind: ElementKind) -> impl Iterator<Item = &Element> {
        self.elements
            .iter()
            .filter(move |element| element.kind == kind)
    }

    /// The element at `address`.
    #[must_use]
    pub fn at(&self, address: ElementAddress) -> Option<&Element> {
        self.elements
            .iter()
            .find(|element| element.address == address)
    }

    /// The element with the cartridge `barcode` in it.
    #[must_use]
    pub fn find(&self, barcode: &str) -> Option<&Element> {
        self.elements
            .iter()
            .find(|element| element.barcode.as_deref() == Some(barcode))
    }

    /// The element of the drive with serial number `serial`.
    #[must_use]
    pub fn drive(&self, serial: &str) -> Option<&Element> {
        self.elements
            .iter()
            .find(|element| element.drive_serial.as_deref() == Some(serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: u8, tag: &str) -> ElementDescriptor {
        ElementDescriptor {
            kind,
            address: 7,
            full: true,
            imported: false,
            accessible: true,
            exception: None,
            medium_type: 0,
            source: None,
            volume_tag: Some(tag.to_owned()),
            drive_serial: None,
        }
    }

    #[test]
    fn cleaning_cartridges_are_known_by_barcode_or_by_type() {
        let element = |tag, medium_type| {
            let found = ElementDescriptor {
                medium_type,
                ..descriptor(2, tag)
            };
            Element::from_descriptor(found).unwrap()
        };
        assert!(element("CLNU01CU", 0).is_cleaning());
        assert!(element("E01001L9", 2).is_cleaning());
        assert!(!element("E01001L9", 1).is_cleaning());
    }

    #[test]
    fn a_barcode_is_there_only_if_it_was_read_and_the_element_is_full() {
        let mut empty = descriptor(2, "E01001L9");
        empty.full = false;
        let cases = [
            (descriptor(2, "E01001L9"), Some("E01001L9")),
            (descriptor(2, "????????"), None),
            (empty, None),
        ];
        for (found, barcode) in cases {
            let element = Element::from_descriptor(found).unwrap();
            assert_eq!(element.barcode.as_deref(), barcode);
        }
        assert!(Element::from_descriptor(descriptor(9, "")).is_none());
    }
}
