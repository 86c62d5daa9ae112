//! Reservations: which initiator has the unit to itself, by RESERVE or persistently (SPC-4 §5.13).
//!
//! The rules alone, the same for drive and changer: they keep the state, carry out the services
//! and say who is to be told. Bytes are in [`persistent`], which commands conflict in [`access`].

pub mod access;
pub mod persistent;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sense::{self, Code, Sense};
use crate::target::{Nexus, Refusal};
use access::Access;

/// Types of persistent reservations with their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only the holder writes.
    WriteExclusive = 1,
    /// Only the holder reads and writes.
    ExclusiveAccess = 3,
    /// Only registrants write.
    WriteExclusiveRegistrants = 5,
    /// Only registrants read and write.
    ExclusiveAccessRegistrants = 6,
    /// Only registrants write, and all of them hold.
    WriteExclusiveAll = 7,
    /// Only registrants read and write, and all of them hold.
    ExclusiveAccessAll = 8,
}

impl Kind {
    /// All types, ascending.
    pub const ALL: [Kind; 6] = [
        Kind::WriteExclusive,
        Kind::ExclusiveAccess,
        Kind::WriteExclusiveRegistrants,
        Kind::ExclusiveAccessRegistrants,
        Kind::WriteExclusiveAll,
        Kind::ExclusiveAccessAll,
    ];

    /// The type with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// Others may read.
    fn shares_reading(self) -> bool {
        matches!(
            self,
            Kind::WriteExclusive | Kind::WriteExclusiveRegistrants | Kind::WriteExclusiveAll
        )
    }

    /// Every registrant is a holder.
    fn is_of_all(self) -> bool {
        matches!(self, Kind::WriteExclusiveAll | Kind::ExclusiveAccessAll)
    }

    /// Registrants may do what the holder may.
    fn admits_registrants(self) -> bool {
        !matches!(self, Kind::WriteExclusive | Kind::ExclusiveAccess)
    }
}

/// A persistent reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Who made it; of a type of all registrants, one of them.
    holder: Nexus,
    kind: Kind,
}

/// The reservations of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reservations {
    /// Holder of the whole unit by RESERVE.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<Nexus>,
    /// Registered initiators and their keys.
    keys: BTreeMap<Nexus, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
    /// Counts changes since power on.
    generation: u32,
    /// APTPL: registrations and reservation survive power off.
    through_power_loss: bool,
}

/// Who is to be told what by unit attention.
pub type Told = Vec<(Nexus, Code)>;

const CONFLICT: Refusal = Refusal::ReservationConflict;

impl Reservations {
    /// True if nothing is reserved or registered, or has been since power on.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }

    /// What power off and reset leave: the persistent part, if that was asked for.
    pub fn reset(&mut self) {
        self.unit = None;
        self.generation = 0;
        if !self.through_power_loss {
            *self = Self::default();
        }
    }

    /// Lets a command of `nexus` pass, or not.
    ///
    /// # Errors
    ///
    /// RESERVATION CONFLICT.
    pub fn admit(&self, nexus: Nexus, access: Access) -> Result<(), Refusal> {
        if access == Access::Free {
            return Ok(());
        }
        if let Some(holder) = self.unit {
            // The two ways do not mix, not even for the holder.
            let mixes = access == Access::Persistent;
            return if mixes || (holder != nexus && access != Access::Release) {
                Err(CONFLICT)
            } else {
                Ok(())
            };
        }
        match (access, self.held) {
            (Access::Reserve | Access::Release, _) if !self.keys.is_empty() => Err(CONFLICT),
            (Access::Persistent | Access::Reserve | Access::Release, _) | (_, None) => Ok(()),
            (_, Some(held)) => {
                let registered = self.keys.contains_key(&nexus);
                let passes = held.holder == nexus
                    || (held.kind.admits_registrants() && registered)
                    || (held.kind.shares_reading() && access == Access::Reading);
                if passes { Ok(()) } else { Err(CONFLICT) }
            }
        }
    }

    /// RESERVE: takes the unit. It has been admitted.
    pub fn reserve_unit(&mut self, nexus: Nexus) {
        self.unit = Some(nexus);
    }

    /// RELEASE: gives the unit back; of another's reservation nothing happens.
    pub fn release_unit(&mut self, nexus: Nexus) {
        self.unit = self.unit.filter(|holder| *holder != nexus);
    }

