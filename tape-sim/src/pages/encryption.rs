//! Pages of the tape data encryption protocol, 20h, and of the protocol list, 00h (SSC-4 §8.5,
//! SPC-4 §7.7): replies of SECURITY PROTOCOL IN, and the one list of SECURITY PROTOCOL OUT.
//!
//! Knows what can be asked of a drive, not what became of it.

use crate::cartridge::seal::{KeyData, MAX_A_KAD_BYTES, MAX_U_KAD_BYTES};
use crate::sense::{self, Sense};
use crate::target::be16;

/// Security protocols.
pub mod protocol {
    /// Which protocols there are.
    pub const INFORMATION: u8 = 0x00;
    /// Tape data encryption.
    pub const TAPE_DATA_ENCRYPTION: u8 = 0x20;
}

/// Page codes of protocol 20h.
pub mod page {
    /// Pages of SECURITY PROTOCOL IN.
    pub const IN_SUPPORT: u16 = 0x0000;
    /// Pages of SECURITY PROTOCOL OUT.
    pub const OUT_SUPPORT: u16 = 0x0001;
    /// Data encryption capabilities; in the other direction, set data encryption.
    pub const CAPABILITIES: u16 = 0x0010;
    /// Supported key formats.
    pub const KEY_FORMATS: u16 = 0x0011;
    /// Data encryption management capabilities.
    pub const MANAGEMENT: u16 = 0x0012;
    /// Data encryption status.
    pub const STATUS: u16 = 0x0020;
    /// Next block encryption status.
    pub const NEXT_BLOCK: u16 = 0x0021;
}

const IN_PAGES: [u16; 7] = [
    page::IN_SUPPORT,
    page::OUT_SUPPORT,
    page::CAPABILITIES,
    page::KEY_FORMATS,
    page::MANAGEMENT,
    page::STATUS,
    page::NEXT_BLOCK,
];
const OUT_PAGES: [u16; 1] = [page::CAPABILITIES];
const PAGE_HEADER_BYTES: usize = 4;

/// The only algorithm: AES-256-GCM.
const ALGORITHM_INDEX: u8 = 1;
const AES_256_GCM: u32 = 0x0001_0014;
const KEY_BYTES: u16 = 32;

/// For whom parameters hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing of one's own: what is shared holds.
    #[default]
    Public = 0,
    /// For the nexus that set them.
    Local = 1,
    /// For all nexuses that are public.
    All = 2,
}

/// What becomes of blocks that are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Decryption {
    /// Encrypted blocks are refused.
    #[default]
    Off = 0,
    /// Encrypted blocks are returned as they are recorded.
    Raw = 1,
    /// Blocks are decrypted, plain ones refused.
    On = 2,
    /// Encrypted blocks are decrypted, plain ones returned.
    Mixed = 3,
}

/// Set Data Encryption, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct SetEncryption {
    /// For whom.
    pub scope: Scope,
    /// Nothing may be written once another key has been set.
    pub lock: bool,
    /// Check external encryption mode, as sent.
    pub check_external: u8,
    /// Blocks written from now on may not be read raw.
    pub raw_read_disabled: bool,
    /// The key goes with the volume.
    pub clear_on_demount: bool,
    /// The key goes when the initiator's persistent reservation is preempted.
    pub clear_on_preempt: bool,
    /// The key goes when the initiator's persistent reservation ends in any way.
    pub clear_on_loss: bool,
    /// Blocks are encrypted when written.
    pub encrypt: bool,
    /// What becomes of blocks that are read.
    pub decryption: Decryption,
    /// The key, unless the modes need none.
    pub key: Option<[u8; KEY_BYTES as usize]>,
    /// What is recorded with each block.
    pub key_data: KeyData,
}

/// Offsets in Set Data Encryption.
mod set {
    pub const CONTROL: usize = 4;
    pub const FLAGS: usize = 5;
    pub const ENCRYPTION_MODE: usize = 6;
    pub const DECRYPTION_MODE: usize = 7;
    pub const ALGORITHM: usize = 8;
    pub const KEY_FORMAT: usize = 9;
    pub const KAD_FORMAT: usize = 10;
    pub const KEY_LENGTH: usize = 18;
    pub const KEY: usize = 20;
}

const LOCK: u8 = 0x01;
const CHECK_EXTERNAL: u8 = 0xC0;
const CHECK_EXTERNAL_SHIFT: u8 = 6;
const RAW_CONTROL: u8 = 0x30;
const RAW_DEFAULT: u8 = 0x00;
const RAW_ENABLED: u8 = 0x20;
const RAW_DISABLED: u8 = 0x30;
const SUPPLEMENTAL_KEY: u8 = 0x08;
const CLEAR_ON_DEMOUNT: u8 = 0x04;
const CLEAR_ON_PREEMPT: u8 = 0x02;
const CLEAR_ON_LOSS: u8 = 0x01;
const MODE_ENCRYPT: u8 = 2;
const MAX_KAD_FORMAT: u8 = 2;
const KAD_HEADER_BYTES: usize = 4;
const U_KAD: u8 = 0;
const A_KAD: u8 = 1;

