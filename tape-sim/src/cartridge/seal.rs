//! What is recorded before an encrypted block: 96 bytes that say how it was encrypted, for
//! whom, and how to tell a wrong key from a damaged block. Knows no cipher and no key.
//!
//! | Bytes | Content |
//! |---|---|
//! | 0 | 1: AES-256-GCM |
//! | 1 | format of the key-associated data |
//! | 2 | bit 0: may not be read raw |
//! | 3, 4 | lengths of U-KAD and A-KAD |
//! | 8-15 | key check |
//! | 16-27 | nonce |
//! | 28-43 | authentication tag |
//! | 44-75 | U-KAD, then zeros |
//! | 76-87 | A-KAD, then zeros |

/// Size of an encoded seal.
pub const SEAL_BYTES: usize = 96;
/// Longest unauthenticated key-associated data.
pub const MAX_U_KAD_BYTES: usize = 32;
/// Longest authenticated key-associated data.
pub const MAX_A_KAD_BYTES: usize = 12;
/// Length of the nonce.
pub const NONCE_BYTES: usize = 12;
/// Length of the authentication tag.
pub const TAG_BYTES: usize = 16;
/// Length of the key check.
pub const KEY_CHECK_BYTES: usize = 8;

const AES_256_GCM: u8 = 1;
const RAW_READ_DISABLED: u8 = 0x01;
const KAD_FORMAT_AT: usize = 1;
const FLAGS_AT: usize = 2;
const U_KAD_LENGTH_AT: usize = 3;
const A_KAD_LENGTH_AT: usize = 4;
const KEY_CHECK_AT: usize = 8;
const NONCE_AT: usize = KEY_CHECK_AT + KEY_CHECK_BYTES;
const TAG_AT: usize = NONCE_AT + NONCE_BYTES;
const U_KAD_AT: usize = TAG_AT + TAG_BYTES;
const A_KAD_AT: usize = U_KAD_AT + MAX_U_KAD_BYTES;

/// Key-associated data: what a host records beside a block so that it finds the key again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyData {
    /// KAD format: 0 unspecified, 1 binary key name, 2 ASCII key name.
    pub format: u8,
    /// U-KAD, at most [`MAX_U_KAD_BYTES`]; empty if there is none.
    pub unauthenticated: Vec<u8>,
    /// A-KAD, at most [`MAX_A_KAD_BYTES`]; empty if there is none.
    pub authenticated: Vec<u8>,
}

/// How one block was encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Key-associated data.
    pub key_data: KeyData,
    /// The block may not be read in raw decryption mode.
    pub raw_read_disabled: bool,
    /// A digest of the key, too short to say anything of it.
    pub key_check: [u8; KEY_CHECK_BYTES],
    /// Nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// Authentication tag over [`Seal::authenticated`] and the block.
    pub tag: [u8; TAG_BYTES],
}

impl Seal {
    /// The part of the seal that the tag covers beside the block: its first eight bytes and the
    /// A-KAD.
    pub fn authenticated(&self) -> Vec<u8> {
        let encoded = self.encode();
        let mut covered = encoded[..KEY_CHECK_AT].to_vec();
        covered.extend_from_slice(&encoded[A_KAD_AT..][..MAX_A_KAD_BYTES]);
        covered
    }

    /// The bytes on the medium. Key-associated data that is too long is cut.
    pub fn encode(&self) -> [u8; SEAL_BYTES] {
        let mut bytes = [0; SEAL_BYTES];
        let mut put = |at: usize, value: &[u8], most: usize| {
            let value = &value[..value.len().min(most)];
            bytes[at..at + value.len()].copy_from_slice(value);
            value.len() as u8
        };
        let unauthenticated = put(U_KAD_AT, &self.key_data.unauthenticated, MAX_U_KAD_BYTES);
        let authenticated = put(A_KAD_AT, &self.key_data.authenticated, MAX_A_KAD_BYTES);
        put(KEY_CHECK_AT, &self.key_check, KEY_CHECK_BYTES);
        put(NONCE_AT, &self.nonce, NONCE_BYTES);
        put(TAG_AT, &self.tag, TAG_BYTES);
        bytes[0] = AES_256_GCM;
        bytes[KAD_FORMAT_AT] = self.key_data.format;
        bytes[FLAGS_AT] = if self.raw_read_disabled {
            RAW_READ_DISABLED
        } else {
            0
        };
        bytes[U_KAD_LENGTH_AT] = unauthenticated;
        bytes[A_KAD_LENGTH_AT] = authenticated;
        bytes
    }

    /// Decodes a seal; `None` for one that no drive has written.
    pub fn decode(bytes: &[u8; SEAL_BYTES]) -> Option<Self> {
        let unauthenticated = usize::from(bytes[U_KAD_LENGTH_AT]);
        let authenticated = usize::from(bytes[A_KAD_LENGTH_AT]);
        if bytes[0] != AES_256_GCM
            || unauthenticated > MAX_U_KAD_BYTES
            || authenticated > MAX_A_KAD_BYTES
        {
            return None;
        }
        Some(Seal {
            key_data: KeyData {
                format: bytes[KAD_FORMAT_AT],
                unauthenticated: bytes[U_KAD_AT..][..unauthenticated].to_vec(),
                authenticated: bytes[A_KAD_AT..][..authenticated].to_vec(),
            },
            raw_read_disabled: bytes[FLAGS_AT] & RAW_READ_DISABLED != 0,
            key_check: *bytes[KEY_CHECK_AT..].first_chunk()?,
            nonce: *bytes[NONCE_AT..].first_chunk()?,
            tag: *bytes[TAG_AT..].first_chunk()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_as_it_was_and_foreign_bytes_do_not() {
        let seal = Seal {
            key_data: KeyData {
                format: 2,
                unauthenticated: b"key of March".to_vec(),
                authenticated: vec![0xA5; MAX_A_KAD_BYTES],
            },
            raw_read_disabled: true,
            key_check: [1; KEY_CHECK_BYTES],
            nonce: [2; NONCE_BYTES],
            tag: [3; TAG_BYTES],
        };
        let bytes = seal.encode();
        assert_eq!(Seal::decode(&bytes), Some(seal));
        for (at, value) in [(0, 0), (0, 2), (U_KAD_LENGTH_AT, 33), (A_KAD_LENGTH_AT, 13)] {
            let mut foreign = bytes;
            foreign[at] = value;
            assert_eq!(Seal::decode(&foreign), None, "byte {at} is {value}");
        }
    }
}
