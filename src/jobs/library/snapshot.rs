//! The changer's inventory in the terms of jobs: drives, slots and mail slots by number.

use super::CartridgeKind;
use crate::changer::ElementAddress;

/// One element and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: ElementAddress,
    /// Drives count from 0, slots and mail slots from 1, in the order of addresses.
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

impl Snapshot {
    /// All elements that can hold a cartridge.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.drives
            .iter()
            .chain(&self.slots)
            .chain(&self.mail_slots)
    }

    /// Where a tape taken out of `drive` goes: the slot it came from if that is empty, else
    /// the first empty one. `None`: the library is full.
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
