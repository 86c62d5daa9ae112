//! Persistent reservations (SPC-4 6.15, 6.16; scsi-tape facts 3.15).

use super::BadReply;
use super::bytes::{u32_at, u64_at};

/// What PERSISTENT RESERVE IN tells (its service action).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveQuestion {
    /// The keys of all registered hosts.
    Keys = 0,
    /// The reservation, if there is one.
    Reservation = 1,
}

/// What PERSISTENT RESERVE OUT does (its service action).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveAction {
    /// Reserves the device for the host that asks.
    Reserve = 1,
    /// Ends its reservation.
    Release = 2,
    /// Registers a key, or none with key 0, whatever was registered before.
    Register = 6,
}

/// Type of the reservations made here: nobody else reads or writes.
pub const EXCLUSIVE_ACCESS: u8 = 3;
/// Length of the parameter list of PERSISTENT RESERVE OUT.
pub const LIST_BYTES: usize = 24;

/// A reservation that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The key of the host that holds it.
    pub key: u64,
    /// Its type; [`EXCLUSIVE_ACCESS`] is 3.
    pub kind: u8,
}

const REPLY: &str = "PERSISTENT RESERVE IN data";
const HEADER_BYTES: usize = 8;

/// The parameter list: the key that is registered, and the one that is to be.
#[must_use]
pub fn to_parameters(key: u64, new_key: u64) -> [u8; LIST_BYTES] {
    let mut list = [0; LIST_BYTES];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&new_key.to_be_bytes());
    list
}

/// The keys of all registered hosts, up to the first that is cut off.
///
/// # Errors
///
/// [`BadReply`] if the header is cut off.
pub fn parse_keys(data: &[u8]) -> Result<Vec<u64>, BadReply> {
    let (keys, _) = body(data)?.as_chunks();
    Ok(keys.iter().map(|key| u64::from_be_bytes(*key)).collect())
}

/// The reservation; `None` if there is none.
///
/// # Errors
///
/// [`BadReply`] if the header or the reservation is cut off.
pub fn parse_reservation(data: &[u8]) -> Result<Option<Reservation>, BadReply> {
    /// Scope and type behind the key, reserved bytes and the obsolete address.
    const KIND_AT: usize = 13;
    let body = body(data)?;
    if body.is_empty() {
        return Ok(None);
    }
    match (u64_at(body, 0), body.get(KIND_AT)) {
        (Some(key), Some(kind)) => Ok(Some(Reservation {
            key,
            kind: kind & 0x0F,
        })),
        _ => Err(BadReply::short(REPLY)),
    }
}

/// What is behind generation and length.
fn body(data: &[u8]) -> Result<&[u8], BadReply> {
    let length = u32_at(data, 4).ok_or_else(|| BadReply::short(REPLY))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(&data[HEADER_BYTES..data.len().min(length.saturating_add(HEADER_BYTES))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holder_and_type_are_found() {
        let mut data = vec![0, 0, 0, 9, 0, 0, 0, 0x10];
        data.extend(0x7461_7065_0000_0001u64.to_be_bytes());
        data.extend([0, 0, 0, 0, 0, EXCLUSIVE_ACCESS, 0, 0]);
        let holder = Reservation {
            key: 0x7461_7065_0000_0001,
            kind: EXCLUSIVE_ACCESS,
        };
        assert_eq!(parse_reservation(&data), Ok(Some(holder)));
        assert_eq!(parse_reservation(&[0, 0, 0, 9, 0, 0, 0, 0]), Ok(None));
        assert!(parse_reservation(&data[..16]).is_err());
        let keys = [0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2, 0xFF];
        assert_eq!(parse_keys(&keys), Ok(vec![0x0102]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_keys(&data);
            let _ = parse_reservation(&data);
        }
    }
}
