//! Pages of the tape data encryption protocol, 20h (SSC-4 8.5; scsi-tape facts 3.12).
//!
//! A key is in memory as long as its [`EncryptionKey`] and the list made of it, and is
//! overwritten with them. Neither can be printed.

use std::fmt;

use zeroize::Zeroizing;

use super::BadReply;
use super::bytes::{array_at, text, u16_at, u32_at, u64_at};

/// Security protocol: tape data encryption.
pub const PROTOCOL: u8 = 0x20;
/// Page with what the drive can encrypt; in the other direction, set data encryption.
pub const PAGE_CAPABILITIES: u16 = 0x0010;
/// Page with the parameters in effect.
pub const PAGE_STATUS: u16 = 0x0020;
/// Page with what is at the position.
pub const PAGE_NEXT_BLOCK: u16 = 0x0021;
/// Length of a key.
pub const KEY_BYTES: usize = 32;
/// The longest name that every drive keeps beside a block.
pub const MAX_NAME_BYTES: usize = 32;

const AES_256_GCM: u32 = 0x0001_0014;
const HEADER_BYTES: usize = 4;
const UNAUTHENTICATED: u8 = 0;

/// A key of AES-256.
pub struct EncryptionKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl EncryptionKey {
    /// A key of these bytes. The caller's own copy is the caller's to overwrite.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> EncryptionKey {
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        key.copy_from_slice(bytes);
        EncryptionKey(key)
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(..)")
    }
}

/// What becomes of blocks that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decryption {
    /// Encrypted blocks are refused.
    Off = 0,
    /// Encrypted blocks are returned as they are recorded.
    Raw = 1,
    /// Encrypted blocks are decrypted, plain ones refused.
    Encrypted = 2,
    /// Encrypted blocks are decrypted, plain ones returned.
    Mixed = 3,
}

/// What a key is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse<'a> {
    /// Recorded in the clear beside each block, to find the key again; at most
    /// [`MAX_NAME_BYTES`] bytes.
    pub name: &'a str,
    /// Plain blocks are read too; else they are refused.
    pub plain_too: bool,
    /// The drive forgets the key when the volume goes.
    pub until_unload: bool,
}

/// The list that sets `key` for all hosts (SSC-4 8.5.3.2), with the algorithm that the drive
/// calls `algorithm`. The name is cut to what fits.
#[must_use]
pub fn set_key(algorithm: u8, key: &EncryptionKey, usage: &KeyUse<'_>) -> Zeroizing<Vec<u8>> {
    const CLEAR_ON_DEMOUNT: u8 = 0x04;
    const ENCRYPT: u8 = 2;
    let mut cut = usage.name.len().min(MAX_NAME_BYTES);
    while !usage.name.is_char_boundary(cut) {
        cut -= 1;
    }
    let name = &usage.name.as_bytes()[..cut];
    let decryption = match usage.plain_too {
        true => Decryption::Mixed,
        false => Decryption::Encrypted,
    };
    let flags = u8::from(usage.until_unload) * CLEAR_ON_DEMOUNT;
    let described = if name.is_empty() { 0 } else { HEADER_BYTES };
    let bytes = SET_FIXED_BYTES + KEY_BYTES + described + name.len();
    let mut list = set_list(bytes, flags, ENCRYPT, decryption);
    list[SET_ALGORITHM_AT] = algorithm;
    list[SET_KEY_LENGTH_AT + 1] = KEY_BYTES as u8;
    // Never beyond the capacity: a list that grows would leave a copy of the key behind.
    list.extend_from_slice(&key.0[..]);
    if described > 0 {
        list.extend_from_slice(&[UNAUTHENTICATED, 0, 0, name.len() as u8]);
        list.extend_from_slice(name);
    }
    list
}

/// The list that takes the key away and switches encryption off, for all hosts.
#[must_use]
pub fn clear_key() -> Zeroizing<Vec<u8>> {
    set_list(SET_FIXED_BYTES, 0, 0, Decryption::Off)
}

const SET_FIXED_BYTES: usize = 20;
const SET_ALGORITHM_AT: usize = 8;
const SET_KEY_LENGTH_AT: usize = 18;

