//! PERSISTENT RESERVE IN and OUT: their bytes (SPC-4 §6.15, §6.16).

use super::{Kind, Reservations};
use crate::sense::{self, Sense};
use crate::target::{Nexus, be32, be64};

/// Offset of the service action key in a parameter list.
pub(super) const SERVICE_KEY_AT: usize = 8;
const FLAGS_AT: usize = 20;
const LIST_BYTES: usize = 24;
const SPEC_I_PT: u8 = 0x08;
const ALL_TG_PT: u8 = 0x04;
const APTPL: u8 = 0x01;
const SERVICE_ACTION: u8 = 0x1F;

/// Service actions of PERSISTENT RESERVE OUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Registers, changes or takes back a key, which is known.
    Register,
    /// Reserves the unit.
    Reserve(Kind),
    /// Releases it.
    Release(Kind),
    /// Takes back everything that anybody registered or reserved.
    Clear,
    /// Takes back others' registrations, and perhaps takes over the reservation.
    Preempt(Kind),
    /// As `Register`, whatever the old key.
    RegisterAndIgnore,
}

/// PERSISTENT RESERVE OUT, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// What to do.
    pub service: Service,
    /// Reservation key: who asks.
    pub key: u64,
    /// Service action reservation key: the new one, or the one to preempt.
    pub service_key: u64,
    /// APTPL.
    pub through_power_loss: bool,
}

/// Bytes of the parameter list that a CDB announces.
pub fn list_bytes(cdb: &[u8]) -> usize {
    be32(cdb, 5) as usize
}

/// Takes PERSISTENT RESERVE OUT apart.
///
/// # Errors
///
/// 05/1A/00 for a list that is not 24 bytes long; 05/24/00 for an unknown service action, scope
/// or type; 05/26/00 for other initiators' or ports' registrations.
pub fn parse_out(cdb: &[u8], list: &[u8]) -> Result<Out, Sense> {
    if list.len() != LIST_BYTES {
        return Err(Sense::illegal(sense::PARAMETER_LIST_LENGTH));
    }
    let kind = || {
        // The scope is the whole unit, 0.
        Kind::from_code(cdb[2]).ok_or(Sense::invalid_cdb_field(2, None))
    };
    let service = match cdb[1] & SERVICE_ACTION {
        0 => Service::Register,
        1 => Service::Reserve(kind()?),
        2 => Service::Release(kind()?),
        3 => Service::Clear,
        // There is never a queue to abort.
        4 | 5 => Service::Preempt(kind()?),
        6 => Service::RegisterAndIgnore,
        _ => return Err(Sense::invalid_cdb_field(1, Some(4))),
    };
    for (mask, bit) in [(SPEC_I_PT, 3), (ALL_TG_PT, 2)] {
        if list[FLAGS_AT] & mask != 0 {
            return Err(Sense::invalid_parameter(FLAGS_AT, Some(bit)));
        }
    }
    Ok(Out {
        service,
        key: be64(list, 0),
        service_key: be64(list, SERVICE_KEY_AT),
        through_power_loss: list[FLAGS_AT] & APTPL != 0,
    })
}

/// Reply to PERSISTENT RESERVE IN; `naa` names the unit, from which initiators' addresses are
/// made.
///
/// # Errors
///
/// 05/24/00 for an unknown service action.
pub fn reply(cdb: &[u8], reservations: &Reservations, naa: u64) -> Result<Vec<u8>, Sense> {
    let body = match cdb[1] & SERVICE_ACTION {
        0 => reservations
            .keys
            .values()
            .flat_map(|key| key.to_be_bytes())
            .collect(),
        1 => reservations.reservation(),
        2 => return Ok(capabilities(reservations)),
        3 => reservations.full_status(naa),
        _ => return Err(Sense::invalid_cdb_field(1, Some(4))),
    };
    let mut data = reservations.generation.to_be_bytes().to_vec();
    data.extend_from_slice(&(body.len() as u32).to_be_bytes());
    data.extend_from_slice(&body);
    Ok(data)
}

/// REPORT CAPABILITIES: PTPL_C, and all six types.
fn capabilities(reservations: &Reservations) -> Vec<u8> {
    const PTPL_C: u8 = 0x01;
    const TYPES_VALID: u8 = 0x80;
    let active = u8::from(reservations.through_power_loss);
    vec![0, 8, PTPL_C, TYPES_VALID | active, 0xEA, 0x01, 0, 0]
}

impl Reservations {
    /// The reservation, if there is one. One of all registrants shows no key.
    fn reservation(&self) -> Vec<u8> {
        let Some(held) = self.held else {
            return Vec::new();
        };
        let key = self.keys.get(&held.holder).copied();
        let key = key.filter(|_| !held.kind.is_of_all()).unwrap_or(0);
        let mut body = key.to_be_bytes().to_vec();
        body.extend_from_slice(&[0, 0, 0, 0, 0, held.kind as u8, 0, 0]);
        body
    }

    /// One descriptor for each registrant.
    fn full_status(&self, naa: u64) -> Vec<u8> {
        const HOLDER: u8 = 0x01;
        const RELATIVE_PORT: [u8; 2] = [0, 1];
        let mut body = Vec::new();
        for (nexus, key) in &self.keys {
            let kind = self.held.filter(|_| self.is_holder(*nexus));
            body.extend_from_slice(&key.to_be_bytes());
            body.extend_from_slice(&[0; 4]);
            body.push(kind.map_or(0, |_| HOLDER));
            body.push(kind.map_or(0, |held| held.kind as u8));
            body.extend_from_slice(&[0; 4]);
            body.extend_from_slice(&RELATIVE_PORT);
            let transport = transport_id(*nexus, naa);
            body.extend_from_slice(&(transport.len() as u32).to_be_bytes());
            body.extend_from_slice(&transport);
        }
        body
    }
}

/// A SAS TransportID (SPC-4 §7.6.4.6): the unit's address with the initiator's number on top.
fn transport_id(nexus: Nexus, naa: u64) -> [u8; 24] {
    const SAS: u8 = 0x06;
    let mut id = [0; 24];
    id[0] = SAS;
    let address = naa & 0xFFFF_FFFF_FFFF_0000 | 0xFF00 | u64::from(nexus.0);
    id[4..12].copy_from_slice(&address.to_be_bytes());
    id
}
