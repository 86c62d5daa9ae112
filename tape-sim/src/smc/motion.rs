//! The robot: MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, and the inventory scans, which
//! look at the labels again (SMC-3 §6).

use super::{ChangerTarget, invalid_element};
use crate::cartridge;
use crate::inventory::{
    Content, Door, ElementType, FIRST_DRIVE_ADDRESS, Inventory, TRANSPORT_ADDRESS, read_hold,
};
use crate::physics::robot;
use crate::sense::{self, Sense, key};
use crate::target::{Refusal, Reply, be16};
use std::path::Path;

/// CDB bytes of element addresses, the same in all commands of the robot.
const TRANSPORT_AT: u16 = 2;
const SOURCE_AT: u16 = 4;
const DESTINATION_AT: u16 = 6;
const SECOND_DESTINATION_AT: u16 = 8;

/// INITIALIZE ELEMENT STATUS has six bytes; WITH RANGE has more, with a count.
const INITIALIZE_BYTES: usize = 6;
const COUNT_AT: usize = 6;
const RANGE: u8 = 0x01;

impl ChangerTarget {
    /// INITIALIZE ELEMENT STATUS (SMC-3 §6.4) and its form WITH RANGE (§6.5): the robot looks at
    /// the labels again. Without RANGE, or with count 0, up to the last element.
    pub(super) fn initialize(&mut self, cdb: &[u8]) -> Reply {
        let dir = self.config.library_dir.clone();
        let mut failure = None;
        let ranged = cdb.len() > INITIALIZE_BYTES && cdb[1] & RANGE != 0;
        let now_ns = self.time.now_ns();
        let scanned = self.update(|state| {
            let first = match ranged {
                true => element(cdb, TRANSPORT_AT, state)?,
                false => 0,
            };
            let last = match be16(cdb, COUNT_AT) {
                count @ 1.. if ranged => first.saturating_add(count - 1),
                _ => u16::MAX,
            };
            let scanned = state.scan(first..=last, |name| cartridge::label(&dir, name));
            scanned.map_err(|error| {
                failure = Some(error);
                Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE)
            })?;
            look_along(state, now_ns, first..=last);
            Ok(0)
        });
        match failure {
            Some(error) => Err(self.host_failure(error)),
            None => scanned,
        }
    }

    /// MOVE MEDIUM (SMC-3 §6.6). Moving to where the cartridge is does nothing.
    pub(super) fn move_medium(&mut self, cdb: &[u8]) -> Reply {
        let dir = self.config.library_dir.clone();
        let now_ns = self.time.now_ns();
        self.update(|state| {
            check_transport(cdb)?;
            let source = element(cdb, SOURCE_AT, state)?;
            let destination = element(cdb, DESTINATION_AT, state)?;
            check_source(source, state)?;
            if source == destination {
                return Ok(0);
            }
            check_hand(source, state)?;
            check_destination(destination, DESTINATION_AT, state)?;
            let free_ns = check_hold(&dir, source, state)?;
            carry(state, free_ns.max(now_ns), source, destination);
            let content = pick(source, state)?;
            state.place(destination, content);
            Ok(0)
        })
    }

    /// EXCHANGE MEDIUM (SMC-3 §6.2): what is at the first destination makes room for what is at
    /// the source and goes to the second destination, which may be the source.
    pub(super) fn exchange_medium(&mut self, cdb: &[u8]) -> Reply {
        let dir = self.config.library_dir.clone();
        let now_ns = self.time.now_ns();
        self.update(|state| {
            check_transport(cdb)?;
            let source = element(cdb, SOURCE_AT, state)?;
            let first = element(cdb, DESTINATION_AT, state)?;
            let second = element(cdb, SECOND_DESTINATION_AT, state)?;
            check_source(source, state)?;
            if first == source {
                return Err(Sense::invalid_cdb_field(DESTINATION_AT.into(), None).into());
            }
            check_source(first, state)?;
            check_hand(source, state)?;
            if second != source {
                check_destination(second, SECOND_DESTINATION_AT, state)?;
            }
            let free_ns = check_hold(&dir, source, state)?;
            let free_ns = free_ns.max(check_hold(&dir, first, state)?);
            carry(state, free_ns.max(now_ns), source, first);
            carry(state, now_ns, first, second);
            let arriving = pick(source, state)?;
            let leaving = pick(first, state)?;
            state.place(first, arriving);
            state.place(second, leaving);
            Ok(0)
        })
    }

    /// POSITION TO ELEMENT (SMC-3 §6.9): the robot goes there.
    pub(super) fn position_to_element(&mut self, cdb: &[u8]) -> Reply {
        let now_ns = self.time.now_ns();
        self.update(|state| {
            check_transport(cdb)?;
            let to = element(cdb, SOURCE_AT, state)?;
            reachable(to, state)?;
            let at = state.place_of(state.robot.at);
            let slots = state.layout().slots;
            let duration = robot::travel_time(slots, at, state.place_of(to));
            state.robot_works(now_ns, duration, to);
            Ok(0)
        })
    }
}

