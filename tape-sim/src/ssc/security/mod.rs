//! Data encryption: SECURITY PROTOCOL IN and OUT, and what the parameters do to the blocks
//! that pass.
//!
//! Keys live in the handle. Power off, reset and the end of the handle forget them.

pub mod cipher;
mod keys;

use super::DriveTarget;
use super::tape::WriteStop;
use crate::cartridge::Cartridge;
use crate::cartridge::record::{Kind, Record};
use crate::cartridge::seal::{NONCE_BYTES, Seal, TAG_BYTES};
use crate::generation::Access;
use crate::pages::encryption::{self, Decryption, NextBlock, Status, page, protocol};
use crate::sense::{self, Code, Sense, key};
use crate::target::{Data, Nexus, Refusal, Reply, be16, be32, receive, send};
use cipher::Key;
pub(super) use keys::Keys;

/// The first density whose media can be encrypted: LTO-4.
const FIRST_ENCRYPTABLE_DENSITY: u8 = 0x46;
/// So many wrong keys in a row, and the drive tries no more until the volume is loaded anew.
const KEY_FAIL_LIMIT: u8 = 10;

/// Wrong keys that reads have met since the volume was loaded.
#[derive(Debug, Default)]
pub(super) struct KeyFailures {
    in_a_row: u8,
    /// The key that failed last, by its instance.
    last: Option<u32>,
}

impl KeyFailures {
    /// Counts a failure of the key that `instance` names, once per key.
    fn count(&mut self, instance: u32) {
        if self.last != Some(instance) {
            self.last = Some(instance);
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
    }
}

fn protect(code: Code) -> Sense {
    Sense::new(key::DATA_PROTECT, code)
}

/// Media from LTO-4 on.
fn is_encryptable(cartridge: &Cartridge) -> bool {
    let density = cartridge.info.density;
    density.is_some_and(|density| density >= FIRST_ENCRYPTABLE_DENSITY)
}

impl DriveTarget {
    /// SECURITY PROTOCOL IN (SPC-4 §6.40).
    pub(super) fn security_in(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        let page = be16(cdb, 2);
        let reply = match cdb[1] {
            protocol::INFORMATION => encryption::protocol_information(page)?,
            protocol::TAPE_DATA_ENCRYPTION => self.encryption_page(page)?,
            _ => return Err(Sense::invalid_cdb_field(1, None).into()),
        };
        send(data, &reply, be32(cdb, 6) as usize)
    }

    fn encryption_page(&mut self, page: u16) -> Result<Vec<u8>, Refusal> {
        if let Some(constant) = encryption::constant(page) {
            return Ok(constant);
        }
        match page {
            page::CAPABILITIES => {
                let tape = self.tape.as_ref();
                let valid = tape.map(|tape| {
                    let cartridge = &tape.cartridge;
                    is_encryptable(cartridge) && self.access(cartridge) == Access::ReadWrite
                });
                Ok(encryption::capabilities(valid))
            }
            page::STATUS => Ok(encryption::status(&self.encryption_status())),
            page::NEXT_BLOCK => {
                self.require_medium()?;
                let block = self.next_block()?;
                Ok(encryption::next_block(self.tape()?.object(), &block))
            }
            _ => Err(Sense::invalid_cdb_field(2, None).into()),
        }
    }

    fn encryption_status(&self) -> Status {
        let partitions = self.tape.iter().flat_map(|tape| tape.partitions());
        let mut status = Status {
            scope: self.keys.scope(self.nexus),
            key_instance: self.keys.instance(),
            volume_encrypted: partitions
                .into_iter()
                .any(|partition| partition.first_encrypted().0.is_some()),
            ..Status::default()
        };
        if let Some((parameters, scope)) = self.keys.parameters(self.nexus) {
            status.key_scope = scope;
            status.encrypt = parameters.encrypt;
            status.decryption = parameters.decryption;
            status.check_external = parameters.check_external;
            status.raw_read_disabled = parameters.raw_read_disabled;
            status.key_data = parameters.key_data.clone();
        }
        status
    }