/// Takes a Set Data Encryption list apart (SSC-4 §8.5.3.2).
///
/// # Errors
///
/// 05/1A/00 for a list that is not as long as it says; 05/26/00, pointing at the first wrong
/// byte, for what the drive does not do: external mode, supplemental keys, other algorithms and
/// key formats, nonces, metadata and wrapped keys from the host.
pub fn parse_set(list: &[u8]) -> Result<SetEncryption, Sense> {
    let invalid = |at: usize, bit: u8| Err(Sense::invalid_parameter(at, Some(bit)));
    if list.len() < set::KEY || usize::from(be16(list, 2)) + PAGE_HEADER_BYTES != list.len() {
        return Err(Sense::illegal(sense::PARAMETER_LIST_LENGTH));
    }
    if be16(list, 0) != page::CAPABILITIES {
        return invalid(0, 7);
    }
    let scope = match list[set::CONTROL] >> 5 {
        0 => Scope::Public,
        1 => Scope::Local,
        2 => Scope::All,
        _ => return invalid(set::CONTROL, 7),
    };
    let lock = list[set::CONTROL] & LOCK != 0;
    if scope == Scope::Public {
        // Every other field is ignored.
        return Ok(SetEncryption::public(lock));
    }
    let flags = list[set::FLAGS];
    let check_external = (flags & CHECK_EXTERNAL) >> CHECK_EXTERNAL_SHIFT;
    if check_external == 3 {
        // Only blocks written in external mode would be readable; the drive writes none.
        return invalid(set::FLAGS, 7);
    }
    let raw_read_disabled = match flags & RAW_CONTROL {
        RAW_DEFAULT | RAW_DISABLED => true,
        RAW_ENABLED => false,
        _ => return invalid(set::FLAGS, 5),
    };
    if flags & SUPPLEMENTAL_KEY != 0 {
        return invalid(set::FLAGS, 3);
    }
    let (encrypt, decryption) = modes(list)?;
    let mut parsed = SetEncryption {
        scope,
        lock,
        check_external,
        raw_read_disabled,
        clear_on_demount: flags & CLEAR_ON_DEMOUNT != 0,
        clear_on_preempt: flags & CLEAR_ON_PREEMPT != 0,
        clear_on_loss: flags & CLEAR_ON_LOSS != 0,
        encrypt,
        decryption,
        ..SetEncryption::public(lock)
    };
    if parsed.needs_key() {
        parsed.take_key(list)?;
    }
    Ok(parsed)
}

/// Encryption and decryption mode.
fn modes(list: &[u8]) -> Result<(bool, Decryption), Sense> {
    let invalid = |at: usize| Err(Sense::invalid_parameter(at, Some(7)));
    let encrypt = match list[set::ENCRYPTION_MODE] {
        0 => false,
        MODE_ENCRYPT => true,
        _ => return invalid(set::ENCRYPTION_MODE),
    };
    let decryption = match list[set::DECRYPTION_MODE] {
        0 => Decryption::Off,
        1 => Decryption::Raw,
        2 => Decryption::On,
        3 => Decryption::Mixed,
        _ => return invalid(set::DECRYPTION_MODE),
    };
    Ok((encrypt, decryption))
}

impl SetEncryption {
    fn public(lock: bool) -> Self {
        SetEncryption {
            scope: Scope::Public,
            lock,
            check_external: 0,
            raw_read_disabled: false,
            clear_on_demount: false,
            clear_on_preempt: false,
            clear_on_loss: false,
            encrypt: false,
            decryption: Decryption::Off,
            key: None,
            key_data: KeyData::default(),
        }
    }

    fn needs_key(&self) -> bool {
        self.encrypt || matches!(self.decryption, Decryption::On | Decryption::Mixed)
    }

    fn take_key(&mut self, list: &[u8]) -> Result<(), Sense> {
        let invalid = |at: usize| Err(Sense::invalid_parameter(at, None));
        if list[set::ALGORITHM] != ALGORITHM_INDEX {
            return invalid(set::ALGORITHM);
        }
        if list[set::KEY_FORMAT] != 0 {
            return invalid(set::KEY_FORMAT);
        }
        if list[set::KAD_FORMAT] > MAX_KAD_FORMAT {
            return invalid(set::KAD_FORMAT);
        }
        if be16(list, set::KEY_LENGTH) != KEY_BYTES {
            return invalid(set::KEY_LENGTH);
        }
        let Some(key) = list[set::KEY..].first_chunk() else {
            return invalid(set::KEY_LENGTH);
        };
        self.key = Some(*key);
        self.key_data.format = list[set::KAD_FORMAT];
        self.take_key_data(list, set::KEY + usize::from(KEY_BYTES))
    }