/// MOVE MEDIUM from one element to another.
pub(super) fn move_cdb(from: u16, to: u16) -> [u8; 12] {
    let mut cdb = [0; 12];
    cdb[0] = 0xA5;
    for (at, address) in [(SOURCE_AT, from), (DESTINATION_AT, to)] {
        let at = usize::from(at);
        cdb[at..at + 2].copy_from_slice(&address.to_be_bytes());
    }
    cdb
}

/// The robot brings a cartridge from `source` to `destination`, not before `begin_ns`.
fn carry(state: &mut Inventory, begin_ns: u64, source: u16, destination: u16) {
    let at = state.place_of(state.robot.at);
    let (from, to) = (state.place_of(source), state.place_of(destination));
    let duration = robot::move_time(state.layout().slots, at, from, to);
    state.robot_works(begin_ns, duration, destination);
}

/// The robot goes along the elements of `range` that it gets at, and looks at each.
fn look_along(state: &mut Inventory, now_ns: u64, range: std::ops::RangeInclusive<u16>) {
    let seen: Vec<u16> = range
        .filter(|address| *address != TRANSPORT_ADDRESS)
        .filter(|address| state.layout().element(*address).is_some())
        .filter(|address| !state.is_removed(*address))
        .collect();
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        return;
    };
    let at = state.place_of(state.robot.at);
    let (from, to) = (state.place_of(*first), state.place_of(*last));
    let slots = state.layout().slots;
    let duration = robot::scan_time(slots, at, from, to, seen.len() as u32);
    state.robot_works(now_ns, duration, *last);
}

/// There is one robot; address 0 is it, and the default too.
fn check_transport(cdb: &[u8]) -> Result<(), Refusal> {
    if be16(cdb, TRANSPORT_AT.into()) == TRANSPORT_ADDRESS {
        Ok(())
    } else {
        Err(invalid_element(TRANSPORT_AT))
    }
}

/// The existing element whose address is at `at` of the CDB.
fn element(cdb: &[u8], at: u16, state: &Inventory) -> Result<u16, Refusal> {
    let address = be16(cdb, at.into());
    let known = state.layout().element(address);
    known.map(|_| address).ok_or_else(|| invalid_element(at))
}

/// The robot gets at the element: its magazine is there, and its door is closed.
fn reachable(address: u16, state: &Inventory) -> Result<(), Refusal> {
    let kind = state.layout().element(address).map(|(kind, _)| kind);
    if state.is_removed(address) {
        Err(Sense::illegal(sense::MAGAZINE_NOT_ACCESSIBLE).into())
    } else if kind == Some(ElementType::ImportExport) && state.is_open(Door::MailSlots) {
        Err(Sense::not_ready(sense::TRAY_OPEN).into())
    } else {
        Ok(())
    }
}

/// A robot that has lost its grip on a cartridge can put that one away and do nothing else.
fn check_hand(source: u16, state: &Inventory) -> Result<(), Refusal> {
    if source == TRANSPORT_ADDRESS || state.content(TRANSPORT_ADDRESS).is_none() {
        Ok(())
    } else {
        Err(Sense::new(key::HARDWARE_ERROR, sense::MECHANICAL_POSITIONING).into())
    }
}

/// A cartridge must be there.
fn check_source(address: u16, state: &Inventory) -> Result<(), Refusal> {
    reachable(address, state)?;
    let full = state.content(address).is_some();
    if full {
        Ok(())
    } else {
        Err(Sense::illegal(sense::SOURCE_EMPTY).into())
    }
}

/// The element must be empty, and the robot's hand is no place to leave a cartridge.
fn check_destination(address: u16, at: u16, state: &Inventory) -> Result<(), Refusal> {
    if address == TRANSPORT_ADDRESS {
        return Err(Sense::invalid_cdb_field(at.into(), None).into());
    }
    reachable(address, state)?;
    let empty = state.content(address).is_none();
    if empty {
        Ok(())
    } else {
        Err(Sense::illegal(sense::DESTINATION_FULL).into())
    }
}

/// A drive must have let go of its cartridge: this library does not unload drives itself.
/// Returns when the cartridge can be reached, in nanoseconds.
fn check_hold(dir: &Path, address: u16, state: &Inventory) -> Result<u64, Refusal> {
    let Some((ElementType::DataTransfer, _)) = state.layout().element(address) else {
        return Ok(0);
    };
    let hold = read_hold(dir, address - FIRST_DRIVE_ADDRESS)
        .map_err(|_| Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE))?;
    if hold.prevented {
        Err(Sense::illegal(sense::REMOVAL_PREVENTED_BY_DRIVE).into())
    } else if hold.threaded {
        Err(Sense::illegal(sense::UNLOAD_FAILURE).into())
    } else {
        Ok(hold.free_ns())
    }
}

fn pick(address: u16, state: &mut Inventory) -> Result<Content, Refusal> {
    state
        .pick(address)
        .ok_or_else(|| Sense::illegal(sense::SOURCE_EMPTY).into())
}
