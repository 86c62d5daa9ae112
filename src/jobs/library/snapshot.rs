//! The changer's inventory in the terms of jobs: drives, slots and mail slots by number.

use super::CartridgeKind;
use crate::changer::{Element, ElementAddress, ElementKind, Inventory};

/// One element and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: ElementAddress,
    /// Drives count from 0, all others from 1, in the order of addresses.
    pub(crate) number: u16,
    pub(crate) cartridge: Option<Cartridge>,
    /// For drives: unit serial number as the changer knows it.
    pub(crate) serial: Option<String>,
    pub(crate) problem: Option<String>,
}

/// A cartridge in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cartridge {
    pub(crate) barcode: Option<String>,
    pub(crate) kind: CartridgeKind,
    /// Element it was last moved from.
    pub(crate) source: Option<ElementAddress>,
}

/// What is where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) drives: Vec<Place>,
    pub(crate) slots: Vec<Place>,
    pub(crate) mail_slots: Vec<Place>,
    /// The robot's hands, in which a cartridge is only if a move failed.
    pub(crate) robots: Vec<Place>,
    /// What the library says that keeps its robot from moving; `None` if it is ready.
    pub(crate) trouble: Option<String>,
}

impl Cartridge {
    fn is_nameless(&self) -> bool {
        self.barcode.is_none() && self.kind == CartridgeKind::Data
    }
}

impl Place {
    /// Whether a cartridge with this barcode is here.
    pub(crate) fn holds(&self, barcode: &str) -> bool {
        self.cartridge
            .as_ref()
            .is_some_and(|c| c.barcode.as_deref() == Some(barcode))
    }

    /// The cartridge's barcode, or words for one without.
    pub(crate) fn barcode_text(&self) -> String {
        match &self.cartridge {
            Some(Cartridge {
                barcode: Some(barcode),
                ..
            }) => barcode.clone(),
            Some(_) => "a cartridge without barcode".to_owned(),
            None => "nothing".to_owned(),
        }
    }
}

/// The drive in the one element that tells no serial number: the one of `configured` that no
/// element tells. Some libraries cut their report short, and with it the last serial number.
pub(crate) fn left_over<'a>(
    told: &[Option<String>],
    configured: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let silent = told.iter().filter(|serial| serial.is_none()).count();
    let untold = |serial: &&str| !told.iter().flatten().any(|told| told == serial);
    let mut left = configured.into_iter().filter(untold);
    let first = left.next()?;
    (silent == 1 && left.all(|other| other == first)).then_some(first)
}

fn place(element: &Element, number: u16) -> Place {
    let kind = if element.is_cleaning() {
        CartridgeKind::Cleaning
    } else {
        CartridgeKind::Data
    };
    Place {
        address: element.address,
        number,
        cartridge: element.full.then(|| Cartridge {
            barcode: element.barcode.clone(),
            kind,
            source: element.source,
        }),
        serial: element.drive_serial.clone(),
        problem: problem(element),
    }
}

/// What is wrong with an element, in words. Of mail slots alone it counts whether the robot can
/// reach them: there libraries agree on what that says.
fn problem(element: &Element) -> Option<String> {
    match element.exception {
        Some(exception) => Some(exception.to_string()),
        None if element.kind == ElementKind::ImportExport && !element.accessible => {
            Some("the robot cannot reach it: its door may be open".to_owned())
        }
        None => None,
    }
}

impl Snapshot {
    /// The elements of a library, numbered.
    pub(super) fn of(inventory: &Inventory) -> Snapshot {
        let places = |kind, first| -> Vec<Place> {
            let elements = inventory.of_kind(kind).zip(first..);
            elements
                .map(|(element, number)| place(element, number))
                .collect()
        };
        Snapshot {
            drives: places(ElementKind::Drive, 0),
            slots: places(ElementKind::Storage, 1),
            mail_slots: places(ElementKind::ImportExport, 1),
            robots: places(ElementKind::Transport, 1),
            trouble: None,
        }
    }

    /// Names the drive in the one element that tells none, if that leaves no choice.
    pub(crate) fn name_left_over<'a>(&mut self, configured: impl IntoIterator<Item = &'a str>) {
        let told: Vec<_> = self.drives.iter().map(|p| p.serial.clone()).collect();
        let serial = left_over(&told, configured).map(str::to_owned);
        if let Some(silent) = self.drives.iter_mut().find(|place| place.serial.is_none()) {
            silent.serial = serial;
        }
    }

    /// All elements that can hold a cartridge.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.drives
            .iter()
            .chain(&self.slots)
            .chain(&self.mail_slots)
            .chain(&self.robots)
    }

    /// Places with a data cartridge whose barcode is not known, in words: any tape that is
    /// nowhere else may be in one.
    pub(crate) fn nameless(&self) -> Vec<String> {
        let kinds = [
            ("drive", &self.drives),
            ("slot", &self.slots),
            ("mail slot", &self.mail_slots),
        ];
        let is_nameless =
            |place: &&Place| place.cartridge.as_ref().is_some_and(Cartridge::is_nameless);
        let named = kinds.into_iter().flat_map(|(kind, places)| {
            let nameless = places.iter().filter(is_nameless);
            nameless.map(move |place| format!("{kind} {}", place.number))
        });
        let in_hand = self.robots.iter().filter(is_nameless);
        named
            .chain(in_hand.map(|_| "the robot's hand".to_owned()))
            .collect()
    }

    /// The robot's hand with a cartridge in it, which is in the way of every other move.
    pub(crate) fn full_hand(&self) -> Option<&Place> {
        self.robots.iter().find(|hand| hand.cartridge.is_some())
    }

    /// Where a tape taken out of `drive`, or of a robot's hand, goes: the slot it came from if
    /// that is empty, else the first empty one. `None`: the library is full.
    pub(crate) fn home_for(&self, drive: &Place) -> Option<ElementAddress> {
        let source = drive
            .cartridge
            .as_ref()
            .and_then(|cartridge| cartridge.source);
        let empty = |slot: &&Place| slot.cartridge.is_none() && slot.problem.is_none();
        self.slots
            .iter()
            .filter(empty)
            .find(|slot| Some(slot.address) == source)
            .or_else(|| self.slots.iter().find(empty))
            .map(|slot| slot.address)
    }
}

#[cfg(test)]
mod tests {
    use super::left_over;

    #[test]
    fn only_a_drive_without_alternative_is_in_the_element_that_tells_none() {
        let told = |serials: &[&str]| -> Vec<Option<String>> {
            let some = |serial: &&str| (!serial.is_empty()).then(|| (*serial).to_owned());
            serials.iter().map(some).collect()
        };
        for (elements, configured, found) in [
            (&["A", ""][..], &["A", "B"][..], Some("B")),
            (&["", "B"], &["A"], Some("A")),
            (&["A", ""], &["A"], None),
            (&["A", ""], &["B", "C"], None),
            (&["A", ""], &["B", "A", "B"], Some("B")),
            (&["A", ""], &["B", "C", "B"], None),
            (&["", ""], &["A", "B"], None),
            (&["A", "B"], &["A", "C"], None),
        ] {
            let drive = left_over(&told(elements), configured.iter().copied());
            assert_eq!(drive, found, "{elements:?} {configured:?}");
        }
    }
}
