//! Faults of the changer: what the script wants done before a command.

use super::{ChangerTarget, motion};
use crate::cartridge;
use crate::error::SimError;
use crate::fault::{Due, Effect, Occasion};
use crate::inventory::{self, Door, FIRST_MAIL_SLOT_ADDRESS, Inventory, Label, TRANSPORT_ADDRESS};
use crate::sense::{self, Code, Sense, key};
use crate::target::{Data, Refusal, Reply, be16};

/// Commands that move a cartridge from the element at bytes 4 and 5.
const MOVES: [u8; 2] = [0xA5, 0xA6];
const SOURCE_AT: usize = 4;
/// Capacity of the cartridges with which somebody fills the mail slots.
const STRANGER_BYTES: u64 = 1 << 20;

impl ChangerTarget {
    /// Executes a command with what the script makes of it; `None`: no answer.
    pub(super) fn run_with_faults(&mut self, cdb: &[u8], data: Data<'_>) -> Option<Reply> {
        let dues = match self.dues(cdb) {
            Ok(dues) => dues,
            Err(error) => return Some(Err(self.host_failure(error))),
        };
        let mut no_answer = false;
        for due in &dues {
            if let Effect::NoAnswer { executed } = due.effect {
                no_answer = true;
                if !executed {
                    return None;
                }
            }
            if let Err(refusal) = self.suffer(cdb, &due.effect) {
                return (!no_answer).then_some(Err(refusal));
            }
        }
        let reply = self.run(cdb, data);
        let is_after = |due: &Due| matches!(due.effect, Effect::Reset { after: true });
        if dues.iter().any(is_after) {
            let told = self.reset_under_command();
            return (!no_answer).then_some(Err(told));
        }
        (!no_answer).then_some(reply)
    }

    fn dues(&mut self, cdb: &[u8]) -> Result<Vec<Due>, SimError> {
        if !self.faults.watch()? {
            return Ok(Vec::new());
        }
        let opcode = cdb.first().copied().unwrap_or_default();
        let state = inventory::read(&self.config.library_dir)?;
        let moved = state.content(be16(cdb, SOURCE_AT));
        let barcode = moved.filter(|_| MOVES.contains(&opcode));
        self.faults.due(&Occasion {
            opcode,
            block: false,
            barcode: barcode.map(|content| content.barcode.as_str()),
            place: None,
        })
    }

    /// Has one effect; an error ends the command with it.
    fn suffer(&mut self, cdb: &[u8], effect: &Effect) -> Result<(), Refusal> {
        let refused = |key, code| Err(Sense::new(key, code).into());
        match *effect {
            Effect::Sense { key, asc, ascq } => refused(key, Code { asc, ascq }),
            Effect::HardwareError => refused(key::HARDWARE_ERROR, sense::MECHANICAL_POSITIONING),
            Effect::Reserved => Err(Refusal::ReservationConflict),
            Effect::PowerCut => {
                let restarted = self.restart(sense::POWER_ON);
                restarted.map_err(|error| self.host_failure(error))
            }
            Effect::Reset { after: false } => Err(self.reset_under_command()),
            Effect::Alert { flag } => self.update(|state| {
                state.raise(flag);
                Ok(())
            }),
            Effect::LabelUnreadable => self.update(|state| {
                if let Some(content) = state.content_mut(be16(cdb, SOURCE_AT)) {
                    content.label = Label::Unreadable;
                }
                Ok(())
            }),
            Effect::DoorOpen { mail_slots } => {
                let door = if mail_slots {
                    Door::MailSlots
                } else {
                    Door::Front
                };
                self.update(|state| {
                    // One that is open already stays open.
                    let _ = state.turn_door(door, true);
                    Ok(())
                })
            }
            Effect::RobotDrop { lost } => {
                self.update(|state| {
                    drop_cartridge(state, be16(cdb, SOURCE_AT), lost);
                    Ok(())
                })?;
                refused(key::HARDWARE_ERROR, sense::MECHANICAL_POSITIONING)
            }
            Effect::MailSlotsFull => {
                let filled = self.fill_mail_slots();
                filled.map_err(|error| self.host_failure(error))
            }
            Effect::OtherHostMoves { from, to } => {
                // What the other host is told is not this host's business.
                let _ = self.move_medium(&motion::move_cdb(from, to));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts a new cartridge into each free mail slot, as an operator does who does not look.
    fn fill_mail_slots(&self) -> Result<(), SimError> {
        let dir = &self.config.library_dir;
        let state = inventory::read(dir)?;
        let media_id = self.config.generation.format().media_id;
        for slot in 0..state.layout().mail_slots {
            if state.content(FIRST_MAIL_SLOT_ADDRESS + slot).is_some() {
                continue;
            }
            let barcode = format!("NEW{slot:03}{media_id}");
            if !cartridge::folder(dir, &barcode).exists() {
                cartridge::create(dir, &barcode, Some(STRANGER_BYTES))?;
            }
            inventory::insert(dir, slot, &barcode)?;
        }
        Ok(())
    }
}

/// The cartridge stays in the robot's hand, or is gone; the element says what happened.
fn drop_cartridge(state: &mut Inventory, source: u16, lost: bool) {
    let now_ns = state.robot().time_ns;
    let Some(content) = state.pick(source, now_ns) else {
        return;
    };
    let place = if lost { source } else { TRANSPORT_ADDRESS };
    if !lost {
        state.place(TRANSPORT_ADDRESS, content, now_ns);
    }
    state
        .exceptions
        .insert(place, sense::MECHANICAL_POSITIONING);
}
