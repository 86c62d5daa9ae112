//! The changer: a medium changer device (SMC-3) over the library's inventory.
//!
//! Every command reads the inventory from disk, so handles in several processes agree; what
//! changes it holds the library's lock from check to commit. Knows of a drive only what
//! [`crate::inventory::DriveHold`] says.

mod alerts;
mod doors;
mod fault;
mod motion;
mod reset;
mod status;
mod tags;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::SimError;
use crate::fault::Faults;
use crate::generation::Generation;
use crate::inventory::{self, Events, Inventory};
use crate::pages::inquiry::{self, DeviceType, Identity};
use crate::pages::{mode_changer, opcodes};
use crate::reservation::{access, persistent};
use crate::sense::{self, FieldPointer, Sense, key};
use crate::spc;
use crate::ssc::VENDOR;
use crate::target::{
    Completion, Data, Nexus, Refusal, Reply, Target, be16, be32, complete, receive, send,
};
use crate::timeline::{Timeline, Timing};
use tags::Found;

/// INQUIRY product identification of the changer.
pub const PRODUCT: &str = "LIBRARY";
/// Product revision level.
const REVISION: &str = env!("CARGO_PKG_VERSION_MAJOR");

/// What the library tells the changer about itself.
#[derive(Debug, Clone)]
pub struct ChangerConfig {
    /// The library's folder.
    pub library_dir: PathBuf,
    /// Unit serial number.
    pub serial: String,
    /// NAA identifier.
    pub naa: u64,
    /// Generation of the drives.
    pub generation: Generation,
    /// Unit serial numbers of the drives in order.
    pub drive_serials: Vec<String>,
    /// How the library's time goes on.
    pub timing: Timing,
}

/// A handle on the changer. There may be several at a time.
pub struct ChangerTarget {
    config: ChangerConfig,
    /// The initiator of the present command.
    nexus: Nexus,
    /// What each initiator of this handle knows of the library's events.
    seen: BTreeMap<Nexus, Events>,
    host_error: Option<String>,
    /// Held while an initiator prevents removal; gone with the handle, as the lock is.
    prevented: BTreeMap<Nexus, File>,
    /// What SEND VOLUME TAG last found.
    found: Option<Found>,
    time: Timeline,
    /// What goes wrong here.
    faults: Faults,
}

impl ChangerTarget {
    /// Opens the changer.
    ///
    /// # Errors
    ///
    /// `Io`, `Format`, `Version` for the inventory.
    pub fn open(config: ChangerConfig, clock: Arc<dyn Clock>) -> Result<Self, SimError> {
        let inventory = inventory::open(&config.library_dir)?;
        let time = Timeline::new(config.timing, clock, inventory.robot().time_ns);
        let faults = Faults::new(&config.library_dir, None);
        Ok(Self {
            config,
            nexus: Nexus::HOST,
            seen: BTreeMap::from([(Nexus::HOST, inventory.reported)]),
            host_error: None,
            prevented: BTreeMap::new(),
            found: None,
            time,
            faults,
        })
    }

