//! The robot: MOVE MEDIUM, EXCHANGE MEDIUM, POSITION TO ELEMENT, and the inventory scans, which
//! look at the labels again (SMC-3 §6).

use super::{ChangerTarget, invalid_element};
use crate::cartridge;
use crate::inventory::{
    Content, Door, DriveHold, ElementType, Inventory, TRANSPORT_ADDRESS, read_hold,
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
        let mut done_ns = now_ns;
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
            done_ns = look_along(state, now_ns, first..=last);
            Ok(0)
        });
        self.time.meet(done_ns);
        match failure {
            Some(error) => Err(self.host_failure(error)),
            None => scanned,
        }
    }

    /// MOVE MEDIUM (SMC-3 §6.6). Moving to where the cartridge is does nothing.
    pub(super) fn move_medium(&mut self, cdb: &[u8]) -> Reply {
        let dir = self.config.library_dir.clone();
        let now_ns = self.time.now_ns();
        let (others_ns, done_ns) = self.update(|state| {
            check_transport(cdb)?;
            let source = element(cdb, SOURCE_AT, state)?;
            let destination = element(cdb, DESTINATION_AT, state)?;
            check_source(source, state)?;
            if source == destination {
                return Ok((now_ns, now_ns));
            }
            check_hand(source, state)?;
            check_destination(destination, DESTINATION_AT, state)?;
            check_hold(&dir, source, state)?;
            let (others_ns, free_ns) = free_ns(&dir, &[source, destination], state)?;
            let begin_ns = free_ns.max(now_ns);
            let (from, to) = (state.place_of(source), state.place_of(destination));
            let slots = state.layout().slots;
            let takes = |at| robot::move_time(slots, at, from, to);
            let done_ns = state.robot_works(begin_ns, destination, takes);
            let content = pick(source, state, done_ns)?;
            state.place(destination, content, done_ns);
            Ok((others_ns, done_ns))
        })?;
        self.time.join(others_ns);
        self.time.meet(done_ns);
        Ok(0)
    }

    /// EXCHANGE MEDIUM (SMC-3 §6.2): what is at the first destination makes room for what is at
    /// the source and goes to the second destination, which may be the source.
    pub(super) fn exchange_medium(&mut self, cdb: &[u8]) -> Reply {
        let dir = self.config.library_dir.clone();
        let now_ns = self.time.now_ns();
        let (others_ns, done_ns) = self.update(|state| {
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
            check_hold(&dir, source, state)?;
            check_hold(&dir, first, state)?;
            let (others_ns, free_ns) = free_ns(&dir, &[source, first, second], state)?;
            let begin_ns = free_ns.max(now_ns);
            let place = |address| state.place_of(address);
            let (from, over, to) = (place(source), place(first), place(second));
            let slots = state.layout().slots;
            let takes = |at| {
                robot::move_time(slots, at, from, over) + robot::move_time(slots, over, over, to)
            };
            let done_ns = state.robot_works(begin_ns, second, takes);
            let arriving = pick(source, state, done_ns)?;
            let leaving = pick(first, state, done_ns)?;
            state.place(first, arriving, done_ns);
            state.place(second, leaving, done_ns);
            Ok((others_ns, done_ns))
        })?;
        self.time.join(others_ns);
        self.time.meet(done_ns);
        Ok(0)
    }

    /// POSITION TO ELEMENT (SMC-3 §6.9): the robot goes there.
    pub(super) fn position_to_element(&mut self, cdb: &[u8]) -> Reply {
        let now_ns = self.time.now_ns();
        let done_ns = self.update(|state| {
            check_transport(cdb)?;
            let to = element(cdb, SOURCE_AT, state)?;
            reachable(to, state)?;
            let (slots, place) = (state.layout().slots, state.place_of(to));
            let takes = |at| robot::travel_time(slots, at, place);
            Ok(state.robot_works(now_ns, to, takes))
        })?;
        self.time.meet(done_ns);
        Ok(0)
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

/// The robot goes along the elements of `range` that it gets at, and looks at each. Returns when
/// it is done, in nanoseconds.
fn look_along(state: &mut Inventory, now_ns: u64, range: std::ops::RangeInclusive<u16>) -> u64 {
    let seen: Vec<u16> = range
        .filter(|address| *address != TRANSPORT_ADDRESS)
        .filter(|address| state.layout().element(*address).is_some())
        .filter(|address| !state.is_removed(*address))
        .collect();
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        return now_ns;
    };
    let (from, to) = (state.place_of(*first), state.place_of(*last));
    let slots = state.layout().slots;
    let takes = |at| robot::scan_time(slots, at, from, to, seen.len() as u32);
    state.robot_works(now_ns, *last, takes)
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
fn check_hold(dir: &Path, address: u16, state: &Inventory) -> Result<(), Refusal> {
    let hold = hold(dir, address, state)?;
    if hold.prevented {
        Err(Sense::illegal(sense::REMOVAL_PREVENTED_BY_DRIVE).into())
    } else if hold.threaded {
        Err(Sense::illegal(sense::UNLOAD_FAILURE).into())
    } else {
        Ok(())
    }
}

/// The time of the drives among these elements, and when the robot can have all of them: what is in
/// them has come, what was in them is gone, and the drives have done what they were about. In
/// nanoseconds.
fn free_ns(dir: &Path, addresses: &[u16], state: &Inventory) -> Result<(u64, u64), Refusal> {
    let (mut drives_ns, mut free_ns) = (0, 0);
    for address in addresses {
        let hold = hold(dir, *address, state)?;
        drives_ns = drives_ns.max(hold.time_ns);
        free_ns = free_ns.max(hold.free_ns()).max(state.changed_ns(*address));
    }
    Ok((drives_ns, free_ns))
}

/// How the drive in an element holds its cartridge; of other elements, not at all.
fn hold(dir: &Path, address: u16, state: &Inventory) -> Result<DriveHold, Refusal> {
    let Some((ElementType::DataTransfer, drive)) = state.layout().element(address) else {
        return Ok(DriveHold::default());
    };
    let hold = read_hold(dir, drive);
    hold.map_err(|_| Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE).into())
}

fn pick(address: u16, state: &mut Inventory, now_ns: u64) -> Result<Content, Refusal> {
    state
        .pick(address, now_ns)
        .ok_or_else(|| Sense::illegal(sense::SOURCE_EMPTY).into())
}