/// The fixed part of Set Data Encryption, for a list of `bytes` bytes.
fn set_list(bytes: usize, flags: u8, encryption: u8, decryption: Decryption) -> Zeroizing<Vec<u8>> {
    /// SCOPE 2: all hosts.
    const ALL: u8 = 0x40;
    let mut list = Vec::with_capacity(bytes);
    list.extend_from_slice(&PAGE_CAPABILITIES.to_be_bytes());
    list.extend_from_slice(&((bytes - HEADER_BYTES) as u16).to_be_bytes());
    list.extend_from_slice(&[ALL, flags, encryption, decryption as u8]);
    list.resize(SET_FIXED_BYTES, 0);
    Zeroizing::new(list)
}

/// How a drive can encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionCapability {
    /// What the drive calls AES-256-GCM.
    pub algorithm: u8,
    /// It encrypts, not only decrypts.
    pub encrypts: bool,
    /// The volume in the drive can be encrypted; without a volume false.
    pub volume_allows: bool,
}

/// The capability of AES-256-GCM with keys of 32 bytes, from page 0010; `None` if the drive has
/// no such (SSC-4 8.5.2.4).
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_capability(data: &[u8]) -> Result<Option<EncryptionCapability>, BadReply> {
    const LIST_AT: usize = 16;
    const AVAILABLE: u8 = 0x80;
    const ENCRYPT_C: u8 = 0x03;
    const CODE_AT: usize = 20;
    let mut rest = body(data, PAGE_CAPABILITIES)?.get(LIST_AT..).unwrap_or(&[]);
    while let Some(length) = u16_at(rest, 2) {
        let end = HEADER_BYTES + usize::from(length);
        let Some(found) = rest.get(..end) else { break };
        let key_bytes = u16_at(found, 10).map(usize::from);
        if u32_at(found, CODE_AT) == Some(AES_256_GCM) && key_bytes == Some(KEY_BYTES) {
            return Ok(Some(EncryptionCapability {
                algorithm: found[0],
                encrypts: found[4] & ENCRYPT_C != 0,
                volume_allows: found[4] & AVAILABLE != 0,
            }));
        }
        rest = &rest[end..];
    }
    Ok(None)
}

/// The parameters in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionStatus {
    /// What is written is encrypted.
    pub encrypting: bool,
    /// What becomes of blocks that are read.
    pub decryption: Decryption,
    /// Grows with each change of the key.
    pub key_instance: u32,
    /// The volume holds encrypted blocks, as far as the drive knows.
    pub volume_encrypted: bool,
    /// The name that is recorded beside each block.
    pub name: Option<String>,
}

/// Decodes page 0020 (SSC-4 8.5.2.7).
///
/// # Errors
///
/// [`BadReply`] if the page is cut off, another one, or of an unknown mode.
pub fn parse_status(data: &[u8]) -> Result<EncryptionStatus, BadReply> {
    const VOLUME_ENCRYPTED: u8 = 0x08;
    const NAMES_AT: usize = 20;
    let body = body(data, PAGE_STATUS)?;
    let fixed: [u8; NAMES_AT] = array_at(body, 0).ok_or_else(|| BadReply::short(REPLY))?;
    Ok(EncryptionStatus {
        encrypting: fixed[1] != 0,
        decryption: match fixed[2] {
            0 => Decryption::Off,
            1 => Decryption::Raw,
            2 => Decryption::Encrypted,
            3 => Decryption::Mixed,
            _ => {
                return Err(BadReply {
                    reply: REPLY,
                    problem: "an unknown decryption mode",
                });
            }
        },
        key_instance: u32_at(&fixed, 4).unwrap_or(0),
        volume_encrypted: fixed[8] & VOLUME_ENCRYPTED != 0,
        name: name(&body[NAMES_AT..]),
    })
}

/// How an object on tape is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypted {
    /// The drive cannot say.
    Unknown,
    /// A filemark or the end of data.
    NoBlock,
    /// Plain.
    Plain,
    /// By an algorithm that the drive does not have.
    Foreign,
    /// With the key that is set.
    Readable,
    /// With another key, or no key is set.
    Unreadable,
}

