//! Faults of the drive: what the script wants done before and after a command, and where a block
//! leaves the medium.

use std::path::Path;

use super::DriveTarget;
use super::address::length_field;
use super::health::{CleaningWish, Direction};
use crate::cartridge::{self, record::Record};
use crate::error::SimError;
use crate::fault::{
    Due, Effect, Faults, Flaws, Occasion, Place, Spot, WRITE_COMMANDS, read_flaws, write_flaws,
};
use crate::pages::alert;
use crate::sense::{self, Code, Sense, key};
use crate::target::{Data, Refusal, Reply};

const LOCATE_COMMANDS: [u8; 2] = [0x2B, 0x92];
const ATTRIBUTE_COMMANDS: [u8; 2] = [0x8C, 0x8D];
/// READ and WRITE: blocks if FIXED is set.
const TRANSFERS: [u8; 4] = [0x08, 0x0A, 0x88, 0x8A];
const FIXED: u8 = 0x01;
/// Errors that one command can have corrected.
const MAX_CORRECTED: u64 = 1 << 20;
const READ_POSITION: u8 = 0x34;
/// READ POSITION: service action, and where its forms have the object number.
const SERVICE_ACTION: u8 = 0x1F;
const SHORT_OBJECTS_AT: [usize; 2] = [4, 8];
const LONG_FORM: u8 = 0x06;
const LONG_OBJECT_AT: usize = 8;
const EXTENDED_FORM: u8 = 0x08;
const EXTENDED_OBJECTS_AT: [usize; 2] = [8, 16];

/// What goes wrong in this drive.
#[derive(Debug)]
pub(super) struct DriveFaults {
    script: Faults,
    /// Flaws of the cartridge that arrived with this count of moves.
    flaws: Option<(u64, Flaws)>,
    /// Object number that READ POSITION reports instead of the true one.
    lie: Option<u64>,
    /// Of the present command.
    opcode: u8,
}

impl DriveFaults {
    pub(super) fn new(library_dir: &Path, index: u16) -> Self {
        DriveFaults {
            script: Faults::new(library_dir, Some(index)),
            flaws: None,
            lie: None,
            opcode: 0,
        }
    }
}

/// What the effects before a command leave to be done with it.
#[derive(Default)]
struct Plan {
    /// The command ends with this instead of being executed.
    refused: Option<Refusal>,
    /// No answer comes; true if the command is executed nevertheless.
    no_answer: Option<bool>,
    /// The device is reset after the command.
    reset: bool,
    /// Where a LOCATE goes, and whether the drive lies about it.
    elsewhere: Option<(u64, bool)>,
}

impl DriveTarget {
    /// Executes a command with what the script makes of it; `None`: no answer.
    pub(super) fn run_with_faults(&mut self, cdb: &[u8], data: Data<'_>) -> Option<Reply> {
        let plan = match self.plan(cdb) {
            Ok(plan) => plan,
            Err(error) => return Some(Err(self.host_failure(error))),
        };
        if plan.no_answer == Some(false) {
            return None;
        }
        if let Some(refusal) = plan.refused {
            return plan.no_answer.is_none().then_some(Err(refusal));
        }
        let mut reply = self.run_truly_or_not(cdb, data);
        if let Some((object, lie)) = plan.elsewhere
            && reply.is_ok()
        {
            self.go_elsewhere(object, lie);
        }
        if plan.reset {
            reply = match self.restart(sense::RESET_OCCURRED) {
                Ok(()) => Err(self.state.attentions.take().unwrap_or(Sense::none()).into()),
                Err(error) => Err(self.host_failure(error)),
            };
        }
        plan.no_answer.is_none().then_some(reply)
    }

    /// Runs the effects that are due before a command.
    fn plan(&mut self, cdb: &[u8]) -> Result<Plan, SimError> {
        let mut plan = Plan::default();
        let opcode = cdb.first().copied().unwrap_or_default();
        self.faults.opcode = opcode;
        if self.faults.script.watch()? {
            self.watch_bay()?;
            let place = self.place(cdb);
            let occasion = Occasion {
                opcode,
                block: false,
                barcode: self.state.barcode.as_deref(),
                place,
            };
            for due in self.faults.script.due(&occasion)? {
                self.suffer(opcode, &due, &mut plan)?;
            }
        }
        if ATTRIBUTE_COMMANDS.contains(&opcode) && self.tape.is_some() && self.flaws()?.chip_failed
        {
            self.raise_alert(alert::MEMORY_FAILURE);
            let failed = Sense::new(key::MEDIUM_ERROR, sense::CHIP_NOT_ACCESSIBLE);
            plan.refused.get_or_insert(failed.into());
        }
        Ok(plan)
    }