    /// Takes the KAD descriptors from `at` on, which ascend by type.
    fn take_key_data(&mut self, list: &[u8], mut at: usize) -> Result<(), Sense> {
        let invalid = |at: usize| Err(Sense::invalid_parameter(at, None));
        let mut last = None;
        while at < list.len() {
            let value = list.get(at + KAD_HEADER_BYTES..);
            let length = usize::from(be16(list, at + 2));
            let Some(value) = value.and_then(|rest| rest.get(..length)) else {
                return invalid(at);
            };
            let kind = list[at];
            let (slot, most) = match kind {
                U_KAD => (&mut self.key_data.unauthenticated, MAX_U_KAD_BYTES),
                A_KAD => (&mut self.key_data.authenticated, MAX_A_KAD_BYTES),
                _ => return invalid(at),
            };
            if last >= Some(kind) {
                return invalid(at);
            }
            if length > most {
                return invalid(at + 2);
            }
            *slot = value.to_vec();
            last = Some(kind);
            at += KAD_HEADER_BYTES + length;
        }
        Ok(())
    }
}

/// The list of protocols, or the certificate, of which there is none (SPC-4 §7.7.1).
///
/// # Errors
///
/// 05/24/00 for another page of protocol 00h.
pub fn protocol_information(page: u16) -> Result<Vec<u8>, Sense> {
    const PROTOCOLS: [u8; 2] = [protocol::INFORMATION, protocol::TAPE_DATA_ENCRYPTION];
    match page {
        0 => {
            let mut data = vec![0; 8];
            data[7] = PROTOCOLS.len() as u8;
            data.extend_from_slice(&PROTOCOLS);
            Ok(data)
        }
        1 => Ok(vec![0; 4]),
        _ => Err(Sense::invalid_cdb_field(2, None)),
    }
}

/// A page with its header.
fn framed(page: u16, body: &[u8]) -> Vec<u8> {
    let mut data = page.to_be_bytes().to_vec();
    data.extend_from_slice(&(body.len() as u16).to_be_bytes());
    data.extend_from_slice(body);
    data
}

/// Pages that are the same in every drive (SSC-4 §8.5.2); `None` for one that is not.
pub fn constant(page: u16) -> Option<Vec<u8>> {
    let codes = |pages: &[u16]| pages.iter().flat_map(|page| page.to_be_bytes()).collect();
    let body: Vec<u8> = match page {
        page::IN_SUPPORT => codes(&IN_PAGES),
        page::OUT_SUPPORT => codes(&OUT_PAGES),
        // Plain keys only.
        page::KEY_FORMATS => vec![0],
        page::MANAGEMENT => management(),
        _ => return None,
    };
    Some(framed(page, &body))
}

/// Data encryption management capabilities: LOCK, all ways to clear a key, all three scopes.
fn management() -> Vec<u8> {
    const LOCK_C: u8 = 0x01;
    const CLEARING: u8 = CLEAR_ON_DEMOUNT | CLEAR_ON_PREEMPT | CLEAR_ON_LOSS;
    const ALL_SCOPES: u8 = 0x07;
    let mut body = vec![LOCK_C, CLEARING, 0, ALL_SCOPES];
    body.resize(12, 0);
    body
}

/// Data encryption capabilities (SSC-4 §8.5.2.4). `valid`: the mounted volume can be encrypted;
/// `None` without a volume.
pub fn capabilities(valid: Option<bool>) -> Vec<u8> {
    /// Nothing but the host controls the drive, and it may.
    const EXTDECC_AND_CFG_P: u8 = 0x05;
    const AVFMV: u8 = 0x80;
    /// MAC_C, DED_C, and decryption and encryption in hardware.
    const CAPABLE: u8 = 0x3A;
    /// AVFCLP: whether a block at the position may be encrypted.
    const NOT_HERE: u8 = 0x40;
    const HERE: u8 = 0x80;
    /// The drive makes the nonces; KADF_C, VCELB_C.
    const FORMATS: u8 = 0x1C;
    /// Key-associated data are possible, CEEM is, raw reads are off by default, EAREM.
    const CONTROLS: u8 = 0xE9;
    let mut body = vec![0; 16];
    body[0] = EXTDECC_AND_CFG_P;
    let mut algorithm = vec![ALGORITHM_INDEX, 0, 0, 0x14];
    algorithm.push(CAPABLE | if valid == Some(true) { AVFMV } else { 0 });
    let here = valid.map_or(0, |valid| if valid { HERE } else { NOT_HERE });
    algorithm.push(FORMATS | here);
    algorithm.extend_from_slice(&(MAX_U_KAD_BYTES as u16).to_be_bytes());
    algorithm.extend_from_slice(&(MAX_A_KAD_BYTES as u16).to_be_bytes());
    algorithm.extend_from_slice(&KEY_BYTES.to_be_bytes());
    algorithm.extend_from_slice(&[CONTROLS, 0, 0, 0, 0, 0, 0, 0]);
    algorithm.extend_from_slice(&AES_256_GCM.to_be_bytes());
    body.extend_from_slice(&algorithm);
    framed(page::CAPABILITIES, &body)
}