    /// Carries out a service of PERSISTENT RESERVE OUT for `nexus`.
    ///
    /// # Errors
    ///
    /// RESERVATION CONFLICT for a key that is not the initiator's, or a reservation that is
    /// another's; 05/26/04 for a release of another type than the one held; 05/26/00 for a
    /// preemption of nobody.
    pub fn serve(&mut self, nexus: Nexus, out: &persistent::Out) -> Result<Told, Refusal> {
        use persistent::Service;
        let registered = self.keys.get(&nexus).copied();
        match out.service {
            Service::RegisterAndIgnore => {}
            Service::Register if registered.unwrap_or(0) == out.key => {}
            Service::Register => return Err(CONFLICT),
            _ if registered == Some(out.key) => {}
            _ => return Err(CONFLICT),
        }
        match out.service {
            Service::Register | Service::RegisterAndIgnore => {
                self.through_power_loss = out.through_power_loss;
                self.generation = self.generation.wrapping_add(1);
                if out.service_key == 0 {
                    return Ok(self.unregister(nexus));
                }
                self.keys.insert(nexus, out.service_key);
                Ok(Told::new())
            }
            Service::Reserve(kind) => self.reserve(nexus, kind),
            Service::Release(kind) => self.release(nexus, kind),
            Service::Clear => {
                let told = self.all_but(nexus, sense::RESERVATIONS_PREEMPTED);
                self.keys.clear();
                self.held = None;
                self.generation = self.generation.wrapping_add(1);
                Ok(told)
            }
            Service::Preempt(kind) => self.preempt(nexus, kind, out.service_key),
        }
    }

    /// All registrants but `nexus`, to be told `code`.
    fn all_but(&self, nexus: Nexus, code: Code) -> Told {
        let others = self.keys.keys().filter(|other| **other != nexus);
        others.map(|other| (*other, code)).collect()
    }

    /// The initiators that hold the persistent reservation.
    pub fn holders(&self) -> Vec<Nexus> {
        let registered = self.keys.keys().copied();
        registered.filter(|nexus| self.is_holder(*nexus)).collect()
    }

    fn is_holder(&self, nexus: Nexus) -> bool {
        self.held.is_some_and(|held| {
            held.holder == nexus || (held.kind.is_of_all() && self.keys.contains_key(&nexus))
        })
    }

    fn unregister(&mut self, nexus: Nexus) -> Told {
        self.keys.remove(&nexus);
        let Some(held) = self.held.filter(|held| held.holder == nexus) else {
            return Told::new();
        };
        if held.kind.is_of_all() {
            // The next registrant stands for all; without one the reservation is over.
            let next = self.keys.keys().next().copied();
            self.held = next.map(|holder| Held { holder, ..held });
            return Told::new();
        }
        self.held = None;
        if held.kind.admits_registrants() {
            return self.all_but(nexus, sense::RESERVATIONS_RELEASED);
        }
        Told::new()
    }

    fn reserve(&mut self, nexus: Nexus, kind: Kind) -> Result<Told, Refusal> {
        match self.held {
            None => {
                let holder = nexus;
                self.held = Some(Held { holder, kind });
                Ok(Told::new())
            }
            Some(held) if self.is_holder(nexus) && held.kind == kind => Ok(Told::new()),
            Some(_) => Err(CONFLICT),
        }
    }

    fn release(&mut self, nexus: Nexus, kind: Kind) -> Result<Told, Refusal> {
        let Some(held) = self.held.filter(|_| self.is_holder(nexus)) else {
            return Ok(Told::new());
        };
        if held.kind != kind {
            return Err(Sense::illegal(sense::INVALID_RELEASE).into());
        }
        self.held = None;
        if held.kind.admits_registrants() {
            return Ok(self.all_but(nexus, sense::RESERVATIONS_RELEASED));
        }
        Ok(Told::new())
    }

    fn preempt(&mut self, nexus: Nexus, kind: Kind, key: u64) -> Result<Told, Refusal> {
        let of_all = self.held.is_some_and(|held| held.kind.is_of_all());
        let holds = |held: &Held| self.keys.get(&held.holder) == Some(&key);
        let takes_over = if of_all {
            key == 0
        } else {
            self.held.as_ref().is_some_and(holds)
        };
        if key == 0 && !of_all {
            return Err(Sense::invalid_parameter(persistent::SERVICE_KEY_AT, None).into());
        }
        let everyone = of_all && key == 0;
        let goes = |(other, its): &(&Nexus, &u64)| **other != nexus && (everyone || **its == key);
        let gone: Vec<Nexus> = self
            .keys
            .iter()
            .filter(goes)
            .map(|(other, _)| *other)
            .collect();
        let own = self.keys.get(&nexus) == Some(&key);
        if gone.is_empty() && !takes_over && !own {
            return Err(CONFLICT);
        }
        self.keys.retain(|other, _| !gone.contains(other));
        let preempted = sense::REGISTRATIONS_PREEMPTED;
        let mut told: Told = gone.into_iter().map(|other| (other, preempted)).collect();
        self.generation = self.generation.wrapping_add(1);
        if takes_over {
            let before = self.held.replace(Held {
                holder: nexus,
                kind,
            });
            if before.is_some_and(|held| held.kind != kind && held.kind.admits_registrants()) {
                told.extend(self.all_but(nexus, sense::RESERVATIONS_RELEASED));
            }
        } else if let Some(held) = self
            .held
            .filter(|held| !self.keys.contains_key(&held.holder))
        {
            // Of a type of all registrants, and the one that stood for them is gone.
            self.held = Some(Held {
                holder: nexus,
                ..held
            });
        }
        Ok(told)
    }
}