    /// Where the tape is, and how many objects the command is about as far as its CDB tells.
    fn place(&mut self, cdb: &[u8]) -> Option<Place> {
        let tape = self.tape.as_mut()?;
        let fixed = matches!(cdb, [opcode, flags, ..]
            if TRANSFERS.contains(opcode) && flags & FIXED != 0);
        Some(Place {
            partition: tape.partition(),
            object: tape.object(),
            objects: if fixed { length_field(cdb).1.into() } else { 1 },
            position_bytes: tape.position_bytes().ok()?,
        })
    }

    fn suffer(&mut self, opcode: u8, due: &Due, plan: &mut Plan) -> Result<(), SimError> {
        let mut refuse = |key, code: Code| {
            plan.refused.get_or_insert(Sense::new(key, code).into());
        };
        match due.effect {
            Effect::Sense { key, asc, ascq } => refuse(key, Code { asc, ascq }),
            Effect::HardwareError => refuse(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE),
            Effect::BecomingReady => refuse(key::NOT_READY, sense::BECOMING_READY),
            Effect::Reserved => plan.refused = Some(Refusal::ReservationConflict),
            Effect::NoAnswer { executed } => plan.no_answer = Some(executed),
            Effect::PowerCut => self.restart(sense::POWER_ON)?,
            Effect::Reset { after: false } => self.restart(sense::RESET_OCCURRED)?,
            Effect::Reset { after: true } => plan.reset = true,
            Effect::WrongPosition { object, lie } => plan.elsewhere = Some((object, lie)),
            Effect::WriteError => {
                if let Some(tape) = &mut self.tape {
                    tape.spoil_oldest_write();
                }
            }
            Effect::DeferredError => self.lose_buffer(),
            Effect::CorrectedErrors {
                count,
                growth_percent,
            } => self.correct_errors(opcode, count, growth_percent, due.before),
            Effect::CleaningWanted => self.want_cleaning(CleaningWish::Now),
            Effect::Alert { flag } => self.raise_alert(flag),
            Effect::ChipFailed => self.change_flaws(|flaws| flaws.chip_failed = true)?,
            Effect::ReadError { .. }
            | Effect::LabelUnreadable
            | Effect::RobotDrop { .. }
            | Effect::MailSlotsFull
            | Effect::DoorOpen { .. }
            | Effect::OtherHostMoves { .. } => {}
        }
        Ok(())
    }

