//! What an operator does by hand: cartridges in and out of mail slots and slots. Hosts are told
//! with unit attentions.

use super::{Content, ElementType, FIRST_MAIL_SLOT_ADDRESS, Inventory, is_barcode, update};
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
    update(dir, std::convert::identity, |inventory| {
        let refused = |reason: String| Err(SimError::Element { address, reason });
        let in_mail_slot = inventory.operator_reaches(address)?;
        if !is_barcode(barcode) {
            return refused(format!("{barcode:?} is no barcode"));
        }
        if let Some(content) = inventory.content(address) {
            return refused(format!("holds {}", content.barcode));
        }
        if let Some((at, _)) = inventory
            .contents()
            .find(|(_, held)| held.barcode == barcode)
        {
            return refused(format!("{barcode} is in element {at}"));
        }
        let content = Content {
            imported: in_mail_slot,
            ..Content::new(barcode)
        };
        inventory.place(address, content);
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
        inventory.operator_reaches(address)?;
        match inventory.pick(address) {
            Some(content) => Ok(content.barcode),
            None => Err(SimError::Element {
                address,
                reason: "is empty".to_owned(),
            }),
        }
    })
}

impl Inventory {
    /// Notes that an operator uses the element at `address`; true for a mail slot.
    fn operator_reaches(&mut self, address: u16) -> Result<bool, SimError> {
        let refused = |reason: &str| SimError::Element {
            address,
            reason: reason.to_owned(),
        };
        match self.layout.element(address) {
            Some((ElementType::ImportExport, _)) if self.mail_slots_locked => {
                Err(refused("is locked by a host"))
            }
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