    /// The time of this handle's host: when what the robot last did for it was done, or, where that
    /// is nothing, what the robot had done before the handle was opened.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.time.now()
    }

    /// Executes `cdb` as the initiator `nexus` would have it.
    pub fn execute_as(&mut self, nexus: Nexus, cdb: &[u8], data: Data<'_>) -> Completion {
        self.nexus = nexus;
        self.time.begin();
        let answer = self.run_with_faults(cdb, data);
        if let Some(Err(refusal)) = &answer {
            self.alert_to(refusal);
        }
        self.time.settle();
        answer.map_or_else(Completion::no_answer, |reply| complete(reply, false))
    }

    /// What the host's file system said when a command last failed for its sake.
    #[must_use]
    pub fn host_error(&self) -> Option<&str> {
        self.host_error.as_deref()
    }

    fn run(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let opcode = cdb.first().copied().unwrap_or_default();
        let state = self.read_inventory()?;
        if !self.time.is_virtual() {
            // All are at one time.
            self.time.join(state.last_turn_ns());
        }
        if !spc::passes_attention(opcode)
            && let Some(attention) = self.take_attention(&state)?
        {
            return Err(attention.into());
        }
        opcodes::check(opcodes::CHANGER, cdb)?;
        let reservations = &state.reservations;
        reservations.admit(self.nexus, access::of_changer(cdb))?;
        doors::check_ready(opcode, &state)?;
        match opcode {
            // Nothing to wait for.
            0x00 => Ok(0),
            0x16 | 0x17 | 0x56 | 0x57 | 0x5F => self.reserve(cdb, data),
            0x5E => {
                let reply = persistent::reply(cdb, &state.reservations, self.config.naa)?;
                send(data, &reply, be16(cdb, 7).into())
            }
            0x03 => {
                let pending = self.take_attention(&state)?.unwrap_or(Sense::none());
                spc::request_sense(cdb, data, &pending)
            }
            0x07 | 0x37 | 0xE7 => self.initialize(cdb),
            0x12 => self.inquiry(cdb, data),
            0x1A => send(
                data,
                &mode_changer::reply(cdb, state.layout())?,
                cdb[4].into(),
            ),
            0x5A => {
                let reply = mode_changer::reply(cdb, state.layout())?;
                send(data, &reply, be16(cdb, 7).into())
            }
            0x1B => self.open_close(cdb),
            0x1E => self.prevent_allow(cdb),
            0x2B => self.position_to_element(cdb),
            0x4D => self.log_sense(cdb, data, &state),
            0xA0 => spc::report_luns(cdb, data),
            0xA3 => self.report_opcodes(cdb, data),
            0xA5 => self.move_medium(cdb),
            0xA6 => self.exchange_medium(cdb),
            0xB5 => self.request_volume_address(cdb, data, &state),
            0xB6 => self.send_volume_tag(cdb, data),
            0xB8 => self.read_element_status(cdb, data, &state),
            _ => Err(Sense::illegal(sense::INVALID_OPCODE).into()),
        }
    }

    fn read_inventory(&mut self) -> Result<Inventory, Refusal> {
        let read = inventory::read(&self.config.library_dir);
        read.map_err(|error| self.host_failure(error))
    }

    /// Changes the inventory under the library's lock, or leaves it as it is.
    fn update<T>(
        &mut self,
        change: impl FnOnce(&mut Inventory) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut failure = None;
        let result = inventory::update(&self.config.library_dir, Failure::Host, |state| {
            change(state).map_err(Failure::Refused)
        });
        let result = result.map_err(|failed| match failed {
            Failure::Refused(refusal) => refusal,
            Failure::Host(error) => {
                failure = Some(error.to_string());
                Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE).into()
            }
        });
        if failure.is_some() {
            self.host_error = failure;
        }
        result
    }

    /// The simulator's own files failed: 04/44/00.
    fn host_failure(&mut self, error: SimError) -> Refusal {
        self.host_error = Some(error.to_string());
        Sense::new(key::HARDWARE_ERROR, sense::INTERNAL_FAILURE).into()
    }

    /// The next unit attention of the present initiator, which then knows of it. Events that no
    /// open handle's host has been told of are left for the next handle.
    fn take_attention(&mut self, state: &Inventory) -> Result<Option<Sense>, Refusal> {
        let nexus = self.nexus;
        let events = state.events;
        let seen = self.seen.entry(nexus).or_default();
        let code = if events.power_ons != seen.power_ons {
            // Power on supersedes the rest (SAM-5 §5.14.6).
            *seen = events;
            sense::POWER_ON
        } else if events.slot_changes != seen.slot_changes {
            seen.slot_changes = events.slot_changes;
            sense::MEDIUM_MAY_HAVE_CHANGED
        } else if events.mail_slot_accesses != seen.mail_slot_accesses {
            seen.mail_slot_accesses = events.mail_slot_accesses;
            sense::IMPORT_EXPORT_ACCESSED
        } else {
            return self.take_reserved_attention(state);
        };
        let seen = *seen;
        if nexus == Nexus::HOST {
            self.update(|state| {
                state.reported = state.reported.latest(seen);
                Ok(())
            })?;
        }
        Ok(Some(Sense::attention(code)))
    }

    /// The next unit attention that another initiator's reservation has left for this one.
    fn take_reserved_attention(&mut self, state: &Inventory) -> Result<Option<Sense>, Refusal> {
        let nexus = self.nexus;
        if !state.attentions.contains_key(&nexus) {
            return Ok(None);
        }
        self.update(|state| {
            let waiting = state.attentions.get_mut(&nexus);
            let next = waiting.and_then(|waiting| waiting.take());
            state.attentions.retain(|_, waiting| !waiting.is_empty());
            Ok(next)
        })
    }

    /// RESERVE, RELEASE and PERSISTENT RESERVE OUT.
    fn reserve(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let nexus = self.nexus;
        self.update(|state| {
            // Another handle may have reserved since this command was admitted.
            state.reservations.admit(nexus, access::of_changer(cdb))?;
            match cdb[0] {
                0x16 | 0x56 => state.reservations.reserve_unit(nexus),
                0x17 | 0x57 => state.reservations.release_unit(nexus),
                _ => {
                    let list = receive(data, persistent::list_bytes(cdb))?;
                    let out = persistent::parse_out(cdb, list)?;
                    for (other, code) in state.reservations.serve(nexus, &out)? {
                        state.attentions.entry(other).or_default().queue(code);
                    }
                    return Ok(list.len());
                }
            }
            Ok(0)
        })
    }

    /// INQUIRY (SPC-4 §6.4).
    fn inquiry(&self, cdb: &[u8], data: Data<'_>) -> Reply {
        let identity = Identity {
            device_type: DeviceType::Changer,
            vendor: VENDOR,
            product: PRODUCT,
            revision: REVISION,
            serial: &self.config.serial,
            naa: self.config.naa,
            bay: None,
            block_checks: &[],
        };
        send(data, &inquiry::reply(&identity, cdb)?, be16(cdb, 3).into())
    }

    /// REPORT SUPPORTED OPERATION CODES (SPC-4 §6.35).
    fn report_opcodes(&self, cdb: &[u8], data: Data<'_>) -> Reply {
        let timeouts = &self.config.generation.model().timeouts;
        let reply = opcodes::reply(opcodes::CHANGER, timeouts, cdb)?;
        send(data, &reply, be32(cdb, 6) as usize)
    }
}

/// Why a change of the inventory did not happen.
enum Failure {
    Refused(Refusal),
    Host(SimError),
}

/// INVALID ELEMENT ADDRESS, pointing at the address's first byte in the CDB.
fn invalid_element(byte: u16) -> Refusal {
    let field = FieldPointer {
        in_cdb: true,
        byte,
        bit: None,
    };
    Sense {
        field: Some(field),
        ..Sense::illegal(sense::INVALID_ELEMENT)
    }
    .into()
}

impl Target for ChangerTarget {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>) -> Completion {
        self.execute_as(Nexus::HOST, cdb, data)
    }
}

impl fmt::Debug for ChangerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangerTarget")
            .field("config", &self.config)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}
