//! Which data encryption parameters hold for which nexus (SSC-4 §4.2.22.8), in memory only.
//!
//! One nexus at most shares its parameters with all that have none of their own. Every change
//! of parameters is counted.

use std::collections::BTreeMap;

use super::cipher::Key;
use crate::cartridge::seal::KeyData;
use crate::pages::encryption::{Decryption, Scope, SetEncryption};
use crate::target::Nexus;

/// One set of parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Blocks are encrypted when written.
    pub encrypt: bool,
    /// What becomes of blocks that are read.
    pub decryption: Decryption,
    /// The key, if one of the modes needs it.
    pub key: Option<Key>,
    /// What is recorded with each block.
    pub key_data: KeyData,
    /// Blocks written may not be read raw.
    pub raw_read_disabled: bool,
    /// Check external encryption mode, as set.
    pub check_external: u8,
    /// The key goes with the volume.
    clear_on_demount: bool,
    /// The key goes when the initiator's reservation is preempted, or ends in any way.
    clear_on_preempt: bool,
    clear_on_loss: bool,
    /// Count of changes when they were set: names the key.
    pub instance: u32,
}

/// What one nexus has set.
#[derive(Debug, Clone)]
struct Own {
    scope: Scope,
    parameters: Parameters,
}

/// The parameters of all nexuses.
#[derive(Debug, Default)]
pub struct Keys {
    own: BTreeMap<Nexus, Own>,
    /// Key instance counter at the time of a lock.
    locks: BTreeMap<Nexus, u32>,
    instance: u32,
}

impl Keys {
    /// Key instance counter.
    pub fn instance(&self) -> u32 {
        self.instance
    }

    /// Scope of `nexus`.
    pub fn scope(&self, nexus: Nexus) -> Scope {
        self.own.get(&nexus).map_or(Scope::Public, |own| own.scope)
    }

    /// The parameters that hold for `nexus`, with the scope they were set with.
    pub fn parameters(&self, nexus: Nexus) -> Option<(&Parameters, Scope)> {
        let shared = || self.own.values().find(|own| own.scope == Scope::All);
        let own = self.own.get(&nexus).or_else(shared)?;
        Some((&own.parameters, own.scope))
    }

    /// True if `nexus` asked that nothing be written under other parameters than those it
    /// locked, and they have changed.
    pub fn lock_is_broken(&self, nexus: Nexus) -> bool {
        let locked = self.locks.get(&nexus);
        locked.is_some_and(|instance| *instance != self.instance)
    }

    /// Takes the parameters that `nexus` sets. True if other nexuses' parameters changed.
    pub fn set(&mut self, nexus: Nexus, sent: SetEncryption) -> bool {
        let was_shared = self.scope(nexus) == Scope::All;
        self.instance = self.instance.wrapping_add(1);
        if sent.scope == Scope::All {
            self.own.retain(|_, own| own.scope != Scope::All);
        }
        if sent.scope == Scope::Public {
            self.own.remove(&nexus);
        } else {
            let parameters = Parameters {
                encrypt: sent.encrypt,
                decryption: sent.decryption,
                key: sent.key.map(Key::new),
                key_data: sent.key_data,
                raw_read_disabled: sent.raw_read_disabled,
                check_external: sent.check_external,
                clear_on_demount: sent.clear_on_demount,
                clear_on_preempt: sent.clear_on_preempt,
                clear_on_loss: sent.clear_on_loss,
                instance: self.instance,
            };
            let scope = sent.scope;
            self.own.insert(nexus, Own { scope, parameters });
        }
        if sent.lock {
            self.locks.insert(nexus, self.instance);
        } else {
            self.locks.remove(&nexus);
        }
        was_shared || sent.scope == Scope::All
    }

    /// The volume is gone, and with it the keys that were set to go with it. True if there were
    /// any.
    pub fn demount(&mut self) -> bool {
        self.clear(|_, parameters| parameters.clear_on_demount)
    }

    /// The initiators in `losers` no longer hold the drive, `preempted` or not: keys that were
    /// set to go then are gone. True if there were any.
    pub fn lose_reservation(&mut self, losers: &[Nexus], preempted: bool) -> bool {
        self.clear(|nexus, parameters| {
            let goes = parameters.clear_on_loss || (preempted && parameters.clear_on_preempt);
            goes && losers.contains(&nexus)
        })
    }

    fn clear(&mut self, goes: impl Fn(Nexus, &Parameters) -> bool) -> bool {
        let before = self.own.len();
        self.own.retain(|nexus, own| !goes(*nexus, &own.parameters));
        let changed = self.own.len() < before;
        self.instance = self.instance.wrapping_add(changed.into());
        changed
    }

    /// True if any nexus has set parameters.
    pub fn any(&self) -> bool {
        !self.own.is_empty()
    }
}