/// What is at the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextBlock {
    /// Its object number.
    pub block: u64,
    /// How it is encrypted.
    pub encrypted: Encrypted,
    /// The name that was recorded beside it.
    pub name: Option<String>,
}

/// Decodes page 0021 (SSC-4 8.5.2.8).
///
/// # Errors
///
/// [`BadReply`] if the page is cut off or another one.
pub fn parse_next_block(data: &[u8]) -> Result<NextBlock, BadReply> {
    const NAMES_AT: usize = 12;
    let body = body(data, PAGE_NEXT_BLOCK)?;
    let fixed: [u8; NAMES_AT] = array_at(body, 0).ok_or_else(|| BadReply::short(REPLY))?;
    Ok(NextBlock {
        block: u64_at(&fixed, 0).unwrap_or(0),
        encrypted: match fixed[8] & 0x0F {
            2 => Encrypted::NoBlock,
            3 => Encrypted::Plain,
            4 => Encrypted::Foreign,
            5 => Encrypted::Readable,
            6 => Encrypted::Unreadable,
            _ => Encrypted::Unknown,
        },
        name: name(&body[NAMES_AT..]),
    })
}

const REPLY: &str = "tape data encryption page";

fn body(data: &[u8], page: u16) -> Result<&[u8], BadReply> {
    let (Some(found), Some(length)) = (u16_at(data, 0), u16_at(data, 2)) else {
        return Err(BadReply::short(REPLY));
    };
    if found != page {
        return Err(BadReply {
            reply: REPLY,
            problem: "another page than the one asked for",
        });
    }
    Ok(&data[HEADER_BYTES..data.len().min(HEADER_BYTES + usize::from(length))])
}

/// The unauthenticated part of the descriptors of key-associated data, if one is there.
fn name(mut rest: &[u8]) -> Option<String> {
    while let (Some(&kind), Some(length)) = (rest.first(), u16_at(rest, 2)) {
        let value = rest.get(HEADER_BYTES..HEADER_BYTES + usize::from(length))?;
        if kind == UNAUTHENTICATED {
            return Some(text(value)).filter(|name| !name.is_empty());
        }
        rest = &rest[HEADER_BYTES + value.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_lies_where_the_standard_puts_it() {
        let key = EncryptionKey::new(&[0xA5; KEY_BYTES]);
        let usage = KeyUse {
            name: "K1",
            plain_too: true,
            until_unload: true,
        };
        let list = set_key(1, &key, &usage);
        assert_eq!(
            list[..20],
            [
                0, 0x10, 0, 0x36, 0x40, 4, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20
            ]
        );
        assert_eq!(list[20..52], [0xA5; 32]);
        assert_eq!(list[52..], [0, 0, 0, 2, b'K', b'1']);
        assert_eq!(clear_key()[..9], [0, 0x10, 0, 0x10, 0x40, 0, 0, 0, 0]);
        assert_eq!(format!("{key:?}"), "EncryptionKey(..)");
    }

    #[test]
    fn no_list_with_a_key_is_moved_while_it_is_made() {
        let key = EncryptionKey::new(&[1; KEY_BYTES]);
        for name in ["", "a", "ü".repeat(40).as_str()] {
            let usage = KeyUse {
                name,
                plain_too: false,
                until_unload: false,
            };
            let list = set_key(1, &key, &usage);
            assert_eq!(list.len(), list.capacity(), "{name}");
            assert!(list.len() <= SET_FIXED_BYTES + KEY_BYTES + HEADER_BYTES + MAX_NAME_BYTES);
            assert_eq!(usize::from(list[3]) + HEADER_BYTES, list.len());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 4..120)) {
            for page in [PAGE_CAPABILITIES, PAGE_STATUS, PAGE_NEXT_BLOCK] {
                data[..2].copy_from_slice(&page.to_be_bytes());
                let _ = parse_capability(&data);
                let _ = parse_status(&data);
                let _ = parse_next_block(&data);
            }
        }
    }
}