/// How far key-associated data have been authenticated (SSC-4 table 180).
mod authenticated {
    pub const NOT_COVERED: u8 = 1;
    pub const NOT_TRIED: u8 = 2;
    pub const GOOD: u8 = 3;
}

fn push_key_data(out: &mut Vec<u8>, key_data: &KeyData, a_kad: u8) {
    let kads = [
        (U_KAD, authenticated::NOT_COVERED, &key_data.unauthenticated),
        (A_KAD, a_kad, &key_data.authenticated),
    ];
    for (kind, state, value) in kads {
        if !value.is_empty() {
            out.extend_from_slice(&[kind, state]);
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
            out.extend_from_slice(value);
        }
    }
}

/// What the status page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Scope of the asking nexus.
    pub scope: Scope,
    /// Scope of the parameters that hold for it.
    pub key_scope: Scope,
    /// Blocks are encrypted when written.
    pub encrypt: bool,
    /// What becomes of blocks that are read.
    pub decryption: Decryption,
    /// Key instance counter.
    pub key_instance: u32,
    /// The mounted volume holds encrypted blocks.
    pub volume_encrypted: bool,
    /// Check external encryption mode, as set.
    pub check_external: u8,
    /// Blocks written may not be read raw.
    pub raw_read_disabled: bool,
    /// What is recorded with each block.
    pub key_data: KeyData,
}

/// Data encryption status (SSC-4 §8.5.2.7).
pub fn status(status: &Status) -> Vec<u8> {
    /// The parameters are not under external control.
    const PARAMETERS_CONTROL: u8 = 0x10;
    const VOLUME_ENCRYPTED: u8 = 0x08;
    let active = status.encrypt || status.decryption != Decryption::Off;
    let flag = |set: bool, mask: u8| if set { mask } else { 0 };
    let mut body = vec![
        (status.scope as u8) << 5 | status.key_scope as u8,
        flag(status.encrypt, MODE_ENCRYPT),
        status.decryption as u8,
        flag(active, ALGORITHM_INDEX),
    ];
    body.extend_from_slice(&status.key_instance.to_be_bytes());
    body.push(
        PARAMETERS_CONTROL
            | flag(status.volume_encrypted, VOLUME_ENCRYPTED)
            | status.check_external << 1
            | u8::from(status.raw_read_disabled),
    );
    body.push(status.key_data.format);
    body.resize(20, 0);
    push_key_data(&mut body, &status.key_data, authenticated::NOT_TRIED);
    framed(page::STATUS, &body)
}

/// What is at the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextBlock {
    /// A filemark, or nothing.
    NotABlock,
    /// A plain block.
    Plain,
    /// An encrypted block.
    Encrypted {
        /// The present parameters decrypt it.
        readable: bool,
        /// It may not be read raw.
        raw_read_disabled: bool,
        /// What was recorded with it.
        key_data: KeyData,
    },
}

/// Next block encryption status (SSC-4 §8.5.2.8) for the object numbered `object`.
pub fn next_block(object: u64, block: &NextBlock) -> Vec<u8> {
    let mut body = object.to_be_bytes().to_vec();
    match block {
        NextBlock::NotABlock => body.extend_from_slice(&[2, 0, 0, 0]),
        NextBlock::Plain => body.extend_from_slice(&[3, 0, 0, 0]),
        NextBlock::Encrypted {
            readable,
            raw_read_disabled,
            key_data,
        } => {
            let (state, a_kad) = if *readable {
                (5, authenticated::GOOD)
            } else {
                (6, authenticated::NOT_TRIED)
            };
            let raw = u8::from(*raw_read_disabled);
            body.extend_from_slice(&[state, ALGORITHM_INDEX, raw, key_data.format]);
            push_key_data(&mut body, key_data, a_kad);
        }
    }
    framed(page::NEXT_BLOCK, &body)
}
