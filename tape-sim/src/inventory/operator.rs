//! What an operator does by hand: cartridges in and out of mail slots and slots. Hosts are told
//! with unit attentions.

use super::store::is_locked;
use super::{Content, ElementType, FIRST_MAIL_SLOT_ADDRESS, Inventory, Label, is_barcode, update};
use crate::cartridge;
use crate::error::SimError;
use std::path::Path;

/// Puts a cartridge into mail slot `mail_slot` (0 = first) as an operator does.
///
/// # Errors
///
/// As [`put`].
pub fn insert(dir: &Path, mail_slot: u16, barcode: &str) -> Result<(), SimError> {
    put(
        dir,
        FIRST_MAIL_SLOT_ADDRESS.saturating_add(mail_slot),
        barcode,
    )
}

/// Takes the cartridge out of mail slot `mail_slot` (0 = first) as an operator does; returns its
/// barcode. Its folder stays where it is.
///
/// # Errors
///
/// As [`take`].
pub fn remove(dir: &Path, mail_slot: u16) -> Result<String, SimError> {
    take(dir, FIRST_MAIL_SLOT_ADDRESS.saturating_add(mail_slot))
}

/// Puts a cartridge into the mail slot or slot at `address` as an operator does. Hosts are told:
/// 28/01 for mail slots, 28/00 for slots.
///
/// # Errors
///
/// `Element` if there is no such slot, it is full or locked, or the library has the barcode
/// already; `Io`, `Format`, `Version`.
pub fn put(dir: &Path, address: u16, barcode: &str) -> Result<(), SimError> {
    let refused = |reason: String| Err(SimError::Element { address, reason });
    if !is_barcode(barcode) {
        return refused(format!("{barcode:?} is no barcode"));
    }
    let label = cartridge::label(dir, barcode)?;
    update(dir, std::convert::identity, |inventory| {
        let locked = is_locked(dir)?;
        let in_mail_slot = inventory.operator_reaches(address, locked)?;
        if let Some(content) = inventory.content(address) {
            return refused(format!("holds {}", content.barcode));
        }
        if let Some(at) = inventory.find(barcode) {
            return refused(format!("{barcode} is in element {at}"));
        }
        let content = Content {
            label,
            imported: in_mail_slot,
            ..Content::new(barcode)
        };
        inventory.place(address, content, inventory.robot.time_ns);
        Ok(())
    })
}

/// Takes the cartridge out of the mail slot or slot at `address` as an operator does; returns
/// its barcode. Hosts are told as by [`put`].
///
/// # Errors
///
/// `Element` if there is no such slot, it is empty or locked; `Io`, `Format`, `Version`.
pub fn take(dir: &Path, address: u16) -> Result<String, SimError> {
    update(dir, std::convert::identity, |inventory| {
        let locked = is_locked(dir)?;
        inventory.operator_reaches(address, locked)?;
        match inventory.pick(address, inventory.robot.time_ns) {
            Some(content) => Ok(content.barcode),
            None => Err(SimError::Element {
                address,
                reason: "is empty".to_owned(),
            }),
        }
    })
}

/// Lets the library see another label on the cartridge of this name, if it is there.
///
/// # Errors
///
/// `Io`, `Format`, `Version`.
pub(crate) fn relabel(dir: &Path, barcode: &str, label: &Label) -> Result<(), SimError> {
    update(dir, std::convert::identity, |inventory| {
        let removed = inventory.removed_magazines.values_mut().flatten();
        let mut held = inventory.contents.iter_mut().chain(removed);
        if let Some((_, content)) = held.find(|(_, content)| content.barcode == barcode) {
            content.label = label.clone();
            content.tag = None;
            inventory.events.slot_changes += 1;
        }
        Ok(())
    })
}

impl Inventory {
    /// Where the cartridge of this name is, in an element or in a magazine that is out.
    fn find(&self, barcode: &str) -> Option<u16> {
        let removed = self.removed_magazines.values().flatten();
        let mut held = self.contents.iter().chain(removed);
        let found = held.find(|(_, content)| content.barcode == barcode);
        found.map(|(address, _)| *address)
    }

    /// Notes that an operator uses the element at `address`; true for a mail slot.
    fn operator_reaches(&mut self, address: u16, locked: bool) -> Result<bool, SimError> {
        let refused = |reason: &str| SimError::Element {
            address,
            reason: reason.to_owned(),
        };
        match self.layout.element(address) {
            Some((ElementType::ImportExport, _)) if locked => Err(refused("is locked by a host")),
            Some(_) if self.is_removed(address) => Err(refused("is in a magazine that is out")),
            Some((ElementType::ImportExport, _)) => {
                self.events.mail_slot_accesses += 1;
                Ok(true)
            }
            Some((ElementType::Storage, _)) => {
                self.events.slot_changes += 1;
                Ok(false)
            }
            _ => Err(refused("is neither a slot nor a mail slot")),
        }
    }
}