    fn next_block(&mut self) -> Result<NextBlock, Refusal> {
        let record = match self.tape()?.next_object() {
            Ok(record) => record,
            Err(error) => return Err(self.read_failure(error)),
        };
        let Some(record) = record.filter(|record| record.kind != Kind::Filemark) else {
            return Ok(NextBlock::NotABlock);
        };
        if record.kind != Kind::Encrypted {
            return Ok(NextBlock::Plain);
        }
        let seal = self.seal(&record)?;
        let decrypting = self.keys.parameters(self.nexus).filter(|(parameters, _)| {
            matches!(parameters.decryption, Decryption::On | Decryption::Mixed)
        });
        let key = decrypting.and_then(|(parameters, _)| parameters.key.as_ref());
        Ok(NextBlock::Encrypted {
            readable: key.is_some_and(|key| key.made(&seal)),
            raw_read_disabled: seal.raw_read_disabled,
            key_data: seal.key_data,
        })
    }

    fn seal(&mut self, record: &Record) -> Result<Seal, Refusal> {
        let seal = self.tape()?.read_seal(record);
        seal.map_err(|error| self.read_failure(error))
    }

    /// SECURITY PROTOCOL OUT (SPC-4 §6.41): Set Data Encryption.
    pub(super) fn security_out(&mut self, cdb: &[u8], data: Data<'_>) -> Reply {
        if cdb[1] != protocol::TAPE_DATA_ENCRYPTION {
            return Err(Sense::invalid_cdb_field(1, None).into());
        }
        if be16(cdb, 2) != page::CAPABILITIES {
            return Err(Sense::invalid_cdb_field(2, None).into());
        }
        let list = receive(data, be32(cdb, 6) as usize)?;
        if list.is_empty() {
            return Ok(0);
        }
        let sent = encryption::parse_set(list)?;
        let mounted = self.tape.as_ref().map(|tape| &tape.cartridge);
        if sent.clear_on_demount && mounted.is_none() {
            return Err(Sense::invalid_parameter(5, Some(2)).into());
        }
        let needs_reservation = sent.clear_on_preempt || sent.clear_on_loss;
        if needs_reservation && !self.state.reservations.holders().contains(&self.nexus) {
            return Err(Sense::invalid_parameter(5, Some(1)).into());
        }
        if sent.encrypt && mounted.is_some_and(|cartridge| !is_encryptable(cartridge)) {
            return Err(Sense::invalid_parameter(6, None).into());
        }
        if self.key_failures.in_a_row >= KEY_FAIL_LIMIT && sent.key.is_some() {
            return Err(protect(sense::DECRYPTION_KEY_FAIL_LIMIT).into());
        }
        if self.keys.set(self.nexus, sent) {
            let nexus = self.nexus;
            let changed = sense::ENCRYPTION_CHANGED_BY_OTHER;
            self.state.queue_for_others(nexus, changed);
        }
        Ok(list.len())
    }

    /// Refuses to write under a key that is not the one the host locked.
    pub(super) fn check_key_lock(&self) -> Result<(), Sense> {
        if self.keys.lock_is_broken(self.nexus) {
            return Err(protect(sense::KEY_INSTANCE_CHANGED));
        }
        Ok(())
    }

    /// Writes one block at the position, encrypted if the parameters say so.
    pub(super) fn record_block(&mut self, block: &[u8]) -> Result<(), WriteStop> {
        let parameters = self.keys.parameters(self.nexus);
        let Some(tape) = &mut self.tape else {
            return Err(WriteStop::Full);
        };
        match parameters.filter(|(parameters, _)| parameters.encrypt) {
            Some((parameters, _)) => {
                let key = parameters.key.as_ref();
                let key = key.expect("encryption is not set without a key");
                let stored = key.seal(block, &parameters.key_data, parameters.raw_read_disabled);
                tape.write_sealed(&stored)
            }
            None => tape.write_block(block),
        }
    }

