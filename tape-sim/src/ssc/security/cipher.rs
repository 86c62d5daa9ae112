//! AES-256-GCM over blocks, with keys that never leave memory.
//!
//! The nonce is a keyed digest of seal and block, so that a run can be repeated byte for byte
//! and the same nonce never meets two different blocks under one key.

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};

use crate::cartridge::seal::{KEY_CHECK_BYTES, KeyData, NONCE_BYTES, SEAL_BYTES, Seal, TAG_BYTES};

/// Length of a key.
pub const KEY_BYTES: usize = 32;

/// Domains of the digests that are made with a key.
const CHECK_CONTEXT: &str = "tape-sim 2026 key check";
const NONCE_CONTEXT: &str = "tape-sim 2026 nonce";

/// A data encryption key. Neither printed nor stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Key(bytes)
    }

    /// The check that a block's seal carries.
    pub fn check(&self) -> [u8; KEY_CHECK_BYTES] {
        let digest = blake3::derive_key(CHECK_CONTEXT, &self.0);
        let mut check = [0; KEY_CHECK_BYTES];
        check.copy_from_slice(&digest[..KEY_CHECK_BYTES]);
        check
    }

    /// True if this key sealed the block, as far as the key check tells.
    pub fn made(&self, seal: &Seal) -> bool {
        self.check() == seal.key_check
    }

    /// Encrypts `block`: the seal's bytes and the ciphertext, as they go onto the medium.
    pub fn seal(&self, block: &[u8], key_data: &KeyData, raw_read_disabled: bool) -> Vec<u8> {
        let mut seal = Seal {
            key_data: key_data.clone(),
            raw_read_disabled,
            key_check: self.check(),
            nonce: [0; NONCE_BYTES],
            tag: [0; TAG_BYTES],
        };
        let covered = seal.authenticated();
        let mut digest = blake3::Hasher::new_keyed(&blake3::derive_key(NONCE_CONTEXT, &self.0));
        digest.update(&covered).update(block);
        digest.finalize_xof().fill(&mut seal.nonce);
        let mut stored = vec![0; SEAL_BYTES + block.len()];
        let (head, text) = stored.split_at_mut(SEAL_BYTES);
        text.copy_from_slice(block);
        let tag = Aes256Gcm::new(&self.0.into())
            .encrypt_inout_detached(&seal.nonce.into(), &covered, text.into())
            .expect("a block is far below GCM's limit of 64 GiB");
        seal.tag.copy_from_slice(&tag);
        head.copy_from_slice(&seal.encode());
        stored
    }

    /// Decrypts `text` in place; false if it is not what was sealed, and then `text` is void.
    pub fn open(&self, seal: &Seal, text: &mut [u8]) -> bool {
        Aes256Gcm::new(&self.0.into())
            .decrypt_inout_detached(
                &seal.nonce.into(),
                &seal.authenticated(),
                text.into(),
                &seal.tag.into(),
            )
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_opens_with_its_key_and_unchanged_seal_only() {
        let key = Key::new([7; KEY_BYTES]);
        let block = b"what the host wrote".to_vec();
        let key_data = KeyData {
            authenticated: b"March".to_vec(),
            ..KeyData::default()
        };
        let stored = key.seal(&block, &key_data, false);
        assert_eq!(stored, key.seal(&block, &key_data, false));
        let seal = Seal::decode(stored.first_chunk().unwrap()).unwrap();
        let text = &stored[SEAL_BYTES..];
        let opened = |key: &Key, seal: &Seal| {
            let mut text = text.to_vec();
            key.open(seal, &mut text).then_some(text)
        };
        assert!(key.made(&seal));
        assert_eq!(opened(&key, &seal), Some(block));
        let other = Key::new([8; KEY_BYTES]);
        assert!(!other.made(&seal));
        assert_eq!(opened(&other, &seal), None);
        let mut changed = seal.clone();
        changed.key_data.authenticated[0] ^= 1;
        assert_eq!(opened(&key, &changed), None);
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Key::new([0x5A; KEY_BYTES])), "Key(..)");
    }
}
