//! Doors, from the host's side: what waits until they are closed, who may open them.

use super::ChangerTarget;
use crate::inventory::{Door, ElementType, Inventory, hold_lock};
use crate::sense::{self, Sense};
use crate::target::{Refusal, Reply, be16};

/// TEST UNIT READY and what the robot has to move for.
const NEEDS_ROBOT: [u8; 7] = [0x00, 0x07, 0x2B, 0x37, 0xA5, 0xA6, 0xE7];
/// OPEN/CLOSE IMPORT/EXPORT ELEMENT byte 4, action code.
const ELEMENT_AT: u16 = 2;
const ACTION: u8 = 0x1F;
const OPEN: u8 = 0;
const CLOSE: u8 = 1;

/// While the front door is open the robot stands still: 02/04/03.
pub(super) fn check_ready(opcode: u8, state: &Inventory) -> Result<(), Refusal> {
    if state.is_open(Door::Front) && NEEDS_ROBOT.contains(&opcode) {
        Err(Sense::not_ready(sense::MANUAL_INTERVENTION).into())
    } else {
        Ok(())
    }
}

impl ChangerTarget {
    /// OPEN/CLOSE IMPORT/EXPORT ELEMENT (SMC-3 §6.8). All mail slots are behind one door;
    /// opening what is open is no error.
    pub(super) fn open_close(&mut self, cdb: &[u8]) -> Reply {
        let open = match cdb[4] & ACTION {
            OPEN => true,
            CLOSE => false,
            _ => return Err(Sense::invalid_cdb_field(4, Some(4)).into()),
        };
        if open && !self.prevented.is_empty() {
            return Err(Sense::illegal(sense::REMOVAL_PREVENTED).into());
        }
        self.update(|state| {
            let element = state.layout().element(be16(cdb, ELEMENT_AT.into()));
            if !matches!(element, Some((ElementType::ImportExport, _))) {
                return Err(super::invalid_element(ELEMENT_AT));
            }
            if state.is_open(Door::MailSlots) != open {
                let turned = state.turn_door(Door::MailSlots, open);
                debug_assert_eq!(turned, Ok(()), "there is a mail slot, so there is its door");
            }
            Ok(0)
        })
    }

    /// PREVENT ALLOW MEDIUM REMOVAL (SPC-4 §6.15): locks doors, mail slots and magazines against
    /// the operator, for as long as one handle wants it.
    pub(super) fn prevent_allow(&mut self, cdb: &[u8]) -> Reply {
        match cdb[4] {
            0 => drop(self.prevented.remove(&self.nexus)),
            1 => {
                let held = hold_lock(&self.config.library_dir);
                let held = held.map_err(|error| self.host_failure(error))?;
                self.prevented.insert(self.nexus, held);
            }
            _ => return Err(Sense::invalid_cdb_field(4, Some(1)).into()),
        }
        Ok(0)
    }
}
