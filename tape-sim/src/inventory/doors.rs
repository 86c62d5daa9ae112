//! What an operator opens and pulls out: the mail slots' door, the library's front door, and the
//! magazines that the storage slots are in.

use super::store::is_locked;
use super::{Content, ElementType, FIRST_SLOT_ADDRESS, Inventory, update};
use crate::error::SimError;
use crate::sense::{self, Code};
use std::path::Path;

/// Slots of a magazine; the last one of a library may have fewer.
pub const MAGAZINE_SLOTS: u16 = 12;

/// A door of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The one to the mail slots; the robot works on behind it.
    MailSlots,
    /// The one to everything; the robot stands still while it is open.
    Front,
}

/// Opens or closes a door as an operator does. Hosts are told when it is closed: 28/01 for the
/// mail slots, 28/00 for the front door.
///
/// # Errors
///
/// `Door` if a host has locked it or it is as wanted already; `Io`, `Format`, `Version`.
pub fn set_door(dir: &Path, door: Door, open: bool) -> Result<(), SimError> {
    update(dir, std::convert::identity, |inventory| {
        if open && is_locked(dir)? {
            return Err(SimError::Door {
                reason: "is locked by a host".to_owned(),
            });
        }
        inventory.turn_door(door, open).map_err(|reason| {
            let reason = reason.to_owned();
            SimError::Door { reason }
        })
    })
}

/// Pulls out magazine `magazine` (0 = first) with all that is in it. Hosts are told with 28/00.
///
/// # Errors
///
/// `Magazine` if there is none in this place, or a host has locked the library; `Io`, `Format`,
/// `Version`.
pub fn remove_magazine(dir: &Path, magazine: u16) -> Result<(), SimError> {
    change_magazine(dir, magazine, |inventory| {
        if inventory.removed_magazines.contains_key(&magazine) {
            return Err("is not in the library");
        }
        let slots = inventory.magazine_slots(magazine).ok_or("does not exist")?;
        let mut held = inventory.contents.split_off(&slots.start);
        inventory.contents.extend(held.split_off(&slots.end));
        inventory.removed_magazines.insert(magazine, held);
        Ok(())
    })
}

/// Puts magazine `magazine` back, with what was in it. Hosts are told with 28/00.
///
/// # Errors
///
/// `Magazine` if it is not out; `Io`, `Format`, `Version`.
pub fn insert_magazine(dir: &Path, magazine: u16) -> Result<(), SimError> {
    change_magazine(dir, magazine, |inventory| {
        let held = inventory.removed_magazines.remove(&magazine);
        let held = held.ok_or("is not out of the library")?;
        inventory.contents.extend(held);
        Ok(())
    })
}

fn change_magazine(
    dir: &Path,
    magazine: u16,
    change: impl FnOnce(&mut Inventory) -> Result<(), &'static str>,
) -> Result<(), SimError> {
    update(dir, std::convert::identity, |inventory| {
        let refused = |reason: &str| SimError::Magazine {
            magazine,
            reason: reason.to_owned(),
        };
        if is_locked(dir)? {
            return Err(refused("is locked by a host"));
        }
        change(inventory).map_err(refused)?;
        inventory.events.slot_changes += 1;
        Ok(())
    })
}

impl Inventory {
    /// Opens or closes a door; the error says why it cannot be.
    pub(crate) fn turn_door(&mut self, door: Door, open: bool) -> Result<(), &'static str> {
        let state = match door {
            Door::MailSlots if self.layout.mail_slots == 0 => return Err("does not exist"),
            Door::MailSlots => &mut self.mail_door_open,
            Door::Front => &mut self.front_door_open,
        };
        if *state == open {
            return Err(if open { "is open" } else { "is closed" });
        }
        *state = open;
        match (open, door) {
            (true, _) => {}
            (false, Door::MailSlots) => self.events.mail_slot_accesses += 1,
            (false, Door::Front) => self.events.slot_changes += 1,
        }
        Ok(())
    }

    /// Addresses of the slots of a magazine.
    fn magazine_slots(&self, magazine: u16) -> Option<std::ops::Range<u16>> {
        let first = magazine.checked_mul(MAGAZINE_SLOTS)?;
        let end = first.saturating_add(MAGAZINE_SLOTS).min(self.layout.slots);
        (first < end).then_some(FIRST_SLOT_ADDRESS + first..FIRST_SLOT_ADDRESS + end)
    }

    /// True for a slot whose magazine is out.
    #[must_use]
    pub fn is_removed(&self, address: u16) -> bool {
        match self.layout.element(address) {
            Some((ElementType::Storage, slot)) => self
                .removed_magazines
                .contains_key(&(slot / MAGAZINE_SLOTS)),
            _ => false,
        }
    }

    /// Magazines that are out, ascending.
    pub fn removed_magazines(&self) -> impl Iterator<Item = u16> {
        self.removed_magazines.keys().copied()
    }

    /// True while that door is open.
    #[must_use]
    pub fn is_open(&self, door: Door) -> bool {
        match door {
            Door::MailSlots => self.mail_door_open,
            Door::Front => self.front_door_open,
        }
    }

    /// What is wrong with the element at `address`, as its descriptor says (SMC-3 table 34).
    #[must_use]
    pub fn exception(&self, address: u16) -> Option<Code> {
        if self.is_removed(address) {
            return Some(sense::SLOT_NOT_PRESENT);
        }
        let noted = self.exceptions.get(&address).copied();
        let unreadable = self.content(address).is_some_and(Content::is_unreadable);
        noted.or(unreadable.then_some(sense::LABEL_UNREADABLE))
    }
}