    fn lose_buffer(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.lose_buffer();
        }
        let sense = Sense::new(key::MEDIUM_ERROR, sense::WRITE_ERROR);
        self.deferred = Some(Sense {
            deferred: true,
            ..sense
        });
    }

    /// Counts errors that took one retry each to correct.
    fn correct_errors(&mut self, opcode: u8, count: u64, growth_percent: u32, before: u64) {
        let growth = 1.0 + f64::from(growth_percent) / 100.0;
        let grown = (count as f64 * growth.powf(before as f64)) as u64;
        let direction = if WRITE_COMMANDS.contains(&opcode) {
            Direction::Write
        } else {
            Direction::Read
        };
        for _ in 0..grown.min(MAX_CORRECTED) {
            self.count_corrected(direction, 1);
        }
    }

    /// Moves the tape after a LOCATE that believes to have done it.
    fn go_elsewhere(&mut self, object: u64, lie: bool) {
        let Some(tape) = &mut self.tape else {
            return;
        };
        let wanted = tape.object();
        let partition = tape.partition();
        // The LOCATE has flushed, so nothing is left that could fail.
        if tape.locate_object(partition, object).is_ok() && lie {
            self.faults.lie = Some(wanted);
        }
    }

    /// Executes a command; READ POSITION may be told to lie, until the tape moves again.
    fn run_truly_or_not(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let Some(lie) = self.faults.lie else {
            return self.run_in_time(cdb, data);
        };
        let opcode = cdb.first().copied().unwrap_or_default();
        if opcode != READ_POSITION {
            if LOCATE_COMMANDS.contains(&opcode) || opcode == 0x01 {
                self.faults.lie = None;
            }
            return self.run_in_time(cdb, data);
        }
        match data {
            Data::In(buffer) => {
                let reply = self.run_in_time(cdb, Data::In(&mut *buffer));
                if let Ok(moved) = reply {
                    lie_about(cdb[1] & SERVICE_ACTION, &mut buffer[..moved], lie);
                }
                reply
            }
            other => self.run_in_time(cdb, other),
        }
    }

    /// Where a block leaves the medium: 03/11/00 if it does not. The position is behind it then
    /// (SSC-4 §5.3).
    pub(super) fn fault_on_read(&mut self, record: &Record) -> Result<(), Refusal> {
        let hit = self.is_unreadable(record);
        match hit.map_err(|error| self.host_failure(error))? {
            true => {
                self.tape()?.step();
                Err(self.read_failure(std::io::Error::other("the block is damaged")))
            }
            false => Ok(()),
        }
    }

    /// Where a block comes into the drive that the medium may not take.
    pub(super) fn fault_on_write(&mut self) -> Result<(), Refusal> {
        if !self.faults.script.about_blocks() {
            return Ok(());
        }
        let position_bytes = self.position_bytes()?;
        let due = self.due_on_block(position_bytes);
        if !due.map_err(|error| self.host_failure(error))?.is_empty() {
            self.tape()?.spoil_next_write();
        }
        Ok(())
    }

    /// What is due on the block at the position.
    fn due_on_block(&mut self, position_bytes: u64) -> Result<Vec<Due>, SimError> {
        let Some(tape) = &self.tape else {
            return Ok(Vec::new());
        };
        self.faults.script.due(&Occasion {
            opcode: self.faults.opcode,
            block: true,
            barcode: self.state.barcode.as_deref(),
            place: Some(Place {
                partition: tape.partition(),
                object: tape.object(),
                objects: 1,
                position_bytes,
            }),
        })
    }

    fn is_unreadable(&mut self, record: &Record) -> Result<bool, SimError> {
        let Some(tape) = &self.tape else {
            return Ok(false);
        };
        let (partition, object) = (tape.partition(), tape.object());
        if self.flaws()?.hit(partition, object) {
            return Ok(true);
        }
        if !self.faults.script.about_blocks() {
            return Ok(false);
        }
        let due = self.due_on_block(record.position_bytes)?;
        let stays = |due: &Due| matches!(due.effect, Effect::ReadError { stays: true });
        if due.iter().any(stays) {
            self.change_flaws(|flaws| {
                flaws.unreadable.push(Spot {
                    partition,
                    objects: [object, object],
                });
            })?;
        }
        Ok(!due.is_empty())
    }

    /// The flaws of the cartridge in the drive, as they were when it came.
    fn flaws(&mut self) -> Result<&Flaws, SimError> {
        let moves = self.state.moves;
        if self
            .faults
            .flaws
            .as_ref()
            .is_none_or(|(at, _)| *at != moves)
        {
            let barcode = self.state.barcode.as_deref();
            let flaws = barcode.map(|name| read_flaws(&cartridge::folder(&self.library_dir, name)));
            self.faults.flaws = Some((moves, flaws.transpose()?.unwrap_or_default()));
        }
        let known = self.faults.flaws.as_ref();
        Ok(known.map(|(_, flaws)| flaws).expect("set just before"))
    }

    fn change_flaws(&mut self, change: impl FnOnce(&mut Flaws)) -> Result<(), SimError> {
        let Some(barcode) = self.state.barcode.clone() else {
            return Ok(());
        };
        let folder = cartridge::folder(&self.library_dir, &barcode);
        let mut flaws = read_flaws(&folder)?;
        change(&mut flaws);
        write_flaws(&folder, &flaws)?;
        self.faults.flaws = Some((self.state.moves, flaws));
        Ok(())
    }
}

/// Puts `object` where a READ POSITION reply has the position.
fn lie_about(form: u8, reply: &mut [u8], object: u64) {
    let (places, bytes): (&[usize], _) = match form {
        LONG_FORM => (&[LONG_OBJECT_AT], object.to_be_bytes().to_vec()),
        EXTENDED_FORM => (&EXTENDED_OBJECTS_AT, object.to_be_bytes().to_vec()),
        _ => (&SHORT_OBJECTS_AT, (object as u32).to_be_bytes().to_vec()),
    };
    for at in places {
        if let Some(field) = reply.get_mut(*at..at + bytes.len()) {
            field.copy_from_slice(&bytes);
        }
    }
}