    /// Reads the block at the position that `record` describes into `out`, as much as fits, and
    /// returns its length.
    ///
    /// # Errors
    ///
    /// DATA PROTECT for what the parameters do not let pass; the position stays.
    pub(super) fn recorded_block(
        &mut self,
        record: &Record,
        out: &mut [u8],
    ) -> Result<usize, Refusal> {
        let parameters = self.keys.parameters(self.nexus);
        let decryption =
            parameters.map_or(Decryption::Off, |(parameters, _)| parameters.decryption);
        if record.kind == Kind::Encrypted {
            let text = self.decrypted(record, decryption)?;
            let moved = text.len().min(out.len());
            out[..moved].copy_from_slice(&text[..moved]);
            return Ok(text.len());
        }
        if decryption == Decryption::On {
            return Err(protect(sense::UNENCRYPTED_WHILE_DECRYPTING).into());
        }
        let length = record.length_bytes as usize;
        let moved = length.min(out.len());
        if let Err(error) = self.tape()?.read_data(record, &mut out[..moved]) {
            return Err(self.read_failure(error));
        }
        Ok(length)
    }

    fn decrypted(&mut self, record: &Record, decryption: Decryption) -> Result<Vec<u8>, Refusal> {
        if decryption == Decryption::Off {
            return Err(protect(sense::UNABLE_TO_DECRYPT).into());
        }
        let seal = self.seal(record)?;
        if decryption == Decryption::Raw && seal.raw_read_disabled {
            return Err(protect(sense::SECURITY_ERROR).into());
        }
        let mut text = vec![0; record.length_bytes as usize];
        if let Err(error) = self.tape()?.read_data(record, &mut text) {
            return Err(self.read_failure(error));
        }
        if decryption == Decryption::Raw {
            return Ok(raw(&seal, &text));
        }
        if self.key_failures.in_a_row >= KEY_FAIL_LIMIT {
            return Err(protect(sense::DECRYPTION_KEY_FAIL_LIMIT).into());
        }
        let Some((key, instance)) = self.decryption_key() else {
            return Err(protect(sense::UNABLE_TO_DECRYPT).into());
        };
        if !key.made(&seal) {
            self.key_failures.count(instance);
            return Err(protect(sense::INCORRECT_KEY).into());
        }
        if !key.open(&seal, &mut text) {
            return Err(protect(sense::INTEGRITY_CHECK_FAILED).into());
        }
        self.key_failures = KeyFailures::default();
        Ok(text)
    }

    fn decryption_key(&self) -> Option<(Key, u32)> {
        let (parameters, _) = self.keys.parameters(self.nexus)?;
        Some((parameters.key.clone()?, parameters.instance))
    }

    /// The volume leaves: keys that were to go with it are forgotten.
    pub(super) fn demount_keys(&mut self) {
        let gone = self.keys.demount();
        self.tell_of_lost_keys(gone);
        self.key_failures = KeyFailures::default();
    }

    /// `losers` have lost the drive, `preempted` or not: keys that were to go then are forgotten.
    pub(super) fn lose_keys(&mut self, losers: &[Nexus], preempted: bool) {
        let gone = self.keys.lose_reservation(losers, preempted);
        self.tell_of_lost_keys(gone);
    }

    fn tell_of_lost_keys(&mut self, gone: bool) {
        if gone {
            let changed = sense::ENCRYPTION_CHANGED_BY_EVENT;
            self.state.queue_for_others(self.nexus, changed);
        }
    }
}

/// A block as raw decryption mode returns it: nonce, ciphertext, tag.
fn raw(seal: &Seal, text: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(NONCE_BYTES + text.len() + TAG_BYTES);
    raw.extend_from_slice(&seal.nonce);
    raw.extend_from_slice(text);
    raw.extend_from_slice(&seal.tag);
    raw
}
