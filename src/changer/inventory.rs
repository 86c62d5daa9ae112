//! What a changer sees: elements, and the cartridges in them.

use std::fmt;

use crate::scsi::elements::ElementDescriptor;
use crate::scsi::sense;

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

    /// How messages name the element with this number of `count` of its kind.
    pub(super) fn name_of(self, number: u32, count: u16) -> String {
        match self {
            ElementKind::Transport if count == 1 => "the robot's hand".to_owned(),
            ElementKind::Transport => format!("hand {number} of the robot"),
            _ => format!("{self} {number}"),
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

impl Exception {
    /// What it says of the element. Vendors' codes as far as they are known (scsi-tape facts 2.6
    /// and 4.3), else the words for the same sense data.
    fn words(self) -> &'static str {
        match (self.asc, self.ascq) {
            (0x83, 0x00 | 0x01) => "its label cannot be read",
            (0x83, 0x02) => "it is not there: its magazine is out",
            (0x83, 0x04) => "it is not there",
            (0x04, 0x12) => "it is offline",
            (0x30, 0x03) => "a cleaning cartridge is in it",
            (0x30, _) => "its cartridge does not suit it, or has a label that cannot be read",
            (asc, ascq) => sense::words_for(asc, ascq)
                .unwrap_or("it is in a state that the library's display may explain"),
        }
    }
}

impl fmt::Display for Exception {
    /// What an operator reads, then the numbers: `its label cannot be read (83/01)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:02X}/{:02X})", self.words(), self.asc, self.ascq)
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
    fn abnormal_states_are_told_in_words_with_their_numbers() {
        for (asc, ascq, words) in [
            (0x83, 0x01, "its label cannot be read (83/01)"),
            (0x83, 0x02, "it is not there: its magazine is out (83/02)"),
            (0x04, 0x12, "it is offline (04/12)"),
            (0x3B, 0x12, "the magazine was removed (3B/12)"),
            (0x3A, 0x02, "a door or mail slot is open (3A/02)"),
            (
                0x90,
                0x07,
                "it is in a state that the library's display may explain (90/07)",
            ),
        ] {
            assert_eq!(Exception { asc, ascq }.to_string(), words);
        }
    }

    #[test]
    fn elements_are_named_as_people_count_them() {
        for (kind, number, count, name) in [
            (ElementKind::Drive, 0, 2, "drive 0"),
            (ElementKind::Storage, 3, 40, "slot 3"),
            (ElementKind::ImportExport, 1, 5, "mail slot 1"),
            (ElementKind::Transport, 1, 1, "the robot's hand"),
            (ElementKind::Transport, 2, 2, "hand 2 of the robot"),
        ] {
            assert_eq!(kind.name_of(number, count), name);
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
